//! Noticing that the GPU is done: wgpu says so to whichever thread polls it, and there and then what waited for it goes on:
//! bytes of a download are handed out, staging buffers go back to their pools.
//!
//! A thread that feeds the device polls between its calls ([`Poller`]). The *watcher* is a thread that polls where nobody
//! else may: it is woken by a flush, and never waits for another thread of ours, so that whoever waits for it makes
//! progress.

use super::busy::{Busy, Submission};
use super::health::Health;
use super::transfer::UnderWay;
use crate::device::{DeviceError, pace};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{JoinHandle, sleep, yield_now};
use std::time::Instant;

/// A means to look at the device. It looks again and again rather than have the driver wait, which may wake who waits
/// late: with NVIDIA's 580 half of such waits took 10 ms, a hundred times what a kernel takes.
#[derive(Clone)]
pub struct Poller {
    /// The device.
    pub device: wgpu::Device,
    /// Whether it still works.
    pub health: Health,
    /// Its submissions.
    pub busy: Busy,
    /// Its transfers.
    pub under_way: Arc<UnderWay>,
}

impl Poller {
    /// Looks once. True while anything is under way; once the device has failed, nothing is.
    pub fn look(&self) -> bool {
        if self.health.check().is_ok() {
            // wgpu 30 panics in a poll when the driver loses the device.
            match catch_unwind(AssertUnwindSafe(|| self.device.poll(wgpu::PollType::Poll))) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.health.fail(error.to_string()),
                Err(_) => self.health.fail("the driver lost the device"),
            }
        }
        if self.health.check().is_err() {
            self.under_way.fail(&self.health);
            return false;
        }
        self.is_at_work()
    }

    /// True while submissions or mappings are under way.
    pub fn is_at_work(&self) -> bool {
        self.busy.in_flight() > 0 || self.under_way.maps() > 0
    }

    /// Looks until `is_done`, or until the device has failed.
    ///
    /// # Errors
    /// Where it has.
    pub fn look_until(&self, mut is_done: impl FnMut() -> bool) -> Result<(), DeviceError> {
        let begin = Instant::now();
        loop {
            self.look();
            self.health.check()?;
            if is_done() {
                return Ok(());
            }
            match pace::pause_after(begin.elapsed()) {
                None => yield_now(),
                Some(pause) => sleep(pause),
            }
        }
    }

    /// Waits for a submission.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn wait(&self, submission: Submission) -> Result<(), DeviceError> {
        self.look_until(|| self.busy.is_complete(submission))
    }
}

/// A handle to the thread; dropping it waits for it.
pub struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    orders: Mutex<Orders>,
    woken: Condvar,
}

#[derive(Default)]
struct Orders {
    /// There may be something to look for.
    looks: bool,
    ends: bool,
}

impl Shared {
    /// Nothing that can panic happens under the lock.
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().expect("no panic while ordering")
    }
}

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the operating system has no thread to give.
    pub fn start(poller: Poller) -> std::io::Result<Watcher> {
        let shared = Arc::<Shared>::default();
        let orders = shared.clone();
        let body = move || {
            pace::sleep_exactly();
            while next(&orders) {
                // A failure ends the wait too, and whoever waits for bytes has been told.
                let _ = poller.look_until(|| !poller.is_at_work());
            }
        };
        let thread = std::thread::Builder::new().name("gpu-watch".into()).spawn(body)?;
        Ok(Watcher { shared, thread: Some(thread) })
    }

    /// Has it look until nothing is under way.
    pub fn wake(&self) {
        self.shared.orders().looks = true;
        self.shared.woken.notify_one();
    }
}

/// Waits for an order to look; false at the end.
fn next(shared: &Shared) -> bool {
    let orders = shared.orders();
    let waited = shared.woken.wait_while(orders, |orders| !orders.looks && !orders.ends);
    let mut orders = waited.expect("no panic while ordering");
    std::mem::take(&mut orders.looks)
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.orders().ends = true;
        self.shared.woken.notify_one();
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}
