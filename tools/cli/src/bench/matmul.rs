//! `bench matmul`: a truncated product of two parties' square matrices, for party 0.
//!
//! Per protocol: what the phases took, and what each party sends in all, inputs and output included.

use super::BenchOptions;
use super::world::{self, Phases, Runs};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::{Table, bytes, seconds};
use clap::Args;
use serde::Serialize;
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::share::{Parties, PartyId};

const FRACTION_BITS: u32 = 16;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// The side of the matrices
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    size: u16,
    /// By which protocols [default: all]
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    protocol: Vec<Protocol>,
    /// How often; the best and the median are printed
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct MatmulJson {
    size: u16,
    runs: u16,
    device: String,
    protocols: Vec<ProtocolJson>,
}

#[derive(Serialize)]
struct ProtocolJson {
    protocol: String,
    #[serde(flatten)]
    phases: Phases,
    rounds: u32,
    /// By party.
    online_bytes: Vec<u64>,
    /// Corrections.
    offline_bytes: u64,
}

/// Measures and prints.
pub fn matmul(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let chosen = if options.protocol.is_empty() { Protocol::ALL.to_vec() } else { options.protocol.clone() };
    let data = [1, 2].map(|seed| values(usize::from(options.size).pow(2), seed));
    let mut device = String::new();
    let mut protocols = Vec::new();
    for protocol in chosen {
        let runs = Runs::of(protocol, &program(protocol, options.size)?, &data, options.runs, common)?;
        let reports = runs.reports();
        protocols.push(ProtocolJson {
            protocol: protocol.to_string(),
            phases: runs.phases(),
            rounds: reports.iter().map(|report| report.tally.rounds).max().unwrap_or_default(),
            online_bytes: reports.iter().map(|report| report.tally.sent_bytes).collect(),
            offline_bytes: runs.correction_bytes(),
        });
        device = runs.device;
    }
    let json = MatmulJson { size: options.size, runs: options.runs, device, protocols };
    output::print(common.json, Document::Bench, &json, &text(&json))
}

/// Fixed-point numbers below 1 in magnitude.
fn values(count: usize, seed: u8) -> Elements {
    let mut drawn = vec![0; 4 * count];
    PrgKey::from_bytes([seed; 32]).fill(0, 0, &mut drawn);
    let low = drawn.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word) as i32 >> (31 - FRACTION_BITS));
    Elements::from_integers(Ring::Z64, low.map(|value| value as i64 as u64))
}

fn program(protocol: Protocol, size: u16) -> Result<Program, Failure> {
    let codec = FixedPoint::new(Ring::Z64, FRACTION_BITS).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec);
    let shape = Shape::new(size.into(), size.into());
    let x = program.input("x", PartyId(0), shape, None)?;
    let y = program.input("y", PartyId(1), shape, None)?;
    let z = program.matmul(x, y)?;
    program.output("z", z, Parties::first(1))?;
    Ok(program)
}

fn text(json: &MatmulJson) -> String {
    let heading =
        ["protocol", "online", "offline", "both", "median", "rounds", "bytes sent online", "corrections"];
    let mut table = Table::new(heading);
    for ProtocolJson { protocol, phases, rounds, online_bytes, offline_bytes } in &json.protocols {
        let sent: Vec<String> = online_bytes.iter().map(|sent| bytes(*sent)).collect();
        table.row([
            protocol.clone(),
            seconds(phases.online_s.best),
            seconds(phases.offline_s.best),
            seconds(phases.both_s.best),
            seconds(phases.both_s.median),
            rounds.to_string(),
            sent.join(" + "),
            bytes(*offline_bytes),
        ]);
    }
    format!(
        "products of side {}, truncated, in 64 bits; best of {} and the median of both phases, on {}\n{}  {}\n",
        json.size,
        json.runs,
        json.device,
        table.render(),
        world::NOTE
    )
}
