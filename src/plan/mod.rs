//! From a role's steps to a [`Plan`]: the slots of its buffers, the edges of its step DAG, and its memory and traffic.
//!
//! Planning is pure. It fuses a producer kernel into its single consumer (see [`fuse`](fuse())), puts the offline phase
//! first or streams it (see the module `supply`), gives every buffer a *slot* of device memory for the steps between its
//! first and its last use, and writes down the edges of the step DAG: a step waits for the steps that write its operands,
//! and for the steps that still use the slot it writes. Slots are allocated once, before the run, so the peak is a
//! property of the plan and not of timing. The *window* is the number of tiles that a slot rests before its next use, and
//! so the number by which a party may run ahead of its peers' messages. Under a budget slots are used again sooner, and
//! where that does not suffice, contents wait in host memory or are made a second time.
//!
//! **Several devices.** Where a role has several, every step is placed on one of them, and a result that another device
//! reads moves there through host memory (see the module `placement`). Every slot is a device's.
//!
//! **Later runs.** Where inputs are resident, a session's first run keeps the buffers that depend on them alone, each in
//! a slot of its own, and so has every state. All runs are planned together, and each has plans of its own over the same
//! slots (see [`Plans::of_turn`]).
//!
//! **No deadlock.** Every edge runs forward in plan order, and [`Traffic`] is computed by running all roles' lists
//! against each other in that order: if each message is sent before it is awaited there, then in any run the earliest
//! unfinished step of all can proceed.

mod agreement;
mod draft;
mod estimate;
mod fit;
mod fuse;
mod lines;
mod memory;
mod model;
mod placement;
mod plain;
mod slots;
mod spill;
mod supply;
mod traffic;
mod uses;

pub use agreement::Agreement;
pub use draft::Draft;
pub use estimate::{MOST_STEPS, MOST_TRIED_STEPS, StepEstimate};
pub use fuse::{dealer_steps, fuse};
pub use lines::LineCost;
pub use memory::{Occupied, SpilledMemory};
pub use model::DeviceModel;
pub use placement::{MOST_DEVICES, Placement};
pub use plain::Plain;
pub use supply::{AHEAD_BYTES, Supply};
pub use traffic::{Depths, RoleTraffic, Traffic};

use crate::correlation::{Demand, DemandError, Source};
use crate::program::tiling::TileSide;
use crate::program::{Program, ProgramError};
use crate::protocol::{Cost, Protocol, UnservedBy};
use crate::ring::Ring;
use crate::share::{Role, Taken, Turn};
use crate::step::{Access, Action, BufferId, Kernel, KeyId, MemoryClass, Phase, StateTile, Step, StepList};
use placement::PlacedSteps;
use serde::Serialize;
use slots::{Placed, Reuse};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The options of planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// The side of a tile; parties must plan with the same.
    pub side: TileSide,
    /// The source of correlations; parties must plan with the same. `None` is the protocol's default.
    pub source: Option<Source>,
    /// The supply of correlations; parties must plan with the same. `None` deals them ahead where the parties' plans then
    /// fit the budget with everything in core, and streams them otherwise.
    pub supply: Option<Supply>,
    /// The number of tiles, of all ops, between the last use of a slot and its next, where the budget allows.
    pub window: u32,
    /// The most bytes of memory for a role's buffers on each of its devices; see [`Plan::within`]. Parties may plan with
    /// different budgets.
    pub budget_bytes: Option<u64>,
}

/// The number of correlations that the dealer makes between two uses of a slot: enough to send some while it makes others.
pub const DEALER_WINDOW: u32 = 16;

impl Default for PlanOptions {
    fn default() -> PlanOptions {
        PlanOptions { side: TileSide(512), source: None, supply: None, window: 64, budget_bytes: None }
    }
}

/// A piece of device memory that buffers of one class use in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Its size: that of the largest of its buffers.
    pub size_bytes: u64,
    /// Its memory class.
    pub class: MemoryClass,
    /// The number of the device whose memory it is.
    pub device: u8,
}

/// A step, its device, and its predecessors.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStep {
    /// The step.
    pub step: Step,
    /// The number of the device that has its buffers.
    pub device: u8,
    /// Positions in the plan, all below this step's own.
    pub after: Vec<u32>,
}

/// The run of one role.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The role.
    pub role: Role,
    /// The ring of all elements.
    pub ring: Ring,
    /// The supply of correlations.
    pub supply: Supply,
    /// The steps, in an order that respects every edge; see [`Supply`].
    pub steps: Vec<PlannedStep>,
    /// The memory that is allocated for the run.
    pub slots: Vec<Slot>,
    /// True where no content leaves the device for a while or is made a second time.
    pub in_core: bool,
    /// The buffers that one run leaves to the next, with the part of a state that each holds.
    pub states: Vec<(BufferId, StateTile)>,
    /// The slot of a buffer.
    slot_of: Vec<u32>,
}

/// The reason why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The program cannot be run as it stands.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The source of correlations cannot serve the protocol.
    #[error(transparent)]
    Source(#[from] UnservedBy),
    /// The correlations cannot be dealt.
    #[error(transparent)]
    Demand(#[from] DemandError),
    /// Tiles so small that the plan would be too long.
    #[error(
        "tiles of side {side} make plans of about {steps} steps in all, of which at most {most} are planned; \
         --tile {enough} would do"
    )]
    TooManySteps {
        /// The tiles' side.
        side: usize,
        /// An estimate of the steps of all roles' plans.
        steps: u64,
        /// The most.
        most: u64,
        /// A side that suffices.
        enough: usize,
    },
    /// The plan does not fit into the budget.
    #[error(
        "{role} needs {needed_bytes} bytes of {}, the budget is {budget_bytes} bytes",
        by_class(.classes, *.garbled_bytes)
    )]
    OverBudget {
        /// The role.
        role: Role,
        /// The smallest budget that suffices for this plan.
        needed_bytes: u64,
        /// Of the device, by class.
        classes: BTreeMap<MemoryClass, u64>,
        /// What garbled circuits take of the host.
        garbled_bytes: u64,
        /// The budget.
        budget_bytes: u64,
    },
}

fn by_class(classes: &BTreeMap<MemoryClass, u64>, garbled_bytes: u64) -> String {
    let part = |(class, bytes): (&MemoryClass, &u64)| format!("{} {bytes}", class.name());
    let classes = classes.iter().map(part).collect::<Vec<_>>().join(", ");
    match garbled_bytes {
        0 => format!("device memory ({classes})"),
        _ => format!("memory (of the device {classes}; of the host for garbled circuits {garbled_bytes})"),
    }
}

/// The steps in the order of a run.
fn in_order(list: &StepList, supply: Supply) -> Vec<Step> {
    supply.order(list).into_iter().map(|at| list.steps[at].clone()).collect()
}

impl Plan {
    /// Plans one role's steps on one device; see [`PlanOptions::window`].
    pub fn new(list: &StepList, supply: Supply, window: u32) -> Plan {
        Plan::within(list, &Placement::ONE, supply, window, None)
    }

    /// Gives the buffers of these steps their slots.
    fn placed(list: &StepList, supply: Supply, placed: &PlacedSteps, reuse: Reuse) -> Plan {
        let PlacedSteps { steps, buffers, in_core } = placed;
        let Placed { slots, slot_of } = slots::place(steps, buffers, list.ring, reuse);
        let states = (0..).map(BufferId).zip(buffers).filter_map(|(id, spec)| Some((id, spec.state?)));
        let of = (list.role, list.ring, supply);
        Plan { in_core: *in_core, states: states.collect(), ..Plan::over(of, steps.clone(), slots, slot_of) }
    }

    /// Bytes of all slots.
    pub fn size_bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.size_bytes).sum()
    }

    /// Bytes of the slots of the device that has most.
    pub fn fullest_bytes(&self) -> u64 {
        let size = |device| self.memory_on(device).values().sum();
        (0..self.device_count()).map(size).max().unwrap_or(0)
    }

    /// The number of devices that the plan is for: one more than the highest number that it uses.
    pub fn device_count(&self) -> u8 {
        self.slots.iter().map(|slot| slot.device + 1).max().unwrap_or(1)
    }

    /// Plans one run of all that this plan is for: the same steps in the same slots, without those that the run does not
    /// take, so that it finds the buffers that others kept.
    pub fn of_turn(&self, turn: &Turn) -> Plan {
        let steps = self.steps.iter().map(|planned| &planned.step);
        let steps = steps.filter(|step| turn.takes(step.taken)).cloned().collect();
        let states = self.states.clone();
        Plan { states, ..Plan::over(self.of(), steps, self.slots.clone(), self.slot_of.clone()) }
    }

    /// The first run of a session that goes on from states of an earlier one: what would put first values there puts these,
    /// from the host.
    fn resumed(mut self) -> Plan {
        let tiles: BTreeMap<BufferId, StateTile> = self.states.iter().copied().collect();
        for PlannedStep { step, .. } in &mut self.steps {
            let mut written = None;
            step.action.visit(|matrix, access| {
                written = written.or(tiles
                    .get(&matrix.buffer)
                    .filter(|_| access == Access::Write)
                    .map(|tile| (*matrix, *tile)));
            });
            if let Some((to, StateTile { input, at, .. })) = written.filter(|_| step.taken == Taken::First) {
                step.action = Action::Input { to, input, at };
            }
        }
        self
    }

    /// The role, the ring and the supply.
    fn of(&self) -> (Role, Ring, Supply) {
        (self.role, self.ring, self.supply)
    }

    fn over(
        (role, ring, supply): (Role, Ring, Supply),
        steps: Vec<Step>,
        slots: Vec<Slot>,
        slot_of: Vec<u32>,
    ) -> Plan {
        let edges = slots::edges(&steps, slots.len(), &slot_of);
        let planned = |(step, after): (Step, Vec<u32>)| {
            let mut device = 0;
            step.action.visit(|matrix, _| {
                device = slots[slot_of[matrix.buffer.0 as usize] as usize].device;
            });
            PlannedStep { step, device, after }
        };
        let mut steps: Vec<PlannedStep> = steps.into_iter().zip(edges).map(planned).collect();
        if slots.iter().any(|slot| slot.device > 0) {
            slots::bound_moves(&mut steps, ring, slots::MOVING_BYTES);
        }
        if supply == Supply::Streamed && role != Role::Dealer {
            supply::pace(&mut steps, ring, AHEAD_BYTES);
        }
        Plan { role, ring, supply, steps, slots, in_core: true, states: Vec::new(), slot_of }
    }

    /// The slot of a buffer.
    pub fn slot_of(&self, buffer: BufferId) -> usize {
        self.slot_of[buffer.0 as usize] as usize
    }

    /// The number of buffers.
    pub fn buffer_count(&self) -> usize {
        self.slot_of.len()
    }

    /// The kernels of the steps, each with its step's device.
    pub fn kernels(&self) -> impl Iterator<Item = (u8, &Kernel<BufferId, KeyId>)> {
        self.steps.iter().filter_map(|planned| match &planned.step.action {
            Action::Kernel(kernel) => Some((planned.device, kernel)),
            _ => None,
        })
    }

    /// The generator keys that the steps name.
    pub fn keys(&self) -> BTreeSet<KeyId> {
        self.kernels().filter_map(|(_, kernel)| kernel.draws()).map(|(&key, _)| key).collect()
    }

    /// The phase of the step at a position: where correlations are streamed, all are online.
    pub fn phase_of(&self, position: u32) -> Phase {
        self.supply.phase(&self.steps[position as usize].step)
    }

    /// The number of steps in `phase`.
    pub fn steps_in(&self, phase: Phase) -> usize {
        self.steps.iter().filter(|planned| self.supply.phase(&planned.step) == phase).count()
    }

    /// The memory that the run takes of all devices, by the classes that take any; the same before, during and after.
    pub fn memory(&self) -> BTreeMap<MemoryClass, u64> {
        by_class_of(self.slots.iter())
    }

    /// One device's part of that memory.
    pub fn memory_on(&self, device: u8) -> BTreeMap<MemoryClass, u64> {
        by_class_of(self.slots.iter().filter(|slot| slot.device == device))
    }

    /// Refuses a plan of which, with a device's own staging memory and what garbled circuits take of the host, any device's part
    /// does not fit.
    ///
    /// # Errors
    /// [`PlanError::OverBudget`], which names the smallest budget that suffices.
    pub fn check_budget(&self, staging_bytes: u64, budget_bytes: Option<u64>) -> Result<(), PlanError> {
        let parts = (0..self.device_count()).map(|device| self.memory_on(device));
        let size = |part: &BTreeMap<MemoryClass, u64>| part.values().sum::<u64>();
        let mut classes = parts.max_by_key(size).unwrap_or_default();
        if staging_bytes > 0 {
            classes.insert(MemoryClass::Staging, staging_bytes);
        }
        let garbled_bytes = self.garbled_host_bytes();
        let needed_bytes = size(&classes).saturating_add(garbled_bytes);
        match budget_bytes {
            Some(budget_bytes) if needed_bytes > budget_bytes => Err(PlanError::OverBudget {
                role: self.role,
                needed_bytes,
                classes,
                garbled_bytes,
                budget_bytes,
            }),
            _ => Ok(()),
        }
    }
}

fn by_class_of<'a>(slots: impl Iterator<Item = &'a Slot>) -> BTreeMap<MemoryClass, u64> {
    let mut memory = BTreeMap::new();
    for slot in slots.filter(|slot| slot.size_bytes > 0) {
        *memory.entry(slot.class).or_default() += slot.size_bytes;
    }
    memory
}

/// The plans of every role of a program, and their traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Plans {
    /// By party.
    pub parties: Vec<Plan>,
    /// The dealer's, where correlations are dealt by steps of their own, during the run or ahead of it.
    pub dealer: Option<Plan>,
    /// The source of the correlations.
    pub source: Source,
    /// The correlations.
    pub demand: Demand,
    /// Bytes, messages and rounds.
    pub traffic: Traffic,
    /// The traffic of each op.
    pub cost: Cost,
    /// The agreement of the parties.
    pub agreement: Agreement,
    /// Those of a run like most, in the same memory, where runs differ (see [`Plans::of_turn`]): neither the first, nor one that
    /// reveals what few do. These here have all that any run does.
    pub again: Option<Arc<Plans>>,
    /// All roles' steps, where runs differ.
    lists: Arc<Vec<StepList>>,
}

impl Plans {
    /// Plans `program` for every role, each on one device.
    ///
    /// # Errors
    /// Where the program has no output, can provably overflow, asks for correlations that cannot be dealt, or for tiles
    /// so small that the plans would have more than [`MOST_STEPS`].
    pub fn new(protocol: Protocol, program: &Program, options: PlanOptions) -> Result<Plans, PlanError> {
        Plans::on(&[], protocol, program, options)
    }

    /// Plans `program` for every role, each on devices like these. The devices are each role's own affair: with others it
    /// has the same agreement.
    ///
    /// # Errors
    /// As [`Plans::new`].
    ///
    /// # Panics
    /// With more than [`MOST_DEVICES`].
    pub fn on(
        devices: &[DeviceModel],
        protocol: Protocol,
        program: &Program,
        options: PlanOptions,
    ) -> Result<Plans, PlanError> {
        Draft::new(protocol, options.source, program)?.plans(devices, options)
    }

    /// The parties' plans, with the supply that is asked for or else chosen.
    fn of_parties(lists: &[StepList], placement: &Placement<'_>, options: PlanOptions) -> Vec<Plan> {
        let plan = |supply| -> Vec<Plan> {
            let within = |list| Plan::within(list, placement, supply, options.window, options.budget_bytes);
            lists.iter().map(within).collect()
        };
        let ahead = match options.supply {
            Some(supply) => return plan(supply),
            None => plan(Supply::Ahead),
        };
        let Some(budget_bytes) = options.budget_bytes else { return ahead };
        let most = |plans: &[Plan]| plans.iter().map(Plan::needed_bytes).max().unwrap_or(0);
        if most(&ahead) <= budget_bytes && ahead.iter().all(|plan| plan.in_core) {
            return ahead;
        }
        let streamed = plan(Supply::Streamed);
        // Within a budget that no plan fits, the nearest.
        if most(&streamed) <= budget_bytes.max(most(&ahead)) { streamed } else { ahead }
    }

    /// The plans of one run.
    pub fn of_turn(&self, turn: &Turn) -> Plans {
        if !self.varies() {
            return self.clone();
        }
        // A role of which all runs are alike does the same again, by the same plan.
        let own = |plan: &Plan| {
            let list = self.lists.iter().find(|list| list.role == plan.role).expect("a role of the plans");
            if list.varies() { plan.of_turn(turn) } else { plan.clone() }
        };
        let lists: Vec<StepList> = self.lists.iter().map(|list| list.of_turn(turn)).collect();
        Plans {
            parties: self.parties.iter().map(own).collect(),
            dealer: self.dealer.as_ref().map(own),
            source: self.source,
            demand: self.demand.of_turn(turn),
            traffic: Traffic::new(lists.iter(), self.supply()),
            cost: self.again.as_ref().map_or(&self.cost, |again| &again.cost).clone(),
            agreement: self.agreement.clone(),
            again: None,
            lists: Arc::default(),
        }
    }

    /// The same plans of the first run of a session that goes on from states of an earlier one.
    pub fn resumed(self) -> Plans {
        let parties = self.parties.into_iter().map(Plan::resumed).collect();
        Plans { parties, ..self }
    }

    /// Whether runs differ from each other.
    pub fn varies(&self) -> bool {
        !self.lists.is_empty()
    }

    /// The supply of correlations.
    pub fn supply(&self) -> Supply {
        self.parties[0].supply
    }

    /// Refuses plans where any of them does not fit; see [`Plan::check_budget`].
    ///
    /// # Errors
    /// [`PlanError::OverBudget`], for the role that needs most.
    pub fn check_budget(&self, staging_bytes: u64, budget_bytes: Option<u64>) -> Result<(), PlanError> {
        let largest = self.roles().max_by_key(|plan| plan.needed_bytes()).expect("there are roles");
        largest.check_budget(staging_bytes, budget_bytes)
    }

    /// The plans of all roles: the parties', then the dealer's, if there is one.
    pub fn roles(&self) -> impl Iterator<Item = &Plan> {
        self.parties.iter().chain(&self.dealer)
    }

    /// The plan of one role.
    ///
    /// # Panics
    /// Where the protocol has no such role.
    pub fn of(&self, role: Role) -> &Plan {
        self.roles().find(|plan| plan.role == role).expect("a role of the protocol")
    }
}
