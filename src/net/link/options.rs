//! The options of links.

use crate::net::activity::Activity;
use crate::net::deadlines::Deadlines;
use crate::net::interrupt::Interrupt;
use crate::net::link::observer::LinkObserver;
use crate::net::shape::LinkShape;
use crate::net::stream::hello::Hello;
use crate::net::streams::Streams;

/// The options that the links of a process have in common.
#[derive(Clone, Debug, Default)]
pub struct LinkOptions {
    /// The deadlines.
    pub deadlines: Deadlines,
    /// The networks that they simulate, each in the direction from this process.
    pub shape: Option<LinkShape>,
    /// The number of their streams, if they simulate no network.
    pub streams: Streams,
    /// Where their work is counted.
    pub activity: Activity,
    /// The switch that ends them from outside.
    pub interrupt: Option<&'static Interrupt>,
    /// Their observer.
    pub observer: Option<&'static LinkObserver>,
}

impl LinkOptions {
    /// The greeting of one of the links. A line that stands in for another is a single one.
    pub(in crate::net) fn greeting(&self, hello: Hello) -> Hello {
        Hello { streams: if self.shape.is_some() { Streams::ONE } else { self.streams }, ..hello }
    }
}
