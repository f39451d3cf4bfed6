//! A request from outside, such as a signal's, that this process's sessions end.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// A request that sessions and dealers end, which can be made from any thread. Those that were given it tell their
/// peers at once, and fail with [`NetError::Interrupted`](super::NetError::Interrupted) where they wait next.
#[derive(Debug, Default)]
pub struct Interrupt {
    is_requested: AtomicBool,
    told: Notify,
}

impl Interrupt {
    /// Not requested yet.
    pub const fn new() -> Interrupt {
        Interrupt { is_requested: AtomicBool::new(false), told: Notify::const_new() }
    }

    /// Requests it. This does not wait.
    pub fn request(&self) {
        self.is_requested.store(true, Ordering::SeqCst);
        self.told.notify_waiters();
    }

    /// Takes the request back, for sessions to come. Those that were given it before must be over.
    pub fn clear(&self) {
        self.is_requested.store(false, Ordering::SeqCst);
    }

    /// Whether it has been requested.
    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::SeqCst)
    }
}

/// Two are the same where they are one.
impl PartialEq for Interrupt {
    fn eq(&self, other: &Interrupt) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Interrupt {}

/// Waits until it is requested: for ever, where there is none.
pub async fn requested(interrupt: Option<&Interrupt>) {
    let Some(interrupt) = interrupt else { return std::future::pending().await };
    loop {
        // Before the look: what is requested behind it wakes this.
        let told = interrupt.told.notified();
        if interrupt.is_requested() {
            return;
        }
        told.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn who_waits_is_told_before_and_after() {
        let interrupt = Interrupt::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut early = pin!(requested(Some(&interrupt)));
        assert!(early.as_mut().poll(&mut context).is_pending());
        interrupt.request();
        assert!(early.poll(&mut context).is_ready());
        assert!(pin!(requested(Some(&interrupt))).poll(&mut context).is_ready());
        assert!(pin!(requested(None)).poll(&mut context).is_pending());
        interrupt.clear();
        assert!(pin!(requested(Some(&interrupt))).poll(&mut context).is_pending());
    }
}
