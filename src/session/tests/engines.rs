//! The engine that runs and simulations stand on: it ends whatever happens first, and both ask for the same where the same
//! happens.

use super::devices::models;
use super::{nonlinear, recipe::recipe};
use crate::net::LinkShape;
use crate::plan::{DeviceModel, PlanOptions, Plans};
use crate::program::Program;
use crate::protocol::Protocol;
use crate::ring::Shape;
use crate::run::tests::{follow_simulation, run_in_disorder};
use crate::run::{Overlap, simulate};
use proptest::prelude::*;
use std::time::Duration;

/// Plans for devices like these, without a budget or within so many quarters of the least that every device can do with.
fn plans(
    protocol: Protocol,
    program: &Program,
    options: PlanOptions,
    models: &[DeviceModel],
    quarters: Option<u64>,
) -> Plans {
    let within = |budget_bytes| {
        Plans::on(models, protocol, program, PlanOptions { budget_bytes, ..options }).expect("a plan")
    };
    let Some(quarters) = quarters else { return within(None) };
    let least = within(Some(0)).roles().map(|plan| plan.fullest_bytes()).max().expect("there are roles");
    within(Some(least * quarters / 4))
}

fn overlap() -> impl Strategy<Value = Overlap> {
    prop::sample::select(&[Overlap::On, Overlap::Off][..])
}

fn quarters() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(4..12u64)
}

fn output_shapes(program: &Program) -> Vec<Shape> {
    program.outputs().iter().map(|output| program.value(output.value).shape).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_program_ends_whatever_happens_first(recipe in recipe(), kinds: u64, quarters in quarters(), overlap in overlap(), order: u64) {
        let models = models(kinds);
        let plans = plans(recipe.protocol, &recipe.program(), recipe.plan, &models, quarters);
        run_in_disorder(&plans, &models, overlap, order);
    }

    #[test]
    fn any_nonlinear_program_ends_whatever_happens_first(recipe in nonlinear::recipe(), kinds: u64, quarters in quarters(), order: u64) {
        let models = models(kinds);
        let plans = plans(recipe.protocol, &recipe.program(), recipe.plan, &models, quarters);
        run_in_disorder(&plans, &models, Overlap::On, order);
    }

    /// The simulation asserts that every step passes.
    #[test]
    fn any_nonlinear_program_ends_within_any_budget(recipe in nonlinear::recipe(), kinds: u64, quarters in quarters(), overlap in overlap(), mbit in 1..100_000u64) {
        let models = models(kinds);
        let plans = plans(recipe.protocol, &recipe.program(), recipe.plan, &models, quarters);
        let link = LinkShape::new(mbit * 1_000_000, Duration::from_micros(200)).expect("a link");
        simulate(&plans, &models, link, overlap);
    }

    #[test]
    fn the_executor_does_what_a_simulation_does_to_which_the_same_happens(recipe in recipe(), kinds: u64, quarters in quarters(), overlap in overlap(), mbit in 1..100_000u64) {
        let models = models(kinds);
        let program = recipe.program();
        let plans = plans(recipe.protocol, &program, recipe.plan, &models, quarters);
        let link = LinkShape::new(mbit * 1_000_000, Duration::from_micros(200)).expect("a link");
        follow_simulation(&plans, &models, link, overlap, &output_shapes(&program));
    }
}
