//! Ring elements, and the names of their rings.

use serde::{Deserialize, Serialize};

/// A ring of integers modulo a power of two, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ring {
    /// Integers modulo 2^32, stored as `u32`.
    Z32,
    /// Integers modulo 2^64, stored as `u64`.
    Z64,
}

/// −1 as a factor in every ring: a factor counts modulo 2^k.
pub const MINUS_ONE: u64 = u64::MAX;

/// A ring width that symbolon does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no ring of {0} bits: ring_bits is 32 or 64")]
pub struct UnknownRing(pub u32);

impl Ring {
    /// Every ring there is.
    pub const ALL: [Ring; 2] = [Ring::Z32, Ring::Z64];

    /// The ring of integers modulo 2^`bits`.
    ///
    /// # Errors
    /// Where `bits` is neither 32 nor 64.
    pub fn from_bits(bits: u32) -> Result<Ring, UnknownRing> {
        match bits {
            32 => Ok(Ring::Z32),
            64 => Ok(Ring::Z64),
            _ => Err(UnknownRing(bits)),
        }
    }

    /// k: elements are integers modulo 2^k.
    pub const fn bits(self) -> u32 {
        match self {
            Ring::Z32 => 32,
            Ring::Z64 => 64,
        }
    }

    /// Bytes of one element, in memory and on the wire.
    pub const fn element_bytes(self) -> usize {
        self.bits() as usize / 8
    }

    /// `value` reduced modulo 2^k.
    pub const fn reduce(self, value: u64) -> u64 {
        match self {
            Ring::Z32 => value & 0xffff_ffff,
            Ring::Z64 => value,
        }
    }

    /// The signed integer that the element `value` stands for in two's complement.
    pub const fn signed(self, value: u64) -> i64 {
        match self {
            Ring::Z32 => value as u32 as i32 as i64,
            Ring::Z64 => value as i64,
        }
    }
}

/// Arithmetic of one ring: `u32` for Z_2^32 and `u64` for Z_2^64, always wrapping.
pub trait Element:
    bytemuck::Pod + Copy + Default + Eq + Send + Sync + std::fmt::Debug + sealed::Sealed + 'static
{
    /// The ring whose elements these are.
    const RING: Ring;
    /// The neutral element of addition.
    const ZERO: Self;
    /// The neutral element of multiplication.
    const ONE: Self;

    /// Sum modulo 2^k.
    fn add(self, other: Self) -> Self;
    /// Difference modulo 2^k.
    fn sub(self, other: Self) -> Self;
    /// Product modulo 2^k.
    fn mul(self, other: Self) -> Self;
    /// Bits shifted left; `bits` below k.
    fn shl(self, bits: u32) -> Self;
    /// Bits shifted right, zeros moving in; `bits` below k.
    fn shr(self, bits: u32) -> Self;
    /// The signed value divided by 2^`bits`, rounded down; `bits` below k.
    fn shift_signed(self, bits: u32) -> Self;
    /// Bitwise conjunction.
    fn and(self, other: Self) -> Self;
    /// Bitwise disjunction.
    fn or(self, other: Self) -> Self;
    /// Bitwise difference.
    fn xor(self, other: Self) -> Self;
    /// Every bit negated.
    fn not(self) -> Self;
    /// `value` modulo 2^k.
    fn from_u64(value: u64) -> Self;
    /// The representative in 0..2^k.
    fn to_u64(self) -> u64;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
}

macro_rules! element {
    ($word:ty, $signed:ty, $ring:expr) => {
        impl Element for $word {
            const RING: Ring = $ring;
            const ZERO: Self = 0;
            const ONE: Self = 1;

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn shl(self, bits: u32) -> Self {
                self << bits
            }
            #[inline(always)]
            fn shr(self, bits: u32) -> Self {
                self >> bits
            }
            #[inline(always)]
            fn shift_signed(self, bits: u32) -> Self {
                (self as $signed >> bits) as $word
            }
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn not(self) -> Self {
                !self
            }
            #[inline(always)]
            fn from_u64(value: u64) -> Self {
                value as $word
            }
            #[inline(always)]
            fn to_u64(self) -> u64 {
                self as u64
            }
        }
    };
}

element!(u32, i32, Ring::Z32);
element!(u64, i64, Ring::Z64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_values_are_twos_complement() {
        assert_eq!(Ring::Z32.signed(0xffff_ffff), -1);
        assert_eq!(Ring::Z32.signed(0x8000_0000), i64::from(i32::MIN));
        assert_eq!(Ring::Z64.signed(u64::MAX), -1);
        assert_eq!(Ring::Z32.reduce(0x1_0000_0003), 3);
    }

    #[test]
    fn a_signed_shift_rounds_down() {
        assert_eq!(Element::shift_signed((-3i32) as u32, 1), (-2i32) as u32);
        assert_eq!(Element::shift_signed((-3i64) as u64, 1), (-2i64) as u64);
    }

    #[test]
    fn only_the_two_widths_are_rings() {
        assert_eq!(Ring::from_bits(32), Ok(Ring::Z32));
        assert_eq!(Ring::from_bits(64), Ok(Ring::Z64));
        assert_eq!(Ring::from_bits(16), Err(UnknownRing(16)));
    }
}
