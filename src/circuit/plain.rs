//! The plain evaluator, which everything else is held against: 64 evaluations at a time, a bit of a word each.

use super::gate::{Bit, Circuit, Gate};

impl Circuit {
    /// All output bits, in order, of 64 evaluations at once: bit i of each word belongs to evaluation i.
    ///
    /// # Panics
    /// Where there is not one word for each input bit.
    pub fn evaluate_sliced(&self, inputs: &[u64]) -> Vec<u64> {
        assert_eq!(inputs.len(), self.input_bits(), "one word for each input bit");
        let mut wires = Vec::with_capacity(self.first_gate_wire() + self.gates.len());
        wires.push(0);
        wires.extend(inputs);
        let read = |wires: &[u64], bit: Bit| {
            wires[bit.wire() as usize] ^ u64::from(bit.is_inverted()).wrapping_neg()
        };
        for gate in &self.gates {
            wires.push(match *gate {
                Gate::Xor(a, b) => wires[a as usize] ^ wires[b as usize],
                Gate::And(a, b) => read(&wires, a) & read(&wires, b),
            });
        }
        let outputs = self.outputs.iter().flat_map(|output| &output.bits);
        outputs.map(|&bit| read(&wires, bit)).collect()
    }

    /// All output bits, in order.
    ///
    /// # Panics
    /// Where there is not one value for each input bit.
    pub fn evaluate(&self, inputs: &[bool]) -> Vec<bool> {
        let inputs: Vec<u64> = inputs.iter().map(|&bit| u64::from(bit)).collect();
        self.evaluate_sliced(&inputs).into_iter().map(|word| word & 1 != 0).collect()
    }
}
