//! The ledger: every byte that a device holds, by its class.
//!
//! An allocation is first reserved, which the budget may refuse, and booked once the device has made it, so that a
//! refused allocation never counts as a peak. A [`Booking`] closes when it is dropped. Live and peak bytes are kept per
//! class and in all; the budget is a hard limit on the live sum, reservations included. Memory that a pool keeps for
//! later is not live: the pool gives it back before an allocation would otherwise fail.
//!
//! Each of the sessions that share a device has a ledger of its own, whose every entry is one of the device's too, under the
//! device's budget.

use super::DeviceError;
use crate::step::MemoryClass;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// A device's account of its memory. Clones are the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    account: Arc<Mutex<Account>>,
    budget_bytes: Option<u64>,
    /// The whole device's, where this is a session's.
    whole: Option<Box<Ledger>>,
}

#[derive(Debug, Default)]
struct Account {
    live: BTreeMap<MemoryClass, u64>,
    // The sum never wraps, and so no sum of live bytes does: together they are below the budget.
    reserved: u64,
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
        Ledger { account: Arc::default(), budget_bytes, whole: None }
    }

    /// The ledger of one more session on the device, in which `booked` is there already, as it is in the device's.
    pub(super) fn of_session(&self, booked: Option<&Booking>) -> Ledger {
        let whole = self.whole.as_deref().unwrap_or(self).clone();
        let live: BTreeMap<_, _> =
            booked.map(|booking| (booking.class, booking.size_bytes)).into_iter().collect();
        let account = Account { live, ..Account::default() };
        let ledger = Ledger {
            account: Arc::new(Mutex::new(account)),
            budget_bytes: None,
            whole: Some(Box::new(whole)),
        };
        ledger.restart_peak();
        ledger
    }

    /// The budget of the whole device, and what is allocated of it.
    pub(super) fn budget(&self) -> Option<(u64, u64)> {
        let whole = self.whole.as_deref().unwrap_or(self);
        whole.budget_bytes.map(|budget| (budget, whole.live().total_bytes))
    }

    /// Sets room aside for an allocation that is about to be made.
    ///
    /// # Errors
    /// Where it would exceed the budget, which is 2^64 − 1 bytes where none was given.
    pub fn reserve(&self, size_bytes: u64, class: MemoryClass) -> Result<Reservation, DeviceError> {
        let whole = self.whole.as_deref().map(|whole| whole.reserve(size_bytes, class)).transpose()?;
        let whole = whole.map(|Reservation(booking)| Box::new(booking));
        let mut account = self.account();
        let live_bytes = account.live_total() + account.reserved;
        let budget_bytes = self.budget_bytes.unwrap_or(u64::MAX);
        if live_bytes.checked_add(size_bytes).is_none_or(|sum| sum > budget_bytes) {
            return Err(DeviceError::OverBudget { size_bytes, class, live_bytes, budget_bytes });
        }
        account.reserved += size_bytes;
        Ok(Reservation(Booking { ledger: self.clone(), size_bytes, class, is_live: false, whole }))
    }

    /// Books an allocation that cannot fail any more.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub fn book(&self, size_bytes: u64, class: MemoryClass) -> Result<Booking, DeviceError> {
        self.reserve(size_bytes, class).map(Reservation::commit)
    }

    /// The bytes allocated now.
    pub fn live(&self) -> MemoryUse {
        let account = self.account();
        MemoryUse { total_bytes: account.live_total(), by_class: account.live.clone() }
    }

    /// The most bytes allocated at a time since the device was opened or [`Ledger::restart_peak`] was called.
    pub fn peak(&self) -> MemoryUse {
        let account = self.account();
        MemoryUse { total_bytes: account.peak_total, by_class: account.peak.clone() }
    }

    /// Sets the peak to the live bytes.
    pub fn restart_peak(&self) {
        let mut account = self.account();
        account.live.retain(|_, bytes| *bytes > 0);
        account.peak = account.live.clone();
        account.peak_total = account.live_total();
    }

    /// The number of allocations booked so far.
    pub fn bookings(&self) -> u64 {
        self.account().bookings
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().expect("no panic while booking")
    }
}

impl Account {
    fn live_total(&self) -> u64 {
        self.live.values().sum()
    }
}

/// Room for an allocation that is being made; dropping it gives the room back.
#[derive(Debug)]
pub struct Reservation(Booking);

impl Reservation {
    /// Books the allocation, once it is made.
    pub fn commit(self) -> Booking {
        let Reservation(mut booking) = self;
        booking.whole = booking.whole.take().map(|whole| Box::new(Reservation(*whole).commit()));
        let mut account = booking.ledger.account();
        account.reserved -= booking.size_bytes;
        let live = account.live.entry(booking.class).or_default();
        *live += booking.size_bytes;
        let live = *live;
        let peak = account.peak.entry(booking.class).or_default();
        *peak = live.max(*peak);
        account.peak_total = account.peak_total.max(account.live_total());
        account.bookings += 1;
        drop(account);
        booking.is_live = true;
        booking
    }
}

/// An open entry of a ledger; dropping it closes the entry.
#[derive(Debug)]
pub struct Booking {
    ledger: Ledger,
    size_bytes: u64,
    class: MemoryClass,
    /// Or only reserved.
    is_live: bool,
    /// The same in the whole device's ledger, where this is a session's.
    whole: Option<Box<Booking>>,
}

impl Booking {
    /// Bytes booked.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Its class.
    pub fn class(&self) -> MemoryClass {
        self.class
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        let mut account = self.ledger.account();
        if !self.is_live {
            account.reserved -= self.size_bytes;
        } else if let Some(live) = account.live.get_mut(&self.class) {
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
    fn what_was_only_reserved_is_no_peak() {
        let ledger = Ledger::new(Some(100));
        let refused = ledger.reserve(90, MemoryClass::Shares).unwrap();
        assert!(ledger.reserve(11, MemoryClass::Shares).is_err(), "reserved room is taken");
        drop(refused);
        let made = ledger.reserve(60, MemoryClass::Shares).unwrap().commit();
        assert_eq!((ledger.peak().total_bytes, ledger.bookings()), (60, 1));
        assert_eq!(ledger.live().total_bytes, made.size_bytes());
    }

    #[test]
    fn sessions_have_accounts_of_their_own_under_one_budget() {
        let device = Ledger::new(Some(100));
        let staging = device.book(10, MemoryClass::Staging).unwrap();
        let (first, second) = (device.of_session(Some(&staging)), device.of_session(None));
        let shares = first.book(60, MemoryClass::Shares).unwrap();
        let _openings = second.book(20, MemoryClass::Openings).unwrap();
        let totals = [&device, &first, &second].map(|ledger| ledger.live().total_bytes);
        assert_eq!(totals, [90, 70, 20]);
        let error = second.book(11, MemoryClass::Openings).unwrap_err();
        assert!(
            matches!(error, DeviceError::OverBudget { budget_bytes: 100, live_bytes: 90, .. }),
            "{error}"
        );
        drop(shares);
        assert_eq!(second.of_session(None).budget(), Some((100, 30)));
        first.restart_peak();
        assert_eq!((first.peak().total_bytes, device.peak().total_bytes), (10, 90));
    }

    #[test]
    fn sums_never_wrap() {
        let ledger = Ledger::new(None);
        let _first = ledger.book(u64::MAX - 1, MemoryClass::Shares).unwrap();
        let error = ledger.book(2, MemoryClass::Openings).unwrap_err();
        assert!(matches!(error, DeviceError::OverBudget { budget_bytes: u64::MAX, .. }), "{error}");
        assert!(ledger.book(1, MemoryClass::Openings).is_ok());
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
