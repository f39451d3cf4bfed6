//! What the lines of a job took online: their bytes and rounds, which are those of the plan, and the time of the device that
//! a trace measured.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use symbolon::net::LinkShape;
use symbolon::plan::{LineCost, Plans};
use symbolon::program::{Program, ValueId};
use symbolon::run::{Trace, TraceLane};
use symbolon::share::Role;
use symbolon::step::Phase;

/// What a line took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineTook {
    /// The name that it defines, or the input's or state's.
    pub line: String,
    /// Bytes that the process sent for it.
    pub bytes_sent: u64,
    /// The rounds in which anybody sent for it; lines that send in one round all count it.
    pub rounds: u32,
    /// Seconds of the process's devices; nothing where they work in the background, and do not tell steps apart.
    pub device_s: Option<f64>,
}

impl LineTook {
    /// All lines of a party's run.
    pub fn all(trace: &Trace, plans: &Plans, program: &Program) -> Vec<LineTook> {
        let Role::Party(party) = trace.role else { return Vec::new() };
        let mut device: BTreeMap<String, Duration> = BTreeMap::new();
        let steps = &plans.of(trace.role).steps;
        for span in trace.spans.iter().filter(|span| matches!(span.lane, TraceLane::Device(_))) {
            let Some(step) = span.step.as_ref().map(|step| &steps[step.position as usize].step) else {
                continue;
            };
            if step.phase != Phase::Offline {
                *device.entry(program.step_of(ValueId(step.op.0))).or_default() += span.end - span.begin;
            }
        }
        let took = |LineCost { line, sent_bytes, rounds, .. }: LineCost| LineTook {
            device_s: match device.is_empty() {
                true => None,
                false => Some(device.get(&line).map_or(0.0, Duration::as_secs_f64)),
            },
            bytes_sent: sent_bytes.get(party.index()).copied().unwrap_or(0),
            rounds,
            line,
        };
        plans.lines(program, &[]).into_iter().map(took).collect()
    }

    /// The lines of several parties' runs in a table, the dearest first; on a link of this shape with its time as well.
    pub fn rows(parties: &[&[LineTook]], link: Option<LinkShape>) -> Vec<Vec<String>> {
        let mut lines: Vec<Line> = Vec::new();
        for took in parties.iter().copied().flatten() {
            match lines.iter_mut().find(|line| line.line == took.line) {
                Some(line) => line.add(took),
                None => {
                    let mut line = Line { line: took.line.clone(), ..Line::default() };
                    line.add(took);
                    lines.push(line);
                }
            }
        }
        let wire_s = |line: &Line| {
            link.map(|link| (link.transmission(line.most_bytes) + link.latency() * line.rounds).as_secs_f64())
        };
        let seconds_of = |line: &Line| line.device_s.unwrap_or(0.0).max(wire_s(line).unwrap_or(0.0));
        lines.sort_by(|one, other| {
            let by_time = seconds_of(other).total_cmp(&seconds_of(one));
            by_time.then(other.bytes.cmp(&one.bytes))
        });
        let is_measured = lines.iter().any(|line| line.device_s.is_some());
        let mut heading = vec!["line, the dearest first", "bytes sent", "rounds"];
        heading.extend(is_measured.then_some("device"));
        heading.extend(link.map(|_| "on the link"));
        let mut rows = vec![heading.into_iter().map(str::to_owned).collect()];
        for line in &lines {
            let mut cells = vec![line.line.clone(), crate::table::bytes(line.bytes), line.rounds.to_string()];
            cells.extend(is_measured.then(|| crate::table::seconds(line.device_s.unwrap_or(0.0))));
            cells.extend(wire_s(line).map(crate::table::seconds));
            rows.push(cells);
        }
        rows
    }
}

/// A line of all parties here.
#[derive(Default)]
struct Line {
    line: String,
    /// Of all parties here, and of the one that sends most.
    bytes: u64,
    most_bytes: u64,
    rounds: u32,
    /// Of the party that computes longest.
    device_s: Option<f64>,
}

impl Line {
    fn add(&mut self, took: &LineTook) {
        self.bytes += took.bytes_sent;
        self.most_bytes = self.most_bytes.max(took.bytes_sent);
        self.rounds = self.rounds.max(took.rounds);
        self.device_s = match (self.device_s, took.device_s) {
            (Some(own), Some(other)) => Some(own.max(other)),
            (own, other) => own.or(other),
        };
    }
}
