//! `bench accuracy`: how far functions are from the true ones, by the oracle with exact truncation, and what they take.

use super::BenchOptions;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use symbolon::plan::{PlanOptions, Plans};
use symbolon::program::expression::accuracy::{Accuracy, Measured, case, each};
use symbolon::program::expression::functions::{Function, functions};
use symbolon::program::expression::{Names, add_step};
use symbolon::program::{Program, Truncation, oracle, range};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring, Shape};
use symbolon::share::{Parties, PartyId};
use symbolon_job::{JobError, number};

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Bits of the ring: 32 or 64 [default: first the one, then the other]
    #[arg(long, value_name = "BITS")]
    ring_bits: Option<u32>,
    /// Bits behind the point [default: a quarter of the ring's]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(1..=30))]
    fraction_bits: Option<u32>,
}

/// The whole measurement as JSON.
#[derive(Serialize)]
struct AccuracyJson {
    rings: Vec<RingJson>,
}

/// What was measured in one ring.
#[derive(Serialize)]
struct RingJson {
    ring_bits: u32,
    fraction_bits: u32,
    /// The value of the lowest bit, 2^−fraction_bits.
    unit: f64,
    functions: Vec<FunctionJson>,
}

/// One function.
#[derive(Serialize)]
struct FunctionJson {
    call: &'static str,
    /// Between these lie the points.
    low: f64,
    high: f64,
    /// Whether the inputs declare the ends as their bounds.
    declared: bool,
    /// Why such numbers cannot be computed on, where they cannot.
    refused: Option<String>,
    /// Of |result − truth|, divided by |truth| where that is above 1.
    max_error: f64,
    /// What the function states that this is at most; known with a quarter of the ring's bits behind the point.
    stated: Option<f64>,
    mean_error: f64,
    costs: Vec<CostJson>,
}

/// What a function takes online, with stochastic truncation.
#[derive(Serialize)]
struct CostJson {
    protocol: String,
    /// Without that of the output.
    rounds: u32,
    /// Sent by all parties, for one element of the operand that all hold parts of, without the output.
    bytes_per_element: f64,
}

const ROWS: usize = 256;
const COLS: usize = 16;

/// Dividends and divisors whose quotients the rings hold.
const QUOTIENTS: (f64, f64) = (1.0 / 4096.0, 131_072.0);
const QUOTIENTS_NARROW: (f64, f64) = (1.0 / 64.0, 128.0);

const OPERATORS: [Accuracy; 6] = [
    case("x * y", (-100.0, 100.0), [2e-5, 4e-3], |x, y| x.iter().zip(y).map(|(x, y)| x * y).collect()),
    case("x * 0.00123", (-7e13, 7e13), [4e-5, 1.2e-2], |x, _| each(x, |x| x * 0.00123))
        .narrow("x * 0.00123", (-4e6, 4e6))
        .undeclared(),
    case("x / 7", (-100.0, 100.0), [2e-5, 6e-3], |x, _| each(x, |x| x / 7.0)),
    case("x / 7", (-7e13, 7e13), [4e-5, 1.2e-2], |x, _| each(x, |x| x / 7.0))
        .narrow("x / 7", (-4e6, 4e6))
        .undeclared(),
    case("x / y", (1.0 / 256.0, 511.0), [6e-5, 2e-2], |x, y| x.iter().zip(y).map(|(x, y)| x / y).collect())
        .narrow("x / y", (1.0 / 256.0, 3.9)),
    case("x / y", QUOTIENTS, [1.1e-4, 3e-2], |x, y| x.iter().zip(y).map(|(x, y)| x / y).collect())
        .narrow("x / y", QUOTIENTS_NARROW)
        .undeclared(),
];

/// The calls that are measured: those of operators, and of the functions that state an error.
fn cases() -> impl Iterator<Item = &'static Accuracy> {
    OPERATORS.iter().chain(functions().flat_map(|function| function.accuracy))
}

/// Measures and prints.
pub fn accuracy(options: &Options, common: &BenchOptions) -> Result<(), Failure> {
    let rings = match options.ring_bits {
        Some(bits) => vec![Ring::from_bits(bits).map_err(|error| Failure::Usage(error.to_string()))?],
        None => vec![Ring::Z64, Ring::Z32],
    };
    let rings = rings.into_iter().map(|ring| within(ring, options.fraction_bits));
    let json = AccuracyJson { rings: rings.collect::<Result<_, _>>()? };
    output::print(common.json, Document::Bench, &json, &json.rings.iter().map(text).collect::<String>())?;
    let functions =
        json.rings.iter().flat_map(|ring| ring.functions.iter().map(move |row| (ring.ring_bits, row)));
    within_stated(functions)
}

/// Measures functions that state an error, in both rings.
pub fn check(functions: &[&Function]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for ring in [Ring::Z64, Ring::Z32] {
        let codec =
            FixedPoint::new(ring, ring.bits() / 4).map_err(|error| Failure::Usage(error.to_string()))?;
        for case in functions.iter().flat_map(|function| function.accuracy) {
            rows.push((ring.bits(), measure(codec, case)?));
        }
    }
    within_stated(rows.iter().map(|(bits, row)| (*bits, row)))
}

/// Fails where an error is larger than is stated.
fn within_stated<'a>(rows: impl Iterator<Item = (u32, &'a FunctionJson)>) -> Result<(), Failure> {
    let exceeds = |row: &FunctionJson| row.stated.is_some_and(|most| row.max_error > most);
    let exceeding: Vec<String> = rows
        .filter(|(_, row)| exceeds(row))
        .map(|(bits, row)| format!("{} in {bits} bits", row.call))
        .collect();
    if exceeding.is_empty() {
        return Ok(());
    }
    Err(Failure::Wrong(format!("beyond the stated error: {}", exceeding.join(", "))))
}

/// Measures in one ring; without fraction bits, with a quarter of the ring's.
fn within(ring: Ring, fraction_bits: Option<u32>) -> Result<RingJson, Failure> {
    let fraction_bits = fraction_bits.unwrap_or(ring.bits() / 4);
    let codec = FixedPoint::new(ring, fraction_bits).map_err(|error| Failure::Usage(error.to_string()))?;
    let functions = cases().map(|case| measure(codec, case)).collect::<Result<_, _>>()?;
    Ok(RingJson {
        ring_bits: ring.bits(),
        fraction_bits: codec.fraction_bits(),
        unit: codec.resolution(),
        functions,
    })
}

fn measure(codec: FixedPoint, case: &Accuracy) -> Result<FunctionJson, Failure> {
    let Measured { call, ends: (low, high), most } = case.within(codec.ring());
    let (bound, truth) = (case.declared.then_some(low.abs().max(high.abs())), case.truth);
    let stated = (codec.fraction_bits() == codec.ring().bits() / 4).then_some(most);
    let row = |refused, max_error, mean_error, costs| FunctionJson {
        call,
        low,
        high,
        declared: case.declared,
        refused,
        stated,
        max_error,
        mean_error,
        costs,
    };
    let built = program(Protocol::Beaver, codec, call, bound, Truncation::Exact);
    let program_of = match built.and_then(|program| Ok((range::reaches(&program)?, program))) {
        Ok((_, program)) => program,
        Err(failure) => return Ok(row(Some(failure.to_string()), 0.0, 0.0, Vec::new())),
    };
    let points: Vec<f64> = (0..ROWS * COLS).map(|index| point(codec, index, (low, high))).collect();
    let others: Vec<f64> = points.iter().rev().copied().collect();
    let zeros = vec![0.0; points.len()];
    let encode =
        |values: &[f64]| Elements::encode(codec, values).map_err(|error| Failure::Wrong(error.to_string()));
    let data = [encode(&points)?, encode(&zeros)?, encode(&others)?, encode(&zeros)?];
    let found = oracle::evaluate(&program_of, &data)[0].elements.decode(codec);
    let expected = points.chunks(COLS).zip(others.chunks(COLS)).flat_map(|(x, y)| truth(x, y));
    let errors: Vec<f64> = found
        .iter()
        .zip(expected)
        .map(|(found, truth)| (found - truth).abs() / truth.abs().max(1.0))
        .collect();
    let mean_error = errors.iter().sum::<f64>() / errors.len() as f64;
    let costs = Protocol::ALL.into_iter().map(|protocol| cost(protocol, codec, call, bound));
    Ok(row(None, errors.iter().copied().fold(0.0, f64::max), mean_error, costs.collect::<Result<_, _>>()?))
}

/// The function of values that the first two parties hold parts of; `x` and `y` have this bound, if any.
fn program(
    protocol: Protocol,
    codec: FixedPoint,
    call: &str,
    bound: Option<f64>,
    truncation: Truncation,
) -> Result<Program, Failure> {
    let mut program = Program::new(protocol.parties(), codec).with_truncation(truncation);
    let mut names = Names::new();
    for name in ["x", "y"] {
        let mut part = |party: u8, bound| {
            program.input(&format!("{name}{party}"), PartyId(party), Shape::new(ROWS, COLS), bound)
        };
        let (own, other) = (part(0, bound)?, part(1, bound.map(|_| codec.resolution()))?);
        names.insert(name.to_owned(), program.add(own, other)?);
    }
    let result = add_step(&mut program, &mut names, 1, &format!("z = {call}")).map_err(JobError::from)?;
    program.output("z", result, Parties::first(1))?;
    Ok(program)
}

fn cost(protocol: Protocol, codec: FixedPoint, call: &str, bound: Option<f64>) -> Result<CostJson, Failure> {
    let program = program(protocol, codec, call, bound, Truncation::Stochastic)?;
    let plans = Plans::new(protocol, &program, PlanOptions::default())?;
    let ops = plans.cost.ops.iter().filter(|op| op.output.is_none());
    let bytes: u64 = ops.map(|op| op.sent_bytes(codec.ring())).sum();
    Ok(CostJson {
        protocol: protocol.to_string(),
        rounds: plans.traffic.rounds - 1,
        bytes_per_element: bytes as f64 / (ROWS * COLS) as f64,
    })
}

/// A number between two others that can be written exactly. Where they are far apart, its magnitude lies anywhere between
/// them by its logarithm, and on both sides of zero if that is between.
fn point(codec: FixedPoint, index: usize, (low, high): (f64, f64)) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    /// From which on numbers of either sign are drawn by their logarithms, every other row of them.
    const FAR: f64 = 1000.0;
    let part = (index as f64 * GOLDEN).fract();
    let between = |low: f64, high: f64, part: f64| low * (high / low).powf(part);
    let number = match low > 0.0 {
        true => between(low, high, part),
        false if high - low < FAR || (index / COLS).is_multiple_of(2) => low + (high - low) * part,
        false if part < 0.5 => -between(codec.resolution(), -low, 2.0 * part),
        false => between(codec.resolution(), high, 2.0 * part - 1.0),
    };
    ((number / codec.resolution()).round() * codec.resolution()).clamp(low, high)
}

/// A call, or the function alone where it is long.
fn shown(call: &str) -> String {
    const LONGEST: usize = 32;
    match call.split_once('(') {
        Some((function, _)) if call.len() > LONGEST => format!("{function}(…)"),
        _ => call.to_owned(),
    }
}

fn text(json: &RingJson) -> String {
    let protocols: Vec<&str> = json
        .functions
        .iter()
        .find_map(|function| {
            (!function.costs.is_empty())
                .then(|| function.costs.iter().map(|cost| cost.protocol.as_str()).collect())
        })
        .unwrap_or_default();
    let mut heading: Vec<String> =
        ["function", "from", "to", "bounds", "max error", "stated", "mean error"].map(str::to_owned).into();
    heading.extend(protocols.iter().flat_map(|protocol| [format!("{protocol} rounds"), "bytes".to_owned()]));
    let mut table = Table::new(heading);
    let mut refused = String::new();
    for function in &json.functions {
        if let Some(reason) = &function.refused {
            refused += &format!("  {}: {reason}\n", shown(function.call));
            continue;
        }
        let mut cells = vec![
            shown(function.call),
            number(function.low),
            number(function.high),
            if function.declared { "declared" } else { "none" }.to_owned(),
            format!("{:.1e}", function.max_error),
            function.stated.map_or(String::new(), |most| format!("{most:.1e}")),
            format!("{:.1e}", function.mean_error),
        ];
        let costs = function.costs.iter();
        cells.extend(
            costs.flat_map(|cost| [cost.rounds.to_string(), format!("{:.0}", cost.bytes_per_element)]),
        );
        table.row(cells);
    }
    if !refused.is_empty() {
        refused = format!("refused for such numbers:\n{refused}");
    }
    format!(
        "errors against f64, relative above 1, with exact truncation; {} bits, {} of them a fraction: a unit is {:.1e}\n\
         rounds and bytes an element, sent by all, with stochastic truncation\n{}{refused}",
        json.ring_bits,
        json.fraction_bits,
        json.unit,
        table.render()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_as_accurate_as_they_say() {
        for (ring, fraction_bits) in [(Ring::Z64, 16), (Ring::Z32, 8)] {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            for case in cases() {
                let measured = measure(codec, case).expect("a measurement");
                let FunctionJson { call, max_error, mean_error, stated, .. } = measured;
                assert_eq!(measured.refused, None, "{call}");
                let stated = stated.expect("a quarter of the bits");
                assert!(max_error <= stated, "{call} in {ring:?}: {max_error} is more than {stated}");
                assert!(mean_error <= max_error);
            }
        }
    }
}
