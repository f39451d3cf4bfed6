//! States: what parties keep between runs, and how a run leaves it to the next.
//!
//! Between runs a state is a sum of parts, one of each of its keepers; see [`super::Protocol::keepers`]. Which components
//! it has must not depend on what an update happens to be, since the update is lowered with the state's own among its
//! operands. A keeper's part of the first value comes from its host, as an input does: the owner of an input has that, the
//! others have zeros. Only what the first run computes is split as an update is.

use super::lowering::{Block, Lowering, Parts, Tile};
use super::rules::Rules;
use crate::correlation::DemandError;
use crate::program::{Init, Op, Program, ValueId};
use crate::share::{Parties, PartyId, Taken};
use crate::step::{Action, InputId, Kernel, MemoryClass, OpId, Phase, StateTile, Update};

/// The parties that keep a part of a state: the first ones, and the owner of its first value.
pub(super) fn keepers(program: &Program, state: usize, first: usize) -> Parties {
    let owner = match program.states()[state].init {
        Init::Value(value) => match program.value(value).op {
            Op::Input(index) => program.inputs()[index].owner.alone(),
            _ => Parties::NONE,
        },
        _ => Parties::NONE,
    };
    Parties::first(first).union(owner)
}

impl<P: Rules> Lowering<'_, P> {
    /// The value that the first run computes for a state to begin with, if it does.
    pub(super) fn computed_first(&self, index: usize) -> Option<ValueId> {
        match self.program.states()[index].init {
            Init::Value(value) => Some(value).filter(|&value| !self.program.is_input(value)),
            _ => None,
        }
    }

    /// A tile of a state, as the run before left it.
    pub(super) fn state(&mut self, index: usize, at: (usize, usize)) -> Parts {
        let grid = self.grid(self.program.states()[index].value);
        // The parties' own numbers of states follow those of inputs.
        let input = InputId((self.program.inputs().len() + index) as u32);
        let tile = StateTile { input, at: grid.origin(at), shape: grid.shape(at) };
        let keepers = keepers(self.program, index, P::KEEPERS);
        let outer = std::mem::replace(&mut self.purpose.taken, Taken::First);
        let first = self.computed_first(index).map(|value| P::kept(self, Tile { value, at }, keepers));
        let parts = keepers
            .iter()
            .map(|party| {
                let part = first.as_ref().and_then(|first| self.part_of(first, party, keepers));
                let to = self.lists[party.index()].state(tile);
                let action = match part {
                    Some(part) => {
                        Action::Kernel(Kernel::Linear { out: to, terms: vec![(1, part)], constant: 0 })
                    }
                    None => Action::Input { to, input, at: tile.at },
                };
                self.push(party, action);
                (party.alone(), party, to)
            })
            .collect();
        self.purpose.taken = outer;
        parts
    }

    /// Lowers the updates of all states; by party what becomes of its parts.
    pub(super) fn updates(&mut self) -> Result<Vec<Vec<Update>>, DemandError> {
        let mut updates: Vec<Vec<Update>> = self.lists.iter().map(|_| Vec::new()).collect();
        self.class = Taken::Always;
        for (index, state) in self.program.states().iter().enumerate() {
            let Some(update) = state.update else { continue };
            let keepers = keepers(self.program, index, P::KEEPERS);
            for at in self.grid(state.value).growing() {
                let [old, new] = [state.value, update].map(|value| Tile { value, at });
                self.require(old)?;
                self.require(new)?;
                if update == state.value {
                    continue;
                }
                let op = OpId(update.0);
                (self.purpose.op, self.purpose.taken) = (op, Taken::Always);
                let parts = P::kept(self, new, keepers);
                for party in keepers.iter() {
                    let state = self.parts(old).own(party).expect("a keeper has a part");
                    let value = self.new_part(&parts, party, keepers, state);
                    updates[party.index()].push(Update { op, state, value });
                }
            }
        }
        Ok(updates)
    }

    /// Has the updates take effect at the end of the run, where that has passed its checks.
    pub(super) fn take_effect(&mut self, updates: &[Vec<Update>]) {
        let phase = if self.program.check().is_some() { Phase::Reveal } else { Phase::Online };
        for (list, updates) in self.lists.iter_mut().zip(updates) {
            list.take_effect(updates, phase);
        }
    }

    /// A keeper's part of an update, in no buffer of a state.
    fn new_part(&mut self, parts: &Parts, party: PartyId, keepers: Parties, state: Block) -> Block {
        let class = MemoryClass::Shares;
        match self.part_of(parts, party, keepers) {
            None => self.combine(party, state.shape, class, vec![(0, state)], 0),
            Some(part) if self.lists[party.index()].buffers[part.buffer.0 as usize].state.is_some() => {
                self.combine(party, state.shape, class, vec![(1, part)], 0)
            }
            Some(part) => part,
        }
    }

    /// A keeper's part of a value: of each component the copy of the lowest of its holders among the keepers; none where it
    /// has none.
    fn part_of(&mut self, parts: &Parts, party: PartyId, keepers: Parties) -> Option<Block> {
        let is_its = |&(holders, whose, _): &(Parties, PartyId, Block)| {
            whose == party && keepers.iter().find(|&keeper| holders.contains(keeper)) == Some(party)
        };
        let terms: Vec<(u64, Block)> = parts.iter().filter(is_its).map(|(.., copy)| (1, copy)).collect();
        self.total_at(party, MemoryClass::Shares, terms)
    }
}
