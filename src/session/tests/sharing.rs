//! Deployments that share one GPU in one process.

use super::equivalence::check_run;
use super::{numbers, product_within, world};
use crate::device::Count;
use crate::device::gpu::{self, Gpu, GpuOptions};
use crate::plan::{PlanOptions, Plans};
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::ring::{FixedPoint, Ring};
use crate::session::world::own_inputs;
use crate::session::{SessionOutcome, World, WorldError};
use crate::share::PartyId;
use std::sync::{Arc, Mutex, mpsc};

/// One deployment whose party 1 waits until the other deployment is done, on the same GPU: both are as if alone, their memory
/// to the byte and what they count included.
#[test]
fn a_deployment_that_waits_for_a_party_holds_up_none_on_the_same_gpu() {
    let mut adapters = gpu::adapters();
    adapters.sort_by_key(|adapter| !adapter.is_software());
    let Some(adapter) = adapters.first() else {
        eprintln!("no GPU adapter was found: none is shared");
        return;
    };
    let protocol = Protocol::Beaver;
    let codec = FixedPoint::new(Ring::Z64, 12).expect("a codec");
    let (m, k, n) = (24, 40, 12);
    let program = product_within(protocol, codec, (m, k, n), Some(2.0));
    let inputs = [numbers(codec, m * k, 2.0, 1), numbers(codec, k * n, 2.0, 2)];
    let options = PlanOptions { side: TileSide(16), ..PlanOptions::default() };
    let plans = Plans::new(protocol, &program, options).expect("a plan");
    let gpu = Arc::new(Gpu::open(adapter, GpuOptions::default()).expect("an adapter opens"));
    let on_gpu = |seed| {
        let roles = plans.roles();
        let world = world(protocol, seed).with_plan(options);
        roles.fold(world, |world, plan| world.with_device(plan.role, gpu.clone()))
    };
    let (waiting, working) = (on_gpu(3), on_gpu(4));
    let run = |world: &World, ready: &(dyn Fn(PartyId) + Sync)| {
        let outcomes: Result<Vec<Vec<SessionOutcome>>, WorldError> = world.each_party(|party, session| {
            ready(party);
            Ok(vec![session.run(protocol, &program, own_inputs(&program, &inputs, party))?])
        });
        outcomes.expect("a run without faults").into_iter().flatten().collect::<Vec<_>>()
    };
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let (waited, worked) = std::thread::scope(|scope| {
        let waited = scope.spawn(|| {
            run(&waiting, &|party| {
                if party == PartyId(1) {
                    // Ends also where the other deployment fails.
                    let _ = wait.lock().expect("no other waits").recv();
                }
            })
        });
        let worked = run(&working, &|_| {});
        assert!(!waited.is_finished(), "it waits for its party 1");
        drop(go);
        (waited.join().expect("no panic"), worked)
    });
    for (seed, outcomes) in [(3, &waited), (4, &worked)] {
        check_run(&plans, &program, &inputs, &outcomes.iter().collect::<Vec<_>>(), seed);
    }
    // What a plan has a device do depends on nobody else.
    for (waited, worked) in waited.iter().zip(&worked) {
        for count in [Count::Dispatches, Count::DownloadedBytes] {
            let counted = [waited, worked].map(|outcome| outcome.report.counters().get(count));
            assert_eq!(counted[0], counted[1], "{}", count.name());
            assert!(counted[0] > 0, "{}", count.name());
        }
    }
}
