//! Which tiles to cut a program into, and which of a role's devices to use: those with which it is predicted to be done
//! first.

use super::Spread;
use crate::net::LinkShape;
use crate::plan::{DeviceModel, PlanError, PlanOptions, Plans, Supply};
use crate::program::Program;
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::run::{Overlap, simulate};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a program is cut into tiles and supplied: what parties agree on before they plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    pub side: TileSide,
    pub supply: Supply,
}

impl Cut {
    /// What suits both: the smaller tiles, and streamed if either wants so.
    pub fn with(self, other: Cut) -> Cut {
        Cut { side: self.side.min(other.side), supply: self.supply.max(other.supply) }
    }
}

/// Sides that are worth a try, the largest first: larger tiles take fewer steps, smaller ones overlap more.
const SIDES: [usize; 4] = [2048, 1024, 512, 256];

/// A side that predicts less than this share of the time is better.
const WORTHWHILE: f64 = 0.97;

/// What is known of a deployment when its tiles are chosen.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// The devices, by number.
    pub models: &'a [DeviceModel],
    /// Whether work is divided among them in any case.
    pub spread: Spread,
    /// The link between any two roles.
    pub link: LinkShape,
    /// The budget of memory of each device, and what the device itself takes of it.
    pub budget_bytes: Option<u64>,
    /// Memory that a device keeps for transfers, of the one that keeps most.
    pub staging_bytes: u64,
}

impl Surroundings<'_> {
    /// What the budget leaves for a plan's buffers.
    pub fn buffers_bytes(&self) -> Option<u64> {
        self.budget_bytes.map(|budget| budget.saturating_sub(self.staging_bytes))
    }

    /// The devices to plan for, the simplest choice first.
    fn choices(&self) -> Vec<&[DeviceModel]> {
        match self.spread {
            Spread::WhereFaster if self.models.len() > 1 => vec![&self.models[..1], self.models],
            _ => vec![self.models],
        }
    }
}

/// Plans a program with several tile sides, for all of the devices and for the first one alone, and returns the side with
/// which its runs are predicted to be done first, among those that fit the budget, with the plans: where inputs are
/// resident, later runs count.
///
/// # Errors
/// Where there is no plan, or none that fits: then that which needs least says how much.
pub fn choose_side(
    protocol: Protocol,
    program: &Program,
    options: PlanOptions,
    surroundings: &Surroundings<'_>,
) -> Result<(TileSide, Plans), PlanError> {
    let extents = program.values().iter().flat_map(|value| [value.shape.rows, value.shape.cols]);
    let longest = extents.max().unwrap_or(0);
    let smaller = SIDES.into_iter().filter(|&side| side < longest).map(TileSide);
    choose(protocol, program, options, surroundings, [TileSide::WHOLE].into_iter().chain(smaller))
}

/// Plans a program with tiles of `options.side`, for all of the devices or the first one, as runs are predicted to be done
/// first.
///
/// # Errors
/// As [`choose_side`]; but where there is only one choice, the plan may be one that does not fit the budget.
pub fn plan_tiles(
    protocol: Protocol,
    program: &Program,
    options: PlanOptions,
    surroundings: &Surroundings<'_>,
) -> Result<Plans, PlanError> {
    if let [devices] = surroundings.choices()[..] {
        return Plans::on(devices, protocol, program, options);
    }
    choose(protocol, program, options, surroundings, [options.side]).map(|(_, plans)| plans)
}

fn choose(
    protocol: Protocol,
    program: &Program,
    options: PlanOptions,
    surroundings: &Surroundings<'_>,
    sides: impl IntoIterator<Item = TileSide>,
) -> Result<(TileSide, Plans), PlanError> {
    let choices = surroundings.choices();
    let mut best: Option<(Duration, TileSide, Plans)> = None;
    let mut refusal = None;
    for (side, devices) in
        sides.into_iter().flat_map(|side| choices.iter().map(move |&models| (side, models)))
    {
        let options = PlanOptions { side, budget_bytes: surroundings.buffers_bytes(), ..options };
        let within_budget = |plans: Plans| {
            plans.check_budget(surroundings.staging_bytes, surroundings.budget_bytes).map(|()| plans)
        };
        let plans = match Plans::on(devices, protocol, program, options).and_then(within_budget) {
            Ok(plans) => plans,
            // Other tiles may do.
            Err(error @ (PlanError::OverBudget { .. } | PlanError::Demand(_))) => {
                refusal = Some(least(refusal, error));
                continue;
            }
            Err(error) => return Err(error),
        };
        let recurring = plans.again.as_deref().unwrap_or(&plans);
        let online = simulate(recurring, surroundings.models, surroundings.link, Overlap::On).online;
        if best.as_ref().is_none_or(|(time, ..)| online < time.mul_f64(WORTHWHILE)) {
            best = Some((online, side, plans));
        }
    }
    best.map(|(_, side, plans)| (side, plans)).ok_or_else(|| refusal.expect("a plan fits or is refused"))
}

/// Of two refusals the one that a smaller budget would satisfy, if any would.
fn least(before: Option<PlanError>, error: PlanError) -> PlanError {
    let budget = |refusal: &PlanError| match refusal {
        PlanError::OverBudget { needed_bytes, .. } => *needed_bytes,
        _ => u64::MAX,
    };
    before.filter(|before| budget(before) <= budget(&error)).unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlation::{Demand, DemandError};
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::{Parties, PartyId};

    fn surrounded(
        link: LinkShape,
        budget_bytes: Option<u64>,
        choose: impl FnOnce(&Surroundings<'_>) -> Result<(TileSide, Plans), PlanError>,
    ) -> Result<TileSide, PlanError> {
        let model = DeviceModel::typical();
        let surroundings = Surroundings {
            models: model.as_ref(),
            spread: Spread::default(),
            link,
            budget_bytes,
            staging_bytes: 0,
        };
        choose(&surroundings).map(|(side, _)| side)
    }

    fn choose(side: usize, link: LinkShape, budget_bytes: Option<u64>) -> Result<TileSide, PlanError> {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let shape = Shape::new(side, side);
        let x = program.input("x", PartyId(0), shape, None)?;
        let y = program.input("y", PartyId(1), shape, None)?;
        let z = program.matmul(x, y)?;
        program.output("z", z, Parties::first(2))?;
        surrounded(link, budget_bytes, |surroundings| {
            choose_side(Protocol::Beaver, &program, PlanOptions::default(), surroundings)
        })
    }

    /// An elementwise product of 520² numbers.
    fn elementwise(protocol: Protocol) -> Program {
        let codec = FixedPoint::new(Ring::Z64, 8).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let [x, y] = [0, 1].map(|owner| {
            let shape = Shape::new(520, 520);
            program.input(&format!("x{owner}"), PartyId(owner), shape, None).expect("an input")
        });
        let z = program.mul(x, y).expect("a product");
        program.output("z", z, Parties::first(2)).expect("an output");
        program
    }

    #[test]
    fn tiles_that_ask_for_too_many_correlations_are_refused() {
        for protocol in Protocol::ALL {
            let options = PlanOptions { side: TileSide(1), ..PlanOptions::default() };
            let refused = Plans::new(protocol, &elementwise(protocol), options).expect_err("too many");
            let PlanError::Demand(DemandError::TooMany { entries }) = refused else { panic!("{refused}") };
            assert!(entries <= Demand::MOST_ENTRIES + 8, "given up as soon as it is known: {entries}");
        }
    }

    #[test]
    fn sides_that_ask_for_too_many_correlations_are_left_out() {
        let program = elementwise(Protocol::Beaver);
        let among = |sides: &[usize], budget_bytes| {
            let sides = sides.iter().copied().map(TileSide);
            surrounded(LinkShape::LAN, budget_bytes, |surroundings| {
                super::choose(Protocol::Beaver, &program, PlanOptions::default(), surroundings, sides)
            })
        };
        assert_eq!(among(&[520, 1], None), Ok(TileSide(520)));
        assert!(matches!(among(&[1], None), Err(PlanError::Demand(_))), "there is no other");
        let error = among(&[1, 520], Some(1000)).expect_err("too little");
        assert!(matches!(error, PlanError::OverBudget { .. }), "a larger budget would do: {error}");
    }

    #[test]
    fn small_programs_stay_whole_and_large_ones_are_cut() {
        assert_eq!(choose(64, LinkShape::LAN, None), Ok(TileSide::WHOLE));
        let link = LinkShape::new(1_000_000_000, Duration::ZERO).expect("a link");
        let side = choose(2048, link, None).expect("a plan");
        assert!(side < TileSide(2048), "what is multiplied is sent in pieces, not {side:?}");
    }

    #[test]
    fn a_budget_that_no_tiles_fit_is_refused_with_the_least_that_would() {
        let error = choose(600, LinkShape::LAN, Some(1000)).expect_err("too little");
        let PlanError::OverBudget { needed_bytes, .. } = error else { panic!("{error}") };
        assert!(choose(600, LinkShape::LAN, Some(needed_bytes)).is_ok(), "{needed_bytes} bytes are enough");
        assert!(choose(600, LinkShape::LAN, Some(needed_bytes - 1)).is_err(), "and nothing below is");
    }
}
