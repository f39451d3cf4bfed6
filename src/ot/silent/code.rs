//! The public code: every output has the sum of ten of the seeds added, at places that a key stream gives.

use crate::ot::Block;
use crate::ot::aes::{Aes, TILE};
use crate::ot::random::SessionId;

/// Seeds that are added to one output (d of the source).
const WEIGHT: usize = 10;

/// Words of 64 bits of the key stream for one output: three places are in a word, of 21 bits each.
const WORDS: usize = 4;
const PLACES_PER_WORD: usize = 3;
const PLACE_BITS: usize = 21;

/// Outputs whose places are drawn at once.
const AT_ONCE: usize = TILE * 2 / WORDS;

/// The code of one round.
pub(super) struct Code {
    places: Aes,
    mask: u64,
}

impl Code {
    /// The code of a round for 2^`log_dimension` seeds.
    pub(super) fn new(session: &SessionId, round: u64, log_dimension: u32) -> Code {
        assert!(log_dimension as usize <= PLACE_BITS, "a place fits its bits");
        let key = session.block("symbolon 2026-11 silent transfers, code", round);
        Code { places: Aes::new(key), mask: (1 << log_dimension) - 1 }
    }

    /// Adds the seeds that belong to them to outputs, the first of which has the number `first`.
    pub(super) fn add(&self, seeds: &[Block], first: u64, outputs: &mut [Block]) {
        assert_eq!(seeds.len() as u64, self.mask + 1, "the dimension");
        let mut stream = [Block::ZERO; TILE];
        let mut row = first;
        for outputs in outputs.chunks_mut(AT_ONCE) {
            self.places.stream(row * (WORDS as u64 / 2), &mut stream);
            let words: &[u64] = bytemuck::cast_slice(&stream);
            for (output, words) in outputs.iter_mut().zip(words.as_chunks::<WORDS>().0) {
                let mut sum = *output;
                for place in 0..WEIGHT {
                    let (word, part) = (place / PLACES_PER_WORD, place % PLACES_PER_WORD);
                    let place = words[word] >> (part * PLACE_BITS) & self.mask;
                    // SAFETY: a number under the mask is below the number of seeds.
                    sum ^= *unsafe { seeds.get_unchecked(place as usize) };
                }
                *output = sum;
            }
            row += outputs.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::{SESSION, random};

    #[test]
    fn the_code_is_linear_and_does_not_depend_on_how_it_is_cut() {
        let code = Code::new(&SESSION, 3, 8);
        let (one, other) = (random(1).blocks(256), random(2).blocks(256));
        let both: Vec<Block> = one.iter().zip(other.iter()).map(|(&one, &other)| one ^ other).collect();
        let encode = |seeds: &[Block]| {
            let mut outputs = vec![Block::ZERO; 4 * AT_ONCE];
            let (front, back) = outputs.split_at_mut(AT_ONCE);
            code.add(seeds, 0, front);
            code.add(seeds, AT_ONCE as u64, back);
            outputs
        };
        let (one, other, both) = (encode(&one), encode(&other), encode(&both));
        for (index, sum) in both.iter().enumerate() {
            assert!(*sum == one[index] ^ other[index], "output {index}");
        }
        let different: std::collections::HashSet<u128> = one.iter().map(|block| block.bits()).collect();
        assert_eq!(different.len(), one.len(), "no two outputs are alike");
    }
}
