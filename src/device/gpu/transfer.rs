//! Bytes to and from the device, through a fixed number of staging buffers of a fixed size.
//!
//! An upload is copied into mapped staging memory before the call returns, which stays mapped where the driver lets it
//! ([`staging`](self)); the parameters of a submission's kernels lie behind it. What a submission brings to the host shares staging buffers, which are mapped once when it is done; the bytes
//! are then handed out where they lie ([`landing`](self)). Larger buffers move in chunks: a caller waits while every staging
//! buffer of a direction is in use, so that memory for transfers is what was booked when the device was opened.

use super::batch::Batch;
use super::landing::{Incoming, Landing};
use super::staging::Staging;
use super::watch::Poller;
use crate::device::DeviceError;
use crate::device::counters::{Count, Counting};
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub use super::landing::UnderWay;

/// The staging buffers of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of each.
    pub chunk_bytes: u64,
    /// How many there are for bytes to the device.
    pub uploads: u64,
    /// How many there are for bytes to the host.
    pub downloads: u64,
}

/// Where no budget makes them smaller: to the host as many bytes as a link of 10 Gbit/s and its peer keep under way, in
/// buffers long enough to hide the cost of a submission.
const AMPLE: Sizes = Sizes { chunk_bytes: 4 << 20, uploads: 8, downloads: 16 };

/// Under a tight budget: one fills, one is copied by the GPU, and there are two to spare.
const FEW: Sizes = Sizes { chunk_bytes: 16 << 10, uploads: 4, downloads: 4 };

/// Bytes of a staging buffer below which there are rather fewer of them.
const SHORT_BYTES: u64 = 64 << 10;

impl Sizes {
    /// Within `budget_bytes`: all of them together take an eighth of it, within bounds.
    pub fn within(budget_bytes: Option<u64>) -> Sizes {
        let share = budget_bytes.map_or(u64::MAX, |budget| budget / 8);
        let of = |sizes: Sizes| {
            let chunk_bytes = share / (sizes.uploads + sizes.downloads);
            let chunk_bytes = chunk_bytes.clamp(FEW.chunk_bytes, AMPLE.chunk_bytes) / 4096 * 4096;
            Sizes { chunk_bytes, ..sizes }
        };
        if of(AMPLE).chunk_bytes >= SHORT_BYTES { of(AMPLE) } else { of(FEW) }
    }

    /// Bytes of all.
    pub fn total_bytes(self) -> u64 {
        self.chunk_bytes * (self.uploads + self.downloads)
    }
}

/// Both directions' staging buffers.
pub struct Transfer {
    sizes: Sizes,
    /// Of each staging buffer for uploads, the bytes at its end for parameters.
    params_bytes: u64,
    uploads: Ring<Staging>,
    downloads: Ring<wgpu::Buffer>,
    /// The mapped buffer that uploads go to, and how much of it is taken.
    open: Option<(Staging, u64)>,
    /// Where the bytes of the next submission arrive, the last of them with room.
    landings: Vec<Landing>,
    /// Up to where staging buffers for uploads were written since they were wiped.
    uploaded_bytes: u64,
    counting: Arc<Counting>,
    under_way: Arc<UnderWay>,
    /// Staging buffers of which the host has lent parts.
    lent: Arc<AtomicUsize>,
}

/// Staging buffers that are free, and where they come back.
struct Ring<B> {
    free: Receiver<B>,
    give_back: Sender<B>,
}

impl<B> Ring<B> {
    /// Of these, all free.
    fn new(buffers: impl ExactSizeIterator<Item = B>) -> Ring<B> {
        let (give_back, free) = crossbeam_channel::bounded(buffers.len());
        buffers.for_each(|buffer| give_back.send(buffer).expect("room for every buffer"));
        Ring { free, give_back }
    }

    /// Waits for a free staging buffer; the batch holds none, or it would wait for itself.
    fn take(&self, poller: &Poller) -> Result<B, DeviceError> {
        let mut taken = None;
        poller.look_until(|| {
            taken = self.free.try_recv().ok();
            taken.is_some()
        })?;
        Ok(taken.expect("it was waited for"))
    }
}

impl Transfer {
    /// Allocates the staging buffers; in those for uploads `params_bytes` are set aside. Returns also those that nobody
    /// has zeroed.
    pub fn new(
        device: &wgpu::Device,
        sizes: Sizes,
        params_bytes: u64,
        counting: Arc<Counting>,
        under_way: Arc<UnderWay>,
    ) -> (Transfer, Vec<wgpu::Buffer>) {
        let landing = |_| {
            let (label, size) = (Some("download"), sizes.chunk_bytes);
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let landings: Vec<_> = (0..sizes.downloads as usize).map(landing).collect();
        let uploads = (0..sizes.uploads as usize).map(|_| Staging::new(device, sizes.chunk_bytes));
        let transfer = Transfer {
            sizes,
            params_bytes,
            uploads: Ring::new(uploads),
            downloads: Ring::new(landings.clone().into_iter()),
            open: None,
            landings: Vec::new(),
            uploaded_bytes: 0,
            counting,
            under_way,
            lent: Arc::default(),
        };
        (transfer, landings)
    }

    /// Copies the first bytes of `bytes` to staging memory and records their copy to `to`. Returns how many; the
    /// batch is to be submitted before the rest where that is not all.
    pub fn upload(
        &mut self,
        batch: &mut Batch,
        poller: &Poller,
        to: (&wgpu::Buffer, u64),
        bytes: &[u8],
    ) -> Result<usize, DeviceError> {
        let taken = self.open(poller)?;
        let len = bytes.len().min((self.sizes.chunk_bytes - self.params_bytes - taken) as usize);
        self.write(poller, taken, &bytes[..len])?;
        let (staging, end) = self.open.as_mut().expect("opened above");
        batch.upload((staging.buffer(), taken), to, len as u64);
        // Mapped ranges begin at multiples of 8.
        *end = (taken + len as u64).next_multiple_of(wgpu::MAP_ALIGNMENT);
        Ok(len)
    }

    /// Copies the parameters of the next submission to staging memory; returns where they lie.
    pub fn params(&mut self, poller: &Poller, bytes: &[u8]) -> Result<(wgpu::Buffer, u64), DeviceError> {
        self.open(poller)?;
        let offset = self.sizes.chunk_bytes - self.params_bytes;
        self.write(poller, offset, bytes)?;
        let (staging, _) = self.open.as_ref().expect("opened above");
        Ok((staging.buffer().clone(), offset))
    }

    /// Makes sure that there is a mapped buffer for uploads; returns how much of it is taken.
    fn open(&mut self, poller: &Poller) -> Result<u64, DeviceError> {
        if self.open.is_none() {
            self.open = Some((self.uploads.take(poller)?, 0));
        }
        Ok(self.open.as_ref().map_or(0, |(_, taken)| *taken))
    }

    fn write(&mut self, poller: &Poller, offset: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        let end = offset + bytes.len() as u64;
        let (staging, _) = self.open.as_mut().expect("a buffer that is open");
        staging.write(offset, bytes).map_err(|error| poller.health.failure(&error.to_string()))?;
        self.uploaded_bytes = end.max(self.uploaded_bytes);
        Ok(())
    }

    /// Whether no more fits in the staging buffer that uploads go to.
    pub fn is_full(&self) -> bool {
        let most = self.sizes.chunk_bytes - self.params_bytes;
        self.open.as_ref().is_some_and(|(_, taken)| *taken >= most)
    }

    /// Room for a part of a download, at most [`Transfer::chunk_bytes`] long, behind what arrives with the next submission
    /// already: the buffer and the offset. None where no staging buffer is free now.
    pub fn land(&mut self, incoming: &Arc<Incoming>, part: usize, len: u64) -> Option<(wgpu::Buffer, u64)> {
        let has_room = |landing: &Landing| landing.taken() + len <= self.sizes.chunk_bytes;
        if !self.landings.last().is_some_and(has_room) {
            let (staging, home) = (self.downloads.free.try_recv().ok()?, self.downloads.give_back.clone());
            let most_lent = self.sizes.downloads as usize / 2;
            self.landings.push(Landing::new(staging, home, (self.lent.clone(), most_lent)));
        }
        self.landings.last_mut().map(|landing| landing.add(incoming, part, len))
    }

    /// Waits until a staging buffer for downloads is free. The batch holds none.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn await_landing(&self, poller: &Poller) -> Result<(), DeviceError> {
        poller.look_until(|| !self.downloads.free.is_empty())
    }

    /// Takes what staging memory for downloads is free, as a host does that keeps it: what is read then waits.
    #[cfg(test)]
    pub fn drain_landings(&self) -> Vec<wgpu::Buffer> {
        self.downloads.free.try_iter().collect()
    }

    /// Gives it back.
    #[cfg(test)]
    pub fn landings_home(&self) -> Sender<wgpu::Buffer> {
        self.downloads.give_back.clone()
    }

    /// Unmaps what was written, which must happen before the batch is submitted; what is to be mapped after that.
    pub fn seal(&mut self) -> Sealed {
        let upload = self.open.take().map(|(staging, _)| staging);
        if let Some(staging) = upload.as_ref().filter(|staging| !staging.stays_mapped()) {
            staging.buffer().unmap();
        }
        Sealed { upload, landings: std::mem::take(&mut self.landings) }
    }

    /// Has the staging buffers of the submission that `queue` was just given mapped, or come back mapped, as soon as it is
    /// done.
    pub fn map(&self, sealed: Sealed, queue: &wgpu::Queue, poller: &Poller) {
        let Sealed { upload, landings } = sealed;
        self.counting.add(Count::Maps, landings.len() as u64);
        landings.into_iter().for_each(|landing| landing.map(&self.under_way, &self.counting, &poller.health));
        let Some(staging) = upload else { return };
        let (under_way, home) = (self.under_way.clone(), self.uploads.give_back.clone());
        under_way.map_begins();
        let mapped = staging.buffer().clone();
        let is_to_be_mapped = !staging.stays_mapped();
        let come_back = move || {
            // Even unmapped: whoever waits for it then finds the failure.
            let _ = home.send(staging);
            under_way.map_ends();
        };
        if is_to_be_mapped {
            self.counting.add(Count::Maps, 1);
            mapped.map_async(wgpu::MapMode::Write, .., |_| come_back());
        } else {
            queue.on_submitted_work_done(come_back);
        }
    }

    /// Overwrites what uploads left behind. Nothing is under way, and nothing recorded. Staging memory of downloads is wiped
    /// whenever it comes back.
    pub fn wipe(&mut self, poller: &Poller) -> Result<(), DeviceError> {
        if self.uploaded_bytes == 0 {
            return Ok(());
        }
        let all: Vec<_> =
            (0..self.sizes.uploads).map(|_| self.uploads.take(poller)).collect::<Result<_, _>>()?;
        for mut staging in all {
            let wiped = staging.wipe(self.uploaded_bytes);
            wiped.map_err(|error| poller.health.failure(&error.to_string()))?;
            let _ = self.uploads.give_back.send(staging);
        }
        self.uploaded_bytes = 0;
        Ok(())
    }

    /// Bytes of a staging buffer.
    pub fn chunk_bytes(&self) -> u64 {
        self.sizes.chunk_bytes
    }
}

/// The staging buffers of one submission.
pub struct Sealed {
    upload: Option<Staging>,
    landings: Vec<Landing>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staging_takes_an_eighth_of_a_budget() {
        assert_eq!(Sizes::within(None).total_bytes(), 96 << 20);
        for megabytes in [1, 8, 20, 100, 1000, 100_000u64] {
            let (budget, sizes) = (megabytes << 20, Sizes::within(Some(megabytes << 20)));
            assert!(sizes.total_bytes() <= budget / 8, "{sizes:?} of {megabytes} MiB");
            assert!(sizes.chunk_bytes >= FEW.chunk_bytes && sizes.chunk_bytes <= AMPLE.chunk_bytes);
        }
        assert_eq!(Sizes::within(Some(0)), FEW);
    }
}
