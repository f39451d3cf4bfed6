//! Correlations that the two parties make between themselves: no dealer is started, and everything says so.

use crate::support::{Folder, data, declared_job, json, refused};
use ndarray::{Array2, array};

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
    assert!(line.contains("correlations come from dealer, pair or store=DIR"), "{line}");
    let job = std::fs::read_to_string(folder.path("job.toml")).expect("a job");
    folder.text("job.toml", &job.replace("[job]\n", "[job]\ncorrelations = \"store=here\"\n"));
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains("a job takes them from \"dealer\" or \"pair\""), "{line}");
    folder.text("job.toml", &job.replace("\"beaver\"", "\"replicated\""));
    let line = refused(&folder, &["run", "job.toml", "--local", "--correlations", "pair"], 2);
    assert!(line.contains("replicated takes no correlations from the two parties themselves"), "{line}");
}
