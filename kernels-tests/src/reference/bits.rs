//! Kernels on planes of bits, one element at a time.

use symbolon::ring::Ring;
use symbolon::ring::prg::PrgKey;
use symbolon::step::bits::{DIGIT_BITS, FAN_IN, Level, Predicate, digits};
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
        Kernel::LookupShares { out, opened, table, bits, predicate, leader } => {
            for index in 0..out.shape.cols * k {
                let c = if index < opened.shape.len() { buffers[opened.buffer][index] } else { 0 };
                pick(buffers, out, index, (ring.reduce(c), table), (*bits, *predicate), (ring, *leader));
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

fn pick(
    buffers: &mut Buffers,
    out: &Matrix<usize>,
    index: usize,
    (c, table): (u64, &Matrix<usize>),
    (bits, predicate): (u32, Predicate),
    (ring, leader): (Ring, bool),
) {
    let q = ring.reduce(match predicate {
        Predicate::Borrow => c,
        Predicate::Sign => !c,
        Predicate::Zero => c.wrapping_neg(),
    });
    let level = predicate.level(bits);
    for number in 0..level.digits {
        let place = level.digits - 1 - number;
        let (digit, largest) = digit(q, place, bits);
        // [r ≥ v] for every v: a public 1 at 0, a public 0 behind the largest.
        let at_least = |value: u64| match value {
            0 => leader,
            value if value > largest => false,
            value => bit(buffers, table, place * 15 + value as u32 - 1, index),
        };
        let (mut lt, eq) = (at_least(digit + 1), at_least(digit) ^ at_least(digit + 1));
        if number == 0 && predicate == Predicate::Sign {
            lt ^= bit(buffers, table, table.shape.rows as u32 - 1, index) ^ (leader && c >> bits & 1 == 1);
        }
        if number < level.eq_planes() {
            set(buffers, out, number, index, eq);
        }
        if level.order {
            set(buffers, out, level.lt_plane(number), index, lt);
        }
    }
}

/// The planes of each monomial's factors.
fn monomials(level: Level) -> Vec<Vec<u32>> {
    let mut monomials = Vec::new();
    for group in 0..level.groups() {
        let eq: Vec<u32> = (group * FAN_IN..).take(level.eq_factors(group) as usize).collect();
        let subset = |set: u32| -> Vec<u32> {
            (0..).zip(&eq).filter(|(at, _)| set >> at & 1 == 1).map(|(_, &plane)| plane).collect()
        };
        monomials.extend((1..1 << eq.len()).map(subset).filter(|factors| factors.len() > 1));
        for digit in 1..if level.order { level.size(group) } else { 0 } {
            let lt = level.lt_plane(group * FAN_IN + digit);
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
            let (first, size) = (group * FAN_IN, level.size(group));
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
