//! `bench garbled`: garbling and evaluating on one core, beside the hash alone, and both ends together.
//!
//! The bound is a loop of the same hash in the same run: two key schedules for each AND gate, and under each key two blocks
//! where it is garbled, one where it is evaluated. Each figure is the best of several rounds, in which nothing else interfered.

use super::BenchOptions;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use symbolon::circuit::garble::hash::Engine;
use symbolon::circuit::garble::{
    Bits, Evaluator, GarbleError, Garbler, Label, Labels, RandomChoices, RandomPairs, Started, Traffic,
    with_threads,
};
use symbolon::circuit::{Bit, Builder, Circuit, Schedule, primitives};
use symbolon::share::{Parties, PartyId};

/// The most blocks of which AES is measured, one for each thousand gates: the times a second of its row are blocks.
const MOST_BLOCKS: u32 = 1000;

/// Pieces that the garbler may be ahead.
const AHEAD: usize = 8;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// AND gates of each measurement, about
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    gates: u32,
    /// Rounds, of which the best counts
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

#[derive(Serialize)]
struct GarbledJson {
    /// How AES is computed here.
    engine: String,
    /// AND gates a second of which the hash alone is computed.
    hash_garbling_per_s: f64,
    hash_evaluating_per_s: f64,
    circuits: Vec<CircuitJson>,
}

/// A circuit on one core, and from end to end.
#[derive(Serialize)]
struct CircuitJson {
    circuit: &'static str,
    and_gates: usize,
    xor_gates: usize,
    evaluations: usize,
    /// AND gates a second, on one core.
    garbled_per_s: f64,
    evaluated_per_s: f64,
    /// Of what the hash alone would allow.
    garbling_ratio: f64,
    evaluating_ratio: f64,
    bytes_per_gate: f64,
    /// Both parties at once, on a thread each, over a bounded channel: from the inputs to both parties' outputs, the random
    /// oblivious transfers given.
    end_to_end_s: f64,
    end_to_end_gates_per_s: f64,
    evaluations_per_s: f64,
    bytes: u64,
}

/// A circuit to measure, and how often at once.
struct Work {
    name: &'static str,
    circuit: Circuit,
    schedule: Arc<Schedule>,
    evaluations: usize,
}

impl Work {
    fn new(name: &'static str, circuit: Circuit, gates: u32) -> Work {
        let evaluations = (gates as usize / circuit.and_count().max(1)).max(1);
        Work { name, schedule: Arc::new(Schedule::new(&circuit)), circuit, evaluations }
    }

    fn gates(&self) -> f64 {
        (self.circuit.and_count() * self.evaluations) as f64
    }

    /// Bits of a party, all of them one.
    fn bits(&self, party: u8) -> Bits {
        let count = self.circuit.input_bits_of(PartyId(party)) * self.evaluations;
        Bits::new(self.evaluations, vec![1; count])
    }

    /// Random oblivious transfers as somebody has made them before. (They are not random: nothing is hidden here.)
    fn transfers(&self) -> (RandomPairs, RandomChoices) {
        let count = self.circuit.input_bits_of(PartyId(1)) * self.evaluations;
        let labels = |first: u8| -> Labels {
            (0..count).map(|at| Label::from_bytes([first.wrapping_add(at as u8); 16])).collect()
        };
        let choices = Bits::new(self.evaluations, vec![0; count]);
        (RandomPairs { zeros: labels(0), ones: labels(7) }, RandomChoices { choices, chosen: labels(0) })
    }
}

/// The best times of a circuit.
struct Best {
    garbling: Duration,
    evaluating: Duration,
    end_to_end: Duration,
}

/// Measures.
pub fn garbled(options: &Options, shared: &BenchOptions) -> Result<(), Failure> {
    let engine = Engine::best();
    let blocks = (options.gates / 1000).clamp(1, MOST_BLOCKS);
    let works = [
        Work::new("AND gates alone", ands(), options.gates),
        Work::new("products of 64 bits", product(), options.gates),
        Work::new("ReLUs of 64 bits", relu(), options.gates),
        Work {
            evaluations: blocks as usize,
            ..Work::new("AES-128, blocks", primitives::aes128(), options.gates)
        },
        Work::new("SHA-256", primitives::sha2(primitives::Sha2::Sha256, 16, 16), options.gates),
    ];
    let mut bounds = [Duration::MAX; 2];
    let mut best: Vec<Best> = works
        .iter()
        .map(|_| Best { garbling: Duration::MAX, evaluating: Duration::MAX, end_to_end: Duration::MAX })
        .collect();
    let one_core = |work: &Work| {
        with_threads(1, || alone(work))
            .map_err(|error| Failure::thread(&error))?
            .map_err(|error| Failure::Wrong(error.to_string()))
    };
    for _ in 0..options.rounds {
        for (bound, garbles) in bounds.iter_mut().zip([true, false]) {
            let start = Instant::now();
            std::hint::black_box(engine.hash_alone(
                Label::from_bytes([7; 16]),
                options.gates.into(),
                garbles,
            ));
            *bound = start.elapsed().min(*bound);
        }
        for (work, best) in works.iter().zip(&mut best) {
            let (garbling, evaluating) = one_core(work)?;
            best.garbling = garbling.min(best.garbling);
            best.evaluating = evaluating.min(best.evaluating);
            let end_to_end = end_to_end(work).map_err(|error| Failure::Wrong(error.to_string()))?;
            best.end_to_end = end_to_end.min(best.end_to_end);
        }
    }
    let [garbling, evaluating] = bounds.map(|bound| f64::from(options.gates) / bound.as_secs_f64());
    let circuits = works.iter().zip(&best).map(|(work, best)| measured(work, best, [garbling, evaluating]));
    let json = GarbledJson {
        engine: engine.to_string(),
        hash_garbling_per_s: garbling,
        hash_evaluating_per_s: evaluating,
        circuits: circuits.collect(),
    };
    output::print(shared.json, Document::Bench, &json, &text(options.rounds, &json))
}

fn measured(work: &Work, best: &Best, bounds: [f64; 2]) -> CircuitJson {
    let traffic = Traffic::of(&work.schedule, work.evaluations as u64);
    let [garbled, evaluated, end_to_end] =
        [best.garbling, best.evaluating, best.end_to_end].map(|time| work.gates() / time.as_secs_f64());
    CircuitJson {
        circuit: work.name,
        and_gates: work.circuit.and_count(),
        xor_gates: work.circuit.xor_count(),
        evaluations: work.evaluations,
        garbled_per_s: garbled,
        evaluated_per_s: evaluated,
        garbling_ratio: garbled / bounds[0],
        evaluating_ratio: evaluated / bounds[1],
        bytes_per_gate: traffic.table_bytes as f64 / work.gates(),
        end_to_end_s: best.end_to_end.as_secs_f64(),
        end_to_end_gates_per_s: end_to_end,
        evaluations_per_s: work.evaluations as f64 / best.end_to_end.as_secs_f64(),
        bytes: traffic.garbler_bytes + traffic.evaluator_bytes,
    }
}

/// The time of garbling all tables, and of evaluating them, piece by piece on one thread.
fn alone(work: &Work) -> Result<(Duration, Duration), GarbleError> {
    let Started { mut garbler, opening, labels, pairs } =
        Garbler::start(work.schedule.clone(), &work.bits(0))?;
    let own: Labels = pairs.into_messages().map(|[_, one]| one).collect();
    let mut evaluator = Evaluator::new(work.schedule.clone(), work.evaluations, &opening, labels, own)?;
    let (mut garbling, mut evaluating) = (Duration::ZERO, Duration::ZERO);
    loop {
        let start = Instant::now();
        let Some(piece) = garbler.next_piece() else { break };
        garbling += start.elapsed();
        let start = Instant::now();
        evaluator.consume(piece)?;
        evaluating += start.elapsed();
    }
    let (decoding, key) = garbler.finish()?;
    key.decode(&evaluator.finish(&decoding)?.answer)?;
    Ok((garbling, evaluating))
}

/// A message from the garbler.
enum Message {
    Piece(symbolon::circuit::garble::Piece),
    Decoding(symbolon::circuit::garble::Decoding),
}

/// The time from the inputs to both parties' outputs, each party a thread.
fn end_to_end(work: &Work) -> Result<Duration, GarbleError> {
    let (random_pairs, random_choices) = work.transfers();
    let bits = [work.bits(0), work.bits(1)];
    let start = Instant::now();
    let started = Garbler::start(work.schedule.clone(), &bits[0])?;
    let (corrections, awaited) = random_choices.correct(&bits[1])?;
    let Started { mut garbler, opening, labels, pairs } = started;
    let transferred = pairs.transfer(random_pairs, &corrections)?;
    let (to_evaluator, from_garbler) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let garbling = scope.spawn(move || {
            while let Some(piece) = garbler.next_piece() {
                if to_evaluator.send(Message::Piece(piece)).is_err() {
                    return Err(GarbleError::Corrupt);
                }
            }
            let (decoding, key) = garbler.finish()?;
            // Where the evaluator has gone, its own error counts.
            let _ = to_evaluator.send(Message::Decoding(decoding));
            Ok(key)
        });
        let own = awaited.receive(&transferred)?;
        let mut evaluator = Evaluator::new(work.schedule.clone(), work.evaluations, &opening, labels, own)?;
        let mut evaluated = Err(GarbleError::Malformed("end"));
        for message in from_garbler {
            match message {
                Message::Piece(piece) => evaluator.consume(piece)?,
                Message::Decoding(decoding) => {
                    evaluated = evaluator.finish(&decoding);
                    break;
                }
            }
        }
        let key = garbling.join().expect("the garbler does not panic")?;
        key.decode(&evaluated?.answer)?;
        Ok(start.elapsed())
    })
}

/// 64 layers of 512 AND gates, each of two neighbours of the layer before.
fn ands() -> Circuit {
    let mut builder = Builder::new();
    let mut layer: Vec<Bit> =
        [0, 1].into_iter().flat_map(|party| builder.input(PartyId(party), 256)).collect();
    for _ in 0..64 {
        let next = layer.iter().zip(layer.iter().cycle().skip(1));
        layer = next.map(|(&a, &b)| builder.and(a, b)).collect();
    }
    builder.output(Parties::first(2), &layer);
    builder.finish()
}

fn product() -> Circuit {
    let mut builder = Builder::new();
    let [a, b] = [0, 1].map(|party| builder.input(PartyId(party), 64));
    let product = builder.multiply(&a, &b);
    builder.output(Parties::first(2), &product);
    builder.finish()
}

/// The evaluator's share of the ReLU of a shared number, of which the garbler's is the inverse of its mask.
fn relu() -> Circuit {
    let mut builder = Builder::new();
    let (first, mask) = (builder.input(PartyId(0), 64), builder.input(PartyId(0), 64));
    let second = builder.input(PartyId(1), 64);
    let number = builder.add(&first, &second);
    let is_positive = !number[63];
    let positive: Vec<Bit> = builder.mask(&number, is_positive);
    let share = builder.add(&positive, &mask);
    builder.output(PartyId(1).alone(), &share);
    builder.finish()
}

fn text(rounds: u32, json: &GarbledJson) -> String {
    let millions = |rate: f64| format!("{:.1}", rate / 1e6);
    let mut text = format!(
        "millions of AND gates a second, the best of {rounds} rounds, by {}; the hash alone on a core: {} as a garbler \
        computes it, {} as an evaluator does\n",
        json.engine,
        millions(json.hash_garbling_per_s),
        millions(json.hash_evaluating_per_s)
    );
    let mut table = Table::new([
        "circuit",
        "AND",
        "XOR",
        "times",
        "garbled",
        "of the hash",
        "evaluated",
        "of the hash",
        "bytes a gate",
        "end to end",
        "times a second",
    ]);
    for row in &json.circuits {
        table.row([
            row.circuit.to_owned(),
            row.and_gates.to_string(),
            row.xor_gates.to_string(),
            row.evaluations.to_string(),
            millions(row.garbled_per_s),
            format!("{:.0} %", 100.0 * row.garbling_ratio),
            millions(row.evaluated_per_s),
            format!("{:.0} %", 100.0 * row.evaluating_ratio),
            format!("{:.0}", row.bytes_per_gate),
            millions(row.end_to_end_gates_per_s),
            format!("{:.0}", row.evaluations_per_s),
        ]);
    }
    text += &table.render();
    text
}
