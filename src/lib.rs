//! symbolon: a GPU engine for arithmetic on secret shares.
//!
//! Parties that may not show each other their data compute matrix products on it. Every value is split into shares,
//! each party holds one share in its device's memory, kernels compute on the shares, and masked values cross the
//! network.
//!
//! ```text
//! Program   what to compute    typed graph of ops, shapes, owners, who learns what        program
//!    │ lower                   each op becomes straight-line steps for each party         protocol → step
//! Plan      how, exactly       kernels, messages, correlations, memory, rounds            plan
//!    │ run                     device lane ∥ wire lane                                    run
//! Result    outputs            and what they took: bytes, rounds, memory, time            session
//! ```
//!
//! A whole deployment in one process, to try it out:
//!
//! ```
//! use std::sync::Arc;
//! use symbolon::{Cpu, Elements, FixedPoint, Parties, PartyId, Program, Protocol, Ring, Shape, World};
//!
//! // scores = x @ w, where x is party 0's and w party 1's; party 0 alone learns the scores.
//! let codec = FixedPoint::new(Ring::Z64, 16)?;
//! let mut program = Program::new(2, codec);
//! let x = program.input("x", PartyId(0), Shape::new(1, 2), None)?;
//! let w = program.input("w", PartyId(1), Shape::new(2, 1), None)?;
//! let scores = program.matmul(x, w)?;
//! program.output("scores", scores, Parties::from_iter([PartyId(0)]))?;
//!
//! let world = World::new(Protocol::Beaver, Arc::new(Cpu::open(None, None)?));
//! let inputs = [Elements::encode(codec, &[1.5, -2.0])?, Elements::encode(codec, &[4.0, 0.25])?];
//! let outcomes = world.run(&program, &inputs)?;
//!
//! let scores = outcomes[0].outputs["scores"].decode(codec);
//! assert!((scores[0] - 5.5).abs() < 1e-4);
//! assert!(outcomes[1].outputs.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Between processes each party opens a [`Session`] and the dealer calls [`session::deal`]: `tools/examples` has both.
//! The [`guide`] answers questions in chapters; [`protocol`] has the formulas, their sources and the security arguments.

pub mod circuit;
pub mod correlation;
pub mod device;
#[cfg(doc)]
pub mod guide;
pub mod lattice;
pub mod memory;
pub mod net;
pub mod ot;
pub mod plan;
pub mod program;
pub mod protocol;
pub mod ring;
pub mod run;
pub mod session;
pub mod share;
pub mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use device::Device;
pub use device::cpu::Cpu;
pub use program::{Dims, Number, Program, Truncation, ValueId};
pub use protocol::Protocol;
pub use ring::{Axis, Elements, FixedPoint, Ring, Shape};
pub use session::{Session, SessionError, SessionOptions, SessionOutcome, World};
pub use share::{Parties, PartyId, Role};
