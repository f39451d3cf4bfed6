//! relu of a shared matrix, both parties and the dealer on this machine, beside the plain function.

mod support;

use std::time::Instant;
use support::devices;
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::session::World;
use symbolon::share::{Parties, PartyId};

/// Values that are compared.
const SHAPE: Shape = Shape::new(1000, 1000);

fn main() {
    let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
    let mut program = Program::new(2, codec);
    let inputs = [0, 1]
        .map(|party| program.input(&format!("x{party}"), PartyId(party), SHAPE, None).expect("an input"));
    let x = program.add(inputs[0], inputs[1]).expect("a sum");
    let y = program.relu(x).expect("a relu");
    // Its sum, so that little is revealed.
    let total = program.sum(y, None).expect("a sum");
    program.output("total", total, Parties::first(1)).expect("an output");
    let data = [1, 2].map(|seed| {
        let mut bytes = vec![0; SHAPE.len() * 8];
        PrgKey::from_bytes([seed; 32]).fill(0, 0, &mut bytes);
        let signed = Elements::from_bytes(Ring::Z64, &bytes).to_u64().into_iter();
        Elements::from_integers(Ring::Z64, signed.map(|raw| (raw as i64 >> 24) as u64))
    });
    for bench in devices() {
        let world = World::new(Protocol::Beaver, bench.device.clone());
        let runs = world.run_repeatedly(&program, &data, 4).expect("runs without faults");
        let best = |time: fn(&symbolon::session::SessionOutcome) -> std::time::Duration| {
            runs.iter().flatten().map(time).min().expect("a run")
        };
        let (offline, online) = (best(|run| run.report.offline), best(|run| run.report.online));
        let [x, y] = data.each_ref().map(Elements::to_u64);
        let begin = Instant::now();
        let plain: i64 =
            x.iter().zip(&y).map(|(x, y)| (x.wrapping_add(*y) as i64).max(0)).fold(0, i64::wrapping_add);
        let plain_time = begin.elapsed();
        std::hint::black_box(plain);
        println!(
            "{}: relu of {} 64-bit values: online {online:.1?}, offline {offline:.1?}, plain {plain_time:.1?}: {:.0} times",
            bench.name,
            SHAPE.len(),
            online.as_secs_f64() / plain_time.as_secs_f64()
        );
    }
}
