//! No message of any program says anything, in its first run or in later ones: each is masked by a mask of its own, or
//! is on its way to an output.

use super::recipe::recipe;
use crate::program::Program;
use crate::program::tiling::{TileSide, Tiling};
use crate::protocol::Protocol;
use crate::share::{PartyId, Role};
use crate::step::{Access, Action, BufferId, Kernel, Matrix, MessageId, StepList};
use proptest::prelude::*;
use std::collections::HashSet;

/// The streams that are drawn as masks; the others are shares of what depends on masks (see the parts of a
/// correlation).
const MASK_PARTS: [u64; 2] = [0, 2];

/// The stream of the mask that hides what `from` holds: it is a sum of a part and a mask that `party` alone draws.
fn mask_of(list: &StepList, before: usize, from: Matrix<BufferId>, party: PartyId) -> Option<u64> {
    let writes = |action: &Action, buffer: BufferId| {
        let mut found = false;
        action.visit(|matrix, access| found |= access != Access::Read && matrix.buffer == buffer);
        found
    };
    let earlier = &list.steps[..before];
    // What an earlier run left can only be on its way to an output.
    let writer = earlier.iter().rev().find(|step| writes(&step.action, from.buffer))?;
    let terms = match &writer.action {
        Action::Kernel(Kernel::Linear { terms, .. }) => terms.clone(),
        Action::Kernel(Kernel::Xor { left, right, .. }) => vec![(1, *left), (1, *right)],
        _ => return None,
    };
    terms.iter().find_map(|&(factor, term)| {
        let drawn = earlier.iter().find_map(|step| match &step.action {
            Action::Kernel(Kernel::Fill { out, key, stream, .. }) if out.buffer == term.buffer => {
                Some((key.0, *stream))
            }
            _ => None,
        });
        let (owner, stream) = drawn.filter(|(_, stream)| MASK_PARTS.contains(&(stream % 8)))?;
        assert!(factor == 1 || factor == u64::MAX, "a mask is added or subtracted whole");
        assert_eq!(owner, party, "a party masks by its own key");
        assert_eq!(term.shape, from.shape, "a mask covers every element");
        Some(stream)
    })
}

/// Whether all that the receiver does with a message is to hand it out, added to its own part.
fn only_reaches_an_output(receiver: &StepList, message: MessageId) -> bool {
    let received = receiver.steps.iter().find_map(|step| match &step.action {
        Action::Receive { to, peer: Role::Party(_), message: number } if *number == message => {
            Some(to.buffer)
        }
        _ => None,
    });
    let mut reached = HashSet::from([received.expect("a message that is received")]);
    receiver.steps.iter().all(|step| {
        let mut reads = false;
        step.action
            .visit(|matrix, access| reads |= access != Access::Write && reached.contains(&matrix.buffer));
        match &step.action {
            Action::Kernel(Kernel::Linear { out, .. }) if reads => {
                reached.insert(out.buffer);
                true
            }
            Action::Output { .. } => true,
            _ => !reads,
        }
    })
}

pub(super) fn check(program: &Program, side: TileSide) {
    let lowered = Protocol::Beaver.lower(program, &Tiling::new(program, side));
    check_lists(&lowered.parties);
    // Later runs have keys of their own: there as well each message has a mask that this very run draws.
    let again: Vec<StepList> = lowered.parties.iter().map(StepList::again).collect();
    check_lists(&again);
}

fn check_lists(lists: &[StepList]) {
    for (index, list) in lists.iter().enumerate() {
        let mut used = HashSet::new();
        for (position, step) in list.steps.iter().enumerate() {
            let Action::Send { from, peer: Role::Party(peer), message } = step.action else { continue };
            match mask_of(list, position, from, PartyId(index as u8)) {
                Some(stream) => assert!(used.insert(stream), "stream {stream} masks two messages"),
                None => {
                    let receiver = &lists[peer.index()];
                    assert!(only_reaches_an_output(receiver, message), "{message:?} is not masked");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn every_message_is_masked_by_a_mask_of_its_own(recipe in recipe()) {
        check(&recipe.program(), recipe.plan.side);
    }
}
