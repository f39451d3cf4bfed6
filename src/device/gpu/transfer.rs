//! Bytes to and from the device, through a fixed number of staging buffers of a fixed size.
//!
//! An upload is copied into mapped staging memory before the call returns. A download resolves from the watching
//! thread. Larger buffers move in chunks: a caller waits while every staging buffer of a direction is in flight, so
//! that memory for transfers is what was booked when the device was opened.

use super::batch::Batch;
use super::busy::Submission;
use super::health::Health;
use super::watch::{Job, Watcher};
use crate::device::DeviceError;
use crate::memory::wipe::Wiped;
use crossbeam_channel::{Receiver, Sender};
use futures_channel::oneshot;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Staging buffers per direction: one fills, one is copied by the GPU, and there are two to spare.
pub const BUFFERS: u64 = 4;

/// Bytes of a staging buffer where no budget makes them smaller: long enough to hide the cost of a submission.
pub const MOST_CHUNK_BYTES: u64 = 4 << 20;

/// Bytes of a staging buffer at least.
const LEAST_CHUNK_BYTES: u64 = 16 << 10;

/// The result of a mapping.
pub type MapResult = Result<(), wgpu::BufferAsyncError>;

/// The interval at which a wait for the watching thread checks that the device still works.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of a staging buffer within `budget_bytes`: all of them together take an eighth of it, within bounds.
pub fn chunk_bytes(budget_bytes: Option<u64>) -> u64 {
    let share = budget_bytes.map_or(MOST_CHUNK_BYTES, |budget| budget / 8 / (2 * BUFFERS));
    share.clamp(LEAST_CHUNK_BYTES, MOST_CHUNK_BYTES) / 4096 * 4096
}

/// Both directions' staging buffers.
pub struct Transfer {
    chunk_bytes: u64,
    uploads: Pool,
    downloads: Pool,
    /// The mapped buffer that uploads go to, and how much of it is taken.
    open: Option<(wgpu::Buffer, u64)>,
    /// Up to where staging buffers of either direction were written since they were wiped.
    uploaded_bytes: u64,
    downloaded_bytes: u64,
}

struct Pool {
    free: Receiver<wgpu::Buffer>,
    give_back: Sender<wgpu::Buffer>,
}

/// A part of a download in staging memory.
pub struct DownloadChunk {
    staging: wgpu::Buffer,
    size_bytes: u64,
    pool: Sender<wgpu::Buffer>,
    assembly: Arc<Mutex<Assembly>>,
}

/// Where a download will be.
pub type Arrival = oneshot::Receiver<Result<Wiped, DeviceError>>;

/// A download on its way.
pub struct Incoming(Arc<Mutex<Assembly>>);

/// The parts of a download that are there; they arrive in order.
struct Assembly {
    bytes: Wiped,
    size_bytes: u64,
    done: Option<oneshot::Sender<Result<Wiped, DeviceError>>>,
}

impl Pool {
    /// Waits for a free staging buffer.
    fn take(&self, health: &Health) -> Result<wgpu::Buffer, DeviceError> {
        loop {
            match self.free.recv_timeout(HEALTH_INTERVAL) {
                Ok(staging) => return Ok(staging),
                // This end holds a sender too: all that passed is time.
                Err(_) => health.check()?,
            }
        }
    }
}

impl Transfer {
    /// Allocates the staging buffers.
    pub fn new(device: &wgpu::Device, chunk_bytes: u64) -> Transfer {
        let pool = |label, usage, mapped_at_creation| {
            let (give_back, free) = crossbeam_channel::bounded(BUFFERS as usize);
            for _ in 0..BUFFERS {
                let label = Some(label);
                let descriptor =
                    wgpu::BufferDescriptor { label, size: chunk_bytes, usage, mapped_at_creation };
                give_back.send(device.create_buffer(&descriptor)).expect("room for every buffer");
            }
            Pool { free, give_back }
        };
        let upload = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let download = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Transfer {
            chunk_bytes,
            uploads: pool("upload", upload, true),
            downloads: pool("download", download, false),
            open: None,
            uploaded_bytes: 0,
            downloaded_bytes: 0,
        }
    }

    /// Copies the first bytes of `bytes` to staging memory and records their copy to `to`. Returns how many; the
    /// batch is to be submitted before the rest where that is not all.
    pub fn upload(
        &mut self,
        batch: &mut Batch,
        health: &Health,
        to: (&wgpu::Buffer, u64),
        bytes: &[u8],
    ) -> Result<usize, DeviceError> {
        let (staging, taken) = match self.open.take() {
            Some(open) => open,
            None => (self.uploads.take(health)?, 0),
        };
        let len = bytes.len().min((self.chunk_bytes - taken) as usize);
        let end = taken + len as u64;
        let mut view =
            staging.get_mapped_range_mut(taken..end).map_err(|error| health.failure(&error.to_string()))?;
        view.copy_from_slice(&bytes[..len]);
        drop(view);
        self.uploaded_bytes = end.max(self.uploaded_bytes);
        batch.copy((&staging, taken), to, len as u64);
        // Mapped ranges begin at multiples of 8.
        self.open = Some((staging, end.next_multiple_of(wgpu::MAP_ALIGNMENT)));
        Ok(len)
    }

    /// Whether no more fits in the staging buffer that uploads go to.
    pub fn is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, taken)| *taken >= self.chunk_bytes)
    }

    /// Unmaps what uploads wrote, which must happen before the batch is submitted. [`Transfer::reclaim`] takes the
    /// result after that.
    pub fn seal(&mut self) -> Option<wgpu::Buffer> {
        let (staging, _) = self.open.take()?;
        staging.unmap();
        Some(staging)
    }

    /// Lets a sealed buffer come back once its submission is done.
    pub fn reclaim(&self, watcher: &Watcher, staging: wgpu::Buffer, after: Submission) {
        let mapped = map(&staging, wgpu::MapMode::Write, self.chunk_bytes);
        watcher.send(Job::Upload { after, staging, mapped, pool: self.uploads.give_back.clone() });
    }

    /// A staging buffer for a chunk of a download.
    pub fn landing(&mut self, health: &Health, size_bytes: u64) -> Result<wgpu::Buffer, DeviceError> {
        self.downloaded_bytes = size_bytes.max(self.downloaded_bytes);
        self.downloads.take(health)
    }

    /// Lets the first `size_bytes` of a staging buffer arrive once the submission that writes them is done.
    pub fn expect(
        &self,
        watcher: &Watcher,
        incoming: &Incoming,
        staging: wgpu::Buffer,
        size_bytes: u64,
        after: Submission,
    ) {
        let mapped = map(&staging, wgpu::MapMode::Read, size_bytes);
        let (pool, assembly) = (self.downloads.give_back.clone(), incoming.0.clone());
        watcher.send(Job::Download {
            after,
            chunk: DownloadChunk { staging, size_bytes, pool, assembly },
            mapped,
        });
    }

    /// Overwrites what transfers left behind. Nothing is under way: every staging buffer is back, or comes back soon.
    /// What was uploaded lies in mapped memory; `clear` is to write zeros over the rest.
    pub fn wipe(
        &mut self,
        health: &Health,
        clear: &mut impl FnMut(&wgpu::Buffer),
    ) -> Result<(), DeviceError> {
        let all = |pool: &Pool| (0..BUFFERS).map(|_| pool.take(health)).collect::<Result<Vec<_>, _>>();
        if self.uploaded_bytes > 0 {
            for staging in all(&self.uploads)? {
                let view = staging.get_mapped_range_mut(..self.uploaded_bytes);
                let mut view = view.map_err(|error| health.failure(&error.to_string()))?;
                view.slice(..).fill(0);
                drop(view);
                let _ = self.uploads.give_back.send(staging);
            }
        }
        if self.downloaded_bytes > 0 {
            for staging in all(&self.downloads)? {
                clear(&staging);
                let _ = self.downloads.give_back.send(staging);
            }
        }
        (self.uploaded_bytes, self.downloaded_bytes) = (0, 0);
        Ok(())
    }

    /// Bytes of a staging buffer.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }
}

impl Incoming {
    /// A download of `size_bytes`, and where it will be.
    pub fn new(size_bytes: u64) -> (Incoming, Arrival) {
        let (done, arrival) = oneshot::channel();
        let bytes = Wiped::with_capacity(size_bytes as usize);
        (Incoming(Arc::new(Mutex::new(Assembly { bytes, size_bytes, done: Some(done) }))), arrival)
    }
}

impl DownloadChunk {
    /// Takes the bytes out, where they are there, and gives the staging buffer back.
    pub fn arrive(self, is_there: bool, health: &Health) {
        let mut assembly = self.assembly.lock().expect("only the watching thread assembles");
        let taken = is_there && {
            match self.staging.get_mapped_range(..self.size_bytes) {
                Ok(view) => assembly.bytes.extend(&view),
                Err(error) => health.fail(error.to_string()),
            }
            health.check().is_ok()
        };
        self.staging.unmap();
        let _ = self.pool.send(self.staging);
        let is_whole = assembly.bytes.len() as u64 == assembly.size_bytes;
        if (is_whole || !taken)
            && let Some(done) = assembly.done.take()
        {
            let bytes = std::mem::take(&mut assembly.bytes);
            let result = if taken { Ok(bytes) } else { Err(health.failure("a download did not arrive")) };
            // The caller may have lost interest.
            let _ = done.send(result);
        }
    }
}

fn map(staging: &wgpu::Buffer, mode: wgpu::MapMode, size_bytes: u64) -> Receiver<MapResult> {
    let (sender, mapped) = crossbeam_channel::bounded(1);
    staging.map_async(mode, ..size_bytes, move |result| {
        let _ = sender.send(result);
    });
    mapped
}
