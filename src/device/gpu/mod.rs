//! The GPU device: WGSL kernels through wgpu.
//!
//! ```text
//! Kernel ─ dispatch ─▶ shader, bindings, parameters           pure: panels that fit bindings
//!                        │
//!                   recording    ─ batch ─▶ queue           pure: as few passes as there can be
//!                        │                    │
//!       pipeline, groups: made once         watch            notices, hands out what has arrived
//! ```
//!
//! The shaders lie in `shaders/`, one file per kernel, each written once against the names of `shaders/ring/`.
//! Memory is booked in the ledger, kept in [`pool`](self) when it is freed, and filled through staging buffers of
//! a fixed number, in which bytes are handed to the host as they lie. Where an adapter has matrix units, large products run on them, as [`residue`](self) explains.
//! Nothing outside this module names wgpu.

mod adapter;
mod barriers;
mod batch;
mod busy;
mod compose;
mod device;
mod dispatch;
mod groups;
mod health;
mod landing;
mod lane;
mod matrix_tile;
mod open;
mod options;
mod panel;
mod params;
mod peak;
#[cfg(test)]
mod permutations;
mod pipeline;
mod pool;
mod recording;
mod remembered;
mod residue;
mod shader;
mod staging;
#[cfg(test)]
pub(super) mod tests;
mod tile;
mod transfer;
mod tune;
mod watch;

pub use adapter::{Adapter, AdapterFeatures, AdapterKind, AdapterLimits, adapters};
pub use device::Gpu;
pub use matrix_tile::MatrixTile;
pub use open::{probe_matrix_units, remembered_tuning};
pub use options::{Arithmetic, GpuOptions, MatrixUnits};
pub use residue::MatrixUnitsState;
pub use tile::GemmTile;
pub use tune::{Autotune, GemmTiling, ScalarTuning, Tuning};
