//! Messages that reach or leave a run by another way than a link, such as those in a store.

use crate::net::Data;
use crate::share::Role;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// Messages that were made before the run. The executor takes each in as if its maker had sent it, holds it against the
/// plan, and asks for more only while the plan awaits some.
pub trait MessageSource: Send {
    /// The role that made the messages, as the plan's steps name it.
    fn maker(&self) -> Role;

    /// Polls for the next pieces of messages, at least one; the pieces of a message come in their order.
    ///
    /// # Errors
    /// Where nothing more can be had; whoever gave the source to the run knows why.
    fn poll_pieces(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<Data>, StoredFailed>>;
}

/// A place where messages are kept for a role that takes them after the run.
pub trait MessageSink: Send {
    /// The role that the messages are for, as the plan's steps name it.
    fn taker(&self) -> Role;

    /// Takes one transmission: pieces of one message, or several whole messages. It may block.
    ///
    /// # Errors
    /// Where they cannot be kept; whoever gave the sink to the run knows why.
    fn keep(&mut self, pieces: Vec<Data>) -> Result<(), StoredFailed>;
}

/// A sink that a run and its caller have in common.
pub type SharedSink = Arc<Mutex<dyn MessageSink>>;

/// A source that gives nothing more, or a sink that takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredFailed;
