//! What a run took.

use super::tally::Tally;
use super::trace::Trace;
use crate::device::{DriverMemory, MemoryUse};
use crate::net::LinkTraffic;
use crate::share::Role;
use crate::step::MemoryClass;
use std::collections::BTreeMap;
use std::time::Duration;

/// What one role's run took, as measured.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Whose run it was.
    pub role: Role,
    /// Bytes and rounds.
    pub tally: Tally,
    /// Device memory by class, as planned, with the device's own staging memory.
    pub planned: BTreeMap<MemoryClass, u64>,
    /// Device memory at its peak, as the device's ledger saw it.
    pub peak: MemoryUse,
    /// What the driver's allocator held at the end of the run, when all memory of the plan was still allocated; `None`
    /// where it does not say.
    pub driver: Option<DriverMemory>,
    /// From the start until the correlations were there.
    pub offline: Duration,
    /// From there until the last step.
    pub online: Duration,
    /// How long the device was busy online.
    pub device_busy: Duration,
    /// How long the wire was busy online.
    pub wire_busy: Duration,
    /// What had crossed the link with each peer by the end of the run, since the beginning of the session.
    pub peers: BTreeMap<Role, LinkTraffic>,
    /// What happened when, if it was asked for.
    pub trace: Option<Trace>,
}

impl RunReport {
    /// max(T_device, T_wire) / T_total online: 1 is perfect overlap.
    pub fn overlap(&self) -> f64 {
        let busiest = self.device_busy.max(self.wire_busy).as_secs_f64();
        match self.online.as_secs_f64() {
            0.0 => 1.0,
            total => (busiest / total).min(1.0),
        }
    }
}
