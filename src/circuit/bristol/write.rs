//! Writing a circuit in Bristol Fashion.
//!
//! The last wires of a file are its outputs, each set by a gate of its own. So an output that is an input, a constant, or a bit
//! which is an output already is set by EQW, EQ or INV, and a gate whose wire is an output sets the wire of that output.

use crate::circuit::gate::{Bit, Circuit, Gate};

/// The file of a circuit. It does not say whose inputs are, nor who learns the outputs.
pub fn write(circuit: &Circuit) -> String {
    let mut file = File::new(circuit);
    for wire in 1..circuit.first_gate_wire() {
        file.invert(wire);
    }
    for (wire, gate) in (circuit.first_gate_wire()..).zip(circuit.gates()) {
        let (reads, kind) = match *gate {
            Gate::Xor(a, b) => ([Bit::of_wire(a), Bit::of_wire(b)], "XOR"),
            Gate::And(a, b) => ([a, b], "AND"),
        };
        let reads = reads.map(|bit| file.number(bit));
        file.gate(&reads, file.numbers[wire], kind);
        file.invert(wire);
    }
    for at in 0..file.outputs.len() {
        let (bit, number) = (file.outputs[at], file.first_output + at);
        let wire = bit.wire() as usize;
        match bit.value() {
            Some(value) => file.gate(&[usize::from(value)], number, "EQ"),
            None if bit.is_inverted() => file.gate(&[file.numbers[wire]], number, "INV"),
            None if file.numbers[wire] != number => file.gate(&[file.numbers[wire]], number, "EQW"),
            None => {}
        }
    }
    file.finish(circuit)
}

/// A file that is being written.
struct File {
    outputs: Vec<Bit>,
    /// The file's number of each wire: of inputs, of gates that set no output, of inversions, and last of outputs.
    numbers: Vec<usize>,
    /// The number of each wire's inversion, where a gate reads it.
    inversions: Vec<Option<usize>>,
    first_output: usize,
    lines: String,
    gates: usize,
}

impl File {
    fn new(circuit: &Circuit) -> File {
        let first_gate = circuit.first_gate_wire();
        let wires = first_gate + circuit.gates().len();
        let outputs: Vec<Bit> = circuit.outputs().iter().flat_map(|output| &output.bits).copied().collect();
        // Outputs whose wire the gate that computes it sets: the first of each gate, where it is not inverted.
        let mut output_of = vec![None; wires];
        for (at, bit) in outputs.iter().enumerate().rev() {
            if bit.wire() as usize >= first_gate && !bit.is_inverted() {
                output_of[bit.wire() as usize] = Some(at);
            }
        }
        let mut is_read_inverted = vec![false; wires];
        for gate in circuit.gates() {
            if let Gate::And(a, b) = gate {
                let inverted = [a, b].into_iter().filter(|bit| bit.is_inverted());
                inverted.for_each(|bit| is_read_inverted[bit.wire() as usize] = true);
            }
        }
        let mut next = circuit.input_bits();
        let mut fresh = || {
            next += 1;
            next - 1
        };
        let mut numbers: Vec<usize> = (0..wires)
            .map(|wire| match output_of[wire] {
                None if wire >= first_gate => fresh(),
                _ => wire.wrapping_sub(1),
            })
            .collect();
        let inversions = is_read_inverted.iter().map(|&is_read| is_read.then(&mut fresh)).collect();
        let first_output = next;
        for (number, output) in numbers.iter_mut().zip(&output_of) {
            *number = output.map_or(*number, |at| first_output + at);
        }
        File { outputs, numbers, inversions, first_output, lines: String::new(), gates: 0 }
    }

    /// The number of a bit that a gate reads.
    fn number(&self, bit: Bit) -> usize {
        let wire = bit.wire() as usize;
        match bit.is_inverted() {
            true => self.inversions[wire].expect("the inversion of a bit that is read inverted"),
            false => self.numbers[wire],
        }
    }

    /// Writes the inversion of a wire, where a gate reads it.
    fn invert(&mut self, wire: usize) {
        if let Some(number) = self.inversions[wire] {
            self.gate(&[self.numbers[wire]], number, "INV");
        }
    }

    fn gate(&mut self, reads: &[usize], sets: usize, kind: &str) {
        self.gates += 1;
        self.lines += &format!("{} 1 ", reads.len());
        reads.iter().for_each(|wire| self.lines += &format!("{wire} "));
        self.lines += &format!("{sets} {kind}\n");
    }

    fn finish(self, circuit: &Circuit) -> String {
        let counted = |bits: &mut dyn ExactSizeIterator<Item = usize>| {
            bits.len().to_string() + &bits.map(|bits| format!(" {bits}")).collect::<String>()
        };
        format!(
            "{} {}\n{}\n{}\n\n{}",
            self.gates,
            self.first_output + self.outputs.len(),
            counted(&mut circuit.inputs().iter().map(|input| input.bits)),
            counted(&mut circuit.outputs().iter().map(|output| output.bits.len())),
            self.lines
        )
    }
}
