//! What two parties keep of lattices over a session: keys, and how much of what they hide is told.
//!
//! A key is made once for a session and a holder, when the first program needs it; another program whose layouts need other
//! Galois keys has the holder make a new one. It is for the one peer of the one session, as [`crate::lattice`] asks. All
//! randomness of a key and of what is encrypted under it comes from one generator key, of which no stream is drawn twice.

use super::choice::{MOST_ELEMENTS, Prices, VECTOR_PIECE, largest_distance};
use super::{End, Own, PairChannel, PairError};
use crate::lattice::{Evaluator, KeyHolder, Keys, LatticeError, MessageKind, Parameters, Uses, Vectors};
use crate::ring::Ring;
use crate::ring::prg::PrgKey;
use crate::share::PartyId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;

/// Bytes of a message, at most: what is longer goes in several.
const MESSAGE_BYTES: usize = 16 << 20;

/// What tells a key from others of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct KeyName {
    /// Of its parameters.
    pub ring: Ring,
    /// Of its parameters.
    pub uses: Uses,
    /// The party that decrypts.
    pub holder: PartyId,
}

/// One party's end of a key.
pub(super) enum KeyEnd {
    Holder(Box<KeyHolder>),
    Evaluator(Box<Evaluator>),
    /// Nobody's: only the price is wanted.
    Nobody,
}

/// The keys of a session at one party, and the statistical distance that its products have come to.
#[derive(Default)]
pub struct Lattices {
    keys: HashMap<KeyName, (BTreeSet<usize>, KeyEnd)>,
    distance: f64,
    #[cfg(any(test, feature = "testing"))]
    small: Option<Small>,
}

/// Parameters at which nothing is hidden, by bytes alone: for tests.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Copy)]
pub(super) struct Small {
    pub degree: usize,
    /// In the place of what else is multiplied at once.
    pub most_elements: usize,
    pub vector_piece: usize,
}

#[cfg(any(test, feature = "testing"))]
impl Small {
    pub const DEFAULT: Small = Small { degree: 64, most_elements: MOST_ELEMENTS, vector_piece: VECTOR_PIECE };
}

/// The tables of one ring and so many uses.
fn tables(ring: Ring, uses: Uses) -> Arc<Parameters> {
    type Table = LazyLock<Arc<Parameters>>;
    static FEW_32: Table = LazyLock::new(|| Parameters::for_uses(Ring::Z32, Uses::Few));
    static MANY_32: Table = LazyLock::new(|| Parameters::for_uses(Ring::Z32, Uses::Many));
    static FEW_64: Table = LazyLock::new(|| Parameters::for_uses(Ring::Z64, Uses::Few));
    static MANY_64: Table = LazyLock::new(|| Parameters::for_uses(Ring::Z64, Uses::Many));
    let table = match (ring, uses) {
        (Ring::Z32, Uses::Few) => &FEW_32,
        (Ring::Z32, Uses::Many) => &MANY_32,
        (Ring::Z64, Uses::Few) => &FEW_64,
        (Ring::Z64, Uses::Many) => &MANY_64,
    };
    Arc::clone(table)
}

impl Lattices {
    /// Lattices that hide nothing.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn insecure(small: Small) -> Lattices {
        Lattices { small: Some(small), ..Lattices::default() }
    }

    /// The same, after products that came to so much.
    #[cfg(test)]
    pub(super) fn having_told(self, distance: f64) -> Lattices {
        Lattices { distance, ..self }
    }

    /// The same keys, as far as a price depends on them.
    pub(super) fn covered(&self) -> Lattices {
        let keys = self.keys.iter().map(|(&name, (shifts, _))| (name, (shifts.clone(), KeyEnd::Nobody)));
        Lattices {
            keys: keys.collect(),
            distance: self.distance,
            #[cfg(any(test, feature = "testing"))]
            small: self.small,
        }
    }

    /// The statistical distance of all products so far, from what says nothing.
    pub fn distance(&self) -> f64 {
        self.distance
    }

    /// Counts what a run's products come to.
    pub(super) fn spend(&mut self, distance: f64) -> Result<(), PairError> {
        if distance > 0.0 && self.distance + distance >= largest_distance() {
            return Err(PairError::TooManyProducts);
        }
        self.distance += distance;
        Ok(())
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn parameters(&self, ring: Ring, uses: Uses) -> Arc<Parameters> {
        match &self.small {
            Some(small) => Parameters::insecure_for_uses(ring, uses, small.degree),
            None => tables(ring, uses),
        }
    }

    #[cfg(not(any(test, feature = "testing")))]
    pub(super) fn parameters(&self, ring: Ring, uses: Uses) -> Arc<Parameters> {
        tables(ring, uses)
    }

    /// The tables of elementwise products.
    pub(super) fn vectors(&self, ring: Ring) -> Vectors {
        Vectors::new(&self.parameters(Ring::Z64, Uses::Few), ring)
    }

    /// Bytes of the shortest message that has a polynomial.
    pub(super) fn polynomial_bytes(&self) -> usize {
        self.parameters(Ring::Z64, Uses::Few).polynomial_bytes()
    }

    /// By what ways are compared.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn prices(&self) -> Prices {
        let by_bytes = Prices {
            lattices: crate::lattice::Rates { byte_s: 1.0, butterfly_s: 0.0, multiply_add_s: 0.0 },
            transfer_s: 0.0,
            block_s: 0.0,
        };
        if self.small.is_some() { by_bytes } else { Prices::usual() }
    }

    /// By what ways are compared.
    #[cfg(not(any(test, feature = "testing")))]
    pub(super) fn prices(&self) -> Prices {
        Prices::usual()
    }

    /// Elements of a factor or a product, and of a vector, that are multiplied at once.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn at_once(&self) -> (usize, usize) {
        self.small.map_or((MOST_ELEMENTS, VECTOR_PIECE), |small| (small.most_elements, small.vector_piece))
    }

    /// Elements of a factor or a product, and of a vector, that are multiplied at once.
    #[cfg(not(any(test, feature = "testing")))]
    pub(super) fn at_once(&self) -> (usize, usize) {
        (MOST_ELEMENTS, VECTOR_PIECE)
    }

    /// The end of a key that is there.
    pub(super) fn key(&mut self, name: KeyName) -> &mut KeyEnd {
        &mut self.keys.get_mut(&name).expect("keys are made before the products").1
    }
}

impl End<'_> {
    /// Makes the keys that are not there yet: party 0's first.
    pub(super) fn exchange_keys<C: PairChannel>(
        &mut self,
        needed: &BTreeMap<KeyName, BTreeSet<usize>>,
        channel: &mut C,
    ) -> Result<(), C::Error> {
        for (&name, shifts) in needed {
            let known = self.lattices.keys.get(&name).map(|(shifts, _)| shifts.clone());
            if known.as_ref().is_some_and(|known| known.is_superset(shifts)) {
                continue;
            }
            // It also serves the programs before.
            let shifts: BTreeSet<usize> = known.unwrap_or_default().union(shifts).copied().collect();
            let list: Vec<usize> = shifts.iter().copied().collect();
            let parameters = self.lattices.parameters(name.ring, name.uses);
            let size_bytes = Keys::size_bytes(&parameters, &list);
            self.count_message(name.holder, size_bytes);
            let end = if matches!(self.own, Own::Nobody) {
                KeyEnd::Nobody
            } else if self.is(name.holder) {
                let (holder, keys) = KeyHolder::from_key(&parameters, &list, self.fresh_key());
                send_whole(&keys.to_bytes(), channel)?;
                KeyEnd::Holder(Box::new(holder))
            } else {
                let bytes = receive_whole(MessageKind::Keys, size_bytes, channel)?;
                let keys = of_lattices::<_, C>(Keys::from_bytes(&parameters, &list, &bytes))?;
                KeyEnd::Evaluator(Box::new(Evaluator::from_key(&keys, self.fresh_key())))
            };
            self.lattices.keys.insert(name, (shifts, end));
        }
        Ok(())
    }

    /// A generator key that nobody else knows.
    fn fresh_key(&mut self) -> PrgKey {
        let mut key = Zeroizing::new([0; 32]);
        self.random.fill(&mut *key);
        PrgKey::from_bytes(*key)
    }
}

/// The result of a step of lattices, as one of the channel.
pub(super) fn of_lattices<T, C: PairChannel>(result: Result<T, LatticeError>) -> Result<T, C::Error> {
    result.map_err(|error| PairError::from(error).into())
}

/// Sends a message, in several if it is long.
pub(super) fn send_whole<C: PairChannel>(bytes: &[u8], channel: &mut C) -> Result<(), C::Error> {
    bytes.chunks(MESSAGE_BYTES).try_for_each(|piece| channel.send(piece.to_vec()))
}

/// Receives a message of so many bytes.
pub(super) fn receive_whole<C: PairChannel>(
    message: MessageKind,
    size_bytes: usize,
    channel: &mut C,
) -> Result<Vec<u8>, C::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < size_bytes {
        let due = (size_bytes - bytes.len()).min(MESSAGE_BYTES);
        let piece = channel.receive(due)?;
        if piece.len() != due {
            let actual = bytes.len() + piece.len();
            let wrong = LatticeError::Length { message, expected: size_bytes, actual };
            return of_lattices::<_, C>(Err(wrong));
        }
        if bytes.is_empty() && due == size_bytes {
            return Ok(piece);
        }
        bytes.reserve_exact(size_bytes - bytes.len());
        bytes.extend(piece);
    }
    Ok(bytes)
}
