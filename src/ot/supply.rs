//! A supply of correlated transfers between two parties: which parts of this module make them, in which order, over any
//! channel.
//!
//! **Steps.** Who needs few takes them from the extension alone. Who needs more has rounds of silent transfers: the first of
//! them from the extension, with k = 8, and each later one from what the one before has left over for it. Both parties
//! know from the number that is wanted ([`Course::of`]) which these are, and no message says it.
//!
//! **Price.** Of the two courses the cheaper is taken, in seconds ([`Course::seconds`]): bytes at 200 Mbit/s, and the time of two
//! parties with a core each, by the rates that are written down here. No party measures anything, so both choose the same. The
//! extension has 31 bits for each transfer; silent ones have the 2^16 seeds of the smallest set of parameters before the first, at
//! 15 bits each, and little more than a bit for each transfer after that. So bytes are equal at some 35,000 transfers, and seconds,
//! since k = 8 takes twice the work of k = 4, at some 80,000: silent ones are for more.
//!
//! **Side by side.** Both parties work at the same time: the sender sends the sums of a round's trees in pieces, of which the
//! receiver grows one while the sender grows the next; and the receiver sends the corrections of a batch of the extension before
//! it answers the challenge of the batch before. Every message that a call sends, the peer's same call takes.

use super::silent::{LpnSet, Round, SilentReceiver, SilentSender};
use super::soft_spoken::{
    ANSWER_BYTES, Depth, SoftSpokenReceiver, SoftSpokenReceiverBatch, SoftSpokenSender,
    SoftSpokenSenderBatch, SoftSpokenSenderSetup, batch_transfers, chunks_for,
};
use super::{BLOCK_BYTES, OtError, Random, ReceiverCots, SenderCots, SessionId};
use std::collections::VecDeque;

/// Moves whole messages between the two parties, reliably and in order.
pub trait Channel {
    /// Why it fails, or a step is refused.
    type Error: From<OtError>;

    /// Sends a message.
    ///
    /// # Errors
    /// Where the channel is broken.
    fn send(&mut self, message: Vec<u8>) -> Result<(), Self::Error>;

    /// Receives the next message, of at most so many bytes.
    ///
    /// # Errors
    /// Where the channel is broken, or the message longer.
    fn receive(&mut self, most_bytes: usize) -> Result<Vec<u8>, Self::Error>;
}

/// What makes a number of correlated transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// k of the extension.
    pub depth: Depth,
    /// Rounds of silent transfers, with their trees.
    pub rounds: Vec<(LpnSet, usize)>,
    /// Transfers that the extension makes.
    pub extended: usize,
}

/// Seconds for a byte, of a link of 200 Mbit/s.
const BYTE_S: f64 = 40e-9;

/// Seconds of the setup of the extension: 128 base transfers.
const SETUP_S: f64 = 26e-3;

/// Seconds for a silent transfer beside those for what it takes of others: a leaf, its ten seeds, and its part of the check.
const SILENT_S: f64 = 40e-9;

impl Depth {
    /// Seconds for a transfer of the extension.
    fn transfer_s(self) -> f64 {
        match self {
            Depth::Two | Depth::Four => 45e-9,
            Depth::Eight => 100e-9,
        }
    }
}

impl Course {
    /// The cheaper course for so many transfers.
    pub fn of(transfers: usize) -> Course {
        let [extended, silent] = [Course::extended(transfers), Course::silent(transfers)];
        if extended.seconds() <= silent.seconds() { extended } else { silent }
    }

    /// By the extension alone.
    fn extended(transfers: usize) -> Course {
        Course { depth: Depth::Four, rounds: Vec::new(), extended: transfers }
    }

    /// By rounds of silent transfers.
    fn silent(transfers: usize) -> Course {
        let small = LpnSet::SMALL;
        let mut rounds = VecDeque::new();
        let mut wanted = transfers;
        if transfers > small.given(small.most_trees) {
            let set = LpnSet::LARGE;
            let most = set.given(set.most_trees);
            // From the last round to the first: each gives what is wanted, and what the next one takes.
            let mut left = transfers;
            let mut taken = 0;
            while left > 0 {
                let trees = set.trees_for(left + taken);
                let given = set.given(trees);
                left = left.saturating_sub(given - taken.min(given));
                taken = set.taken(trees);
                rounds.push_front((set, trees));
                debug_assert!(most > taken, "a round gives more than it takes");
            }
            wanted = taken;
        }
        let trees = small.trees_for(wanted);
        rounds.push_front((small, trees));
        Course { depth: Depth::Eight, extended: small.taken(trees), rounds: rounds.into() }
    }

    /// Seconds of both parties' processors, which work side by side, with the setup: on cores with AVX2 and AES instructions, one each.
    pub fn processor_s(&self) -> f64 {
        let silent: usize = self.rounds.iter().map(|&(set, trees)| set.given(trees)).sum();
        SETUP_S + self.extended as f64 * self.depth.transfer_s() + silent as f64 * SILENT_S
    }

    /// Seconds by which courses are compared: the processors', and the bytes' on a link of 200 Mbit/s without its latency.
    pub fn seconds(&self) -> f64 {
        self.processor_s() + self.bytes() as f64 * BYTE_S
    }

    /// Bytes of all messages, in both directions, with the setup of the extension.
    pub fn bytes(&self) -> u64 {
        let mut bytes = self.depth.setup_bytes();
        let mut left = self.extended;
        while left > 0 {
            let chunks = chunks_for(left);
            bytes += self.depth.batch_bytes(chunks) + BLOCK_BYTES;
            left = left.saturating_sub(batch_transfers(chunks));
        }
        bytes += self.rounds.iter().map(|&(set, trees)| set.bytes(trees)).sum::<usize>();
        bytes as u64
    }

    /// Messages one behind the other, with those of the setup.
    pub fn messages(&self) -> u32 {
        let mut batches = 0;
        let mut left = self.extended;
        while left > 0 {
            left = left.saturating_sub(batch_transfers(chunks_for(left)));
            batches += 1;
        }
        2 + 3 * batches + 3 * self.rounds.len() as u32
    }

    /// The most transfers that are in memory at once.
    pub fn most_at_once(&self) -> usize {
        let rounds = self.rounds.iter().map(|&(set, trees)| set.given(trees) + set.taken(trees));
        rounds.chain([self.extended]).max().unwrap_or(0)
    }
}

/// The sender's end of a supply.
pub struct SenderSupply {
    session: SessionId,
    random: Random,
    rounds: VecDeque<(LpnSet, usize)>,
    number: u64,
    extension: Option<SoftSpokenSender>,
    /// The batch that has begun, and its challenge.
    begun: Option<(SoftSpokenSenderBatch, Vec<u8>)>,
    extended: usize,
    stock: Vec<SenderCots>,
}

/// The receiver's end of a supply.
pub struct ReceiverSupply {
    session: SessionId,
    random: Random,
    rounds: VecDeque<(LpnSet, usize)>,
    number: u64,
    extension: SoftSpokenReceiver,
    /// The batch that has begun.
    begun: Option<SoftSpokenReceiverBatch>,
    extended: usize,
    stock: Vec<ReceiverCots>,
}

/// Both ends take the same course: this is written once for the two, which differ in who begins a step.
macro_rules! supply {
    ($supply:ident, $cots:ident) => {
        impl $supply {
            /// Takes so many of the transfers, in batches of such as have numbers one behind the other, and of a multiple of
            /// `group` each: what is left over of a batch is lost.
            ///
            /// # Errors
            /// Where the channel or a step fails, or the course is at its end.
            ///
            /// # Panics
            /// Where the number is no multiple of the group.
            pub fn take<C: Channel>(
                &mut self,
                count: usize,
                group: usize,
                channel: &mut C,
            ) -> Result<Vec<$cots>, C::Error> {
                assert!(count.is_multiple_of(group), "whole groups");
                let mut batches = Vec::new();
                let mut wanted = count;
                while wanted > 0 {
                    let reserved = self.rounds.front().map_or(0, |&(set, trees)| set.taken(trees));
                    let left: usize = self.stock.iter().map($cots::left).sum();
                    let free = left.saturating_sub(reserved);
                    match self.stock.last_mut() {
                        Some(last) if free >= group && last.left() >= group => {
                            let taken = last.take(wanted.min(free).min(last.left()) / group * group)?;
                            wanted -= taken.left();
                            batches.push(taken);
                        }
                        // Too few for a group, and none of them reserved: they are lost.
                        Some(last) if last.left() < group && free >= last.left() => drop(self.stock.pop()),
                        _ => self.refill(channel)?,
                    }
                }
                Ok(batches)
            }

            /// Takes so many of those that there are, the last first.
            fn take_stock(&mut self, count: usize) -> Result<Vec<$cots>, OtError> {
                let mut batches = Vec::new();
                let mut wanted = count;
                while wanted > 0 {
                    let Some(last) = self.stock.last_mut() else {
                        return Err(OtError::Exhausted { wanted, left: 0 });
                    };
                    let taken = last.take(wanted.min(last.left()))?;
                    wanted -= taken.left();
                    batches.push(taken);
                    self.stock.retain(|cots| cots.left() > 0);
                }
                Ok(batches)
            }

            /// The chunks of the extension's next batch, if the course has one more.
            fn next_chunks(&mut self) -> Option<usize> {
                let chunks = chunks_for(self.extended);
                let wanted = self.extended > 0;
                self.extended = self.extended.saturating_sub(batch_transfers(chunks));
                wanted.then_some(chunks)
            }

            /// Makes the next transfers.
            fn refill<C: Channel>(&mut self, channel: &mut C) -> Result<(), C::Error> {
                if let Some(cots) = self.extend(channel)? {
                    self.stock.push(cots);
                    return Ok(());
                }
                let Some((set, trees)) = self.rounds.pop_front() else {
                    return Err(OtError::Exhausted { wanted: 1, left: 0 }.into());
                };
                let round = Round { session: self.session, number: self.number, set, trees };
                self.number += 1;
                let mut taken = $cots::joined(self.take_stock(set.taken(trees))?);
                let cots = self.grow(round, &mut taken, channel)?;
                self.stock.push(cots);
                Ok(())
            }
        }
    };
}

supply!(SenderSupply, SenderCots);
supply!(ReceiverSupply, ReceiverCots);

impl SenderSupply {
    /// Sets the supply up, by base transfers.
    ///
    /// # Errors
    /// Where the channel or a step fails.
    pub fn new<C: Channel>(
        session: SessionId,
        course: Course,
        mut random: Random,
        channel: &mut C,
    ) -> Result<SenderSupply, C::Error> {
        let Course { depth, rounds, extended } = course;
        let (setup, message) = SoftSpokenSenderSetup::new(session, depth, &mut random);
        channel.send(message)?;
        let extension = Some(setup.finish(&channel.receive(depth.setup_bytes())?)?);
        let (rounds, stock) = (rounds.into(), Vec::new());
        Ok(SenderSupply { session, random, rounds, number: 0, extension, begun: None, extended, stock })
    }

    /// Finishes a batch of the extension, and begins the next one; nothing where the course has no more.
    fn extend<C: Channel>(&mut self, channel: &mut C) -> Result<Option<SenderCots>, C::Error> {
        let mut extension = self.extension.take().expect("no step of the extension has failed");
        let depth = extension.depth();
        let mut begin = |supply: &mut SenderSupply, channel: &mut C| -> Result<_, C::Error> {
            let Some(chunks) = supply.next_chunks() else { return Ok(None) };
            let corrections = channel.receive(depth.batch_bytes(chunks))?;
            Ok(Some(extension.receive(chunks, &corrections, &mut supply.random)?))
        };
        let begun = match self.begun.take() {
            Some(begun) => Some(begun),
            None => begin(self, channel)?,
        };
        let Some((batch, challenge)) = begun else {
            self.extension = Some(extension);
            return Ok(None);
        };
        channel.send(challenge)?;
        self.begun = begin(self, channel)?;
        let (extension, cots) = extension.check(batch, &channel.receive(ANSWER_BYTES)?)?;
        self.extension = Some(extension);
        Ok(Some(cots))
    }

    fn grow<C: Channel>(
        &mut self,
        round: Round,
        stock: &mut SenderCots,
        channel: &mut C,
    ) -> Result<SenderCots, C::Error> {
        let mut sender = SilentSender::new(round, stock, &mut self.random)?;
        while let Some(sums) = sender.grow() {
            channel.send(sums)?;
        }
        let (cots, answer) = sender.answer(&channel.receive(round.set.bytes(round.trees))?)?;
        channel.send(answer)?;
        Ok(cots)
    }
}

impl ReceiverSupply {
    /// Sets the supply up, by base transfers.
    ///
    /// # Errors
    /// Where the channel or a step fails.
    pub fn new<C: Channel>(
        session: SessionId,
        course: Course,
        mut random: Random,
        channel: &mut C,
    ) -> Result<ReceiverSupply, C::Error> {
        let Course { depth, rounds, extended } = course;
        let message = channel.receive(depth.setup_bytes())?;
        let (extension, reply) = SoftSpokenReceiver::new(session, depth, &message, &mut random)?;
        channel.send(reply)?;
        let (rounds, stock) = (rounds.into(), Vec::new());
        Ok(ReceiverSupply { session, random, rounds, number: 0, extension, begun: None, extended, stock })
    }

    /// Finishes a batch of the extension, and begins the next one; nothing where the course has no more.
    fn extend<C: Channel>(&mut self, channel: &mut C) -> Result<Option<ReceiverCots>, C::Error> {
        let begun = match self.begun.take() {
            Some(begun) => Some(begun),
            None => self.begin(channel)?,
        };
        let Some(batch) = begun else { return Ok(None) };
        self.begun = self.begin(channel)?;
        let (cots, answer) = batch.answer(&channel.receive(BLOCK_BYTES)?)?;
        channel.send(answer)?;
        Ok(Some(cots))
    }

    /// Begins the extension's next batch, if the course has one more.
    fn begin<C: Channel>(&mut self, channel: &mut C) -> Result<Option<SoftSpokenReceiverBatch>, C::Error> {
        let Some(chunks) = self.next_chunks() else { return Ok(None) };
        let (batch, corrections) = self.extension.extend(chunks);
        channel.send(corrections)?;
        Ok(Some(batch))
    }

    fn grow<C: Channel>(
        &mut self,
        round: Round,
        stock: &mut ReceiverCots,
        channel: &mut C,
    ) -> Result<ReceiverCots, C::Error> {
        let mut receiver = SilentReceiver::new(round, stock, &mut self.random)?;
        while receiver.trees_left() > 0 {
            receiver.grow(&channel.receive(round.set.bytes(round.trees))?)?;
        }
        let (receiver, challenge) = receiver.challenge();
        channel.send(challenge)?;
        Ok(receiver.check(&channel.receive(round.set.bytes(round.trees))?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::testing::{SESSION, both, holds, random};

    /// The hashes of all messages for fixed seeds: they change where the wire format does.
    #[test]
    fn transcripts_are_pinned() {
        let set = LpnSet { log_dimension: 7, tree_depth: 5, most_trees: 40 };
        let pinned = [
            (
                Depth::Two,
                "63de1f24d3d78dbf7cd93e0757911e2c2b359ee21cebbdbfefb14bf7024bff69",
                "7f732d23d1fc470012c0746754637cc485ef2ead64e491d268ae5470a4e3a2e9",
            ),
            (
                Depth::Four,
                "d2db4fe8fa72610c1c0e6874dc60c34e81aa7979fb3bf80c33f7878b04d88f14",
                "0e28162babcce736b6b3b5e06b5f8f92778f777d3c0c423cf0352ffdedc427a8",
            ),
            (
                Depth::Eight,
                "7ecbd44b06037d17a0e4357168b03fede9f9114ec3116d2a334f7fa760114fbb",
                "cd1090774a3c17808d57759398a308047d4cf8e774635bd50cbd2c3feaf962de",
            ),
        ];
        for (depth, to_receiver, to_sender) in pinned {
            let course = Course { depth, rounds: vec![(set, 40)], extended: set.taken(40) };
            let send = |channel: &mut _| {
                SenderSupply::new(SESSION, course.clone(), random(1), channel)?
                    .take(8500, 1, channel)
                    .map(drop)
            };
            let receive = |channel: &mut _| {
                ReceiverSupply::new(SESSION, course.clone(), random(2), channel)?
                    .take(8500, 1, channel)
                    .map(drop)
            };
            let ((), (), transcript) = both(send, receive).expect("an honest course");
            assert_eq!(transcript.hashes, [to_receiver, to_sender], "{depth:?}");
        }
    }

    /// Takes transfers of a course, in pieces; returns the bytes of both directions.
    fn take(course: &Course, pieces: &[usize]) -> u64 {
        let send = |channel: &mut _| {
            let mut supply = SenderSupply::new(SESSION, course.clone(), random(1), channel)?;
            pieces.iter().map(|&count| supply.take(count, 1, channel)).collect::<Result<Vec<_>, _>>()
        };
        let receive = |channel: &mut _| {
            let mut supply = ReceiverSupply::new(SESSION, course.clone(), random(2), channel)?;
            pieces.iter().map(|&count| supply.take(count, 1, channel)).collect::<Result<Vec<_>, _>>()
        };
        let (sent, received, transcript) = both(send, receive).expect("an honest course");
        for ((sent, received), &count) in sent.iter().zip(&received).zip(pieces) {
            assert_eq!(sent.iter().map(SenderCots::left).sum::<usize>(), count, "as many as were wanted");
            for (sent, received) in sent.iter().zip(received) {
                assert_eq!(sent.number(), received.number(), "numbers in the session");
                holds(sent, received);
            }
        }
        transcript.bytes
    }

    #[test]
    fn few_transfers_come_from_the_extension_alone() {
        let course = Course::of(20_000);
        assert!(course.rounds.is_empty());
        assert_eq!(take(&course, &[1, 9_999, 10_000]), course.bytes(), "as the formula says");
    }

    #[test]
    fn the_cheaper_course_is_taken_and_silent_ones_from_eighty_thousand_transfers_on() {
        let is_silent = |transfers| !Course::of(transfers).rounds.is_empty();
        let first = (1..200).map(|thousands| 1000 * thousands).find(|&transfers| is_silent(transfers));
        assert!((70_000..90_000).contains(&first.expect("a course of silent ones")), "{first:?}");
        for transfers in [1, 10_000, 35_000, 80_000, 200_000, 1_000_000, 40_000_000] {
            let [extended, silent] = [Course::extended(transfers), Course::silent(transfers)];
            let least = extended.seconds().min(silent.seconds());
            assert_eq!(Course::of(transfers).seconds(), least, "{transfers}");
            assert_eq!(extended.bytes() < silent.bytes(), transfers < 35_000, "bytes of {transfers}");
        }
    }

    #[test]
    fn rounds_feed_each_other() {
        // Parameters that hide nothing.
        let set = |log_dimension| LpnSet { log_dimension, tree_depth: 5, most_trees: 100 };
        let (first, second) = ((set(7), 100), (set(9), 90));
        let course = Course {
            depth: Depth::Four,
            rounds: vec![first, second, second],
            extended: first.0.taken(first.1),
        };
        let given = first.0.given(100) + 2 * second.0.given(90) + batch_transfers(1);
        let free = given - first.0.taken(100) - 2 * second.0.taken(90);
        assert_eq!(take(&course, &[5, free - 1000, 995]), course.bytes(), "as the formula says");
    }

    #[test]
    fn a_course_gives_what_is_wanted() {
        let free = |course: &Course| {
            let mut free = course.extended;
            for &(set, trees) in &course.rounds {
                free = free.checked_sub(set.taken(trees)).expect("a round has what it takes");
                free += set.given(trees);
            }
            free
        };
        for wanted in [1, 1000, 80_000, 90_000, 262_144, 800_000, 900_000, 10_000_000, 15_000_000, 40_000_000]
        {
            let course = Course::of(wanted);
            let free = free(&course);
            assert!(
                free >= wanted && free < wanted + wanted / 2 + (1 << 20),
                "{free} of {wanted}: {course:?}"
            );
        }
    }

    #[test]
    fn groups_are_not_cut() {
        let course = Course { depth: Depth::Four, rounds: Vec::new(), extended: 300_000 };
        let send = |channel: &mut _| {
            let mut supply = SenderSupply::new(SESSION, course.clone(), random(1), channel)?;
            [7, 63, 7]
                .map(|group| supply.take(2100 * group, group, channel))
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
        };
        let receive = |channel: &mut _| {
            let mut supply = ReceiverSupply::new(SESSION, course.clone(), random(2), channel)?;
            [7, 63, 7]
                .map(|group| supply.take(2100 * group, group, channel))
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
        };
        let (sent, received, _) = both(send, receive).expect("an honest course");
        for ((sent, received), group) in sent.iter().zip(&received).zip([7, 63, 7]) {
            assert_eq!(
                sent.iter().map(SenderCots::left).sum::<usize>(),
                2100 * group,
                "as many as were wanted"
            );
            for (sent, received) in sent.iter().zip(received) {
                assert!(sent.left().is_multiple_of(group), "{} in groups of {group}", sent.left());
                holds(sent, received);
            }
        }
    }

    #[test]
    fn more_than_a_course_has_is_refused() {
        let course = Course { depth: Depth::Four, rounds: Vec::new(), extended: 10 };
        let send = |channel: &mut _| {
            let mut supply = SenderSupply::new(SESSION, course.clone(), random(1), channel)?;
            supply.take(100_000, 1, channel).map(drop)
        };
        let receive = |channel: &mut _| {
            let mut supply = ReceiverSupply::new(SESSION, course.clone(), random(2), channel)?;
            supply.take(100_000, 1, channel).map(drop)
        };
        assert_eq!(both(send, receive).err(), Some(OtError::Exhausted { wanted: 1, left: 0 }));
    }
}
