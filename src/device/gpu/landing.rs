//! Where bytes of the device arrive on the host: staging memory, lent as it is to whoever asked for them, and wiped when it
//! comes back.
//!
//! **Invariant.** At most half of the staging buffers are lent at a time: what arrives beyond that is copied, so that a
//! holder who keeps bytes for long, such as a link whose peer has not acknowledged them, holds up no other transfer. Few
//! bytes are copied too, rather than hold a staging buffer.

use super::health::Health;
use crate::device::counters::{Count, Counting};
use crate::device::{Arrived, Pieces};
use crate::memory::wipe::Wiped;
use bytes::Bytes;
use crossbeam_channel::Sender;
use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Fewer bytes than these are copied rather than lent: that takes some microseconds.
const LEAST_LENT_BYTES: u64 = 64 << 10;

/// How many staging buffers are lent, and how many may be.
type Lent = (Arc<AtomicUsize>, usize);

/// A staging buffer in which bytes of a submission arrive.
pub struct Landing {
    staging: wgpu::Buffer,
    home: Sender<wgpu::Buffer>,
    lent: Lent,
    taken: u64,
    parts: Vec<Part>,
}

/// A part of a download in a staging buffer.
struct Part {
    range: Range<u64>,
    incoming: Arc<Incoming>,
    number: usize,
}

/// A download on its way.
pub struct Incoming {
    number: u64,
    assembly: Mutex<Option<Assembly>>,
}

struct Assembly {
    parts: Vec<Option<Bytes>>,
    any_lent: bool,
    missing: usize,
    arrived: Arrived,
}

/// Everything that is to come to the host or to be mapped.
#[derive(Default)]
pub struct UnderWay {
    maps: AtomicUsize,
    incoming: Mutex<Downloads>,
}

#[derive(Default)]
struct Downloads {
    begun: u64,
    open: HashMap<u64, Arc<Incoming>>,
}

impl UnderWay {
    /// Mappings that have not ended.
    pub fn maps(&self) -> usize {
        self.maps.load(Ordering::Acquire)
    }

    /// One more begins.
    pub fn map_begins(&self) {
        self.maps.fetch_add(1, Ordering::AcqRel);
    }

    /// One has ended.
    pub fn map_ends(&self) {
        self.maps.fetch_sub(1, Ordering::AcqRel);
    }

    /// A download in so many parts begins.
    pub fn expect(&self, parts: usize, arrived: Arrived) -> Arc<Incoming> {
        let assembly = Assembly { parts: vec![None; parts], any_lent: false, missing: parts, arrived };
        let mut downloads = self.incoming.lock().expect("no panic while noting");
        downloads.begun += 1;
        let number = downloads.begun;
        let incoming = Arc::new(Incoming { number, assembly: Mutex::new(Some(assembly)) });
        downloads.open.insert(number, incoming.clone());
        incoming
    }

    /// Ends every download with the failure of the device.
    pub fn fail(&self, health: &Health) {
        let open = std::mem::take(&mut self.incoming.lock().expect("no panic while noting").open);
        open.into_values().for_each(|incoming| incoming.fail(health));
    }

    fn over(&self, incoming: &Incoming) {
        self.incoming.lock().expect("no panic while noting").open.remove(&incoming.number);
    }
}

impl Incoming {
    /// A part is there; with the last, whoever asked is told.
    fn arrive(&self, number: usize, (bytes, is_lent): (Bytes, bool), under_way: &UnderWay) {
        let mut place = self.assembly.lock().expect("no panic while assembling");
        // A download that has failed takes no more.
        let Some(assembly) = place.as_mut() else { return };
        assembly.parts[number] = Some(bytes);
        assembly.any_lent |= is_lent;
        assembly.missing -= 1;
        if assembly.missing > 0 {
            return;
        }
        let Assembly { parts, arrived, any_lent, .. } = place.take().expect("it is there");
        drop(place);
        under_way.over(self);
        let mut pieces = Pieces::default();
        parts.into_iter().flatten().for_each(|part| pieces.push(part));
        arrived(Ok(if any_lent { pieces.lent() } else { pieces }));
    }

    fn fail(&self, health: &Health) {
        let assembly = self.assembly.lock().expect("no panic while assembling").take();
        if let Some(Assembly { arrived, .. }) = assembly {
            arrived(Err(health.failure("a download did not arrive")));
        }
    }
}

impl Landing {
    /// An empty one, which goes `home` when nobody holds a part of it.
    pub fn new(staging: wgpu::Buffer, home: Sender<wgpu::Buffer>, lent: Lent) -> Landing {
        Landing { staging, home, lent, taken: 0, parts: Vec::new() }
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes room for a part of a download; returns where it is to be copied.
    pub fn add(&mut self, incoming: &Arc<Incoming>, number: usize, len: u64) -> (wgpu::Buffer, u64) {
        let offset = self.taken;
        self.parts.push(Part { range: offset..offset + len, incoming: incoming.clone(), number });
        // Mapped ranges begin at multiples of 8.
        self.taken = (offset + len).next_multiple_of(wgpu::MAP_ALIGNMENT);
        (self.staging.clone(), offset)
    }

    /// Has it mapped once the submission that writes it is done, and its parts handed out.
    pub fn map(self, under_way: &Arc<UnderWay>, counting: &Arc<Counting>, health: &Health) {
        under_way.map_begins();
        let (under_way, counting, health) = (under_way.clone(), counting.clone(), health.clone());
        let staging = self.staging.clone();
        staging.map_async(wgpu::MapMode::Read, ..self.taken, move |result| {
            match result {
                Ok(()) => self.hand_out(&under_way, &counting, &health),
                Err(error) => self.fail(&health, &error.to_string()),
            }
            under_way.map_ends();
        });
    }

    fn hand_out(self, under_way: &UnderWay, counting: &Counting, health: &Health) {
        let Landing { staging, home, lent: (lent, most_lent), taken, parts } = self;
        let is_long = |part: &Part| part.range.end - part.range.start >= LEAST_LENT_BYTES;
        let any_long = parts.iter().any(is_long);
        let raise = |lent: usize| (lent < most_lent).then_some(lent + 1);
        let may_lend = any_long && lent.fetch_update(Ordering::AcqRel, Ordering::Acquire, raise).is_ok();
        let landed = Arc::new(Landed { staging, home, taken, lent: may_lend.then_some(lent) });
        for part in parts {
            let len = part.range.end - part.range.start;
            counting.add(Count::DownloadedBytes, len);
            let view = match landed.staging.get_mapped_range(part.range.clone()) {
                Ok(view) => view,
                Err(error) => {
                    health.fail(error.to_string());
                    part.incoming.fail(health);
                    continue;
                }
            };
            let is_lent = is_long(&part) && may_lend;
            let bytes = if is_lent {
                Bytes::from_owner(Loan { view, _landed: landed.clone() })
            } else {
                counting.add(Count::CopiedBytes, if is_long(&part) { len } else { 0 });
                let mut copy = Wiped::with_capacity(len as usize);
                copy.extend(&view);
                drop(view);
                copy.into()
            };
            part.incoming.arrive(part.number, (bytes, is_lent), under_way);
        }
    }

    fn fail(self, health: &Health, reason: &str) {
        health.fail(reason);
        self.parts.iter().for_each(|part| part.incoming.fail(health));
        let _ = self.home.send(self.staging);
    }
}

/// A mapped staging buffer.
struct Landed {
    staging: wgpu::Buffer,
    home: Sender<wgpu::Buffer>,
    taken: u64,
    /// Counts it as lent.
    lent: Option<Arc<AtomicUsize>>,
}

/// Bytes of one that somebody holds.
struct Loan {
    // Gone before the last hold on the staging buffer is.
    view: wgpu::BufferView,
    _landed: Arc<Landed>,
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.view
    }
}

impl Drop for Landed {
    /// Wipes it and gives it back. This may run on any thread, and on a device that has failed, where wgpu may panic.
    fn drop(&mut self) {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if let Ok(mut view) = self.staging.get_mapped_range_mut(..self.taken) {
                view.slice(..).fill(0);
            }
            self.staging.unmap();
        }));
        let _ = self.home.send(self.staging.clone());
        if let Some(lent) = &self.lent {
            lent.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
