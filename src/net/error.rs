//! The errors between processes.

use crate::net::address::Address;
use crate::net::frame::FrameError;
use crate::net::identity::IdentityError;
use crate::share::{Difference, Role, printable};
use rustls::{AlertDescription, Error};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why a connection failed, always naming the peer or the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The address to listen on is taken, or not this machine's.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The operating system's error.
        reason: String,
    },
    /// A process whose certificate is not accepted.
    #[error("the process at {address} is not to be trusted: {error}")]
    Untrusted {
        /// Where.
        address: String,
        /// The fault of its certificate.
        error: IdentityError,
    },
    /// This process's certificate is not accepted.
    #[error(
        "{peer} refuses the certificate of this process ({alert}): does it have the current one? Compare \
        `symbolon id` on both sides"
    )]
    Refused {
        /// The peer that refuses.
        peer: Role,
        /// The alert by which it refuses.
        alert: String,
    },
    /// A connection that did not become a link.
    #[error("the handshake with {address} failed: {reason}")]
    Handshake {
        /// With whom.
        address: String,
        /// Why.
        reason: String,
    },
    /// The peer did not answer in time.
    #[error(
        "{peer} did not answer at {address} within {waited:?}: {reason}; is it started, and can its port be reached?"
    )]
    Unreachable {
        /// The peer.
        peer: Role,
        /// Where.
        address: Address,
        /// The time.
        waited: Duration,
        /// The operating system's last error.
        reason: String,
    },
    /// The peers that should have connected did not in time.
    #[error("{} did not connect to {address} within {waited:?}{}", names(.missing), also(.refused))]
    Absent {
        /// The peers that are missing.
        missing: Vec<Role>,
        /// Where they were awaited.
        address: SocketAddr,
        /// The time.
        waited: Duration,
        /// Why the last connection that was turned away was.
        refused: Option<Box<NetError>>,
    },
    /// Somebody connected who was not awaited.
    #[error("{found} connected where {} was awaited", names(.awaited))]
    Unexpected {
        /// The role that connected.
        found: Role,
        /// The role that was awaited.
        awaited: Vec<Role>,
    },
    /// The peer speaks another version of the protocol.
    #[error(
        "{peer} speaks version {there} of the protocol, this program version {here}: both need the same program"
    )]
    Version {
        /// The peer.
        peer: Role,
        /// This program's version.
        here: u32,
        /// The peer's.
        there: u32,
    },
    /// The parties were given different jobs.
    #[error("{peer} does not agree: {difference}")]
    Disagree {
        /// The peer.
        peer: Role,
        /// In what.
        difference: Difference,
    },
    /// No sign of life.
    #[error("{peer} has not been heard of for {waited:?}")]
    Silent {
        /// The peer.
        peer: Role,
        /// The time.
        waited: Duration,
    },
    /// The connection ended before the work did.
    #[error("the connection with {peer} ended: {reason}")]
    Closed {
        /// The peer.
        peer: Role,
        /// The operating system's error.
        reason: String,
    },
    /// This process was asked to end.
    #[error("interrupted")]
    Interrupted,
    /// The peer gave up, and says why.
    #[error("{peer} gave up: {reason}")]
    Aborted {
        /// The peer.
        peer: Role,
        /// Its words, shortened.
        reason: String,
    },
    /// Bytes that are no frame.
    #[error("{peer} sent what is no frame: {error}")]
    Frame {
        /// The peer.
        peer: Role,
        /// Its fault.
        error: FrameError,
    },
    /// A frame that has no place here.
    #[error("{peer} sent {found} where {expected} was due")]
    OutOfPlace {
        /// The peer.
        peer: Role,
        /// The message that was due.
        expected: &'static str,
        /// The message that came.
        found: &'static str,
    },
    /// A message that the plan does not have, or not so.
    #[error("{peer} broke the plan: {offence}")]
    OffPlan {
        /// The peer.
        peer: Role,
        /// How.
        offence: OffPlan,
    },
    /// A control message on another topic than the one that is due.
    #[error("{peer} sent control message {found} where its {what}, control message {due}, was due")]
    OffTopic {
        /// The peer.
        peer: Role,
        /// The message that was due.
        what: &'static str,
        /// Its number.
        due: u32,
        /// The number of what came.
        found: u32,
    },
    /// A control message that is longer than those on its topic may be.
    #[error("{peer} sent its {what} of {bytes} bytes, of which at most {most_bytes} are taken")]
    Oversized {
        /// The peer.
        peer: Role,
        /// The message.
        what: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The greatest length that is accepted.
        most_bytes: usize,
    },
    /// A count of frames that cannot be: the peer has lost what it knew of the link.
    #[error(
        "{peer} says that it has {claimed} frames, after it had acknowledged {acknowledged} and was sent {sent}: it \
        has lost its session"
    )]
    Miscount {
        /// The peer.
        peer: Role,
        /// The number that it claims.
        claimed: u64,
        /// The number that it claimed before.
        acknowledged: u64,
        /// The number that it was sent.
        sent: u64,
    },
    /// The operating system gives no randomness.
    #[error("a link needs randomness from the operating system, which gives none: {reason}")]
    Entropy {
        /// Its text.
        reason: String,
    },
    /// A control message of this process that is longer than a peer takes.
    #[error("the {what} of {bytes} bytes is longer than the {most_bytes} that {peer} takes")]
    TooLong {
        /// The peer.
        peer: Role,
        /// The message.
        what: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The greatest length that is accepted.
        most_bytes: usize,
    },
    /// A control message that does not come, though the peer is alive.
    #[error("{peer} has not sent its {what} for {waited:?}")]
    Late {
        /// The peer.
        peer: Role,
        /// The message.
        what: &'static str,
        /// The time for which it was awaited.
        waited: Duration,
    },
    /// A control message that cannot be read.
    #[error("{peer} sent its {what}, which cannot be read: {reason}")]
    Malformed {
        /// The peer.
        peer: Role,
        /// The message.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// A peer's breach of the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffPlan {
    /// A message of a run that is not this one.
    #[error("message {message} of run {found:08x}, where run {due:08x} is due")]
    Run {
        /// The number that it claims; 0 for a bundle.
        message: u32,
        /// The run that it claims.
        found: u32,
        /// The run that is due.
        due: u32,
    },
    /// A message that the plan does not have from this peer.
    #[error("{bytes} bytes of message {message}, which is not awaited from it")]
    Unknown {
        /// The number that it claims.
        message: u32,
        /// Of the frame.
        bytes: usize,
    },
    /// A message that is there already.
    #[error("message {message} a second time, with {bytes} bytes")]
    Again {
        /// Which.
        message: u32,
        /// Of the frame.
        bytes: usize,
    },
    /// A piece of a message that is longer, shorter or from elsewhere than the one that is due.
    #[error(
        "{bytes} bytes at {offset} of message {message}, where {due_bytes} bytes at {due_offset} were due"
    )]
    Piece {
        /// Of which message.
        message: u32,
        /// Where in the message it lies, as it claims.
        offset: u64,
        /// Its length.
        bytes: usize,
        /// Where the piece that is due lies.
        due_offset: u64,
        /// The length of the piece that is due.
        due_bytes: u64,
    },
    /// A message further from the beginning than the plan has steps.
    #[error("message {message}, which claims to lie {depth} rounds deep, of at most {most}")]
    Depth {
        /// Which.
        message: u32,
        /// The length that it claims.
        depth: u32,
        /// The most that there can be.
        most: u32,
    },
    /// More messages in one frame than are awaited.
    #[error("messages of {bytes} bytes in one frame, where {due_bytes} bytes were due")]
    Bundle {
        /// Of the frame's payload.
        bytes: usize,
        /// Of a frame with all that is missing.
        due_bytes: u64,
    },
}

impl OffPlan {
    /// The message of the plan, if it is one.
    pub fn message(&self) -> Option<u32> {
        match *self {
            OffPlan::Again { message, .. }
            | OffPlan::Piece { message, .. }
            | OffPlan::Depth { message, .. } => Some(message),
            OffPlan::Run { .. } | OffPlan::Unknown { .. } | OffPlan::Bundle { .. } => None,
        }
    }
}

impl NetError {
    /// The text that `peer` may learn. A dealer learns neither the parties' computation nor their differences.
    pub fn told(&self, peer: Role) -> String {
        match (self, peer) {
            (NetError::Disagree { peer, .. }, Role::Dealer) => format!("{peer} does not agree"),
            (NetError::Aborted { peer, .. }, Role::Dealer) => format!("{peer} gave up"),
            (NetError::OffPlan { peer, .. }, Role::Dealer) => format!("{peer} broke the plan"),
            (
                NetError::Malformed { peer, what, .. } | NetError::Oversized { peer, what, .. },
                Role::Dealer,
            ) => {
                format!("{peer} sent its {what}, which cannot be read")
            }
            (NetError::TooLong { what, .. }, Role::Dealer) => format!("its {what} is too long"),
            _ => self.to_string(),
        }
    }

    /// The last words of a peer that gives up.
    pub(super) fn aborted(peer: Role, reason: &str) -> NetError {
        NetError::Aborted { peer, reason: printable(reason) }
    }
}

/// What a failure of an established connection means: a peer that refuses this process's certificate says so only after
/// this process has finished its part of the handshake.
pub(in crate::net) fn explain(peer: Role, error: &io::Error) -> NetError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) if is_of_certificates(*alert) => {
            NetError::Refused { peer, alert: format!("{alert:?}") }
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => {
            NetError::Closed { peer, reason: "it closed the connection".into() }
        }
        _ => NetError::Closed { peer, reason: error.to_string() },
    }
}

/// Whether an alert says that a certificate is not accepted.
fn is_of_certificates(alert: AlertDescription) -> bool {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, DecryptError, UnknownCA, UnsupportedCertificate,
    };
    matches!(
        alert,
        AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | DecryptError
            | UnknownCA
            | UnsupportedCertificate
    )
}

fn also(refused: &Option<Box<NetError>>) -> String {
    refused.as_ref().map_or_else(String::new, |error| format!("; a connection was turned away: {error}"))
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(Role::to_string).collect::<Vec<_>>().join(" and ")
}
