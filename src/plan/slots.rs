//! The buffers that share memory, and the edges of the step DAG.

use super::placement::Located;
use super::{PlannedStep, Slot};
use crate::ring::Ring;
use crate::share::Taken;
use crate::step::{Access, Action, MemoryClass, PlaceId, Step};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// The slots of buffers.
pub(super) struct Placed {
    pub slots: Vec<Slot>,
    pub slot_of: Vec<u32>,
}

/// Slots up to this size are used again only after [`SMALL_WINDOWS`] times as many tiles as others: they take little
/// memory, and independent small openings should all be under way before the first comes back.
const SMALL_SLOT_BYTES: u64 = 4096;
const SMALL_WINDOWS: u32 = 16;

/// The most bytes of large slots that rest: some times the bytes on the wire. Beyond, the slot that has rested the
/// longest is used again.
const RESTING_BYTES: u64 = 1 << 30;

/// The rules of the reuse of slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reuse {
    /// The number of tiles for which a slot rests after its last use, within [`RESTING_BYTES`].
    pub window: u32,
    /// Set where a slot serves buffers of one class only. One that serves any counts as its first buffer's.
    pub by_class: bool,
}

/// Walks the steps in order, giving each buffer a slot on its device from its first to its last use, and `window` tiles
/// longer. A buffer that is kept between runs has a slot of its own.
pub(super) fn place(steps: &[Step], buffers: &[Located], ring: Ring, reuse: Reuse) -> Placed {
    let Reuse { window, by_class } = reuse;
    let last_use = last_uses(steps, buffers);
    let mut placed = Placed { slots: Vec::new(), slot_of: vec![u32::MAX; buffers.len()] };
    let mut free = Free { by_class, slots: BTreeMap::new() };
    let mut cooling = [window.saturating_mul(SMALL_WINDOWS), window].map(Cooling::new);
    for (position, step) in (0u32..).zip(steps) {
        for cooling in &mut cooling {
            while let Some(slot) = cooling.cooled(step.tile) {
                free.insert(slot, &placed.slots);
            }
        }
        let mut done: Vec<u32> = Vec::new();
        step.action.visit(|matrix, _| {
            let index = matrix.buffer.0 as usize;
            let spec = buffers[index];
            let size_bytes = (spec.len * ring.element_bytes()) as u64;
            let wanted = Slot { size_bytes, class: spec.class, device: spec.device };
            let slot = &mut placed.slot_of[index];
            if *slot == u32::MAX {
                *slot = match last_use[index] {
                    LastUse::Kept => own(&mut placed.slots, wanted),
                    LastUse::At(_) => free.take(&mut placed.slots, wanted),
                };
            }
            if last_use[index] == LastUse::At(position) {
                done.push(*slot);
            }
        });
        done.sort_unstable();
        done.dedup();
        for slot in done {
            if window == 0 {
                free.insert(slot, &placed.slots);
                continue;
            }
            let size_bytes = placed.slots[slot as usize].size_bytes;
            let cooling = &mut cooling[usize::from(size_bytes > SMALL_SLOT_BYTES)];
            cooling.slots.push_back((step.tile, slot, size_bytes));
            cooling.resting_bytes += size_bytes;
        }
    }
    placed
}

/// Slots between their last use and their next.
struct Cooling {
    /// The number of tiles that they rest.
    window: u32,
    /// The tile that used a slot last, the slot, and its size; in the order of tiles.
    slots: VecDeque<(u32, u32, u64)>,
    /// The sum of their sizes.
    resting_bytes: u64,
}

impl Cooling {
    fn new(window: u32) -> Cooling {
        Cooling { window, slots: VecDeque::new(), resting_bytes: 0 }
    }

    /// The next slot that a step of `tile` may use.
    fn cooled(&mut self, tile: u32) -> Option<u32> {
        let &(last, slot, size_bytes) = self.slots.front()?;
        if last.saturating_add(self.window) >= tile && self.resting_bytes <= RESTING_BYTES {
            return None;
        }
        self.slots.pop_front();
        self.resting_bytes -= size_bytes;
        Some(slot)
    }
}

/// Steps that use a slot since it was last written.
#[derive(Default)]
struct Users {
    writer: Option<u32>,
    readers: Vec<u32>,
}

/// For each step, its predecessors: steps that write a buffer it reads, and steps that still use a slot it writes. A
/// reload reads its spill's host slot.
pub(super) fn edges(steps: &[Step], slots: usize, slot_of: &[u32]) -> Vec<Vec<u32>> {
    let mut users: Vec<Users> = Vec::new();
    users.resize_with(slots, Users::default);
    let mut spilled: HashMap<PlaceId, u32> = HashMap::new();
    let mut edges = Vec::with_capacity(steps.len());
    for (position, step) in (0u32..).zip(steps) {
        let mut after = Vec::new();
        step.action.visit(|matrix, access| {
            let users = &mut users[slot_of[matrix.buffer.0 as usize] as usize];
            after.extend(users.writer);
            match access {
                Access::Read => users.readers.push(position),
                Access::Write | Access::Update => {
                    after.append(&mut users.readers);
                    users.writer = Some(position);
                }
            }
        });
        match step.action {
            Action::Spill { place, .. } => drop(spilled.insert(place, position)),
            Action::Reload { place, .. } => after.push(spilled[&place]),
            _ => {}
        }
        after.sort_unstable();
        after.dedup();
        after.retain(|&earlier| earlier != position);
        after.shrink_to_fit();
        edges.push(after);
    }
    edges
}

/// The most bytes of moves between devices that may be on the host at a time: enough for one device to run ahead of
/// another, little next to the memory of either.
pub(super) const MOVING_BYTES: u64 = 256 << 20;

/// Adds edges by which a move out of a device waits for the arrival of earlier ones, where more than `most_bytes` of
/// these might still be on the host. So a device that runs ahead of another does not fill the host's memory. These edges
/// run forward in plan order, as all do.
pub(super) fn bound_moves(steps: &mut [PlannedStep], ring: Ring, most_bytes: u64) {
    let mut last_reload: HashMap<PlaceId, u32> = HashMap::new();
    for (position, planned) in (0u32..).zip(steps.iter()) {
        if let Action::Reload { place, .. } = planned.step.action {
            last_reload.insert(place, position);
        }
    }
    let mut arrived: VecDeque<(u32, u64)> = VecDeque::new();
    let (mut arrived_bytes, mut awaited) = (0, None);
    for (position, planned) in (0u32..).zip(steps) {
        match planned.step.action {
            Action::Reload { to, place } if last_reload[&place] == position => {
                let size_bytes = to.shape.size_bytes(ring);
                arrived.push_back((position, size_bytes));
                arrived_bytes += size_bytes;
            }
            Action::Spill { .. } => {
                while arrived_bytes > most_bytes {
                    let (reload, size_bytes) = arrived.pop_front().expect("there are as many bytes");
                    arrived_bytes -= size_bytes;
                    awaited = Some(reload);
                }
                planned.after.extend(awaited);
                planned.after.sort_unstable();
                planned.after.dedup();
            }
            _ => {}
        }
    }
}

/// The time at which a buffer's slot is free again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastUse {
    /// After the step at this position.
    At(u32),
    /// Never: later runs read it.
    Kept,
}

fn last_uses(steps: &[Step], buffers: &[Located]) -> Vec<LastUse> {
    let first = |spec: &Located| if spec.state.is_some() { LastUse::Kept } else { LastUse::At(0) };
    let mut last: Vec<LastUse> = buffers.iter().map(first).collect();
    let mut once = vec![false; buffers.len()];
    for (position, step) in (0u32..).zip(steps) {
        step.action.visit(|matrix, access| {
            let index = matrix.buffer.0 as usize;
            if access != Access::Read {
                once[index] = step.taken == Taken::First;
            }
            if last[index] != LastUse::Kept {
                let kept = once[index] && step.taken != Taken::First;
                last[index] = if kept { LastUse::Kept } else { LastUse::At(position) };
            }
        });
    }
    last
}

/// A new slot.
fn own(slots: &mut Vec<Slot>, wanted: Slot) -> u32 {
    slots.push(wanted);
    slots.len() as u32 - 1
}

/// A device and, if classes have slots of their own, a class.
type Kind = (u8, Option<MemoryClass>);

/// Slots that nothing uses: by kind their sizes and numbers.
struct Free {
    by_class: bool,
    slots: BTreeMap<Kind, BTreeSet<(u64, u32)>>,
}

impl Free {
    fn insert(&mut self, slot: u32, slots: &[Slot]) {
        let of = slots[slot as usize];
        self.like(of).insert((of.size_bytes, slot));
    }

    /// A free slot like the wanted one: the smallest that fits, else the largest, grown; else a new one.
    fn take(&mut self, slots: &mut Vec<Slot>, wanted: Slot) -> u32 {
        let free = self.like(wanted);
        let best = free.range((wanted.size_bytes, 0)..).next().or_else(|| free.last()).copied();
        let Some((size, slot)) = best else { return own(slots, wanted) };
        free.remove(&(size, slot));
        slots[slot as usize].size_bytes = size.max(wanted.size_bytes);
        slot
    }

    fn like(&mut self, slot: Slot) -> &mut BTreeSet<(u64, u32)> {
        self.slots.entry((slot.device, self.by_class.then_some(slot.class))).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Plan, Supply};
    use crate::ring::{Ring, Shape};
    use crate::share::{Role, Turn};
    use crate::step::{BufferId, InputId, Kernel, Matrix, OpId, Phase, StepList};

    /// input → a; b = 2a; c = 2b; d = 2c; output d. Each step is a tile.
    fn chain() -> StepList {
        chain_of(10)
    }

    fn chain_of(len: usize) -> StepList {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        let push =
            |list: &mut StepList, action| list.push(Phase::Online, OpId(0), list.steps.len() as u32, action);
        let mut last = list.buffer(Shape::new(1, len), MemoryClass::Shares);
        push(&mut list, Action::Input { to: last, input: InputId(0), at: (0, 0) });
        for _ in 0..3 {
            let out = list.buffer(Shape::new(1, len), MemoryClass::Shares);
            let terms: Vec<(u64, Matrix<BufferId>)> = vec![(2, last)];
            push(&mut list, Action::Kernel(Kernel::Linear { out, terms, constant: 0 }));
            last = out;
        }
        push(&mut list, Action::Output { from: last, output: 0, at: (0, 0) });
        list
    }

    #[test]
    fn a_chain_needs_two_slots() {
        let plan = Plan::new(&chain(), Supply::Ahead, 0);
        assert_eq!(plan.slots.len(), 2, "each step reads one slot and writes the other");
        assert_eq!(plan.memory()[&MemoryClass::Shares], 160);
    }

    #[test]
    fn a_window_keeps_slots_apart() {
        let plan = Plan::new(&chain(), Supply::Ahead, 1);
        assert_eq!(plan.slots.len(), 4, "within the window no slot is used twice");
        assert!(plan.steps[3].after == [2], "nothing but the data is waited for");
        let large: Vec<u64> =
            Plan::new(&chain_of(1024), Supply::Ahead, 1).slots.iter().map(|slot| slot.size_bytes).collect();
        assert_eq!(large, [8192; 3], "larger slots are kept apart for as many tiles as the window says");
    }

    #[test]
    fn what_is_kept_shares_no_slot_with_anything() {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        let shape = Shape::new(1, 10);
        let push = |list: &mut StepList, action, once| {
            let tile = list.steps.len() as u32;
            let taken = if once { Taken::First } else { Taken::Always };
            list.push_step(Step { action, phase: Phase::Online, op: OpId(0), tile, taken });
        };
        let linear =
            |out, operand| Action::Kernel(Kernel::Linear { out, terms: vec![(2, operand)], constant: 0 });
        let [x, double, w, kept, out] = [(); 5].map(|()| list.buffer(shape, MemoryClass::Shares));
        push(&mut list, Action::Input { to: x, input: InputId(0), at: (0, 0) }, false);
        push(&mut list, linear(double, x), false);
        push(&mut list, Action::Output { from: double, output: 0, at: (0, 0) }, false);
        push(&mut list, Action::Input { to: w, input: InputId(1), at: (0, 0) }, true);
        push(&mut list, linear(kept, w), true);
        push(&mut list, linear(out, kept), false);
        let plan = Plan::new(&list, Supply::Ahead, 0);
        let slot = |matrix: Matrix<BufferId>| plan.slot_of(matrix.buffer);
        assert!([x, double, w, out].iter().all(|&other| slot(other) != slot(kept)));
        assert!([x, double].iter().any(|&other| slot(other) == slot(w)), "what is not kept is used in turn");
        let later = Turn { first: false, seldom: false, hidden: BTreeSet::new() };
        let again = plan.of_turn(&later);
        assert_eq!(again.slots, plan.slots);
        assert!(again.steps[3].after.iter().all(|&earlier| earlier < 3), "{:?}", again.steps[3].after);
    }

    #[test]
    fn a_device_does_not_run_far_ahead_of_another_that_it_moves_to() {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        let push = |list: &mut StepList, device, action| {
            list.push(Phase::Online, OpId(0), 0, action);
            let step = list.steps.last().expect("a step").clone();
            PlannedStep { step, device, after: Vec::new() }
        };
        let shape = Shape::new(1, 10);
        let mut steps = Vec::new();
        for place in (0..4).map(PlaceId) {
            let [from, to] = [(); 2].map(|()| list.buffer(shape, MemoryClass::Shares));
            steps.push(push(&mut list, 0, Action::Input { to: from, input: InputId(0), at: (0, 0) }));
            steps.push(push(&mut list, 0, Action::Spill { from, place }));
            steps.push(push(&mut list, 1, Action::Reload { to, place }));
        }
        bound_moves(&mut steps, Ring::Z64, 160);
        let waits: Vec<&[u32]> = (0..4).map(|turn| &steps[3 * turn + 1].after[..]).collect();
        assert_eq!(waits, [&[][..], &[], &[], &[2]], "two moves may be on their way when the next begins");
    }

    #[test]
    fn a_reused_slot_waits_for_its_readers() {
        let plan = Plan::new(&chain(), Supply::Ahead, 0);
        assert_eq!(plan.steps[2].after, [0, 1], "the second kernel writes where the first one read");
        assert!(
            plan.steps.iter().zip(0u32..).all(|(step, at)| step.after.iter().all(|&earlier| earlier < at))
        );
    }
}
