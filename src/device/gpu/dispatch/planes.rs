//! The last indices that the shaders on planes of bits form, by the formulas of `level.wgsl` and of each of them.

use super::tests::Name;
use super::*;
use crate::device::gpu::params;

const DIGIT_BITS: u32 = 4;
const DIGIT_PLANES: u32 = 15;
const FAN_IN: u32 = 4;
const LANE_BITS: u32 = 16;

/// `level.wgsl`
#[derive(Clone, Copy)]
struct Level {
    digits: u32,
    order: u32,
    fan_in: u32,
}

impl Level {
    fn groups(self) -> u32 {
        self.digits.div_ceil(self.fan_in)
    }

    fn size(self, group: u32) -> u32 {
        self.fan_in.min(self.digits - group * self.fan_in)
    }

    fn eq_planes(self) -> u32 {
        self.digits - self.order
    }

    fn lt_plane(self, digit: u32) -> u32 {
        match digit % self.fan_in {
            0 => self.eq_planes() + self.digits - self.groups() + digit / self.fan_in,
            _ => self.eq_planes() + digit - digit / self.fan_in - 1,
        }
    }

    fn eq_factors(self, group: u32) -> u32 {
        let size = self.size(group);
        match (self.order, size) {
            (1, _) => size - u32::from(group + 1 == self.groups()),
            (_, 1) => 0,
            _ => size,
        }
    }

    fn first_monomial(self, group: u32) -> u32 {
        group * ((1 << self.fan_in) - self.fan_in - 1) * (1 + self.order)
    }
}

/// The last row that is reached of one binding's planes, if any is.
#[derive(Clone, Copy, Default)]
struct Rows(Option<u32>);

impl Rows {
    fn reach(&mut self, row: u32) {
        self.0 = self.0.max(Some(row));
    }

    /// The last index: that of the last word of the last row; the first where nothing is read.
    fn last(self, offset: u32, width: u32) -> u64 {
        let Some(row) = self.0 else { return 0 };
        u64::from(offset) + u64::from(row) * u64::from(width) + u64::from(width - 1)
    }
}

/// How many jobs there are, all with the same words.
fn jobs(count: u32, width: u32) -> u32 {
    assert!(count.is_multiple_of(width), "{count} threads for words of {width}");
    count / width
}

/// `truth_table.wgsl`
pub(super) fn truth_table(ring: Ring, dispatch: &Dispatch<Name>) -> Vec<u64> {
    let p: params::TruthTable = dispatch.params.read();
    let mut out = Rows::default();
    for job in 0..jobs(p.count, p.width) {
        let is_top = job == p.digits;
        let low = if is_top { p.bits } else { job * DIGIT_BITS };
        let wide = if is_top { 1 } else { DIGIT_BITS.min(p.bits - low.min(p.bits)) };
        assert!(low < ring.bits() && wide >= 1, "a shift within the ring");
        let first_plane = if is_top { p.planes - 1 } else { job * DIGIT_PLANES };
        (1..1 << wide).for_each(|value| out.reach(first_plane + value - 1));
    }
    vec![out.last(p.out_offset, p.width), elements(ring, p.mask_offset, p.elements, p.width)]
}

/// The last element that a loop over a word's bits reads.
fn elements(ring: Ring, offset: u32, elements: u32, width: u32) -> u64 {
    let end = u64::from(ring.bits()) * u64::from(width);
    assert!(end <= u32::MAX.into(), "an index that wraps would be taken for an element's");
    u64::from(offset) + end.min(elements.into()) - 1
}

/// `lookup_shares.wgsl`
pub(super) fn lookup_shares(ring: Ring, dispatch: &Dispatch<Name>) -> Vec<u64> {
    const SIGN: u32 = 1;
    let p: params::LookupShares = dispatch.params.read();
    let level = Level { digits: p.digits, order: p.order, fan_in: FAN_IN };
    let (mut out, mut table) = (Rows::default(), Rows::default());
    assert!(p.bits + u32::from(p.predicate == SIGN) <= ring.bits(), "a shift within the ring");
    let exponents = exponents(p.exponents_low, p.exponents_high);
    for digit in 0..jobs(p.count, p.width) {
        let group = digit / FAN_IN;
        if p.groups > 0 && group == p.groups {
            out.reach(level.lt_plane(digit));
            continue;
        }
        let place = match p.groups {
            0 => p.digits - 1 - digit,
            _ => {
                let moved = |index: u32| exponents[index as usize] / LANE_BITS;
                let lane = if group < p.own { group } else { moved(group - p.own) };
                lane * FAN_IN + FAN_IN - 1 - digit % FAN_IN
            }
        };
        assert!(place * DIGIT_BITS < ring.bits(), "a shift within the ring");
        let values = (1u32 << DIGIT_BITS.min(p.bits.saturating_sub(place * DIGIT_BITS))) - 1;
        (0..values).for_each(|value| table.reach(place * DIGIT_PLANES + value));
        if digit < level.eq_planes() {
            out.reach(digit);
        }
        if p.order == 0 {
            continue;
        }
        if digit % FAN_IN == 0 && place + 1 >= p.table_digits && p.predicate == SIGN {
            table.reach(p.table_planes - 1);
        }
        out.reach(level.lt_plane(digit));
    }
    let opened = elements(ring, p.opened_offset, p.elements, p.width);
    vec![out.last(p.out_offset, p.width), opened, table.last(p.table_offset, p.width)]
}

/// The bits that are set.
fn exponents(low: u32, high: u32) -> Vec<u32> {
    let all = u64::from(high) << 32 | u64::from(low);
    (0..64).filter(|exponent| all >> exponent & 1 == 1).collect()
}

/// `pick_lanes.wgsl`
pub(super) fn pick_lanes(ring: Ring, dispatch: &Dispatch<Name>) -> Vec<u64> {
    let p: params::PickLanes = dispatch.params.read();
    assert!(p.lanes * LANE_BITS <= ring.bits(), "shifts within the ring");
    assert_eq!(p.count, p.width, "a thread makes all lanes of a word");
    let [of_base, of_own, last] =
        [2 * p.lanes, p.groups + 1, p.lanes].map(|digits| Level { digits, order: 1, fan_in: FAN_IN });
    let [mut out, mut base, mut own] = [Rows::default(); 3];
    for lane in 0..p.lanes {
        if p.exponent / LANE_BITS == lane {
            [p.group, of_own.lt_plane(p.group)].into_iter().for_each(|row| own.reach(row));
        } else {
            let moved = p.lanes + lane.max(1) - 1;
            let rows = [lane, moved, of_base.lt_plane(lane), of_base.lt_plane(moved)];
            rows.into_iter().for_each(|row| base.reach(row));
        }
        let digit = p.lanes - 1 - lane;
        if digit < last.eq_planes() {
            out.reach(digit);
        }
        out.reach(last.lt_plane(digit));
    }
    let opened = match p.exponent / LANE_BITS + 1 < p.lanes {
        true => elements(ring, p.opened_offset, p.elements, p.width),
        false => p.opened_offset.into(),
    };
    let offsets = [p.base_offset, p.own_offset];
    let read = [base, own].into_iter().zip(offsets).map(|(rows, offset)| rows.last(offset, p.width));
    [vec![out.last(p.out_offset, p.width), opened], read.collect()].concat()
}

/// `bit_planes.wgsl`
pub(super) fn bit_planes(ring: Ring, dispatch: &Dispatch<Name>) -> Vec<u64> {
    let p: params::BitPlanes = dispatch.params.read();
    let rows = jobs(p.count, p.width);
    assert!(p.top < ring.bits() && rows <= p.top + 1, "a shift within the ring");
    vec![u64::from(p.out_offset + p.count) - 1, elements(ring, p.operand_offset, p.elements, p.width)]
}

/// `mask_products.wgsl`
pub(super) fn mask_products(dispatch: &Dispatch<Name>) -> Vec<u64> {
    let p: params::MaskProducts = dispatch.params.read();
    let level = Level { digits: p.digits, order: p.order, fan_in: p.fan_in };
    let (mut out, mut masks) = (Rows::default(), Rows::default());
    for number in 0..jobs(p.count, p.width) {
        let (first, factors) = (number * p.fan_in, level.eq_factors(number));
        let mut row = level.first_monomial(number);
        let mut correct = |count: u32| {
            (0..count).for_each(|_| {
                out.reach(row);
                row += 1;
            })
        };
        for factor in 0..factors {
            masks.reach(first + factor);
            correct((1 << factor) - 1);
        }
        if p.order == 0 {
            continue;
        }
        for digit in 1..level.size(number) {
            masks.reach(level.lt_plane(first + digit));
            correct((1 << digit) - 1);
        }
    }
    let masks = [p.mask_0_offset, p.mask_1_offset].map(|offset| masks.last(offset, p.width));
    [vec![out.last(p.out_offset, p.width)], masks.to_vec()].concat()
}

/// `and_tree.wgsl`
pub(super) fn and_tree(dispatch: &Dispatch<Name>) -> Vec<u64> {
    let p: params::AndTree = dispatch.params.read();
    let level = Level { digits: p.digits, order: p.order, fan_in: p.fan_in };
    let next = Level { digits: level.groups(), order: p.order, fan_in: p.fan_in };
    let [mut out, mut planes, mut opened, mut masks, mut monomials] = [Rows::default(); 5];
    for number in 0..jobs(p.count, p.width) {
        let (first, size, factors) = (number * p.fan_in, level.size(number), level.eq_factors(number));
        let mut row = level.first_monomial(number);
        let mut monomial = |count: u32| {
            (0..count).for_each(|_| {
                monomials.reach(row);
                row += 1;
            })
        };
        for factor in 0..factors {
            masks.reach(first + factor);
            monomial((1 << factor) - 1);
        }
        let mut folded = |factors: u32| (0..factors).for_each(|left| opened.reach(first + left));
        if number < next.eq_planes() {
            match size {
                1 => planes.reach(first),
                _ => folded(factors),
            }
            out.reach(number);
        }
        if p.order == 0 {
            continue;
        }
        planes.reach(level.lt_plane(first));
        for digit in 1..size {
            folded(digit);
            masks.reach(level.lt_plane(first + digit));
            monomial((1 << digit) - 1);
        }
        (1..size).for_each(|digit| opened.reach(level.lt_plane(first + digit)));
        out.reach(next.lt_plane(number));
    }
    let offsets = [p.planes_offset, p.opened_offset, p.masks_offset, p.monomials_offset];
    let read = [planes, opened, masks, monomials].into_iter().zip(offsets);
    [vec![out.last(p.out_offset, p.width)], read.map(|(rows, offset)| rows.last(offset, p.width)).collect()]
        .concat()
}
