//! Boolean circuits from files, and the bench of garbling.

use crate::support::{Folder, json, refused};

/// a ∧ b and a ⊕ b of two bits each; the last AND is of bits that an earlier one has.
const FILE: &str =
    "5 9\n2 2 2\n1 4\n\n2 1 0 2 4 AND\n2 1 1 3 5 AND\n2 1 0 2 6 XOR\n2 1 1 3 7 XOR\n2 1 2 0 8 AND\n";

#[test]
fn a_circuit_is_priced_for_a_link() {
    let folder = Folder::new();
    folder.text("both.txt", FILE);
    let one = json(&folder.run(&["circuit", "both.txt", "--json"]));
    assert_eq!(one["format"], "Bristol Fashion");
    assert_eq!(
        (one["file_gates"].as_u64(), one["and_gates"].as_u64()),
        (Some(5), Some(2)),
        "equal gates are one"
    );
    assert_eq!((one["xor_gates"].as_u64(), one["and_depth"].as_u64()), (Some(2), Some(1)));
    assert_eq!((one["table_bytes"].as_u64(), one["transfers"].as_u64()), (Some(64), Some(2)));
    let many =
        json(&folder.run(&["circuit", "both.txt", "--evaluations", "1000", "--link", "wan", "--json"]));
    assert_eq!(many["table_bytes"].as_u64(), Some(64_000));
    let bytes =
        many["garbler_bytes"].as_u64().expect("bytes") + many["evaluator_bytes"].as_u64().expect("bytes");
    let expected = bytes as f64 * 8.0 / 1e8 + 0.04;
    let predicted = many["link_s"].as_f64().expect("seconds");
    assert!((predicted - expected).abs() < 1e-6, "{predicted} s where {expected} s are due");
    let text = folder.run(&["circuit", "both.txt"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("bytes of tables"), "a table for people");
}

#[test]
fn a_file_that_is_no_circuit_is_refused_with_its_line() {
    let folder = Folder::new();
    folder.text("circle.txt", &FILE.replace("2 1 0 2 4 AND", "2 1 0 8 4 AND"));
    let line = refused(&folder, &["circuit", "circle.txt"], 2);
    assert!(line.contains("circle.txt: line 5 (gate 0): wire 8 is read before any gate sets it"), "{line}");
    folder.text("lie.txt", "2000000000 2000000001\n1 1\n1 1\n");
    let line = refused(&folder, &["circuit", "lie.txt"], 2);
    assert!(line.contains("claims 2000000000 gates"), "{line}");
    folder.text("both.txt", FILE);
    let line = refused(&folder, &["circuit", "both.txt", "--garbler-inputs", "3"], 2);
    assert!(line.contains("2 inputs"), "{line}");
    refused(&folder, &["circuit", "nothing.txt"], 2);
}

#[test]
fn garbling_is_measured_beside_the_hash() {
    let folder = Folder::new();
    let report = json(&folder.run(&["bench", "garbled", "--gates", "1000", "--rounds", "1", "--json"]));
    assert!(report["hash_garbling_per_s"].as_f64() > Some(0.0));
    for circuit in report["circuits"].as_array().expect("circuits") {
        assert_eq!(circuit["bytes_per_gate"].as_f64(), Some(32.0), "{circuit}");
        assert!(circuit["end_to_end_gates_per_s"].as_f64() > Some(0.0), "{circuit}");
    }
}
