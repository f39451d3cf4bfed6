//! Runs a plan: the executor of the step DAG.
//!
//! Three lanes work at once. The *device lane* is one thread that feeds the device in order, notices what it has done, and
//! never waits for the network; where a plan is for several devices, each has a lane of its own. The *wire lane* is the
//! links' tasks, which write and read frames. Between them, on the wire's thread, an *engine* without I/O decides which steps go to which lane, as the [`Schedule`]
//! says: steps that feed the wire first, otherwise in plan order. Two drivers stand on it. The *coordinator* reports the
//! events of devices and links; [`simulate`](simulate()) those of models, to predict a run.
//!
//! Because the device lane is in order, a step may be queued behind its predecessors before they are done; only messages
//! from peers are waited for. So a step counts as passed once it is queued, and an awaited message once its last piece
//! is. The queue is kept short, so that an urgent step that becomes ready later need not wait long, and a message is
//! written to the wire while the device computes on.
//!
//! Where a plan makes room by moving contents to host memory and back, or moves them from one device to another, a spill
//! is a download like that of a message, and a reload is written to its device as soon as its buffer is free and its
//! content is on the host. Devices wait for each other in no other way.
//!
//! **No deadlock.** A job in the device lane waits for nothing but the device. A transmission waits for nothing but its
//! peer's reading, which goes on as long as the peer's device lane takes pieces. A reload waits for its spill, and that
//! for the device. So the queues' limits hold up no step for ever. Of the steps that have not passed at any role, the
//! first in the common order of lowering waits only for steps before it, which have.
//!
//! Messages that were made before the run come from a [`MessageSource`] beside the links, and those that a role takes
//! after it go to a [`MessageSink`]: so a store is written and read.
//!
//! All of this knows steps, slots and frames; it knows no protocol and no program.

mod answers;
mod calibrate;
mod coordinator;
mod engine;
mod error;
mod execute;
mod host_slots;
mod inbox;
mod lane;
mod on_wire;
mod outbox;
mod progress;
mod report;
mod schedule;
mod simulate;
mod stages;
mod stored;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod trace;
mod transmit;
mod wakes;

pub use answers::{Answers, Opening};
pub use calibrate::calibrate;
pub use error::RunError;
pub use execute::{Execution, HostMatrix, Memory, Outcome, execute};
pub use progress::{Latest, Portion, Progress, Standing};
pub use report::{DeviceUse, RunReport};
pub use schedule::{Overlap, Schedule};
pub use simulate::{Prediction, RolePrediction, simulate};
pub use stages::{Stage, StageSpan, Stages};
pub use stored::{MessageSink, MessageSource, SharedSink, StoredFailed};
pub use tally::Tally;
pub use trace::{Span, Trace, TraceLane, TracedStep};
