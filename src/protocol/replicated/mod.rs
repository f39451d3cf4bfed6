//! Three parties, honest majority, no dealer.
//!
//! **Functionality.** Evaluates a program on replicated shares over Z_2^k and opens each output to its recipients.
//!
//! **Sharing.** x = x_0 + x_1 + x_2, and party i holds x_i and x_{i+1} (Araki, Furukawa, Lindell, Nof, Ohara,
//! "High-Throughput Semi-Honest Secure Three-Party Computation with an Honest Majority", CCS 2016; in rings as in
//! Mohassel and Rindal, "ABY3", CCS 2018): each component has two holders. Beside these a value may have components
//! that one party alone holds (see [`crate::share::Sharing`]): an input is its owner's alone and costs nothing until it
//! meets another's, and what comes out of a product or of a truncation stays a sum of parts until a product needs it
//! replicated. Linear ops are local on every component.
//!
//! **Keys.** Parties i and j have a key k_ij of a pseudo-random generator, to which both contribute for every run, over
//! their link and bound by commitments, so that the third knows nothing of it and neither chooses it. Streams are numbered
//! in the order of lowering, which is the same for all, and each is drawn once by each of the two. Below, F(k_ij) is the
//! next unused stream of a key.
//!
//! **Replicating** what parties hold alone.
//! 1. One or two parties do: each draws F with its partner, which is party 2 (for party 2 it is party 1), as their
//!    common component, and sends the rest to the third, with whom it is then common. *Bytes:* one element a value from
//!    each. Between parties 0 and 1 nothing is sent to party 2.
//! 2. All three do, z_0 + z_1 + z_2: with shares of zero α_i = F(k_{i−1,i}) − F(k_{i,i+1}), party i sends z_i + α_i to
//!    party i − 1, and that is the component of both. *Bytes:* one element a value from each. *Rounds:* 1.
//!
//! A tile becomes replicated once, however many products it is a factor of.
//!
//! **Product** of replicated X and Y, elementwise or of matrices: Z_i = \[X_i | X_{i+1}\] · \[Y_i + Y_{i+1} ; Y_i\], one fused
//! product of inner size 2k for party i; ΣZ_i = X·Y, since each X_a·Y_b has exactly one party that holds both factors.
//! *Bytes:* none; the result becomes replicated at one element a value and party, whatever k is. What one party knows
//! alone has no third component, which is left out. A product of two values that one party knows is local.
//!
//! **Between two.** What is not linear is computed between parties 0 and 1, by the same steps as with two parties (see
//! [`super::beaver`]), and party 2 deals the correlations, in its offline phase: the seeds are k_02 and k_12, and
//! corrections are sent to party 1 (the helper of Chameleon, Riazi et al., ASIACCS 2018, and of SecureNN, Wagh, Gupta,
//! Chandran, PoPETs 2019, and one of the parties in Dalskov, Escudero, Keller, PoPETs 2020). Party 0's part is x_0 + x_1
//! and what it holds alone, party 1's is x_2 and what it holds alone. What party 2 holds alone it tells both as
//! z_2 + s_0 + s_1, with s_i = F(k_i2), which the parts are less by. *Bytes:* two elements a value from party 2, in
//! the round of the opening that follows, not before it. Where everything that is done with the parts needs their sum
//! modulo 2^w alone, as truncations and comparisons of bounded values do, party 2 sends the low w bits of it, packed. The
//! sum of the parts and of what is told is then right modulo 2^w, since reducing commutes with it; s_0 and s_1 are
//! uniform modulo 2^w as well, and of what is told no bit above is sent. Where several need different widths, the largest
//! is told.
//!
//! **Truncation, comparison, choice, exact truncation**: as with two parties, with c opened between 0 and 1. The
//! results are parts of parties 0 and 1. No failure for |x| < 2^(w−2). *Bytes* of a truncation behind a product: w bits
//! a value from parties 0 and 1, 2w from party 2, with the same w. *Rounds:* 1, and 1 more where a product needs the result
//! replicated. Of comparisons and choices party 2 sees and sends nothing online; in its offline phase it sends party 1
//! what a dealer would.
//!
//! A tile of 2^15 values or more is truncated one way, as with two parties. Party 2's part goes to party 1 alone, as
//! z_2 + s with s = F(k_02), and party 0 sends its part under r − s: r and s are uniform to party 1, which so sees two uniform
//! messages, and c as their sum with its own part. *Bytes:* w bits a value from parties 0 and 2, one bit from party 1, to
//! party 0. *Rounds:* 2 until party 0 has its share.
//!
//! **States** are kept between runs as the parts of parties 0 and 1: what all that is not linear works on, and replicated at
//! the cost of two elements a value where a product needs it. Of an update each component goes to the lower of its holders
//! of these two. What party 2 holds alone it shares as in step 1 of replicating: one element a value, from party 2. Where
//! the first value is party 2's input, it keeps a third part.
//!
//! **Moving elements.** A gathering that repeats elements is done on the replicated value, so that each is sent once.
//!
//! **Output.** One neighbour sends what the recipient lacks: the third component, or another's part. Where both others
//! have a part alone they add and subtract F of their key. *Bytes:* one element a value and recipient, or two. *Rounds:*
//! 1.
//!
//! **Security model.** Semi-honest parties of which no two collude. Every message that party i receives, but for an
//! output's, is a sum with a stream of the key of the two others that is in no other message to i:
//! - a rest that is shared: F of the sender and its partner; a reshared part: F(k_{i,i+1}) between party i's successors;
//! - c and the masked bits, at party 0 from party 1: a part of a dealt mask that comes from k_12; and the reverse;
//! - what party 2 tells: s_1 at party 0, s_0 at party 1. The other's part, less the same s, comes with its own mask;
//! - corrections at party 1: party 0's share of what is dealt, a stream of k_02.
//!
//! Party 2 knows the dealt masks, and is sent nothing that depends on an opening: of what parties 0 and 1 hold alone it
//! is sent party 0's in step 2 of replicating, under F(k_01), and outputs, of which both hide their parts by F(k_01),
//! or one sends what the output says anyway. So a party's view is simulated by uniform messages, its outputs, and the
//! truncations' rounding thresholds: parties 0 and 1 see u = c mod 2^m, but for large tiles, of which party 0 knows r; party 2 knows r, and where it receives the result
//! y = ⌊(x + (r mod 2^m))/2^m⌋, that tells it as much; a test takes the messages of random programs apart and holds
//! this against them. A party that deviates can spoil results unnoticed.
//!
//! **No other source.** Parties 0 and 1 could make the correlations themselves, as two parties do, and party 2 would deal none. It
//! would hide nothing from anybody that is not hidden now, but for the masks of truncations from party 2: any two parties know
//! all by the shares that they hold, whoever deals. So nobody gains by it, and it costs what [`crate::correlation::pair`] states.
//!
//! **Deviations.** ABY3 truncates with a pair whose failures are rare but huge; here the top bit of the mask is dealt as
//! well (Dalskov et al.), which takes the dealing party. Replicated shares of bits (ABY3, section 5) would take log₂ k
//! rounds of k bits each where the dealt tables take 34 bits in 3.

mod product;

use super::dealt::{self, Bits, HELPER, Toolkit, UsesToolkit};
use super::lowering::{Block, Lowering, Pair, Parts, Tile, lower};
use super::rules::{Coalition, Row, Rules, Served};
use crate::correlation::{Product, Source};
use crate::program::{Program, Test, Truncation};
use crate::ring::Shape;
use crate::share::{Parties, PartyId, Sharing};
use std::collections::HashMap;

pub(super) const ROW: Row = Row {
    name: "replicated",
    parties: 3,
    keepers: Replicated::KEEPERS,
    sources: &[Served {
        source: Source::Party(HELPER),
        trust: &[
            Coalition {
                who: "a party alone",
                learns: "nothing but its inputs and outputs, the answers of checks, and of a stochastic truncation the rounding threshold",
            },
            Coalition { who: "two of the three parties", learns: "everything" },
            Coalition {
                who: "anybody else",
                learns: "nothing: no dealer is needed, since party 2 makes what the other two take",
            },
        ],
    }],
    lower: lower::<Replicated>,
};

/// The rules of this protocol.
struct Replicated {
    toolkit: Toolkit,
    /// The tiles that were replicated.
    replicas: HashMap<Tile, Parts>,
    /// Sums of a party's two components of a replicated tile.
    sums: HashMap<(Tile, PartyId), Block>,
}

impl Rules for Replicated {
    type Bits = Bits;
    const KEEPERS: usize = 2;

    fn new(program: &Program) -> Replicated {
        let toolkit = Toolkit::new(program, false);
        Replicated { toolkit, replicas: HashMap::new(), sums: HashMap::new() }
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

    /// What party 2 has alone is shared with the keepers, unless it keeps a part itself.
    fn kept(lowering: &mut Lowering<'_, Self>, tile: Tile, keepers: Parties) -> Parts {
        let parts = lowering.parts(tile);
        match parts.own(HELPER).filter(|_| !keepers.contains(HELPER)) {
            None => parts,
            Some(part) => lowering.for_value(tile.value, |lowering| lowering.hand_over(&parts, part)),
        }
    }

    fn shared(lowering: &mut Lowering<'_, Self>, tile: Tile) -> Parts {
        lowering.replicated(tile)
    }

    /// Replicated before it is repeated, unless one party knows it: there are more elements afterwards.
    fn repeatable(lowering: &mut Lowering<'_, Self>, tile: Tile) -> Option<Parts> {
        lowering.parts(tile).owner().is_none().then(|| lowering.replicated(tile))
    }
}

impl UsesToolkit for Replicated {
    fn toolkit(&mut self) -> &mut Toolkit {
        &mut self.toolkit
    }
}

const PARTIES: [PartyId; 3] = [PartyId(0), PartyId(1), PartyId(2)];

/// Party i + 1.
const fn next(party: PartyId) -> PartyId {
    PartyId((party.0 + 1) % 3)
}

/// Who draws uniform elements with a party that shares what it alone knows: the last of the others, so that between
/// parties 0 and 1 it is party 2, which deals to both and is then sent nothing.
const fn partner(party: PartyId) -> PartyId {
    PartyId(if party.0 == 2 { 1 } else { 2 })
}

/// The party that receives the rest.
const fn rest(party: PartyId) -> PartyId {
    PartyId(if party.0 == 0 { 1 } else { 0 })
}

/// The component x_i of party i and the one before.
fn component(party: PartyId) -> Parties {
    let before = next(next(party));
    party.alone().union(before.alone())
}

/// What party i multiplies: x_i with y_i and y_{i+1}, and x_{i+1} with y_i; what is absent is left out.
fn factors<T: Copy>(x: &Sharing<T>, y: &Sharing<T>, party: PartyId) -> Vec<(T, [Option<T>; 2])> {
    let [own, after] = [component(party), component(next(party))];
    let first = x.copy(own, party).map(|x| (x, [y.copy(own, party), y.copy(after, party)]));
    let second = x.copy(after, party).map(|x| (x, [y.copy(own, party), None]));
    first.into_iter().chain(second).filter(|(_, y)| y.iter().any(Option::is_some)).collect()
}
