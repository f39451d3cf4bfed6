//! The opening of the answers of a program's checks, between its computation and its outputs.
//!
//! A plan hands each party its part of the answers, and has no steps to open them: whether the second one is opened
//! depends on the first, and what a peer tells of its part is held against more than a plan knows. So whoever runs the
//! plan brings an [`Answers`], which speaks over the links while the plan rests.

use super::RunError;
use crate::net::Link;
use crate::ring::Elements;
use std::future::Future;
use std::pin::Pin;

/// The rounds that opening an answer that says that all is well takes, beside those of the plan.
pub(super) const ROUNDS: u32 = 2;

/// Opens the answers of checks.
pub trait Answers: Send {
    /// The place of the answers among the program's outputs.
    fn output(&self) -> usize;

    /// Opens the sum of all parties' parts, of which this one's is `own`; `links` lead to the other parties, and maybe to
    /// the dealer. Returns the first step that does not hold, and nothing where all is well. All parties that keep to it
    /// return the same, or fail.
    fn open<'b>(&'b mut self, links: &'b mut [Link], own: Elements) -> Opening<'b>;
}

/// The work of [`Answers::open`].
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Option<String>, RunError>> + Send + 'a>>;
