//! Which tiles to cut a program into, and which of a role's devices to use: those with which it is predicted to be done
//! first.

use super::topic::CUT;
use super::wire::Wire;
use super::{SessionError, Spread};
use crate::net::{Link, LinkShape, NetError};
use crate::plan::{
    DeviceModel, Draft, MOST_TRIED_STEPS, Plan, PlanError, PlanOptions, Plans, StepEstimate, Supply,
};
use crate::program::Program;
use crate::program::tiling::TileSide;
use crate::protocol::Protocol;
use crate::run::{Overlap, simulate};
use crate::share::Role;
use crate::step::Phase;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The tiles of a program and its supply, on which parties agree before they plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    pub side: TileSide,
    pub supply: Supply,
}

impl Cut {
    /// The choice that suits both: the smaller tiles, and streamed if either wants so.
    pub fn with(self, other: Cut) -> Cut {
        Cut { side: self.side.min(other.side), supply: self.supply.max(other.supply) }
    }
}

/// The least side that is tried: larger tiles take fewer steps, smaller ones overlap more.
const LEAST_TRIED: usize = 256;

/// A side that predicts less than this share of the time is better.
const WORTHWHILE: f64 = 0.97;

/// The deployment for which tiles are chosen.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// The devices, by number.
    pub models: &'a [DeviceModel],
    /// Set where work is always divided among them.
    pub spread: Spread,
    /// The link between any two roles.
    pub link: LinkShape,
    /// The budget of memory of each device, and what the device itself takes of it.
    pub budget_bytes: Option<u64>,
    /// Memory that a device keeps for transfers, of the one that keeps most.
    pub staging_bytes: u64,
}

impl Surroundings<'_> {
    /// The bytes that the budget leaves for a plan's buffers.
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
/// resident, later runs count. The largest side is tried first, and smaller ones only as long as overlapping more could
/// save more than planning with them takes, or until one fits the budget; of all, as many as take no more than
/// [`MOST_TRIED_STEPS`] together.
///
/// # Errors
/// Where there is no plan, or none that fits: then that which needs least says how much.
pub fn choose_side(
    protocol: Protocol,
    program: &Program,
    options: PlanOptions,
    surroundings: &Surroundings<'_>,
) -> Result<(TileSide, Plans), PlanError> {
    choose_by_stages(protocol, program, options, surroundings, || ())
}

/// The same; `planned` is called once there are plans that fit, before others are considered.
pub(super) fn choose_by_stages(
    protocol: Protocol,
    program: &Program,
    options: PlanOptions,
    surroundings: &Surroundings<'_>,
    planned: impl FnOnce(),
) -> Result<(TileSide, Plans), PlanError> {
    let draft = Draft::new(protocol, options.source, program)?;
    let mut choice = Choice::new(&draft, options, surroundings);
    let mut sides = sides(program, draft.estimate()).into_iter();
    choice.until_one_fits(&mut sides)?;
    planned();
    choice.while_worthwhile(sides)?;
    choice.best()
}

/// The sides that may be tried, the largest first, each with the steps of its plans: whole matrices, then powers of two
/// that make more steps than the one before, as far as such plans are made.
fn sides(program: &Program, estimate: &StepEstimate<'_>) -> Vec<(TileSide, u64)> {
    let extents = program.values().iter().flat_map(|value| [value.shape.rows, value.shape.cols]);
    let longest = extents.max().unwrap_or(0);
    let mut sides = vec![(TileSide::WHOLE, estimate.steps(TileSide::WHOLE))];
    let powers = (LEAST_TRIED.ilog2()..usize::BITS).rev().map(|power| 1usize << power);
    for side in powers.filter(|&side| side < longest).map(TileSide) {
        let steps = estimate.steps(side);
        if steps > estimate.most() {
            break;
        }
        if sides.last().is_some_and(|&(_, before)| steps > before) {
            sides.push((side, steps));
        }
    }
    sides
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
    let draft = Draft::new(protocol, options.source, program)?;
    if let [devices] = surroundings.choices()[..] {
        return draft.plans(devices, options);
    }
    draft.estimate().check(options.side)?;
    let mut choice = Choice::new(&draft, options, surroundings);
    choice.until_one_fits(&mut [(options.side, draft.estimate().steps(options.side))].into_iter())?;
    choice.best().map(|(_, plans)| plans)
}

/// The choice that suits all parties, and the party that wants the smallest tiles where it is not this one.
pub(super) fn agree_on_cut(
    wire: &Wire,
    links: &mut [Link],
    wanted: Cut,
) -> Result<(Cut, Option<Role>), NetError> {
    let parties = links.iter_mut().filter(|link| link.peer() != Role::Dealer);
    wire.wait(async {
        let (mut agreed, mut finest) = (wanted, None);
        for link in parties {
            link.send_control(CUT, &wanted).await?;
            let theirs: Cut = link.receive_control(CUT, link.long_patience()).await?;
            if theirs.side < TileSide::LEAST && theirs.side < wanted.side {
                let reason = format!("tiles of side {} are too small", theirs.side.0);
                return Err(NetError::Malformed { peer: link.peer(), what: CUT.name, reason });
            }
            if theirs.side < agreed.side {
                finest = Some(link.peer());
            }
            agreed = agreed.with(theirs);
        }
        Ok((agreed, finest))
    })
}

/// Refuses the tiles that a peer wants where they make more steps than this party would try by itself, or takes with the
/// tiles that it wants.
///
/// # Errors
/// [`SessionError::TileSide`], with a side that would do.
pub(super) fn check_side(
    protocol: Protocol,
    program: &Program,
    own: PlanOptions,
    (peer, side): (Role, TileSide),
) -> Result<(), SessionError> {
    let draft = Draft::new(protocol, own.source, program)?;
    let estimate = draft.estimate();
    let (steps, most) = (estimate.steps(side), MOST_TRIED_STEPS.max(estimate.steps(own.side)));
    if steps <= most {
        return Ok(());
    }
    let enough = estimate.enough(side, most).0;
    Err(SessionError::TileSide { peer, side: side.0, steps, most, enough })
}

/// The search for the best plans of a program.
struct Choice<'a> {
    draft: &'a Draft<'a>,
    options: PlanOptions,
    surroundings: &'a Surroundings<'a>,
    /// Steps of all plans so far.
    tried_steps: u64,
    best: Option<Candidate>,
    /// Of the plans that there are not, the one that the smallest budget would do for.
    refusal: Option<PlanError>,
}

/// Plans that fit the budget.
struct Candidate {
    side: TileSide,
    plans: Plans,
    /// The prediction of its runs; absent where it is the only choice.
    online: Option<Duration>,
}

impl<'a> Choice<'a> {
    fn new(draft: &'a Draft<'a>, options: PlanOptions, surroundings: &'a Surroundings<'a>) -> Choice<'a> {
        let options = PlanOptions { budget_bytes: surroundings.buffers_bytes(), ..options };
        Choice { draft, options, surroundings, tried_steps: 0, best: None, refusal: None }
    }

    /// Tries sides, each of which makes so many steps, until there are plans that fit.
    fn until_one_fits(&mut self, sides: &mut impl Iterator<Item = (TileSide, u64)>) -> Result<(), PlanError> {
        while self.best.is_none()
            && let Some((side, steps)) = sides.next()
        {
            self.tried_steps = self.tried_steps.saturating_add(self.steps(steps));
            self.consider(side)?;
        }
        Ok(())
    }

    /// Tries further sides as long as that may be worth it.
    fn while_worthwhile(&mut self, sides: impl Iterator<Item = (TileSide, u64)>) -> Result<(), PlanError> {
        for (side, steps) in sides {
            let steps = self.steps(steps);
            self.tried_steps = self.tried_steps.saturating_add(steps);
            let (planning, around) = (StepEstimate::planning(steps), self.surroundings);
            let is_worth = |best: &mut Candidate| best.leaves_more_to_save(planning, around);
            if self.tried_steps > MOST_TRIED_STEPS || !self.best.as_mut().is_none_or(is_worth) {
                break;
            }
            self.consider(side)?;
        }
        Ok(())
    }

    /// Of all plans for a side that makes so many.
    fn steps(&self, steps: u64) -> u64 {
        steps.saturating_mul(self.surroundings.choices().len() as u64)
    }

    fn best(self) -> Result<(TileSide, Plans), PlanError> {
        let refusal = self.refusal;
        let best = self.best.map(|best| (best.side, best.plans));
        best.ok_or_else(|| refusal.expect("a plan fits or is refused"))
    }

    fn consider(&mut self, side: TileSide) -> Result<(), PlanError> {
        self.surroundings.choices().into_iter().try_for_each(|devices| self.consider_on(side, devices))
    }

    /// Plans for a side and some devices, and keeps the plans if they are the best so far.
    fn consider_on(&mut self, side: TileSide, devices: &[DeviceModel]) -> Result<(), PlanError> {
        let Surroundings { staging_bytes, budget_bytes, .. } = *self.surroundings;
        let options = PlanOptions { side, ..self.options };
        let within_budget = |plans: Plans| plans.check_budget(staging_bytes, budget_bytes).map(|()| plans);
        let plans = match self.draft.plans(devices, options).and_then(within_budget) {
            Ok(plans) => plans,
            // Other tiles may do.
            Err(
                error
                @ (PlanError::OverBudget { .. } | PlanError::TooManySteps { .. } | PlanError::Demand(_)),
            ) => {
                self.refusal = Some(least(self.refusal.take(), error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut candidate = Candidate { side, plans, online: None };
        let is_better = self.best.as_mut().is_none_or(|best| {
            candidate.online(self.surroundings) < best.online(self.surroundings).mul_f64(WORTHWHILE)
        });
        if is_better {
            self.best = Some(candidate);
        }
        Ok(())
    }
}

impl Candidate {
    /// The plans of the runs that count.
    fn recurring(&self) -> &Plans {
        self.plans.again.as_deref().unwrap_or(&self.plans)
    }

    /// Their prediction; simulated once.
    fn online(&mut self, surroundings: &Surroundings<'_>) -> Duration {
        self.online.unwrap_or_else(|| {
            let Surroundings { models, link, .. } = *surroundings;
            let online = simulate(self.recurring(), models, link, Overlap::On).online;
            self.online = Some(online);
            online
        })
    }

    /// Whether smaller tiles, of which the planning takes so long, might be worth it: they overlap more, but no lane has less
    /// to do. Where work may move to other devices, or leave its device for a while, that is unknown.
    fn leaves_more_to_save(&mut self, planning: Duration, surroundings: &Surroundings<'_>) -> bool {
        let plans = self.recurring();
        if surroundings.models.len() > 1 || plans.roles().any(|plan| !plan.in_core) {
            return true;
        }
        let lanes = |plan: &Plan| {
            let traffic = plans.traffic.of(plan.role);
            let dealt = match plan.supply {
                Supply::Ahead => [0; 2],
                Supply::Streamed => [traffic.offline_sent_bytes, traffic.offline_received_bytes],
            };
            let [sent, received] = [traffic.sent_bytes + dealt[0], traffic.received_bytes + dealt[1]]
                .map(|bytes| surroundings.link.transmission(bytes));
            [device_time(plan, surroundings.models), sent, received]
        };
        let roles: Vec<[Duration; 3]> = plans.roles().map(lanes).collect();
        let longest = roles.iter().flatten().max().copied().unwrap_or_default();
        let least = planning.max(longest.mul_f64(1.0 - WORTHWHILE));
        // As if no lane of a role ever worked beside another; and if that is too much to say, as predicted.
        let alone = roles.iter().map(|lanes| lanes.iter().sum::<Duration>()).max().unwrap_or_default();
        let most = alone.saturating_sub(longest);
        most > least && self.online(surroundings).saturating_sub(longest) > least
    }
}

/// The time of a plan's online steps on the only device.
fn device_time(plan: &Plan, models: &[DeviceModel]) -> Duration {
    let seconds = |at: u32| {
        let step = &plan.steps[at as usize];
        models[usize::from(step.device)].seconds(plan.ring, &step.step.action)
    };
    let online = (0..plan.steps.len() as u32).filter(|&at| plan.phase_of(at) != Phase::Offline);
    Duration::from_secs_f64(online.map(seconds).sum())
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
    use crate::correlation::{Demand, DemandError, Source};
    use crate::program::tiling::Tiling;
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

    /// A product of integers of two parties, of this side.
    fn product(side: usize) -> Program {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let [x, y] = [0, 1].map(|owner| {
            let shape = Shape::new(side, side);
            program.input(&format!("x{owner}"), PartyId(owner), shape, None).expect("an input")
        });
        let z = program.matmul(x, y).expect("a product");
        program.output("z", z, Parties::first(2)).expect("an output");
        program
    }

    fn choose(side: usize, link: LinkShape, budget_bytes: Option<u64>) -> Result<TileSide, PlanError> {
        let program = product(side);
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
        // Each tile asks for several, so that a fraction of them is lowered before it is given up.
        let program = elementwise(Protocol::Beaver);
        let tiling = Tiling::new(&program, TileSide(1));
        let refused = Protocol::Beaver.lower(&program, &tiling, Source::Dealer).expect_err("too many");
        let DemandError::TooMany { entries } = refused else { panic!("{refused}") };
        assert!(entries <= Demand::MOST_ENTRIES + 8, "given up as soon as it is known: {entries}");
    }

    #[test]
    fn sides_are_tried_as_far_as_their_plans_are_short() {
        let sides = |program: &Program| -> Vec<usize> {
            let draft = Draft::new(Protocol::Beaver, None, program).expect("a draft");
            super::sides(program, draft.estimate()).into_iter().map(|(side, _)| side.0).collect()
        };
        const WHOLE: usize = usize::MAX;
        assert_eq!(sides(&elementwise(Protocol::Beaver)), [WHOLE, 512, 256]);
        assert_eq!(sides(&product(64)), [WHOLE]);
        assert_eq!(sides(&product(8192)), [WHOLE, 4096, 2048, 1024, 512, 256]);
        assert_eq!(
            sides(&product(131_072)),
            [WHOLE, 65_536, 32_768, 16_384, 8192, 4096],
            "512 makes 16,777,216 pairs"
        );
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let x = program.input("x", PartyId(0), Shape::new(1, 1 << 22), None).expect("an input");
        program.output("x", x, PartyId(1).alone()).expect("an output");
        assert_eq!(sides(&program), [WHOLE, 1024, 512, 256], "larger sides do not cut a row of so many");
    }

    #[test]
    fn of_refusals_the_one_that_a_budget_would_satisfy_counts() {
        let program = elementwise(Protocol::Beaver);
        let error = surrounded(LinkShape::LAN, Some(1000), |surroundings| {
            let sides = [1, 520].map(|side| (TileSide(side), 0));
            let draft = Draft::new(Protocol::Beaver, None, &program)?;
            let mut choice = Choice::new(&draft, PlanOptions::default(), surroundings);
            choice.until_one_fits(&mut sides.into_iter())?;
            choice.best()
        });
        let error = error.expect_err("too little");
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
    fn sides_that_could_save_less_than_planning_with_them_takes_are_not_planned() {
        let program = product(1024);
        let link = LinkShape::new(1_000_000_000, Duration::ZERO).expect("a link");
        let planned_also = |steps| {
            surrounded(link, None, |surroundings| {
                let draft = Draft::new(Protocol::Beaver, None, &program)?;
                let mut choice = Choice::new(&draft, PlanOptions::default(), surroundings);
                choice.until_one_fits(&mut [(TileSide::WHOLE, 1)].into_iter())?;
                choice.while_worthwhile([(TileSide(512), steps)].into_iter())?;
                choice.best()
            })
            .map(|side| side == TileSide(512))
        };
        assert_eq!(planned_also(100), Ok(true), "what it saves is worth a hundred steps");
        assert_eq!(planned_also(MOST_TRIED_STEPS - 1), Ok(false), "but no second of planning");
    }

    #[test]
    fn a_budget_that_no_tiles_fit_is_refused_with_the_least_that_would() {
        let error = choose(600, LinkShape::LAN, Some(1000)).expect_err("too little");
        let PlanError::OverBudget { needed_bytes, .. } = error else { panic!("{error}") };
        assert!(choose(600, LinkShape::LAN, Some(needed_bytes)).is_ok(), "{needed_bytes} bytes are enough");
        assert!(choose(600, LinkShape::LAN, Some(needed_bytes - 1)).is_err(), "and nothing below is");
    }
}
