//! Two parties as the source of their own correlations: the offline phase between them, before each run.
//!
//! **Steps.** Each draws its own key of the generator, which no other has, and from which its plan's steps draw its parts of
//! masks. Then the two make what depends on masks, message by message over their link, as [`crate::correlation::pair`]
//! states; the run begins when all of it is there. Party 1 keeps the corrections and gives them to its run as a dealer's
//! messages. The session of the transfers is named by the plan, by all parties' nonces and by the run: no two runs have the same.
//!
//! It is work of the host, and not of steps: what is heavy in it (trees, codes, transposition, tables) is no arithmetic on
//! a plan's buffers, and no kernel does it yet. So it is priced apart (see [`crate::correlation::pair::price`]).
//!
//! **A peer that stops, cuts or alters messages** is named with the step, and told; what was made so far is wiped. Nothing of
//! it is kept for another run.

use super::keys::{Contribution, Way, derive};
use super::source::{Draw, Means, Supplied, Supplier};
use super::topic::PAIR;
use super::wire::Wire;
use super::{NetworkFault, SessionError};
use crate::correlation::pair::{Corrections, make};
use crate::correlation::{Demand, Source};
use crate::memory::wipe::Wiped;
use crate::net::{DATA_PAYLOAD_BYTES, Data, Link, NetError, Topic};
use crate::ot::{Channel, OtError, Random, SessionId};
use crate::plan::Plans;
use crate::run::{MessageSource, StoredFailed};
use crate::share::Role;
use crate::step::{KeyId, MessageId};
use bytes::Bytes;
use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;
use zeroize::Zeroizing;

/// Most bytes of the corrections of a run, which party 1 keeps in host memory until the run takes them.
const MOST_BYTES: u64 = 8 << 30;

/// The source at one of the two.
pub(super) struct PairSupplier;

impl Supplier for PairSupplier {
    fn name(&self) -> String {
        Source::Pair.to_string()
    }

    fn check(&self, plans: &Plans, is_prepared: bool) -> Result<(), SessionError> {
        let differs = !plans.demand.once.is_empty() || !plans.demand.seldom.is_empty();
        if is_prepared && differs {
            return Err(SessionError::ResidentFromStore);
        }
        let (bytes, most_bytes) = (plans.demand.correction_bytes(), MOST_BYTES);
        if bytes > most_bytes { Err(SessionError::PairTooLarge { bytes, most_bytes }) } else { Ok(()) }
    }

    fn supply(&mut self, draw: &Draw<'_>, means: Means<'_>) -> Result<Supplied, SessionError> {
        let begin = Instant::now();
        let Role::Party(party) = draw.role else { unreachable!("a dealer runs no program") };
        let is_other = |link: &&mut Link| matches!(link.peer(), Role::Party(peer) if peer != party && Demand::PARTIES.contains(&peer));
        let link = means.links.iter_mut().find(is_other).ok_or(NetworkFault::NoDealer)?;
        let peer = link.peer();
        // Of this party alone: nobody else contributes to them.
        let own = |to: Role| -> Result<_, SessionError> {
            let way = Way { from: draw.role, to, run: draw.run };
            let contribution: Contribution = means.keys.contribution(way)?;
            Ok(derive(&draw.name, way, &contribution, &contribution))
        };
        let (key, random) = (own(Role::Dealer)?, Random::from_key(own(peer)?));
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 session of two parties' transfers");
        hasher.update(draw.name.bytes()).update(&draw.run.to_le_bytes());
        let session = SessionId(*hasher.finalize().as_bytes());
        let mut made = Made { run: draw.name.run_number(draw.run), pieces: VecDeque::new() };
        let mut channel = LinkChannel { wire: means.wire, link };
        let made_all = make(draw.demand, party, session, &key, random, &mut channel, &mut made);
        made_all.map_err(|fault| fault.with(peer))?;
        let messages: Option<Box<dyn MessageSource>> =
            if made.pieces.is_empty() { None } else { Some(Box::new(made)) };
        let key = Some((KeyId::between(draw.role, Role::Dealer), key));
        Ok(Supplied { key, messages, offline: begin.elapsed() })
    }
}

/// Why a message is not sent or taken.
pub(super) enum Fault {
    Net(NetError),
    Transfer(OtError),
}

impl Fault {
    /// The error of a session, at a message to or from this peer.
    pub(super) fn with(self, peer: Role) -> SessionError {
        match self {
            Fault::Net(error) => error.into(),
            Fault::Transfer(error) => SessionError::Pair { peer, error },
        }
    }
}

impl From<OtError> for Fault {
    fn from(error: OtError) -> Fault {
        Fault::Transfer(error)
    }
}

impl From<NetError> for Fault {
    fn from(error: NetError) -> Fault {
        Fault::Net(error)
    }
}

/// The link to the other party, between runs.
pub(super) struct LinkChannel<'a> {
    pub wire: &'a Wire,
    pub link: &'a mut Link,
}

impl Channel for LinkChannel<'_> {
    type Error = Fault;

    fn send(&mut self, message: Vec<u8>) -> Result<(), Fault> {
        self.wire.wait(async { Ok(self.link.send_bytes(PAIR, message).await?) })
    }

    fn receive(&mut self, most_bytes: usize) -> Result<Vec<u8>, Fault> {
        let topic = Topic { most_bytes: most_bytes.min(PAIR.most_bytes), ..PAIR };
        let patience = self.link.long_patience();
        self.wire.wait(async { Ok(self.link.receive_bytes(topic, patience).await?) })
    }
}

/// Party 1's corrections, in pieces as a link has them.
struct Made {
    run: u32,
    pieces: VecDeque<Data>,
}

impl Corrections for Made {
    fn take(&mut self, message: MessageId, mut bytes: Zeroizing<Vec<u8>>) {
        let whole: Bytes = Wiped::from(std::mem::take(&mut *bytes)).into();
        let starts = (0..whole.len().max(1)).step_by(DATA_PAYLOAD_BYTES);
        self.pieces.extend(starts.map(|start| Data {
            run: self.run,
            message: message.0,
            depth: 0,
            offset: start as u64,
            payload: whole.slice(start..whole.len().min(start + DATA_PAYLOAD_BYTES)),
        }));
    }
}

impl MessageSource for Made {
    fn maker(&self) -> Role {
        Role::Dealer
    }

    fn poll_pieces(&mut self, _: &mut Context<'_>) -> Poll<Result<Vec<Data>, StoredFailed>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| vec![piece]).ok_or(StoredFailed))
    }
}
