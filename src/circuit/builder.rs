//! Building a circuit bit by bit: constants are folded, equal gates shared, and gates that no output needs left out.
//!
//! Inversion is free: a [`Bit`] says whether it is inverted, an XOR hands the inversions of its operands on, and an AND
//! reads its operands with them. So no gate has a constant or twice the same wire as an operand.

use super::gate::{Bit, Circuit, Gate, Input, MOST_WIRES, Output};
use super::word::Word;
use crate::share::{Parties, PartyId};
use std::collections::HashMap;

/// What sets a wire while a circuit is being built.
#[derive(Clone, Copy)]
enum Source {
    /// The constant, or an input bit.
    Given,
    Gate(Gate),
}

/// A circuit that is being built.
pub struct Builder {
    /// By wire.
    sources: Vec<Source>,
    /// The wires of input bits, in order.
    given: Vec<u32>,
    known: HashMap<Gate, u32>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// A circuit without inputs, gates or outputs.
    pub fn new() -> Builder {
        Builder {
            sources: vec![Source::Given],
            given: Vec::new(),
            known: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// An input of so many bits, lowest first.
    ///
    /// # Panics
    /// Where the circuit would have more than [`MOST_WIRES`] wires; so do all others that add wires.
    pub fn input(&mut self, owner: PartyId, bits: usize) -> Word {
        self.inputs.push(Input { owner, bits });
        let wires: Vec<u32> = (0..bits).map(|_| self.wire(Source::Given)).collect();
        self.given.extend(&wires);
        wires.into_iter().map(Bit::of_wire).collect()
    }

    /// An output: who learns which bits.
    pub fn output(&mut self, to: Parties, bits: &[Bit]) {
        self.outputs.push(Output { to, bits: bits.to_vec() });
    }

    /// a ⊕ b.
    pub fn xor(&mut self, a: Bit, b: Bit) -> Bit {
        let inverted = a.is_inverted() ^ b.is_inverted();
        let wire = match (a.wire(), b.wire()) {
            (a, b) if a == b => 0,
            (0, other) | (other, 0) => other,
            (a, b) => self.gate(Gate::Xor(a.min(b), a.max(b))),
        };
        Bit::of_wire(wire).inverted_if(inverted)
    }

    /// a ∧ b.
    pub fn and(&mut self, a: Bit, b: Bit) -> Bit {
        match (a, b) {
            (Bit::FALSE, _) | (_, Bit::FALSE) => Bit::FALSE,
            (Bit::TRUE, other) | (other, Bit::TRUE) => other,
            (a, b) if a == b => a,
            (a, b) if a == !b => Bit::FALSE,
            (a, b) => Bit::of_wire(self.gate(Gate::And(a.min(b), a.max(b)))),
        }
    }

    /// a ∨ b: one AND.
    pub fn or(&mut self, a: Bit, b: Bit) -> Bit {
        !self.and(!a, !b)
    }

    /// `a` where `condition` is 1, else `b`: one AND.
    pub fn choose(&mut self, condition: Bit, a: Bit, b: Bit) -> Bit {
        let differ = self.xor(a, b);
        let change = self.and(condition, differ);
        self.xor(b, change)
    }

    /// The circuit of those gates that an output needs.
    pub fn finish(self) -> Circuit {
        let mut is_needed = vec![false; self.sources.len()];
        let outputs = self.outputs.iter().flat_map(|output| &output.bits);
        outputs.for_each(|bit| is_needed[bit.wire() as usize] = true);
        for (wire, source) in self.sources.iter().enumerate().rev() {
            if let (true, Source::Gate(gate)) = (is_needed[wire], source) {
                gate.wires().into_iter().for_each(|wire| is_needed[wire as usize] = true);
            }
        }
        let mut numbers = vec![0u32; self.sources.len()];
        for (number, &wire) in (1..).zip(&self.given) {
            numbers[wire as usize] = number;
        }
        let moved = |numbers: &[u32], bit: Bit| {
            Bit::of_wire(numbers[bit.wire() as usize]).inverted_if(bit.is_inverted())
        };
        let mut gates = Vec::new();
        for (wire, source) in self.sources.iter().enumerate() {
            let (true, Source::Gate(gate)) = (is_needed[wire], source) else { continue };
            numbers[wire] = (1 + self.given.len() + gates.len()) as u32;
            gates.push(match *gate {
                Gate::Xor(a, b) => Gate::Xor(numbers[a as usize], numbers[b as usize]),
                Gate::And(a, b) => Gate::And(moved(&numbers, a), moved(&numbers, b)),
            });
        }
        let renumber = |output: Output| {
            let bits = output.bits.into_iter().map(|bit| moved(&numbers, bit)).collect();
            Output { to: output.to, bits }
        };
        Circuit { inputs: self.inputs, gates, outputs: self.outputs.into_iter().map(renumber).collect() }
    }

    /// The wire of a gate, which is shared where there is the same one already.
    fn gate(&mut self, gate: Gate) -> u32 {
        if let Some(&wire) = self.known.get(&gate) {
            return wire;
        }
        let wire = self.wire(Source::Gate(gate));
        self.known.insert(gate, wire);
        wire
    }

    fn wire(&mut self, source: Source) -> u32 {
        assert!(self.sources.len() < MOST_WIRES, "a circuit has at most {MOST_WIRES} wires");
        self.sources.push(source);
        (self.sources.len() - 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_equal_operands_make_no_gates() {
        let mut builder = Builder::new();
        let a = builder.input(PartyId(0), 1)[0];
        assert_eq!(builder.and(a, Bit::TRUE), a);
        assert_eq!(builder.and(Bit::FALSE, a), Bit::FALSE);
        assert_eq!(builder.and(a, !a), Bit::FALSE);
        assert_eq!(builder.or(a, !a), Bit::TRUE);
        assert_eq!(builder.xor(a, Bit::TRUE), !a);
        assert_eq!(builder.xor(a, !a), Bit::TRUE);
        assert_eq!(builder.choose(Bit::TRUE, a, !a), a);
        assert!(builder.finish().gates().is_empty());
    }

    #[test]
    fn equal_gates_are_shared_and_dead_ones_left_out() {
        let mut builder = Builder::new();
        let word = builder.input(PartyId(0), 3);
        let (a, b, c) = (word[0], word[1], word[2]);
        let first = builder.and(a, !b);
        let second = builder.and(!b, a);
        assert_eq!(first, second);
        assert_eq!(builder.xor(!a, b), !builder.xor(b, a), "inversions are carried on");
        builder.and(a, c);
        let sum = builder.xor(first, c);
        builder.output(Parties::first(1), &[sum, !sum]);
        let circuit = builder.finish();
        assert_eq!((circuit.and_count(), circuit.xor_count(), circuit.and_depth()), (1, 1, 1));
    }
}
