//! The parties' choice of the way in which a program's ops that are not linear are computed: that which is predicted to be
//! done first online.
//!
//! **Steps** of a choice ([`Session::choose_way`]).
//! 1. Each party plans the program in each way that its protocol has, on its own devices and its own link, and predicts the
//!    online time of a run.
//! 2. Each tells all others its times. *Rounds:* 1.
//! 3. A way without a time of every party falls out, such as one that does not fit a party's budget. Each of the others has the
//!    largest time that a party states, and the least of these is taken; of two that take as long, tables, and where none is left
//!    as well.
//!
//! So all have the same figures, and choose alike; before the first run they compare protocols again, as in every session.
//!
//! **A peer that lies** has another way taken among those that the job allows. What a way tells whom, and what a party that
//! deviates can do in it, the job's owners accept when they leave the choice open.

use super::agree::surroundings;
use super::topic::WAYS;
use super::{Session, SessionError, choose_side, plan_tiles};
use crate::net::{LinkShape, NetError};
use crate::plan::{DeviceModel, PlanOptions, Plans};
use crate::program::Program;
use crate::protocol::Protocol;
use crate::run::{Overlap, Stage, simulate};
use crate::share::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A way that all parties have chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenWay {
    /// The protocol in that way.
    pub protocol: Protocol,
    /// The ways that every party can take, each with the largest online time that any party predicts.
    pub among: Vec<(Protocol, Duration)>,
}

/// The online time by which ways are chosen: that of a run like most, where the program may run again and runs differ, and
/// otherwise of its only one.
pub fn usual_online(
    plans: &Plans,
    models: &[DeviceModel],
    link: LinkShape,
    overlap: Overlap,
    may_run_again: bool,
) -> Duration {
    let usual = plans.again.as_deref().filter(|_| may_run_again).unwrap_or(plans);
    simulate(usual, models, link, overlap).online
}

/// The way that is done first; of two that take as long the former.
pub fn cheapest_way(times: impl IntoIterator<Item = (Protocol, Duration)>) -> Option<Protocol> {
    times.into_iter().min_by_key(|&(_, online)| online).map(|(protocol, _)| protocol)
}

/// A party's times in nanoseconds, by the protocol's name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Times(BTreeMap<String, u64>);

impl Times {
    fn add(&mut self, protocol: Protocol, online: Duration) {
        self.0.insert(protocol.to_string(), u64::try_from(online.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The ways that both can take, each with the larger of two times.
    fn with(&self, other: &Times) -> Times {
        let both =
            self.0.iter().filter_map(|(way, ours)| Some((way.clone(), (*ours).max(*other.0.get(way)?))));
        Times(both.collect())
    }

    fn of(&self, protocol: Protocol) -> Option<Duration> {
        self.0.get(&protocol.to_string()).copied().map(Duration::from_nanos)
    }
}

impl Session {
    /// Agrees with all parties on the way in which a program's ops that are not linear are computed: of those that the protocol
    /// has, the one whose online phase is predicted to be shortest. All parties must call it before they run the program, with
    /// the same protocol; `may_run_again` is whether the program is to run more than once.
    ///
    /// # Errors
    /// Where the program has no plan by tables. The peers are told.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn choose_way(
        &mut self,
        protocol: Protocol,
        program: &Program,
        may_run_again: bool,
    ) -> Result<ChosenWay, SessionError> {
        self.attempt(|session| {
            session.stages.end(Stage::Caller);
            session.check_shapes(program)?;
            let mut own = Times::default();
            for (index, way) in protocol.ways().enumerate() {
                match session.online_of(way, program, may_run_again) {
                    Ok(online) => own.add(way, online),
                    Err(error) if index == 0 => return Err(error),
                    // A way that has no plan, or none within the budget, is not this party's.
                    Err(_) => {}
                }
            }
            session.stages.end(Stage::Choosing);
            let all = session.tell_times(&own)?;
            session.stages.end(Stage::Agreeing);
            let agreed = all.values().fold(own, |agreed, theirs| agreed.with(theirs));
            let time = |way: Protocol| Some((way, agreed.of(way)?));
            let among: Vec<(Protocol, Duration)> = protocol.ways().filter_map(time).collect();
            let protocol = cheapest_way(among.iter().copied()).unwrap_or(protocol.by_tables());
            Ok(ChosenWay { protocol, among })
        })
    }

    /// The online time of a run in one way, with the tiles that this party would take.
    fn online_of(
        &mut self,
        protocol: Protocol,
        program: &Program,
        may_run_again: bool,
    ) -> Result<Duration, SessionError> {
        let source = self.suppliers.source_or(protocol.default_source());
        let fixed = self.options.tile_side.or_else(|| self.suppliers.of(source).tile_side());
        let surroundings = surroundings(&self.devices, &self.options, self.options.budget_bytes);
        let default = PlanOptions::default();
        let options = PlanOptions {
            source: Some(source),
            window: self.options.window.unwrap_or(default.window),
            supply: self.options.supply,
            budget_bytes: surroundings.buffers_bytes(),
            ..default
        };
        let plans = match fixed {
            Some(side) => plan_tiles(protocol, program, PlanOptions { side, ..options }, &surroundings)?,
            None => choose_side(protocol, program, options, &surroundings)?.1,
        };
        self.suppliers.of(source).check(&plans, may_run_again)?;
        plans.of(self.role).check_budget(surroundings.staging_bytes, surroundings.budget_bytes)?;
        Ok(usual_online(&plans, surroundings.models, surroundings.link, self.options.overlap, may_run_again))
    }

    /// Tells the other parties this one's times; returns everybody's.
    fn tell_times(&mut self, own: &Times) -> Result<BTreeMap<Role, Times>, NetError> {
        let mut all = BTreeMap::from([(self.role, own.clone())]);
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        self.wire.wait(async {
            for link in parties {
                link.send_control(WAYS, own).await?;
                let theirs = link.receive_control(WAYS, link.long_patience()).await?;
                all.insert(link.peer(), theirs);
            }
            Ok(all)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(list: &[(Protocol, u64)]) -> Times {
        let mut times = Times::default();
        list.iter().for_each(|&(way, nanos)| times.add(way, Duration::from_nanos(nanos)));
        times
    }

    #[test]
    fn a_way_has_the_largest_time_of_any_party_and_falls_out_where_one_cannot_take_it() {
        let [tables, garbled] = [Protocol::Beaver, Protocol::BeaverGarbled];
        let both = times(&[(tables, 5), (garbled, 9)]).with(&times(&[(tables, 7), (garbled, 8)]));
        assert_eq!([tables, garbled].map(|way| both.of(way)), [7, 9].map(|n| Some(Duration::from_nanos(n))));
        let one = both.with(&times(&[(tables, 1)]));
        assert_eq!([tables, garbled].map(|way| one.of(way)), [Some(Duration::from_nanos(7)), None]);
        assert_eq!(one.with(&Times::default()).of(tables), None, "a party that states nothing");
    }

    #[test]
    fn of_two_ways_that_take_as_long_tables_are_taken() {
        let of = |own, garbled| {
            let [own, garbled] = [own, garbled].map(Duration::from_nanos);
            cheapest_way([(Protocol::Beaver, own), (Protocol::BeaverGarbled, garbled)])
        };
        assert_eq!((of(3, 4), of(4, 3)), (Some(Protocol::Beaver), Some(Protocol::BeaverGarbled)));
        assert_eq!((of(3, 3), cheapest_way([])), (Some(Protocol::Beaver), None));
    }
}
