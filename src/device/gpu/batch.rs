//! Commands on their way to the queue: many dispatches and copies per submission.
//!
//! A batch is full when it has so many dispatches, or so much work, that the GPU should begin. Parameters of a batch's
//! dispatches lie side by side in one uniform buffer, and come there by a copy ahead of the submission's kernels: the queue orders
//! it behind the work of the batches before.

use super::barriers::{Barriers, Usage};
use super::dispatch::{Dispatch, Span};
use super::params::MOST_BYTES;
use super::pipeline::Pipeline;
use super::recording::{Recording, Segment};
use crate::device::counters::{Count, Counting};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Dispatches of one batch at most: the GPU should begin before a long program is recorded.
const MOST_DISPATCHES: u64 = 256;

/// Multiply-adds, or elements where there are none, that fill a batch: some milliseconds of a large GPU, and a fraction
/// of a second of a small one.
const MOST_WORK: u64 = 1 << 33;

/// The same, of a batch that is worth a submission of its own though nobody waits for what it computes: a tenth of a
/// millisecond of a large GPU, about what a submission takes.
const WORTH_STARTING: u64 = 1 << 27;

/// The commands recorded since the last submission.
pub struct Batch {
    device: wgpu::Device,
    counting: Arc<Counting>,
    params: wgpu::Buffer,
    slot_bytes: u64,
    most_dispatches: u64,
    recording: Recording<wgpu::Buffer, Transfer, Recorded>,
    work: u64,
    /// Somebody waits for bytes that it brings to the host.
    is_awaited: bool,
    // Keys of the generator are among the parameters: this copy is wiped, and those in buffers are when the device is.
    written: Zeroizing<Vec<u8>>,
}

/// A command outside of passes.
enum Transfer {
    Copy { from: (wgpu::Buffer, u64), to: (wgpu::Buffer, u64), size_bytes: u64 },
    Clear(Span<wgpu::Buffer>),
}

/// A dispatch with its parameters in the slot at `offset_bytes`.
struct Recorded {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    offset_bytes: u32,
    groups: [u32; 2],
    uses: Vec<(wgpu::Buffer, Usage)>,
}

/// A dispatch, ready to be recorded.
pub struct Ready<'a, 'b> {
    /// What it computes.
    pub dispatch: &'b Dispatch<&'a wgpu::Buffer>,
    /// Its shader, compiled.
    pub pipeline: Pipeline,
    /// Its bindings.
    pub group: wgpu::BindGroup,
}

impl Batch {
    /// An empty batch with so many dispatches at most (see [`Batch::most_dispatches`]).
    pub fn new(device: &wgpu::Device, counting: Arc<Counting>, most_dispatches: u64) -> Batch {
        let slot_bytes = Batch::slot_bytes(device);
        let size = slot_bytes * most_dispatches;
        let read = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::STORAGE;
        let usage = read | wgpu::BufferUsages::COPY_DST;
        let label = Some("parameters");
        let params =
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false });
        // Never grows, so that no copy of a key is left where it was.
        let written = Zeroizing::new(Vec::with_capacity(size as usize));
        let mut batch = Batch {
            device: device.clone(),
            counting,
            params,
            slot_bytes,
            most_dispatches,
            recording: Recording::new(),
            work: 0,
            is_awaited: false,
            written,
        };
        batch.clear_params();
        batch
    }

    /// The dispatches of a batch whose parameters take half of a staging buffer at most.
    pub fn most_dispatches(device: &wgpu::Device, staging_bytes: u64) -> u64 {
        (staging_bytes / 2 / Batch::slot_bytes(device)).clamp(1, MOST_DISPATCHES)
    }

    /// Bytes of the parameters of so many dispatches.
    pub fn params_bytes(device: &wgpu::Device, most_dispatches: u64) -> u64 {
        Batch::slot_bytes(device) * most_dispatches
    }

    fn slot_bytes(device: &wgpu::Device) -> u64 {
        let limits = device.limits();
        let alignment =
            limits.min_uniform_buffer_offset_alignment.max(limits.min_storage_buffer_offset_alignment);
        (MOST_BYTES as u64).next_multiple_of(u64::from(alignment))
    }

    /// The buffer of parameters.
    pub fn params_buffer(&self) -> &wgpu::Buffer {
        &self.params
    }

    /// Whether one more dispatch needs a submission first.
    pub fn is_full(&self) -> bool {
        self.written.len() as u64 == self.slot_bytes * self.most_dispatches || self.work >= MOST_WORK
    }

    /// Whether it is to be submitted though more may follow: somebody waits for bytes, or the work is much.
    pub fn is_due(&self) -> bool {
        self.is_awaited || self.work >= WORTH_STARTING
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.recording.is_empty()
    }

    /// Records a dispatch; the batch is not full.
    pub fn dispatch(&mut self, ready: Ready<'_, '_>) {
        let Ready { dispatch, pipeline, group } = ready;
        let offset_bytes = self.written.len() as u64;
        self.work = self.work.saturating_add(dispatch.work);
        self.written.extend_from_slice(dispatch.params.bytes());
        self.written.resize((offset_bytes + self.slot_bytes) as usize, 0);
        let written = dispatch.shader.written();
        let usage = |(place, span): (usize, &Span<&wgpu::Buffer>)| {
            (span.buffer.clone(), if place < written { Usage::Write } else { Usage::Read })
        };
        let uses: Vec<_> = dispatch.bindings.iter().enumerate().map(usage).collect();
        let recorded = Recorded {
            pipeline: pipeline.pipeline,
            group,
            offset_bytes: offset_bytes as u32,
            groups: dispatch.groups,
            uses,
        };
        let buffers = |span: &Span<&'_ wgpu::Buffer>| span.buffer.clone();
        let (out, read) = dispatch.bindings.split_at(written.min(dispatch.bindings.len()));
        let (out, read): (Vec<_>, Vec<_>) =
            (out.iter().map(buffers).collect(), read.iter().map(buffers).collect());
        self.recording.dispatch(read.iter(), out.iter(), recorded);
    }

    /// Records writing zeros.
    pub fn clear(&mut self, span: Span<&wgpu::Buffer>) {
        let Span { buffer, offset_bytes, size_bytes } = span;
        let clear = Transfer::Clear(Span { buffer: buffer.clone(), offset_bytes, size_bytes });
        self.recording.transfer(None, Some(buffer), clear);
    }

    /// Records writing zeros over the parameters of earlier dispatches.
    pub fn clear_params(&mut self) {
        let params = self.params.clone();
        self.clear(Span { buffer: &params, offset_bytes: 0, size_bytes: params.size() });
    }

    /// Records a copy from staging memory.
    pub fn upload(&mut self, from: (&wgpu::Buffer, u64), to: (&wgpu::Buffer, u64), size_bytes: u64) {
        self.recording.transfer(None, Some(to.0), copy(from, to, size_bytes));
    }

    /// Records a copy to staging memory, for which somebody waits.
    pub fn download(&mut self, from: (&wgpu::Buffer, u64), to: (&wgpu::Buffer, u64), size_bytes: u64) {
        self.is_awaited = true;
        // wgpu has copies to one buffer wait for each other.
        self.recording.transfer(Some(from.0), Some(to.0), copy(from, to, size_bytes));
    }

    /// The parameters of its dispatches, which are to lie in staging memory when it is finished.
    pub fn params(&self) -> &[u8] {
        &self.written
    }

    /// The recorded commands, to be submitted next; `params` is where the parameters lie, if there are any.
    pub fn finish(&mut self, params: Option<(&wgpu::Buffer, u64)>) -> wgpu::CommandBuffer {
        let (mut segments, depth) = self.recording.take();
        if let (Some(from), Some(first)) = (params, segments.first_mut()) {
            let to_params = copy(from, (&self.params, 0), self.written.len() as u64);
            // Behind the zeroing of the last parameters, if that is recorded.
            first.transfers.push(to_params);
        }
        zeroize::Zeroize::zeroize(&mut *self.written);
        (self.work, self.is_awaited) = (0, false);
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = self.device.create_command_encoder(&descriptor);
        let mut barriers = Barriers::new();
        self.counting.add(Count::CommandBuffers, 1);
        for segment in segments {
            self.encode(&mut encoder, segment, &mut barriers);
        }
        self.counting.add(Count::Barriers, barriers.count());
        // The first command waits for what was before, as well.
        self.counting.add(Count::Depth, u64::from(depth) + 1);
        encoder.finish()
    }

    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        mut segment: Segment<Transfer, Recorded>,
        barriers: &mut Barriers<wgpu::Buffer>,
    ) {
        self.counting.add(Count::CommandBuffers, u64::from(!segment.transfers.is_empty()));
        for transfer in segment.transfers {
            match transfer {
                Transfer::Copy { from, to, size_bytes } => {
                    barriers.transfer(&[(&from.0, Usage::CopyFrom), (&to.0, Usage::CopyTo)]);
                    encoder.copy_buffer_to_buffer(&from.0, from.1, &to.0, to.1, size_bytes);
                }
                Transfer::Clear(Span { buffer, offset_bytes, size_bytes }) => {
                    self.counting.add(Count::Fills, 1);
                    barriers.transfer(&[(&buffer, Usage::CopyTo)]);
                    encoder.clear_buffer(&buffer, offset_bytes, Some(size_bytes));
                }
            }
        }
        if segment.dispatches.is_empty() {
            return;
        }
        self.counting.add(Count::Passes, 1);
        self.counting.add(Count::CommandBuffers, 2);
        self.counting.add(Count::Dispatches, segment.dispatches.len() as u64);
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        // None of the same depth waits for another of them.
        segment.dispatches.sort_by_key(|&(depth, _)| depth);
        for level in segment.dispatches.chunk_by(|(first, _), (second, _)| first == second) {
            let uses: Vec<&[(wgpu::Buffer, Usage)]> =
                level.iter().map(|(_, recorded)| &recorded.uses[..]).collect();
            let turned = barriers.shared(&uses);
            if !turned.is_empty() {
                let state = wgpu::BufferUses::STORAGE_READ_ONLY;
                let turns = turned.into_iter().map(|buffer| wgpu::BufferTransition { buffer, state });
                pass.transition_resources(turns, std::iter::empty());
            }
            for (_, recorded) in level {
                let params = std::iter::once((&self.params, Usage::Uniform));
                barriers.dispatch(params.chain(recorded.uses.iter().map(|(buffer, usage)| (buffer, *usage))));
                pass.set_pipeline(&recorded.pipeline);
                pass.set_bind_group(0, &recorded.group, &[recorded.offset_bytes]);
                let [x, y] = recorded.groups;
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        barriers.end_pass();
    }
}

fn copy(from: (&wgpu::Buffer, u64), to: (&wgpu::Buffer, u64), size_bytes: u64) -> Transfer {
    Transfer::Copy { from: (from.0.clone(), from.1), to: (to.0.clone(), to.1), size_bytes }
}
