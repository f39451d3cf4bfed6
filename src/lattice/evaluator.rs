//! The evaluator: multiplies the encrypted factor by its own, masks the product by its share, and answers.
//!
//! **Steps.** For each block of columns of W and each block of rows of X the sum over inner blocks of x̂·ŵ, slot by slot;
//! these are interleaved (`pack`) depth first, so that few ciphertexts live at a time. An answer is then made
//! fresh: an encryption of zero under the public key, (p_0·u + flood, p_1·u + e), is added, and the scaled masks to c_0.
//!
//! **Circuit privacy.** What the key holder can compute of an answer is c_0 + c_1·s at the places of results, and c_1. The
//! former is Q/t times the product less the share, which is uniform, and noise, which the flood hides within a distance of
//! 2^−[`super::PRIVACY_BITS`]. The latter has p_1·u + e in it, which by ring-LWE with the secret u cannot be told from uniform.
//! Both together are rounded afterwards, by a public function of them. Of c_0 only coefficients that are results are sent:
//! the others have sums of products in them and no share.

use super::answer::{Switch, to_coefficients};
use super::encode::{Scaling, Signed, piece, residues};
use super::error::{LatticeError, MessageKind, same_ring};
use super::keys::Keys;
use super::layout::Layout;
use super::messages::{Answer, Query};
use super::modulus::PRODUCTS;
use super::pack::Shift;
use super::parameters::Parameters;
use super::poly::{self, Ciphertext, Pair, forward, multiply_add, to_montgomery};
use super::sample::{Randomness, Stream, public, residues as small_residues};
use crate::ring::Element;
use crate::ring::prg::PrgKey;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Blocks of rows that are computed together: the transforms of the plain factor serve them all.
const ROW_BLOCKS: usize = 4;

/// Blocks of columns that are computed together: the query's slots, which are more than a cache holds, serve them all.
const LEAVES: usize = 4;

/// Who computes on the key holder's encryptions.
pub struct Evaluator {
    pub(super) parameters: Arc<Parameters>,
    pub(super) randomness: Randomness,
    /// Both parts of the public key, times 2^32.
    public: [Vec<u32>; 2],
    shifts: BTreeMap<usize, Shift>,
    scaling: Scaling,
    switch: Switch,
}

/// What one encryption of zero draws: u, e and the flood.
pub(super) struct Fresh {
    secret: Stream,
    errors: Stream,
    flood: Stream,
}

impl Fresh {
    pub fn draw(randomness: &mut Randomness) -> Fresh {
        Fresh { secret: randomness.stream(), errors: randomness.stream(), flood: randomness.stream() }
    }
}

impl Evaluator {
    /// With the key holder's keys, and randomness from the operating system's entropy.
    ///
    /// # Errors
    /// Where the operating system has no entropy to give.
    pub fn new(keys: &Keys) -> Result<Evaluator, LatticeError> {
        Ok(Evaluator::with(keys, Randomness::from_entropy()?))
    }

    /// The same with the randomness of a key that nobody else knows, and that is used for nothing else.
    pub fn from_key(keys: &Keys, key: PrgKey) -> Evaluator {
        Evaluator::with(keys, Randomness::from_key(key))
    }

    /// The same with randomness that anybody can guess.
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure(keys: &Keys, seed: u64) -> Evaluator {
        Evaluator::with(keys, Randomness::insecure(seed))
    }

    fn with(keys: &Keys, randomness: Randomness) -> Evaluator {
        let parameters = keys.parameters.clone();
        let mut halves = [keys.public.clone(), public(&parameters, &PrgKey::from_bytes(keys.seed), 0)];
        halves.iter_mut().for_each(|half| to_montgomery(&parameters, half));
        let shifts: Vec<usize> = keys.galois.keys().copied().collect();
        let shift = |(index, &shift): (usize, &usize)| (shift, Shift::new(keys, index, shift));
        Evaluator {
            randomness,
            public: halves,
            shifts: shifts.par_iter().enumerate().map(shift).collect::<Vec<_>>().into_iter().collect(),
            scaling: Scaling::new(&parameters),
            switch: Switch::new(&parameters, parameters.ring().bits()),
            parameters,
        }
    }

    /// The answer to a query about this party's factor, row-major, and this party's share of the product: uniform and
    /// fresh.
    ///
    /// # Errors
    /// As [`Evaluator::answer_for`].
    pub fn answer<E: Element>(
        &mut self,
        query: &Query,
        factor: &[E],
    ) -> Result<(Answer, Vec<E>), LatticeError> {
        let layout = &query.layout;
        let drawn = self.randomness.stream().long_words(layout.rows * layout.cols);
        let share: Vec<E> = drawn.iter().map(|&word| E::from_u64(word)).collect();
        Ok((self.answer_for(query, factor, &share)?, share))
    }

    /// The answer to a query about this party's factor, by which this party's share of the product is the one given: all
    /// three row-major. A share is uniform, and nobody else knows it; whoever gives one twice, or one that is not, shows
    /// the key holder more than it should learn.
    ///
    /// # Errors
    /// Where the elements are of another ring, the query is of other parameters, the factor or the share has another number
    /// of elements, and where the key holder sent no Galois key for a shift.
    pub fn answer_for<E: Element>(
        &mut self,
        query: &Query,
        factor: &[E],
        share: &[E],
    ) -> Result<Answer, LatticeError> {
        let layout = query.layout;
        same_ring::<E>(self.parameters.ring())?;
        layout.check_message(&self.parameters, MessageKind::Query)?;
        for (expected, given) in
            [(layout.whole_inner() * layout.cols, factor), (layout.rows * layout.cols, share)]
        {
            if given.len() != expected {
                return Err(LatticeError::Factor { expected, actual: given.len() });
            }
        }
        if let Some(shift) = layout.shifts().into_iter().find(|shift| !self.shifts.contains_key(shift)) {
            return Err(LatticeError::NoGaloisKey(shift));
        }
        let fresh: Vec<Fresh> =
            (0..layout.row_blocks() * layout.groups()).map(|_| Fresh::draw(&mut self.randomness)).collect();
        let evaluation = Evaluation { evaluator: self, layout: &layout, query: &expand(query), factor };
        let products = evaluation.all();
        let one = |(index, (mut product, fresh)): (usize, (Ciphertext, Fresh))| {
            let places = layout.places(index / layout.groups(), index % layout.groups());
            let mask = |&(_, row, col): &(usize, usize, usize)| {
                E::ZERO.sub(share[layout.index((row, col), (layout.rows, layout.cols))]).to_u64()
            };
            let remainders: Zeroizing<Vec<i64>> =
                Zeroizing::new(places.iter().map(|place| self.scaling.remainder(mask(place))).collect());
            let mut scaled = Zeroizing::new(vec![0; remainders.len() * self.parameters.transforms.len()]);
            if !places.is_empty() {
                self.scaling.residues(&remainders, &mut scaled);
            }
            self.refresh(&mut product, fresh);
            let exponents = || places.iter().map(|place| place.0);
            self.add_at(&mut product.parts[0], &scaled, exponents());
            self.switch.run(&self.parameters, product.parts.each_ref().map(|part| &part[..]), exponents())
        };
        let polynomials = products.into_par_iter().zip(fresh).enumerate().map(one).collect();
        Ok(Answer { parameters: self.parameters.clone(), layout, polynomials })
    }

    /// Adds a fresh encryption of zero with a flood, and leaves both parts in coefficients.
    pub(super) fn refresh(&self, ciphertext: &mut Ciphertext, fresh: Fresh) {
        let parameters = &self.parameters;
        let mut secret = small_residues(parameters, &fresh.secret.ternary(parameters.degree()));
        forward(parameters, &mut secret);
        for (part, public) in ciphertext.parts.iter_mut().zip(&self.public) {
            let degree = parameters.degree();
            let residues = part.chunks_exact_mut(degree).zip(public.chunks_exact(degree));
            for ((transform, (part, public)), secret) in
                parameters.transforms.iter().zip(residues).zip(secret.chunks_exact(degree))
            {
                poly::add_product(&transform.modulus, part, secret, public);
            }
        }
        to_coefficients(parameters, &mut ciphertext.parts);
        let errors = small_residues(parameters, &fresh.errors.errors(parameters.degree()));
        let flood = fresh.flood.flood(parameters);
        for (part, noise) in ciphertext.parts.iter_mut().zip([&flood, &errors]) {
            poly::each(parameters, part, noise, |transform, part, noise| {
                poly::add(&transform.modulus, part, noise);
            });
        }
    }

    /// Adds residues at these exponents.
    pub(super) fn add_at(&self, part: &mut [u32], residues: &[u32], exponents: impl Iterator<Item = usize>) {
        let count = residues.len() / self.parameters.transforms.len();
        let degree = self.parameters.degree();
        for (index, at) in exponents.enumerate() {
            for (prime, transform) in self.parameters.transforms.iter().enumerate() {
                let to = &mut part[prime * degree + at];
                *to = transform.modulus.add(*to, residues[prime * count + index]);
            }
        }
    }
}

/// A query's ciphertexts, by block of rows and inner block.
fn expand(query: &Query) -> Vec<Ciphertext> {
    let seed = PrgKey::from_bytes(query.seed);
    let one = |(number, first): (usize, &Vec<u32>)| Ciphertext {
        parts: [first.clone(), public(&query.parameters, &seed, number)],
    };
    query.polynomials.par_iter().enumerate().map(one).collect()
}

/// One product in the making.
struct Evaluation<'a, E> {
    evaluator: &'a Evaluator,
    layout: &'a Layout,
    query: &'a [Ciphertext],
    factor: &'a [E],
}

impl<E: Element> Evaluation<'_, E> {
    /// Every answer's ciphertext in slots, as yet without mask.
    fn all(&self) -> Vec<Ciphertext> {
        let (row_blocks, groups) = (self.layout.row_blocks(), self.layout.groups());
        let firsts: Vec<usize> = (0..row_blocks).step_by(ROW_BLOCKS).collect();
        let tasks: Vec<(usize, usize)> =
            firsts.iter().flat_map(|&first| (0..groups).map(move |group| (first, group))).collect();
        let task = |&(first, group): &(usize, usize)| {
            let rows = first..(first + ROW_BLOCKS).min(row_blocks);
            (first, group, self.interleaved(rows, group, (1, 0)))
        };
        let mut all: Vec<Option<Ciphertext>> = (0..row_blocks * groups).map(|_| None).collect();
        for (first, group, ciphertexts) in tasks.par_iter().map(task).collect::<Vec<_>>() {
            for (index, ciphertext) in ciphertexts.into_iter().enumerate() {
                all[(first + index) * groups + group] = Some(ciphertext);
            }
        }
        all.into_iter().map(|ciphertext| ciphertext.expect("every block of rows has a task")).collect()
    }

    /// The products `first`, `first` + `stride`, … of a group, interleaved, for these blocks of rows.
    fn interleaved(
        &self,
        rows: std::ops::Range<usize>,
        group: usize,
        (stride, first): (usize, usize),
    ) -> Vec<Ciphertext> {
        let leaves = self.layout.group(group);
        let all = leaves.len().next_power_of_two();
        if all / stride <= LEAVES {
            let below = (first..leaves.len()).step_by(stride);
            let below: Vec<usize> = below.map(|leaf| leaves.start + leaf).collect();
            return self.merged(self.products(rows, &below, all), stride, all);
        }
        let has_odd = first + stride < leaves.len();
        let (even, odd) = rayon::join(
            || self.interleaved(rows.clone(), group, (2 * stride, first)),
            || has_odd.then(|| self.interleaved(rows.clone(), group, (2 * stride, first + stride))),
        );
        self.level(even, odd, stride, all)
    }

    /// Products `stride` apart, interleaved.
    fn merged(&self, mut products: Vec<Vec<Ciphertext>>, stride: usize, all: usize) -> Vec<Ciphertext> {
        if stride == all {
            return products.remove(0);
        }
        let (mut even, mut odd) = (Vec::new(), Vec::new());
        for (index, product) in products.into_iter().enumerate() {
            if index % 2 == 0 { even.push(product) } else { odd.push(product) }
        }
        let odd = (!odd.is_empty()).then(|| self.merged(odd, 2 * stride, all));
        self.level(self.merged(even, 2 * stride, all), odd, stride, all)
    }

    /// One level of interleaving, for every block of rows.
    fn level(
        &self,
        even: Vec<Ciphertext>,
        odd: Option<Vec<Ciphertext>>,
        stride: usize,
        all: usize,
    ) -> Vec<Ciphertext> {
        let shift = &self.evaluator.shifts[&(self.layout.block_inner / all * stride)];
        let odd: Vec<Option<Ciphertext>> = match odd {
            Some(odd) => odd.into_iter().map(Some).collect(),
            None => even.iter().map(|_| None).collect(),
        };
        let pairs: Vec<_> = even.into_iter().zip(odd).collect();
        pairs.into_par_iter().map(|(even, odd)| shift.merge(&self.evaluator.parameters, even, odd)).collect()
    }

    /// The products of these blocks of rows by each of some blocks of columns, divided by how many will be interleaved.
    fn products(
        &self,
        rows: std::ops::Range<usize>,
        leaves: &[usize],
        divisor: usize,
    ) -> Vec<Vec<Ciphertext>> {
        let (parameters, layout) = (&self.evaluator.parameters, self.layout);
        let (degree, support, inner_blocks) = (parameters.degree(), layout.support(), layout.inner_blocks());
        let plain =
            |&leaf: &usize| -> Vec<_> { (0..inner_blocks).map(|inner| self.plain(inner, leaf)).collect() };
        let factors: Vec<Vec<Zeroizing<Vec<i64>>>> = leaves.iter().map(plain).collect();
        let zero = |_: &usize| rows.clone().map(|_| Ciphertext::zero(parameters)).collect();
        let mut products: Vec<Vec<Ciphertext>> = leaves.iter().map(zero).collect();
        let mut slots = vec![Zeroizing::new(vec![0u32; degree]); PRODUCTS.min(inner_blocks)];
        for (index, transform) in parameters.transforms.iter().enumerate() {
            let modulus = transform.modulus;
            let residues_of = index * degree..(index + 1) * degree;
            let inverse = modulus.invert(modulus.word(divisor as u128));
            let encoding = Signed::new(modulus, modulus.to_montgomery(inverse));
            for first in (0..inner_blocks).step_by(PRODUCTS) {
                let count = PRODUCTS.min(inner_blocks - first);
                // The query's slots are read once for all these blocks of columns.
                for (products, factor) in products.iter_mut().zip(&factors) {
                    for (block, slots) in factor[first..first + count].iter().zip(&mut slots) {
                        residues(&encoding, block, &mut slots[..support]);
                        transform.forward_low(slots, support);
                    }
                    for (product, row) in products.iter_mut().zip(rows.clone()) {
                        let query = &self.query[row * inner_blocks + first..][..count];
                        let pairs: Vec<Pair<'_>> = slots
                            .iter()
                            .zip(query)
                            .map(|(slots, query)| pair(slots, query, residues_of.clone()))
                            .collect();
                        let to = product.parts.each_mut().map(|part| &mut part[residues_of.clone()]);
                        multiply_add(&modulus, to, &pairs);
                    }
                }
            }
        }
        products
    }

    /// The coefficients of one block of W.
    fn plain(&self, inner_block: usize, leaf: usize) -> Zeroizing<Vec<i64>> {
        let layout = self.layout;
        let (first_inner, first_col) = (inner_block * layout.block_inner, leaf * layout.block_cols);
        let (mut numbers, bits) =
            (Zeroizing::new(vec![0; layout.support()]), self.evaluator.parameters.piece_bits());
        for col in first_col..(first_col + layout.block_cols).min(layout.cols) {
            for inner in first_inner..(first_inner + layout.block_inner).min(layout.inner) {
                let (at, number) = layout.whole(inner);
                let element = self.factor[layout.index((at, col), (layout.whole_inner(), layout.cols))];
                numbers[(col - first_col) * layout.block_inner + inner - first_inner] =
                    piece(element, (number, bits));
            }
        }
        numbers
    }
}

/// One prime's slots of a block of W, and of a ciphertext.
fn pair<'a>(slots: &'a [u32], query: &'a Ciphertext, residues: std::ops::Range<usize>) -> Pair<'a> {
    (query.parts.each_ref().map(|part| &part[residues.clone()]), slots)
}

#[cfg(test)]
mod tests {
    use super::super::holder::KeyHolder;
    use super::super::layout::{Held, Rates};
    use super::super::noise::centred;
    use super::super::parameters::Uses;
    use super::*;

    /// log2 of the largest noise before the flood: what is left of c_0 + c_1·s where t times it is taken for Q times the
    /// product, at the places of results.
    fn noise_bits<E: Element>(parameters: &Arc<Parameters>, layout: &Layout, [a, b]: [&[E]; 2]) -> f64 {
        let (mut holder, keys) = KeyHolder::insecure(parameters, &layout.shifts(), 5);
        let evaluator = Evaluator::insecure(&keys, 6);
        let query = holder.query(layout, a).expect("a query");
        let products = Evaluation { evaluator: &evaluator, layout, query: &expand(&query), factor: b }.all();
        let mut largest = 0f64;
        for (index, mut product) in products.into_iter().enumerate() {
            let [first, second] = &mut product.parts;
            let degree = parameters.degree();
            for (at, transform) in parameters.transforms.iter().enumerate() {
                let of = at * degree..(at + 1) * degree;
                let secret = &holder.secret.slots()[of.clone()];
                poly::add_product(&transform.modulus, &mut first[of.clone()], &second[of], secret);
            }
            poly::inverse(parameters, first);
            let places = layout.places(index / layout.groups(), index % layout.groups());
            let messages: Vec<i64> = places
                .iter()
                .map(|&(_, row, col)| {
                    let inner_size = layout.whole_inner();
                    let product = (0..inner_size).fold(E::ZERO, |sum, inner| {
                        sum.add(a[row * inner_size + inner].mul(b[inner * layout.cols + col]))
                    });
                    evaluator.scaling.remainder(E::ZERO.sub(product).to_u64())
                })
                .collect();
            let mut scaled = vec![0; messages.len() * parameters.transforms.len()];
            evaluator.scaling.residues(&messages, &mut scaled);
            evaluator.add_at(first, &scaled, places.iter().map(|place| place.0));
            for &(at, ..) in &places {
                largest = largest.max(centred(parameters, first, at).abs());
            }
        }
        largest.log2()
    }

    /// Random factors, and the extremes of the plain one, which are the worst for noise.
    fn check<E: Element>(degree: usize, uses: Uses) {
        let parameters = Parameters::insecure_for_uses(E::RING, uses, degree);
        let (m, k, n) = (7, 40, 9);
        let bits = E::RING.bits();
        let layout = Layout::choose(&parameters, (m, k, n), Held::Left, &Rates::default()).expect("a layout");
        let bound = layout.cost(&parameters).noise_bits;
        let top = E::from_u64(1 << (bits - 1));
        let mixed = |index: usize| E::from_u64((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for (name, value) in [("−2^(k−1)", Some(top)), ("−1", Some(E::ZERO.sub(E::ONE))), ("mixed", None)]
        {
            let element = |index: usize| value.unwrap_or_else(|| mixed(index));
            let a: Vec<E> = (0..m * k).map(element).collect();
            let b: Vec<E> = (0..k * n).map(element).collect();
            let noise = noise_bits(&parameters, &layout, [&a, &b]);
            assert!(noise < bound, "{name}, {uses:?}: noise of {noise} bits, bounded by {bound}");
            assert!(noise > bound - 24.0, "{name}: the noise is real: {noise} bits of {bound}");
        }
    }

    #[test]
    fn real_noise_is_below_the_worst_case() {
        for uses in [Uses::Few, Uses::Many] {
            check::<u64>(256, uses);
            check::<u32>(256, uses);
        }
    }
}
