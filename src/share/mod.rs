//! Who holds which part of a value.
//!
//! [`PartyId`] and [`Role`] name the processes of a run, [`Parties`] is a set of parties, and [`additive`] is
//! sharing as a sum. `Debug` of what holds shares shows shapes, never elements.

pub mod additive;
mod party;

pub use additive::Additive;
pub use party::{Parties, PartyId, Role};
