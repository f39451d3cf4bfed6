//! Simulated runs: bounded by their lanes from below, and always at an end.

use super::product;
use super::recipe::recipe;
use crate::net::LinkShape;
use crate::plan::{DeviceModel, PlanOptions, Plans};
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::ring::Ring;
use crate::run::{Overlap, simulate};
use proptest::prelude::*;
use std::time::Duration;

fn tiled(side: usize) -> Plans {
    let program = product(Protocol::Beaver, Ring::Z64, 0, (512, 512, 512));
    let options = PlanOptions { side: TileSide(side), ..PlanOptions::default() };
    Plans::new(Protocol::Beaver, &program, options).expect("a plan")
}

fn link(mbit: u64) -> LinkShape {
    LinkShape::new(mbit * 1_000_000, Duration::from_micros(200)).expect("a link")
}

#[test]
fn no_run_beats_its_busiest_lane_and_tiles_come_near_it() {
    let model = DeviceModel::typical();
    for mbit in [200, 1000, 10_000] {
        let whole = simulate(&tiled(usize::MAX), &model, link(mbit), Overlap::On);
        let tiled = simulate(&tiled(64), &model, link(mbit), Overlap::On);
        assert!(tiled.busiest() <= tiled.online, "{mbit} Mbit/s: {tiled:?}");
        assert!(tiled.online < whole.online, "tiles overlap at {mbit} Mbit/s: {tiled:?}, {whole:?}");
        assert!(tiled.online < tiled.busiest().mul_f64(1.3), "{mbit} Mbit/s: {tiled:?}");
    }
}

#[test]
fn without_overlap_lanes_add_up() {
    let model = DeviceModel::typical();
    let plans = tiled(64);
    let [on, off] = [Overlap::On, Overlap::Off].map(|overlap| simulate(&plans, &model, link(400), overlap));
    let party = &off.parties[0];
    assert!(off.online >= (party.device() + party.wire).mul_f64(0.8), "{off:?}");
    assert!(on.online < off.online);
}

#[test]
fn latency_is_paid_by_rounds() {
    let model = DeviceModel::typical();
    let far = LinkShape::new(100_000_000_000, Duration::from_millis(40)).expect("a link");
    let prediction = simulate(&tiled(usize::MAX), &model, far, Overlap::On);
    assert!(prediction.online >= Duration::from_millis(40), "two rounds of 20 ms: {prediction:?}");
    assert!(prediction.online < Duration::from_millis(80), "and no third: {prediction:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// The simulation asserts that every step passes: there is no deadlock, whatever the link, tiles and window.
    #[test]
    fn any_program_ends_on_any_link(recipe in recipe(), mbit in 1..100_000u64, micros in 0..100_000u64, slow in 1..1000u32) {
        let plans = Plans::new(recipe.protocol, &recipe.program(), recipe.plan).expect("a plan");
        let link = LinkShape::new(mbit * 1_000_000, Duration::from_micros(micros));
        prop_assume!(link.is_ok());
        let link = link.expect("a link");
        let model = DeviceModel { step_s: 1e-6 * f64::from(slow), ..DeviceModel::typical() };
        for overlap in [Overlap::On, Overlap::Off] {
            let prediction = simulate(&plans, &model, link, overlap);
            prop_assert!(prediction.busiest() <= prediction.online, "{prediction:?}");
        }
    }
}
