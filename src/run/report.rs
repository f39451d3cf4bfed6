//! The figures of a run.

use super::stages::StageSpan;
use super::tally::Tally;
use super::trace::Trace;
use crate::device::{Counters, Device, DriverMemory, MemoryUse};
use crate::net::LinkTraffic;
use crate::plan::Plan;
use crate::share::Role;
use crate::step::MemoryClass;
use std::collections::BTreeMap;
use std::time::Duration;

/// One role's run, as measured.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The role.
    pub role: Role,
    /// Bytes and rounds.
    pub tally: Tally,
    /// Each device's figures, by its number.
    pub devices: Vec<DeviceUse>,
    /// Seconds from the start until the correlations were there, and the devices ready for the online phase.
    pub offline: Duration,
    /// Seconds from there until the last step.
    pub online: Duration,
    /// How often threads of the role were woken online: those of its devices' lanes and that of its links. `None` where the
    /// system does not tell, or the links have several.
    pub wake_ups: Option<u64>,
    /// Seconds for which the wire was busy online.
    pub wire_busy: Duration,
    /// The stages since the session's start, or since the end of the run before, without gaps; a dealer reports those of
    /// the run alone. A trace begins with [`Stage::Preparing`](super::Stage::Preparing).
    pub stages: Vec<StageSpan>,
    /// The traffic of each peer's link, from the beginning of the session to the end of the run.
    pub peers: BTreeMap<Role, LinkTraffic>,
    /// The trace, if it was asked for.
    pub trace: Option<Trace>,
}

/// One device's figures in a role's run.
#[derive(Clone, Debug)]
pub struct DeviceUse {
    /// Steps of the plan that were placed on it.
    pub steps: usize,
    /// Its memory by class, as planned, with its own staging memory.
    pub planned: BTreeMap<MemoryClass, u64>,
    /// Its peak memory by its ledger.
    pub peak: MemoryUse,
    /// The memory of the driver's allocator at the end of the run, when all memory of the plan was still allocated; `None`
    /// where the driver does not report it.
    pub driver: Option<DriverMemory>,
    /// Seconds for which it was busy online.
    pub busy: Duration,
    /// What its lane had its driver do online.
    pub counters: Counters,
}

/// A device's clock and counters when the online phase began.
pub(super) struct DeviceBefore {
    busy: Duration,
    counters: Counters,
}

impl DeviceBefore {
    pub(super) fn of(device: &dyn Device) -> DeviceBefore {
        DeviceBefore { busy: device.busy(), counters: device.counters() }
    }
}

impl DeviceUse {
    fn then(self, later: DeviceUse) -> DeviceUse {
        let largest = |a: &BTreeMap<MemoryClass, u64>, b: &BTreeMap<MemoryClass, u64>| {
            let mut largest = a.clone();
            for (&class, &bytes) in b {
                let most = largest.entry(class).or_default();
                *most = bytes.max(*most);
            }
            largest
        };
        DeviceUse {
            steps: self.steps.max(later.steps),
            planned: largest(&self.planned, &later.planned),
            peak: MemoryUse {
                total_bytes: self.peak.total_bytes.max(later.peak.total_bytes),
                by_class: largest(&self.peak.by_class, &later.peak.by_class),
            },
            driver: later.driver,
            busy: self.busy + later.busy,
            counters: self.counters.plus(&later.counters),
        }
    }

    /// The figures of the device with this number at the end of a run.
    pub(super) fn new(plan: &Plan, number: u8, device: &dyn Device, before: &DeviceBefore) -> DeviceUse {
        let mut planned = plan.memory_on(number);
        if device.description().staging_bytes > 0 {
            planned.insert(MemoryClass::Staging, device.description().staging_bytes);
        }
        DeviceUse {
            steps: plan.steps.iter().filter(|planned| planned.device == number).count(),
            planned,
            peak: device.ledger().peak(),
            driver: device.driver_memory(),
            busy: device.busy().saturating_sub(before.busy),
            counters: device.counters().since(&before.counters),
        }
    }
}

impl RunReport {
    /// The figures of two runs of one program, one after the other, as those of one: traffic, rounds and times add up, and of
    /// memory the larger counts. The trace is that of the later one.
    #[must_use]
    pub fn then(self, later: RunReport) -> RunReport {
        let devices = self.devices.into_iter().zip(later.devices).map(|(a, b)| a.then(b)).collect();
        // In place: there may be many runs.
        let mut stages = self.stages;
        stages.extend(later.stages);
        RunReport {
            tally: self.tally.then(later.tally),
            devices,
            offline: self.offline + later.offline,
            online: self.online + later.online,
            wake_ups: self.wake_ups.zip(later.wake_ups).map(|(first, second)| first + second),
            wire_busy: self.wire_busy + later.wire_busy,
            stages,
            ..later
        }
    }

    /// Device memory by class, as planned, of all devices.
    pub fn planned(&self) -> BTreeMap<MemoryClass, u64> {
        sum(self.devices.iter().map(|device| &device.planned))
    }

    /// Device memory at the devices' peaks, together.
    pub fn peak(&self) -> MemoryUse {
        MemoryUse {
            total_bytes: self.devices.iter().map(|device| device.peak.total_bytes).sum(),
            by_class: sum(self.devices.iter().map(|device| &device.peak.by_class)),
        }
    }

    /// The memory of the drivers' allocators at the end of the run, of those that report it.
    pub fn driver(&self) -> Option<DriverMemory> {
        let add = |a: DriverMemory, b: DriverMemory| DriverMemory {
            allocated_bytes: a.allocated_bytes + b.allocated_bytes,
            reserved_bytes: a.reserved_bytes + b.reserved_bytes,
        };
        self.devices.iter().filter_map(|device| device.driver).reduce(add)
    }

    /// What the lanes of all devices had their drivers do online.
    pub fn counters(&self) -> Counters {
        let add = |sum: Counters, device: &DeviceUse| sum.plus(&device.counters);
        self.devices.iter().fold(Counters::default(), add)
    }

    /// Seconds for which the busiest device was busy online.
    pub fn device_busy(&self) -> Duration {
        self.devices.iter().map(|device| device.busy).max().unwrap_or_default()
    }

    /// max(T_device, T_wire) / T_total online, with the busiest device: 1 is perfect overlap.
    pub fn overlap(&self) -> f64 {
        let busiest = self.device_busy().max(self.wire_busy).as_secs_f64();
        match self.online.as_secs_f64() {
            0.0 => 1.0,
            total => (busiest / total).min(1.0),
        }
    }
}

fn sum<'a>(parts: impl Iterator<Item = &'a BTreeMap<MemoryClass, u64>>) -> BTreeMap<MemoryClass, u64> {
    let mut sum = BTreeMap::new();
    for (&class, bytes) in parts.flatten() {
        *sum.entry(class).or_default() += bytes;
    }
    sum
}
