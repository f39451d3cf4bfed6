//! Where kernels run.
//!
//! A [`Device`] knows ring elements, kernels and memory; it knows nothing of shares, parties or plans. There are
//! two: [`cpu`], SIMD chosen at run time on a thread pool, and [`gpu`], WGSL through wgpu. Both compute the same
//! bits. [`Ledger`] books every allocation, and [`select`] finds the device a user asked for.

mod check;
pub mod cpu;
pub mod gpu;
mod ledger;
pub mod select;

pub use ledger::{Booking, Ledger, MemoryUse, Reservation};

use crate::ring::Ring;
use crate::ring::prg::PrgKey;
use crate::step::{Kernel, MemoryClass};
use crate::wipe::Wiped;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A kernel on a device's own buffers.
pub type DeviceKernel<'a> = Kernel<&'a Buffer, &'a PrgKey>;

/// A kernel of which it is known what it computes, and not on which buffers.
pub type KernelShape = Kernel<(), ()>;

/// The bytes of a buffer, once the device has computed them.
pub type Download = Pin<Box<dyn Future<Output = Result<Wiped, DeviceError>> + Send>>;

/// Something that computes on ring elements in memory of its own.
///
/// Calls take effect in the order in which they are made. `upload` and `run` may return before the work is done;
/// a [`Download`] resolves when everything enqueued before it is. One thread at a time enqueues.
///
/// Calls panic, on every device alike, where a kernel does not fit its ring or its buffers, bytes to be moved are not
/// whole words of 4 bytes within a buffer, or a buffer is another device's.
pub trait Device: Send + Sync {
    /// What this device is.
    fn description(&self) -> &Description;

    /// What is allocated, and was at most.
    fn ledger(&self) -> &Ledger;

    /// A buffer of `size_bytes`, with undefined content.
    ///
    /// # Errors
    /// Where the budget or the device's memory does not hold it.
    fn allocate(&self, size_bytes: u64, class: MemoryClass) -> Result<Buffer, DeviceError>;

    /// Writes `bytes` at `offset_bytes` of a buffer; both are multiples of 4.
    ///
    /// # Errors
    /// Where the device failed.
    fn upload(&self, to: &Buffer, offset_bytes: u64, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Reads the first `size_bytes` of a buffer, a multiple of 4.
    ///
    /// # Errors
    /// Where the device failed.
    fn download(&self, from: &Buffer, size_bytes: u64) -> Result<Download, DeviceError>;

    /// Makes ready what runs of such kernels take, such as programs that have to be compiled: what is not announced is
    /// made ready in mid-run. It enqueues nothing, and may be called at any time, from any thread.
    ///
    /// # Errors
    /// Where the device failed.
    fn prepare(&self, ring: Ring, kernels: &mut dyn Iterator<Item = KernelShape>) -> Result<(), DeviceError> {
        let _ = (ring, kernels);
        Ok(())
    }

    /// Computes.
    ///
    /// # Errors
    /// Where the device failed or has no way to run this kernel at this size.
    fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) -> Result<(), DeviceError>;

    /// Starts what is enqueued, without waiting for it.
    ///
    /// # Errors
    /// Where the device failed.
    fn flush(&self) -> Result<(), DeviceError>;

    /// Waits until at most `in_flight` of the submissions that were started are not done: back-pressure for whoever
    /// chooses what to run next, and wants the choice to count. What is enqueued and not started does not count; a
    /// device starts it by itself once it is some milliseconds' worth of work, otherwise [`Device::flush`] does. With
    /// two in flight, one computes while the next is ready. A device that computes at once has none.
    ///
    /// # Errors
    /// Where the device failed.
    fn settle(&self, in_flight: usize) -> Result<(), DeviceError> {
        let _ = in_flight;
        Ok(())
    }

    /// Waits until everything enqueued is done.
    ///
    /// # Errors
    /// Where the device failed.
    fn synchronise(&self) -> Result<(), DeviceError>;

    /// Overwrites what freed buffers held, and what lies in memory for transfers and partial results. A device that is
    /// dropped does so by itself, unless it has failed.
    ///
    /// # Errors
    /// Where the device failed.
    fn wipe(&self) -> Result<(), DeviceError>;

    /// How long the device has been busy since it was opened: wall-clock time in which it had work that was started.
    /// After [`Device::synchronise`] all that was enqueued before is counted.
    fn busy(&self) -> Duration;

    /// What the driver's allocator holds for this device now, where it can say.
    fn driver_memory(&self) -> Option<DriverMemory> {
        None
    }

    /// Takes down from now on when the device works on what, where that is not while it is called.
    fn record(&self) {}

    /// Stops taking down, and returns when the device worked on each of its submissions, in order. A device that
    /// computes while it is called has none: its caller knows.
    fn stop_recording(&self) -> Vec<WorkSpan> {
        Vec::new()
    }
}

/// Device memory as a driver's allocator accounts for it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DriverMemory {
    /// In allocations: what the ledger booked, and the driver's own small ones and alignment.
    pub allocated_bytes: u64,
    /// In blocks that allocations are cut from.
    pub reserved_bytes: u64,
}

impl DriverMemory {
    /// What blocks hold beside allocations.
    pub const fn slack_bytes(&self) -> u64 {
        self.reserved_bytes.saturating_sub(self.allocated_bytes)
    }
}

/// A stretch of time in which a device worked on what was submitted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkSpan {
    /// From when: it was submitted, and what was submitted before was complete.
    pub begin: Instant,
    /// When it was seen to be complete.
    pub end: Instant,
}

/// What a device is, for reports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// The device's own name, such as the adapter's or the processor's.
    pub name: String,
    /// How it is driven, with version: a SIMD level and threads, or a driver.
    pub driver: String,
    /// How ring elements are computed on: a SIMD level, or a WGSL number type.
    pub arithmetic: String,
    /// Memory that the device keeps for transfers and partial results, booked as staging from the start.
    pub staging_bytes: u64,
}

/// Which of the devices that were opened a buffer is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DeviceId(u64);

impl DeviceId {
    /// One that no other device has.
    fn next() -> DeviceId {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        DeviceId(OPENED.fetch_add(1, Ordering::Relaxed))
    }
}

/// Memory of a device. Dropping it gives the memory back and closes its booking.
pub struct Buffer {
    device: DeviceId,
    storage: Box<dyn Any + Send + Sync>,
    booking: Booking,
}

impl Buffer {
    /// A buffer over a device's own storage.
    fn new(device: DeviceId, storage: impl Any + Send + Sync, booking: Booking) -> Buffer {
        Buffer { device, storage: Box::new(storage), booking }
    }

    /// Bytes it holds.
    pub fn size_bytes(&self) -> u64 {
        self.booking.size_bytes()
    }

    /// What the device put in.
    ///
    /// # Panics
    /// Where the buffer is another device's.
    fn storage<S: Any>(&self) -> &S {
        self.storage.downcast_ref().expect("a buffer of this device")
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes, {})", self.size_bytes(), self.booking.class().name())
    }
}

/// Why a device could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The budget given by the user does not hold an allocation.
    #[error("{size_bytes} bytes for {} exceed the budget of {budget_bytes} bytes, of which {live_bytes} are in use", .class.name())]
    OverBudget {
        /// What was to be allocated.
        size_bytes: u64,
        /// What for.
        class: MemoryClass,
        /// What is allocated already.
        live_bytes: u64,
        /// The limit.
        budget_bytes: u64,
    },
    /// The device's memory does not hold an allocation.
    #[error("{device} has no memory for {size_bytes} bytes of {}: {live_bytes} bytes are in use", .class.name())]
    OutOfMemory {
        /// The device.
        device: String,
        /// What was to be allocated.
        size_bytes: u64,
        /// What for.
        class: MemoryClass,
        /// What is allocated already.
        live_bytes: u64,
    },
    /// One buffer cannot be that large on this device.
    #[error("{device} allows buffers of {limit_bytes} bytes at most; {size_bytes} were asked for")]
    BufferTooLarge {
        /// The device.
        device: String,
        /// What was to be allocated.
        size_bytes: u64,
        /// The largest there can be.
        limit_bytes: u64,
    },
    /// No device has the name that was asked for.
    #[error("there is no device '{wanted}'; there are: {}", .available.join(", "))]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What could be.
        available: Vec<String>,
    },
    /// A device was found but does not open.
    #[error("{device} cannot be opened: {reason}")]
    Unusable {
        /// The device.
        device: String,
        /// What the driver says.
        reason: String,
    },
    /// The device stopped working in mid-run.
    #[error("{device} failed: {reason}")]
    Lost {
        /// The device.
        device: String,
        /// What the driver says.
        reason: String,
    },
}
