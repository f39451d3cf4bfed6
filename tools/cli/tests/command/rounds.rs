//! What a round asks of a device's driver, as `bench rounds` counts it.

use crate::support::{Folder, declared, job, json};
use serde_json::Value;
use symbolon::device::gpu;

/// The command fails by itself where a counter exceeds its table: here it must also have counted.
#[test]
fn no_counter_of_a_round_exceeds_its_table() {
    let report = json(&Folder::new().run(&["bench", "rounds", "--rounds", "40", "--runs", "3", "--json"]));
    let runs = report["runs"].as_array().expect("runs");
    assert_eq!(report["excesses"], Value::Array(Vec::new()));
    // The CPU; an adapter that each role opens; one that all share.
    let devices = if gpu::adapters().is_empty() { 1 } else { 3 };
    assert_eq!(runs.len(), 3 * devices, "three programs on each device: {report}");
    for run in runs {
        assert!(run["rounds"].as_u64() > Some(0) && run["exchanges"].as_u64() > Some(0), "{run}");
    }
    for run in &runs[3..] {
        let counted = |name: &str| run["counters"][name].as_u64().expect("a counter");
        let exchanges = run["exchanges"].as_u64().expect("a number");
        assert!(counted("submits") * 2 > exchanges, "what is sent was submitted: {run}");
        assert!(counted("dispatches") > 0 && counted("bytes downloaded") > 0, "{run}");
        assert_eq!(counted("bind groups made") + counted("buffers made") + counted("fills"), 0, "{run}");
    }
    // A session counts its own: what a plan runs and reads is the same beside others on the device.
    for (own, shared) in runs[3..].iter().zip(&runs[6.min(runs.len())..]) {
        assert_eq!(own["program"], shared["program"]);
        for name in ["dispatches", "bytes downloaded"] {
            assert_eq!(own["counters"][name], shared["counters"][name], "{name}: {shared}");
        }
    }
}

/// Between two H200s on 10 Gbit/s a private product of 16384³ takes what the wire does, and hardly more.
#[test]
fn a_large_product_is_priced_at_the_busier_of_products_and_wire() {
    let folder = Folder::new();
    let text = declared(&job(64, 0, "z = x @ w"), [16_384; 2], [16_384; 2]);
    folder.text("job.toml", &text);
    let plan = ["plan", "job.toml", "--device-model", "h200", "--link", "lan", "--json"];
    let report = json(&folder.run(&plan));
    let seconds = |of: &Value, name: &str| of[name].as_f64().expect("seconds");
    let predicted = &report["predicted"];
    for party in predicted["parties"].as_array().expect("parties") {
        assert!(seconds(party, "transfer_s") > 0.0, "transfers have a lane of their own: {party}");
    }
    let busiest = |name: &str| {
        let parties = predicted["parties"].as_array().expect("parties").iter();
        parties.map(|party| seconds(party, name)).fold(0.0, f64::max)
    };
    let busier = busiest("device_s").max(busiest("wire_s"));
    assert!(seconds(predicted, "online_s") <= 1.1 * busier, "{predicted}");
}
