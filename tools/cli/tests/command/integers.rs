//! Jobs on integers: comparisons are right over all of their kinds, what can wrap is named, and kinds are held against data.

use crate::support::{Folder, json, refused};
use ndarray::{Array2, array};
use std::fmt::Write;

/// A job on integers of two parties' files a.npy and b.npy; `a` and `b` are what is declared of them beside.
fn job(protocol: &str, ring_bits: u32, (a, b): (&str, &str), steps: &[&str]) -> String {
    let names: Vec<&str> = steps.iter().filter_map(|step| step.split(' ').next()).collect();
    let mut text = format!(
        "[job]\nname = \"integers\"\nprotocol = \"{protocol}\"\nring_bits = {ring_bits}\n\n[inputs]\n\
         a = {{ owner = 0, file = \"a.npy\"{a} }}\nb = {{ owner = 1, file = \"b.npy\"{b} }}\n\n\
         [program]\nsteps = {steps:?}\n\n[outputs]\n"
    );
    for name in names {
        writeln!(text, "{name} = {{ to = [0], file = \"{name}.npy\" }}").expect("text grows");
    }
    text
}

#[test]
fn unsigned_integers_are_compared_as_unsigned() {
    let folder = Folder::new();
    folder.npy("a.npy", &array![[1u32, 3_000_000_000, 7]]);
    folder.npy("b.npy", &array![[3_000_000_000u32, 1, 4_294_967_295]]);
    let steps =
        ["lt = a < b", "big = max(a, b)", "at = argmax(b, axis=1)", "positive = a >= 0", "same = relu(b)"];
    for protocol in ["beaver", "replicated"] {
        folder.text("job.toml", &job(protocol, 32, ("", ""), &steps));
        let run = json(&folder.run(&["run", "job.toml", "--local", "--json", "--device", "cpu"]));
        assert_eq!(folder.read::<u32>("lt.npy"), array![[1, 0, 1]]);
        assert_eq!(folder.read::<u32>("big.npy"), array![[3_000_000_000, 3_000_000_000, 4_294_967_295]]);
        assert_eq!(folder.read_as::<u32, ndarray::Ix1>("at.npy"), array![2]);
        assert_eq!(folder.read::<u32>("positive.npy"), array![[1, 1, 1]]);
        assert_eq!(folder.read::<u32>("same.npy"), array![[3_000_000_000, 1, 4_294_967_295]]);
        assert_eq!(run["range"], "integers in 32 bits: every op is exact, and no result can exceed the ring");
        assert_eq!(run["wraps"], serde_json::json!([]));
    }
}

#[test]
fn signed_integers_are_compared_however_far_apart() {
    let folder = Folder::new();
    let a: Array2<i64> = array![[-3 << 61, i64::MAX, i64::MIN, 7]];
    let b: Array2<i64> = array![[3 << 61, -1, 1, 7]];
    folder.npy("a.npy", &a);
    folder.npy("b.npy", &b);
    folder
        .text("job.toml", &job("beaver", 64, ("", ""), &["lt = a < b", "low = min(a, b)", "size = abs(a)"]));
    json(&folder.run(&["run", "job.toml", "--local", "--json", "--device", "cpu"]));
    assert_eq!(folder.read::<i64>("lt.npy"), array![[1, 0, 1, 0]]);
    assert_eq!(folder.read::<i64>("low.npy"), array![[-3 << 61, -1, i64::MIN, 7]]);
    let sizes: Array2<u64> = array![[3 << 61, i64::MAX as u64, 1 << 63, 7]];
    assert_eq!(folder.read::<u64>("size.npy"), sizes, "the magnitude of the least integer is unsigned");
}

#[test]
fn what_can_wrap_is_named_and_bounds_exclude_it() {
    let folder = Folder::new();
    folder.npy("a.npy", &array![[1i64, 2]]);
    folder.npy("b.npy", &array![[3u32, 4]]);
    let steps = ["scores = a * b + b", "lead = b - 1"];
    folder.text("job.toml", &job("beaver", 64, ("", ""), &steps));
    let plan = json(&folder.run(&["plan", "job.toml", "--json"]));
    let wraps = [
        "a * b can exceed the ring and wraps modulo 2^64",
        "scores can exceed the ring and wraps modulo 2^64",
    ];
    assert_eq!(plan["wraps"], serde_json::json!(wraps), "a difference of a u32 and 1 fits 64 bits");
    folder.text("bounded.toml", &job("beaver", 64, (", bound = 1000", ""), &steps));
    let plan = json(&folder.run(&["plan", "bounded.toml", "--json"]));
    assert_eq!(plan["wraps"], serde_json::json!([]));
    folder.npy("a.npy", &array![[1i64, 1001]]);
    let line = refused(&folder, &["plan", "bounded.toml"], 2);
    assert!(line.contains("element [0, 1] is 1001, above the declared bound 1000"), "{line}");
}

#[test]
fn declared_kinds_are_held_against_data() {
    let folder = Folder::new();
    folder.npy("a.npy", &array![[1i64, 3_000_000_000]]);
    folder.npy("b.npy", &array![[2.0f64, 4_000_000_000.0]]);
    let kinds = (", kind = \"u32\"", ", kind = \"u32\"");
    folder.text("job.toml", &job("beaver", 32, kinds, &["big = max(a, b)"]));
    json(&folder.run(&["run", "job.toml", "--local", "--json", "--device", "cpu"]));
    assert_eq!(folder.read::<u32>("big.npy"), array![[2, 4_000_000_000]]);
    folder.text("signed.toml", &job("beaver", 32, ("", kinds.1), &["big = max(a, b)"]));
    let line = refused(&folder, &["run", "signed.toml", "--local"], 2);
    assert!(line.contains("element [0, 1] is 3000000000, which is no i32; declare the kind"), "{line}");
    assert!(line.contains("kind = \"u32\""), "{line}");
    folder.npy("a.npy", &array![[1i64, -3]]);
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains("element [0, 1] is -3, which is no u32"), "{line}");
    folder.text("wide.toml", &job("beaver", 32, (", kind = \"i64\"", ""), &["big = max(a, b)"]));
    let line = refused(&folder, &["plan", "wide.toml"], 2);
    assert!(line.contains("input 'a' is declared i64, but ring_bits = 32"), "{line}");
}

#[test]
fn mixtures_that_nothing_holds_are_refused_with_the_bound_that_would_do() {
    let folder = Folder::new();
    folder.npy("a.npy", &array![[1u64, u64::MAX]]);
    folder.npy("b.npy", &array![[-1i64, 4]]);
    folder.text("job.toml", &job("beaver", 64, ("", ""), &["lt = b < a", "big = max(a, b)"]));
    json(&folder.run(&["run", "job.toml", "--local", "--json", "--device", "cpu"]));
    assert_eq!(folder.read::<i64>("lt.npy"), array![[1, 1]], "of signed and unsigned integers");
    assert_eq!(folder.read::<u64>("big.npy"), array![[1, u64::MAX]]);
    folder.text("both.toml", &job("beaver", 64, ("", ""), &["both = concat(a, b, axis=0)"]));
    let line = refused(&folder, &["plan", "both.toml"], 2);
    assert!(line.contains("declare bounds below 2^63 on unsigned inputs"), "{line}");
}

/// A job on u64 keys of both parties and numbers with fractions of one.
fn job_of_both(protocol: &str, step: &str) -> String {
    format!(
        "[job]\nname = \"keys\"\nprotocol = \"{protocol}\"\nring_bits = 64\nfraction_bits = 16\n\n[inputs]\n\
         key = {{ owner = 0, file = \"key.npy\", kind = \"integer\" }}\n\
         known = {{ owner = 1, file = \"known.npy\", kind = \"integer\" }}\n\
         amount = {{ owner = 1, file = \"amount.npy\", bound = 1000.0 }}\n\n\
         [program]\nsteps = [\"z = {step}\"]\n\n[outputs]\nz = {{ to = [0], file = \"z.npy\" }}\n"
    )
}

fn keys() -> Folder {
    let folder = Folder::new();
    folder.npy("key.npy", &array![[u64::MAX], [7], [1 << 63]]);
    folder.npy("known.npy", &array![[1u64 << 63], [u64::MAX], [0]]);
    folder.npy("amount.npy", &array![[0.5f64], [-2.25], [9.0]]);
    folder
}

#[test]
fn integers_of_full_width_stand_beside_numbers_with_fractions() {
    let folder = keys();
    for protocol in ["beaver", "replicated"] {
        let run = |step: &str| {
            folder.text("job.toml", &job_of_both(protocol, step));
            json(&folder.run(&["run", "job.toml", "--local", "--json", "--device", "cpu"]))
        };
        let report = run("join(key, known, amount)");
        let found = folder.read::<f64>("z.npy");
        assert_eq!(found, array![[-2.25], [0.0], [0.5]], "the amounts of the keys that both have");
        let range = report["range"].as_str().expect("a range");
        assert!(range.ends_with("; integers beside them are exact"), "{range}");
        run("max(key, known)");
        assert_eq!(folder.read::<u64>("z.npy"), array![[u64::MAX], [u64::MAX], [1 << 63]]);
        let report = run("key + known");
        assert_eq!(report["wraps"].as_array().map(Vec::len), Some(1), "a sum that wraps is named");
        assert_eq!(folder.read::<u64>("z.npy"), array![[(1 << 63) - 1], [6], [1 << 63]]);
    }
}

#[test]
fn integers_are_not_mixed_with_numbers_with_fractions_unless_a_job_says_so() {
    let folder = keys();
    let line = |step: &str| {
        folder.text("job.toml", &job_of_both("beaver", step));
        refused(&folder, &["run", "job.toml", "--local"], 2)
    };
    for step in ["key * amount", "amount + key", "key / 2", "select(amount > 0, key, amount)"] {
        let line = line(step);
        assert!(
            line.contains("is an integer, and would be mixed with numbers with fractions"),
            "{step}: {line}"
        );
    }
    let large = line("real(key) * amount");
    assert!(large.contains("numbers with fractions here stay below 2^46: declare a bound"), "{large}");
    folder.npy("key.npy", &array![[0.5f64], [1.0], [2.0]]);
    let fraction = line("key == known");
    assert!(fraction.contains("0.5"), "{fraction}");
}
