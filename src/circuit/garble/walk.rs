//! The way through a schedule that both sides go: the labels of live wires, and the gates that are next.
//!
//! The gates of a stage are independent, of all evaluations: gate g of evaluation i is number g · evaluations + i of its stage,
//! and they are cut into parts that cores take. [`Shared`] is what lets them write their own labels at the same time.

use super::hash::{Engine, GROUP, Keys, Operands};
use super::label::{Label, Labels};
use crate::circuit::schedule::{AndStep, OutputBit, Schedule, Stage, XorStep};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use zeroize::Zeroize;

/// AND gates that a core takes at a time.
const AND_PART: usize = 512;
/// XOR gates that a core takes at a time; fewer than two parts are done where they are met.
const XOR_PART: usize = 1 << 12;
/// Gates that are gathered at a time, in a core's first cache.
const GATHERED: usize = 64;

/// Bytes of labels that are gone through at a time, so that they stay in a core's second cache.
const BLOCK_BYTES: usize = 256 << 10;
/// AND gates that a stage of a block should have on the average.
const STAGE_GATES: usize = 1 << 10;

/// Where a run is in its schedule.
pub(super) struct Walk {
    pub schedule: Arc<Schedule>,
    pub evaluations: usize,
    pub engine: Engine,
    /// The labels of all input bits: by bit, and within it by evaluation.
    inputs: Labels,
    /// Those of all output bits, as far as they are known; constants have none.
    outputs: Labels,
    /// The evaluations of the block: all of them go through the schedule before the next block does.
    block: Range<usize>,
    /// By slot, and within it by evaluation of the block.
    labels: Labels,
    stage: usize,
    /// Gates of the stage that are done.
    done: usize,
    /// AND gates that are done, of all evaluations.
    pub gates: u64,
}

impl Walk {
    /// Starts with the labels of all input bits.
    pub fn new(schedule: Arc<Schedule>, evaluations: usize, inputs: Labels) -> Walk {
        let block = 0..block_width(&schedule, evaluations);
        let mut walk = Walk {
            labels: Labels::zeros(schedule.slots() * block.len()),
            outputs: Labels::zeros(schedule.outputs.len() * evaluations),
            engine: Engine::best(),
            schedule,
            evaluations,
            inputs,
            block,
            stage: 0,
            done: 0,
            gates: 0,
        };
        walk.begin_block();
        walk
    }

    /// AND gates of all evaluations.
    pub fn all_gates(&self) -> u64 {
        self.schedule.and_count() as u64 * self.evaluations as u64
    }

    pub fn left(&self) -> u64 {
        self.all_gates() - self.gates
    }

    /// The labels of the wire of an output bit, of each evaluation, once all gates are done.
    pub fn output(&self, at: usize) -> &[Label] {
        &self.outputs[at * self.evaluations..][..self.evaluations]
    }

    /// Goes through the next `most` AND gates and the XORs around them: `ands` gets each lot of independent ones.
    pub fn advance(&mut self, most: usize, mut ands: impl FnMut(Lot<'_>)) {
        let mut room = most;
        while !self.block.is_empty() {
            let width = self.block.len();
            match self.schedule.stages.get(self.stage) {
                None => self.next_block(),
                Some(&Stage::Xor { start, end }) => {
                    let steps = &self.schedule.xors[start..end];
                    xors(self.engine, steps, width, &Shared::new(&mut self.labels));
                    self.stage += 1;
                }
                Some(&Stage::And { start, end }) => {
                    let all = (end - start) * width;
                    let lot = (all - self.done).min(room);
                    if lot == 0 {
                        return;
                    }
                    ands(Lot {
                        steps: &self.schedule.ands[start..end],
                        evaluations: width,
                        range: self.done..self.done + lot,
                        first_gate: self.gates,
                        engine: self.engine,
                        labels: Shared::new(&mut self.labels),
                    });
                    room -= lot;
                    self.done += lot;
                    self.gates += lot as u64;
                    if self.done == all {
                        (self.stage, self.done) = (self.stage + 1, 0);
                    }
                }
            }
        }
    }

    /// Takes the outputs of the block, and begins the next.
    fn next_block(&mut self) {
        let width = self.block.len();
        for (bit, labels) in self.schedule.outputs.iter().zip(self.outputs.chunks_mut(self.evaluations)) {
            if let OutputBit::Wire(place) = bit.0 {
                labels[self.block.clone()].copy_from_slice(&self.labels[place.slot() * width..][..width]);
            }
        }
        self.block = self.block.end..self.evaluations.min(self.block.end + width);
        self.stage = 0;
        self.begin_block();
    }

    fn begin_block(&mut self) {
        let width = self.block.len();
        for (input, labels) in self.schedule.inputs.iter().zip(self.inputs.chunks(self.evaluations)) {
            if let Some(slot) = input.slot {
                let slot = slot as usize * width;
                self.labels[slot..slot + width].copy_from_slice(&labels[self.block.clone()]);
            }
        }
    }
}

/// Bytes of labels that each party holds at most while it goes through a circuit: those of the live wires of the evaluations that go through the circuit
/// at the same time, and of all inputs and outputs.
pub fn label_bytes(schedule: &Schedule, evaluations: usize) -> u64 {
    let live = schedule.slots() * block_width(schedule, evaluations);
    let kept = (schedule.inputs.len() + schedule.outputs.len()).saturating_mul(evaluations);
    (size_of::<Label>() as u64).saturating_mul(live.saturating_add(kept) as u64)
}

/// Evaluations of a block: as many as have their labels in a cache, or more where stages are narrow. The order of gates follows
/// from it, so that it depends on the schedule alone.
fn block_width(schedule: &Schedule, evaluations: usize) -> usize {
    let by_memory = BLOCK_BYTES / (size_of::<Label>() * schedule.slots().max(1));
    let stages = schedule.stages.iter().filter(|stage| matches!(stage, Stage::And { .. })).count();
    let by_stage = STAGE_GATES * stages / schedule.and_count().max(1);
    let width = by_memory.max(by_stage).clamp(1, evaluations);
    // Whole groups, whose labels the hash takes from where they are.
    if width > GROUP { width - width % GROUP } else { width }
}

/// Labels that several cores read and write at once.
///
/// Within a stage no slot is both read and set, and none is set by two gates ([`Schedule`]), so that no label is written while
/// another core reads or writes it.
pub(super) struct Shared<'a> {
    labels: *mut Label,
    len: usize,
    whose: PhantomData<&'a mut [Label]>,
}

// SAFETY: whoever calls `get` and `set` promises that no label is accessed by two cores of which one writes it.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    fn new(labels: &'a mut [Label]) -> Shared<'a> {
        Shared { labels: labels.as_mut_ptr(), len: labels.len(), whose: PhantomData }
    }

    /// Labels of a slot.
    ///
    /// # Safety
    /// No other core sets them meanwhile, and nobody has them from `set`.
    #[inline(always)]
    unsafe fn get(&self, range: Range<usize>) -> &'a [Label] {
        assert!(range.start <= range.end && range.end <= self.len, "labels of the run");
        // SAFETY: within the labels; nobody writes them, as the caller promises.
        unsafe { std::slice::from_raw_parts(self.labels.add(range.start), range.len()) }
    }

    /// A label.
    ///
    /// # Safety
    /// As [`Shared::get`].
    #[inline(always)]
    unsafe fn get_one(&self, at: usize) -> Label {
        assert!(at < self.len, "a label of the run");
        // SAFETY: within the labels; nobody writes it, as the caller promises.
        unsafe { *self.labels.add(at) }
    }

    /// Sets a label.
    ///
    /// # Safety
    /// As [`Shared::set`].
    #[inline(always)]
    unsafe fn set_one(&self, at: usize, label: Label) {
        assert!(at < self.len, "a label of the run");
        // SAFETY: within the labels; nobody else accesses it, as the caller promises.
        unsafe { *self.labels.add(at) = label };
    }

    /// Labels of a slot, to be set.
    ///
    /// # Safety
    /// Nobody else gets or sets them meanwhile.
    #[inline(always)]
    unsafe fn set(&self, range: Range<usize>) -> &'a mut [Label] {
        assert!(range.start <= range.end && range.end <= self.len, "labels of the run");
        // SAFETY: within the labels; nobody else accesses them, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.labels.add(range.start), range.len()) }
    }
}

/// Goes through the XORs of a stage.
fn xors(engine: Engine, steps: &[XorStep], evaluations: usize, labels: &Shared<'_>) {
    let all = steps.len() * evaluations;
    if all < 2 * XOR_PART || rayon::current_num_threads() == 1 {
        return xors_of(engine, steps, evaluations, 0..all, labels);
    }
    let parts = (0..all.div_ceil(XOR_PART)).into_par_iter();
    parts.for_each(|part| {
        let range = part * XOR_PART..((part + 1) * XOR_PART).min(all);
        xors_of(engine, steps, evaluations, range, labels);
    });
}

fn xors_of(engine: Engine, steps: &[XorStep], evaluations: usize, range: Range<usize>, labels: &Shared<'_>) {
    if evaluations == 1 {
        for step in &steps[range] {
            // SAFETY: as below.
            unsafe {
                let [a, b] = step.reads.map(|slot| labels.get_one(slot as usize));
                labels.set_one(step.sets as usize, a ^ b);
            }
        }
        return;
    }
    each(steps, evaluations, range, |_, step, of| {
        let at = |slot: u32| slot as usize * evaluations + of.start..slot as usize * evaluations + of.end;
        // SAFETY: the steps are of one stage, which sets no slot that it reads, and each part has gates of its own.
        let (reads, sets) =
            unsafe { (step.reads.map(|slot| labels.get(at(slot))), labels.set(at(step.sets))) };
        engine.xor(reads, sets);
    });
}

/// Visits gates of a stage: those of a step side by side, with the place of the first among all, the step and the evaluations.
#[inline(always)]
fn each<S>(
    steps: &[S],
    evaluations: usize,
    range: Range<usize>,
    mut visit: impl FnMut(usize, &S, Range<usize>),
) {
    let mut at = range.start;
    while at < range.end {
        let (step, first) = (&steps[at / evaluations], at % evaluations);
        let last = evaluations.min(first + range.end - at);
        visit(at - range.start, step, first..last);
        at += last - first;
    }
}

/// Independent AND gates.
pub(super) struct Lot<'a> {
    steps: &'a [AndStep],
    evaluations: usize,
    /// Which of the stage.
    range: Range<usize>,
    /// The number of the first, in the run.
    first_gate: u64,
    engine: Engine,
    labels: Shared<'a>,
}

impl Lot<'_> {
    pub fn gates(&self) -> usize {
        self.range.len()
    }

    /// Garbles the gates into their tables, two labels each.
    pub fn garble(&self, keys: &Keys, delta: Label, tables: &mut [Label]) {
        let part = |part: usize, mut tables: &mut [Label]| {
            self.part(part, tables.len() / 2, delta, |gate, operands, sets| {
                let (own, others) = std::mem::take(&mut tables).split_at_mut(2 * sets.len());
                self.engine.garble(keys, gate, delta, operands, own, sets);
                tables = others;
            });
        };
        if self.gates() < 2 * AND_PART || rayon::current_num_threads() == 1 {
            return part(0, tables);
        }
        tables.par_chunks_mut(2 * AND_PART).enumerate().for_each(|(at, tables)| part(at, tables));
    }

    /// Evaluates the gates by their tables, two labels each.
    pub fn evaluate(&self, keys: &Keys, tables: &[Label]) {
        let part = |part: usize, mut tables: &[Label]| {
            self.part(part, tables.len() / 2, Label::default(), |gate, operands, sets| {
                let (own, others) = tables.split_at(2 * sets.len());
                self.engine.evaluate(keys, gate, operands, own, sets);
                tables = others;
            });
        };
        if self.gates() < 2 * AND_PART || rayon::current_num_threads() == 1 {
            return part(0, tables);
        }
        tables.par_chunks(2 * AND_PART).enumerate().for_each(|(at, tables)| part(at, tables));
    }

    /// Goes through a part of the lot: has the gates hashed, in order, some at a time. `offset` is added to the label of a bit that is
    /// inverted.
    fn part(
        &self,
        part: usize,
        gates: usize,
        offset: Label,
        mut hashing: impl FnMut(u64, Operands<'_>, &mut [Label]),
    ) {
        let first = part * AND_PART;
        if !self.evaluations.is_multiple_of(GROUP) {
            return self.gathered(first..first + gates, offset, hashing);
        }
        let offsets = [Label::default(), offset];
        let range = self.range.start + first..self.range.start + first + gates;
        let first_gate = self.first_gate + first as u64;
        each(self.steps, self.evaluations, range, |at, step, of| {
            // SAFETY: the steps are of one stage, which sets no slot that it reads, and each part has gates of its own.
            let (labels, sets) = unsafe {
                (
                    step.reads.map(|place| self.labels.get(self.at(place.slot(), &of))),
                    self.labels.set(self.at(step.sets as usize, &of)),
                )
            };
            let offsets = step.reads.map(|place| offsets[usize::from(place.is_inverted())]);
            hashing(first_gate + at as u64, Operands { labels, offsets }, sets);
        });
    }

    /// Where the labels of a slot are, of some evaluations.
    #[inline(always)]
    fn at(&self, slot: usize, of: &Range<usize>) -> Range<usize> {
        slot * self.evaluations + of.start..slot * self.evaluations + of.end
    }

    /// As [`Lot::part`], for gates of the lot whose evaluations fill no groups: the labels that they read are gathered, hashed, and those
    /// that they set are put in their places.
    fn gathered(
        &self,
        gates: Range<usize>,
        offset: Label,
        mut hashing: impl FnMut(u64, Operands<'_>, &mut [Label]),
    ) {
        let mut gathered = Gathered::default();
        let offsets = [Label::default(), offset];
        for start in gates.clone().step_by(GATHERED) {
            let count = GATHERED.min(gates.end - start);
            let range = self.range.start + start..self.range.start + start + count;
            self.gather(range.clone(), offsets, &mut gathered.reads);
            let labels = gathered.reads.each_ref().map(|reads| &reads[..count]);
            let operands = Operands { labels, offsets: [Label::default(); 2] };
            hashing(self.first_gate + start as u64, operands, &mut gathered.sets[..count]);
            self.scatter(range, &gathered.sets);
        }
    }

    /// Takes the labels that gates read, with one of the offsets.
    fn gather(&self, range: Range<usize>, offsets: [Label; 2], reads: &mut [[Label; GATHERED]; 2]) {
        let [firsts, seconds] = reads;
        if self.evaluations == 1 {
            for ((step, first), second) in self.steps[range].iter().zip(firsts).zip(seconds) {
                // SAFETY: the steps are of one stage, which sets no slot that it reads.
                let [a, b] = step.reads.map(|place| unsafe { self.labels.get_one(place.slot()) });
                let [of_a, of_b] = step.reads.map(|place| offsets[usize::from(place.is_inverted())]);
                (*first, *second) = (a ^ of_a, b ^ of_b);
            }
            return;
        }
        each(self.steps, self.evaluations, range, |at, step, of| {
            for (reads, place) in [&mut *firsts, &mut *seconds].into_iter().zip(step.reads) {
                let offset = offsets[usize::from(place.is_inverted())];
                // SAFETY: as above.
                let labels = unsafe { self.labels.get(self.at(place.slot(), &of)) };
                reads[at..].iter_mut().zip(labels).for_each(|(to, &label)| *to = label ^ offset);
            }
        });
    }

    /// Puts the labels that gates set in their places.
    fn scatter(&self, range: Range<usize>, sets: &[Label; GATHERED]) {
        if self.evaluations == 1 {
            for (step, &label) in self.steps[range].iter().zip(sets) {
                // SAFETY: the steps are of one stage, which sets each slot once, and each part has gates of its own.
                unsafe { self.labels.set_one(step.sets as usize, label) };
            }
            return;
        }
        each(self.steps, self.evaluations, range, |at, step, of| {
            // SAFETY: as above.
            let labels = unsafe { self.labels.set(self.at(step.sets as usize, &of)) };
            labels.copy_from_slice(&sets[at..at + of.len()]);
        });
    }
}

/// Labels on their way to the hash and back; they are wiped.
struct Gathered {
    reads: [[Label; GATHERED]; 2],
    sets: [Label; GATHERED],
}

impl Default for Gathered {
    fn default() -> Gathered {
        Gathered { reads: [[Label::default(); GATHERED]; 2], sets: [Label::default(); GATHERED] }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.reads.zeroize();
        self.sets.zeroize();
    }
}
