//! Charts as SVG, for files of their own and for pages: no script, no font and no style from elsewhere.

use crate::table::size;
use std::fmt::Write as _;
use symbolon::step::MemoryClass;

/// Bytes by class, in the order of [`MemoryClass::ALL`].
pub type Classes = [u64; MemoryClass::ALL.len()];

/// The colours of classes, in the same order.
const COLOURS: [&str; MemoryClass::ALL.len()] =
    ["#2f6fb0", "#d9822b", "#4c9f70", "#8a8f98", "#b9a45b", "#b0485a"];

/// The colour of plain runs.
const PLAIN: &str = "#5b6470";

const WIDTH: f64 = 760.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 44.0;
const HEIGHT: f64 = 240.0;
const TICKS: usize = 4;

/// Characters of a label that fit beside a bar.
const LABEL: usize = 38;

/// A plain run and a private one, beside each other.
pub struct Bar {
    pub label: String,
    pub plain_bytes: u64,
    pub private: Classes,
}

/// Pairs of bars: plain above, private below, by class.
pub fn bars(bars: &[Bar]) -> String {
    const ROW: f64 = 42.0;
    const LABELS: f64 = 250.0;
    let most = bars.iter().map(|bar| bar.plain_bytes.max(bar.private.iter().sum())).max().unwrap_or(1).max(1);
    let scale = (WIDTH - LABELS - 150.0) / most as f64;
    let mut svg = open(TOP + ROW * bars.len() as f64 + 8.0);
    legend(&mut svg, true);
    for (row, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        text(&mut svg, LABELS - 8.0, y + 19.0, "end", &short(&bar.label, LABEL));
        let plain = bar.plain_bytes as f64 * scale;
        rectangle(&mut svg, (LABELS, y + 2.0), (plain, 11.0), PLAIN);
        text(&mut svg, LABELS + plain + 6.0, y + 12.0, "start", &size(bar.plain_bytes));
        let mut x = LABELS;
        for (bytes, colour) in bar.private.iter().zip(COLOURS) {
            rectangle(&mut svg, (x, y + 16.0), (*bytes as f64 * scale, 16.0), colour);
            x += *bytes as f64 * scale;
        }
        let total: u64 = bar.private.iter().sum();
        let factor = factor(total, bar.plain_bytes);
        text(&mut svg, x + 6.0, y + 28.0, "start", &format!("{} · {factor}", size(total)));
    }
    svg + "</svg>\n"
}

/// Memory by class over time or steps. Points are (x, bytes), in order.
pub fn area(points: &[(f64, Classes)], unit: &str, online: Option<f64>) -> String {
    let most = points.iter().map(|(_, classes)| classes.iter().sum::<u64>()).max().unwrap_or(1).max(1) as f64;
    let end = points.last().map_or(1.0, |(x, _)| *x).max(f64::MIN_POSITIVE);
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - RIGHT);
    let y = |bytes: f64| TOP + HEIGHT - bytes / most * HEIGHT;
    let mut svg = open(TOP + HEIGHT + 40.0);
    legend(&mut svg, false);
    axes(&mut svg, most, |bytes| size(bytes as u64), (end, unit));
    let mut below = vec![0u64; points.len()];
    for (class, colour) in COLOURS.iter().enumerate() {
        if points.iter().all(|(_, classes)| classes[class] == 0) {
            continue;
        }
        let above: Vec<u64> =
            below.iter().zip(points).map(|(below, (_, classes))| below + classes[class]).collect();
        let mut path = String::new();
        // Steps, not slopes: memory stays the same until the next point.
        for (index, (at, _)) in points.iter().enumerate() {
            let next = points.get(index + 1).map_or(end, |(next, _)| *next);
            let word = if index == 0 { "M" } else { "L" };
            let top = y(above[index] as f64);
            write!(path, "{word}{:.1} {top:.1} L{:.1} {top:.1} ", x(*at), x(next)).expect("text grows");
        }
        for (index, (at, _)) in points.iter().enumerate().rev() {
            let next = points.get(index + 1).map_or(end, |(next, _)| *next);
            let bottom = y(below[index] as f64);
            write!(path, "L{:.1} {bottom:.1} L{:.1} {bottom:.1} ", x(next), x(*at)).expect("text grows");
        }
        writeln!(svg, r#"<path d="{path}Z" fill="{colour}"/>"#).expect("text grows");
        below = above;
    }
    if let Some(online) = online {
        let at = x(online);
        let bottom = TOP + HEIGHT;
        let line = format!(
            r##"<line x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom}" stroke="#222" stroke-dasharray="4 3"/>"##
        );
        writeln!(svg, "{line}").expect("text grows");
        text(&mut svg, at + 4.0, TOP + 10.0, "start", "online");
    }
    svg + "</svg>\n"
}

/// A line from point to point: (x, y), in the order of x. The axis of y goes from 0, or from the least where that is below.
pub fn curve(points: &[(f64, f64)], x_unit: &str, y_label: impl Fn(f64) -> String) -> String {
    let most = points.iter().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max);
    let least = points.iter().map(|point| point.1).fold(0.0, f64::min);
    let end = points.iter().map(|point| point.0).fold(f64::MIN_POSITIVE, f64::max);
    let place = |&(x, y): &(f64, f64)| {
        let (across, up) = (x / end, (y - least) / (most - least));
        (LEFT + across * (WIDTH - LEFT - RIGHT), TOP + HEIGHT - up * HEIGHT)
    };
    let mut svg = open(TOP + HEIGHT + 40.0);
    axes(&mut svg, most - least, |above| y_label(least + above), (end, x_unit));
    let line: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    writeln!(
        svg,
        r##"<polyline points="{}" fill="none" stroke="{}" stroke-width="2.5"/>"##,
        line.join(" "),
        COLOURS[0]
    )
    .expect("text grows");
    for (x, y) in points.iter().map(place) {
        writeln!(svg, r##"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{}"/>"##, COLOURS[0])
            .expect("text grows");
    }
    svg + "</svg>\n"
}

/// The ratio, as `2.1×`, or nothing where there is no plain figure.
pub fn factor(private: u64, plain: u64) -> String {
    if plain == 0 { "–".to_owned() } else { format!("{:.2}×", private as f64 / plain as f64) }
}

/// Text escaped for use between tags.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A label, cut where it is long.
pub fn short(label: &str, most: usize) -> String {
    if label.chars().count() <= most {
        return label.to_owned();
    }
    label.chars().take(most - 1).chain(['…']).collect()
}

fn open(height: f64) -> String {
    format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0} {1:.0}" width="{0:.0}" "#,
            r##"height="{1:.0}" font-family="system-ui, sans-serif" font-size="12" fill="#222">"##,
            "\n",
            r##"<rect width="100%" height="100%" fill="#fff"/>"##,
            "\n"
        ),
        WIDTH, height
    )
}

fn legend(svg: &mut String, plain: bool) {
    let names = MemoryClass::ALL.iter().zip(COLOURS).map(|(class, colour)| (class.name(), colour));
    let names = plain
        .then_some(("in the clear", PLAIN))
        .into_iter()
        .chain(names.map(|(name, colour)| (if name == "plain" { "results" } else { name }, colour)));
    let mut x = 8.0;
    for (name, colour) in names {
        rectangle(svg, (x, 10.0), (11.0, 11.0), colour);
        text(svg, x + 16.0, 20.0, "start", name);
        x += 34.0 + 6.6 * name.len() as f64;
    }
}

fn axes(svg: &mut String, most: f64, label: impl Fn(f64) -> String, (end, unit): (f64, &str)) {
    for tick in 0..=TICKS {
        let share = tick as f64 / TICKS as f64;
        let y = TOP + HEIGHT - share * HEIGHT;
        let right = WIDTH - RIGHT;
        writeln!(svg, r##"<line x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}" stroke="#e2e4e8"/>"##)
            .expect("text grows");
        text(svg, LEFT - 8.0, y + 4.0, "end", &label(most * share));
        let x = LEFT + share * (WIDTH - LEFT - RIGHT);
        let anchor = if tick == TICKS { "end" } else { "middle" };
        text(svg, x, TOP + HEIGHT + 18.0, anchor, &short_number(end * share));
    }
    text(svg, (LEFT + WIDTH) / 2.0, TOP + HEIGHT + 34.0, "middle", unit);
}

/// A number with about three digits.
fn short_number(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v => format!("{v:.3}"),
    }
}

fn rectangle(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
    writeln!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#)
        .expect("text grows");
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escape(text))
        .expect("text grows");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_a_chart() {
        let bar = Bar { label: "<script>\"&".into(), plain_bytes: 10, private: [20, 0, 0, 0, 0, 0] };
        let svg = bars(&[bar]);
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;&quot;&amp;"), "{svg}");
        assert!(svg.contains("2.00×"));
    }

    #[test]
    fn a_curve_below_zero_stays_within_its_chart() {
        let svg = curve(&[(1.0, -3.0), (2.0, 1.0)], "turns", |value| format!("{value:.1}"));
        let bottom = format!("cy=\"{:.1}\"", TOP + HEIGHT);
        assert!(svg.contains(&bottom) && svg.contains(">-3.0<") && svg.contains(">1.0<"), "{svg}");
    }

    #[test]
    fn an_area_is_drawn_for_each_class_that_is_there() {
        let points = [(0.0, [1, 0, 2, 0, 0, 0]), (1.0, [3, 0, 0, 0, 0, 0]), (2.0, [0; 6])];
        assert_eq!(area(&points, "s", Some(1.0)).matches("<path").count(), 2);
        assert_eq!(area(&[], "s", None).matches("<path").count(), 0, "nothing is drawn of nothing");
    }
}
