//! Jobs with `check = true`: what is wrong is found before anything is revealed, and named to all.

use crate::support::{Folder, json};
use ndarray::array;

/// A job of two parties on x.npy and y.npy, whose steps' last result is party 0's.
fn job(protocol: &str, header: &str, steps: &[&str], file: &str) -> String {
    let last = steps.last().and_then(|step| step.split(' ').next()).expect("a step");
    format!(
        "[job]\nname = \"checks\"\nprotocol = \"{protocol}\"\nring_bits = 64\nfraction_bits = 16\ncheck = true\n{header}\n\
         [inputs]\nx = {{ owner = 0, file = \"x{file}.npy\" }}\ny = {{ owner = 1, file = \"y.npy\" }}\n\n\
         [program]\nsteps = {steps:?}\n\n[outputs]\n{last} = {{ to = [0], file = \"z{file}.npy\" }}\n"
    )
}

#[test]
fn a_job_with_checks_gives_its_results_and_warns_of_nothing() {
    let folder = Folder::new();
    folder.npy("x.npy", &array![[2.0, 3e4]]);
    folder.npy("y.npy", &array![[4.0, 3e4]]);
    for protocol in ["beaver", "replicated"] {
        folder.text("job.toml", &job(protocol, "", &["p = x * y", "z = log(p)"], ""));
        let run = json(&folder.run(&["run", "job.toml", "--local", "--json", "--device", "cpu"]));
        let found = folder.read::<f64>("z.npy");
        assert!((found[(0, 0)] - 8f64.ln()).abs() < 1e-3, "{found}");
        assert!((found[(0, 1)] - 9e8f64.ln()).abs() < 1e-3, "{found}");
        assert_eq!(run["warnings"], serde_json::json!([]), "a run that warns would have failed");
        let range = run["range"].as_str().expect("a text");
        assert!(range.contains("checked in every run"), "{range}");
    }
}

#[test]
fn a_step_that_leaves_the_ring_fails_the_run_by_its_name_and_nothing_is_written() {
    let folder = Folder::new();
    folder.npy("x.npy", &array![[2.0, 3e5]]);
    folder.npy("y.npy", &array![[4.0, 3e5]]);
    for protocol in ["beaver", "replicated"] {
        folder.text("job.toml", &job(protocol, "", &["p = x * y", "z = p / 2"], ""));
        let output = folder.run(&["run", "job.toml", "--local", "--json", "--device", "cpu"]);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
        assert_eq!(said["status"], 1);
        let reason = said["error"].as_str().expect("a reason");
        assert!(reason.contains("p does not hold"), "{reason}");
        assert!(!folder.path("z.npy").exists(), "no output is written");
    }
}

#[test]
fn later_batches_are_checked_too() {
    let folder = Folder::new();
    folder.npy("x0.npy", &array![[2.0, 3.0]]);
    folder.npy("x1.npy", &array![[2.0, -3.0]]);
    folder.npy("y.npy", &array![[4.0, 1.0]]);
    let text = job("beaver", "batches = 2", &["z = sqrt(assume(x + y, 0, 100))"], "{batch}");
    folder.text("job.toml", &text.replace("to = [0]", "to = [0, 1]"));
    let output = folder.run(&["run", "job.toml", "--local", "--device", "cpu"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("z does not hold to what is declared, assumed or needed"), "{errors}");
    assert!(!folder.path("z1.npy").exists());
    let first = folder.read::<f64>("z0.npy");
    assert!((first[(0, 0)] - 6f64.sqrt()).abs() < 1e-3, "the batch before is written: {first}");
}
