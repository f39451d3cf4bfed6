//! Correlations that the two computing parties make between themselves, by oblivious transfer and lattices, with nobody else.
//!
//! **Functionality.** That of a dealer, seen from the parties: each draws its parts of masks, and party 0 its parts of what
//! depends on them, from a key of its own that nobody else knows; party 1 gets the corrections. Of entries that are delivered each
//! gets all of its parts. So what is computed has the same bits, whoever makes the correlations.
//!
//! **Steps.** Party 0 is the sender of the transfers and party 1 the receiver, but for those of selections, entry by entry in the
//! order of the demand. Five building blocks make everything:
//! - *Lookup* (module `lookup`; one-time truth tables by 1-of-N transfer: Dessouky, Koushanfar, Sadeghi, Schneider, Zeitouni
//!   and Zohner, "Pushing the Communication Barrier in Secure Computation using Lookup Tables", NDSS 2017). Party 1 has a
//!   number x of b bits, party 0 a table of 2^b messages; party 1 learns message x. Party 0 puts its own share, which it has
//!   drawn, into each message, so that party 1 learns its correction and nothing else.
//! - *Multiplication* (module `multiply`; Gilboa, "Two Party RSA Key Generation", CRYPTO 1999, with correlated transfers of
//!   whole vectors: Demmler, Schneider and Zohner, "ABY", NDSS 2015). Party 1 has an element, party 0 a vector; both get
//!   shares of their product, from one transfer for each bit of the element.
//! - *Selection* (module `backward`): party 0 has a bit, party 1 an element; both get shares of their product, from one transfer
//!   whose sender is party 1.
//! - *Random products* (module `ole`): a random transfer is a product of a random bit of each, in shares, as it is.
//! - *Lattices* (modules `encrypted` and `lattices`): products of matrices, and of vectors, under ring-LWE (see
//!   [`crate::lattice`]), where they are cheaper than multiplication. The module `choice` has the rule, which both parties follow alike.
//!
//! | entry | how |
//! |---|---|
//! | mask | nothing |
//! | product Σ A·B | A₀·B₀ and A₁·B₁ locally; A₁·B₀ and A₀·B₁ by multiplication, the elements being party 1's, or by lattices |
//! | truncation pair | the carries at bits m and w−1 of r₀ + r₁, digit by digit by lookups; then two lookups, with the result's shares as messages |
//! | table | digit by digit: a lookup by party 1's digit and its share of the carry gives the table's row of the digit and the next carry |
//! | monomials | the products of eq masks by a lookup of all of them; times an lt mask by lookups of one bit |
//! | products of bits, monomials of a pairwise level | random products; of a pair with two products one bit is told |
//! | bit, carry | a lookup of one bit |
//! | transfer | a transfer each |
//! | bit product | ρ₀ times party 1's part of the mask by selection; party 0's part by a lookup of one bit |
//!
//! **Several runs.** A program that has run may run again, by an order of the entries that are not *once*. Each party keeps its
//! parts of what the first run alone drew, and later products need ([`Kept`]); keys are each run's own. Keys of lattices serve a
//! whole session ([`Lattices`]).
//!
//! **Bytes and rounds.** A [`Pricer`] states them for a demand's runs: it walks the same steps.
//!
//! **Security.** Semi-honest parties, as the protocols that use it: each party does as it should and learns nothing from what
//! it sees. Every message of a table but the chosen one is under a pad that party 1 does not know, and the chosen one has
//! party 0's fresh share, or a fresh random bit of it, added; of a multiplication party 1 sees its vector under a pad, and
//! a sum with party 0's fresh share. Party 0 sees party 1's choices under random bits, and nothing else; of a selection the
//! parties see as much exchanged. So both views are
//! simulated from uniform messages, given correlated transfers. Products by lattices hide their factors under ring-LWE and within a
//! statistical distance, of which all products of a session together have at most 2^−40. The transfers themselves are secure against malicious
//! parties (see [`crate::ot`]); what a malicious party could do is to put in wrong tables, elements and differences: results are then
//! wrong, and a party that learns whether they are may learn bits of masks. Of lattices a party that deviates may learn the other's
//! factor or key, which is why a key is for one session with one peer. Nothing here detects any of it.
//!
//! **Memory.** At most some ten megabytes beside the correlated transfers, the masks of one entry and what a dealer would send, which a
//! party keeps until the run takes it; and for one piece of a product by lattices, of 2^21 elements at most, some 100 bytes an
//! element.

mod backward;
mod bits;
mod choice;
mod encrypted;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod lattices;
mod lookup;
mod monomials;
mod multiply;
mod ole;
mod product;
mod table;
#[cfg(test)]
mod tests;
mod transfer;
mod trunc_pair;

pub use choice::Choice;
pub use lattices::Lattices;

use super::{Correlation, DRAWS, Demand, EntryId, IS_SENT, MaskSpec, Part, STREAMS, narrower};
use crate::lattice::LatticeError;
use crate::ot::{
    Channel, Course, OtError, Random, ReceiverCots, ReceiverSupply, SenderCots, SenderSupply, SessionId,
};
use crate::ring::prg::PrgKey;
use crate::ring::{Ring, Shape};
use crate::share::{PartyId, Taken, Turn};
use crate::step::MessageId;
use crate::step::bits::planes;
use choice::Prices;
use std::collections::{BTreeSet, HashMap};
use zeroize::Zeroizing;

/// Values that are told in one message.
const TOLD_AT_ONCE: usize = 1 << 20;

/// Secret elements, each in the low bits of a number.
type Elements = Zeroizing<Vec<u64>>;

/// What a demand takes of two parties that make it between themselves; where a batch of correlated transfers ends in the midst
/// of a step, that step has two messages more, and up to a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Correlated transfers from party 0 to party 1.
    pub transfers: u64,
    /// Those from party 1 to party 0.
    pub backward: u64,
    /// Bytes that party 0 sends, without those of the correlated transfers.
    pub first_bytes: u64,
    /// Bytes that party 1 sends, likewise.
    pub second_bytes: u64,
    /// Messages one behind the other, likewise.
    pub messages: u64,
    /// Blocks of pads that both parties draw.
    pub blocks: u64,
    /// Butterflies of lattices' transforms, both parties'.
    pub butterflies: u64,
    /// Multiply-adds of lattices, likewise.
    pub multiply_adds: u64,
}

impl Price {
    /// The courses of the correlated transfers, of those from party 0 and of those from party 1: of none where there are none.
    fn courses(&self) -> [Option<Course>; 2] {
        let course = |transfers: u64| {
            // What a batch has left over is too little for some steps.
            let spare = transfers / 1000 + 4096;
            Course::of(usize::try_from(transfers + spare).unwrap_or(usize::MAX))
        };
        [self.transfers, self.backward].map(|transfers| (transfers > 0).then(|| course(transfers)))
    }

    /// A sum over these courses.
    fn of_courses(&self, of: fn(&Course) -> u64) -> u64 {
        self.courses().iter().flatten().map(of).sum()
    }

    /// Bytes in both directions, with those of the correlated transfers.
    pub fn bytes(&self) -> u64 {
        self.first_bytes + self.second_bytes + self.of_courses(Course::bytes)
    }

    /// Seconds of both parties' processors, one waiting for the other, at the rates by which ways are chosen: of two cores each.
    pub fn processor_s(&self) -> f64 {
        let Prices { lattices, block_s, .. } = Prices::usual();
        self.courses().iter().flatten().map(Course::processor_s).sum::<f64>()
            + self.blocks as f64 * block_s
            + self.butterflies as f64 * lattices.butterfly_s
            + self.multiply_adds as f64 * lattices.multiply_add_s
    }

    /// Messages one behind the other, with those of the correlated transfers.
    pub fn rounds(&self) -> u64 {
        self.messages + self.of_courses(|course| course.messages().into())
    }
}

/// Takes what a party gets of the entries in place of a dealer's messages, entry by entry in the demand's order: party 1 its
/// corrections, and both what is delivered.
pub trait Corrections {
    /// Takes one whole message: the elements of its matrix, as bytes.
    fn take(&mut self, message: MessageId, bytes: Zeroizing<Vec<u8>>);
}

/// Why two parties cannot make their correlations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// A step of a transfer.
    #[error(transparent)]
    Transfer(#[from] OtError),
    /// A step of lattices.
    #[error(transparent)]
    Lattice(#[from] LatticeError),
    /// All products by lattices of a session would tell more than they may.
    #[error(
        "the products by lattices of this session together hide their factors within 2^-40 no more: begin a new session"
    )]
    TooManyProducts,
}

/// Moves messages between the two parties, as [`Channel`] says.
pub trait PairChannel: Channel<Error: From<PairError>> {}

impl<C: Channel<Error: From<PairError>>> PairChannel for C {}

/// The prices of a demand's runs, in a session that begins with them.
pub struct Pricer<'a> {
    demand: &'a Demand,
    choice: Choice,
    lattices: Lattices,
}

impl<'a> Pricer<'a> {
    /// Of a program that runs once, or may run again.
    pub fn new(demand: &'a Demand, may_run_again: bool) -> Pricer<'a> {
        let lattices = Lattices::default();
        Pricer { demand, choice: Choice::new(demand, may_run_again, &lattices), lattices }
    }

    /// What the next run takes: every step is walked, and nothing is computed or sent.
    pub fn run(&mut self, turn: &Turn) -> Price {
        price(self.demand, &self.choice, turn, &mut self.lattices)
    }

    /// The ways of the products.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }
}

/// The first of all runs.
pub fn first_turn() -> Turn {
    Turn { first: true, seldom: true, hidden: BTreeSet::new() }
}

/// The price of a run of a demand that is made in these ways, by parties that have these keys.
fn price(demand: &Demand, choice: &Choice, turn: &Turn, lattices: &mut Lattices) -> Price {
    let (random, own) = (Random::from_key(PrgKey::from_bytes([0; 32])), Own::Nobody);
    let mut kept = Kept::default();
    let mut end =
        End { demand, choice, turn, own, random, kept: &mut kept, lattices, price: Price::default() };
    let walked = end.entries(&mut Unconnected, &mut |_, _| {});
    walked.expect("a walk that sends nothing does not fail");
    end.price
}

/// What a party keeps of a program's first run for those that follow: its parts of what they need and do not draw.
#[derive(Default)]
pub struct Kept(HashMap<(EntryId, u64), Elements>);

/// What is to be made: the run of a demand in these ways, at parties 0 and 1.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// The correlations of all runs.
    pub demand: &'a Demand,
    /// The ways of its products: at both parties the same.
    pub choice: &'a Choice,
    /// Which of all runs this is.
    pub turn: &'a Turn,
    /// 0 or 1.
    pub party: PartyId,
    /// A name that both know and no other session has, nor another run.
    pub session: SessionId,
    /// The party's own key of this run, from which its plan draws its parts.
    pub key: &'a PrgKey,
}

/// Makes the correlations of a run with the other party. What a dealer would send this party goes to `corrections`.
///
/// # Errors
/// Where the channel fails, the other party sends what it must not, or lattices have made all products that they may in a
/// session.
///
/// # Panics
/// Where the demand is malformed, the party is neither, or a later run comes before the first.
pub fn make<C: PairChannel>(
    making: Making<'_>,
    (lattices, kept): (&mut Lattices, &mut Kept),
    mut random: Random,
    channel: &mut C,
    corrections: &mut dyn Corrections,
) -> Result<Price, C::Error> {
    let Making { demand, choice, turn, party, session, key } = making;
    assert!(Demand::PARTIES.contains(&party), "parties 0 and 1 make correlations");
    lattices.spend(choice.distance(demand, turn))?;
    let price = price(demand, choice, turn, &mut lattices.covered());
    let mut fresh = || {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(&mut *key);
        Random::from_key(PrgKey::from_bytes(*key))
    };
    let forward_random = fresh();
    // Matrices without elements take none.
    let [forward, backward] = price.courses();
    let sessions = [session, backward::session(session)];
    let own = if party == DRAWS {
        let send = |course| SenderSupply::new(sessions[0], course, forward_random, channel);
        let supply = forward.map(send).transpose()?;
        let receive = |course| ReceiverSupply::new(sessions[1], course, fresh(), channel);
        Own::First { supply, backward: backward.map(receive).transpose()?, key }
    } else {
        let receive = |course| ReceiverSupply::new(sessions[0], course, forward_random, channel);
        let supply = forward.map(receive).transpose()?;
        let send = |course| SenderSupply::new(sessions[1], course, fresh(), channel);
        Own::Second { supply, backward: backward.map(send).transpose()?, key }
    };
    let mut end = End { demand, choice, turn, own, random, kept, lattices, price: Price::default() };
    end.entries(channel, &mut |message, bytes| corrections.take(message, bytes))?;
    end.keep();
    let taken = |price: &Price| (price.transfers, price.backward, price.first_bytes);
    debug_assert_eq!(taken(&end.price), taken(&price), "the price is what is done");
    Ok(price)
}

/// A party's own means, or nobody's where only the price is wanted.
enum Own<'a> {
    First { supply: Option<SenderSupply>, backward: Option<ReceiverSupply>, key: &'a PrgKey },
    Second { supply: Option<ReceiverSupply>, backward: Option<SenderSupply>, key: &'a PrgKey },
    Nobody,
}

/// One party's end, and what it has taken so far.
struct End<'a> {
    demand: &'a Demand,
    choice: &'a Choice,
    turn: &'a Turn,
    own: Own<'a>,
    random: Random,
    kept: &'a mut Kept,
    lattices: &'a mut Lattices,
    price: Price,
}

/// Correlated transfers of one batch, at one end.
enum Batch {
    First(SenderCots),
    Second(ReceiverCots),
}

/// Takes corrections.
type Take<'a> = &'a mut dyn FnMut(MessageId, Zeroizing<Vec<u8>>);

impl End<'_> {
    fn entries<C: PairChannel>(&mut self, channel: &mut C, take: Take<'_>) -> Result<(), C::Error> {
        let (demand, turn) = (self.demand, self.turn);
        self.exchange_keys(&self.choice.keys, channel)?;
        for (entry, correlation) in (0..).map(EntryId).zip(&demand.entries) {
            if !turn.takes(demand.taken(entry)) {
                continue;
            }
            match correlation {
                Correlation::Mask(_) => {}
                Correlation::Product(spec) => self.product(entry, spec, channel, take)?,
                Correlation::TruncPair(spec) => self.trunc_pair(entry, *spec, channel, take)?,
                Correlation::Table(spec) => self.table(entry, *spec, channel, take)?,
                Correlation::Monomials(spec) => self.monomials(entry, *spec, channel, take)?,
                Correlation::Bit(spec) => self.bit(entry, *spec, channel, take)?,
                Correlation::BitProduct(spec) => self.bit_product(entry, *spec, channel, take)?,
                Correlation::Carry(spec) => self.carry(entry, *spec, channel, take)?,
                Correlation::Transfer(spec) => self.transfers(entry, *spec, channel, take)?,
                Correlation::Ole(spec) => self.ole(entry, *spec, channel, take)?,
            }
        }
        Ok(())
    }

    fn ring(&self) -> Ring {
        self.demand.ring
    }

    /// Whether this is party 0, or party 1; neither where nobody is there.
    fn is(&self, party: PartyId) -> bool {
        match self.own {
            Own::First { .. } => party == DRAWS,
            Own::Second { .. } => party == IS_SENT,
            Own::Nobody => false,
        }
    }

    /// A part that this party draws, as the steps of its plan do; no elements where nobody is there.
    fn draw(&self, entry: EntryId, part: Part, shape: Shape) -> Elements {
        self.draw_stream(entry, part as u64, shape)
    }

    /// The same of the entry's stream with this number.
    fn draw_stream(&self, entry: EntryId, stream: u64, shape: Shape) -> Elements {
        let (Own::First { key, .. } | Own::Second { key, .. }) = self.own else { return Elements::default() };
        if !self.turn.takes(self.demand.taken(entry)) {
            // Nobody has the key under which the first run drew it.
            let kept = self.kept.0.get(&(entry, stream));
            return kept.expect("the first run kept what later ones need").clone();
        }
        let ring = self.ring();
        let mut bytes = Zeroizing::new(vec![0; shape.len() * ring.element_bytes()]);
        key.fill(u64::from(entry.0) * STREAMS + stream, 0, &mut bytes);
        elements(ring, &bytes)
    }

    /// What depends on masks: party 0 draws its part.
    fn dependent(&self, entry: EntryId, part: Part, shape: Shape) -> Elements {
        if self.is(DRAWS) { self.draw(entry, part, shape) } else { self.zeros(shape.len()) }
    }

    /// This party's part of an earlier mask: zeros where it draws none.
    fn mask(&self, entry: EntryId) -> Elements {
        match &self.demand.entries[entry.0 as usize] {
            Correlation::Mask(MaskSpec { shape, parts }) => {
                let draws = parts.iter().any(|party| self.is(party));
                if draws { self.draw(entry, Part::Mask, *shape) } else { self.zeros(shape.len()) }
            }
            Correlation::TruncPair(spec) => self.draw(entry, Part::TruncMask, spec.shape),
            _ => unreachable!("a demand that was checked"),
        }
    }

    /// Keeps this party's parts of what the first run alone draws, where others depend on it.
    fn keep(&mut self) {
        let demand = self.demand;
        if !self.turn.first {
            return;
        }
        let later = (0..).map(EntryId).zip(&demand.entries);
        let later = later.filter(|(entry, _)| demand.taken(*entry) != Taken::First);
        let needed: BTreeSet<EntryId> = later.flat_map(|(_, correlation)| correlation.sources()).collect();
        for entry in needed.into_iter().filter(|entry| demand.taken(*entry) == Taken::First) {
            let (part, shape) = match &demand.entries[entry.0 as usize] {
                Correlation::Mask(MaskSpec { shape, parts }) => {
                    let draws = parts.iter().any(|party| self.is(party));
                    (Part::Mask, if draws { *shape } else { continue })
                }
                Correlation::TruncPair(spec) => (Part::TruncMask, spec.shape),
                Correlation::Bit(spec) => (Part::Mask, planes(demand.ring, 1, spec.shape.len())),
                _ => unreachable!("a demand that was checked"),
            };
            self.kept.0.insert((entry, part as u64), self.draw(entry, part, shape));
        }
    }

    /// The parties that draw a part of an earlier mask.
    fn has_part(&self, entry: EntryId, party: PartyId) -> bool {
        match &self.demand.entries[entry.0 as usize] {
            Correlation::Mask(spec) => spec.parts.contains(party),
            _ => true,
        }
    }

    fn zeros(&self, len: usize) -> Elements {
        Zeroizing::new(if matches!(self.own, Own::Nobody) { Vec::new() } else { vec![0; len] })
    }

    /// Fresh random bits of party 0, in the place of which others have zeros.
    fn fresh_bits(&mut self, len: usize) -> Zeroizing<Vec<u8>> {
        if !self.is(DRAWS) {
            return Zeroizing::new(if self.is(IS_SENT) { vec![0; len] } else { Vec::new() });
        }
        let mut bits = Zeroizing::new(vec![0; len]);
        self.random.fill(&mut bits);
        bits.iter_mut().for_each(|bit| *bit &= 1);
        bits
    }

    /// Party 0 tells the low `width` bits of `count` values; party 1 returns them, and party 0 what it has told.
    fn tell<C: Channel>(
        &mut self,
        count: usize,
        values: Elements,
        width: u32,
        channel: &mut C,
    ) -> Result<Elements, C::Error> {
        const STEP: &str = "the sums of correlations between two parties";
        let mut told = Zeroizing::new(Vec::with_capacity(if self.is(IS_SENT) { count } else { 0 }));
        for first in (0..count).step_by(TOLD_AT_ONCE) {
            let here = first..count.min(first + TOLD_AT_ONCE);
            let bytes = (here.len() * width as usize).div_ceil(8);
            self.price.first_bytes += bytes as u64;
            self.price.messages += 1;
            match self.own {
                Own::First { .. } => {
                    let mut packer = lookup::Packer::with_capacity(bytes);
                    values[here].iter().for_each(|&value| packer.push(value, width));
                    channel.send(packer.finish())?;
                }
                Own::Second { .. } => {
                    let message = Zeroizing::new(channel.receive(bytes)?);
                    OtError::check_length(&message, bytes, STEP)?;
                    let mut unpacker = lookup::Unpacker::new(&message);
                    told.extend(here.map(|_| unpacker.next(width)));
                }
                Own::Nobody => {}
            }
        }
        Ok(if self.is(IS_SENT) { told } else { values })
    }

    /// Hands on party 1's correction of whole elements.
    fn correct(&self, entry: EntryId, number: u32, values: &[u64], take: Take<'_>) {
        if self.is(IS_SENT) {
            let bytes = bytes(self.ring(), values);
            take(MessageId(entry.0 * super::CORRECTIONS + number), bytes);
        }
    }

    /// Hands on what either party is sent of an entry whose parts are delivered.
    fn deliver(&self, entry: EntryId, number: u32, values: &[u64], take: Take<'_>) {
        if !matches!(self.own, Own::Nobody) {
            let bytes = bytes(self.ring(), values);
            take(MessageId(entry.0 * super::CORRECTIONS + number), bytes);
        }
    }

    /// The width to which party 1's correction is cut, where only so many of its low bits are right.
    fn corrected_width(&self, width: u32, shape: Shape) -> u32 {
        if narrower(self.ring(), width, shape).is_some() { width } else { self.ring().bits() }
    }

    /// Hands on party 1's correction, of which only the low `width` bits are right.
    fn correct_low(
        &self,
        entry: EntryId,
        number: u32,
        values: &[u64],
        (width, shape): (u32, Shape),
        take: Take<'_>,
    ) {
        let ring = self.ring();
        let Some(packed) = narrower(ring, width, shape) else {
            return self.correct(entry, number, values, take);
        };
        if self.is(IS_SENT) {
            let mut packer = lookup::Packer::with_capacity(packed.len() * ring.element_bytes());
            values.iter().for_each(|&value| packer.push(value, width));
            let mut bytes = Zeroizing::new(packer.finish());
            bytes.resize(packed.len() * ring.element_bytes(), 0);
            take(MessageId(entry.0 * super::CORRECTIONS + number), bytes);
        }
    }
}

/// Elements from their bytes.
fn elements(ring: Ring, bytes: &[u8]) -> Elements {
    Zeroizing::new(match ring {
        Ring::Z32 => bytes.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes).into()).collect(),
        Ring::Z64 => bytes.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect(),
    })
}

/// The bytes of elements.
fn bytes(ring: Ring, values: &[u64]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(values.len() * ring.element_bytes()));
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes()[..ring.element_bytes()]);
    }
    bytes
}

/// Bit `index` of a row of planes of `width` words.
fn plane_bit(planes: &[u64], width: usize, plane: usize, index: usize) -> u64 {
    planes[plane * width + index % width] >> (index / width) & 1
}

/// No channel.
struct Unconnected;

impl Channel for Unconnected {
    type Error = PairError;

    fn send(&mut self, _: Vec<u8>) -> Result<(), PairError> {
        unreachable!("nobody sends where only the price is wanted")
    }

    fn receive(&mut self, _: usize) -> Result<Vec<u8>, PairError> {
        unreachable!("nobody receives where only the price is wanted")
    }
}
