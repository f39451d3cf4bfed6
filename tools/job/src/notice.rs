//! Notices: facts about a running job that a person should know.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use symbolon::share::PartyId;

/// Something that a person should know of; nothing has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An assumption about the table that an input was read from.
    Assumed {
        /// The input.
        input: String,
        /// The assumption.
        text: String,
    },
    /// A certificate that ends soon, or a peer's that has ended.
    Certificate(String),
    /// Used orders that a store holds again.
    BroughtBack {
        /// The store.
        store: PathBuf,
        /// Whose folder of it.
        party: PartyId,
        /// The number of orders.
        orders: usize,
    },
    /// This party listens.
    Listening {
        /// This party.
        party: PartyId,
        /// The address.
        address: SocketAddr,
    },
    /// A loop goes on from a checkpoint.
    Resumed {
        /// This party.
        party: PartyId,
        /// The turn after which the states were kept.
        turn: u32,
    },
    /// A run uses up an order of a store.
    Stored {
        /// This party.
        party: PartyId,
        /// The order's number.
        order: u32,
        /// The number of orders that all parties still have.
        orders_left: usize,
    },
}

/// The receiver of notices, from any thread.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Assumed { input, text } => write!(f, "input '{input}': {text}"),
            Notice::Certificate(warning) => f.write_str(warning),
            Notice::BroughtBack { store, party, orders } => write!(
                f,
                "{}: {party}'s store holds {orders} order(s) that were used before, as after it is brought back from a \
                 copy; they are wiped again",
                store.display()
            ),
            Notice::Listening { party, address } => write!(f, "{party} is listening on {address}"),
            Notice::Resumed { party, turn } => write!(f, "{party} goes on from the states after turn {turn}"),
            Notice::Stored { party, order, orders_left } => {
                write!(f, "{party} uses order {order} of its store; {orders_left} are left to all parties")
            }
        }
    }
}
