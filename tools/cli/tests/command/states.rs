//! States and loops: what jobs with them compute, what their plans say, and what is refused.

use crate::support::{Folder, json, refused};
use ndarray::{ArrayD, IxDyn, array};
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/training")
}

/// A folder with an example's job and all examples' data.
pub fn example(job: &str) -> Folder {
    let folder = Folder::new();
    for entry in std::fs::read_dir(examples()).expect("the examples are there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            std::fs::copy(&path, folder.path(&path.file_name().expect("a name").to_string_lossy()))
                .expect("data is copied");
        }
    }
    let text = std::fs::read_to_string(examples().join(job)).expect("the job");
    assert!(text.lines().count() < 40, "{job} is short");
    folder.text("job.toml", &text);
    folder
}

/// Holds an output against what NumPy computes.
fn equals_numpy(folder: &Folder, output: &str, within: f64) {
    let learnt: ArrayD<f64> = folder.read_as::<f64, IxDyn>(output);
    let expected = std::fs::File::open(examples().join("expected").join(output)).expect("NumPy's values");
    let expected = <ArrayD<f64> as ndarray_npy::ReadNpyExt>::read_npy(expected).expect("NumPy's values");
    assert_eq!(learnt.shape(), expected.shape(), "{output} has NumPy's shape");
    for (learnt, expected) in learnt.iter().zip(&expected) {
        assert!((learnt - expected).abs() <= within, "{output}: {learnt} for {expected}");
    }
}

#[test]
fn clusters_are_those_of_numpy() {
    let folder = example("kmeans.toml");
    let report = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    assert_eq!(report["turns"], 10);
    equals_numpy(&folder, "centres.npy", 1e-3);
    equals_numpy(&folder, "inertia.npy", 0.05);
    let inertia: ndarray::Array1<f64> = folder.read_as("inertia.npy");
    assert_eq!(inertia[8], inertia[9], "the rounds suffice: nothing changes any more");
}

#[test]
fn a_regression_of_300_steps_is_that_of_numpy() {
    let folder = example("logistic.toml");
    let flags = ["--json", "--report", "page", "--trace", "trace.json"];
    let report = json(&folder.run(&[&["run", "job.toml", "--local"], &flags[..]].concat()));
    assert_eq!(report["turns"], 300);
    let turn = &report["turn"];
    assert!(turn["turn_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "a turn takes time: {turn}");
    assert!(turn["epoch"].is_null(), "it takes no batches of rows");
    assert!(!report["outputs"].to_string().contains("series"), "what is printed has no values");
    let page = std::fs::read_to_string(folder.path("page/report.html")).expect("a page");
    assert!(page.contains("squares by turn") && page.matches("<circle").count() == 6, "a learning curve");
    assert!(page.contains("A turn of the loop"), "the page says what a turn takes");
    let squares: ndarray::Array1<f64> = folder.read_as("squares.npy");
    let trace = std::fs::read_to_string(folder.path("trace.json")).expect("a trace");
    let traced: serde_json::Value = serde_json::from_str(&trace).expect("a trace");
    let events = traced["traceEvents"].as_array().expect("events");
    for party in [1, 2] {
        let numbers = events.iter().filter(|event| event["name"] == "squares" && event["pid"] == party);
        let told: Vec<_> = numbers.map(|event| (&event["args"]["turn"], &event["args"]["value"])).collect();
        assert_eq!(told.len(), 6, "party {} has learnt six numbers", party - 1);
        for (index, (turn, value)) in told.into_iter().enumerate() {
            assert_eq!(turn.as_u64(), Some(50 * (index as u64 + 1)));
            let value = value.as_f64().expect("a number");
            assert!((value - squares[index]).abs() < 1e-12, "{value} for {}", squares[index]);
        }
    }
    equals_numpy(&folder, "weights.npy", 2e-3);
    equals_numpy(&folder, "squares.npy", 1e-4);
}

#[test]
fn a_principal_component_is_that_of_numpy() {
    let folder = example("pca.toml");
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    equals_numpy(&folder, "component.npy", 1e-3);
    equals_numpy(&folder, "along.npy", 1e-3);
}

#[test]
fn a_plan_of_a_loop_is_as_long_as_its_body() {
    let folder = example("logistic.toml");
    let text = std::fs::read_to_string(folder.path("job.toml")).expect("the job");
    let plan = |turns: u32| {
        folder.text("job.toml", &text.replace("repeat = 300", &format!("repeat = {turns}")));
        json(&folder.run(&["plan", "job.toml", "--json", "--device", "cpu"]))
    };
    let (few, many) = (plan(60), plan(300));
    assert_eq!(few["parties"], many["parties"], "steps and memory do not grow with the turns");
    let bytes = |plan: &serde_json::Value| plan["runs"]["bytes_sent"][0].as_u64().expect("bytes");
    let again = many["again"]["bytes_sent"][0].as_u64().expect("bytes of a turn");
    let (difference, most) = (bytes(&many) - bytes(&few), 240 * again);
    assert!(
        difference >= most && difference < most + most / 10,
        "{difference} bytes for 240 turns of {again}"
    );
    let report = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    assert_eq!(
        report["parties"][0]["bytes_sent"], many["runs"]["bytes_sent"][0],
        "all turns send what was planned"
    );
    assert_eq!(report["offline_bytes"], many["runs"]["offline_bytes"], "and are dealt what was planned");
}

const SUMS: &str = r#"
[job]
name = "sums"
protocol = "replicated"
ring_bits = 64
batches = 7

[inputs]
x = { owner = 0, file = "x{batch}.npy" }
y = { owner = 1, file = "y.npy", resident = true }

[state]
total = { from = "y" }
months = { shape = [1, 1], from = 0 }

[program]
steps = ["so_far = total + x", "count = months + 1"]

[update]
total = "so_far"
months = "count"

[outputs]
so_far = { to = [2], file = "sum{batch}.npy", every = 3 }
count = { to = [0, 2], file = "count{batch}.npy" }
"#;

fn sums() -> Folder {
    let folder = Folder::new();
    for batch in 0..7i64 {
        folder.npy(&format!("x{batch}.npy"), &array![[batch, 10 * batch]]);
    }
    folder.npy("y.npy", &array![[1000i64, 2000]]);
    folder.text("job.toml", SUMS);
    folder
}

#[test]
fn batches_go_on_from_each_other_and_reveal_what_is_due() {
    let folder = sums();
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let sums: Vec<String> = folder.files().into_iter().filter(|file| file.starts_with("sum")).collect();
    assert_eq!(sums, ["sum2.npy", "sum5.npy"], "every third batch");
    assert_eq!(folder.read::<i64>("sum2.npy"), array![[1003, 2030]]);
    assert_eq!(folder.read::<i64>("sum5.npy"), array![[1015, 2150]]);
    for batch in 0..7 {
        assert_eq!(folder.read::<i64>(&format!("count{batch}.npy")), array![[batch + 1]]);
    }
}

#[test]
fn states_and_loops_that_do_not_fit_are_refused_by_name() {
    let folder = sums();
    let wrong = |job: &str, from: &str, to: &str, words: &str| {
        assert!(job.contains(from), "{from}");
        folder.text("job.toml", &job.replace(from, to));
        let line = refused(&folder, &["run", "job.toml", "--local"], 2);
        assert!(line.contains(words), "{line}");
    };
    let state = |from: &str, to: &str, words: &str| wrong(SUMS, from, to, words);
    state("months = \"count\"\n", "", "state 'months' has no update");
    state(
        "total = \"so_far\"",
        "total = \"transpose(so_far)\"",
        "state 'total' has shape (1, 2), its update has shape (2, 1)",
    );
    state(
        "total = \"so_far\"",
        "total = \"so_far\"\nyear = \"so_far\"",
        "[update] names 'year', which is no state",
    );
    state("from = \"y\"", "from = \"z\"", "the first value of state 'total' is 'z', which is no input");
    state("shape = [1, 1], ", "", "state 'months' has no shape");
    state("from = 0", "from = { random = 1.0 }", "has a fraction, and this program computes on integers");
    state("from = 0", "from = true", "expected the name of an input, a number,");
    state("from = 0", "from = { seed = 1 }", "or from { seed = N, magnitude = MAGNITUDE }");
    state("months = {", "True = {", "'True' is a word of steps: choose another name");
    state("total = {", "y = {", "'y' is an input and a state");
    state(
        "[state]",
        "[public]\nrows = { shuffle = 4000000000, take = 1, seed = 1 }\n[state]",
        "public value 'rows' is used by no step",
    );
    state("every = 3", "every = 8", "output 'so_far' is revealed every 8 of 7 batches, that is never");
    let job = SUMS.replace("batches = 7\n", "").replace("{batch}", "0").replace(", every = 3", "");
    let (start, end) = (job.find("[state]").expect("states"), job.find("[program]").expect("steps"));
    let job = job.replace(&job[start..end], "");
    let (start, end) = (job.find("[update]").expect("updates"), job.find("[outputs]").expect("outputs"));
    let job = job.replace(&job[start..end], "");
    let steps = r#"steps = ["so_far = total + x", "count = months + 1"]"#;
    let repeat = |loops: &str, words: &str| wrong(&job, steps, &format!("steps = [{loops}]"), words);
    let body = r#""so_far = x", "count = x", { repeat = 3, steps = ["so_far = so_far + y"] }"#;
    repeat(&body.replace("= 3", "= 0"), "repeat = 0: a loop has 1 to 100000 turns");
    repeat(&body.replace("so_far = so_far", "more = so_far"), "the loop changes nothing");
    repeat(
        &body.replace("so_far = so_far + y", "so_far = so_far + y\", \"so_far = so_far + x"),
        "'so_far' is defined twice",
    );
    repeat(&body.replace("so_far = so_far + y", "so_far = transpose(so_far)"), "its update has shape (2, 1)");
    repeat(&format!("{body}, {}", &body[body.find('{').expect("a loop")..]), "a second loop: a job has one");
    repeat(
        &body.replace("\"so_far = so_far + y\"", "{ repeat = 2, steps = [\"so_far = x\"] }"),
        "a loop within a loop",
    );
    repeat(&body.replace("repeat", "times"), "unknown field `times`, expected `repeat` or `steps`");
    repeat(&body.replace("= 3", "= -3"), "invalid value: integer `-3`, expected u32");
    repeat("3", "expected a step: a text, or a loop { repeat = N, steps = [ … ] }");
    let public = |entry: &str, words: &str| {
        state("[state]", &format!("[public]\nrows = {entry}\n[state]"), words);
    };
    public("{ shuffle = 4, take = 1 }", "`shuffle` needs a `seed`");
    public("{ shuffle = 4, take = 1, seed = -1 }", "invalid value: integer `-1`, expected u64");
    public("{ from = [0], take = 1, seed = 1 }", "a `seed` goes with `shuffle`");
    public("{ from = [0.5], take = 1 }", "invalid type: floating point `0.5`, expected u32");
    public("{ from = [0] }", "missing field `take`");
    public("3", "expected a public value: a list of numbers, a formula in run,");
    let batches = job.replace("ring_bits = 64", "ring_bits = 64\nbatches = 2");
    let steps_of = |body: &str| format!("steps = [{body}]");
    wrong(&batches, steps, &steps_of(body), "a loop in 2 batches: a job with a loop has one batch");
}

/// The nodes of a deployment, with these flags for the parties.
#[cfg(unix)]
pub fn start(folder: &Folder, flags: &[&str]) -> [std::process::Child; 3] {
    let start = |arguments: &[&str], flags: &[&str]| {
        folder.start(&[arguments, &["--deadline", "5", "--silence", "2"], flags].concat())
    };
    [
        start(&["deal", "--config", "dealer.toml"], &[]),
        start(&["run", "job.toml", "--party", "p0.toml"], flags),
        start(&["run", "job.toml", "--party", "p1.toml"], flags),
    ]
}

#[cfg(unix)]
#[test]
fn a_party_that_is_killed_is_started_anew_and_the_weights_are_the_same_bits() {
    use crate::support::{deployment, error_line, stderr};
    const KEEP: [&str; 4] = ["--checkpoint", "kept", "--checkpoint-every", "2"];
    let folder = example("logistic.toml");
    let text = std::fs::read_to_string(folder.path("job.toml")).expect("the job");
    folder.text("job.toml", &text.replace("repeat = 300", "repeat = 30").replace("every = 50", "every = 10"));
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let weights = std::fs::read(folder.path("weights.npy")).expect("the weights of a run without");
    std::fs::remove_file(folder.path("weights.npy")).expect("they are removed");
    deployment(&folder);
    let kept = |party: usize| {
        let entries = std::fs::read_dir(folder.path(&format!("kept/party{party}"))).into_iter().flatten();
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "state")).count()
    };
    for victim in [1, 2] {
        let mut nodes = start(&folder, &KEEP);
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while kept(victim - 1) < 2 {
            assert!(std::time::Instant::now() < patience, "party {} writes checkpoints", victim - 1);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        nodes[victim].kill().expect("it is killed");
        for (number, node) in nodes.into_iter().enumerate() {
            let output = node.wait_with_output().expect("a node ends");
            if number != victim {
                assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
            }
        }
        assert!(!folder.path("weights.npy").exists(), "nothing is written");
    }
    // Another program does not take them for its own.
    let job = std::fs::read_to_string(folder.path("job.toml")).expect("the job");
    folder.text("job.toml", &job.replace("0.5 *", "0.25 *"));
    let [_, zero, one] = start(&folder, &KEEP).map(|node| node.wait_with_output().expect("a node ends"));
    let line = error_line(&zero);
    assert!(
        line.contains("this is a checkpoint of another program") || zero.status.code() == Some(3),
        "{line}"
    );
    assert!([&zero, &one].iter().any(|output| output.status.code() == Some(2)), "{line}");
    folder.text("job.toml", &job);
    let ended = start(&folder, &KEEP).map(|node| node.wait_with_output().expect("a node ends"));
    for output in &ended {
        assert!(output.status.success(), "{}", stderr(output));
    }
    assert!(
        stderr(&ended[1]).contains("party 0 goes on from the states after turn"),
        "{}",
        stderr(&ended[1])
    );
    assert_eq!(std::fs::read(folder.path("weights.npy")).expect("the weights"), weights, "the same bits");
    assert_eq!([kept(0), kept(1)], [0, 0], "what is done is not kept");
}
