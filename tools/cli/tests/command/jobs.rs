//! Jobs that end well: what they compute, and that the plan had said what they would take.

use crate::support::{
    Folder, SHAPES, data, declared, declared_job, deployment, error_line, free_address, job, json,
    replicated_job, stderr, three_parties_behind,
};
use ndarray::{Array2, Ix0, Ix1, array};
use std::time::Duration;

/// Odd numbers of a generator that is good enough for test data (Knuth's MMIX).
fn integers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state ^ state >> 29
    }
}

fn wrapping_product(a: &Array2<u64>, b: &Array2<u64>) -> Array2<u64> {
    let mut product = Array2::zeros((a.nrows(), b.ncols()));
    for (row, mut out) in a.rows().into_iter().zip(product.rows_mut()) {
        for (&factor, b) in row.iter().zip(b.rows()) {
            out.zip_mut_with(&b, |sum: &mut u64, &b| *sum = sum.wrapping_add(factor.wrapping_mul(b)));
        }
    }
    product
}

fn integer_product(size: usize, device: &str) {
    let folder = Folder::new();
    let (mut draw_x, mut draw_w) = (integers(1), integers(2));
    let x = Array2::from_shape_simple_fn((size, size), &mut draw_x);
    let w = Array2::from_shape_simple_fn((size, size), &mut draw_w);
    folder.npy("x.npy", &x);
    folder.npy("w.npy", &w);
    folder.text("job.toml", &job(64, 0, "z = x @ w").replace("to = [0]", "to = [0, 1]"));
    json(&folder.run(&["run", "job.toml", "--local", "--json", "--device", device]));
    assert!(
        folder.read::<u64>("z.npy") == wrapping_product(&x, &w),
        "the exact product modulo 2^64 on {device}"
    );
}

#[test]
fn a_product_of_a_thousand_is_exact_on_the_processor() {
    integer_product(1000, "cpu");
}

#[test]
fn a_product_of_a_thousand_is_exact_on_software_vulkan() {
    let folder = Folder::new();
    let doctor = json(&folder.run(&["doctor", "--json"]));
    let adapters = doctor["adapters"].as_array().expect("a list of adapters");
    if !adapters.iter().any(|adapter| adapter["name"].as_str().is_some_and(|name| name.contains("llvmpipe")))
    {
        let required = std::env::var("SYMBOLON_REQUIRE_GPU").is_ok_and(|value| value == "1");
        assert!(!required, "SYMBOLON_REQUIRE_GPU=1, and there is no llvmpipe");
        eprintln!("skipped: there is no llvmpipe on this machine");
        return;
    }
    integer_product(1000, "llvmpipe");
}

#[test]
fn two_devices_give_what_one_gives_and_say_what_each_did() {
    let folder = Folder::new();
    let (mut draw_x, mut draw_w) = (integers(3), integers(4));
    let x = Array2::from_shape_simple_fn((256, 64), || draw_x() % 2000);
    let w = Array2::from_shape_simple_fn((64, 64), || draw_w() % 2000);
    folder.npy("x.npy", &x);
    folder.npy("w.npy", &w);
    let text = job(64, 0, "z = relu(x @ w)").replace("to = [0]", "to = [0, 1]");
    folder.text("job.toml", &text);
    let run = |flags: &[&str]| {
        let all = [&["run", "job.toml", "--local", "--json", "--tile", "64", "--threads", "2"][..], flags];
        (json(&folder.run(&all.concat())), folder.read::<u64>("z.npy"))
    };
    let (one, result) = run(&["--device", "cpu"]);
    let (two, same) = run(&["--device", "cpu,cpu", "--always-divide", "--trace", "trace.json"]);
    assert_eq!(result, same, "the same result");
    assert!(one["parties"][0].get("devices").is_none(), "nothing is said twice of one device");
    for (one, two) in ["0", "1"].iter().enumerate().map(|(at, _)| (&one["parties"][at], &two["parties"][at]))
    {
        for what in ["bytes_sent", "bytes_received", "rounds"] {
            assert_eq!(one[what], two[what], "{what} are the same");
        }
        let devices = two["devices"].as_array().expect("devices");
        assert_eq!(devices.len(), 2);
        for device in devices {
            assert!(device["steps"].as_u64() > Some(0), "both work: {device}");
            assert_eq!(device["vram_planned_bytes"], device["vram_peak_bytes"], "each as planned");
        }
    }
    let trace = json(&folder.run(&["trace", "trace.json", "--json"]));
    let lanes = trace["roles"][0]["lanes"].as_array().expect("lanes");
    let named = |name| lanes.iter().any(|lane| lane["lane"] == name);
    assert!(named("device") && named("device 1"), "a lane for each device: {lanes:?}");
}

#[test]
fn a_plan_says_what_it_places_on_which_device() {
    let folder = Folder::new();
    let text = job(64, 0, "z = relu(x @ w)");
    let shaped = text
        .replace("file = \"x.npy\"", "shape = [64, 4096]")
        .replace("file = \"w.npy\"", "shape = [4096, 8]");
    folder.text("job.toml", &shaped);
    let all = [
        "plan",
        "job.toml",
        "--device",
        "cpu,cpu",
        "--device-model",
        "h200,core",
        "--always-divide",
        "--json",
    ];
    let plan = json(&folder.run(&all));
    let ops = |device: usize| plan["parties"][0]["devices"][device]["ops"].to_string();
    assert!(ops(0).contains("\"x @ w\"") && !ops(0).contains("relu"), "the GPU multiplies: {}", ops(0));
    assert!(ops(1).contains("relu(x @ w)"), "and the processor compares: {}", ops(1));
    let wrong = folder.run(&["plan", "job.toml", "--device", "cpu,cpu", "--device-model", "core"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", error_line(&wrong));
    let one = folder.run(&["vram", "job.toml", "--device", "cpu,cpu"]);
    assert_eq!(error_line(&one), "error: this command takes one --device");
}

#[test]
fn the_demo_labels_as_the_plain_computation_does() {
    the_demo_is_right(&[]);
}

#[test]
fn the_demo_of_three_parties_labels_as_the_plain_computation_does() {
    the_demo_is_right(&["--protocol", "replicated"]);
}

fn the_demo_is_right(flags: &[&str]) {
    let folder = Folder::new();
    let demo = json(&folder.run(&[&["demo", "--json"], flags].concat()));
    assert_eq!(demo["images"], 360);
    assert_eq!(demo["accuracy"], 355.0 / 360.0);
    assert_eq!(demo["labels_as_oracle"], 360);
    for party in demo["parties"].as_array().expect("parties") {
        assert_eq!(party["bytes_sent"], party["bytes_planned"], "bytes against the plan");
        assert_eq!(party["vram_planned_bytes"], party["vram_peak_bytes"], "memory against the plan");
    }
    assert!(folder.files().is_empty(), "the demo leaves nothing behind");
}

/// A job of three batches on resident weights.
fn batches(folder: &Folder) {
    for batch in 0..3 {
        let x = Array2::from_shape_fn((2, 3), |(row, col)| (batch * 10 + row * 3 + col) as u64);
        folder.npy(&format!("x-{batch}.npy"), &x);
    }
    folder.npy("w.npy", &Array2::from_shape_fn((3, 4), |(row, col)| (row + 2 * col) as u64));
    let job = job(64, 0, "z = x @ w")
        .replace("ring_bits", "batches = 3\nring_bits")
        .replace("x.npy", "x-{batch}.npy")
        .replace("z.npy", "z-{batch}.npy")
        .replace("file = \"w.npy\"", "file = \"w.npy\", resident = true");
    folder.text("job.toml", &job);
}

#[test]
fn later_batches_send_only_what_is_new() {
    let folder = Folder::new();
    batches(&folder);
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let w = Array2::from_shape_fn((3, 4), |(row, col)| (row + 2 * col) as u64);
    for batch in 0..3 {
        let x: Array2<u64> = folder.read(&format!("x-{batch}.npy"));
        assert_eq!(folder.read::<u64>(&format!("z-{batch}.npy")), x.dot(&w), "batch {batch}");
    }
    let sent = |run: &serde_json::Value| [0, 1].map(|party| run["parties"][party]["bytes_sent"].as_u64());
    let (x, w, z) = (2 * 3 * 8, 3 * 4 * 8, 2 * 4 * 8);
    assert_eq!(sent(&run), [x, w + z].map(Some));
    let later = run["later"].as_array().expect("reports of the later runs");
    assert_eq!(later.len(), 2);
    for run in later {
        assert_eq!(sent(run), [x, z].map(Some), "the weights stay where they are");
        assert_eq!(run["outputs"][0]["shape"], serde_json::json!([2, 4]));
    }
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    assert_eq!(plan["again"]["bytes_sent"], serde_json::json!([x, z]));
}

#[test]
fn batches_need_a_file_each() {
    let folder = Folder::new();
    batches(&folder);
    let job = std::fs::read_to_string(folder.path("job.toml")).expect("the job");
    folder.text("job.toml", &job.replace("z-{batch}", "z"));
    let line = error_line(&folder.run(&["run", "job.toml", "--local"]));
    assert!(line.contains("output 'z' of 3 batches has one file"), "{line}");
    folder.text("job.toml", &job.replace("w.npy", "x-{batch}.npy"));
    let line = error_line(&folder.run(&["plan", "job.toml"]));
    assert!(line.contains("input 'w' is resident, so it has one file for all batches"), "{line}");
}

#[test]
fn signed_integers_stay_signed_in_the_narrow_ring() {
    let folder = Folder::new();
    folder.npy("x.npy", &array![[-1i64, 2], [3, i64::from(i32::MIN)]]);
    folder.npy("w.npy", &array![[5i64, 0], [1, -1]]);
    folder.text("job.toml", &job(32, 0, "z = x @ w - 2 * x"));
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let expected = array![[-1i32, -6], [9i32.wrapping_add(i32::MIN), i32::MIN]];
    assert_eq!(folder.read::<i32>("z.npy"), expected);
}

#[test]
fn every_op_of_the_language_computes_on_real_numbers() {
    let folder = Folder::new();
    folder.text("x.csv", "a,b,c\n1.5,-2,3\n4,5.25,-6\n");
    folder.npy("w.npy", &array![[0.5f32, 1.0], [-1.0, 2.0], [2.0, 0.125]]);
    folder.npy("b.npy", &array![10.0f64, -10.0]);
    folder.text(
        "job.toml",
        r#"
[job]
name = "every op"
protocol = "beaver"
ring_bits = 64
fraction_bits = 20

[inputs]
x = { owner = 0, file = "x.csv", bound = 6.0 }
w = { owner = 1, file = "w.npy", shape = [3, 2] }
b = { owner = 1, file = "b.npy" }

[program]
steps = [
    "scores = 0.5 * (x @ w) + b",
    "rest = -scores * transpose(x @ w).T - 1",
    "rows = sum(rest, axis=1)",
    "columns = sum(rest @ x, axis=0, keepdims=1)",
    "all = sum(rows)",
]

[outputs]
scores = { to = [0, 1], file = "scores.csv" }
rows = { to = [1], file = "rows.npy" }
columns = { to = [1], file = "columns.npy" }
all = { to = [0], file = "all.npy" }
"#,
    );
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let x = array![[1.5, -2.0, 3.0], [4.0, 5.25, -6.0]];
    let w = array![[0.5, 1.0], [-1.0, 2.0], [2.0, 0.125]];
    let product = x.dot(&w);
    let scores = &product * 0.5 + array![[10.0, -10.0]];
    let rest = -&scores * &product - 1.0;
    let near =
        |actual: f64, expected: f64| assert!((actual - expected).abs() < 1e-3, "{actual} for {expected}");
    let rows = folder.read_as::<f64, Ix1>("rows.npy");
    assert_eq!(rows.dim(), 2, "a reduced axis is dropped");
    rows.iter().zip(rest.rows()).for_each(|(&actual, row)| near(actual, row.sum()));
    let columns = folder.read::<f64>("columns.npy");
    assert_eq!(columns.dim(), (1, 3), "unless it is kept");
    columns.iter().zip(rest.dot(&x).columns()).for_each(|(&actual, column)| near(actual, column.sum()));
    near(folder.read_as::<f64, Ix0>("all.npy")[()], rest.sum());
    let text = std::fs::read_to_string(folder.path("scores.csv")).expect("the scores");
    let cells =
        text.lines().flat_map(|line| line.split(',')).map(|cell| cell.parse::<f64>().expect("a number"));
    cells.zip(&scores).for_each(|(actual, &expected)| near(actual, expected));
    assert_eq!(run["outputs"].as_array().map(Vec::len), Some(4));
}

#[test]
fn the_plan_says_what_the_run_then_takes() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 16, "z = (x @ w) * (x @ w)"));
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    assert!(!folder.files().contains(&"z.npy".to_owned()), "a plan runs nothing");
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    for (planned, measured) in [0, 1].map(|party| (&plan["parties"][party], &run["parties"][party])) {
        for field in ["id", "bytes_sent", "bytes_received", "vram_planned_bytes", "vram_by_class"] {
            assert_eq!(planned[field], measured[field], "{field} as planned");
        }
        assert_eq!(measured["vram_planned_bytes"], measured["vram_peak_bytes"]);
        assert_eq!(measured["rounds"], plan["rounds"]);
    }
    assert_eq!(plan["offline_bytes"], run["offline_bytes"]);
    assert_eq!(plan["dealer"]["vram_planned_bytes"], run["dealer"]["vram_peak_bytes"]);
}

#[test]
fn three_parties_need_no_dealer() {
    let folder = Folder::new();
    data(&folder);
    folder.npy("b.npy", &array![[0.25, -3.0]]);
    let text = declared(&replicated_job(64, 16, "z = relu(x @ w + b)"), SHAPES[0], SHAPES[1]);
    let text = text.replace("\n[program]", "b = { owner = 2, shape = [1, 2], file = \"b.npy\" }\n[program]");
    folder.text("job.toml", &text.replace("to = [0]", "to = [1, 2]"));
    let is_right = || {
        let difference = folder.read::<f64>("z.npy") - array![[5.25, 0.0], [11.25, 0.25]];
        assert!(difference.iter().all(|difference: &f64| difference.abs() < 1e-3));
    };
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    assert!(plan["dealer"].is_null());
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    is_right();
    assert!(run["dealer"].is_null());
    assert_eq!(run["parties"].as_array().map(Vec::len), Some(3));
    let fields = ["id", "bytes_sent", "bytes_received", "vram_planned_bytes", "offline_bytes_sent"];
    for (party, field) in (0..3).flat_map(|party| fields.map(|field| (party, field))) {
        assert_eq!(plan["parties"][party][field], run["parties"][party][field], "{field} of {party}");
    }
    assert_eq!(run["offline_bytes"], run["parties"][2]["offline_bytes_sent"], "party 2 deals");
    // The same as processes of their own, with what `init` makes.
    std::fs::remove_file(folder.path("z.npy")).expect("the result goes");
    three_parties_behind(&folder, [free_address(), free_address()], |_, address| address);
    let output = "[outputs]\nz = \"z2.npy\"\n";
    let config = std::fs::read_to_string(folder.path("p2.toml")).expect("a configuration") + output;
    folder.text("p2.toml", &config);
    let party = |party| folder.start(&["run", "job.toml", "--party", &format!("p{party}.toml")]);
    for child in [2, 0, 1].map(party) {
        let output = child.wait_with_output().expect("the command ends");
        assert!(output.status.success(), "{}", stderr(&output));
    }
    is_right();
    assert_eq!(folder.read::<f64>("z.npy"), folder.read::<f64>("z2.npy"));
}

#[test]
fn processes_started_by_hand_in_any_order_find_each_other() {
    let orders: [[&[&str]; 3]; 2] = [
        [
            &["run", "job.toml", "--party", "p1.toml"],
            &["run", "job.toml", "--party", "p0.toml"],
            &["deal", "--config", "dealer.toml"],
        ],
        [
            &["run", "job.toml", "--party", "p0.toml"],
            &["deal", "--config", "dealer.toml"],
            &["run", "job.toml", "--party", "p1.toml"],
        ],
    ];
    for order in orders {
        let folder = Folder::new();
        data(&folder);
        folder.text("job.toml", &declared_job(64, 16, "z = x @ w"));
        deployment(&folder);
        let mut children = Vec::new();
        for arguments in order {
            children.push(folder.start(arguments));
            // Nothing is to depend on who is first; the pause makes sure that somebody is.
            std::thread::sleep(Duration::from_millis(150));
        }
        for child in children {
            let output = child.wait_with_output().expect("the command ends");
            assert!(output.status.success(), "{}", stderr(&output));
        }
        let expected = array![[5.0, 1.0], [11.0, 3.25]];
        let difference = folder.read::<f64>("z.npy") - expected;
        assert!(difference.iter().all(|difference: &f64| difference.abs() < 1e-3));
    }
}

#[test]
fn parties_with_different_jobs_end_and_name_the_field() {
    let cases = [
        ("ring_bits = 64", "ring_bits = 32", "ring_bits is `64` here and `32` there"),
        ("z = x @ w", "z = 2 * x @ w", "step 1 is `z = x @ w` here and `z = 2 * x @ w` there"),
        ("to = [0]", "to = [1]", "recipients of output z is `[0]` here and `[1]` there"),
        ("owner = 0", "owner = 0, bound = 9.0", "bound of input x is `none` here and `9` there"),
        (
            "name =",
            "correlations = \"pair\"\nname =",
            "source of correlations is `the dealer` here and `the two parties themselves` there",
        ),
        (
            "from = 0",
            "from = 1",
            "state s is `from 0, shape (2, 2), bound none, kind none` here and `from 1,",
        ),
        ("run + 1", "run + 2", "public value rate is `run + 1` here and `run + 2` there"),
    ];
    let state = "[public]\nrate = \"run + 1\"\n\n[state]\ns = { shape = [2, 2], from = 0 }\n\n[update]\ns = \"z * rate\"\n";
    for (ours, theirs, words) in cases {
        let folder = Folder::new();
        data(&folder);
        deployment(&folder);
        let text = format!("{}\n{state}", declared_job(64, 10, "z = x @ w"));
        folder.text("job.toml", &text);
        folder.text("other.toml", &text.replace(ours, theirs));
        let mut dealer = folder.start(&["deal", "--config", "dealer.toml"]);
        let zero = folder.start(&["run", "job.toml", "--party", "p0.toml"]);
        let one = folder.start(&["run", "other.toml", "--party", "p1.toml"]);
        let [zero, one] = [zero, one].map(|child| child.wait_with_output().expect("the command ends"));
        let _ = dealer.kill();
        let _ = dealer.wait();
        assert_eq!((zero.status.code(), one.status.code()), (Some(5), Some(5)), "parties disagree");
        assert!(error_line(&zero).contains(words), "{}", stderr(&zero));
        assert!(!folder.files().contains(&"z.npy".to_owned()), "nothing is written");
    }
}

#[test]
fn every_party_has_a_public_input_and_other_numbers_of_it_are_refused_by_name() {
    let folder = Folder::new();
    data(&folder);
    folder.npy("t.npy", &array![[1.0, 2.0], [0.0, 0.5]]);
    folder.npy("same.npy", &array![[1.0, 2.0], [0.0, 0.5]]);
    folder.npy("other.npy", &array![[1.0, 2.0], [0.0, 0.25]]);
    let text = declared_job(64, 16, "z = x @ w @ t")
        .replace("[program]", "t = { owner = \"public\", file = \"t.npy\" }\n\n[program]");
    folder.text("job.toml", &text);
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let expected = array![[5.0, 10.5], [11.0, 23.625]];
    let difference = folder.read::<f64>("z.npy") - expected;
    assert!(difference.iter().all(|difference: &f64| difference.abs() < 1e-3), "{difference}");
    deployment(&folder);
    let of_one = std::fs::read_to_string(folder.path("p1.toml")).expect("a party's file");
    for (file, statuses) in [("same.npy", (Some(0), Some(0))), ("other.npy", (Some(5), Some(5)))] {
        folder.text("p1.toml", &format!("{of_one}\n[inputs]\nt = \"{file}\"\n"));
        let mut dealer = folder.start(&["deal", "--config", "dealer.toml"]);
        let parties =
            ["p0.toml", "p1.toml"].map(|party| folder.start(&["run", "job.toml", "--party", party]));
        let [zero, one] = parties.map(|child| child.wait_with_output().expect("the command ends"));
        let _ = dealer.kill();
        let _ = dealer.wait();
        assert_eq!((zero.status.code(), one.status.code()), statuses, "{file}: {}", stderr(&zero));
        if zero.status.code() == Some(5) {
            assert!(error_line(&zero).contains("public value t is"), "{}", stderr(&zero));
        }
    }
}

#[test]
fn a_shaped_link_changes_nothing_but_the_time() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 16, "z = x @ w"));
    let direct = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let shaped = json(&folder.run(&["run", "job.toml", "--local", "--json", "--link", "wan"]));
    for field in ["bytes_sent", "bytes_received", "rounds"] {
        assert_eq!(direct["parties"][0][field], shaped["parties"][0][field], "{field}");
    }
    let output = folder.run(&["run", "job.toml", "--local", "--link", "fast"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("a link is lan, wan, or Mbit/s"), "{}", stderr(&output));
}

#[test]
fn what_is_wrong_with_a_later_batch_is_not_told_to_peers() {
    let folder = Folder::new();
    deployment(&folder);
    batches(&folder);
    let job = std::fs::read_to_string(folder.path("job.toml")).expect("the job");
    let job = job.replace("x-{batch}.npy\"", "x-{batch}.npy\", bound = 100");
    folder.text("job.toml", &declared(&job, [2, 3], [3, 4]));
    folder.npy("x-1.npy", &Array2::<u64>::from_elem((2, 3), 4321));
    let dealer = folder.start(&["deal", "--config", "dealer.toml"]);
    let parties = ["p0.toml", "p1.toml"].map(|party| folder.start(&["run", "job.toml", "--party", party]));
    let [owner, other] = parties.map(|party| party.wait_with_output().expect("a party ends"));
    let dealer = dealer.wait_with_output().expect("the dealer ends");
    assert_eq!([&dealer, &owner, &other].map(|output| output.status.code()), [Some(3), Some(2), Some(3)]);
    let line = error_line(&owner);
    assert!(line.contains("x-1.npy: element [0, 0] is 4321, above the declared bound 100"), "{line}");
    let line = error_line(&other);
    assert!(line.starts_with("error: party 0 gave up: its input 'x' cannot be used"), "{line}");
    assert!(!line.contains("4321") && !line.contains("100"), "{line}");
    let line = error_line(&dealer);
    assert!(line.contains("gave up") && !line.contains('x'), "{line}");
}
