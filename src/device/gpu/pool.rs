//! Device memory that is kept for later.
//!
//! A buffer that is dropped goes here, and an allocation of about its size takes it up again, which spares the
//! driver's allocator in programs that run many times. **Invariant**: what lives and what idles together never
//! exceed the most that lived at once, so that pooling does not raise the peak that a plan promised. The device wipes
//! what idles when it is told to, and before it frees anything.

use super::residue::panels::{Content, ContentCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Sizes are multiples of this, so that nearly equal ones are equal.
const GRANULE_BYTES: u64 = 256;

/// A buffer may stand in for one that is smaller by up to a sixteenth.
const SLACK_DIVISOR: u64 = 16;

/// Idle buffers by size, and the account of those in use.
#[derive(Default)]
pub struct Pool(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    idle: BTreeMap<u64, Vec<Idle>>,
    idle_bytes: u64,
    live_bytes: u64,
    most_live_bytes: u64,
}

struct Idle {
    buffer: wgpu::Buffer,
    /// Whether it holds zeros only.
    is_wiped: bool,
}

/// A buffer in use, which returns to its pool when it is dropped.
pub struct Pooled {
    buffer: wgpu::Buffer,
    pool: Arc<Pool>,
    content: ContentCell,
}

impl Pooled {
    /// The buffer. It may be longer than what was asked for.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// What it holds, once all that is enqueued is done.
    pub fn content(&self) -> Content {
        self.content.content()
    }

    /// Takes note of a write that is enqueued.
    pub fn written(&self) {
        self.content.written();
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.pool.give_back(self.buffer.clone());
    }
}

impl Pool {
    /// Bytes that a buffer for `size_bytes` takes: never none, since nothing can be bound to an empty buffer.
    pub fn granted_bytes(size_bytes: u64) -> u64 {
        size_bytes.max(1).next_multiple_of(GRANULE_BYTES)
    }

    /// Takes up an idle buffer of about `size_bytes`.
    pub fn take(self: &Arc<Pool>, size_bytes: u64) -> Option<Pooled> {
        let mut shelves = self.lock();
        let granted = Pool::granted_bytes(size_bytes);
        // Nor may the slack raise the peak.
        let peak = shelves.most_live_bytes.max(shelves.live_bytes + granted);
        let most = (granted + granted / SLACK_DIVISOR).min(peak - shelves.live_bytes);
        let (&size, _) = shelves.idle.range(granted..=most).next()?;
        let buffer = shelves.unshelve(size);
        drop(shelves);
        Some(self.lend(buffer))
    }

    /// Makes room for a new buffer of `size_bytes` within the most that lived at once; returns what is freed for it.
    pub fn make_room(&self, size_bytes: u64) -> Vec<wgpu::Buffer> {
        let mut freed = Vec::new();
        let mut shelves = self.lock();
        let live_bytes = shelves.live_bytes + Pool::granted_bytes(size_bytes);
        let most = shelves.most_live_bytes.max(live_bytes);
        while live_bytes + shelves.idle_bytes > most {
            let excess = live_bytes + shelves.idle_bytes - most;
            // The smallest that suffices, else the largest.
            let fitting = shelves.idle.range(excess..).next().or_else(|| shelves.idle.iter().next_back());
            let Some((&size, _)) = fitting else { break };
            freed.push(shelves.unshelve(size));
        }
        freed
    }

    /// Counts a buffer that was made anew.
    pub fn lend(self: &Arc<Pool>, buffer: wgpu::Buffer) -> Pooled {
        let mut shelves = self.lock();
        shelves.live_bytes += buffer.size();
        shelves.most_live_bytes = shelves.most_live_bytes.max(shelves.live_bytes);
        drop(shelves);
        Pooled { buffer, pool: self.clone(), content: ContentCell::new() }
    }

    /// Lets `wipe` overwrite every idle buffer that was in use since it did.
    pub fn wipe(&self, mut wipe: impl FnMut(&wgpu::Buffer)) {
        for idle in self.lock().idle.values_mut().flatten().filter(|idle| !idle.is_wiped) {
            wipe(&idle.buffer);
            idle.is_wiped = true;
        }
    }

    /// Whether there is anything to wipe.
    pub fn is_soiled(&self) -> bool {
        self.lock().idle.values().flatten().any(|idle| !idle.is_wiped)
    }

    /// Frees everything idle, and returns it.
    pub fn trim(&self) -> Vec<wgpu::Buffer> {
        let mut shelves = self.lock();
        shelves.idle_bytes = 0;
        std::mem::take(&mut shelves.idle).into_values().flatten().map(|idle| idle.buffer).collect()
    }

    /// Bytes of idle buffers.
    pub fn idle_bytes(&self) -> u64 {
        self.lock().idle_bytes
    }

    fn give_back(&self, buffer: wgpu::Buffer) {
        let mut shelves = self.lock();
        let size = buffer.size();
        shelves.live_bytes -= size;
        shelves.idle_bytes += size;
        shelves.idle.entry(size).or_default().push(Idle { buffer, is_wiped: false });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelves> {
        self.0.lock().expect("no panic while shelving")
    }
}

impl Shelves {
    /// Takes one buffer of exactly `size` off its shelf, which there is.
    fn unshelve(&mut self, size: u64) -> wgpu::Buffer {
        let shelf = self.idle.get_mut(&size).expect("a shelf of this size");
        let Idle { buffer, .. } = shelf.pop().expect("shelves are not empty");
        if shelf.is_empty() {
            self.idle.remove(&size);
        }
        self.idle_bytes -= size;
        buffer
    }
}
