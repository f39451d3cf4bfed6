//! What a session has to itself on a GPU that others use too: a lane.

use super::batch::Batch;
use super::busy::Busy;
use super::device::{Claim, Gpu, State};
use super::dispatch::Span;
use super::groups::Groups;
use super::health::Health;
use super::matrix_tile::MatrixTile;
use super::panel::Limits;
use super::residue::{self, Residues};
use super::transfer::{Sizes, Transfer, UnderWay};
use super::watch::{Poller, Watcher};
use crate::device::counters::Counting;
use crate::device::{Booking, Description, DeviceError, DeviceId, Ledger};
use crate::step::MemoryClass;
use std::sync::{Arc, Mutex};

/// Bytes for partial results: the tiles, of 64 by 64 elements of 8 bytes, of 128 workgroups.
const MOST_SCRATCH_BYTES: u64 = 4 << 20;

/// The least that a binding can be limited to.
pub const LEAST_BINDING_BYTES: u64 = 4096;

/// How much memory a lane has.
#[derive(Clone, Copy)]
pub struct LaneRoom {
    /// Its staging buffers.
    pub sizes: Sizes,
    /// Bytes for partial results.
    pub scratch_bytes: u64,
    /// Bytes for residues, and the matrix units that they are for.
    pub residues: Option<(MatrixTile, u64)>,
}

/// A lane that is new.
pub struct Lane {
    /// Looks at its work.
    pub poller: Poller,
    /// Counts it.
    pub counting: Arc<Counting>,
    /// Memory for residues.
    pub residues: Option<Residues<wgpu::Buffer>>,
    /// What its calls change.
    pub state: State,
    /// Its memory in the ledger.
    pub staging: Booking,
}

impl Lane {
    /// One with nothing under way.
    ///
    /// # Errors
    /// Where the budget does not hold its memory, or the system has no thread to give.
    pub fn new(
        device: &wgpu::Device,
        health: Health,
        ledger: &Ledger,
        room: LaneRoom,
    ) -> Result<Lane, DeviceError> {
        let LaneRoom { sizes, scratch_bytes, residues } = room;
        let most_dispatches = Batch::most_dispatches(device, sizes.chunk_bytes);
        let params_bytes = Batch::params_bytes(device, most_dispatches);
        let residue_bytes = residues.map_or(0, |(tile, bytes)| Residues::size_bytes(tile, bytes));
        let staging_bytes = sizes.total_bytes() + params_bytes + scratch_bytes + residue_bytes;
        let staging = ledger.book(staging_bytes, MemoryClass::Staging)?;
        let residues = residues.map(|(tile, bytes)| Residues::new(device, tile, true, bytes));
        let under_way = Arc::<UnderWay>::default();
        let poller = Poller { device: device.clone(), health, busy: Busy::default(), under_way };
        let counting = Arc::<Counting>::default();
        let mut batch = Batch::new(device, counting.clone(), most_dispatches);
        let scratch = scratch(device, scratch_bytes);
        let (transfer, staging_buffers) =
            Transfer::new(device, sizes, params_bytes, counting.clone(), poller.under_way.clone());
        // wgpu would zero each behind its first use.
        let intermediates = residues.as_ref().map(Residues::buffers).into_iter().flatten();
        for buffer in intermediates.chain([&scratch]).chain(&staging_buffers) {
            batch.clear(Span { buffer, offset_bytes: 0, size_bytes: buffer.size() });
        }
        let watcher = Watcher::start(poller.clone());
        let state = State {
            panels: residues.as_ref().map(Residues::panels).unwrap_or_default(),
            groups: Groups::new(batch.params_buffer().clone()),
            batch,
            transfer,
            scratch,
            watcher: watcher.map_err(|error| poller.health.failure(&error.to_string()))?,
        };
        poller.health.check()?;
        Ok(Lane { poller, counting, residues, state, staging })
    }
}

impl Gpu {
    /// The GPU for the session that has this lane, with a ledger of the session's own.
    pub(super) fn with_this_lane(&self, claim: Claim) -> Gpu {
        Gpu {
            id: self.id,
            description: self.description.clone(),
            ledger: self.ledger.of_session(Some(&self.staging)),
            device: self.device.clone(),
            queue: self.queue.clone(),
            poller: self.poller.clone(),
            counting: self.counting.clone(),
            pool: self.pool.clone(),
            limits: self.limits,
            max_buffer_bytes: self.max_buffer_bytes,
            wide: self.wide,
            pipelines: self.pipelines.clone(),
            tuning: self.tuning,
            residues: self.residues.clone(),
            matrix_units: self.matrix_units.clone(),
            state: self.state.clone(),
            staging: self.staging.clone(),
            turn: self.turn.clone(),
            is_taken: self.is_taken.clone(),
            _claim: Some(claim),
        }
    }

    /// The GPU with a lane that is new, for one more session. Its memory is what a device has whose budget is what is left
    /// of this one's.
    pub(super) fn with_a_lane_of_its_own(&self) -> Result<Gpu, DeviceError> {
        self.poller.health.check()?;
        let left = self.ledger.budget().map(|(budget, live)| budget.saturating_sub(live));
        let residues = self.residues.as_ref().map(|residues| (residues.tile, residues.always));
        let residue_bytes = residue::scratch_bytes(left, self.max_buffer_bytes);
        let room = LaneRoom {
            sizes: Sizes::within(left),
            scratch_bytes: scratch_bytes(left),
            residues: residues.map(|(tile, _)| tile).zip(residue_bytes),
        };
        let ledger = self.ledger.of_session(None);
        let lane = Lane::new(&self.device, self.poller.health.clone(), &ledger, room)?;
        ledger.restart_peak();
        let always = residues.is_some_and(|(_, always)| always);
        let is_taken = Arc::default();
        let claim = Claim::new(&is_taken);
        Ok(Gpu {
            id: DeviceId::next(),
            description: Description { staging_bytes: lane.staging.size_bytes(), ..self.description.clone() },
            ledger,
            device: self.device.clone(),
            queue: self.queue.clone(),
            poller: lane.poller,
            counting: lane.counting,
            pool: Arc::default(),
            limits: Limits { scratch_bytes: room.scratch_bytes, ..self.limits },
            max_buffer_bytes: self.max_buffer_bytes,
            wide: self.wide,
            pipelines: self.pipelines.clone(),
            tuning: self.tuning,
            residues: lane.residues.map(|residues| Residues { always, ..residues }),
            matrix_units: self.matrix_units.clone(),
            state: Arc::new(Mutex::new(lane.state)),
            staging: Arc::new(lane.staging),
            turn: self.turn.clone(),
            is_taken,
            _claim: claim,
        })
    }
}

/// Bytes for partial results within `budget_bytes`: a small part of it, within bounds.
pub fn scratch_bytes(budget_bytes: Option<u64>) -> u64 {
    let share = budget_bytes.map_or(MOST_SCRATCH_BYTES, |budget| budget / 64);
    share.clamp(LEAST_BINDING_BYTES, MOST_SCRATCH_BYTES) / LEAST_BINDING_BYTES * LEAST_BINDING_BYTES
}

fn scratch(device: &wgpu::Device, size: u64) -> wgpu::Buffer {
    let (label, usage) =
        (Some("partial results"), wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST);
    device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
}
