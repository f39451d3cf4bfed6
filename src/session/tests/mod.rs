//! Whole runs in one process: against the oracle, under faults, and as seen by an eavesdropper.

mod accurate;
mod budget;
mod check;
mod checkpoints;
mod coalescing;
mod compiled;
mod convert;
mod covered;
mod dealer;
mod deviating;
mod devices;
mod differential;
mod engines;
mod equivalence;
mod estimates;
mod faults;
mod formulas;
mod garbled;
mod gradients;
mod integers;
mod keys;
mod known;
mod losses;
mod masks;
mod mixed;
mod narrow;
mod network;
mod nonlinear;
mod offers;
mod ops;
mod orders;
mod pair;
mod pictures;
mod powers;
mod privacy;
mod publics;
mod recipe;
mod reconnects;
mod resident;
mod sharing;
mod simulated;
mod stages;
mod states;
mod streamed;
mod tensors;
mod training;

use super::{SessionOptions, World};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::device::gpu::{self, Gpu, GpuOptions};
use crate::net::Deadlines;
use crate::program::Program;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape, prg::PrgKey};
use crate::share::{Parties, PartyId, Role};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The protocol for a program of so many parties.
fn protocol_of(program: &Program) -> Protocol {
    let fits = |protocol: &Protocol| protocol.parties() == program.parties();
    Protocol::ALL.into_iter().find(fits).expect("a protocol of as many parties")
}

/// A world on the CPU device that repeats itself and gives up soon.
fn world(protocol: Protocol, seed: u64) -> World {
    let device = || Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens"));
    let deadlines = Deadlines { stall: Duration::from_secs(20), ..Deadlines::default() };
    // A device for each role, so that each has a ledger of its own.
    let world = World::new(protocol, device());
    let roles = protocol.roles(protocol.default_source()).into_iter();
    roles
        .fold(world, |world, role| world.with_device(role, device()))
        .with_options(SessionOptions { deadlines, ..SessionOptions::default() })
        .with_insecure_seed(seed)
}

/// Every Vulkan adapter, opened once for all tests: a driver compiles a kernel once, and a software driver keeps megabytes
/// for each that it compiled.
fn gpus() -> &'static [Arc<Gpu>] {
    static GPUS: OnceLock<Vec<Arc<Gpu>>> = OnceLock::new();
    let open = |adapter| Arc::new(Gpu::open(&adapter, GpuOptions::default()).expect("an adapter opens"));
    GPUS.get_or_init(|| gpu::adapters().into_iter().map(open).collect())
}

/// A world whose roles all compute on one GPU, each in a lane of its own. The first program waits until its kernels are
/// compiled, which a software driver takes its time for.
fn all_on(gpu: &Arc<Gpu>, world: World) -> World {
    let world = world.with_options(SessionOptions::default());
    let roles = [Role::party(0), Role::party(1), Role::party(2), Role::Dealer];
    roles.into_iter().fold(world, |world, role| world.with_device(role, gpu.clone()))
}

/// Tells of every Vulkan adapter its name, and how to have all roles of a world compute on it.
fn on_gpus(test: impl Fn(&str, &dyn Fn(World) -> World)) {
    for gpu in gpus() {
        test(&gpu.description().name, &|world| all_on(gpu, world));
    }
}

/// `len` elements that look random, the same for the same seed.
fn elements(ring: Ring, len: usize, seed: u64) -> Elements {
    let mut bytes = vec![0; len * ring.element_bytes()];
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    PrgKey::from_bytes(key).fill(0, 0, &mut bytes);
    Elements::from_bytes(ring, &bytes)
}

/// `len` fixed-point numbers in −bound..bound.
fn numbers(codec: FixedPoint, len: usize, bound: f64, seed: u64) -> Elements {
    let draw = |raw: u64| (raw as i64 as f64 / i64::MAX as f64) * bound * 0.999;
    let values: Vec<f64> = elements(Ring::Z64, len, seed).to_u64().into_iter().map(draw).collect();
    Elements::encode(codec, &values).expect("numbers within range")
}

/// z = x @ y with x party 0's and y party 1's, for both.
fn product(protocol: Protocol, ring: Ring, fraction_bits: u32, shape: (usize, usize, usize)) -> Program {
    product_within(protocol, FixedPoint::new(ring, fraction_bits).expect("a codec"), shape, None)
}

/// The same with a bound of both, if there is one.
fn product_within(
    protocol: Protocol,
    codec: FixedPoint,
    (m, k, n): (usize, usize, usize),
    bound: Option<f64>,
) -> Program {
    let mut program = Program::new(protocol.parties(), codec);
    let x = program.input("x", PartyId(0), Shape::new(m, k), bound).expect("an input");
    let y = program.input("y", PartyId(1), Shape::new(k, n), bound).expect("an input");
    let z = program.matmul(x, y).expect("shapes that fit");
    program.output("z", z, Parties::first(2)).expect("an output");
    program
}
