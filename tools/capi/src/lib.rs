//! symbolon from C, and from whatever calls C: `include/symbolon.h` is made of this crate by its test.
//!
//! Every function returns a status and writes what it gives where the caller says; [`symbolon_message`] says why one failed.
//! No panic leaves a function. Programs, sessions, inputs, results and devices are numbers that are never given twice, so
//! that one that was freed is refused and not used; they may be used from several threads, which then take turns.
//!
//! - [`program`]: what is computed; values may come in and leave as the parties' shares of them
//! - [`session`]: the parties that compute it, here or elsewhere
//! - [`kernels`]: arithmetic on ring elements alone, on any device
//!
//! All `unsafe` of the crate is the reading and writing of the caller's memory, in `memory`, and of an action in `signals`.

mod handles;
pub mod kernels;
mod memory;
mod numbers;
pub mod program;
pub mod session;
mod signals;
pub mod status;

pub use kernels::*;
pub use program::*;
pub use session::*;
pub use status::*;
