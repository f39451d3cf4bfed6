//! The list of correlations that a program consumes.

use super::{
    BitProductSpec, BitSpec, CarrySpec, DRAWS, IS_SENT, MaskSpec, MonomialsSpec, OleSpec, ProductSpec,
    TableSpec, TransferSpec, TruncPairSpec,
};
use crate::ring::{Ring, Shape};
use crate::share::{PartyId, Taken, Turn};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The version of the rules by which correlations are dealt: an order that was dealt by others is for another demand.
const DEALING: u32 = 3;

/// A position in a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub u32);

/// One correlation, as a shape: what is drawn for it is nobody's but the parties'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Correlation {
    /// A uniform matrix.
    Mask(MaskSpec),
    /// Shares of a sum of products of masks.
    Product(ProductSpec),
    /// A mask, and shares of its top and middle bits.
    TruncPair(TruncPairSpec),
    /// Shares of a mask's digits.
    Table(TableSpec),
    /// Masks of bits, and shares of their products.
    Monomials(MonomialsSpec),
    /// Random bits, shared both ways.
    Bit(BitSpec),
    /// Shares of random bits times a mask.
    BitProduct(BitProductSpec),
    /// The correlation of a carry.
    Carry(CarrySpec),
    /// Random oblivious transfers of labels.
    Transfer(TransferSpec),
    /// Shares of products of the parties' random bits.
    Ole(OleSpec),
}

/// The makers of correlations for whom a program is lowered: comparisons and truncations differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoweredFor {
    /// A dealer, to whom tables cost a few bits.
    #[default]
    Dealer,
    /// The two parties, to whom products of random bits cost almost nothing.
    Pair,
}

impl LoweredFor {
    /// Whether this is what a program has that says nothing of it.
    fn is_default(&self) -> bool {
        *self == LoweredFor::default()
    }
}

/// Everything that a program consumes, in the order in which it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// The ring of all entries.
    pub ring: Ring,
    /// For whom the program was lowered.
    #[serde(default, skip_serializing_if = "LoweredFor::is_default")]
    pub lowered_for: LoweredFor,
    /// The entries.
    #[serde(deserialize_with = "few")]
    pub entries: Vec<Correlation>,
    /// The entries that the first run alone consumes, where more follow; they depend on no others.
    #[serde(default)]
    pub once: BTreeSet<EntryId>,
    /// The entries that only those runs consume that reveal an output that not all runs reveal; no others depend on them.
    #[serde(default)]
    pub seldom: BTreeSet<EntryId>,
}

/// Reads entries, and gives up at the first beyond those that are dealt: a list takes more memory than its text.
fn few<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Correlation>, D::Error> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<Correlation>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {} correlations", Demand::MOST_ENTRIES)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Correlation>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = list.next_element()? {
                if entries.len() == Demand::MOST_ENTRIES {
                    return Err(A::Error::invalid_length(entries.len() + 1, &self));
                }
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    from.deserialize_seq(Entries)
}

/// A demand that cannot be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemandError {
    /// Too many entries.
    #[error(
        "a demand of {entries} correlations or more; at most {} are dealt in one order",
        Demand::MOST_ENTRIES
    )]
    TooMany {
        /// How many there are at least.
        entries: usize,
    },
    /// A matrix that no device could hold.
    #[error("correlation {entry} has a matrix of shape {shape}, which is too large")]
    TooLarge {
        /// Which.
        entry: usize,
        /// Its matrix.
        shape: Shape,
    },
    /// Shapes or numbers that do not fit together.
    #[error("correlation {entry} is malformed: {reason}")]
    Malformed {
        /// Which.
        entry: usize,
        /// Why.
        reason: &'static str,
    },
}

impl Demand {
    /// Entries beyond this are refused: message numbers and a dealer's memory for the list are bounded.
    pub const MOST_ENTRIES: usize = 1 << 18;

    /// Whom correlations are dealt to.
    pub const PARTIES: [PartyId; 2] = [DRAWS, IS_SENT];

    /// An empty demand.
    pub const fn new(ring: Ring) -> Demand {
        let once = BTreeSet::new();
        let seldom = BTreeSet::new();
        Demand { ring, lowered_for: LoweredFor::Dealer, entries: Vec::new(), once, seldom }
    }

    /// Appends an entry.
    pub fn push(&mut self, correlation: Correlation) -> EntryId {
        let id = EntryId(u32::try_from(self.entries.len()).expect("fewer than 2^32 correlations"));
        self.entries.push(correlation);
        id
    }

    /// Appends an entry that these runs consume.
    pub fn push_for(&mut self, correlation: Correlation, taken: Taken) -> EntryId {
        let id = self.push(correlation);
        match taken {
            Taken::Always => false,
            Taken::First => self.once.insert(id),
            Taken::Seldom | Taken::Output(_) => self.seldom.insert(id),
        };
        id
    }

    /// The runs that consume an entry.
    pub fn taken(&self, entry: EntryId) -> Taken {
        match (self.once.contains(&entry), self.seldom.contains(&entry)) {
            (true, _) => Taken::First,
            (false, true) => Taken::Seldom,
            (false, false) => Taken::Always,
        }
    }

    /// What a run consumes, to be reported: the entries' numbers are those of the whole demand no more.
    pub fn of_turn(&self, turn: &Turn) -> Demand {
        let is_taken = |(index, _): &(u32, &Correlation)| turn.takes(self.taken(EntryId(*index)));
        let taken = (0..).zip(&self.entries).filter(is_taken);
        Demand { entries: taken.map(|(_, entry)| entry.clone()).collect(), ..Demand::new(self.ring) }
    }

    /// Refuses a demand that has too many entries.
    ///
    /// # Errors
    /// [`DemandError::TooMany`].
    pub fn check_length(&self) -> Result<(), DemandError> {
        let entries = self.entries.len();
        if entries > Demand::MOST_ENTRIES { Err(DemandError::TooMany { entries }) } else { Ok(()) }
    }

    /// Checks a demand that came from outside.
    ///
    /// # Errors
    /// Where it has too many entries, or one that is malformed or too large.
    pub fn check(&self) -> Result<(), DemandError> {
        self.check_length()?;
        if let Some(&EntryId(entry)) = self.once.last().max(self.seldom.last())
            && entry as usize >= self.entries.len()
        {
            let reason = "an entry that not every run takes, and that is not there";
            return Err(DemandError::Malformed { entry: entry as usize, reason });
        }
        if let Some(&EntryId(entry)) = self.once.intersection(&self.seldom).next() {
            let reason = "an entry that the first run alone takes, and others";
            return Err(DemandError::Malformed { entry: entry as usize, reason });
        }
        for (entry, correlation) in self.entries.iter().enumerate() {
            let taken = self.taken(EntryId(entry as u32));
            if !correlation.sources().all(|source| self.taken(source).is_there_for(taken)) {
                let reason = "what some runs take depends on what they do not find";
                return Err(DemandError::Malformed { entry, reason });
            }
            // Before its size: what depends on a mask has the size of one that has passed.
            if let Some(reason) = self.malformed(entry, correlation) {
                return Err(DemandError::Malformed { entry, reason });
            }
            let shape = correlation.shape(self.ring);
            if !shape.is_bearable() {
                return Err(DemandError::TooLarge { entry, shape });
            }
        }
        Ok(())
    }

    fn malformed(&self, entry: usize, correlation: &Correlation) -> Option<&'static str> {
        let earlier = |id: EntryId| self.entries[..entry].get(id.0 as usize);
        let earlier_mask = |id: EntryId| match earlier(id) {
            Some(Correlation::Mask(spec)) => Some(spec.shape),
            _ => None,
        };
        let earlier_bits = |id: EntryId| match earlier(id) {
            Some(Correlation::Bit(spec)) => Some(spec.shape),
            _ => None,
        };
        let tabled = |id: EntryId| match earlier(id) {
            Some(Correlation::TruncPair(spec)) => Some(spec.shape),
            _ => earlier_mask(id),
        };
        let known_to_first = |id: EntryId| match earlier(id) {
            Some(Correlation::Mask(spec)) if spec.parts == DRAWS.alone() => Some(spec.shape),
            _ => None,
        };
        match correlation {
            Correlation::Mask(spec) => spec.malformed(),
            Correlation::Product(spec) => spec.malformed(earlier_mask),
            Correlation::TruncPair(spec) => spec.malformed(self.ring),
            Correlation::Table(spec) => spec.malformed(self.ring, tabled),
            Correlation::Monomials(spec) => spec.malformed(),
            Correlation::Ole(spec) => spec.malformed(),
            Correlation::Bit(_) | Correlation::Transfer(_) => None,
            Correlation::Carry(spec) => spec.malformed(self.ring, known_to_first),
            Correlation::BitProduct(spec) => spec.malformed(earlier_bits(spec.bit), earlier_mask(spec.mask)),
        }
    }

    /// BLAKE3 over all entries, to which an order that was dealt ahead of time is bound. Two programs with the same
    /// demand have the same digest, and may use the same orders.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&DEALING.to_le_bytes());
        serde_json::to_writer(&mut hasher, self).expect("a demand serialises, and hashing cannot fail");
        *hasher.finalize().as_bytes()
    }

    /// Bytes that the parties are sent in all: party 1's corrections, and of what is delivered both parties' parts.
    pub fn correction_bytes(&self) -> u64 {
        let elements = |correlation: &Correlation| match correlation {
            Correlation::Mask(_) => 0,
            Correlation::TruncPair(spec) => spec.correction_elements(self.ring) as u64,
            Correlation::Carry(spec) => spec.correction_elements(self.ring) as u64,
            Correlation::Transfer(spec) => spec.correction_elements(self.ring) as u64,
            Correlation::Monomials(spec) => spec.correction_elements(self.ring) as u64,
            // Of each party both parts.
            Correlation::Ole(spec) => 4 * spec.planes(self.ring).len() as u64,
            other => other.shape(self.ring).len() as u64,
        };
        self.entries.iter().map(elements).sum::<u64>() * self.ring.element_bytes() as u64
    }

    /// One line for each kind of correlation: how many, of how many elements.
    pub fn summary(&self) -> Vec<String> {
        let line = |name: &str, kind: fn(&Correlation) -> bool| {
            let shapes = self.entries.iter().filter(|entry| kind(entry)).map(|entry| entry.shape(self.ring));
            let (count, elements) =
                shapes.fold((0, 0), |(count, elements), shape| (count + 1, elements + shape.len()));
            (count > 0).then(|| format!("{count} {name}(s) of {elements} elements"))
        };
        let lines = [
            line("mask", |entry| matches!(entry, Correlation::Mask(_))),
            line("product", |entry| matches!(entry, Correlation::Product(_))),
            line("truncation pair", |entry| matches!(entry, Correlation::TruncPair(_))),
            line("table", |entry| matches!(entry, Correlation::Table(_))),
            line("monomial set", |entry| matches!(entry, Correlation::Monomials(_))),
            line("bit matrix", |entry| matches!(entry, Correlation::Bit(_))),
            line("bit product", |entry| matches!(entry, Correlation::BitProduct(_))),
            line("carry", |entry| matches!(entry, Correlation::Carry(_))),
            line("list of random transfers", |entry| matches!(entry, Correlation::Transfer(_))),
            line("set of bits' products", |entry| matches!(entry, Correlation::Ole(_))),
        ];
        lines.into_iter().flatten().collect()
    }
}

impl Correlation {
    /// The entries that it depends on.
    pub(super) fn sources(&self) -> impl Iterator<Item = EntryId> {
        let (terms, others): (&[(EntryId, EntryId)], _) = match self {
            Correlation::Product(spec) => (&spec.terms, [None, None]),
            Correlation::Table(spec) => (&[], [Some(spec.mask), None]),
            Correlation::Carry(spec) => (&[], [Some(spec.mask), None]),
            Correlation::BitProduct(spec) => (&[], [Some(spec.bit), Some(spec.mask)]),
            Correlation::Mask(_)
            | Correlation::TruncPair(_)
            | Correlation::Monomials(_)
            | Correlation::Bit(_)
            | Correlation::Ole(_)
            | Correlation::Transfer(_) => (&[], [None, None]),
        };
        terms.iter().flat_map(|&(left, right)| [left, right]).chain(others.into_iter().flatten())
    }

    /// The shape of its largest matrices, in a ring.
    pub fn shape(&self, ring: Ring) -> Shape {
        match self {
            Correlation::Mask(spec) => spec.shape,
            Correlation::Product(spec) => spec.shape,
            Correlation::TruncPair(spec) => spec.shape,
            Correlation::Table(spec) => spec.planes(ring),
            Correlation::Monomials(spec) => spec.planes(ring),
            Correlation::Bit(spec) => spec.shape,
            Correlation::BitProduct(spec) => spec.shape,
            Correlation::Carry(spec) => spec.shape,
            Correlation::Transfer(spec) => spec.shape,
            Correlation::Ole(spec) => spec.planes(ring),
        }
    }
}
