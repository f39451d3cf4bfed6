//! Reading a file, line by line.

use super::error::{BristolError, Fault};
use crate::circuit::builder::Builder;
use crate::circuit::gate::{Bit, Circuit, MOST_WIRES};
use crate::share::{Parties, PartyId};
use std::iter::Enumerate;
use std::slice::Split;

/// Which of the formats a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Any number of inputs and outputs.
    Fashion,
    /// Two inputs and one output.
    Old,
}

/// What a file says of itself at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The format.
    pub format: Format,
    /// Lines of gates.
    pub gates: usize,
    /// Wires.
    pub wires: usize,
    /// The bits of each input.
    pub inputs: Vec<usize>,
    /// The bits of each output.
    pub outputs: Vec<usize>,
}

/// Where a line ends.
type IsEnd = fn(&u8) -> bool;

/// Lines that are not blank, with their numbers.
struct Lines<'a> {
    lines: Enumerate<Split<'a, u8, IsEnd>>,
    /// The last that was read.
    line: usize,
    gate: Option<usize>,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Lines<'a> {
        let is_end: IsEnd = |&byte| byte == b'\n';
        Lines { lines: bytes.split(is_end).enumerate(), line: 1, gate: None }
    }

    fn next(&mut self) -> Result<Option<&'a str>, BristolError> {
        for (at, line) in self.lines.by_ref() {
            self.line = at + 1;
            let Ok(text) = str::from_utf8(line) else { return Err(self.error(Fault::NotText)) };
            if !text.trim().is_empty() {
                return Ok(Some(text.trim()));
            }
        }
        Ok(None)
    }

    fn expect(&mut self, what: &'static str) -> Result<&'a str, BristolError> {
        self.next()?.ok_or_else(|| self.error(Fault::Ends(what)))
    }

    fn error(&self, fault: Fault) -> BristolError {
        BristolError { line: self.line, gate: self.gate, fault }
    }

    fn number(&self, word: &str) -> Result<usize, BristolError> {
        let number = word.parse().ok().filter(|&number| number <= MOST_WIRES);
        number.ok_or_else(|| self.error(Fault::NotANumber(word.chars().take(32).collect())))
    }

    fn numbers(&self, line: &str) -> Result<Vec<usize>, BristolError> {
        line.split_whitespace().map(|word| self.number(word)).collect()
    }

    /// The numbers behind a line's first, which says how many there are.
    fn counted(&self, line: &str) -> Result<Vec<usize>, BristolError> {
        let mut numbers = self.numbers(line)?;
        let count = numbers.remove(0);
        self.exactly(count, numbers.len())?;
        Ok(numbers)
    }

    fn exactly(&self, expected: usize, found: usize) -> Result<(), BristolError> {
        (expected == found).then_some(()).ok_or_else(|| self.error(Fault::Numbers { expected, found }))
    }
}

/// The header, and the lines of gates behind it: the first, where there is one, and the rest.
fn header<'a>(bytes: &'a [u8]) -> Result<(Header, Option<&'a str>, Lines<'a>), BristolError> {
    let mut lines = Lines::new(bytes);
    let sizes = lines.expect("the numbers of gates and wires")?;
    let sizes = lines.numbers(sizes)?;
    lines.exactly(2, sizes.len())?;
    let (gates, wires) = (sizes[0], sizes[1]);
    let second = lines.expect("the bits of the inputs")?;
    let second_line = lines.line;
    let third = lines.next()?;
    let is_fashion =
        third.is_some_and(|third| third.split_whitespace().all(|word| word.parse::<u64>().is_ok()));
    let (format, inputs, outputs, first) = if is_fashion {
        let outputs = lines.counted(third.expect("a third line"))?;
        let third_line = std::mem::replace(&mut lines.line, second_line);
        let inputs = lines.counted(second)?;
        lines.line = third_line;
        (Format::Fashion, inputs, outputs, lines.next()?)
    } else {
        let third_line = std::mem::replace(&mut lines.line, second_line);
        let numbers = lines.numbers(second)?;
        lines.exactly(3, numbers.len())?;
        lines.line = third_line;
        (Format::Old, numbers[..2].to_vec(), numbers[2..].to_vec(), third)
    };
    let refuse = |what, claimed, found| Err(lines.error(Fault::Count { what, claimed, found }));
    // A gate takes a line, and an input or an output that is good for anything a word of one.
    let [given, set] = [&inputs, &outputs].map(|bits| bits.iter().sum::<usize>());
    if gates > bytes.len() {
        return refuse("gates", gates, bytes.len());
    } else if given > bytes.len().min(wires) {
        return refuse("input bits", given, bytes.len().min(wires));
    } else if wires - given > bytes.len() {
        return refuse("wires", wires, given + bytes.len());
    } else if set > wires - given {
        return refuse("output bits", set, wires - given);
    }
    Ok((Header { format, gates, wires, inputs, outputs }, first, lines))
}

/// The header of a file: what it claims, as far as the file's length allows it.
///
/// # Errors
/// As [`read`].
pub fn read_header(bytes: &[u8]) -> Result<Header, BristolError> {
    Ok(header(bytes)?.0)
}

/// Reads a file in either format. Input i belongs to party i, and all outputs go to parties 0 and 1.
///
/// # Errors
/// Where the file is not a circuit, with the line and the gate. A file of more than two inputs names no parties: see
/// [`read_for`].
pub fn read(bytes: &[u8]) -> Result<Circuit, BristolError> {
    let header = read_header(bytes)?;
    let owners: Vec<PartyId> = (0..header.inputs.len().min(2)).map(|at| PartyId(at as u8)).collect();
    read_for(bytes, &owners, &vec![Parties::first(2); header.outputs.len()])
}

/// Reads a file in either format, for these owners of its inputs and these recipients of its outputs.
///
/// # Errors
/// Where the file is not a circuit, with the line and the gate, or has not as many inputs or outputs.
pub fn read_for(bytes: &[u8], owners: &[PartyId], recipients: &[Parties]) -> Result<Circuit, BristolError> {
    let (header, first, mut lines) = header(bytes)?;
    let named =
        [("inputs", owners.len(), header.inputs.len()), ("outputs", recipients.len(), header.outputs.len())];
    if let Some(&(what, expected, found)) = named.iter().find(|(_, named, found)| named != found) {
        return Err(lines.error(Fault::Roles { what, expected, found }));
    }
    let mut builder = Builder::new();
    let mut wires = Wires { set: Vec::new(), total: header.wires };
    for (&owner, &bits) in owners.iter().zip(&header.inputs) {
        let input = builder.input(owner, bits);
        wires.set.extend(input.into_iter().map(Some));
    }
    let mut line = first;
    for gate in 0..header.gates {
        lines.gate = Some(gate);
        let Some(text) = line else {
            lines.gate = None;
            return Err(lines.error(Fault::Count { what: "gates", claimed: header.gates, found: gate }));
        };
        read_gate(text, &lines, &mut builder, &mut wires)?;
        line = lines.next()?;
    }
    lines.gate = None;
    if line.is_some() {
        let (claimed, found) = (header.gates, header.gates + 1);
        return Err(lines.error(Fault::Count { what: "gates", claimed, found }));
    }
    let mut wire = header.wires - header.outputs.iter().sum::<usize>();
    for (&bits, &to) in header.outputs.iter().zip(recipients) {
        let word: Result<Vec<Bit>, BristolError> = (wire..wire + bits)
            .map(|wire| wires.get(wire).ok_or_else(|| lines.error(Fault::OutputNotSet(wire))))
            .collect();
        builder.output(to, &word?);
        wire += bits;
    }
    Ok(builder.finish())
}

/// The bits of wires, as far as any was set.
struct Wires {
    set: Vec<Option<Bit>>,
    total: usize,
}

impl Wires {
    fn get(&self, wire: usize) -> Option<Bit> {
        self.set.get(wire).copied().flatten()
    }

    /// A wire that is read.
    fn read(&self, wire: usize) -> Result<Bit, Fault> {
        if wire >= self.total {
            return Err(Fault::NoWire { wire, wires: self.total });
        }
        self.get(wire).ok_or(Fault::NotSet(wire))
    }

    /// Sets a wire. There are no more than the file's length has room for, as its header was checked.
    fn set(&mut self, wire: usize, bit: Bit) -> Result<(), Fault> {
        if wire >= self.total {
            return Err(Fault::NoWire { wire, wires: self.total });
        } else if self.get(wire).is_some() {
            return Err(Fault::SetTwice(wire));
        }
        if wire >= self.set.len() {
            self.set.resize(wire + 1, None);
        }
        self.set[wire] = Some(bit);
        Ok(())
    }
}

/// Reads the line of a gate.
fn read_gate(
    text: &str,
    lines: &Lines<'_>,
    builder: &mut Builder,
    wires: &mut Wires,
) -> Result<(), BristolError> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let kind = words.pop().expect("a line that is not blank");
    let numbers: Vec<usize> = words.into_iter().map(|word| lines.number(word)).collect::<Result<_, _>>()?;
    let &[reads, sets, ref rest @ ..] = &numbers[..] else {
        return Err(lines.error(Fault::Numbers { expected: 2, found: numbers.len() }));
    };
    let fits = match kind {
        "XOR" | "AND" => (reads, sets) == (2, 1),
        "INV" | "NOT" | "EQ" | "EQW" => (reads, sets) == (1, 1),
        "MAND" => reads == 2 * sets && sets > 0,
        other => return Err(lines.error(Fault::UnknownGate(other.chars().take(32).collect()))),
    };
    if !fits {
        return Err(lines.error(Fault::Arity { kind: kind.into(), reads, sets }));
    }
    lines.exactly(reads + sets, rest.len())?;
    let (read, set) = rest.split_at(reads);
    let located = |fault| lines.error(fault);
    if kind == "EQ" {
        let value = match read[0] {
            0 => Bit::FALSE,
            1 => Bit::TRUE,
            other => return Err(located(Fault::NotABit(other))),
        };
        return wires.set(set[0], value).map_err(located);
    }
    // All are read before one is set: a gate does not read what it sets.
    let read: Vec<Bit> =
        read.iter().map(|&wire| wires.read(wire)).collect::<Result<_, _>>().map_err(located)?;
    for (at, &wire) in set.iter().enumerate() {
        let value = match kind {
            "XOR" => builder.xor(read[0], read[1]),
            "INV" | "NOT" => !read[0],
            "EQW" => read[0],
            _ => builder.and(read[at], read[sets + at]),
        };
        wires.set(wire, value).map_err(located)?;
    }
    Ok(())
}
