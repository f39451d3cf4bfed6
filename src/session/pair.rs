//! Two parties as the source of their own correlations: the offline phase between them, before each run.
//!
//! **Steps.** Each draws its own key of the generator, which no other has, and from which its plan's steps draw its parts of
//! masks. Then the two make what depends on masks, message by message over their link, as [`crate::correlation::pair`]
//! states; the run begins when all of it is there. Party 1 keeps the corrections and gives them to its run as a dealer's
//! messages. The session of the transfers is named by the plan, by all parties' nonces and by the run: no two runs have the same.
//!
//! **Runs that differ.** A run makes what it consumes and nothing else: a later one none of what the first alone does. Of that
//! each party keeps its parts on which later entries depend, and no key; with the program's release, or the session's end,
//! they are wiped. Keys of lattices are kept for the session, and so is the count of what its products tell.
//!
//! It is work of the host, and not of steps: what is heavy in it (trees, codes, transposition, tables) is no arithmetic on
//! a plan's buffers, and no kernel does it yet. So it is priced apart (see [`crate::correlation::pair::price`]).
//!
//! **A peer that stops, cuts or alters messages** is named with the step, and told; what was made so far is wiped, and the
//! session is at its end. A session that goes on from checkpoints makes everything anew, under keys of its own.

use super::keys::{Contribution, Way, derive};
use super::source::{Draw, Means, Supplied, Supplier};
use super::topic::PAIR;
use super::wire::Wire;
use super::{NetworkFault, SessionError};
use crate::correlation::pair::{Choice, Corrections, Kept, Lattices, Making, PairError, make};
use crate::correlation::{Demand, Source};
use crate::memory::wipe::Wiped;
use crate::net::{DATA_PAYLOAD_BYTES, Data, Link, NetError, Topic};
use crate::ot::{Channel, OtError, Random, SessionId};
use crate::plan::Plans;
use crate::run::{MessageSource, StoredFailed};
use crate::share::{Role, Turn};
use crate::step::{KeyId, MessageId};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::task::{Context, Poll};
use std::time::Instant;
use zeroize::Zeroizing;

/// Most bytes of the corrections of a run, which party 1 keeps in host memory until the run takes them.
const MOST_BYTES: u64 = 8 << 30;

/// Refuses a demand of more corrections than party 1 keeps.
pub(super) fn check_size(demand: &Demand) -> Result<(), SessionError> {
    let (bytes, most_bytes) = (demand.correction_bytes(), MOST_BYTES);
    if bytes > most_bytes { Err(SessionError::PairTooLarge { bytes, most_bytes }) } else { Ok(()) }
}

/// The source at one of the two.
#[derive(Default)]
pub(super) struct PairSupplier {
    lattices: Lattices,
    /// By its number, what a program that has run, and may run again, keeps.
    programs: HashMap<u32, (Choice, Kept)>,
}

impl Supplier for PairSupplier {
    fn name(&self) -> String {
        Source::Pair.to_string()
    }

    fn check(&self, plans: &Plans, _: bool) -> Result<(), SessionError> {
        check_size(&plans.demand)
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
        let turn = Turn { first: draw.runs == 0, seldom: draw.is_seldom, hidden: BTreeSet::new() };
        let known = draw.number.filter(|_| !turn.first).and_then(|number| self.programs.remove(&number));
        let fresh = || (Choice::new(draw.demand, draw.number.is_some(), &self.lattices), Kept::default());
        let (choice, mut kept) = known.unwrap_or_else(fresh);
        let making = Making { demand: draw.demand, choice: &choice, turn: &turn, party, session, key: &key };
        let state = (&mut self.lattices, &mut kept);
        let made_all = make(making, state, random, &mut channel, &mut made);
        let price = made_all.map_err(|fault| fault.with(peer))?;
        if let Some(number) = draw.number {
            self.programs.insert(number, (choice, kept));
        }
        let messages: Option<Box<dyn MessageSource>> =
            if made.pieces.is_empty() { None } else { Some(Box::new(made)) };
        let key = Some((KeyId::between(draw.role, Role::Dealer), key));
        Ok(Supplied { key, messages, offline: begin.elapsed(), made_bytes: Some(price.bytes()) })
    }

    fn release(&mut self, number: u32, _: Way, _: Means<'_>) -> Result<(), SessionError> {
        self.programs.remove(&number);
        Ok(())
    }
}

/// Why a message is not sent or taken.
pub(super) enum Fault {
    Net(NetError),
    Making(PairError),
}

impl From<PairError> for Fault {
    fn from(error: PairError) -> Fault {
        Fault::Making(error)
    }
}

impl Fault {
    /// The error of a session, at a message to or from this peer.
    pub(super) fn with(self, peer: Role) -> SessionError {
        match self {
            Fault::Net(error) => error.into(),
            Fault::Making(error) => SessionError::Pair { peer, error },
        }
    }
}

impl From<OtError> for Fault {
    fn from(error: OtError) -> Fault {
        Fault::Making(error.into())
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
