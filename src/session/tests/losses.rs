//! Any one frame that is cut off or lost ends every role with an error, or changes nothing.
//!
//! Who loses a connection notices at once. Of a frame that is lost only deadlines tell: they are short, and where a
//! machine is so slow that a run misses them before its frame came, it runs again with more patience.

use super::{elements, world};
use crate::net::{Deadlines, Frame};
use crate::program::Program;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::{SessionOptions, World, WorldError};
use crate::share::{Parties, PartyId, Role};
use crate::testing::Verdict;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Frames of a direction beyond this are like those before.
const FRAMES: usize = 14;

/// Longer than any run takes.
const AMPLE: Duration = Duration::from_secs(600);

/// Mostly longer than a run makes no progress.
const SHORT: Duration = Duration::from_millis(500);

fn patient(protocol: Protocol, patience: Duration) -> World {
    let deadlines = Deadlines { connect: patience, silence: 3 * patience, stall: patience };
    world(protocol, 1).with_options(SessionOptions { deadlines, ..SessionOptions::default() })
}

/// Two products of shared operands, with outputs for both and for one.
fn program(protocol: Protocol) -> (Program, [Elements; 2]) {
    let codec = FixedPoint::new(Ring::Z64, 8).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec);
    let x = program.input("x", PartyId(0), Shape::new(4, 4), None).expect("x");
    let y = program.input("y", PartyId(1), Shape::new(4, 4), None).expect("y");
    let sum = program.add(x, y).expect("a sum");
    let z = program.matmul(sum, y).expect("a product");
    let w = program.matmul(z, sum).expect("a product");
    program.output("z", z, Parties::first(2)).expect("an output");
    program.output("w", w, Parties::from_iter([PartyId(1)])).expect("an output");
    (program, [elements(Ring::Z64, 16, 1), elements(Ring::Z64, 16, 2)])
}

/// Runs twice in one session while the `nth` frame between two roles meets its fate; tells whether it came so far.
fn run_with_loss(
    protocol: Protocol,
    (from, to): (Role, Role),
    nth: usize,
    fate: Verdict,
    patience: Duration,
) -> (Result<(), WorldError>, bool) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let rule = move |sender: Role, receiver: Role, frame: &Frame| {
        let counted =
            (sender, receiver) == (from, to) && !matches!(frame, Frame::Heartbeat { .. } | Frame::Hello(_));
        if counted && counter.fetch_add(1, Ordering::Relaxed) == nth { fate.clone() } else { Verdict::Pass }
    };
    let (program, inputs) = program(protocol);
    let world = patient(protocol, patience).with_rule(Arc::new(rule));
    let result = world.run_repeatedly(&program, &inputs, 2);
    (result.map(drop), count.load(Ordering::Relaxed) > nth)
}

/// Brings about each loss in turn; runs that fail before it came are given twice the patience.
fn every_loss(protocol: Protocol, fate: &Verdict, patience: Duration) {
    let roles = protocol.roles(protocol.default_source());
    std::thread::scope(|scope| {
        for (from, to) in roles.iter().flat_map(|&from| roles.iter().map(move |&to| (from, to))) {
            if from == to {
                continue;
            }
            for nth in 0..FRAMES {
                scope.spawn(move || {
                    let mut patience = patience;
                    let (result, met) = loop {
                        let (result, met) = run_with_loss(protocol, (from, to), nth, fate.clone(), patience);
                        if met || result.is_ok() || patience >= AMPLE {
                            break (result, met);
                        }
                        patience *= 2;
                    };
                    assert_eq!(
                        result.is_err(),
                        met,
                        "{protocol}: {fate:?} of frame {nth} from {from} to {to}: {result:?}"
                    );
                });
            }
        }
    });
}

#[test]
fn a_connection_that_is_cut_anywhere_ends_everybody() {
    Protocol::ALL.into_iter().for_each(|protocol| every_loss(protocol, &Verdict::Cut, AMPLE));
}

#[test]
fn a_frame_that_is_lost_anywhere_ends_everybody() {
    Protocol::ALL.into_iter().for_each(|protocol| every_loss(protocol, &Verdict::Drop, SHORT));
}
