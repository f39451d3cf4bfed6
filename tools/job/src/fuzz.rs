//! What reads files, for fuzzing: nothing here may panic, or take memory that the file does not pay for.

use crate::data::{DataFile, Matrix, Source, TableOptions};
use crate::{AnyJob, DealerConfig, Job, PartyConfig};
use std::path::Path;
use symbolon::net::{Certificate, Identity};
use symbolon::program::{Dims, Kind};
use symbolon::protocol::Protocol;
use symbolon::ring::{FixedPoint, Ring, Shape};
use symbolon::session::Offer;

/// Reads the bytes as a job, and makes its program for small inputs.
pub fn job(bytes: &[u8]) {
    with_file("job.toml", bytes, |path| {
        let Ok(any) = AnyJob::read(path) else { return };
        let job: &Job = any.base();
        // Shapes are taken from the job where they are small.
        let offer = |name: &String| {
            let declared = job.declared_offer(name).map(|offer| offer.shape);
            let small = |shape: &Dims| shape.extents().iter().all(|&extent| extent <= 8);
            let shape = declared.filter(small).unwrap_or(Shape::new(2, 2).into());
            (name.clone(), Offer { shape, kind: Kind::Real })
        };
        let offers = job.inputs.keys().map(offer).collect();
        match &any {
            AnyJob::Steps(job) => drop(job.program(&offers)),
            AnyJob::Garbled(job) => {
                let _ = job.terms();
                let _ = job.program(&offers);
            }
        }
    });
}

/// Reads the bytes as a matrix of NumPy.
pub fn npy(bytes: &[u8]) {
    with_file("matrix.npy", bytes, matrix);
}

/// Reads the bytes as an archive of matrices of NumPy.
pub fn npz(bytes: &[u8]) {
    with_file("matrices.npz", bytes, matrix);
}

/// Reads the bytes as named matrices.
pub fn safetensors(bytes: &[u8]) {
    with_file("matrices.safetensors", bytes, matrix);
}

/// Reads the bytes as the descriptions of a party and of a dealer.
pub fn config(bytes: &[u8]) {
    with_file("node.toml", bytes, |path| {
        if let Ok(party) = PartyConfig::read(path) {
            for protocol in Protocol::ALL {
                protocol.sources().for_each(|source| drop(party.network(protocol, &[source], None, &|_| {})));
            }
        }
        let _ = DealerConfig::read(path).and_then(|dealer| dealer.network(2, None, &|_| {}));
    });
}

/// Reads the bytes as a certificate.
pub fn certificate(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(certificate) = Certificate::from_pem(text) {
        let _ = certificate.fingerprint();
    }
    let _ = Identity::from_pem(text, text);
}

/// Reads the bytes as a table of numbers, as it is and with all that a job can say about it.
pub fn csv(bytes: &[u8]) {
    with_file("table.csv", bytes, |path| {
        matrix(path);
        let Ok(mut file) = DataFile::open(path) else { return };
        for text in ["missing = 0", "header = true\ncolumns = [2]", "separator = \";\"\nmissing = -1.5"] {
            let options = toml::from_str::<TableOptions>(text).expect("options of a table");
            if let Ok(matrix) = file.matrix(None, &options, &mut |_| {}) {
                encode(&matrix);
            }
        }
    });
}

fn matrix(path: &Path) {
    let Ok(matrix) = Matrix::read(&Source { file: path.to_owned(), tensor: None }) else { return };
    encode(&matrix);
}

/// Encodes a matrix as integers, and with more and fewer fraction bits.
fn encode(matrix: &Matrix) {
    for (ring, fraction_bits) in [(Ring::Z64, 0), (Ring::Z64, 4), (Ring::Z64, 16), (Ring::Z32, 8)] {
        let codec = FixedPoint::new(ring, fraction_bits).expect("so many fraction bits fit");
        for kind in [matrix.kind, Kind::I32, Kind::U64] {
            let _ = matrix.check_kind(kind);
            let _ = matrix.encode(codec, kind);
        }
        let _ = matrix.check(None, Some(9_007_199_254_740_992.0));
    }
}

/// Calls `read` with a file of these bytes.
pub fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file is written");
    read(&path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::testing::corpus;

    #[test]
    fn jobs_of_the_corpus_are_survived() {
        corpus("job", job);
    }

    #[test]
    fn matrices_of_the_corpus_are_survived() {
        corpus("npy", npy);
    }

    #[test]
    fn archives_of_the_corpus_are_survived() {
        corpus("npz", npz);
    }

    #[test]
    fn named_matrices_of_the_corpus_are_survived() {
        corpus("safetensors", safetensors);
    }

    #[test]
    fn descriptions_of_the_corpus_are_survived() {
        corpus("config", config);
    }

    #[test]
    fn certificates_of_the_corpus_are_survived() {
        corpus("certificate", certificate);
    }

    #[test]
    fn tables_of_the_corpus_are_survived() {
        corpus("csv", csv);
    }
}
