//! Steps, the buffers they name, and lists of them.

use super::garbled::Garbled;
use super::kernel::{Access, Kernel, Matrix};
use super::states::StateTile;
use crate::ring::{Ring, Shape};
use crate::share::{Role, Taken, Turn};
use serde::Serialize;
use std::collections::HashSet;

/// A class of memory; every allocation is booked under one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryClass {
    /// A party's shares of values.
    Shares,
    /// Preprocessed randomness.
    Correlations,
    /// Masked values, one's own and those received.
    Openings,
    /// Memory through which bytes enter and leave the device.
    Staging,
    /// Intermediate results within one op.
    Scratch,
    /// Values in the clear: results on their way to their owner.
    Plain,
}

impl MemoryClass {
    /// Every class, in the order of reports.
    pub const ALL: [MemoryClass; 6] = [
        MemoryClass::Shares,
        MemoryClass::Correlations,
        MemoryClass::Openings,
        MemoryClass::Staging,
        MemoryClass::Scratch,
        MemoryClass::Plain,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            MemoryClass::Shares => "shares",
            MemoryClass::Correlations => "correlations",
            MemoryClass::Openings => "openings",
            MemoryClass::Staging => "staging",
            MemoryClass::Scratch => "scratch",
            MemoryClass::Plain => "plain",
        }
    }
}

/// A buffer of one role's step list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BufferId(pub u32);

/// An input of the program, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct InputId(pub u32);

/// A message: the same number where it is sent and where it is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MessageId(pub u32);

/// A place in host memory for a content that leaves the device for a while. It is written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PlaceId(pub u32);

/// The op of the program that a step belongs to, for errors and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct OpId(pub u32);

/// The generator key that two roles share and nobody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct KeyId {
    lower: Role,
    higher: Role,
}

impl KeyId {
    /// The key of these two, in either order; the dealer ranks above the parties.
    ///
    /// # Panics
    /// Where they are the same.
    pub fn between(first: impl Into<Role>, second: impl Into<Role>) -> KeyId {
        let (first, second) = (first.into(), second.into());
        assert_ne!(first, second, "a key is shared by two");
        KeyId { lower: first.min(second), higher: first.max(second) }
    }

    /// Both roles, the lower one first.
    pub const fn roles(self) -> [Role; 2] {
        [self.lower, self.higher]
    }

    /// True where `role` has it.
    pub fn is_held_by(self, role: Role) -> bool {
        self.lower == role || self.higher == role
    }
}

/// The phase of a step: before the inputs are there, or with them. Where correlations are streamed, all steps run with
/// the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Needs no input: correlated randomness is made and delivered.
    Offline,
    /// The computation on the inputs.
    Online,
    /// Outputs of a program with checks are revealed: taken only where the checks' answers, which the parties open before,
    /// say that all is well.
    Reveal,
}

/// A buffer's size and use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BufferSpec {
    /// The number of its elements.
    pub len: usize,
    /// Its memory class.
    pub class: MemoryClass,
    /// The part of a state that it holds, if it is a state's: the next run finds its content.
    pub state: Option<StateTile>,
}

/// The action of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Runs a kernel on the device.
    Kernel(Kernel<BufferId, KeyId>),
    /// Puts a block of one of this party's own inputs on the device.
    Input {
        /// Written.
        to: Matrix<BufferId>,
        /// The input.
        input: InputId,
        /// The input's row and column at which the block begins.
        at: (usize, usize),
    },
    /// Sends a matrix to a peer.
    Send {
        /// Read.
        from: Matrix<BufferId>,
        /// The receiver.
        peer: Role,
        /// The message's number.
        message: MessageId,
    },
    /// Receives a matrix from a peer.
    Receive {
        /// Written.
        to: Matrix<BufferId>,
        /// The sender.
        peer: Role,
        /// The message's number.
        message: MessageId,
    },
    /// Hands a block of a result to this party: in the clear, or its part of the checks' answers.
    Output {
        /// Read.
        from: Matrix<BufferId>,
        /// Position among the program's outputs.
        output: usize,
        /// The output's row and column at which the block begins.
        at: (usize, usize),
    },
    /// Moves a buffer's content to host memory, to make room or on its way to another device. Only plans under a budget
    /// or for several devices have it; no protocol emits it.
    Spill {
        /// Read.
        from: Matrix<BufferId>,
        /// The host slot.
        place: PlaceId,
    },
    /// Puts a copy of a spilled content back on the device, or on another.
    Reload {
        /// Written.
        to: Matrix<BufferId>,
        /// The host slot.
        place: PlaceId,
    },
    /// Does a part of a conversion by a garbled circuit, on the host.
    Garbled(Garbled),
}

impl Action {
    /// Calls `visit` with each matrix of the action and its use.
    pub fn visit<'a>(&'a self, mut visit: impl FnMut(&'a Matrix<BufferId>, Access)) {
        match self {
            Action::Kernel(kernel) => kernel.visit(visit),
            Action::Input { to, .. } | Action::Receive { to, .. } | Action::Reload { to, .. } => {
                visit(to, Access::Write);
            }
            Action::Send { from, .. } | Action::Output { from, .. } | Action::Spill { from, .. } => {
                visit(from, Access::Read);
            }
            Action::Garbled(garbled) => garbled.visit(visit),
        }
    }

    /// The same action with buffers numbered another way.
    pub fn map(&self, mut buffer: impl FnMut(BufferId) -> BufferId) -> Action {
        let mut at = |matrix: Matrix<BufferId>| Matrix::new(buffer(matrix.buffer), matrix.shape);
        match *self {
            Action::Kernel(ref kernel) => Action::Kernel(kernel.map(|&id| buffer(id), |&key| key)),
            Action::Input { to, input, at: begin } => Action::Input { to: at(to), input, at: begin },
            Action::Send { from, peer, message } => Action::Send { from: at(from), peer, message },
            Action::Receive { to, peer, message } => Action::Receive { to: at(to), peer, message },
            Action::Output { from, output, at: begin } => {
                Action::Output { from: at(from), output, at: begin }
            }
            Action::Spill { from, place } => Action::Spill { from: at(from), place },
            Action::Reload { to, place } => Action::Reload { to: at(to), place },
            Action::Garbled(ref garbled) => Action::Garbled(garbled.map(at)),
        }
    }

    /// A word for the action in messages and traces.
    pub const fn name(&self) -> &'static str {
        match self {
            Action::Kernel(kernel) => kernel.name(),
            Action::Input { .. } => "input",
            Action::Send { .. } => "send",
            Action::Receive { .. } => "receive",
            Action::Output { .. } => "output",
            Action::Spill { .. } => "spill",
            Action::Reload { .. } => "reload",
            Action::Garbled(garbled) => garbled.part.name(),
        }
    }
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// The phase.
    pub phase: Phase,
    /// The op of the program that the step belongs to.
    pub op: OpId,
    /// The tile that the step belongs to: counted over all ops in the order in which they are lowered, which is the same
    /// for every role.
    pub tile: u32,
    /// The runs of the list in a session that take the step.
    pub taken: Taken,
}

/// The straight-line program of one role. Every buffer is written before it is read.
///
/// **Later runs** take other steps than the first (see [`Taken`]). A buffer that a step of the first run alone writes and
/// another reads is *kept* between the runs; so no other step writes it, and no step of the first run alone reads a buffer
/// that another step wrote. The buffers of states are written by others as well, at the end of a run. What not every run
/// writes no step of every run reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepList {
    /// The role whose steps these are.
    pub role: Role,
    /// The ring of every element.
    pub ring: Ring,
    /// The buffers, by [`BufferId`].
    pub buffers: Vec<BufferSpec>,
    /// The steps, in an order that respects every dependency.
    pub steps: Vec<Step>,
    /// The (key, stream) pairs that are drawn: none twice.
    #[serde(skip)]
    drawn: HashSet<(KeyId, u64)>,
    /// By buffer: the runs that take the steps that wrote it.
    #[serde(skip)]
    written: Vec<Option<Taken>>,
}

impl StepList {
    /// A list without steps.
    pub fn new(role: Role, ring: Ring) -> StepList {
        StepList {
            role,
            ring,
            buffers: Vec::new(),
            steps: Vec::new(),
            drawn: HashSet::new(),
            written: Vec::new(),
        }
    }

    /// A new buffer for a matrix of `shape`.
    pub fn buffer(&mut self, shape: Shape, class: MemoryClass) -> Matrix<BufferId> {
        let id = BufferId(u32::try_from(self.buffers.len()).expect("fewer than 2^32 buffers"));
        self.buffers.push(BufferSpec { len: shape.len(), class, state: None });
        self.written.push(None);
        Matrix::new(id, shape)
    }

    /// Appends a step of every run, for the op's tile with this number; see [`StepList::push_step`].
    ///
    /// # Panics
    /// As [`StepList::push_step`].
    pub fn push(&mut self, phase: Phase, op: OpId, tile: u32, action: Action) {
        self.push_step(Step { action, phase, op, tile, taken: Taken::Always });
    }

    /// Appends a step.
    ///
    /// # Panics
    /// Where a kernel's shapes do not fit, a buffer is read before it is written, a generator stream is drawn a
    /// second time, or a buffer is used both by steps of the first run alone and by others, but for what is kept. Each
    /// is a fault of the protocol that emits the step.
    pub fn push_step(&mut self, step: Step) {
        let Step { action, taken, .. } = &step;
        if let Action::Kernel(kernel) = &action {
            kernel.check(self.ring);
            if let Some((&key, stream)) = kernel.draws() {
                assert!(
                    self.drawn.insert((key, stream)),
                    "generator stream {stream} of {key:?} is drawn twice"
                );
            }
        }
        action.visit(|matrix, access| {
            let index = matrix.buffer.0 as usize;
            assert!(
                matrix.shape.len() <= self.buffers[index].len,
                "{}: a matrix beyond its buffer",
                action.name()
            );
            let (name, written) = (action.name(), self.written[index]);
            if access != Access::Write {
                assert!(written.is_some(), "{name}: {:?} is read before it is written", matrix.buffer);
                let is_there = written.is_some_and(|written| written.is_there_for(*taken));
                assert!(is_there, "{name}: what is kept depends on what changes, or on what is seldom there");
                let is_state = self.buffers[index].state.is_some() && access == Access::Read;
                assert!(
                    !is_state || written == Some(Taken::First),
                    "{name}: a state is read behind its update"
                );
            }
            if access != Access::Read {
                let keeps = written.is_none_or(|written| written == *taken);
                let is_update = self.buffers[index].state.is_some() && *taken == Taken::Always;
                assert!(keeps || is_update, "{name}: what is kept changes");
            }
        });
        // Once all is checked: what a step reads was written before it.
        action.visit(|matrix, access| {
            if access != Access::Read {
                self.written[matrix.buffer.0 as usize] = Some(*taken);
            }
        });
        self.steps.push(step);
    }

    /// True where runs differ from each other.
    pub fn varies(&self) -> bool {
        self.steps.iter().any(|step| step.taken != Taken::Always)
    }

    /// The steps of a run, over the same buffers.
    pub fn of_turn(&self, turn: &Turn) -> StepList {
        let mut list = self.clone();
        list.steps.retain(|step| turn.takes(step.taken));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::PartyId;
    use std::collections::BTreeSet;

    fn list() -> (StepList, Matrix<BufferId>) {
        let mut list = StepList::new(Role::Dealer, Ring::Z64);
        let matrix = list.buffer(Shape::new(2, 2), MemoryClass::Correlations);
        (list, matrix)
    }

    fn fill(out: Matrix<BufferId>) -> Action {
        Action::Kernel(Kernel::Fill {
            out,
            key: KeyId::between(PartyId(0), Role::Dealer),
            stream: 1,
            block: 0,
        })
    }

    #[test]
    #[should_panic(expected = "drawn twice")]
    fn a_stream_cannot_be_drawn_twice() {
        let (mut list, matrix) = list();
        list.push(Phase::Offline, OpId(0), 0, fill(matrix));
        list.push(Phase::Offline, OpId(0), 0, fill(matrix));
    }

    fn once(action: Action, once: bool) -> Step {
        let taken = if once { Taken::First } else { Taken::Always };
        Step { action, phase: Phase::Online, op: OpId(0), tile: 0, taken }
    }

    #[test]
    fn later_runs_take_the_steps_of_every_run() {
        let (mut list, kept) = list();
        let out = list.buffer(Shape::new(2, 2), MemoryClass::Shares);
        list.push_step(once(fill(kept), true));
        list.push_step(once(Action::Kernel(Kernel::Transpose { out, operand: kept }), false));
        assert!(list.varies());
        let later = Turn { first: false, seldom: false, hidden: BTreeSet::new() };
        assert_eq!(list.of_turn(&later).steps, list.steps[1..]);
    }

    #[test]
    #[should_panic(expected = "what is kept changes")]
    fn what_is_kept_cannot_change() {
        let (mut list, matrix) = list();
        list.push_step(once(fill(matrix), true));
        list.push_step(once(
            Action::Receive { to: matrix, peer: Role::party(0), message: MessageId(0) },
            false,
        ));
    }

    #[test]
    #[should_panic(expected = "depends on what changes")]
    fn what_is_kept_cannot_depend_on_what_changes() {
        let (mut list, operand) = list();
        let out = list.buffer(Shape::new(2, 2), MemoryClass::Shares);
        list.push_step(once(fill(operand), false));
        list.push_step(once(Action::Kernel(Kernel::Transpose { out, operand }), true));
    }

    #[test]
    #[should_panic(expected = "read before it is written")]
    fn an_unwritten_buffer_cannot_be_sent() {
        let (mut list, from) = list();
        list.push(
            Phase::Online,
            OpId(0),
            0,
            Action::Send { from, peer: Role::party(0), message: MessageId(0) },
        );
    }

    #[test]
    #[should_panic(expected = "(2, 2) by (3, 2)")]
    fn a_product_of_wrong_shapes_is_refused() {
        let (mut list, left) = list();
        let right = list.buffer(Shape::new(3, 2), MemoryClass::Shares);
        let out = list.buffer(Shape::new(2, 2), MemoryClass::Shares);
        let action = Action::Kernel(Kernel::Gemm { out, terms: vec![(left, right)], accumulate: false });
        list.push(Phase::Online, OpId(0), 0, action);
    }
}
