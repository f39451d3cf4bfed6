//! What the tests of this module have in common.

use super::{Block, Blocks, Channel, OtError, Random, ReceiverCots, SenderCots, SessionId};
use crate::ring::prg::PrgKey;
use std::sync::mpsc;
use std::time::Duration;

pub(super) const SESSION: SessionId = SessionId([3; 32]);

/// Randomness that repeats itself.
pub(super) fn random(seed: u8) -> Random {
    Random::from_key(PrgKey::from_bytes([seed; 32]))
}

/// Holds every transfer against the functionality, and the receiver's bits against chance.
pub(super) fn holds(sender: &SenderCots, receiver: &ReceiverCots) {
    let delta = sender.delta();
    assert!(delta.low_bit(), "bit 0 of Δ");
    assert_eq!(sender.left(), receiver.left(), "as many on either side");
    let mut ones = 0usize;
    for (index, (sent, received)) in sender.blocks().iter().zip(receiver.blocks()).enumerate() {
        let bit = received.low_bit();
        assert!(!sent.low_bit(), "bit 0 of transfer {index}");
        assert!(*sent ^ (Block::mask(bit) & delta) == *received, "transfer {index}");
        ones += usize::from(bit);
    }
    // Six standard deviations of n fair bits are 3·√n.
    let (count, twice) = (sender.left() as f64, 2.0 * ones as f64);
    assert!((twice - count).abs() <= 6.0 * count.sqrt(), "{ones} of {count} bits are set");
}

/// So many correlated transfers from a party that both trust.
pub(super) fn ideal(count: usize) -> (SenderCots, ReceiverCots) {
    let delta = Block::from_bits(random(71).block().bits() | 1);
    let bits = random(72).blocks(count);
    let mut sent = random(73).blocks(count);
    let mut received = Blocks::zeroed(count);
    for ((sent, received), bits) in sent.iter_mut().zip(received.iter_mut()).zip(bits.iter()) {
        *sent = Block::from_bits(sent.bits() & !1);
        *received = *sent ^ (Block::mask(bits.low_bit()) & delta);
    }
    (SenderCots::new(delta, sent, 0), ReceiverCots::new(received, 0))
}

/// What two parties have sent.
pub(super) struct Transcript {
    /// In both directions.
    pub bytes: u64,
    /// Of all messages of the first, and of the second, with their lengths.
    pub hashes: [String; 2],
}

/// One end of a channel in memory.
pub(super) struct End {
    to: mpsc::Sender<Vec<u8>>,
    from: mpsc::Receiver<Vec<u8>>,
    bytes: u64,
    hasher: blake3::Hasher,
}

const BROKEN: &str = "the other end is gone";

impl Channel for End {
    type Error = OtError;

    fn send(&mut self, message: Vec<u8>) -> Result<(), OtError> {
        self.bytes += message.len() as u64;
        self.hasher.update(&(message.len() as u64).to_le_bytes()).update(&message);
        self.to.send(message).map_err(|_| OtError::Entropy { reason: BROKEN.into() })
    }

    fn receive(&mut self, most_bytes: usize) -> Result<Vec<u8>, OtError> {
        let message = self.from.recv_timeout(Duration::from_secs(120));
        let message = message.map_err(|_| OtError::Entropy { reason: BROKEN.into() })?;
        assert!(message.len() <= most_bytes, "{} bytes of at most {most_bytes}", message.len());
        Ok(message)
    }
}

/// Runs two parties over a channel.
pub(super) fn both<A: Send, B: Send>(
    first: impl FnOnce(&mut End) -> Result<A, OtError> + Send,
    second: impl FnOnce(&mut End) -> Result<B, OtError> + Send,
) -> Result<(A, B, Transcript), OtError> {
    let end = |to, from| End { to, from, bytes: 0, hasher: blake3::Hasher::new() };
    let ((there, from_first), (back, from_second)) = (mpsc::channel(), mpsc::channel());
    let (mut near, mut far) = (end(there, from_second), end(back, from_first));
    let (one, other) = std::thread::scope(|scope| {
        // An end is dropped with its party, so that the other does not wait for it.
        let one = scope.spawn(move || (first(&mut near), near.bytes, near.hasher.finalize()));
        let other = scope.spawn(move || (second(&mut far), far.bytes, far.hasher.finalize()));
        (one.join().expect("no panic"), other.join().expect("no panic"))
    });
    let hashes = [one.2, other.2].map(|hash| hash.to_hex().to_string());
    let transcript = Transcript { bytes: one.1 + other.1, hashes };
    match (one.0, other.0) {
        (Ok(one), Ok(other)) => Ok((one, other, transcript)),
        (Err(OtError::Entropy { reason }), Err(error)) if reason == BROKEN => Err(error),
        (Err(error), _) => Err(error),
        (_, Err(error)) => Err(error),
    }
}
