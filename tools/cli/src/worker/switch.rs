//! The switches by which crews of threads end their sessions.
//!
//! Sessions hold an interrupt by a reference that is valid for as long as the process lives. So interrupts are never freed:
//! one whose sessions are over serves the next crew, and there are as many as there were crews at once.

use std::sync::{Mutex, PoisonError};
use symbolon::net::Interrupt;

/// Interrupts that no session holds; none of them is requested.
type Spare = Mutex<Vec<&'static Interrupt>>;

static SPARE: Spare = Mutex::new(Vec::new());

/// An interrupt for sessions that end before this is dropped.
pub(super) struct Switch {
    interrupt: &'static Interrupt,
    spare: &'static Spare,
}

impl Switch {
    /// An interrupt that no other session holds.
    pub(super) fn take() -> Switch {
        Switch::of(&SPARE)
    }

    fn of(spare: &'static Spare) -> Switch {
        let unused = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Switch { interrupt: unused.unwrap_or_else(|| Box::leak(Box::new(Interrupt::new()))), spare }
    }

    pub(super) fn interrupt(&self) -> &'static Interrupt {
        self.interrupt
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.interrupt.clear();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(self.interrupt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_serves_again_once_its_sessions_are_over() {
        static OWN: Spare = Mutex::new(Vec::new());
        let [first, second] = [(); 2].map(|()| Switch::of(&OWN));
        let interrupt = first.interrupt();
        interrupt.request();
        assert!(!second.interrupt().is_requested(), "two crews never share an interrupt");
        drop(first);
        let third = Switch::of(&OWN);
        assert!(std::ptr::eq(third.interrupt(), interrupt));
        assert!(!interrupt.is_requested(), "a crew must not begin with the request of the one before");
    }
}
