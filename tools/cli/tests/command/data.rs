//! Data on its way in: nothing of it changes, and what is missing or has another shape is refused.

use crate::support::{Folder, deployment, error_line, json, refused, stderr};
use ndarray::{Array2, array};

/// A job that passes a table of each party's on.
fn tables(fraction_bits: u32, x: &str, z: &str) -> String {
    format!(
        r#"
[job]
name = "tables"
protocol = "beaver"
ring_bits = 64
fraction_bits = {fraction_bits}

[inputs]
x = {{ owner = 0, file = "x.csv"{x} }}
z = {{ owner = 1, file = "z.csv"{z} }}

[program]
steps = ["y = x + 0", "v = z + 0"]

[outputs]
y = {{ to = [0], file = "y.npy" }}
v = {{ to = [0], file = "v.npy" }}
"#
    )
}

const LOCAL: [&str; 5] = ["run", "job.toml", "--local", "--device", "cpu"];

fn run_json(folder: &Folder) -> serde_json::Value {
    json(&folder.run(&[&LOCAL[..], &["--json"]].concat()))
}

#[test]
fn numbers_that_are_rounded_to_zero_are_spoken_of_and_pages_have_the_warnings() {
    let folder = Folder::new();
    folder.text("x.csv", "0.000001,2\n0,0.00002\n");
    folder.text(
        "job.toml",
        "[job]\nname = \"small\"\nprotocol = \"beaver\"\nring_bits = 64\nfraction_bits = 16\n[inputs]\n\
         x = { owner = 0, file = \"x.csv\" }\n[program]\nsteps = [\"z = exp(x)\"]\n[outputs]\nz = { to = [0] }\n",
    );
    let output = folder.run(&["run", "job.toml", "--local", "--device", "cpu", "--report", "page"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("input 'x': 1 of its numbers are nearer to zero than to 2^-16"), "{said}");
    let page = std::fs::read_to_string(folder.path("page/report.html")).expect("the page");
    assert!(page.contains("<h2>Warnings</h2>") && page.contains("exp(x) is right only where"), "{page}");
}

#[test]
fn integers_of_a_table_are_exact_whatever_stands_beside_them() {
    let folder = Folder::new();
    folder.text("job.toml", &tables(0, "", ""));
    folder.text("x.csv", "9007199254740993,1.0\n9223372036854775807,1e3\n");
    folder.text("z.csv", "-9007199254740993.0\n");
    run_json(&folder);
    assert_eq!(folder.read::<i64>("y.npy"), array![[9007199254740993, 1], [i64::MAX, 1000]]);
    assert_eq!(folder.read::<i64>("v.npy"), array![[-9007199254740993]]);
    for (text, words) in [
        ("1,2\n3,0.5\n", "row 2, column 2 is 0.5, not an integer"),
        ("1,1.00000000000000000001\n", "row 1, column 2 is not exactly 1, and so not an integer"),
        ("18446744073709551616\n", "row 1, column 1 is 18446744073709551616, which does not fit"),
        ("-1,9223372036854775809\n", "row 1, column 2 is 9223372036854775809, which is no i64"),
        ("1,1e400\n", "x.csv, line 1: column 2: '1e400' is larger than any number"),
    ] {
        folder.text("x.csv", text);
        let line = refused(&folder, &LOCAL, 2);
        assert!(line.contains(words), "{line}");
    }
    folder.text("job.toml", &tables(0, ", bound = 9007199254740992", ""));
    folder.text("x.csv", "9007199254740993\n");
    let line = refused(&folder, &LOCAL, 2);
    assert!(line.contains("is 9007199254740993, above the declared bound 9007199254740992"), "{line}");
    folder.text("job.toml", &tables(0, ", bound = 9007199254740993", ""));
    let line = refused(&folder, &LOCAL, 2);
    assert!(line.contains("the bound 9007199254740993 is not held exactly: 9007199254740994 is"), "{line}");
}

#[test]
fn large_numbers_of_a_table_are_exact_in_fixed_point() {
    let folder = Folder::new();
    folder.text("job.toml", &tables(4, "", ""));
    folder.text("x.csv", "9007199254740993,0.5\n");
    folder.text("z.csv", "-9007199254740993.5,0.5\n");
    // What is written is f64: the difference shows what was computed on.
    let job = tables(4, "", "").replace("y = x + 0", "y = x - 9007199254740992");
    folder.text("job.toml", &job.replace("v = z + 0", "v = z + 9007199254740992"));
    run_json(&folder);
    assert_eq!(folder.read::<f64>("y.npy")[[0, 0]], 1.0);
    assert_eq!(folder.read::<f64>("v.npy")[[0, 0]], -1.5);
    folder.text("x.csv", "288230376151711744,0.5\n");
    let line = refused(&folder, &LOCAL, 2);
    assert!(line.contains("row 1, column 1 is 2.8823037615171174e17: magnitudes must be below"), "{line}");
}

#[test]
fn missing_values_are_refused_or_filled_as_the_job_says() {
    let folder = Folder::new();
    folder.text("x.csv", "NA,NA\n1,2\n3,4\n");
    folder.text("z.csv", "1\n\n3\n");
    folder.text("job.toml", &tables(16, "", ", missing = 0"));
    let line = refused(&folder, &LOCAL, 2);
    assert!(line.contains("x.csv, line 1: column 1: the value is missing ('NA')"), "{line}");
    folder.text("job.toml", &tables(16, ", missing = -1.5", ", missing = \"error\""));
    let line = refused(&folder, &LOCAL, 2);
    assert!(line.contains("z.csv, line 2: column 1: the value is missing"), "{line}");
    folder.text("job.toml", &tables(16, ", missing = -1.5", ", missing = 0"));
    run_json(&folder);
    assert_eq!(folder.read::<f64>("y.npy"), array![[-1.5, -1.5], [1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(folder.read::<f64>("v.npy"), array![[1.0], [0.0], [3.0]]);
    folder.text("job.toml", &tables(16, ", missing = \"mean\"", ""));
    let line = refused(&folder, &LOCAL, 2);
    assert!(line.contains("missing is \"error\", or the number"), "{line}");
}

#[test]
fn names_of_columns_are_spoken_of_chosen_by_and_never_guessed_from_an_index() {
    let folder = Folder::new();
    folder.text("job.toml", &tables(16, "", ", columns = [\"b\", 2], separator = \";\""));
    folder.text("x.csv", "age,weight\n1,2\n");
    folder.text("z.csv", "id;a;b\nA7;1;2\n");
    let output = folder.run(&LOCAL);
    assert!(output.status.success(), "{}", stderr(&output));
    let notes: Vec<String> =
        stderr(&output).lines().filter(|line| line.starts_with("note: ")).map(str::to_owned).collect();
    assert_eq!(notes.len(), 1, "only of 'x' was anything taken for granted: {notes:?}");
    assert!(notes[0].contains("input 'x'"), "{notes:?}");
    assert!(notes[0].contains("x.csv: line 1 is taken for names of columns (age, weight)"), "{notes:?}");
    assert_eq!(folder.read::<f64>("v.npy"), array![[2.0, 1.0]]);
    folder.text("x.csv", ",a,b\n0,1.5,2\n1,-3,0.4\n");
    let line = refused(&folder, &LOCAL, 2);
    assert!(
        line.contains("column 1 has none, as where pandas writes its index: write with index=False"),
        "{line}"
    );
    for (option, words) in [
        ("header = false, columns = [\"a\"]", "`columns` names 'a', but header = false"),
        ("columns = [0]", "`columns` are counted from 1"),
        ("columns = [1, 1]", "`columns` names column 1 twice"),
        ("separator = \"--\"", "a separator is one sign"),
    ] {
        folder.text("job.toml", &tables(16, &format!(", {option}"), ""));
        let line = refused(&folder, &LOCAL, 2);
        assert!(line.contains(words), "{line}");
    }
    let binary = tables(16, ", header = true", "").replace("x.csv", "x.npy");
    folder.text("job.toml", &binary);
    folder.npy("x.npy", &array![[1.0]]);
    folder.text("z.csv", "7\n");
    let line = refused(&folder, &LOCAL, 2);
    assert!(line.contains("x.npy: `header` says how a .csv is read"), "{line}");
}

/// A job of two batches of integers.
fn two_batches(folder: &Folder, extra: &str) {
    let job = tables(0, extra, "").replace("ring_bits", "batches = 2\nring_bits").replace(".csv", ".npy");
    let job = job.replace("x.npy", "x-{batch}.npy").replace("y.npy", "y-{batch}.npy");
    folder.text("job.toml", &job.replace("v.npy", "v-{batch}.npy"));
    folder.npy("x-0.npy", &array![[1u64, 2, 3], [4, 5, 6]]);
    folder.npy("z.npy", &array![[7u64]]);
}

#[test]
fn a_later_batch_has_the_shape_and_the_sign_of_the_first() {
    let folder = Folder::new();
    let later = |array: &Array2<i64>, words: &str| {
        folder.npy("x-1.npy", array);
        let line = refused(&folder, &LOCAL, 2);
        assert!(line.contains("input 'x'") && line.contains(words), "{line}");
    };
    two_batches(&folder, "");
    later(&array![[1, 2], [3, 4], [5, 6]], "x-1.npy: has shape (3, 2), in the first batch it was (2, 3)");
    later(
        &array![[1, 2, 3], [4, -10, 6]],
        "x-1.npy: element [1, 1] is -10: the first batch has unsigned integers of 64 bits",
    );
    two_batches(&folder, ", shape = [2, 3]");
    later(&array![[1, 2], [3, 4], [5, 6]], "x-1.npy: has shape (3, 2), the job declares (2, 3)");
    // Integers of another type that are none the less unsigned.
    folder.npy("x-1.npy", &array![[1i64, 2, 3], [4, 10, 6]]);
    run_json(&folder);
    assert_eq!(folder.read::<u64>("y-1.npy"), array![[1, 2, 3], [4, 10, 6]]);
}

#[test]
fn a_run_begins_before_the_data_of_later_batches_is_there() {
    let folder = Folder::new();
    deployment(&folder);
    two_batches(&folder, ", shape = [2, 3]");
    let dealer = folder.start(&["deal", "--config", "dealer.toml"]);
    let parties = ["p0.toml", "p1.toml"].map(|party| folder.start(&["run", "job.toml", "--party", party]));
    let [owner, other] = parties.map(|party| party.wait_with_output().expect("a party ends"));
    dealer.wait_with_output().expect("the dealer ends");
    assert_eq!([&owner, &other].map(|output| output.status.code()), [Some(2), Some(3)]);
    assert!(error_line(&owner).contains("x-1.npy: No such file"), "{}", stderr(&owner));
    assert_eq!(folder.read::<u64>("y-0.npy"), array![[1, 2, 3], [4, 5, 6]], "the first batch is done");
}

#[test]
fn a_plan_without_a_file_asks_for_its_shape() {
    let folder = Folder::new();
    folder.text("job.toml", &tables(16, "", ""));
    folder.text("x.csv", "1,2\n");
    let line = refused(&folder, &["plan", "job.toml"], 2);
    assert!(line.contains("input 'z'") && line.contains("z.csv: No such file"), "{line}");
    assert!(line.contains("declare its shape in the job, as shape = [rows, cols]"), "{line}");
    folder.text("job.toml", &tables(16, "", ", shape = [2, 2]"));
    json(&folder.run(&["plan", "job.toml", "--json"]));
}
