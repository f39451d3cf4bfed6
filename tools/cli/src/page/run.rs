//! A run's report as a page.

use super::Page;
use super::chart::{area, curve};
use crate::args::Shared;
use crate::report::{RoleJson, RunJson, Series};
use crate::stages;
use crate::table::{bytes, seconds, size};
use crate::trace::{LineTook, TraceFile};
use std::collections::BTreeSet;
use symbolon::device::DriverMemory;

/// What the table of lines says.
const LINES_NOTE: &str = "Bytes of all parties here. Lines that send in one round all count it. Device: measured, of the \
                          party that computes longest, if its device tells steps apart. On the link: what the bytes \
                          and the rounds take at the shape that was given.";

/// The page of a run, with pictures where there is a trace of it.
pub fn page(run: &RunJson, trace: Option<&TraceFile>, shared: &Shared) -> Page {
    let subtitle = format!("{}, {} bits, {} fraction bits", run.protocol, run.ring_bits, run.fraction_bits);
    let mut page = Page::new(&run.job, &subtitle);
    let roles: Vec<&RoleJson> = run.parties.iter().chain(&run.dealer).collect();
    let most = roles.iter().map(|role| role.vram_peak_bytes).max().unwrap_or(0);
    let sent: u64 = run.parties.iter().map(|party| party.bytes_sent).sum();
    let overlap = run.parties.iter().map(|party| party.overlap).fold(1.0, f64::min);
    let memory_at_most = match &run.garbled {
        Some(garbled) => ("labels in memory, at most", size(garbled.memory_bytes)),
        None => ("device memory, at most", size(most)),
    };
    page.figures(&[
        ("online", seconds(run.online_s)),
        ("offline", seconds(run.offline_s)),
        ("in all", seconds(run.wall_s)),
        memory_at_most,
        ("sent online", size(sent)),
        ("overlap, at least", format!("{overlap:.2}")),
    ]);
    let warnings: Vec<Vec<String>> =
        run.ranges.wraps.iter().chain(&run.ranges.warnings).map(|warning| vec![warning.clone()]).collect();
    if !warnings.is_empty() {
        let heading = vec!["results may be wrong where this does not hold".to_owned()];
        page.table("Warnings", &[vec![heading], warnings].concat(), "");
    }
    for output in &run.outputs {
        let Some(Series { first_turn, every, numbers, .. }) = &output.series else { continue };
        let turns = (0u32..).map(|at| f64::from(first_turn + at * every));
        let points: Vec<(f64, f64)> = turns.zip(numbers.iter().copied()).collect();
        let heading = format!("{} by turn", output.name);
        let to: Vec<String> = output.to.iter().map(|party| format!("party {party}")).collect();
        let note = format!("Learnt by {}: who sees this page learns it as well.", to.join(" and "));
        page.chart(&heading, &curve(&points, "turns", |value| format!("{value:.4}")), &note);
    }
    page.table(
        "Online",
        &lanes(run),
        "Planned: the bytes that the plan says are sent. Overlap: the busier lane's share.",
    );
    if let Some(turn) = &run.turn {
        let note =
            "Half of the turns take no longer. Bytes are those that all parties here send, on average.";
        page.table("A turn of the loop", &turn.rows(), note);
    }
    page.table(
        "Where the time went",
        &stages::table(&run.processes()),
        "All of each process's time, from its start to the writing of this page.",
    );
    if let Some(trace) = trace {
        let parties: Vec<&[LineTook]> = trace.about.roles.iter().map(|role| role.lines.as_slice()).collect();
        let rows = LineTook::rows(&parties, shared.link);
        if rows.len() > 1 {
            page.table("What the lines took online", &rows, LINES_NOTE);
        }
    }
    match &run.garbled {
        Some(garbled) => page.table("Circuit", &garbled.rows(), ""),
        None => {
            page.table(
                "Device memory",
                &memory(&roles),
                "Planned before the run, and the peak that the ledger saw.",
            );
        }
    }
    if let Some(trace) = trace {
        // A garbled run has none on a device.
        for role in trace.about.roles.iter().filter(|_| run.garbled.is_none()) {
            let points = trace.memory(role.pid);
            let heading = format!("{}: memory in use over time", role.role);
            let note = "What steps still need; what is allocated for the run is in the table above.";
            page.chart(&heading, &area(&points, "seconds", Some(role.online_us / 1e6)), note);
        }
        page.chart("What every lane did when", &trace.timeline(), "");
    }
    let several = devices(&roles);
    if several.len() > 1 {
        page.table("Devices", &several, "What was placed on each, and how long it was busy online.");
    }
    let from = format!("Correlations from {}{}.", run.trust.correlations_from, run.trust.choice());
    page.table("What nodes learn that follow the protocol", &run.trust.rows(), &from);
    page.table("Outputs", &outputs(run), &run.ranges.range);
    let mut facts = vec![("device", run.device.clone())];
    facts.push(("link", shared.link.map_or_else(|| "as it is".to_owned(), |link| link.to_string())));
    facts.push(("budget", shared.budget.map_or_else(|| "none".to_owned(), size)));
    page.environment(&facts);
    page
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn lanes(run: &RunJson) -> Vec<Vec<String>> {
    let mut rows =
        vec![row(["party", "bytes sent", "planned", "received", "rounds", "device", "wire", "overlap"])];
    for party in &run.parties {
        rows.push(vec![
            party.name(),
            bytes(party.bytes_sent),
            bytes(party.bytes_planned),
            bytes(party.bytes_received),
            party.rounds.to_string(),
            seconds(party.device_s),
            seconds(party.wire_s),
            format!("{:.2}", party.overlap),
        ]);
    }
    rows
}

fn memory(roles: &[&RoleJson]) -> Vec<Vec<String>> {
    let classes: BTreeSet<&String> = roles.iter().flat_map(|role| role.vram_by_class.keys()).collect();
    let mut rows = vec![row(["role", "planned", "peak"])];
    rows[0].extend(classes.iter().map(|class| class.to_string()));
    let told = roles.iter().any(|role| role.vram_driver.is_some());
    if told {
        rows[0].extend(["driver", "block slack"].map(str::to_owned));
    }
    for role in roles {
        let class = |class: &&String| size(role.vram_by_class.get(*class).copied().unwrap_or(0));
        let totals = [role.name(), size(role.vram_planned_bytes), size(role.vram_peak_bytes)];
        let mut cells: Vec<String> = totals.into_iter().chain(classes.iter().map(class)).collect();
        if told {
            let driver = |bytes: fn(&DriverMemory) -> u64| {
                role.vram_driver.as_ref().map_or_else(|| "–".to_owned(), |memory| size(bytes(memory)))
            };
            cells.extend([driver(|memory| memory.allocated_bytes), driver(DriverMemory::slack_bytes)]);
        }
        rows.push(cells);
    }
    rows
}

/// The devices of roles that have several.
fn devices(roles: &[&RoleJson]) -> Vec<Vec<String>> {
    let mut rows = vec![row(["device", "steps", "planned", "peak", "busy", "ops"])];
    for (role, number, device) in roles
        .iter()
        .flat_map(|role| role.devices.iter().enumerate().map(move |(number, device)| (role, number, device)))
    {
        rows.push(vec![
            format!("{}, device {number}: {}", role.name(), device.device),
            device.steps.to_string(),
            size(device.vram_planned_bytes),
            device.vram_peak_bytes.map_or_else(String::new, size),
            device.device_s.map_or_else(String::new, seconds),
            device.first_ops(),
        ]);
    }
    rows
}

fn outputs(run: &RunJson) -> Vec<Vec<String>> {
    let mut rows = vec![row(["output", "shape", "for", "file"])];
    for output in &run.outputs {
        let extents: Vec<String> = output.shape.iter().map(usize::to_string).collect();
        let to: Vec<String> = output.to.iter().map(|party| format!("party {party}")).collect();
        let file = output.file.clone().unwrap_or_else(|| "not written".to_owned());
        rows.push(vec![output.name.clone(), format!("({})", extents.join(", ")), to.join(", "), file]);
    }
    rows
}
