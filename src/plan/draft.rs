//! The draft of a program: checked once, lowered once with whole matrices, and planned with any tiles.

use super::{Agreement, DEALER_WINDOW, Plan, PlanError, PlanOptions, Plans, StepEstimate, Traffic};
use super::{DeviceModel, Placement, dealer_steps, fuse};
use crate::correlation::Source;
use crate::program::tiling::{TileSide, Tiling};
use crate::program::{Program, ProgramError, range};
use crate::protocol::{Lowered, Protocol};
use crate::step::StepList;
use std::sync::Arc;

/// A program that is ready to be planned: the work that all of its plans have in common is done once.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    protocol: Protocol,
    source: Source,
    program: &'a Program,
    /// The program's steps with whole matrices, which take no longer for large shapes than for small ones.
    whole: Lowered,
    estimate: StepEstimate<'a>,
}

impl<'a> Draft<'a> {
    /// Checks a program, and lowers it with whole matrices; `source` makes its correlations, or else the protocol's
    /// default.
    ///
    /// # Errors
    /// Where the program has no output, can provably overflow, or needs too many correlations with any tiles, and where
    /// the source cannot serve the protocol.
    pub fn new(
        protocol: Protocol,
        source: Option<Source>,
        program: &'a Program,
    ) -> Result<Draft<'a>, PlanError> {
        let source = source.unwrap_or(protocol.default_source());
        protocol.check_source(source)?;
        if program.outputs().is_empty() {
            return Err(ProgramError::NoOutput.into());
        }
        program.check_updates()?;
        program.check_publics()?;
        range::reaches(program)?;
        let whole = protocol.lower(program, &Tiling::new(program, TileSide::WHOLE), source)?;
        let estimate = StepEstimate::new(protocol, source, program, &whole);
        Ok(Draft { protocol, source, program, whole, estimate })
    }

    /// The number of steps of the plans, by the side of tiles.
    pub fn estimate(&self) -> &StepEstimate<'a> {
        &self.estimate
    }

    /// Plans for every role, each on devices like these; the source is the draft's.
    ///
    /// # Errors
    /// Where the tiles are so small that the plans would have more steps than [`super::MOST_STEPS`], or ask for
    /// correlations that cannot be dealt.
    ///
    /// # Panics
    /// With more than [`super::MOST_DEVICES`].
    pub fn plans(&self, devices: &[DeviceModel], options: PlanOptions) -> Result<Plans, PlanError> {
        if options.side == TileSide::WHOLE {
            return self.planned(devices, options, &self.whole);
        }
        self.estimate.check(options.side)?;
        let tiling = Tiling::new(self.program, options.side);
        let cut = self.protocol.lower(self.program, &tiling, self.source)?;
        self.planned(devices, options, &cut)
    }

    fn planned(
        &self,
        devices: &[DeviceModel],
        options: PlanOptions,
        lowered: &Lowered,
    ) -> Result<Plans, PlanError> {
        let Lowered { demand, cost, cost_again, tiles, .. } = lowered;
        demand.check()?;
        let lists: Vec<StepList> = lowered.parties.iter().map(fuse).collect();
        let dealt = self.source.has_own_steps().then(|| dealer_steps(demand)).transpose()?;
        let parties = Plans::of_parties(&lists, &Placement { devices, tiles }, options);
        let supply = parties[0].supply;
        let traffic = Traffic::new(lists.iter().chain(&dealt), supply);
        let agreement = Agreement::new(self.protocol, self.program, &lists, demand, supply);
        let placement = Placement { devices, tiles: &[] };
        let plan = |list| Plan::within(list, &placement, supply, DEALER_WINDOW, options.budget_bytes);
        let dealer = dealt.as_ref().map(plan);
        let (demand, cost) = (demand.clone(), cost.clone());
        let (source, again, none) = (self.source, None, Arc::default());
        let mut plans =
            Plans { parties, dealer, source, demand, traffic, cost, agreement, again, lists: none };
        let lists: Vec<StepList> = lists.into_iter().chain(dealt).collect();
        if lists.iter().any(StepList::varies) {
            plans.lists = Arc::new(lists);
            let typical = plans.of_turn(&self.program.typical_turn());
            plans.again = Some(Arc::new(Plans { cost: cost_again.clone(), ..typical }));
        }
        Ok(plans)
    }
}
