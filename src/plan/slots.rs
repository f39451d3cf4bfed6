//! Which buffers share memory, and which steps wait for which.

use super::Slot;
use crate::ring::Ring;
use crate::step::{Access, Action, BufferId, BufferSpec, MemoryClass, PlaceId, Step};
use std::collections::{HashMap, VecDeque};

/// What [`place`] found.
pub(super) struct Placed {
    pub slots: Vec<Slot>,
    pub slot_of: Vec<u32>,
    /// For each step, the steps it waits for.
    pub after: Vec<Vec<u32>>,
}

/// Steps that use a slot since it was last written.
#[derive(Default)]
struct Users {
    writer: Option<u32>,
    readers: Vec<u32>,
}

/// How slots are used again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reuse {
    /// For how many tiles after its last use a slot rests.
    pub window: u32,
    /// Whether a slot serves buffers of one class only, or of any: then it counts as its first buffer's.
    pub by_class: bool,
}

/// Walks the steps in order, giving each buffer a slot from its first to its last use, and `window` tiles longer.
pub(super) fn place(steps: &[Step], buffers: &[BufferSpec], ring: Ring, reuse: Reuse) -> Placed {
    let Reuse { window, by_class } = reuse;
    let last_use = last_uses(steps, buffers.len());
    let mut placed = Placed { slots: Vec::new(), slot_of: vec![u32::MAX; buffers.len()], after: Vec::new() };
    let mut spilled: HashMap<PlaceId, u32> = HashMap::new();
    let mut free: Vec<u32> = Vec::new();
    // Slots that were used last by a tile, in the order of tiles.
    let mut cooling: VecDeque<(u32, u32)> = VecDeque::new();
    let mut users: Vec<Users> = Vec::new();
    for (position, step) in (0u32..).zip(steps) {
        while let Some(&(tile, slot)) = cooling.front()
            && tile + window < step.tile
        {
            free.push(slot);
            cooling.pop_front();
        }
        let mut uses: Vec<(BufferId, Access)> = Vec::new();
        step.action.visit(|matrix, access| uses.push((matrix.buffer, access)));
        let mut after = Vec::new();
        for &(buffer, access) in &uses {
            let spec = buffers[buffer.0 as usize];
            let size_bytes = (spec.len * ring.element_bytes()) as u64;
            let slot = &mut placed.slot_of[buffer.0 as usize];
            if *slot == u32::MAX {
                *slot = take(&mut free, &mut placed.slots, size_bytes, spec.class, by_class);
                users.resize_with(placed.slots.len(), Users::default);
            }
            let users = &mut users[*slot as usize];
            after.extend(users.writer);
            match access {
                Access::Read => users.readers.push(position),
                Access::Write | Access::Update => {
                    after.append(&mut users.readers);
                    users.writer = Some(position);
                }
            }
        }
        match step.action {
            Action::Spill { place, .. } => drop(spilled.insert(place, position)),
            Action::Reload { place, .. } => after.push(spilled[&place]),
            _ => {}
        }
        after.sort_unstable();
        after.dedup();
        after.retain(|&earlier| earlier != position);
        placed.after.push(after);
        let mut done: Vec<u32> = uses
            .iter()
            .filter(|(buffer, _)| last_use[buffer.0 as usize] == position)
            .map(|(buffer, _)| placed.slot_of[buffer.0 as usize])
            .collect();
        done.sort_unstable();
        done.dedup();
        match window {
            0 => free.append(&mut done),
            _ => cooling.extend(done.into_iter().map(|slot| (step.tile, slot))),
        }
    }
    placed
}

fn last_uses(steps: &[Step], buffers: usize) -> Vec<u32> {
    let mut last = vec![0; buffers];
    for (position, step) in (0u32..).zip(steps) {
        step.action.visit(|matrix, _| last[matrix.buffer.0 as usize] = position);
    }
    last
}

/// A free slot, of the class if it must be: the smallest that fits, else the largest, grown; else a new one.
fn take(
    free: &mut Vec<u32>,
    slots: &mut Vec<Slot>,
    size_bytes: u64,
    class: MemoryClass,
    by_class: bool,
) -> u32 {
    let serves = |&(_, &slot): &(usize, &u32)| !by_class || slots[slot as usize].class == class;
    let candidates = || free.iter().enumerate().filter(serves);
    let size = |&(_, &slot): &(usize, &u32)| slots[slot as usize].size_bytes;
    let best = candidates()
        .filter(|candidate| size(candidate) >= size_bytes)
        .min_by_key(size)
        .or_else(|| candidates().max_by_key(size))
        .map(|(index, _)| index);
    match best {
        Some(index) => {
            let slot = free.swap_remove(index);
            let grown = &mut slots[slot as usize].size_bytes;
            *grown = size_bytes.max(*grown);
            slot
        }
        None => {
            slots.push(Slot { size_bytes, class });
            slots.len() as u32 - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::ring::{Ring, Shape};
    use crate::share::Role;
    use crate::step::{InputId, Kernel, Matrix, OpId, Phase, StepList};

    /// input → a; b = 2a; c = 2b; d = 2c; output d.
    fn chain() -> StepList {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        let push =
            |list: &mut StepList, action| list.push(Phase::Online, OpId(0), list.steps.len() as u32, action);
        let mut last = list.buffer(Shape::new(1, 10), MemoryClass::Shares);
        push(&mut list, Action::Input { to: last, input: InputId(0), at: (0, 0) });
        for _ in 0..3 {
            let out = list.buffer(Shape::new(1, 10), MemoryClass::Shares);
            let terms: Vec<(u64, Matrix<BufferId>)> = vec![(2, last)];
            push(&mut list, Action::Kernel(Kernel::Linear { out, terms, constant: 0 }));
            last = out;
        }
        push(&mut list, Action::Output { from: last, output: 0, at: (0, 0) });
        list
    }

    #[test]
    fn a_chain_needs_two_slots() {
        let plan = Plan::new(&chain(), 0);
        assert_eq!(plan.slots.len(), 2, "each step reads one slot and writes the other");
        assert_eq!(plan.memory()[&MemoryClass::Shares], 160);
    }

    #[test]
    fn a_window_keeps_slots_apart() {
        let plan = Plan::new(&chain(), 10);
        assert_eq!(plan.slots.len(), 4, "within the window no slot is used twice");
        assert!(plan.steps[3].after == [2], "nothing but the data is waited for");
    }

    #[test]
    fn a_reused_slot_waits_for_its_readers() {
        let plan = Plan::new(&chain(), 0);
        assert_eq!(plan.steps[2].after, [0, 1], "the second kernel writes where the first one read");
        assert!(
            plan.steps.iter().zip(0u32..).all(|(step, at)| step.after.iter().all(|&earlier| earlier < at))
        );
    }
}
