//! Counters of what a device's lane has its driver do: they depend on the plan, and on no clock.
//!
//! [`Count`] is the one table of them: the name in reports, and what an exchange may take. An *exchange* is what a party
//! does between two messages that it sends: it takes in what has come, computes, and brings to the host what it sends
//! next, together with all that travels with it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// Submissions to the queue.
    Submits,
    /// Ranges of staging memory mapped, for bytes that come to the host and, where it does not stay mapped, for bytes that go
    /// to the device.
    Maps,
    /// Compute passes.
    Passes,
    /// Command buffers of the driver: two for each pass, one for each run of copies, and wgpu's own first one.
    CommandBuffers,
    /// Commands that fill memory with zeros.
    Fills,
    /// Buffers made.
    Buffers,
    /// Bind groups made, a descriptor set each.
    BindGroups,
    /// Barriers, as wgpu's rules for the use of buffers give them.
    Barriers,
    /// The depth of what was recorded: kernels and copies of which each waits for the one before it.
    Depth,
    /// Kernels' dispatches.
    Dispatches,
    /// Bytes that came to the host.
    DownloadedBytes,
    /// Of those, bytes that the host copied although they were not few.
    CopiedBytes,
}

/// What a counter may come to for each exchange of an online phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowance {
    /// As many.
    Each(f64),
    /// As many as the depth of what was recorded, and a tenth: a kernel that adds to what another wrote waits behind a barrier
    /// of its own.
    Depth,
    /// Any number: it is told for comparison.
    Any,
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowance::Each(each) => write!(f, "{each}"),
            Allowance::Depth => f.write_str("the depth and a tenth"),
            Allowance::Any => f.write_str("any"),
        }
    }
}

impl Count {
    /// All counters, in the order of reports.
    pub const ALL: [Count; 12] = [
        Count::Submits,
        Count::Maps,
        Count::Passes,
        Count::CommandBuffers,
        Count::Fills,
        Count::Buffers,
        Count::BindGroups,
        Count::Barriers,
        Count::Depth,
        Count::Dispatches,
        Count::DownloadedBytes,
        Count::CopiedBytes,
    ];

    /// Its name in reports, and its allowance.
    pub const fn row(self) -> (&'static str, Allowance) {
        match self {
            Count::Submits => ("submits", Allowance::Each(1.0)),
            Count::Maps => ("staging ranges mapped", Allowance::Each(1.0)),
            Count::Passes => ("compute passes", Allowance::Each(1.0)),
            Count::CommandBuffers => ("command buffers", Allowance::Each(5.0)),
            Count::Fills => ("fills", Allowance::Each(0.0)),
            Count::Buffers => ("buffers made", Allowance::Each(0.0)),
            Count::BindGroups => ("bind groups made", Allowance::Each(0.0)),
            Count::Barriers => ("barriers", Allowance::Depth),
            Count::Depth => ("depth", Allowance::Any),
            Count::Dispatches => ("dispatches", Allowance::Any),
            Count::DownloadedBytes => ("bytes downloaded", Allowance::Any),
            Count::CopiedBytes => ("bytes copied on the host", Allowance::Each(0.0)),
        }
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        self.row().0
    }
}

/// The values of all counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Count::ALL.len()]);

impl Counters {
    /// The value of one.
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Counters) -> Counters {
        Counters(std::array::from_fn(|at| self.0[at].saturating_sub(earlier.0[at])))
    }

    /// The sums with others.
    pub fn plus(&self, other: &Counters) -> Counters {
        Counters(std::array::from_fn(|at| self.0[at] + other.0[at]))
    }

    /// The counters that exceed what so many exchanges may take, with the most that they may come to.
    pub fn excesses(&self, exchanges: u64) -> Vec<(Count, u64, u64)> {
        let most = |count: Count| match count.row().1 {
            Allowance::Each(each) => Some((each * exchanges as f64) as u64),
            Allowance::Depth => Some(self.get(Count::Depth) + self.get(Count::Depth) / 10),
            Allowance::Any => None,
        };
        let exceeds = |count| most(count).map(|most| (count, self.get(count), most));
        Count::ALL.into_iter().filter_map(exceeds).filter(|(_, value, most)| value > most).collect()
    }
}

/// Counters that several threads add to.
#[derive(Debug, Default)]
pub struct Counting([AtomicU64; Count::ALL.len()]);

impl Counting {
    /// Adds to one.
    pub fn add(&self, count: Count, more: u64) {
        self.0[count as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// The values so far.
    pub fn read(&self) -> Counters {
        Counters(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_counter_at_its_place() {
        for (place, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, place, "{}", count.name());
        }
    }

    #[test]
    fn what_exceeds_the_table_is_named() {
        let counting = Counting::default();
        counting.add(Count::Submits, 10);
        counting.add(Count::Depth, 30);
        counting.add(Count::Barriers, 33);
        let before = counting.read();
        assert_eq!(before.excesses(10), []);
        counting.add(Count::Barriers, 1);
        counting.add(Count::Fills, 2);
        let counted = counting.read();
        assert_eq!(
            counted.excesses(9),
            [(Count::Submits, 10, 9), (Count::Fills, 2, 0), (Count::Barriers, 34, 33)]
        );
        assert_eq!(counted.since(&before).get(Count::Fills), 2);
        assert_eq!(before.plus(&before).get(Count::Submits), 20);
    }
}
