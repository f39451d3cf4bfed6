//! Two parties with dealt correlations.
//!
//! **Functionality.** Evaluates a program on additive shares over Z_2^k and opens each output to its recipients.
//!
//! **Sharing.** A value is the sum of its parts; an absent part is zero (see [`crate::share::Sharing`]). An input is
//! its owner's part alone and costs nothing. Linear ops are local.
//!
//! **Product** Z = X·Y, elementwise or of matrices (Beaver, CRYPTO 1991; for matrices as in Mohassel and Zhang,
//! "SecureML", S&P 2017, section 4.1). With masks A, B and shares C_i of A·B:
//! 1. A party whose part of X must be hidden from another sends E_i = X_i − A_i to those who hold a part of Y.
//! 2. A party whose part of Y must be hidden sends F_i = Y_i − B_i to those who hold a part of A.
//! 3. Z_i = E·Y_i + A_i·F + C_i, one fused product of inner size 2k; a term whose part is absent is dropped.
//!
//! Check: Σ Z_i = E·Y + A·F + A·B = (X−A)·Y + A·(Y−B) + A·B = X·Y. Which parts of A and B exist follows from who
//! holds X and Y (see `masks`): both parties' where both operands are shared; only the owners' where each operand
//! is one party's own, which halves the work to k a party; none where one party owns both, which is local.
//! *Bytes:* with shared operands each party sends mk + kn elements; an owner sends only its own operand's. A value that
//! is a factor of several products is opened once and under one mask. *Rounds:* 1.
//!
//! **Truncation** by m bits of a shared x with |x| < 2^(w−2), modulo 2^w with m + 2 ≤ w ≤ k (Dalskov, Escudero, Keller,
//! PoPETs 2020), with the pair of a mask r that is uniform modulo 2^w, and shares modulo 2^k of its top bit
//! b = r ≫ (w−1) and of its middle bits high = (r mod 2^(w−1)) ≫ m:
//! 1. Both send c_i = (x_i + i₀·2^(w−2) + r_i) mod 2^w, where i₀ is 1 for party 0; c = Σ c_i mod 2^w.
//! 2. v_i = b_i + t·(i₀ − 2·b_i) with t = c ≫ (w−1), and
//!    y_i = i₀·(((c mod 2^(w−1)) ≫ m) − 2^(w−2−m)) − high_i + v_i·2^(w−1−m).
//!
//! *Width:* with |x| < 2^b by the declared bounds (see [`crate::program::range`]), w = max(b, m) + 2; c_i is packed, w bits
//! a value. Where no bound is known, and where this saves less than an eighth of the words, w = k.
//!
//! *Why it is right.* 2^w divides 2^k, so reducing modulo 2^w is a homomorphism of rings from Z_2^k: it commutes with
//! the sum of the parts, whatever wraps modulo 2^k in it, and c = (x' + r) mod 2^w with x' = x + 2^(w−2), an integer in
//! 0 … 2^(w−1). As integers, x' + (r mod 2^(w−1)) = (c mod 2^(w−1)) + v·2^(w−1) with v a carry of one bit, since both
//! summands are below 2^(w−1); and v = b ⊕ t, since b and v add up to t modulo 2. So
//! ((c mod 2^(w−1)) ≫ m) − ((r mod 2^(w−1)) ≫ m) + v·2^(w−1−m) is ⌊x'/2^m⌋ or one more, and 2^(w−2−m) is what 2^(w−2)
//! became. This is an equation of integers between −2^(k−1) and 2^(k−1); b and high are dealt as shares of these integers
//! modulo 2^k, so the y_i add up to the result modulo 2^k, sign and all: it needs no lifting from Z_2^w.
//!
//! *What is seen.* The parts of r are uniform modulo 2^k and so are their low w bits modulo 2^w; nobody sends the bits
//! above. So c_i is uniform modulo 2^w to its receiver, as with w = k; w, as b, follows from public bounds.
//!
//! The result is ⌊x/2^m⌋ + \[u < x mod 2^m\] with u = c mod 2^m: rounded up with probability (x mod 2^m)/2^m; there is
//! no other error. Both parties see c, so the functionality is: draw u uniformly, *give it to both*, and round by it.
//! Whoever also learns the result learns on which side of u the dropped bits lie, which over many results that share
//! their dropped bits pins these down; the result alone would let them be averaged out, only more slowly. Who deals r
//! knows as much: the result is also ⌊(x + (r mod 2^m))/2^m⌋. *Bytes:* each party sends w bits a value, in ⌈n·w/k⌉ words
//! for a tile of n values. *Rounds:* 1. A value that one party holds alone is shifted locally, rounding down.
//!
//! **Truncation one way**, of a tile of 2^15 values or more: party 0 draws the whole of r, and party 1 alone learns c. With
//! uniform bits τ that party 1 draws and dealt shares p_0 + p_1 = τ·b (see the carry in [`crate::correlation`]):
//! 1. Party 0 sends (x_0 + 2^(w−2) + r) mod 2^w, to which party 1 adds x_1: c.
//! 2. Party 1 sends d = t ⊕ τ for t = c ≫ (w−1), and
//!    y_1 = ((c mod 2^(w−1)) ≫ m) − 2^(w−2−m) + (t − 2·(1 − 2d)·p_1)·2^(w−1−m).
//! 3. y_0 = (1 − 2d)·(b − 2·p_0)·2^(w−1−m) − ((r mod 2^(w−1)) ≫ m).
//!
//! *Why it is right.* The bits add up to t + (1 − 2d)·(b − 2·τ·b) = t + (1 − 2t)·b = v, since (1 − 2d)·(1 − 2τ) = 1 − 2t; the
//! rest is as above. The p_i are multiplied by 2^(w−m) and so dealt modulo 2^(k−w+m) alone. *What is seen.* Party 1 sees x_0
//! under r, of which it knows nothing, and party 0 sees t under τ. Party 0 knows r as who deals it does, and party 1 sees u;
//! together they know what they would if both saw c, and each alone as much of the rounding as before. *Bytes:* w bits a
//! value from party 0, one bit from party 1. *Rounds:* 2 until party 0 has its share, 1 for party 1. The bytes saved are more
//! than a link carries in the time of a round.
//!
//! **Comparison.** Whether x < 0, for a shared x with |x| < 2^t (t = k − 1 unless declared bounds say less). Its parts
//! are x_i = c_i + a_i with a mask a, so x = c + a, and x < 0 is bit t of that: c_t ⊕ a_t ⊕ \[c̄ < a mod 2^t\], with
//! c̄ = −1 − c mod 2^t, since the low bits carry where a exceeds what c leaves to 2^t.
//! 1. Both send c_i = x_i − a_i; c is opened. It serves as well where x is a factor of a product or is chosen.
//! 2. c̄ and a are compared digit by digit: c picks shares of \[c̄_d < a_d\] and \[c̄_d = a_d\] from a dealt table of every
//!    digit a_d (one-time truth tables: Ishai et al., TCC 2013, see [`crate::correlation`]), locally.
//! 3. ⌈log₄ D⌉ times, for D digits: the factors of a level (see [`crate::step::bits`]) are opened under masked bits,
//!    and every group of four digits is joined by dealt products of the masks (conjunction of several bits in one
//!    round: Ohata and Nuida, FC 2020, section 3.2). What is left is b_i with b = b_0 ⊕ b_1.
//! 4. With a dealt random bit ρ, both send b_i ⊕ ρ_i; e = b ⊕ ρ is opened, and \[b\]_i = i₀·e + (1 − 2e)·\[ρ\]_i.
//!
//! The answer depends on c and a modulo 2^(t+1) alone, so c is opened modulo 2^w with w = t + 1, by the low w bits of each
//! c_i, which are uniform as those of a_i are; again w = k where little is saved. Where x is a factor of a product or is
//! chosen, the same opening serves that, and w = k.
//!
//! Several comparisons of one x with public constants v, as those that find its power of two, share step 1 and the
//! table: x + v = (c + v) + a, and nothing but c depends on a where it is seen. What is picked from the table are shares,
//! and every pick is hidden by masked bits of its own before anything of it is opened, so a table may be picked from for
//! any number of public c + v. The largest of their t is taken for w. Each further comparison costs the bytes of steps 3 and 4 alone.
//!
//! **Powers of two.** Whether x ≥ 2^e, for many e at once, is asked of the signs of x − 2^e, and so of c̄ + 2^e = −1 − (c − 2^e);
//! x ≤ −2^e is x + 2^e − 1 < 0, with −c − 2^e. These numbers differ from each other in few digits, so the comparisons share
//! lanes of 16 bits, of which l hold the t bits (see [`crate::step::bits`]):
//! 1. As above.
//! 2. Of the table the digits of each lane are looked up for c̄, of each lane but the first for c̄ + 2^b with b the lane's
//!    first bit, and of the lane of e for c̄ + 2^e, for each other e.
//! 3. Each of these lanes is joined to its two bits lt and eq, as in the first level of a comparison. Then each e picks
//!    l lanes by the public c: its own; below it those of c̄; above it those of c̄ too, or those of c̄ + 2^b where the bits of
//!    c̄ from e to b − 1 are all one. The second level joins them.
//! 4. As above, for each e.
//!
//! *Why it is right.* Adding 2^e changes no bit below e. A carry comes into bit b > e where the bits from e on below b are all
//! one, and then adds 1 to the number that begins at bit b, as 2^b does; otherwise the bits from b on stay. With −c − 2^e it
//! is borrows and zeros. *What is seen.* Which results are picked follows from c, which both know. What is picked are shares;
//! each factor of each level, of one e as of another that picks the same result, is opened as b ⊕ μ under a bit μ = μ_0 ⊕ μ_1
//! of its own, of which neither party knows the other's part. A μ masks one bit once; besides, it is a factor of products with
//! the other masks of its own group, which the parties hold as shares. So all that is opened is uniform and independent of
//! x and of each other, and is simulated by uniform bits. *Bytes:* beside the w bits each party sends 7 bits for each lane
//! looked up, and 2(l − 1) + 1 for each e: for 31 powers of a value of 64 bits 462, where they take 1054 one by one. Powers are
//! compared so where that is less. *Rounds:* 4, as for one comparison.
//!
//! x ≥ 0 is b negated by party 0 in step 4. x = 0 asks whether every digit of a equals that of −c: tables and trees
//! of eq alone. *Bytes:* each party sends w bits, 33 bits of factors (t = 63: 27 in the first level, 6 in the
//! second) and one bit a value; bits travel in words, ⌈n/k⌉ of each kind a tile of n values. *Rounds:* 4, or 2 + the
//! number of levels. Of a value that one party holds alone it takes the sign locally.
//!
//! **Comparison of the parts.** Where the two parties make their correlations between themselves, tables of a mask's digits cost
//! them far more than what is done with them. Their plans take another way, which opens nothing first. Of x with |x| < 2^t the sign
//! is bit t of x_0 + x_1, which is x_{0,t} ⊕ x_{1,t} ⊕ the carry out of the low t bits (the millionaires' problem on shares: Rathee et
//! al., "CrypTFlow2", CCS 2020, section 3; its leaves here are single bits, since products of random bits cost the parties least):
//! 1. For each of the t bits party 0 sends x_{0,j} ⊕ v_j, and party 1 x_{1,j} ⊕ c_j, with the bits of an OLE (see
//!    [`crate::correlation`]): shares of the products x_{0,j}·x_{1,j}, where a carry begins. It passes where x_{0,j} ⊕ x_{1,j} is one, of
//!    which each has its bit.
//! 2. ⌈log₂ t⌉ times neighbouring digits are joined, two by two (pairwise levels of [`crate::step::bits`]): a carry comes out of two
//!    where it begins in the upper one, or passes it and comes out of the lower one. Three bits are opened for two products.
//! 3. As step 4 above, of the last carry and the parts' bits t.
//!
//! x = 0 asks whether x_0 and −x_1 are alike in all bits: a tree of eq alone, whose digits are single bits. *What is seen.* Every bit
//! that is sent is under a mask bit that its receiver does not know and that covers nothing else. *Bytes:* each party sends t bits in
//! step 1 and, for t = 63, 181 in step 2: with the correlations (142 bits, [`crate::correlation::pair`]) a sign takes 630 bits in both
//! directions. *Rounds:* 2 + ⌈log₂ t⌉, for t = 63 eight; powers of two are compared each for itself.
//!
//! **Truncation of the parts** (likewise; Huang et al., "Cheetah", USENIX Security 2022, section 5, of values whose sign is known). With
//! x' = x + 2^(w−2), which party 0 adds to its part, and both parts modulo 2^w: x'_0 + x'_1 = x' + (t_0 ∨ t_1)·2^w as integers, with
//! their top bits t_i, since x' < 2^(w−1). With S_i = ⌊x'_i/2^m⌋ of the part as a signed number of w bits, and e the carry of the low m
//! bits, ⌊x/2^m⌋ = S_0 + S_1 + e + t_0·t_1·2^(w−m) − 2^(w−2−m).
//! - *Exact*: t_0·t_1 by an OLE, e as above, and both become shares of elements as bits of comparisons do. *Bytes:* for m = 16 each party sends
//!   1 + 16 + 41 + 2 bits. *Rounds:* 2 + ⌈log₂ m⌉.
//! - *Stochastic*: of x − 1, with 1 in place of e: what is added is 1 less e. Both first add a common stream to x_0, and
//!   take it off x_1: so u = x'_0 mod 2^m is uniform, and the result is ⌊x/2^m⌋ + \[u < x mod 2^m\], as above; here party 0 alone
//!   learns u, and party 1 what is left. *Bytes:* two bits a party. *Rounds:* 2.
//!
//! **Choice** b·z of a comparison's result and a value z of the same shape: with z = c' + a' opened under a mask as
//! above and a dealt share of ρ·a', b·z = e·z + (1 − 2e)·(c'·ρ + ρ·a'). *Bytes:* each holder of z sends one element a
//! value, or none where z is open already: relu(x) = \[x ≥ 0\]·x costs no more than the comparison, and
//! max(x, y) = y + relu(x − y). *Rounds:* none but those of the bit, since z is opened meanwhile.
//!
//! **Exact truncation** by m bits: with c = x' + r modulo 2^w as for the stochastic one, the exact result is less by the
//! borrow \[c mod 2^m < r mod 2^m\] of the dropped bits. It is found by steps 2 to 4 of a comparison, of the low m bits,
//! and its shares are added to those of the middle bits. *Bytes:* beside the w bits, for m = 16, 7 bits. *Rounds:* 3,
//! or 2 + the number of levels. The result is ⌊x/2^m⌋; nothing but uniform values is learnt.
//!
//! **Moving elements.** Slices, places, reshaping and gathering move each part for itself. They cost nothing.
//!
//! **States.** Between runs each party keeps its part of a state. An update is each party's part of the new value. *Bytes:*
//! none. What a run opens of a state it opens under a mask of this run, whoever knew its first value.
//!
//! **Output.** The other holders send their parts to each recipient. *Bytes:* one element a value and recipient.
//! *Rounds:* 1. With two parties a part reveals no more than the output does: it is the output less the part that the
//! recipient already holds.
//!
//! **Later runs.** What is computed from resident inputs alone is lowered as steps of the first run (see
//! [`crate::share::Taken`]): their shares, and the openings of those that are factors, are kept with their masks.
//! Later runs open the other factors under fresh masks, and draw fresh shares of the products of these with kept ones.
//! *Bytes:* of x @ w with w resident, mk elements; what the first run sent for w is not sent again.
//!
//! **Security model.** Semi-honest parties; a dealer that colludes with neither, or none where the parties make the
//! correlations between themselves (see [`crate::correlation::pair`]). Every message but an output's is
//! masked by a fresh uniform mask that its receiver does not know, so a party's view is simulated by uniform messages,
//! the truncations' u, and its outputs.
//!
//! **Deviations.** SecureML's share of a product is −i·E·F + X_i·F + E·Y_i + C_i; with X_i = E_i + A_i that is the same
//! sum, but step 3 needs neither the product E·F nor X_i once E is opened, and both parties compute alike. The
//! comparison's trees open the masked bits of a whole level at once and deal the masks' products as bits, where Ohata
//! and Nuida compare by a prefix computation. That comparisons with powers of two share results of one tree is our own.

mod product;
#[cfg(test)]
mod tests;

use super::Lowered;
use super::dealt::{self, Bits, Toolkit, UsesToolkit};
use super::lowering::{Lowering, Pair, Parts, Tile, lower, lower_with};
use super::regions::regions;
use super::rules::{Coalition, Row, Rules, Served};
use crate::correlation::{DemandError, Product, Source};
use crate::program::tiling::Tiling;
use crate::program::{Program, Test, Truncation};
use crate::ring::Shape;
use crate::share::Parties;

const ONE_PARTY: Coalition = Coalition {
    who: "a party alone",
    learns: "nothing but its inputs and outputs, the answers of checks, and of a stochastic truncation the rounding threshold",
};

pub(super) const ROW: Row = Row {
    name: "beaver",
    parties: 2,
    keepers: Beaver::KEEPERS,
    sources: &[
        Served {
            source: Source::Dealer,
            trust: &[
                ONE_PARTY,
                Coalition { who: "the dealer alone", learns: "the list of correlations, and no data" },
                Coalition { who: "the dealer and a party", learns: "the other party's inputs" },
            ],
        },
        Served {
            source: Source::Pair,
            trust: &[
                ONE_PARTY,
                Coalition {
                    who: "anybody else",
                    learns: "nothing: no third process takes part, the parties make the correlations by oblivious transfer",
                },
            ],
        },
        Served {
            source: Source::Store,
            trust: &[
                ONE_PARTY,
                Coalition {
                    who: "a party and whoever dealt the store (nobody, where the parties filled it themselves), or has read the other party's folder",
                    learns: "the other party's inputs",
                },
            ],
        },
        Served {
            source: Source::PairStore,
            trust: &[
                ONE_PARTY,
                Coalition {
                    who: "a party and whoever has read the other party's folder",
                    learns: "the other party's inputs",
                },
            ],
        },
    ],
    lower: lower::<Beaver>,
};

/// The row of the same protocol with garbled circuits for what is not linear.
pub(super) const GARBLED_ROW: Row = Row { name: "beaver-garbled", lower: lower_garbled, ..ROW };

/// Lowers a program with regions that garbled circuits compute.
fn lower_garbled(program: &Program, tiling: &Tiling, source: Source) -> Result<Lowered, DemandError> {
    lower_with::<Beaver>(program, tiling, source, regions(program, tiling))
}

/// The rules of this protocol.
struct Beaver {
    toolkit: Toolkit,
}

impl Rules for Beaver {
    type Bits = Bits;
    const KEEPERS: usize = 2;

    fn new(program: &Program) -> Beaver {
        Beaver { toolkit: Toolkit::new(program, true) }
    }

    fn product(lowering: &mut Lowering<'_, Self>, of: Product, shape: Shape, terms: &[Pair]) -> Parts {
        product::product(lowering, of, shape, terms)
    }

    fn truncate(lowering: &mut Lowering<'_, Self>, x: Tile, bits: u32, method: Truncation) -> Parts {
        dealt::truncate(lowering, x, bits, method)
    }

    fn test(lowering: &mut Lowering<'_, Self>, x: Tile, test: Test) -> Bits {
        dealt::test(lowering, x, test)
    }

    fn elements(lowering: &mut Lowering<'_, Self>, bits: Bits) -> Parts {
        dealt::elements(lowering, bits)
    }

    fn choose(lowering: &mut Lowering<'_, Self>, bits: Bits, z: Tile) -> Parts {
        dealt::choose(lowering, bits, z)
    }
}

impl UsesToolkit for Beaver {
    fn toolkit(&mut self) -> &mut Toolkit {
        &mut self.toolkit
    }
}

/// The parties that draw a part of each factor's mask.
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
