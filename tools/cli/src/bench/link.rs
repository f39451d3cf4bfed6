//! `bench link`: what encryption leaves of the speed of this machine's loopback.

use super::BenchOptions;
use crate::failure::Failure;
use crate::output;
use clap::Args;
use serde::Serialize;
use symbolon::net::copy_over_loopback;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// MiB to copy in each round
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,
    /// Rounds, each plain and encrypted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

#[derive(Serialize)]
struct LinkJson {
    /// The fastest round's bytes per second over TCP.
    tcp_bytes_per_s: f64,
    /// The same over mutual TLS 1.3.
    tls_bytes_per_s: f64,
    ratio: f64,
}

/// Measures.
pub fn link(options: &Options, shared: &BenchOptions) -> Result<(), Failure> {
    let rounds = copy_over_loopback(options.size as usize, options.rounds as usize)
        .map_err(|error| Failure::Wrong(format!("loopback cannot be measured: {error}")))?;
    let bytes = f64::from(options.size) * f64::from(1 << 20);
    let fastest = |times: &mut dyn Iterator<Item = f64>| bytes / times.fold(f64::INFINITY, f64::min);
    let tcp_bytes_per_s = fastest(&mut rounds.iter().map(|round| round.plain.as_secs_f64()));
    let tls_bytes_per_s = fastest(&mut rounds.iter().map(|round| round.tls.as_secs_f64()));
    let json = LinkJson { tcp_bytes_per_s, tls_bytes_per_s, ratio: tls_bytes_per_s / tcp_bytes_per_s };
    let text = format!(
        "one connection over loopback, the fastest of {} rounds: TCP {:.2} GB/s, mutual TLS 1.3 {:.2} GB/s, {:.0} %\n",
        options.rounds,
        tcp_bytes_per_s / 1e9,
        tls_bytes_per_s / 1e9,
        100.0 * json.ratio
    );
    output::print(shared.json, &json, &text)
}
