//! Lowers a region to a garbled circuit and the steps around it; [`crate::circuit::convert`] states messages, bytes and
//! security.
//!
//! A value with |x| < 2^t is a word of t + 1 bits: of its parts no more bits enter the circuit, whose sum is right modulo
//! 2^(t+1), and so are sums and differences of words that are cut or extended to as many bits. Products are made with all of
//! their bits.
//!
//! A truncation by m bits that is not exact adds u to x before the m bits are dropped, for u of m random bits that the garbler
//! draws: x/2^m is rounded up with probability (x mod 2^m)/2^m, as by other protocols, and the garbler alone knows u.

use super::lowering::{Block, Lowering, Parts, Tile};
use super::regions::Region;
use super::rules::Rules;
use super::{Content, chosen};
use crate::circuit::convert::{Conversion, Entering, Given};
use crate::circuit::word::shift::{extended, shifted_left};
use crate::circuit::{Bit, Builder, Schedule, Sign, Word};
use crate::correlation::{Correlation, TransferChoices, TransferPairs, TransferSpec};
use crate::program::{Op, Program, Test, Truncation, ValueId, range};
use crate::ring::{Axis, Shape};
use crate::share::{Parties, PartyId, Sharing};
use crate::step::bits::planes;
use crate::step::{Action, Garbled, GarbledPart, MemoryClass};
use std::collections::HashMap;
use std::sync::Arc;

const GARBLER: PartyId = PartyId(0);
const EVALUATOR: PartyId = PartyId(1);

/// A region as a circuit.
struct Draft<'a> {
    program: &'a Program,
    builder: Builder,
    /// t of each value.
    magnitudes: Vec<u32>,
    words: HashMap<ValueId, Vec<Word>>,
    /// Random bits of the garbler, by which truncations round.
    coins: usize,
}

impl Draft<'_> {
    fn bits(&self, id: ValueId) -> usize {
        self.magnitudes[id.index()] as usize + 1
    }

    /// The word of a value at a place, or the one that stands for it where there is one row or one column, in so many bits.
    fn at(&self, id: ValueId, row: usize, col: usize, bits: usize) -> Word {
        let Shape { rows, cols } = self.program.value(id).shape;
        let [row, col] = [(rows, row), (cols, col)].map(|(extent, at)| if extent == 1 { 0 } else { at });
        extended(&self.words[&id][row * cols + col], bits, Sign::Signed)
    }

    /// The words of a party's part of an input.
    fn part(&mut self, id: ValueId, owner: PartyId) -> Vec<Word> {
        let bits = self.bits(id);
        let all = self.builder.input(owner, self.program.value(id).shape.len() * bits);
        all.chunks(bits).map(<[Bit]>::to_vec).collect()
    }

    fn input(&mut self, id: ValueId, has_part: [bool; 2]) {
        let [first, second] = [GARBLER, EVALUATOR].map(|party| {
            let words = has_part[party.index()].then(|| self.part(id, party));
            words.unwrap_or_default()
        });
        let words = match (first.is_empty(), second.is_empty()) {
            (false, false) => first.iter().zip(&second).map(|(a, b)| self.builder.add(a, b)).collect(),
            (true, _) => second,
            (_, true) => first,
        };
        self.words.insert(id, words);
    }

    fn member(&mut self, id: ValueId) {
        let value = self.program.value(id);
        let (shape, bits) = (value.shape, self.bits(id));
        let places = (0..shape.rows).flat_map(|row| (0..shape.cols).map(move |col| (row, col)));
        let words = places.map(|(row, col)| self.word(value.op, (row, col), bits)).collect();
        self.words.insert(id, words);
    }

    fn word(&mut self, op: Op, (row, col): (usize, usize), bits: usize) -> Word {
        match op {
            Op::Add(a, b) => {
                let [a, b] = [a, b].map(|operand| self.at(operand, row, col, bits));
                self.builder.add(&a, &b)
            }
            Op::Sub(a, b) => {
                let [a, b] = [a, b].map(|operand| self.at(operand, row, col, bits));
                self.builder.subtract(&a, &b)
            }
            Op::Neg(a) => {
                let a = self.at(a, row, col, bits);
                self.builder.negate(&a)
            }
            Op::AddConstant(a, constant) => {
                let a = self.at(a, row, col, bits);
                let constant: Word = (0..bits).map(|at| Bit::constant(constant >> at & 1 != 0)).collect();
                self.builder.add(&a, &constant)
            }
            Op::Scale(a, constant) => {
                // Factors are taken by their magnitude, which has fewer ones than what stands for a negative one.
                let signed = self.program.ring().signed(constant);
                let a = self.at(a, row, col, bits);
                let terms = (0..bits.min(64)).filter(|at| signed.unsigned_abs() >> at & 1 != 0);
                let terms: Vec<Word> = terms.map(|at| shifted_left(&a, at)).collect();
                match (terms.is_empty(), signed < 0) {
                    (true, _) => vec![Bit::constant(false); bits],
                    (_, false) => self.builder.sum(&terms),
                    (_, true) => {
                        let product = self.builder.sum(&terms);
                        self.builder.negate(&product)
                    }
                }
            }
            Op::Mul(a, b) => match chosen(self.program, a, b) {
                Some((condition, z)) => {
                    // It is 0 or 1.
                    let condition = self.at(condition, row, col, 1)[0];
                    let z = self.at(z, row, col, bits);
                    self.builder.mask(&z, condition)
                }
                None => {
                    let [a, b] = [a, b].map(|factor| self.at(factor, row, col, self.bits(factor)));
                    let product = self.builder.multiply_signed(&a, &b);
                    extended(&product, bits, Sign::Signed)
                }
            },
            Op::Truncate(a, by, method) => {
                let by = by as usize;
                // With what is added to it, of `by` bits and a sign, it has a bit more.
                let mut all = self.at(a, row, col, self.bits(a).max(by + 1) + 1);
                if method == Truncation::Stochastic {
                    let coins = self.builder.input(GARBLER, by);
                    self.coins += by;
                    all = self.builder.add(&all, &extended(&coins, all.len(), Sign::Unsigned));
                }
                extended(&all[by..], bits, Sign::Signed)
            }
            Op::Compare(a, test) => {
                let a = self.at(a, row, col, self.bits(a));
                let top = *a.last().expect("a word has bits");
                let answer = match test {
                    Test::Negative => top,
                    Test::NonNegative => !top,
                    Test::Zero => !self.builder.any(&a),
                    Test::NonZero => self.builder.any(&a),
                };
                extended(&[answer], bits, Sign::Unsigned)
            }
            Op::Transpose(a) => self.at(a, col, row, bits),
            Op::Sum(a, axis) => {
                let Shape { rows, cols } = self.program.value(a).shape;
                let terms: Vec<Word> = match axis {
                    Axis::Rows => (0..rows).map(|row| self.at(a, row, col, bits)).collect(),
                    Axis::Cols => (0..cols).map(|col| self.at(a, row, col, bits)).collect(),
                };
                self.builder.sum(&terms)
            }
            Op::Slice(a, rows, cols) => {
                self.at(a, rows.start + row * rows.step, cols.start + col * cols.step, bits)
            }
            Op::Pad(a, (first_row, first_col)) => {
                let own = self.program.value(a).shape;
                match (row.checked_sub(first_row), col.checked_sub(first_col)) {
                    (Some(row), Some(col)) if row < own.rows && col < own.cols => self.at(a, row, col, bits),
                    _ => vec![Bit::constant(false); bits],
                }
            }
            Op::Gather(a, gather) => {
                let (place, cols) = (gather.place(row, col), self.program.value(a).shape.cols);
                self.at(a, place / cols, place % cols, bits)
            }
            _ => unreachable!("no region has this op"),
        }
    }

    /// The masked results, each of whole ring elements, for the evaluator.
    fn results(&mut self, results: &[ValueId]) {
        let ring_bits = self.program.ring().bits() as usize;
        for id in results {
            let words = self.words[id].clone();
            let masks = self.builder.input(GARBLER, words.len() * ring_bits);
            let mut masked = Word::new();
            for (word, mask) in words.iter().zip(masks.chunks(ring_bits)) {
                let word = extended(word, ring_bits, Sign::Signed);
                masked.extend(self.builder.subtract(&word, mask));
            }
            self.builder.output(EVALUATOR.alone(), &masked);
        }
    }
}

/// The conversion of a region, where these parties have parts of its inputs; none where the evaluator has none.
fn conversion(program: &Program, region: &Region, has_part: &[[bool; 2]]) -> Option<Conversion> {
    let magnitudes = range::magnitude_bits(program);
    let mut draft = Draft { program, builder: Builder::new(), magnitudes, words: HashMap::new(), coins: 0 };
    let mut given = [Vec::new(), Vec::new()];
    for (&id, &has_part) in region.inputs.iter().zip(has_part) {
        draft.input(id, has_part);
        let own = Given { elements: program.value(id).shape.len(), bits: draft.bits(id) };
        for (given, _) in given.iter_mut().zip(has_part).filter(|(_, has)| *has) {
            given.push(own);
        }
    }
    if given[EVALUATOR.index()].is_empty() {
        return None;
    }
    region.members.iter().for_each(|&id| draft.member(id));
    draft.results(&region.results);
    let results = region.results.iter().map(|&id| program.value(id).shape.len()).collect();
    let coins = draft.coins;
    let schedule = Schedule::new(&draft.builder.finish());
    Some(Conversion::new(schedule, program.ring(), Entering { given, coins }, results))
}

impl<P: Rules> Lowering<'_, P> {
    /// Emits the steps of a region whose inputs have been lowered; returns its results' tiles.
    pub(super) fn convert(&mut self, region: &Region) -> Vec<(Tile, Parts)> {
        let tile = |value: ValueId| Tile { value, at: (0, 0) };
        let parts: Vec<[Option<Block>; 2]> = region
            .inputs
            .iter()
            .map(|&id| {
                let parts = self.parts(tile(id));
                [GARBLER, EVALUATOR].map(|party| self.own_part(&parts, party))
            })
            .collect();
        let has_part: Vec<[bool; 2]> = parts.iter().map(|parts| parts.map(|part| part.is_some())).collect();
        let conversion =
            conversion(self.program, region, &has_part).expect("no party alone knows a region's inputs");
        let results = self.emit(region, &parts, Arc::new(conversion));
        region.results.iter().map(|&id| tile(id)).zip(results).collect()
    }

    fn own_part(&mut self, parts: &Parts, party: PartyId) -> Option<Block> {
        let is_its = |&(holders, whose, _): &(Parties, PartyId, Block)| {
            whose == party && holders.lowest() == Some(party)
        };
        let terms = parts.iter().filter(is_its).map(|(.., copy)| (1, copy)).collect();
        self.total_at(party, MemoryClass::Shares, terms)
    }

    fn emit(
        &mut self,
        region: &Region,
        parts: &[[Option<Block>; 2]],
        conversion: Arc<Conversion>,
    ) -> Vec<Parts> {
        let (ring, class) = (self.program.ring(), MemoryClass::Openings);
        let spec = TransferSpec { shape: Shape::new(1, conversion.transfers()) };
        let acquisition = self.demand(Correlation::Transfer(spec));
        let TransferPairs { zeros, differences } =
            spec.acquire_first(&mut self.lists[GARBLER.index()], acquisition);
        let TransferChoices { choices, chosen } =
            spec.acquire_second(&mut self.lists[EVALUATOR.index()], acquisition);
        let [own, theirs] =
            [0, 1].map(|party: usize| parts.iter().filter_map(|parts| parts[party]).collect::<Vec<Block>>());
        let step = |part, reads, writes| {
            Action::Garbled(Garbled { part, reads, writes, conversion: conversion.clone() })
        };

        let corrections = self.buffer(EVALUATOR, planes(ring, 1, conversion.transfers()), class);
        let reads = [&theirs[..], &[choices]].concat();
        self.push(EVALUATOR, step(GarbledPart::Correct, reads, vec![corrections]));
        let corrections = self.transfer(corrections, EVALUATOR, GARBLER, Content::Bits, class);

        let message = self.buffer(GARBLER, Shape::new(1, conversion.message_elements()), class);
        let [first, second] = [GARBLER, EVALUATOR].map(|party| {
            let shapes = region.results.iter().map(|&id| self.program.value(id).shape);
            shapes.map(|shape| self.buffer(party, shape, MemoryClass::Shares)).collect::<Vec<Block>>()
        });
        let reads = [&own[..], &zeros, &differences, &[corrections]].concat();
        let writes = std::iter::once(message).chain(first.iter().copied()).collect();
        self.push(GARBLER, step(GarbledPart::Garble, reads, writes));
        let message = self.transfer(message, GARBLER, EVALUATOR, Content::Garbled, class);

        let reads = [&theirs[..], &[choices], &chosen, &[message]].concat();
        self.push(EVALUATOR, step(GarbledPart::Evaluate, reads, second.clone()));
        let parts = |(first, second): (Block, Block)| -> Parts {
            let parts = [(GARBLER, first), (EVALUATOR, second)].into_iter();
            parts.map(|(party, part)| (party.alone(), party, part)).collect::<Sharing<Block>>()
        };
        first.into_iter().zip(second).map(parts).collect()
    }
}
