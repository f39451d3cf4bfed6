//! The objects that handles stand for.
//!
//! A handle is a number that is given once in the life of the process. A call holds what it uses for as long as it takes,
//! so that another thread may free the handle meanwhile.

use crate::status::{Fault, SymbolonStatus};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All handles.
struct Table {
    given: u64,
    held: HashMap<u64, Arc<dyn Any + Send + Sync>>,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn table<T>(work: impl FnOnce(&mut Table) -> T) -> T {
    let mut table = lock(&TABLE);
    work(table.get_or_insert_with(|| Table { given: 0, held: HashMap::new() }))
}

/// The content of a lock, also after another thread's call has failed while it held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handle that stands for `object`.
pub(crate) fn give(object: impl Any + Send + Sync) -> u64 {
    table(|table| {
        table.given += 1;
        table.held.insert(table.given, Arc::new(object));
        table.given
    })
}

/// The object that a handle stands for.
pub(crate) fn of<T: Any + Send + Sync>(handle: u64, what: &str) -> Result<Arc<T>, Fault> {
    let held = table(|table| table.held.get(&handle).cloned());
    let held = held.and_then(|object| object.downcast::<T>().ok());
    held.ok_or_else(|| {
        Fault::new(SymbolonStatus::Handle, format!("{handle} is no handle of {what}, or it was freed"))
    })
}

/// Frees a handle.
pub(crate) fn free(handle: u64) -> Result<(), Fault> {
    let gone = table(|table| table.held.remove(&handle));
    // What it stood for goes outside of the table's lock: a session takes a while.
    let line = || format!("{handle} is no handle, or it was freed");
    gone.map(drop).ok_or_else(|| Fault::new(SymbolonStatus::Handle, line()))
}
