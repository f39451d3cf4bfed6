//! Bad input: one clear line, the right exit status, and nothing half-written.

use crate::support::{Folder, data, declared_job, deployment, identities, job, refused};
use ndarray::{Array2, array};
use std::net::TcpListener;

fn refused_job(text: &str, words: &str) {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", text);
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains(words), "{line}");
    let line = refused(&folder, &["plan", "job.toml"], 2);
    assert!(line.contains(words), "{line}");
}

#[test]
fn steps_that_do_not_fit_name_the_step_and_what_is_wrong() {
    refused_job(
        &job(64, 16, "z = w @ w"),
        "step 1 `z = w @ w`, column 7: w of shape (3, 2) cannot be multiplied by w of shape (3, 2)",
    );
    refused_job(&job(64, 16, "z = x + w"), "x of shape (2, 3) and w of shape (3, 2) do not broadcast");
    refused_job(&job(64, 16, "z = x @ v"), "unknown name 'v'; known are: w, x");
    refused_job(&job(64, 16, "z = rule(x)"), "unknown function 'rule'");
    refused_job(&job(64, 16, "y = x @ w"), "output 'z' is defined by no step");
    refused_job(
        &job(64, 16, "z = sum(x, axis=2)"),
        "x of shape (2, 3) has no axis 2; sum is called as sum(x) or sum(x, axis=1, keepdims=False)",
    );
    refused_job(&job(64, 16, "z = conv2d(x, w)"), "x of shape (2, 3) is no tensor of images (n, c, h, w)");
}

#[test]
fn jobs_that_cannot_be_read_name_the_place() {
    let text = job(64, 16, "z = x @ w");
    refused_job(&text.replace("ring_bits = 64", "ring_bits = 48"), "there is no ring of 48 bits");
    refused_job(&text.replace("fraction_bits = 16", "fraction_bits = 40"), "fraction_bits = 40 is too many");
    refused_job(&text.replace("beaver", "magic"), "there is no protocol 'magic'; there are: beaver");
    refused_job(&text.replace("owner = 1", "owner = 2"), "'w' names party 2, but beaver has parties 0 to 1");
    refused_job(&text.replace("[program]", "[programme]"), "job.toml:12: unknown field `programme`");
    refused_job(&text.replace("to = [0]", "to = []"), "output 'z' goes to nobody");
    refused_job(
        &text.replace("\"x.npy\"", "\"x.npy\", bound = -1.0"),
        "the bound -1 of input 'x' is not a positive number",
    );
    refused_job("[job", "job.toml:1: ");
}

#[test]
fn bounds_that_allow_an_overflow_are_refused_before_anything_runs() {
    let text = job(64, 16, "z = x @ w").replace("npy\" }\nw", "npy\", bound = 1e8 }\nw");
    refused_job(&text.replace("\"w.npy\"", "\"w.npy\", bound = 1e8"), "x @ w can overflow");
    refused_job(
        &job(64, 16, "z = x @ w").replace("\"x.npy\"", "\"x.npy\", bound = 5.0"),
        "element [1, 2] is 6",
    );
}

#[test]
fn data_that_cannot_be_read_names_the_file() {
    let with = |name: &str, write: fn(&Folder, &str), words: &str| {
        let folder = Folder::new();
        data(&folder);
        std::fs::remove_file(folder.path("x.npy")).expect("the old file goes");
        write(&folder, name);
        folder.text("job.toml", &job(64, 16, "z = x @ w").replace("x.npy", name));
        let line = refused(&folder, &["run", "job.toml", "--local"], 2);
        assert!(line.contains("input 'x'") && line.contains(words), "{line}");
    };
    with("x.npy", |_, _| {}, "x.npy: No such file");
    with("x.npy", |folder, name| folder.text(name, "not numpy"), "x.npy: not an .npy file");
    with(
        "x.npy",
        |folder, name| {
            let header = format!("{:<117}\n", "{'descr': '<c16', 'fortran_order': False, 'shape': (1, 1), }");
            let parts = [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &[0; 16]];
            std::fs::write(folder.path(name), parts.concat()).expect("a file");
        },
        "elements of type '<c16' are not read",
    );
    with("x.npz", |folder, name| folder.text(name, "not zip"), "x.npz: not an .npz file");
    with(
        "x.safetensors",
        |folder, name| folder.text(name, "short"),
        "x.safetensors: not a .safetensors file",
    );
    with("x.npy\", tensor = \"t", |folder, _| data(folder), "x.npy: `tensor` names a matrix of an .npz");
    with("x.parquet", |folder, name| folder.text(name, "PAR1"), "a '.parquet' file is not read");
    with("x.csv", |folder, name| folder.text(name, "1,2,3\n4,five,6\n"), "x.csv, line 2: column 2: 'five'");
    with(
        "x.npy",
        |folder, name| folder.npy(name, &array![[1.0, f64::NAN, 0.0]]),
        "x.npy: element [0, 1] is NaN: only finite numbers can be computed on",
    );
    with(
        "x.npy",
        |folder, name| folder.npy(name, &array![[1.0, 0.0, -1e18]]),
        "x.npy: element [0, 2] is -1e18: magnitudes must be below 7",
    );
    let truncated: fn(&Folder, &str) = |folder, name| {
        folder.npy(name, &Array2::<f64>::zeros((2, 3)));
        let bytes = std::fs::read(folder.path(name)).expect("the file");
        std::fs::write(folder.path(name), &bytes[..bytes.len() - 8]).expect("a shorter file");
    };
    with("x.npy", truncated, "the file is truncated: (2, 3) of f8 does not fill 40 bytes");
}

#[test]
fn fractions_are_refused_where_integers_are_computed_on() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 0, "z = x @ w"));
    let line = refused(&folder, &["run", "job.toml", "--local"], 2);
    assert!(line.contains("w.npy: element [0, 1] is 0.5, not an integer"), "{line}");
}

#[test]
fn a_budget_that_is_too_small_names_the_one_that_would_do() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 16, "z = x @ w"));
    for arguments in
        [&["plan", "job.toml", "--budget", "100B"][..], &["run", "job.toml", "--local", "--budget", "100B"]]
    {
        let line = refused(&folder, arguments, 4);
        assert!(line.contains("needs ") && line.contains("the budget is 100 bytes"), "{line}");
    }
}

#[test]
fn a_missing_dealer_is_named_at_the_deadline() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &declared_job(64, 16, "z = x @ w"));
    let dealer = deployment(&folder);
    let one = folder.start(&["run", "job.toml", "--party", "p1.toml", "--deadline", "5"]);
    let line = refused(&folder, &["run", "job.toml", "--party", "p0.toml", "--deadline", "5"], 3);
    assert!(line.contains(&format!("the dealer did not answer at {dealer} within 5s")), "{line}");
    assert_eq!(one.wait_with_output().expect("party 1 ends").status.code(), Some(3));
}

#[test]
fn a_missing_party_is_named_at_the_deadline() {
    let folder = Folder::new();
    deployment(&folder);
    let line = refused(&folder, &["deal", "--config", "dealer.toml", "--deadline", "1"], 3);
    assert!(line.contains("party 0 and party 1 did not connect"), "{line}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = Folder::new();
    let address = deployment(&folder);
    let _taken = TcpListener::bind(address).expect("a port");
    let line = refused(&folder, &["deal", "--config", "dealer.toml"], 3);
    assert!(line.contains(&format!("cannot listen on {address}: Address already in use")), "{line}");
}

#[test]
fn configurations_that_do_not_fit_the_job_are_refused() {
    let refuse = |config: &str, words: &str| {
        let folder = Folder::new();
        data(&folder);
        folder.text("job.toml", &declared_job(64, 16, "z = x @ w"));
        identities(&folder);
        folder.text("p.toml", config);
        let line = refused(&folder, &["run", "job.toml", "--party", "p.toml"], 2);
        assert!(line.contains(words), "{line}");
    };
    let dealer = "dealer = \"127.0.0.1:7100\"\n";
    refuse(&format!("party = 2\n{dealer}"), "party = 2 but the job has parties 0 to 1");
    refuse(&format!("party = 0\n{dealer}"), "listen: the address");
    refuse(&format!("party = 1\n{dealer}"), "peers: the address of party 0 is missing");
    for streams in [0, 9, 300] {
        refuse(&format!("party = 1\n{dealer}streams = {streams}\n"), "a link has from 1 to 8 streams");
    }
    let peers = "peers = { 0 = \"127.0.0.1:7000\" }\n";
    refuse(&format!("party = 1\n{peers}"), "dealer: the address of the dealer is missing");
    refuse(
        "party = 0\nlisten = \"127.0.0.1:7000\"\ndealer = \"nowhere\"\n",
        "dealer: 'nowhere' is no host and port",
    );
    refuse(
        &format!("party = 0\nlisten = \"127.0.0.1:7000\"\n{dealer}"),
        "identity: the folder with this node's key and its peers' certificates is missing; `symbolon init` makes them",
    );
    let dealer = format!("{dealer}identity = \"nodes/party1\"\n");
    refuse(&format!("party = 1\n{dealer}{peers}[inputs]\nx = \"x.npy\"\n"), "'x' is no input of party 1");
    refuse(
        &format!("party = 1\n{dealer}{peers}[outputs]\nz = \"z.npy\"\n"),
        "'z' is no output that party 1 learns",
    );
}

#[test]
fn wrong_usage_is_status_two() {
    let folder = Folder::new();
    for arguments in [
        &["run", "job.toml"][..],
        &["fly"],
        &["run", "job.toml", "--local", "--budget", "much"],
        &["demo", "--threads", "1025"],
        &["bench", "link", "--streams", "9"],
        &[],
    ] {
        assert_eq!(folder.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
