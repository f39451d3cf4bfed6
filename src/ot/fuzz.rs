//! The readers of a peer's messages, for fuzzing: none may panic, or accept bytes that its step does not allow.

use super::random::{Random, SessionId};
use super::silent::{LpnSet, Round, SilentReceiver, SilentSender};
use super::soft_spoken::{Depth, SoftSpokenReceiver};
use super::{BaseReceiver, Block, Blocks, ReceiverCots, SenderCots, base_send, tree};
use crate::ring::prg::PrgKey;

const SESSION: SessionId = SessionId([1; 32]);

/// Parameters that hide nothing.
const SET: LpnSet = LpnSet { log_dimension: 4, tree_depth: 2, most_trees: 2 };

const ROUND: Round = Round { session: SESSION, number: 0, set: SET, trees: 2 };

/// Reads the bytes behind the first as the message of the step that the first says.
///
/// # Panics
/// Where a check accepts what no honest peer has sent.
pub fn message(bytes: &[u8]) {
    let Some((step, message)) = bytes.split_first() else { return };
    let mut random = Random::from_key(PrgKey::from_bytes([2; 32]));
    let random = &mut random;
    match step % 7 {
        0 => drop(base_send(SESSION, 1, message, random)),
        1 => drop(BaseReceiver::new(SESSION, vec![1], random).0.finish(message)),
        2 => {
            let known = tree::know(&SESSION, 2, &[1], &Blocks::zeroed(2), message);
            assert!(known.is_err(), "no tree has these sums");
        }
        3 => drop(sent(9).chosen(message)),
        4 => {
            let received = SilentReceiver::new(ROUND, &mut received(SET.taken(2)), random);
            let mut receiver = received.expect("enough transfers");
            if receiver.grow(message).is_ok() {
                assert!(receiver.challenge().0.check(&[0; 32]).is_err(), "the hash is another");
            }
        }
        5 => {
            let sender = SilentSender::new(ROUND, &mut sent(SET.taken(2)), random);
            let mut sender = sender.expect("enough transfers");
            while sender.grow().is_some() {}
            drop(sender.answer(message));
        }
        _ => drop(SoftSpokenReceiver::new(SESSION, Depth::Four, message, random)),
    }
}

fn sent(count: usize) -> SenderCots {
    SenderCots::new(Block::ONE, Blocks::zeroed(count), 0)
}

fn received(count: usize) -> ReceiverCots {
    ReceiverCots::new(Blocks::zeroed(count), 0)
}

#[cfg(test)]
mod tests {
    use crate::testing::corpus;

    #[test]
    fn messages_of_the_corpus_are_survived() {
        corpus("transfer", super::message);
    }
}
