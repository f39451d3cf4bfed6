//! The control messages that surround runs: each has a number, and a length that a peer cannot exceed.

use super::{MOST_ORDERS, NetworkFault};
use crate::net::Topic;
use crate::share::Terms;

/// Most bytes of a message with no lists in it.
const SMALL_BYTES: usize = 1 << 10;

/// Most bytes of a message that is one of many.
const MEDIUM_BYTES: usize = 1 << 20;

/// Most bytes of a message that grows with the program: a demand of hundreds of thousands of correlations fits.
const LARGE_BYTES: usize = 64 << 20;

/// The terms and offers of a party that has connected, to the others.
pub(super) const INTRODUCTION: Topic = Topic::new(1, "introduction", LARGE_BYTES);

/// A party's choice of tiles and supply, to the others.
pub(super) const CUT: Topic = Topic::new(2, "tile side", SMALL_BYTES);

/// The facts of a party's plan, to the others.
pub(super) const PLAN: Topic = Topic::new(3, "plan", LARGE_BYTES);

/// A party's contribution to a generator key, to the other party that has it.
pub(super) const KEY: Topic = Topic::new(4, "contribution to a key", SMALL_BYTES);

/// The dealer's contribution to a generator key, to the party that has it.
pub(super) const GRANT: Topic = Topic::new(5, "grant", SMALL_BYTES);

/// A party's order to the dealer, which knows no plan.
pub(super) const ORDER: Topic = Topic::new(6, "order", LARGE_BYTES);

/// The numbers of the orders in a party's store that are unused, to the others.
pub(super) const UNUSED_ORDERS: Topic =
    Topic::new(7, "list of unused orders", SMALL_BYTES + MOST_ORDERS as usize * BYTES_OF_AN_ORDER);

/// A party's commitments to its parts of the checks' answers, to the others.
pub(super) const CHECK_COMMITMENTS: Topic = Topic::new(8, "commitments to answers of checks", SMALL_BYTES);

/// A party's part of the answer whether all is well, to the others.
pub(super) const CHECK_ANSWER: Topic = Topic::new(9, "part of the answer of the checks", SMALL_BYTES);

/// A party's part of the answer which step is the first that does not hold, to the others.
pub(super) const FAILED_STEP: Topic = Topic::new(10, "part of the number of a step", SMALL_BYTES);

/// The runs of whose states a party has a checkpoint, to the others.
pub(super) const CHECKPOINTS: Topic = Topic::new(11, "list of checkpoints", SMALL_BYTES);

/// A message by which two parties make correlations: each step says how long its own is.
pub(super) const PAIR: Topic = Topic::new(12, "message by which two parties make correlations", LARGE_BYTES);

/// The facts of a party's circuit, to the other one.
pub(super) const CIRCUIT: Topic = Topic::new(13, "circuit", SMALL_BYTES);

/// A message of a garbled run, or a piece of one.
pub(super) const GARBLED: Topic = Topic::new(14, "message of the garbled circuit", MEDIUM_BYTES);

/// The number of an order that a party has in its file, to the other that fills a store with it.
pub(super) const STORED: Topic = Topic::new(16, "word that an order is stored", SMALL_BYTES);

/// A number below [`MOST_ORDERS`], and a comma.
const BYTES_OF_AN_ORDER: usize = 6;

/// A party's times of the ways and sources with which a program can be run, to the others.
pub(super) const CHOICE: Topic = Topic::new(17, "times of ways and sources", SMALL_BYTES);

/// Makes sure that peers take what this party offers: their own terms are the same, and of the rest they take so much.
pub(super) fn check_offers(offers: &Terms) -> Result<(), NetworkFault> {
    let bytes = serde_json::to_vec(offers).expect("offers serialise").len();
    let most_bytes = Topic::DIFFERENCE_BYTES;
    if bytes <= most_bytes { Ok(()) } else { Err(NetworkFault::Offers { bytes, most_bytes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_that_no_peer_takes_are_refused_before_anybody_is_bothered() {
        let offers = |text: &str| Terms::from_iter([("shape", text.repeat(1_000_000))]);
        assert_eq!(check_offers(&offers("a")), Ok(()));
        let error = check_offers(&offers("\"")).expect_err("each quote takes two bytes");
        assert!(error.to_string().contains("takes 2000014 bytes; its peers take 1048576"), "{error}");
    }
}
