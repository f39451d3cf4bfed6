//! The order in which gates are garbled, and the slots in which their labels lie.
//!
//! Gates that do not depend on each other stand together in a **stage**, so that they can be hashed many at a time and on all
//! cores. A stage has one kind of gate. Within a window of [`WINDOW_GATES`] gates, as the circuit lists them, stages follow
//! the AND depth; windows follow each other, so that what is computed early and needed late is bounded by the circuit's own
//! order and not by its width.
//!
//! A **slot** holds the label of one wire for as long as a later stage reads it, and then of another: memory is that of the
//! live wires. Within a stage no slot is both read and set, and none is set twice, which is what makes its gates independent.

use super::gate::{Bit, Circuit, Gate};
use crate::share::PartyId;

/// Gates that are ordered by depth together.
const WINDOW_GATES: usize = 1 << 16;

/// A slot, and whether the bit is the inversion of what the wire in it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    fn new(slot: u32, is_inverted: bool) -> Place {
        Place(slot << 1 | u32::from(is_inverted))
    }

    pub fn slot(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub fn is_inverted(self) -> bool {
        self.0 & 1 != 0
    }
}

/// An XOR of two slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct XorStep {
    pub reads: [u32; 2],
    pub sets: u32,
}

/// An AND of two bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct AndStep {
    pub reads: [Place; 2],
    pub sets: u32,
}

/// Gates of one kind that do not depend on each other: from one place to another in the list of their kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Xor { start: usize, end: usize },
    And { start: usize, end: usize },
}

/// A bit of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputBit {
    Constant(bool),
    Wire(Place),
}

/// An input bit: whose, and where its label lies, if anything reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputBit {
    pub owner: PartyId,
    pub slot: Option<u32>,
}

/// A circuit in the order in which it is garbled.
#[derive(Debug)]
pub struct Schedule {
    pub(super) xors: Vec<XorStep>,
    pub(super) ands: Vec<AndStep>,
    pub(super) stages: Vec<Stage>,
    pub(super) inputs: Vec<InputBit>,
    /// Every output's bits, with whether party 0 and party 1 learn them.
    pub(super) outputs: Vec<(OutputBit, [bool; 2])>,
    slots: usize,
    digest: [u8; 32],
}

impl Schedule {
    /// Orders a circuit.
    pub fn new(circuit: &Circuit) -> Schedule {
        let mut draft = Draft::new(circuit);
        for start in (0..circuit.gates.len()).step_by(WINDOW_GATES) {
            let end = (start + WINDOW_GATES).min(circuit.gates.len());
            draft.window(start, end);
        }
        draft.place()
    }

    /// AND gates.
    pub fn and_count(&self) -> usize {
        self.ands.len()
    }

    /// The most AND gates that can be hashed at once.
    pub fn widest(&self) -> usize {
        let ands = self.stages.iter().map(|stage| match stage {
            Stage::And { start, end } => end - start,
            Stage::Xor { .. } => 0,
        });
        ands.max().unwrap_or(0)
    }

    /// Labels of live wires that are held at once, 16 bytes each, for each evaluation of a block.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The circuit's digest.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Bits of all inputs.
    pub fn input_bits(&self) -> usize {
        self.inputs.len()
    }

    /// Bits of one party's inputs.
    pub fn input_bits_of(&self, owner: PartyId) -> usize {
        self.inputs.iter().filter(|input| input.owner == owner).count()
    }

    /// Bits that party 0 or party 1 learns.
    pub fn output_bits_to(&self, party: PartyId) -> usize {
        self.outputs
            .iter()
            .filter(|(_, learns)| learns.get(party.index()).is_some_and(|&learns| learns))
            .count()
    }
}

/// A schedule that is being made.
struct Draft<'a> {
    circuit: &'a Circuit,
    first_gate: usize,
    /// Gates in the order of the schedule, by their place in the circuit, and where stages begin.
    order: Vec<u32>,
    stage_starts: Vec<usize>,
}

impl<'a> Draft<'a> {
    fn new(circuit: &'a Circuit) -> Draft<'a> {
        let order = Vec::with_capacity(circuit.gates.len());
        Draft { circuit, first_gate: circuit.first_gate_wire(), order, stage_starts: Vec::new() }
    }

    /// Orders the gates of a window: by AND depth, and within one by how many XORs lie behind each other.
    fn window(&mut self, start: usize, end: usize) {
        let gates = &self.circuit.gates[start..end];
        // (AND depth, XORs since) within the window; an AND is the first of its depth.
        let mut depths: Vec<(u32, u32)> = Vec::with_capacity(gates.len());
        for gate in gates {
            let [a, b] = gate.wires().map(|wire| {
                let within = (wire as usize).checked_sub(self.first_gate + start);
                within.map_or((0, 0), |at| depths[at])
            });
            depths.push(match gate {
                Gate::And(..) => (a.0.max(b.0) + 1, 0),
                Gate::Xor(..) => {
                    let (depth, xors) = a.max(b);
                    (depth, xors + 1)
                }
            });
        }
        let mut sorted: Vec<u32> = (0..gates.len() as u32).collect();
        sorted.sort_by_key(|&at| depths[at as usize]);
        let mut before = None;
        for at in sorted {
            let depth = depths[at as usize];
            if before != Some(depth) {
                self.stage_starts.push(self.order.len());
                before = Some(depth);
            }
            self.order.push(start as u32 + at);
        }
    }

    /// Gives wires their slots.
    fn place(self) -> Schedule {
        let circuit = self.circuit;
        let mut slots = Slots::new(self.first_gate + circuit.gates.len());
        let ends = self.stage_starts.iter().skip(1).copied().chain([self.order.len()]);
        let ranges: Vec<(usize, usize)> = self.stage_starts.iter().copied().zip(ends).collect();
        for (stage, &(start, end)) in ranges.iter().enumerate() {
            for &gate in &self.order[start..end] {
                let wires = circuit.gates[gate as usize].wires();
                wires.into_iter().for_each(|wire| slots.read_in(wire, stage));
            }
        }
        let outputs = circuit.outputs.iter().flat_map(|output| &output.bits);
        outputs.filter(|bit| bit.value().is_none()).for_each(|bit| slots.keep(bit.wire()));
        let owners = circuit.inputs.iter().flat_map(|input| std::iter::repeat_n(input.owner, input.bits));
        let inputs: Vec<InputBit> =
            owners.zip(1..).map(|(owner, wire)| InputBit { owner, slot: slots.set_if_read(wire) }).collect();
        let (mut xors, mut ands) = (Vec::new(), Vec::new());
        let mut stages = Vec::with_capacity(ranges.len());
        for (stage, (start, end)) in ranges.into_iter().enumerate() {
            let firsts = (xors.len(), ands.len());
            for &gate in &self.order[start..end] {
                let sets = slots.set((self.first_gate + gate as usize) as u32);
                match circuit.gates[gate as usize] {
                    Gate::Xor(a, b) => xors.push(XorStep { reads: [a, b].map(|wire| slots.of(wire)), sets }),
                    Gate::And(a, b) => ands.push(AndStep { reads: [a, b].map(|bit| slots.place(bit)), sets }),
                }
            }
            for &gate in &self.order[start..end] {
                let wires = circuit.gates[gate as usize].wires();
                wires.into_iter().for_each(|wire| slots.free_after(wire, stage));
            }
            stages.push(match ands.len() > firsts.1 {
                true => Stage::And { start: firsts.1, end: ands.len() },
                false => Stage::Xor { start: firsts.0, end: xors.len() },
            });
        }
        let outputs = circuit.outputs.iter().flat_map(|output| {
            let learns = [0, 1].map(|party| output.to.contains(PartyId(party)));
            output.bits.iter().map(move |&bit| (bit, learns))
        });
        let outputs = outputs.map(|(bit, learns)| match bit.value() {
            Some(value) => (OutputBit::Constant(value), learns),
            None => (OutputBit::Wire(slots.place(bit)), learns),
        });
        let outputs = outputs.collect();
        let digest = circuit.digest();
        Schedule { xors, ands, stages, inputs, outputs, slots: slots.count as usize, digest }
    }
}

/// Which slot each wire is in.
struct Slots {
    /// By wire: the last stage that reads it.
    last_reads: Vec<u32>,
    slots: Vec<u32>,
    free: Vec<u32>,
    count: u32,
}

/// A wire that nothing reads, or whose slot is free again.
const UNREAD: u32 = u32::MAX;
/// A wire that is an output.
const KEPT: u32 = u32::MAX - 1;

impl Slots {
    fn new(wires: usize) -> Slots {
        Slots { last_reads: vec![UNREAD; wires], slots: vec![0; wires], free: Vec::new(), count: 0 }
    }

    fn read_in(&mut self, wire: u32, stage: usize) {
        self.last_reads[wire as usize] = stage as u32;
    }

    fn keep(&mut self, wire: u32) {
        self.last_reads[wire as usize] = KEPT;
    }

    fn set_if_read(&mut self, wire: u32) -> Option<u32> {
        (self.last_reads[wire as usize] != UNREAD).then(|| self.set(wire))
    }

    fn set(&mut self, wire: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        });
        self.slots[wire as usize] = slot;
        slot
    }

    fn of(&self, wire: u32) -> u32 {
        self.slots[wire as usize]
    }

    fn place(&self, bit: Bit) -> Place {
        Place::new(self.of(bit.wire()), bit.is_inverted())
    }

    /// Frees a wire's slot where this stage is the last that reads it.
    fn free_after(&mut self, wire: u32, stage: usize) {
        let last = &mut self.last_reads[wire as usize];
        if *last == stage as u32 {
            *last = UNREAD;
            self.free.push(self.slots[wire as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Builder, Sign, primitives};
    use crate::share::Parties;

    /// What makes it sound to run the gates of a stage in any order.
    fn stages_are_independent(schedule: &Schedule) {
        for stage in &schedule.stages {
            let (reads, sets): (Vec<[usize; 2]>, Vec<usize>) = match *stage {
                Stage::Xor { start, end } => schedule.xors[start..end]
                    .iter()
                    .map(|step| (step.reads.map(|slot| slot as usize), step.sets as usize))
                    .unzip(),
                Stage::And { start, end } => schedule.ands[start..end]
                    .iter()
                    .map(|step| (step.reads.map(Place::slot), step.sets as usize))
                    .unzip(),
            };
            let mut is_set = vec![false; schedule.slots()];
            for slot in sets {
                assert!(!std::mem::replace(&mut is_set[slot], true), "a slot is set once in a stage");
            }
            assert!(
                reads.into_iter().flatten().all(|slot| !is_set[slot]),
                "no slot is read and set in a stage"
            );
        }
    }

    #[test]
    fn gates_of_a_stage_are_independent() {
        let circuit = primitives::aes128();
        let schedule = Schedule::new(&circuit);
        stages_are_independent(&schedule);
        assert_eq!((schedule.and_count(), schedule.xors.len()), (circuit.and_count(), circuit.xor_count()));
        assert!(schedule.widest() >= 160, "the S-boxes of a round stand together");
    }

    #[test]
    fn slots_are_those_of_live_wires() {
        let mut builder = Builder::new();
        let words: Vec<_> = (0..64).map(|_| builder.input(PartyId(0), 32)).collect();
        let mut sum = words[0].clone();
        for word in &words[1..] {
            sum = builder.maximum(&sum, word, Sign::Unsigned);
        }
        builder.output(Parties::first(2), &sum);
        let circuit = builder.finish();
        let schedule = Schedule::new(&circuit);
        stages_are_independent(&schedule);
        assert!(
            schedule.slots() < 2 * 64 * 32,
            "{} slots of {} gates",
            schedule.slots(),
            circuit.gates().len()
        );
    }
}
