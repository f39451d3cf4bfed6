//! Correlated randomness: what a protocol consumes and who makes it.
//!
//! Lowering a program writes down its [`Demand`], entry by entry; a dealer (see [`dealer`]) satisfies exactly that
//! list and nothing else, without knowing the program. The dealer is a role of its own, or a third party that sees no
//! opening. An entry is a tile's: a *mask*, a *product* of masks, a *truncation pair*, a *table* of a mask's digits,
//! *monomials* of masked bits, random *bits*, a product of these with a mask, products of two parties' bits (*OLE*), or random
//! *transfers* of labels. What hides a value is used once, by
//! move; a mask may stand in several products, for a value that is a factor of several is opened once and for all of
//! them.
//!
//! **Seeds.** For every run the dealer shares one generator key with each party, drawn from the operating system: streams
//! are numbered anew in each run, so no key serves two. Everything that can be uniform is never sent: party i draws its
//! part of a mask from key i, and party 0 its part of a dependent value from key 0; only party 1's dependent part, the
//! *correction*, crosses the wire, as in Chameleon (Riazi et al., ASIACCS 2018). Part p of entry e is stream 8e + p of
//! the key, from block 0. Two kinds are *delivered*: products of two parties' bits, and monomials of pairwise levels. Of these
//! each party is sent all of its parts, and draws none, since they are for two parties that make them by transfers, to whom they
//! fall at random (see [`pair`]).
//!
//! **Later runs.** A program with resident inputs is run again by another order, under fresh keys, of the same entries
//! but those that are *once*: what hides or is computed from resident values alone. The parties keep these parts of the
//! first run, and the dealer the masks among them that products of later runs need: nobody keeps a key, and no stream
//! of any key is drawn twice. A kept mask hides one value, whose opening is kept too and not sent again; each new
//! product with it is shared afresh.
//!
//! **Security.** The dealer is trusted not to collude with a party: it knows every mask. It sees no input, no
//! opening and no output. Two parties can also make all of it between themselves, by oblivious transfer, with nobody else
//! to trust: see [`pair`].

mod bit;
mod carry;
pub mod dealer;
mod demand;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod monomials;
mod ole;
pub mod order_file;
pub mod pair;
mod product;
mod source;
mod table;
mod transfer;
mod trunc_pair;

pub use bit::{Bit, BitProduct, BitProductSpec, BitSpec};
pub use carry::{CarrySpec, KnownMask, KnownSum};
pub use demand::{Correlation, Demand, DemandError, EntryId, LoweredFor};
pub use monomials::{Monomials, MonomialsSpec};
pub use ole::{Ole, OleSpec};
pub use product::{MaskSpec, Product, ProductShare, ProductSpec};
pub use source::Source;
pub use table::{Table, TableSpec};
pub use transfer::{TransferChoices, TransferPairs, TransferSpec};
pub use trunc_pair::{TruncPair, TruncPairSpec};

use crate::ring::{MINUS_ONE, Ring, Shape};
use crate::share::{PartyId, Role, Taken};
use crate::step::bits::packed;
use crate::step::{
    Action, BufferId, Kernel, KeyId, Matrix, MemoryClass, MessageId, OpId, Phase, Step, StepList,
};

/// The two parties of a dealt correlation: the first draws its dependent parts, the second is sent them.
const DRAWS: PartyId = PartyId(0);
const IS_SENT: PartyId = PartyId(1);

/// The parts of an entry that are drawn from a key, each its own stream.
#[derive(Clone, Copy)]
enum Part {
    /// Of a mask, of elements or of bits.
    Mask,
    /// Party 0's share of what depends on masks: a product, a table, monomials, bits as elements.
    Product,
    /// Of a truncation pair: the mask.
    TruncMask,
    /// Of a truncation pair: party 0's share of the mask's top bit.
    Top,
    /// Of a truncation pair: party 0's share of the mask's middle bits.
    High,
}

/// For whom steps are written: which op, and which of all tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// The op.
    pub op: OpId,
    /// The tile's number.
    pub tile: u32,
    /// The runs that take it.
    pub taken: Taken,
}

/// One entry of a demand as its parties come by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquisition {
    /// The entry.
    pub entry: EntryId,
    /// The role that makes it.
    pub source: Source,
    /// Its purpose.
    pub purpose: Purpose,
}

/// Messages below this number are corrections.
pub const FIRST_FREE_MESSAGE: u32 = Demand::MOST_ENTRIES as u32 * CORRECTIONS;

/// Streams below this number are drawn for entries, also for those of a demand that is refused as too long.
pub const FIRST_FREE_STREAM: u64 = (1 << 32) * STREAMS;

/// Messages that a party may be sent of an entry.
pub(crate) const CORRECTIONS: u32 = 4;

/// Streams that an entry may have.
const STREAMS: u64 = 8;

/// The shape of a correction's low `width` bits where they fill fewer words than the whole.
fn narrower(ring: Ring, width: u32, shape: Shape) -> Option<Shape> {
    let packed = packed(ring, width, shape.len());
    (width < ring.bits() && packed.len() < shape.len()).then_some(packed)
}

/// Writes one entry's steps into one role's list.
struct Writer<'a> {
    list: &'a mut StepList,
    acquisition: Acquisition,
}

impl Writer<'_> {
    fn push(&mut self, action: Action) {
        let Purpose { op, tile, taken } = self.acquisition.purpose;
        self.list.push_step(Step { action, phase: Phase::Offline, op, tile, taken });
    }

    /// The roles that know the masks.
    fn dealer(&self) -> Role {
        self.acquisition.source.dealer().expect("a protocol that demands correlations has a source of them")
    }

    fn buffer(&mut self, shape: Shape, class: MemoryClass) -> Matrix<BufferId> {
        self.list.buffer(shape, class)
    }

    /// `part` as `party` and the dealer draw it.
    fn draw(&mut self, shape: Shape, party: PartyId, part: Part, class: MemoryClass) -> Matrix<BufferId> {
        self.draw_stream(shape, party, part as u64, class)
    }

    /// The same of the entry's stream with this number.
    fn draw_stream(
        &mut self,
        shape: Shape,
        party: PartyId,
        stream: u64,
        class: MemoryClass,
    ) -> Matrix<BufferId> {
        debug_assert!(stream < STREAMS);
        let out = self.buffer(shape, class);
        let stream = u64::from(self.acquisition.entry.0) * STREAMS + stream;
        let key = KeyId::between(party, self.dealer());
        self.push(Action::Kernel(Kernel::Fill { out, key, stream, block: 0 }));
        out
    }

    /// A dependent part as its party gets it: drawn by the first, the dealer's `correction` to the second.
    fn dependent(
        &mut self,
        shape: Shape,
        party: PartyId,
        part: Part,
        class: MemoryClass,
        correction: u32,
    ) -> Matrix<BufferId> {
        if party == DRAWS {
            self.draw(shape, party, part, class)
        } else {
            self.receive(shape, class, correction)
        }
    }

    /// What a party is sent.
    fn receive(&mut self, shape: Shape, class: MemoryClass, number: u32) -> Matrix<BufferId> {
        let to = self.buffer(shape, class);
        let message = self.message(number);
        self.push(Action::Receive { to, peer: self.dealer(), message });
        to
    }

    /// The same, of which only the low `width` bits are right, and sent.
    fn dependent_low(
        &mut self,
        shape: Shape,
        party: PartyId,
        part: Part,
        (class, correction): (MemoryClass, u32),
        width: u32,
    ) -> Matrix<BufferId> {
        let Some(packed) = narrower(self.list.ring, width, shape).filter(|_| party != DRAWS) else {
            return self.dependent(shape, party, part, class, correction);
        };
        let operand = self.dependent(packed, party, part, class, correction);
        let out = self.buffer(shape, class);
        self.push(Action::Kernel(Kernel::Unpack { out, operand, width, accumulate: false }));
        out
    }

    /// The dealer sends a correction of which only the low `width` bits count.
    fn correct_low(&mut self, operand: Matrix<BufferId>, correction: u32, width: u32) {
        let Some(packed) = narrower(self.list.ring, width, operand.shape) else {
            return self.correct(operand, correction);
        };
        let out = self.buffer(packed, MemoryClass::Correlations);
        self.push(Action::Kernel(Kernel::Pack { out, operand, width }));
        self.correct(out, correction);
    }

    /// The dealer sends a correction.
    fn correct(&mut self, from: Matrix<BufferId>, correction: u32) {
        self.deliver(from, IS_SENT, correction);
    }

    /// The dealer sends a party what it gets of an entry.
    fn deliver(&mut self, from: Matrix<BufferId>, party: PartyId, number: u32) {
        let message = self.message(number);
        self.push(Action::Send { from, peer: party.into(), message });
    }

    /// The dealer sends what is left of a product without the first party's share of it.
    fn correct_product(&mut self, product: Matrix<BufferId>) {
        let shape = product.shape;
        let first = self.draw(shape, DRAWS, Part::Product, MemoryClass::Correlations);
        let out = self.buffer(shape, MemoryClass::Correlations);
        let terms = vec![(1, product), (MINUS_ONE, first)];
        self.push(Action::Kernel(Kernel::Linear { out, terms, constant: 0 }));
        self.correct(out, 0);
    }

    fn message(&self, correction: u32) -> MessageId {
        debug_assert!(correction < CORRECTIONS);
        MessageId(self.acquisition.entry.0 * CORRECTIONS + correction)
    }

    /// A multiple of a matrix.
    fn multiple(&mut self, operand: Matrix<BufferId>, factor: u64) -> Matrix<BufferId> {
        let out = self.buffer(operand.shape, MemoryClass::Correlations);
        self.push(Action::Kernel(Kernel::Linear { out, terms: vec![(factor, operand)], constant: 0 }));
        out
    }

    /// The sum of the parts that are there.
    fn total(&mut self, shape: Shape, parts: Vec<Matrix<BufferId>>) -> Matrix<BufferId> {
        if let [only] = parts[..] {
            return only;
        }
        let out = self.buffer(shape, MemoryClass::Correlations);
        let terms = parts.into_iter().map(|part| (1, part)).collect();
        self.push(Action::Kernel(Kernel::Linear { out, terms, constant: 0 }));
        out
    }
}
