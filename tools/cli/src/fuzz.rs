//! What reads files, for fuzzing: nothing here may panic, or take memory that the file does not pay for.

use crate::data::{Kind, Matrix, Source};
use crate::job::{Facts, Job};
use std::path::Path;
use symbolon::program::Dims;
use symbolon::ring::{FixedPoint, Ring, Shape};

/// Reads the bytes as a job, and makes its program for small inputs.
pub fn job(bytes: &[u8]) {
    with_file("job.toml", bytes, |path| {
        let Ok(job) = Job::read(path) else { return };
        // Shapes are taken from the job where they are small.
        let facts = |name: &String| {
            let declared = job.declared_facts(name).map(|facts| facts.shape);
            let small = |shape: &Dims| shape.extents().iter().all(|&extent| extent <= 8);
            let shape = declared.filter(small).unwrap_or(Shape::new(2, 2).into());
            (name.clone(), Facts { shape, kind: Kind::Real })
        };
        let _ = job.program(&job.inputs.keys().map(facts).collect());
    });
}

/// Reads the bytes as a matrix of NumPy.
pub fn npy(bytes: &[u8]) {
    with_file("matrix.npy", bytes, matrix);
}

/// Reads the bytes as a table of numbers.
pub fn csv(bytes: &[u8]) {
    with_file("table.csv", bytes, matrix);
}

fn matrix(path: &Path) {
    let Ok(matrix) = Matrix::read(&Source { file: path.to_owned(), tensor: None }) else { return };
    let codec = FixedPoint::new(Ring::Z64, 16).expect("16 fraction bits fit");
    let _ = matrix.encode(codec);
}

fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file is written");
    read(&path);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes through the cases that are kept, whole and cut short.
    fn corpus(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let mut cases = 0;
        for entry in std::fs::read_dir(folder).expect("a corpus") {
            let bytes = std::fs::read(entry.expect("a case").path()).expect("a case can be read");
            let cuts = (0..bytes.len()).step_by(7).chain([bytes.len()]);
            cuts.for_each(|end| target(&bytes[..end]));
            cases += 1;
        }
        assert!(cases > 0, "there are cases");
    }

    #[test]
    fn jobs_of_the_corpus_are_survived() {
        corpus("job", job);
    }

    #[test]
    fn matrices_of_the_corpus_are_survived() {
        corpus("npy", npy);
    }

    #[test]
    fn tables_of_the_corpus_are_survived() {
        corpus("csv", csv);
    }
}
