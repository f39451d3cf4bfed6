//! The writer of the parties' lists: buffers, kernels, messages, and demands of correlations.

use super::Content;
use super::lowering::{Block, Lowering};
use super::rules::Rules;
use crate::correlation::{Acquisition, Correlation, FIRST_FREE_MESSAGE, Purpose};
use crate::program::ValueId;
use crate::ring::Shape;
use crate::share::PartyId;
use crate::step::{Action, Kernel, KeyId, MemoryClass, MessageId, Phase, Step};

impl<P: Rules> Lowering<'_, P> {
    /// Σ factor · operand at one party; without an operand nothing, and a single one as it is.
    pub(super) fn total_at(
        &mut self,
        party: PartyId,
        class: MemoryClass,
        terms: Vec<(u64, Block)>,
    ) -> Option<Block> {
        let add = |sum: (u64, Block), term: (u64, Block)| {
            (1, self.combine(party, term.1.shape, class, vec![sum, term], 0))
        };
        terms.into_iter().reduce(add).map(|(factor, sum)| {
            debug_assert_eq!(factor, 1, "a single operand is taken as it is");
            sum
        })
    }

    /// Σ factor · operand + constant at one party, in a new buffer.
    pub(super) fn combine(
        &mut self,
        party: PartyId,
        shape: Shape,
        class: MemoryClass,
        terms: Vec<(u64, Block)>,
        constant: u64,
    ) -> Block {
        let out = self.buffer(party, shape, class);
        self.push(party, Action::Kernel(Kernel::Linear { out, terms, constant }));
        out
    }

    /// Sends a matrix; returns the receiver's copy, booked under `class`.
    pub(super) fn transfer(
        &mut self,
        from: Block,
        sender: PartyId,
        receiver: PartyId,
        content: Content,
        class: MemoryClass,
    ) -> Block {
        let message = MessageId(FIRST_FREE_MESSAGE + self.contents.len() as u32);
        self.contents.push(content);
        let to = self.buffer(receiver, from.shape, class);
        self.push(sender, Action::Send { from, peer: receiver.into(), message });
        self.push(receiver, Action::Receive { to, peer: sender.into(), message });
        to
    }

    /// Uniform elements that two parties know, of a stream of their own: the first's copy and the second's.
    pub(super) fn common(
        &mut self,
        first: PartyId,
        second: PartyId,
        shape: Shape,
        class: MemoryClass,
    ) -> [Block; 2] {
        let (key, stream) = (KeyId::between(first, second), self.streams);
        self.streams += 1;
        [first, second].map(|party| {
            let out = self.buffer(party, shape, class);
            let fill = Action::Kernel(Kernel::Fill { out, key, stream, block: 0 });
            self.push_in(Phase::Offline, party, fill);
            out
        })
    }

    /// Demands a correlation of the run's source.
    pub(super) fn demand(&mut self, correlation: Correlation) -> Acquisition {
        let entry = self.demand.push_for(correlation, self.purpose.taken);
        self.purposes.push(self.purpose);
        Acquisition { entry, source: self.source, purpose: self.purpose }
    }

    pub(super) fn buffer(&mut self, party: PartyId, shape: Shape, class: MemoryClass) -> Block {
        self.lists[party.index()].buffer(shape, class)
    }

    pub(super) fn push(&mut self, party: PartyId, action: Action) {
        self.push_in(self.phase, party, action);
    }

    fn push_in(&mut self, phase: Phase, party: PartyId, action: Action) {
        let Purpose { op, tile, taken } = self.purpose;
        self.lists[party.index()].push_step(Step { action, phase, op, tile, taken });
    }

    /// Emits what depends on one value alone, for whatever op it is wanted first: if the value is resident as steps of
    /// the first run, otherwise of the runs that the present op is for.
    pub(super) fn for_value<T>(&mut self, value: ValueId, emit: impl FnOnce(&mut Self) -> T) -> T {
        let taken = self.taken(value);
        let outer = std::mem::replace(&mut self.purpose.taken, taken);
        let emitted = emit(self);
        self.purpose.taken = outer;
        emitted
    }
}
