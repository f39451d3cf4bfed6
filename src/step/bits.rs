//! The layout of bits of many elements in words, and the digits and trees of products of comparisons.
//!
//! **Packed.** The low w bits of n elements, one element behind the other, each from its least significant bit on, fill
//! ⌈n·w/k⌉ words of k bits, likewise from the least significant on; what is left of the last word is zero. So k elements
//! fill w words, and every such group begins with a word of its own.
//!
//! **Slices.** The same bit of n elements fills ⌈n/k⌉ words of k bits, a *plane*: element i is bit i div W of word
//! i mod W, with W the number of words. So neighbouring elements lie in neighbouring words, and a kernel on bits is a
//! loop over words without a shuffle. Several planes are the rows of a matrix. What is sliced reads as zero
//! beyond the last element.
//!
//! **Digits.** The low `bits` bits of a number are digits of four bits, the most significant one of what is left.
//! The *table* of a secret digit r is its thermometer code: planes [r ≥ 1] … [r ≥ 15], digit by digit from the least
//! significant. A public digit c then picks (c < r) and [c ≤ r] from it.
//!
//! **Levels.** Digit by digit a comparison has two bits, lt and eq, most significant digit first. A [`Level`] joins
//! each group of four: LT = lt₁ ⊕ eq₁lt₂ ⊕ eq₁eq₂lt₃ ⊕ eq₁eq₂eq₃lt₄ and EQ = eq₁eq₂eq₃eq₄. The next level does the
//! same with these, until one is left. A *pairwise* level joins two: LT = lt₁ ⊕ eq₁lt₂ and EQ = eq₁eq₂. With lt for "a carry
//! begins here" and eq for "a carry passes here", of single bits, it joins the carries of an addition.
//!
//! **Powers.** A number c + r with a public c and a secret r is compared with several powers of two by comparing c ∓ 2^e + r
//! with zero, for several e. A *lane* is four digits of c ∓ 2^e and of r. Below the lane in which e lies c ∓ 2^e has the bits of c.
//! Above, a lane either has those as well or, where the bits of c from e on up to it let a borrow or a carry through, those
//! of c ∓ 2^b, with b the lane's first bit. So all comparisons share the results of each lane of c and of each c ∓ 2^b, the
//! *base*, and each has one group of its own, the lane of e: [`Lanes`] are the first level of the base or of several such
//! groups. Of each comparison the public c then picks, lane by lane, the level of their results.

use crate::ring::{Ring, Shape};
use serde::{Deserialize, Serialize};

/// Bits of a digit.
pub const DIGIT_BITS: u32 = 4;

/// Planes of a whole digit's table.
pub const DIGIT_PLANES: u32 = (1 << DIGIT_BITS) - 1;

/// Digits that one level joins into one at most.
pub const FAN_IN: u32 = 4;

/// Digits that a pairwise level joins into one.
pub const PAIR: u32 = 2;

/// The shape of `planes` planes of `elements` elements.
pub fn planes(ring: Ring, planes: u32, elements: usize) -> Shape {
    Shape::new(planes as usize, elements.div_ceil(ring.bits() as usize))
}

/// The shape of `elements` elements of which the low `width` bits are packed.
pub const fn packed(ring: Ring, width: u32, elements: usize) -> Shape {
    Shape::new(1, (elements * width as usize).div_ceil(ring.bits() as usize))
}

/// A predicate of a secret r and a public c; the protocol says which values these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicate {
    /// c mod 2^bits < r mod 2^bits.
    Borrow,
    /// The bit number `bits` of c + r: its sign where the sum is known to be of so many bits.
    Sign,
    /// (c + r) mod 2^bits is zero.
    Zero,
}

impl Predicate {
    /// True if the table ends with the plane of r's bit number `bits`.
    pub const fn has_top(self) -> bool {
        matches!(self, Predicate::Sign)
    }

    /// The number of low bits of c and r on which the answer depends, where digits have `bits`.
    pub const fn width(self, bits: u32) -> u32 {
        bits + self.has_top() as u32
    }

    /// The level of the digits.
    pub const fn level(self, bits: u32) -> Level {
        Level::new(digits(bits), !matches!(self, Predicate::Zero))
    }
}

/// The number of digits of `bits` bits.
pub const fn digits(bits: u32) -> u32 {
    bits.div_ceil(DIGIT_BITS)
}

/// The number of planes of the table of `bits` bits.
pub const fn table_planes(bits: u32, top: bool) -> u32 {
    let short = bits - (digits(bits) - 1) * DIGIT_BITS;
    (digits(bits) - 1) * DIGIT_PLANES + (1 << short) - 1 + top as u32
}

/// A level of the tree: so many digits, each a pair of bits or, where only equality is asked for, one.
///
/// Its planes are first its *factors*, which are opened under masks: the eq planes by digit and the lt planes of all
/// digits but the first of each group; then what only enters sums: the lt planes of the groups' first digits. The eq
/// of the last digit is no plane where the order is asked for, since nothing needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The number of digits, at least one.
    pub digits: u32,
    /// True if there are lt planes.
    pub order: bool,
    /// The number of digits that are joined into one: [`FAN_IN`] or [`PAIR`].
    pub fan_in: u32,
}

impl Level {
    /// A level that joins groups of four.
    pub const fn new(digits: u32, order: bool) -> Level {
        Level { digits, order, fan_in: FAN_IN }
    }

    /// A level that joins two digits each.
    pub const fn pairwise(digits: u32, order: bool) -> Level {
        Level { digits, order, fan_in: PAIR }
    }

    /// The number of groups.
    pub const fn groups(self) -> u32 {
        self.digits.div_ceil(self.fan_in)
    }

    /// The number of digits of a group.
    pub const fn size(self, group: u32) -> u32 {
        let rest = self.digits - group * self.fan_in;
        if rest < self.fan_in { rest } else { self.fan_in }
    }

    /// How many eq planes there are; that of digit d is plane d.
    pub const fn eq_planes(self) -> u32 {
        if self.order { self.digits - 1 } else { self.digits }
    }

    /// Where a digit's lt is, where the order is asked for.
    pub const fn lt_plane(self, digit: u32) -> u32 {
        if digit.is_multiple_of(self.fan_in) {
            self.eq_planes() + self.digits - self.groups() + digit / self.fan_in
        } else {
            self.eq_planes() + digit - digit / self.fan_in - 1
        }
    }

    /// The number of planes.
    pub const fn planes(self) -> u32 {
        self.eq_planes() + if self.order { self.digits } else { 0 }
    }

    /// The number of planes that are opened under masks; they are the first.
    pub const fn factors(self) -> u32 {
        if self.order {
            return self.eq_planes() + self.digits - self.groups();
        }
        // A group of one passes on what it has.
        self.digits - (self.digits % self.fan_in == 1) as u32
    }

    /// The number of a group's eq planes that are factors.
    pub const fn eq_factors(self, group: u32) -> u32 {
        let size = self.size(group);
        match (self.order, size) {
            (true, _) if group + 1 == self.groups() => size - 1,
            (false, 1) => 0,
            _ => size,
        }
    }

    /// How many products of two and more of a group's masks are needed: of the eq masks each subset, by its number as
    /// a set of bits; then of each lt mask with each subset of the eq masks before it, likewise.
    pub const fn group_monomials(self, group: u32) -> u32 {
        let eq = larger_subsets(self.eq_factors(group));
        // Σ over j = 1 … size − 1 of the 2^j − 1 non-empty subsets of j masks.
        if self.order { eq + larger_subsets(self.size(group)) } else { eq }
    }

    /// The first of a group's monomials.
    pub const fn first_monomial(self, group: u32) -> u32 {
        let whole = larger_subsets(self.fan_in);
        group * if self.order { 2 * whole } else { whole }
    }

    /// The number of monomials of all groups.
    pub const fn monomials(self) -> u32 {
        let last = self.groups() - 1;
        self.first_monomial(last) + self.group_monomials(last)
    }

    /// The level of the groups' results, if there is more than one digit to join.
    pub const fn next(self) -> Option<Level> {
        if self.digits == 1 {
            return None;
        }
        Some(Level { digits: self.groups(), ..self })
    }
}

/// Bits of a lane.
pub const LANE_BITS: u32 = FAN_IN * DIGIT_BITS;

/// A first level of comparisons of c + r with powers of two: whole lanes, each a group, of which all have EQ and LT. Behind
/// their digits is another one, of which the lt is zero, so that the last group has an EQ as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Lanes {
    /// First come so many lanes of c, from the least significant on.
    pub own: u32,
    /// Then, for each e whose bit is set here, the lane in which e lies of c moved by 2^e.
    pub exponents: u64,
    /// Moved up, otherwise down.
    pub rising: bool,
}

impl Lanes {
    /// What comparisons of so many lanes share: group l is lane l of c; behind these, group `lanes` + l − 1 is lane l of c
    /// moved by the power that is this lane's first bit.
    pub fn base(lanes: u32, rising: bool) -> Lanes {
        let firsts = (1..lanes).map(|lane| 1u64 << (lane * LANE_BITS));
        Lanes { own: lanes, exponents: firsts.sum(), rising }
    }

    /// The number of groups.
    pub const fn groups(self) -> u32 {
        self.own + self.exponents.count_ones()
    }

    /// The group of a power.
    pub const fn group(self, exponent: u32) -> u32 {
        self.own + (self.exponents & ((1 << exponent) - 1)).count_ones()
    }

    /// The lane of each group, and the exponent by whose power c is moved for it.
    pub fn iter(self) -> impl Iterator<Item = (u32, Option<u32>)> {
        let exponents = (0..u64::BITS).filter(move |&exponent| self.exponents >> exponent & 1 == 1);
        let moved = exponents.map(|exponent| (exponent / LANE_BITS, Some(exponent)));
        (0..self.own).map(|lane| (lane, None)).chain(moved)
    }

    /// The level of their digits.
    pub const fn level(self) -> Level {
        Level::new(self.groups() * FAN_IN + 1, true)
    }

    /// The planes of the groups' results: EQ is plane `group`, LT that which the level says.
    pub const fn results(self) -> Level {
        Level::new(self.groups() + 1, true)
    }
}

/// The number of subsets of two and more of a set.
const fn larger_subsets(size: u32) -> u32 {
    (1 << size) - size - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_comparison_of_63_bits_opens_33_bits() {
        let first = Predicate::Sign.level(63);
        let second = first.next().unwrap();
        assert_eq!((first.digits, first.planes(), first.factors()), (16, 31, 27));
        assert_eq!((second.digits, second.planes(), second.factors()), (4, 7, 6));
        assert_eq!(second.next().map(Level::planes), Some(1));
        assert_eq!((first.monomials(), second.monomials()), (3 * 22 + 15, 15));
        assert_eq!(table_planes(63, true), 15 * 15 + 7 + 1);
    }

    #[test]
    fn carries_of_63_bits_are_joined_in_six_levels_that_open_181_bits() {
        let first = Level::pairwise(63, true);
        let levels: Vec<Level> = std::iter::successors(Some(first), |level| level.next())
            .filter(|level| level.digits > 1)
            .collect();
        assert_eq!(levels.len(), 6);
        assert_eq!(levels.iter().map(|level| level.factors()).sum::<u32>(), 181);
        assert_eq!(levels.iter().map(|level| level.monomials()).sum::<u32>(), 119);
    }

    #[test]
    fn comparisons_with_31_powers_open_15_bits_each_where_one_opens_34() {
        let base = Lanes::base(4, false);
        assert_eq!(base.iter().map(|(lane, _)| lane).collect::<Vec<_>>(), [0, 1, 2, 3, 1, 2, 3]);
        assert_eq!(base.level().next(), Some(base.results()));
        assert_eq!([0, 16, 32, 48].map(|exponent| base.group(exponent)), [4, 4, 5, 6]);
        let every_second = (0..31).fold(0, |exponents, index| exponents | 1u64 << (2 * index));
        let others = Lanes { own: 0, exponents: every_second & !base.exponents, rising: false };
        assert_eq!((others.groups(), others.group(34)), (28, 15));
        let last = Level::new(4, true);
        let opened = base.level().factors() + others.level().factors() + 31 * (last.factors() + 1);
        assert_eq!(opened, 7 * 35 + 31 * 7);
    }

    #[test]
    fn planes_have_places_of_their_own_and_factors_come_first() {
        for digits in 1..=21 {
            for level in [Level::new(digits, true), Level::pairwise(digits, true)] {
                let lt: Vec<u32> = (0..digits).map(|digit| level.lt_plane(digit)).collect();
                let all: BTreeSet<u32> = (0..level.eq_planes()).chain(lt.iter().copied()).collect();
                assert!(all.into_iter().eq(0..level.planes()), "{level:?}");
                for (digit, plane) in (0..).zip(lt) {
                    let is_factor = digit % level.fan_in != 0;
                    assert_eq!(plane < level.factors(), is_factor, "lt of digit {digit} of {level:?}");
                }
            }
        }
    }
}
