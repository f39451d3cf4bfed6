//! The key holder: encrypts its factor, and opens the answer to its share.

use super::answer::{Opening, Switched, nearest};
use super::encode::{Scaling, signed};
use super::error::{LatticeError, MessageKind, same_ring};
use super::keys::{Keys, SecretKey};
use super::layout::Layout;
use super::messages::{Answer, Query};
use super::parameters::Parameters;
use super::sample::{Randomness, Secret, Stream};
use crate::ring::Element;
use crate::ring::prg::PrgKey;
use rayon::prelude::*;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who holds the secret key: for the products of one job with one peer, never for another job or another peer.
pub struct KeyHolder {
    pub(super) parameters: Arc<Parameters>,
    pub(super) secret: SecretKey,
    pub(super) randomness: Randomness,
    scaling: Scaling,
    opening: Opening,
}

impl KeyHolder {
    /// Draws a secret key from the operating system's entropy, and makes the keys for products that need these shifts.
    ///
    /// # Errors
    /// Where the operating system has no entropy to give.
    pub fn new(parameters: &Arc<Parameters>, shifts: &[usize]) -> Result<(KeyHolder, Keys), LatticeError> {
        Ok(KeyHolder::with(parameters, shifts, Randomness::from_entropy()?))
    }

    /// The same with the randomness of a key that nobody else knows, and that is used for nothing else.
    pub fn from_key(parameters: &Arc<Parameters>, shifts: &[usize], key: PrgKey) -> (KeyHolder, Keys) {
        KeyHolder::with(parameters, shifts, Randomness::from_key(key))
    }

    /// The same from a seed that anybody can guess.
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure(parameters: &Arc<Parameters>, shifts: &[usize], seed: u64) -> (KeyHolder, Keys) {
        KeyHolder::with(parameters, shifts, Randomness::insecure(seed))
    }

    fn with(parameters: &Arc<Parameters>, shifts: &[usize], mut randomness: Randomness) -> (KeyHolder, Keys) {
        let secret = SecretKey::draw(parameters, &mut randomness);
        let keys = secret.keys(parameters, shifts, &mut randomness);
        let holder = KeyHolder {
            parameters: parameters.clone(),
            secret,
            randomness,
            scaling: Scaling::new(parameters),
            opening: Opening::new(parameters, parameters.ring().bits()),
        };
        (holder, keys)
    }

    /// Encrypts the factor that the layout says this party holds, row-major.
    ///
    /// # Errors
    /// Where the elements are of another ring, the layout is of other parameters, or the factor has another number of
    /// elements.
    pub fn query<E: Element>(&mut self, layout: &Layout, factor: &[E]) -> Result<Query, LatticeError> {
        same_ring::<E>(self.parameters.ring())?;
        layout.check(&self.parameters)?;
        let expected = layout.rows * layout.whole_inner();
        if factor.len() != expected {
            return Err(LatticeError::Factor { expected, actual: factor.len() });
        }
        let seed = self.randomness.seed();
        let key = PrgKey::from_bytes(seed);
        let streams: Vec<Stream> = (0..layout.queries()).map(|_| self.randomness.stream()).collect();
        let (parameters, secret, scaling) = (&self.parameters, &self.secret, &self.scaling);
        let block = |(number, errors): (usize, Stream)| {
            let remainders = remainders(parameters, scaling, layout, number, factor);
            let mut message = Zeroizing::new(vec![0; parameters.words()]);
            scaling.residues(&remainders, &mut message);
            secret.encrypt(parameters, (&key, number), errors, Some(&message))
        };
        let polynomials = streams.into_par_iter().enumerate().map(block).collect();
        Ok(Query { parameters: self.parameters.clone(), layout: *layout, seed, polynomials })
    }

    /// This party's share of the product, row-major, from the answer to its query. How near the answer was to being wrong
    /// stays unsaid: that is an equation in the secret key for whoever made the answer.
    ///
    /// # Errors
    /// Where the elements are of another ring, or the answer is of other parameters.
    pub fn open<E: Element>(&self, answer: &Answer) -> Result<Vec<E>, LatticeError> {
        let (parameters, layout) = (&self.parameters, &answer.layout);
        same_ring::<E>(parameters.ring())?;
        layout.check_message(parameters, MessageKind::Answer)?;
        let modulus = 1u128 << parameters.ring().bits();
        let one = |(index, polynomial): (usize, &Switched)| {
            let (places, phases) = self.phases(layout, index, polynomial);
            let messages = phases.iter().map(|&phase| nearest(phase, modulus)).collect();
            (places, Zeroizing::new(messages))
        };
        let opened: Vec<(_, Secret<u64>)> = answer.polynomials.par_iter().enumerate().map(one).collect();
        let mut share = vec![E::ZERO; layout.rows * layout.cols];
        for (places, messages) in &opened {
            for (&(_, row, col), &message) in places.iter().zip(&messages[..]) {
                share[layout.index((row, col), (layout.rows, layout.cols))] = E::from_u64(message);
            }
        }
        Ok(share)
    }

    /// The places of one answer's results, and the phases there.
    fn phases(
        &self,
        layout: &Layout,
        index: usize,
        polynomial: &Switched,
    ) -> (Vec<(usize, usize, usize)>, Secret<u128>) {
        let places = layout.places(index / layout.groups(), index % layout.groups());
        let exponents = places.iter().map(|place| place.0);
        let phases = self.opening.phases(&self.parameters, self.secret.slots(), polynomial, exponents);
        (places, phases)
    }

    /// The largest noise of an answer, in units of Q/t: a wrong result needs ½, and [`Parameters::error_share`] bounds it.
    #[cfg(test)]
    pub(super) fn error_share(&self, answer: &Answer) -> f64 {
        let modulus = 1u128 << self.parameters.ring().bits();
        let polynomials = answer.polynomials.iter().enumerate();
        let phases = polynomials
            .flat_map(|(index, polynomial)| self.phases(&answer.layout, index, polynomial).1.to_vec());
        phases.map(|phase| super::answer::distance(phase, modulus)).fold(0f64, f64::max)
    }
}

/// The remainders of one block's scaled coefficients.
fn remainders<E: Element>(
    parameters: &Parameters,
    scaling: &Scaling,
    layout: &Layout,
    number: usize,
    factor: &[E],
) -> Zeroizing<Vec<i64>> {
    let degree = parameters.degree();
    let (first_row, first_inner) = (
        number / layout.inner_blocks() * layout.block_rows,
        number % layout.inner_blocks() * layout.block_inner,
    );
    let mut remainders = Zeroizing::new(vec![0; degree]);
    for row in first_row..(first_row + layout.block_rows).min(layout.rows) {
        for inner in first_inner..(first_inner + layout.block_inner).min(layout.inner) {
            let (at, piece) = layout.whole(inner);
            let element = factor[layout.index((row, at), (layout.rows, layout.whole_inner()))]
                .shl(piece as u32 * parameters.piece_bits());
            let (up, down) =
                ((row - first_row) * layout.block_cols * layout.block_inner, inner - first_inner);
            // X^−1 is −X^(N − 1).
            let (at, element) = match up >= down {
                true => (up - down, element),
                false => (degree + up - down, E::ZERO.sub(element)),
            };
            remainders[at] = scaling.remainder(signed(element) as u64);
        }
    }
    remainders
}
