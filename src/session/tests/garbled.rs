//! Garbled circuits between two sessions: results are those of the plain evaluator, traffic is as the formulas say, and who
//! spoils a message is named.

use super::world;
use crate::circuit::garble::{Bits, GarbleError, PIECE_GATES, Price};
use crate::circuit::{Bit, Builder, Circuit, Schedule, Sign, primitives};
use crate::net::Frame;
use crate::protocol::Protocol;
use crate::ring::prg::PrgKey;
use crate::session::{GarbledOutcome, SessionError, SessionOptions, World, WorldError};
use crate::share::{Parties, PartyId, Role};
use crate::testing::Verdict;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const ZERO: Role = Role::party(0);
const ONE: Role = Role::party(1);

/// The topic of the messages.
const GARBLED: u32 = 14;

/// Bytes that look random.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; count];
    PrgKey::from_bytes([0xa7; 32]).fill(seed, 0, &mut bytes);
    bytes
}

fn random_bits(count: usize, evaluations: usize, seed: u64) -> Bits {
    Bits::new(evaluations, bytes(count * evaluations, seed).into_iter().map(|byte| byte & 1).collect())
}

/// Two parties alone.
fn two() -> World {
    world(Protocol::Beaver, 1).with_pair()
}

fn run_in(world: &World, circuit: &Circuit, inputs: &[Bits; 2]) -> Result<Vec<GarbledOutcome>, WorldError> {
    let schedule = Arc::new(Schedule::new(circuit));
    world.in_sessions(|party, session| session.run_garbled(&schedule, &inputs[party.index()]))
}

/// What a party learns in the clear.
fn expected(circuit: &Circuit, inputs: &[Bits; 2], party: PartyId) -> Vec<u8> {
    let evaluations = inputs[0].evaluations();
    let all: Vec<Vec<bool>> = (0..evaluations)
        .map(|evaluation| {
            let mut own = inputs.each_ref().map(|bits| bits.iter().skip(evaluation).step_by(evaluations));
            let owners =
                circuit.inputs().iter().flat_map(|input| std::iter::repeat_n(input.owner, input.bits));
            let bits: Vec<bool> =
                owners.map(|owner| *own[owner.index()].next().expect("a bit") == 1).collect();
            circuit.evaluate(&bits)
        })
        .collect();
    let learns = circuit
        .outputs()
        .iter()
        .flat_map(|output| std::iter::repeat_n(output.to.contains(party), output.bits.len()));
    let learnt = learns.enumerate().filter(|(_, learns)| *learns);
    learnt.flat_map(|(at, _)| all.iter().map(move |bits| u8::from(bits[at]))).collect()
}

fn agrees(circuit: &Circuit, evaluations: usize, seed: u64) {
    let inputs = [0, 1].map(|party| {
        random_bits(circuit.input_bits_of(PartyId(party)), evaluations, 2 * seed + u64::from(party))
    });
    let outcomes = run_in(&two(), circuit, &inputs).expect("a garbled run");
    let price = Price::of(&Schedule::new(circuit), evaluations);
    for (outcome, party) in outcomes.iter().zip([0, 1].map(PartyId)) {
        assert!(*outcome.outputs == *expected(circuit, &inputs, party), "what {party} learns");
        let tally = outcome.report.tally;
        let (garbler, evaluator) = (price.traffic.garbler_bytes, price.traffic.evaluator_bytes);
        let (sent, received) = if party == PartyId(0) { (garbler, evaluator) } else { (evaluator, garbler) };
        assert_eq!((tally.sent_bytes, tally.received_bytes), (sent, received), "online bytes of {party}");
        let offline = tally.offline_sent_bytes + tally.offline_received_bytes;
        assert_eq!(offline, price.transfer_bytes, "bytes of the transfers");
        assert_eq!(tally.rounds, price.rounds - u32::from(party.0), "messages one behind the other");
        assert_eq!(outcome.price, price);
    }
}

/// A circuit of random gates whose inputs are split as the widths say: party 0, party 1, party 0, party 1.
fn random_circuit(gates: usize, widths: [usize; 4], seed: u64) -> Circuit {
    let mut builder = Builder::new();
    let mut bits: Vec<Bit> = vec![Bit::TRUE];
    for (owner, width) in [0, 1, 0, 1].into_iter().zip(widths) {
        bits.extend(builder.input(PartyId(owner), width));
    }
    for gate in bytes(5 * gates, seed).chunks(5) {
        let back = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high])) % 90.min(bits.len());
        let [a, b] = [back(gate[1], gate[2]), back(gate[3], gate[4])].map(|back| bits[bits.len() - 1 - back]);
        let bit = if gate[0] & 1 == 0 { builder.xor(a, !b) } else { builder.and(a, b) };
        bits.push(if bit.value().is_some() { a } else { bit });
    }
    let last = bits.len() - 40.min(bits.len());
    for (at, &bit) in bits[last..].iter().enumerate() {
        builder.output([PartyId(0).alone(), PartyId(1).alone(), Parties::first(2)][at % 3], &[bit]);
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]
    #[test]
    fn a_random_circuit_equals_the_plain_evaluator_however_its_inputs_are_split(
        gates in prop::sample::select(&[0usize, 1, 60, 900, 10_000][..]),
        widths in prop::array::uniform4(0usize..24),
        evaluations in 1usize..4,
        seed in 0u64..1000,
    ) {
        agrees(&random_circuit(gates, widths, seed), evaluations, seed);
    }
}

#[test]
fn all_bits_may_be_one_partys() {
    for widths in [[40, 0, 3, 0], [0, 40, 0, 3], [0, 0, 0, 0]] {
        agrees(&random_circuit(300, widths, 5), 2, 9);
    }
}

#[test]
fn several_runs_of_a_session_draw_anew() {
    let circuit = primitives::aes128();
    let schedule = Arc::new(Schedule::new(&circuit));
    let inputs = [0, 1].map(|party| random_bits(128, 2, party));
    let runs = two().in_sessions(|party, session| {
        (0..2).map(|_| session.run_garbled(&schedule, &inputs[party.index()])).collect::<Result<Vec<_>, _>>()
    });
    for (party, outcomes) in runs.expect("two runs").into_iter().enumerate() {
        for outcome in outcomes {
            assert!(*outcome.outputs == *expected(&circuit, &inputs, PartyId(party as u8)));
        }
    }
}

fn comparison(bits: usize) -> Circuit {
    let mut builder = Builder::new();
    let (mine, yours) = (builder.input(PartyId(0), bits), builder.input(PartyId(1), bits));
    let richer = builder.less(&yours, &mine, Sign::Unsigned);
    builder.output(Parties::first(2), &[richer]);
    builder.finish()
}

#[test]
fn parties_that_disagree_are_told_on_what() {
    let failed = |circuits: [Circuit; 2], evaluations: [usize; 2]| {
        let schedules = circuits.map(|circuit| Arc::new(Schedule::new(&circuit)));
        let ran = two().in_sessions(|party, session| {
            let schedule = &schedules[party.index()];
            let own = schedule.input_bits_of(PartyId(0));
            session.run_garbled(schedule, &random_bits(own, evaluations[party.index()], 1))
        });
        ran.map(drop).expect_err("parties that disagree").to_string()
    };
    let line = failed([comparison(8), comparison(9)], [1, 1]);
    assert!(line.contains("bits of party 0's inputs is `8` here and `9` there"), "{line}");
    let line = failed([comparison(8), comparison(8)], [1, 2]);
    assert!(line.contains("evaluations of the circuit is `1` here and `2` there"), "{line}");
    let other = random_circuit(300, [8, 8, 0, 0], 1);
    let line = failed([comparison(8), other.clone()], [1, 1]);
    assert!(line.contains("here and `") && line.contains("there"), "{line}");
}

#[test]
fn what_does_not_fit_is_refused_before_anybody_is_bothered() {
    let schedule = Arc::new(Schedule::new(&comparison(8)));
    let ran = two().in_sessions(|_, session| session.run_garbled(&schedule, &random_bits(7, 1, 1)));
    let failed = ran.map(drop).expect_err("too few bits");
    let expected = GarbleError::Inputs { expected: 8, found: 7 };
    let is_said = |(_, error): &(Role, SessionError)| matches!(error, SessionError::Garbled { error, .. } if *error == expected);
    assert!(failed.failures.iter().any(is_said), "{failed}");
    let small = SessionOptions { budget_bytes: Some(100), ..SessionOptions::default() };
    let ran = two()
        .with_options(small)
        .in_sessions(|_, session| session.run_garbled(&schedule, &random_bits(8, 1, 1)));
    let line = ran.map(drop).expect_err("too little memory").to_string();
    assert!(line.contains("above the budget of 100 bytes"), "{line}");
}

/// Runs AES while a rule decides on the sender's messages of the run, by their number.
fn spoilt(sender: Role, rule: fn(u32, &[u8]) -> Verdict) -> Result<(), WorldError> {
    let sent = AtomicU32::new(0);
    let rule = move |from: Role, _: Role, frame: &Frame| match frame {
        Frame::Control { topic: GARBLED, payload } if from == sender => {
            rule(sent.fetch_add(1, Ordering::Relaxed), payload)
        }
        _ => Verdict::Pass,
    };
    let circuit = primitives::aes128();
    let inputs = [0, 1].map(|party| random_bits(128, 1, party));
    let outcomes = run_in(&two().with_rule(Arc::new(rule)), &circuit, &inputs)?;
    for (party, outcome) in outcomes.iter().enumerate() {
        assert!(*outcome.outputs == *expected(&circuit, &inputs, PartyId(party as u8)), "a result is right");
    }
    Ok(())
}

fn altered(payload: &[u8], change: impl Fn(&mut Vec<u8>)) -> Verdict {
    let mut payload = payload.to_vec();
    change(&mut payload);
    Verdict::Replace(Frame::Control { topic: GARBLED, payload: payload.into() })
}

/// The garbler sends opening, labels, transferred labels, two pieces and the decoding; the evaluator corrections and answer.
#[test]
fn what_is_altered_ends_the_run_without_a_word_on_where() {
    const { assert!(6400 > PIECE_GATES && 6400 <= 2 * PIECE_GATES, "two pieces") };
    type Case = (Role, fn(u32, &[u8]) -> Verdict, &'static str);
    fn flip(at: u32, number: u32, payload: &[u8], place: usize) -> Verdict {
        if number != at {
            return Verdict::Pass;
        }
        altered(payload, |payload| payload[place..].iter_mut().for_each(|byte| *byte ^= 0x40))
    }
    const CORRUPT: &str = "the peer's circuit or labels are corrupt";
    let cases: [Case; 10] = [
        (ZERO, |number, payload| flip(0, number, payload, 16), "the parties have different circuits"),
        (ZERO, |number, payload| flip(1, number, payload, 0), CORRUPT),
        (ZERO, |number, payload| flip(2, number, payload, 0), CORRUPT),
        (ZERO, |number, payload| flip(3, number, payload, 24), CORRUPT),
        (ZERO, |number, payload| flip(4, number, payload, 0), "piece of tables is of another run"),
        (ZERO, |number, payload| flip(5, number, payload, 16), CORRUPT),
        (
            ZERO,
            |number, payload| match number {
                3 => altered(payload, |payload| payload.truncate(100)),
                _ => Verdict::Pass,
            },
            "piece of tables is malformed",
        ),
        (
            ZERO,
            |number, payload| match number {
                2 => altered(payload, |payload| payload.truncate(100)),
                _ => Verdict::Pass,
            },
            "transferred labels is malformed",
        ),
        (ONE, |number, payload| flip(1, number, payload, 32), CORRUPT),
        (
            ONE,
            |number, payload| match number {
                0 => altered(payload, |payload| payload.truncate(3)),
                _ => Verdict::Pass,
            },
            "corrections is malformed",
        ),
    ];
    for (sender, rule, expected) in cases {
        let failed = spoilt(sender, rule).expect_err("a run that is spoilt");
        let receiver = if sender == ZERO { ONE } else { ZERO };
        for role in [sender, receiver] {
            let error = &failed.failures.iter().find(|(other, _)| *other == role).expect("both fail").1;
            assert!(error.to_string().contains(expected), "{role} says {expected}: {error}");
        }
        let error = &failed.failures.iter().find(|(role, _)| *role == receiver).expect("it fails").1;
        assert!(error.to_string().starts_with(&format!("the garbled circuit with {sender}")), "{error}");
    }
}

/// Choices that are altered on their way give the evaluator other labels than those of its bits, and both the result of
/// other bits: the link keeps others from it, and an evaluator who does it has chosen another input.
#[test]
fn altered_corrections_are_another_input() {
    let rule = |number, payload: &[u8]| match number {
        0 => altered(payload, |payload| payload[0] ^= 1),
        _ => Verdict::Pass,
    };
    // The pads of the labels do not fit any more: the evaluator has no label of its output.
    let failed = spoilt(ONE, rule).expect_err("a run that is spoilt");
    assert!(failed.to_string().contains("corrupt"), "{failed}");
}
