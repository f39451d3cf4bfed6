//! The options of a GPU.

use super::matrix_tile::MatrixTile;
use super::tune::Autotune;

/// The arithmetic of 64-bit elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// With 64-bit integers where the adapter has them.
    #[default]
    Auto,
    /// With 64-bit integers; an adapter without them does not open.
    Native,
    /// With pairs of 32-bit words.
    Pairs,
}

/// Whether matrix products run on matrix units, by residues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatrixUnits {
    /// On adapters that have them, other than software ones, where the product is large enough for it to pay.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always; an adapter without them does not open.
    Always,
}

/// The options of a [`Gpu`](super::Gpu).
#[derive(Clone, Copy, Debug, Default)]
pub struct GpuOptions {
    /// The arithmetic of 64-bit elements.
    pub arithmetic: Arithmetic,
    /// Whether matrix products run on matrix units.
    pub matrix_units: MatrixUnits,
    /// Whether the fastest way to compute products is found by measuring.
    pub autotune: Autotune,
    /// What they multiply, by default what is fastest: for tests of the others.
    pub matrix_tile: Option<MatrixTile>,
    /// Lowers what one binding spans at most, for tests of matrices that span several.
    pub binding_limit_bytes: Option<u64>,
    /// Lowers how many workgroups a row of a dispatch has at most, for tests of dispatches of several rows.
    pub groups_limit: Option<u32>,
    /// The ledger's limit.
    pub budget_bytes: Option<u64>,
}
