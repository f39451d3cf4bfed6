//! Correlations in files: dealt ahead of time, used without a dealer, and never twice.

use crate::support::{Folder, data, declared_job, deployment, error_line, job, json, refused, stderr};
use ndarray::{Array2, array};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// A folder with a job, its data and its demand, and with `store`, which holds so many orders.
fn dealt(orders: usize) -> Folder {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &declared_job(64, 16, "z = x @ w").replace("to = [0]", "to = [0, 1]"));
    json(&folder.run(&["plan", "job.toml", "--demand", "demand.json", "--json"]));
    deal(&folder, "store", orders);
    folder
}

fn deal(folder: &Folder, store: &str, orders: usize) {
    let count = orders.to_string();
    let output = folder.run(&[
        "deal",
        "--demand",
        "demand.json",
        "--store",
        store,
        "--count",
        &count,
        "--device",
        "cpu",
        "--json",
    ]);
    assert_eq!(json(&output)["orders"], orders);
}

fn product() -> Array2<f64> {
    array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].dot(&array![[1.0, 0.5], [-1.0, 0.25], [2.0, 0.0]])
}

fn is_product(folder: &Folder) -> bool {
    let z: Array2<f64> = folder.read("z.npy");
    z.iter().zip(&product()).all(|(z, exact)| (z - exact).abs() < 1e-3)
}

#[test]
fn a_job_runs_without_a_dealer_from_what_was_dealt_ahead_of_time() {
    let folder = dealt(3);
    let run = json(&folder.run(&["run", "job.toml", "--local", "--correlations", "store", "--json"]));
    assert!(is_product(&folder));
    assert!(run["dealer"].is_null());
    assert_eq!((&run["stored"]["order"], &run["stored"]["orders_left"]), (&0.into(), &2.into()));
    let with_dealer = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    for field in ["bytes_sent", "bytes_planned", "rounds", "offline_bytes_received"] {
        assert_eq!(run["parties"][1][field], with_dealer["parties"][1][field], "{field}");
    }
    // As on machines of their own: each party has its own folder, and no dealer's address.
    deployment(&folder);
    let text = std::fs::read_to_string(folder.path("p1.toml")).expect("a configuration");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("dealer")).collect();
    folder.text("p1.toml", &lines.join("\n"));
    let [zero, one] = start_parties(&folder).map(|party| party.wait_with_output().expect("it ends"));
    assert!(zero.status.success() && one.status.success(), "{}{}", stderr(&zero), stderr(&one));
    assert!(
        stderr(&one).contains("party 1 uses order 1 of its store; 1 are left to all parties"),
        "{}",
        stderr(&one)
    );
}

#[test]
fn two_parties_fill_their_stores_themselves_and_use_each_order_once() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &declared_job(64, 16, "z = x @ w").replace("to = [0]", "to = [0, 1]"));
    let plan = ["plan", "job.toml", "--demand", "demand.json", "--correlations", "pair", "--json"];
    let plan = json(&folder.run(&plan));
    assert_eq!(plan["trust"]["correlations_from"], "a store that the two parties filled", "{plan}");
    assert!(plan["dealer"].is_null(), "nobody deals");
    let line = refused(&folder, &["deal", "--demand", "demand.json", "--store", "dealt"], 2);
    assert!(line.contains("`symbolon deal --pair` makes it"), "{line}");
    deployment(&folder);
    let fill = |config: &'static str, count: &'static str| {
        let to = ["deal", "--pair", config, "--demand", "demand.json", "--store", "store", "--count", count];
        folder.start(&[&to[..], &["--json"]].concat())
    };
    let both = |counts: [&'static str; 2]| {
        let parties = [fill("p0.toml", counts[0]), fill("p1.toml", counts[1])];
        parties.map(|party| party.wait_with_output().expect("it ends"))
    };
    for output in &both(["2", "3"]) {
        assert_eq!(output.status.code(), Some(5), "{}", stderr(output));
        assert!(stderr(output).contains("orders is `"), "{}", stderr(output));
    }
    for output in &both(["2", "2"]) {
        assert_eq!(json(output)["orders"], 2);
    }
    let of_store = json(&folder.run(&["plan", "job.toml", "--correlations", "store", "--json"]));
    assert_eq!(of_store["digest"], plan["digest"], "the store says for which lowering it is");
    for order in 0..2 {
        let run = json(&folder.run(&["run", "job.toml", "--local", "--correlations", "store", "--json"]));
        assert!(is_product(&folder));
        assert_eq!(run["stored"]["order"], order);
        assert_eq!(run["trust"]["correlations_from"], "a store that the two parties filled");
        assert_eq!(run["parties"][0]["rounds"], plan["rounds"], "as planned");
    }
    let line = refused(&folder, &["run", "job.toml", "--local", "--correlations", "store"], 4);
    assert!(line.contains("every order of this store is used"), "{line}");
}

/// Both parties of a deployment, each with its folder of the store.
fn start_parties(folder: &Folder) -> [Child; 2] {
    [("p0.toml", "store/party0"), ("p1.toml", "store/party1")].map(|(config, store)| {
        let own = ["run", "job.toml", "--party", config, "--correlations", store];
        folder.start(&[&own[..], &["--device", "cpu", "--threads", "1", "--deadline", "5"]].concat())
    })
}

#[test]
fn a_store_that_is_of_no_use_says_why() {
    let folder = dealt(1);
    let local = ["run", "job.toml", "--local", "--correlations", "store"];
    let line = refused(&folder, &["run", "job.toml", "--local", "--correlations", "."], 2);
    assert!(
        line.contains("there is no correlation store in it; `symbolon deal --store` makes one"),
        "{line}"
    );
    let line = refused(&folder, &["deal", "--demand", "demand.json", "--store", "store"], 2);
    assert!(line.contains("there is a correlation store in it already"), "{line}");
    folder.text("other.toml", &job(64, 16, "z = (x @ w) * 0.3"));
    let line = refused(&folder, &["run", "other.toml", "--local", "--correlations", "store"], 2);
    assert!(line.contains("it was dealt for demand "), "{line}");
    let text = declared_job(64, 16, "z = x @ w").replace("[inputs]", "batches = 2\n[inputs]");
    let text = text.replace("owner = 1", "owner = 1, resident = true").replace("z.npy", "z-{batch}.npy");
    folder.text("resident.toml", &text);
    let line = refused(&folder, &["plan", "resident.toml", "--demand", "resident.json"], 2);
    assert!(line.contains("a store has the same correlations for every run"), "{line}");
    assert!(!folder.path("resident.json").exists(), "no demand that no run could use");
    json(&folder.run(&[&local[..], &["--json"]].concat()));
    let line = refused(&folder, &local, 4);
    assert!(line.contains("every order of this store is used; deal a new one"), "{line}");
}

#[test]
fn a_demand_that_was_altered_is_not_dealt() {
    let folder = dealt(1);
    let demand = std::fs::read_to_string(folder.path("demand.json")).expect("a demand");
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    assert!(demand.contains(plan["demand_digest"].as_str().expect("a digest")));
    let refuse = |text: &str, words: &str| {
        folder.text("other.json", text);
        let line = refused(&folder, &["deal", "--demand", "other.json", "--store", "other"], 2);
        assert!(line.contains(words), "{line}");
    };
    refuse(&demand.replace("\"rows\":2", "\"rows\":1"), "other.json: ");
    refuse(&demand.replacen("\"digest\":\"", "\"digest\":\"0", 1), "its digest is not that of the demand");
    refuse("{", "other.json:1: this is no demand");
    refuse(
        &demand.replacen("\"format\":1", "\"format\":2", 1),
        "it has format 2, this program reads format 1",
    );
    let without_a_store = folder.run(&["deal", "--demand", "demand.json"]);
    assert_eq!(without_a_store.status.code(), Some(2));
    assert!(stderr(&without_a_store).contains("--store"));
}

#[test]
fn a_party_with_a_store_and_one_with_a_dealer_disagree() {
    let folder = dealt(1);
    deployment(&folder);
    let [mut dealer, one] = [
        folder.start(&["deal", "--config", "dealer.toml", "--deadline", "2"]),
        folder.start(&["run", "job.toml", "--party", "p1.toml", "--deadline", "5"]),
    ];
    let arguments = ["run", "job.toml", "--party", "p0.toml", "--correlations", "store", "--deadline", "5"];
    let zero = folder.run(&arguments);
    let one = one.wait_with_output().expect("party 1 ends");
    assert_eq!((zero.status.code(), one.status.code()), (Some(5), Some(5)));
    let line = error_line(&zero);
    assert!(
        line.contains("source of correlations is `store ") && line.contains("and `the dealer` there"),
        "{line}"
    );
    dealer.wait().expect("the dealer ends");
}

/// Copies a folder with all that is in it.
fn copy(folder: &Folder, from: &str, to: &str) {
    let _ = std::fs::remove_dir_all(folder.path(to));
    let copied =
        std::process::Command::new("cp").arg("-a").arg(folder.path(from)).arg(folder.path(to)).status();
    assert!(copied.expect("cp starts").success(), "{from} is copied to {to}");
}

#[test]
fn an_order_is_used_once_though_all_folders_are_brought_back() {
    let folder = dealt(4);
    copy(&folder, "store", "backup");
    let local = ["run", "job.toml", "--local", "--correlations", "store", "--device", "cpu", "--json"];
    let stored = |output: &std::process::Output| {
        let run = json(output);
        [run["stored"]["order"].as_u64(), run["stored"]["orders_left"].as_u64()]
            .map(|number| number.expect("a number"))
    };
    assert_eq!(stored(&folder.run(&local)), [0, 3]);
    copy(&folder, "backup", "store");
    assert_eq!(stored(&folder.run(&local)), [1, 2], "both folders are brought back: order 0 is used");
    copy(&folder, "backup/party0", "store/party0");
    assert_eq!(stored(&folder.run(&local)), [2, 1], "one folder is brought back");
    assert!(is_product(&folder));
    // As on machines of their own: the marks lie beside the identities.
    deployment(&folder);
    std::fs::remove_dir_all(folder.path("store")).expect("the store goes");
    deal(&folder, "store", 4);
    copy(&folder, "store", "backup");
    let run = || start_parties(&folder).map(|party| party.wait_with_output().expect("it ends"));
    let says = |outputs: &[std::process::Output; 2], words: &str| {
        assert!(
            outputs.iter().all(|output| output.status.success()),
            "{}{}",
            stderr(&outputs[0]),
            stderr(&outputs[1])
        );
        assert!(
            outputs.iter().all(|output| stderr(output).contains(words)),
            "{words}: {}",
            stderr(&outputs[0])
        );
    };
    says(&run(), "uses order 0 of its store; 3 are left to all parties");
    let marks = std::fs::read_dir(folder.path("nodes/party0/stores")).expect("a folder of marks");
    let names: Vec<String> =
        marks.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().any(|name| name.ends_with("-party0.mark")), "{names:?}");
    copy(&folder, "backup", "store");
    let outputs = run();
    says(&outputs, "uses order 1 of its store; 2 are left to all parties");
    says(&outputs, "holds 1 order(s) that were used before, as after it is brought back from a copy");
    copy(&folder, "backup", "store");
    says(&run(), "uses order 2 of its store; 1 are left to all parties");
    says(&run(), "uses order 3 of its store; 0 are left to all parties");
    copy(&folder, "backup", "store");
    let [zero, _] = run();
    assert_eq!(zero.status.code(), Some(4));
    let line = error_line(&zero);
    assert!(line.contains("its orders were used before this folder was brought back from a copy"), "{line}");
}

/// A party's process whose stderr is read as it comes.
struct Watched {
    child: Child,
    /// An item for each order that it says that it uses.
    says: Receiver<u32>,
    reader: JoinHandle<Vec<u32>>,
}

impl Watched {
    fn new(mut child: Child) -> Watched {
        let stderr = BufReader::new(child.stderr.take().expect("a piped stderr"));
        let (sender, says) = channel();
        let reader = std::thread::spawn(move || {
            let mut orders = Vec::new();
            for line in stderr.lines().map_while(Result::ok) {
                let order = line
                    .split_once(" uses order ")
                    .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
                orders.extend(order);
                order.map(|order| sender.send(order));
            }
            orders
        });
        Watched { child, says, reader }
    }

    /// The orders that it used, once it has ended.
    fn used(mut self) -> Vec<u32> {
        self.child.wait().expect("the process ends");
        self.reader.join().expect("its stderr is read")
    }
}

/// The orders that bear a mark in a party's folder.
fn marks(folder: &Folder, party: usize) -> BTreeSet<u32> {
    let files = std::fs::read_dir(folder.path(&format!("store/party{party}"))).expect("a store");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(".used")?.parse().ok()).collect()
}

/// Moments that look random, in 0..1.
fn moments() -> impl FnMut() -> f64 {
    let mut state = 0x9e37_79b9_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    }
}

#[test]
fn no_order_is_used_twice_whenever_processes_are_killed() {
    // Both parties are killed in each.
    const ROUNDS: usize = 100;
    let folder = dealt(ROUNDS + 2);
    deployment(&folder);
    let start = Instant::now();
    let whole: Vec<Vec<u32>> = start_parties(&folder).map(|child| Watched::new(child).used()).into();
    assert_eq!(whole, [[0], [0]]);
    let time = start.elapsed();
    let (mut moment, mut used) = (moments(), [BTreeSet::from([0]), BTreeSet::from([0])]);
    for round in 0..ROUNDS {
        let before = [marks(&folder, 0), marks(&folder, 1)];
        let mut parties = start_parties(&folder).map(Watched::new);
        let (first, pause) = (round % 2, time.mul_f64(moment() / 8.0));
        if round % 4 < 2 {
            // Anywhere in its run.
            std::thread::sleep(time.mul_f64(1.1 * moment()));
        } else {
            // As soon as it has said that it uses an order, or ends.
            let _ = parties[first].says.recv();
        }
        parties[first].child.kill().expect("a process of this test");
        std::thread::sleep(pause);
        parties[1 - first].child.kill().expect("a process of this test");
        let said = parties.map(Watched::used);
        for (party, said) in said.iter().enumerate() {
            let now = marks(&folder, party);
            assert!(now.is_superset(&before[party]), "round {round}: a mark stays");
            assert!(now.len() <= before[party].len() + 1, "round {round}: a run marks one order");
            for order in said {
                assert!(now.contains(order), "round {round}: order {order} is used and bears no mark");
                assert!(
                    before.iter().all(|marks| !marks.contains(order)),
                    "round {round}: party {party} uses order {order}, which was marked"
                );
                assert!(used[party].insert(*order), "round {round}: party {party} uses order {order} twice");
            }
        }
        if let [[zero], [one]] = [&said[0][..], &said[1][..]] {
            assert_eq!(zero, one, "round {round}: the parties use one order");
        }
    }
    let last: Vec<Vec<u32>> = start_parties(&folder).map(|child| Watched::new(child).used()).into();
    assert!(last[0].len() == 1 && last[0] == last[1] && !used[0].contains(&last[0][0]), "{last:?}");
    assert!(is_product(&folder), "what is left is as good as ever");
}
