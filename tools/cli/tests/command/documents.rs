//! What people read, held against what the command does.

use crate::support::{Folder, stderr};
use std::path::Path;

/// The blocks of a document that are jobs.
fn jobs(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    let text = std::fs::read_to_string(path).expect("the document");
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.filter(|block| block.contains("[job]")).map(str::to_owned).collect()
}

#[test]
fn the_jobs_of_the_documents_are_planned_without_their_data() {
    for document in [
        "README.md",
        "src/guide/circuits.md",
        "src/guide/jobs.md",
        "src/guide/states.md",
        "src/guide/training.md",
    ] {
        let jobs = jobs(document);
        assert!(!jobs.is_empty(), "{document} has a job");
        for job in jobs {
            let folder = Folder::new();
            folder.text("job.toml", &job);
            let output = folder.run(&["plan", "job.toml", "--device", "cpu", "--json"]);
            assert!(output.status.success(), "the job of {document} is planned: {}", stderr(&output));
        }
    }
}
