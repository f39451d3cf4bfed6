//! Bind groups, kept from when they are first made: a plan's kernels run on the same bytes of the same buffers in every run.

use super::dispatch::Span;
use super::params::MOST_BYTES;
use super::pipeline::Pipeline;
use super::shader::{NumberType, Shader};
use crate::device::counters::{Count, Counting};
use std::collections::HashMap;

/// Bind groups that are kept at most, so that programs without end do not fill the host's memory: a plan of as many kernels
/// of one dispatch each finds all of its own.
const MOST_KEPT: usize = 1 << 16;

/// Bind groups by their shader and its bindings; all have the parameters of one device's lane as their first.
pub struct Groups {
    params: wgpu::Buffer,
    made: HashMap<Key, wgpu::BindGroup>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    shader: Shader,
    number_type: NumberType,
    spans: Vec<(wgpu::Buffer, u64, u64)>,
}

impl Groups {
    /// None yet, for kernels with parameters in this buffer.
    pub fn new(params: wgpu::Buffer) -> Groups {
        Groups { params, made: HashMap::new() }
    }

    /// The bind group of a shader on these bytes.
    pub fn get(
        &mut self,
        device: &wgpu::Device,
        counting: &Counting,
        pipeline: &Pipeline,
        (shader, number_type): (Shader, NumberType),
        spans: &[Span<&wgpu::Buffer>],
    ) -> wgpu::BindGroup {
        let span = |span: &Span<&wgpu::Buffer>| (span.buffer.clone(), span.offset_bytes, span.size_bytes);
        let key = Key { shader, number_type, spans: spans.iter().map(span).collect() };
        if let Some(group) = self.made.get(&key) {
            return group.clone();
        }
        counting.add(Count::BindGroups, 1);
        let params = Span { buffer: &self.params, offset_bytes: 0, size_bytes: MOST_BYTES as u64 };
        let entries: Vec<_> = std::iter::once(&params).chain(spans).enumerate().map(entry).collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        });
        if self.made.len() >= MOST_KEPT {
            self.made.clear();
        }
        self.made.insert(key, group.clone());
        group
    }

    /// Lets go of the bind groups of these buffers, which would keep their memory.
    pub fn forget(&mut self, buffers: &mut [wgpu::Buffer]) {
        if !buffers.is_empty() {
            buffers.sort();
            let is_gone = |buffer: &wgpu::Buffer| buffers.binary_search(buffer).is_ok();
            self.made.retain(|key, _| !key.spans.iter().any(|(buffer, ..)| is_gone(buffer)));
        }
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
