//! States in a list: buffers that one run leaves to the next.
//!
//! A state's buffer is written by a step of the first run alone, which puts its first value there; every run reads it; and
//! at the run's end an *update* writes what the next run finds. So no step of a run reads a state behind its update, and
//! later runs are the list without its first writing, as with what is kept (see [`StepList`]).
//!
//! **In place.** [`StepList::take_effect`] is called when the list is complete. Where no step reads the old state behind
//! the steps that compute the new value, and nothing else needs that value, these write it where the state lies. Otherwise
//! it is copied there as soon as nothing reads the old state any more, so that its own buffer is soon free.

use super::kernel::{Access, Kernel, Matrix};
use super::list::{Action, BufferId, InputId, OpId, Phase, Step, StepList};
use crate::ring::Shape;
use crate::share::Taken;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// The part of a state that a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StateTile {
    /// The state, by the number that its parts have among this party's inputs.
    pub input: InputId,
    /// The state's row and column at which the part begins.
    pub at: (usize, usize),
    /// Rows and columns of the part.
    pub shape: Shape,
}

/// What a list's end does to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// The op that computes the new value.
    pub op: OpId,
    /// The state.
    pub state: Matrix<BufferId>,
    /// What the next run finds there.
    pub value: Matrix<BufferId>,
}

/// The uses of a buffer by a list: positions of steps.
#[derive(Clone, Default)]
struct Positions {
    /// The last step that reads it.
    read: Option<usize>,
    /// The steps that write it, some of which may need what it held.
    written: Vec<usize>,
}

impl StepList {
    /// A new buffer for a part of a state.
    pub fn state(&mut self, tile: StateTile) -> Matrix<BufferId> {
        let state = self.buffer(tile.shape, super::MemoryClass::Shares);
        self.buffers[state.buffer.0 as usize].state = Some(tile);
        state
    }

    /// Has the updates of its states take effect at the end of the run, where the updates' values are those of the list's
    /// end; `phase` is [`Phase::Reveal`] where they wait for the answers of checks. To be called once, when the list is
    /// complete.
    ///
    /// # Panics
    /// Where a value is a state, which another update may write first.
    pub fn take_effect(&mut self, updates: &[Update], phase: Phase) {
        let uses = self.positions();
        let of = |matrix: Matrix<BufferId>| &uses[matrix.buffer.0 as usize];
        let mut values: HashSet<BufferId> = HashSet::new();
        let mut moved: Vec<(BufferId, BufferId)> = Vec::new();
        let mut copies: BTreeMap<usize, Vec<Update>> = BTreeMap::new();
        for &update in updates {
            assert!(
                self.buffers[update.value.buffer.0 as usize].state.is_none(),
                "a state is copied before it is left"
            );
            let is_first = values.insert(update.value.buffer);
            let (read, value) = (of(update.state).read, of(update.value));
            let others = updates.iter().filter(|other| other.value.buffer == update.value.buffer).count();
            let is_made_behind = value.written.first() > read.as_ref() && self.makes(&value.written, update);
            if phase == Phase::Online && is_first && others == 1 && value.read.is_none() && is_made_behind {
                moved.push((update.value.buffer, update.state.buffer));
                continue;
            }
            let last = match phase {
                Phase::Reveal => self.steps.len().checked_sub(1),
                _ => read.max(value.written.last().copied()),
            };
            copies.entry(last.expect("its value is written")).or_default().push(update);
        }
        self.write_in_place(&moved);
        self.insert(&copies, phase);
    }

    /// Whether the steps that write an update's value are kernels of every run that need no state that it updates.
    fn makes(&self, written: &[usize], update: Update) -> bool {
        let len = |matrix: Matrix<BufferId>| self.buffers[matrix.buffer.0 as usize].len;
        len(update.value) == len(update.state)
            && written.iter().all(|&at| {
                let step = &self.steps[at];
                let mut reads_state = false;
                step.action.visit(|matrix, _| reads_state |= matrix.buffer == update.state.buffer);
                let is_own = matches!(step.action, Action::Kernel(_)) && step.phase == Phase::Online;
                is_own && step.taken == Taken::Always && !reads_state
            })
    }

    fn positions(&self) -> Vec<Positions> {
        let mut uses = vec![Positions::default(); self.buffers.len()];
        for (at, step) in self.steps.iter().enumerate() {
            step.action.visit(|matrix, access| {
                let uses = &mut uses[matrix.buffer.0 as usize];
                match access {
                    Access::Read => uses.read = Some(at),
                    Access::Write | Access::Update => uses.written.push(at),
                }
            });
        }
        uses
    }

    fn write_in_place(&mut self, moved: &[(BufferId, BufferId)]) {
        let moved: BTreeMap<BufferId, BufferId> = moved.iter().copied().collect();
        if moved.is_empty() {
            return;
        }
        for step in &mut self.steps {
            step.action = step.action.map(|buffer| moved.get(&buffer).copied().unwrap_or(buffer));
        }
    }

    /// Copies behind the steps at these positions.
    fn insert(&mut self, copies: &BTreeMap<usize, Vec<Update>>, phase: Phase) {
        let steps = std::mem::take(&mut self.steps);
        for (at, step) in steps.into_iter().enumerate() {
            let tile = step.tile;
            self.steps.push(step);
            for &Update { op, state, value } in copies.get(&at).into_iter().flatten() {
                let kernel = Kernel::Linear { out: state, terms: vec![(1, value)], constant: 0 };
                self.steps.push(Step {
                    action: Action::Kernel(kernel),
                    phase,
                    op,
                    tile,
                    taken: Taken::Always,
                });
            }
        }
    }
}
