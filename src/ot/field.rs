//! Products in GF(2^128), and sums of many.

use super::Block;

/// Σ left_i · right_i.
pub(super) fn inner_product(left: &[Block], right: &[Block]) -> Block {
    assert_eq!(left.len(), right.len(), "as many factors on either side");
    #[cfg(target_arch = "x86_64")]
    if x86::is_there() {
        // SAFETY: the processor has the instructions.
        let (low, high) = unsafe { x86::wide_sum(left, right) };
        return reduce(low, high);
    }
    inner_product_portable(left, right)
}

/// The product of two elements.
pub(super) fn product(left: Block, right: Block) -> Block {
    inner_product(&[left], &[right])
}

/// Σ x^i · blocks_i, for at most 128 blocks.
pub(super) fn packed(blocks: &[Block]) -> Block {
    assert!(blocks.len() <= 128, "powers below that of the modulus");
    let powers: Vec<Block> = (0..blocks.len()).map(|power| Block::from_bits(1 << power)).collect();
    inner_product(&powers, blocks)
}

fn inner_product_portable(left: &[Block], right: &[Block]) -> Block {
    let (mut low, mut high) = (0, 0);
    for (left, right) in left.iter().zip(right) {
        let (one, other) = wide_product(left.bits(), right.bits());
        low ^= one;
        high ^= other;
    }
    reduce(low, high)
}

/// The product of two polynomials, bit by bit without a branch: its low and its high half.
fn wide_product(left: u128, right: u128) -> (u128, u128) {
    let (mut low, mut high) = (0, 0);
    for bit in 0..128 {
        let mask = (right >> bit & 1).wrapping_neg();
        low ^= (left << bit) & mask;
        // In two steps, since none shifts by 128.
        high ^= (left >> 1 >> (127 - bit)) & mask;
    }
    (low, high)
}

/// A polynomial modulo x^128 + x^7 + x^2 + x + 1.
fn reduce(low: u128, high: u128) -> Block {
    let carried = high >> 127 ^ high >> 126 ^ high >> 121;
    let fold = |value: u128| value ^ value << 1 ^ value << 2 ^ value << 7;
    Block::from_bits(low ^ fold(high) ^ fold(carried))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Block;
    use std::arch::x86_64::*;

    pub fn is_there() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("vpclmulqdq")
    }

    /// The sum of the products before reduction, four at a time: its low and its high half.
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub fn wide_sum(left: &[Block], right: &[Block]) -> (u128, u128) {
        const WIDTH: usize = 4;
        let mut sums = [_mm512_setzero_si512(); 3];
        let mut add = |left: &[Block; WIDTH], right: &[Block; WIDTH]| {
            // SAFETY: both have the four blocks of a register.
            let [left, right] = [left, right].map(|four| unsafe { _mm512_loadu_si512(four.as_ptr().cast()) });
            let low = _mm512_clmulepi64_epi128::<0x00>(left, right);
            let one = _mm512_clmulepi64_epi128::<0x01>(left, right);
            let other = _mm512_clmulepi64_epi128::<0x10>(left, right);
            let high = _mm512_clmulepi64_epi128::<0x11>(left, right);
            sums[0] = _mm512_xor_si512(sums[0], low);
            sums[1] = _mm512_xor_si512(sums[1], _mm512_xor_si512(one, other));
            sums[2] = _mm512_xor_si512(sums[2], high);
        };
        let ((left, left_rest), (right, right_rest)) = (left.as_chunks(), right.as_chunks());
        for (left, right) in left.iter().zip(right) {
            add(left, right);
        }
        let mut padded = [[Block::ZERO; WIDTH]; 2];
        padded[0][..left_rest.len()].copy_from_slice(left_rest);
        padded[1][..right_rest.len()].copy_from_slice(right_rest);
        add(&padded[0], &padded[1]);
        let [low, middle, high] = sums.map(|sum| {
            let mut parts = [0u128; WIDTH];
            // SAFETY: they have the bits of a register.
            unsafe { _mm512_storeu_si512(parts.as_mut_ptr().cast(), sum) };
            parts.into_iter().fold(0, |sum, part| sum ^ part)
        });
        (low ^ middle << 64, high ^ middle >> 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u64, count: usize) -> Vec<Block> {
        let mut blocks = vec![Block::ZERO; count];
        crate::ring::prg::PrgKey::from_bytes([5; 32]).fill(seed, 0, bytemuck::cast_slice_mut(&mut blocks));
        blocks
    }

    #[test]
    fn the_modulus_is_that_of_the_field() {
        let x = Block::from_bits(2);
        assert_eq!(product(Block::from_bits(1 << 127), x).bits(), 0b1000_0111, "x^128");
        assert_eq!(product(Block::from_bits(1 << 127), Block::from_bits(1 << 127)).bits(), {
            // x^254 = x^126 · x^128, reduced twice.
            let once = (0b1000_0111u128) << 126;
            let above = 0b1000_0111u128 >> 2;
            once ^ (above ^ above << 1 ^ above << 2 ^ above << 7)
        });
    }

    #[test]
    fn products_are_those_of_a_field() {
        let of = numbers(1, 30);
        for three in of.chunks(3) {
            let [a, b, c] = *three else { unreachable!() };
            assert!(product(a, b) == product(b, a));
            assert!(product(product(a, b), c) == product(a, product(b, c)));
            assert!(product(a, b ^ c) == product(a, b) ^ product(a, c));
            assert!(product(a, Block::ONE) == a);
        }
    }

    #[test]
    fn the_ways_to_multiply_are_equal_at_every_length() {
        for count in 0..20 {
            let (left, right) = (numbers(2, count), numbers(3, count));
            assert!(
                inner_product(&left, &right) == inner_product_portable(&left, &right),
                "{count} products"
            );
        }
    }
}
