//! States: what parties keep between runs, and how a run leaves it to the next.
//!
//! Between runs a state is a sum of parts, one of each of its keepers; see [`super::Protocol::keepers`]. Which components
//! it has must not depend on what an update happens to be, since the update is lowered with the state's own among its
//! operands. A keeper's part of the first value comes from its host, as an input does: the owner of an input has that, the
//! others have zeros. So it takes no message, and a run that goes on from parts that were saved has the same plan.

use super::lowering::{Block, Lowering, Parts, Tile};
use super::rules::Rules;
use crate::correlation::DemandError;
use crate::program::{Init, Op, Program};
use crate::ring::Shape;
use crate::share::{Parties, PartyId};
use crate::step::{Action, InputId, MemoryClass, OpId, Phase, Update};

/// The parties that keep a part of a state: the first ones, and the owner of its first value.
pub(super) fn keepers(program: &Program, state: usize, first: usize) -> Parties {
    let owner = match program.states()[state].init {
        Init::Input(input) => match program.value(input).op {
            Op::Input(index) => program.inputs()[index].owner.alone(),
            _ => unreachable!("a first value that was declared is an input"),
        },
        _ => Parties::NONE,
    };
    Parties::first(first).union(owner)
}

impl<P: Rules> Lowering<'_, P> {
    /// A tile of a state, as the run before left it.
    pub(super) fn state(&mut self, index: usize, at: (usize, usize)) -> Parts {
        let grid = self.grid(self.program.states()[index].value);
        // The parties' own numbers of states follow those of inputs.
        let input = InputId((self.program.inputs().len() + index) as u32);
        let outer = std::mem::replace(&mut self.purpose.once, true);
        let keepers = keepers(self.program, index, P::KEEPERS).iter();
        let parts = keepers
            .map(|party| {
                let to = self.lists[party.index()].state(grid.shape(at));
                self.push(party, Action::Input { to, input, at: grid.origin(at) });
                (party.alone(), party, to)
            })
            .collect();
        self.purpose.once = outer;
        parts
    }

    /// Lowers the updates of all states, and has them take effect at the end of the run.
    pub(super) fn updates(&mut self) -> Result<(), DemandError> {
        let mut updates: Vec<Vec<Update>> = self.lists.iter().map(|_| Vec::new()).collect();
        for (index, state) in self.program.states().iter().enumerate() {
            let Some(update) = state.update.filter(|update| *update != state.value) else { continue };
            let keepers = keepers(self.program, index, P::KEEPERS);
            for at in self.grid(state.value).growing() {
                let [old, new] = [state.value, update].map(|value| Tile { value, at });
                self.require(old)?;
                self.require(new)?;
                self.purpose.once = false;
                self.purpose.op = OpId(update.0);
                let (shape, parts) = (self.grid(update).shape(at), P::kept(self, new, keepers));
                for party in keepers.iter() {
                    let state = self.parts(old).own(party).expect("a keeper has a part");
                    let value = self.part_of(&parts, party, keepers, shape, state);
                    updates[party.index()].push(Update { op: OpId(update.0), state, value });
                }
            }
        }
        let phase = if self.program.check().is_some() { Phase::Reveal } else { Phase::Online };
        for (list, updates) in self.lists.iter_mut().zip(updates) {
            list.take_effect(&updates, phase);
        }
        Ok(())
    }

    /// A keeper's part of a value, in no buffer of a state: of each component the copy of the lowest of its holders among the
    /// keepers; zero where it has none.
    fn part_of(
        &mut self,
        parts: &Parts,
        party: PartyId,
        keepers: Parties,
        shape: Shape,
        state: Block,
    ) -> Block {
        let is_its = |&(holders, whose, _): &(Parties, PartyId, Block)| {
            whose == party && keepers.iter().find(|&keeper| holders.contains(keeper)) == Some(party)
        };
        let terms: Vec<(u64, Block)> = parts.iter().filter(is_its).map(|(.., copy)| (1, copy)).collect();
        let class = MemoryClass::Shares;
        match self.total_at(party, class, terms) {
            None => self.combine(party, shape, class, vec![(0, state)], 0),
            Some(part) if self.lists[party.index()].buffers[part.buffer.0 as usize].state => {
                self.combine(party, shape, class, vec![(1, part)], 0)
            }
            Some(part) => part,
        }
    }
}
