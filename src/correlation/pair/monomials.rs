//! Products of masked bits, but for those of pairwise levels (module `ole`). Names are those of [`super`] and of
//! [`crate::correlation::Monomials`].
//!
//! For each group of a level: shares of the products μ_S of its eq masks, by a lookup with party 1's parts of these masks as
//! number. Then for each lt mask λ = λ_0 ⊕ λ_1 its products with the μ_S of the eq masks before it:
//! λ·μ_S = λ_0·μ_S,0 ⊕ λ_1·μ_S,1 ⊕ λ_1·μ_S,0 ⊕ λ_0·μ_S,1, of which the third, for all S at once, is a lookup by λ_1, and the last one by
//! μ_S,1, whose message has a fresh bit added.

use super::lookup::Lookup;
use super::{DRAWS, End, EntryId, IS_SENT, Part, Take, plane_bit};
use crate::correlation::MonomialsSpec;
use crate::ot::Channel;
use crate::step::bits::{FAN_IN, Level, planes};
use zeroize::Zeroizing;

/// By element, this party's shares of the products of a group's eq masks: bit S of a number is that of subset S.
type Subsets = Zeroizing<Vec<u64>>;

impl End<'_> {
    pub(super) fn monomials<C: Channel>(
        &mut self,
        entry: EntryId,
        spec: MonomialsSpec,
        channel: &mut C,
        take: Take<'_>,
    ) -> Result<(), C::Error> {
        if spec.is_delivered() {
            return self.pairwise(entry, spec, channel, take);
        }
        let MonomialsSpec { level, elements: count } = spec;
        let shape = spec.planes(self.ring());
        let masks = self.draw(entry, Part::Mask, planes(self.ring(), level.factors(), count));
        let share = self.dependent(entry, Part::Product, shape);
        let mut rows =
            Rows { masks, share, corrections: self.zeros(shape.len()), width: shape.cols, next: 0 };
        for group in 0..level.groups() {
            rows.next = level.first_monomial(group) as usize;
            let subsets = self.eq_products(&mut rows, (level, group), count, channel)?;
            for index in 1..if level.order { level.size(group) } else { 0 } {
                let plane = level.lt_plane(group * FAN_IN + index) as usize;
                self.lt_products(&mut rows, (plane, index), &subsets, count, channel)?;
            }
        }
        self.correct(entry, 0, &rows.corrections, take);
        Ok(())
    }

    /// Shares of the products of a group's eq masks.
    fn eq_products<C: Channel>(
        &mut self,
        rows: &mut Rows,
        (level, group): (Level, u32),
        count: usize,
        channel: &mut C,
    ) -> Result<Subsets, C::Error> {
        let (first, factors) = ((group * FAN_IN) as usize, level.eq_factors(group) as usize);
        let own: Zeroizing<Vec<u64>> = if rows.is_empty() {
            Zeroizing::default()
        } else {
            let bit = |index: usize, factor: usize| rows.mask(first + factor, index) << factor;
            Zeroizing::new((0..count).map(|index| (0..factors).map(|f| bit(index, f)).sum()).collect())
        };
        let larger: Vec<u64> = (1..1 << factors).filter(|subset: &u64| !subset.is_power_of_two()).collect();
        let shared = rows.shared(count, larger.len());
        let products = |factors: u64| {
            let is_set = |(row, subset): (usize, &u64)| {
                // One where no factor of the subset is missing.
                let missing = subset & !factors;
                (1 ^ (missing | missing.wrapping_neg()) >> 63) << row
            };
            larger.iter().enumerate().map(is_set).sum::<u64>()
        };
        let mut found = shared.clone();
        if !larger.is_empty() {
            let lookup = Lookup { count, log_n: factors, width: larger.len() as u32 };
            let table = |index: usize, other: u64| products(own[index] ^ other) ^ shared[index];
            let received = self.lookup(lookup, table, |index| own[index], channel)?;
            if self.is(IS_SENT) {
                rows.correct(&received, larger.len());
                found = received;
            }
            rows.next += larger.len();
        }
        let mut subsets = Zeroizing::new(Vec::with_capacity(own.len()));
        for (own, found) in own.iter().zip(found.iter()) {
            let single = (0..factors).map(|factor| (own >> factor & 1) << (1u64 << factor)).sum::<u64>();
            let larger = larger.iter().enumerate().map(|(row, subset)| (found >> row & 1) << subset);
            subsets.push(single | larger.sum::<u64>());
        }
        Ok(subsets)
    }

    /// Shares of the products of an lt mask with those of the first `index` eq masks.
    fn lt_products<C: Channel>(
        &mut self,
        rows: &mut Rows,
        (plane, index): (usize, u32),
        subsets: &[u64],
        count: usize,
        channel: &mut C,
    ) -> Result<(), C::Error> {
        let products = (1usize << index) - 1;
        let all = (1u64 << products) - 1;
        // Bit S − 1 is that of subset S from here on.
        let subset = |element: usize| subsets[element] >> 1 & all;
        let own: Zeroizing<Vec<u64>> = Zeroizing::new(if rows.is_empty() {
            Vec::new()
        } else {
            (0..count).map(|element| rows.mask(plane, element)).collect()
        });
        let fresh = self.fresh_bits(count * products);
        let fresh_of = |element: usize| {
            let bits = fresh[element * products..][..products].iter().enumerate();
            bits.map(|(row, &bit)| u64::from(bit) << row).sum::<u64>()
        };
        let shared = rows.shared(count, products);
        let hidden: Zeroizing<Vec<u64>> = Zeroizing::new(if self.is(DRAWS) {
            let of = |element: usize| {
                let own = own[element].wrapping_neg() & subset(element);
                own ^ shared[element] ^ fresh_of(element)
            };
            (0..count).map(of).collect()
        } else {
            Vec::new()
        });
        let lookup = Lookup { count, log_n: 1, width: products as u32 };
        let table = |element: usize, other: u64| hidden[element] ^ (other.wrapping_neg() & subset(element));
        let mut found = self.lookup(lookup, table, |element| own[element], channel)?;
        let lookup = Lookup { count: count * products, log_n: 1, width: 1 };
        let table = |place: usize, other: u64| (own[place / products] & other) ^ u64::from(fresh[place]);
        let number = |place: usize| subset(place / products) >> (place % products) & 1;
        let second = self.lookup(lookup, table, number, channel)?;
        if self.is(IS_SENT) {
            for (element, found) in found.iter_mut().enumerate() {
                let bits = second[element * products..][..products].iter().enumerate();
                let last = bits.map(|(row, bit)| bit << row).sum::<u64>();
                *found ^= last ^ (own[element].wrapping_neg() & subset(element));
            }
            rows.correct(&found, products);
        }
        rows.next += products;
        Ok(())
    }
}

/// Planes, and the row of the next product.
struct Rows {
    masks: super::Elements,
    share: super::Elements,
    corrections: super::Elements,
    width: usize,
    next: usize,
}

impl Rows {
    fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    fn mask(&self, plane: usize, element: usize) -> u64 {
        plane_bit(&self.masks, self.width, plane, element)
    }

    /// By element, party 0's shares of the next products; others have zeros.
    fn shared(&self, count: usize, products: usize) -> Zeroizing<Vec<u64>> {
        let of = |element: usize| {
            let bit = |row: usize| plane_bit(&self.share, self.width, self.next + row, element) << row;
            (0..products).map(bit).sum()
        };
        Zeroizing::new(if self.share.is_empty() { Vec::new() } else { (0..count).map(of).collect() })
    }

    /// Party 1's shares of the next products.
    fn correct(&mut self, found: &[u64], products: usize) {
        for (element, found) in found.iter().enumerate() {
            for row in 0..products {
                let word = (self.next + row) * self.width + element % self.width;
                self.corrections[word] |= (found >> row & 1) << (element / self.width);
            }
        }
    }
}
