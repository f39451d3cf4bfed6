//! Tables of masks' digits. Names are those of [`super`] and of [`crate::correlation::Table`].

use super::lookup::{Lookup, low};
use super::{DRAWS, End, EntryId, IS_SENT, Part, Take, plane_bit};
use crate::correlation::TableSpec;
use crate::ot::Channel;
use crate::step::bits::{DIGIT_BITS, DIGIT_PLANES, digits};
use zeroize::Zeroizing;

impl End<'_> {
    pub(super) fn table<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: TableSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let (count, shape) = (spec.shape.len(), spec.planes(self.ring()));
        let width = shape.cols;
        let own = self.mask(spec.mask);
        let share = self.dependent(entry, Part::Product, shape);
        let mut planes = self.zeros(shape.len());
        let put = |planes: &mut [u64], plane: usize, index: usize, bit: u64| {
            planes[plane * width + index % width] |= bit << (index / width);
        };
        let mut carry: Option<Zeroizing<Vec<u8>>> = None;
        for digit in 0..digits(spec.bits) {
            let size = (spec.bits - digit * DIGIT_BITS).min(DIGIT_BITS);
            let (rows, first) = ((1u32 << size) - 1, (digit * DIGIT_PLANES) as usize);
            let of_own = |index: usize| low(own[index] >> (digit * DIGIT_BITS), size);
            let before = |index: usize| carry.as_ref().map_or(0, |carry| u64::from(carry[index]));
            let fresh = self.fresh_bits(count);
            // The thermometer code of a digit v is v ones; behind it is the next carry.
            let shared = |index: usize| {
                let bit = |row: u32| plane_bit(&share, width, first + row as usize, index) << row;
                (0..rows).map(bit).sum::<u64>() | u64::from(fresh[index]) << rows
            };
            let table = |index: usize, other: u64, shared: u64| {
                let sum = of_own(index) + low(other, size) + (before(index) ^ other >> size);
                let code = (1 << low(sum, size)) - 1;
                (code | sum >> size << rows) ^ shared
            };
            let all_shared: Zeroizing<Vec<u64>> =
                Zeroizing::new(if self.is(DRAWS) { (0..count).map(shared).collect() } else { Vec::new() });
            let log_n = size as usize + usize::from(carry.is_some());
            let lookup = Lookup { count, log_n, width: rows + 1 };
            let number = |index: usize| of_own(index) | before(index) << size;
            let table = |index: usize, other: u64| table(index, other, all_shared[index]);
            let found = self.lookup(lookup, table, number, channel)?;
            for (index, found) in found.iter().enumerate() {
                for row in 0..rows {
                    put(&mut planes, first + row as usize, index, found >> row & 1);
                }
            }
            let next = found.iter().map(|found| (found >> rows) as u8).collect();
            carry = Some(if self.is(DRAWS) { fresh } else { Zeroizing::new(next) });
        }
        if spec.top {
            let plane = shape.rows - 1;
            let carry = carry.expect("a digit at least");
            let mut bits = self.zeros(count);
            for (index, bit) in bits.iter_mut().enumerate() {
                let shared = plane_bit(&share, width, plane, index);
                *bit = (own[index] >> spec.bits & 1) ^ u64::from(carry[index]) ^ shared;
            }
            let own = bits.clone();
            let told = self.tell(count, bits, 1, channel)?;
            if self.is(IS_SENT) {
                for (index, (own, told)) in own.iter().zip(told.iter()).enumerate() {
                    put(&mut planes, plane, index, own ^ told);
                }
            }
        }
        self.correct(entry, 0, &planes, take);
        Ok(())
    }
}
