//! Kernels on planes of bits, one element at a time.

use std::cmp::Ordering;
use symbolon::ring::Ring;
use symbolon::ring::prg::PrgKey;
use symbolon::step::bits::{DIGIT_BITS, FAN_IN, LANE_BITS, Lanes, Level, Predicate, digits};
use symbolon::step::{Kernel, Matrix};

type Buffers = [Vec<u64>];

pub(super) fn evaluate(ring: Ring, kernel: &Kernel<usize, PrgKey>, buffers: &mut Buffers) {
    let k = ring.bits() as usize;
    match kernel {
        Kernel::Mux { out, bits, value, constant, hidden, accumulate } => {
            for index in 0..out.shape.len() {
                let bit = bit(buffers, bits, 0, index);
                let value = value.map_or(*constant, |value| buffers[value.buffer][index]);
                let hidden = hidden.map_or(0, |hidden| buffers[hidden.buffer][index]);
                let chosen = if bit { value.wrapping_sub(hidden) } else { hidden };
                let old = if *accumulate { buffers[out.buffer][index] } else { 0 };
                buffers[out.buffer][index] = ring.reduce(old.wrapping_add(chosen));
            }
        }
        Kernel::Pack { out, operand, width } => {
            buffers[out.buffer][..out.shape.len()].fill(0);
            for (index, bit) in every_bit(operand, *width) {
                let place = index * *width as usize + bit;
                let set = buffers[operand.buffer][index] >> bit & 1;
                buffers[out.buffer][place / k] |= set << (place % k);
            }
        }
        Kernel::Unpack { out, operand, width, accumulate } => {
            if !accumulate {
                buffers[out.buffer][..out.shape.len()].fill(0);
            }
            for (index, bit) in every_bit(out, *width) {
                let place = index * *width as usize + bit;
                let set = buffers[operand.buffer][place / k] >> (place % k) & 1;
                let sum = buffers[out.buffer][index].wrapping_add(set << bit);
                buffers[out.buffer][index] = ring.reduce(sum);
            }
        }
        Kernel::TruthTable { out, mask, bits, top } => {
            for index in 0..out.shape.cols * k {
                let r = buffers[mask.buffer]
                    .get(index)
                    .filter(|_| index < mask.shape.len())
                    .copied()
                    .unwrap_or(0);
                for (plane, entry) in (0..).zip(table(r, *bits, *top)) {
                    toggle(buffers, out, plane, index, entry);
                }
            }
        }
        Kernel::LookupShares { out, opened, table, bits, predicate, lanes, leader } => {
            let lookup = Lookup { table, bits: *bits, predicate: *predicate, leader: *leader };
            for index in 0..out.shape.cols * k {
                let c = if index < opened.shape.len() { buffers[opened.buffer][index] } else { 0 };
                match lanes {
                    None => lookup.all(buffers, out, index, ring.reduce(c)),
                    Some(lanes) => lookup.lanes(buffers, out, index, (ring, c, *lanes)),
                }
            }
        }
        Kernel::BitPlanes { out, operand, top } => {
            for plane in 0..out.shape.rows as u32 {
                for index in 0..out.shape.cols * k {
                    let elements = &buffers[operand.buffer][..operand.shape.len()];
                    let is_set = elements.get(index).is_some_and(|element| element >> (top - plane) & 1 == 1);
                    set(buffers, out, plane, index, is_set);
                }
            }
        }
        Kernel::MaskProducts { out, masks, level } => {
            for index in 0..out.shape.cols * k {
                let mask =
                    |plane| bit(buffers, &masks[0], plane, index) ^ bit(buffers, &masks[1], plane, index);
                let products: Vec<bool> = monomials(*level)
                    .iter()
                    .map(|factors| factors.iter().all(|&plane| mask(plane)))
                    .collect();
                for (plane, product) in (0..).zip(products) {
                    toggle(buffers, out, plane, index, product);
                }
            }
        }
        Kernel::AndTree { out, planes, opened, masks, monomials, level, leader } => {
            let shares = Shares { planes, opened, masks, monomials, level: *level, leader: *leader };
            for index in 0..out.shape.cols * k {
                shares.join(buffers, out, index);
            }
        }
        Kernel::PickLanes { out, opened, base, own, lanes, exponent, rising, group } => {
            for index in 0..out.shape.cols * k {
                let c = if index < opened.shape.len() { buffers[opened.buffer][index] } else { 0 };
                let picked = Picked { base, own, lanes: *lanes, exponent: *exponent, group: *group };
                picked.pick(buffers, out, index, (ring.reduce(c), *rising));
            }
        }
        _ => unreachable!("{} is no kernel on bits", kernel.name()),
    }
}

/// The low bits of every element, by the element's place and their own.
fn every_bit(matrix: &Matrix<usize>, width: u32) -> impl Iterator<Item = (usize, usize)> + use<> {
    (0..matrix.shape.len()).flat_map(move |index| (0..width as usize).map(move |bit| (index, bit)))
}

/// Bit i of a plane is bit i div W of word i mod W.
fn bit(buffers: &Buffers, planes: &Matrix<usize>, plane: u32, index: usize) -> bool {
    let width = planes.shape.cols;
    buffers[planes.buffer][plane as usize * width + index % width] >> (index / width) & 1 == 1
}

fn toggle(buffers: &mut Buffers, planes: &Matrix<usize>, plane: u32, index: usize, by: bool) {
    let width = planes.shape.cols;
    buffers[planes.buffer][plane as usize * width + index % width] ^= u64::from(by) << (index / width);
}

fn set(buffers: &mut Buffers, planes: &Matrix<usize>, plane: u32, index: usize, to: bool) {
    let old = bit(buffers, planes, plane, index);
    toggle(buffers, planes, plane, index, old ^ to);
}

/// A digit's value and the largest that it can have.
fn digit(number: u64, place: u32, bits: u32) -> (u64, u64) {
    let width = DIGIT_BITS.min(bits - place * DIGIT_BITS);
    let largest = (1 << width) - 1;
    (number >> (place * DIGIT_BITS) & largest, largest)
}

fn table(r: u64, bits: u32, top: bool) -> Vec<bool> {
    let of_digit = |place| {
        let (digit, largest) = digit(r, place, bits);
        (1..=largest).map(move |value| digit >= value)
    };
    let top = top.then(|| r >> bits & 1 == 1);
    (0..digits(bits)).flat_map(of_digit).chain(top).collect()
}

/// What is looked up of a public number.
struct Lookup<'a> {
    table: &'a Matrix<usize>,
    bits: u32,
    predicate: Predicate,
    leader: bool,
}

impl Lookup<'_> {
    /// Every digit of c.
    fn all(&self, buffers: &mut Buffers, out: &Matrix<usize>, index: usize, c: u64) {
        let level = self.predicate.level(self.bits);
        for number in 0..level.digits {
            let (lt, eq) = self.digit(buffers, index, c, level.digits - 1 - number);
            if number < level.eq_planes() {
                set(buffers, out, number, index, eq);
            }
            if level.order {
                let top = number == 0 && self.top(buffers, index, c);
                set(buffers, out, level.lt_plane(number), index, lt ^ top);
            }
        }
    }

    /// The digits of some lanes of c, or of c ∓ 2^e.
    fn lanes(
        &self,
        buffers: &mut Buffers,
        out: &Matrix<usize>,
        index: usize,
        (ring, c, lanes): (Ring, u64, Lanes),
    ) {
        let level = lanes.level();
        for (group, (lane, exponent)) in (0..).zip(lanes.iter()) {
            let power = exponent.map_or(0, |exponent| 1u64 << exponent);
            let moved = ring.reduce(if lanes.rising { c.wrapping_add(power) } else { c.wrapping_sub(power) });
            for position in 0..FAN_IN {
                let (number, place) = (group * FAN_IN + position, (lane + 1) * FAN_IN - 1 - position);
                let is_within = place < digits(self.bits);
                let (lt, eq) =
                    if is_within { self.digit(buffers, index, moved, place) } else { (false, self.leader) };
                let is_top = position == 0 && (lane + 1) * FAN_IN >= digits(self.bits);
                let top = is_top && self.top(buffers, index, moved);
                set(buffers, out, number, index, eq);
                set(buffers, out, level.lt_plane(number), index, lt ^ top);
            }
        }
        set(buffers, out, level.lt_plane(level.digits - 1), index, false);
    }

    /// lt and eq of a digit, counted from the least significant.
    fn digit(&self, buffers: &Buffers, index: usize, c: u64, place: u32) -> (bool, bool) {
        let q = match self.predicate {
            Predicate::Borrow => c,
            Predicate::Sign => !c,
            Predicate::Zero => c.wrapping_neg(),
        };
        let (digit, largest) = digit(q, place, self.bits);
        // [r ≥ v] for every v: a public 1 at 0, a public 0 behind the largest.
        let at_least = |value: u64| match value {
            0 => self.leader,
            value if value > largest => false,
            value => bit(buffers, self.table, place * 15 + value as u32 - 1, index),
        };
        (at_least(digit + 1), at_least(digit) ^ at_least(digit + 1))
    }

    /// The top bits of c and r, where a sign is asked for.
    fn top(&self, buffers: &Buffers, index: usize, c: u64) -> bool {
        let of_r = || bit(buffers, self.table, self.table.shape.rows as u32 - 1, index);
        self.predicate == Predicate::Sign && of_r() ^ (self.leader && c >> self.bits & 1 == 1)
    }
}

/// The results among which a comparison with a power of two picks.
struct Picked<'a> {
    base: &'a Matrix<usize>,
    own: &'a Matrix<usize>,
    lanes: u32,
    exponent: u32,
    group: u32,
}

impl Picked<'_> {
    /// In its own lane those of the power's own group, below it of c, and above it of c or, where c moved by the power has
    /// another number there than c, of c moved by the lane's first bit.
    fn pick(&self, buffers: &mut Buffers, out: &Matrix<usize>, index: usize, (c, rising): (u64, bool)) {
        let (c, power) = (u128::from(c), 1u128 << self.exponent);
        let moved = if rising { c + power } else { c.wrapping_sub(power) };
        let last = Level::new(self.lanes, true);
        for lane in 0..self.lanes {
            let of_lane = |number: u128| number >> (lane * LANE_BITS) & 0xffff;
            let (results, group) = match lane.cmp(&(self.exponent / LANE_BITS)) {
                Ordering::Equal => (self.own, self.group),
                Ordering::Greater if of_lane(c) != of_lane(moved) => (self.base, self.lanes + lane - 1),
                _ => (self.base, lane),
            };
            let level = Level::new(results.shape.rows as u32 / 2 + 1, true);
            let digit = self.lanes - 1 - lane;
            if digit < last.eq_planes() {
                let eq = bit(buffers, results, group, index);
                set(buffers, out, digit, index, eq);
            }
            let lt = bit(buffers, results, level.lt_plane(group), index);
            set(buffers, out, last.lt_plane(digit), index, lt);
        }
    }
}

/// The planes of each monomial's factors.
fn monomials(level: Level) -> Vec<Vec<u32>> {
    let mut monomials = Vec::new();
    for group in 0..level.groups() {
        let eq: Vec<u32> = (group * level.fan_in..).take(level.eq_factors(group) as usize).collect();
        let subset = |set: u32| -> Vec<u32> {
            (0..).zip(&eq).filter(|(at, _)| set >> at & 1 == 1).map(|(_, &plane)| plane).collect()
        };
        monomials.extend((1..1 << eq.len()).map(subset).filter(|factors| factors.len() > 1));
        for digit in 1..if level.order { level.size(group) } else { 0 } {
            let lt = level.lt_plane(group * level.fan_in + digit);
            monomials.extend((1..1 << digit).map(|set| [subset(set), vec![lt]].concat()));
        }
    }
    assert_eq!(monomials.len(), level.monomials() as usize);
    monomials
}

struct Shares<'a> {
    planes: &'a Matrix<usize>,
    opened: &'a Matrix<usize>,
    masks: &'a Matrix<usize>,
    monomials: &'a Matrix<usize>,
    level: Level,
    leader: bool,
}

impl Shares<'_> {
    fn join(&self, buffers: &mut Buffers, out: &Matrix<usize>, index: usize) {
        let (level, known) = (self.level, monomials(self.level));
        let next = level.next().expect("more than one digit");
        // A share of the product of the masks of these factors.
        let masked = |set: &[u32]| match set {
            [] => self.leader,
            [only] => bit(buffers, self.masks, *only, index),
            _ => {
                let row = known.iter().position(|factors| factors == set).expect("a monomial that is dealt");
                bit(buffers, self.monomials, row as u32, index)
            }
        };
        // A share of the product of the factors: Π (X ⊕ μ), multiplied out.
        let product = |factors: &[u32]| {
            (0..1u32 << factors.len()).fold(false, |sum, set| {
                let (mut public, mut hidden) = (true, Vec::new());
                for (at, &factor) in factors.iter().enumerate() {
                    if set >> at & 1 == 1 {
                        hidden.push(factor);
                    } else {
                        public &= bit(buffers, self.opened, factor, index);
                    }
                }
                sum ^ (public && masked(&hidden))
            })
        };
        let mut results = Vec::new();
        for group in 0..level.groups() {
            let (first, size) = (group * level.fan_in, level.size(group));
            let eq: Vec<u32> = (first..first + size).collect();
            if group < next.eq_planes() {
                let alone = size == 1;
                results.push((
                    group,
                    if alone { bit(buffers, self.planes, first, index) } else { product(&eq) },
                ));
            }
            if level.order {
                let mut lt = bit(buffers, self.planes, level.lt_plane(first), index);
                for digit in 1..size {
                    lt ^= product(&[&eq[..digit as usize], &[level.lt_plane(first + digit)]].concat());
                }
                results.push((next.lt_plane(group), lt));
            }
        }
        for (plane, result) in results {
            set(buffers, out, plane, index, result);
        }
    }
}
