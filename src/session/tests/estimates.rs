//! Estimates of steps, held against the steps that programs are lowered to.

use super::recipe::recipe;
use crate::plan::{Draft, dealer_steps};
use crate::program::tiling::{TileSide, Tiling};
use crate::step::StepList;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    /// Tiles are refused by an estimate, so it must not fall far below what they take, nor lie far above it.
    #[test]
    fn estimates_are_near_the_steps_that_there_are(recipe in recipe(), side in 1..20usize) {
        let (program, side) = (recipe.program(), TileSide(side));
        let source = recipe.protocol.default_source();
        let lowered = recipe.protocol.lower(&program, &Tiling::new(&program, side), source);
        let lowered = lowered.expect("few correlations");
        let dealt = source.has_own_steps().then(|| dealer_steps(&lowered.demand).expect("a list"));
        let length = |list: &StepList| list.steps.len() as u64;
        let steps: u64 = lowered.parties.iter().chain(&dealt).map(length).sum();
        let estimate = Draft::new(recipe.protocol, None, &program).expect("a draft").estimate().steps(side);
        prop_assert!(2 * estimate >= steps, "{estimate} for {steps} steps, side {side:?}");
        prop_assert!(estimate <= 5 * steps + 50, "{estimate} for {steps} steps, side {side:?}");
    }
}
