//! The workers of one deployment.

use super::switch::Switch;
use super::{Ran, Request, Run, Worker, frames};
use crate::args::Shared;
use crate::devices::device_lines;
use crate::failure::Failure;
use crate::nodes::Nodes;
use crate::process::{Group, Said};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use symbolon::World;
use symbolon::correlation::Source;
use symbolon::net::Interrupt;
use symbolon::protocol::Protocol;
use symbolon::session::{Devices, PartyNetwork, Session, SessionError, SessionOptions, SessionSetup};
use symbolon::share::{Parties, PartyId, Role, Terms};
use symbolon_job::Correlations;

/// The interval at which a wait asks whether it is to go on.
const PAUSE: Duration = Duration::from_millis(20);

/// Asked at every wait, which goes on where it says so; otherwise the crew ends with it.
pub type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// Workers that are connected, and wait for programs. One that is dropped ends, and its peers are told.
pub struct Crew {
    parties: Vec<PartyId>,
    hands: Option<Hands>,
    /// What a party's run gave; nothing where the party has failed.
    replies: Receiver<(PartyId, Option<Ran>)>,
    check: Check,
}

/// Where the workers are.
enum Hands {
    /// Threads, below one that ends with them.
    Threads {
        requests: BTreeMap<PartyId, Sender<Request>>,
        thread: JoinHandle<Result<(), Failure>>,
        switch: Arc<Switch>,
    },
    /// Processes; the parties are the last ones.
    Processes(Group),
}

impl Crew {
    /// All parties as processes on this machine, of the program `command`, which is `symbolon`.
    ///
    /// # Errors
    /// Where one cannot be started, or `check` ends the wait.
    pub(crate) fn processes(
        command: &Path,
        protocol: Protocol,
        source: Source,
        shared: &Shared,
        check: Check,
    ) -> Result<Crew, Failure> {
        let nodes = Nodes::new(protocol, source, shared)?;
        let (sender, replies) = channel();
        let first = usize::from(nodes.is_dealt());
        let listen = move |number: usize, stdout| {
            let party = number.checked_sub(first).map(|index| PartyId(index as u8));
            let tell = |ran| drop(party.map(|party| sender.send((party, Some(ran)))));
            frames::read_all(BufReader::new(stdout), tell).map(Said::of)
        };
        let mut group = Group::of(command, Arc::new(listen), check.clone(), shared.log.is_some());
        let started = nodes.start(&mut group, None, |_| {
            let mut arguments = vec!["work".into(), "--protocol".into(), protocol.to_string().into()];
            if let Some(chosen) = Correlations::chosen(source) {
                arguments.extend(["--correlations".into(), chosen.to_string().into()]);
            }
            if let Some(side) = shared.tile {
                arguments.extend(["--tile".into(), side.to_string().into()]);
            }
            if shared.stream_correlations {
                arguments.push("--stream-correlations".into());
            }
            arguments
        });
        match started {
            Ok(()) => {}
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => return Err(group.end().1.unwrap_or(failure)),
        }
        let parties = Parties::first(protocol.parties()).iter().collect();
        Ok(Crew { parties, hands: Some(Hands::Processes(group)), replies, check })
    }

    /// All parties as threads of this process, which then knows everything: for trials and tests.
    pub(crate) fn threads(
        protocol: Protocol,
        source: Source,
        devices: &Devices,
        options: SessionOptions,
        check: Check,
    ) -> Result<Crew, Failure> {
        let parties: Vec<PartyId> = Parties::first(protocol.parties()).iter().collect();
        let first = devices.all().first().expect("there is a device").clone();
        let lines = device_lines(devices);
        let mut world = World::new(protocol, first);
        if source == Source::Pair {
            world = world.with_pair();
        }
        for role in parties.iter().map(|&party| Role::from(party)).chain([Role::Dealer]) {
            world = world.with_devices(role, devices.clone());
        }
        Crew::below(parties, check, move |interrupt, desks| {
            let options = SessionOptions { interrupt: Some(interrupt), ..options };
            let ended = world.with_options(options).in_sessions(|party, session| {
                match desks[&party].serve(Worker::new(session, lines.clone())) {
                    Err(Failure::Session(error)) => Err(error),
                    other => Ok(other),
                }
            });
            let own = |failures: Vec<(Role, SessionError)>| {
                let mut failures: Vec<Failure> =
                    failures.into_iter().map(|(_, error)| Failure::Session(error)).collect();
                // One that is not about a peer, if there is one.
                let cause = failures.iter().position(|failure| failure.status() != 3).unwrap_or(0);
                failures.swap_remove(cause)
            };
            ended.map_err(|error| own(error.failures))?.into_iter().collect()
        })
    }

    /// One party, as a thread, of a deployment whose other parties are elsewhere; `terms` are facts that all must have
    /// in common. `check` ends the wait for the peers too.
    pub(crate) fn party(
        (network, source): (PartyNetwork, Source),
        terms: Terms,
        devices: Devices,
        options: SessionOptions,
        check: Check,
    ) -> Result<Crew, Failure> {
        let (party, lines) = (network.party, device_lines(&devices));
        let (met, connected) = channel();
        let crew = Crew::below(vec![party], check, move |interrupt, desks| {
            let options = SessionOptions { interrupt: Some(interrupt), ..options };
            let setup = SessionSetup { options, terms, ..SessionSetup::new(network) };
            let mut session = Session::connect(devices, setup, |_| {})?;
            if source == Source::Pair {
                session.set_pair();
            }
            let _ = met.send(());
            match desks[&party].serve(Worker::new(&mut session, lines)) {
                Ok(()) => Ok(session.finish()?),
                Err(failure) => {
                    match failure {
                        Failure::Session(SessionError::Check { .. }) => drop(session.finish()),
                        _ => session.abort(&failure.public_reason()),
                    }
                    Err(failure)
                }
            }
        })?;
        crew.connected(&connected)
    }

    /// Workers on a thread of their own.
    fn below(
        parties: Vec<PartyId>,
        check: Check,
        work: impl FnOnce(&'static Interrupt, BTreeMap<PartyId, Desk>) -> Result<(), Failure> + Send + 'static,
    ) -> Result<Crew, Failure> {
        let switch = Arc::new(Switch::take());
        let (sender, replies) = channel();
        let (mut requests, mut desks) = (BTreeMap::new(), BTreeMap::new());
        for &party in &parties {
            let (ask, asked) = channel();
            requests.insert(party, ask);
            desks
                .insert(party, Desk { party, asked: Mutex::new(asked), replies: Mutex::new(sender.clone()) });
        }
        drop(sender);
        // Kept until the sessions are over, whoever waits for them.
        let of_sessions = switch.clone();
        let thread = thread::Builder::new()
            .name("symbolon-crew".into())
            .spawn(move || work(of_sessions.interrupt(), desks));
        let thread = thread.map_err(|error| Failure::thread(&error))?;
        Ok(Crew { parties, hands: Some(Hands::Threads { requests, thread, switch }), replies, check })
    }

    /// Waits until the party has met its peers.
    fn connected(mut self, met: &Receiver<()>) -> Result<Crew, Failure> {
        loop {
            match met.recv_timeout(PAUSE) {
                Ok(()) => return Ok(self),
                Err(RecvTimeoutError::Timeout) => self.go_on()?,
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure()),
            }
        }
    }

    /// The same, whose waits ask another check.
    #[must_use]
    pub fn with_check(mut self, check: Check) -> Crew {
        if let Some(Hands::Processes(group)) = &mut self.hands {
            group.set_check(check.clone());
        }
        self.check = check;
        self
    }

    /// The parties that work here.
    pub fn parties(&self) -> &[PartyId] {
        &self.parties
    }

    /// Has every party run a program; returns what each learns.
    ///
    /// # Errors
    /// Where one fails, or the check ends the wait. The crew is of no use afterwards.
    pub fn run(&mut self, runs: BTreeMap<PartyId, Run>) -> Result<BTreeMap<PartyId, Ran>, Failure> {
        for (party, run) in runs {
            self.ask(party, Some(Request::Run(run)));
        }
        let mut told = BTreeMap::new();
        while told.len() < self.parties.len() {
            match self.replies.recv_timeout(PAUSE) {
                Ok((party, Some(ran))) => drop(told.insert(party, ran)),
                Ok((_, None)) | Err(RecvTimeoutError::Disconnected) => return Err(self.failure()),
                Err(RecvTimeoutError::Timeout) => {
                    self.go_on()?;
                    if let Some(Hands::Processes(group)) = &mut self.hands
                        && group.has_failed()
                    {
                        return Err(self.failure());
                    }
                }
            }
        }
        Ok(told)
    }

    /// Has every party release a program that was kept.
    pub fn release(&mut self, number: u32) {
        for party in self.parties.clone() {
            self.ask(party, Some(Request::Release(number)));
        }
    }

    /// Ends all sessions in order: returns once every peer has everything.
    ///
    /// # Errors
    /// Where a party fails first, or the check ends the wait.
    pub fn finish(mut self) -> Result<(), Failure> {
        for party in self.parties.clone() {
            self.ask(party, None);
        }
        match self.hands.take() {
            Some(Hands::Processes(group)) => group.wait(None)?.1.map_or(Ok(()), Err),
            Some(Hands::Threads { requests, thread, switch }) => {
                drop(requests);
                while !thread.is_finished() {
                    if !(self.check)() {
                        switch.interrupt().request();
                        return Err(Failure::Interrupted);
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                joined(thread)
            }
            None => Ok(()),
        }
    }

    /// Fails where a wait is to end.
    fn go_on(&self) -> Result<(), Failure> {
        if (self.check)() { Ok(()) } else { Err(Failure::Interrupted) }
    }

    /// A worker that has ended hears nothing; it says itself why.
    fn ask(&mut self, party: PartyId, request: Option<Request>) {
        match &mut self.hands {
            Some(Hands::Threads { requests, .. }) => {
                if let (Some(desk), Some(request)) = (requests.get(&party), request) {
                    let _ = desk.send(request);
                }
            }
            Some(Hands::Processes(group)) => {
                let number = group.len() - self.parties.len() + party.index();
                let _ = frames::write_request(group.pipe(number), request);
            }
            None => {}
        }
    }

    /// Ends all workers of which one has failed; returns the failure of the one to blame.
    fn failure(&mut self) -> Failure {
        let lost = || Failure::Fault("a worker ended before it was asked to".into());
        match self.hands.take() {
            Some(Hands::Threads { requests, thread, .. }) => {
                drop(requests);
                joined(thread).err().unwrap_or_else(lost)
            }
            Some(Hands::Processes(group)) => group.end().1.unwrap_or_else(lost),
            None => lost(),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if let Some(Hands::Threads { requests, thread, switch }) = self.hands.take() {
            switch.interrupt().request();
            drop(requests);
            let _ = joined(thread);
        }
    }
}

fn joined(thread: JoinHandle<Result<(), Failure>>) -> Result<(), Failure> {
    thread.join().unwrap_or_else(|_| Err(Failure::Fault("a worker has panicked".into())))
}

/// Where a thread's worker is asked, and replies.
struct Desk {
    party: PartyId,
    asked: Mutex<Receiver<Request>>,
    replies: Mutex<Sender<(PartyId, Option<Ran>)>>,
}

impl Desk {
    fn serve(&self, worker: Worker<'_>) -> Result<(), Failure> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever asked may have gone.
        let tell = |ran| drop(replies.send((self.party, ran)));
        let reply = |ran| {
            tell(Some(ran));
            Ok(())
        };
        let served = worker.serve(|| asked.recv().ok(), reply);
        if served.is_err() {
            tell(None);
        }
        served
    }
}
