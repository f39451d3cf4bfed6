//! The thread that waits for the GPU.
//!
//! It takes submissions in order, waits for each, and finishes what hangs on it: bytes of a download are copied
//! out, staging buffers go back to their pools. It never waits for another thread of ours, so that whoever waits
//! for it makes progress.

use super::busy::{Busy, Submission};
use super::health::Health;
use super::transfer::{DownloadChunk, MapResult};
use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{JoinHandle, sleep, yield_now};
use std::time::{Duration, Instant};

/// Submissions that wait to complete at most; beyond, the caller waits. It bounds what the driver holds.
const MOST_IN_FLIGHT: usize = 64;

/// How long a mapping may take once the GPU is done: it only needs another thread to return from wgpu.
const MAPPING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a submission is looked at again and again, giving way to other threads only: as long as kernels on few elements
/// take.
const AT_ONCE: Duration = Duration::from_micros(200);

/// After that, pauses between two looks: this part of what was waited so far, within these bounds.
const PAUSE_PART: u32 = 16;
const PAUSES: [Duration; 2] = [Duration::from_micros(20), Duration::from_millis(1)];

/// Something that waits for a submission.
pub enum Job {
    /// Only that callbacks run as soon as it completes.
    Complete(Submission),
    /// A staging buffer for uploads comes back.
    Upload {
        /// The submission that reads it.
        after: Submission,
        /// The buffer.
        staging: wgpu::Buffer,
        /// Where wgpu says that it is mapped again.
        mapped: Receiver<MapResult>,
        /// Where it goes.
        pool: Sender<wgpu::Buffer>,
    },
    /// Bytes of a download are there.
    Download {
        /// The submission that writes them.
        after: Submission,
        /// The bytes and where they go.
        chunk: DownloadChunk,
        /// Where wgpu says that they are mapped.
        mapped: Receiver<MapResult>,
    },
}

/// A handle to the thread; dropping it lets the thread finish its jobs, and waits.
pub struct Watcher {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the operating system has no thread to give.
    pub fn start(device: wgpu::Device, health: Health, busy: Busy) -> std::io::Result<Watcher> {
        let (jobs, queue) = crossbeam_channel::bounded(MOST_IN_FLIGHT);
        let body = move || {
            for job in queue {
                // wgpu may panic once the device is lost. The thread goes on, so that every job comes to its end.
                if catch_unwind(AssertUnwindSafe(|| finish(&device, &health, &busy, job))).is_err() {
                    health.fail("the thread that waits for it panicked");
                }
            }
        };
        let thread = std::thread::Builder::new().name("gpu-watch".into()).spawn(body)?;
        Ok(Watcher { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Adds a job; waits while there are too many.
    pub fn send(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("taken only when dropped");
        jobs.send(job).expect("the thread lives as long as this handle");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

/// Waits until a submission is complete, or records why it will not be.
///
/// It looks again and again rather than have the driver wait, which may wake who waits late: with NVIDIA's 580 half of
/// these threads' waits took 10 ms, a hundred times what a kernel takes.
pub fn wait(device: &wgpu::Device, health: &Health, busy: &Busy, submission: Submission) -> bool {
    let begin = Instant::now();
    loop {
        if health.check().is_err() {
            return false;
        }
        // wgpu 30 panics in a poll when the driver loses the device.
        match catch_unwind(AssertUnwindSafe(|| device.poll(wgpu::PollType::Poll))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => health.fail(error.to_string()),
            Err(_) => health.fail("the driver lost the device"),
        }
        if busy.is_complete(submission) {
            return true;
        }
        match begin.elapsed() {
            waited if waited < AT_ONCE => yield_now(),
            waited => sleep((waited / PAUSE_PART).clamp(PAUSES[0], PAUSES[1])),
        }
    }
}

fn finish(device: &wgpu::Device, health: &Health, busy: &Busy, job: Job) {
    let is_mapped = |after, mapped: Receiver<MapResult>| {
        if !wait(device, health, busy, after) {
            return false;
        }
        let result = mapped.recv_timeout(MAPPING_TIMEOUT);
        if !matches!(result, Ok(Ok(()))) {
            health.fail("a staging buffer cannot be mapped");
        }
        matches!(result, Ok(Ok(())))
    };
    match job {
        Job::Complete(submission) => {
            wait(device, health, busy, submission);
        }
        Job::Upload { after, staging, mapped, pool } => {
            is_mapped(after, mapped);
            // Even unmapped: whoever waits for it then finds the failure.
            let _ = pool.send(staging);
        }
        Job::Download { after, chunk, mapped } => {
            let is_there = is_mapped(after, mapped);
            chunk.arrive(is_there, health);
        }
    }
}
