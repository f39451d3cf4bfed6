//! Spilled contents in host memory, which are wiped after their last reload.

use crate::plan::Plan;
use crate::step::{Action, PlaceId};
use std::collections::HashMap;

/// The host slots of a plan, with contents `C`.
pub(super) struct HostSlots<C> {
    slots: HashMap<PlaceId, HostSlot<C>>,
}

struct HostSlot<C> {
    /// The rounds before the content.
    depth: u32,
    content: Option<C>,
    /// The number of reloads to come.
    reloads: u32,
    /// Steps that wait for the content and may reload it.
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

    /// Notes that a download for a slot has begun.
    pub(super) fn expect(&mut self, slot: PlaceId, depth: u32) {
        self.at(slot).depth = depth;
    }

    /// Stores the content; returns the steps that wait for it.
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
