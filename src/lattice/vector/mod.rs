//! Elementwise products of two vectors: oblivious linear evaluation in slots.
//!
//! **Functionality.** The key holder has x, the evaluator y, of n elements of Z_2^k each; they learn additive shares of
//! x_i·y_i and nothing else. **Messages.** As in [`crate::lattice`]: the keys, of which no Galois key is needed, then a
//! [`VectorQuery`] and a [`VectorAnswer`]. **Idea.** X^N + 1 does not split modulo 2, so a plaintext modulo 2^k has no
//! slots. Modulo primes that are 1 modulo 2N it has N of them (N. Smart, F. Vercauteren, "Fully Homomorphic SIMD
//! Operations", Designs, Codes and Cryptography 71, 2014). So the product is taken over the integers, modulo T, a product of
//! such primes, two of them to a plaintext modulus t:
//!
//! ```text
//! v_i = x_i·y_i + r_i      |x_i·y_i| ≤ 2^(2k−2),  r_i uniform on 2^(2k−2) + 0..2^b,  0 ≤ v_i < T
//! ```
//!
//! The key holder opens v_i, without any wrap, and keeps it modulo 2^k; the evaluator's share is −r_i.
//!
//! **Bytes.** A product takes k = 64: 105 B there and 69 B back, four plaintext moduli; k = 32: 53 and 34 B, two. Gilboa's
//! product over correlated OT takes k·(k + 1)/2 bits there and k bits back beside the OTs: 268 B at k = 64, 70 B at k = 32.
//! **Rounds.** Two. **Privacy.** r_i hides x_i·y_i within a distance of 2^(2k−2−b) for each element: 2^−113 (k = 64, b = 239)
//! or 2^−57 (k = 32, b = 119). The flood hides the noise within 2^−67 for each coefficient of each plaintext modulus.
//! [`Cost::privacy_bits`] sums them up over a product, and one that has less than [`PRIVACY_BITS`] is refused
//! ([`Vectors::most_elements`]). Distances of several products add up. **Security.** As in [`crate::lattice`]: semi-honest,
//! ring-LWE with the parameters of Z_2^64 for both rings.
//!
//! **What a key holder gains that deviates.** The evaluator's factor. In the easiest way it takes x_i = ⌊T/2⌋, which the
//! evaluator cannot see: the masks do not hide the lowest bit of y_i then.

use crate::lattice::answer::{Opening, Switch, Switched, nearest};
use crate::lattice::encode::{Signed, residues, signed};
use crate::lattice::error::{LatticeError, MessageKind, same_ring};
use crate::lattice::evaluator::{Evaluator, Fresh};
use crate::lattice::holder::KeyHolder;
use crate::lattice::keys::Keys;
use crate::lattice::layout::{Cost, answer_primes};
use crate::lattice::modulus::{Factor, Modulus, less};
use crate::lattice::ntt::Transform;
use crate::lattice::parameters::{PRIVACY_BITS, Parameters, SLOT_PRIMES};
use crate::lattice::poly::{self, Ciphertext, multiply_add};
use crate::lattice::sample::{Secret, Stream, Wide, public};
use crate::ring::prg::PrgKey;
use crate::ring::{Element, Ring};
use rayon::prelude::*;
use std::sync::Arc;
use zeroize::Zeroizing;

mod garner;
mod messages;

pub use messages::{VectorAnswer, VectorQuery};

use garner::Garner;

/// Bits of a plaintext modulus: a product of two primes.
const PLAINTEXT_BITS: u32 = 60;

/// The tables of elementwise products over one ring.
pub struct Vectors {
    ring: Ring,
    parameters: Arc<Parameters>,
    plaintexts: Vec<Plaintext>,
    garner: Garner,
}

/// One plaintext modulus t, of two primes.
struct Plaintext {
    primes: [Transform; 2],
    /// Q modulo each of the two.
    modulus: [u32; 2],
    /// 1 divided by the first prime, modulo the second.
    inverse: Factor,
    /// For each prime of Q: what takes w to w times 2^32, and u to −u/t.
    factors: Vec<Signed>,
    quotients: Vec<Signed>,
}

impl Plaintext {
    fn new(parameters: &Parameters, primes: [u32; 2]) -> Plaintext {
        let primes = primes.map(|prime| Transform::new(Modulus::new(prime), parameters.degree()));
        let [first, second] = primes.each_ref().map(|transform| transform.modulus);
        let product_modulo = |modulus: Modulus| {
            let all = parameters.transforms.iter().map(|transform| transform.modulus.value);
            all.fold(1, |product, prime| modulus.mul(product, modulus.factor(modulus.word(prime.into()))))
        };
        let all = || parameters.transforms.iter().map(|transform| transform.modulus);
        let t = u128::from(first.value) * u128::from(second.value);
        let quotient =
            |modulus: Modulus| Signed::new(modulus, modulus.value - modulus.invert(modulus.word(t)));
        Plaintext {
            modulus: [first, second].map(product_modulo),
            inverse: second.factor(second.invert(second.word(first.value.into()))),
            factors: all().map(|modulus| Signed::new(modulus, modulus.to_montgomery(1))).collect(),
            quotients: all().map(quotient).collect(),
            primes,
        }
    }

    /// t.
    fn value(&self) -> u64 {
        self.primes.iter().map(|transform| u64::from(transform.modulus.value)).product()
    }

    /// The centred coefficients of the plaintext with these values in its slots, modulo each of the two primes; all
    /// times `scale`.
    fn coefficients(&self, mut slots: [Secret<u32>; 2], scale: [u32; 2]) -> Secret<i64> {
        for ((transform, slots), scale) in self.primes.iter().zip(&mut slots).zip(scale) {
            transform.inverse_scaled(slots, scale);
        }
        let [first, second] = self.primes.each_ref().map(|transform| transform.modulus);
        let t = self.value() as i64;
        let joined = |(&low, &high): (&u32, &u32)| {
            // Both primes are near 2^30: one step reduces.
            let difference = second.sub(high, less(low, second.value));
            let number =
                i64::from(low) + i64::from(first.value) * i64::from(second.mul(difference, self.inverse));
            number - (t & ((t / 2 - number) >> 63))
        };
        Zeroizing::new(slots[0].iter().zip(&slots[1][..]).map(joined).collect())
    }

    /// Elements modulo each of the two primes, filled up with zeros.
    fn slots<E: Element>(&self, elements: &[E], degree: usize) -> [Secret<u32>; 2] {
        self.primes.each_ref().map(|transform| {
            let encoding = Signed::new(transform.modulus, 1);
            let mut slots = Zeroizing::new(vec![0; degree]);
            slots
                .iter_mut()
                .zip(elements)
                .for_each(|(slot, &element)| *slot = encoding.residue(signed(element)));
            slots
        })
    }

    /// Coefficients modulo every prime of Q, times constants.
    fn residues(&self, parameters: &Parameters, signed: &[Signed], coefficients: &[i64]) -> Secret<u32> {
        let mut to = Zeroizing::new(vec![0; parameters.words()]);
        for (signed, to) in signed.iter().zip(to.chunks_exact_mut(parameters.degree())) {
            residues(signed, coefficients, to);
        }
        to
    }

    /// A message scaled by Q/t, in coefficients modulo every prime of Q.
    fn scaled(&self, parameters: &Parameters, slots: [Secret<u32>; 2]) -> Secret<u32> {
        self.residues(parameters, &self.quotients, &self.coefficients(slots, self.modulus))
    }
}

impl Vectors {
    /// Elementwise products over a ring, under the keys of `parameters`, which are those of Z_2^64.
    ///
    /// # Panics
    /// Where the parameters are those of Z_2^32: their Q is too small.
    pub fn new(parameters: &Arc<Parameters>, ring: Ring) -> Vectors {
        assert_eq!(parameters.ring(), Ring::Z64, "elementwise products take the parameters of Z_2^64");
        let primes = match ring {
            Ring::Z32 => &SLOT_PRIMES[..4],
            Ring::Z64 => SLOT_PRIMES,
        };
        let pairs = primes.as_chunks::<2>().0.iter();
        Vectors {
            ring,
            parameters: parameters.clone(),
            plaintexts: pairs.map(|&pair| Plaintext::new(parameters, pair)).collect(),
            garner: Garner::new(primes),
        }
    }

    /// b: bits of a mask. T is above 2^(30·primes − 1) + 2^(2k−1).
    fn mask_bits(&self) -> u32 {
        2 * self.plaintexts.len() as u32 * 30 - 1
    }

    /// The lowest mask.
    fn lowest_mask_bits(&self) -> u32 {
        2 * self.ring.bits() - 2
    }

    fn batches(&self, len: usize) -> usize {
        len.div_ceil(self.parameters.degree())
    }

    fn noise_bits(&self) -> f64 {
        self.parameters.noise_bits(f64::from(PLAINTEXT_BITS - 1), self.parameters.degree(), 1)
    }

    /// −log2 of the distance of so many products: of every mask, and of the flood at every coefficient of every plaintext
    /// modulus.
    fn privacy_bits(&self, noise_bits: f64, len: usize) -> f64 {
        let coefficients = self.batches(len) * self.parameters.degree() * self.plaintexts.len();
        let flooded = self.parameters.privacy_bits(noise_bits, coefficients);
        let masked = f64::from(self.mask_bits() - self.lowest_mask_bits()) - (len.max(1) as f64).log2();
        -((-flooded).exp2() + (-masked).exp2()).log2()
    }

    /// The most elements of one product: all together keep [`PRIVACY_BITS`]. At real parameters some 2^17 for k = 32, and
    /// some 2^25 for k = 64. Several products add up.
    pub fn most_elements(&self) -> usize {
        let noise_bits = self.noise_bits();
        // Distances grow with the elements.
        let (mut most, mut above) = (0, u32::MAX as usize);
        while above - most > 1 {
            let middle = most + (above - most) / 2;
            let is_hidden = self.privacy_bits(noise_bits, middle) >= PRIVACY_BITS;
            if is_hidden { most = middle } else { above = middle }
        }
        most
    }

    /// Refuses keys of other parameters.
    fn check(&self, parameters: &Parameters) -> Result<(), LatticeError> {
        let of = |parameters: &Parameters| (parameters.ring(), parameters.degree());
        if of(parameters) == of(&self.parameters) { Ok(()) } else { Err(LatticeError::Tables) }
    }

    /// What so many products cost, and how well all of them together are hidden.
    pub fn cost(&self, len: usize) -> Cost {
        let parameters = &self.parameters;
        let (degree, primes) = (parameters.degree() as u64, parameters.transforms.len() as u64);
        let polynomials = (self.batches(len) * self.plaintexts.len()) as u64;
        // There: slots, all primes. Answer: slots of the factor and the mask, the factor, u, both parts back. Open: c_1
        // there and back, slots.
        let transforms =
            (2 + primes) + (4 + primes + 3 * primes) + (2 * answer_primes(parameters) as u64 + 2);
        let noise_bits = self.noise_bits();
        Cost {
            query_bytes: self.query_bytes(len),
            answer_bytes: self.answer_bytes(len),
            key_bytes: Keys::size_bytes(parameters, &[]),
            rounds: 2,
            butterflies: polynomials * transforms * degree / 2 * u64::from(parameters.degree().ilog2()),
            multiply_adds: 2 * primes * degree * polynomials,
            key_switches: 0,
            noise_bits,
            privacy_bits: self.privacy_bits(noise_bits, len),
            error_share: parameters.error_share(f64::from(PLAINTEXT_BITS), noise_bits),
        }
    }

    /// Masks of one batch.
    fn masks(&self, masks: &Wide, plaintext: &Plaintext) -> [Secret<u32>; 2] {
        plaintext.primes.each_ref().map(|transform| {
            let modulus = &transform.modulus;
            let lowest = modulus.pow(2, self.lowest_mask_bits().into());
            let mut slots = Zeroizing::new(Vec::with_capacity(self.parameters.degree()));
            masks.residues(modulus, |residue| slots.push(modulus.add(residue, lowest)));
            slots
        })
    }
}

impl KeyHolder {
    /// Encrypts a vector.
    ///
    /// # Errors
    /// Where the elements are of another ring than `vectors` or more than one product may have
    /// ([`Vectors::most_elements`]), or the key is of other parameters.
    pub fn query_vector<E: Element>(
        &mut self,
        vectors: &Vectors,
        elements: &[E],
    ) -> Result<VectorQuery, LatticeError> {
        same_ring::<E>(vectors.ring)?;
        vectors.check(&self.parameters)?;
        let header = vectors.header(elements.len())?;
        let parameters = &self.parameters;
        let seed = self.randomness.seed();
        let key = PrgKey::from_bytes(seed);
        let count = vectors.plaintexts.len();
        let streams: Vec<Stream> =
            (0..vectors.batches(elements.len()) * count).map(|_| self.randomness.stream()).collect();
        let one = |(number, errors): (usize, Stream)| {
            let plaintext = &vectors.plaintexts[number % count];
            let first = number / count * parameters.degree();
            let batch = &elements[first..(first + parameters.degree()).min(elements.len())];
            let message = plaintext.scaled(parameters, plaintext.slots(batch, parameters.degree()));
            self.secret.encrypt(parameters, (&key, number), errors, Some(&message))
        };
        let polynomials = streams.into_par_iter().enumerate().map(one).collect();
        Ok(VectorQuery { parameters: parameters.clone(), header, seed, polynomials })
    }

    /// This party's share of the products, from the answer to its query.
    ///
    /// # Errors
    /// Where the elements or the answer are of another ring than `vectors`, or the key is of other parameters.
    pub fn open_vector<E: Element>(
        &self,
        vectors: &Vectors,
        answer: &VectorAnswer,
    ) -> Result<Vec<E>, LatticeError> {
        same_ring::<E>(vectors.ring)?;
        vectors.check(&self.parameters)?;
        vectors.check_message(answer.header, MessageKind::VectorAnswer)?;
        let parameters = &self.parameters;
        let opening = Opening::new(parameters, PLAINTEXT_BITS);
        let batch = |polynomials: &[Switched]| {
            let mut all: Vec<Secret<u32>> = Vec::with_capacity(2 * polynomials.len());
            for (plaintext, polynomial) in vectors.plaintexts.iter().zip(polynomials) {
                let phases =
                    opening.phases(parameters, self.secret.slots(), polynomial, 0..parameters.degree());
                let t = plaintext.value();
                let messages = phases.iter().map(|&phase| nearest(phase, t.into())).collect();
                let messages: Secret<u64> = Zeroizing::new(messages);
                for transform in &plaintext.primes {
                    let encoding = Signed::new(transform.modulus, 1);
                    let residues = messages.iter().map(|&message| encoding.residue(message as i64));
                    let mut slots: Secret<u32> = Zeroizing::new(residues.collect());
                    transform.forward(&mut slots);
                    all.push(slots);
                }
            }
            let number = |at: usize| vectors.garner.number(all.iter().map(|slots| slots[at]));
            Zeroizing::new((0..parameters.degree()).map(number).collect())
        };
        let batches: Vec<Secret<u64>> =
            answer.polynomials.par_chunks(vectors.plaintexts.len()).map(batch).collect();
        let mut share = Vec::with_capacity(batches.len() * parameters.degree());
        for numbers in &batches {
            let rest = answer.len() - share.len();
            share.extend(numbers.iter().take(rest).map(|&number| E::from_u64(number)));
        }
        Ok(share)
    }

    /// The largest noise of an answer, in units of Q/t.
    #[cfg(test)]
    pub(in crate::lattice) fn vector_error_share(&self, vectors: &Vectors, answer: &VectorAnswer) -> f64 {
        let (parameters, opening) = (&self.parameters, Opening::new(&self.parameters, PLAINTEXT_BITS));
        let plaintexts = vectors.plaintexts.iter().cycle();
        let errors = plaintexts.zip(&answer.polynomials).flat_map(|(plaintext, polynomial)| {
            let all = 0..parameters.degree();
            let phases = opening.phases(parameters, self.secret.slots(), polynomial, all).to_vec();
            let t = plaintext.value();
            phases.into_iter().map(move |phase| crate::lattice::answer::distance(phase, t.into()))
        });
        errors.fold(0f64, f64::max)
    }
}

impl Evaluator {
    /// The answer to a query about this party's vector, and this party's share of the products: uniform and fresh.
    ///
    /// # Errors
    /// As [`Evaluator::answer_vector_for`].
    pub fn answer_vector<E: Element>(
        &mut self,
        vectors: &Vectors,
        query: &VectorQuery,
        elements: &[E],
    ) -> Result<(VectorAnswer, Vec<E>), LatticeError> {
        let drawn = self.randomness.stream().long_words(query.len());
        let share: Vec<E> = drawn.iter().map(|&word| E::from_u64(word)).collect();
        Ok((self.answer_vector_for(vectors, query, elements, &share)?, share))
    }

    /// The answer to a query about this party's vector, by which this party's share of the products is the one given:
    /// uniform, and known to nobody else, as for [`Evaluator::answer_for`].
    ///
    /// # Errors
    /// Where the elements or the query are of another ring than `vectors`, the keys are of other parameters, or the vector or
    /// the share has another length than the encrypted one.
    pub fn answer_vector_for<E: Element>(
        &mut self,
        vectors: &Vectors,
        query: &VectorQuery,
        elements: &[E],
        share: &[E],
    ) -> Result<VectorAnswer, LatticeError> {
        same_ring::<E>(vectors.ring)?;
        vectors.check(&self.parameters)?;
        vectors.check_message(query.header, MessageKind::VectorQuery)?;
        for given in [elements, share] {
            if given.len() != query.len() {
                return Err(LatticeError::Factor { expected: query.len(), actual: given.len() });
            }
        }
        let degree = self.parameters.degree();
        // The lowest mask, 2^(2k−2), is 0 modulo 2^k: a mask is −share there, and uniform above.
        let mask = |share: &[E]| {
            let mut wide = self.randomness.stream().wide(vectors.mask_bits(), degree);
            wide.set_low(E::RING.bits(), share.iter().map(|&share| E::ZERO.sub(share).to_u64()));
            wide
        };
        let masks: Vec<Wide> = share.chunks(degree).map(mask).collect();
        let fresh: Vec<Fresh> = query.polynomials.iter().map(|_| Fresh::draw(&mut self.randomness)).collect();
        let task = VectorTask { evaluator: self, vectors, query, masks: &masks };
        let one = |(number, fresh): (usize, Fresh)| task.one(number, fresh, elements);
        let polynomials = fresh.into_par_iter().enumerate().map(one).collect();
        Ok(VectorAnswer { parameters: self.parameters.clone(), header: query.header, polynomials })
    }
}

/// What the polynomials of one answer have in common.
struct VectorTask<'a> {
    evaluator: &'a Evaluator,
    vectors: &'a Vectors,
    query: &'a VectorQuery,
    masks: &'a [Wide],
}

impl VectorTask<'_> {
    /// One polynomial: the encrypted slots times the factor's, fresh, plus masks.
    fn one<E: Element>(&self, number: usize, fresh: Fresh, elements: &[E]) -> Switched {
        let (parameters, count) = (&self.evaluator.parameters, self.vectors.plaintexts.len());
        let (batch, plaintext, degree) =
            (number / count, &self.vectors.plaintexts[number % count], parameters.degree());
        let elements = &elements[batch * degree..((batch + 1) * degree).min(elements.len())];
        let coefficients = plaintext.coefficients(plaintext.slots(elements, degree), [1, 1]);
        let mut factor = plaintext.residues(parameters, &plaintext.factors, &coefficients);
        poly::forward(parameters, &mut factor);
        let second = public(parameters, &PrgKey::from_bytes(self.query.seed), number);
        let first = &self.query.polynomials[number];
        let mut product = Ciphertext::zero(parameters);
        for (index, transform) in parameters.transforms.iter().enumerate() {
            let of = index * degree..(index + 1) * degree;
            let to = product.parts.each_mut().map(|part| &mut part[of.clone()]);
            multiply_add(&transform.modulus, to, &[([&first[of.clone()], &second[of.clone()]], &factor[of])]);
        }
        self.evaluator.refresh(&mut product, fresh);
        let masks = self.vectors.masks(&self.masks[batch], plaintext);
        let masks = plaintext.scaled(parameters, masks);
        poly::each(parameters, &mut product.parts[0], &masks, |transform, part, masks| {
            poly::add(&transform.modulus, part, masks);
        });
        let parts = product.parts.each_ref().map(|part| &part[..]);
        Switch::new(parameters, PLAINTEXT_BITS).run(parameters, parts, 0..degree)
    }
}
