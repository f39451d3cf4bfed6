//! A garbled run between two sessions: any function of the two parties' bits, in a constant number of rounds.
//!
//! Party 0 garbles and party 1 evaluates, over the session's link. [`crate::circuit::garble`] states messages, bytes and
//! security; here they are put in order:
//!
//! 1. Both compare the circuit's digest, widths, recipients and number of evaluations, and exchange nonces. The transfers'
//!    session is named by circuit, nonces and run: no two runs have the same.
//! 2. Offline: both make random oblivious transfers, one for each of the evaluator's bits ([`crate::ot`]).
//! 3. Online: the evaluator sends corrections. With them its bits are fixed, before it sees any table.
//! 4. The garbler sends opening, labels, transferred labels, the tables in pieces as it makes them, and the decoding. The
//!    evaluator evaluates each piece as it comes: no more of them than a few are in memory at either.
//! 5. The evaluator answers.
//!
//! **A party that spoils anything** is told, and the run ends without a word on which gate or bit it was. What a garbler
//! learns from whether it ended, the module [`crate::circuit::garble`] says. Labels, pads and Δ are of this run alone, are
//! moved into what consumes them, and are wiped.

use super::keys::Nonce;
use super::order::PlanName;
use super::pair::{Fault, LinkChannel};
use super::topic::{CIRCUIT, GARBLED};
use super::wire::Wire;
use super::{NetworkFault, Session, SessionError};
use crate::circuit::Schedule;
use crate::circuit::garble::{
    Answer, Bits, Corrections, Decoding, Evaluated, Evaluator, GarbleError, Garbler, Labels, Opening, Piece,
    Price, RandomChoices, RandomPairs, Started, Transferred,
};
use crate::net::{Link, NetError};
use crate::ot::{Channel, Course, OtError, Random, ReceiverSupply, SenderSupply, SessionId};
use crate::run::{Progress, RunReport, Span, Stage, Stages, Tally, Trace, TraceLane};
use crate::share::{PartyId, Role, Terms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use zeroize::Zeroizing;

/// The party that garbles; the other one evaluates.
const GARBLER: PartyId = PartyId(0);
const EVALUATOR: PartyId = PartyId(1);

/// Bytes of an opening.
const OPENING_BYTES: usize = 56;

/// Pieces that the evaluator receives ahead of the one that it evaluates.
const AHEAD: usize = 4;

/// The result of a garbled run.
#[derive(Debug)]
pub struct GarbledOutcome {
    /// The output bits that this party learns, in the circuit's order.
    pub outputs: Bits,
    /// The run's figures; it uses no device.
    pub report: RunReport,
    /// What it takes by the formulas.
    pub price: Price,
}

/// The facts that both compare before a run.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    fields: Terms,
    nonce: Nonce,
}

impl Session {
    /// Runs a circuit garbled: party 0 garbles and party 1 evaluates. `bits` are this party's, those of each of its inputs in
    /// order, of as many evaluations as the other party's.
    ///
    /// # Errors
    /// Where the bits are not as many as the circuit has of this party, the parties have different circuits, the labels take
    /// more than the budget, a run of a program is due that was announced, the peer fails, or it sends what is no message or no label of this run. The session cannot be
    /// used after a failure.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn run_garbled(
        &mut self,
        schedule: &Arc<Schedule>,
        bits: &Bits,
    ) -> Result<GarbledOutcome, SessionError> {
        self.attempt(|session| {
            session.check_nothing_due()?;
            session.stages.end(Stage::Caller);
            let price = session.check_garbled(schedule, bits)?;
            session.stages.end(Stage::Inputs);
            let transfers = session.agree_on_circuit(schedule, bits.evaluations())?;
            session.stages.end(Stage::Agreeing);
            let begin = Instant::now();
            let mut conversation = session.conversation(&price, begin)?;
            let outputs = match conversation.role {
                Role::Party(GARBLER) => {
                    let pairs = conversation.random_pairs(transfers)?;
                    conversation.offline_ends();
                    conversation.garble(schedule, bits, pairs)?
                }
                _ => {
                    let choices = conversation.random_choices(transfers, bits.evaluations())?;
                    conversation.offline_ends();
                    conversation.evaluate(schedule, bits, choices)?
                }
            };
            let Conversation { role, tally, offline, framing_before, spans, .. } = conversation;
            let start = SystemTime::now() - begin.elapsed();
            let trace = spans.map(|spans| Trace { role, start, online: offline, spans });
            session.garbled_runs += 1;
            session.stages.end(Stage::Online);
            let peers: BTreeMap<_, _> =
                session.links.iter().map(|link| (link.peer(), link.traffic())).collect();
            let sent = tally.sent_bytes + tally.offline_sent_bytes;
            let all_sent: u64 = peers.values().map(|traffic| traffic.sent_bytes).sum();
            let framing_bytes = (all_sent - framing_before).saturating_sub(sent);
            let report = RunReport {
                role: session.role,
                tally: Tally { framing_bytes, ..tally },
                devices: Vec::new(),
                offline,
                online: begin.elapsed().saturating_sub(offline),
                wake_ups: None,
                wire_busy: Duration::ZERO,
                stages: session.stages.take(),
                peers,
                trace,
            };
            Ok(GarbledOutcome { outputs, report, price })
        })
    }

    /// Makes sure that this party can take part.
    fn check_garbled(&self, schedule: &Schedule, bits: &Bits) -> Result<Price, SessionError> {
        let party = match self.role {
            Role::Party(party @ (GARBLER | EVALUATOR)) => party,
            role => return Err(NetworkFault::NotOfTwo { role }.into()),
        };
        let peer = other(party);
        if !self.links.iter().any(|link| link.peer() == peer) {
            return Err(NetworkFault::NotOfTwo { role: self.role }.into());
        }
        let mine = schedule.input_bits_of(GARBLER);
        let due = if party == GARBLER { mine } else { schedule.input_bits() - mine };
        if bits.bits_each() != due {
            let error = GarbleError::Inputs { expected: due * bits.evaluations(), found: bits.len() };
            return Err(SessionError::Garbled { peer, error });
        }
        let price = Price::of(schedule, bits.evaluations());
        match self.options.budget_bytes {
            Some(budget_bytes) if price.memory_bytes > budget_bytes => {
                Err(SessionError::GarbledMemory { bytes: price.memory_bytes, budget_bytes })
            }
            _ => Ok(price),
        }
    }

    /// Compares the circuits; returns the name of the run's transfers.
    fn agree_on_circuit(
        &mut self,
        schedule: &Schedule,
        evaluations: usize,
    ) -> Result<SessionId, SessionError> {
        let mut fields = Terms::default();
        fields.add("evaluations of the circuit", evaluations);
        fields.add("bits of party 0's inputs", schedule.input_bits_of(GARBLER));
        fields.add("bits of party 1's inputs", schedule.input_bits() - schedule.input_bits_of(GARBLER));
        for party in [GARBLER, EVALUATOR] {
            fields.add(format!("bits that {party} learns"), schedule.output_bits_to(party));
        }
        fields.add("circuit digest", blake3::Hash::from(*schedule.digest()).to_hex());
        fields.add("number of the run", self.garbled_runs);
        let ours = Facts { fields, nonce: self.keys.nonce(self.role)? };
        let (role, wire) = (self.role, &self.wire);
        let link = link_to_other(role, &mut self.links)?;
        let theirs: Facts = wire.wait(async {
            link.send_control(CIRCUIT, &ours).await?;
            link.receive_control(CIRCUIT, link.long_patience()).await
        })?;
        let peer = link.peer();
        if let Some(difference) = ours.fields.first_difference(&theirs.fields) {
            return Err(NetError::Disagree { peer, difference }.into());
        }
        let nonces = BTreeMap::from([(role, ours.nonce), (peer, theirs.nonce)]);
        let name = PlanName::new(schedule.digest(), &nonces);
        let mut hasher =
            blake3::Hasher::new_derive_key("symbolon 2026-11 session of a garbled run's transfers");
        hasher.update(name.bytes()).update(&self.garbled_runs.to_le_bytes());
        Ok(SessionId(*hasher.finalize().as_bytes()))
    }

    fn conversation(&mut self, price: &Price, begin: Instant) -> Result<Conversation<'_>, SessionError> {
        let spans = self.options.trace.then(Vec::new);
        let framing_before = self.links.iter().map(|link| link.traffic().sent_bytes).sum();
        let (role, wire, progress, stages) = (self.role, &self.wire, &*self.progress, &mut self.stages);
        let link = link_to_other(role, &mut self.links)?;
        let (out, back) = (price.traffic.garbler_bytes, price.traffic.evaluator_bytes);
        let (sent, received) = if role == GARBLER.into() { (out, back) } else { (back, out) };
        progress.restart(price.traffic.table_bytes / 32, sent, received);
        Ok(Conversation {
            role,
            peer: link.peer(),
            wire,
            link,
            progress,
            stages,
            price: price.clone(),
            tally: Tally::default(),
            gates: 0,
            offline: Duration::ZERO,
            framing_before,
            begin,
            spans,
        })
    }
}

/// A span of a run's trace, which ends now.
fn span_since(run: Instant, lane: TraceLane, name: &'static str, bytes: u64, begin: Instant) -> Span {
    Span { lane, name, step: None, bytes, begin: begin.saturating_duration_since(run), end: run.elapsed() }
}

/// The role of the other of the two.
fn other(party: PartyId) -> Role {
    if party == GARBLER { EVALUATOR.into() } else { GARBLER.into() }
}

fn link_to_other(role: Role, links: &mut [Link]) -> Result<&mut Link, SessionError> {
    let peer = if role == GARBLER.into() { EVALUATOR } else { GARBLER };
    let link = links.iter_mut().find(|link| link.peer() == peer.into());
    link.ok_or_else(|| NetworkFault::NotOfTwo { role }.into())
}

/// The link between the two in the offline phase, whose bytes are counted.
struct Counted<'a> {
    channel: LinkChannel<'a>,
    tally: &'a mut Tally,
}

impl Channel for Counted<'_> {
    type Error = Fault;

    fn send(&mut self, message: Vec<u8>) -> Result<(), Fault> {
        self.tally.offline_sent_bytes += message.len() as u64;
        self.channel.send(message)
    }

    fn receive(&mut self, most_bytes: usize) -> Result<Vec<u8>, Fault> {
        let message = self.channel.receive(most_bytes)?;
        self.tally.offline_received_bytes += message.len() as u64;
        Ok(message)
    }
}

/// A run on its way, at one party.
struct Conversation<'a> {
    role: Role,
    peer: Role,
    wire: &'a Wire,
    link: &'a mut Link,
    progress: &'a Progress,
    stages: &'a mut Stages,
    price: Price,
    tally: Tally,
    /// AND gates that are done.
    gates: u64,
    offline: Duration,
    /// Bytes that the links had sent before the run, headers included.
    framing_before: u64,
    /// When the run began.
    begin: Instant,
    /// What each lane did when, where a trace is wanted.
    spans: Option<Vec<Span>>,
}

impl Conversation<'_> {
    fn spoilt(&self, error: GarbleError) -> SessionError {
        SessionError::Garbled { peer: self.peer, error }
    }

    fn offline_ends(&mut self) {
        self.offline = self.begin.elapsed();
        self.stages.end(Stage::Offline);
        let bytes = self.tally.offline_sent_bytes + self.tally.offline_received_bytes;
        self.take(TraceLane::Device(0), "transfers", bytes, self.begin);
    }

    /// Takes down what a lane did from `begin` until now.
    fn take(&mut self, lane: TraceLane, name: &'static str, bytes: u64, begin: Instant) {
        let run = self.begin;
        if let Some(spans) = &mut self.spans {
            spans.push(span_since(run, lane, name, bytes, begin));
        }
    }

    /// The randomness of the transfers, and what they take.
    fn course(&self) -> Result<(Random, Course, usize), SessionError> {
        let failed = |error: OtError| SessionError::Pair { peer: self.peer, error: error.into() };
        let count = self.price.traffic.transfers as usize;
        Ok((Random::from_entropy().map_err(failed)?, Course::of(count), count))
    }

    /// The garbler's part of a random transfer for each of the evaluator's bits.
    fn random_pairs(&mut self, session: SessionId) -> Result<RandomPairs, SessionError> {
        if self.price.traffic.transfers == 0 {
            return Ok(RandomPairs::of([]));
        }
        let (random, course, count) = self.course()?;
        let peer = self.peer;
        let mut channel = self.counted();
        let cots = SenderSupply::new(session, course, random, &mut channel)
            .and_then(|mut supply| supply.take(count, 1, &mut channel))
            .map_err(|fault| fault.with(peer))?;
        Ok(RandomPairs::of(cots.into_iter().map(|cots| cots.random())))
    }

    /// The evaluator's part.
    fn random_choices(
        &mut self,
        session: SessionId,
        evaluations: usize,
    ) -> Result<RandomChoices, SessionError> {
        if self.price.traffic.transfers == 0 {
            return Ok(RandomChoices::of(Vec::new(), evaluations));
        }
        let (random, course, count) = self.course()?;
        let peer = self.peer;
        let mut channel = self.counted();
        let cots = ReceiverSupply::new(session, course, random, &mut channel)
            .and_then(|mut supply| supply.take(count, 1, &mut channel))
            .map_err(|fault| fault.with(peer))?;
        Ok(RandomChoices::of(cots.into_iter().map(|cots| cots.random()).collect(), evaluations))
    }

    fn counted(&mut self) -> Counted<'_> {
        Counted { channel: LinkChannel { wire: self.wire, link: &mut *self.link }, tally: &mut self.tally }
    }

    /// Party 0's part, from the corrections on.
    fn garble(
        &mut self,
        schedule: &Arc<Schedule>,
        bits: &Bits,
        random: RandomPairs,
    ) -> Result<Bits, SessionError> {
        let peer = self.peer;
        let spoilt = |error| SessionError::Garbled { peer, error };
        let Started { mut garbler, opening, labels, pairs } =
            Garbler::start(schedule.clone(), bits).map_err(spoilt)?;
        let depth = self.price.rounds;
        let corrections = self.receive_all(pairs.len().div_ceil(8), "corrections", depth - 2)?;
        let transferred = pairs.transfer(random, &Corrections(corrections.to_vec())).map_err(spoilt)?;
        self.send_all(&opening.to_bytes())?;
        self.send_all(&labels.to_bytes())?;
        self.send_all(&transferred.to_bytes())?;
        loop {
            let begin = Instant::now();
            let Some(piece) = garbler.next_piece() else { break };
            self.gates += piece.gates() as u64;
            let piece = piece.to_bytes();
            self.take(TraceLane::Device(0), "garble", piece.len() as u64, begin);
            self.send(piece)?;
        }
        let (decoding, key) = garbler.finish().map_err(spoilt)?;
        self.send_all(&decoding.to_bytes())?;
        let answer = self.receive_all(key.answer_bytes(), "answer", depth)?;
        key.decode(&Answer::from_bytes(&answer).map_err(spoilt)?).map_err(spoilt)
    }

    /// Party 1's part, from the corrections on.
    fn evaluate(
        &mut self,
        schedule: &Arc<Schedule>,
        bits: &Bits,
        random: RandomChoices,
    ) -> Result<Bits, SessionError> {
        let peer = self.peer;
        let spoilt = |error| SessionError::Garbled { peer, error };
        let evaluations = bits.evaluations();
        let (corrections, awaited) = random.correct(bits).map_err(spoilt)?;
        self.send_all(&corrections.0)?;
        let depth = self.price.rounds - 1;
        let opening = self.receive_all(OPENING_BYTES, "opening", depth)?;
        let opening = Opening::from_bytes(&opening).map_err(spoilt)?;
        let garblers = 16 * schedule.input_bits_of(GARBLER) * evaluations;
        let garblers = Labels::from_bytes(&self.receive_all(garblers, "input labels", depth)?);
        let garblers = garblers.ok_or_else(|| spoilt(GarbleError::Malformed("input labels")))?;
        let transferred = self.receive_all(32 * bits.len(), "transferred labels", depth)?;
        let own = Transferred::from_bytes(&transferred).and_then(|labels| awaited.receive(&labels));
        drop(transferred);
        let own = own.map_err(spoilt)?;
        let mut evaluator =
            Evaluator::new(schedule.clone(), evaluations, &opening, garblers, own).map_err(spoilt)?;
        self.consume_all(&mut evaluator)?;
        let due = evaluator.decoding_bytes();
        let decoding = Decoding::from_bytes(&self.receive_all(due, "decoding of outputs", depth)?);
        let Evaluated { outputs, answer } =
            decoding.and_then(|decoding| evaluator.finish(&decoding)).map_err(spoilt)?;
        self.send_all(&answer.to_bytes())?;
        Ok(outputs)
    }

    /// Evaluates all pieces, while the next ones are received.
    fn consume_all(&mut self, evaluator: &mut Evaluator) -> Result<(), SessionError> {
        let (peer, depth) = (self.peer, self.price.rounds - 1);
        let spoilt = |error| SessionError::Garbled { peer, error };
        let mut due = evaluator.due();
        let (run, is_traced, mut evaluated) = (self.begin, self.spans.is_some(), Vec::new());
        let (sender, receiver) = crossbeam_channel::bounded::<Piece>(AHEAD);
        std::thread::scope(|scope| {
            // What a piece is not is known when it comes, and ends the run then: the next may never come.
            let receive = || -> Result<(), SessionError> {
                let sender = sender;
                while !due.is_over() {
                    let piece = Piece::from_bytes(&self.receive(depth)?).map_err(spoilt)?;
                    due.pass(&piece).map_err(spoilt)?;
                    self.gates += piece.gates() as u64;
                    if sender.send(piece).is_err() {
                        break;
                    }
                }
                Ok(())
            };
            let failed = |error: std::io::Error| SessionError::Runtime { reason: error.to_string() };
            let receiving = std::thread::Builder::new().spawn_scoped(scope, receive).map_err(failed)?;
            let consumed = receiver.into_iter().try_for_each(|piece| {
                let (begin, bytes) = (Instant::now(), 32 * piece.gates() as u64);
                let consumed = evaluator.consume(piece);
                if is_traced {
                    evaluated.push(span_since(run, TraceLane::Device(0), "evaluate", bytes, begin));
                }
                consumed
            });
            let received = receiving.join().expect("receiving does not panic");
            consumed.map_err(spoilt)?;
            received
        })?;
        self.spans.iter_mut().for_each(|spans| spans.append(&mut evaluated));
        Ok(())
    }

    fn send(&mut self, bytes: Vec<u8>) -> Result<(), SessionError> {
        let (begin, count) = (Instant::now(), bytes.len() as u64);
        self.tally.sent_bytes += count;
        self.tally.transmissions += 1;
        self.progress.reach(self.gates, &self.tally);
        let link = &mut *self.link;
        self.wire.wait(async { Ok::<_, SessionError>(link.send_bytes(GARBLED, bytes).await?) })?;
        self.take(TraceLane::To(self.peer), "send", count, begin);
        Ok(())
    }

    /// Sends what may be longer than a message, in pieces; nothing is nothing.
    fn send_all(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        bytes.chunks(GARBLED.most_bytes).try_for_each(|piece| self.send(piece.to_vec()))
    }

    /// The next message, which `depth` messages one behind the other made possible.
    fn receive(&mut self, depth: u32) -> Result<Vec<u8>, SessionError> {
        let (begin, patience) = (Instant::now(), self.link.long_patience());
        let link = &mut *self.link;
        let bytes: Vec<u8> =
            self.wire.wait(async { Ok::<_, SessionError>(link.receive_bytes(GARBLED, patience).await?) })?;
        self.tally.received_bytes += bytes.len() as u64;
        self.tally.rounds = self.tally.rounds.max(depth);
        self.progress.reach(self.gates, &self.tally);
        self.take(TraceLane::From(self.peer), "wait and receive", bytes.len() as u64, begin);
        Ok(bytes)
    }

    /// Receives so many bytes, in pieces as [`Conversation::send_all`] makes them.
    fn receive_all(
        &mut self,
        due: usize,
        what: &'static str,
        depth: u32,
    ) -> Result<Zeroizing<Vec<u8>>, SessionError> {
        let mut all = Zeroizing::new(Vec::with_capacity(due));
        while all.len() < due {
            let piece = Zeroizing::new(self.receive(depth)?);
            if piece.len() != (due - all.len()).min(GARBLED.most_bytes) {
                return Err(self.spoilt(GarbleError::Malformed(what)));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}
