//! Truncation pairs. Names are those of [`super`] and of [`crate::correlation::TruncPair`].
//!
//! With r_i = t_i·2^(w−1) + u_i modulo 2^w, let e be the carry of the low m bits of u_0 + u_1 and c that of all w−1. Then the
//! top bit of r is t_0 ⊕ t_1 ⊕ c, and its middle bits are (u_0 ≫ m) + (u_1 ≫ m) + e − c·2^(w−1−m).

use super::lookup::{Lookup, low};
use super::{DRAWS, End, EntryId, Part, Take};
use crate::correlation::TruncPairSpec;
use crate::ot::Channel;
use crate::step::bits::DIGIT_BITS;
use zeroize::Zeroizing;

impl End<'_> {
    pub(super) fn trunc_pair<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: TruncPairSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        let (ring, shape) = (self.ring(), spec.shape);
        let TruncPairSpec { bits, width, .. } = spec;
        let count = shape.len();
        let own = self.draw(entry, Part::TruncMask, shape);
        let [top, high] = [Part::Top, Part::High].map(|part| self.dependent(entry, part, shape));
        let low_carry = self.carries(None, &own, count, 0..bits, channel)?;
        let carry = self.carries(Some(&low_carry), &own, count, bits..width - 1, channel)?;

        let middle = |index: usize| low(own[index], width - 1) >> bits;
        let lookup = Lookup { count, log_n: 2, width: ring.bits() };
        let table = |index: usize, other: u64| {
            let e = u64::from(low_carry[index]) ^ (other & 1);
            let c = u64::from(carry[index]) ^ (other >> 1);
            let whole = middle(index).wrapping_add(e).wrapping_sub(c << (width - 1 - bits));
            whole.wrapping_sub(high[index])
        };
        let number = |index: usize| u64::from(low_carry[index] | carry[index] << 1);
        let mut found = self.lookup(lookup, table, number, channel)?;
        for (index, found) in found.iter_mut().enumerate() {
            *found = ring.reduce(found.wrapping_add(middle(index)));
        }

        let top_bit = |index: usize| (own[index] >> (width - 1) & 1) ^ u64::from(carry[index]);
        let cut = self.corrected_width(spec.top_bits(ring), shape);
        let lookup = Lookup { count, log_n: 1, width: cut };
        let table = |index: usize, other: u64| (top_bit(index) ^ other).wrapping_sub(top[index]);
        let tops = self.lookup(lookup, table, top_bit, channel)?;
        self.correct_low(entry, 0, &tops, (spec.top_bits(ring), shape), take);
        self.correct(entry, 1, &found, take);
        Ok(())
    }

    /// Shares of the carries out of these bits of the sums of the parties' elements, given those into them.
    fn carries<C: Channel>(
        &mut self,
        into: Option<&[u8]>,
        own: &[u64],
        count: usize,
        bits: std::ops::Range<u32>,
        channel: &mut C,
    ) -> Result<Zeroizing<Vec<u8>>, C::Error> {
        let mut carry = into.map(|carry| Zeroizing::new(carry.to_vec()));
        let mut first = bits.start;
        while first < bits.end {
            let size = (bits.end - first).min(DIGIT_BITS);
            let digit = |index: usize| low(own[index] >> first, size);
            let before = |index: usize| carry.as_ref().map_or(0, |carry| u64::from(carry[index]));
            let fresh = self.fresh_bits(count);
            let log_n = size as usize + usize::from(carry.is_some());
            let table = |index: usize, other: u64| {
                let sum = digit(index) + low(other, size) + (before(index) ^ other >> size);
                sum >> size ^ u64::from(fresh[index])
            };
            let number = |index: usize| digit(index) | before(index) << size;
            let found = self.lookup(Lookup { count, log_n, width: 1 }, table, number, channel)?;
            let next = if self.is(DRAWS) {
                fresh
            } else {
                Zeroizing::new(found.iter().map(|&bit| bit as u8).collect())
            };
            carry = Some(next);
            first += size;
        }
        Ok(carry.expect("a digit at least"))
    }
}
