//! The stdout of a launched process: its outputs in pieces, each behind a line that names its output, and last its report.
//!
//! The launcher keeps the pieces in a file without a name, which goes with it however it ends.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write, stdout};
use std::ops::Range;

/// The line before a piece.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    output: String,
    batch: u32,
    bytes: u64,
}

/// The writer of an output in a launched process.
pub struct Pieces<'a> {
    pub output: &'a str,
    pub batch: u32,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Piece { output: self.output.to_owned(), batch: self.batch, bytes: bytes.len() as u64 };
        let mut stdout = stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string(&piece)?)?;
        stdout.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stdout().flush()
    }
}

/// The text of a process that has ended.
#[derive(Default)]
pub struct Said {
    /// Its report, or its failure.
    pub text: String,
    spool: Option<File>,
    /// The places of each batch's outputs in the spool.
    outputs: BTreeMap<(String, u32), Range<u64>>,
}

impl Said {
    /// A text without outputs.
    pub fn of(text: String) -> Said {
        Said { text, ..Said::default() }
    }

    /// Reads a process's stdout to its end.
    pub fn listen(stdout: impl Read) -> io::Result<Said> {
        let (mut said, mut stdout) = (Said::default(), BufReader::new(stdout));
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line)? > 0 {
            match serde_json::from_slice(&line) {
                Ok(piece) => said.keep(piece, &mut stdout)?,
                Err(_) => said.text += &String::from_utf8_lossy(&line),
            }
            line.clear();
        }
        Ok(said)
    }

    fn keep(&mut self, piece: Piece, stdout: &mut impl Read) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(tempfile::tempfile()?),
        };
        let at = spool.stream_position()?;
        let copied = io::copy(&mut stdout.take(piece.bytes), spool)?;
        let place = self.outputs.entry((piece.output, piece.batch)).or_insert(at..at);
        if copied != piece.bytes || place.end != at {
            return Err(io::Error::other("an output is not whole"));
        }
        place.end = at + copied;
        Ok(())
    }

    /// Whether there are pieces of an output of a batch.
    pub fn has(&self, name: &str, batch: u32) -> bool {
        self.outputs.contains_key(&(name.to_owned(), batch))
    }

    /// An output of a batch; of one that has no bytes, there were no pieces.
    pub fn output(&self, name: &str, batch: u32) -> Content<'_> {
        let place = self.outputs.get(&(name.to_owned(), batch)).cloned().unwrap_or_default();
        Content { spool: self.spool.as_ref(), place }
    }
}

/// An output's bytes, as they are read.
pub struct Content<'a> {
    spool: Option<&'a File>,
    place: Range<u64>,
}

impl Content<'_> {
    /// True where two outputs are equal to the end.
    pub fn equals(mut self, mut other: Content<'_>) -> io::Result<bool> {
        const PIECE_BYTES: usize = 64 << 10;
        if self.place.end - self.place.start != other.place.end - other.place.start {
            return Ok(false);
        }
        let (mut here, mut there) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
        loop {
            let count = self.read(&mut here)?;
            other.read_exact(&mut there[..count])?;
            if count == 0 || here[..count] != there[..count] {
                return Ok(count == 0);
            }
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.place.end - self.place.start).unwrap_or(usize::MAX);
        let Some(mut spool) = self.spool.filter(|_| left > 0) else { return Ok(0) };
        spool.seek(SeekFrom::Start(self.place.start))?;
        let wanted = left.min(bytes.len());
        let count = spool.read(&mut bytes[..wanted])?;
        self.place.start += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(output: &str, batch: u32, bytes: &[u8]) -> Vec<u8> {
        let piece = Piece { output: output.to_owned(), batch, bytes: bytes.len() as u64 };
        [serde_json::to_vec(&piece).unwrap(), b"\n".to_vec(), bytes.to_vec()].concat()
    }

    fn read(said: &Said, name: &str, batch: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        said.output(name, batch).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn outputs_are_told_from_the_report() {
        let report = "{\"job\":\"a\"}\n";
        let pieces = [line("z", 0, b"ab\n{}"), line("z", 0, b"cd"), line("y", 1, &[0xff, b'\n'])].concat();
        let said = Said::listen(&[&pieces, report.as_bytes()].concat()[..]).unwrap();
        assert_eq!(said.text, report);
        assert_eq!(read(&said, "z", 0), b"ab\n{}cd");
        assert_eq!(read(&said, "y", 1), [0xff, b'\n']);
        assert!(read(&said, "y", 0).is_empty());
        let failure = "{\"error\":\"none\",\"status\":4}\n";
        assert_eq!(Said::listen(failure.as_bytes()).unwrap().text, failure);
    }

    #[test]
    fn outputs_are_compared_to_the_end() {
        let whole = vec![7; 200_000];
        let mut other = whole.clone();
        let said = |bytes: &[u8]| Said::listen(&line("z", 0, bytes)[..]).unwrap();
        let same = |bytes: &[u8]| said(&whole).output("z", 0).equals(said(bytes).output("z", 0)).unwrap();
        assert!(same(&whole));
        assert!(!same(&whole[1..]));
        other[199_999] = 8;
        assert!(!same(&other));
    }

    #[test]
    fn an_output_that_is_cut_off_is_an_error() {
        let cut = &line("z", 0, b"abcd")[..];
        assert!(Said::listen(&cut[..cut.len() - 1]).is_err());
    }
}
