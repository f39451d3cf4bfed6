//! What an evaluator and a garbler are sent, for fuzzing: nothing may panic, or take memory that the bytes do not pay for.

use super::{
    Answer, Bits, Corrections, Decoding, Evaluator, Garbler, Labels, Opening, Piece, RandomChoices,
    RandomPairs, Started, Transferred,
};
use crate::circuit::{Builder, Schedule};
use crate::ring::prg::PrgKey;
use crate::share::{Parties, PartyId};
use std::sync::Arc;

/// Reads the bytes as every message: as they are, and behind the name of the run, as the peer could write them.
pub fn garbled(bytes: &[u8]) {
    let mut builder = Builder::new();
    let [a, b] = [0, 1].map(|party| builder.input(PartyId(party), 2));
    let both = builder.and_words(&a, &b);
    builder.output(Parties::first(2), &both);
    let schedule = Arc::new(Schedule::new(&builder.finish()));
    let bits = Bits::new(1, vec![0, 1]);
    let key = PrgKey::from_bytes([7; 32]);
    let start = || Garbler::with_key(schedule.clone(), &bits, &key).expect("a garbler");
    let named = [&start().opening.run.0[..], bytes].concat();
    for bytes in [bytes, &named] {
        evaluates(bytes, &schedule, start());
        let pairs = start().pairs;
        let random = RandomPairs { zeros: Labels::zeros(2), ones: Labels::zeros(2) };
        let _ = pairs.transfer(random, &Corrections(bytes.to_vec()));
        let choices = RandomChoices { choices: Bits::new(1, vec![1, 0]), chosen: Labels::zeros(2) };
        let (_, awaited) = choices.correct(&bits).expect("as many bits");
        if let Ok(transferred) = Transferred::from_bytes(bytes) {
            let _ = awaited.receive(&transferred);
        }
    }
}

/// Lets the bytes be the opening, the piece, the decoding, or the answer of a run that is right otherwise.
fn evaluates(bytes: &[u8], schedule: &Arc<Schedule>, started: Started) {
    let Started { mut garbler, opening, labels, pairs } = started;
    let copy = |labels: &Labels| labels.iter().copied().collect::<Labels>();
    if let Ok(opening) = Opening::from_bytes(bytes) {
        let _ = Evaluator::new(schedule.clone(), 1, &opening, copy(&labels), copy(&pairs.zeros));
    }
    let evaluator = Evaluator::new(schedule.clone(), 1, &opening, labels, copy(&pairs.zeros));
    let mut evaluator = evaluator.expect("an evaluator");
    if let Ok(piece) = Piece::from_bytes(bytes) {
        let _ = evaluator.consume(piece);
    }
    while let Some(piece) = garbler.next_piece() {
        let _ = evaluator.consume(piece);
    }
    let (decoding, key) = garbler.finish().expect("a decoding");
    let _ = evaluator.finish(&Decoding::from_bytes(bytes).unwrap_or(decoding));
    if let Ok(answer) = Answer::from_bytes(bytes) {
        let _ = key.decode(&answer);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::corpus;

    #[test]
    fn messages_of_the_corpus_are_survived() {
        corpus("garbled", super::garbled);
    }
}
