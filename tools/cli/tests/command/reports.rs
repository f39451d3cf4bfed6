//! What a command prints, for people and for scripts.

use crate::support::{Folder, data, error_line, job, json, replicated_job, stderr};
use serde_json::Value;
use std::process::Output;

fn folder() -> Folder {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 16, "z = x @ w"));
    folder
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "the command should end well: {}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_is_known_about_overflow_is_in_every_report() {
    let folder = folder();
    let line = "no bound is declared for w, x: overflow is excluded only while products, squares and sums of them stay below 1.0737e9, quotients below 1.0737e9, and everything else, sums on the way included, below 7.0369e13";
    for arguments in [&["plan", "job.toml"][..], &["run", "job.toml", "--local"]] {
        let text = stdout(&folder.run(arguments));
        assert!(text.contains(line), "{text}");
        let report = json(&folder.run(&[arguments, &["--json"]].concat()));
        assert_eq!(report["range"], line);
    }
    let demo = stdout(&folder.run(&["demo"]));
    assert!(demo.contains("with the declared bounds no magnitude exceeds "), "{demo}");
    assert!(demo.contains("for party 0, not written"), "the demo keeps no file: {demo}");
}

#[test]
fn what_bounds_do_not_prove_is_warned_of_in_every_report() {
    let folder = folder();
    folder.text("job.toml", &job(64, 16, "z = exp(x) + sigmoid(x)"));
    let warning = "exp(x) is right only where x is at most 20; nothing is known of it (a bound on the inputs or assume(x, low, high) says more)";
    for arguments in [&["plan", "job.toml"][..], &["run", "job.toml", "--local"]] {
        let text = stdout(&folder.run(arguments));
        assert!(text.contains(&format!("  warning: {warning}\n")), "{text}");
        let report = json(&folder.run(&[arguments, &["--json"]].concat()));
        assert_eq!(report["warnings"], serde_json::json!([warning]));
    }
}

#[test]
fn a_range_that_an_author_states_is_named_beside_what_it_proves() {
    let folder = folder();
    folder.text("job.toml", &job(64, 16, "z = log(assume(x, 1, 10))"));
    for arguments in [&["plan", "job.toml", "--json"][..], &["run", "job.toml", "--local", "--json"]] {
        let range = json(&folder.run(arguments))["range"].as_str().expect("a line").to_owned();
        assert!(range.ends_with("; given assume(x, 1, 10)"), "{range}");
    }
}

#[test]
fn plans_and_reports_say_who_learns_what_if_who_colludes() {
    let folder = folder();
    folder.text("three.toml", &replicated_job(64, 16, "z = x @ w"));
    let dealt = ["the dealer and a party", "the other party's inputs"];
    let replicated = ["two of the three parties", "everything"];
    for (file, from, [who, learns]) in
        [("job.toml", "the dealer", dealt), ("three.toml", "party 2", replicated)]
    {
        for arguments in [&["plan", file][..], &["run", file, "--local"]] {
            let text = stdout(&folder.run(arguments));
            assert!(
                text.contains(&format!("correlations from {from}; nodes that follow the protocol learn:\n")),
                "{text}"
            );
            assert!(text.contains(&format!("    {who}: {learns}\n")), "{text}");
        }
        let trust = json(&folder.run(&["plan", file, "--json"]))["trust"].clone();
        assert_eq!(trust["correlations_from"], from);
        let coalition = serde_json::json!({ "who": who, "learns": learns });
        assert!(trust["coalitions"].as_array().expect("a list").contains(&coalition), "{trust}");
    }
}

#[test]
fn an_output_without_a_file_is_said_to_be_so() {
    let folder = folder();
    folder.text("job.toml", &job(64, 16, "z = x @ w").replace(", file = \"z.npy\"", ""));
    let text = stdout(&folder.run(&["run", "job.toml", "--local"]));
    assert!(text.contains("output z (2, 2) for party 0, not written"), "{text}");
    assert!(!folder.files().contains(&"z.npy".to_owned()));
}

#[test]
fn a_plan_says_what_every_op_sends() {
    let folder = folder();
    let text = stdout(&folder.run(&["plan", "job.toml"]));
    assert!(text.contains("sent online, in bytes:\n    z, x @ w: masked values "), "{text}");
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    for party in 0..2 {
        let ops = plan["ops"].as_array().expect("ops").iter();
        let sent: u64 = ops.map(|op| op["bytes_sent"][party].as_u64().expect("bytes")).sum();
        assert_eq!(sent, plan["parties"][party]["bytes_sent"], "bytes of party {party} by op");
        let lines = plan["lines"].as_array().expect("lines").iter();
        let sent: u64 = lines.map(|line| line["bytes_sent"][party].as_u64().expect("bytes")).sum();
        assert_eq!(sent, plan["parties"][party]["bytes_sent"], "bytes of party {party} by line");
    }
}

#[test]
fn a_plan_says_what_each_line_of_the_job_takes() {
    let folder = folder();
    let steps = ["h = relu(x @ w)", "s = softmax(h @ w.T @ w, axis=1)", "z = s + h"];
    folder.text("job.toml", &job(64, 16, &steps.join("\", \"")));
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    let lines = plan["lines"].as_array().expect("lines");
    let of = |name: &str| {
        lines.iter().find(|line| line["line"] == name).unwrap_or_else(|| panic!("{name}: {plan}"))
    };
    let rounds = |name: &str| of(name)["rounds"].as_u64().expect("rounds");
    // Lines that send in one round all count it.
    let (all, sum) = (plan["rounds"].as_u64().expect("rounds"), rounds("h") + rounds("s") + rounds("z"));
    assert!(sum >= all && ["h", "s", "z"].into_iter().all(|name| rounds(name) <= all), "{lines:?}");
    assert!(rounds("s") > rounds("h") && rounds("h") > 1, "{lines:?}");
    let seconds = |line: &Value| {
        let of = |field: &str| line[field].as_f64().expect("seconds");
        of("device_s").max(of("wire_s"))
    };
    assert!(lines.is_sorted_by(|one, other| seconds(one) >= seconds(other)), "the dearest first: {lines:?}");
    let text = stdout(&folder.run(&["plan", "job.toml", "--all"]));
    assert!(text.contains("\n    s, "), "what a line computes on the way is named after it: {text}");
}

#[test]
fn the_plan_of_a_long_program_fits_on_a_page() {
    let folder = folder();
    let steps: Vec<String> = (0..40)
        .map(|step| {
            format!(
                "y{step} = relu({} @ w @ w.T)",
                if step == 0 { "x".into() } else { format!("y{}", step - 1) }
            )
        })
        .chain(["z = y39".to_owned()])
        .collect();
    folder.text("job.toml", &job(64, 16, &steps.join("\", \"")));
    let page = stdout(&folder.run(&["plan", "job.toml"]));
    assert!(page.lines().count() <= 60, "a page of {} lines:\n{page}", page.lines().count());
    assert!(page.contains("line, the dearest first"), "{page}");
    assert!(page.contains("the other 32 lines: ") && page.contains("--all lists them"), "{page}");
    let whole = stdout(&folder.run(&["plan", "job.toml", "--all"]));
    let ops = json(&folder.run(&["plan", "job.toml", "--json"]))["ops"].as_array().expect("ops").len();
    let heading = "  sent online, in bytes:\n";
    let list = whole.split(heading).nth(1).unwrap_or_else(|| panic!("all ops are listed: {whole}"));
    assert_eq!(
        list.lines().take_while(|line| line.starts_with("    ")).count(),
        ops,
        "a line an op: {whole}"
    );
}

#[test]
fn the_dealer_has_the_same_fields_in_plan_and_run() {
    let folder = folder();
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    for field in ["id", "bytes_sent", "bytes_received", "offline_bytes_sent", "offline_bytes_received"] {
        assert!(!plan["dealer"][field].is_null(), "{field} is there");
        assert_eq!(plan["dealer"][field], run["dealer"][field], "{field} of the dealer");
        for party in 0..2 {
            assert_eq!(plan["parties"][party][field], run["parties"][party][field], "{field} of {party}");
        }
    }
    assert_eq!(plan["offline_bytes"], run["offline_bytes"]);
    assert_eq!(run["offline_bytes"], run["dealer"]["offline_bytes_sent"]);
}

#[test]
fn a_failure_is_json_too_where_that_was_asked_for() {
    let folder = folder();
    folder.text("bad.toml", &job(64, 16, "z = x @ v"));
    for arguments in [
        &["run", "bad.toml", "--local", "--json"][..],
        &["plan", "bad.toml", "--json"],
        &["plan", "missing.toml", "--json"],
        &["run", "job.toml", "--json"],
    ] {
        let output = folder.run(arguments);
        let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object on stdout");
        crate::schema::hold(&json);
        assert_eq!(json["status"], 2);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(error_line(&output), format!("error: {}", json["error"].as_str().expect("a line")));
    }
}

#[test]
fn what_is_wrong_with_the_command_line_is_said_in_full_in_json() {
    let folder = folder();
    let cases = [
        (&["run", "--local", "--json"][..], "the following required arguments were not provided: <JOB.toml>"),
        (
            &["plan", "job.toml", "--json", "--log", "nonsense"],
            "[possible values: error, warn, info, debug, trace]",
        ),
        (&["plan", "job.toml", "--jsom", "--json"], "tip: a similar argument exists: '--json'"),
    ];
    for (arguments, words) in cases {
        let output = folder.run(arguments);
        let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object on stdout");
        crate::schema::hold(&json);
        let error = json["error"].as_str().expect("a line");
        assert!(error.contains(words) && !error.contains("Usage:"), "{error}");
        assert_eq!((json["status"].as_i64(), output.status.code()), (Some(2), Some(2)));
        assert_eq!(error_line(&output), format!("error: {error}"));
    }
}

#[test]
fn a_report_has_nothing_by_which_results_could_be_guessed() {
    let folder = folder();
    let report = json(&folder.run(&["run", "job.toml", "--local", "--device", "cpu", "--json"]));
    let fields: Vec<&String> = report["outputs"][0].as_object().expect("an output").keys().collect();
    assert_eq!(fields, ["file", "name", "shape", "to"], "its name, shape, place and recipients");
}

#[cfg(unix)]
#[test]
fn drivers_that_miss_a_screen_say_nothing() {
    let folder = folder();
    for arguments in [&["doctor"][..], &["plan", "job.toml"], &["run", "job.toml", "--local"]] {
        for value in [None, Some(""), Some("here")] {
            let mut command = folder.command(arguments);
            match value {
                None => command.env_remove("XDG_RUNTIME_DIR"),
                Some(value) => command.env("XDG_RUNTIME_DIR", value),
            };
            let output = command.output().expect("the command starts");
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{arguments:?}: {}",
                stderr(&output)
            );
        }
    }
}

#[test]
fn a_process_s_failure_names_it_once() {
    let folder = folder();
    folder.text("job.toml", &job(64, 16, "z = x @ w").replace("x.npy", "missing.npy"));
    let line = error_line(&folder.run(&["run", "job.toml", "--local"]));
    assert!(line.starts_with("error: party 0: input 'x': "), "{line}");
    assert_eq!(line.matches("party 0").count(), 1, "{line}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let folder = folder();
    let output = folder.command(&["doctor"]).stdout(full).output().expect("the command starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(error_line(&output).contains("the report cannot be written to stdout"));
}

#[test]
fn help_tells_every_command_and_every_status() {
    let folder = Folder::new();
    let text = stdout(&folder.run(&["--help"]));
    for word in ["demo", "run", "deal", "plan", "doctor", "Exit status: 0 done", "130 interrupted"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    for command in ["demo", "run", "deal", "plan"] {
        let text = stdout(&folder.run(&[command, "--help"]));
        assert!(text.contains("--budget") && !text.contains("--launched"), "{text}");
        assert_eq!(text.contains("--deadline"), command != "plan", "{text}");
    }
    let line = error_line(&folder.run(&["plan", "job.toml", "--deadline", "7"]));
    assert_eq!(line, "error: `plan` has no use for --deadline");
}

/// Makes sure that a process's stages follow each other without a gap from its start on; returns when they end.
fn divided(who: &str, stages: &[&Value], has: &[&str]) -> f64 {
    let mut last = 0.0;
    for stage in stages {
        assert_eq!(stage["begin_s"], last, "{who}: {stage} begins where the stage before ends");
        last = stage["end_s"].as_f64().expect("a time");
    }
    for &name in has {
        assert!(stages.iter().any(|stage| stage["stage"] == name), "{who} has the stage {name}: {stages:?}");
    }
    last
}

#[test]
fn all_of_a_processs_time_is_in_some_stage() {
    let folder = folder();
    let batches = job(64, 16, "z = x @ w").replace("ring_bits", "batches = 2\nring_bits");
    folder.text("job.toml", &batches.replace("z.npy", "z-{batch}.npy"));
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let list = |value: &'_ Value| value.as_array().expect("a list").clone();
    let session =
        ["opening", "reading", "connecting", "planning", "allocating", "offline", "online", "finishing"];
    for (party, role) in list(&run["parties"]).iter().enumerate() {
        let stages = [list(&role["stages"]), list(&run["later"][0]["parties"][party]["stages"])].concat();
        let stages: Vec<&Value> = stages.iter().collect();
        divided(&format!("party {party}"), &stages, &session);
        divided(&format!("party {party}"), &stages, &["encoding", "building", "agreeing", "writing"]);
    }
    let stages = [list(&run["dealer"]["stages"]), list(&run["later"][0]["dealer"]["stages"])].concat();
    divided("the dealer", &stages.iter().collect::<Vec<_>>(), &[&session[..], &["ordering"]].concat());
    let stages = list(&run["stages"]);
    let end =
        divided("the launcher", &stages.iter().collect::<Vec<_>>(), &["launching", "finishing", "writing"]);
    assert_eq!(run["wall_s"], end, "all of the command's time");
}

#[test]
fn stages_are_in_text_trace_and_page() {
    let folder = folder();
    let arguments = ["run", "job.toml", "--local", "--trace", "trace.json", "--report", "report"];
    let text = stdout(&folder.run(&arguments));
    for line in ["  time ", "  reading files ", "  online phase ", "  in all ", "  not the protocol's "] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let page = std::fs::read_to_string(folder.path("report/report.html")).expect("a page");
    assert!(page.contains("Where the time went") && page.contains("<td>online phase</td>"), "{page}");
    let trace = std::fs::read(folder.path("trace.json")).expect("a trace");
    let trace: Value = serde_json::from_slice(&trace).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let named =
        |name: &str| events.iter().filter(|event| event["ph"] == "X" && event["name"] == name).count();
    assert_eq!(named("online phase"), 2, "each party's");
    assert!(named("planning") >= 2 && named("reading files") >= 2);
}

#[test]
fn products_by_lattices_are_measured_with_their_bytes_and_bounds() {
    let folder = Folder::new();
    for ring_bits in ["32", "64"] {
        let arguments =
            ["bench", "lattice", "--size", "3", "--elements", "5", "--ring-bits", ring_bits, "--json"];
        let report = json(&folder.run(&arguments));
        let products = report["products"].as_array().expect("products");
        assert_eq!(products.len(), 2, "a product of matrices and one of vectors");
        for product in products {
            let number = |key: &str| product[key].as_f64().expect("a number");
            assert!(number("query_bytes") > 0.0 && number("answer_bytes") > 0.0);
            assert!(number("error_share") < 0.5, "the answer is right: {product}");
            assert!(number("privacy_bits") >= 40.0, "the other's factor is hidden: {product}");
        }
    }
}
