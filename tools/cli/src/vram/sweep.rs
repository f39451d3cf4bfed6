//! A sweep over ever smaller budgets, with the predicted time of each.

use super::{Planned, Planner, side_of};
use serde::Serialize;
use symbolon::plan::PlanError;
use symbolon::program::Program;
use symbolon::protocol::Protocol;

/// Budgets, as fractions of the memory of the plan without a budget.
const SHARES: [f64; 8] = [1.0, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125, 0.0625];

/// One budget.
#[derive(Clone, Serialize)]
pub struct Point {
    /// The plan's memory without a limit, and the least that suffices.
    pub budget_bytes: u64,
    pub planned_bytes: u64,
    pub tile_side: Option<usize>,
    pub spilled_bytes: u64,
    pub offline_s: f64,
    pub online_s: f64,
}

impl Point {
    fn new(planned: &Planned, planner: &Planner, budget_bytes: u64) -> Point {
        Point {
            budget_bytes,
            planned_bytes: planned.size_bytes(planner),
            tile_side: side_of(planned.side),
            spilled_bytes: planned.spilled_bytes(),
            offline_s: planned.predicted.offline.as_secs_f64(),
            online_s: planned.predicted.online.as_secs_f64(),
        }
    }

    pub fn total_s(&self) -> f64 {
        self.offline_s + self.online_s
    }
}

/// Plans from `unbound` down to `least`, the largest budget first.
pub fn sweep(
    planner: &Planner,
    protocol: Protocol,
    program: &Program,
    unbound: &Planned,
    least: &Planned,
) -> Result<Vec<Point>, PlanError> {
    let (whole, smallest) = (unbound.size_bytes(planner), least.size_bytes(planner));
    let mut points = vec![Point::new(unbound, planner, whole)];
    for share in &SHARES[1..] {
        let budget_bytes = (whole as f64 * share) as u64;
        if budget_bytes <= smallest {
            break;
        }
        match planner.plan(protocol, program, Some(budget_bytes)) {
            Ok(planned) => points.push(Point::new(&planned, planner, budget_bytes)),
            // The dealer may need more than the largest party.
            Err(PlanError::OverBudget { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    points.push(Point::new(least, planner, smallest));
    Ok(points)
}
