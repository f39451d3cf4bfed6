//! Two parties with dealt correlations.
//!
//! **Functionality.** Evaluates a program on additive shares over Z_2^k and opens each output to its recipients.
//!
//! **Sharing.** A value is the sum of its parts; an absent part is zero (see [`crate::share::additive`]). An input is
//! its owner's part alone and costs nothing. Linear ops are local.
//!
//! **Tiles.** Every value is a grid of tiles (see [`crate::program::tiling`]) and every rule works tile by tile. Tiles
//! are lowered as outputs demand them, operands first: so a tile is opened, multiplied, truncated and sent before the
//! next is begun, and what can be done ahead is done ahead by the executor. The order is the same for both parties.
//!
//! **Product** Z = X·Y, elementwise or of matrices (Beaver, CRYPTO 1991; for matrices as in Mohassel and Zhang,
//! "SecureML", S&P 2017, section 4.1). With masks A, B and shares C_i of A·B:
//! 1. A party whose part of X must be hidden from another sends E_i = X_i − A_i to those who hold a part of Y.
//! 2. A party whose part of Y must be hidden sends F_i = Y_i − B_i to those who hold a part of A.
//! 3. Z_i = E·Y_i + A_i·F + C_i, one fused product of inner size 2k; a term whose part is absent is dropped.
//!
//! Check: Σ Z_i = E·Y + A·F + A·B = (X−A)·Y + A·(Y−B) + A·B = X·Y. Which parts of A and B exist follows from who
//! holds X and Y (see [`masks`]): both parties' where both operands are shared; only the owners' where each operand
//! is one party's own, which halves the work to k a party; none where one party owns both, which is local.
//! *Bytes:* with shared operands each party sends mk + kn elements; an owner sends only its own operand's. A value that
//! is a factor of several products is opened once and under one mask. *Rounds:* 1.
//!
//! **Truncation** by m bits of a shared x with |x| < 2^(k−2) (Dalskov, Escudero, Keller, PoPETs 2020), with the pair
//! of a mask r, shares of its top bit b and of its middle bits:
//! 1. Both send c_i = x_i + i₀·2^(k−2) + r_i, where i₀ is 1 for party 0; c is opened.
//! 2. v_i = b_i + t·(i₀ − 2·b_i) with t the top bit of c, and
//!    y_i = i₀·(((c mod 2^(k−1)) ≫ m) − 2^(k−2−m)) − high_i + v_i·2^(k−1−m).
//!
//! The result is ⌊x/2^m⌋ + [u < x mod 2^m] with u = c mod 2^m: rounded up with probability (x mod 2^m)/2^m; there is
//! no other error. Both parties see c, so the functionality is: draw u uniformly, *give it to both*, and round by it.
//! Whoever also learns the result learns on which side of u the dropped bits lie, which over many results that share
//! their dropped bits pins these down; the result alone would let them be averaged out, only more slowly. *Bytes:* each
//! party sends one element a value. *Rounds:* 1. A value that one party holds alone is shifted locally, rounding down.
//!
//! **Output.** The other holders send their parts to each recipient. *Bytes:* one element a value and recipient.
//! *Rounds:* 1. With two parties a part reveals no more than the output does: it is the output less the part that the
//! recipient already holds.
//!
//! **Security model.** Semi-honest parties; a dealer that colludes with neither. Every message but an output's is
//! masked by a fresh uniform mask that its receiver does not know, so a party's view is simulated by uniform messages,
//! the truncations' u, and its outputs.
//!
//! **Deviations.** SecureML's share of a product is −i·E·F + X_i·F + E·Y_i + C_i; with X_i = E_i + A_i that is the same
//! sum, but step 3 needs neither the product E·F nor X_i once E is opened, and both parties compute alike.

mod cost;
mod lower;
#[cfg(test)]
mod tests;

pub(super) use lower::lower;

use crate::share::{Parties, PartyId};

const PARTIES: [PartyId; 2] = [PartyId(0), PartyId(1)];

/// Who draws a part of which mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Masks {
    left: Parties,
    right: Parties,
}

/// The masks that a product needs, given who holds parts of its operands: X is opened to the holders of Y, so a part
/// of X is masked where one of them is somebody else; Y is opened to the holders of a part of A, likewise.
fn masks(left: Parties, right: Parties) -> Masks {
    let hidden = |holders: Parties, learners: Parties| -> Parties {
        holders.iter().filter(|&holder| !learners.without(holder).is_empty()).collect()
    };
    let left = hidden(left, right);
    Masks { left, right: hidden(right, left) }
}

/// The party that adds what is public.
fn is_leader(party: PartyId) -> bool {
    party == PARTIES[0]
}
