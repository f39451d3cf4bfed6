//! What is not linear by tables or by garbled circuits, as the job says, or as the parties find to be faster.

use crate::support::{Folder, declared_job, deployment, json, refused, stderr};
use ndarray::{Array1, Array2, Ix1, array};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

/// The demo's network on so many images.
fn network(images: usize) -> Folder {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../digits");
    let folder = Folder::new();
    for layer in 1..=3 {
        for name in [format!("mlp_w{layer}.npy"), format!("mlp_b{layer}.npy")] {
            std::fs::copy(digits.join(&name), folder.path(&name)).expect("a file is copied");
        }
    }
    let pixel = |(image, at): (usize, usize)| (image * 7 + at * 5 % 17) as f64 % 17.0 / 17.0;
    folder.npy("test_x.npy", &Array2::from_shape_fn((images, 64), pixel));
    let job = std::fs::read_to_string(digits.join("network.toml")).expect("the demo's job");
    assert!(job.contains("[360, 64]"), "the job has 360 images");
    let job = job.replace("[360, 64]", &format!("[{images}, 64]"));
    folder.text("job.toml", &job.replace("protocol =", "nonlinear = \"auto\"\nprotocol ="));
    folder
}

/// Of a plan the prices of both ways: tables, then garbled circuits.
fn ways(plan: &Value) -> [&Value; 2] {
    let ways = plan["nonlinear"].as_array().expect("the prices of both ways");
    assert_eq!([&ways[0]["nonlinear"], &ways[1]["nonlinear"]], ["tables", "garbled"]);
    [&ways[0], &ways[1]]
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().expect("seconds")
}

#[test]
fn one_image_is_classified_by_garbled_circuits_over_a_slow_link_and_by_tables_over_a_fast_one() {
    let folder = network(1);
    let plan = json(&folder.run(&["plan", "job.toml", "--link", "wan", "--json"]));
    let [tables, garbled] = ways(&plan);
    assert_eq!((&tables["taken"], &garbled["taken"]), (&false.into(), &true.into()), "{plan}");
    assert_eq!(plan["protocol"], "beaver-garbled");
    let [slow, fast] = [tables, garbled].map(|way| seconds(&way["online_s"]));
    assert!(2.0 * fast <= slow, "{fast} s online by garbled circuits, {slow} s by tables");
    let sent = |way: &Value| way["bytes_sent"].as_array().expect("bytes by party").clone();
    assert!(sent(garbled)[0].as_u64() > sent(tables)[0].as_u64(), "rounds are paid for in bytes: {plan}");
    let text = String::from_utf8(folder.run(&["plan", "job.toml", "--link", "wan"]).stdout).expect("text");
    assert!(text.contains(" AND gates), as planned here: "), "{text}");
    assert!(text.contains("what is not linear by tables: "), "{text}");

    let host = plan["parties"][0]["garbled_host_bytes"].as_u64().expect("labels in host memory");
    assert!(
        host > 32 * garbled["and_gates"].as_u64().expect("gates") / 3,
        "labels of a region in three: {plan}"
    );

    let lan = json(&folder.run(&["plan", "job.toml", "--link", "lan", "--json"]));
    assert_eq!((&ways(&lan)[0]["taken"], &lan["protocol"]), (&true.into(), &"beaver".into()), "{lan}");
    let named = ["plan", "job.toml", "--nonlinear", "garbled", "--link", "lan", "--json"];
    assert_eq!(json(&folder.run(&named))["protocol"], "beaver-garbled", "what is said counts");

    let run = json(&folder.run(&["run", "job.toml", "--local", "--link", "wan", "--json"]));
    let labels: Array1<f64> = folder.read_as("labels.npy");
    assert_eq!(run["protocol"], "beaver-garbled");
    assert_eq!(run["parties"][0]["rounds"], garbled["rounds"]);
    let among = run["nonlinear"].as_array().expect("the ways among which the parties chose");
    assert_eq!(among.len(), 2, "{among:?}");
    let of_tables = json(&folder.run(&["run", "job.toml", "--local", "--nonlinear", "tables", "--json"]));
    assert_eq!((&of_tables["protocol"], of_tables.get("nonlinear")), (&"beaver".into(), None));
    assert_eq!(folder.read_as::<f64, Ix1>("labels.npy"), labels, "both ways are exact");
    println!("over a slow link: {} s by garbled circuits", run["online_s"]);
}

/// The labels and tables of garbled circuits count against the budget, though they are in no device's memory.
#[test]
fn garbled_circuits_keep_within_the_budget() {
    let folder = network(1);
    let garbled = ["plan", "job.toml", "--nonlinear", "garbled", "--link", "wan"];
    let plan = json(&folder.run(&[&garbled[..], &["--json"]].concat()));
    let host = plan["parties"][0]["garbled_host_bytes"].as_u64().expect("labels in host memory");
    let line = refused(&folder, &[&garbled[..], &["--budget", &host.to_string()]].concat(), 4);
    assert!(line.contains(&format!("of the host for garbled circuits {host})")), "{line}");
    let needed = line.split_once(" needs ").and_then(|(_, rest)| rest.split_once(" bytes of memory"));
    let needed: u64 = needed.expect("what is needed").0.parse().expect("bytes");
    assert!(needed > host, "beside a device's part: {line}");
    let less = (needed - 1).to_string();
    refused(&folder, &[&garbled[..], &["--budget", &less]].concat(), 4);
    let enough = json(&folder.run(&[&garbled[..], &["--budget", &needed.to_string(), "--json"]].concat()));
    assert_eq!(enough["protocol"], "beaver-garbled", "{needed} bytes are enough");
    let auto = ["plan", "job.toml", "--link", "wan", "--json", "--budget", &less];
    assert_eq!(json(&folder.run(&auto))["protocol"], "beaver", "tables take less memory");
    let run = ["run", "job.toml", "--local", "--link", "wan", "--json", "--budget", &less];
    assert_eq!(json(&folder.run(&run))["protocol"], "beaver", "so do runs");
}

#[test]
fn many_images_stay_with_tables() {
    for images in [30, 360] {
        let folder = network(images);
        let plan = json(&folder.run(&["plan", "job.toml", "--link", "wan", "--json"]));
        assert_eq!(plan["protocol"], "beaver", "{images} images");
        let [tables, garbled] = ways(&plan);
        let [slow, fast] = [garbled, tables].map(|way| seconds(&way["online_s"]));
        match images {
            30 => assert!(fast < slow, "{plan}"),
            _ => {
                assert_eq!((garbled["and_gates"].as_u64(), slow), (Some(0), fast), "nothing is small enough")
            }
        }
    }
}

#[test]
fn a_way_is_for_the_protocol_that_has_it() {
    let folder = network(1);
    let job = std::fs::read_to_string(folder.path("job.toml")).expect("a job");
    folder.text("job.toml", &job.replace("\"beaver\"", "\"replicated\""));
    let line = refused(&folder, &["plan", "job.toml"], 2);
    assert!(line.contains("nonlinear = \"auto\" is for protocol = \"beaver\""), "{line}");
    folder.text("job.toml", &job.replace("nonlinear = \"auto\"\n", ""));
    let line = refused(&folder, &["run", "job.toml", "--local", "--nonlinear", "circuits"], 2);
    assert!(line.contains("computed by tables, garbled or auto"), "{line}");
    folder.text("linear.toml", &declared_job(64, 0, "z = x @ w").replace(".npy", ".csv"));
    let plan = json(&folder.run(&["plan", "linear.toml", "--json"]));
    assert!(plan.get("nonlinear").is_none(), "there is nothing to choose: {plan}");
}

/// max(x, w) of three numbers each, in a deployment of two parties and a dealer; `flags` are each party's own.
fn parties(header: &str, flags: [&[&str]; 2]) -> (Folder, [Output; 2]) {
    let folder = Folder::new();
    folder.npy("x.npy", &array![[1.5, -2.0, 3.0]]);
    folder.npy("w.npy", &array![[0.5, 4.0, -3.0]]);
    let job = declared_job(64, 16, "z = max(x, w)").replace("[2, 3]", "[1, 3]").replace("[3, 2]", "[1, 3]");
    folder.text("job.toml", &job.replace("[job]\n", &format!("[job]\n{header}\n")));
    deployment(&folder);
    let mut dealer = folder.start(&["deal", "--config", "dealer.toml"]);
    let start = |party: usize| {
        let config = ["p0.toml", "p1.toml"][party];
        folder.start(&[&["run", "job.toml", "--party", config, "--json"], flags[party]].concat())
    };
    let ended = [0, 1].map(start).map(|party| party.wait_with_output().expect("a party ends"));
    // Where the parties refuse each other, nobody tells the dealer.
    let _ = dealer.kill();
    dealer.wait().expect("the dealer ends");
    (folder, ended)
}

#[test]
fn parties_with_different_links_take_the_same_way() {
    let (folder, ended) = parties("nonlinear = \"auto\"", [&["--link", "100,40"], &["--link", "10000,0.2"]]);
    let runs = ended.each_ref().map(json);
    for run in &runs {
        assert_eq!(run["protocol"], "beaver-garbled", "the slower link counts: {run}");
        assert_eq!(run["nonlinear"], runs[0]["nonlinear"], "by the same figures");
    }
    assert_eq!(folder.read::<f64>("z.npy"), array![[1.5, 4.0, 3.0]]);
}

#[test]
fn parties_that_do_not_leave_the_choice_open_alike_are_told_so() {
    let (_, ended) = parties("nonlinear = \"auto\"", [&["--nonlinear", "tables"], &[]]);
    for output in &ended {
        assert_eq!(output.status.code(), Some(5), "{}", stderr(output));
        assert!(stderr(output).contains("nonlinear"), "{}", stderr(output));
    }
}
