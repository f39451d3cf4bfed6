//! Jobs of symbolon as files: what the command and the language bindings read and run.
//!
//! A [`Job`] is a TOML file: a program in the expression language, its inputs and who learns its outputs. Two ways run it:
//!
//! - [`Job::run_in`] runs all parties in this process, in a [`World`](symbolon::World). The process then knows all data,
//!   so nothing is private: for trials, tests and simulations.
//! - [`PartyJob`] is one party of a deployment. Its [`PartyConfig`] says where its peers, its identity and its own files
//!   are; [`PartyJob::connect`] meets the peers, and [`ConnectedJob::run`] runs one batch after the other.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use symbolon::{Cpu, World};
//! use symbolon_job::Job;
//!
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("x.csv"), "1.5,-2\n")?;
//! std::fs::write(folder.path().join("w.csv"), "4\n0.25\n")?;
//! std::fs::write(folder.path().join("job.toml"), r#"
//!     job = { name = "scores", protocol = "beaver", ring_bits = 64, fraction_bits = 16 }
//!     inputs.x = { owner = 0, file = "x.csv" }
//!     inputs.w = { owner = 1, file = "w.csv" }
//!     program.steps = ["scores = x @ w"]
//!     outputs.scores = { to = [0], file = "scores.csv" }
//! "#)?;
//!
//! let job = Job::read(&folder.path().join("job.toml"))?;
//! let world = World::new(job.protocol, Arc::new(Cpu::open(None, None)?));
//! let batches = job.run_in(&world, &|notice| eprintln!("{notice}"))?;
//!
//! let scores = &batches[0]["scores"];
//! assert_eq!(scores.dims.extents(), [1, 1]);
//! assert!((scores.decode()[0] - 5.5).abs() < 1e-3);
//! scores.write(&job.output_file("scores").expect("the job names it"), symbolon_job::files::OWNER)?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here prints: a [`Notice`] goes to the caller, who knows whether somebody reads it. Buffers of text and arrays
//! pass through libraries that do not wipe them; the command's own heap overwrites what is freed, and a program that
//! embeds this crate needs an allocator that does the same.

pub mod config;
mod correlations;
pub mod data;
pub mod demand;
mod error;
pub mod files;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
mod garbled;
pub mod identity;
mod job;
mod notice;
mod number;
mod parallel;
mod party;
mod targets;
mod world;

pub use config::{DealerConfig, PartyConfig};
pub use correlations::{Correlations, Sources};
pub use error::JobError;
pub use job::{
    AnyJob, CircuitFigures, GarbledJob, GarbledProgram, Input, InputData, Job, Nonlinear, Output, of_batch,
};
pub use notice::{Notice, Notify};
pub use number::number;

pub use garbled::{ConnectedGarbled, GarbledParty};
pub use party::{ConnectedJob, KeepStates, PartyJob, PartyOptions, StoredOrder};
pub use targets::check_targets;
