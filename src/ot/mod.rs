//! Oblivious transfer between two parties: base transfers, their extension, silent correlated transfers, and random, chosen
//! and correlated transfers of bits, blocks and vectors.
//!
//! Everything here is a core without input and output: a party's step takes the peer's message and returns its own, and
//! whoever calls it moves the bytes, reliably and in order, over a channel that authenticates both. A state is consumed by the
//! step that follows, so none can be used twice. What a step takes from a peer has a length that is known beforehand, and is
//! refused by name where it is another, where a point is none, or where a check fails; a state that a check has failed on is
//! gone, and a session goes on after none of these.
//!
//! ```text
//! base            keys by Diffie-Hellman, 128 at a session's beginning
//! soft_spoken     correlated transfers by the hundred thousand, 31 bits each
//! silent          correlated transfers by the million, a third of a bit each
//! transfer        what hides under them: random, chosen, 1 of N, sums of vectors
//! ```
//!
//! **Secrets.** A party's randomness is a ChaCha12 key from the operating system ([`Random`]). No index and no branch depends
//! on a secret, and what is secret is wiped when it is dropped. A session's name, which both parties have in common and no
//! other session has, goes into every hash.
//!
//! A batch of the extension, with everything in one place:
//!
//! ```
//! use symbolon::ot::{Depth, Random, SessionId, SoftSpokenReceiver, SoftSpokenSenderSetup};
//!
//! let (session, mut ours, mut theirs) = (SessionId([7; 32]), Random::from_entropy()?, Random::from_entropy()?);
//! let (sender, message) = SoftSpokenSenderSetup::new(session, Depth::Four, &mut ours);
//! let (mut receiver, reply) = SoftSpokenReceiver::new(session, Depth::Four, &message, &mut theirs)?;
//! let mut sender = sender.finish(&reply)?;
//!
//! let (received, corrections) = receiver.extend(1);
//! let (sent, challenge) = sender.receive(1, &corrections, &mut ours)?;
//! let (received, answer) = received.answer(&challenge)?;
//! let (sender, sent) = sender.check(sent, &answer)?;
//! assert_eq!((sent.left(), received.left()), (8064, 8064));
//! # Ok::<(), symbolon::ot::OtError>(())
//! ```

mod aes;
mod base;
mod block;
mod cots;
mod field;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod hash;
mod random;
mod silent;
mod soft_spoken;
mod supply;
#[cfg(test)]
mod testing;
mod transfer;
mod tree;

pub use base::{BaseReceiver, base_send};
pub use block::{BLOCK_BYTES, Block, Blocks};
pub use cots::{ReceiverCots, SenderCots};
pub use random::{Random, SessionId};
pub use silent::{ChallengingReceiver, LpnSet, Round, SilentReceiver, SilentSender};
pub use soft_spoken::{
    CHUNK, Depth, MOST_CHUNKS, SoftSpokenReceiver, SoftSpokenReceiverBatch, SoftSpokenSender,
    SoftSpokenSenderBatch, SoftSpokenSenderSetup, batch_transfers, chunks_for,
};

pub use supply::{Channel, Course, ReceiverSupply, SenderSupply};
pub use transfer::{ChosenReceiver, ChosenSender, MOST_LOG_N};

/// Why a step of a transfer is refused. All but [`OtError::Entropy`] and [`OtError::Exhausted`] are the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtError {
    /// A message of another length.
    #[error("{step}: {found} bytes, where {expected} are due")]
    Length {
        /// The message.
        step: &'static str,
        /// The length that is due, in bytes.
        expected: usize,
        /// The length that it has, in bytes.
        found: usize,
    },
    /// Bytes that are no point of the group, or the identity.
    #[error("{step}: number {index} is no valid point")]
    Point {
        /// The message.
        step: &'static str,
        /// Which of its points.
        index: usize,
    },
    /// A check that does not hold: the peer deviates from the protocol.
    #[error("{step}: the check does not hold")]
    Check {
        /// The message.
        step: &'static str,
    },
    /// More transfers are taken than there are.
    #[error("{wanted} correlated transfers are wanted, and {left} are left")]
    Exhausted {
        /// How many are wanted.
        wanted: usize,
        /// How many are left.
        left: usize,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {reason}")]
    Entropy {
        /// Its reason.
        reason: String,
    },
}

/// Replaces each block by its tweakable hash, with tweaks from `first` on: the hash by which transfers hide what is sent.
pub fn tweakable_hash(blocks: &mut [Block], first: u128) {
    hash::Hash::new().hash(blocks, |index| first + index as u128);
}

impl OtError {
    /// Refuses a message that has not the length that is due; `step` names it.
    ///
    /// # Errors
    /// [`OtError::Length`].
    pub fn check_length(message: &[u8], expected: usize, step: &'static str) -> Result<(), OtError> {
        checked(message, expected, step).map(drop)
    }
}

/// A message, if it has the length that is due.
fn checked<'a>(message: &'a [u8], expected: usize, step: &'static str) -> Result<&'a [u8], OtError> {
    let found = message.len();
    if found == expected { Ok(message) } else { Err(OtError::Length { step, expected, found }) }
}
