//! A trace as a picture: one row a lane, time to the right.

use super::file::{Event, TraceFile, is_wire};
use crate::page::chart::escape;
use std::fmt::Write as _;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const ROW: f64 = 18.0;
const GAP: f64 = 14.0;

/// Spans closer than this, in pixels, are drawn as one.
const NEAR: f64 = 0.4;

const TICKS: usize = 10;

const GEMM: &str = "#3b6fb6";
const KERNEL: &str = "#86b0dd";
const COPY: &str = "#b9a45b";
const SENT: &str = "#c4613c";
const RECEIVED: &str = "#e0a389";

const LEGEND: [(&str, &str); 5] = [
    (GEMM, "matrix product"),
    (KERNEL, "other kernels"),
    (COPY, "copies between host and device"),
    (SENT, "sent"),
    (RECEIVED, "received"),
];

/// The picture as SVG.
pub fn draw(file: &TraceFile) -> String {
    let (start, end) = file.extent_us();
    let length = (end - start).max(1.0);
    let x = |us: f64| LEFT + (us - start) / length * (WIDTH - LEFT - RIGHT);
    let mut body = String::new();
    let mut y = TOP;
    for role in &file.about.roles {
        let top = y;
        line(
            &mut body,
            &format!(r#"<text x="8" y="{:.0}" class="role">{}</text>"#, y + 12.0, escape(&role.role)),
        );
        y += ROW;
        for (tid, name) in file.lanes(role.pid) {
            let label = format!(
                r#"<text x="{:.0}" y="{:.0}" class="lane">{}</text>"#,
                LEFT - 8.0,
                y + 12.0,
                escape(name)
            );
            line(&mut body, &label);
            rectangles(&mut body, &file.spans(role.pid, tid), y, x);
            y += ROW;
        }
        let begin = x(role.online_us);
        let mark =
            format!(r#"<line x1="{begin:.1}" x2="{begin:.1}" y1="{top:.0}" y2="{y:.0}" class="online"/>"#);
        line(&mut body, &mark);
        y += GAP;
    }
    let mut svg = format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0} {1:.0}" width="{0:.0}" height="{1:.0}">"#,
            "\n<style>text{{font:12px sans-serif;fill:#333}}.role{{font-weight:bold}}.lane{{text-anchor:end}}",
            ".tick{{text-anchor:middle;fill:#777}}.grid{{stroke:#ddd}}.online{{stroke:#333;stroke-dasharray:3 3}}</style>\n",
            r#"<rect width="100%" height="100%" fill="white"/>"#,
            "\n"
        ),
        WIDTH,
        y + 24.0
    );
    axis(&mut svg, (start, length), y, x);
    legend(&mut svg);
    svg + &body + "</svg>\n"
}

fn axis(svg: &mut String, (start, length): (f64, f64), bottom: f64, x: impl Fn(f64) -> f64) {
    for tick in 0..=TICKS {
        let us = length * tick as f64 / TICKS as f64;
        let at = x(start + us);
        line(
            svg,
            &format!(r#"<line x1="{at:.1}" x2="{at:.1}" y1="{TOP:.0}" y2="{bottom:.0}" class="grid"/>"#),
        );
        line(
            svg,
            &format!(r#"<text x="{at:.1}" y="{:.0}" class="tick">{:.1} ms</text>"#, bottom + 14.0, us / 1e3),
        );
    }
}

fn legend(svg: &mut String) {
    let mut at = LEFT;
    for (colour, name) in LEGEND {
        line(svg, &format!(r#"<rect x="{at:.0}" y="12" width="12" height="12" fill="{colour}"/>"#));
        line(svg, &format!(r#"<text x="{:.0}" y="22">{name}</text>"#, at + 17.0));
        at += 40.0 + 7.0 * name.len() as f64;
    }
    line(svg, &format!(r#"<text x="{at:.0}" y="22">dashed: the online phase begins</text>"#));
}

/// The spans of a lane; neighbours of one colour are drawn as one.
fn rectangles(body: &mut String, spans: &[&Event], y: f64, x: impl Fn(f64) -> f64) {
    let mut drawn: Vec<(f64, f64, &str)> = Vec::new();
    for span in spans {
        let (begin, end) = (x(span.ts), x(span.ts + span.dur));
        let colour = colour(span);
        match drawn.last_mut() {
            Some((_, until, same)) if *same == colour && begin <= *until + NEAR => *until = until.max(end),
            _ => drawn.push((begin, end, colour)),
        }
    }
    for (begin, end, colour) in drawn {
        let width = (end - begin).max(NEAR);
        let height = ROW - 4.0;
        let rectangle = format!(
            r#"<rect x="{begin:.1}" y="{y:.0}" width="{width:.1}" height="{height:.0}" fill="{colour}"/>"#
        );
        line(body, &rectangle);
    }
}

fn colour(span: &Event) -> &'static str {
    const FROM: u32 = 2000;
    match span.name.as_str() {
        _ if span.tid >= FROM => RECEIVED,
        _ if is_wire(span.tid) => SENT,
        "gemm" => GEMM,
        "input" | "write" | "read" | "readback" | "reload" => COPY,
        _ => KERNEL,
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("text grows");
}
