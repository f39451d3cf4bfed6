//! The options of a session.

use crate::correlation::Source;
use crate::net::{Deadlines, Interrupt, LinkObserver, LinkShape};
use crate::plan::{PlanOptions, Supply};
use crate::program::tiling::TileSide;
use crate::run::Overlap;

/// The options of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// The deadlines.
    pub deadlines: Deadlines,
    /// The link that those with the peers stand in for; `None` is as fast as they are.
    pub link: Option<LinkShape>,
    /// Most bytes of memory that a plan may take of each device.
    pub budget_bytes: Option<u64>,
    /// The side of tiles; `None` takes that with which the run is predicted to be done first. The smallest that any
    /// party takes is that of all.
    pub tile_side: Option<TileSide>,
    /// The number of tiles by which this party may run ahead of its peers, in device memory that it keeps for them.
    pub window: Option<u32>,
    /// Lanes at work together, or one step at a time.
    pub overlap: Overlap,
    /// The supply of correlations; `None` streams them where the budget requires it. They are streamed if any party wants so.
    pub supply: Option<Supply>,
    /// Whether peers may choose the shapes of inputs that the job does not declare, also where they learn what depends
    /// on this party's inputs: see [`Session::inputs`](super::Session::inputs).
    pub accept_shapes: bool,
    /// The most memory of a run with such shapes; `None` is [`super::ACCEPTED_BYTES`].
    pub accepted_bytes: Option<u64>,
    /// Whether reports have traces.
    pub trace: bool,
    /// The switch that ends the session from outside and tells its peers at once.
    pub interrupt: Option<&'static Interrupt>,
    /// Who watches the session's links.
    pub observer: Option<&'static LinkObserver>,
}

impl SessionOptions {
    /// What plans of a session are made with: correlations from this source, and so many bytes for buffers.
    pub(super) fn plan(&self, source: Source, budget_bytes: Option<u64>) -> PlanOptions {
        let default = PlanOptions::default();
        let window = self.window.unwrap_or(default.window);
        PlanOptions { source: Some(source), window, supply: self.supply, budget_bytes, ..default }
    }
}
