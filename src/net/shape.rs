//! Links that stand in for others: how fast, how far, and when what is sent through one arrives.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::Instant;

/// A link to stand in for: each direction has this bandwidth, and everything arrives half a round trip after it has
/// been transmitted. As text: `lan`, `wan`, or Mbit/s and the round trip in ms, such as `250,12.5`.
///
/// What is shaped are frames, above TLS: its 22 bytes a record of 16 KiB and the headers of TCP are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkShape {
    bits_per_s: u64,
    round_trip: Duration,
}

/// Text that is no [`LinkShape`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Other words than expected.
    #[error("a link is lan, wan, or Mbit/s and the round trip in ms: 100,40")]
    Words,
    /// Numbers out of range.
    #[error("a link has from 0.01 to 1000000 Mbit/s, and a round trip from 0 to 10000 ms")]
    Range,
    /// More under way than is kept in memory.
    #[error("a link with {bytes} bytes under way takes too much memory: at most {MOST_BYTES_UNDER_WAY}")]
    UnderWay {
        /// Bandwidth times latency.
        bytes: u64,
    },
}

/// Most bytes that a shaped link keeps in memory because they have been transmitted and not arrived.
const MOST_BYTES_UNDER_WAY: u64 = 256 << 20;

impl LinkShape {
    /// A local network: 10 Gbit/s, 0.2 ms.
    pub const LAN: LinkShape =
        LinkShape { bits_per_s: 10_000_000_000, round_trip: Duration::from_micros(200) };

    /// A wide-area network: 100 Mbit/s, 40 ms.
    pub const WAN: LinkShape = LinkShape { bits_per_s: 100_000_000, round_trip: Duration::from_millis(40) };

    /// A link of a bandwidth in bits per second and a round-trip latency.
    ///
    /// # Errors
    /// Where a number is out of range, or both together need too much memory.
    pub fn new(bits_per_s: u64, round_trip: Duration) -> Result<LinkShape, ShapeError> {
        if !(10_000..=1_000_000_000_000).contains(&bits_per_s) || round_trip > Duration::from_secs(10) {
            return Err(ShapeError::Range);
        }
        let shape = LinkShape { bits_per_s, round_trip };
        match shape.bytes_in(shape.latency()) {
            bytes if bytes > MOST_BYTES_UNDER_WAY => Err(ShapeError::UnderWay { bytes }),
            _ => Ok(shape),
        }
    }

    /// Bandwidth of each direction, in bits per second.
    pub fn bits_per_s(self) -> u64 {
        self.bits_per_s
    }

    /// The time that a message and its answer are on their way, however short they are.
    pub fn round_trip(self) -> Duration {
        self.round_trip
    }

    /// The time from the end of a transmission to its arrival.
    pub fn latency(self) -> Duration {
        self.round_trip / 2
    }

    /// Bytes that the link transmits in a time.
    pub fn bytes_in(self, time: Duration) -> u64 {
        (time.as_nanos() * u128::from(self.bits_per_s) / 8 / 1_000_000_000) as u64
    }

    /// The time that the link takes to transmit so many bytes.
    pub fn transmission(self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 * 8.0 / self.bits_per_s as f64)
    }
}

impl FromStr for LinkShape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<LinkShape, ShapeError> {
        match text {
            "lan" => return Ok(LinkShape::LAN),
            "wan" => return Ok(LinkShape::WAN),
            _ => {}
        }
        let (mbit, ms) = text.split_once(',').ok_or(ShapeError::Words)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| ShapeError::Words);
        let (mbit, ms) = (number(mbit)?, number(ms)?);
        let round_trip = Duration::try_from_secs_f64(ms / 1e3).map_err(|_| ShapeError::Range)?;
        LinkShape::new((mbit * 1e6).round() as u64, round_trip)
    }
}

impl fmt::Display for LinkShape {
    /// The text that [`LinkShape::from_str`] takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            LinkShape::LAN => f.write_str("lan"),
            LinkShape::WAN => f.write_str("wan"),
            LinkShape { bits_per_s, round_trip } => {
                write!(f, "{},{}", bits_per_s as f64 / 1e6, round_trip.as_nanos() as f64 / 1e6)
            }
        }
    }
}

/// One direction of a shaped link: transmits in order, one thing after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    shape: LinkShape,
    start: Instant,
    /// Bits transmitted since `start` without a pause. From these and not from a sum of rounded times follows when the
    /// line is free, so that errors do not add up.
    bits: u128,
}

impl Line {
    /// A line that is free.
    pub(super) fn new(shape: LinkShape, now: Instant) -> Line {
        Line { shape, start: now, bits: 0 }
    }

    /// Puts bytes on the line behind what is there.
    pub(super) fn transmit(&mut self, bytes: usize, now: Instant) {
        if self.free() < now {
            *self = Line::new(self.shape, now);
        }
        self.bits += 8 * bytes as u128;
    }

    /// The time at which the line has transmitted everything.
    pub(super) fn free(&self) -> Instant {
        let nanos = self.bits * 1_000_000_000 / u128::from(self.shape.bits_per_s);
        self.start + Duration::from_nanos(nanos as u64)
    }

    /// The time at which the last bytes arrive.
    pub(super) fn arrival(&self) -> Instant {
        self.free() + self.shape.latency()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_words_or_numbers() {
        assert_eq!("lan".parse(), Ok(LinkShape::LAN));
        assert_eq!("wan".parse(), Ok(LinkShape::WAN));
        assert_eq!("100,40".parse(), Ok(LinkShape::WAN));
        let slow = LinkShape::new(2_500_000, Duration::from_micros(12_500));
        assert_eq!("2.5, 12.5".parse(), slow);
        for text in ["lan", "wan", "2.5,12.5", "1000,0"] {
            assert_eq!(text.parse::<LinkShape>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_link_is_refused() {
        let refused = |text: &str| text.parse::<LinkShape>().expect_err(text);
        for text in ["", "fast", "100", "100,", "100,40,3", "100Mbit,40ms"] {
            assert_eq!(refused(text), ShapeError::Words, "{text}");
        }
        for text in ["0,1", "-5,1", "nan,1", "1e9,1", "100,-1", "100,20000", "100,inf"] {
            assert_eq!(refused(text), ShapeError::Range, "{text}");
        }
        assert!(matches!(refused("100000,1000"), ShapeError::UnderWay { bytes: 6_250_000_000 }));
    }

    #[test]
    fn a_line_transmits_one_thing_after_the_other() {
        let start = Instant::now();
        let mut line = Line::new(LinkShape::WAN, start);
        line.transmit(12_500, start);
        line.transmit(12_500, start);
        assert_eq!(line.free(), start + Duration::from_millis(2));
        assert_eq!(line.arrival(), start + Duration::from_millis(22), "latency comes once");
        let later = start + Duration::from_millis(5);
        line.transmit(12_500, later);
        assert_eq!(line.free(), start + Duration::from_millis(6), "a pause is not made up for");
    }

    #[test]
    fn a_line_does_not_drift() {
        let start = Instant::now();
        let mut line = Line::new(LinkShape::new(7_000_000, Duration::ZERO).unwrap(), start);
        (0..7_000_000).for_each(|_| line.transmit(1, start));
        assert_eq!(line.free(), start + Duration::from_secs(8));
    }
}
