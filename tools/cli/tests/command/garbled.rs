//! Garbled jobs: the examples against published vectors and plain results, circuits from files, and what is refused.

use crate::support::{Folder, json, refused};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/circuits")
}

/// Copies all files of a folder that end so.
fn copy(folder: &Folder, from: &Path, extension: &str) {
    for entry in std::fs::read_dir(from).expect("the examples are there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            std::fs::copy(&path, folder.path(&name)).expect("a file is copied");
        }
    }
}

/// The numbers of a table, row by row.
fn cells(text: &str) -> Vec<i64> {
    text.split([',', '\n']).filter_map(|cell| cell.trim().parse().ok()).collect()
}

/// Runs an example, holds its outputs against the expected ones and what it takes against its plan, and returns its report.
fn example(name: &str, outputs: &[&str]) -> Value {
    let folder = Folder::new();
    copy(&folder, &examples(), "csv");
    copy(&folder, &examples(), "toml");
    let job = format!("{name}.toml");
    let plan = json(&folder.run(&["plan", &job, "--json", "--link", "wan"]));
    let run = json(&folder.run(&["run", &job, "--local", "--json"]));
    for output in outputs {
        let read = |path: PathBuf| cells(&std::fs::read_to_string(path).expect("a table"));
        let expected = read(examples().join("expected").join(output));
        assert!(!expected.is_empty(), "{output} has numbers");
        assert_eq!(read(folder.path(output)), expected, "{output} of {name}");
    }
    assert_eq!((&run["protocol"], &plan["protocol"]), (&"garbled".into(), &"garbled".into()));
    assert_eq!(run["garbled"], plan["garbled"], "the circuit is as planned");
    assert_eq!(run["offline_bytes"], plan["offline_bytes"]);
    for party in 0..2 {
        let role = &run["parties"][party];
        assert_eq!(role["bytes_sent"], role["bytes_planned"], "party {party} sends what is planned");
        assert_eq!(role["bytes_sent"], plan["bytes_sent"][party]);
    }
    let offline = |party: usize| run["parties"][party]["offline_bytes_sent"].as_u64().expect("bytes");
    assert_eq!(Some(offline(0) + offline(1)), run["offline_bytes"].as_u64(), "{name}");
    assert_eq!(run["parties"][0]["rounds"], plan["rounds"], "corrections, tables, answer");
    let garbled = &run["garbled"];
    println!(
        "{name}: {} AND gates, {} deep, {} times, {} bytes online and {} offline, {} rounds, {} s",
        garbled["and_gates"],
        garbled["and_depth"],
        garbled["evaluations"],
        plan["bytes_sent"],
        run["offline_bytes"],
        plan["rounds"],
        run["online_s"]
    );
    run
}

#[test]
fn a_block_is_encrypted_under_the_others_key() {
    let run = example("aes", &["encrypted.csv"]);
    assert_eq!(run["garbled"]["evaluations"], 2, "a row is an evaluation");
    assert_eq!(run["outputs"][0]["to"], serde_json::json!([1]));
}

#[test]
fn a_split_message_is_hashed() {
    example("sha256", &["hash.csv"]);
}

#[test]
fn the_richer_of_two_is_found_by_one_gate_a_bit() {
    let run = example("millionaires", &["richer.csv"]);
    assert_eq!(run["garbled"]["and_gates"], 48);
    assert_eq!(run["trust"]["correlations_from"], "the two parties themselves");
}

#[test]
fn an_auction_sells_at_the_second_price() {
    example("auction", &["winner.csv", "price.csv"]);
}

#[test]
fn records_that_nearly_agree_are_counted() {
    example("matching", &["matches.csv"]);
}

#[test]
fn a_thousand_numbers_are_sorted() {
    example("sorting", &["sorted.csv"]);
}

#[test]
fn the_size_of_an_intersection_is_found_by_sorting() {
    example("intersection", &["size.csv"]);
}

/// a ∧ b and a ⊕ b of two bits each.
const FILE: &str = "4 8\n2 2 2\n2 2 2\n\n2 1 0 2 4 AND\n2 1 1 3 5 AND\n2 1 0 2 6 XOR\n2 1 1 3 7 XOR\n";

const JOB: &str = r#"
[job]
name = "both"
protocol = "garbled"
ring_bits = 64
[inputs]
x = { owner = 1, file = "x.csv", header = false, bits = 2 }
y = { owner = 0, file = "y.csv", header = false, bits = 2 }
[program]
circuit = "both.txt"
arguments = ["x", "y"]
results = ["and", "xor"]
[outputs]
and = { to = [0, 1], file = "and.csv", bits = 2 }
xor = { to = [0], file = "xor.csv", bits = 2, kind = "i32" }
"#;

fn folder(job: &str) -> Folder {
    let folder = Folder::new();
    folder.text("job.toml", job);
    folder.text("both.txt", FILE);
    folder.text("x.csv", "0\n1\n2\n3\n");
    folder.text("y.csv", "3\n3\n1\n2\n");
    folder
}

#[test]
fn a_circuit_from_a_file_is_evaluated_row_by_row() {
    let folder = folder(JOB);
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let read = |name: &str| cells(&std::fs::read_to_string(folder.path(name)).expect("a table"));
    assert_eq!(read("and.csv"), [0, 1, 0, 2]);
    assert_eq!(read("xor.csv"), [-1, -2, -1, 1], "two bits with a sign");
    assert_eq!(run["garbled"]["evaluations"], 4);
}

#[test]
fn a_report_and_a_trace_show_what_both_parties_did_when() {
    let folder = folder(JOB);
    let flags = ["run", "job.toml", "--local", "--json", "--trace", "trace.json", "--report", "page"];
    let run = json(&folder.run(&flags));
    let summary = folder.run(&["trace", "trace.json", "--json"]);
    assert!(summary.status.success(), "the trace is read");
    let trace = std::fs::read_to_string(folder.path("trace.json")).expect("a trace");
    for work in ["transfers", "garble", "evaluate", "send", "wait and receive"] {
        assert!(trace.contains(&format!("\"name\":\"{work}\"")), "{work} is in the trace");
    }
    let page = std::fs::read_to_string(folder.path("page/report.html")).expect("a page");
    assert!(
        page.contains("oblivious transfers") && page.contains("What every lane did when"),
        "the page has both"
    );
    assert!(!page.contains("memory in use over time"), "nothing is computed on a device");
    assert_eq!(run["garbled"]["evaluations"], 4);
}

#[test]
fn the_order_of_numbers_is_the_jobs() {
    let bits = JOB.replace("bits = 2", "bits = 1").replace(", kind = \"i32\"", "");
    for (order, expected) in [("little", [1, 0]), ("big", [1, 0])] {
        let job = bits.replace("results =", &format!("order = \"{order}\"\nresults ="));
        let folder = folder(&job);
        folder.text("x.csv", "1,1\n");
        folder.text("y.csv", "1,0\n");
        json(&folder.run(&["run", "job.toml", "--local", "--json"]));
        let and = cells(&std::fs::read_to_string(folder.path("and.csv")).expect("a table"));
        assert_eq!(and, expected, "{order}: inputs and outputs have one order");
    }
}

#[test]
fn what_is_no_garbled_job_is_refused_by_name() {
    let cases: [(&str, &str, &str); 12] = [
        ("bits = 2, kind", "bits = 65, kind", "bits = 65: a number has 1 to 64"),
        ("arguments = [\"x\", \"y\"]", "arguments = [\"x\"]", "`arguments` names every input once"),
        ("results = [\"and\", \"xor\"]", "results = [\"and\"]", "`results` names every output once"),
        ("both.txt", "none.txt", "none.txt: No such file"),
        ("circuit = \"both.txt\"", "circuit = \"builtin:des\"", "builtin:des has one result"),
        ("ring_bits = 64", "ring_bits = 64\nfraction_bits = 8", "computes on integers"),
        ("ring_bits = 64", "ring_bits = 64\ncheck = true", "has no checks"),
        (
            "ring_bits = 64",
            "ring_bits = 64\ncorrelations = \"dealer\"",
            "make the transfers of a garbled circuit themselves",
        ),
        ("x.csv\", header", "x.csv\", resident = true, header", "no input of a garbled circuit is resident"),
        ("\"x.csv\", header = false, bits = 2", "\"x.csv\", header = false, bits = 1", "x.csv: "),
        ("protocol = \"garbled\"", "protocol = \"beaver\"", "what protocol = \"garbled\" alone has"),
        (
            "circuit = \"both.txt\"\narguments",
            "steps = [\"and = x + y\"]\narguments",
            "are those of a circuit",
        ),
    ];
    for (from, to, expected) in cases {
        assert!(JOB.contains(from), "{from}");
        let folder = folder(&JOB.replacen(from, to, 1));
        let line = refused(&folder, &["plan", "job.toml"], 2);
        assert!(line.contains(expected), "{to} gives {expected}: {line}");
    }
    let folder = folder(JOB);
    let line = refused(&folder, &["vram", "job.toml"], 2);
    assert!(line.contains("protocol 'garbled' is there for `run` and `plan` alone"), "{line}");
    for (flags, expected) in [
        (["--correlations", "dealer"], "--correlations pair, or none"),
        (["--nonlinear", "auto"], "there is no --nonlinear"),
        (["--device", "gpu"], "garbled on the CPU"),
    ] {
        let line = refused(&folder, &[&["run", "job.toml", "--local"], &flags[..]].concat(), 2);
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_file_that_is_no_circuit_is_refused_with_its_line() {
    let spoilt = [
        ("2 1 0 2 4 AND", "2 1 0 7 4 AND", "line 5 (gate 0): wire 7 is read before any gate sets it"),
        ("2 1 0 2 4 AND", "2 1 0 4 4 AND", "line 5 (gate 0): wire 4 is read before any gate sets it"),
        ("2 1 0 2 4 AND\n", "", "the file claims 4 gates, and 3 is what it can have"),
        ("2 1 1 3 7 XOR", "2 1 1 3 6 XOR", "line 8 (gate 3): wire 6 is set twice"),
        ("2 1 1 3 7 XOR", "2 1 1 9 7 XOR", "line 8 (gate 3): wire 9 is not among the 8 of the file"),
        ("4 8", "4000000 8000000", "claims 4000000 gates"),
        ("2 2 2\n2 2 2", "3 2 1 1\n2 2 2", "the file has 3 inputs, and 2 are named"),
    ];
    for (from, to, expected) in spoilt {
        let folder = folder(JOB);
        folder.text("both.txt", &FILE.replacen(from, to, 1));
        let line = refused(&folder, &["run", "job.toml", "--local"], 2);
        assert!(line.contains("both.txt: ") && line.contains(expected), "{to} gives {expected}: {line}");
    }
}

#[test]
fn integer_programs_of_several_batches_are_exact() {
    let job = r#"
[job]
name = "many"
protocol = "garbled"
ring_bits = 64
batches = 2
[inputs]
x = { owner = 0, file = "x{batch}.csv", header = false, kind = "i64" }
y = { owner = 1, file = "y{batch}.csv", header = false, kind = "i64" }
[program]
steps = ["q = quotient(x, y)", "r = remainder(x, y)", "z = q * y + r", "m = max(x, y)", "d = x @ y.T"]
[outputs]
q = { to = [0], file = "q{batch}.csv" }
r = { to = [1], file = "r{batch}.csv" }
z = { to = [0, 1], file = "z{batch}.csv" }
m = { to = [0, 1], file = "m{batch}.csv" }
d = { to = [0, 1], file = "d{batch}.csv" }
"#;
    let folder = Folder::new();
    folder.text("job.toml", job);
    let data = [[[7, -7, 100], [2, 3, -9]], [[i64::MAX, 5, 0], [-1, 7, 4]]];
    for (batch, [x, y]) in data.iter().enumerate() {
        let row = |row: &[i64; 3]| row.map(|cell| cell.to_string()).join(",") + "\n";
        folder.text(&format!("x{batch}.csv"), &row(x));
        folder.text(&format!("y{batch}.csv"), &row(y));
    }
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    assert_eq!(run["later"].as_array().map(Vec::len), Some(1));
    for (batch, [x, y]) in data.iter().enumerate() {
        let read = |name: &str| {
            cells(&std::fs::read_to_string(folder.path(&format!("{name}{batch}.csv"))).expect("a table"))
        };
        let each = |function: fn(i64, i64) -> i64| {
            x.iter().zip(y).map(|(&x, &y)| function(x, y)).collect::<Vec<_>>()
        };
        assert_eq!(read("q"), each(|x, y| x / y));
        assert_eq!(read("r"), each(|x, y| x % y));
        assert_eq!(read("z"), x);
        assert_eq!(read("m"), each(i64::max));
        let product = x.iter().zip(y).fold(0i64, |sum, (&x, &y)| sum.wrapping_add(x.wrapping_mul(y)));
        assert_eq!(read("d"), [product]);
    }
}

/// A job on x of party 0 and y of party 1.
fn of_steps(x: &str, y: &str, steps: &str) -> Folder {
    let folder = Folder::new();
    let outputs = "z = { to = [0, 1], file = \"z.csv\" }";
    folder.text(
        "job.toml",
        &format!(
            "[job]\nname = \"steps\"\nprotocol = \"garbled\"\nring_bits = 64\n[inputs]\n\
             x = {{ owner = 0, file = \"x.csv\", header = false, {x} }}\n\
             y = {{ owner = 1, file = \"y.csv\", header = false, {y} }}\n\
             [program]\nsteps = [\"{steps}\"]\n[outputs]\n{outputs}\n"
        ),
    );
    folder
}

#[test]
fn numbers_of_many_bits_are_exact_or_named() {
    let most = (1u64 << 54) + 1;
    let folder = of_steps("bits = 55", "kind = \"i64\", bits = 8", "z = quotient(x, y)");
    folder.text("x.csv", &format!("{most},{most}\n"));
    folder.text("y.csv", "1,-128\n");
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let read = || cells(&std::fs::read_to_string(folder.path("z.csv")).expect("a table"));
    assert_eq!(read(), [most as i64, -(1 << 47)]);
    assert!(!run.to_string().contains("wraps modulo"), "{run}");

    let folder = of_steps("kind = \"u64\"", "kind = \"i64\"", "z = quotient(x, y)");
    folder.text("x.csv", "18446744073709551615\n");
    folder.text("y.csv", "1\n");
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    assert!(run.to_string().contains("z can exceed the ring and wraps modulo 2^64"), "{run}");

    for (form, number) in [("bits = 54", 1i64 << 54), ("kind = \"i64\", bits = 8", 128)] {
        let folder = of_steps(form, "bits = 8", "z = quotient(x, y)");
        folder.text("x.csv", &format!("{number}\n"));
        folder.text("y.csv", "1\n");
        let line = refused(&folder, &["run", "job.toml", "--local"], 2);
        assert!(line.contains("more bits than the job says"), "{form}: {line}");
    }
}

#[test]
fn a_column_is_not_sorted() {
    let folder = of_steps("bits = 8", "bits = 8", "z = sort(x)");
    folder.text("x.csv", "3\n1\n");
    folder.text("y.csv", "1\n");
    let line = refused(&folder, &["plan", "job.toml"], 2);
    assert!(line.contains("sort goes along the last axis"), "{line}");
}
