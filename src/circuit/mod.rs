//! Boolean circuits: any function of bits between two parties, in a constant number of rounds.
//!
//! A [`Circuit`] is a typed list of XOR and AND gates with inputs by party and outputs by recipient; inversion costs
//! nothing and stands on the wires. A [`Builder`] makes one from words ([`word`]) or from a file in Bristol Fashion
//! ([`bristol`]), and leaves out what is constant, dead or there twice. [`primitives`] has AES-128, SHA-256 and SHA-512.
//! [`Circuit::evaluate`] is the oracle: the plain value of every output. [`Schedule`] is the order in which gates are
//! garbled and the memory that holds their labels. [`garble`] garbles and evaluates, and [`convert`] does so with numbers that are
//! shared.
//!
//! ```
//! use symbolon::circuit::{Builder, Sign};
//! use symbolon::share::{Parties, PartyId};
//!
//! // The millionaires' problem: is party 0 the richer one? Both learn it.
//! let mut builder = Builder::new();
//! let mine = builder.input(PartyId(0), 32);
//! let yours = builder.input(PartyId(1), 32);
//! let richer = builder.less(&yours, &mine, Sign::Unsigned);
//! builder.output(Parties::first(2), &[richer]);
//! let circuit = builder.finish();
//! assert_eq!((circuit.and_count(), circuit.and_depth()), (32, 32));
//! ```
//!
//! Everything here is pure: messages are values, and nothing is read or sent.

pub mod bristol;
mod builder;
pub mod convert;
pub mod garble;
mod gate;
mod plain;
pub mod primitives;
mod schedule;
pub mod word;

pub use builder::Builder;
pub use gate::{Bit, Circuit, Gate, Input, MOST_WIRES, Output};
pub use schedule::Schedule;
pub use word::{Sign, Word};
