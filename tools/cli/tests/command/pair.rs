//! Correlations that the two parties make between themselves: no dealer is started, and everything says so.

use crate::proxy::{DEALS, Ended, Fault, Line, Moment, ONE, ZERO, run};
use crate::support::{Folder, data, declared, declared_job, deployment, job, json, refused, stderr};
use ndarray::{Array2, array};
use serde_json::Value;
use std::process::{Child, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

fn folder(header: &str) -> Folder {
    let folder = Folder::new();
    data(&folder);
    let job = declared_job(64, 16, "z = x @ w").replace("[job]\n", &format!("[job]\n{header}\n"));
    folder.text("job.toml", &job);
    folder
}

fn is_product(folder: &Folder) -> bool {
    let exact = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].dot(&array![[1.0, 0.5], [-1.0, 0.25], [2.0, 0.0]]);
    let z: Array2<f64> = folder.read("z.npy");
    z.iter().zip(&exact).all(|(z, exact)| (z - exact).abs() < 1e-3)
}

#[test]
fn a_job_runs_between_two_parties_and_nobody_else() {
    let cases: [(&str, &[&str]); 2] = [("", &["--correlations", "pair"]), ("correlations = \"pair\"", &[])];
    for (header, flags) in cases {
        let folder = folder(header);
        let arguments = [&["run", "job.toml", "--local", "--json"], flags].concat();
        let run = json(&folder.run(&arguments));
        assert!(is_product(&folder), "{header}");
        assert!(run["dealer"].is_null(), "nobody deals");
        assert_eq!(run["trust"]["correlations_from"], "the two parties themselves");
        let plan = json(&folder.run(&[&["plan", "job.toml", "--json"], flags].concat()));
        assert!(plan["dealer"].is_null(), "nobody deals");
        assert_eq!(run["offline_bytes"], plan["offline_bytes"], "as planned");
        assert_eq!(plan["offline_bytes"], plan["pair"]["bytes"]);
        let text = folder.run(&[&["plan", "job.toml"], flags].concat()).stdout;
        let text = String::from_utf8(text).expect("text");
        assert!(text.contains("the parties make the correlations themselves: "), "{text}");
        assert!(text.contains("anybody else: nothing: no third process takes part"), "{text}");
    }
}

#[test]
fn a_source_that_is_none_is_refused() {
    let folder = folder("");
    let line = refused(&folder, &["run", "job.toml", "--local", "--correlations", "nobody"], 2);
    assert!(line.contains("correlations come from dealer, pair, auto or store=DIR"), "{line}");
    let job = std::fs::read_to_string(folder.path("job.toml")).expect("a job");
    folder.text("job.toml", &job.replace("[job]\n", "[job]\ncorrelations = \"store=here\"\n"));
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains("a job takes them from \"dealer\", \"pair\" or \"auto\""), "{line}");
    folder.text("job.toml", &job.replace("\"beaver\"", "\"replicated\""));
    let line = refused(&folder, &["run", "job.toml", "--local", "--correlations", "pair"], 2);
    assert!(line.contains("replicated takes no correlations from the two parties themselves"), "{line}");
}

/// The two parties of a deployment, each with a list of sources in its own file, and how they ended.
fn listing(folder: &Folder, lists: [&str; 2]) -> [Output; 2] {
    deployment(folder);
    for (file, list) in ["p0.toml", "p1.toml"].into_iter().zip(lists) {
        let text = std::fs::read_to_string(folder.path(file)).expect("a party's file");
        folder.text(file, &format!("{list}\n{text}"));
    }
    let start = |file: &str| folder.start(&["run", "job.toml", "--party", file, "--accept-shapes", "--json"]);
    let parties = ["p0.toml", "p1.toml"].map(start);
    parties.map(|party| party.wait_with_output().expect("a party ends"))
}

#[test]
fn the_cheapest_source_that_every_party_lists_is_taken_and_told() {
    let folder = folder("correlations = \"auto\"");
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    assert_eq!(plan["trust"]["correlations_from"], "the dealer", "it is cheaper");
    assert_eq!(plan["trust"]["chosen"].as_array().expect("a choice").len(), 2, "{plan}");
    let run = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    assert!(is_product(&folder), "right");
    assert_eq!(run["trust"]["correlations_from"], "the dealer");
    assert_eq!(run["trust"]["chosen"], plan["trust"]["chosen"], "as planned");
    std::fs::remove_file(folder.path("z.npy")).expect("an output");
    // However cheap a dealer is, party 1 does not trust it; none is started.
    let ended = listing(&folder, ["correlations = [\"dealer\", \"pair\"]", "correlations = [\"pair\"]"]);
    for output in &ended {
        let run = json(output);
        assert_eq!(run["trust"]["correlations_from"], "the two parties themselves");
        let chosen = run["trust"]["chosen"].as_array().expect("a choice");
        assert_eq!(chosen.len(), 1, "{chosen:?}");
        assert_eq!(chosen[0]["source"], "the two parties themselves");
    }
    assert!(is_product(&folder), "right");
}

/// The sum of both phases, of a source or a way in a plan or a report.
fn total(of: &Value) -> f64 {
    let seconds = |name: &str| of[name].as_f64().expect("seconds");
    seconds("offline_s") + seconds("online_s")
}

/// Of some, the one that is done first, both phases together.
fn first_of<'a>(of: &'a Value, name: &str) -> &'a Value {
    let all = of.as_array().expect("a choice").iter();
    &all.min_by(|a, b| total(a).total_cmp(&total(b))).expect("one at least")[name]
}

/// Three values over a link of 40 ms: messages one behind the other decide, of both phases.
#[test]
fn over_a_long_link_few_values_take_the_source_and_the_way_that_are_done_first_in_all() {
    let folder = Folder::new();
    folder.npy("x.npy", &array![[1.5, -2.0, 3.0]]);
    folder.npy("w.npy", &array![[0.5, 4.0, -3.0]]);
    let job = declared(&job(64, 16, "z = max(x, w)"), [1, 3], [1, 3]);
    let open = "[job]\ncorrelations = \"auto\"\nnonlinear = \"auto\"\n";
    folder.text("job.toml", &job.replace("[job]\n", open));
    let long = ["--link", "100,40", "--json"];
    let plan = |flags: &[&str]| json(&folder.run(&[&["plan", "job.toml"], &long[..], flags].concat()));
    let auto = plan(&[]);
    assert_eq!(auto["trust"]["chosen"].as_array().map(Vec::len), Some(2), "{auto}");
    // Every source in every way, each planned by itself.
    let sources = ["dealer", "pair"];
    let ways = ["tables", "garbled"];
    let each = sources.iter().flat_map(|source| ways.iter().map(move |way| (*source, *way)));
    let priced = each.map(|(source, way)| {
        let alone = plan(&["--correlations", source, "--nonlinear", way]);
        (total(&alone["predicted"]), alone["trust"]["correlations_from"].clone(), alone["protocol"].clone())
    });
    let priced: Vec<_> = priced.collect();
    let least = priced.iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("four");
    assert_eq!((&auto["trust"]["correlations_from"], &auto["protocol"]), (&least.1, &least.2), "{priced:?}");
    assert_eq!(first_of(&auto["trust"]["chosen"], "source"), &least.1, "{auto}");
    for source in auto["sources"].as_array().expect("sources") {
        assert!(total(source) > 0.0 && source["rounds"].as_u64() > Some(0), "both phases: {source}");
    }
    let run = json(&folder.run(&[&["run", "job.toml", "--local"], &long[..]].concat()));
    assert_eq!((&run["trust"]["correlations_from"], &run["protocol"]), (&least.1, &least.2));
    assert_eq!(folder.read::<f64>("z.npy"), array![[1.5, 4.0, 3.0]]);

    // Where one party trusts no dealer, the way is chosen by the figures of the pair, and at both alike.
    let by_pair = plan(&["--correlations", "pair"]);
    let lists = ["correlations = [\"dealer\", \"pair\"]", "correlations = [\"pair\"]"];
    deployment(&folder);
    let start = |(file, list): (&str, &str)| {
        let text = std::fs::read_to_string(folder.path(file)).expect("a party's file");
        folder.text(file, &format!("{list}\n{text}"));
        folder.start(&[&["run", "job.toml", "--party", file], &long[..]].concat())
    };
    let parties = [("p0.toml", lists[0]), ("p1.toml", lists[1])].map(start);
    let ended = parties.map(|party| json(&party.wait_with_output().expect("a party ends")));
    for run in &ended {
        assert_eq!(run["trust"]["correlations_from"], "the two parties themselves");
        assert_eq!(run["nonlinear"], ended[0]["nonlinear"], "the same figures");
        assert_eq!(run["protocol"], by_pair["protocol"], "as planned: {run}");
        let way = if run["protocol"] == "beaver-garbled" { "garbled" } else { "tables" };
        assert_eq!(first_of(&run["nonlinear"], "nonlinear"), way, "{run}");
    }
}

#[test]
fn a_source_that_a_party_does_not_list_is_not_taken() {
    let folder = folder("correlations = \"auto\"");
    let ended = listing(&folder, ["correlations = [\"dealer\"]", "correlations = [\"pair\"]"]);
    for output in &ended {
        assert_eq!(output.status.code(), Some(5), "{}", stderr(output));
        let told = stderr(output);
        assert!(
            told.contains("party 0 lists the dealer, party 1 lists the two parties themselves"),
            "{told}"
        );
    }
    let text = std::fs::read_to_string(folder.path("p0.toml")).expect("a party's file");
    let (_, unlisted) = text.split_once('\n').expect("a list above the rest");
    folder.text("p0.toml", unlisted);
    let line = refused(&folder, &["run", "job.toml", "--party", "p0.toml"], 2);
    assert!(line.contains("chooses among the sources that each party's own file lists"), "{line}");
    let job = std::fs::read_to_string(folder.path("job.toml")).expect("a job");
    folder.text("job.toml", &job.replace("\"auto\"", "\"dealer\""));
    folder.text("p0.toml", &format!("correlations = [\"pair\"]\n{unlisted}"));
    let line = refused(&folder, &["run", "job.toml", "--party", "p0.toml"], 2);
    assert!(
        line.contains("takes correlations from the dealer, which this party's own file does not list"),
        "{line}"
    );
}

/// Rows and columns: a product of that size is made by lattices, and its truncation by transfers.
const SIZE: usize = 48;

fn large() -> Folder {
    let folder = Folder::new();
    for name in ["x.npy", "w.npy"] {
        folder.npy(name, &Array2::<f64>::ones((SIZE, SIZE)));
    }
    let text = declared(&job(64, 16, "z = x @ w"), [SIZE; 2], [SIZE; 2]);
    folder.text("job.toml", &text.replace("[job]\n", "[job]\ncorrelations = \"pair\"\n"));
    folder
}

/// Both parties, and no dealer.
fn start(folder: &Folder, node: usize, arguments: &[&str]) -> Option<Child> {
    (node != DEALS).then(|| folder.start(arguments))
}

/// The ends of the two, each alone.
fn statuses(ended: &Ended) -> [Option<i32>; 2] {
    [ZERO, ONE].map(|node| ended.outputs[node].status.code())
}

/// The troubles of a deployment, their times, and whether it goes on.
type Cell = (Moment, bool);

/// Whatever happens to a party while correlations are made, or after: the run goes on and is right, or the other ends with
/// a line that names it.
#[test]
fn troubles_of_two_parties_by_themselves_end_as_with_a_dealer() {
    /// Deployments at a time.
    const AT_ONCE: usize = 4;
    let plan = json(&large().run(&["plan", "job.toml", "--json"]));
    assert_eq!(plan["pair"]["matrices_by_lattices"], 1, "{}", plan["pair"]);
    let made = plan["pair"]["bytes"].as_u64().expect("bytes");
    let whole = run(large(), Moment::NEVER, |_| {}, start);
    assert_eq!(statuses(&whole), [Some(0); 2], "{}", stderr(&whole.outputs[ZERO]));
    let carried = whole.carried[&Line::ZeroOne];
    assert!(carried > made, "{carried} bytes in all, {made} of them offline");
    let faults = [
        (Fault::Signal("KILL"), false, false),
        (Fault::Cut, false, true),
        (Fault::Garbage, false, true),
        (Fault::Cut, true, false),
    ];
    // In the midst of keys and queries, in that of transfers, and online; each party has each trouble.
    let places = [made / 3, made * 9 / 10, made + (carried - made) / 2];
    let cells = places.into_iter().enumerate().flat_map(|(place, after_bytes)| {
        faults.into_iter().enumerate().map(move |(number, (fault, stays, goes_on))| {
            let victim = [ZERO, ONE][(place + number) % 2];
            (Moment { fault, victim, line: Line::ZeroOne, after_bytes, stays, ..Moment::NEVER }, goes_on)
        })
    });
    let cells: Vec<Cell> = cells.collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&cell) = cells.get(next.fetch_add(1, Ordering::SeqCst)) {
                    hold(cell);
                }
            });
        }
    });
}

fn hold((moment, goes_on): Cell) {
    let Moment { victim, .. } = moment;
    let other = if victim == ZERO { ONE } else { ZERO };
    let ended = run(large(), moment, |_| {}, start);
    let told = stderr(&ended.outputs[other]);
    let context = format!("{moment:?}: {told}");
    if goes_on {
        assert_eq!(statuses(&ended), [Some(0); 2], "{context}");
        let z: Array2<f64> = ended.folder.read("z.npy");
        assert!(z.iter().all(|z| (z - SIZE as f64).abs() < 0.01), "{context}");
    } else {
        assert!(!ended.folder.files().contains(&"z.npy".to_owned()), "no result: {context}");
        assert_eq!(ended.outputs[other].status.code(), Some(3), "{context}");
        assert!(told.contains(&format!("party {}", victim - ZERO)), "{context}");
    }
}
