use super::{BristolError, Fault, Format, fuzz, read, read_for, read_header, write};
use crate::circuit::gate::Circuit;
use crate::circuit::{Builder, Sign, primitives};
use crate::share::{Parties, PartyId};
use crate::testing::corpus;

/// A full adder: a, b and carry of one party, sum and carry.
const ADDER: &str = "6 9\n3 1 1 1\n2 1 1\n\n2 1 0 1 3 XOR\n2 1 3 2 7 XOR\n2 1 0 2 4 XOR\n2 1 3 4 5 EQW2\n";

fn fault(text: &str) -> (usize, Option<usize>, Fault) {
    let BristolError { line, gate, fault } = read(text.as_bytes()).expect_err("a file that is wrong");
    (line, gate, fault)
}

#[test]
fn the_format_is_seen_from_the_header() {
    let fashion = "1 3\n2 1 1\n1 1\n\n2 1 0 1 2 AND\n";
    let old = "1 3\n1 1 1\n\n2 1 0 1 2 AND\n";
    assert_eq!(read_header(fashion.as_bytes()).expect("a header").format, Format::Fashion);
    assert_eq!(read_header(old.as_bytes()).expect("a header").format, Format::Old);
    assert_eq!(read(fashion.as_bytes()), read(old.as_bytes()), "the same circuit");
    let crlf = fashion.replace('\n', "\r\n");
    assert_eq!(read(crlf.as_bytes()), read(old.as_bytes()), "lines of another system");
}

#[test]
fn every_kind_of_gate_is_read() {
    let text =
        "6 10\n2 2 2\n1 4\n\n4 2 0 1 2 3 4 5 MAND\n1 1 4 6 INV\n1 1 1 7 EQ\n1 1 5 8 EQW\n2 1 6 0 9 XOR\n";
    let (line, gate, found) = fault(text);
    assert_eq!((line, gate, found), (10, None, Fault::Count { what: "gates", claimed: 6, found: 5 }));
    let circuit = read(text.replacen('6', "5", 1).as_bytes()).expect("a circuit");
    // ¬(a0 ∧ b0), 1, a1 ∧ b1, ¬(a0 ∧ b0) ⊕ a0.
    for value in 0..16u8 {
        let [a0, a1, b0, b1] = [0, 1, 2, 3].map(|at| value >> at & 1 != 0);
        let expected = [!(a0 && b0), true, a1 && b1, !(a0 && b0) ^ a0];
        assert_eq!(circuit.evaluate(&[a0, a1, b0, b1]), expected);
    }
}

#[test]
fn wrong_files_are_refused_with_the_line() {
    let head = "2 4\n2 1 1\n1 1\n\n";
    let gate = |first: &str, second: &str| fault(&format!("{head}{first}\n{second}\n"));
    assert_eq!(gate("2 1 0 3 2 XOR", "2 1 2 0 3 AND"), (5, Some(0), Fault::NotSet(3)), "a circle");
    assert_eq!(gate("2 1 0 1 2 XOR", "2 1 3 0 3 AND"), (6, Some(1), Fault::NotSet(3)), "itself");
    assert_eq!(gate("2 1 0 1 2 XOR", "2 1 0 9 3 AND"), (6, Some(1), Fault::NoWire { wire: 9, wires: 4 }));
    assert_eq!(gate("2 1 0 1 2 XOR", "2 1 0 1 9 AND"), (6, Some(1), Fault::NoWire { wire: 9, wires: 4 }));
    assert_eq!(gate("2 1 0 1 2 XOR", "2 1 0 1 2 AND"), (6, Some(1), Fault::SetTwice(2)));
    assert_eq!(gate("2 1 0 1 1 XOR", "2 1 0 1 2 AND"), (5, Some(0), Fault::SetTwice(1)), "an input");
    assert_eq!(gate("2 1 0 1 2 NAND", ""), (5, Some(0), Fault::UnknownGate("NAND".into())));
    assert_eq!(gate("2 1 0 2 XOR", ""), (5, Some(0), Fault::Numbers { expected: 3, found: 2 }));
    assert_eq!(gate("1 1 0 2 XOR", ""), (5, Some(0), Fault::Arity { kind: "XOR".into(), reads: 1, sets: 1 }));
    assert_eq!(gate("1 1 2 2 EQ", ""), (5, Some(0), Fault::NotABit(2)));
    assert_eq!(gate("2 1 0 x 2 XOR", ""), (5, Some(0), Fault::NotANumber("x".into())));
    assert_eq!(gate("XOR", ""), (5, Some(0), Fault::Numbers { expected: 2, found: 0 }));
    let missing = fault("1 4\n2 1 1\n1 1\n\n2 1 0 1 2 XOR\n");
    assert_eq!(missing.2, Fault::OutputNotSet(3));
    let more = fault("1 3\n2 1 1\n1 1\n\n2 1 0 1 2 XOR\n2 1 0 1 2 XOR\n");
    assert_eq!((more.0, more.2), (6, Fault::Count { what: "gates", claimed: 1, found: 2 }));
    assert_eq!(fault("").2, Fault::Ends("the numbers of gates and wires"));
    assert_eq!(fault("1 2 3\n").2, Fault::Numbers { expected: 2, found: 3 });
    assert!(
        matches!(fault(ADDER).2, Fault::Numbers { .. } | Fault::Roles { .. }),
        "three inputs name no parties"
    );
    let error = read(format!("{head}2 1 0 3 2 XOR\n").as_bytes()).expect_err("a circle");
    assert_eq!(error.to_string(), "line 5 (gate 0): wire 3 is read before any gate sets it");
}

#[test]
fn counts_that_lie_take_no_memory() {
    for text in [
        "2000000000 2000000001\n1 1\n1 1\n\n",
        "1 2000000000\n1 1\n1 1\n\n",
        "1 2000000000\n1 1999999999\n1 1\n\n",
        "1 20\n2 1 1\n1 1999999999\n\n",
        "1 1\n1 5\n1 1\n\n",
    ] {
        let (_, _, found) = fault(text);
        assert!(matches!(found, Fault::Count { .. }), "{text}: {found}");
    }
    assert!(matches!(fault("99999999999 3\n2 1 1\n1 1\n").2, Fault::NotANumber(_)));
    assert!(matches!(fault("1 3\n2000000000 1 1\n1 1\n").2, Fault::Numbers { .. }));
}

/// The same function: on random inputs, and with the same counts.
fn survives_a_round_trip(circuit: &Circuit) {
    let owners: Vec<PartyId> = circuit.inputs().iter().map(|input| input.owner).collect();
    let recipients: Vec<Parties> = circuit.outputs().iter().map(|output| output.to).collect();
    let text = write(circuit);
    let again = read_for(text.as_bytes(), &owners, &recipients).expect("what is written is read");
    assert_eq!(again.inputs(), circuit.inputs());
    assert_eq!((again.and_count(), again.xor_count()), (circuit.and_count(), circuit.xor_count()));
    let inputs: Vec<u64> =
        (1..).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).take(circuit.input_bits()).collect();
    assert_eq!(again.evaluate_sliced(&inputs), circuit.evaluate_sliced(&inputs));
}

#[test]
fn what_is_written_is_the_same_function() {
    let mut builder = Builder::new();
    let (a, b) = (builder.input(PartyId(0), 16), builder.input(PartyId(1), 16));
    let (quotient, remainder) = builder.divide(&a, &b, Sign::Signed);
    builder.output(Parties::first(2), &quotient);
    builder.output(Parties::first(1), &[remainder, b.clone()].concat());
    // Constants, inputs, and one bit three times.
    let last = builder.and(a[3], !b[2]);
    builder.output(
        Parties::first(2),
        &[last, !last, last, crate::circuit::Bit::TRUE, crate::circuit::Bit::FALSE, !a[0]],
    );
    survives_a_round_trip(&builder.finish());
    survives_a_round_trip(&primitives::aes128());
}

#[test]
fn circuits_of_the_corpus_are_survived() {
    corpus("bristol", fuzz::bristol);
}
