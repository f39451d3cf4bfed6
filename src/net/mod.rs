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
mod connect;
mod deadlines;
mod error;
mod frame;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod identity;
mod interrupt;
mod link;
mod measure;
pub(crate) mod memory;
mod shape;
mod stream;
mod streams;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod tamper;
#[cfg(test)]
mod tests;

pub use activity::{Activity, WireSpan};
pub use address::{Address, AddressError};
pub use connect::{Listener, abort_all, dial};
pub use deadlines::Deadlines;
pub use error::{NetError, OffPlan};
pub use frame::{
    BUNDLE_HEADER_BYTES, BUNDLE_PAYLOAD_BYTES, Bundle, DATA_PAYLOAD_BYTES, Data, Frame, FrameError,
    HEADER_BYTES, SMALL_MESSAGE_BYTES,
};
pub use identity::{Certificate, Credentials, Fingerprint, Identity, IdentityError, IdentityPem, VALIDITY};
pub use interrupt::{Interrupt, requested};
pub use link::expected::{Messages, Topic};
pub use link::observer::{LinkObserver, ObservedLink};
pub use link::traffic::LinkTraffic;
pub use link::{Link, LinkOptions, LinkReceiver, LinkSender};
pub use measure::{Copied, Shaped, Striped, copy_over_loopback, shape_over_loopback};
pub use shape::{LinkShape, ShapeError};
pub use stream::hello::{Hello, Token, VERSION};
pub use streams::{Streams, StreamsError};
