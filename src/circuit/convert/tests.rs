//! Conversions between two parties whose correlations are made here, and messages that are spoilt.

use super::*;
use crate::circuit::Builder;

/// max(x, 0) of numbers of so many bits.
fn relu(ring: Ring, elements: usize, bits: usize) -> Conversion {
    let (mut builder, k) = (Builder::new(), ring.bits() as usize);
    let parts = [PartyId(0), PartyId(1)].map(|party| builder.input(party, elements * bits));
    let masks = builder.input(PartyId(0), elements * k);
    for at in 0..elements {
        let [a, b] = [0, 1].map(|party: usize| parts[party][at * bits..][..bits].to_vec());
        let x = builder.add(&a, &b);
        let positive = builder.mask(&x, !x[bits - 1]);
        let wide = crate::circuit::word::shift::extended(&positive, k, crate::circuit::Sign::Signed);
        let masked = builder.subtract(&wide, &masks[at * k..][..k]);
        builder.output(PartyId(1).alone(), &masked);
    }
    let given = vec![Given { elements, bits }];
    let entering = Entering { given: [given.clone(), given], coins: 0 };
    Conversion::new(Schedule::new(&builder.finish()), ring, entering, vec![elements])
}

/// Numbers that look random.
fn numbers(seed: u8, bytes: usize) -> Vec<u8> {
    let mut numbers = vec![0; bytes];
    PrgKey::from_bytes([seed; 32]).fill(0, 0, &mut numbers);
    numbers
}

/// Shares of x, and correlations.
struct Case {
    conversion: Conversion,
    parts: [Vec<u8>; 2],
    expected: Vec<u64>,
    zeros: Vec<Vec<u8>>,
    differences: Vec<Vec<u8>>,
    choices: Vec<u8>,
    chosen: Vec<Vec<u8>>,
}

fn case(ring: Ring, bits: usize) -> Case {
    let least = i64::MIN >> (64 - bits);
    let values: Vec<i64> = vec![0, 1, -1, 5, -7, !least, least];
    let conversion = relu(ring, values.len(), bits);
    let (len, transfers) = (ring.element_bytes(), conversion.transfers());
    let first = numbers(1, values.len() * len);
    let second: Vec<u8> = values
        .iter()
        .enumerate()
        .flat_map(|(at, &x)| {
            (x as u64).wrapping_sub(conversion.number(&first, at)).to_le_bytes()[..len].to_vec()
        })
        .collect();
    let words = |seed: u8| -> Vec<Vec<u8>> {
        (0..conversion.label_words() as u8).map(|word| numbers(seed + word, transfers * len)).collect()
    };
    let (zeros, differences, choices) = (words(10), words(20), numbers(2, conversion.plane_bytes()));
    let chosen = zeros.iter().zip(&differences).map(|(zero, difference)| {
        let word = |at: usize| {
            let c = u64::from(conversion.plane_bit(&choices, at));
            let [zero, difference] = [zero, difference].map(|matrix| conversion.number(matrix, at));
            zero.wrapping_add(c.wrapping_mul(difference)).to_le_bytes()[..len].to_vec()
        };
        (0..transfers).flat_map(word).collect()
    });
    let chosen = chosen.collect();
    let expected = values.iter().map(|&x| x.max(0) as u64).collect();
    Case { conversion, parts: [first, second], expected, zeros, differences, choices, chosen }
}

fn slices(words: &[Vec<u8>]) -> Vec<&[u8]> {
    words.iter().map(Vec::as_slice).collect()
}

impl Case {
    fn message(&self) -> (Vec<u8>, Results) {
        let corrections = self.conversion.correct(&[&self.parts[1]], &self.choices);
        let (zeros, differences) = (slices(&self.zeros), slices(&self.differences));
        let keys = GarblerKeys { zeros: &zeros, differences: &differences };
        self.conversion.garble(&[&self.parts[0]], keys, &corrections).expect("garbled")
    }

    fn evaluate(&self, message: &[u8]) -> Result<Results, GarbleError> {
        let chosen = slices(&self.chosen);
        let keys = EvaluatorKeys { choices: &self.choices, chosen: &chosen };
        self.conversion.evaluate(&[&self.parts[1]], keys, message)
    }
}

#[test]
fn shares_of_the_result_are_those_of_the_function() {
    for (ring, bits) in [(Ring::Z64, 64), (Ring::Z64, 20), (Ring::Z32, 32), (Ring::Z32, 9)] {
        let case = case(ring, bits);
        let (message, own) = case.message();
        assert_eq!(message.len(), case.conversion.message_elements() * ring.element_bytes());
        let theirs = case.evaluate(&message).expect("evaluated");
        let sums: Vec<u64> = (0..case.expected.len())
            .map(|at| {
                let [a, b] = [&own[0], &theirs[0]].map(|part| case.conversion.number(part, at));
                ring.reduce(a.wrapping_add(b))
            })
            .collect();
        assert_eq!(sums, case.expected, "{ring:?}, {bits} bits");
        let (again, _) = case.message();
        assert_ne!(message, again, "labels are drawn anew");
    }
}

/// Whatever an evaluator sends, a whole label is under the key that it has, and the other one under one of which it has no
/// word: there is no message that chooses words of both.
#[test]
fn a_bit_of_the_evaluators_message_chooses_a_whole_label() {
    for ring in Ring::ALL {
        let case = case(ring, 9);
        let conversion = &case.conversion;
        let corrections = conversion.correct(&[&case.parts[1]], &case.choices);
        let bits = corrections.len() * 8;
        let due = conversion.transfers().next_multiple_of(ring.bits() as usize);
        assert_eq!(bits, due, "a bit for each of the evaluator's bits, and none for words");
        let (zeros, differences) = (slices(&case.zeros), slices(&case.differences));
        let keys = conversion.random_pairs(GarblerKeys { zeros: &zeros, differences: &differences });
        for at in 0..conversion.transfers() {
            let word = |labels: &Labels, word: usize| {
                let len = ring.element_bytes();
                labels[at].to_bytes()[word * len..][..len].to_vec()
            };
            let of_case = |number: usize| {
                let len = ring.element_bytes();
                case.chosen[number][at * len..][..len].to_vec()
            };
            let c = conversion.plane_bit(&case.choices, at);
            let (chosen, other) = if c == 0 { (&keys.zeros, &keys.ones) } else { (&keys.ones, &keys.zeros) };
            for number in 0..conversion.label_words() {
                assert_eq!(word(chosen, number), of_case(number), "word {number} of key {c}");
                assert_ne!(word(other, number), of_case(number), "word {number} of the other key");
            }
        }
    }
}

#[test]
fn a_message_that_is_spoilt_anywhere_is_refused_or_makes_no_difference() {
    let case = case(Ring::Z32, 9);
    let (message, own) = case.message();
    for at in (0..message.len()).step_by(97) {
        let mut spoilt = message.clone();
        spoilt[at] ^= 1;
        if let Ok(theirs) = case.evaluate(&spoilt) {
            let sum =
                |at| case.conversion.number(&own[0], at).wrapping_add(case.conversion.number(&theirs[0], at));
            let sums: Vec<u64> = (0..case.expected.len()).map(|at| Ring::Z32.reduce(sum(at))).collect();
            assert_eq!(sums, case.expected, "byte {at}");
        }
    }
    assert_eq!(case.evaluate(&message[..100]), Err(GarbleError::Malformed("input labels")));
}
