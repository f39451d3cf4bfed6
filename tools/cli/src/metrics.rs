//! `--metrics`: the traffic of a node's links, in Prometheus' format.
//!
//! A thread answers `GET /metrics` on a loopback address, one connection at a time. The counters are bytes, frames and
//! times, which a listener on the wire sees as well; still only this machine can ask.

use crate::failure::Failure;
use crate::say;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use symbolon::net::{LinkObserver, ObservedLink};

/// The links of this process, which is one node where it serves metrics.
pub static LINKS: LinkObserver = LinkObserver::new();

/// The most bytes of a request that are read: Prometheus sends some hundreds.
const REQUEST_BYTES: usize = 8 << 10;

/// The deadline of a request, and of its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves until the process ends.
///
/// # Errors
/// Where the address is not a loopback one, or taken.
pub fn serve(address: SocketAddr) -> Result<(), Failure> {
    if !address.ip().is_loopback() {
        let advice = "metrics are for this machine only: take a loopback address, such as 127.0.0.1:9100";
        return Err(Failure::Usage(format!("--metrics {address}: {advice}")));
    }
    let taken = |error: std::io::Error| Failure::Usage(format!("--metrics {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    say::note(&format!("metrics are at http://{address}/metrics"));
    let serve = move || {
        // A failed connection is its peer's loss.
        listener.incoming().flatten().for_each(|stream| drop(answer(stream)));
    };
    std::thread::Builder::new().spawn(serve).map(drop).map_err(|error| Failure::thread(&error))
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut piece)?;
        request.extend_from_slice(&piece[..count]);
        if count == 0 || request.len() > REQUEST_BYTES {
            return Ok(());
        }
    }
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let response = respond(&String::from_utf8_lossy(line), &LINKS.links());
    stream.write_all(response.as_bytes())
}

/// The whole response to a request that begins with this line.
fn respond(line: &str, links: &[ObservedLink]) -> String {
    let mut words = line.split(' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/metrics")) => ("200 OK", text(links)),
        (Some("GET"), _) => ("404 Not Found", "there is only /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "there is only GET\n".to_owned()),
    };
    let length = body.len();
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// A counter of every link: its name, its help text, and its value.
type Counter = (&'static str, &'static str, fn(&ObservedLink) -> u64);

const COUNTERS: [Counter; 6] = [
    ("sent_frames", "Frames sent to the peer, each once.", |link| link.traffic.sent_frames),
    ("sent_bytes", "Bytes of these frames.", |link| link.traffic.sent_bytes),
    ("resent_bytes", "Bytes sent again after a connection broke.", |link| link.traffic.resent_bytes),
    ("received_frames", "Frames received from the peer.", |link| link.traffic.received_frames),
    ("received_bytes", "Bytes of these frames.", |link| link.traffic.received_bytes),
    ("reconnects", "Connections that were taken up again.", |link| link.traffic.reconnects),
];

/// The text format of Prometheus.
fn text(links: &[ObservedLink]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, kind: &str, samples: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(text, "# HELP symbolon_{name} {help}\n# TYPE symbolon_{name} {kind}");
        for sample in samples {
            let _ = writeln!(text, "symbolon_{name}{sample}");
        }
    };
    for (name, help, value) in COUNTERS {
        let mut samples = links.iter().map(|link| format!("{{peer=\"{}\"}} {}", link.peer, value(link)));
        family(&format!("link_{name}_total"), help, "counter", &mut samples);
    }
    let mut samples = links.iter().map(|link| format!("{{peer=\"{}\"}} {}", link.peer, link.peer_progress));
    family("peer_progress_total", "Pieces of work that the peer says it has done.", "counter", &mut samples);
    // All links of a process count their work on one account.
    let mut own = links.iter().take(1).map(|link| format!(" {}", link.progress));
    family("progress_total", "Pieces of work that this node has done.", "counter", &mut own);
    let mut busy = links.iter().take(1).map(|link| format!(" {:.6}", link.wire_busy.as_secs_f64()));
    family("wire_busy_seconds_total", "Seconds in which data crossed any link.", "counter", &mut busy);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon::net::LinkTraffic;
    use symbolon::share::Role;

    fn link() -> ObservedLink {
        ObservedLink {
            peer: Role::party(1),
            traffic: LinkTraffic { sent_bytes: 7, reconnects: 2, ..LinkTraffic::default() },
            peer_progress: 5,
            progress: 3,
            wire_busy: Duration::from_millis(1500),
        }
    }

    #[test]
    fn counters_are_as_prometheus_reads_them() {
        let response = respond("GET /metrics HTTP/1.1", &[link()]);
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        for line in [
            "# TYPE symbolon_link_sent_bytes_total counter",
            "symbolon_link_sent_bytes_total{peer=\"party 1\"} 7",
            "symbolon_link_reconnects_total{peer=\"party 1\"} 2",
            "symbolon_peer_progress_total{peer=\"party 1\"} 5",
            "symbolon_wire_busy_seconds_total 1.500000",
        ] {
            assert!(body.lines().any(|found| found == line), "{line} in {body}");
        }
    }

    #[test]
    fn there_is_nothing_else() {
        assert!(respond("GET / HTTP/1.1", &[]).starts_with("HTTP/1.1 404 "));
        assert!(respond("POST /metrics HTTP/1.1", &[]).starts_with("HTTP/1.1 405 "));
        assert!(respond("", &[]).starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn metrics_are_for_this_machine_only() {
        for address in ["0.0.0.0:0", "192.0.2.1:9100", "[::]:0"] {
            let refused = serve(address.parse().expect("an address")).expect_err(address).to_string();
            assert!(refused.contains("loopback"), "{refused}");
        }
    }
}
