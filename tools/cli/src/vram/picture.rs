//! The answer about a job, as text and as a page.

use super::job::{PartyJson, ProtocolJson, VramJson, all_bars};
use super::tiles;
use crate::page::Page;
use crate::page::chart::{Classes, area, bars, curve, factor};
use crate::table::{Table, seconds, size};

/// Bars that a page shows at most, the largest.
const BARS: usize = 24;

/// Ops that a terminal shows at most, the first.
const ROWS: usize = 20;

/// Points that an area has at most: more cannot be seen.
const POINTS: usize = 700;

/// The answer for a terminal.
pub fn text(json: &VramJson) -> String {
    let mut text =
        format!("{}: {} bits; in the clear {}\n", json.job, json.ring_bits, size(json.plain_bytes));
    text += &Table::from_rows(parties(json)).render();
    text += &Table::from_rows(summary(json)).render();
    for protocol in &json.protocols {
        let mut rows = ops(protocol);
        let left = rows.len().saturating_sub(1 + ROWS);
        rows.truncate(1 + ROWS);
        text += &Table::from_rows(rows).render();
        if left > 0 {
            text += &format!("  and {left} more, in --json and --report\n");
        }
        if !protocol.sweep.is_empty() {
            text += &Table::from_rows(budgets(protocol)).render();
        }
    }
    text + &format!("  predicted on {}, link {}\n", json.device_model, json.link)
}

/// The answer as a page.
pub fn page(json: &VramJson) -> Page {
    let mut page = Page::new(&json.job, "Device memory: private against plain");
    let mut figures = vec![("in the clear", size(json.plain_bytes))];
    let names: Vec<String> =
        json.protocols.iter().map(|protocol| format!("{}, largest party", protocol.protocol)).collect();
    for (name, protocol) in names.iter().zip(&json.protocols) {
        figures.push((name.as_str(), format!("{} · {:.2}×", size(largest(protocol)), protocol.factor)));
    }
    page.figures(&figures);
    let mut shown = all_bars(json);
    shown.sort_by_key(|bar| std::cmp::Reverse(bar.private.iter().sum::<u64>()));
    shown.truncate(BARS);
    let note = "Above: the same computation in the clear, at the same width of numbers. Below: the largest party. For \
                an op, what is in use while it runs, correlations for later ops included.";
    page.chart("Plain against private", &bars(&shown), note);
    page.table("By party", &parties(json), "Planned for the whole run; measured by the device's ledger.");
    page.table(
        "With correlations streamed, and in the least memory",
        &summary(json),
        "What does not fit waits in host memory or is made again.",
    );
    for protocol in &json.protocols {
        let heading = format!("{}: memory in use, step by step", protocol.protocol);
        let online = (protocol.online_step < protocol.in_use.len()).then_some(protocol.online_step as f64);
        page.chart(&heading, &area(&points(&protocol.in_use), "steps of the largest party", online), "");
        page.table(&format!("{}: by op", protocol.protocol), &ops(protocol), "");
        if !protocol.sweep.is_empty() {
            let mut line: Vec<(f64, f64)> = protocol
                .sweep
                .iter()
                .map(|point| (point.budget_bytes as f64 / 1e6, point.total_s()))
                .collect();
            line.reverse();
            let heading = format!("{}: time against budget", protocol.protocol);
            page.chart(&heading, &curve(&line, "budget in MB", seconds), "Predicted, both phases together.");
            page.table(&format!("{}: budgets", protocol.protocol), &budgets(protocol), "");
        }
    }
    let (model, link, device) = (json.device_model.clone(), json.link.clone(), json.device.clone());
    page.environment(&[("device", device), ("predicted for", model), ("link", link)]);
    page
}

fn largest(protocol: &ProtocolJson) -> u64 {
    protocol.parties.iter().map(|party| party.planned_bytes).max().unwrap_or(0)
}

/// The largest of each stretch of steps.
pub fn points(in_use: &[Classes]) -> Vec<(f64, Classes)> {
    let stretch = in_use.len().div_ceil(POINTS).max(1);
    let point = |(index, steps): (usize, &[Classes])| {
        let most =
            steps.iter().max_by_key(|classes| classes.iter().sum::<u64>()).expect("a stretch has steps");
        ((index * stretch) as f64, *most)
    };
    in_use.chunks(stretch).enumerate().map(point).collect()
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn parties(json: &VramJson) -> Vec<Vec<String>> {
    let all = || json.protocols.iter().flat_map(|protocol| &protocol.parties);
    let mut names: Vec<&String> = all().flat_map(|party| party.planned_by_class.keys()).collect();
    names.sort();
    names.dedup();
    let measured = all().any(|party| party.measured_bytes.is_some());
    let mut heading = row(["device memory", "planned"]);
    if measured {
        heading.push("measured".to_owned());
    }
    heading.push("× plain".to_owned());
    heading.extend(names.iter().map(|name| name.to_string()));
    let mut rows = vec![heading];
    for protocol in &json.protocols {
        for party in &protocol.parties {
            let mut cells =
                vec![format!("{} party {}", protocol.protocol, party.id), size(party.planned_bytes)];
            if measured {
                cells.push(party.measured_bytes.map_or_else(|| "–".to_owned(), size));
            }
            cells.push(factor(party.planned_bytes, json.plain_bytes));
            cells.extend(names.iter().map(|name| class(party, name)));
            rows.push(cells);
        }
    }
    rows
}

/// The planned figure, and the measured one where it differs.
fn class(party: &PartyJson, name: &str) -> String {
    let planned = party.planned_by_class.get(name).copied().unwrap_or(0);
    match party.measured_by_class.as_ref().map(|classes| classes.get(name).copied().unwrap_or(0)) {
        Some(measured) if measured != planned => format!("{} ({})", size(planned), size(measured)),
        _ => size(planned),
    }
}

fn summary(json: &VramJson) -> Vec<Vec<String>> {
    let mut rows = vec![row([
        "protocol",
        "tiles",
        "correlations",
        "memory",
        "× plain",
        "online",
        "all streamed",
        "× plain",
        "online",
        "least memory",
        "× plain",
        "online",
    ])];
    for protocol in &json.protocols {
        rows.push(vec![
            protocol.protocol.clone(),
            tiles(protocol.tile_side),
            protocol.supply.to_string(),
            size(largest(protocol)),
            format!("{:.2}×", protocol.factor),
            seconds(protocol.online_s),
            size(protocol.streamed.planned_bytes),
            format!("{:.2}×", protocol.streamed.factor),
            seconds(protocol.streamed.online_s),
            size(protocol.least.planned_bytes),
            format!("{:.2}×", protocol.least.factor),
            seconds(protocol.least.online_s),
        ]);
    }
    rows
}

fn ops(protocol: &ProtocolJson) -> Vec<Vec<String>> {
    let heading = format!("{}, op by op", protocol.protocol);
    let mut rows = vec![row([&heading, "plain", "private", "×", "of which"])];
    for op in &protocol.ops {
        let parts: Vec<String> =
            op.by_class.iter().map(|(class, bytes)| format!("{class} {}", size(*bytes))).collect();
        rows.push(vec![
            crate::page::chart::short(&op.op, 48),
            size(op.plain_bytes),
            size(op.private_bytes),
            factor(op.private_bytes, op.plain_bytes),
            parts.join(", "),
        ]);
    }
    rows
}

fn budgets(protocol: &ProtocolJson) -> Vec<Vec<String>> {
    let heading = format!("{}, budget", protocol.protocol);
    let mut rows = vec![row([&heading, "planned", "tiles", "spilled", "offline", "online", "× time"])];
    let first = protocol.sweep.first().map_or(1.0, |point| point.total_s());
    for point in &protocol.sweep {
        rows.push(vec![
            size(point.budget_bytes),
            size(point.planned_bytes),
            tiles(point.tile_side),
            size(point.spilled_bytes),
            seconds(point.offline_s),
            seconds(point.online_s),
            format!("{:.2}", point.total_s() / first.max(f64::MIN_POSITIVE)),
        ]);
    }
    rows
}
