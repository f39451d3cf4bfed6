//! A garbled job's circuit, and the numbers that go into its wires and come out of them.

use super::Order;
use crate::data::OutputData;
use std::collections::BTreeMap;
use std::sync::Arc;
use symbolon::circuit::Schedule;
use symbolon::circuit::garble::{Bits, Price};
use symbolon::program::{Dims, Kind, Program};
use symbolon::protocol::garbled::Numbers;
use symbolon::ring::{Elements, FixedPoint};
use symbolon::share::{Parties, PartyId};

/// The figures of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitFigures {
    /// AND gates.
    pub and_gates: usize,
    /// XOR gates.
    pub xor_gates: usize,
    /// Most AND gates one behind the other.
    pub and_depth: usize,
    /// The most AND gates that can be hashed at once.
    pub widest_layer: usize,
}

/// A garbled job's circuit, for inputs of known shapes.
pub struct GarbledProgram {
    /// In the order in which it is garbled.
    pub schedule: Arc<Schedule>,
    /// Rows that go through the circuit side by side.
    pub evaluations: usize,
    /// Its figures.
    pub figures: CircuitFigures,
    /// The program, where it was made of steps.
    pub program: Option<Program>,
    pub(super) order: Order,
    pub(super) codec: FixedPoint,
    pub(super) inputs: Vec<Argument>,
    pub(super) outputs: Vec<Outcome>,
}

/// An input of the circuit, in its order.
pub(super) struct Argument {
    pub name: String,
    pub owner: PartyId,
    /// The numbers of a row.
    pub numbers: Numbers,
}

/// An output of the circuit, in its order.
pub(super) struct Outcome {
    pub name: String,
    pub to: Parties,
    pub numbers: Numbers,
    pub dims: Dims,
    pub kind: Kind,
}

impl GarbledProgram {
    /// What a run takes.
    pub fn price(&self) -> Price {
        Price::of(&self.schedule, self.evaluations)
    }

    /// A party's bits, of its inputs' elements.
    ///
    /// # Errors
    /// Where a number has more bits than the job says; the input's name.
    ///
    /// # Panics
    /// Where an input is missing.
    pub fn encode(&self, party: PartyId, elements: &BTreeMap<String, Elements>) -> Result<Bits, String> {
        let mut widths = Vec::new();
        let mut rows: Vec<Vec<u64>> = vec![Vec::new(); self.evaluations];
        for argument in self.inputs.iter().filter(|argument| argument.owner == party) {
            let Numbers { count, bits, .. } = argument.numbers;
            let numbers = elements[&argument.name].to_u64();
            let ring = self.codec.ring();
            let fits = |&number: &u64| {
                let signed = if argument.numbers.signed { ring.signed(number) as u64 } else { number };
                let kept = if bits == 64 { signed } else { signed & ((1 << bits) - 1) };
                argument.numbers.extended(kept) == signed
            };
            if !numbers.iter().all(fits) {
                return Err(argument.name.clone());
            }
            widths.extend(std::iter::repeat_n(bits, count));
            for (row, numbers) in rows.iter_mut().zip(numbers.chunks(count.max(1))) {
                match self.order {
                    Order::Little => row.extend(numbers),
                    Order::Big => row.extend(numbers.iter().rev()),
                }
            }
        }
        Ok(Bits::from_numbers(&widths, &rows))
    }

    /// The outputs that a party learns, by name, of the bits that it learns.
    pub fn decode(&self, party: PartyId, bits: &Bits) -> BTreeMap<String, OutputData> {
        let learnt = || self.outputs.iter().filter(|output| output.to.contains(party));
        let widths: Vec<usize> = learnt()
            .flat_map(|output| std::iter::repeat_n(output.numbers.bits, output.numbers.count))
            .collect();
        let rows = bits.to_numbers(&widths);
        let ring = self.codec.ring();
        let mut first = 0;
        let mut outputs = BTreeMap::new();
        for output in learnt() {
            let Numbers { count, .. } = output.numbers;
            let of_row = |row: &Vec<u64>| {
                let mut numbers: Vec<u64> = row[first..first + count].to_vec();
                if self.order == Order::Big {
                    numbers.reverse();
                }
                numbers
            };
            let numbers = rows.iter().flat_map(of_row);
            let elements = numbers.map(|number| ring.reduce(output.numbers.extended(number)));
            let elements = Elements::from_integers(ring, elements);
            first += count;
            let (dims, kind, codec) = (output.dims, output.kind, self.codec);
            outputs.insert(output.name.clone(), OutputData { dims, kind, codec, elements });
        }
        outputs
    }
}
