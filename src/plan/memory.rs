//! The use of a plan's memory, step by step.

use super::Plan;
use crate::step::{Action, MemoryClass, PlaceId, Step};
use serde::Serialize;
use std::collections::HashMap;

/// A plan's moves between devices and host memory, in bytes: to keep within its budget, and from device to device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpilledMemory {
    /// From a device to the host, to come back to it.
    pub spilled_bytes: u64,
    /// From the host back to the device that it came from.
    pub reloaded_bytes: u64,
    /// From a device to another.
    pub moved_bytes: u64,
    /// Held on the host at most, in plan order.
    pub host_peak_bytes: u64,
}

/// Device memory in use while a step runs, in bytes, in the order of [`MemoryClass::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupied(pub [u64; MemoryClass::ALL.len()]);

impl Occupied {
    /// Bytes of all classes.
    pub fn total_bytes(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The most bytes of host memory that the garbled circuits of these steps take at once, beside the buffers; host work is done
/// step by step.
pub(super) fn garbled_host_bytes<'a>(steps: impl IntoIterator<Item = &'a Step>) -> u64 {
    let of = |step: &Step| match &step.action {
        Action::Garbled(garbled) => garbled.host_bytes(),
        _ => 0,
    };
    steps.into_iter().map(of).max().unwrap_or(0)
}

impl Plan {
    /// The most bytes of host memory that garbled circuits take at once, beside the buffers. A budget covers them.
    pub fn garbled_host_bytes(&self) -> u64 {
        garbled_host_bytes(self.steps.iter().map(|planned| &planned.step))
    }

    /// The smallest budget that suffices, but for a device's own staging memory: bytes of the slots of the device that has most, and
    /// of what garbled circuits take of the host.
    pub fn needed_bytes(&self) -> u64 {
        self.fullest_bytes().saturating_add(self.garbled_host_bytes())
    }

    /// The memory in use at each step in plan order: slots between the first and the last use of each of their buffers.
    /// Its largest total is the memory of the plan if slots were shared by all classes; the allocated memory is
    /// [`Plan::memory`].
    pub fn occupied(&self) -> Vec<Occupied> {
        let order: Vec<u32> = (0..self.steps.len() as u32).collect();
        self.occupied_in(&order)
    }

    /// As [`Plan::occupied`], for steps that ran in another order, given by their positions.
    pub fn occupied_in(&self, order: &[u32]) -> Vec<Occupied> {
        let mut span: HashMap<u32, (usize, usize)> = HashMap::new();
        for (at, &position) in order.iter().enumerate() {
            self.steps[position as usize].step.action.visit(|matrix, _| {
                span.entry(matrix.buffer.0).or_insert((at, at)).1 = at;
            });
        }
        let mut changes = vec![[0i64; MemoryClass::ALL.len()]; order.len() + 1];
        for (buffer, (first, last)) in span {
            let slot = self.slots[self.slot_of[buffer as usize] as usize];
            let class = MemoryClass::ALL.iter().position(|&class| class == slot.class).expect("a class");
            changes[first][class] += slot.size_bytes as i64;
            changes[last + 1][class] -= slot.size_bytes as i64;
        }
        let mut now = [0i64; MemoryClass::ALL.len()];
        let after = |change: &[i64; MemoryClass::ALL.len()]| {
            now.iter_mut().zip(change).for_each(|(now, change)| *now += change);
            Occupied(now.map(|bytes| bytes as u64))
        };
        changes[..order.len()].iter().map(after).collect()
    }

    /// The bytes that leave a device for a while, to keep within the budget or to move to another.
    pub fn spilled(&self) -> SpilledMemory {
        let mut spilled = SpilledMemory::default();
        let mut places: HashMap<PlaceId, Place> = HashMap::new();
        for planned in &self.steps {
            match planned.step.action {
                Action::Spill { place, .. } => places.entry(place).or_default().device = planned.device,
                Action::Reload { place, .. } => {
                    let place = places.entry(place).or_default();
                    place.reloads += 1;
                    place.returns |= place.device == planned.device;
                }
                _ => {}
            }
        }
        let mut held_bytes = 0;
        for planned in &self.steps {
            match planned.step.action {
                Action::Spill { from, place } => {
                    let size_bytes = from.shape.size_bytes(self.ring);
                    held_bytes += size_bytes;
                    spilled.host_peak_bytes = held_bytes.max(spilled.host_peak_bytes);
                    spilled.spilled_bytes += if places[&place].returns { size_bytes } else { 0 };
                }
                Action::Reload { to, place } => {
                    let size_bytes = to.shape.size_bytes(self.ring);
                    let place = places.get_mut(&place).expect("a place that was counted");
                    let there = if place.device == planned.device {
                        &mut spilled.reloaded_bytes
                    } else {
                        &mut spilled.moved_bytes
                    };
                    *there += size_bytes;
                    place.reloads -= 1;
                    held_bytes -= if place.reloads == 0 { size_bytes } else { 0 };
                }
                _ => {}
            }
        }
        spilled
    }
}

/// A place in host memory.
#[derive(Default)]
struct Place {
    /// The device that its content comes from.
    device: u8,
    /// The number of reloads to come.
    reloads: u64,
    /// Set where it comes back to the device that it came from.
    returns: bool,
}

#[cfg(test)]
mod tests {
    use crate::plan::{PlanOptions, Plans};
    use crate::program::Program;
    use crate::program::tiling::TileSide;
    use crate::protocol::Protocol;
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::{Parties, PartyId};

    #[test]
    fn what_is_in_use_never_exceeds_what_is_allocated_and_ends_with_the_output() {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("integers"));
        let x = program.input("x", PartyId(0), Shape::new(64, 64), None).expect("x");
        let y = program.input("y", PartyId(1), Shape::new(64, 64), None).expect("y");
        let z = program.matmul(x, y).expect("a product");
        program.output("z", z, Parties::first(1)).expect("an output");
        let options = PlanOptions { side: TileSide(16), window: 0, ..PlanOptions::default() };
        let plans = Plans::new(Protocol::Beaver, &program, options).expect("a plan");
        for plan in &plans.parties {
            let occupied = plan.occupied();
            let most = occupied.iter().map(super::Occupied::total_bytes).max().expect("steps");
            assert!(most <= plan.size_bytes(), "{most} bytes in use of {}", plan.size_bytes());
            assert!(most * 2 > plan.size_bytes(), "and not much less");
        }
    }
}
