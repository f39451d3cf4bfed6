//! [`Gpu`]: a device over one adapter.

use super::adapter::Adapter;
use super::batch::Batch;
use super::busy::Busy;
use super::dispatch::{self, Work};
use super::health::Health;
use super::options::{Arithmetic, GpuOptions};
use super::panel::{Limits, MOST_GROUPS_ACROSS};
use super::pipeline::Pipelines;
use super::pool::{Pool, Pooled};
use super::program::NumberType;
use super::transfer::{self, HEALTH_INTERVAL, Incoming, Transfer};
use super::watch::{self, Job, Watcher};
use crate::device::check::{check_download, check_kernel, check_upload};
use crate::device::{
    Booking, Buffer, Description, Device, DeviceError, DeviceId, DeviceKernel, Download, DriverMemory, Ledger,
};
use crate::ring::Ring;
use crate::step::MemoryClass;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Bytes for partial results: the tiles, of 64 by 64 elements of 8 bytes, of 128 workgroups.
const MOST_SCRATCH_BYTES: u64 = 4 << 20;

/// The least that a binding can be limited to.
const LEAST_BINDING_BYTES: u64 = 4096;

/// A GPU through wgpu.
///
/// Kernels and copies are batched; a batch is submitted when it is full, by a flush, and by every download. Uploads
/// and downloads wait for staging memory where they are larger than what is free of it, otherwise calls return at
/// once.
pub struct Gpu {
    id: DeviceId,
    description: Description,
    ledger: Ledger,
    device: wgpu::Device,
    queue: wgpu::Queue,
    health: Health,
    busy: Busy,
    pool: Arc<Pool>,
    limits: Limits,
    max_buffer_bytes: u64,
    wide: NumberType,
    state: Mutex<State>,
    _staging: Booking,
}

/// What one caller at a time changes.
struct State {
    batch: Batch,
    pipelines: Pipelines,
    transfer: Transfer,
    /// Partial results of sums and products.
    scratch: wgpu::Buffer,
    last_submission: Option<wgpu::SubmissionIndex>,
    watcher: Watcher,
}

impl Gpu {
    /// Opens an adapter.
    ///
    /// # Errors
    /// Where the driver refuses, native arithmetic is asked for and not there, or the budget does not hold the
    /// staging buffers.
    pub fn open(adapter: &Adapter, options: GpuOptions) -> Result<Gpu, DeviceError> {
        let unusable = |reason: String| DeviceError::Unusable { device: adapter.name.clone(), reason };
        if let Some(lack) = adapter.lacks() {
            return Err(unusable(lack.to_owned()));
        }
        let wide = match (options.arithmetic, adapter.features.shader_int64) {
            (Arithmetic::Native, false) => {
                return Err(unusable("its shaders have no 64-bit integers".to_owned()));
            }
            (Arithmetic::Auto | Arithmetic::Native, true) => NumberType::U64,
            (Arithmetic::Auto, false) | (Arithmetic::Pairs, _) => NumberType::U64Pairs,
        };
        let limits = adapter.handle().limits();
        let (device, queue) =
            request(adapter.handle(), wide, &limits).map_err(|error| unusable(error.to_string()))?;
        let health = Health::new(&adapter.name);
        report_failures(&device, &health);

        let ledger = Ledger::new(options.budget_bytes);
        let chunk_bytes = transfer::chunk_bytes(options.budget_bytes);
        let scratch_bytes = scratch_bytes(options.budget_bytes);
        let staging_bytes =
            2 * transfer::BUFFERS * chunk_bytes + Batch::params_bytes(&device) + scratch_bytes;
        let staging = ledger.book(staging_bytes, MemoryClass::Staging)?;
        let state = State {
            batch: Batch::new(&device, &queue),
            pipelines: Pipelines::default(),
            transfer: Transfer::new(&device, chunk_bytes),
            scratch: scratch(&device, scratch_bytes),
            last_submission: None,
            watcher: Watcher::start(device.clone(), health.clone())
                .map_err(|error| unusable(error.to_string()))?,
        };
        health.check()?;
        let binding_bytes = options
            .binding_limit_bytes
            .unwrap_or(u64::MAX)
            .clamp(LEAST_BINDING_BYTES, limits.max_storage_buffer_binding_size.max(LEAST_BINDING_BYTES));
        Ok(Gpu {
            id: DeviceId::next(),
            description: Description {
                name: adapter.name.clone(),
                driver: adapter.driver_line(),
                arithmetic: wide.name().to_owned(),
                staging_bytes,
            },
            ledger,
            device,
            queue,
            health,
            busy: Busy::default(),
            pool: Arc::default(),
            limits: Limits {
                binding_bytes,
                alignment_bytes: u64::from(limits.min_storage_buffer_offset_alignment),
                scratch_bytes,
                groups_across: options
                    .groups_limit
                    .map_or(MOST_GROUPS_ACROSS, |most| most.clamp(1, MOST_GROUPS_ACROSS)),
            },
            max_buffer_bytes: limits.max_buffer_size,
            wide,
            state: Mutex::new(state),
            _staging: staging,
        })
    }

    /// Bytes of freed buffers that are kept for later allocations. They are not live, and never make live and idle
    /// memory exceed the most that was live at once.
    pub fn idle_bytes(&self) -> u64 {
        self.pool.idle_bytes()
    }

    /// Frees what is kept for later allocations.
    pub fn trim(&self) {
        self.pool.trim();
    }

    /// Ends the device as a failing driver would.
    #[cfg(test)]
    pub(super) fn lose(&self) {
        self.device.destroy();
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>, DeviceError> {
        self.health.check()?;
        self.state.lock().map_err(|_| self.health.failure("a call to it panicked"))
    }

    /// Submits the batch where there is something in it. Returns what to wait for: the last submission so far.
    fn submit(&self, state: &mut State) -> Result<Option<wgpu::SubmissionIndex>, DeviceError> {
        let sealed = state.transfer.seal();
        if let Some(commands) = state.batch.finish() {
            self.busy.submitted();
            let index = self.queue.submit([commands]);
            let busy = self.busy.clone();
            self.queue.on_submitted_work_done(move || busy.completed());
            state.last_submission = Some(index.clone());
            match sealed {
                Some(staging) => state.transfer.reclaim(&state.watcher, staging, index),
                None => state.watcher.send(Job::Complete(index)),
            }
        }
        self.health.check()?;
        Ok(state.last_submission.clone())
    }

    /// Adds to the batch, which is submitted first where it is full.
    fn record(
        &self,
        state: &mut State,
        number_type: NumberType,
        work: Work<&wgpu::Buffer>,
    ) -> Result<(), DeviceError> {
        match work {
            Work::Clear(span) => state.batch.clear(span),
            Work::Dispatch(dispatch) => {
                if state.batch.is_full() {
                    self.submit(state)?;
                }
                let State { batch, pipelines, .. } = state;
                let pipeline = pipelines.get(&self.device, dispatch.program, number_type);
                batch.dispatch(pipeline, &dispatch);
            }
        }
        Ok(())
    }

    fn synchronise_locked(&self, state: &mut State) -> Result<(), DeviceError> {
        if let Some(index) = self.submit(state)? {
            watch::wait(&self.device, &self.health, index);
            // Another thread may have seen the end of it, and be about to count it.
            self.settled(0)?;
        }
        self.health.check()
    }

    /// Waits for the watching thread to see all but `in_flight` submissions complete.
    fn settled(&self, in_flight: usize) -> Result<(), DeviceError> {
        self.health.check()?;
        while !self.busy.wait(in_flight, HEALTH_INTERVAL) {
            self.health.check()?;
        }
        self.health.check()
    }

    /// A new buffer, or none where memory is out.
    fn create(&self, size_bytes: u64) -> Option<wgpu::Buffer> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: Pool::granted_bytes(size_bytes),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            None => Some(buffer),
            Some(_) => None,
        }
    }

    fn create_or_free(&self, size_bytes: u64) -> Result<Option<wgpu::Buffer>, DeviceError> {
        self.pool.make_room(size_bytes);
        if let Some(buffer) = self.create(size_bytes) {
            return Ok(Some(buffer));
        }
        // What idles, and what the queue still holds of dropped buffers, may make room.
        self.pool.trim();
        self.synchronise()?;
        Ok(self.create(size_bytes))
    }
}

impl Device for Gpu {
    fn description(&self) -> &Description {
        &self.description
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn allocate(&self, size_bytes: u64, class: MemoryClass) -> Result<Buffer, DeviceError> {
        self.health.check()?;
        if Pool::granted_bytes(size_bytes) > self.max_buffer_bytes {
            return Err(DeviceError::BufferTooLarge {
                device: self.description.name.clone(),
                size_bytes,
                limit_bytes: self.max_buffer_bytes,
            });
        }
        let reservation = self.ledger.reserve(size_bytes, class)?;
        if let Some(pooled) = self.pool.take(size_bytes) {
            return Ok(Buffer::new(self.id, pooled, reservation.commit()));
        }
        let Some(buffer) = self.create_or_free(size_bytes)? else {
            return Err(DeviceError::OutOfMemory {
                device: self.description.name.clone(),
                size_bytes,
                class,
                live_bytes: self.ledger.live().total_bytes,
            });
        };
        self.health.check()?;
        Ok(Buffer::new(self.id, self.pool.lend(buffer), reservation.commit()))
    }

    fn upload(&self, to: &Buffer, offset_bytes: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        check_upload(self.id, to, offset_bytes, bytes.len());
        let mut state = self.lock()?;
        let mut done = 0;
        while done < bytes.len() {
            let State { batch, transfer, .. } = &mut *state;
            let to = (to.storage::<Pooled>().buffer(), offset_bytes + done as u64);
            done += transfer.upload(batch, &self.health, to, &bytes[done..])?;
            if transfer.is_full() {
                self.submit(&mut state)?;
            }
        }
        Ok(())
    }

    fn download(&self, from: &Buffer, size_bytes: u64) -> Result<Download, DeviceError> {
        check_download(self.id, from, size_bytes);
        let mut state = self.lock()?;
        let health = self.health.clone();
        if size_bytes == 0 {
            self.synchronise_locked(&mut state)?;
            return Ok(Box::pin(async { Ok(Vec::new()) }));
        }
        let from = from.storage::<Pooled>().buffer();
        let (incoming, arrival) = Incoming::new(size_bytes);
        let mut offset = 0;
        while offset < size_bytes {
            let len = state.transfer.chunk_bytes().min(size_bytes - offset);
            let staging = state.transfer.landing(&self.health)?;
            state.batch.copy((from, offset), (&staging, 0), len);
            let after = self.submit(&mut state)?.expect("a copy was recorded");
            state.transfer.expect(&state.watcher, &incoming, staging, len, after);
            offset += len;
        }
        Ok(Box::pin(async move {
            arrival.await.unwrap_or_else(|_| Err(health.failure("it was closed during a download")))
        }))
    }

    fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) -> Result<(), DeviceError> {
        check_kernel(self.id, ring, kernel);
        let kernel = kernel.map(|buffer| buffer.storage::<Pooled>().buffer(), |key| *key);
        let number_type = match ring {
            Ring::Z32 => NumberType::U32,
            Ring::Z64 => self.wide,
        };
        let mut state = self.lock()?;
        let mut result = Ok(());
        let scratch = state.scratch.clone();
        dispatch::plan(ring, &kernel, self.limits, &scratch, &mut |work| {
            if result.is_ok() {
                result = self.record(&mut state, number_type, work);
            }
        });
        result.and_then(|()| self.health.check())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        let mut state = self.lock()?;
        self.submit(&mut state).map(drop)
    }

    fn settle(&self, in_flight: usize) -> Result<(), DeviceError> {
        // Not under the lock: others may go on.
        self.settled(in_flight)
    }

    fn synchronise(&self) -> Result<(), DeviceError> {
        let mut state = self.lock()?;
        self.synchronise_locked(&mut state)
    }

    fn busy(&self) -> Duration {
        self.busy.total()
    }

    fn driver_memory(&self) -> Option<DriverMemory> {
        let report = self.device.generate_allocator_report()?;
        Some(DriverMemory {
            allocated_bytes: report.total_allocated_bytes,
            reserved_bytes: report.total_reserved_bytes,
        })
    }
}

/// Bytes for partial results within `budget_bytes`: a small part of it, within bounds.
fn scratch_bytes(budget_bytes: Option<u64>) -> u64 {
    let share = budget_bytes.map_or(MOST_SCRATCH_BYTES, |budget| budget / 64);
    share.clamp(LEAST_BINDING_BYTES, MOST_SCRATCH_BYTES) / LEAST_BINDING_BYTES * LEAST_BINDING_BYTES
}

fn scratch(device: &wgpu::Device, size: u64) -> wgpu::Buffer {
    let (label, usage) = (Some("partial results"), wgpu::BufferUsages::STORAGE);
    device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

fn request(
    adapter: &wgpu::Adapter,
    wide: NumberType,
    limits: &wgpu::Limits,
) -> Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let required_features = match wide {
        NumberType::U64 => wgpu::Features::SHADER_INT64,
        NumberType::U32 | NumberType::U64Pairs => wgpu::Features::empty(),
    };
    pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("symbolon"),
        required_features,
        required_limits: limits.clone(),
        // A plan says how much memory there will be: prefer small blocks to spare ones.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    }))
}

/// Turns wgpu's callbacks into a failure that the next call returns.
fn report_failures(device: &wgpu::Device, health: &Health) {
    let (lost, uncaptured) = (health.clone(), health.clone());
    device.set_device_lost_callback(move |reason, message| lost.fail(format!("{reason:?}: {message}")));
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured.fail(error.to_string())));
}
