//! `bench ot`: correlated oblivious transfers a second, end to end between two threads, beside the hashes and the memory of
//! this machine.

use super::BenchOptions;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;
use symbolon::ot::{
    Blocks, Channel, Course, Depth, OtError, Random, ReceiverSupply, SenderSupply, SessionId, tweakable_hash,
};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Transfers of the larger runs; the smaller ones have a tenth
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    transfers: u32,
    /// Runs of each, of which the fastest counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

#[derive(Serialize)]
struct OtJson {
    /// Blocks of 128 bits that one thread hashes in a second.
    hashes_per_s: f64,
    /// Blocks that one thread copies in a second.
    copies_per_s: f64,
    runs: Vec<OtRun>,
}

#[derive(Serialize)]
struct OtRun {
    name: String,
    transfers: usize,
    per_s: f64,
    /// In both directions, with the setup.
    bits_each: f64,
    /// Blocks that one thread could hash in the time of one transfer.
    hashes_each: f64,
    copies_each: f64,
}

/// Transfers that are taken at once.
const BATCH: usize = 1 << 20;

const SESSION: SessionId = SessionId([0x0b; 32]);

/// Measures.
pub fn ot(options: &Options, shared: &BenchOptions) -> Result<(), Failure> {
    let (hashes_per_s, copies_per_s) = bounds(options.rounds);
    let large = options.transfers as usize;
    let extension = |count| Course { depth: Depth::Four, rounds: Vec::new(), extended: count };
    let mut runs = Vec::new();
    for (name, count, course) in [
        ("SoftSpoken, k = 4", large / 10, extension(large / 10)),
        ("SoftSpoken, k = 4", large, extension(large)),
        ("silent", large / 10, Course::of(large / 10)),
        ("silent", large, Course::of(large)),
        ("silent", 3 * large, Course::of(3 * large)),
    ] {
        let mut fastest = f64::INFINITY;
        let mut bytes = 0;
        for _ in 0..options.rounds {
            let (seconds, sent) = run(&course, count).map_err(|error| Failure::Wrong(error.to_string()))?;
            fastest = fastest.min(seconds);
            bytes = sent;
        }
        let per_s = count as f64 / fastest;
        runs.push(OtRun {
            name: name.to_owned(),
            transfers: count,
            per_s,
            bits_each: 8.0 * bytes as f64 / count as f64,
            hashes_each: hashes_per_s / per_s,
            copies_each: copies_per_s / per_s,
        });
    }
    let json = OtJson { hashes_per_s, copies_per_s, runs };
    output::print(shared.json, Document::Bench, &json, &text(&json))
}

/// Blocks a second that one thread hashes, and copies.
fn bounds(rounds: u32) -> (f64, f64) {
    let fastest = |work: &mut dyn FnMut(), blocks: usize| {
        let times = (0..rounds).map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed().as_secs_f64()
        });
        blocks as f64 / times.fold(f64::INFINITY, f64::min)
    };
    let mut few = Blocks::zeroed(1 << 12);
    let hash = &mut || (0..256).for_each(|_| tweakable_hash(&mut few, 7));
    let hashes = fastest(hash, 256 << 12);
    let (from, mut to) = (Blocks::zeroed(4 << 20), Blocks::zeroed(4 << 20));
    let copy = &mut || to.copy_from_slice(std::hint::black_box(&from));
    (hashes, fastest(copy, 4 << 20))
}

/// Seconds, and bytes in both directions, of a course between two threads.
fn run(course: &Course, count: usize) -> Result<(f64, u64), OtError> {
    let ((to_receiver, from_sender), (to_sender, from_receiver)) = (channel(), channel());
    let mut ends =
        [(to_receiver, from_receiver), (to_sender, from_sender)].map(|(to, from)| End { to, from, bytes: 0 });
    let [near, far] = &mut ends;
    let batches = || (0..count).step_by(BATCH).map(|first| BATCH.min(count - first));
    let begin = Instant::now();
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            let mut supply = ReceiverSupply::new(SESSION, course.clone(), Random::from_entropy()?, far)?;
            batches().try_for_each(|batch| supply.take(batch, 1, far).map(drop))
        });
        let mut supply = SenderSupply::new(SESSION, course.clone(), Random::from_entropy()?, near)?;
        batches().try_for_each(|batch| supply.take(batch, 1, near).map(drop))?;
        other.join().expect("no panic in a party")
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok((seconds, ends.iter().map(|end| end.bytes).sum()))
}

/// One end of a channel in memory.
struct End {
    to: Sender<Vec<u8>>,
    from: Receiver<Vec<u8>>,
    bytes: u64,
}

impl Channel for End {
    type Error = OtError;

    fn send(&mut self, message: Vec<u8>) -> Result<(), OtError> {
        self.bytes += message.len() as u64;
        // An end that is gone has failed, and says why itself.
        let _ = self.to.send(message);
        Ok(())
    }

    fn receive(&mut self, _: usize) -> Result<Vec<u8>, OtError> {
        Ok(self.from.recv().unwrap_or_default())
    }
}

fn text(json: &OtJson) -> String {
    let million = |rate: f64| format!("{:.1}", rate / 1e6);
    let mut text = format!(
        "correlated transfers between two threads; one thread hashes {} M blocks a second and copies {} M\n",
        million(json.hashes_per_s),
        million(json.copies_per_s)
    );
    let mut table = Table::new(["", "transfers", "M/s", "bits each", "hashes in that time", "copies"]);
    for run in &json.runs {
        table.row([
            run.name.clone(),
            run.transfers.to_string(),
            million(run.per_s),
            format!("{:.3}", run.bits_each),
            format!("{:.1}", run.hashes_each),
            format!("{:.1}", run.copies_each),
        ]);
    }
    text += &table.render();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_course() {
        let course = Course { depth: Depth::Four, rounds: Vec::new(), extended: 1000 };
        let (seconds, bytes) = run(&course, 1000).expect("a run");
        assert!(seconds > 0.0);
        assert_eq!(bytes, course.bytes());
    }

    #[test]
    fn the_text_has_a_line_for_each_run() {
        let run = OtRun {
            name: "silent".into(),
            transfers: 1000,
            per_s: 2e6,
            bits_each: 0.25,
            hashes_each: 10.0,
            copies_each: 20.0,
        };
        let text = text(&OtJson { hashes_per_s: 2e7, copies_per_s: 4e7, runs: vec![run] });
        assert!(text.contains("hashes 20.0 M") && text.contains("0.250"), "{text}");
    }
}
