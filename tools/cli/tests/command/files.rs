//! Where data comes from and results go: names, folders, links and who may read them.

use crate::support::{Folder, data, error_line, job, json, refused};
use ndarray::array;
use ndarray_npy::WriteNpyExt;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Output;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn mode(folder: &Folder, name: &str) -> u32 {
    let metadata = std::fs::metadata(folder.path(name)).expect("the file is there");
    metadata.permissions().mode() & 0o777
}

fn folder_with(job: &str) -> Folder {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", job);
    folder
}

fn under_umask(folder: &Folder, umask: &str, more: &[&str]) -> Output {
    let command = folder.command(&[&["run", "job.toml", "--local", "--device", "cpu"], more].concat());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args()).current_dir(command.get_current_dir().expect("a folder"));
    shell.output().expect("the command starts")
}

#[test]
fn names_are_identifiers() {
    for name in ["../z", "a/b", "2z", "sum x", "", "é"] {
        let text = job(64, 16, "z = x @ w").replace("z = { to", &format!("\"{name}\" = {{ to"));
        let line = refused(&folder_with(&text), &["run", "job.toml", "--local"], 2);
        assert!(line.contains("is no name: names of inputs and outputs are letters"), "{line}");
    }
    let long = "x".repeat(65);
    let text = job(64, 16, "z = x @ w").replace("w = { owner", &format!("{long} = {{ owner"));
    refused(&folder_with(&text), &["plan", "job.toml"], 2);
}

#[test]
fn names_that_differ_in_their_end_alone_keep_their_files_apart() {
    let outputs = "z = { to = [0], file = \"z.npy\" }\nz_1 = { to = [0], file = \"z1.npy\" }\n";
    let text = job(64, 16, "z = x @ w").replace("z = { to = [0], file = \"z.npy\" }\n", outputs);
    let folder = folder_with(&text.replace("[\"z = x @ w\"]", "[\"z = x @ w\", \"z_1 = 2 * z\"]"));
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let (z, twice) = (folder.read::<f64>("z.npy"), folder.read::<f64>("z1.npy"));
    assert_eq!(z * 2.0, twice);
}

#[test]
fn results_are_their_user_s_alone_unless_the_user_says_otherwise() {
    const WRITTEN: [&str; 3] = ["z.npy", "trace.json", "report/report.html"];
    let folder = folder_with(&job(64, 16, "z = x @ w"));
    let write = |more: &[&str]| {
        let arguments = [&["--trace", "trace.json", "--report", "report"], more].concat();
        let output = under_umask(&folder, "000", &arguments);
        assert!(output.status.success(), "{}", error_line(&output));
        WRITTEN.map(|name| mode(&folder, name))
    };
    assert_eq!(write(&[]), [0o600; 3], "whatever the umask is");
    assert_eq!(write(&["--file-mode", "644"]), [0o644; 3]);
    assert_eq!(write(&[]), [0o600; 3], "what is replaced is their user's alone again");
    assert!(folder.run(&["trace", "trace.json"]).status.success());
    assert_eq!(mode(&folder, "trace.svg"), 0o600);
    let line = refused(&folder, &["run", "job.toml", "--local", "--file-mode", "999"], 2);
    assert!(line.contains("permissions of a file are three octal digits"), "{line}");
}

/// Needs the right to make another user's link.
#[test]
fn another_user_s_link_is_not_followed() {
    let folder = folder_with(&job(64, 16, "z = x @ w").replace("z.npy", "shared/z.npy"));
    std::fs::create_dir(folder.path("shared")).expect("a folder");
    std::fs::set_permissions(folder.path("shared"), PermissionsExt::from_mode(0o1777))
        .expect("a mode is set");
    folder.text("notes.txt", "important");
    symlink(folder.path("notes.txt"), folder.path("shared/z.npy")).expect("a link");
    let nobody = Some(65_534);
    if std::os::unix::fs::lchown(folder.path("shared/z.npy"), nobody, nobody).is_err() {
        eprintln!("skipped: this user cannot make another's link");
        return;
    }
    for arguments in [&["run", "job.toml", "--local"][..], &["plan", "job.toml"]] {
        let line = refused(&folder, arguments, 2);
        assert!(line.contains("shared/z.npy is a symbolic link of another user and not followed"), "{line}");
    }
    let output = folder.run(&["run", "job.toml", "--local", "--trace", "shared/z.npy"]);
    assert!(!output.status.success(), "no more than an output does a trace follow it");
    let notes = std::fs::read_to_string(folder.path("notes.txt")).expect("the file is there");
    assert_eq!(notes, "important", "what the link names is untouched");
}

#[test]
fn links_are_followed() {
    let folder = folder_with(&job(64, 16, "z = x @ w"));
    std::fs::create_dir(folder.path("results")).expect("a folder");
    symlink("results/real.npy", folder.path("z.npy")).expect("a link to a file that is not there yet");
    for _ in 0..2 {
        json(&folder.run(&["run", "job.toml", "--local", "--json"]));
        assert!(folder.path("z.npy").is_symlink(), "the link stays");
        assert_eq!(folder.read::<f64>("results/real.npy").dim(), (2, 2));
    }
}

#[test]
fn every_output_has_a_file_of_its_own() {
    let two = "z = { to = [0], file = \"z.npy\" }\ny = { to = [1], file = \"./z.npy\" }\n";
    let text = job(64, 16, "z = x @ w").replace("z = { to = [0], file = \"z.npy\" }\n", two);
    let text = text.replace("[\"z = x @ w\"]", "[\"z = x @ w\", \"y = 2 * z\"]");
    for arguments in [&["run", "job.toml", "--local"][..], &["plan", "job.toml"]] {
        let line = refused(&folder_with(&text), arguments, 2);
        assert!(line.contains("output 'z'") && line.contains("is also the file of output 'y'"), "{line}");
    }
}

#[test]
fn an_output_does_not_replace_an_input() {
    let text = job(64, 16, "z = x @ w").replace("z.npy", "link.npy");
    let folder = folder_with(&text);
    symlink("w.npy", folder.path("link.npy")).expect("a link");
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains("output 'z'") && line.contains("is also the file of input 'w'"), "{line}");
    assert_eq!(folder.read::<f64>("w.npy").dim(), (3, 2), "the input is untouched");
}

#[test]
fn nobody_is_told_twice() {
    let text = job(64, 16, "z = x @ w").replace("to = [0]", "to = [0, 1, 0]");
    let line = refused(&folder_with(&text), &["plan", "job.toml"], 2);
    assert!(line.contains("output 'z' names party 0 twice"), "{line}");
}

#[test]
fn targets_that_cannot_be_written_are_refused_before_anything_runs() {
    let refuse = |target: &str, words: &str| {
        let folder = folder_with(&job(64, 16, "z = x @ w").replace("z.npy", target));
        std::fs::create_dir(folder.path("folder.npy")).expect("a folder");
        for arguments in [&["run", "job.toml", "--local"][..], &["plan", "job.toml"]] {
            let line = refused(&folder, arguments, 2);
            assert!(line.contains("output 'z'") && line.contains(words), "{line}");
        }
    };
    refuse("nowhere/z.npy", "does not exist");
    refuse("folder.npy", "this is a folder, not a file");
    refuse("z.txt", "z.txt: a '.txt' file is not written; .npy and .csv are");
    refuse("z", "a file without extension is not written");
    #[cfg(target_os = "linux")]
    refuse("/proc/z.npy", "/proc/z.npy: ");
}

#[test]
fn inputs_are_matrices_of_archives_too() {
    let text = job(64, 0, "z = x @ w")
        .replace("\"x.npy\"", "\"model.safetensors\", tensor = \"fc1.weight\"")
        .replace("\"w.npy\"", "\"data.npz\", tensor = \"w\"");
    let folder = folder_with(&text);
    let bytes: Vec<u8> = (1..=6i64).flat_map(i64::to_le_bytes).collect();
    let weight = TensorView::new(Dtype::I64, vec![2, 3], &bytes).expect("a tensor");
    std::fs::write(
        folder.path("model.safetensors"),
        serialize([("fc1.weight", weight)], None).expect("bytes"),
    )
    .expect("a file is written");
    let mut archive = ZipWriter::new(std::fs::File::create(folder.path("data.npz")).expect("a file"));
    for (name, array) in [("v.npy", array![[7i64]]), ("w.npy", array![[1i64, 0], [0, 1], [1, 1]])] {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).expect("bytes");
        archive.start_file(name, SimpleFileOptions::default()).expect("an entry");
        archive.write_all(&bytes).expect("an entry is written");
    }
    archive.finish().expect("an archive");
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    assert_eq!(folder.read::<i64>("z.npy"), array![[4, 5], [10, 11]]);
    folder.text("job.toml", &text.replace("\"w\"", "\"u\""));
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains("data.npz: there is no 'u' in it; there are: v, w"), "{line}");
}

#[test]
fn inputs_are_files_that_end() {
    let folder = folder_with(&job(64, 16, "z = x @ w").replace("\"x.npy\"", "\"pipe.npy\""));
    let made = std::process::Command::new("mkfifo").arg(folder.path("pipe.npy")).status();
    assert!(made.expect("mkfifo starts").success());
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains("pipe.npy: this is a pipe or a device, not a file"), "{line}");
}

#[test]
fn a_plan_holds_a_declared_shape_against_the_file() {
    let text = job(64, 16, "z = x @ w").replace("\"x.npy\"", "\"x.npy\", shape = [2, 4]");
    let folder = folder_with(&text);
    let line = refused(&folder, &["plan", "job.toml"], 2);
    assert!(line.contains("x.npy: has shape (2, 3), the job declares (2, 4)"), "{line}");
    std::fs::remove_file(folder.path("x.npy")).expect("the file goes");
    folder.text("job.toml", &text.replace("[2, 4]", "[2, 3]"));
    let output = folder.run(&["plan", "job.toml"]);
    assert!(output.status.success(), "a declared shape stands for a file: {}", error_line(&output));
}
