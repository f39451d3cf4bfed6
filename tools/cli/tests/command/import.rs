//! ONNX models as jobs: what the written jobs compute is what onnxruntime computed when the models were made
//! (tools/onnx/make.py).

use crate::support::{Folder, error_line, json, refused, stderr};
use ndarray::ArrayD;
use std::path::PathBuf;

/// A model of tools/onnx, or what goes with it.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../onnx").join(name)
}

fn array(path: PathBuf) -> ArrayD<f64> {
    let read = |path: &PathBuf| ndarray_npy::read_npy(path);
    read(&path).unwrap_or_else(|_| {
        let single =
            |path: &PathBuf| ndarray_npy::read_npy::<_, ArrayD<f32>>(path).map(|array| array.mapv(f64::from));
        single(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    })
}

/// A model, its inputs and outputs, flags, and the largest error of any output.
type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [&'a str], f64);

const CLASSES: &[&str] = &["label", "probabilities"];
const ROWS: &[&str] = &["--batch", "4"];

const CASES: &[Case] = &[
    ("linear", &["X"], &["variable"], ROWS, 2e-4),
    ("logistic", &["X"], CLASSES, ROWS, 1e-3),
    ("logistic_names", &["X"], CLASSES, ROWS, 1e-3),
    ("mlp", &["X"], CLASSES, ROWS, 1e-3),
    ("mlp_two", &["X"], CLASSES, ROWS, 1e-3),
    ("tree", &["X"], &["variable"], ROWS, 2e-4),
    ("forest", &["X"], CLASSES, ROWS, 2e-4),
    ("forest_two", &["X"], CLASSES, ROWS, 2e-4),
    ("forest_large", &["X"], &["variable"], ROWS, 1e-3),
    ("boosting", &["X"], CLASSES, ROWS, 1e-3),
    ("cnn", &["x"], &["logits"], &["--batch", "2"], 2e-3),
    ("windows", &["x"], &["images", "sequences"], &["--batch", "2"], 2e-3),
    ("encoder", &["x"], &["pooled"], &["--batch", "2", "--axis", "sequence=4", "--set", "mask=1"], 2e-3),
];

fn runs_as(protocol: &str) {
    for &(model, inputs, outputs, flags, most) in CASES {
        let folder = Folder::new();
        let path = file(&format!("{model}.onnx"));
        let mut arguments =
            vec!["import", path.to_str().expect("a path"), "--out", "job", "--protocol", protocol, "--json"];
        arguments.extend(flags);
        let report = json(&folder.run(&arguments));
        assert!(report["steps"].as_u64() > Some(0), "{report}");
        for input in inputs {
            let name = format!("{model}.{input}.npy");
            std::fs::copy(file(&name), folder.path("job").join(format!("{input}.npy"))).expect("the data");
        }
        let output = folder.run(&["run", "job/JOB.toml", "--local", "--device", "cpu", "--threads", "1"]);
        assert!(output.status.success(), "{model} under {protocol}: {}", stderr(&output));
        for name in outputs {
            let found = array(folder.path("job").join(format!("{name}.npy")));
            let due = array(file(&format!("{model}.{name}.npy")));
            assert_eq!(found.shape(), due.shape(), "{model}, {name}");
            let error = found.iter().zip(&due).map(|(found, due)| (found - due).abs()).fold(0.0, f64::max);
            assert!(error <= most, "{model} under {protocol}: {name} is {found}, and {due} is due");
        }
    }
}

#[test]
fn imported_models_compute_under_beaver_what_they_compute_in_the_clear() {
    runs_as("beaver");
}

#[test]
fn imported_models_compute_under_replicated_what_they_compute_in_the_clear() {
    runs_as("replicated");
}

#[test]
fn an_imported_job_is_read_by_people() {
    let folder = Folder::new();
    let path = file("mlp.onnx");
    let path = path.to_str().expect("a path");
    let output = folder.run(&[
        "import",
        path,
        "--out",
        "job",
        "--batch",
        "3",
        "--bound",
        "8",
        "--data",
        "X=rows.csv",
        "--output",
        "label",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("party 0 brings X of shape [3, 5] in rows.csv"), "{text}");
    let job = std::fs::read_to_string(folder.path("job/JOB.toml")).expect("the job");
    for line in [
        "X = { owner = 0, file = \"rows.csv\", shape = [3, 5], bound = 8 }",
        "coefficient = { owner = 1, file = \"model.safetensors\", tensor = \"coefficient\", shape = [5, 8], resident = true }",
        "\"next_activations = relu(add_result)\"",
        "label = { to = [0], file = \"label.npy\" }",
    ] {
        assert!(job.contains(line), "{line} is in {job}");
    }
    assert!(!job.contains("probabilities"), "an output that is not revealed is not computed: {job}");
    let again = refused(&folder, &["import", path, "--out", "job"], 2);
    assert!(again.contains("JOB.toml is there already: --force replaces it"), "{again}");
    assert!(folder.run(&["import", path, "--out", "job", "--force"]).status.success());
}

#[test]
fn all_that_is_not_supported_is_named_at_once() {
    let folder = Folder::new();
    let path = file("unsupported.onnx");
    let line = refused(&folder, &["import", path.to_str().expect("a path"), "--out", "job"], 2);
    for name in ["Resize '/up/Resize'", "LpPool '/pool/LpPool'", "NonZero '/resize/NonZero'"] {
        assert!(line.contains(name), "{name} is named: {line}");
    }
}

#[test]
fn a_file_that_is_no_model_is_refused_in_a_line() {
    let folder = Folder::new();
    let whole = std::fs::read(file("mlp.onnx")).expect("a model");
    for (name, bytes) in [
        ("cut.onnx", &whole[..whole.len() - 9]),
        ("text.onnx", b"not a model".as_slice()),
        ("empty.onnx", b""),
    ] {
        std::fs::write(folder.path(name), bytes).expect("a file");
        let line = refused(&folder, &["import", name, "--out", "job"], 2);
        assert!(line.contains(name) && line.contains("no ONNX model"), "{line}");
    }
    refused(&folder, &["import", "none.onnx", "--out", "job"], 2);
    let path = file("mlp.onnx");
    let path = path.to_str().expect("a path");
    for (flags, reason) in [
        (["--shape", "x=3,5"], "there is no input 'x'; there are: X"),
        (["--shape", "X=3,6"], "input 'X' cannot have shape [3, 6]"),
        (["--output", "scores"], "there is no output 'scores'"),
        (["--axis", "time=3"], "no input has an open axis 'time'"),
        (["--model-owner", "2"], "names party 2"),
    ] {
        let output = folder.run(&[&["import", path, "--out", "job"], &flags[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let line = error_line(&output);
        assert!(line.contains(reason), "{line}");
    }
}

#[test]
fn altered_models_are_imported_or_refused() {
    let folder = Folder::new();
    let corpus = std::fs::read_dir(file("../fuzz/corpus/onnx")).expect("a corpus");
    let mut paths: Vec<PathBuf> = corpus.map(|entry| entry.expect("a case").path()).collect();
    paths.sort();
    let mut state = 0x5eed_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for path in paths {
        let whole = std::fs::read(&path).expect("a case");
        for _ in 0..8 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = if random(2) == 0 { random(256) as u8 } else { bytes[at] ^ 1 << random(8) };
            }
            std::fs::write(folder.path("model.onnx"), &bytes).expect("a file");
            let output = folder.run(&["import", "model.onnx", "--out", "job", "--force"]);
            let said = stderr(&output);
            assert!(matches!(output.status.code(), Some(0 | 2)), "{}, altered: {said}", path.display());
        }
    }
}
