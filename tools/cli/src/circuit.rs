//! `circuit`: what a Boolean circuit has and takes to be garbled.

use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::{Table, bytes};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use symbolon::circuit::bristol::{self, Format};
use symbolon::circuit::garble::{Traffic, label_bytes};
use symbolon::circuit::{Circuit, Schedule};
use symbolon::net::LinkShape;
use symbolon::share::{Parties, PartyId};

/// The circuit, and for what it is priced.
#[derive(Args)]
pub struct CircuitArguments {
    /// A circuit in Bristol Fashion, or in the older Bristol format
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The first N inputs are the garbler's, the others the evaluator's
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub garbler_inputs: usize,
    /// Evaluations side by side in a run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub evaluations: u32,
    /// The network between the two: lan, wan, or MBIT,MS (rate and round trip) [default: lan]
    #[arg(long, value_name = "LINK")]
    pub link: Option<LinkShape>,
    /// Print one JSON object on stdout, also on failure; text for people goes to stderr
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct CircuitJson {
    format: &'static str,
    /// Gates and wires as the file has them.
    file_gates: usize,
    file_wires: usize,
    garbler_bits: usize,
    evaluator_bits: usize,
    output_bits: usize,
    /// Of the circuit without what is constant, dead, or there twice.
    and_gates: usize,
    xor_gates: usize,
    and_depth: usize,
    /// The most AND gates of one evaluation that do not depend on each other.
    widest_layer: usize,
    evaluations: u32,
    table_bytes: u64,
    garbler_bytes: u64,
    evaluator_bytes: u64,
    /// Oblivious transfers for the evaluator's bits, which are not among the bytes.
    transfers: u64,
    /// Labels that each party holds at once.
    memory_bytes: u64,
    link: String,
    /// The transmission of all of it, and a round trip.
    link_s: f64,
    digest: String,
}

/// Reads a circuit, and prints what it has and takes.
pub fn circuit(arguments: &CircuitArguments) -> Result<(), Failure> {
    let named =
        |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", arguments.file.display()));
    let file = std::fs::read(&arguments.file).map_err(|error| named(&error))?;
    let header = bristol::read_header(&file).map_err(|error| named(&error))?;
    let inputs = header.inputs.len();
    if arguments.garbler_inputs > inputs {
        let garblers = arguments.garbler_inputs;
        return Err(named(&format!("it has {inputs} inputs, of which {garblers} cannot be the garbler's")));
    }
    let owners: Vec<PartyId> =
        (0..inputs).map(|at| PartyId(u8::from(at >= arguments.garbler_inputs))).collect();
    let recipients = vec![Parties::first(2); header.outputs.len()];
    let circuit = bristol::read_for(&file, &owners, &recipients).map_err(|error| named(&error))?;
    let json = priced(arguments, &header, &circuit);
    output::print(arguments.json, Document::Circuit, &json, &text(arguments, &json))
}

fn priced(arguments: &CircuitArguments, header: &bristol::Header, circuit: &Circuit) -> CircuitJson {
    let schedule = Schedule::new(circuit);
    let traffic = Traffic::of(&schedule, arguments.evaluations.into());
    let link = arguments.link.unwrap_or(LinkShape::LAN);
    let sent = link.transmission(traffic.garbler_bytes.saturating_add(traffic.evaluator_bytes));
    CircuitJson {
        format: match header.format {
            Format::Fashion => "Bristol Fashion",
            Format::Old => "Bristol",
        },
        file_gates: header.gates,
        file_wires: header.wires,
        garbler_bits: circuit.input_bits_of(PartyId(0)),
        evaluator_bits: circuit.input_bits_of(PartyId(1)),
        output_bits: circuit.output_bits(),
        and_gates: circuit.and_count(),
        xor_gates: circuit.xor_count(),
        and_depth: circuit.and_depth(),
        widest_layer: schedule.widest(),
        evaluations: arguments.evaluations,
        table_bytes: traffic.table_bytes,
        garbler_bytes: traffic.garbler_bytes,
        evaluator_bytes: traffic.evaluator_bytes,
        transfers: traffic.transfers,
        memory_bytes: label_bytes(&schedule, arguments.evaluations as usize),
        link: link.to_string(),
        link_s: (sent + link.round_trip()).as_secs_f64(),
        digest: circuit.digest().iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn text(arguments: &CircuitArguments, json: &CircuitJson) -> String {
    let mut table = Table::new(["", ""]);
    let mut row = |what: &str, figure: String| table.row([what.to_owned(), figure]);
    let count = |count: usize| bytes(count as u64);
    row("gates in the file", count(json.file_gates));
    row("AND gates", count(json.and_gates));
    row("XOR gates", count(json.xor_gates));
    row("AND depth", count(json.and_depth));
    row("widest layer, AND gates", count(json.widest_layer));
    row("input bits of the garbler", count(json.garbler_bits));
    row("input bits of the evaluator", count(json.evaluator_bits));
    row("output bits", count(json.output_bits));
    row("evaluations", count(json.evaluations as usize));
    row("bytes of tables", bytes(json.table_bytes));
    row("bytes from the garbler", bytes(json.garbler_bytes));
    row("bytes from the evaluator", bytes(json.evaluator_bytes));
    row("oblivious transfers, not counted", bytes(json.transfers));
    row("bytes of labels held at once", bytes(json.memory_bytes));
    row("seconds over the link", format!("{:.6}", json.link_s));
    format!(
        "{}: {}, half gates over {}\n{}",
        arguments.file.display(),
        json.format,
        json.link,
        table.render().trim_start_matches([' ', '\n'])
    )
}
