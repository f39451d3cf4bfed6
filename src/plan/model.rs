//! The model of a device: rates of kernels and transfers, to order and to predict work.

use crate::ring::Ring;
use crate::step::{Access, Action, Kernel};
use serde::{Deserialize, Serialize};

/// AND gates a second that a host garbles or evaluates where a model does not say: one core of a server processor of 2023,
/// with what is done for each label beside the gates.
const fn garbled_gates_per_s() -> f64 {
    10e6
}

/// A device's rates, as measured or as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceModel {
    /// The device's name, and the source of the figures.
    pub name: String,
    /// Multiply-adds a second in matrix products over Z_2^32.
    pub gemm_z32_per_s: f64,
    /// Multiply-adds a second in matrix products over Z_2^64.
    pub gemm_z64_per_s: f64,
    /// Bytes a second of elementwise kernels, reads and writes together.
    pub elementwise_bytes_per_s: f64,
    /// Bytes a second of the generator.
    pub fill_bytes_per_s: f64,
    /// Bytes a second from the host to the device.
    pub upload_bytes_per_s: f64,
    /// Bytes a second from the device to the host.
    pub download_bytes_per_s: f64,
    /// AND gates a second that the device's host garbles or evaluates.
    #[serde(default = "garbled_gates_per_s")]
    pub garbled_gates_per_s: f64,
    /// Seconds of overhead of every kernel and transfer.
    pub step_s: f64,
    /// Seconds from when the device is given work while it has none until it begins.
    #[serde(default)]
    pub submit_s: f64,
    /// Seconds from when bytes are on the host until that is noticed.
    #[serde(default)]
    pub exchange_s: f64,
    /// Seconds until a thread that is woken runs.
    #[serde(default)]
    pub wake_s: f64,
    /// True where transfers take place beside kernels, in a lane of their own in each direction.
    #[serde(default)]
    pub transfers_beside: bool,
}

/// One device where there may be several.
impl AsRef<[DeviceModel]> for DeviceModel {
    fn as_ref(&self) -> &[DeviceModel] {
        std::slice::from_ref(self)
    }
}

impl DeviceModel {
    /// One core of a server processor of 2023, rounded: good enough to tell much work from little.
    pub fn typical() -> DeviceModel {
        DeviceModel {
            name: "one core of a server processor, rounded".into(),
            gemm_z32_per_s: 20e9,
            gemm_z64_per_s: 8e9,
            elementwise_bytes_per_s: 10e9,
            fill_bytes_per_s: 2e9,
            upload_bytes_per_s: 8e9,
            download_bytes_per_s: 8e9,
            garbled_gates_per_s: garbled_gates_per_s(),
            step_s: 2e-6,
            submit_s: 0.0,
            exchange_s: 0.0,
            wake_s: 0.0,
            transfers_beside: false,
        }
    }

    /// Checks that every rate is a positive number, and no time a negative one.
    ///
    /// # Errors
    /// With the name of the rate that is not.
    pub fn check(&self) -> Result<(), String> {
        let rates = [
            ("gemm_z32_per_s", self.gemm_z32_per_s),
            ("gemm_z64_per_s", self.gemm_z64_per_s),
            ("elementwise_bytes_per_s", self.elementwise_bytes_per_s),
            ("fill_bytes_per_s", self.fill_bytes_per_s),
            ("upload_bytes_per_s", self.upload_bytes_per_s),
            ("download_bytes_per_s", self.download_bytes_per_s),
            ("garbled_gates_per_s", self.garbled_gates_per_s),
        ];
        let times = [
            ("step_s", self.step_s),
            ("submit_s", self.submit_s),
            ("exchange_s", self.exchange_s),
            ("wake_s", self.wake_s),
        ];
        if let Some((name, rate)) = rates.into_iter().find(|(_, rate)| !(rate.is_finite() && *rate > 0.0)) {
            return Err(format!("{name} = {rate} is no rate"));
        }
        match times.into_iter().find(|(_, time)| !(0.0..=1.0).contains(time)) {
            Some((name, time)) => Err(format!("{name} = {time} is no time")),
            None => Ok(()),
        }
    }

    /// The same device, slower by a factor.
    pub fn slower(&self, factor: f64) -> DeviceModel {
        DeviceModel {
            name: self.name.clone(),
            gemm_z32_per_s: self.gemm_z32_per_s / factor,
            gemm_z64_per_s: self.gemm_z64_per_s / factor,
            elementwise_bytes_per_s: self.elementwise_bytes_per_s / factor,
            fill_bytes_per_s: self.fill_bytes_per_s / factor,
            upload_bytes_per_s: self.upload_bytes_per_s / factor,
            download_bytes_per_s: self.download_bytes_per_s / factor,
            garbled_gates_per_s: self.garbled_gates_per_s / factor,
            step_s: self.step_s * factor,
            submit_s: self.submit_s * factor,
            exchange_s: self.exchange_s * factor,
            wake_s: self.wake_s * factor,
            transfers_beside: self.transfers_beside,
        }
    }

    /// Seconds that an action keeps the device's kernels waiting, and seconds that it takes in a lane of transfers, where
    /// they have one.
    pub fn shares(&self, ring: Ring, action: &Action) -> (f64, f64) {
        let all = self.seconds(ring, action);
        if self.transfers_beside && !matches!(action, Action::Kernel(_)) {
            (self.step_s, all - self.step_s)
        } else {
            (all, 0.0)
        }
    }

    /// Seconds that an action takes.
    pub fn seconds(&self, ring: Ring, action: &Action) -> f64 {
        let mut elements = 0;
        action.visit(|matrix, _| elements += matrix.shape.len());
        let bytes = (elements * ring.element_bytes()) as f64;
        let work = match action {
            Action::Kernel(Kernel::Gemm { terms, out, .. }) => {
                let inner: usize = terms.iter().map(|(left, _)| left.shape.cols).sum();
                let rate = if ring == Ring::Z32 { self.gemm_z32_per_s } else { self.gemm_z64_per_s };
                out.shape.len() as f64 * inner as f64 / rate
            }
            // The generator yields as many bytes as are written.
            Action::Kernel(kernel) if kernel.draws().is_some() => {
                let mut drawn = 0;
                kernel.visit(|matrix, access| {
                    drawn += if access == Access::Write { matrix.shape.size_bytes(ring) } else { 0 };
                });
                let drawn = drawn as f64;
                drawn / self.fill_bytes_per_s + (bytes - drawn) / self.elementwise_bytes_per_s
            }
            Action::Kernel(_) => bytes / self.elementwise_bytes_per_s,
            Action::Garbled(garbled) => {
                let moved = bytes / self.upload_bytes_per_s.min(self.download_bytes_per_s);
                garbled.gates() as f64 / self.garbled_gates_per_s + moved
            }
            Action::Input { .. } | Action::Receive { .. } | Action::Reload { .. } => {
                bytes / self.upload_bytes_per_s
            }
            Action::Send { .. } | Action::Output { .. } | Action::Spill { .. } => {
                bytes / self.download_bytes_per_s
            }
        };
        self.step_s + work
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Shape;
    use crate::step::{BufferId, Matrix};

    #[test]
    fn products_take_what_their_multiply_adds_take() {
        let model = DeviceModel { step_s: 0.0, gemm_z64_per_s: 1e9, ..DeviceModel::typical() };
        let matrix = |rows, cols| Matrix::new(BufferId(0), Shape::new(rows, cols));
        let terms = vec![(matrix(10, 100), matrix(100, 20)), (matrix(10, 50), matrix(50, 20))];
        let action = Action::Kernel(Kernel::Gemm { out: matrix(10, 20), terms, accumulate: true });
        assert!((model.seconds(Ring::Z64, &action) - 10.0 * 20.0 * 150.0 / 1e9).abs() < 1e-12);
    }

    #[test]
    fn transfers_beside_kernels_take_a_step_of_the_device() {
        let model = DeviceModel { step_s: 1e-6, download_bytes_per_s: 1e9, ..DeviceModel::typical() };
        let from = Matrix::new(BufferId(0), Shape::new(1, 125));
        let send = Action::Output { from, output: 0, at: (0, 0) };
        assert_eq!(model.shares(Ring::Z64, &send), (2e-6, 0.0));
        let (device, beside) = DeviceModel { transfers_beside: true, ..model }.shares(Ring::Z64, &send);
        assert!((device - 1e-6).abs() < 1e-12 && (beside - 1e-6).abs() < 1e-12, "{device} and {beside}");
    }

    #[test]
    fn a_time_below_zero_is_refused() {
        let model = DeviceModel { wake_s: -1e-6, ..DeviceModel::typical() };
        assert_eq!(model.check(), Err("wake_s = -0.000001 is no time".into()));
        assert_eq!(DeviceModel::typical().slower(2.0).check(), Ok(()));
    }
}
