//! Real numbers as ring elements: round(x · 2^f) in two's complement.

use super::{Element, Ring};
use crate::memory::huge;
use zeroize::Zeroize;

/// Fixed-point numbers with f fraction bits in a ring; f = 0 writes integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedPoint {
    ring: Ring,
    fraction_bits: u32,
}

/// A number that cannot be written as a fixed-point element.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CodecError {
    /// More fraction bits than leave room for a product.
    #[error("fraction_bits = {fraction_bits} is too many for a ring of {} bits: at most {}", .ring.bits(), FixedPoint::most_fraction_bits(*.ring))]
    FractionBits {
        /// The fraction bits asked for.
        fraction_bits: u32,
        /// The ring.
        ring: Ring,
    },
    /// NaN stands for no number.
    #[error("element {index} is NaN")]
    NotANumber {
        /// Position in the slice, row-major.
        index: usize,
    },
    /// An infinity cannot be written.
    #[error("element {index} is infinite")]
    Infinite {
        /// Position in the slice, row-major.
        index: usize,
    },
    /// The number's magnitude does not fit.
    #[error("element {index} is {value}: outside the range -{limit} to {limit} of {fraction_bits} fraction bits in {} bits", .ring.bits())]
    OutOfRange {
        /// Position in the slice, row-major.
        index: usize,
        /// The number.
        value: f64,
        /// The bound: magnitudes below it fit.
        limit: f64,
        /// f.
        fraction_bits: u32,
        /// The ring.
        ring: Ring,
    },
}

impl FixedPoint {
    /// The codec of `fraction_bits` bits in `ring`.
    ///
    /// # Errors
    /// Where a product of two ones, which has 2f fraction bits, would not fit below 2^(k−2), the bound of
    /// truncation.
    pub fn new(ring: Ring, fraction_bits: u32) -> Result<FixedPoint, CodecError> {
        if fraction_bits > FixedPoint::most_fraction_bits(ring) {
            return Err(CodecError::FractionBits { fraction_bits, ring });
        }
        Ok(FixedPoint { ring, fraction_bits })
    }

    /// The largest f with 1·1 = 2^(2f) below 2^(k−2).
    pub const fn most_fraction_bits(ring: Ring) -> u32 {
        (ring.bits() - 3) / 2
    }

    /// The ring written in.
    pub const fn ring(self) -> Ring {
        self.ring
    }

    /// f.
    pub const fn fraction_bits(self) -> u32 {
        self.fraction_bits
    }

    /// That of integers in the same ring.
    #[must_use]
    pub const fn whole(self) -> FixedPoint {
        FixedPoint { fraction_bits: 0, ..self }
    }

    /// The value of the lowest bit, 2^−f.
    pub fn resolution(self) -> f64 {
        (-f64::from(self.fraction_bits)).exp2()
    }

    /// Magnitudes below this can be encoded: 2^(k−2−f), the range in which truncation is safe.
    pub fn limit(self) -> f64 {
        f64::from(self.ring.bits() - 2 - self.fraction_bits).exp2()
    }

    /// round(`value` · 2^f), ties to even; `index` is only for the error.
    ///
    /// # Errors
    /// NaN, infinities, and magnitudes of [`FixedPoint::limit`] or more.
    pub fn encode_one(self, value: f64, index: usize) -> Result<u64, CodecError> {
        if value.is_nan() {
            return Err(CodecError::NotANumber { index });
        }
        if value.is_infinite() {
            return Err(CodecError::Infinite { index });
        }
        if value.abs() >= self.limit() {
            return Err(CodecError::OutOfRange {
                index,
                value,
                limit: self.limit(),
                fraction_bits: self.fraction_bits,
                ring: self.ring,
            });
        }
        Ok(self.scaled(value, f64::from(self.fraction_bits).exp2()))
    }

    /// The element of a number that fits, given 2^f.
    #[inline(always)]
    fn scaled(self, value: f64, factor: f64) -> u64 {
        self.ring.reduce(rounded(value * factor) as i64 as u64)
    }

    /// Encodes a slice.
    ///
    /// # Errors
    /// As [`FixedPoint::encode_one`], naming the first element that does not fit.
    pub fn encode<E: Element>(self, values: &[f64]) -> Result<Vec<E>, CodecError> {
        debug_assert_eq!(E::RING, self.ring);
        // Room for all at once: growing would leave copies behind.
        let mut elements: Vec<E> = Vec::with_capacity(values.len());
        huge::advise(elements.spare_capacity_mut());
        let (limit, factor) = (self.limit(), f64::from(self.fraction_bits).exp2());
        let unfit = values.iter().position(|value| value.is_nan() || value.abs() >= limit);
        let fit = &values[..unfit.unwrap_or(values.len())];
        elements.extend(fit.iter().map(|&value| E::from_u64(self.scaled(value, factor))));
        let Some(&value) = values.get(fit.len()) else { return Ok(elements) };
        let error = self.encode_one(value, fit.len()).expect_err("a number that does not fit");
        bytemuck::cast_slice_mut::<E, u8>(&mut elements).zeroize();
        Err(error)
    }

    /// The real number an element stands for.
    pub fn decode_one(self, element: u64) -> f64 {
        self.ring.signed(element) as f64 * self.resolution()
    }

    /// Decodes a slice.
    pub fn decode<E: Element>(self, elements: &[E]) -> Vec<f64> {
        debug_assert_eq!(E::RING, self.ring);
        elements.iter().map(|&e| self.decode_one(e.to_u64())).collect()
    }
}

/// The nearest integer, of two the even one, as [`f64::round_ties_even`] without a call where a processor has no such
/// instruction: from 2^52 on numbers have no fraction, and adding 2^52 to smaller ones leaves no room for it.
#[inline(always)]
fn rounded(value: f64) -> f64 {
    const WHOLE: f64 = (1u64 << 52) as f64;
    let shift = WHOLE.copysign(value);
    if value.abs() < WHOLE { (value + shift) - shift } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codec() -> FixedPoint {
        FixedPoint::new(Ring::Z64, 16).unwrap()
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_integer_and_to_even_ones() {
        let halves = (-9..=9).map(|half| f64::from(half) / 2.0);
        let large = [4_503_599_627_370_495.5, 4_503_599_627_370_497.0, 9.007_199_254_740_993e15, 4.6e18];
        let small = [0.49999999999999994, -0.49999999999999994, 1e-300, -0.0, 2.5000000000000004];
        for value in halves.chain(large).chain(small) {
            assert_eq!(rounded(value), value.round_ties_even(), "{value}");
            assert_eq!(rounded(-value), (-value).round_ties_even(), "-{value}");
        }
    }

    #[test]
    fn numbers_outside_the_range_are_named() {
        let error = |values: &[f64]| codec().encode::<u64>(values).unwrap_err().to_string();
        assert_eq!(error(&[0.0, f64::NAN]), "element 1 is NaN");
        assert_eq!(error(&[f64::NEG_INFINITY]), "element 0 is infinite");
        assert!(error(&[1.0, 2.0, 1e300]).starts_with("element 2 is 1"));
        assert!(codec().encode::<u64>(&[codec().limit() * 0.99]).is_ok());
        assert!(codec().encode::<u64>(&[-codec().limit()]).is_err());
    }

    #[test]
    fn fraction_bits_leave_room_for_a_product() {
        assert!(FixedPoint::new(Ring::Z32, 14).is_ok());
        let message = FixedPoint::new(Ring::Z32, 15).unwrap_err().to_string();
        assert_eq!(message, "fraction_bits = 15 is too many for a ring of 32 bits: at most 14");
    }

    proptest! {
        #[test]
        fn decoding_returns_the_number_within_half_a_unit(value in -1e9f64..1e9) {
            let [element] = codec().encode::<u64>(&[value]).unwrap()[..] else { unreachable!() };
            prop_assert!((codec().decode_one(element) - value).abs() <= codec().resolution() / 2.0);
        }

        #[test]
        fn the_narrow_ring_does_the_same(value in -1000f64..1000.0) {
            let codec = FixedPoint::new(Ring::Z32, 14).unwrap();
            let [element] = codec.encode::<u32>(&[value]).unwrap()[..] else { unreachable!() };
            prop_assert!((codec.decode_one(element.into()) - value).abs() <= codec.resolution() / 2.0);
        }
    }
}
