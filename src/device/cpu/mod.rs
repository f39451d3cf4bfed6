//! The CPU device: the same kernels in Rust, SIMD chosen at run time, on a thread pool.
//!
//! [`Cpu`] computes at once: a call returns when its work is done, uploads and downloads are copies, and a download
//! is ready when it is returned. One call runs at a time, whoever makes it, so a buffer's lock never waits: it is
//! only found taken where a kernel names one buffer as output and operand, and that is refused before.
//!
//! Kernels are split over the device's threads and, within one, written as loops that are compiled for each
//! [`SimdLevel`]; only the matrix product is written with intrinsics. No kernel branches on an element or uses one
//! as an index.

mod affine;
mod and;
mod and_tree;
mod bit_planes;
mod chacha;
mod dispatch;
mod fill;
mod gemm;
mod hadamard;
mod hadamard_mask;
mod level;
mod linear;
mod lookup_shares;
mod mask;
mod mask_products;
mod memory;
mod mux;
mod pack;
mod peak;
mod pick_lanes;
mod profile;
mod rows;
mod shift;
mod slices;
mod square;
mod sum;
mod transpose;
mod trunc_finish;
mod trunc_pair;
mod truth_table;
mod unpack;
mod view;
mod workers;
mod xor;

pub use level::SimdLevel;
pub use peak::{MultiplyPeak, naive_product};
pub use profile::profile;

use super::check::{check_download, check_kernel, check_upload};
use super::{Arrived, Buffer, Description, Device, DeviceError, DeviceId, DeviceKernel, Ledger};
use crate::memory::wipe::Wiped;
use crate::ring::Ring;
use crate::step::MemoryClass;
use memory::{Pool, Storage};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use workers::Workers;
use zeroize::Zeroize;

/// The processor as a device.
pub struct Cpu {
    id: DeviceId,
    description: Description,
    ledger: Ledger,
    pool: Arc<Pool>,
    workers: Workers,
    lane: Mutex<Lane>,
}

/// The state that one call at a time may use.
#[derive(Default)]
struct Lane {
    scratch: gemm::Scratch,
    busy: Duration,
}

impl Cpu {
    /// The processor at its best SIMD level, with `threads` threads (by default as many as the process may use),
    /// refusing allocations beyond `budget_bytes`. Matrix products take the level that is measured to be their fastest.
    ///
    /// # Errors
    /// Where no thread is asked for, or the operating system starts none.
    pub fn open(threads: Option<usize>, budget_bytes: Option<u64>) -> Result<Cpu, DeviceError> {
        let cpu = Cpu::open_with(SimdLevel::best(), threads, budget_bytes)?;
        Ok(Cpu { workers: cpu.workers.with_measured_products(), ..cpu })
    }

    /// As [`Cpu::open`], at a given level.
    ///
    /// # Errors
    /// As [`Cpu::open`], and where the processor has no such level.
    pub fn open_with(
        level: SimdLevel,
        threads: Option<usize>,
        budget_bytes: Option<u64>,
    ) -> Result<Cpu, DeviceError> {
        let threads = threads.unwrap_or_else(profile::default_threads);
        let description = profile::describe(level, threads);
        let workers = Workers::new(level, threads)
            .map_err(|reason| DeviceError::Unusable { device: description.name.clone(), reason })?;
        Ok(Cpu {
            id: DeviceId::next(),
            description,
            ledger: Ledger::new(budget_bytes),
            pool: Arc::default(),
            workers,
            lane: Mutex::default(),
        })
    }

    /// Runs `work` alone and counts its time.
    fn alone<R>(&self, work: impl FnOnce(&mut Lane) -> R) -> R {
        let mut lane = self.lane();
        let begin = Instant::now();
        let result = work(&mut lane);
        lane.busy += begin.elapsed();
        result
    }

    fn lane(&self) -> MutexGuard<'_, Lane> {
        // A kernel that panicked leaves working memory of undefined content, as it is anyway.
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for Cpu {
    fn description(&self) -> &Description {
        &self.description
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn allocate(&self, size_bytes: u64, class: MemoryClass) -> Result<Buffer, DeviceError> {
        let reservation = self.ledger.reserve(size_bytes, class)?;
        let block = self.pool.take(size_bytes).ok_or_else(|| DeviceError::OutOfMemory {
            device: self.description.name.clone(),
            size_bytes,
            class,
            live_bytes: self.ledger.live().total_bytes,
        })?;
        Ok(Buffer::new(self.id, Storage::new(block, self.pool.clone()), reservation.commit()))
    }

    fn upload(&self, to: &Buffer, offset_bytes: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        check_upload(self.id, to, offset_bytes, bytes.len());
        self.alone(|_| {
            let mut block = to.storage::<Storage>().write();
            let target = &mut block.bytes_mut()[offset_bytes as usize..][..bytes.len()];
            self.workers.split(target, 64, 1, |start, piece| {
                piece.copy_from_slice(&bytes[start..start + piece.len()]);
            });
        });
        Ok(())
    }

    fn read(&self, from: &Buffer, size_bytes: u64, arrived: Arrived) -> Result<(), DeviceError> {
        check_download(self.id, from, size_bytes);
        let bytes = self.alone(|_| from.storage::<Storage>().read().bytes()[..size_bytes as usize].to_vec());
        arrived(Ok(Wiped::from(bytes).into()));
        Ok(())
    }

    fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) -> Result<(), DeviceError> {
        check_kernel(self.id, ring, kernel);
        self.alone(|lane| match ring {
            Ring::Z32 => dispatch::run::<u32>(&self.workers, &mut lane.scratch, kernel),
            Ring::Z64 => dispatch::run::<u64>(&self.workers, &mut lane.scratch, kernel),
        });
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn synchronise(&self) -> Result<(), DeviceError> {
        // A call that another thread has begun ends before this returns.
        drop(self.lane());
        Ok(())
    }

    fn wipe(&self) -> Result<(), DeviceError> {
        self.alone(|lane| {
            lane.scratch = gemm::Scratch::default();
            self.pool.wipe(|block| self.workers.split(block, 64, 1, |_, piece| piece.zeroize()));
        });
        Ok(())
    }

    fn busy(&self) -> Duration {
        self.lane().busy
    }
}
