//! Products of the parties' random bits, and monomials of pairwise levels, from random transfers. Names are those of [`super`], of
//! [`crate::correlation::Ole`] and of [`crate::correlation::Monomials`].
//!
//! **A random transfer is a product.** Party 0 has pads p_0 and p_1 of it, and party 1 its random bit c and p_c. With u = p_0 and
//! v = p_0 ⊕ p_1 of party 0 and w = p_c of party 1, u ⊕ w = v·c, bit by bit of the pads: random bits of both, and shares of their
//! products, without a message (Asharov, Lindell, Schneider and Zohner, "More Efficient Oblivious Transfer and Extensions for
//! Faster Secure Computation", CCS 2013, section 5.1).
//!
//! **A pair** of digits has the products α·β and α·γ of masks α of its first eq, β of its second eq and γ of its second lt:
//! 1. Of a transfer with pads of two bits, c is party 1's α_1 and the bits of v are party 0's β_0 and γ_0: shares of α_1·β_0 and
//!    α_1·γ_0.
//! 2. Of another, c is β_1 and v is α_0: shares of α_0·β_1.
//! 3. Of a third, c is γ_1. Party 0 tells δ = v ⊕ α_0, and party 1 adds δ·γ_1 to its w: shares of α_0·γ_1.
//!
//! Each party adds the products of its own bits. Where one product alone is needed, two transfers make it, and nothing is told.
//! (Huang, Lu, Hong and Ding, "Cheetah", USENIX Security 2022, section 4.1, have two products with a common factor from transfers
//! in both directions, without the bit δ.)
//!
//! **Bytes.** One bit for each pair with two products, to party 1. **Rounds.** One message.
//!
//! **Security.** The bits that a party does not have are pads that it does not know, or choices of which nobody tells anything. δ is
//! v under α_0, another pad that party 1 does not know and that nothing else uses up: given δ, α_0 is uniform to it.

use super::{Batch, DRAWS, Elements, End, EntryId, IS_SENT, Take};
use crate::correlation::{MonomialsSpec, OleSpec};
use crate::ot::Channel;
use crate::step::bits::{Level, PAIR, planes};
use zeroize::Zeroizing;

/// Transfers whose pads are in memory at once.
const PADS: usize = 1 << 20;

/// A party's part of random transfers, a byte for each.
struct RandomProducts {
    /// u, or w: the low bits of a pad.
    share: Zeroizing<Vec<u8>>,
    /// v, as many bits, or c, one bit.
    own: Zeroizing<Vec<u8>>,
}

/// The products of a pair of digits.
struct Pair {
    /// The plane of α.
    common: usize,
    /// The planes of β and γ, as far as they are factors.
    others: Vec<usize>,
    /// The row of the first product.
    row: usize,
}

impl Pair {
    /// That of a group, unless it has one digit alone.
    fn of(level: Level, group: u32) -> Option<Pair> {
        if level.size(group) < PAIR {
            return None;
        }
        let first = group * PAIR;
        let eq = (level.eq_factors(group) == PAIR).then_some(first + 1);
        let lt = level.order.then(|| level.lt_plane(first + 1));
        Some(Pair {
            common: first as usize,
            others: eq.into_iter().chain(lt).map(|plane| plane as usize).collect(),
            row: level.first_monomial(group) as usize,
        })
    }
}

impl End<'_> {
    pub(super) fn ole<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: OleSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let shape = spec.planes(self.ring());
        let [mut masks, mut products] = [(); 2].map(|()| self.zeros(shape.len()));
        for plane in 0..shape.rows {
            let RandomProducts { share, own } = self.random_products(spec.elements, channel)?;
            put(&mut masks, shape.cols, plane, bits(&own, 0));
            put(&mut products, shape.cols, plane, bits(&share, 0));
        }
        self.deliver(entry, 0, &masks, take);
        self.deliver(entry, 1, &products, take);
        Ok(())
    }

    pub(super) fn pairwise<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: MonomialsSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let MonomialsSpec { level, elements: count } = spec;
        let width = planes(self.ring(), 1, count).cols;
        let mut masks = self.zeros(level.factors() as usize * width);
        let mut products = self.zeros(level.monomials() as usize * width);
        let pairs: Vec<Pair> = (0..level.groups()).filter_map(|group| Pair::of(level, group)).collect();
        let is_first = self.is(DRAWS);
        // By element, the δ of all pairs that have one.
        let (mut told, mut tellers) = (self.zeros(count), 0);
        for pair in &pairs {
            let of_common = self.random_products(count, channel)?;
            let of_others: Vec<RandomProducts> =
                pair.others.iter().map(|_| self.random_products(count, channel)).collect::<Result<_, _>>()?;
            // Party 0 has α from what is party 1's choice of β or γ, and these from what is its choice of α.
            let common = if is_first { &of_others[0].own } else { &of_common.own };
            put(&mut masks, width, pair.common, bits(common, 0));
            for (index, (plane, of_other)) in pair.others.iter().zip(&of_others).enumerate() {
                let (own, bit) = if is_first { (&of_common.own, index) } else { (&of_other.own, 0) };
                put(&mut masks, width, *plane, bits(own, bit));
                let both = bits(common, 0).zip(bits(own, bit)).map(|(common, other)| common & other);
                let shares = bits(&of_common.share, index).zip(bits(&of_other.share, 0));
                let sums = both.zip(shares).map(|(both, (first, second))| both ^ first ^ second);
                put(&mut products, width, pair.row + index, sums);
            }
            if let [first, second] = &of_others[..] {
                let deltas = bits(&first.own, 0).zip(bits(&second.own, 0));
                for (told, (common, other)) in told.iter_mut().zip(deltas).filter(|_| is_first) {
                    *told |= (common ^ other) << tellers;
                }
                tellers += 1;
            }
        }
        if tellers > 0 {
            let told = self.tell(count, told, tellers, channel)?;
            if self.is(IS_SENT) {
                add_told(&mut products, (&masks, width), &pairs, &told);
            }
        }
        self.deliver(entry, 0, &masks, take);
        self.deliver(entry, 1, &products, take);
        Ok(())
    }

    /// This party's part of so many random transfers.
    fn random_products<C: Channel>(
        &mut self,
        count: usize,
        channel: &mut C,
    ) -> Result<RandomProducts, C::Error> {
        let new = || Zeroizing::new(Vec::with_capacity(count));
        let (mut share, mut own) = (new(), new());
        for first in (0..count).step_by(PADS) {
            for batch in self.take((count - first).min(PADS), 1, channel)? {
                // Party 0 draws both pads, party 1 one.
                self.price.blocks += 3 * batch.count as u64;
                match batch.cots {
                    Some(Batch::First(cots)) => {
                        let [zeros, ones] = cots.random().pads(1);
                        share.extend(zeros.iter().map(|pad| pad.bits() as u8));
                        let both = zeros.iter().zip(ones.iter());
                        own.extend(both.map(|(zero, one)| (zero.bits() ^ one.bits()) as u8));
                    }
                    Some(Batch::Second(cots)) => {
                        let chosen = cots.random();
                        own.extend_from_slice(chosen.choices());
                        share.extend(chosen.pads(1).iter().map(|pad| pad.bits() as u8));
                    }
                    None => {}
                }
            }
        }
        Ok(RandomProducts { share, own })
    }
}

/// Adds δ·γ_1 to party 1's shares of the second products.
fn add_told(products: &mut Elements, (masks, width): (&Elements, usize), pairs: &[Pair], told: &[u64]) {
    let with_two = pairs.iter().filter(|pair| pair.others.len() == 2);
    for (teller, pair) in with_two.enumerate() {
        let deltas = told.iter().map(|told| told >> teller & 1);
        let mut added = Zeroizing::new(vec![0; width]);
        put(&mut added, width, 0, deltas);
        let factor = &masks[pair.others[1] * width..][..width];
        let row = &mut products[(pair.row + 1) * width..][..width];
        for ((product, factor), delta) in row.iter_mut().zip(factor).zip(added.iter()) {
            *product ^= factor & delta;
        }
    }
}

/// One bit of each byte.
fn bits(bytes: &[u8], bit: usize) -> impl Iterator<Item = u64> {
    bytes.iter().map(move |byte| u64::from(byte >> bit & 1))
}

/// Puts the bits of all elements into a plane of zeros.
fn put(planes: &mut [u64], width: usize, plane: usize, bits: impl Iterator<Item = u64>) {
    let (mut lane, mut word) = (0, 0);
    for bit in bits {
        planes[plane * width + word] |= bit << lane;
        word += 1;
        if word == width {
            (lane, word) = (lane + 1, 0);
        }
    }
}
