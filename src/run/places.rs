//! What was spilled, in host memory: until its last reload, then it is wiped.

use crate::plan::Plan;
use crate::step::{Action, PlaceId};
use crate::wipe::Wiped;
use std::collections::HashMap;
use std::sync::Arc;

/// The content of a place.
pub(super) type Held = Arc<Wiped>;

/// The places of a plan.
#[derive(Default)]
pub(super) struct Places {
    places: HashMap<PlaceId, Place>,
}

#[derive(Default)]
struct Place {
    /// Rounds that lie behind the content.
    depth: u32,
    content: Option<Held>,
    /// How many reloads are to come.
    reloads: u32,
    /// Steps that may reload and wait for the content.
    waiting: Vec<u32>,
}

impl Places {
    pub(super) fn new(plan: &Plan) -> Places {
        let mut places = Places::default();
        for planned in &plan.steps {
            if let Action::Reload { place, .. } = planned.step.action {
                places.at(place).reloads += 1;
            }
        }
        places
    }

    /// The device is asked for what is to go to a place.
    pub(super) fn expect(&mut self, place: PlaceId, depth: u32) {
        self.at(place).depth = depth;
    }

    /// The content is on the host; returns the steps that wait for it.
    pub(super) fn store(&mut self, place: PlaceId, bytes: Wiped) -> Vec<u32> {
        let place = self.at(place);
        place.content = Some(Arc::new(bytes));
        std::mem::take(&mut place.waiting)
    }

    /// The content and its depth, for the step at `position`; if it is not there, the step waits.
    pub(super) fn reload(&mut self, place: PlaceId, position: u32) -> Option<(Held, u32)> {
        let place = self.at(place);
        let Some(content) = &place.content else {
            place.waiting.push(position);
            return None;
        };
        let content = content.clone();
        place.reloads -= 1;
        if place.reloads == 0 {
            place.content = None;
        }
        Some((content, place.depth))
    }

    fn at(&mut self, place: PlaceId) -> &mut Place {
        self.places.entry(place).or_default()
    }
}
