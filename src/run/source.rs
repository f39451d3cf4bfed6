//! Messages that reach a run by another way than a link.

use crate::net::Data;
use crate::share::Role;
use std::task::{Context, Poll};

/// Messages that were made before the run, such as the corrections in a store. The executor takes each in as if its maker
/// had sent it, holds it against the plan, and asks for more only while the plan awaits some.
pub trait MessageSource: Send {
    /// The role that made the messages, as the plan's steps name it.
    fn maker(&self) -> Role;

    /// Polls for the next pieces of messages, at least one; the pieces of a message come in their order.
    ///
    /// # Errors
    /// Where nothing more can be had; whoever gave the source to the run knows why.
    fn poll_pieces(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<Data>, SourceFailed>>;
}

/// A [`MessageSource`] that gives nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFailed;
