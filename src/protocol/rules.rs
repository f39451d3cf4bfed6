//! The interface of a protocol: one static row of facts, and the rules by which it lowers what is not local.

use super::Lowered;
use super::lowering::{Block, Lowering, Pair, Parts, Tile};
use crate::correlation::{DemandError, Product, Source};
use crate::program::tiling::Tiling;
use crate::program::{Program, Test, Truncation};
use crate::ring::Shape;
use crate::share::{Parties, PartyId, Sharing};
use serde::Serialize;

/// The facts that a protocol's folder states of it.
pub(super) struct Row {
    /// The name in jobs and reports.
    pub name: &'static str,
    /// The number of computing parties.
    pub parties: usize,
    /// [`Rules::KEEPERS`] of its rules.
    pub keepers: usize,
    /// The sources that can serve it; the first is the default.
    pub sources: &'static [Served],
    /// [`super::lowering::lower`] with the protocol's rules.
    pub lower: fn(&Program, &Tiling, Source) -> Result<Lowered, DemandError>,
}

/// A source that can serve a protocol, and the trust that both together ask for.
pub(super) struct Served {
    pub source: Source,
    pub trust: &'static [Coalition],
}

/// What roles that put together all that they see learn beside their own inputs and outputs, and what follows from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Coalition {
    /// The roles.
    pub who: &'static str,
    /// The knowledge that they gain.
    pub learns: &'static str,
}

/// How a protocol lowers what is not local, and what it keeps while it lowers one program. Ops on values that one party
/// knows alone are local, and no rule is asked about them.
pub(super) trait Rules: Sized {
    /// The form in which the protocol keeps the answers of a comparison until an op needs them.
    type Bits: Copy;

    /// The number of parties, the first ones, of which each keeps a part of a state between runs.
    const KEEPERS: usize;

    /// The rules, before anything of `program` is lowered.
    fn new(program: &Program) -> Self;

    /// A tile of an input, given its owner's copy.
    fn input(_: &mut Lowering<'_, Self>, owner: PartyId, block: Block) -> Parts {
        Sharing::alone(owner, block)
    }

    /// Σ X·Y over pairs of tiles, of this shape.
    fn product(lowering: &mut Lowering<'_, Self>, of: Product, shape: Shape, terms: &[Pair]) -> Parts;

    /// Truncation by so many bits.
    fn truncate(lowering: &mut Lowering<'_, Self>, x: Tile, bits: u32, method: Truncation) -> Parts;

    /// A comparison with zero. Of x = base + constant the tile of the base has been lowered, see [`super::compared`].
    fn test(lowering: &mut Lowering<'_, Self>, x: Tile, test: Test) -> Self::Bits;

    /// Answers as shares of ring elements.
    fn elements(lowering: &mut Lowering<'_, Self>, bits: Self::Bits) -> Parts;

    /// Answers times a value of their shape.
    fn choose(lowering: &mut Lowering<'_, Self>, bits: Self::Bits, z: Tile) -> Parts;

    /// A tile of which every component is held by one of `keepers`.
    fn kept(lowering: &mut Lowering<'_, Self>, tile: Tile, _keepers: Parties) -> Parts {
        lowering.parts(tile)
    }

    /// A tile in the form in which products take its elements, as far as that depends on nothing but the tile.
    fn shared(lowering: &mut Lowering<'_, Self>, tile: Tile) -> Parts {
        lowering.parts(tile)
    }

    /// A tile in the form in which its elements are cheapest repeated; `None` where that is the form it has.
    fn repeatable(_: &mut Lowering<'_, Self>, _: Tile) -> Option<Parts> {
        None
    }
}
