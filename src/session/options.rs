//! How a session runs.

use crate::net::{Deadlines, Interrupt, LinkShape};
use crate::plan::Supply;
use crate::program::tiling::TileSide;
use crate::run::Overlap;

/// How a session runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// The link that those with the peers stand in for; `None` is as fast as they are.
    pub link: Option<LinkShape>,
    /// Most bytes of memory that a plan may take of each device.
    pub budget_bytes: Option<u64>,
    /// The side of tiles; `None` takes that with which the run is predicted to be done first. The smallest that any
    /// party takes is that of all.
    pub tile_side: Option<TileSide>,
    /// How many tiles this party may run ahead of its peers, in device memory that it keeps for them.
    pub window: Option<u32>,
    /// Whether the lanes work at once.
    pub overlap: Overlap,
    /// When correlations come; `None` streams them where the budget asks for it. They are streamed if any party wants so.
    pub supply: Option<Supply>,
    /// Whether peers may choose the shapes of inputs that the job does not declare, also where they learn what depends
    /// on this party's inputs: see [`Session::inputs`](super::Session::inputs).
    pub accept_shapes: bool,
    /// What such shapes may make a run take: see [`super::ACCEPTED_BYTES`], which is the limit where there is none here.
    pub accepted_bytes: Option<u64>,
    /// Whether reports have traces.
    pub trace: bool,
    /// What ends the session from outside, its peers told at once.
    pub interrupt: Option<&'static Interrupt>,
}
