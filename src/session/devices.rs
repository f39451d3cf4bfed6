//! The devices that one role computes on.

use super::SessionError;
use crate::device::{Device, DeviceError};
use crate::plan::{DeviceModel, MOST_DEVICES};
use crate::run::{RunError, calibrate};
use std::sync::Arc;

/// The use of several devices by a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// Where runs are predicted to be done sooner that way, or do not fit the first device's budget; otherwise the first
    /// one does everything.
    #[default]
    WhereFaster,
    /// Always divide the work: each part goes to the device that is expected to finish it first.
    Always,
}

/// The devices of a role, at least one, and what each is taken to be when work is placed on them. The first is the one
/// that does everything where the others are of no use. Each has a budget of its own.
#[derive(Clone)]
pub struct Devices {
    devices: Vec<Arc<dyn Device>>,
    models: Vec<DeviceModel>,
    spread: Spread,
}

impl From<Arc<dyn Device>> for Devices {
    /// One device, taken to be like [`DeviceModel::typical`].
    fn from(device: Arc<dyn Device>) -> Devices {
        Devices::new(vec![(device, DeviceModel::typical())])
    }
}

impl<D: Device + 'static> From<Arc<D>> for Devices {
    /// Likewise.
    fn from(device: Arc<D>) -> Devices {
        let device: Arc<dyn Device> = device;
        device.into()
    }
}

impl Devices {
    /// Devices of which the rates are known.
    ///
    /// # Panics
    /// Where there is none, or more than [`MOST_DEVICES`].
    pub fn new(devices: Vec<(Arc<dyn Device>, DeviceModel)>) -> Devices {
        assert!((1..=MOST_DEVICES).contains(&devices.len()), "1 to {MOST_DEVICES} devices");
        let (devices, models) = devices.into_iter().unzip();
        Devices { devices, models, spread: Spread::default() }
    }

    /// Devices whose rates are measured where they differ, which takes a second or two for each kind; those that are all
    /// alike, or have no memory to be measured in, are taken to be like [`DeviceModel::typical`].
    ///
    /// # Errors
    /// Where one of them fails.
    ///
    /// # Panics
    /// As [`Devices::new`].
    pub fn measured(devices: Vec<Arc<dyn Device>>) -> Result<Devices, SessionError> {
        let typical = vec![DeviceModel::typical(); devices.len()];
        let first = devices.first().map(|device| device.description().clone());
        if devices.iter().all(|device| Some(device.description()) == first.as_ref()) {
            return Ok(Devices::new(devices.into_iter().zip(typical).collect()));
        }
        let mut models: Vec<DeviceModel> = Vec::new();
        for device in &devices {
            let description = device.description();
            let alike = devices.iter().zip(&models).find(|(other, _)| other.description() == description);
            let model = match alike {
                Some((_, model)) => Ok(model.clone()),
                None => calibrate(&**device),
            };
            match model {
                Ok(model) => models.push(model),
                Err(DeviceError::OverBudget { .. } | DeviceError::OutOfMemory { .. }) => {
                    return Ok(Devices::new(devices.into_iter().zip(typical).collect()));
                }
                Err(error) => {
                    return Err(RunError::Device { error, doing: "measuring its rates".into() }.into());
                }
            }
        }
        Ok(Devices::new(devices.into_iter().zip(models).collect()))
    }

    /// Uses them so.
    pub fn with_spread(mut self, spread: Spread) -> Devices {
        self.spread = spread;
        self
    }

    /// The devices, by number.
    pub fn all(&self) -> &[Arc<dyn Device>] {
        &self.devices
    }

    /// The model of each.
    pub fn models(&self) -> &[DeviceModel] {
        &self.models
    }

    /// Whether work is divided among them.
    pub fn spread(&self) -> Spread {
        self.spread
    }

    /// Memory that a device keeps for transfers, of the one that keeps most: budgets leave so much less for plans.
    pub fn staging_bytes(&self) -> u64 {
        self.devices.iter().map(|device| device.description().staging_bytes).max().unwrap_or(0)
    }

    /// The same devices for one session more.
    pub(super) fn for_session(self) -> Result<Devices, SessionError> {
        let Devices { devices, models, spread } = self;
        let of_session = |device: Arc<dyn Device>| Ok(device.for_session()?.unwrap_or(device));
        let devices: Result<_, DeviceError> = devices.into_iter().map(of_session).collect();
        let failed = |error| RunError::Device { error, doing: "setting memory for transfers aside".into() };
        Ok(Devices { devices: devices.map_err(failed)?, models, spread })
    }

    /// Overwrites what all of them hold beside allocations; a failed one has nobody left to tell.
    pub(super) fn wipe(&self) {
        self.devices.iter().for_each(|device| drop(device.wipe()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;

    fn cpu(threads: usize, budget_bytes: Option<u64>) -> Arc<dyn Device> {
        Arc::new(Cpu::open(Some(threads), budget_bytes).expect("the CPU device opens"))
    }

    #[test]
    fn devices_that_are_alike_or_have_no_room_are_not_measured() {
        let typical = [DeviceModel::typical(), DeviceModel::typical()];
        let alike = Devices::measured(vec![cpu(1, None), cpu(1, None)]).expect("nothing is measured");
        assert_eq!(alike.models(), typical);
        let small = vec![cpu(1, Some(1 << 20)), cpu(2, Some(1 << 20))];
        assert_eq!(Devices::measured(small).expect("there is no room").models(), typical);
    }
}
