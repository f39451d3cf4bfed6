//! The statuses of calls.

use crate::handles;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use symbolon_cli::Failure;

/// How a call has ended. Up to 5 they are the exit statuses of the command.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolonStatus {
    /// Done.
    Ok = 0,
    /// A result is not what it must be.
    Wrong = 1,
    /// An argument, a program or data that cannot be used.
    Usage = 2,
    /// A peer, or the network.
    Peer = 3,
    /// Memory, a device or a file is lacking.
    Resources = 4,
    /// The parties disagree.
    Disagreement = 5,
    /// No such handle, or it was freed.
    Handle = 6,
    /// A fault of the library.
    Fault = 70,
    /// The wait was ended by `symbolon_session_interrupt`.
    Interrupted = 130,
}

/// A call that fails: the status, and a line that says why.
pub(crate) struct Fault {
    status: SymbolonStatus,
    line: String,
}

impl Fault {
    pub(crate) fn new(status: SymbolonStatus, line: impl Into<String>) -> Fault {
        Fault { status, line: line.into() }
    }

    /// An argument that cannot be used.
    pub(crate) fn usage(line: impl ToString) -> Fault {
        Fault::new(SymbolonStatus::Usage, line.to_string())
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        let status = match failure.status() {
            1 => SymbolonStatus::Wrong,
            2 => SymbolonStatus::Usage,
            3 => SymbolonStatus::Peer,
            4 => SymbolonStatus::Resources,
            5 => SymbolonStatus::Disagreement,
            130 => SymbolonStatus::Interrupted,
            _ => SymbolonStatus::Fault,
        };
        Fault::new(status, failure.to_string())
    }
}

thread_local! {
    /// The line of this thread's last call that failed.
    static MESSAGE: RefCell<CString> = RefCell::default();
}

/// Does a call's work: whatever happens, it ends with a status.
pub(crate) fn call(work: impl FnOnce() -> Result<(), Fault>) -> SymbolonStatus {
    let fault = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return SymbolonStatus::Ok,
        Ok(Err(fault)) => fault,
        Err(_) => {
            Fault::new(SymbolonStatus::Fault, "the library has failed: what the call used is best freed")
        }
    };
    let line = CString::new(fault.line.replace('\0', " ")).unwrap_or_default();
    // A thread that is ending has nobody left to tell.
    let _ = MESSAGE.try_with(|message| *message.borrow_mut() = line);
    fault.status
}

/// Why the last call of this thread that failed did so, in one line; the text lives until another one of it fails.
#[unsafe(no_mangle)]
pub extern "C" fn symbolon_message() -> *const c_char {
    MESSAGE.try_with(|message| message.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The version of this interface: a program compiled for another one must not go on.
#[unsafe(no_mangle)]
pub extern "C" fn symbolon_version() -> u32 {
    1
}

/// Frees what a handle stands for; 0 is nothing. A session that was not closed ends, and its peers are told. A call of another
/// thread that is at work with it goes on as if it were not freed, and a session ends behind its last call: to end a run,
/// call `symbolon_session_interrupt` first.
#[unsafe(no_mangle)]
pub extern "C" fn symbolon_free(handle: u64) -> SymbolonStatus {
    call(|| if handle == 0 { Ok(()) } else { handles::free(handle) })
}
