//! Runs of all roles of a protocol in this process: threads of it, each with a device of its own, that send over pipes in
//! memory.

use super::BenchOptions;
use super::engine::median;
use crate::failure::Failure;
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use symbolon::device::Device;
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::ring::Elements;
use symbolon::run::RunReport;
use symbolon::session::{SessionOutcome, World};

/// What tables say of them.
pub const NOTE: &str =
    "all roles are threads of this process, each with a device of its own, and send over pipes in memory";

/// Several runs of one program.
pub struct Runs {
    /// What the roles computed on.
    pub device: String,
    /// By party, then by run.
    outcomes: Vec<Vec<SessionOutcome>>,
}

/// What runs took, in seconds: each what its slowest party did.
#[derive(Clone, Copy, Serialize)]
pub struct Times {
    pub best: f64,
    pub median: f64,
}

/// The phases of runs.
#[derive(Clone, Copy, Serialize)]
pub struct Phases {
    pub online_s: Times,
    pub offline_s: Times,
    /// Both phases of a run together.
    pub both_s: Times,
}

impl Runs {
    /// Runs a program so often.
    pub fn of(
        protocol: Protocol,
        program: &Program,
        data: &[Elements],
        count: u16,
        common: &BenchOptions,
    ) -> Result<Runs, Failure> {
        let first = open(common, protocol)?;
        let device = first.description().name.clone();
        let mut world = World::new(protocol, first);
        for role in protocol.roles(protocol.default_source()).into_iter().skip(1) {
            world = world.with_device(role, open(common, protocol)?);
        }
        let outcomes = world.run_repeatedly(program, data, count.into());
        let outcomes = outcomes.map_err(|error| Failure::Wrong(error.to_string()))?;
        Ok(Runs { device, outcomes })
    }

    /// What they took.
    pub fn phases(&self) -> Phases {
        Phases {
            online_s: self.times(|report| report.online),
            offline_s: self.times(|report| report.offline),
            both_s: self.times(|report| report.offline + report.online),
        }
    }

    fn times(&self, time: fn(&RunReport) -> Duration) -> Times {
        let slowest = |run: usize| {
            let times = self.outcomes.iter().map(|party| time(&party[run].report));
            times.max().unwrap_or_default().as_secs_f64()
        };
        let mut times: Vec<f64> = (0..self.outcomes[0].len()).map(slowest).collect();
        times.sort_by(f64::total_cmp);
        Times { best: times[0], median: times[median(times.len())] }
    }

    /// Each party's report on the first run.
    pub fn reports(&self) -> Vec<&RunReport> {
        self.outcomes.iter().map(|party| &party[0].report).collect()
    }

    /// What a run is sent of corrections.
    pub fn correction_bytes(&self) -> u64 {
        self.outcomes[0][0].plans.demand.correction_bytes()
    }
}

/// A device for one role: a share of the cores where it is the CPU.
fn open(common: &BenchOptions, protocol: Protocol) -> Result<Arc<dyn Device>, Failure> {
    let Ok(choice) = DeviceChoice::from_str(&common.device);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Only parties 0 and 1 work on what is not linear while the values are there.
    let busy = protocol.parties().min(2);
    let threads = common.threads.map_or((cores / busy).max(1), usize::from);
    Ok(select::open(&choice, &DeviceOptions { threads: Some(threads), ..DeviceOptions::default() })?)
}
