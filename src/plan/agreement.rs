//! What the parties of a run must have in common.

use crate::program::Program;
use crate::protocol::{Lowered, Protocol};
use serde::Serialize;
use std::io::Write as _;

/// The facts of a run and the digest of all its plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Names and values, in an order in which the first difference says most; the digest is the last.
    pub fields: Vec<(String, String)>,
    /// BLAKE3 over every role's steps, buffers and correlations.
    pub digest: [u8; 32],
}

impl Agreement {
    /// What parties must agree on to run `program` by `protocol`.
    pub fn new(protocol: Protocol, program: &Program, lowered: &Lowered) -> Agreement {
        let mut fields: Vec<(String, String)> = vec![
            ("protocol".into(), protocol.to_string()),
            ("ring_bits".into(), program.ring().bits().to_string()),
            ("fraction_bits".into(), program.codec().fraction_bits().to_string()),
        ];
        for input in program.inputs() {
            let bound = input.bound.map_or_else(String::new, |bound| format!(", bound {bound}"));
            let resident = if input.resident { ", resident" } else { "" };
            let value = format!("{} of {}{bound}{resident}", input.shape, input.owner);
            fields.push((format!("input {}", input.name), value));
        }
        for (index, value) in program.values().iter().enumerate() {
            let value = format!("{:?} giving {}", value.op, value.shape);
            fields.push((format!("op {index}"), value));
        }
        for output in program.outputs() {
            let to: Vec<String> = output.to.iter().map(|party| party.to_string()).collect();
            fields.push((
                format!("output {}", output.name),
                format!("%{} to {}", output.value.0, to.join(", ")),
            ));
        }
        let digest = digest(lowered);
        fields.push(("plan digest".into(), blake3::Hash::from(digest).to_hex().to_string()));
        Agreement { fields, digest }
    }
}

/// The digest of all steps. Their serialised form is the same on every machine: it has no maps and no floats.
fn digest(lowered: &Lowered) -> [u8; 32] {
    struct Sink(blake3::Hasher);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    fn absorb(sink: &mut impl std::io::Write, part: &impl Serialize) {
        serde_json::to_writer(&mut *sink, part).expect("steps serialise, and hashing cannot fail");
    }
    let mut sink = std::io::BufWriter::with_capacity(1 << 16, Sink(blake3::Hasher::new()));
    absorb(&mut sink, &lowered.parties);
    absorb(&mut sink, &lowered.demand);
    sink.flush().expect("hashing cannot fail");
    let Ok(sink) = sink.into_inner() else { unreachable!("hashing cannot fail") };
    *sink.0.finalize().as_bytes()
}
