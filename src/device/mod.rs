//! Where kernels run.
//!
//! A [`Device`] knows ring elements, kernels and memory; it knows nothing of shares, parties or plans. There are
//! two: [`cpu`], SIMD chosen at run time on a thread pool, and [`gpu`], WGSL through wgpu. Both compute the same
//! bits. [`Ledger`] books every allocation, and [`select`] finds the device a user asked for.

mod check;
pub mod counters;
pub mod cpu;
pub mod gpu;
mod ledger;
pub mod pace;
mod pieces;
pub mod select;

pub use counters::{Count, Counters};
pub use ledger::{Booking, Ledger, MemoryUse, Reservation};
pub use pieces::Pieces;

use crate::ring::Ring;
use crate::ring::prg::PrgKey;
use crate::step::{Kernel, MemoryClass};
use bytes::Bytes;
use futures_channel::oneshot;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A kernel on a device's own buffers.
pub type DeviceKernel<'a> = Kernel<&'a Buffer, &'a PrgKey>;

/// A kernel without its buffers: what it computes, not on what.
pub type KernelShape = Kernel<(), ()>;

/// The bytes of a buffer, once the device has computed them.
pub type Download = Pin<Box<dyn Future<Output = Result<Bytes, DeviceError>> + Send>>;

/// Takes the bytes of a buffer once the device has computed them, or why it has not. It is called once, by whichever
/// thread notices, and calls no method of the device.
pub type Arrived = Box<dyn FnOnce(Result<Pieces, DeviceError>) + Send>;

/// A device computes on ring elements in memory of its own.
///
/// Calls take effect in the order in which they are made. `upload` and `run` may return before the work is done;
/// bytes that are read come when everything enqueued before is. One thread at a time enqueues. It either waits for
/// downloads, or has several reads on their way, says when it pauses, and then looks whether they have come.
///
/// Every device panics alike on a caller's mistake: a kernel that does not fit its ring or its buffers, a transfer
/// that is not whole words of 4 bytes within a buffer, a buffer of another device.
pub trait Device: Send + Sync {
    /// Name, driver and arithmetic, for reports.
    fn description(&self) -> &Description;

    /// The account of this device's memory.
    fn ledger(&self) -> &Ledger;

    /// This device for one session more: with commands on their way, memory for transfers and freed buffers, counters, a
    /// clock and a ledger of its own, so that sessions that share the device wait for nothing of each other's but their
    /// turn. None where no call leaves anything under way: sessions then share this one.
    ///
    /// # Errors
    /// Where the budget does not hold one more session's memory for transfers, or the device failed.
    fn for_session(&self) -> Result<Option<Arc<dyn Device>>, DeviceError> {
        Ok(None)
    }

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

    /// Reads the first `size_bytes` of a buffer, a multiple of 4. The bytes come only after [`Device::pause`],
    /// [`Device::flush`] or [`Device::synchronise`]; reads between two of these come together.
    ///
    /// # Errors
    /// Where the device failed; `arrived` may then never be called.
    fn read(&self, from: &Buffer, size_bytes: u64, arrived: Arrived) -> Result<(), DeviceError>;

    /// Reads the first `size_bytes` of a buffer, a multiple of 4, and starts all enqueued work.
    ///
    /// # Errors
    /// Where the device failed.
    fn download(&self, from: &Buffer, size_bytes: u64) -> Result<Download, DeviceError> {
        let (sender, arrival) = oneshot::channel();
        let arrived = move |result: Result<Pieces, DeviceError>| {
            // The caller may have lost interest.
            let _ = sender.send(result.map(Pieces::into_bytes));
        };
        self.read(from, size_bytes, Box::new(arrived))?;
        self.flush()?;
        let device = self.description().name.clone();
        let closed = move |_| {
            let reason = "it was closed during a download".to_owned();
            Err(DeviceError::Lost { device, reason })
        };
        Ok(Box::pin(async move { arrival.await.unwrap_or_else(closed) }))
    }

    /// Compiles what these kernels need. A kernel that was not announced is compiled in mid-run. The call enqueues
    /// nothing, and may come at any time, from any thread.
    ///
    /// # Errors
    /// Where the device failed.
    fn compile(&self, ring: Ring, kernels: &mut dyn Iterator<Item = KernelShape>) -> Result<(), DeviceError> {
        let _ = (ring, kernels);
        Ok(())
    }

    /// Makes all that these kernels need on these buffers, so that nothing is made when they run, and starts what is
    /// enqueued, such as the zeroing of new memory.
    ///
    /// # Errors
    /// Where the device failed.
    fn prepare(
        &self,
        ring: Ring,
        kernels: &mut dyn Iterator<Item = DeviceKernel<'_>>,
    ) -> Result<(), DeviceError> {
        let _ = (ring, kernels);
        Ok(())
    }

    /// Enqueues a kernel.
    ///
    /// # Errors
    /// Where the device failed or has no way to run this kernel at this size.
    fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) -> Result<(), DeviceError>;

    /// Starts the enqueued work without waiting for it; what it brings comes without being looked for.
    ///
    /// # Errors
    /// Where the device failed.
    fn flush(&self) -> Result<(), DeviceError>;

    /// Nothing more is enqueued for now. Enqueued work starts where bytes are to be read, or where there is much of it;
    /// otherwise it waits for what follows, so that one submission does both. True where the caller is to
    /// [`Device::look`] until it calls again.
    ///
    /// # Errors
    /// Where the device failed.
    fn pause(&self) -> Result<bool, DeviceError> {
        self.flush().map(|()| false)
    }

    /// Looks whether started work is done, and hands out bytes that have come. False once nothing is under way.
    ///
    /// # Errors
    /// Where the device failed.
    fn look(&self) -> Result<bool, DeviceError> {
        Ok(false)
    }

    /// What the device's lane has had its driver do since it was opened. A device without a driver counts nothing.
    fn counters(&self) -> Counters {
        Counters::default()
    }

    /// Waits until at most `in_flight` started submissions are unfinished. The scheduler calls it so that a kernel it
    /// chooses late still runs early. Work that is enqueued but not started does not count: a device starts it by
    /// itself once it amounts to some milliseconds, otherwise [`Device::flush`] does. With two in flight, one computes
    /// while the next is ready. A device that computes within the call has none.
    ///
    /// # Errors
    /// Where the device failed.
    fn settle(&self, in_flight: usize) -> Result<(), DeviceError> {
        let _ = in_flight;
        Ok(())
    }

    /// Waits until all enqueued work is done.
    ///
    /// # Errors
    /// Where the device failed.
    fn synchronise(&self) -> Result<(), DeviceError>;

    /// Overwrites freed buffers, and the memory for transfers and partial results. A device does so by itself when it
    /// is dropped, unless it has failed.
    ///
    /// # Errors
    /// Where the device failed.
    fn wipe(&self) -> Result<(), DeviceError>;

    /// The wall-clock time in which the device had started work, since it was opened. After [`Device::synchronise`]
    /// all earlier work is counted.
    fn busy(&self) -> Duration;

    /// The memory that the driver's allocator holds for this device now, where the driver reports it.
    fn driver_memory(&self) -> Option<DriverMemory> {
        None
    }

    /// Starts to record the time stretches in which the device works outside of calls.
    fn record(&self) {}

    /// Stops the recording and returns one stretch for each submission, in order. A device that computes within the
    /// call returns none: its caller knows the times.
    fn stop_recording(&self) -> Vec<WorkSpan> {
        Vec::new()
    }
}

/// Device memory as a driver's allocator accounts for it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DriverMemory {
    /// Bytes in allocations: those that the ledger booked, and the driver's own small ones and alignment.
    pub allocated_bytes: u64,
    /// Bytes in the blocks that allocations are cut from.
    pub reserved_bytes: u64,
}

impl DriverMemory {
    /// Bytes of blocks outside of allocations.
    pub const fn slack_bytes(&self) -> u64 {
        self.reserved_bytes.saturating_sub(self.allocated_bytes)
    }
}

/// The stretch of time in which a device worked on one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkSpan {
    /// The start: the later of its submission and the end of the submission before.
    pub begin: Instant,
    /// The moment at which its end was noticed.
    pub end: Instant,
}

/// A device's description, for reports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// The device's own name, such as the adapter's or the processor's.
    pub name: String,
    /// The driver and its version, or the SIMD level and number of threads.
    pub driver: String,
    /// The arithmetic of ring elements: a SIMD level, or a WGSL number type.
    pub arithmetic: String,
    /// Memory that the device keeps for transfers and partial results, booked as staging from the start.
    pub staging_bytes: u64,
}

/// The identity of an opened device, by which its buffers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DeviceId(u64);

impl DeviceId {
    /// An identity that no other device has.
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

    /// Size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.booking.size_bytes()
    }

    /// The device's own storage behind the buffer.
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

/// The failure of a device, or of a request to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The budget given by the user does not hold an allocation.
    #[error("{size_bytes} bytes for {} exceed the budget of {budget_bytes} bytes, of which {live_bytes} are in use", .class.name())]
    OverBudget {
        /// The bytes to be allocated.
        size_bytes: u64,
        /// The memory class.
        class: MemoryClass,
        /// The bytes allocated already.
        live_bytes: u64,
        /// The limit.
        budget_bytes: u64,
    },
    /// The device's memory does not hold an allocation.
    #[error("{device} has no memory for {size_bytes} bytes of {}: {live_bytes} bytes are in use", .class.name())]
    OutOfMemory {
        /// The device.
        device: String,
        /// The bytes to be allocated.
        size_bytes: u64,
        /// The memory class.
        class: MemoryClass,
        /// The bytes allocated already.
        live_bytes: u64,
    },
    /// One buffer cannot be that large on this device.
    #[error("{device} allows buffers of {limit_bytes} bytes at most; {size_bytes} were asked for")]
    BufferTooLarge {
        /// The device.
        device: String,
        /// The bytes to be allocated.
        size_bytes: u64,
        /// The largest there can be.
        limit_bytes: u64,
    },
    /// No device has the name that was asked for.
    #[error("there is no device '{wanted}'; there are: {}", .available.join(", "))]
    Unknown {
        /// The name asked for.
        wanted: String,
        /// The names that there are.
        available: Vec<String>,
    },
    /// A device was found but does not open.
    #[error("{device} cannot be opened: {reason}")]
    Unusable {
        /// The device.
        device: String,
        /// The driver's error.
        reason: String,
    },
    /// The device stopped working in mid-run.
    #[error("{device} failed: {reason}")]
    Lost {
        /// The device.
        device: String,
        /// The driver's error.
        reason: String,
    },
}
