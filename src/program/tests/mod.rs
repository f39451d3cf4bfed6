//! Random programs over the whole language, each step of which is held to the true function of what it was given.
//!
//! A step's operands are known exactly, as the elements that earlier steps gave, so a step is held to its own stated
//! error and no error is propagated. It may be off by more only where the program says so: where its operands lie outside
//! the limits of a program without declared bounds, or outside a function's domain that a warning names. What is computed
//! of such a value is not held to anything. Where all inputs declare bounds and no warning is given, nothing may be off.

mod draw;
mod drawn_language;
mod joins;
mod language;
mod shapes;
mod smooth;
mod tensor;

use crate::program::expression::{Names, add_step};
use crate::program::{Dims, Program, Truncation, ValueId, oracle, range};
use crate::ring::{Elements, FixedPoint, Ring};
use crate::share::PartyId;
pub(crate) use draw::Draw;
use draw::{Drawn, Known, Reach, Setting};
use tensor::Tensor;

/// A step of a random program.
struct Step {
    name: String,
    drawn: Drawn,
    /// Its first value, and the last, which is its result.
    first: usize,
    value: ValueId,
}

/// A part of a limit from which on a check may fail.
const CLOSE: f64 = 0.1;

/// What a step gave, compared with what it should.
struct Verdict {
    /// Its fault.
    near: Result<(), String>,
    reach: Reach,
    /// Whether it leaves the limits of a program without bounds.
    leaves: bool,
    /// Whether it comes near a limit, or leaves a domain or what is stated.
    is_close: bool,
    truth: Tensor,
}

/// A random program with its data.
pub(crate) struct Random {
    setting: Setting,
    pub(crate) program: Program,
    inputs: Vec<ValueId>,
    steps: Vec<Step>,
    pub(crate) data: Vec<Elements>,
}

/// Shapes that fit each other in many ways.
const SHAPES: [&[usize]; 12] = [
    &[],
    &[3],
    &[2],
    &[4, 3],
    &[3, 3],
    &[2, 1],
    &[1, 3],
    &[2, 4, 3],
    &[2, 3, 4, 4],
    &[1, 3, 3, 3],
    &[2, 3, 2, 2],
    &[0, 3],
];

impl Random {
    /// Draws a program for so many parties.
    pub(crate) fn new(parties: usize, seed: u64, most_steps: usize) -> Random {
        let mut draw = Draw(seed);
        let (ring, bits) = draw.pick(&[
            (Ring::Z64, 16),
            (Ring::Z64, 16),
            (Ring::Z64, 16),
            (Ring::Z64, 20),
            (Ring::Z64, 12),
            (Ring::Z64, 6),
            (Ring::Z64, 1),
            (Ring::Z64, 26),
            (Ring::Z64, 30),
            (Ring::Z64, 0),
            (Ring::Z32, 8),
            (Ring::Z32, 8),
            (Ring::Z32, 5),
            (Ring::Z32, 2),
            (Ring::Z32, 11),
            (Ring::Z32, 14),
            (Ring::Z32, 0),
        ]);
        let setting = Setting { codec: FixedPoint::new(ring, bits).expect("a codec") };
        let truncation = if draw.chance(50) { Truncation::Exact } else { Truncation::Stochastic };
        let program = Program::new(parties, setting.codec).with_truncation(truncation);
        let mut random = Random { setting, program, inputs: Vec::new(), steps: Vec::new(), data: Vec::new() };
        let mut known = random.draw_inputs(&mut draw, parties);
        let count = 1 + draw.below(most_steps);
        for _ in 0..count {
            random.draw_step(&mut draw, &mut known);
        }
        random
    }

    fn draw_inputs(&mut self, draw: &mut Draw, parties: usize) -> Vec<Known> {
        let codec = self.setting.codec;
        let mut known = Vec::new();
        // Bounds for all inputs, for some, or for none.
        let bounded = draw.pick(&[0, 0, 50, 100, 100]);
        let room = codec.limit().log2() - 2.0;
        for index in 0..3 + draw.below(3) {
            let most = draw.real(-1.0, 20.0).min(room);
            let least = draw.real(-12.0, most);
            let mut extents = draw.pick(&SHAPES).to_vec();
            if extents.contains(&0) && draw.chance(70) {
                extents = vec![1, 3];
            }
            let dims = Dims::new(&extents).expect("up to four axes");
            let bound = draw.chance(bounded).then(|| most.exp2().ceil());
            let (name, owner) = (format!("x{index}"), PartyId(draw.below(parties) as u8));
            self.inputs.push(self.program.input(&name, owner, dims, bound).expect("an input"));
            let len = extents.iter().product();
            let mut number = || match draw.below(16) {
                0 => 0.0,
                1 => (draw.below(4) as f64).min(most.exp2().floor()),
                _ => draw.number(least, most),
            };
            let numbers: Vec<f64> = (0..len).map(|_| number()).map(|x| self.setting.rounded(x)).collect();
            self.data.push(Elements::encode(codec, &numbers).expect("numbers in range"));
            known.push(Known { name, dims: extents, integer: bits_of(&self.setting) == 0 });
        }
        known
    }

    /// A step of any kind that fits; nothing where none is found soon.
    fn draw_step(&mut self, draw: &mut Draw, known: &mut Vec<Known>) {
        for _ in 0..20 {
            let kinds = if draw.chance(50) { &shapes::KINDS[..] } else { &smooth::KINDS[..] };
            let Some(drawn) = draw.pick(kinds)(draw, known, &self.setting) else { continue };
            let name = format!("v{}", self.steps.len());
            let ids = self.inputs.iter().copied().chain(self.steps.iter().map(|step| step.value));
            let mut names: Names = known.iter().map(|known| known.name.clone()).zip(ids).collect();
            let mut extended = self.program.clone();
            let text = format!("{name} = {}", drawn.text);
            let Ok(value) = add_step(&mut extended, &mut names, self.steps.len() + 1, &text) else {
                continue;
            };
            // What bounds show to be too large is refused, and tensors stay small.
            if range::reaches(&extended).is_err() || extended.value(value).shape.len() > 200 {
                continue;
            }
            let first = self.program.values().len();
            self.program = extended;
            let stated = self.program.value(value);
            let integer = stated.fraction_bits == 0;
            known.push(Known { name: name.clone(), dims: stated.dims.extents().to_vec(), integer });
            self.steps.push(Step { name, drawn, first, value });
            return;
        }
    }

    /// The program as a user would write it, for messages.
    pub(crate) fn text(&self) -> String {
        let input = |input: &crate::program::Input| {
            format!("{}: {}, bound {:?}\n", input.name, self.program.dims(input.value), input.bound)
        };
        let inputs: String = self.program.inputs().iter().map(input).collect();
        let steps: String =
            self.steps.iter().map(|step| format!("{} = {}\n", step.name, step.drawn.text)).collect();
        format!("{:?}, {:?}\n{inputs}{steps}", self.setting.codec, self.program.truncation())
    }

    /// The values that steps give, in their order.
    pub(crate) fn values(&self) -> Vec<ValueId> {
        self.steps.iter().map(|step| step.value).collect()
    }

    fn tensor(&self, value: ValueId, elements: &[u64]) -> Tensor {
        let stated = self.program.value(value);
        let ring = self.program.ring();
        let number = |element: &u64| match stated.integers {
            Some(integers) => integers.read(ring, *element) as f64,
            None => ring.signed(*element) as f64 * stated.unit(),
        };
        Tensor::new(stated.dims.extents(), elements.iter().map(number).collect())
    }

    /// The elements of a value at its own scale, as an output has them: results of comparisons are scaled there.
    pub(crate) fn unpromoted(&self, value: ValueId, elements: &[u64]) -> Vec<u64> {
        let ring = self.program.ring();
        let bits = bits_of(&self.setting) - self.program.value(value).fraction_bits;
        elements.iter().map(|&element| ring.reduce((ring.signed(element) >> bits) as u64)).collect()
    }

    /// Holds what the steps gave to the true functions; says of each whether it is excused, or what is wrong.
    pub(crate) fn hold(&self, found: &[Vec<u64>]) -> Result<Vec<bool>, String> {
        let mut excused = vec![false; self.inputs.len()];
        for (step, tensors) in self.steps.iter().zip(self.operands(found)) {
            let mut is_excused = step.drawn.operands.iter().any(|&index| excused[index]);
            if !is_excused {
                is_excused = self.hold_step(step, &tensors).map_err(|reason| self.wrong(step, &reason))?;
            }
            excused.push(is_excused);
        }
        Ok(excused)
    }

    /// Holds what the steps of a checked program gave: where no check fails, each of them is right, and the first one that
    /// fails comes near a limit.
    fn hold_checked(&self, found: &[Vec<u64>], failed: Option<&str>) -> Result<(), String> {
        for (step, tensors) in self.steps.iter().zip(self.operands(found)) {
            let verdict = self.verdict(step, &tensors);
            if self.setting.is_integer() {
                if self.hold_checked_integers(step, (&verdict, &tensors.1), failed)? {
                    return Ok(());
                }
                continue;
            }
            if failed == Some(&*step.name) {
                let text =
                    || format!("the check fails although nothing comes near a limit: {:?}", verdict.reach);
                return if verdict.is_close { Ok(()) } else { Err(self.wrong(step, &text())) };
            }
            let is_wrong = !verdict.reach.unstated && failed.is_none();
            verdict
                .near
                .err()
                .filter(|_| is_wrong)
                .map_or(Ok(()), |reason| Err(self.wrong(step, &reason)))?;
        }
        let known = failed.is_none_or(|name| self.steps.iter().any(|step| step.name == name));
        if known { Ok(()) } else { Err(format!("{failed:?} fail in\n{}", self.text())) }
    }

    /// Of integers a check fails where a result is not exact or not what is assumed, and nowhere else but for what matrix
    /// products may be; says whether it does in this step.
    fn hold_checked_integers(
        &self,
        step: &Step,
        (verdict, found): (&Verdict, &Tensor),
        failed: Option<&str>,
    ) -> Result<bool, String> {
        let pairs = || found.data.iter().zip(&verdict.truth.data);
        let is_exact = pairs().all(|(found, truth)| found == truth);
        // Floats do not hold larger ones.
        let is_lost = pairs().any(|(found, truth)| found.abs().max(truth.abs()) > 2f64.powi(52));
        if failed == Some(&*step.name) {
            let is_right = !is_exact || is_lost || verdict.reach.assumed || verdict.is_close;
            return match is_right {
                true => Ok(true),
                false => Err(self.wrong(step, "the check fails although the result is exact")),
            };
        }
        match is_exact || is_lost || verdict.reach.assumed || failed.is_some() {
            true => Ok(false),
            false => Err(self.wrong(step, "a result that is not exact passes")),
        }
    }

    fn wrong(&self, step: &Step, reason: &str) -> String {
        format!("{} = {}: {reason}\nin\n{}", step.name, step.drawn.text, self.text())
    }

    /// For each step the values of its operands, and its own.
    fn operands(&self, found: &[Vec<u64>]) -> Vec<(Vec<Tensor>, Tensor)> {
        let inputs = self.inputs.iter().zip(&self.data).map(|(&id, data)| self.tensor(id, &data.to_u64()));
        let mut tensors: Vec<Tensor> = inputs.collect();
        let mut all = Vec::new();
        for (step, elements) in self.steps.iter().zip(found) {
            let found = self.tensor(step.value, elements);
            let of = step.drawn.operands.iter().map(|&index| tensors[index].clone()).collect();
            all.push((of, found.clone()));
            tensors.push(found);
        }
        all
    }

    /// Compares what a step gave with what it should.
    fn verdict(&self, step: &Step, (of, found): &(Vec<Tensor>, Tensor)) -> Verdict {
        let expected = (step.drawn.truth)(&of.iter().collect::<Vec<_>>(), &self.setting);
        let (program, reach) = (&self.program, expected.reach);
        let beyond = |part: f64| {
            reach.product >= part * range::product_limit(program)
                || reach.quotient >= part * range::quotient_limit(program)
                || reach.all >= part * program.codec().limit()
        };
        let bound = reach.bound >= CLOSE * range::product_limit(program);
        let near = match found.dims == expected.value.dims {
            true => expected.is_near(found),
            false => Err(format!("its shape is {:?} and not {:?}", found.dims, expected.value.dims)),
        };
        // Declared bounds stand for magnitudes in matrix products.
        let declared = reach.bound > 0.0 && program.inputs().iter().any(|input| input.bound.is_some());
        // So does what functions say of their results.
        let ids: Vec<ValueId> =
            self.inputs.iter().copied().chain(self.steps.iter().map(|step| step.value)).collect();
        let is_known = |&index: &usize| program.interval(ids[index]).is_some();
        let declared =
            declared || step.drawn.text.contains(" @ ") && step.drawn.operands.iter().any(is_known);
        let is_close = beyond(CLOSE) || bound || declared || reach.outside || reach.assumed || reach.unstated;
        // Floats do not hold larger ones.
        let is_lost = of.iter().any(|of| of.reach() >= 2f64.powi(52) * self.setting.unit());
        let near = if is_lost { Ok(()) } else { near };
        Verdict { near, reach, leaves: beyond(0.999), is_close, truth: expected.value }
    }

    /// Holds one step; says whether it is excused.
    fn hold_step(&self, step: &Step, tensors: &(Vec<Tensor>, Tensor)) -> Result<bool, String> {
        let Verdict { near, reach, leaves, truth, .. } = self.verdict(step, tensors);
        if reach.assumed {
            return Ok(true);
        }
        if self.setting.is_integer() {
            return self.hold_integers(step, &tensors.1, &truth);
        }
        let unbounded = self.program.inputs().iter().any(|input| input.bound.is_none());
        // Nothing may be wrong where nothing is said.
        let is_said = range::warnings_of(&self.program, step.value) || reach.unstated || leaves && unbounded;
        match near {
            Err(_) if is_said => Ok(true),
            near => near.map(|()| leaves || reach.outside),
        }
    }

    /// Integers are exact, or wrap where that is said.
    fn hold_integers(&self, step: &Step, found: &Tensor, truth: &Tensor) -> Result<bool, String> {
        const EXACT: f64 = (1u64 << 52) as f64;
        let values = &self.program.values()[step.first..];
        let wraps = values.iter().any(|value| value.integers.is_some_and(|integers| integers.wraps));
        let modulus = f64::from(self.program.ring().bits()).exp2();
        for (&found, &truth) in found.data.iter().zip(&truth.data) {
            if truth.abs() > EXACT || found.abs() > EXACT {
                return Ok(true);
            }
            let apart = (found - truth).abs();
            let is_right = if wraps { apart % modulus == 0.0 } else { apart == 0.0 };
            if !is_right {
                return Err(format!("{found} for {truth}, which nothing says"));
            }
        }
        Ok(false)
    }
}

fn bits_of(setting: &Setting) -> u32 {
    setting.codec.fraction_bits()
}

impl draw::Expected {
    fn is_near(&self, found: &Tensor) -> Result<(), String> {
        /// More than floats round.
        const ROUNDINGS: f64 = 1e-12;
        let triples = found.data.iter().zip(&self.value.data).zip(&self.slack.data);
        for ((found, truth), slack) in triples {
            let apart = (found - truth).abs();
            if apart.is_nan() || apart > slack + ROUNDINGS * truth.abs() {
                return Err(format!("{found} for {truth}, which is off by {apart:.3e} and not {slack:.3e}"));
            }
        }
        Ok(())
    }
}

/// Holds the program of each seed; says which are wrong, and shows the first.
pub(crate) fn all_held(
    seeds: std::ops::Range<u64>,
    held: impl Fn(u64) -> Result<(), String> + std::panic::RefUnwindSafe,
) {
    const MOST_SHOWN: usize = 20;
    let count = seeds.end - seeds.start;
    let mut wrong = Vec::new();
    for seed in seeds {
        match std::panic::catch_unwind(|| held(seed)) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => wrong.push(format!("seed {seed}: {reason}")),
            Err(_) => wrong.push(format!("seed {seed}: a panic")),
        }
    }
    let line = |reason: &String| reason.lines().next().unwrap_or_default().to_owned();
    let lines: Vec<String> = wrong.iter().take(MOST_SHOWN).map(line).collect();
    let first = wrong.first().map_or("", String::as_str);
    assert!(
        wrong.is_empty(),
        "{} of {count} programs are wrong:\n{}\n\n{first}",
        wrong.len(),
        lines.join("\n")
    );
}

/// Holds the program of a seed to the oracle's values, truncations rounding either way.
fn held(seed: u64, most_steps: usize) -> Result<(), String> {
    let random = Random::new(2 + (seed % 2) as usize, seed, most_steps);
    let mut coins = Draw(!seed);
    let exact = random.program.truncation() == Truncation::Exact;
    let rounds_up = || !exact && coins.chance(50);
    let values = oracle::rounded_values(&random.program, &random.data, rounds_up);
    let found: Vec<Vec<u64>> = random.values().iter().map(|value| values[value.index()].clone()).collect();
    random.hold(&found).map(drop)
}

#[test]
fn every_step_of_random_programs_is_right_or_said_not_to_be() {
    all_held(0..500, |seed| held(seed, 30));
}

/// Holds the checked program of a seed: no check fails where all is right, and all is right where none fails.
fn held_checked(seed: u64, most_steps: usize) -> Result<(), String> {
    let mut random = Random::new(2, seed, most_steps);
    for (index, value) in random.values().into_iter().enumerate() {
        random
            .program
            .output(&format!("o{index}"), value, crate::share::Parties::first(1))
            .expect("an output");
    }
    // Integers may be too large for an output with fractions.
    if range::reaches(&random.program).is_err() {
        return Ok(());
    }
    let checked = random.program.checked().map_err(|error| error.to_string())?;
    range::reaches(&checked).map_err(|error| error.to_string())?;
    let mut coins = Draw(!seed);
    let exact = random.program.truncation() == Truncation::Exact;
    let values = oracle::rounded_values(&checked, &random.data, || !exact && coins.chance(50));
    let of_output = |index: usize| &values[checked.outputs()[index].value.index()];
    let failed: Option<String> = checked.check().and_then(|check| match of_output(check.output)[..] {
        [0, 0] => None,
        [1, from_it_on] => Some(check.first(from_it_on).expect("a step").to_owned()),
        ref answers => panic!("these cannot be answers: {answers:?}"),
    });
    let steps = random.values().into_iter().enumerate();
    let found: Vec<Vec<u64>> =
        steps.map(|(index, value)| random.unpromoted(value, of_output(index))).collect();
    random.hold_checked(&found, failed.as_deref())
}

#[test]
fn checks_fail_where_a_step_may_be_wrong_and_nowhere_else() {
    all_held(0..250, |seed| held_checked(seed, 12));
}

#[test]
#[ignore = "takes minutes: by hand"]
fn checks_of_many_random_programs_fail_where_a_step_may_be_wrong_and_nowhere_else() {
    let first = first_of();
    all_held(first..first + count_of(), |seed| held_checked(seed, 30));
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number of programs"))
}

/// The first seed of those that are tried by hand, by `SYMBOLON_FIRST`.
pub(crate) fn first_of() -> u64 {
    number("SYMBOLON_FIRST", 1_000)
}

/// How many are tried by hand, by `SYMBOLON_PROGRAMS`.
pub(crate) fn count_of() -> u64 {
    number("SYMBOLON_PROGRAMS", 20_000)
}

/// As many as `SYMBOLON_PROGRAMS` says, from `SYMBOLON_FIRST` on.
#[test]
#[ignore = "takes minutes: by hand"]
fn every_step_of_many_random_programs_is_right_or_said_not_to_be() {
    let first = first_of();
    all_held(first..first + count_of(), |seed| held(seed, 30));
}
