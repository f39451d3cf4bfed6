//! `bench link`: what encryption leaves of the speed of this machine's loopback, and how true shaped links are.

use super::BenchOptions;
use crate::failure::Failure;
use crate::output::{self, Document};
use clap::Args;
use serde::Serialize;
use std::time::Duration;
use symbolon::net::{Copied, LinkShape, Streams, Striped, copy_over_loopback, shape_over_loopback};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// MiB to copy in each round
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,
    /// Rounds, each plain and encrypted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// TLS connections of a link, 1 to 8 [default: what suits the cores and one peer]
    #[arg(long, value_name = "N")]
    streams: Option<Streams>,
}

#[derive(Serialize)]
struct LinkJson {
    /// The fastest round's bytes per second over TCP.
    tcp_bytes_per_s: f64,
    /// The same over mutual TLS 1.3.
    tls_bytes_per_s: f64,
    ratio: f64,
    /// Sealing records with AES-256-GCM on one core, the fastest round.
    seal_bytes_per_s: f64,
    /// Opening them.
    open_bytes_per_s: f64,
    /// What an end can do that seals, or opens, and copies on the same core: one after the other.
    bound_bytes_per_s: f64,
    ratio_to_bound: f64,
    /// Absent where one stream is asked for.
    striped: Option<StripedJson>,
    shapes: Vec<ShapeJson>,
}

/// A link of several streams.
#[derive(Serialize)]
struct StripedJson {
    streams: usize,
    /// As many connections at once over TCP, each with a writer and a reader of its own, together.
    tcp_bytes_per_s: f64,
    /// The link, from one writer to one reader.
    tls_bytes_per_s: f64,
    /// To one connection over TCP.
    ratio: f64,
    /// To all of them.
    ratio_to_all: f64,
}

/// How true a shaped link is.
#[derive(Serialize)]
struct ShapeJson {
    link: String,
    bits_per_s: u64,
    measured_bits_per_s: f64,
    round_trip_s: f64,
    measured_round_trip_s: f64,
}

/// Measures.
pub fn link(options: &Options, shared: &BenchOptions) -> Result<(), Failure> {
    let failed = |error| Failure::Wrong(format!("loopback cannot be measured: {error}"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let streams = options.streams.unwrap_or_else(|| Streams::for_cores(cores, 1));
    let rounds =
        copy_over_loopback(options.size as usize, options.rounds as usize, streams).map_err(failed)?;
    let bytes = f64::from(options.size) * f64::from(1 << 20);
    let rate = |times: &mut dyn Iterator<Item = Duration>| Some(bytes / times.min()?.as_secs_f64());
    let fastest = |time: fn(&Copied) -> Duration| rate(&mut rounds.iter().map(time)).expect("a round");
    let fastest_striped =
        |time: fn(Striped) -> Duration| rate(&mut rounds.iter().filter_map(|round| round.striped).map(time));
    let (tcp, tls) = (fastest(|round| round.plain), fastest(|round| round.tls));
    let (seal, open) = (fastest(|round| round.sealed), fastest(|round| round.opened));
    let bound = 1.0 / (1.0 / tcp + 1.0 / seal.min(open));
    let striped = fastest_striped(|striped| striped.plain).zip(fastest_striped(|striped| striped.tls));
    let striped = striped.map(|(all, link)| StripedJson {
        streams: streams.count(),
        tcp_bytes_per_s: all,
        tls_bytes_per_s: link,
        ratio: link / tcp,
        ratio_to_all: link / all,
    });
    let shapes = [LinkShape::WAN, LinkShape::LAN].map(shape).into_iter().collect::<Result<_, _>>()?;
    let json = LinkJson {
        tcp_bytes_per_s: tcp,
        tls_bytes_per_s: tls,
        ratio: tls / tcp,
        seal_bytes_per_s: seal,
        open_bytes_per_s: open,
        bound_bytes_per_s: bound,
        ratio_to_bound: tls / bound,
        striped,
        shapes,
    };
    output::print(shared.json, Document::Bench, &json, &text(options.rounds, &json))
}

/// Sends for about a second over a link that stands in for another.
fn shape(shape: LinkShape) -> Result<ShapeJson, Failure> {
    let mebibytes = shape.bytes_in(Duration::from_secs(1)).div_ceil(1 << 20);
    let shaped = shape_over_loopback(shape, mebibytes as usize)
        .map_err(|error| Failure::Wrong(format!("loopback cannot be measured: {error}")))?;
    let bits = (mebibytes << 23) as f64;
    Ok(ShapeJson {
        link: shape.to_string(),
        bits_per_s: shape.bits_per_s(),
        measured_bits_per_s: bits / shaped.transmission.as_secs_f64(),
        round_trip_s: shape.round_trip().as_secs_f64(),
        measured_round_trip_s: shaped.round_trip.as_secs_f64(),
    })
}

fn text(rounds: u32, json: &LinkJson) -> String {
    let gb = |rate: f64| format!("{:.2} GB/s", rate / 1e9);
    let mut text = format!(
        "one connection over loopback, the fastest of {rounds} rounds: TCP {}, mutual TLS 1.3 {}, {:.0} %\n\
        AES-256-GCM alone, on a core: sealing {}, opening {}; with the copies of TCP on the same core at most {}, \
        of which TLS reaches {:.0} %\n",
        gb(json.tcp_bytes_per_s),
        gb(json.tls_bytes_per_s),
        100.0 * json.ratio,
        gb(json.seal_bytes_per_s),
        gb(json.open_bytes_per_s),
        gb(json.bound_bytes_per_s),
        100.0 * json.ratio_to_bound,
    );
    if let Some(striped) = &json.striped {
        text += &format!(
            "a link of {} streams, from one writer to one reader: mutual TLS 1.3 {}, {:.0} % of one connection over TCP, \
            and {:.0} % of {} at once, {}\n",
            striped.streams,
            gb(striped.tls_bytes_per_s),
            100.0 * striped.ratio,
            100.0 * striped.ratio_to_all,
            striped.streams,
            gb(striped.tcp_bytes_per_s),
        );
    }
    for shape in &json.shapes {
        let off = 100.0 * (shape.measured_bits_per_s / shape.bits_per_s as f64 - 1.0);
        let slow = shape.bits_per_s as f64 / 8.0 > json.tls_bytes_per_s;
        text += &format!(
            "--link {}: {:.1} of {:.1} Mbit/s ({off:+.1} %{}), round trip {:.2} of {:.2} ms\n",
            shape.link,
            shape.measured_bits_per_s / 1e6,
            shape.bits_per_s as f64 / 1e6,
            if slow { "; this machine carries no more" } else { "" },
            1e3 * shape.measured_round_trip_s,
            1e3 * shape.round_trip_s,
        );
    }
    text
}
