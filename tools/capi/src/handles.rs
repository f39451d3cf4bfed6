//! The objects that handles stand for.
//!
//! A handle is a number that is given once in the life of the process. A call holds what it uses for as long as it takes,
//! so that another thread may free the handle meanwhile.

use crate::status::{Fault, SymbolonStatus};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All handles.
struct Table {
    given: u64,
    held: BTreeMap<u64, Arc<dyn Any + Send + Sync>>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { given: 0, held: BTreeMap::new() });

/// The content of a lock, also after another thread's call has failed while it held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handle that stands for `object`.
pub(crate) fn give(object: impl Any + Send + Sync) -> u64 {
    let (object, mut table) = (Arc::new(object), lock(&TABLE));
    table.given += 1;
    let handle = table.given;
    table.held.insert(handle, object);
    handle
}

/// The object that a handle stands for.
pub(crate) fn of<T: Any + Send + Sync>(handle: u64, what: &str) -> Result<Arc<T>, Fault> {
    let held = lock(&TABLE).held.get(&handle).cloned();
    let held = held.and_then(|object| object.downcast::<T>().ok());
    held.ok_or_else(|| {
        Fault::new(SymbolonStatus::Handle, format!("{handle} is no handle of {what}, or it was freed"))
    })
}

/// Frees a handle.
pub(crate) fn free(handle: u64) -> Result<(), Fault> {
    // What it stood for goes outside of the table's lock: a session takes a while.
    let gone = lock(&TABLE).held.remove(&handle);
    let line = || format!("{handle} is no handle, or it was freed");
    gone.map(drop).ok_or_else(|| Fault::new(SymbolonStatus::Handle, line()))
}
