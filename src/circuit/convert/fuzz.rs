//! What the evaluator of a conversion is sent, for fuzzing: nothing may panic, and what is not refused has the right results.

use super::{Conversion, Entering, EvaluatorKeys, GarblerKeys, Given};
use crate::circuit::{Builder, Schedule};
use crate::ring::Ring;
use crate::share::PartyId;

/// Reads the bytes as the garbler's message: as they are, and as what changes one that is right, from its first byte on and up to
/// its last.
pub fn conversion(bytes: &[u8]) {
    let conversion = sum_of_two_bits();
    // Whoever alters messages does not know the keys: that these here are zeros is no help.
    let words = conversion.label_words();
    let (number, plane) = ([0; 8], vec![0; conversion.plane_bytes()]);
    let key = vec![0; conversion.transfers() * 8];
    let keys = vec![&key[..]; words];
    let garblers = GarblerKeys { zeros: &keys, differences: &keys };
    let (message, own) = conversion.garble(&[&number], garblers, &plane).expect("randomness");
    let evaluate = |message: &[u8]| {
        conversion.evaluate(&[&number], EvaluatorKeys { choices: &plane, chosen: &keys }, message)
    };
    let _ = evaluate(bytes);
    let last = message.len().saturating_sub(bytes.len());
    for start in [0, last] {
        let mut altered = message.clone();
        altered[start..].iter_mut().zip(bytes).for_each(|(byte, change)| *byte ^= change);
        if let Ok(theirs) = evaluate(&altered) {
            let sum = conversion.number(&own[0], 0).wrapping_add(conversion.number(&theirs[0], 0));
            assert_eq!(sum, 0, "what is not refused is right");
        }
    }
}

/// A conversion of a number of two bits to itself.
fn sum_of_two_bits() -> Conversion {
    let (mut builder, ring) = (Builder::new(), Ring::Z64);
    let parts = [0, 1].map(|party| builder.input(PartyId(party), 2));
    let mask = builder.input(PartyId(0), ring.bits() as usize);
    let mut sum = builder.add(&parts[0], &parts[1]);
    sum.resize(ring.bits() as usize, crate::circuit::Bit::constant(false));
    let masked = builder.subtract(&sum, &mask);
    builder.output(PartyId(1).alone(), &masked);
    let given = vec![Given { elements: 1, bits: 2 }];
    let entering = Entering { given: [given.clone(), given], coins: 0 };
    Conversion::new(Schedule::new(&builder.finish()), ring, entering, vec![1])
}

#[cfg(test)]
mod tests {
    use crate::testing::corpus;

    #[test]
    fn messages_of_the_corpus_are_survived() {
        corpus("conversion", super::conversion);
    }
}
