//! What the parties of a run must have in common.

use super::Supply;
use crate::correlation::Demand;
use crate::program::Program;
use crate::protocol::Protocol;
use crate::share::Terms;
use crate::step::StepList;
use serde::Serialize;
use std::collections::BTreeMap;

/// The facts of a run and the digest of all its plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The facts of the run; the digest is the last.
    pub fields: Terms,
    /// BLAKE3 over every role's steps, buffers and correlations.
    pub digest: [u8; 32],
    /// BLAKE3 over the facts of the program alone, whatever its tiles and the number of its runs: of a public value by run it
    /// has what kind of value it is, and of an output not how often it is revealed.
    pub program: [u8; 32],
}

impl Agreement {
    /// What parties must agree on to run `program` by `protocol`.
    pub fn new(
        protocol: Protocol,
        program: &Program,
        parties: &[StepList],
        demand: &Demand,
        supply: Supply,
    ) -> Agreement {
        let mut fields = Terms::default();
        fields.add("protocol", protocol);
        fields.add("ring_bits", program.ring().bits());
        fields.add("fraction_bits", program.codec().fraction_bits());
        for input in program.inputs() {
            let bound = input.bound.map_or_else(String::new, |bound| format!(", bound {bound}"));
            let resident = if input.resident { ", resident" } else { "" };
            let value = format!("{} of {}{bound}{resident}", input.shape, input.owner);
            fields.add(format!("input {}", input.name), value);
        }
        for state in program.states() {
            let bound = state.bound.map_or_else(String::new, |bound| format!(", bound {bound}"));
            let update = state.update.map_or_else(String::new, |update| format!("%{}", update.0));
            let value = format!("{} from {}{bound}, updated to {update}", state.dims, state.init);
            fields.add(format!("state {}", state.name), value);
        }
        // What stands in the digest of the program in place of facts that depend on the number of runs.
        let mut lasting: BTreeMap<String, String> = BTreeMap::new();
        for public in program.publics() {
            let name = format!("public value {}", public.name);
            lasting.insert(name.clone(), public.schedule.kind());
            fields.add(name, &public.schedule);
        }
        for (index, value) in program.values().iter().enumerate() {
            fields.add(format!("op {index}"), format!("{:?} giving {}", value.op, value.shape));
        }
        for output in program.outputs() {
            let to: Vec<String> = output.to.iter().map(|party| party.to_string()).collect();
            let every =
                if output.every == 1 { String::new() } else { format!(", every {} runs", output.every) };
            let (name, value) =
                (format!("output {}", output.name), format!("%{} to {}", output.value.0, to.join(", ")));
            fields.add(name.clone(), format!("{value}{every}"));
            lasting.insert(name, value);
        }
        let mut hasher = blake3::Hasher::new();
        let lasts = |name: &str| lasting.get(name).map(String::as_str);
        for text in fields.iter().flat_map(|(name, value)| [name, lasts(name).unwrap_or(value)]) {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        let program = *hasher.finalize().as_bytes();
        fields.add("correlations", supply);
        let digest = digest(parties, demand);
        fields.add("plan digest", blake3::Hash::from(digest).to_hex());
        Agreement { fields, digest, program }
    }
}

/// The digest of all steps and correlations. Their serialised form is the same on every machine: it has no hash maps and
/// no floats. It says how many elements follow wherever that is not fixed, so no two lists have the same.
fn digest(parties: &[StepList], demand: &Demand) -> [u8; 32] {
    let mut digest = Digest { hasher: blake3::Hasher::new(), bytes: Vec::new() };
    for list in parties {
        digest.absorb(&(list.role, list.ring, &list.buffers, list.steps.len()));
        list.steps.iter().for_each(|step| digest.absorb(step));
    }
    digest.absorb(demand);
    *digest.hasher.finalize().as_bytes()
}

struct Digest {
    hasher: blake3::Hasher,
    /// What is absorbed, kept for its memory.
    bytes: Vec<u8>,
}

impl Digest {
    fn absorb(&mut self, part: &impl Serialize) {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(part, bytes).expect("steps serialise");
        self.hasher.update(&self.bytes);
        self.bytes.clear();
    }
}
