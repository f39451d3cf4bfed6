//! What an embedder calls.
//!
//! A [`Session`] is one party's end of a deployment: it connects to the other parties and the dealer, if there is one,
//! agrees with them on what is computed, and runs programs. [`deal`] is the dealer's end; or [`deal_ahead`] writes what
//! it would send to files, from which parties take it later ([`CorrelationStore`]). [`World`] is a whole deployment in
//! one process, for trying things out and for tests.
//!
//! **What peers say of their inputs** is held against the job ([`Session::inputs`]) before anything is planned.
//!
//! **Order of a run.** The party plans the program for every role; exchanges facts and plan digest with its peers and
//! refuses a difference by name; agrees on fresh generator keys with those parties with which the plan has it draw; has
//! its source of correlations supply exactly what the plan demands, by an order to the dealer or from a store, unless the
//! plan's steps make it; then executes. Any failure is told to all peers before it is returned. A program that is to run many times is [`Prepared`]
//! first; resident inputs then stay in device memory between its runs, and one agreement covers many runs that are
//! announced together.

mod agree;
mod answers;
mod checkpoint;
mod choice;
mod connect;
mod covered;
mod dealer;
mod devices;
mod error;
mod garbled;
mod inputs;
mod keys;
mod network;
mod offer;
mod options;
mod order;
mod pair;
mod party;
mod prepared;
mod prices;
mod resume;
mod shared_keys;
mod source;
mod states;
mod store;
#[cfg(test)]
mod tests;
mod tiles;
mod topic;
mod turns;
mod wire;
mod world;

pub use checkpoint::{CheckpointError, Checkpoints};
pub use choice::{Chosen, Open, PricedRun, cheapest};
pub use connect::SessionSetup;
pub use dealer::{DealerNetwork, Dealt, deal, deal_behind};
pub use devices::{Devices, Spread};
pub use error::SessionError;
pub use garbled::GarbledOutcome;
#[cfg(any(test, feature = "testing"))]
pub(crate) use keys::KeySource;
#[cfg(test)]
pub(crate) use keys::{insecure_contribution, insecure_dealt_key};
pub use network::{NetworkFault, PartyNetwork};
pub use offer::{ACCEPTED_BYTES, Declared, Offer, OfferError};
pub use options::SessionOptions;
pub use party::Session;
pub use prepared::{PlannedTraffic, Prepared, SessionOutcome};
pub use prices::{RunTimes, SourcePrice, pair_link_s, pair_time, source_prices, usual_times};
pub use store::{CorrelationStore, Filled, MOST_ORDERS, StoreError, deal_ahead};
pub use tiles::{Surroundings, choose_side, plan_tiles};
pub use world::{World, WorldError};
