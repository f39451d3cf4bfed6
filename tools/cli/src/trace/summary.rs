//! The summary of a trace.

use super::file::{Event, LaneKind, TraceFile, is_wire, kind};
use crate::table::{Table, bytes};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A trace as numbers; times are in seconds and of the online phase.
#[derive(Serialize)]
pub struct Summary {
    timeline: String,
    roles: Vec<RoleSummary>,
}

#[derive(Serialize)]
struct RoleSummary {
    role: String,
    online_s: f64,
    /// Busy time of the busiest device.
    device_s: f64,
    wire_s: f64,
    /// max(device, wire) / online.
    overlap: f64,
    lanes: Vec<LaneSummary>,
    /// The device's time by kernel; for a device that works in the background, the time that submission took.
    kernels: BTreeMap<String, KernelSummary>,
}

#[derive(Serialize)]
struct LaneSummary {
    lane: String,
    busy_s: f64,
    spans: usize,
    bytes: u64,
}

#[derive(Default, Serialize)]
struct KernelSummary {
    count: usize,
    total_s: f64,
}

impl Summary {
    pub fn new(file: &TraceFile, timeline: &Path) -> Summary {
        let roles = file.about.roles.iter().map(|about| {
            let online: BTreeMap<u32, Vec<&Event>> = file
                .lanes(about.pid)
                .into_iter()
                .map(|(tid, _)| {
                    let spans = file.spans(about.pid, tid);
                    (tid, spans.into_iter().filter(|span| span.ts >= about.online_us).collect())
                })
                .collect();
            let all = || online.values().flatten();
            let end = all().map(|span| span.ts + span.dur).fold(about.online_us, f64::max);
            let online_s = (end - about.online_us) / 1e6;
            let devices = online.iter().filter(|(tid, _)| kind(**tid) == LaneKind::Device);
            let device_s = devices.map(|(_, spans)| busy_s(spans.iter().copied())).fold(0.0, f64::max);
            let wire =
                online.iter().filter(|(tid, _)| is_wire(**tid)).flat_map(|(_, spans)| spans.iter().copied());
            let wire_s = busy_s(wire);
            let lane = |(tid, name): (u32, &str)| LaneSummary {
                lane: name.to_owned(),
                busy_s: busy_s(online[&tid].iter().copied()),
                spans: online[&tid].len(),
                bytes: online[&tid].iter().filter_map(|span| span.args.bytes).sum(),
            };
            let mut kernels: BTreeMap<String, KernelSummary> = BTreeMap::new();
            let computes =
                |tid| matches!(kind(tid), LaneKind::Device | LaneKind::Handover | LaneKind::Uploads);
            for span in online.iter().filter(|(tid, _)| computes(**tid)).flat_map(|(_, spans)| spans) {
                let kernel = kernels.entry(span.name.clone()).or_default();
                kernel.count += 1;
                kernel.total_s += span.dur / 1e6;
            }
            RoleSummary {
                role: about.role.clone(),
                online_s,
                device_s,
                wire_s,
                overlap: if online_s > 0.0 { (device_s.max(wire_s) / online_s).min(1.0) } else { 1.0 },
                lanes: file.lanes(about.pid).into_iter().map(lane).collect(),
                kernels,
            }
        });
        Summary { timeline: timeline.display().to_string(), roles: roles.collect() }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for role in &self.roles {
            text += &format!(
                "{}: online {:.4} s, device {:.4} s, wire {:.4} s, overlap {:.2}\n",
                role.role, role.online_s, role.device_s, role.wire_s, role.overlap
            );
            let mut table = Table::new(["lane", "busy s", "spans", "bytes"]);
            for lane in &role.lanes {
                table.row([
                    lane.lane.clone(),
                    format!("{:.4}", lane.busy_s),
                    lane.spans.to_string(),
                    bytes(lane.bytes),
                ]);
            }
            for (name, kernel) in &role.kernels {
                table.row([
                    format!("  {name}"),
                    format!("{:.4}", kernel.total_s),
                    kernel.count.to_string(),
                    String::new(),
                ]);
            }
            text += &table.render();
        }
        text + &format!("timeline: {}\n", self.timeline)
    }
}

/// The union of spans, in seconds.
fn busy_s<'a>(spans: impl Iterator<Item = &'a Event>) -> f64 {
    let mut spans: Vec<(f64, f64)> = spans.map(|span| (span.ts, span.ts + span.dur)).collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut busy, mut until) = (0.0, f64::NEG_INFINITY);
    for (begin, end) in spans {
        busy += (end - begin.max(until)).max(0.0);
        until = until.max(end);
    }
    busy / 1e6
}
