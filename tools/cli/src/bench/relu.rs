//! `bench relu`: the largest of zero and each of many shared 64-bit values.
//!
//! All roles of a protocol run in this process, each on a device of its own, over pipes in memory. The values are
//! shared when the online phase begins and remain shared; of the result only its sum is revealed, whose one element
//! and one round are not counted. Per protocol: what the phases took, and what crossed the wire online, beside what a
//! published protocol takes.

use super::BenchOptions;
use super::world::{self, Phases, Runs};
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::{Table, bytes, seconds};
use clap::Args;
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};
use symbolon::program::Program;
use symbolon::protocol::Protocol;
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::run::RunReport;
use symbolon::share::{Parties, PartyId, Role};

/// Fraction bits of the values, which have no declared bound: all 64 bits are compared.
const FRACTION_BITS: u32 = 16;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// How many values
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// By which protocols [default: all]
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    protocol: Vec<Protocol>,
    /// How often; the best and the median are printed
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct ReluJson {
    count: u32,
    runs: u16,
    device: String,
    /// The function in the clear, on one core.
    plain_s: f64,
    protocols: Vec<ProtocolJson>,
    published: Vec<Published>,
}

/// One protocol.
#[derive(Serialize)]
struct ProtocolJson {
    protocol: String,
    #[serde(flatten)]
    phases: Phases,
    rounds: u32,
    /// Sent online by all parties together, for each value.
    online_bytes_per_relu: f64,
    /// The same by party.
    by_party: Vec<f64>,
    /// Corrections of the offline phase, for each value.
    offline_bytes_per_relu: f64,
    online_to_plain: f64,
}

/// What is known of others, as far as it can be compared.
#[derive(Serialize)]
struct Published {
    protocol: &'static str,
    what: &'static str,
    source: &'static str,
}

/// Of three parties each; for two with dealt correlations there is none that compares this way.
const PUBLISHED: [Published; 2] = [
    Published {
        protocol: "replicated",
        what: "the sign alone by replicated bits takes k·log2 k = 384 AND gates at one bit a party: 144 bytes, 7 rounds",
        source: "parallel prefix adder of ABY3 (Mohassel, Rindal, CCS 2018) on the AND gate of Araki et al., CCS 2016",
    },
    Published {
        protocol: "replicated",
        what: "370,000 a second on a LAN, which is given as ten to a hundred times Falcon (PoPETs 2021) and edaBits",
        source: "Bicoptor (Zhou, Wang, Cui, Song, Yu, S&P 2023), abstract",
    },
];

/// Measures and prints.
pub fn relu(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let data = [1, 2].map(|seed| values(options.count, seed));
    let plain = plain(&data);
    let chosen = if options.protocol.is_empty() { Protocol::ALL.to_vec() } else { options.protocol.clone() };
    let mut device = String::new();
    let mut protocols = Vec::new();
    for protocol in chosen {
        protocols.push(measure(protocol, options, common, &data, plain, &mut device)?);
    }
    let json = ReluJson {
        count: options.count,
        runs: options.runs,
        device,
        plain_s: plain.as_secs_f64(),
        protocols,
        published: PUBLISHED.into(),
    };
    output::print(common.json, Document::Bench, &json, &text(&json))
}

/// Numbers whose sums reach far beyond half of the 64 bits.
fn values(count: u32, seed: u8) -> Elements {
    let mut bytes = vec![0; count as usize * Ring::Z64.element_bytes()];
    PrgKey::from_bytes([seed; 32]).fill(0, 0, &mut bytes);
    let signed = Elements::from_bytes(Ring::Z64, &bytes).to_u64().into_iter();
    Elements::from_integers(Ring::Z64, signed.map(|raw| (raw as i64 >> 2) as u64))
}

/// The same in the clear.
fn plain(data: &[Elements; 2]) -> Duration {
    let [x, y] = data.each_ref().map(Elements::to_u64);
    let begin = Instant::now();
    let relu = x.iter().zip(&y).map(|(x, y)| (x.wrapping_add(*y) as i64).max(0));
    black_box(relu.fold(0, i64::wrapping_add));
    begin.elapsed()
}

fn program(protocol: Protocol, count: u32) -> Result<Program, Failure> {
    let codec = FixedPoint::new(Ring::Z64, FRACTION_BITS).expect("a codec");
    let mut program = Program::new(protocol.parties(), codec);
    let shape = Shape::new(1, count as usize);
    let x = program.input("x", PartyId(0), shape, None)?;
    let y = program.input("y", PartyId(1), shape, None)?;
    let shared = program.add(x, y)?;
    let result = program.relu(shared)?;
    let total = program.sum(result, None)?;
    program.output("total", total, Parties::first(1))?;
    Ok(program)
}

fn measure(
    protocol: Protocol,
    options: &Options,
    common: &BenchOptions,
    data: &[Elements; 2],
    plain: Duration,
    device: &mut String,
) -> Result<ProtocolJson, Failure> {
    let program = program(protocol, options.count)?;
    let runs = Runs::of(protocol, &program, data, options.runs, common)?;
    device.clone_from(&runs.device);
    let reports = runs.reports();
    let sent = |report: &RunReport| {
        // Party 1 sends the part of the sum that party 0 lacks.
        let revealed = if report.role == Role::party(1) { Ring::Z64.element_bytes() as u64 } else { 0 };
        (report.tally.sent_bytes - revealed) as f64 / f64::from(options.count)
    };
    let by_party: Vec<f64> = reports.iter().map(|report| sent(report)).collect();
    let rounds = reports.iter().map(|report| report.tally.rounds).max().unwrap_or_default();
    let phases = runs.phases();
    Ok(ProtocolJson {
        protocol: protocol.to_string(),
        phases,
        rounds: rounds.saturating_sub(1),
        online_bytes_per_relu: by_party.iter().sum(),
        by_party,
        offline_bytes_per_relu: runs.correction_bytes() as f64 / f64::from(options.count),
        online_to_plain: phases.online_s.best / plain.as_secs_f64(),
    })
}

fn text(json: &ReluJson) -> String {
    let mut table = Table::new([
        "protocol",
        "online",
        "offline",
        "both",
        "median",
        "rounds",
        "bytes a value",
        "by party",
        "offline bytes",
        "x plain",
    ]);
    for protocol in &json.protocols {
        let by_party: Vec<String> = protocol.by_party.iter().map(|bytes| format!("{bytes:.2}")).collect();
        table.row([
            protocol.protocol.clone(),
            seconds(protocol.phases.online_s.best),
            seconds(protocol.phases.offline_s.best),
            seconds(protocol.phases.both_s.best),
            seconds(protocol.phases.both_s.median),
            protocol.rounds.to_string(),
            format!("{:.2}", protocol.online_bytes_per_relu),
            by_party.join(" + "),
            format!("{:.2}", protocol.offline_bytes_per_relu),
            format!("{:.0}", protocol.online_to_plain),
        ]);
    }
    let mut text = format!(
        "relu of {} shared 64-bit values, best of {} and the median of both phases, on {}; plain {}\n{}",
        bytes(json.count.into()),
        json.runs,
        json.device,
        seconds(json.plain_s),
        table.render()
    );
    text += &format!("  {}\n", world::NOTE);
    text += "  the results are parts of two parties; a product of three takes 16 bytes and a round more\n";
    for published in &json.published {
        text += &format!("  beside {}: {} ({})\n", published.protocol, published.what, published.source);
    }
    text
}
