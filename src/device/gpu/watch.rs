//! The thread that waits for the GPU.
//!
//! It takes submissions in order, waits for each, and finishes what hangs on it: bytes of a download are copied
//! out, staging buffers go back to their pools. It never waits for another thread of ours, so that whoever waits
//! for it makes progress.

use super::health::Health;
use super::transfer::{DownloadChunk, MapResult};
use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::Duration;

/// Submissions that wait to complete at most; beyond, the caller waits. It bounds what the driver holds.
const MOST_IN_FLIGHT: usize = 64;

/// How long a mapping may take once the GPU is done: it only needs another thread to return from wgpu.
const MAPPING_TIMEOUT: Duration = Duration::from_secs(10);

/// Something that waits for a submission.
pub enum Job {
    /// Only that callbacks run as soon as it completes.
    Complete(wgpu::SubmissionIndex),
    /// A staging buffer for uploads comes back.
    Upload {
        /// The submission that reads it.
        after: wgpu::SubmissionIndex,
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
        after: wgpu::SubmissionIndex,
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
    pub fn start(device: wgpu::Device, health: Health) -> std::io::Result<Watcher> {
        let (jobs, queue) = crossbeam_channel::bounded(MOST_IN_FLIGHT);
        let body = move || {
            for job in queue {
                // wgpu may panic once the device is lost. The thread goes on, so that every job comes to its end.
                if catch_unwind(AssertUnwindSafe(|| finish(&device, &health, job))).is_err() {
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
pub fn wait(device: &wgpu::Device, health: &Health, index: wgpu::SubmissionIndex) -> bool {
    if health.check().is_err() {
        return false;
    }
    let poll = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
    // wgpu 30 panics in a poll when the driver loses the device.
    match catch_unwind(AssertUnwindSafe(|| device.poll(poll))) {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            health.fail(error.to_string());
            false
        }
        Err(_) => {
            health.fail("the driver lost the device");
            false
        }
    }
}

fn finish(device: &wgpu::Device, health: &Health, job: Job) {
    let is_mapped = |after, mapped: Receiver<MapResult>| {
        if !wait(device, health, after) {
            return false;
        }
        let result = mapped.recv_timeout(MAPPING_TIMEOUT);
        if !matches!(result, Ok(Ok(()))) {
            health.fail("a staging buffer cannot be mapped");
        }
        matches!(result, Ok(Ok(())))
    };
    match job {
        Job::Complete(index) => {
            wait(device, health, index);
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
