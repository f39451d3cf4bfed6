//! Which step goes next: the policy of the executor, without threads, clocks or I/O.
//!
//! A step is *ready* when the steps that it waits for have passed. Steps that feed the wire go first: a send, and every
//! kernel but a product from which only such kernels lead to a send. They take little of the device and keep the peers
//! and the wire at work. The others follow; both in plan order, which finishes a tile before it begins the next, and each
//! in the lane of the device that it is placed on. Receives and reloads run as soon as both their step is ready and their
//! data has arrived.
//!
//! The same schedule drives the executor, with real lanes, and simulations, with modelled ones.

use crate::plan::{AHEAD_BYTES, Plan};
use crate::share::Role;
use crate::step::{Action, Kernel, Phase};
use std::collections::BTreeSet;

/// Steps between waiting and passed.
#[derive(Clone, Debug)]
pub struct Schedule<'a> {
    plan: &'a Plan,
    /// For each step, the number of its predecessors that have not passed.
    waiting: Vec<u32>,
    /// For each step, its successors.
    followers: Followers,
    /// The steps that feed the wire.
    feeds: Vec<bool>,
    /// Ready steps of each device's lane that feed the wire, and the others.
    feeding: Vec<BTreeSet<u32>>,
    others: Vec<BTreeSet<u32>>,
    /// Ready steps that receive or reload.
    arrivals: Vec<u32>,
    phase: Phase,
    /// Steps of the phase that have not passed.
    remaining: usize,
}

/// The most bytes that the host holds on their way from the device to a link, and from links to the device; one message
/// or piece more may be under way. This keeps a fast link busy while the device computes.
pub(super) const WINDOW_BYTES: u64 = 64 << 20;

/// Estimated seconds of work that are queued for a device: enough that it never waits for the coordinator and batches
/// small kernels, and little enough that urgent steps which become ready later do not wait long.
pub(super) const AHEAD_S: f64 = 3e-3;

/// True where a role accepts more of `peer`'s messages, of which `held_bytes` wait for their steps; `first_is_ready` is
/// true where the first missing message may be written to the device. A dealer runs ahead of the computation within
/// limits (see [`crate::plan::Supply`]).
pub(super) const fn takes_in(peer: Role, held_bytes: u64, first_is_ready: bool) -> bool {
    !matches!(peer, Role::Dealer) || held_bytes <= AHEAD_BYTES || first_is_ready
}

/// Lanes at work together, or one step at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// A step goes to its lane as soon as the steps that it waits for allow.
    #[default]
    On,
    /// A step begins once the one before it in the plan is done: the reference against which overlap is measured.
    Off,
}

impl<'a> Schedule<'a> {
    /// A run that has not begun.
    pub fn new(plan: &'a Plan, overlap: Overlap) -> Schedule<'a> {
        let in_turn: Vec<u32> = (0..plan.steps.len() as u32).collect();
        let after = |position: usize| match overlap {
            Overlap::On => &plan.steps[position].after[..],
            Overlap::Off => &in_turn[position.saturating_sub(1)..position],
        };
        let waiting = (0..plan.steps.len()).map(|position| after(position).len() as u32).collect();
        let followers = Followers::new(plan.steps.len(), after);
        let devices = usize::from(plan.device_count());
        let mut feeds = vec![false; plan.steps.len()];
        for (position, planned) in plan.steps.iter().enumerate().rev() {
            feeds[position] = match &planned.step.action {
                Action::Send { .. } => true,
                Action::Kernel(Kernel::Gemm { .. }) | Action::Receive { .. } | Action::Output { .. } => false,
                // A reload under a budget does not either; one on its way to another device may lead to a send.
                Action::Reload { .. } if devices == 1 => false,
                Action::Kernel(_)
                | Action::Input { .. }
                | Action::Spill { .. }
                | Action::Reload { .. }
                | Action::Garbled(_) => {
                    followers.of(position as u32).any(|follower| feeds[follower as usize])
                }
            };
        }
        Schedule {
            plan,
            waiting,
            followers,
            feeds,
            feeding: vec![BTreeSet::new(); devices],
            others: vec![BTreeSet::new(); devices],
            arrivals: Vec::new(),
            phase: Phase::Offline,
            remaining: 0,
        }
    }

    /// Goes on to a phase, once the one before is done.
    pub fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.remaining = self.plan.steps_in(phase);
        for position in 0..self.plan.steps.len() as u32 {
            if self.waiting[position as usize] == 0 && self.plan.phase_of(position) == phase {
                self.release(position);
            }
        }
    }

    /// True once every step of the phase has passed.
    pub fn is_done(&self) -> bool {
        self.remaining == 0
    }

    /// The next step for the lane of a device; sends only where `may_send`. It is the caller's to let it pass.
    pub fn next(&mut self, device: usize, may_send: bool) -> Option<u32> {
        let is_send =
            |&&position: &&u32| matches!(self.plan.steps[position as usize].step.action, Action::Send { .. });
        let first =
            |ready: &BTreeSet<u32>| ready.iter().find(|position| may_send || !is_send(position)).copied();
        let (feeding, others) = (self.feeding.get_mut(device)?, self.others.get_mut(device)?);
        let position = first(feeding).or_else(|| first(others))?;
        feeding.remove(&position);
        others.remove(&position);
        Some(position)
    }

    /// The steps that may receive or reload from now on.
    pub fn take_arrivals(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.arrivals)
    }

    /// Marks a step as passed and releases its successors.
    pub fn pass(&mut self, position: u32) {
        self.remaining -= 1;
        for at in self.followers.range(position) {
            let follower = self.followers.all[at];
            let waiting = &mut self.waiting[follower as usize];
            *waiting -= 1;
            if *waiting == 0 && self.plan.phase_of(follower) == self.phase {
                self.release(follower);
            }
        }
    }

    fn release(&mut self, position: u32) {
        let planned = &self.plan.steps[position as usize];
        let device = usize::from(planned.device);
        match planned.step.action {
            Action::Receive { .. } | Action::Reload { .. } => self.arrivals.push(position),
            _ if self.feeds[position as usize] => drop(self.feeding[device].insert(position)),
            _ => drop(self.others[device].insert(position)),
        }
    }
}

/// The successors of each step, in one list.
#[derive(Clone, Debug)]
struct Followers {
    all: Vec<u32>,
    /// The start of each step's successors in the list.
    starts: Vec<u32>,
}

impl Followers {
    /// Builds the list; `after` gives the predecessors of the step at a position.
    fn new<'a>(steps: usize, after: impl Fn(usize) -> &'a [u32]) -> Followers {
        let edges = || (0..steps).flat_map(|position| after(position).iter().map(move |&at| (at, position)));
        let mut starts = vec![0; steps + 1];
        edges().for_each(|(earlier, _)| starts[earlier as usize + 1] += 1);
        (0..steps).for_each(|at| starts[at + 1] += starts[at]);
        let mut next = starts.clone();
        let mut all = vec![0; starts[steps] as usize];
        for (earlier, position) in edges() {
            let at = &mut next[earlier as usize];
            all[*at as usize] = position as u32;
            *at += 1;
        }
        Followers { all, starts }
    }

    fn range(&self, position: u32) -> std::ops::Range<usize> {
        self.starts[position as usize] as usize..self.starts[position as usize + 1] as usize
    }

    fn of(&self, position: u32) -> impl Iterator<Item = u32> {
        self.all[self.range(position)].iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Supply;
    use crate::ring::{Ring, Shape};
    use crate::share::Role;
    use crate::step::{InputId, MemoryClass, MessageId, OpId, StepList};

    /// Input 0 is squared and handed out; input 1, later in the list, is negated and sent.
    fn plan() -> Plan {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        let shape = Shape::new(4, 4);
        let push = |list: &mut StepList, action| list.push(Phase::Online, OpId(0), 0, action);
        let x = list.buffer(shape, MemoryClass::Shares);
        push(&mut list, Action::Input { to: x, input: InputId(0), at: (0, 0) });
        let square = list.buffer(shape, MemoryClass::Shares);
        let product = Kernel::Gemm { out: square, terms: vec![(x, x)], accumulate: false };
        push(&mut list, Action::Kernel(product));
        push(&mut list, Action::Output { from: square, output: 0, at: (0, 0) });
        let y = list.buffer(shape, MemoryClass::Shares);
        push(&mut list, Action::Input { to: y, input: InputId(1), at: (0, 0) });
        let negative = list.buffer(shape, MemoryClass::Openings);
        let kernel = Kernel::Linear { out: negative, terms: vec![(u64::MAX, y)], constant: 0 };
        push(&mut list, Action::Kernel(kernel));
        push(&mut list, Action::Send { from: negative, peer: Role::party(1), message: MessageId(0) });
        Plan::new(&list, Supply::Ahead, 8)
    }

    #[test]
    fn what_feeds_the_wire_goes_first() {
        let plan = plan();
        let mut schedule = Schedule::new(&plan, Overlap::On);
        schedule.begin(Phase::Offline);
        assert!(schedule.is_done(), "nothing is offline");
        schedule.begin(Phase::Online);
        let mut order = Vec::new();
        while let Some(position) = schedule.next(0, true) {
            order.push(position);
            schedule.pass(position);
        }
        assert_eq!(order, [3, 4, 5, 0, 1, 2], "input 1 to its send, then the product");
        assert!(schedule.is_done());
    }

    #[test]
    fn a_send_that_may_not_go_holds_up_nothing_else() {
        let plan = plan();
        let mut schedule = Schedule::new(&plan, Overlap::On);
        schedule.begin(Phase::Online);
        let mut order = Vec::new();
        while let Some(position) = schedule.next(0, false) {
            order.push(position);
            schedule.pass(position);
        }
        assert_eq!(order, [3, 4, 0, 1, 2]);
        assert_eq!(schedule.next(0, true), Some(5));
    }

    #[test]
    fn without_overlap_steps_go_in_turn() {
        let plan = plan();
        let mut schedule = Schedule::new(&plan, Overlap::Off);
        schedule.begin(Phase::Online);
        for position in 0..plan.steps.len() as u32 {
            assert_eq!(schedule.next(0, true), Some(position));
            assert_eq!(schedule.next(0, true), None, "nothing else before it has passed");
            schedule.pass(position);
        }
    }
}
