//! Random circuits.

use super::*;
use crate::circuit::Bit;

/// How each gate of a circuit is made: what, of which bits.
type Recipe = Vec<(u8, u32, u32)>;

/// A circuit of these gates, with an input of each party, one more of party 0, and outputs to either and to both.
fn circuit(recipe: &Recipe, widths: [usize; 3]) -> Circuit {
    let mut builder = Builder::new();
    let mut bits: Vec<Bit> = [0, 1, 0]
        .into_iter()
        .zip(widths)
        .flat_map(|(owner, width)| builder.input(PartyId(owner), width))
        .collect();
    bits.push(Bit::TRUE);
    for &(kind, a, b) in recipe {
        let [a, b] = [a, b].map(|at| bits[at as usize % bits.len()]);
        bits.push(match kind % 4 {
            0 | 1 => builder.and(a, b),
            2 => builder.xor(a, b),
            _ => !a,
        });
    }
    let last = bits.len().saturating_sub(12);
    for (at, &bit) in bits[last..].iter().enumerate() {
        builder.output([PartyId(0).alone(), PartyId(1).alone(), Parties::first(2)][at % 3], &[bit]);
    }
    builder.output(Parties::first(2), &bits[..5.min(bits.len())]);
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 24 } else { 200 }))]

    #[test]
    fn random_circuits_agree_with_the_plain_evaluator(
        recipe in prop::collection::vec((0u8..4, any::<u32>(), any::<u32>()), 0..400),
        first in 0usize..10,
        second in 0usize..10,
        third in 0usize..4,
        evaluations in prop_oneof![1usize..5, 8usize..28],
        seed in 0u64..200,
    ) {
        agrees(&circuit(&recipe, [first, second, third]), evaluations, seed);
    }
}

/// Long ones: gates read what was set shortly before, so that few are constant.
#[test]
fn long_circuits_agree_with_the_plain_evaluator() {
    let gates = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    for seed in 0..4u64 {
        let mut bytes = vec![0; 9 * gates];
        PrgKey::from_bytes([0xc1; 32]).fill(seed, 0, &mut bytes);
        let mut builder = Builder::new();
        let mut bits: Vec<Bit> =
            [0, 1].into_iter().flat_map(|owner| builder.input(PartyId(owner), 40)).collect();
        for gate in bytes.chunks(9) {
            let back =
                |bytes: &[u8]| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % 70.min(bits.len());
            let [a, b] = [&gate[1..3], &gate[3..5]].map(|bytes| bits[bits.len() - 1 - back(bytes)]);
            let bit = if gate[0] & 1 == 0 { builder.xor(a, !b) } else { builder.and(a, b) };
            bits.push(if bit.value().is_some() { a } else { bit });
        }
        builder.output(Parties::first(2), &bits[bits.len() - 70..]);
        let circuit = builder.finish();
        agrees(&circuit, 1 + seed as usize * 3, seed);
    }
}
