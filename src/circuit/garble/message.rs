//! What crosses the wire, and its bytes: little-endian, as they stand.

use super::error::GarbleError;
use super::label::{LABEL_BYTES, Label, Labels};

/// Most AND gates of a piece: 128 KiB of tables, which a core's second cache holds.
pub const PIECE_GATES: usize = 1 << 12;

/// Bytes of a run's name.
const RUN_BYTES: usize = 16;

/// A run: the point at which its hash starts, which is drawn at random and is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run(pub [u8; RUN_BYTES]);

/// Takes so many bytes off the front.
fn take<'a, const N: usize>(bytes: &mut &'a [u8], what: &'static str) -> Result<&'a [u8; N], GarbleError> {
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or(GarbleError::Malformed(what))?;
    *bytes = rest;
    Ok(first)
}

/// How a run starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opening {
    pub(super) run: Run,
    pub(super) digest: [u8; 32],
    pub(super) evaluations: u64,
}

impl Opening {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.run.0[..], &self.digest, &self.evaluations.to_le_bytes()].concat()
    }

    /// The opening in bytes.
    ///
    /// # Errors
    /// Where they are not one.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Opening, GarbleError> {
        const WHAT: &str = "opening";
        let run = Run(*take(&mut bytes, WHAT)?);
        let digest = *take(&mut bytes, WHAT)?;
        let evaluations = u64::from_le_bytes(*take(&mut bytes, WHAT)?);
        if !bytes.is_empty() {
            return Err(GarbleError::Malformed(WHAT));
        }
        Ok(Opening { run, digest, evaluations })
    }
}

/// Tables of consecutive AND gates. It is consumed by evaluation.
#[derive(PartialEq, Eq, Debug)]
pub struct Piece {
    pub(super) run: Run,
    pub(super) first_gate: u64,
    /// Two for each gate.
    pub(super) tables: Tables,
}

/// Tables: ciphertexts, which are no secret from the evaluator.
pub(super) struct Tables(pub Vec<Label>);

impl PartialEq for Tables {
    fn eq(&self, other: &Tables) -> bool {
        bytemuck::cast_slice::<Label, u8>(&self.0) == bytemuck::cast_slice::<Label, u8>(&other.0)
    }
}

impl Eq for Tables {}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tables({} gates)", self.0.len() / 2)
    }
}

impl Piece {
    /// Its gates.
    pub fn gates(&self) -> usize {
        self.tables.0.len() / 2
    }

    /// Its bytes: 24, and 32 for each gate.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RUN_BYTES + 8 + LABEL_BYTES * self.tables.0.len());
        bytes.extend_from_slice(&self.run.0);
        bytes.extend_from_slice(&self.first_gate.to_le_bytes());
        match cfg!(target_endian = "little") {
            true => bytes.extend_from_slice(bytemuck::cast_slice(&self.tables.0)),
            false => self.tables.0.iter().for_each(|label| bytes.extend_from_slice(&label.to_bytes())),
        }
        bytes
    }

    /// The piece in bytes.
    ///
    /// # Errors
    /// Where they are not one, or one of more gates than a piece has.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Piece, GarbleError> {
        const WHAT: &str = "piece of tables";
        let run = Run(*take(&mut bytes, WHAT)?);
        let first_gate = u64::from_le_bytes(*take(&mut bytes, WHAT)?);
        let (labels, rest) = bytes.as_chunks::<LABEL_BYTES>();
        let fits = rest.is_empty() && labels.len().is_multiple_of(2) && labels.len() <= 2 * PIECE_GATES;
        if !fits || labels.is_empty() {
            return Err(GarbleError::Malformed(WHAT));
        }
        let tables = Tables(labels.iter().map(|&bytes| Label::from_bytes(bytes)).collect());
        Ok(Piece { run, first_gate, tables })
    }
}

/// The pieces that an evaluator awaits.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub(super) run: Run,
    /// The first gate of the next.
    pub(super) next_gate: u64,
    /// Gates of all of them.
    pub(super) left: u64,
}

impl Due {
    /// Takes the next piece off, as soon as it has come and before it is evaluated.
    ///
    /// # Errors
    /// Where it is of another run, not the next, or has more gates than there are.
    pub fn pass(&mut self, piece: &Piece) -> Result<(), GarbleError> {
        const WHAT: &str = "piece of tables";
        let gates = piece.gates() as u64;
        if piece.run != self.run {
            return Err(GarbleError::OtherRun(WHAT));
        } else if piece.first_gate != self.next_gate {
            return Err(GarbleError::OutOfOrder { expected: self.next_gate, found: piece.first_gate });
        } else if gates > self.left {
            let (expected, found) = (2 * self.left as usize, 2 * piece.gates());
            return Err(GarbleError::Length { what: WHAT, expected, found });
        }
        (self.next_gate, self.left) = (self.next_gate + gates, self.left - gates);
        Ok(())
    }

    /// True where there is none left.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }
}

/// What the evaluator decodes its outputs with: hashes of both labels of each, that of 0 first.
#[derive(Debug)]
pub struct Decoding {
    pub(super) run: Run,
    pub(super) hashes: Labels,
}

impl Decoding {
    /// Its bytes: 16, and 32 for each bit.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.run.0[..], &self.hashes.to_bytes()].concat()
    }

    /// The decoding in bytes.
    ///
    /// # Errors
    /// Where they are not one.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Decoding, GarbleError> {
        const WHAT: &str = "decoding of outputs";
        let run = Run(*take(&mut bytes, WHAT)?);
        let hashes = Labels::from_bytes(bytes).ok_or(GarbleError::Malformed(WHAT))?;
        Ok(Decoding { run, hashes })
    }
}

/// What the garbler decodes its outputs with: the colours of the evaluator's labels, and a digest of all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub(super) digest: [u8; 32],
    /// Eight to a byte, the first lowest.
    pub(super) colours: Vec<u8>,
}

impl Answer {
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.digest[..], &self.colours].concat()
    }

    /// The answer in bytes.
    ///
    /// # Errors
    /// Where they are not one.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Answer, GarbleError> {
        let digest = *take(&mut bytes, "answer")?;
        Ok(Answer { digest, colours: bytes.to_vec() })
    }
}

/// The digest of the labels that the garbler learns its outputs by.
pub(super) fn digest_of_labels(run: Run, labels: &[Label]) -> blake3::Hash {
    let mut hasher =
        blake3::Hasher::new_derive_key("symbolon garbled 1: the labels of the garbler's outputs");
    hasher.update(&run.0);
    for label in labels {
        hasher.update(&label.to_bytes());
    }
    hasher.finalize()
}
