//! Random bits, their products with masks, and carries. Names are those of [`super`] and of [`crate::correlation`].

use super::lookup::{Lookup, low};
use super::{DRAWS, End, EntryId, IS_SENT, Part, Take, plane_bit};
use crate::correlation::{BitProductSpec, BitSpec, CarrySpec};
use crate::ot::Channel;
use crate::step::bits::planes;

impl End<'_> {
    /// Party 1's share of ρ is ρ less party 0's.
    pub(super) fn bit<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: BitSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let (ring, count) = (self.ring(), spec.shape.len());
        let plane = planes(ring, 1, count);
        let own = self.draw(entry, Part::Mask, plane);
        let share = self.dependent(entry, Part::Product, spec.shape);
        let bit = |index: usize| plane_bit(&own, plane.cols, 0, index);
        let lookup = Lookup { count, log_n: 1, width: ring.bits() };
        let table = |index: usize, other: u64| (bit(index) ^ other).wrapping_sub(share[index]);
        let found = self.lookup(lookup, table, bit, channel)?;
        self.correct(entry, 0, &found, take);
        Ok(())
    }

    /// ρ·a, with a = a_0 + a_1: party 1's part by selection of V = (1 − 2ρ_1)·a_1 by ρ_0, for
    /// ρ·a_1 = ρ_1·a_1 + ρ_0·V; party 0's by a lookup.
    pub(super) fn bit_product<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: BitProductSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let (ring, count) = (self.ring(), spec.shape.len());
        let plane = planes(ring, 1, count);
        let own = self.draw(spec.bit, Part::Mask, plane);
        let bit = |index: usize| plane_bit(&own, plane.cols, 0, index);
        let mask = self.mask(spec.mask);
        let mut sums = self.zeros(count);
        if self.has_part(spec.mask, IS_SENT) {
            let mut factors = self.zeros(count);
            for (index, factor) in factors.iter_mut().enumerate() {
                let signed = mask[index].wrapping_mul(1u64.wrapping_sub(2 * bit(index)));
                *factor = if self.is(DRAWS) { bit(index) } else { ring.reduce(signed) };
                // Party 1's product with its own bit.
                sums[index] = if self.is(DRAWS) { 0 } else { mask[index].wrapping_mul(bit(index)) };
            }
            self.select(count, &factors, &mut sums, channel)?;
        }
        let share = self.dependent(entry, Part::Product, spec.shape);
        let lookup = Lookup { count, log_n: 1, width: ring.bits() };
        let first = |index: usize| sums[index].wrapping_sub(share[index]);
        let table = |index: usize, other: u64| {
            mask[index].wrapping_mul(bit(index) ^ other).wrapping_add(first(index))
        };
        let mut found = self.lookup(lookup, table, bit, channel)?;
        for (found, sum) in found.iter_mut().zip(sums.iter()) {
            *found = ring.reduce(found.wrapping_add(*sum));
        }
        self.correct(entry, 0, &found, take);
        Ok(())
    }

    /// p_1 = τ·b − p_0, of which the low q bits count.
    pub(super) fn carry<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: CarrySpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let (ring, shape) = (self.ring(), spec.shape);
        let (count, plane) = (shape.len(), planes(ring, 1, shape.len()));
        // Party 0's mask, party 1's bits.
        let mask = self.mask(spec.mask);
        let bits =
            if self.is(IS_SENT) { self.draw(entry, Part::Mask, plane) } else { self.zeros(plane.len()) };
        let share = self.dependent(entry, Part::Product, shape);
        let width = self.corrected_width(spec.low_bits(ring), shape);
        let lookup = Lookup { count, log_n: 1, width };
        let top = |index: usize| mask[index] >> (spec.width - 1) & 1;
        let table = |index: usize, tau: u64| low((tau * top(index)).wrapping_sub(share[index]), width);
        let number = |index: usize| plane_bit(&bits, plane.cols, 0, index);
        let found = self.lookup(lookup, table, number, channel)?;
        self.correct_low(entry, 0, &found, (spec.low_bits(ring), shape), take);
        Ok(())
    }
}
