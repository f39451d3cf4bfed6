//! The ledger: every byte that a device holds, by what it is for.
//!
//! An allocation is a [`Booking`] that closes when it is dropped. Live and peak bytes are kept per class and in all;
//! the budget is a hard limit on the live sum. Memory that a pool keeps for later is not live: it is given back
//! before an allocation would otherwise fail.

use super::DeviceError;
use crate::step::MemoryClass;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A device's account of its memory. Clones are the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    account: Arc<Mutex<Account>>,
    budget_bytes: Option<u64>,
}

#[derive(Debug, Default)]
struct Account {
    live: BTreeMap<MemoryClass, u64>,
    peak: BTreeMap<MemoryClass, u64>,
    peak_total: u64,
    bookings: u64,
}

/// Live or peak bytes, per class and in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct MemoryUse {
    /// Bytes of all classes together. A peak's total is that of one moment, and can be less than the sum of the
    /// classes' own peaks.
    pub total_bytes: u64,
    /// Bytes per class.
    pub by_class: BTreeMap<MemoryClass, u64>,
}

impl Ledger {
    /// An empty ledger; allocations beyond `budget_bytes` in all are refused.
    pub fn new(budget_bytes: Option<u64>) -> Ledger {
        Ledger { account: Arc::default(), budget_bytes }
    }

    /// Books an allocation.
    ///
    /// # Errors
    /// Where it would exceed the budget.
    pub fn book(&self, size_bytes: u64, class: MemoryClass) -> Result<Booking, DeviceError> {
        let mut account = self.account.lock().expect("no panic while booking");
        let live_bytes: u64 = account.live.values().sum();
        if let Some(budget_bytes) = self.budget_bytes
            && live_bytes.saturating_add(size_bytes) > budget_bytes
        {
            return Err(DeviceError::OverBudget { size_bytes, class, live_bytes, budget_bytes });
        }
        let live = account.live.entry(class).or_default();
        *live += size_bytes;
        let live = *live;
        let peak = account.peak.entry(class).or_default();
        *peak = live.max(*peak);
        account.peak_total = account.peak_total.max(live_bytes + size_bytes);
        account.bookings += 1;
        Ok(Booking { ledger: self.clone(), size_bytes, class })
    }

    /// What is allocated now.
    pub fn live(&self) -> MemoryUse {
        let account = self.account.lock().expect("no panic while booking");
        MemoryUse { total_bytes: account.live.values().sum(), by_class: account.live.clone() }
    }

    /// What was allocated at most since the device was opened or [`Ledger::restart_peak`] was called.
    pub fn peak(&self) -> MemoryUse {
        let account = self.account.lock().expect("no panic while booking");
        MemoryUse { total_bytes: account.peak_total, by_class: account.peak.clone() }
    }

    /// Lets the peak begin anew from what is live.
    pub fn restart_peak(&self) {
        let mut account = self.account.lock().expect("no panic while booking");
        account.live.retain(|_, bytes| *bytes > 0);
        account.peak = account.live.clone();
        account.peak_total = account.live.values().sum();
    }

    /// How many allocations were booked so far.
    pub fn bookings(&self) -> u64 {
        self.account.lock().expect("no panic while booking").bookings
    }
}

/// An open entry of a ledger; dropping it closes the entry.
#[derive(Debug)]
pub struct Booking {
    ledger: Ledger,
    size_bytes: u64,
    class: MemoryClass,
}

impl Booking {
    /// Bytes booked.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What for.
    pub fn class(&self) -> MemoryClass {
        self.class
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        let mut account = self.ledger.account.lock().expect("no panic while booking");
        if let Some(live) = account.live.get_mut(&self.class) {
            *live -= self.size_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_outlive_what_is_freed() {
        let ledger = Ledger::new(None);
        let shares = ledger.book(100, MemoryClass::Shares).unwrap();
        drop(shares);
        let _scratch = ledger.book(30, MemoryClass::Scratch).unwrap();
        assert_eq!(ledger.live().total_bytes, 30);
        assert_eq!(ledger.peak().total_bytes, 100);
        assert_eq!(ledger.peak().by_class[&MemoryClass::Scratch], 30);
        ledger.restart_peak();
        assert_eq!(ledger.peak().total_bytes, 30);
    }

    #[test]
    fn the_budget_is_a_hard_limit() {
        let ledger = Ledger::new(Some(100));
        let first = ledger.book(80, MemoryClass::Shares).unwrap();
        let error = ledger.book(21, MemoryClass::Openings).unwrap_err();
        assert_eq!(
            error.to_string(),
            "21 bytes for openings exceed the budget of 100 bytes, of which 80 are in use"
        );
        drop(first);
        assert!(ledger.book(100, MemoryClass::Openings).is_ok());
    }
}
