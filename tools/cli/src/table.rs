//! Text for people.

use crate::report::{PricedWay, RoleJson, RunJson};
use crate::stages;
use std::collections::BTreeSet;

/// Rows of cells under a heading, each column as wide as its widest cell; the first is left-aligned.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<S: Into<String>>(heading: impl IntoIterator<Item = S>) -> Table {
        Table { rows: vec![heading.into_iter().map(Into::into).collect()] }
    }

    /// A table of rows of which the first is the heading.
    pub fn from_rows(rows: Vec<Vec<String>>) -> Table {
        Table { rows }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text, each line indented.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cell = |(column, cell): (usize, &String)| {
                let width = widths[column];
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            };
            let line: Vec<String> = row.iter().enumerate().map(cell).collect();
            text += &format!("  {}\n", line.join("  ").trim_end());
        }
        text
    }
}

/// A number of bytes with thousands set apart.
pub fn bytes(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of bytes in binary units.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 100.0 { 0 } else { 2 - usize::from(value >= 10.0) };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A time in the unit that suits it.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// A run's figures.
pub fn run(run: &RunJson) -> String {
    let roles: Vec<&RoleJson> = run.parties.iter().chain(&run.dealer).collect();
    let mut text = format!(
        "{}: {}, {} bits, {} fraction bits{}\n",
        run.job,
        run.protocol,
        run.ring_bits,
        run.fraction_bits,
        run.turns.map_or(String::new(), |turns| format!(", {turns} turns"))
    );
    if let Some(ways) = &run.nonlinear {
        let one = |PricedWay { nonlinear, offline_s, online_s }: &PricedWay| {
            format!("{nonlinear} (offline {}, online {})", seconds(*offline_s), seconds(*online_s))
        };
        let ways: Vec<String> = ways.iter().map(one).collect();
        text +=
            &format!("what is not linear in the way that is predicted to be faster: {}\n", ways.join(", "));
    }
    text += &format!(
        "offline {}, online {}, in all {}\n",
        seconds(run.offline_s),
        seconds(run.online_s),
        seconds(run.wall_s)
    );
    let mut table =
        Table::new(["online", "bytes sent", "planned", "received", "rounds", "device", "wire", "overlap"]);
    for role in &run.parties {
        table.row([
            role.name(),
            bytes(role.bytes_sent),
            bytes(role.bytes_planned),
            bytes(role.bytes_received),
            role.rounds.to_string(),
            seconds(role.device_s),
            seconds(role.wire_s),
            format!("{:.2}", role.overlap),
        ]);
    }
    text += &table.render();
    for role in roles.iter().filter(|role| role.id == "dealer" || role.offline_bytes_sent > 0) {
        let of = if run.garbled.is_some() { "oblivious transfers" } else { "corrections" };
        text += &format!("  {} sent {} bytes of {of}\n", role.name(), bytes(role.offline_bytes_sent));
    }
    if let Some(turn) = &run.turn {
        text += &Table::from_rows(turn.rows()).render();
    }
    text += &Table::from_rows(stages::table(&run.processes())).render();
    text += &run.trust.text();
    text += &run.ranges.text();
    match &run.garbled {
        Some(garbled) => text += &garbled.text(),
        None => text += &memory(&roles),
    }
    for role in &roles {
        if let Some(driver) = role.vram_driver {
            text += &format!(
                "  the driver of {} held {} bytes, and {} more in blocks that they were cut from\n",
                role.name(),
                bytes(driver.allocated_bytes),
                bytes(driver.slack_bytes())
            );
        }
        if role.devices.is_empty() && run.garbled.is_none() {
            text += &format!("  {} computes on {}\n", role.name(), role.device);
        }
        for (number, device) in role.devices.iter().enumerate() {
            text += &format!("  {} on {}\n", role.name(), device.text(number));
        }
    }
    for input in &run.inputs {
        text += &format!("  {}\n", input.text());
    }
    for output in &run.outputs {
        let extents: Vec<String> = output.shape.iter().map(usize::to_string).collect();
        let to: Vec<String> = output.to.iter().map(|party| format!("party {party}")).collect();
        let file =
            output.file.as_ref().map_or_else(|| ", not written".to_owned(), |file| format!(", in {file}"));
        text +=
            &format!("  output {} ({}) for {}{file}\n", output.name, extents.join(", "), to.join(" and "));
    }
    if run.later.is_empty() { text } else { text + &later(&run.later) }
}

/// The figures of the runs after the first.
fn later(runs: &[RunJson]) -> String {
    let mut table = Table::new(["later run", "offline", "online", "bytes sent", "correction bytes"]);
    for (number, run) in (1..).zip(runs) {
        let sent: Vec<String> = run.parties.iter().map(|role| bytes(role.bytes_sent)).collect();
        let times = [run.offline_s, run.online_s].map(seconds);
        let sent = [sent.join(" + "), bytes(run.offline_bytes)];
        table.row([number.to_string()].into_iter().chain(times).chain(sent));
    }
    table.render()
}

/// Device memory by class, planned and measured.
fn memory(roles: &[&RoleJson]) -> String {
    let classes: BTreeSet<&String> = roles.iter().flat_map(|role| role.vram_by_class.keys()).collect();
    let mut heading = vec!["device memory".to_owned(), "planned".to_owned(), "peak".to_owned()];
    heading.extend(classes.iter().map(|class| class.to_string()));
    let mut table = Table { rows: vec![heading] };
    for role in roles {
        let class = |class: &&String| bytes(role.vram_by_class.get(*class).copied().unwrap_or(0));
        let totals = [role.name(), bytes(role.vram_planned_bytes), bytes(role.vram_peak_bytes)];
        table.row(totals.into_iter().chain(classes.iter().map(class)));
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_easily() {
        assert_eq!(bytes(1_234_567), "1,234,567");
        assert_eq!(bytes(12), "12");
        assert_eq!(size(1000), "1000 B");
        assert_eq!(size(1 << 20), "1.00 MiB");
        assert_eq!(size(25 << 30), "25.0 GiB");
        assert_eq!(seconds(0.0123), "12.3 ms");
        assert_eq!(seconds(2.5), "2.50 s");
    }

    #[test]
    fn columns_align() {
        let mut table = Table::new(["who", "bytes"]);
        table.row(["party 0".to_owned(), "7".to_owned()]);
        assert_eq!(table.render(), "  who      bytes\n  party 0      7\n");
    }
}
