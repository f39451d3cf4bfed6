//! The number of steps of a program's plans, by the side of its tiles, known before anything is cut into tiles.
//!
//! A plan takes time and host memory by its steps, some 3 µs and 700 bytes for each, and halving the tiles of a product
//! makes eight times as many: tiles that are far too small, which a peer may ask for, take minutes and gigabytes. An op
//! emits the same number of steps for each tile whatever the tile's size, and a product one kernel more for each pair of
//! tiles that it multiplies. So the program is lowered once with whole matrices, which takes no longer for large shapes than for small
//! ones, and the steps of each op are counted; a side then multiplies them by the tiles, pairs and pieces that it gives.
//! That lowering is the draft of the program (see [`Draft`](super::Draft)), of which the plan with whole matrices is made.

use super::PlanError;
use crate::correlation::Source;
use crate::program::tiling::{Grid, TileSide, Tiling};
use crate::program::{Gather, Loop, Op, Program, ValueId};
use crate::protocol::{Lowered, Protocol};
use std::time::Duration;

/// The most steps of a plan, of all roles together, or `GROWTH` times those of whole matrices, if that is more: a second
/// or two of planning, and a few hundred megabytes.
pub const MOST_STEPS: u64 = 1 << 19;

/// A plan may have this many times the steps of whole matrices in any case.
const GROWTH: u64 = 4;

/// The most steps of all plans together that are made to choose a side, or of one that a peer asks for: half a second.
pub const MOST_TRIED_STEPS: u64 = 1 << 18;

/// Seconds of planning a step and simulating it.
const STEP_NANOS: u64 = 3000;

/// The steps of a program's plans, by side.
#[derive(Clone, Debug)]
pub struct StepEstimate<'a> {
    program: &'a Program,
    /// By value: the steps of all roles for a tile of it.
    weights: Vec<u64>,
    roles: u64,
}

impl<'a> StepEstimate<'a> {
    /// Counts the steps of `program`, given as it is lowered with whole matrices.
    pub(super) fn new(
        protocol: Protocol,
        source: Source,
        program: &'a Program,
        whole: &Lowered,
    ) -> StepEstimate<'a> {
        let mut weights = vec![0u64; program.values().len()];
        for step in whole.parties.iter().flat_map(|list| &list.steps) {
            weights[step.op.0 as usize] += 1;
        }
        // A dealer of its own does about as much as a party.
        let (roles, parties) = (protocol.roles(source).len() as u64, protocol.parties() as u64);
        weights.iter_mut().for_each(|weight| *weight = (*weight * roles).div_ceil(parties));
        StepEstimate { program, weights, roles }
    }

    /// An estimate of the steps of all roles' plans together.
    pub fn steps(&self, side: TileSide) -> u64 {
        let tiling = Tiling::new(self.program, side);
        let of_value = |(id, &weight): (ValueId, &u64)| match weight {
            0 => 0,
            _ => self.of_value(&tiling, id, weight),
        };
        (0..).map(ValueId).zip(&self.weights).map(of_value).fold(0, u64::saturating_add)
    }

    /// An estimate of the time to plan and simulate this number of steps. It is no measurement, so that decisions by it do
    /// not depend on the clock.
    pub const fn planning(steps: u64) -> Duration {
        Duration::from_nanos(steps.saturating_mul(STEP_NANOS))
    }

    /// Refuses tiles so small that their plan has more steps than [`MOST_STEPS`] says.
    ///
    /// # Errors
    /// [`PlanError::TooManySteps`], with tiles that suffice.
    pub fn check(&self, side: TileSide) -> Result<(), PlanError> {
        let (steps, most) = (self.steps(side), self.most());
        if steps <= most {
            return Ok(());
        }
        Err(PlanError::TooManySteps { side: side.0, steps, most, enough: self.enough(side, most).0 })
    }

    /// The most steps of a plan of the program.
    pub fn most(&self) -> u64 {
        MOST_STEPS.max(self.steps(TileSide::WHOLE).saturating_mul(GROWTH))
    }

    /// The first of `side`, twice that and so on, whose plan has at most this number of steps.
    pub fn enough(&self, side: TileSide, most: u64) -> TileSide {
        let doubled = std::iter::successors(Some(side.0.max(1)), |side| side.checked_mul(2)).map(TileSide);
        doubled.into_iter().find(|&side| self.steps(side) <= most).unwrap_or(TileSide::WHOLE)
    }

    fn of_value(&self, tiling: &Tiling, id: ValueId, weight: u64) -> u64 {
        let grid = |id: ValueId| tiling.grid(self.program.value(id).shape);
        let tiles = |id: ValueId| axes(grid(id)).into_iter().fold(1, u64::saturating_mul);
        let own = tiles(id);
        let times = |count: u64| weight.saturating_mul(count);
        match self.program.value(id).op {
            Op::MatMul(a, b) => {
                let pairs = own.saturating_mul(grid(a).extent().1 as u64);
                let opened = own.max(tiles(a)).max(tiles(b));
                times(opened).saturating_add(pairs.saturating_mul(self.roles))
            }
            Op::Sum(a, _) => times(tiles(a)),
            Op::Slice(a, ..) | Op::Pad(a, _) => {
                let ([rows, cols], [from_rows, from_cols]) = (axes(grid(id)), axes(grid(a)));
                times((rows + from_rows - 1).saturating_mul(cols + from_cols - 1))
            }
            Op::RowsByRun(a, _) => times(tiles(a).saturating_add(own.saturating_mul(2))),
            Op::Gather(a, gather) => {
                times(tiles(a).saturating_add(own.saturating_mul(boxes(grid(id), gather))))
            }
            _ => times(own),
        }
    }
}

/// The number of tiles along the rows and the columns.
fn axes(grid: Grid) -> [u64; 2] {
    let (rows, cols) = grid.extent();
    [rows as u64, cols as u64]
}

/// The most parts in which a tile of a gathered value is moved: where an axis is cut, a part of each loop's turn but the
/// innermost's lies at either end.
fn boxes(grid: Grid, gather: Gather) -> u64 {
    let along = |tiles: u64, turns: [Loop; 3]| {
        let loops = turns.iter().filter(|turn| turn.count > 1).count() as u64;
        if tiles > 1 { (2 * loops).saturating_sub(1).max(1) } else { 1 }
    };
    let [rows, cols] = axes(grid);
    along(rows, gather.rows) * along(cols, gather.cols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Draft;
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::{Parties, PartyId};

    /// z = x @ y of two parties, of this side.
    fn product(protocol: Protocol, side: usize) -> Program {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(protocol.parties(), codec);
        let [x, y] = [0, 1].map(|owner| {
            let input = program.input(&format!("x{owner}"), PartyId(owner), Shape::new(side, side), None);
            input.expect("an input")
        });
        let z = program.matmul(x, y).expect("a product");
        program.output("z", z, Parties::first(2)).expect("an output");
        program
    }

    #[test]
    fn tiles_far_too_small_are_refused_without_being_cut() {
        for protocol in Protocol::ALL {
            let program = product(protocol, 8192);
            let draft = Draft::new(protocol, None, &program).expect("a draft");
            let estimate = draft.estimate();
            let error = estimate.check(TileSide(64)).expect_err("millions of steps");
            let PlanError::TooManySteps { side: 64, steps, most: MOST_STEPS, enough: 256 } = error else {
                panic!("{protocol}: {error}")
            };
            assert!((6_000_000..9_000_000).contains(&steps), "{protocol}: {steps}");
            assert_eq!(estimate.check(TileSide(256)), Ok(()), "{protocol}");
        }
    }

    #[test]
    fn estimates_take_no_longer_for_absurd_shapes() {
        for (rows, cols) in [(3, 1 << 34), (1, 1 << 36), (1 << 62, 0)] {
            let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
            let x = program.input("x", PartyId(0), Shape::new(rows, cols), None).expect("an input");
            let y = program.relu(x).expect("a value");
            program.output("y", y, PartyId(1).alone()).expect("an output");
            let draft = Draft::new(Protocol::Beaver, None, &program).expect("a draft");
            let estimate = draft.estimate();
            assert!(estimate.steps(TileSide::WHOLE) < 200, "({rows}, {cols})");
            assert!(estimate.check(TileSide(1)).is_err(), "({rows}, {cols})");
        }
    }
}
