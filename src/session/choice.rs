//! The parties' choice of what a job leaves open: the source of a program's correlations, and the way in which its ops that are not
//! linear are computed. They take what is predicted to be done first, offline and online phase together.
//!
//! **Steps** of a choice ([`Session::choose`]).
//! 1. Each party plans the program in each way that is open, with each source that is open and that it allows, on its own devices and
//!    its own link, and predicts the time of each phase of a run.
//! 2. Each tells all others its times. *Rounds:* 1.
//! 3. A pair of way and source without times of every party falls out, such as one that does not fit a party's budget. Each of the
//!    others has, of each phase, the largest time that a party states, and the pair with the least sum is taken. Of two with the
//!    same sum the one without another process is taken, and then the one by tables.
//!
//! The two are chosen at once, since each depends on the other: the source has its own lowering and rounds of each way. So all have
//! the same figures, and choose alike; before the first run they compare protocols and the names of their sources again, as in every
//! session.
//!
//! **A peer that lies** has another pair taken among those that this party allows itself. Whom a party trusts follows from its own
//! list alone, and from no price; what a way tells whom, and what a party that deviates can do in it, the job's owners accept when they
//! leave the way open.

use super::agree::surroundings;
use super::network::check_pins;
use super::pair::check_size;
use super::prices::{RunTimes, usual_making, usual_times};
use super::topic::CHOICE;
use super::{Session, SessionError, choose_side, plan_tiles};
use crate::correlation::Source;
use crate::net::{Address, Credentials, Hello, NetError, dial};
use crate::plan::PlanOptions;
use crate::program::Program;
use crate::protocol::Protocol;
use crate::run::Stage;
use crate::share::Role;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// A protocol, which is in one of its ways, with a source of correlations, and the times of a run with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedRun {
    /// The protocol.
    pub protocol: Protocol,
    /// The source.
    pub source: Source,
    /// The largest time of each phase that any party states.
    pub times: RunTimes,
}

/// What the parties have chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The protocol in the chosen way.
    pub protocol: Protocol,
    /// The chosen source.
    pub source: Source,
    /// Everything that every party can take, and allows.
    pub among: Vec<PricedRun>,
}

impl Chosen {
    /// The choice among these; `None` where there are none.
    pub fn of(among: Vec<PricedRun>) -> Option<Chosen> {
        let PricedRun { protocol, source, .. } = cheapest(among.iter().copied())?;
        Some(Chosen { protocol, source, among })
    }

    /// Of each source the cheapest run.
    pub fn by_source(&self) -> Vec<PricedRun> {
        self.cheapest_by(|run| run.source)
    }

    /// Of each way the cheapest run.
    pub fn by_way(&self) -> Vec<PricedRun> {
        self.cheapest_by(|run| run.protocol)
    }

    fn cheapest_by<K: PartialEq>(&self, key: impl Fn(&PricedRun) -> K) -> Vec<PricedRun> {
        let mut keys = Vec::new();
        for run in &self.among {
            if !keys.contains(&key(run)) {
                keys.push(key(run));
            }
        }
        let of = |wanted: K| cheapest(self.among.iter().copied().filter(|run| key(run) == wanted));
        keys.into_iter().filter_map(of).collect()
    }
}

/// The run that is done first; of two that take as long the one without another process, and then the one by tables.
pub fn cheapest(runs: impl IntoIterator<Item = PricedRun>) -> Option<PricedRun> {
    let order =
        |run: &PricedRun| (run.times.total(), run.source.process().is_some(), run.protocol.is_garbling());
    runs.into_iter().min_by_key(order)
}

/// What a job leaves open, as one party has it.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// Whether it may be in any of its ways.
    pub any_way: bool,
    /// The sources that this party allows, where one is to be chosen; the session's own otherwise.
    pub sources: Option<&'a [Source]>,
}

/// A party's times in nanoseconds of one way with one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    way: String,
    source: String,
    offline_ns: u64,
    online_ns: u64,
}

impl Stated {
    fn new(run: &PricedRun) -> Stated {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Stated {
            way: run.protocol.to_string(),
            source: run.source.to_string(),
            offline_ns: nanos(run.times.offline),
            online_ns: nanos(run.times.online),
        }
    }

    fn times(&self) -> RunTimes {
        let [offline, online] = [self.offline_ns, self.online_ns].map(Duration::from_nanos);
        RunTimes { offline, online }
    }

    /// The statement about the same way and source, among a peer's.
    fn same<'a>(&self, theirs: &'a [Stated]) -> Option<&'a Stated> {
        theirs.iter().find(|theirs| (&theirs.way, &theirs.source) == (&self.way, &self.source))
    }
}

/// What all parties can take, with the largest times of any, in the order of this party's own.
fn agreed(own: &[PricedRun], all: &BTreeMap<Role, Vec<Stated>>) -> Vec<PricedRun> {
    let agree = |run: &PricedRun| {
        let ours = Stated::new(run);
        let times = all
            .values()
            .try_fold(ours.times(), |times, theirs| Some(times.larger(ours.same(theirs)?.times())))?;
        Some(PricedRun { times, ..*run })
    };
    own.iter().filter_map(agree).collect()
}

/// The sources that a party states times for, in words.
fn listed(stated: &[Stated]) -> String {
    let mut sources: Vec<&str> = Vec::new();
    for stated in stated {
        if !sources.contains(&stated.source.as_str()) {
            sources.push(&stated.source);
        }
    }
    if sources.is_empty() { "none that serves the protocol".to_owned() } else { sources.join(" and ") }
}

impl Session {
    /// Agrees with all parties on what is open: of the ways that the protocol has, and of the sources that every party allows, a
    /// dealer and the pair, the two with which a run is predicted to be done first, both phases together. With a dealer
    /// [`Session::connect_dealer`] comes next, and with the pair it is set. All parties must call it before they run the program,
    /// with the same protocol and the same open; each with the sources that it allows itself. `may_run_again` is whether the program is to run
    /// more than once.
    ///
    /// # Errors
    /// Where the program has no plan in any of them, or no source is allowed by every party. The peers are told.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn choose(
        &mut self,
        open: Open<'_>,
        program: &Program,
        may_run_again: bool,
    ) -> Result<Chosen, SessionError> {
        self.attempt(|session| {
            session.stages.end(Stage::Caller);
            session.check_shapes(program)?;
            let own = session.own_runs(open, program, may_run_again)?;
            session.stages.end(Stage::Choosing);
            let all = session.tell_times(own.iter().map(Stated::new).collect())?;
            session.stages.end(Stage::Agreeing);
            let chosen = match (Chosen::of(agreed(&own, &all)), open.sources) {
                (Some(chosen), _) => chosen,
                (None, Some(_)) => {
                    let lists = all.iter().map(|(role, stated)| format!("{role} lists {}", listed(stated)));
                    return Err(SessionError::NoSource { lists: lists.collect::<Vec<_>>().join(", ") });
                }
                // No way fits every party: the run says why the one that every protocol has does not.
                (None, None) => {
                    let protocol = open.protocol.by_tables();
                    let source = session.suppliers.source_or(protocol.default_source());
                    Chosen { protocol, source, among: Vec::new() }
                }
            };
            if open.sources.is_some() && chosen.source == Source::Pair {
                session.suppliers.set_pair();
            }
            Ok(chosen)
        })
    }

    /// Connects to a dealer that the parties have chosen after they met.
    ///
    /// # Errors
    /// Where its certificate is not known, or it cannot be reached up to the connect deadline. The peers are told.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn connect_dealer(
        &mut self,
        address: &Address,
        credentials: &Credentials,
    ) -> Result<(), SessionError> {
        self.attempt(|session| {
            check_pins(credentials, &[Role::Dealer])?;
            let Session { wire, role, .. } = &*session;
            let hello = Hello::new(*role);
            let link = wire.wait(dial(Role::Dealer, address, hello, credentials, &wire.links))?;
            session.links.push(link);
            session.stages.end(Stage::Connecting);
            Ok(())
        })
    }

    /// This party's times of all that is open and that it allows; what has no plan, or none within the budget, is not its own.
    fn own_runs(
        &mut self,
        open: Open<'_>,
        program: &Program,
        may_run_again: bool,
    ) -> Result<Vec<PricedRun>, SessionError> {
        let ways: Vec<Protocol> =
            if open.any_way { open.protocol.ways().collect() } else { vec![open.protocol] };
        let session = [self.suppliers.source_or(open.protocol.default_source())];
        let mut sources = open.sources.unwrap_or(&session).to_vec();
        // In the order in which reports have them.
        sources.sort_by_key(|source| Reverse(source.process()));
        let (mut runs, mut failure) = (Vec::new(), None);
        for &protocol in &ways {
            for &source in sources.iter().filter(|&&source| protocol.check_source(source).is_ok()) {
                match self.times_of(protocol, source, program, may_run_again) {
                    Ok(times) => runs.push(PricedRun { protocol, source, times }),
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
        }
        match failure {
            Some(error) if runs.is_empty() => Err(error),
            _ => Ok(runs),
        }
    }

    /// The times of a run in one way with one source, with the tiles that this party would take.
    fn times_of(
        &mut self,
        protocol: Protocol,
        source: Source,
        program: &Program,
        may_run_again: bool,
    ) -> Result<RunTimes, SessionError> {
        // A pair that is not chosen yet is no source of the session.
        let is_pair = source == Source::Pair;
        let of_source = if is_pair { None } else { self.suppliers.of(source).tile_side() };
        let fixed = self.options.tile_side.or(of_source);
        let surroundings = surroundings(&self.devices, &self.options, self.options.budget_bytes);
        let options = self.options.plan(source, surroundings.buffers_bytes());
        let plans = match fixed {
            Some(side) => plan_tiles(protocol, program, PlanOptions { side, ..options }, &surroundings)?,
            None => choose_side(protocol, program, options, &surroundings)?.1,
        };
        if is_pair {
            check_size(&plans.demand)?;
        } else {
            self.suppliers.of(source).check(&plans, may_run_again)?;
        }
        plans.of(self.role).check_budget(surroundings.staging_bytes, surroundings.budget_bytes)?;
        let making = usual_making(&plans, program, may_run_again);
        let (models, link) = (surroundings.models, surroundings.link);
        Ok(usual_times(&plans, making.as_ref(), models, (link, self.options.overlap), may_run_again))
    }

    /// Tells the other parties this one's times; returns everybody's.
    fn tell_times(&mut self, own: Vec<Stated>) -> Result<BTreeMap<Role, Vec<Stated>>, NetError> {
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        let mut all = BTreeMap::new();
        self.wire.wait(async {
            for link in parties {
                link.send_control(CHOICE, &own).await?;
                let theirs = link.receive_control(CHOICE, link.long_patience()).await?;
                all.insert(link.peer(), theirs);
            }
            all.insert(self.role, own);
            Ok(all)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: Protocol = Protocol::Beaver;
    const GARBLED: Protocol = Protocol::BeaverGarbled;

    fn run(protocol: Protocol, source: Source, offline: u64, online: u64) -> PricedRun {
        let [offline, online] = [offline, online].map(Duration::from_nanos);
        PricedRun { protocol, source, times: RunTimes { offline, online } }
    }

    fn told(runs: &[PricedRun]) -> BTreeMap<Role, Vec<Stated>> {
        BTreeMap::from([(Role::party(1), runs.iter().map(Stated::new).collect())])
    }

    #[test]
    fn a_run_has_the_largest_time_of_each_phase_and_falls_out_where_a_party_cannot_take_it() {
        let own = [run(TABLES, Source::Dealer, 5, 2), run(TABLES, Source::Pair, 9, 9)];
        let both =
            agreed(&own, &told(&[run(TABLES, Source::Pair, 8, 10), run(TABLES, Source::Dealer, 7, 1)]));
        assert_eq!(both, [run(TABLES, Source::Dealer, 7, 2), run(TABLES, Source::Pair, 9, 10)]);
        let one = agreed(&own, &told(&[run(TABLES, Source::Pair, 1, 1), run(GARBLED, Source::Dealer, 1, 1)]));
        assert_eq!(one, [run(TABLES, Source::Pair, 9, 9)]);
        assert_eq!(agreed(&own, &told(&[])), [], "a party that states nothing");
        assert_eq!(listed(&[]), "none that serves the protocol");
        assert_eq!(listed(&own.map(|run| Stated::new(&run))), "the dealer and the two parties themselves");
    }

    #[test]
    fn both_phases_count_and_of_two_that_take_as_long_the_one_without_another_process_is_taken() {
        let of = |dealer: (u64, u64), pair: (u64, u64)| {
            let runs = [(Source::Dealer, dealer), (Source::Pair, pair)];
            let runs = runs.map(|(source, (offline, online))| run(TABLES, source, offline, online));
            cheapest(runs).map(|run| run.source)
        };
        assert_eq!(of((4, 10), (3, 12)), Some(Source::Dealer), "its online phase is shorter by more");
        assert_eq!(of((4, 12), (5, 10)), Some(Source::Pair));
        assert_eq!(of((5, 5), (6, 4)), Some(Source::Pair));
        assert_eq!(cheapest([]), None);
        let ways = [run(GARBLED, Source::Pair, 1, 2), run(TABLES, Source::Pair, 2, 1)];
        assert_eq!(cheapest(ways).map(|run| run.protocol), Some(TABLES));
    }

    /// By tables a dealer would be the cheaper source, and with a dealer tables the faster way; the pair with garbled circuits is
    /// cheaper than either.
    #[test]
    fn way_and_source_are_chosen_at_once() {
        let among = vec![
            run(TABLES, Source::Dealer, 2, 10),
            run(TABLES, Source::Pair, 5, 15),
            run(GARBLED, Source::Dealer, 9, 4),
            run(GARBLED, Source::Pair, 7, 4),
        ];
        let chosen = Chosen::of(among.clone()).expect("a choice");
        assert_eq!((chosen.protocol, chosen.source), (GARBLED, Source::Pair));
        assert_eq!(chosen.by_source(), [among[0], among[3]]);
        assert_eq!(chosen.by_way(), [among[0], among[3]]);
    }
}
