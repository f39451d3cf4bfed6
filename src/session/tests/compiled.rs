//! What a run's kernels need compiled is there before its online phase.

use super::equivalence::check_run;
use super::{numbers, world};
use crate::device::Device;
use crate::device::gpu::{self, Gpu, GpuOptions};
use crate::plan::{PlanOptions, Plans};
use crate::program::Program;
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::run::TraceLane;
use crate::session::SessionOptions;
use crate::share::{Parties, PartyId};
use crate::step::Axis;
use std::sync::Arc;

/// A product of matrices and one of elements, both truncated, a ReLU, a comparison, a sum and a transposition.
fn program(protocol: Protocol) -> (Program, Vec<Elements>) {
    let codec = FixedPoint::new(Ring::Z64, 12).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec);
    let x = program.input("x", PartyId(0), Shape::new(24, 40), Some(2.0)).expect("x");
    let w = program.input("w", PartyId(1), Shape::new(40, 12), Some(2.0)).expect("w");
    let scores = program.matmul(x, w).expect("a product");
    let hidden = program.relu(scores).expect("a relu");
    let gated = program.mul(hidden, scores).expect("a product of elements");
    let total = program.sum(gated, Some(Axis::Rows)).expect("sums");
    let smaller = program.less(gated, total).expect("a comparison");
    let turned = program.transpose(smaller).expect("a transposition");
    for (name, value) in [("total", total), ("smaller", turned)] {
        program.output(name, value, Parties::first(2)).expect("an output");
    }
    (program, vec![numbers(codec, 24 * 40, 2.0, 1), numbers(codec, 40 * 12, 2.0, 2)])
}

#[test]
fn nothing_is_compiled_in_the_online_phase() {
    let mut adapters = gpu::adapters();
    adapters.sort_by_key(|adapter| !adapter.is_software());
    let Some(adapter) = adapters.first() else {
        eprintln!("no GPU adapter was found: nothing is compiled for one");
        return;
    };
    let options = PlanOptions { side: TileSide(16), ..PlanOptions::default() };
    for protocol in Protocol::ALL {
        let (program, inputs) = program(protocol);
        let plans = Plans::new(protocol, &program, options).expect("a plan");
        let traced = SessionOptions { trace: true, ..SessionOptions::default() };
        let mut world = world(protocol, 8).with_options(traced).with_plan(options);
        let mut prepared = Vec::new();
        for plan in plans.roles() {
            let gpu = Arc::new(Gpu::open(adapter, GpuOptions::default()).expect("an adapter opens"));
            let before = gpu.pipeline_count();
            let mut kernels = plan.kernels().map(|(_, kernel)| kernel.map(|_| (), |_| ()));
            gpu.compile(plan.ring, &mut kernels).expect("the device is well");
            let made = gpu.pipeline_count();
            assert!(made > before + 5, "{made} programs of {}, {before} of them from the opening", plan.role);
            world = world.with_device(plan.role, gpu.clone());
            prepared.push((plan.role, gpu, made));
        }
        let outcomes = world.run(&program, &inputs).expect("a run without faults");
        check_run(&plans, &program, &inputs, &outcomes.iter().collect::<Vec<_>>(), 8);
        for (role, gpu, made) in prepared {
            assert_eq!(gpu.pipeline_count(), made, "programs that {role} compiled when its run needed them");
        }
        // A run prepares by itself.
        for outcome in outcomes {
            let trace = outcome.report.trace.expect("a trace");
            let span = trace.spans.iter().find(|span| span.name == "prepare").expect("it is traced");
            assert!(span.lane == TraceLane::Handover(0) && span.end <= trace.online, "{span:?}");
        }
    }
}
