//! The pipes of a worker's process: a line of JSON, and behind it the elements that it announces.
//!
//! Both ends are of one user and one version of the program. Still, no length is taken for granted: what is cut short or
//! cannot be read is an error.

use super::{Ran, Request, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use symbolon::ring::{Elements, Ring};
use zeroize::Zeroizing;

/// The line of a request.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum RequestLine {
    Run {
        job: Option<String>,
        keep: Option<u32>,
        inputs: Vec<Announced>,
    },
    Release(u32),
    /// Nothing more is asked.
    End,
}

/// The line of a reply.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RanLine {
    ran: String,
    outputs: Vec<Announced>,
}

/// Elements that follow.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Announced {
    name: String,
    ring_bits: u32,
    len: usize,
}

fn announced(values: &BTreeMap<String, Elements>) -> Vec<Announced> {
    let line = |(name, elements): (&String, &Elements)| Announced {
        name: name.clone(),
        ring_bits: elements.ring().bits(),
        len: elements.len(),
    };
    values.iter().map(line).collect()
}

fn write(mut pipe: impl Write, line: &impl Serialize, values: &BTreeMap<String, Elements>) -> io::Result<()> {
    serde_json::to_writer(&mut pipe, line)?;
    pipe.write_all(b"\n")?;
    values.values().try_for_each(|elements| pipe.write_all(elements.bytes()))?;
    pipe.flush()
}

fn values(mut pipe: impl Read, announced: Vec<Announced>) -> io::Result<BTreeMap<String, Elements>> {
    let mut values = BTreeMap::new();
    for Announced { name, ring_bits, len } in announced {
        let ring = Ring::from_bits(ring_bits).map_err(io::Error::other)?;
        let bytes = len.checked_mul(ring.element_bytes()).ok_or_else(|| io::Error::other("too long"))?;
        let mut content = Zeroizing::new(vec![0; bytes]);
        pipe.read_exact(&mut content)?;
        values.insert(name, Elements::from_bytes(ring, &content));
    }
    Ok(values)
}

/// Asks a worker; `None` that it ends.
pub fn write_request(pipe: impl Write, request: Option<Request>) -> io::Result<()> {
    match request {
        Some(Request::Run(Run { job, keep, inputs })) => {
            write(pipe, &RequestLine::Run { job, keep, inputs: announced(&inputs) }, &inputs)
        }
        Some(Request::Release(number)) => write(pipe, &RequestLine::Release(number), &BTreeMap::new()),
        None => write(pipe, &RequestLine::End, &BTreeMap::new()),
    }
}

/// Reads what a worker is asked; `None` that it ends.
pub fn read_request(pipe: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = Vec::new();
    pipe.read_until(b'\n', &mut line)?;
    Ok(match serde_json::from_slice(&line)? {
        RequestLine::Run { job, keep, inputs } => {
            Some(Request::Run(Run { job, keep, inputs: values(pipe, inputs)? }))
        }
        RequestLine::Release(number) => Some(Request::Release(number)),
        RequestLine::End => None,
    })
}

/// Tells what a run gave.
pub fn write_ran(pipe: impl Write, ran: &Ran) -> io::Result<()> {
    write(pipe, &RanLine { ran: ran.report.clone(), outputs: announced(&ran.outputs) }, &ran.outputs)
}

/// Reads what runs gave, one after the other; other lines are returned at the end.
pub fn read_all(mut pipe: impl BufRead, mut each: impl FnMut(Ran)) -> io::Result<String> {
    let (mut text, mut line) = (String::new(), Vec::new());
    while pipe.read_until(b'\n', &mut line)? > 0 {
        match serde_json::from_slice(&line) {
            Ok(RanLine { ran, outputs }) => each(Ran { report: ran, outputs: values(&mut pipe, outputs)? }),
            Err(_) => text += &String::from_utf8_lossy(&line),
        }
        line.clear();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values_of(name: &str, elements: Elements) -> BTreeMap<String, Elements> {
        BTreeMap::from([(name.to_owned(), elements)])
    }

    #[test]
    fn what_is_asked_and_told_passes_through_pipes() {
        let mut pipe = Vec::new();
        let inputs = values_of("x", Elements::Z32(vec![10, u32::MAX, 0]));
        let run = Run { job: Some("a\nb".into()), keep: Some(7), inputs: inputs.clone() };
        write_request(&mut pipe, Some(Request::Run(run))).unwrap();
        write_request(&mut pipe, Some(Request::Release(7))).unwrap();
        write_request(&mut pipe, None).unwrap();
        let mut pipe = &pipe[..];
        let Some(Request::Run(run)) = read_request(&mut pipe).unwrap() else { panic!("a run") };
        assert_eq!((run.job.as_deref(), run.keep, run.inputs), (Some("a\nb"), Some(7), inputs));
        assert!(matches!(read_request(&mut pipe).unwrap(), Some(Request::Release(7))));
        assert!(read_request(&mut pipe).unwrap().is_none());

        let mut pipe = Vec::new();
        let ran = Ran { outputs: values_of("z", Elements::Z64(vec![10; 3])), report: "{}".into() };
        write_ran(&mut pipe, &ran).unwrap();
        pipe.extend_from_slice(b"{\"error\":\"none\",\"status\":4}\n");
        let mut told = Vec::new();
        let text = read_all(&pipe[..], |ran| told.push(ran)).unwrap();
        assert_eq!(text, "{\"error\":\"none\",\"status\":4}\n");
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].outputs, ran.outputs);
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        let mut pipe = Vec::new();
        let run = Run { job: None, keep: Some(1), inputs: values_of("x", Elements::Z64(vec![1, 2])) };
        write_request(&mut pipe, Some(Request::Run(run))).unwrap();
        for len in [0, 5, pipe.len() - 1] {
            assert!(read_request(&mut &pipe[..len]).is_err(), "{len} bytes");
        }
    }
}
