//! The way through a schedule that both sides go: the labels of live wires, and the gates that are next.
//!
//! The gates of a stage are independent, of all evaluations: gate g of evaluation i is number g · evaluations + i of its stage,
//! and they are cut into parts that cores take. [`Shared`] is what lets them write their own labels at the same time.

use super::hash::{Engine, Keys};
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
                    xors(steps, width, &Shared::new(&mut self.labels));
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
    by_memory.max(by_stage).clamp(1, evaluations)
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

    /// # Safety
    /// No other core sets this label meanwhile.
    #[inline(always)]
    unsafe fn get(&self, at: usize) -> Label {
        assert!(at < self.len, "a label of the run");
        // SAFETY: within the labels; nobody writes it, as the caller promises.
        unsafe { *self.labels.add(at) }
    }

    /// # Safety
    /// No other core gets or sets this label meanwhile.
    #[inline(always)]
    unsafe fn set(&self, at: usize, label: Label) {
        assert!(at < self.len, "a label of the run");
        // SAFETY: within the labels; nobody else accesses it, as the caller promises.
        unsafe { *self.labels.add(at) = label };
    }
}

/// Goes through the XORs of a stage.
fn xors(steps: &[XorStep], evaluations: usize, labels: &Shared<'_>) {
    let all = steps.len() * evaluations;
    if all < 2 * XOR_PART || rayon::current_num_threads() == 1 {
        return xors_of(steps, evaluations, 0..all, labels);
    }
    let parts = (0..all.div_ceil(XOR_PART)).into_par_iter();
    parts.for_each(|part| {
        xors_of(steps, evaluations, part * XOR_PART..((part + 1) * XOR_PART).min(all), labels);
    });
}

fn xors_of(steps: &[XorStep], evaluations: usize, range: Range<usize>, labels: &Shared<'_>) {
    each(steps, evaluations, range, |_, step, evaluation| {
        let [a, b, sets] =
            [step.reads[0], step.reads[1], step.sets].map(|slot| slot as usize * evaluations + evaluation);
        // SAFETY: the steps are of one stage, and each part has gates of its own.
        unsafe { labels.set(sets, labels.get(a) ^ labels.get(b)) };
    });
}

/// Visits gates of a stage: each with its place among them, its step and its evaluation.
#[inline(always)]
fn each<S>(steps: &[S], evaluations: usize, range: Range<usize>, mut visit: impl FnMut(usize, &S, usize)) {
    if evaluations == 1 {
        steps[range].iter().enumerate().for_each(|(at, step)| visit(at, step, 0));
        return;
    }
    let mut at = range.start;
    while at < range.end {
        let (step, first) = (&steps[at / evaluations], at % evaluations);
        let last = evaluations.min(first + range.end - at);
        for evaluation in first..last {
            visit(at - range.start + evaluation - first, step, evaluation);
        }
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
        let part = |part: usize, tables: &mut [Label]| {
            let gates = tables.len() / 2;
            let mut parts = tables.chunks_mut(2 * GATHERED);
            self.part(part, gates, delta, |gate, reads, sets| {
                let tables = parts.next().expect("tables of every gate");
                self.engine.garble(keys, gate, delta, reads, tables, sets);
            });
        };
        if self.gates() < 2 * AND_PART || rayon::current_num_threads() == 1 {
            return part(0, tables);
        }
        tables.par_chunks_mut(2 * AND_PART).enumerate().for_each(|(at, tables)| part(at, tables));
    }

    /// Evaluates the gates by their tables, two labels each.
    pub fn evaluate(&self, keys: &Keys, tables: &[Label]) {
        let part = |part: usize, tables: &[Label]| {
            let mut parts = tables.chunks(2 * GATHERED);
            self.part(part, tables.len() / 2, Label::default(), |gate, reads, sets| {
                let tables = parts.next().expect("tables of every gate");
                self.engine.evaluate(keys, gate, reads, tables, sets);
            });
        };
        if self.gates() < 2 * AND_PART || rayon::current_num_threads() == 1 {
            return part(0, tables);
        }
        tables.par_chunks(2 * AND_PART).enumerate().for_each(|(at, tables)| part(at, tables));
    }

    /// Goes through a part of the lot: gathers the labels that gates read, with `offset` added where a bit is inverted, has them
    /// hashed, and writes those that they set.
    fn part(
        &self,
        part: usize,
        gates: usize,
        offset: Label,
        mut hashing: impl FnMut(u64, &[Label], &mut [Label]),
    ) {
        let mut reads = [Label::default(); 2 * GATHERED];
        let mut sets = [Label::default(); GATHERED];
        let offsets = [Label::default(), offset];
        let first = part * AND_PART;
        for start in (first..first + gates).step_by(GATHERED) {
            let count = GATHERED.min(first + gates - start);
            let (reads, sets) = (&mut reads[..2 * count], &mut sets[..count]);
            let range = self.range.start + start..self.range.start + start + count;
            each(self.steps, self.evaluations, range.clone(), |at, step, evaluation| {
                for (side, place) in step.reads.into_iter().enumerate() {
                    // SAFETY: the steps are of one stage, which sets no slot that it reads.
                    let label = unsafe { self.labels.get(place.slot() * self.evaluations + evaluation) };
                    reads[2 * at + side] = label ^ offsets[usize::from(place.is_inverted())];
                }
            });
            hashing(self.first_gate + start as u64, reads, sets);
            each(self.steps, self.evaluations, range, |at, step, evaluation| {
                let place = step.sets as usize * self.evaluations + evaluation;
                // SAFETY: the steps are of one stage, which sets each slot once, and each part has gates of its own.
                unsafe { self.labels.set(place, sets[at]) };
            });
        }
        reads.zeroize();
        sets.zeroize();
    }
}
