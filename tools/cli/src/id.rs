//! `id`: fingerprints, which people compare over the phone before their nodes trust each other.

use crate::failure::Failure;
use crate::init;
use crate::output::{self, Document};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use symbolon_job::identity::{self, CERTIFICATE};

/// All nodes of a folder, of which there is one where the folder is a node's own.
#[derive(Serialize)]
struct IdJson {
    nodes: Vec<NodeJson>,
}

/// A node's own fingerprint and those of its pinned peers.
#[derive(Serialize)]
struct NodeJson {
    folder: String,
    fingerprint: String,
    peers: BTreeMap<String, String>,
}

/// Prints the fingerprints of a node, or of all nodes in a folder.
pub fn id(folder: &Path, json: bool) -> Result<(), Failure> {
    let mut nodes = Vec::new();
    for folder in init::folders(folder)? {
        let own = identity::certificate(&folder.join(CERTIFICATE))?;
        let pins = identity::pins(&folder)?;
        nodes.push(NodeJson {
            folder: folder.display().to_string(),
            fingerprint: own.fingerprint().to_string(),
            peers: pins.into_iter().map(|(name, pin)| (name, pin.fingerprint().to_string())).collect(),
        });
    }
    let text = nodes.iter().map(text).collect::<Vec<_>>().join("\n");
    output::print(json, Document::Id, &IdJson { nodes }, &text)
}

fn text(node: &NodeJson) -> String {
    let mut text = format!("{}\n  its own  {}\n", node.folder, node.fingerprint);
    for (name, fingerprint) in &node.peers {
        text += &format!("  {name:<8} {fingerprint}\n");
    }
    text
}
