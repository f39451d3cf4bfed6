//! What the lines of a program take online, each by itself.
//!
//! Every step of a plan belongs to an op, and every op to a line: the step of the job that it is computed for, an input or a
//! state. Bytes add up to those of the plan. The rounds of a line are those in which it sends anything; lines that send in
//! one round all count it. Device time is that of a model of the device, without waits.

use super::traffic::Depths;
use super::{DeviceModel, Plan, Plans};
use crate::program::{Program, ValueId};
use crate::share::Role;
use crate::step::{Action, MessageId, OpId, Phase};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a line takes.
#[derive(Clone, Debug, PartialEq)]
pub struct LineCost {
    /// The name that it defines, or the input's or state's.
    pub line: String,
    /// Bytes that each party sends.
    pub sent_bytes: Vec<u64>,
    /// The rounds in which it sends anything.
    pub rounds: u32,
    /// Seconds of the devices of the party that computes longest.
    pub device_s: f64,
}

/// The steps of an op: bytes and seconds by party, and the rounds in which they send.
#[derive(Clone, Default)]
struct OfOp {
    parties: BTreeMap<Role, (u64, f64)>,
    rounds: BTreeSet<u32>,
}

impl OfOp {
    fn add(&mut self, other: &OfOp) {
        for (&role, &(bytes, seconds)) in &other.parties {
            let own = self.parties.entry(role).or_default();
            *own = (own.0 + bytes, own.1 + seconds);
        }
        self.rounds.extend(&other.rounds);
    }
}

/// The depths of messages that are sent and not yet received.
type InFlight = HashMap<(Role, Role, MessageId), u32>;

struct Walk<'a> {
    plan: &'a Plan,
    next: usize,
    depths: Depths,
}

impl Walk<'_> {
    /// Takes steps until one awaits a message that a party has not sent yet; returns their number.
    fn advance(
        &mut self,
        (parties, in_flight): (&BTreeSet<Role>, &mut InFlight),
        models: &[DeviceModel],
        ops: &mut BTreeMap<OpId, OfOp>,
    ) -> usize {
        let start = self.next;
        while let Some(planned) = self.plan.steps.get(self.next) {
            let (step, role) = (&planned.step, self.plan.role);
            let online = step.phase != Phase::Offline;
            let depth = match step.action {
                Action::Receive { peer, message, .. } if parties.contains(&peer) => {
                    let Some(depth) = in_flight.remove(&(peer, role, message)) else { break };
                    depth
                }
                _ => 0,
            };
            let depth = self.depths.pass(&step.action, depth);
            if let Action::Send { peer, message, .. } = step.action {
                in_flight.insert((role, peer, message), depth + u32::from(online));
            }
            if online {
                let own = ops.entry(step.op).or_default();
                let (bytes, seconds) = own.parties.entry(role).or_default();
                if let Action::Send { from, .. } = step.action {
                    *bytes += from.shape.size_bytes(self.plan.ring);
                    own.rounds.insert(depth + 1);
                }
                let model = models.get(usize::from(planned.device)).or(models.first());
                *seconds += model.map_or(0.0, |model| model.seconds(self.plan.ring, &step.action));
            }
            self.next += 1;
        }
        self.next - start
    }
}

impl Plans {
    /// What each line of the planned program takes, in the order of the lines, on devices like these, by number. Lines
    /// that take nothing are left out.
    ///
    /// # Panics
    /// Where the plans are of another program.
    pub fn lines(&self, program: &Program, models: &[DeviceModel]) -> Vec<LineCost> {
        let parties: BTreeSet<Role> = self.parties.iter().map(|plan| plan.role).collect();
        let walk = |plan| Walk { plan, next: 0, depths: Depths::new(Plan::buffer_count(plan)) };
        let mut walks: Vec<Walk> = self.parties.iter().map(walk).collect();
        let (mut in_flight, mut ops) = (InFlight::new(), BTreeMap::new());
        while walks.iter().any(|walk| walk.next < walk.plan.steps.len()) {
            let walked =
                walks.iter_mut().map(|walk| walk.advance((&parties, &mut in_flight), models, &mut ops));
            let progress: usize = walked.sum();
            assert!(progress > 0, "every party waits for a message that nobody has sent");
        }
        let mut lines: Vec<(String, OfOp)> = Vec::new();
        for (op, cost) in ops {
            let line = program.step_of(ValueId(op.0));
            match lines.iter_mut().find(|(own, _)| *own == line) {
                Some((_, sum)) => sum.add(&cost),
                None => lines.push((line, cost)),
            }
        }
        let parties = || self.parties.iter().map(|plan| plan.role);
        let line = |(line, cost): (String, OfOp)| LineCost {
            line,
            sent_bytes: parties().map(|role| cost.parties.get(&role).map_or(0, |own| own.0)).collect(),
            rounds: cost.rounds.len() as u32,
            device_s: cost.parties.values().map(|own| own.1).fold(0.0, f64::max),
        };
        lines.into_iter().map(line).filter(|line| line.device_s > 0.0 || line.rounds > 0).collect()
    }
}
