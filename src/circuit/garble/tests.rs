//! Both parties in one process, with an ideal oblivious transfer, against the plain evaluator.

use super::*;
use crate::circuit::{Builder, Circuit, Schedule, Sign, Word, primitives};
use crate::ot::{Depth, Random, SessionId, SoftSpokenReceiver, SoftSpokenSenderSetup};
use crate::ring::prg::PrgKey;
use crate::share::{Parties, PartyId};
use proptest::prelude::*;
use std::sync::Arc;

mod examples;
mod random;

/// The functionality of random oblivious transfer: nobody chooses anything.
fn ideal_transfers(count: usize, evaluations: usize, seed: u64) -> (RandomPairs, RandomChoices) {
    let draw = |stream| {
        let mut labels = Labels::zeros(count);
        let key = PrgKey::from_bytes([seed as u8; 32]);
        key.fill(stream, seed, bytemuck::cast_slice_mut(&mut labels));
        labels
    };
    let (zeros, ones) = (draw(10), draw(11));
    let choices: Vec<u8> = draw(12).iter().map(|label| label.colour()).collect();
    let chosen = (0..count).map(|at| if choices[at] == 0 { zeros[at] } else { ones[at] }).collect();
    let choices = RandomChoices { choices: Bits::new(evaluations, choices), chosen };
    (RandomPairs { zeros, ones }, choices)
}

/// A run up to the tables, every message through its bytes.
struct World {
    garbler: Garbler,
    evaluator: Evaluator,
}

impl World {
    fn new(circuit: &Circuit, inputs: [&Bits; 2], seed: u64) -> World {
        let transfers = ideal_transfers(inputs[1].len(), inputs[1].evaluations(), seed);
        World::with_transfers(circuit, inputs, seed, transfers)
    }

    fn with_transfers(
        circuit: &Circuit,
        inputs: [&Bits; 2],
        seed: u64,
        (random, choices): (RandomPairs, RandomChoices),
    ) -> World {
        let schedule = Arc::new(Schedule::new(circuit));
        let key = PrgKey::from_bytes([seed as u8; 32]);
        let started = Garbler::with_key(schedule.clone(), inputs[0], &key).expect("a garbler");
        let Started { garbler, opening, labels, pairs } = started;
        let opening = Opening::from_bytes(&opening.to_bytes()).expect("an opening");
        let labels = Labels::from_bytes(&labels.to_bytes()).expect("labels");
        let (corrections, awaited) = choices.correct(inputs[1]).expect("corrections");
        let transferred = pairs.transfer(random, &corrections).expect("a transfer");
        let transferred = Transferred::from_bytes(&transferred.to_bytes()).expect("a transfer");
        let own = awaited.receive(&transferred).expect("labels");
        let evaluations = inputs[1].evaluations();
        let evaluator = Evaluator::new(schedule.clone(), evaluations, &opening, labels, own);
        World { garbler, evaluator: evaluator.expect("an evaluator") }
    }

    fn next_piece(&mut self) -> Option<Piece> {
        let piece = self.garbler.next_piece()?;
        Some(Piece::from_bytes(&piece.to_bytes()).expect("a piece"))
    }

    /// Lets the evaluator have all pieces, as `alter` leaves them.
    fn evaluate(&mut self, mut alter: impl FnMut(&mut Piece)) -> Result<(), GarbleError> {
        while let Some(mut piece) = self.next_piece() {
            alter(&mut piece);
            self.evaluator.consume(piece)?;
        }
        Ok(())
    }

    /// Both parties' outputs.
    fn finish(self) -> Result<[Bits; 2], GarbleError> {
        let (decoding, key) = self.garbler.finish()?;
        let decoding = Decoding::from_bytes(&decoding.to_bytes()).expect("a decoding");
        let evaluated = self.evaluator.finish(&decoding)?;
        let answer = Answer::from_bytes(&evaluated.answer.to_bytes()).expect("an answer");
        Ok([key.decode(&answer)?, evaluated.outputs])
    }
}

/// Both parties' outputs of a run.
fn run(circuit: &Circuit, inputs: [&Bits; 2], seed: u64) -> [Bits; 2] {
    let mut world = World::new(circuit, inputs, seed);
    world.evaluate(|_| {}).expect("pieces");
    world.finish().expect("outputs")
}

/// What the plain evaluator says that a party learns.
fn expected(circuit: &Circuit, inputs: [&Bits; 2], party: usize) -> Vec<u8> {
    let evaluations = inputs[0].evaluations();
    let mut outputs = Vec::new();
    for evaluation in 0..evaluations {
        let mut next = [0, 0];
        let mut bits = Vec::new();
        for input in circuit.inputs() {
            let owner = input.owner.index();
            for _ in 0..input.bits {
                bits.push(inputs[owner][next[owner] * evaluations + evaluation] == 1);
                next[owner] += 1;
            }
        }
        outputs.push(circuit.evaluate(&bits));
    }
    let learns = circuit
        .outputs()
        .iter()
        .flat_map(|output| std::iter::repeat_n(output.to.contains(PartyId(party as u8)), output.bits.len()));
    let learnt = learns.enumerate().filter(|(_, learns)| *learns).map(|(at, _)| at);
    learnt.flat_map(|at| outputs.iter().map(move |bits| u8::from(bits[at])).collect::<Vec<_>>()).collect()
}

/// Bits that look random.
fn bits(count: usize, evaluations: usize, seed: u64) -> Bits {
    let mut bytes = vec![0; count * evaluations];
    PrgKey::from_bytes([0xb1; 32]).fill(seed, 0, &mut bytes);
    Bits::new(evaluations, bytes.into_iter().map(|byte| byte & 1).collect())
}

fn agrees(circuit: &Circuit, evaluations: usize, seed: u64) {
    let inputs =
        [0, 1].map(|party| bits(circuit.input_bits_of(PartyId(party)), evaluations, seed + u64::from(party)));
    let found = run(circuit, [&inputs[0], &inputs[1]], seed);
    for (party, found) in found.iter().enumerate() {
        assert!(**found == *expected(circuit, [&inputs[0], &inputs[1]], party), "what party {party} learns");
    }
}

fn aes_inputs(evaluations: usize) -> [Bits; 2] {
    [bits(128, evaluations, 1), bits(128, evaluations, 2)]
}

#[test]
fn pieces_are_bound_to_their_run_and_place() {
    let circuit = primitives::aes128();
    let inputs = aes_inputs(1);
    let inputs = [&inputs[0], &inputs[1]];
    let mut world = World::new(&circuit, inputs, 1);
    let first = world.next_piece().expect("a piece");
    let second = world.next_piece().expect("another");
    let out_of_order = GarbleError::OutOfOrder { expected: 0, found: PIECE_GATES as u64 };
    assert_eq!(world.evaluator.consume(second), Err(out_of_order));
    assert_eq!(world.evaluator.consume(first), Ok(()));
    let again = World::new(&circuit, inputs, 1).next_piece().expect("the same piece");
    let repeated = GarbleError::OutOfOrder { expected: PIECE_GATES as u64, found: 0 };
    assert_eq!(world.evaluator.consume(again), Err(repeated));
    let other = World::new(&circuit, inputs, 2).next_piece().expect("a piece of another run");
    assert_eq!(world.evaluator.consume(other), Err(GarbleError::OtherRun("piece of tables")));
    let (decoding, _) = {
        let mut other = World::new(&circuit, inputs, 2);
        other.evaluate(|_| {}).expect("pieces");
        other.garbler.finish().expect("a decoding")
    };
    let unfinished = GarbleError::Unfinished(6400 - PIECE_GATES as u64);
    assert_eq!(world.evaluator.finish(&decoding).map(|_| ()), Err(unfinished));
    let mut world = World::new(&circuit, inputs, 1);
    world.evaluate(|_| {}).expect("pieces");
    let foreign = world.evaluator.finish(&decoding).map(|_| ());
    assert_eq!(foreign, Err(GarbleError::OtherRun("decoding of outputs")));
}

#[test]
fn parties_with_different_circuits_do_not_start() {
    let circuits = [primitives::aes128(), primitives::sha2(primitives::Sha2::Sha256, 16, 16)];
    let inputs = aes_inputs(2);
    let [own, other] = circuits.map(|circuit| Arc::new(Schedule::new(&circuit)));
    let start = || Garbler::start(own.clone(), &inputs[0]).expect("a garbler");
    let evaluate = |schedule: &Arc<Schedule>, evaluations, own_labels| {
        let started = start();
        let labels = Labels::zeros(own_labels);
        Evaluator::new(schedule.clone(), evaluations, &started.opening, started.labels, labels).err()
    };
    assert_eq!(evaluate(&other, 2, 256), Some(GarbleError::OtherCircuit));
    assert_eq!(evaluate(&own, 3, 384), Some(GarbleError::Evaluations { own: 3, theirs: 2 }));
    let length = GarbleError::Length { what: "transferred labels", expected: 256, found: 255 };
    assert_eq!(evaluate(&own, 2, 255), Some(length));
    assert_eq!(evaluate(&own, 2, 256), None);
    assert!(Garbler::start(own.clone(), &bits(127, 2, 1)).is_err(), "too few bits");
}

/// A bit of a table, of a transferred or a sent label, of the decoding, or of the answer.
#[test]
fn what_is_corrupt_gives_no_result() {
    let circuit = primitives::aes128();
    let inputs = aes_inputs(2);
    let inputs = [&inputs[0], &inputs[1]];
    let right = run(&circuit, inputs, 3);
    let (mut refused, mut unharmed) = (0, 0);
    for case in 0..40usize {
        let mut world = World::new(&circuit, inputs, 3);
        let mut first = true;
        let altered = world.evaluate(|piece| {
            if std::mem::take(&mut first) {
                let len = piece.tables.0.len();
                piece.tables.0[case * 7919 % len].0[case % 2] ^= 1 << (case % 64);
            }
        });
        altered.expect("nothing tells before the end");
        match world.finish() {
            // The table that was altered is not used where the colour is 0.
            Ok(found) => {
                unharmed += 1;
                assert!(found == right, "a result is right");
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error, GarbleError::Corrupt);
            }
        }
    }
    assert!(refused > 5 && unharmed > 5, "{refused} refused, {unharmed} unharmed");
    let corrupted = |alter: fn(&mut Decoding, &mut Answer)| {
        let mut world = World::new(&circuit, inputs, 3);
        world.evaluate(|_| {}).expect("pieces");
        let (mut decoding, key) = world.garbler.finish().expect("a decoding");
        let mut no_answer = Answer { digest: [0; 32], colours: Vec::new() };
        alter(&mut decoding, &mut no_answer);
        let evaluated = world.evaluator.finish(&decoding)?;
        let mut answer = evaluated.answer;
        alter(&mut decoding, &mut answer);
        key.decode(&answer).map(|_| ())
    };
    assert_eq!(corrupted(|_, _| {}), Ok(()));
    assert_eq!(
        corrupted(|decoding, _| decoding.hashes.iter_mut().for_each(|hash| hash.0[1] ^= 4)),
        Err(GarbleError::Corrupt)
    );
    assert_eq!(corrupted(|_, answer| answer.digest[31] ^= 1), Err(GarbleError::Corrupt));
    let flipped = corrupted(|_, answer| answer.colours.iter_mut().for_each(|byte| *byte ^= 1));
    assert_eq!(flipped, Err(GarbleError::Corrupt), "an evaluator cannot alter what the garbler learns");
    assert_eq!(corrupted(|_, answer| answer.colours.truncate(3)), Err(GarbleError::Malformed("answer")));
}

#[test]
fn wrong_bytes_are_no_messages() {
    assert!(Opening::from_bytes(&[0; 55]).is_err() && Opening::from_bytes(&[0; 57]).is_err());
    assert!(Piece::from_bytes(&[0; 24]).is_err(), "a piece has gates");
    assert!(Piece::from_bytes(&[0; 24 + 33]).is_err() && Piece::from_bytes(&[0; 24 + 48]).is_err());
    assert!(Piece::from_bytes(&vec![0; 24 + 32 * (PIECE_GATES + 1)]).is_err(), "a piece is bounded");
    assert!(Piece::from_bytes(&[0; 24 + 32]).is_ok());
    assert!(Decoding::from_bytes(&[0; 17]).is_err() && Answer::from_bytes(&[0; 31]).is_err());
    assert!(Transferred::from_bytes(&[0; 16]).is_err() && Labels::from_bytes(&[0; 15]).is_none());
}

#[test]
fn every_run_has_a_delta_and_a_start_of_its_own() {
    let schedule = Arc::new(Schedule::new(&primitives::aes128()));
    let inputs = aes_inputs(1);
    let [first, second] = [0, 1].map(|_| Garbler::start(schedule.clone(), &inputs[0]).expect("a garbler"));
    assert!(first.opening.run != second.opening.run);
    for started in [&first, &second] {
        assert_eq!(started.pairs.delta[0].colour(), 1, "colours of a pair differ");
    }
    let difference = first.pairs.delta[0] ^ second.pairs.delta[0];
    assert_ne!(difference.to_bytes(), [0; 16]);
}

/// The bytes of a garbling of a fixed key: they change where the format or the garbling does, and only then.
#[test]
fn the_garbling_of_a_fixed_key_is_as_it_was() {
    let circuit = primitives::aes128();
    let inputs = aes_inputs(3);
    let mut world = World::new(&circuit, [&inputs[0], &inputs[1]], 7);
    let mut hasher = blake3::Hasher::new();
    while let Some(piece) = world.garbler.next_piece() {
        hasher.update(&piece.to_bytes());
        world.evaluator.consume(piece).expect("a piece");
    }
    hasher.update(&world.garbler.finish().expect("a decoding").0.to_bytes());
    assert_eq!(
        hasher.finalize().to_hex().as_str(),
        "dc31b3646c48dbefffe226796897a5a6411554d542719a5a6c9db2751174d16a"
    );
}

/// One batch of the extension, on base transfers that were made for it.
#[test]
fn labels_come_by_oblivious_transfer() {
    let circuit = primitives::aes128();
    let inputs = aes_inputs(3);
    let count = inputs[1].len();
    let session = SessionId([7; 32]);
    let [mut ours, mut theirs] = [0, 1].map(|_| Random::from_entropy().expect("randomness"));
    let (sender, message) = SoftSpokenSenderSetup::new(session, Depth::Four, &mut ours);
    let (mut receiver, reply) =
        SoftSpokenReceiver::new(session, Depth::Four, &message, &mut theirs).expect("base transfers");
    let mut sender = sender.finish(&reply).expect("base transfers");
    let (received, corrections) = receiver.extend(1);
    let (sent, challenge) = sender.receive(1, &corrections, &mut ours).expect("a batch");
    let (mut received, answer) = received.answer(&challenge).expect("a batch");
    let (_, mut sent) = sender.check(sent, &answer).expect("a batch");
    let pairs = RandomPairs::of([sent.take(count).expect("transfers").random()]);
    let choices = RandomChoices::of(vec![received.take(count).expect("transfers").random()], 3);
    let mut world = World::with_transfers(&circuit, [&inputs[0], &inputs[1]], 5, (pairs, choices));
    world.evaluate(|_| {}).expect("pieces");
    for (party, found) in world.finish().expect("outputs").iter().enumerate() {
        assert!(**found == *expected(&circuit, [&inputs[0], &inputs[1]], party), "what party {party} learns");
    }
}

/// Enough gates in a stage for several cores.
#[test]
fn cores_change_nothing_of_what_is_garbled() {
    let circuit = primitives::aes128();
    let inputs = aes_inputs(40);
    let of = |threads| {
        let garble = || {
            let mut world = World::new(&circuit, [&inputs[0], &inputs[1]], 7);
            let mut hasher = blake3::Hasher::new();
            let hash = |piece: &mut Piece| {
                hasher.update(&piece.to_bytes());
            };
            world.evaluate(hash).expect("pieces");
            (hasher.finalize(), world.finish().expect("outputs"))
        };
        with_threads(threads, garble).expect("threads")
    };
    let (one, four) = (of(1), of(4));
    assert_eq!(one.0, four.0, "the same bytes");
    assert!(one.1 == four.1, "the same outputs");
    assert!(*one.1[0] == *expected(&circuit, [&inputs[0], &inputs[1]], 0), "and the right ones");
}

#[test]
fn a_run_sends_what_its_formulas_say() {
    let circuit = primitives::sha2(primitives::Sha2::Sha256, 3, 5);
    let schedule = Arc::new(Schedule::new(&circuit));
    let inputs = [bits(24, 3, 1), bits(40, 3, 2)];
    let started = Garbler::start(schedule.clone(), &inputs[0]).expect("a garbler");
    let Started { mut garbler, opening, labels, pairs } = started;
    let (random, choices) = ideal_transfers(pairs.len(), 3, 4);
    let (corrections, awaited) = choices.correct(&inputs[1]).expect("corrections");
    let transferred = pairs.transfer(random, &corrections).expect("a transfer");
    let mut sent = opening.to_bytes().len() + labels.to_bytes().len() + transferred.to_bytes().len();
    let own = awaited.receive(&transferred).expect("labels");
    let mut evaluator = Evaluator::new(schedule.clone(), 3, &opening, labels, own).expect("an evaluator");
    while let Some(piece) = garbler.next_piece() {
        sent += piece.to_bytes().len();
        evaluator.consume(piece).expect("a piece");
    }
    let (decoding, key) = garbler.finish().expect("a decoding");
    sent += decoding.to_bytes().len();
    let evaluated = evaluator.finish(&decoding).expect("outputs");
    let traffic = Traffic::of(&schedule, 3);
    assert_eq!(traffic.garbler_bytes, sent as u64);
    let answered = corrections.0.len() + evaluated.answer.to_bytes().len();
    assert_eq!((traffic.evaluator_bytes, traffic.transfers), (answered as u64, 120));
    assert!(key.decode(&evaluated.answer).expect("outputs") == evaluated.outputs);
}

/// Evaluations in several blocks, the last of them smaller.
#[test]
fn many_evaluations_go_through_in_blocks() {
    let mut builder = Builder::new();
    let (a, b) = (builder.input(PartyId(0), 40), builder.input(PartyId(1), 40));
    let greater = builder.maximum(&a, &b, Sign::Signed);
    builder.output(PartyId(0).alone(), &greater);
    builder.output(PartyId(1).alone(), &[greater[3], !a[0], crate::circuit::Bit::TRUE]);
    let circuit = builder.finish();
    let evaluations = 1500;
    let schedule = Schedule::new(&circuit);
    assert!(
        label_bytes(&schedule, evaluations) < 3 * label_bytes(&schedule, evaluations / 2),
        "blocks are smaller"
    );
    agrees(&circuit, evaluations, 11);
}

#[test]
fn labels_are_never_printed() {
    assert_eq!(format!("{:?} {:?}", Label::default(), Labels::zeros(3)), "Label(..) Labels(3)");
    assert_eq!(format!("{:?}", bits(4, 2, 1)), "Bits(4 × 2)");
}
