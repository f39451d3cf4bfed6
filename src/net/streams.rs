//! The number of connections of a link.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How many TLS connections a link takes, where its peer takes as many: each is encrypted, and decrypted, by a core of
/// its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Streams(u8);

/// A number of streams that no link takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a link has from 1 to {} streams", Streams::MOST.0)]
pub struct StreamsError;

impl Streams {
    /// A single connection.
    pub const ONE: Streams = Streams(1);

    /// More than keep up with the one task that puts their bytes together again.
    pub const MOST: Streams = Streams(8);

    /// So many.
    ///
    /// # Errors
    /// Where that is none, or more than [`Streams::MOST`].
    pub fn new(streams: u64) -> Result<Streams, StreamsError> {
        let streams = u8::try_from(streams).map(Streams).map_err(|_| StreamsError)?;
        if (Streams::ONE..=Streams::MOST).contains(&streams) { Ok(streams) } else { Err(StreamsError) }
    }

    /// What suits a process that has so many cores, and a link with each of so many peers: half of the cores at most,
    /// since the others compute meanwhile.
    pub fn for_cores(cores: usize, peers: usize) -> Streams {
        const ENOUGH: usize = 4;
        Streams((cores / (2 * peers.max(1))).clamp(1, ENOUGH) as u8)
    }

    /// The number.
    pub const fn count(self) -> usize {
        self.0 as usize
    }

    /// The numbers of those beside the first.
    pub(super) fn further(self) -> impl Iterator<Item = u8> {
        1..self.0
    }
}

impl Default for Streams {
    fn default() -> Streams {
        Streams::ONE
    }
}

impl TryFrom<u64> for Streams {
    type Error = StreamsError;

    fn try_from(streams: u64) -> Result<Streams, StreamsError> {
        Streams::new(streams)
    }
}

impl FromStr for Streams {
    type Err = StreamsError;

    fn from_str(text: &str) -> Result<Streams, StreamsError> {
        text.parse().map_err(|_| StreamsError).and_then(Streams::new)
    }
}

impl fmt::Display for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_cores_take_one_stream() {
        for (cores, peers, streams) in [
            (1, 1, 1),
            (2, 1, 1),
            (2, 2, 1),
            (3, 1, 1),
            (4, 1, 2),
            (16, 2, 4),
            (16, 7, 1),
            (256, 1, 4),
            (8, 0, 4),
        ] {
            assert_eq!(Streams::for_cores(cores, peers).count(), streams, "{cores} cores, {peers} peers");
        }
    }

    #[test]
    fn a_number_is_read_only_within_the_limits() {
        for text in ["0", "9", "-1", "300", "many", ""] {
            assert_eq!(text.parse::<Streams>(), Err(StreamsError), "{text}");
            assert!(serde_json::from_str::<Streams>(text).is_err(), "{text}");
        }
        for count in 1..=8 {
            let streams = Streams::new(count).expect("within the limits");
            assert_eq!(streams.to_string().parse(), Ok(streams));
            assert_eq!(serde_json::to_string(&streams).expect("a number"), count.to_string());
            assert_eq!(serde_json::from_str::<Streams>(&count.to_string()).expect("a number"), streams);
        }
    }
}
