//! The circuit of a garbled job whose circuit is in a file, or is built in.

use super::numbers::{Argument, GarbledProgram, Outcome};
use super::{BUILTIN, CircuitFile, GarbledJob};
use crate::JobError;
use crate::job::Owner;
use std::collections::BTreeMap;
use symbolon::circuit::{Builder, Circuit, MOST_WIRES, bristol, primitives};
use symbolon::program::{Dims, Kind};
use symbolon::protocol::garbled::{MOST_GATES, Numbers};
use symbolon::ring::{Ring, Shape};
use symbolon::session::Offer;
use symbolon::share::{Parties, PartyId};

impl GarbledJob {
    pub(super) fn of_circuit(
        &self,
        file: &CircuitFile,
        offers: &BTreeMap<String, Offer>,
    ) -> Result<GarbledProgram, JobError> {
        let base = &self.base;
        if base.codec.ring() != Ring::Z64 {
            return Err(base.wrong("a circuit takes numbers of up to 64 bits: ring_bits = 64".to_owned()));
        }
        let (evaluations, inputs) = self.arguments(file, offers)?;
        let owners: Vec<PartyId> = inputs.iter().map(|input| input.owner).collect();
        let recipients = |name: &String| base.outputs[name].to.iter().map(|&to| PartyId(to)).collect();
        let recipients: Vec<Parties> = file.results.iter().map(recipients).collect();
        let width = |input: &Argument| {
            let width = input.numbers.count.checked_mul(input.numbers.bits);
            let wide = || base.wrong(format!("a row of input '{}' is too long", input.name));
            width.filter(|&width| width <= MOST_WIRES / 4).ok_or_else(wide)
        };
        let widths: Vec<usize> = inputs.iter().map(width).collect::<Result<_, _>>()?;
        let circuit = match file.name.strip_prefix(BUILTIN) {
            Some(name) => {
                builtin(name, &widths, &owners, &recipients).map_err(|reason| base.wrong(reason))?
            }
            None => {
                let (path, bytes) = self.circuit_bytes(file)?;
                // What else is wrong with the file, reading it says.
                if let Some(header) =
                    bristol::read_header(&bytes).ok().filter(|header| header.inputs.len() == inputs.len())
                {
                    self.check_widths(&inputs, &header.inputs)?;
                }
                let read = bristol::read_for(&bytes, &owners, &recipients);
                read.map_err(|error| JobError::Circuit { path, error })?
            }
        };
        let outputs: Result<Vec<Outcome>, JobError> = file
            .results
            .iter()
            .zip(circuit.outputs())
            .map(|(name, output)| {
                let bits = base.outputs[name].bits.unwrap_or(1) as usize;
                if !output.bits.len().is_multiple_of(bits) {
                    let found = output.bits.len();
                    let reason =
                        format!("output '{name}' has {found} bits, which are no numbers of {bits} bits");
                    return Err(base.wrong(reason));
                }
                let kind = base.outputs[name].kind.unwrap_or(Kind::U64);
                let numbers = Numbers { count: output.bits.len() / bits, bits, signed: kind.is_signed() };
                if kind.width().is_none_or(|width| (width.bits() as usize) < bits) {
                    return Err(base.wrong(format!("output '{name}': no {kind} has {bits} bits")));
                }
                let dims = Dims::from(Shape::new(evaluations, numbers.count));
                Ok(Outcome { name: name.clone(), to: output.to, numbers, dims, kind })
            })
            .collect();
        Ok(self.formed(&circuit, evaluations, inputs, outputs?))
    }

    /// Holds rows against the bits that a circuit takes.
    fn check_widths(&self, inputs: &[Argument], due: &[usize]) -> Result<(), JobError> {
        for (argument, &due) in inputs.iter().zip(due) {
            let Numbers { count, bits, .. } = argument.numbers;
            if count * bits != due {
                return Err(self.base.wrong(format!(
                    "a row of input '{}' has {count} numbers of {bits} bits, and the circuit takes {due} bits",
                    argument.name
                )));
            }
        }
        Ok(())
    }

    /// The arguments of a circuit, and the rows that all of them have.
    fn arguments(
        &self,
        file: &CircuitFile,
        offers: &BTreeMap<String, Offer>,
    ) -> Result<(usize, Vec<Argument>), JobError> {
        let mut rows: Option<(usize, &String)> = None;
        let mut arguments = Vec::new();
        for name in &file.arguments {
            let input = &self.base.inputs[name];
            let extents = offers[name].shape.extents().to_vec();
            let (&count, others) = extents.split_last().unwrap_or((&1, &[]));
            let own = others.iter().fold(1usize, |rows, &extent| rows.saturating_mul(extent));
            match rows {
                Some((rows, first)) if rows != own => {
                    return Err(self.base.wrong(format!(
                        "input '{name}' has {own} rows and input '{first}' {rows}: each row is one evaluation of the circuit"
                    )));
                }
                _ => rows = Some((own, name)),
            }
            let bits = input.bits.unwrap_or(1) as usize;
            let numbers = Numbers { count, bits, signed: input.kind.is_some_and(Kind::is_signed) };
            let Owner::Party(owner) = input.owner else { continue };
            arguments.push(Argument { name: name.clone(), owner: PartyId(owner), numbers });
        }
        match rows {
            Some((rows, _)) if rows > 0 => Ok((rows, arguments)),
            _ => Err(self.base.wrong("the circuit's inputs have no rows".to_owned())),
        }
    }
}

/// A circuit that needs no file, for arguments of these widths.
fn builtin(name: &str, widths: &[usize], owners: &[PartyId], to: &[Parties]) -> Result<Circuit, String> {
    let &[first, second] = widths else { return Err(format!("{BUILTIN}{name} takes two arguments")) };
    let &[to] = to else { return Err(format!("{BUILTIN}{name} has one result")) };
    // Blocks, and about how many gates each takes.
    let hash_gates =
        |block_bits: usize, gates: u64| (first + second + 2 * 64 + 1).div_ceil(block_bits) as u64 * gates;
    let gates = match name {
        "sha256" => hash_gates(512, 24_000),
        "sha512" => hash_gates(1024, 60_000),
        _ => (first + second) as u64,
    };
    if gates > MOST_GATES {
        return Err(format!(
            "{BUILTIN}{name} of so many bits has about {gates} AND gates, above {MOST_GATES}"
        ));
    }
    let mut builder = Builder::new();
    let inputs = [(owners[0], first), (owners[1], second)].map(|(owner, bits)| builder.input(owner, bits));
    let hash = match name {
        "aes128" if (first, second) == (128, 128) => {
            let block = builder.aes128(&inputs[0], &inputs[1]);
            builder.output(to, &block);
            return Ok(builder.finish());
        }
        "aes128" => return Err(format!("{BUILTIN}aes128 takes a key and a block of 128 bits each")),
        "sha256" => primitives::Sha2::Sha256,
        "sha512" => primitives::Sha2::Sha512,
        _ => return Err(format!("there is no {BUILTIN}{name}: aes128, sha256 and sha512 are there")),
    };
    if !(first + second).is_multiple_of(8) {
        return Err(format!("{BUILTIN}{name} takes a message of whole bytes"));
    }
    let hash = builder.sha2(hash, &inputs.concat());
    builder.output(to, &hash);
    Ok(builder.finish())
}
