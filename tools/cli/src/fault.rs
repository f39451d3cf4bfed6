//! Faults of this program: they end a command with an exit status and a line of their own.
//!
//! The hook records a panic and prints nothing; the end of the command then reports the first panic, whatever followed
//! from it. The handler of its signal reports an abort.

use crate::failure::{FAULT, Failure, RESOURCES};
use crate::interrupt;
use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// The first panic of this process.
static FIRST: Mutex<Option<Failure>> = Mutex::new(None);

/// The thread that the command runs on.
static MAIN: OnceLock<thread::ThreadId> = OnceLock::new();

/// The beginnings of panics where the operating system gives no thread: these are limits, no faults.
const NO_THREADS: [&str; 2] = ["failed to spawn thread", "OS can't spawn worker thread"];

/// Threads of the library on which a driver may panic: the library treats that as the device's failure.
const GUARDED: &str = "gpu-watch";

/// Runs a command; a panic anywhere becomes its failure.
pub fn guard(command: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let _ = MAIN.set(thread::current().id());
    set_hook(Box::new(take_down));
    let ended = catch_unwind(AssertUnwindSafe(command));
    let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (ended, first) {
        (Ok(Ok(())), _) => Ok(()),
        (_, Some(fault)) => Err(fault),
        (Ok(failed), None) => failed,
        (Err(panic), None) => Err(failure(words(&*panic), "")),
    }
}

fn take_down(panic: &PanicHookInfo<'_>) {
    if thread::current().name() == Some(GUARDED) {
        return;
    }
    let place = panic.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
    let fault = failure(words(panic.payload()), &place);
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    // Another thread's work is not waited for.
    if MAIN.get() != Some(&thread::current().id()) {
        interrupt::request();
    }
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("a panic without words")
}

fn failure(words: &str, place: &str) -> Failure {
    let line = words.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    match NO_THREADS.iter().any(|start| line.contains(start)) {
        true => Failure::Resources(format!("a thread cannot be started: {line}")),
        false => Failure::Fault(format!("a fault of symbolon, please report it: {line}{place}")),
    }
}

/// Installs the handler by which an abort, such as for want of memory, ends the process with a status of its own. With
/// `json` it reports on stdout as well.
#[cfg(unix)]
pub fn catch_aborts(json: bool) {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, Ordering};

    const SIGABRT: c_int = 6;
    static JSON: AtomicBool = AtomicBool::new(false);
    unsafe extern "C" {
        fn signal(number: c_int, handler: usize) -> usize;
        fn write(file: c_int, bytes: *const u8, count: usize) -> isize;
        fn _exit(status: c_int) -> !;
    }

    extern "C" fn aborted(_: c_int) {
        const MEMORY: [&str; 2] = [
            "{\"error\":\"the operating system gives no more memory\",\"status\":4}\n",
            "error: the operating system gives no more memory\n",
        ];
        const OTHER: [&str; 2] = [
            "{\"error\":\"a fault of symbolon, please report it: it has aborted\",\"status\":70}\n",
            "error: a fault of symbolon, please report it: it has aborted\n",
        ];
        let ([object, line], status) =
            if crate::heap::is_exhausted() { (MEMORY, RESOURCES) } else { (OTHER, FAULT) };
        // SAFETY: constants with their lengths; a signal's handler may call both.
        unsafe {
            if JSON.load(Ordering::Relaxed) {
                write(1, object.as_ptr(), object.len());
            }
            write(2, line.as_ptr(), line.len());
            _exit(status.into())
        }
    }

    JSON.store(json, Ordering::Relaxed);
    let handler: extern "C" fn(c_int) = aborted;
    // SAFETY: the handler calls only what a signal's handler may call.
    unsafe { signal(SIGABRT, handler as usize) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line_with_a_status_of_its_own() {
        let fault = failure("index out of bounds:\n  the len is 3", " (src/plan/mod.rs:7)");
        assert_eq!(fault.status(), 70);
        let line =
            "a fault of symbolon, please report it: index out of bounds: the len is 3 (src/plan/mod.rs:7)";
        assert_eq!(fault.to_string(), line);
        let hook = std::panic::take_hook();
        let failed = guard(|| panic!("no such {}", "slot")).expect_err("it panicked");
        std::panic::set_hook(hook);
        let line = failed.to_string();
        assert!(line.starts_with("a fault of symbolon, please report it: no such slot ("), "{line}");
        assert_eq!(failed.status(), 70);
        let os = "failed to spawn thread: Os { code: 11, kind: WouldBlock }";
        assert_eq!(failure(os, "").status(), 4);
    }
}
