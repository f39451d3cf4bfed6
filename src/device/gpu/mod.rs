//! The GPU device: WGSL kernels through wgpu.
//!
//! ```text
//! Kernel ─ dispatch ─▶ Work: program, bindings, parameters   pure: panels that fit bindings
//!                        │
//!                      batch     ── submit ─▶ queue           many dispatches per submission
//!                        │                      │
//!          pipeline: program compiled         watch            waits, completes transfers
//! ```
//!
//! The shaders lie in `shaders/`, one file per kernel, each written once against the names of `shaders/ring/`.
//! Memory is booked in the ledger, kept in [`pool`](self) when it is freed, and filled through staging buffers of
//! a fixed number. Nothing outside this module names wgpu.

mod adapter;
mod batch;
mod busy;
mod compose;
mod device;
mod dispatch;
mod health;
mod panel;
mod params;
#[cfg(test)]
mod permutations;
mod pipeline;
mod pool;
mod program;
#[cfg(test)]
pub(super) mod tests;
mod transfer;
mod watch;

pub use adapter::{Adapter, AdapterFeatures, AdapterKind, AdapterLimits, adapters};
pub use device::{Arithmetic, Gpu, GpuOptions};
