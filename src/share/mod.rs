//! Shares: the parts of a value and the parties that hold them.
//!
//! [`PartyId`] and [`Role`] name the processes of a run, [`Parties`] is a set of parties, and [`Sharing`] is a value as
//! the sum of components that parties hold. [`Turn`] is one of a program's runs. [`Terms`] are facts that parties must have in common. `Debug` of what holds
//! shares shows shapes, never elements.

mod party;
mod sharing;
mod terms;
mod turn;

pub use party::{Parties, PartyId, Role};
pub use sharing::Sharing;
pub use terms::{Difference, Terms};
pub(crate) use terms::{printable, shortened};
pub use turn::{Taken, Turn};
