//! Spilling: a role's steps in less memory than all their buffers take.
//!
//! The pass walks the steps in plan order, as a register allocator does, and keeps the sizes of the buffers that are on
//! a device within a limit, for each device. Where a step's operands do not fit beside the others, it evicts the buffer whose next use
//! is the farthest (Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal
//! 1966). The content of an evicted buffer:
//!
//! - a content that a generator or an input made, or that was moved here from another device, and that is unchanged, is
//!   dropped. The same step makes or reloads it again just before its next use. That is the same mask or share for the
//!   same purpose, not a second use of its stream; a step that made it for nothing is taken out again;
//! - a content that a place in host memory holds already is dropped;
//! - any other content is spilled to a new place, and reloaded from there.
//!
//! A buffer that comes back is a new buffer, with a place of its own among the slots. Steps are inserted, none is
//! reordered, so messages keep their order, and every edge still runs forward in plan order: a reload waits for the
//! spill that it needs, and that one for nothing but the device. Parties with different budgets have the same
//! lowered steps, which is what they agree on, and each fits them into its own memory.

use super::placement::{Located, PlacedSteps};
use super::uses::{Use, operands};
use crate::ring::{Ring, Shape};
use crate::step::{Action, BufferId, Kernel, Matrix, PlaceId, Step};
use std::collections::BTreeSet;

/// The least limit that [`spill`] can keep: the bytes of the largest step's own operands.
pub(super) fn least_bytes(steps: &[Step], buffers: &[Located], ring: Ring) -> u64 {
    let taken = |step: &Step| {
        operands(step, len_in(buffers)).iter().map(|use_| size_of(buffers, ring, use_.buffer)).sum()
    };
    steps.iter().map(taken).max().unwrap_or(0)
}

/// Inserts the steps that keep the buffers on each device within `limit_bytes`; `None` below [`least_bytes`].
pub(super) fn spill(
    steps: &[Step],
    buffers: &[Located],
    ring: Ring,
    limit_bytes: u64,
) -> Option<PlacedSteps> {
    let mut walk = Walk::new(steps, buffers, ring, limit_bytes);
    for step in steps {
        walk.step(step)?;
    }
    let placed: Vec<Step> = walk.steps.into_iter().flatten().collect();
    Some(PlacedSteps { in_core: placed.len() == steps.len(), steps: placed, buffers: walk.placed })
}

fn len_in(buffers: &[Located]) -> impl Fn(u32) -> usize {
    |buffer| buffers[buffer as usize].len
}

fn size_of(buffers: &[Located], ring: Ring, buffer: u32) -> u64 {
    (buffers[buffer as usize].len * ring.element_bytes()) as u64
}

/// The place into which a step puts its buffer's content, to be moved to another device.
fn spilled_to(step: &Step) -> Option<PlaceId> {
    match step.action {
        Action::Spill { place, .. } => Some(place),
        _ => None,
    }
}

/// The state of a buffer's content.
#[derive(Clone, Default)]
struct Content {
    /// On the device, under this number.
    here: Option<BufferId>,
    /// In host memory.
    place: Option<PlaceId>,
    /// Its maker, where that is a generator, an input or a place.
    recipe: Option<Action>,
    /// The position at which it was last made, as long as nothing has read it since.
    unread: Option<usize>,
    /// Set once it was written.
    exists: bool,
    /// Set where its next use reads it, and the positions of all uses to come, the nearest last.
    uses: Vec<(u32, bool)>,
}

struct Walk<'a> {
    buffers: &'a [Located],
    ring: Ring,
    limit_bytes: u64,
    contents: Vec<Content>,
    /// By device.
    rooms: Vec<Room>,
    /// The steps written so far; `None` where a step was taken out again.
    steps: Vec<Option<Step>>,
    placed: Vec<Located>,
    places: u32,
}

/// The buffers on a device.
#[derive(Clone, Default)]
struct Room {
    live_bytes: u64,
    /// Buffers by their next use; without those of the step at hand.
    evictable: BTreeSet<(u32, u32)>,
}

impl<'a> Walk<'a> {
    fn new(steps: &[Step], buffers: &'a [Located], ring: Ring, limit_bytes: u64) -> Walk<'a> {
        let mut contents = vec![Content::default(); buffers.len()];
        for (position, step) in steps.iter().enumerate().rev() {
            for use_ in operands(step, len_in(buffers)) {
                contents[use_.buffer as usize].uses.push((position as u32, use_.needs));
            }
        }
        Walk {
            buffers,
            ring,
            limit_bytes,
            contents,
            rooms: vec![
                Room::default();
                buffers.iter().map(|spec| usize::from(spec.device) + 1).max().unwrap_or(1)
            ],
            steps: Vec::with_capacity(steps.len()),
            placed: Vec::new(),
            places: steps.iter().filter_map(spilled_to).map(|place| place.0 + 1).max().unwrap_or(0),
        }
    }

    /// The device that has a buffer.
    fn room(&mut self, buffer: u32) -> &mut Room {
        &mut self.rooms[usize::from(self.buffers[buffer as usize].device)]
    }

    /// Writes one step, with the steps that must go before it.
    fn step(&mut self, step: &Step) -> Option<()> {
        let uses = operands(step, len_in(self.buffers));
        let mut wanted_bytes = 0;
        for use_ in &uses {
            let content = &self.contents[use_.buffer as usize];
            match (content.here, content.uses.last()) {
                (Some(_), Some(&(next, _))) => {
                    self.room(use_.buffer).evictable.remove(&(next, use_.buffer));
                }
                _ => wanted_bytes += size_of(self.buffers, self.ring, use_.buffer),
            }
        }
        // All of a step's buffers are on one device.
        let limit_bytes = self.limit_bytes;
        let buffer = uses.first()?.buffer;
        while self.room(buffer).live_bytes + wanted_bytes > limit_bytes {
            let (_, farthest) = self.room(buffer).evictable.pop_last()?;
            self.evict(farthest, step);
        }
        for use_ in &uses {
            if self.contents[use_.buffer as usize].here.is_none() {
                self.bring(*use_, step);
            }
        }
        let position = self.steps.len();
        let action = step.action.map(|buffer| self.contents[buffer.0 as usize].here.expect("brought in"));
        self.steps.push(Some(Step { action, ..step.clone() }));
        uses.into_iter().for_each(|use_| self.used(use_, step, position));
        Some(())
    }

    /// Takes a buffer off the device, before `step`.
    fn evict(&mut self, buffer: u32, step: &Step) {
        self.room(buffer).live_bytes -= size_of(self.buffers, self.ring, buffer);
        let content = &mut self.contents[buffer as usize];
        let here = content.here.take().expect("what is evicted is on the device");
        let needed = content.uses.last().is_some_and(|&(_, needs)| needs);
        if content.recipe.is_some() {
            if let Some(made) = content.unread.take() {
                self.steps[made] = None;
            }
        } else if needed && content.place.is_none() {
            let place = PlaceId(self.places);
            self.places += 1;
            content.place = Some(place);
            self.insert(step, Action::Spill { from: self.whole(here, buffer), place });
        }
    }

    /// Gives a buffer room on the device, with its content if that is needed, before `step`.
    fn bring(&mut self, use_: Use, step: &Step) {
        let spec = self.buffers[use_.buffer as usize];
        self.room(use_.buffer).live_bytes += size_of(self.buffers, self.ring, use_.buffer);
        let here = BufferId(self.placed.len() as u32);
        self.placed.push(spec);
        let content = &mut self.contents[use_.buffer as usize];
        content.here = Some(here);
        if !(use_.needs && content.exists) {
            return;
        }
        let action = match (&content.recipe, content.place) {
            (Some(recipe), _) => {
                content.unread = Some(self.steps.len());
                recipe.map(|_| here)
            }
            (None, Some(place)) => Action::Reload { to: self.whole(here, use_.buffer), place },
            (None, None) => unreachable!("what is evicted can be had again"),
        };
        self.insert(step, action);
    }

    /// Records the effect on a buffer of the step that was written at `position`.
    fn used(&mut self, use_: Use, step: &Step, position: usize) {
        let content = &mut self.contents[use_.buffer as usize];
        if use_.needs {
            content.unread = None;
        }
        if use_.changes {
            let is_made = matches!(
                step.action,
                Action::Kernel(Kernel::Fill { .. }) | Action::Input { .. } | Action::Reload { .. }
            );
            content.recipe = (is_made && !use_.needs).then(|| step.action.clone());
            content.unread = content.recipe.is_some().then_some(position);
            content.place = None;
            content.exists = true;
        }
        content.place = spilled_to(step).or(content.place);
        content.uses.pop();
        match content.uses.last().copied() {
            Some((next, _)) => drop(self.room(use_.buffer).evictable.insert((next, use_.buffer))),
            None => {
                content.here = None;
                self.room(use_.buffer).live_bytes -= size_of(self.buffers, self.ring, use_.buffer);
            }
        }
    }

    fn insert(&mut self, step: &Step, action: Action) {
        self.steps.push(Some(Step { action, ..step.clone() }));
    }

    fn whole(&self, here: BufferId, buffer: u32) -> Matrix<BufferId> {
        Matrix::new(here, Shape::new(1, self.buffers[buffer as usize].len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::placement::Placement;
    use crate::share::{PartyId, Role};
    use crate::step::{KeyId, MemoryClass, OpId, Phase, StepList};

    const SHAPE: Shape = Shape::new(1, 10);
    const SIZE: u64 = 80;

    fn push(list: &mut StepList, action: Action) {
        list.push(Phase::Online, OpId(0), 0, action);
    }

    fn add(list: &mut StepList, terms: &[Matrix<BufferId>]) -> Matrix<BufferId> {
        let out = list.buffer(SHAPE, MemoryClass::Shares);
        let terms = terms.iter().map(|&term| (1, term)).collect();
        push(list, Action::Kernel(Kernel::Linear { out, terms, constant: 0 }));
        out
    }

    fn fill(list: &mut StepList, stream: u64) -> Matrix<BufferId> {
        let out = list.buffer(SHAPE, MemoryClass::Correlations);
        push(
            list,
            Action::Kernel(Kernel::Fill {
                out,
                key: KeyId::between(PartyId(0), Role::Dealer),
                stream,
                block: 0,
            }),
        );
        out
    }

    /// Two masks and their sum are made and used again after three other steps: one mask, the sum, the other mask.
    fn list() -> StepList {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        let (mask, other) = (fill(&mut list, 3), fill(&mut list, 4));
        let sum = add(&mut list, &[mask, other]);
        let mut last = add(&mut list, &[sum]);
        for _ in 0..3 {
            last = add(&mut list, &[last]);
        }
        last = add(&mut list, &[mask, last]);
        last = add(&mut list, &[sum, last]);
        last = add(&mut list, &[other, last]);
        push(&mut list, Action::Output { from: last, output: 0, at: (0, 0) });
        list
    }

    /// The list's buffers, all on one device.
    fn located(list: &StepList) -> Vec<Located> {
        Placement::ONE.place(list, Vec::new()).buffers
    }

    fn names(spilled: &PlacedSteps) -> Vec<&'static str> {
        spilled.steps.iter().map(|step| step.action.name()).collect()
    }

    #[test]
    fn masks_are_made_again_and_sums_wait_on_the_host() {
        let list = list();
        let spilled =
            spill(&list.steps, &located(&list), list.ring, 3 * SIZE).expect("three buffers are enough");
        let names = names(&spilled);
        assert_eq!(names.iter().filter(|&&name| name == "fill").count(), 3, "{names:?}");
        assert_eq!(names.iter().filter(|&&name| name == "spill").count(), 1, "{names:?}");
        assert_eq!(names.iter().filter(|&&name| name == "reload").count(), 1, "{names:?}");
        assert_eq!(spilled.steps.len(), list.steps.len() + 3);
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let list = list();
        let spilled =
            spill(&list.steps, &located(&list), list.ring, 5 * SIZE).expect("five buffers are enough");
        assert_eq!(spilled.steps.len(), list.steps.len());
    }

    #[test]
    fn below_the_largest_step_nothing_fits() {
        let list = list();
        assert_eq!(least_bytes(&list.steps, &located(&list), list.ring), 3 * SIZE);
        assert!(spill(&list.steps, &located(&list), list.ring, 3 * SIZE - 1).is_none());
    }

    #[test]
    fn what_was_made_for_nothing_is_not_made() {
        let mut list = StepList::new(Role::party(0), Ring::Z64);
        let masks: Vec<Matrix<BufferId>> = (0..6).map(|stream| fill(&mut list, stream)).collect();
        for mask in masks {
            push(&mut list, Action::Output { from: mask, output: 0, at: (0, 0) });
        }
        let spilled =
            spill(&list.steps, &located(&list), list.ring, 2 * SIZE).expect("two buffers are enough");
        assert_eq!(spilled.steps.len(), list.steps.len(), "each mask is drawn once, when it is needed");
    }
}
