//! The examples of statistics on rows of two owners: they give what NumPy and pandas compute.

use crate::support::{Folder, json};
use ndarray::ArrayD;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/statistics")
}

/// Runs a job of two owners' data, and holds each output to the computed values, up to so much.
fn held(name: &str, most: f64, outputs: &[&str]) {
    let folder = Folder::new();
    let text = std::fs::read_to_string(examples().join(name)).expect("the job");
    assert!(text.lines().count() < 40, "{name} is short");
    for entry in std::fs::read_dir(examples()).expect("the data is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            std::fs::copy(&path, folder.path(&path.file_name().expect("a name").to_string_lossy()))
                .expect("data is copied");
        }
    }
    folder.text("job.toml", &text);
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    for output in outputs {
        let file = format!("{output}.npy");
        let found: ArrayD<f64> = folder.read_as(&file);
        let due = std::fs::File::open(examples().join("expected").join(&file)).expect("a computed value");
        let due = <ArrayD<f64> as ndarray_npy::ReadNpyExt>::read_npy(due).expect("a computed value");
        assert_eq!(found.shape(), due.shape(), "{output} of {name}");
        for (found, due) in found.iter().zip(&due) {
            let apart = (found - due).abs() / due.abs().max(1.0);
            assert!(apart <= most, "{output} of {name}: {found} for {due}");
        }
    }
}

#[test]
fn a_regression_by_solve_has_the_coefficients_of_least_squares() {
    held("regression.toml", 2e-3, &["coefficients"]);
}

#[test]
fn a_t_test_of_two_owners_samples_is_that_of_all_rows() {
    held("ttest.toml", 2e-3, &["t", "freedom"]);
}

#[test]
fn quartiles_and_outliers_of_two_samples_are_those_of_both() {
    held("quantiles.toml", 1e-4, &["quartiles", "outliers"]);
}

/// Amounts have two digits behind the point, which fixed-point numbers round.
#[test]
fn amounts_of_joined_rows_are_summed_by_group() {
    held("join.toml", 1e-4, &["region", "count", "amount"]);
}
