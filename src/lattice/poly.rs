//! Polynomials modulo Q as residues, one prime's after the other, and ciphertexts of two of them.

use super::modulus::{Factor, Modulus, PRODUCTS};
use super::ntt::Transform;
use super::parameters::Parameters;
use super::simd::vectorised;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// c_0 + c_1·s is what is encrypted, scaled, and noise. In slots, unless it is said otherwise. Wiped when dropped: what
/// an evaluator computes tells its factor.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Ciphertext {
    pub parts: [Vec<u32>; 2],
}

impl Ciphertext {
    pub fn zero(parameters: &Parameters) -> Ciphertext {
        Ciphertext { parts: [vec![0; parameters.words()], vec![0; parameters.words()]] }
    }
}

/// Calls `work` with each prime's residues of both.
pub(super) fn each(
    parameters: &Parameters,
    to: &mut [u32],
    from: &[u32],
    work: impl Fn(&Transform, &mut [u32], &[u32]),
) {
    let degree = parameters.degree();
    let residues = to.chunks_exact_mut(degree).zip(from.chunks_exact(degree));
    for (transform, (to, from)) in parameters.transforms.iter().zip(residues) {
        work(transform, to, from);
    }
}

/// Coefficients become slots.
pub(super) fn forward(parameters: &Parameters, polynomial: &mut [u32]) {
    for (transform, residues) in
        parameters.transforms.iter().zip(polynomial.chunks_exact_mut(parameters.degree()))
    {
        transform.forward(residues);
    }
}

/// Slots become coefficients.
pub(super) fn inverse(parameters: &Parameters, polynomial: &mut [u32]) {
    for (transform, residues) in
        parameters.transforms.iter().zip(polynomial.chunks_exact_mut(parameters.degree()))
    {
        transform.inverse(residues);
    }
}

/// Every residue times 2^32, as [`multiply_add`] wants one of its factors.
pub(super) fn to_montgomery(parameters: &Parameters, polynomial: &mut [u32]) {
    for (transform, residues) in
        parameters.transforms.iter().zip(polynomial.chunks_exact_mut(parameters.degree()))
    {
        residues.iter_mut().for_each(|residue| *residue = transform.modulus.to_montgomery(*residue));
    }
}

/// Factors that meet at one slot: those of c_0, of c_1, and what both are multiplied by, times 2^32.
pub(super) type Pair<'a> = ([&'a [u32]; 2], &'a [u32]);

/// to += Σ pairs, slot by slot, of both parts.
pub(super) fn multiply_add(modulus: &Modulus, to: [&mut [u32]; 2], pairs: &[Pair<'_>]) {
    let [first, second] = to;
    for pairs in pairs.chunks(PRODUCTS) {
        match pairs.len() {
            PRODUCTS => whole_sums(modulus, first, second, pairs),
            _ => sums(modulus, first, second, pairs),
        }
    }
}

/// Slots whose sums stay in registers.
const BLOCK: usize = 16;

/// One block of slots.
#[inline(always)]
fn block(modulus: &Modulus, to: [&mut [u32; BLOCK]; 2], pairs: &[Pair<'_>], at: usize) {
    let mut sums = [[0u64; BLOCK]; 2];
    for (parts, factor) in pairs {
        let factor: &[u32; BLOCK] = factor[at..at + BLOCK].try_into().expect("a block");
        for (sums, part) in sums.iter_mut().zip(parts) {
            let part: &[u32; BLOCK] = part[at..at + BLOCK].try_into().expect("a block");
            for lane in 0..BLOCK {
                sums[lane] += u64::from(part[lane]) * u64::from(factor[lane]);
            }
        }
    }
    for (to, sums) in to.into_iter().zip(sums) {
        for (to, sum) in to.iter_mut().zip(sums) {
            *to = modulus.add(*to, modulus.montgomery(sum));
        }
    }
}

vectorised! {
    /// As many pairs as one reduction takes, or fewer.
    fn sums(modulus: &Modulus, first: &mut [u32], second: &mut [u32], pairs: &[Pair<'_>]) {
        let blocks = first.as_chunks_mut::<BLOCK>().0.iter_mut().zip(second.as_chunks_mut::<BLOCK>().0);
        for (index, (first, second)) in blocks.enumerate() {
            block(modulus, [first, second], pairs, index * BLOCK);
        }
    }

    /// As many pairs as one reduction takes: their number is known to the compiler.
    fn whole_sums(modulus: &Modulus, first: &mut [u32], second: &mut [u32], pairs: &[Pair<'_>]) {
        let pairs: &[Pair<'_>; PRODUCTS] = pairs.try_into().expect("so many pairs");
        let blocks = first.as_chunks_mut::<BLOCK>().0.iter_mut().zip(second.as_chunks_mut::<BLOCK>().0);
        for (index, (first, second)) in blocks.enumerate() {
            block(modulus, [first, second], pairs, index * BLOCK);
        }
    }

    /// to += from.
    pub(super) fn add(modulus: &Modulus, to: &mut [u32], from: &[u32]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = modulus.add(*to, from);
        }
    }

    /// even + X^δ·odd, which replaces `even`, and even − X^δ·odd, which replaces `odd`; `monomial` is X^δ.
    pub(super) fn butterfly(modulus: &Modulus, even: &mut [u32], odd: &mut [u32], monomial: &[Factor]) {
        for ((even, odd), &monomial) in even.iter_mut().zip(odd).zip(monomial) {
            let shifted = modulus.mul(*odd, monomial);
            (*even, *odd) = (modulus.add(*even, shifted), modulus.sub(*even, shifted));
        }
    }

    /// to += from · factor, the factor times 2^32.
    pub(super) fn add_product(modulus: &Modulus, to: &mut [u32], from: &[u32], factor: &[u32]) {
        for ((to, &from), &factor) in to.iter_mut().zip(from).zip(factor) {
            *to = modulus.add(*to, modulus.montgomery(u64::from(from) * u64::from(factor)));
        }
    }

    /// to = addend − from · factor, where `to` holds the addend; the factor times 2^32.
    pub(super) fn subtract_product(modulus: &Modulus, to: &mut [u32], from: &[u32], factor: &[u32]) {
        for ((to, &from), &factor) in to.iter_mut().zip(from).zip(factor) {
            *to = modulus.sub(*to, modulus.montgomery(u64::from(from) * u64::from(factor)));
        }
    }
}
