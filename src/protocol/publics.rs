//! Public values: every party uploads them, and does with each copy of a value what those that differ from run to run say.

use super::lowering::{Block, Form, Lowering, Parts, Tile};
use super::rules::Rules;
use crate::program::{PublicId, ValueId};
use crate::ring::Shape;
use crate::share::{Parties, PartyId};
use crate::step::{Action, InputId, Kernel, MemoryClass};

impl<P: Rules> Lowering<'_, P> {
    /// Some numbers of a public value, on a party's device. The parties' own numbers of them follow those of inputs and states.
    fn public(&mut self, party: PartyId, public: PublicId, first: usize, count: usize) -> Block {
        let key = (party, public, first);
        if let Some(&block) = self.publics.get(&key) {
            return block;
        }
        let to = self.buffer(party, Shape::new(count, 1), MemoryClass::Plain);
        let input = self.input_of(public);
        self.push(party, Action::Input { to, input, at: (first, 0) });
        self.publics.insert(key, to);
        to
    }

    fn input_of(&self, public: PublicId) -> InputId {
        let others = self.program.inputs().len() + self.program.states().len();
        InputId((others + public.index()) as u32)
    }

    /// A tile of a public tensor: a component that all parties hold.
    pub(super) fn tensor(&mut self, public: PublicId, value: ValueId, at: (usize, usize)) -> Parts {
        let (grid, input, all) =
            (self.grid(value), self.input_of(public), Parties::first(self.program.parties()));
        all.iter()
            .map(|party| {
                let to = self.buffer(party, grid.shape(at), MemoryClass::Shares);
                self.push(party, Action::Input { to, input, at: grid.origin(at) });
                (all, party, to)
            })
            .collect()
    }

    /// Every element times the number of the run.
    pub(super) fn scaled_by_run(&mut self, a: Tile, by: PublicId) -> Parts {
        self.parts(a).map(|_, party, operand| {
            let number = self.public(party, by, 0, 1);
            let out = self.buffer(party, operand.shape, MemoryClass::Shares);
            let terms = vec![(operand, number)];
            self.push(party, Action::Kernel(Kernel::Hadamard { out, terms, accumulate: false }));
            out
        })
    }

    /// The block of `shape` at `origin` of the rows that the run takes.
    pub(super) fn taken_by_run(
        &mut self,
        (a, rows): (ValueId, PublicId),
        origin: (usize, usize),
        shape: Shape,
    ) -> Parts {
        // What is the same in every run is put together, and shared, in the first alone.
        let is_kept = self.resident[a.index()] && !self.known[a.index()];
        let form = if is_kept { Form::Shared } else { Form::Own };
        let operand = self.for_value(a, |lowering| lowering.whole(a, form));
        operand.map(|_, party, operand| {
            let index = self.public(party, rows, origin.0, shape.rows);
            let out = self.buffer(party, shape, MemoryClass::Shares);
            self.push(party, Action::Kernel(Kernel::Rows { out, operand, index, column: origin.1 }));
            out
        })
    }
}
