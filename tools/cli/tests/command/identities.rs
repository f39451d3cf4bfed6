//! Identities: who makes them, who may read them, and who is turned away.

use crate::support::{Folder, data, declared_job, deployment, error_line, identities, json, refused, stderr};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

/// Runs a deployment's three processes; returns how the dealer, party 0 and party 1 ended.
fn run(folder: &Folder) -> [Output; 3] {
    let start = |arguments: &[&str]| folder.start(&[arguments, &["--deadline", "3"]].concat());
    let children = [
        start(&["deal", "--config", "dealer.toml"]),
        start(&["run", "job.toml", "--party", "p0.toml"]),
        start(&["run", "job.toml", "--party", "p1.toml"]),
    ];
    children.map(|child| child.wait_with_output().expect("the command ends"))
}

fn ready() -> Folder {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &declared_job(64, 16, "z = x @ w"));
    deployment(&folder);
    folder
}

fn mode(folder: &Folder, name: &str) -> u32 {
    std::fs::metadata(folder.path(name)).expect(name).permissions().mode() & 0o777
}

fn fingerprint(folder: &Folder, node: &str) -> String {
    let nodes = json(&folder.run(&["id", &format!("nodes/{node}"), "--json"]));
    nodes["nodes"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

#[test]
fn what_init_makes_is_ready_to_run_and_private() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &declared_job(64, 16, "z = x @ w"));
    identities(&folder);
    for node in ["party0", "party1", "dealer"] {
        assert_eq!(mode(&folder, &format!("nodes/{node}")), 0o700);
        assert_eq!(mode(&folder, &format!("nodes/{node}/identity.key")), 0o600);
    }
    let party = std::fs::read_to_string(folder.path("nodes/party1/party.toml")).expect("a configuration");
    for line in ["party = 1", "listen = \"127.0.0.1:7001\"", "peers = { 0 = \"127.0.0.1:7000\" }"] {
        assert!(party.contains(line), "{party}");
    }
    let nodes = json(&folder.run(&["id", "nodes", "--json"]));
    let (zero, one) = (&nodes["nodes"][1], &nodes["nodes"][2]);
    assert_eq!(zero["peers"]["party1"], one["fingerprint"], "party 0 believes party 1");
    assert_ne!(zero["fingerprint"], one["fingerprint"]);
    let line = refused(&folder, &["init", "--parties", "2", "--dealer", "nodes"], 2);
    assert!(line.contains("nodes/party0: it is there already"), "{line}");
    let line = refused(&folder, &["init", "--parties", "3", "--hosts", "a,b", "others"], 2);
    assert!(line.contains("--hosts names 2 hosts for 3 nodes"), "{line}");
    let line = refused(&folder, &["init", "--parties", "4", "others"], 2);
    assert!(
        line.contains("no protocol has 4 parties; there are: beaver (2 parties), replicated (3 parties)"),
        "{line}"
    );
    let line = refused(&folder, &["id", "."], 2);
    assert!(line.contains("there is no identity in it"), "{line}");
}

#[test]
fn nodes_made_apart_meet_once_they_have_exchanged_certificates() {
    let folder = ready();
    std::fs::remove_dir_all(folder.path("nodes")).expect("the nodes go");
    for node in ["party0", "party1", "dealer"] {
        let output = folder.run(&["init", "--parties", "2", "--dealer", "--only", node, "nodes"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let line = refused(&folder, &["run", "job.toml", "--party", "p0.toml"], 2);
    assert!(
        line.contains("peers/party1.crt") && line.contains("ask for the identity.crt of party 1"),
        "{line}"
    );
    for (from, to) in [("party0", "party1"), ("party0", "dealer"), ("party1", "party0")].into_iter().chain([
        ("party1", "dealer"),
        ("dealer", "party0"),
        ("dealer", "party1"),
    ]) {
        let to = folder.path(&format!("nodes/{to}/peers/{from}.crt"));
        std::fs::copy(folder.path(&format!("nodes/{from}/identity.crt")), to)
            .expect("a certificate is copied");
    }
    for output in run(&folder) {
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn a_node_that_is_not_known_is_refused_by_name_on_both_sides() {
    for (node, of) in [("party1", 2), ("party0", 1), ("dealer", 0)] {
        let folder = ready();
        let known = fingerprint(&folder, node);
        // A new identity that the others have not been told of.
        std::fs::rename(folder.path("nodes"), folder.path("kept")).expect("the nodes move");
        identities(&folder);
        let stranger = fingerprint(&folder, node);
        std::fs::rename(
            folder.path(&format!("nodes/{node}/identity.key")),
            folder.path(&format!("kept/{node}/identity.key")),
        )
        .expect("a key moves");
        std::fs::rename(
            folder.path(&format!("nodes/{node}/identity.crt")),
            folder.path(&format!("kept/{node}/identity.crt")),
        )
        .expect("a certificate moves");
        std::fs::remove_dir_all(folder.path("nodes")).expect("the others go");
        std::fs::rename(folder.path("kept"), folder.path("nodes")).expect("the nodes move back");
        let outputs = run(&folder);
        let lines: Vec<String> = outputs.iter().map(error_line).collect();
        for (index, output) in outputs.iter().enumerate() {
            assert_eq!(output.status.code(), Some(3), "process {index} with another {node}: {lines:?}");
        }
        let names = |line: &String| {
            line.contains(&stranger) && (line.contains(&known) || line.contains("not pinned"))
        };
        assert!(lines.iter().any(names), "{stranger} for {known}: {lines:?}");
        assert!(
            lines[of].contains("refuses the certificate of this process")
                || lines[of].contains("did not connect"),
            "{}",
            lines[of]
        );
    }
}

#[test]
fn renewing_replaces_an_identity_and_what_the_others_know_of_it() {
    let folder = ready();
    let before = fingerprint(&folder, "party0");
    let output = folder.run(&["init", "--renew", "nodes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_ne!(fingerprint(&folder, "party0"), before);
    for output in run(&folder) {
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn damaged_and_exposed_identities_are_refused() {
    let folder = ready();
    let key = folder.path("nodes/party0/identity.key");
    let run = ["run", "job.toml", "--party", "p0.toml"];
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("a mode is set");
    let line = refused(&folder, &run, 2);
    assert!(line.contains("others may read this key: chmod 600"), "{line}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode is set");
    std::fs::copy(folder.path("nodes/party1/identity.crt"), folder.path("nodes/party0/identity.crt"))
        .expect("a copy");
    let line = refused(&folder, &run, 2);
    assert!(line.contains("the key is not that of the certificate"), "{line}");
    let pinned = folder.path("nodes/dealer/peers/party1.crt");
    let certificate = |node: &str| {
        std::fs::read_to_string(folder.path(&format!("nodes/{node}/identity.crt"))).expect("a certificate")
    };
    std::fs::write(&pinned, certificate("party1") + &certificate("dealer")).expect("a file");
    let line = refused(&folder, &["deal", "--config", "dealer.toml"], 2);
    assert!(line.contains("party1.crt: it holds several certificates"), "{line}");
    std::fs::write(folder.path("nodes/party0/identity.crt"), "nothing").expect("a file");
    let line = refused(&folder, &run, 2);
    assert!(line.contains("it holds no certificate"), "{line}");
    std::fs::remove_file(&key).expect("the key goes");
    let line = refused(&folder, &run, 2);
    assert!(line.contains("identity.key") && line.contains("`symbolon init` makes one"), "{line}");
}

#[test]
fn one_key_for_two_roles_is_refused_by_name() {
    let folder = ready();
    let pin = |of: &str, node: &str, peer: &str| {
        let to = folder.path(&format!("nodes/{node}/peers/{peer}.crt"));
        std::fs::copy(folder.path(&format!("nodes/{of}/identity.crt")), to).expect("a certificate is copied");
    };
    pin("party1", "party0", "dealer");
    let line = refused(&folder, &["run", "job.toml", "--party", "p0.toml"], 2);
    assert!(line.contains("nodes/party0/peers: party 1 and the dealer have the same key here"), "{line}");
    pin("party0", "party0", "dealer");
    let line = refused(&folder, &["run", "job.toml", "--party", "p0.toml"], 2);
    assert!(
        line.contains("the certificate of the dealer (") && line.contains("has this node's own key"),
        "{line}"
    );
    pin("party0", "dealer", "party1");
    let line = refused(&folder, &["deal", "--config", "dealer.toml"], 2);
    assert!(line.contains("party 0 and party 1 have the same key here"), "{line}");
}
