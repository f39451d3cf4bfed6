//! One party's end of a deployment: its links, and how they end.

use super::covered::Due;
use super::keys::{KeySource, Pledge, Shown};
use super::source::Suppliers;
use super::store::{CorrelationStore, StoreSupplier};
use super::wire::Wire;
use super::{Checkpoints, Devices, SessionError, SessionOptions};
use crate::net::Link;
use crate::run::{Progress, Stages};
use crate::share::{PartyId, Role, Terms};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A party that is connected. It must be ended by [`Session::finish`]; dropping it tells the peers that it failed.
#[must_use = "a session that is dropped fails its peers: end it with `finish`"]
pub struct Session {
    /// Tells the sessions of a process apart.
    pub(super) id: u64,
    pub(super) role: Role,
    pub(super) devices: Devices,
    pub(super) wire: Wire,
    /// With the other parties, then the dealer; empty once something has failed.
    pub(super) links: Vec<Link>,
    /// Whether a check has failed: then the session can be finished, and nothing else.
    pub(super) has_failed_check: bool,
    /// Each party's offers, this one's among them.
    pub(super) offers: BTreeMap<PartyId, Terms>,
    /// The inputs of which the job declares the shape.
    pub(super) declared: BTreeSet<String>,
    pub(super) options: SessionOptions,
    /// Where states are kept for a later session, if anywhere.
    pub(super) checkpoints: Option<Checkpoints>,
    /// The program whose states need not be kept any more, once the peers have everything.
    pub(super) done: Option<[u8; 32]>,
    /// The sources of correlations that it can have.
    pub(super) suppliers: Suppliers,
    /// Runs so far: each has a number, so that its frames are told from those of another.
    pub(super) runs: u32,
    /// Garbled runs so far, which have numbers of their own.
    pub(super) garbled_runs: u64,
    /// Programs prepared so far: each has a number for the dealer.
    pub(super) prepared: u32,
    pub(super) progress: Arc<Progress>,
    /// The clock of its stages.
    pub(super) stages: Stages,
    /// The source of this party's contributions to keys.
    pub(super) keys: KeySource,
    /// By peer: the commitments to contributions to the keys of the runs that are about to be agreed on.
    pub(super) pledges: HashMap<Role, Pledge>,
    /// What the keys of the present agreement's runs are made of.
    pub(super) shown: Vec<Shown>,
    /// The run that must come next, where the present agreement covers more.
    pub(super) due: Option<Due>,
}

impl Session {
    /// A session over links that are there already.
    pub(super) fn over(
        role: Role,
        devices: Devices,
        wire: Wire,
        links: Vec<Link>,
        options: SessionOptions,
        keys: KeySource,
    ) -> Session {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Session {
            has_failed_check: false,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            role,
            devices,
            wire,
            links,
            offers: BTreeMap::new(),
            declared: BTreeSet::new(),
            options,
            checkpoints: None,
            done: None,
            suppliers: Suppliers::new(),
            runs: 0,
            garbled_runs: 0,
            prepared: 0,
            progress: Arc::default(),
            stages: Stages::default(),
            keys,
            pledges: HashMap::new(),
            shown: Vec::new(),
            due: None,
        }
    }

    /// The offers of each party, this one among them, when it connected: a peer's word, which [`Session::inputs`] checks
    /// against a job.
    pub fn offers(&self) -> &BTreeMap<PartyId, Terms> {
        &self.offers
    }

    /// The progress of the present run, or of the last one; another thread may read it.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// The clock of the session's stages. Its caller may name the time between two calls, which is
    /// [`Stage::Caller`](crate::run::Stage::Caller)'s otherwise, and put the session's stages [behind](Stages::behind) those of an earlier clock.
    pub fn stages(&mut self) -> &mut Stages {
        &mut self.stages
    }

    /// Takes correlations from a store and not from a dealer, as all parties must. `taken` is told which order each run
    /// uses, and how many are left to all parties, after the order's mark is on the disk and before its first mask is drawn.
    pub fn set_store(&mut self, store: CorrelationStore, taken: impl Fn(u32, usize) + Send + 'static) {
        self.suppliers.set_store(StoreSupplier::new(store, taken));
    }

    /// Keeps the states of prepared programs on the disk, as all parties must alike, and goes on from what they all have there:
    /// see [`Session::prepare`].
    pub fn set_checkpoints(&mut self, checkpoints: Checkpoints) {
        self.checkpoints = Some(checkpoints);
    }

    /// Has parties 0 and 1 make the correlations between themselves, as all parties must.
    pub fn set_pair(&mut self) {
        self.suppliers.set_pair();
    }

    /// Does what a failure of ends the session.
    pub(super) fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        if self.links.is_empty() || self.has_failed_check {
            return Err(SessionError::Poisoned { role: self.role });
        }
        work(self).map_err(|error| match error {
            // All parties know it, and none has broken anything off.
            error @ SessionError::Check { .. } => {
                self.has_failed_check = true;
                self.forget();
                error
            }
            error => self.fail(error),
        })
    }

    /// Ends the session in order: returns once all peers have everything.
    ///
    /// # Errors
    /// Where a peer fails first, or the session has failed before, or checkpoints that are not needed any more cannot be removed.
    pub fn finish(mut self) -> Result<(), SessionError> {
        if self.links.is_empty() {
            return Err(SessionError::Poisoned { role: self.role });
        }
        if let Err(error) = self.check_nothing_due() {
            return Err(self.fail(error));
        }
        self.wire.finish(std::mem::take(&mut self.links))?;
        if let (Some(checkpoints), Some(program)) = (&self.checkpoints, &self.done) {
            checkpoints.clear(program)?;
        }
        Ok(())
    }

    /// Tells the peers that this party gives up. The other parties read the reason, which must not speak of private data;
    /// a dealer does not.
    pub fn abort(mut self, reason: &str) {
        self.give_up(reason);
    }

    fn give_up(&mut self, reason: &str) {
        let told = |peer| if peer == Role::Dealer { "it ended the session" } else { reason }.to_owned();
        self.wire.abort(std::mem::take(&mut self.links), told);
    }

    /// Wipes what the keys of runs are made of that do not come any more.
    fn forget(&mut self) {
        self.shown.clear();
        self.suppliers.forget();
    }

    pub(super) fn fail(&mut self, error: SessionError) -> SessionError {
        self.forget();
        self.wire.abort(std::mem::take(&mut self.links), |peer| error.told(peer));
        error
    }
}

impl Drop for Session {
    /// A session that is not ended in order has failed, and its peers are told.
    fn drop(&mut self) {
        self.give_up("it was dropped before it finished");
    }
}
