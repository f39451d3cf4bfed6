//! [`Gpu`]: a device over one adapter.

use super::batch::{Batch, Ready};
use super::busy::Submission;
use super::dispatch::{self, Dispatch, Scratch, Span};
use super::groups::Groups;
use super::panel::Limits;
use super::pipeline::{Pipeline, Pipelines};
use super::pool::{Pool, Pooled};
use super::residue::panels::{Content, ContentCell, Panels};
use super::residue::{MatrixUnitsState, Residues};
use super::shader::NumberType;
use super::transfer::Transfer;
use super::tune::Tuning;
use super::watch::{Poller, Watcher};
use crate::device::check::{check_download, check_kernel, check_upload};
use crate::device::counters::{Count, Counters, Counting};
use crate::device::{
    Arrived, Booking, Buffer, Description, Device, DeviceError, DeviceId, DeviceKernel, DriverMemory,
    KernelShape, Ledger, Pieces, WorkSpan,
};
use crate::ring::Ring;
use crate::ring::prg::PrgKey;
use crate::step::{Access, Kernel, MemoryClass};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A GPU through wgpu.
///
/// Kernels and copies are batched; a batch is submitted when it is full, by a flush, and by a pause where somebody waits
/// for bytes or the batch has much work. Uploads and reads wait for staging memory where they are larger than what is free
/// of it, otherwise calls return at once.
///
/// What one session does has a *lane*: its batch, staging memory, bind groups, memory for intermediate results, freed
/// buffers, counters and clock. Lanes share the adapter, compiled shaders and the queue, which they hold for a submission at
/// a time; nobody waits under a lock that another lane needs. The GPU takes submissions in their order, each has some
/// milliseconds of work at most, and a lane has as many under way as [`Device::settle`] lets it: so lanes take turns.
pub struct Gpu {
    pub(super) id: DeviceId,
    pub(super) description: Description,
    pub(super) ledger: Ledger,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) poller: Poller,
    pub(super) counting: Arc<Counting>,
    pub(super) pool: Arc<Pool>,
    pub(super) limits: Limits,
    pub(super) max_buffer_bytes: u64,
    pub(super) wide: NumberType,
    pub(super) pipelines: Arc<Pipelines>,
    pub(super) tuning: Tuning,
    pub(super) residues: Option<Residues<wgpu::Buffer>>,
    pub(super) matrix_units: MatrixUnitsState,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) staging: Arc<Booking>,
    /// Held for a submission and what is to follow it.
    pub(super) turn: Arc<Mutex<()>>,
    /// Whether a session has this lane.
    pub(super) is_taken: Arc<AtomicBool>,
    /// This is that session's.
    pub(super) _claim: Option<Claim>,
}

/// A session's claim to a lane, until it is dropped.
pub struct Claim(Arc<AtomicBool>);

impl Claim {
    /// None where another session has it.
    pub(super) fn new(is_taken: &Arc<AtomicBool>) -> Option<Claim> {
        (!is_taken.swap(true, Ordering::AcqRel)).then(|| Claim(is_taken.clone()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The state that one caller at a time changes.
pub struct State {
    pub(super) batch: Batch,
    pub(super) transfer: Transfer,
    pub(super) groups: Groups,
    /// Partial results of sums and products.
    pub(super) scratch: wgpu::Buffer,
    /// What lies in the memory for residues of left and of right matrices.
    pub(super) panels: [Panels; 2],
    pub(super) watcher: Watcher,
}

impl Gpu {
    /// Whether matrix products run on matrix units, or why not.
    pub fn matrix_units(&self) -> &MatrixUnitsState {
        &self.matrix_units
    }

    /// Bytes of freed buffers that are kept for later allocations. They are not live, and never make live and idle
    /// memory exceed the most that was live at once.
    pub fn idle_bytes(&self) -> u64 {
        self.pool.idle_bytes()
    }

    /// Frees what is kept for later allocations.
    pub fn trim(&self) {
        // A device that has failed can no longer be told to wipe.
        let _ = self.wipe();
        let mut freed = self.pool.trim();
        if let Ok(mut state) = self.lock() {
            state.groups.forget(&mut freed);
        }
    }

    /// The number of pipelines made so far.
    #[cfg(test)]
    pub(crate) fn pipeline_count(&self) -> usize {
        self.pipelines.count()
    }

    /// Ends the device as a failing driver would.
    #[cfg(test)]
    pub(super) fn lose(&self) {
        self.device.destroy();
    }

    /// The WGSL type of a ring's elements.
    pub(super) fn number_type(&self, ring: Ring) -> NumberType {
        match ring {
            Ring::Z32 => NumberType::U32,
            Ring::Z64 => self.wide,
        }
    }

    pub(super) fn lock(&self) -> Result<MutexGuard<'_, State>, DeviceError> {
        self.poller.health.check()?;
        self.state.lock().map_err(|_| self.poller.health.failure("a call to it panicked"))
    }

    /// Submits the batch where there is something in it. Returns what to wait for: the last submission so far.
    fn submit(&self, state: &mut State) -> Result<Option<Submission>, DeviceError> {
        let State { batch, transfer, .. } = state;
        if !batch.is_empty() {
            let params = match batch.params() {
                [] => None,
                params => Some(transfer.params(&self.poller, params)?),
            };
            let sealed = transfer.seal();
            let commands = batch.finish(params.as_ref().map(|(staging, offset)| (staging, *offset)));
            let Poller { busy, under_way, .. } = &self.poller;
            busy.submitted();
            self.counting.add(Count::Submits, 1);
            // Another thread may see the work done before its bytes are to be mapped, and is not to take that for the end.
            under_way.map_begins();
            // What follows the queue's last submission is to follow this one.
            let turn = self.turn.lock().map_err(|_| self.poller.health.failure("a submission panicked"))?;
            self.queue.submit([commands]);
            let completes = busy.clone();
            self.queue.on_submitted_work_done(move || completes.completed());
            transfer.map(sealed, &self.queue, &self.poller);
            drop(turn);
            under_way.map_ends();
        }
        self.poller.health.check()?;
        Ok(self.poller.busy.last())
    }

    /// Adds to the batch, which is submitted first where it is full.
    pub(super) fn enqueue(
        &self,
        state: &mut State,
        number_type: NumberType,
        dispatch: Dispatch<&wgpu::Buffer>,
    ) -> Result<(), DeviceError> {
        if state.batch.is_full() {
            self.submit(state)?;
        }
        let (pipeline, group) = self.bound(state, number_type, &dispatch);
        state.batch.dispatch(Ready { dispatch: &dispatch, pipeline, group });
        Ok(())
    }

    /// A dispatch's shader, and its bindings.
    fn bound(
        &self,
        state: &mut State,
        number_type: NumberType,
        dispatch: &Dispatch<&wgpu::Buffer>,
    ) -> (Pipeline, wgpu::BindGroup) {
        let pipeline = self.pipelines.get(&self.device, dispatch.shader, number_type);
        let key = (dispatch.shader, number_type);
        let group = state.groups.get(&self.device, &self.counting, &pipeline, key, &dispatch.bindings);
        (pipeline, group)
    }

    /// Hands out the work that a kernel is.
    fn plan<'a>(
        &'a self,
        ring: Ring,
        kernel: &Kernel<&'a wgpu::Buffer, &PrgKey>,
        partial: &'a wgpu::Buffer,
        panels: &mut [Panels; 2],
        content: &dyn Fn(&'a wgpu::Buffer) -> Content,
        emit: &mut dyn FnMut(Dispatch<&'a wgpu::Buffer>),
    ) {
        let cost = self.tuning.matrix_unit_cost;
        let residues = self.residues.as_ref().map(|residues| Residues { cost, ..residues.as_ref() });
        let scratch = Scratch { partial, residues, panels, content };
        let tuning = &self.tuning.scalar[usize::from(ring != Ring::Z32)];
        dispatch::plan(ring, kernel, self.limits, scratch, tuning, emit);
    }

    fn synchronise_locked(&self, state: &mut State) -> Result<(), DeviceError> {
        match self.submit(state)? {
            Some(submission) => self.poller.wait(submission),
            None => Ok(()),
        }
    }

    /// A new buffer, or none where memory is out.
    fn create(&self, size_bytes: u64) -> Option<wgpu::Buffer> {
        self.counting.add(Count::Buffers, 1);
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
        if self.pool.is_soiled() {
            self.wipe()?;
        }
        let mut freed = self.pool.make_room(size_bytes);
        self.lock()?.groups.forget(&mut freed);
        drop(freed);
        if let Some(buffer) = self.create(size_bytes) {
            return Ok(Some(buffer));
        }
        // What idles, and what the queue still holds of dropped buffers, may make room.
        let mut freed = self.pool.trim();
        self.lock()?.groups.forget(&mut freed);
        drop(freed);
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

    fn for_session(&self) -> Result<Option<Arc<dyn Device>>, DeviceError> {
        let gpu = match Claim::new(&self.is_taken) {
            Some(claim) => self.with_this_lane(claim),
            None => self.with_a_lane_of_its_own()?,
        };
        Ok(Some(Arc::new(gpu)))
    }

    fn allocate(&self, size_bytes: u64, class: MemoryClass) -> Result<Buffer, DeviceError> {
        self.poller.health.check()?;
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
        // Ahead of its first use: wgpu would do so behind it, buffer by buffer.
        let whole = Span { buffer: &buffer, offset_bytes: 0, size_bytes: buffer.size() };
        self.lock()?.batch.clear(whole);
        Ok(Buffer::new(self.id, self.pool.lend(buffer), reservation.commit()))
    }

    fn upload(&self, to: &Buffer, offset_bytes: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        check_upload(self.id, to, offset_bytes, bytes.len());
        let mut state = self.lock()?;
        let mut done = 0;
        while done < bytes.len() {
            let State { batch, transfer, .. } = &mut *state;
            let pooled = to.storage::<Pooled>();
            pooled.written();
            let to = (pooled.buffer(), offset_bytes + done as u64);
            done += transfer.upload(batch, &self.poller, to, &bytes[done..])?;
            if transfer.is_full() {
                self.submit(&mut state)?;
            }
        }
        Ok(())
    }

    fn read(&self, from: &Buffer, size_bytes: u64, arrived: Arrived) -> Result<(), DeviceError> {
        check_download(self.id, from, size_bytes);
        let mut state = self.lock()?;
        if size_bytes == 0 {
            drop(state);
            arrived(Ok(Pieces::default()));
            return Ok(());
        }
        let from = from.storage::<Pooled>().buffer();
        let chunk_bytes = state.transfer.chunk_bytes();
        let parts = size_bytes.div_ceil(chunk_bytes) as usize;
        let incoming = self.poller.under_way.expect(parts, arrived);
        for (part, offset) in (0..size_bytes).step_by(chunk_bytes as usize).enumerate() {
            let len = chunk_bytes.min(size_bytes - offset);
            let (staging, at) = loop {
                if let Some(place) = state.transfer.land(&incoming, part, len) {
                    break place;
                }
                // What is recorded may hold them all.
                self.submit(&mut state)?;
                state.transfer.await_landing(&self.poller)?;
            };
            state.batch.download((from, offset), (&staging, at), len);
        }
        Ok(())
    }

    fn compile(&self, ring: Ring, kernels: &mut dyn Iterator<Item = KernelShape>) -> Result<(), DeviceError> {
        // Any buffer stands for all: which shaders run does not depend on them. Panels that are there already would
        // at most leave one out.
        let any = self.lock()?.scratch.clone();
        let (key, cell) = (PrgKey::from_bytes([0; 32]), ContentCell::new());
        let mut panels = self.residues.as_ref().map(Residues::panels).unwrap_or_default();
        let mut shaders = HashSet::new();
        for kernel in kernels {
            let kernel = kernel.map(|_| &any, |_| &key);
            self.plan(ring, &kernel, &any, &mut panels, &|_| cell.content(), &mut |dispatch| {
                shaders.insert(dispatch.shader);
            });
        }
        self.pipelines.prepare(&self.device, shaders, self.number_type(ring));
        self.poller.health.check()
    }

    fn prepare(
        &self,
        ring: Ring,
        kernels: &mut dyn Iterator<Item = DeviceKernel<'_>>,
    ) -> Result<(), DeviceError> {
        let kernels: Vec<DeviceKernel<'_>> = kernels.collect();
        self.compile(ring, &mut kernels.iter().map(|kernel| kernel.map(|_| (), |_| ())))?;
        let number_type = self.number_type(ring);
        let mut state = self.lock()?;
        let partial = state.scratch.clone();
        let mut panels = self.residues.as_ref().map(Residues::panels).unwrap_or_default();
        let cell = ContentCell::new();
        for kernel in &kernels {
            let kernel = kernel.map(|buffer| buffer.storage::<Pooled>().buffer(), |key| *key);
            self.plan(ring, &kernel, &partial, &mut panels, &|_| cell.content(), &mut |dispatch| {
                self.bound(&mut state, number_type, &dispatch);
            });
        }
        self.submit(&mut state).map(drop)
    }

    fn run(&self, ring: Ring, kernel: &DeviceKernel<'_>) -> Result<(), DeviceError> {
        check_kernel(self.id, ring, kernel);
        let number_type = self.number_type(ring);
        let mut state = self.lock()?;
        let mut result = Ok(());
        let partial = state.scratch.clone();
        let mut panels = std::mem::take(&mut state.panels);
        let contents = contents(kernel);
        let content = |buffer: &wgpu::Buffer| {
            let known = contents.iter().find(|(known, _)| *known == buffer);
            known.map(|(_, content)| content.clone()).expect("an operand of the kernel")
        };
        let written = written(kernel);
        let kernel = kernel.map(|buffer| buffer.storage::<Pooled>().buffer(), |key| *key);
        self.plan(ring, &kernel, &partial, &mut panels, &content, &mut |dispatch| {
            if result.is_ok() {
                result = self.enqueue(&mut state, number_type, dispatch);
            }
        });
        state.panels = panels;
        written.into_iter().for_each(Pooled::written);
        result.and_then(|()| self.poller.health.check())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        let mut state = self.lock()?;
        self.submit(&mut state)?;
        state.watcher.wake();
        Ok(())
    }

    fn pause(&self) -> Result<bool, DeviceError> {
        let mut state = self.lock()?;
        if state.batch.is_due() {
            self.submit(&mut state)?;
        }
        self.poller.health.check()?;
        Ok(self.poller.is_at_work())
    }

    fn look(&self) -> Result<bool, DeviceError> {
        let is_at_work = self.poller.look();
        self.poller.health.check().map(|()| is_at_work)
    }

    fn settle(&self, in_flight: usize) -> Result<(), DeviceError> {
        // Not under the lock: others may go on.
        self.poller.look_until(|| self.poller.busy.in_flight() <= in_flight)
    }

    fn counters(&self) -> Counters {
        self.counting.read()
    }

    fn synchronise(&self) -> Result<(), DeviceError> {
        let mut state = self.lock()?;
        self.synchronise_locked(&mut state)
    }

    fn wipe(&self) -> Result<(), DeviceError> {
        let mut state = self.lock()?;
        self.synchronise_locked(&mut state)?;
        let State { batch, transfer, scratch, panels, .. } = &mut *state;
        let mut clear = |buffer: &wgpu::Buffer| {
            batch.clear(Span { buffer, offset_bytes: 0, size_bytes: buffer.size() });
        };
        self.pool.wipe(&mut clear);
        clear(scratch);
        transfer.wipe(&self.poller)?;
        if let Some(residues) = &self.residues {
            residues.intermediates(panels).into_iter().for_each(|span| batch.clear(span));
        }
        batch.clear_params();
        self.submit(&mut state).map(drop)
    }

    fn busy(&self) -> Duration {
        self.poller.busy.total()
    }

    fn driver_memory(&self) -> Option<DriverMemory> {
        let report = self.device.generate_allocator_report()?;
        Some(DriverMemory {
            allocated_bytes: report.total_allocated_bytes,
            reserved_bytes: report.total_reserved_bytes,
        })
    }

    fn record(&self) {
        self.poller.busy.record();
    }

    fn stop_recording(&self) -> Vec<WorkSpan> {
        self.poller.busy.stop_recording()
    }
}

/// What the operands of a matrix product hold: the residues of those that were split before may be there still.
fn contents<'a>(kernel: &DeviceKernel<'a>) -> Vec<(&'a wgpu::Buffer, Content)> {
    let Kernel::Gemm { terms, .. } = kernel else { return Vec::new() };
    let operands = terms.iter().flat_map(|(left, right)| [left.buffer, right.buffer]);
    let pooled = operands.map(|buffer| buffer.storage::<Pooled>());
    pooled.map(|pooled| (pooled.buffer(), pooled.content())).collect()
}

/// The buffers that a kernel writes to.
fn written<'a>(kernel: &DeviceKernel<'a>) -> Vec<&'a Pooled> {
    let mut written = Vec::new();
    kernel.visit(|matrix, access| {
        if access != Access::Read {
            written.push(matrix.buffer.storage::<Pooled>());
        }
    });
    written
}

impl Drop for Gpu {
    /// Wipes what was kept, while the driver still listens. Buffers may outlive it; their residues go. The lane then is for
    /// the next session.
    fn drop(&mut self) {
        if let (Some(residues), Ok(mut state)) = (&self.residues, self.lock()) {
            state.panels = residues.panels();
        }
        let _ = self.wipe().and_then(|()| self.synchronise());
    }
}
