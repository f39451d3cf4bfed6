//! The reader of circuits, for fuzzing: it must not panic, or take memory that the bytes do not pay for.

use super::{read, read_for, read_header, write};
use crate::share::{Parties, PartyId};

/// Reads the bytes as a circuit. What is read is written, and read again as the same function.
pub fn bristol(bytes: &[u8]) {
    let Ok(header) = read_header(bytes) else { return };
    assert!(header.gates <= bytes.len(), "a gate takes bytes");
    let _ = read(bytes);
    let owners = vec![PartyId(0); header.inputs.len()];
    let Ok(circuit) = read_for(bytes, &owners, &vec![Parties::first(2); header.outputs.len()]) else {
        return;
    };
    let inputs: Vec<u64> =
        (1..).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).take(circuit.input_bits()).collect();
    let text = write(&circuit);
    let again = read_for(text.as_bytes(), &owners, &vec![Parties::first(2); header.outputs.len()]);
    let again = match again {
        Ok(again) => again,
        // Inputs that no gate reads can outnumber the bytes of a file without them.
        Err(_) if circuit.input_bits() > text.len() => return,
        Err(error) => panic!("what is written is read: {error}"),
    };
    assert_eq!(circuit.evaluate_sliced(&inputs), again.evaluate_sliced(&inputs), "the same function");
}
