//! What was spilled, in host memory: until its last reload, then it is wiped.

use crate::plan::Plan;
use crate::step::{Action, PlaceId};
use std::collections::HashMap;

/// The host slots of a plan, with contents `C`.
pub(super) struct HostSlots<C> {
    slots: HashMap<PlaceId, HostSlot<C>>,
}

struct HostSlot<C> {
    /// Rounds that lie behind the content.
    depth: u32,
    content: Option<C>,
    /// How many reloads are to come.
    reloads: u32,
    /// Steps that may reload and wait for the content.
    waiting: Vec<u32>,
}

impl<C: Clone> HostSlots<C> {
    pub(super) fn new(plan: &Plan) -> HostSlots<C> {
        let mut slots = HostSlots { slots: HashMap::new() };
        for planned in &plan.steps {
            if let Action::Reload { place, .. } = planned.step.action {
                slots.at(place).reloads += 1;
            }
        }
        slots
    }

    /// The device is asked for what is to go to a slot.
    pub(super) fn expect(&mut self, slot: PlaceId, depth: u32) {
        self.at(slot).depth = depth;
    }

    /// The content is on the host; returns the steps that wait for it.
    pub(super) fn store(&mut self, slot: PlaceId, content: C) -> Vec<u32> {
        let slot = self.at(slot);
        slot.content = Some(content);
        std::mem::take(&mut slot.waiting)
    }

    /// The content and its depth, for the step at `position`; if it is not there, the step waits.
    pub(super) fn reload(&mut self, slot: PlaceId, position: u32) -> Option<(C, u32)> {
        let slot = self.at(slot);
        let Some(content) = slot.content.clone() else {
            slot.waiting.push(position);
            return None;
        };
        slot.reloads -= 1;
        if slot.reloads == 0 {
            slot.content = None;
        }
        Some((content, slot.depth))
    }

    fn at(&mut self, slot: PlaceId) -> &mut HostSlot<C> {
        let empty = || HostSlot { depth: 0, content: None, reloads: 0, waiting: Vec::new() };
        self.slots.entry(slot).or_insert_with(empty)
    }
}
