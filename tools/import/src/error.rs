//! Why a model cannot be imported.

use std::path::PathBuf;

/// Why a model cannot be imported: one line.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// A file that cannot be read, or is no model.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's word, or the fault.
        reason: String,
    },
    /// Options that do not fit the model.
    #[error("{}: {reason}", .path.display())]
    Options {
        /// The model.
        path: PathBuf,
        /// The option, and what to write instead.
        reason: String,
    },
    /// Nodes that have no counterpart among the steps of a job.
    #[error("{}: not supported: {}", .path.display(), shown(.nodes))]
    Unsupported {
        /// The model.
        path: PathBuf,
        /// Each node by op and name, with the reason.
        nodes: Vec<String>,
    },
}

/// The first nodes of which an error speaks.
const SHOWN: usize = 40;

fn shown(nodes: &[String]) -> String {
    let mut text = nodes[..nodes.len().min(SHOWN)].join("; ");
    if nodes.len() > SHOWN {
        text += &format!("; and {} more", nodes.len() - SHOWN);
    }
    text
}
