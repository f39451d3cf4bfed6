//! Equipment for tests and fuzz targets: rules that tamper with what crosses a wire, seeds that can be guessed, corpora,
//! and the entry points of fuzz targets. It is there in this crate's tests, and for others with the feature `testing`,
//! which no release has.

mod corpus;

pub use crate::net::tamper::Verdict;
pub use corpus::corpus;

use crate::net::Frame;
use crate::net::tamper::{Rule, tampered_pipe};
use crate::session::{KeySource, World};
use crate::share::Role;
use std::sync::Arc;

/// The entry points of fuzz targets: none may panic, or take memory that the bytes do not pay for.
pub mod fuzz {
    pub use crate::circuit::bristol::fuzz::bristol;
    pub use crate::circuit::convert::fuzz::conversion;
    pub use crate::circuit::garble::fuzz::garbled;
    pub use crate::correlation::fuzz::{demand, order};
    pub use crate::correlation::pair::fuzz::pair;
    pub use crate::lattice::fuzz::messages as lattice;
    pub use crate::net::fuzz::{awaited_frames, frame, greeting};
    pub use crate::ot::fuzz::message as transfer;
}

/// Decides on each frame, and on each message of a bundle as if it were a frame of its own, by who sends it to whom.
pub type WireRule = Arc<dyn Fn(Role, Role, &Frame) -> Verdict + Send + Sync>;

impl World {
    /// Draws everything from a seed that anybody can guess, so that a run repeats itself.
    pub fn with_insecure_seed(mut self, seed: u64) -> World {
        self.keys = KeySource::InsecureSeed(seed);
        self
    }

    /// Lets a rule delay, drop, alter or cut what crosses the wire.
    pub fn with_rule(mut self, rule: WireRule) -> World {
        self.pipes = Arc::new(move |first, second, runtime| {
            let rule = rule.clone();
            let rule: Rule = Arc::new(move |forward, frame| match forward {
                true => rule(first, second, frame),
                false => rule(second, first, frame),
            });
            tampered_pipe(rule, runtime)
        });
        self
    }
}
