//! Checkpoints: a party's parts of its states on the disk, from which a later session goes on.
//!
//! **A file** `8f0d…-000120.state` in the folder of a party has its parts as the 120th run left them, and nothing else: no
//! mask, no opening, no key and no position in a stream. A session that goes on from it draws fresh keys and correlations,
//! and since nothing of the state was opened without a mask of its own run, what is opened again tells nothing new. The
//! files of two parties are the state itself, so each stays with its party. A part is uniform to its party where the run
//! masked what the party did not know; it is not always: where a state begins in a public value, or is updated by what is
//! linear in an owner's inputs, the owner's file may have the state or the data in the plain.
//!
//! ```text
//! "symbolon states 3\n" | program, 32 bytes | public values of its runs, 32 bytes | run, u32 | party, u8 | states, u32 | lineage, 32 bytes
//! for each state: its number, u32 | elements, u64 | the elements
//! BLAKE3 of all this under the key beside the party's identity, 32 bytes
//! ```
//!
//! Numbers are little-endian. The program is the digest of all facts that parties agree on but for tiles and for what depends
//! on the number of runs; the file's name begins with it. Of values that differ from run to run there is a digest of those
//! of the runs so far: a session that would have had others is one of another program, and one of more runs goes on.
//!
//! **The lineage** says of which sharing the parts are: a session that runs a turn again shares the same state afresh, and
//! parts of two sharings are no parts of one state. It is a digest of the nonces that all parties drew for the session, and
//! of the run and the lineage that the session went on from. Files are parts of one state where run and lineage are the
//! same.
//!
//! **Steps.** A file is written under another name, synced, renamed, and the folder synced; then all but the newest two are
//! removed. A party writes one before it takes part in the next run, so no two parties are further apart than one, and the
//! newest that one has is among the two of every other. At the start of a session the parties tell each other the runs and
//! lineages that they have, and go on from the newest that all have. Before its first run each holds where it starts against
//! what the others say, and removes its files of later runs. After the last run none is written, since there is nothing to
//! go on to: a session that is stopped there runs the last turns again, and has their outputs.
//!
//! **A peer that lies** about what it has makes all go on from an older one, for good, or fail. Then runs are computed again
//! from states that were there before, under fresh masks: what is opened is uniform again. Outputs that were revealed are
//! revealed again, and where truncation is stochastic a second time with other roundings, which a peer that alters its own
//! share between the two can use to learn how outputs depend on it: as in any run, since this protocol assumes parties that
//! follow it. Inputs are not kept: owners give theirs again, and a peer that has all go back may give others than before,
//! and so learns the outputs of the same turns on several inputs of its choice. A party that alters a file of its own
//! alters its part of the state, as it could within a run.
//!
//! **An owner whose data has changed** since the states were written goes on from states that the old data made: nothing
//! holds the new data against the old.

use super::keys::Nonce;
use super::store::{StoreError, create_folder, failed, open_private, private_options, sync_folder};
use crate::program::Program;
use crate::protocol::Protocol;
use crate::ring::Elements;
use crate::share::{PartyId, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

const MAGIC: &[u8; 18] = b"symbolon states 3\n";
const DIGEST_BYTES: usize = 32;
const KEY_FILE: &str = "checkpoints.key";

/// The files that are kept.
const KEPT: usize = 2;

/// Bytes before the elements of a state.
const STATE_BYTES: usize = 12;

/// A digest of a program.
type Digest = [u8; DIGEST_BYTES];

/// Of which sharing the parts of a state are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lineage([u8; DIGEST_BYTES]);

impl Lineage {
    /// That of the states that a session makes under these nonces, one of each party.
    pub fn new(nonces: &BTreeMap<Role, Nonce>) -> Lineage {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 lineage of states");
        for nonce in nonces.values() {
            hasher.update(nonce);
        }
        Lineage(*hasher.finalize().as_bytes())
    }

    /// That of the states that the session makes where it goes on from those of a run, which have the lineage `from`.
    pub fn behind(self, run: u32, from: Lineage) -> Lineage {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 lineage of states that go on");
        hasher.update(&self.0).update(&run.to_le_bytes()).update(&from.0);
        Lineage(*hasher.finalize().as_bytes())
    }
}

impl std::fmt::Display for Lineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

/// A party's parts of states, by their number.
pub(super) type Parts = BTreeMap<u32, Elements>;

/// A party's checkpoints.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    party: PartyId,
    key: Zeroizing<[u8; DIGEST_BYTES]>,
    every: u32,
    turns: u32,
}

/// Why checkpoints cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// A file or folder that cannot be used.
    #[error(transparent)]
    File(#[from] StoreError),
    /// A file that is none, was cut short or altered, or is another party's.
    #[error("{}: this is no checkpoint of this party, or it was cut short or altered: remove it to go on from an older one", .path.display())]
    Spoilt {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint of another program.
    #[error("{}: this is a checkpoint of another program: take another folder", .path.display())]
    OtherProgram {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint of the same program with other public values in the runs so far.
    #[error("{}: the runs that led to this checkpoint had other public values: take another folder", .path.display())]
    OtherPublics {
        /// The file.
        path: PathBuf,
    },
    /// No checkpoint that all parties have.
    #[error(
        "the parties have no checkpoint of one session in common: this one has {own}, {peer} {theirs}; for the job to begin anew, all remove theirs"
    )]
    NoneInCommon {
        /// Those of this party.
        own: String,
        /// A peer.
        peer: String,
        /// Those of the peer.
        theirs: String,
    },
    /// A checkpoint that became another one while the parties agreed on it.
    #[error("the checkpoint of run {run} was replaced while the parties agreed on it")]
    Replaced {
        /// The run.
        run: u32,
    },
    /// Runs beyond those of a loop.
    #[error("the checkpoint is of run {run}, and the loop has {turns} turns: remove it to begin anew")]
    Beyond {
        /// The run.
        run: u32,
        /// The turns.
        turns: u32,
    },
    /// A program that leaves nothing to a later run.
    #[error("there is nothing to keep: the program has no states")]
    NoStates,
}

/// The states of a program at one party: what a checkpoint must hold.
pub(super) struct Expected<'a> {
    pub program: &'a Program,
    pub protocol: Protocol,
    /// The digest of the program.
    pub digest: Digest,
}

impl Checkpoints {
    /// The checkpoints of `party` in a folder of its own below `folder`, written after each `every`-th run but for the last
    /// of `turns`, behind which nothing goes on. `keys` is the folder beside the party's identity that has the key by which
    /// it knows its own files, and is given one if it has none.
    ///
    /// # Errors
    /// Where a folder or the key cannot be used.
    ///
    /// # Panics
    /// Where none would ever be written.
    pub fn open(
        folder: &Path,
        party: PartyId,
        keys: &Path,
        every: u32,
        turns: u32,
    ) -> Result<Checkpoints, CheckpointError> {
        assert!(every > 0, "a checkpoint is written at some time");
        let folder = folder.join(format!("party{}", party.0));
        create_folder(&folder)?;
        create_folder(keys)?;
        Ok(Checkpoints { folder, party, key: key(&keys.join(KEY_FILE))?, every, turns })
    }

    /// The number of runs from one checkpoint to the next.
    pub fn every(&self) -> u32 {
        self.every
    }

    /// The number of runs, of whose last no checkpoint is written or read.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    /// Whether one is due after a run.
    pub(super) fn is_due(&self, run: u32) -> bool {
        run.is_multiple_of(self.every) && run < self.turns
    }

    /// Removes all checkpoints of a program: the job is done.
    pub(super) fn clear(&self, program: &Digest) -> Result<(), CheckpointError> {
        for run in self.listed(program)? {
            self.remove(&self.path(program, run))?;
        }
        Ok(sync_folder(&self.folder)?)
    }

    /// Removes those of runs after this one, which belong to sessions that the program does not go on from.
    pub(super) fn clear_above(&self, program: &Digest, run: u32) -> Result<(), CheckpointError> {
        for later in self.listed(program)?.into_iter().filter(|&later| later > run) {
            self.remove(&self.path(program, later))?;
        }
        Ok(sync_folder(&self.folder)?)
    }

    /// The runs whose states are there, with their lineages; each file has been held against the program.
    pub(super) fn runs(&self, expected: &Expected<'_>) -> Result<BTreeMap<u32, Lineage>, CheckpointError> {
        let runs = self.listed(&expected.digest)?;
        runs.into_iter().map(|run| Ok((run, self.read(expected, run)?.0))).collect()
    }

    /// The parts of this party after a run, and the lineage of the states.
    pub(super) fn read(
        &self,
        expected: &Expected<'_>,
        run: u32,
    ) -> Result<(Lineage, Parts), CheckpointError> {
        let path = self.path(&expected.digest, run);
        let spoilt = || CheckpointError::Spoilt { path: path.clone() };
        let (ring, states) = (expected.program.ring(), self.states(expected));
        let head = self.head(expected, run, states.len());
        let body: usize = states.values().map(|len| STATE_BYTES + len * ring.element_bytes()).sum();
        let most = head.len() + DIGEST_BYTES + body + DIGEST_BYTES;
        let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
        let file = open_private(&path)?;
        file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| failed(&path, error))?;
        let (content, tag) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or_else(spoilt)?;
        if bytes.len() != most || self.tag(content) != blake3::Hash::from(*tag) {
            return Err(spoilt());
        }
        // From here on it is a file that this party wrote.
        let Some(rest) = content.strip_prefix(&head[..]) else {
            let publics = MAGIC.len() + DIGEST_BYTES..MAGIC.len() + 2 * DIGEST_BYTES;
            let others =
                content.starts_with(&head[..publics.start]) && content[publics.clone()] != head[publics];
            return Err(if others { CheckpointError::OtherPublics { path } } else { spoilt() });
        };
        let (&lineage, mut rest) = rest.split_first_chunk::<DIGEST_BYTES>().ok_or_else(spoilt)?;
        let mut parts = Parts::new();
        for (&state, &len) in &states {
            let (header, behind) = rest.split_first_chunk::<STATE_BYTES>().ok_or_else(spoilt)?;
            if *header != state_header(state, len) {
                return Err(spoilt());
            }
            let (elements, behind) =
                behind.split_at_checked(len * ring.element_bytes()).ok_or_else(spoilt)?;
            parts.insert(state, Elements::from_bytes(ring, elements));
            rest = behind;
        }
        Ok((Lineage(lineage), parts))
    }

    /// Writes the parts of this party after a run, waits for the disk, and removes all but the newest two.
    pub(super) fn write(
        &self,
        expected: &Expected<'_>,
        run: u32,
        lineage: Lineage,
        parts: &Parts,
    ) -> Result<(), CheckpointError> {
        let head = self.head(expected, run, parts.len());
        let size: usize = parts.values().map(|elements| STATE_BYTES + elements.bytes().len()).sum();
        // Room for all at once: growing would leave copies behind.
        let mut content = Zeroizing::new(Vec::with_capacity(head.len() + size + 2 * DIGEST_BYTES));
        content.extend_from_slice(&head);
        content.extend_from_slice(&lineage.0);
        for (&state, elements) in parts {
            content.extend_from_slice(&state_header(state, elements.len()));
            content.extend_from_slice(elements.bytes());
        }
        let tag = self.tag(&content);
        content.extend_from_slice(tag.as_bytes());
        write_new(&self.path(&expected.digest, run), &content)?;
        sync_folder(&self.folder)?;
        let runs = self.listed(&expected.digest)?;
        for &run in &runs[..runs.len().saturating_sub(KEPT)] {
            self.remove(&self.path(&expected.digest, run))?;
        }
        Ok(())
    }

    /// The states of which this party keeps a part, with the number of their elements.
    fn states(&self, expected: &Expected<'_>) -> BTreeMap<u32, usize> {
        let states = expected.program.states().iter().enumerate();
        let own = states
            .filter(|(index, _)| expected.protocol.keepers(expected.program, *index).contains(self.party));
        own.map(|(index, state)| (index as u32, state.shape().len())).collect()
    }

    /// The bytes before the lineage.
    fn head(&self, expected: &Expected<'_>, run: u32, states: usize) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&expected.digest);
        head.extend_from_slice(expected.program.digest_of_publics(run).as_bytes());
        head.extend_from_slice(&run.to_le_bytes());
        head.push(self.party.0);
        head.extend_from_slice(&(states as u32).to_le_bytes());
        head
    }

    /// Compared in the same time wherever two differ.
    fn tag(&self, content: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, content)
    }

    fn path(&self, program: &Digest, run: u32) -> PathBuf {
        self.folder.join(format!("{}-{run:06}.state", name(program)))
    }

    /// The runs of which there is a file.
    fn listed(&self, program: &Digest) -> Result<Vec<u32>, CheckpointError> {
        let (mut runs, own) = (Vec::new(), name(program));
        for entry in fs::read_dir(&self.folder).map_err(|error| failed(&self.folder, error))? {
            let path = entry.map_err(|error| failed(&self.folder, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".state"));
            match name.and_then(|name| name.split_once('-')) {
                None => {}
                Some((program, run)) if program == own => runs.extend(run.parse::<u32>()),
                Some(_) => return Err(CheckpointError::OtherProgram { path }),
            }
        }
        runs.sort_unstable();
        Ok(runs)
    }

    fn remove(&self, path: &Path) -> Result<(), CheckpointError> {
        Ok(fs::remove_file(path).map_err(|error| failed(path, error))?)
    }
}

/// A program in the names of files.
fn name(program: &Digest) -> String {
    program[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn state_header(state: u32, len: usize) -> [u8; STATE_BYTES] {
    let mut header = [0; STATE_BYTES];
    header[..4].copy_from_slice(&state.to_le_bytes());
    header[4..].copy_from_slice(&(len as u64).to_le_bytes());
    header
}

/// Writes a file that is there whole or not at all, and waits for the disk.
fn write_new(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let partial = path.with_extension("partial");
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&partial, error)),
        _ => {}
    }
    let written = private_options().create_new(true).open(&partial).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|error| failed(&partial, error))?;
    fs::rename(&partial, path).map_err(|error| failed(path, error))
}

/// The key in a file, which is made where it is not there. Of several parties that make one in the same folder at the same
/// time, all have the one that was there first.
fn key(path: &Path) -> Result<Zeroizing<[u8; DIGEST_BYTES]>, CheckpointError> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        let mut drawn = Zeroizing::new([0; DIGEST_BYTES]);
        let no_entropy = |error: getrandom::Error| failed(path, std::io::Error::other(error.to_string()));
        getrandom::fill(&mut *drawn).map_err(no_entropy)?;
        let mut own = [0; 8];
        getrandom::fill(&mut own).map_err(no_entropy)?;
        let own = path.with_file_name(format!("{KEY_FILE}-{:016x}.new", u64::from_le_bytes(own)));
        write_new(&own, &*drawn)?;
        let linked = fs::hard_link(&own, path);
        fs::remove_file(&own).map_err(|error| failed(&own, error))?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(path, error).into()),
            _ => sync_folder(path.parent().unwrap_or(Path::new(".")))?,
        }
    }
    let mut key = Zeroizing::new([0; DIGEST_BYTES]);
    let mut bytes = Zeroizing::new(Vec::with_capacity(DIGEST_BYTES + 1));
    let file = open_private(path)?;
    file.take(DIGEST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| failed(path, error))?;
    if bytes.len() != DIGEST_BYTES {
        return Err(CheckpointError::Spoilt { path: path.to_owned() });
    }
    key.copy_from_slice(&bytes);
    bytes.zeroize();
    Ok(key)
}

/// Runs in words.
pub(super) fn listed(runs: &BTreeMap<u32, Lineage>) -> String {
    let numbers: Vec<String> = runs.keys().map(u32::to_string).collect();
    if numbers.is_empty() { "none".to_owned() } else { format!("those of run {}", numbers.join(" and ")) }
}

#[cfg(test)]
mod tests;
