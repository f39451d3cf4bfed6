//! The traffic of a plan: its exact bytes and rounds, before anything runs.

use super::Supply;
use crate::share::Role;
use crate::step::{Access, Action, MessageId, Phase, StepList};
use serde::Serialize;
use std::collections::HashMap;

/// One role's traffic, without framing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RoleTraffic {
    /// Online bytes sent.
    pub sent_bytes: u64,
    /// Online bytes received.
    pub received_bytes: u64,
    /// Offline bytes sent: the dealer's corrections.
    pub offline_sent_bytes: u64,
    /// Offline bytes received.
    pub offline_received_bytes: u64,
}

/// The traffic of all roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// By role.
    pub roles: HashMap<Role, RoleTraffic>,
    /// The longest chain of online messages, each of which depends on the one before.
    pub rounds: u32,
}

/// The number of rounds behind each buffer of a role.
pub struct Depths(Vec<u32>);

impl Depths {
    /// All buffers are there at the start.
    pub fn new(buffers: usize) -> Depths {
        Depths(vec![0; buffers])
    }

    /// Accounts for a step; `received` is the depth of the message that it awaits. Returns the depth of its operands.
    pub fn pass(&mut self, action: &Action, received: u32) -> u32 {
        let mut depth = received;
        action.visit(|matrix, access| {
            if access != Access::Write {
                depth = depth.max(self.0[matrix.buffer.0 as usize]);
            }
        });
        action.visit(|matrix, access| {
            if access != Access::Read {
                self.0[matrix.buffer.0 as usize] = depth;
            }
        });
        depth
    }
}

impl Traffic {
    /// Runs the lists against each other, each in the order of a run, counting.
    ///
    /// # Panics
    /// Where a message is awaited that nobody sends before, or sizes differ: a fault of the lowering.
    pub fn new<'a>(lists: impl Iterator<Item = &'a StepList>, supply: Supply) -> Traffic {
        let mut walks: Vec<Walk> = lists.map(|list| Walk::new(list, supply)).collect();
        let mut in_flight = HashMap::new();
        let mut traffic = Traffic { roles: HashMap::new(), rounds: 0 };
        while walks.iter().any(|walk| walk.next < walk.order.len()) {
            let progressed = walks.iter_mut().map(|walk| walk.advance(&mut in_flight, &mut traffic.rounds));
            let progressed: usize = progressed.sum();
            assert!(progressed > 0, "every role waits for a message that nobody has sent");
        }
        assert!(in_flight.is_empty(), "a message is sent that nobody receives");
        traffic.roles = walks.into_iter().map(|walk| (walk.list.role, walk.traffic)).collect();
        traffic
    }

    /// One role's traffic.
    pub fn of(&self, role: Role) -> RoleTraffic {
        self.roles.get(&role).copied().unwrap_or_default()
    }
}

/// A message on its way: its depth and elements.
type InFlight = HashMap<(Role, Role, MessageId), (u32, usize)>;

struct Walk<'a> {
    list: &'a StepList,
    /// Positions of the steps, in the order of a run.
    order: Vec<usize>,
    next: usize,
    depths: Depths,
    traffic: RoleTraffic,
}

impl<'a> Walk<'a> {
    fn new(list: &'a StepList, supply: Supply) -> Walk<'a> {
        let (order, depths) = (supply.order(list), Depths::new(list.buffers.len()));
        Walk { list, order, next: 0, depths, traffic: RoleTraffic::default() }
    }

    /// Takes steps until one awaits a message that is not there; returns their number.
    fn advance(&mut self, in_flight: &mut InFlight, rounds: &mut u32) -> usize {
        let start = self.next;
        while let Some(&at) = self.order.get(self.next) {
            let step = &self.list.steps[at];
            let online = step.phase != Phase::Offline;
            match step.action {
                Action::Send { from, peer, message } => {
                    let depth = self.depths.pass(&step.action, 0) + u32::from(online);
                    let before = in_flight.insert((self.list.role, peer, message), (depth, from.shape.len()));
                    assert!(before.is_none(), "{message:?} is sent twice");
                    *if online {
                        &mut self.traffic.sent_bytes
                    } else {
                        &mut self.traffic.offline_sent_bytes
                    } += from.shape.size_bytes(self.list.ring);
                    *rounds = depth.max(*rounds);
                }
                Action::Receive { to, peer, message } => {
                    let Some((depth, len)) = in_flight.remove(&(peer, self.list.role, message)) else {
                        break;
                    };
                    assert_eq!(len, to.shape.len(), "{message:?} has one length");
                    self.depths.pass(&step.action, depth);
                    *if online {
                        &mut self.traffic.received_bytes
                    } else {
                        &mut self.traffic.offline_received_bytes
                    } += to.shape.size_bytes(self.list.ring);
                }
                _ => {
                    self.depths.pass(&step.action, 0);
                }
            }
            self.next += 1;
        }
        self.next - start
    }
}
