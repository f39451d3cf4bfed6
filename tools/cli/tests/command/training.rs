//! The examples of training: they learn what the plain computation learns.

use crate::support::{Folder, json};
use ndarray::Array2;
use std::path::{Path, PathBuf};

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn copied(folder: &Folder, from: &Path, end: &str) {
    for entry in std::fs::read_dir(from).expect("the data is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == end) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            std::fs::copy(&path, folder.path(&name)).expect("data is copied");
        }
    }
}

#[test]
fn a_regression_on_columns_of_two_owners_is_as_right_as_that_of_scikit_learn() {
    let (folder, example) = (Folder::new(), tools().join("examples/cancer"));
    copied(&folder, &example, "csv");
    let text = std::fs::read_to_string(example.join("cancer.toml")).expect("the job");
    assert!(text.lines().count() < 40, "it is short");
    folder.text("job.toml", &text);
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let learnt: Array2<f64> = folder.read_as("scores.npy");
    let file = std::fs::File::open(example.join("expected/scores.npy")).expect("scikit-learn's");
    let expected = <Array2<f64> as ndarray_npy::ReadNpyExt>::read_npy(file).expect("scikit-learn's");
    let benign = std::fs::read_to_string(folder.path("test_benign.csv")).expect("what is known");
    let right = |scores: &Array2<f64>| {
        let rows = scores.iter().zip(benign.lines());
        rows.filter(|(score, benign)| (**score > 0.0) == (*benign == "1")).count() as f64 / 1.43
    };
    let (own, theirs) = (right(&learnt), right(&expected));
    assert!((own - theirs).abs() <= 0.5, "right for {own:.2} % and scikit-learn for {theirs:.2} %");
    for (learnt, expected) in learnt.iter().zip(&expected) {
        assert!((learnt - expected).abs() < 0.05, "{learnt} for {expected}");
    }
}

#[test]
fn a_network_has_the_same_bits_under_both_protocols() {
    const WEIGHTS: [&str; 7] = ["w1", "w2", "w3", "b1", "b2", "b3", "loss"];
    let folder = Folder::new();
    copied(&folder, &tools().join("digits"), "npy");
    let text = std::fs::read_to_string(tools().join("examples/training/digits.toml")).expect("the job");
    let short = text.replace("../../digits/", "").replace("repeat = 330", "repeat = 4");
    let short = short.replace("every = 11", "every = 2");
    let learnt = ["replicated", "beaver"].map(|protocol| {
        folder.text("job.toml", &short.replace("\"replicated\"", &format!("\"{protocol}\"")));
        let report = json(&folder.run(&["run", "job.toml", "--local", "--json"]));
        assert_eq!(report["turns"], 4);
        let epoch = &report["turn"]["epoch"];
        assert_eq!(epoch["turns"], 11, "11 batches of 128 are a pass through 1,437 rows");
        assert!(epoch["epoch_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "an epoch takes time");
        WEIGHTS.map(|name| std::fs::read(folder.path(&format!("{name}.npy"))).expect("an output"))
    });
    assert!(learnt[0] == learnt[1], "weights and losses are the plain computation's bit for bit");
}
