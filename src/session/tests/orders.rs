//! A plan's edges are enough: in any order that they allow, every read finds what plan order would have put there.

use super::recipe::recipe;
use crate::plan::{Plan, Plans};
use crate::step::{Access, BufferId};
use proptest::prelude::*;
use std::collections::HashMap;

/// What a slot holds: a buffer, as the step at this position left it.
type Content = (BufferId, usize);

/// What each step reads when the plan runs in its own order.
fn reads(plan: &Plan) -> Vec<Vec<Content>> {
    let mut written: HashMap<BufferId, usize> = HashMap::new();
    let mut reads = Vec::new();
    for (position, planned) in plan.steps.iter().enumerate() {
        let mut read = Vec::new();
        planned.step.action.visit(|matrix, access| {
            if access != Access::Write {
                read.push((matrix.buffer, written[&matrix.buffer]));
            }
        });
        planned.step.action.visit(|matrix, access| {
            if access != Access::Read {
                written.insert(matrix.buffer, position);
            }
        });
        reads.push(read);
    }
    reads
}

/// Runs the plan in an order that `draw` chooses among those that the edges allow.
fn run_in_some_order(plan: &Plan, reads: &[Vec<Content>], mut draw: impl FnMut(usize) -> usize) {
    let mut waiting: Vec<usize> = plan.steps.iter().map(|planned| planned.after.len()).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); plan.steps.len()];
    for (position, planned) in plan.steps.iter().enumerate() {
        planned.after.iter().for_each(|&earlier| followers[earlier as usize].push(position));
    }
    let mut ready: Vec<usize> = (0..plan.steps.len()).filter(|&position| waiting[position] == 0).collect();
    let mut slots: Vec<Option<Content>> = vec![None; plan.slots.len()];
    let mut done = 0;
    while !ready.is_empty() {
        let position = ready.swap_remove(draw(ready.len()));
        for &(buffer, writer) in &reads[position] {
            assert_eq!(slots[plan.slot_of(buffer)], Some((buffer, writer)), "what step {position} reads");
        }
        plan.steps[position].step.action.visit(|matrix, access| {
            if access != Access::Read {
                slots[plan.slot_of(matrix.buffer)] = Some((matrix.buffer, position));
            }
        });
        for &follower in &followers[position] {
            waiting[follower] -= 1;
            if waiting[follower] == 0 {
                ready.push(follower);
            }
        }
        done += 1;
    }
    assert_eq!(done, plan.steps.len(), "some step can always proceed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn any_order_that_the_edges_allow_is_right(recipe in recipe(), choices in prop::collection::vec(any::<u32>(), 64)) {
        let plans = Plans::new(recipe.protocol, &recipe.program(), recipe.plan).expect("a plan");
        for plan in plans.roles() {
            let mut choices = choices.iter().cycle();
            let reads = reads(plan);
            for _ in 0..8 {
                run_in_some_order(plan, &reads, |count| *choices.next().expect("endless") as usize % count);
            }
        }
    }
}
