//! Random programs of the job language, run by all parties: each step gives what it should of what it was given, on one
//! device or several, with any tiles, with the least memory or enough.

use super::budget::least_bytes;
use super::devices::spread;
use super::world;
use crate::plan::{PlanOptions, Supply};
use crate::program::oracle;
use crate::program::tests::{Draw, Random, count_of, first_of};
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::share::{Parties, PartyId};

/// How a program is planned: with tiles that cut small matrices, or none, correlations ahead or streamed, and within
/// memory between the least and twice that.
fn options(random: &Random, draw: &mut Draw) -> PlanOptions {
    let side = TileSide(draw.pick(&[usize::MAX, usize::MAX, 2, 3]));
    let supply = draw.pick(&[None, Some(Supply::Ahead), Some(Supply::Streamed)]);
    let window = draw.below(6) as u32;
    let options = PlanOptions { side, supply, window, ..PlanOptions::default() };
    if draw.chance(60) {
        return options;
    }
    let least = least_bytes(&random.program, options);
    PlanOptions { budget_bytes: Some(least + draw.below(least as usize + 1) as u64), ..options }
}

/// Runs the program of a seed.
fn held(seed: u64, most_steps: usize) -> Result<(), String> {
    let protocol = Protocol::ALL[(seed % 2) as usize];
    let mut random = Random::new(protocol.parties(), seed, most_steps);
    let recipients = Parties::from_iter([PartyId((seed / 2 % 2) as u8)]);
    for (index, value) in random.values().into_iter().enumerate() {
        random.program.output(&format!("o{index}"), value, recipients).expect("an output");
    }
    let mut draw = Draw(seed.rotate_left(32));
    let options = options(&random, &mut draw);
    let world = if draw.chance(30) { spread(protocol, seed) } else { world(protocol, seed) };
    let failed = |error| format!("{error}\n{options:?}\n{}", random.text());
    let outcomes = world.with_plan(options).run(&random.program, &random.data).map_err(failed)?;
    let outputs = &outcomes[recipients.lowest().expect("a recipient").index()].outputs;
    let found: Vec<Vec<u64>> = random
        .values()
        .into_iter()
        .enumerate()
        .map(|(index, value)| random.unpromoted(value, &outputs[&format!("o{index}")].to_u64()))
        .collect();
    let excused = random.hold(&found)?;
    if excused.contains(&true) {
        return Ok(());
    }
    // Where nothing leaves the ring, parties give what the oracle gives, but for truncations that round up.
    for (index, expected) in oracle::evaluate(&random.program, &random.data).iter().enumerate() {
        if let Some(place) = expected.first_difference(&outputs[&format!("o{index}")]) {
            return Err(format!("output {index} differs from the oracle's at {place}\n{}", random.text()));
        }
    }
    Ok(())
}

#[test]
fn random_programs_are_right_or_said_not_to_be_among_parties() {
    crate::program::tests::all_held(0..80, |seed| held(seed, 12));
}

/// See `every_step_of_many_random_programs_is_right_or_said_not_to_be`.
#[test]
#[ignore = "takes minutes: by hand, with optimisation"]
fn many_random_programs_are_right_or_said_not_to_be_among_parties() {
    let first = first_of();
    crate::program::tests::all_held(first..first + count_of(), |seed| held(seed, 30));
}
