//! The parts of a program that are computed by garbled circuits, each in two rounds.
//!
//! **A region** is made of the comparisons, choices by their results, exact truncations and the products within functions, such as
//! quotients, and of the sums, multiples and moves between them, that lie behind equally many other products: what is not linear
//! between one of these and the next. A truncation that is not exact belongs to it where it lies between two of its ops, or
//! next to one and is of few elements: a circuit rounds it as any protocol does, by random bits. Whatever leads from one
//! op of a region to another lies in the region as well, for a product on the way would make the number of products before
//! the second larger. So a region waits for nothing that waits for it.
//!
//! An op is left to the rules of the protocol where a party knows its value alone, where it is the same in every run, and where a region
//! would have more gates than [`MOST_GATES`], does not lie in one tile, or all together would have more than [`MOST_GATES_IN_ALL`].

use super::chosen;
use crate::program::tiling::Tiling;
use crate::program::{Op, Program, Truncation, ValueId, range};
use crate::share::PartyId;
use std::collections::BTreeMap;

/// Most AND gates of a region, by estimate: 64 MiB of tables.
pub(super) const MOST_GATES: u64 = 1 << 21;

/// Most AND gates of all regions together, by estimate: a plan holds their circuits, some dozens of bytes a gate. The first ones
/// that fit are taken.
const MOST_GATES_IN_ALL: u64 = 1 << 23;

/// Most AND gates of a product within a function: as bytes they take about as long as two rounds of a slow link.
const MOST_PRODUCT_GATES: u64 = 1 << 15;

/// Most elements of a truncation that is not exact, for which a round is saved at the price of more bits.
const FEW: usize = 256;

/// Values that a garbled circuit computes.
pub(super) struct Region {
    /// The values that it computes from others, in the program's order.
    pub members: Vec<ValueId>,
    /// The values that enter it.
    pub inputs: Vec<ValueId>,
    /// The members that others need.
    pub results: Vec<ValueId>,
    /// AND gates, by estimate.
    pub gates: u64,
}

/// The way in which an op can be computed in a circuit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is not linear.
    Gates,
    /// It is linear, and computed in a circuit where that lies on the way between others.
    Linear,
    /// It rounds at random, and is computed in a circuit where that lies next to others, or on the way between them.
    Rounding,
    /// It is left to the protocol.
    Outside,
}

/// The regions of a program.
pub(super) fn regions(program: &Program, tiling: &Tiling) -> Vec<Region> {
    if program.parties() != 2 || program.outputs().iter().any(|output| output.every > 1) {
        return Vec::new();
    }
    let bits: Vec<u64> = range::magnitude_bits(program).into_iter().map(|bits| u64::from(bits) + 1).collect();
    let (mut kinds, levels) = kinds(program, &bits);
    settle_roundings(program, &mut kinds, &levels);
    let is_member = members(program, &kinds, &levels);
    let mut by_level: BTreeMap<u32, Vec<ValueId>> = BTreeMap::new();
    for id in ids(program).filter(|id| is_member[id.index()]) {
        by_level.entry(levels[id.index()]).or_default().push(id);
    }
    let regions = by_level.into_values().map(|members| region(program, &bits, members));
    let is_whole = |&id: &ValueId| {
        let shape = program.value(id).shape;
        tiling.grid(shape).extent() == (1, 1) && !shape.is_empty()
    };
    let fits = |region: &Region| {
        region.gates <= MOST_GATES && region.members.iter().chain(&region.inputs).all(is_whole)
    };
    let mut left = MOST_GATES_IN_ALL;
    let is_left = |region: &Region| {
        let rest = left.checked_sub(region.gates);
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    regions.filter(fits).filter(is_left).collect()
}

fn ids(program: &Program) -> impl DoubleEndedIterator<Item = ValueId> + use<> {
    (0..program.values().len() as u32).map(ValueId)
}

/// AND gates of a product of two values, bit by bit.
fn product_gates(program: &Program, bits: &[u64], id: ValueId, (a, b): (ValueId, ValueId)) -> u64 {
    let [a, b] = [a, b].map(|factor| bits[factor.index()]);
    (program.value(id).shape.len() as u64).saturating_mul(2 * (a * b + a + b))
}

/// The gates of a multiple, about: a sum of as many words as its factor has ones.
fn multiple_gates(program: &Program, bits: &[u64], id: ValueId, constant: u64) -> u64 {
    let ones = u64::from(program.ring().signed(constant).unsigned_abs().count_ones());
    (program.value(id).shape.len() as u64).saturating_mul(ones * bits[id.index()])
}

/// By value: how it can be computed, and how many products lie before it. `bits` are those of each value's words.
fn kinds(program: &Program, bits: &[u64]) -> (Vec<Kind>, Vec<u32>) {
    let count = program.values().len();
    let (needed, resident, known) = (program.needed(), program.resident(), program.known());
    let mut owners: Vec<Option<PartyId>> = Vec::with_capacity(count);
    let (mut kinds, mut levels): (Vec<Kind>, Vec<u32>) = (Vec::new(), Vec::new());
    for (index, value) in program.values().iter().enumerate() {
        // What everybody knows is neither a party's nor shared.
        let mut of = value.op.operands().filter(|operand| !known[operand.index()]);
        let first = of.next();
        let owner = match value.op {
            Op::Input(input) => Some(program.inputs()[input].owner),
            _ => first.and_then(|first| owners[first.index()]),
        };
        let owner = owner.filter(|_| of.all(|operand| owners[operand.index()] == owner));
        let is_open = needed[index] && !resident[index] && !known[index] && owner.is_none();
        let kind = match value.op {
            _ if !is_open => Kind::Outside,
            Op::Compare(..) | Op::Truncate(.., Truncation::Exact) => Kind::Gates,
            Op::Mul(a, b) if chosen(program, a, b).is_some() => Kind::Gates,
            Op::Mul(a, b) if value.is_part() => {
                let gates = product_gates(program, bits, ValueId(index as u32), (a, b));
                if gates <= MOST_PRODUCT_GATES { Kind::Gates } else { Kind::Outside }
            }
            Op::Truncate(.., Truncation::Stochastic) => Kind::Rounding,
            Op::Scale(..)
            | Op::Add(..)
            | Op::Sub(..)
            | Op::Neg(_)
            | Op::AddConstant(..)
            | Op::Transpose(_)
            | Op::Sum(..)
            | Op::Slice(..)
            | Op::Pad(..)
            | Op::Gather(..) => Kind::Linear,
            _ => Kind::Outside,
        };
        let before = value.op.operands().map(|operand| levels[operand.index()]).max().unwrap_or(0);
        levels.push(before + u32::from(kind == Kind::Outside && is_open));
        kinds.push(kind);
        owners.push(owner);
    }
    (kinds, levels)
}

/// Takes a random rounding of few elements next to what is not linear for such, and any other for linear.
fn settle_roundings(program: &Program, kinds: &mut [Kind], levels: &[u32]) {
    let (follows, leads) = neighbours(program, kinds, levels);
    for (index, kind) in kinds.iter_mut().enumerate().filter(|(_, kind)| **kind == Kind::Rounding) {
        let is_next = follows[index] || leads[index];
        let is_small = program.values()[index].shape.len() <= FEW;
        *kind = if is_next && is_small { Kind::Gates } else { Kind::Linear };
    }
}

/// For each value, whether a region computes it: what is not linear, and what is linear between two such.
fn members(program: &Program, kinds: &[Kind], levels: &[u32]) -> Vec<bool> {
    let (follows, leads) = neighbours(program, kinds, levels);
    let is_member = |at: usize| match kinds[at] {
        Kind::Gates => true,
        Kind::Linear | Kind::Rounding => follows[at] && leads[at],
        Kind::Outside => false,
    };
    (0..kinds.len()).map(is_member).collect()
}

/// For each value, whether something of its level that is not linear leads to it, and whether it leads to such, both on a way
/// that no op outside lies on.
fn neighbours(program: &Program, kinds: &[Kind], levels: &[u32]) -> (Vec<bool>, Vec<bool>) {
    let count = kinds.len();
    let (mut follows, mut leads) = (vec![false; count], vec![false; count]);
    let joins = |marked: &[bool], at: usize, to: usize| {
        let passes = matches!(kinds[at], Kind::Linear | Kind::Rounding);
        levels[at] == levels[to] && (kinds[at] == Kind::Gates || passes && marked[at])
    };
    for id in ids(program) {
        let mut operands = program.value(id).op.operands();
        follows[id.index()] = operands.any(|operand| joins(&follows, operand.index(), id.index()));
    }
    for id in ids(program).rev() {
        let mark = joins(&leads, id.index(), id.index());
        for operand in program.value(id).op.operands() {
            leads[operand.index()] |= mark && levels[operand.index()] == levels[id.index()];
        }
    }
    (follows, leads)
}

fn region(program: &Program, bits: &[u64], members: Vec<ValueId>) -> Region {
    let is_in = |id: ValueId| members.binary_search(&id).is_ok();
    let needed = program.needed();
    let mut inputs: Vec<ValueId> =
        members.iter().flat_map(|&id| program.value(id).op.operands()).filter(|&id| !is_in(id)).collect();
    inputs.sort_unstable();
    inputs.dedup();
    let mut wanted: Vec<ValueId> = program.roots().collect();
    for id in ids(program).filter(|&id| needed[id.index()] && !is_in(id)) {
        wanted.extend(program.value(id).op.operands());
    }
    let results: Vec<ValueId> = members.iter().copied().filter(|id| wanted.contains(id)).collect();
    let ring_bits = u64::from(program.ring().bits());
    let in_words = |list: &[ValueId]| -> u64 {
        list.iter().map(|&id| program.value(id).shape.len() as u64 * ring_bits).sum()
    };
    let products = members.iter().filter_map(|&id| match program.value(id).op {
        Op::Mul(a, b) if chosen(program, a, b).is_none() => Some(product_gates(program, bits, id, (a, b))),
        Op::Scale(_, constant) => Some(multiple_gates(program, bits, id, constant)),
        _ => None,
    });
    let products = products.fold(0, u64::saturating_add);
    let gates = (in_words(&members) + in_words(&inputs) + in_words(&results)).saturating_add(products);
    Region { members, inputs, results, gates }
}
