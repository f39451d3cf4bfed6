//! The circuit itself: gates in an order in which each reads only wires that are set before it.
//!
//! Wire 0 is the constant false, the next are the input bits in the order in which they were declared, and then each gate
//! sets one wire. Only a [`Builder`](super::Builder) makes a circuit, so that every gate reads earlier wires, none reads a
//! constant, and every gate is needed by an output.

use crate::share::{Parties, PartyId};
use std::ops::Not;

/// Most wires of a circuit.
pub const MOST_WIRES: usize = (u32::MAX >> 1) as usize;

/// A bit of a circuit: a wire or its inversion. Wire 0 is the constant false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bit(u32);

impl Bit {
    /// The constant 0.
    pub const FALSE: Bit = Bit(0);
    /// The constant 1.
    pub const TRUE: Bit = Bit(1);

    /// A constant.
    pub const fn constant(value: bool) -> Bit {
        Bit(value as u32)
    }

    /// The bit on a wire.
    pub(super) const fn of_wire(wire: u32) -> Bit {
        Bit(wire << 1)
    }

    /// The wire.
    pub const fn wire(self) -> u32 {
        self.0 >> 1
    }

    /// Whether the bit is the inversion of what its wire carries.
    pub const fn is_inverted(self) -> bool {
        self.0 & 1 != 0
    }

    /// The value, where it is a constant.
    pub const fn value(self) -> Option<bool> {
        match self.wire() {
            0 => Some(self.is_inverted()),
            _ => None,
        }
    }

    /// The bit, inverted where `inverted` says so.
    pub(super) const fn inverted_if(self, inverted: bool) -> Bit {
        Bit(self.0 ^ inverted as u32)
    }
}

impl Not for Bit {
    type Output = Bit;

    fn not(self) -> Bit {
        self.inverted_if(true)
    }
}

/// A gate. It sets the wire of its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// The exclusive or of two wires. Inversions are carried to those who read it.
    Xor(u32, u32),
    /// The conjunction of two bits.
    And(Bit, Bit),
}

impl Gate {
    /// The wires that it reads.
    pub const fn wires(self) -> [u32; 2] {
        match self {
            Gate::Xor(a, b) => [a, b],
            Gate::And(a, b) => [a.wire(), b.wire()],
        }
    }
}

/// An input: so many bits of one party, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Whose it is.
    pub owner: PartyId,
    /// Its bits.
    pub bits: usize,
}

/// An output: bits that some parties learn, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Who learns it.
    pub to: Parties,
    /// What they learn.
    pub bits: Vec<Bit>,
}

/// A Boolean circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    pub(super) inputs: Vec<Input>,
    pub(super) gates: Vec<Gate>,
    pub(super) outputs: Vec<Output>,
}

impl Circuit {
    /// The inputs, in the order in which they were declared.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The gates: the first sets wire [`first_gate_wire`](Circuit::first_gate_wire), and so on.
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// The outputs, in the order in which they were declared.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Bits of all inputs.
    pub fn input_bits(&self) -> usize {
        self.inputs.iter().map(|input| input.bits).sum()
    }

    /// Bits of one party's inputs.
    pub fn input_bits_of(&self, owner: PartyId) -> usize {
        self.inputs.iter().filter(|input| input.owner == owner).map(|input| input.bits).sum()
    }

    /// Bits of all outputs.
    pub fn output_bits(&self) -> usize {
        self.outputs.iter().map(|output| output.bits.len()).sum()
    }

    /// Bits that a party learns.
    pub fn output_bits_to(&self, party: PartyId) -> usize {
        let learnt = self.outputs.iter().filter(|output| output.to.contains(party));
        learnt.map(|output| output.bits.len()).sum()
    }

    /// The wire that the first gate sets.
    pub fn first_gate_wire(&self) -> usize {
        1 + self.input_bits()
    }

    /// AND gates, which are what garbling costs.
    pub fn and_count(&self) -> usize {
        self.gates.iter().filter(|gate| matches!(gate, Gate::And(..))).count()
    }

    /// XOR gates, which cost no bytes.
    pub fn xor_count(&self) -> usize {
        self.gates.len() - self.and_count()
    }

    /// Most AND gates on a path from an input to an output.
    pub fn and_depth(&self) -> usize {
        let mut depths = vec![0u32; self.first_gate_wire() + self.gates.len()];
        let first = self.first_gate_wire();
        for (at, &gate) in self.gates.iter().enumerate() {
            let [a, b] = gate.wires().map(|wire| depths[wire as usize]);
            depths[first + at] = a.max(b) + u32::from(matches!(gate, Gate::And(..)));
        }
        let outputs = self.outputs.iter().flat_map(|output| &output.bits);
        outputs.map(|bit| depths[bit.wire() as usize]).max().unwrap_or(0) as usize
    }

    /// A digest of the circuit: who gives how many bits, every gate, who learns what. Parties compare it.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon circuit 1: inputs, gates, outputs");
        let number = |hasher: &mut blake3::Hasher, value: usize| {
            hasher.update(&(value as u64).to_le_bytes());
        };
        number(&mut hasher, self.inputs.len());
        for input in &self.inputs {
            hasher.update(&[input.owner.0]);
            number(&mut hasher, input.bits);
        }
        number(&mut hasher, self.gates.len());
        let mut block = Vec::with_capacity(9 * 1024);
        for gates in self.gates.chunks(1024) {
            block.clear();
            for gate in gates {
                let (kind, a, b) = match *gate {
                    Gate::Xor(a, b) => (0, a, b),
                    Gate::And(a, b) => (1, a.0, b.0),
                };
                block.push(kind);
                block.extend(a.to_le_bytes());
                block.extend(b.to_le_bytes());
            }
            hasher.update(&block);
        }
        number(&mut hasher, self.outputs.len());
        for output in &self.outputs {
            number(&mut hasher, output.bits.len());
            hasher.update(&[output.to.iter().fold(0, |set, party| set | 1 << party.0)]);
            for bit in &output.bits {
                hasher.update(&bit.0.to_le_bytes());
            }
        }
        *hasher.finalize().as_bytes()
    }
}
