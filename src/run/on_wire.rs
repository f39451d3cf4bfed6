//! The coordinator's thread: that of the links' tasks, so that a message passes from its link to the coordinator, and from
//! there to its link, without waking another thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// The result of a task that has ended, if it came to one.
struct Ended<T> {
    result: Mutex<(Option<T>, bool)>,
    changed: Condvar,
}

impl<T> Ended<T> {
    /// What a panic leaves is as it was.
    fn lock(&self) -> MutexGuard<'_, (Option<T>, bool)> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the task has ended, when it is dropped.
struct Farewell<T>(Arc<Ended<T>>);

impl<T> Drop for Farewell<T> {
    fn drop(&mut self) {
        self.0.lock().1 = true;
        self.0.changed.notify_all();
    }
}

/// A future with its farewell: fields are dropped in their order, so that nothing of the future is left when that is said.
struct Task<F: Future> {
    future: Pin<Box<F>>,
    farewell: Farewell<F::Output>,
}

impl<F: Future> Future for Task<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(context).map(|output| self.farewell.0.lock().0 = Some(output))
    }
}

/// Runs a future as a task of the runtime, and waits for it. The caller is on none of the runtime's own threads: it would
/// wait for itself.
///
/// # Panics
/// Where the future does, and where the runtime ends first.
pub(super) fn on_wire<F>(runtime: &Handle, future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    let ended = Arc::new(Ended { result: Mutex::new((None, false)), changed: Condvar::new() });
    let task = Task { future: Box::pin(future), farewell: Farewell(ended.clone()) };
    let task: Pin<Box<dyn Future<Output = ()> + Send + '_>> = Box::pin(task);
    // SAFETY: Only the lifetime changes. This function returns, or unwinds, only once the farewell is said, and it is said
    // when the task is dropped and its future has been; between here and there nothing can panic: `spawn` drops what it
    // does not take. So the future is never used after what it borrows. Should the runtime forget the task without
    // dropping it, this waits for ever.
    let task: Pin<Box<dyn Future<Output = ()> + Send + 'static>> = unsafe { std::mem::transmute(task) };
    let guard = Wait(&ended);
    drop(runtime.spawn(task));
    drop(guard);
    let result = ended.lock().0.take();
    result.expect("the coordinator comes to an end")
}

/// Waits for the farewell, also where the thread unwinds.
struct Wait<'a, T>(&'a Ended<T>);

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        let ended = self.0.changed.wait_while(self.0.lock(), |(_, is_over)| !*is_over);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use tokio::runtime::{Builder, Runtime};

    fn runtime() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread")
    }

    #[test]
    fn a_future_runs_on_the_runtimes_thread_with_what_it_borrows() {
        let runtime = runtime();
        let mut list = vec![1];
        let thread = on_wire(runtime.handle(), async {
            tokio::task::yield_now().await;
            list.push(2);
            std::thread::current().id()
        });
        assert_eq!(list, [1, 2]);
        assert_ne!(thread, std::thread::current().id());
    }

    #[test]
    fn a_panic_is_the_callers_once_the_future_is_gone() {
        struct Gone<'a>(&'a Mutex<bool>);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                *self.0.lock().expect("a flag") = true;
            }
        }
        let (runtime, gone) = (runtime(), Mutex::new(false));
        let held = Gone(&gone);
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            on_wire(runtime.handle(), async move {
                let _held = held;
                assert!(Handle::try_current().is_err(), "a panic");
            })
        }));
        assert!(attempt.is_err() && *gone.lock().expect("a flag"));
    }
}
