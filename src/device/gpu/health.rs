//! Whether the device still works.
//!
//! wgpu reports most failures by callback, at some later time. The first one is kept here, and every later call of
//! the device returns it.

use crate::device::DeviceError;
use std::sync::{Arc, Mutex};

/// The first failure of a device, if any. Clones are of the same device.
#[derive(Clone)]
pub struct Health {
    device: Arc<str>,
    reason: Arc<Mutex<Option<String>>>,
}

impl Health {
    /// Of the device of that name, in good order.
    pub fn new(device: &str) -> Health {
        Health { device: device.into(), reason: Arc::default() }
    }

    /// Records a failure; later ones follow from the first and are dropped.
    pub fn fail(&self, reason: impl Into<String>) {
        let mut kept = self.reason.lock().expect("no panic while recording a failure");
        kept.get_or_insert_with(|| reason.into());
    }

    /// # Errors
    /// Where a failure was recorded.
    pub fn check(&self) -> Result<(), DeviceError> {
        let reason = self.reason.lock().expect("no panic while recording a failure").clone();
        match reason {
            Some(reason) => Err(DeviceError::Lost { device: self.device.to_string(), reason }),
            None => Ok(()),
        }
    }

    /// The failure that was recorded, or `otherwise` recorded as one.
    pub fn failure(&self, otherwise: &str) -> DeviceError {
        self.fail(otherwise);
        self.check().expect_err("a failure was recorded")
    }
}
