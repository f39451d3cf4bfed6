//! Commands on their way to the queue: many dispatches and copies per submission.
//!
//! A batch is full when it has so many dispatches, or so much work, that the GPU should begin.
//! Parameters of a batch's dispatches lie side by side in one uniform buffer, written once per submission: the
//! queue orders that write behind the work of the batches before.

use super::dispatch::{Dispatch, Span};
use super::params::MOST_BYTES;
use super::pipeline::Pipeline;
use zeroize::Zeroizing;

/// Dispatches of one batch at most: the GPU should begin before a long program is recorded.
pub const MOST_DISPATCHES: u64 = 256;

/// Multiply-adds, or elements where there are none, that fill a batch: some milliseconds of a large GPU, and a fraction
/// of a second of a small one.
const MOST_WORK: u64 = 1 << 33;

/// The commands recorded since the last submission.
pub struct Batch {
    device: wgpu::Device,
    queue: wgpu::Queue,
    // A pass ends before its encoder.
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    params: wgpu::Buffer,
    slot_bytes: u64,
    work: u64,
    // Keys of the generator are among the parameters: this copy is wiped, and the buffer when the device is; what wgpu makes
    // of it in between is not.
    written: Zeroizing<Vec<u8>>,
}

impl Batch {
    /// An empty batch.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Batch {
        let alignment = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        let slot_bytes = (MOST_BYTES as u64).next_multiple_of(alignment);
        let size = Batch::params_bytes(device);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let label = Some("parameters");
        let params =
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false });
        // Never grows, so that no copy of a key is left where it was.
        let written = Zeroizing::new(Vec::with_capacity(size as usize));
        Batch {
            device: device.clone(),
            queue: queue.clone(),
            pass: None,
            encoder: None,
            params,
            slot_bytes,
            work: 0,
            written,
        }
    }

    /// Bytes of the buffer of parameters.
    pub fn params_bytes(device: &wgpu::Device) -> u64 {
        let alignment = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        (MOST_BYTES as u64).next_multiple_of(alignment) * MOST_DISPATCHES
    }

    /// Whether one more dispatch needs a submission first.
    pub fn is_full(&self) -> bool {
        self.written.len() as u64 == self.slot_bytes * MOST_DISPATCHES || self.work >= MOST_WORK
    }

    /// Records a dispatch; the batch is not full.
    pub fn dispatch(&mut self, pipeline: &Pipeline, dispatch: &Dispatch<&wgpu::Buffer>) {
        let slot = self.written.len() as u64;
        self.work = self.work.saturating_add(dispatch.work);
        self.written.extend_from_slice(dispatch.params.bytes());
        self.written.resize((slot + self.slot_bytes) as usize, 0);
        let bind_group = self.bind_group(pipeline, &dispatch.bindings);
        let pass = self.pass();
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &bind_group, &[slot as u32]);
        let [x, y] = dispatch.groups;
        pass.dispatch_workgroups(x, y, 1);
    }

    /// Records writing zeros.
    pub fn clear(&mut self, span: Span<&wgpu::Buffer>) {
        self.encoder().clear_buffer(span.buffer, span.offset_bytes, Some(span.size_bytes));
    }

    /// Records writing zeros over the parameters of earlier dispatches.
    pub fn clear_params(&mut self) {
        let params = self.params.clone();
        self.clear(Span { buffer: &params, offset_bytes: 0, size_bytes: params.size() });
    }

    /// Records a copy.
    pub fn copy(&mut self, from: (&wgpu::Buffer, u64), to: (&wgpu::Buffer, u64), size_bytes: u64) {
        self.encoder().copy_buffer_to_buffer(from.0, from.1, to.0, to.1, size_bytes);
    }

    /// The recorded commands, if there are any, to be submitted next.
    pub fn finish(&mut self) -> Option<wgpu::CommandBuffer> {
        self.pass = None;
        self.work = 0;
        let encoder = self.encoder.take()?;
        if !self.written.is_empty() {
            self.queue.write_buffer(&self.params, 0, &self.written);
            zeroize::Zeroize::zeroize(&mut *self.written);
        }
        Some(encoder.finish())
    }

    fn bind_group(&self, pipeline: &Pipeline, spans: &[Span<&wgpu::Buffer>]) -> wgpu::BindGroup {
        let params = Span { buffer: &self.params, offset_bytes: 0, size_bytes: MOST_BYTES as u64 };
        let entries: Vec<_> = std::iter::once(&params).chain(spans).enumerate().map(entry).collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        })
    }

    /// The pass that dispatches are recorded in.
    fn pass(&mut self) -> &mut wgpu::ComputePass<'static> {
        if self.pass.is_none() {
            let pass = self.encoder().begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.pass = Some(pass.forget_lifetime());
        }
        self.pass.as_mut().expect("set above")
    }

    /// The encoder, out of any pass.
    fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        let device = &self.device;
        self.encoder
            .get_or_insert_with(|| device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()))
    }
}

fn entry<'a>((binding, span): (usize, &Span<&'a wgpu::Buffer>)) -> wgpu::BindGroupEntry<'a> {
    wgpu::BindGroupEntry {
        binding: binding as u32,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: span.buffer,
            offset: span.offset_bytes,
            size: wgpu::BufferSize::new(span.size_bytes),
        }),
    }
}
