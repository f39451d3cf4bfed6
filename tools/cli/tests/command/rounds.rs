//! What a round asks of a device's driver, as `bench rounds` counts it.

use crate::support::{Folder, json};
use serde_json::Value;
use symbolon::device::gpu;

/// The command fails by itself where a counter exceeds its table: here it must also have counted.
#[test]
fn no_counter_of_a_round_exceeds_its_table() {
    let report = json(&Folder::new().run(&["bench", "rounds", "--rounds", "40", "--runs", "2", "--json"]));
    let runs = report["runs"].as_array().expect("runs");
    assert_eq!(report["excesses"], Value::Array(Vec::new()));
    let devices = if gpu::adapters().is_empty() { 1 } else { 2 };
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
}
