//! A toolkit for protocols in which two parties compute what is not linear, with correlations that somebody else makes:
//! comparisons, choices by their results, truncation, and openings under masks.
//!
//! The formulas are those of [`super::beaver`]. A protocol that uses the toolkit keeps a [`Toolkit`] among its rules
//! ([`UsesToolkit`]) and calls what it needs; the two are [`COMPUTING`], and a third party may hold a part of a value
//! as well ([`HELPER`]).

mod bits;
mod carries;
mod one_way;
mod powers;
mod shares;
mod widths;

pub(super) use bits::{Bits, choose, elements, test, truncate};
pub(super) use shares::{COMPUTING, Opened};

use super::lowering::{Block, Tile};
use super::rules::Rules;
use crate::program::Program;
use crate::share::PartyId;
use bits::TableKey;
use powers::Searches;
use shares::{OpenedKey, TwoPartyShares};
use std::collections::HashMap;
use widths::Widths;

/// The party that may hold a part beside the two who compute, where there are three.
pub(super) const HELPER: PartyId = PartyId(2);

/// Rules that use the toolkit.
pub(super) trait UsesToolkit: Rules {
    /// The toolkit's state for the program that is lowered.
    fn toolkit(&mut self) -> &mut Toolkit;
}

/// The tiles that have been emitted for a program, so that each is emitted once.
pub(super) struct Toolkit {
    widths: Widths,
    /// The comparisons that are made together.
    searches: Searches,
    /// The tiles that the two hold between themselves.
    shares: HashMap<Tile, TwoPartyShares>,
    /// The tiles that have been opened.
    opened: HashMap<OpenedKey, Opened>,
    /// The tables of masks, each party's share.
    tables: HashMap<TableKey, [Block; 2]>,
}

impl Toolkit {
    /// A toolkit for a program; `products_open` says whether the protocol's products open their factors.
    pub(super) fn new(program: &Program, products_open: bool) -> Toolkit {
        let widths = Widths::new(program, products_open);
        Toolkit {
            searches: Searches::new(program, &widths),
            widths,
            shares: HashMap::new(),
            opened: HashMap::new(),
            tables: HashMap::new(),
        }
    }
}
