//! Traces: the work of each lane of each process over time, as files that Perfetto and Chrome open.

mod file;
mod lines;
mod summary;
mod timeline;

pub use file::TraceFile;
pub use lines::LineTook;

use crate::failure::Failure;
use crate::files;
use crate::output::{self, Document};
use std::path::Path;

/// Puts the traces of several processes of one machine into one file.
pub fn merge(from: &[impl AsRef<Path>], to: &Path) -> Result<(), Failure> {
    let files = from.iter().map(|path| TraceFile::read(path.as_ref())).collect::<Result<_, _>>()?;
    TraceFile::merge(files).write(to)
}

impl TraceFile {
    /// The timeline as SVG.
    pub fn timeline(&self) -> String {
        timeline::draw(self)
    }
}

/// A file's summary, and its timeline as SVG.
pub fn draw(path: &Path) -> Result<(summary::Summary, String), Failure> {
    let file = TraceFile::read(path)?;
    Ok((summary::Summary::new(&file, &path.with_extension("svg")), timeline::draw(&file)))
}

/// `trace`: prints a file's summary, and draws its timeline beside it.
pub fn trace(path: &Path, json: bool) -> Result<(), Failure> {
    let svg = path.with_extension("svg");
    let (summary, drawn) = draw(path)?;
    files::write(&svg, drawn.as_bytes())?;
    output::print(json, Document::Trace, &summary, &summary.text())
}
