//! Bytes between processes: frames, links, deadlines and the first words of a connection.
//!
//! A [`Link`] is a framed connection with one peer over any byte stream: TCP between processes, a pipe in memory
//! within one. It moves frames and knows nothing of rings, programs or plans. A link that is idle sends heartbeats:
//! so a slow peer is told from a dead one. What they say of the sender's progress is for who watches; nothing is decided
//! by it, since a peer could say anything: whether a run goes on is seen in frames that arrive ([`Activity`]). A link can
//! be shaped to a bandwidth and a latency, to stand in for a network that is not there.
//!
//! **Reconnecting.** A link outlives its connections. What was sent is kept until the peer acknowledges it; where a
//! connection breaks, who has dialled dials again, both say how many frames they have, and what is behind them is sent
//! again, the same bytes. So every frame arrives once and in order. A peer that does not come back within the silence
//! deadline, or at whose address nobody listens any more, ends the link.
//!
//! **Streams.** Where one core does not encrypt as much as the wire takes, a connection is several TLS connections, which
//! carry the frames together ([`Streams`]). One that breaks breaks them all.
//!
//! **Trust.** Between processes, a link is mutual TLS 1.3 between pinned identities, also on one machine. A receiver says
//! what it awaits ([`Messages`] of a run, or a control message on a [`Topic`]), and the header of every frame is held
//! against that before there is memory for what follows it. What comes early waits with its sender.

mod activity;
mod address;
mod admission;
mod carrier;
mod connect;
mod door;
mod error;
mod expected;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod hello;
mod identity;
mod inlet;
mod interrupt;
mod link;
mod measure;
mod outlet;
mod reader;
mod resend;
mod shape;
mod socket;
mod streams;
mod stripe;
pub mod tamper;
#[cfg(test)]
mod tests;
mod tls;
mod traffic;
mod visit;
mod writer;

use frame::CONTROL_PAYLOAD_BYTES;

pub use activity::{Activity, WireSpan};
pub use address::{Address, AddressError};
pub use connect::{abort_all, dial};
pub use door::Listener;
pub use error::NetError;
pub use expected::{Messages, OffPlan, Topic};
pub use frame::{
    BUNDLE_HEADER_BYTES, BUNDLE_PAYLOAD_BYTES, Bundle, DATA_PAYLOAD_BYTES, Data, Frame, FrameError,
    HEADER_BYTES, SMALL_MESSAGE_BYTES,
};
pub use hello::{Hello, Token, VERSION};
pub use identity::{Certificate, Credentials, Fingerprint, Identity, IdentityError, IdentityPem, VALIDITY};
pub use interrupt::{Interrupt, requested};
pub use link::{Link, LinkOptions, LinkReceiver, LinkSender};
pub use measure::{Copied, Shaped, Striped, copy_over_loopback, shape_over_loopback};
pub use shape::{LinkShape, ShapeError};
pub use streams::{Streams, StreamsError};
pub use traffic::{LinkTraffic, ObservedLink, observe};

use std::time::Duration;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a peer to appear and greet.
    pub connect: Duration,
    /// For the next sign of life of a connected peer.
    pub silence: Duration,
    /// For the next piece of this process's work while all peers are alive: a step, a frame sent, or a frame that is due
    /// by the plan. Longer than peers compute between two messages.
    pub stall: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines {
            connect: Duration::from_secs(30),
            silence: Duration::from_secs(10),
            stall: Duration::from_secs(600),
        }
    }
}
