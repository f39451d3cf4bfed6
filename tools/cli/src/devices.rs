//! Several devices of one process: which they are, and what is placed on each.

use crate::args::Shared;
use crate::bench::model;
use crate::failure::Failure;
use crate::table::{bytes, seconds};
use serde::{Deserialize, Serialize};
use symbolon::device::Device;
use symbolon::device::select::{self, DeviceChoice};
use symbolon::plan::{DeviceModel, MOST_DEVICES, Plan};
use symbolon::program::Program;
use symbolon::run::RunReport;
use symbolon::session::{Devices, Spread};
use symbolon::step::Action;
use symbolon_job::JobError;

/// Ops of a device that people are shown; programs get all of them.
const SHOWN_OPS: usize = 6;

impl Shared {
    /// Opens the devices that were asked for: one, or several with commas between them.
    pub fn open_devices(&self) -> Result<Devices, Failure> {
        let choices = DeviceChoice::list(&self.device);
        if choices.len() > MOST_DEVICES {
            let reason = format!("--device names {} devices; there may be {MOST_DEVICES}", choices.len());
            return Err(Failure::Usage(reason));
        }
        let opened = select::open_all(&choices, &self.device_options())?;
        let devices = match self.models()? {
            Some(models) if models.len() == opened.len() => {
                Devices::new(opened.into_iter().zip(models).collect())
            }
            Some(models) => {
                let reason =
                    format!("--device-model names {} model(s) for {} device(s)", models.len(), opened.len());
                return Err(Failure::Usage(reason));
            }
            None => Devices::measured(opened)?,
        };
        Ok(devices.with_spread(if self.always_divide { Spread::Always } else { Spread::WhereFaster }))
    }

    /// What the devices are to be taken to be, if anything was said.
    fn models(&self) -> Result<Option<Vec<DeviceModel>>, JobError> {
        self.device_model.as_ref().map(|names| names.split(',').map(model::read).collect()).transpose()
    }
}

/// A device in one line.
pub fn device_line(device: &dyn Device) -> String {
    let description = device.description();
    format!("{} ({}; {})", description.name, description.driver, description.arithmetic)
}

/// Each of them in a line.
pub fn device_lines(devices: &Devices) -> Vec<String> {
    devices.all().iter().map(|device| device_line(&**device)).collect()
}

/// One of several devices of a role: what is placed on it, and in a report what that took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceJson {
    pub device: String,
    pub steps: usize,
    pub vram_planned_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vram_peak_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_s: Option<f64>,
    /// The ops of which any kernel runs there, as far as they are known.
    pub ops: Vec<String>,
}

impl DeviceJson {
    /// What a plan places on several devices, which need `staging_bytes` of their own; nothing for one.
    pub fn planned(
        plan: &Plan,
        program: &Program,
        devices: &[String],
        staging_bytes: u64,
    ) -> Vec<DeviceJson> {
        let device = |(number, device): (u8, &String)| {
            let on_it = || plan.steps.iter().filter(|planned| planned.device == number);
            DeviceJson {
                device: device.clone(),
                steps: on_it().count(),
                vram_planned_bytes: plan.memory_on(number).values().sum::<u64>() + staging_bytes,
                vram_peak_bytes: None,
                device_s: None,
                ops: ops(plan, program, number),
            }
        };
        several((0..).zip(devices).map(device).collect())
    }

    /// What a run took of several devices; nothing for one. `ops` says what a device computed.
    pub fn measured(
        report: &RunReport,
        devices: &[String],
        ops: impl Fn(u8) -> Vec<String>,
    ) -> Vec<DeviceJson> {
        let device = |(number, (device, used)): (u8, (&String, &symbolon::run::DeviceUse))| DeviceJson {
            device: device.clone(),
            steps: used.steps,
            vram_planned_bytes: used.planned.values().sum(),
            vram_peak_bytes: Some(used.peak.total_bytes),
            device_s: Some(used.busy.as_secs_f64()),
            ops: ops(number),
        };
        several((0..).zip(devices.iter().zip(&report.devices)).map(device).collect())
    }

    /// In a line for people.
    pub fn text(&self, number: usize) -> String {
        let memory = match self.vram_peak_bytes {
            Some(peak) => {
                format!("{} bytes planned, {} at most", bytes(self.vram_planned_bytes), bytes(peak))
            }
            None => format!("{} bytes", bytes(self.vram_planned_bytes)),
        };
        let busy = self.device_s.map_or_else(String::new, |busy| format!(", busy {}", seconds(busy)));
        let ops = if self.ops.is_empty() { String::new() } else { format!(": {}", self.first_ops()) };
        format!("device {number}, {}: {} steps, {memory}{busy}{ops}", self.device, self.steps)
    }

    /// Some of its ops, for people.
    pub fn first_ops(&self) -> String {
        let first = self.ops.iter().take(SHOWN_OPS).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.ops.len().saturating_sub(SHOWN_OPS) {
            0 => first,
            more => format!("{first} and {more} more"),
        }
    }
}

/// What one device would be said of is said of its role already.
fn several(devices: Vec<DeviceJson>) -> Vec<DeviceJson> {
    if devices.len() > 1 { devices } else { Vec::new() }
}

/// The ops of which any kernel is placed on a device, in the program's order.
pub fn ops(plan: &Plan, program: &Program, device: u8) -> Vec<String> {
    let kernels = plan
        .steps
        .iter()
        .filter(|planned| planned.device == device && matches!(planned.step.action, Action::Kernel(_)));
    let mut ops: Vec<u32> = kernels.map(|planned| planned.step.op.0).collect();
    ops.sort_unstable();
    ops.dedup();
    let mut labels: Vec<String> =
        ops.into_iter().map(|op| program.values()[op as usize].label.clone()).collect();
    labels.dedup();
    labels
}
