//! Base oblivious transfer: random keys by the Diffie-Hellman problem, for a few hundred at a session's beginning.
//!
//! **Functionality.** For each of n transfers the sender gets two keys of 128 bits, and the receiver that which its bit
//! chooses. The functionality is *endemic*: a corrupt party may fix its own keys, the honest one's others stay random; the
//! extension asks for no more.
//!
//! **Steps** (Masny and Rindal, "Endemic Oblivious Transfer", CCS 2019: the protocol of one round from key agreement, which is
//! Diffie-Hellman's on the group of Ristretto), for transfer i and bit b:
//! 1. The receiver draws a secret t and a point r_{1−b} of which nobody knows a logarithm, and sends r_0 and r_1 with
//!    r_b = t·G − H_b(r_{1−b}).
//! 2. The sender draws a secret s, sends s·G, and takes key j from s·(r_j + H_j(r_{1−j})).
//! 3. The receiver takes its key from t·(s·G).
//!
//! H_b hashes to the group: BLAKE3, of which 64 bytes are mapped to a point. The session, the transfer and the slot go into
//! every hash, and a key is a hash of all that was sent for its transfer beside the point. Each transfer has an s of its own.
//!
//! **Bytes.** 64 n to the sender, 32 n to the receiver. **Rounds.** One message each.
//!
//! **Security.** Against malicious senders and receivers under the computational Diffie-Hellman problem, where H and the
//! keys' hash are random oracles (the source); not against quantum computers. Points are refused
//! unless they are canonical and not the identity.

use super::random::{Random, SessionId};
use super::{Block, Blocks, OtError, checked};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroize;

const POINT_BYTES: usize = 32;

/// The names of the messages, in errors.
const TO_SENDER: &str = "the receiver's points of the base transfers";
const TO_RECEIVER: &str = "the sender's points of the base transfers";

/// A receiver that waits for the sender's points.
pub struct BaseReceiver {
    session: SessionId,
    choices: Vec<u8>,
    secrets: Vec<Scalar>,
    sent: Vec<u8>,
}

impl BaseReceiver {
    /// Begins so many transfers as there are bits, each 0 or 1; returns the message to the sender.
    pub fn new(session: SessionId, choices: Vec<u8>, random: &mut Random) -> (BaseReceiver, Vec<u8>) {
        let mut secrets = Vec::with_capacity(choices.len());
        let mut sent = Vec::with_capacity(choices.len() * 2 * POINT_BYTES);
        for (index, &choice) in (0..).zip(&choices) {
            let choice = Choice::from(choice);
            let secret = scalar(random);
            let other = RistrettoPoint::from_uniform_bytes(&drawn(random)).compress();
            // H_b of the other point: both are computed, one is taken.
            let hashes = [0, 1].map(|slot| hashed(&session, index, slot, other.as_bytes()));
            let hash = RistrettoPoint::conditional_select(&hashes[0], &hashes[1], choice);
            let own = (RistrettoPoint::mul_base(&secret) - hash).compress();
            for slot in [Choice::from(0), Choice::from(1)] {
                let is_own = !(slot ^ choice);
                let point = other.as_bytes().iter().zip(own.as_bytes());
                sent.extend(point.map(|(other, own)| u8::conditional_select(other, own, is_own)));
            }
            secrets.push(secret);
        }
        (BaseReceiver { session, choices, secrets, sent: sent.clone() }, sent)
    }

    /// The chosen keys.
    ///
    /// # Errors
    /// Where the message has another length, or a point that is none.
    pub fn finish(self, message: &[u8]) -> Result<Blocks, OtError> {
        let points = checked(message, self.secrets.len() * POINT_BYTES, TO_RECEIVER)?;
        let mut keys = Blocks::zeroed(self.secrets.len());
        for (index, (bytes, sent)) in points
            .as_chunks::<POINT_BYTES>()
            .0
            .iter()
            .zip(self.sent.as_chunks::<{ 2 * POINT_BYTES }>().0)
            .enumerate()
        {
            let shared = point(bytes, TO_RECEIVER, index)? * self.secrets[index];
            let candidates = [0, 1].map(|slot| key(&self.session, index as u64, slot, sent, bytes, &shared));
            let chosen = Block::mask(self.choices[index] == 1);
            keys[index] = candidates[0] ^ (chosen & (candidates[0] ^ candidates[1]));
        }
        Ok(keys)
    }
}

impl Drop for BaseReceiver {
    fn drop(&mut self) {
        self.choices.zeroize();
        self.secrets.zeroize();
    }
}

/// The sender's part of so many transfers: its keys, those of a transfer side by side, and the message to the receiver.
///
/// # Errors
/// Where the message has another length, or a point that is none.
pub fn base_send(
    session: SessionId,
    transfers: usize,
    message: &[u8],
    random: &mut Random,
) -> Result<(Blocks, Vec<u8>), OtError> {
    let points = checked(message, transfers * 2 * POINT_BYTES, TO_SENDER)?;
    let mut keys = Blocks::zeroed(2 * transfers);
    let mut reply = Vec::with_capacity(transfers * POINT_BYTES);
    for (index, received) in points.as_chunks::<{ 2 * POINT_BYTES }>().0.iter().enumerate() {
        let mut secret = scalar(random);
        let own = RistrettoPoint::mul_base(&secret).compress();
        let slots = received.as_chunks::<POINT_BYTES>().0;
        for slot in [0, 1] {
            let base = point(&slots[slot], TO_SENDER, 2 * index + slot)?;
            let hash = hashed(&session, index as u64, slot as u8, &slots[1 - slot]);
            let shared = (base + hash) * secret;
            keys[2 * index + slot] =
                key(&session, index as u64, slot as u8, received, own.as_bytes(), &shared);
        }
        reply.extend_from_slice(own.as_bytes());
        secret.zeroize();
    }
    Ok((keys, reply))
}

/// A point that a peer has sent.
fn point(bytes: &[u8; POINT_BYTES], step: &'static str, index: usize) -> Result<RistrettoPoint, OtError> {
    let encoded = CompressedRistretto(*bytes);
    // The identity alone is encoded as zeros.
    let point = encoded.decompress().filter(|_| *bytes != [0; POINT_BYTES]);
    point.ok_or(OtError::Point { step, index })
}

/// H_slot of a point of a transfer.
fn hashed(session: &SessionId, index: u64, slot: u8, point: &[u8; POINT_BYTES]) -> RistrettoPoint {
    let mut hasher = session.hasher("symbolon 2026-11 base transfer, hash to a point");
    hasher.update(&index.to_le_bytes()).update(&[slot]).update(point);
    let mut uniform = [0; 64];
    hasher.finalize_xof().fill(&mut uniform);
    RistrettoPoint::from_uniform_bytes(&uniform)
}

/// The key that a slot of a transfer has by the point that both can compute.
fn key(
    session: &SessionId,
    index: u64,
    slot: u8,
    received: &[u8; 2 * POINT_BYTES],
    own: &[u8; POINT_BYTES],
    shared: &RistrettoPoint,
) -> Block {
    let mut hasher = session.hasher("symbolon 2026-11 base transfer, key");
    hasher.update(&index.to_le_bytes()).update(&[slot]).update(received).update(own);
    hasher.update(shared.compress().as_bytes());
    let mut bytes = [0; size_of::<Block>()];
    hasher.finalize_xof().fill(&mut bytes);
    Block::from_bytes(bytes)
}

fn drawn(random: &mut Random) -> [u8; 64] {
    let mut bytes = [0; 64];
    random.fill(&mut bytes);
    bytes
}

fn scalar(random: &mut Random) -> Scalar {
    let mut bytes = drawn(random);
    let scalar = Scalar::from_bytes_mod_order_wide(&bytes);
    bytes.zeroize();
    scalar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::{SESSION, random};

    fn begin(choices: &[u8]) -> (BaseReceiver, Vec<u8>) {
        BaseReceiver::new(SESSION, choices.to_vec(), &mut random(1))
    }

    #[test]
    fn the_receiver_has_the_chosen_key_and_no_other() {
        let choices = [0, 1, 1, 0, 1];
        let (receiver, message) = begin(&choices);
        let (keys, reply) = base_send(SESSION, choices.len(), &message, &mut random(2)).expect("keys");
        assert_eq!((message.len(), reply.len()), (64 * 5, 32 * 5), "as the formula says");
        let chosen = receiver.finish(&reply).expect("keys");
        for (index, &choice) in choices.iter().enumerate() {
            assert!(chosen[index] == keys[2 * index + usize::from(choice)], "transfer {index}");
            assert!(chosen[index] != keys[2 * index + 1 - usize::from(choice)], "transfer {index}");
        }
    }

    #[test]
    fn another_session_has_other_keys() {
        let (receiver, message) = begin(&[0, 1]);
        let other = SessionId([9; 32]);
        let (keys, reply) = base_send(other, 2, &message, &mut random(2)).expect("keys");
        let chosen = receiver.finish(&reply).expect("keys");
        assert!(chosen[0] != keys[0] && chosen[1] != keys[3]);
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let (_, message) = begin(&[0, 1]);
        // The identity; a number beyond the field; a negative one.
        let wrong = [[0; POINT_BYTES], [0xff; POINT_BYTES], {
            let mut negative = [0; POINT_BYTES];
            negative[0] = 1;
            negative
        }];
        for bytes in wrong {
            let mut spoilt = message.clone();
            spoilt[3 * POINT_BYTES..].copy_from_slice(&bytes);
            let error = base_send(SESSION, 2, &spoilt, &mut random(2)).expect_err("no point");
            assert_eq!(error, OtError::Point { step: TO_SENDER, index: 3 });
            let (receiver, message) = begin(&[0, 1]);
            let (_, mut reply) = base_send(SESSION, 2, &message, &mut random(2)).expect("keys");
            reply[POINT_BYTES..].copy_from_slice(&bytes);
            let error = receiver.finish(&reply).expect_err("no point");
            assert_eq!(error, OtError::Point { step: TO_RECEIVER, index: 1 });
        }
    }

    #[test]
    fn a_message_of_another_length_is_refused() {
        let (receiver, message) = begin(&[0, 1]);
        let error = base_send(SESSION, 2, &message[1..], &mut random(2)).expect_err("too short");
        assert_eq!(error, OtError::Length { step: TO_SENDER, expected: 128, found: 127 });
        let error = receiver.finish(&[0; 65]).expect_err("too long");
        assert_eq!(error, OtError::Length { step: TO_RECEIVER, expected: 64, found: 65 });
    }
}
