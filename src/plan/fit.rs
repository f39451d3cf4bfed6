//! Plans within a budget of device memory.

use super::memory::garbled_host_bytes;
use super::placement::{PlacedSteps, Placement};
use super::slots::Reuse;
use super::{Plan, Supply, in_order, spill};
use crate::step::StepList;

/// The number of limits that are tried, before the least, to find steps whose slots fit a budget.
const FITTINGS: usize = 8;

/// The margin of the next limit below the figure that the last one's slots suggest.
const FITTING_STEP: f64 = 0.98;

impl Plan {
    /// Plans one role's steps for a budget of memory on each of its devices. Where the plan with the whole window does not fit, slots
    /// are used again sooner, and then by buffers of any class; where that does not do, contents leave the device for
    /// a while and come back, or are made a second time (see the module `spill`); not so where later runs are to find
    /// what this one kept.
    ///
    /// What garbled circuits take of the host is left free of it. The plan takes more than the budget only where none can do with less; [`Plan::check_budget`] says so.
    pub fn within(
        list: &StepList,
        placement: &Placement<'_>,
        supply: Supply,
        window: u32,
        budget_bytes: Option<u64>,
    ) -> Plan {
        let placed = placement.place(list, in_order(list, supply));
        let in_core = |window, by_class| Plan::placed(list, supply, &placed, Reuse { window, by_class });
        let Some(budget_bytes) = budget_bytes else { return in_core(window, true) };
        let budget_bytes = budget_bytes.saturating_sub(garbled_host_bytes(&placed.steps));
        for window in [window, window / 8, 0] {
            let plan = in_core(window, true);
            if plan.fullest_bytes() <= budget_bytes {
                return plan;
            }
        }
        let pooled = in_core(0, false);
        // Values that a later run is to find must stay where they are.
        if pooled.fullest_bytes() <= budget_bytes || list.varies() {
            return pooled;
        }
        let PlacedSteps { steps, buffers, .. } = &placed;
        let spilled = |limit_bytes| {
            let spilled = spill::spill(steps, buffers, list.ring, limit_bytes)?;
            Some(Plan::placed(list, supply, &spilled, Reuse { window: 0, by_class: false }))
        };
        let least_bytes = spill::least_bytes(steps, buffers, list.ring);
        let mut limit_bytes = budget_bytes;
        // Slots are as large as the largest of their buffers, so they take more than the buffers that live at once.
        for _ in 0..FITTINGS {
            let Some(plan) = spilled(limit_bytes) else { break };
            let taken_bytes = plan.fullest_bytes();
            if taken_bytes <= budget_bytes {
                return plan;
            }
            let less = limit_bytes as f64 * budget_bytes as f64 / taken_bytes as f64 * FITTING_STEP;
            limit_bytes = (less as u64).max(least_bytes);
        }
        let least = spilled(least_bytes).expect("the least limit can be kept");
        if least.fullest_bytes() < pooled.fullest_bytes() { least } else { pooled }
    }
}
