//! `functions`: the functions of steps, with what an example of each takes; all of it from the library's one table.

use crate::bench::accuracy;
use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::Table;
use clap::Args;
use serde::Serialize;
use symbolon::plan::{PlanOptions, Plans};
use symbolon::program::expression::accuracy::Measured;
use symbolon::program::expression::functions::{Function, Sample, functions};
use symbolon::program::expression::{Names, add_step};
use symbolon::program::{Dims, Program, Truncation, oracle};
use symbolon::protocol::Protocol;
use symbolon::ring::{Elements, FixedPoint, Ring};
use symbolon::share::{Parties, PartyId};
use symbolon_job::{JobError, number};

/// What to list.
#[derive(Args)]
pub struct FunctionsArguments {
    /// One function [default: all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Measure the errors of those that state one, in both rings, and fail where one is exceeded
    #[arg(long)]
    check: bool,
    /// Print one JSON object on stdout, also on failure; text for people goes to stderr
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct FunctionsJson {
    functions: Vec<FunctionJson>,
}

#[derive(Serialize)]
struct FunctionJson {
    name: &'static str,
    forms: &'static [&'static str],
    result: &'static str,
    /// A call, and the shape that its operands x and y have.
    example: &'static str,
    shape: String,
    /// Between these lie the operands of the example.
    low: f64,
    high: f64,
    /// The largest error, divided by results above 1, with a quarter of the ring's bits behind the point; where none is
    /// stated, that which stochastic truncation can add up to in the example, if that is small.
    error_64_bits: Option<f64>,
    error_32_bits: Option<f64>,
    costs: Vec<CostJson>,
}

/// What the example takes online, without its output.
#[derive(Serialize)]
struct CostJson {
    protocol: String,
    rounds: u32,
    /// Sent by all parties.
    bytes: u64,
}

/// More than what rounding adds up to where it tells something.
const MOST_SLACK: f64 = 0.01;

/// Lists and prints.
pub fn list(arguments: &FunctionsArguments) -> Result<(), Failure> {
    let chosen: Vec<&'static Function> = match &arguments.name {
        None => functions().collect(),
        Some(name) => vec![Function::of(name).ok_or_else(|| unknown(name))?],
    };
    let described = chosen.iter().copied().map(describe).collect::<Result<_, _>>()?;
    let json = FunctionsJson { functions: described };
    let text = if arguments.name.is_some() { one(&json.functions[0]) } else { all(&json.functions) };
    output::print(arguments.json, Document::Functions, &json, &text)?;
    if arguments.check { accuracy::check(&chosen) } else { Ok(()) }
}

fn unknown(name: &str) -> Failure {
    let mut names: Vec<&str> = functions().map(Function::name).collect();
    names.sort_unstable();
    Failure::Usage(format!("there is no function '{name}'; there are {}", names.join(", ")))
}

fn codec() -> FixedPoint {
    FixedPoint::new(Ring::Z64, 16).expect("16 of 64 bits")
}

/// Extents of x and y in examples, by the number of their axes.
fn extents(sample: &Sample) -> &'static [usize] {
    match sample.axes {
        (..=2, 2..) => &[7, 3],
        (_, 1) => &[7],
        _ => &[2, 2, 5, 3],
    }
}

/// A function's first example: of x, y and v, of which the first two parties hold parts.
fn example(protocol: Protocol, sample: &Sample, truncation: Truncation) -> Result<Program, Failure> {
    let mut program = Program::new(protocol.parties(), codec()).with_truncation(truncation);
    let (mut names, extents) = (Names::new(), extents(sample));
    let last = &extents[extents.len() - 1..];
    for (name, extents) in [("x", extents), ("y", extents), ("v", last)] {
        let dims = Dims::new(extents).expect("few axes");
        let mut part = |party: u8| program.input(&format!("{name}{party}"), PartyId(party), dims, None);
        let (own, other) = (part(0)?, part(1)?);
        names.insert(name.to_owned(), program.add(own, other)?);
    }
    let step = format!("z = {}", sample.step);
    let result = add_step(&mut program, &mut names, 1, &step).map_err(JobError::from)?;
    program.output("z", result, Parties::first(1))?;
    Ok(program)
}

/// How far the example's results may lie from exact ones, for numbers between its ends.
fn slack(sample: &Sample) -> Result<f64, Failure> {
    let program = example(Protocol::Beaver, sample, Truncation::Stochastic)?;
    let (low, high) = sample.ends;
    let middle = high.min(100.0) / 2.0 + low.max(-100.0) / 2.0;
    let apart = (high.min(100.0) - low.max(-100.0)) / 2.0;
    let data = program.inputs().iter().map(|input| {
        let of = |index: usize| match &*input.name {
            // The other party's parts are nothing.
            name if name.ends_with('1') => 0.0,
            "v0" => 0.5 + index as f64,
            name => middle + apart * (index as f64 + f64::from(name.as_bytes()[0])).sin(),
        };
        let numbers: Vec<f64> = (0..input.shape.len()).map(of).collect();
        Elements::encode(codec(), &numbers).map_err(|error| Failure::Wrong(error.to_string()))
    });
    let data = data.collect::<Result<Vec<_>, _>>()?;
    let expected = oracle::evaluate(&program, &data).swap_remove(0);
    let numbers = expected.elements.decode(codec());
    let error = |(slack, number): (&u64, &f64)| *slack as f64 * codec().resolution() / number.abs().max(1.0);
    Ok(expected.slack.iter().zip(&numbers).map(error).fold(0.0, f64::max))
}

fn describe(function: &'static Function) -> Result<FunctionJson, Failure> {
    let sample = function.samples.first().expect("every function has an example");
    let stated = |ring| {
        let most = |case: &symbolon::program::expression::accuracy::Accuracy| case.within(ring).most;
        function.accuracy.iter().map(most).reduce(f64::max)
    };
    let (low, high) = match function.accuracy.first().map(|case| case.within(Ring::Z64)) {
        Some(Measured { ends, .. }) => ends,
        None => sample.ends,
    };
    let costs = Protocol::ALL.into_iter().map(|protocol| {
        let program = example(protocol, sample, Truncation::Stochastic)?;
        let plans = Plans::new(protocol, &program, PlanOptions::default())?;
        let ops = plans.cost.ops.iter().filter(|op| op.output.is_none());
        let bytes = ops.map(|op| op.sent_bytes(Ring::Z64)).sum();
        Ok::<_, Failure>(CostJson { protocol: protocol.to_string(), rounds: plans.traffic.rounds - 1, bytes })
    });
    Ok(FunctionJson {
        name: function.name(),
        forms: function.forms,
        result: function.result,
        example: sample.step,
        shape: Dims::new(extents(sample)).expect("few axes").to_string(),
        low,
        high,
        error_64_bits: match stated(Ring::Z64) {
            None => Some(slack(sample)?).filter(|error| *error < MOST_SLACK),
            most => most,
        },
        error_32_bits: stated(Ring::Z32),
        costs: costs.collect::<Result<_, _>>()?,
    })
}

fn error(most: Option<f64>) -> String {
    match most {
        None => "not stated".to_owned(),
        Some(0.0) => "exact".to_owned(),
        Some(most) => format!("{most:.0e}"),
    }
}

fn all(functions: &[FunctionJson]) -> String {
    let protocols = functions.first().map_or(&[][..], |function| &function.costs[..]);
    let mut heading: Vec<String> = ["function", "from", "to", "error"].map(str::to_owned).into();
    heading
        .extend(protocols.iter().flat_map(|cost| [format!("{} rounds", cost.protocol), "bytes".to_owned()]));
    let mut table = Table::new(heading);
    for function in functions {
        let form = function.forms[0];
        let call = form.split_once(')').map_or(form, |(call, _)| call);
        let mut cells = vec![
            format!("{call})"),
            number(function.low),
            number(function.high),
            error(function.error_64_bits),
        ];
        let costs = function.costs.iter();
        cells.extend(costs.flat_map(|cost| [cost.rounds.to_string(), cost.bytes.to_string()]));
        table.row(cells);
    }
    format!(
        "all functions of steps; error in 64 bits with 16 of them a fraction, relative above 1\n\
         rounds and bytes, sent by all, of an example with x of shape (7, 3) or (2, 2, 5, 3)\n{}\
         `symbolon functions NAME` says more of one\n",
        table.render()
    )
}

fn one(function: &FunctionJson) -> String {
    let mut text = format!("{}\n  {}\n", function.forms.join("\n"), function.result);
    text += &format!("  from {} to {}, ", number(function.low), number(function.high));
    text += &format!("error {} in 64 bits", error(function.error_64_bits));
    if let narrow @ Some(_) = function.error_32_bits {
        text += &format!(", {} in 32 bits", error(narrow));
    }
    text += &format!("\n  for example {} with x of shape {}:\n", function.example, function.shape);
    for CostJson { protocol, rounds, bytes } in &function.costs {
        text += &format!("    {protocol}: {rounds} rounds, {bytes} bytes sent by all\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_described() {
        for function in functions() {
            let described = describe(function).unwrap_or_else(|error| panic!("{}: {error}", function.name()));
            assert!(described.forms[0].starts_with(described.name), "{}", described.name);
            assert_eq!(described.costs.len(), Protocol::ALL.len());
        }
    }
}
