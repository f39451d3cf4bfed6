//! Compiled shaders: they are made when they are announced, several at once, or else when first used.

use super::shader::{NumberType, Shader};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// A shader ready to run.
#[derive(Clone)]
pub struct Pipeline {
    /// The shader, compiled.
    pub pipeline: wgpu::ComputePipeline,
    /// Its bindings: parameters at 0, then what it writes, then what it reads.
    pub layout: wgpu::BindGroupLayout,
}

/// Empty while it is being made.
type Made = Arc<OnceLock<Pipeline>>;

/// The memory from which shaders read their parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parameters {
    /// Uniform memory, which drivers may keep in registers.
    Uniform,
    /// Storage, for software drivers: Mesa's compiles a shader whose loops count to uniforms again for each value of
    /// them, and keeps all that it compiled (22.3, `lvp_inline_uniforms`).
    Storage,
}

/// The pipelines that were made so far, and those being made.
pub struct Pipelines {
    parameters: Parameters,
    made: Mutex<HashMap<(Shader, NumberType), Made>>,
}

impl Pipelines {
    /// None yet, of shaders that read their parameters there.
    pub fn new(parameters: Parameters) -> Pipelines {
        Pipelines { parameters, made: Mutex::default() }
    }

    /// The pipeline of a shader, compiled now where it is not yet. A shader that does not compile is reported
    /// through the device's error callback.
    pub fn get(&self, device: &wgpu::Device, shader: Shader, number_type: NumberType) -> Pipeline {
        let key = key(shader, number_type);
        let pipeline = self.made().entry(key).or_default().clone();
        // Without the lock: others are made meanwhile, and whoever wants this one too waits for it.
        pipeline.get_or_init(|| compile(device, self.parameters, key)).clone()
    }

    /// Compiles those of some shaders that are not yet compiled, on as many threads as there are cores: a driver may take a
    /// fraction of a second for each.
    pub fn prepare(&self, device: &wgpu::Device, mut shaders: HashSet<Shader>, number_type: NumberType) {
        let is_made = |pipeline: &Made| pipeline.get().is_some();
        shaders.retain(|&shader| !self.made().get(&key(shader, number_type)).is_some_and(is_made));
        let shaders: Vec<Shader> = shaders.into_iter().collect();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(&shader) = shaders.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.get(device, shader, number_type);
            }
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| (0..cores.min(shaders.len())).for_each(|_| drop(scope.spawn(work))));
    }

    /// The number of pipelines that were made.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.made().values().filter(|pipeline| pipeline.get().is_some()).count()
    }

    /// Nothing that can panic happens under the lock.
    fn made(&self) -> MutexGuard<'_, HashMap<(Shader, NumberType), Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(shader: Shader, number_type: NumberType) -> (Shader, NumberType) {
    (shader, if shader.is_ringless() { NumberType::U32 } else { number_type })
}

fn compile(
    device: &wgpu::Device,
    parameters: Parameters,
    (shader, number_type): (Shader, NumberType),
) -> Pipeline {
    let label = format!("{} {}", shader.stem(), number_type.name());
    let (module, parameters) = match shader.spirv() {
        Some(spirv) => (passed_through(device, shader, spirv, &label), Parameters::Uniform),
        None => (module(device, parameters, (shader, number_type), &label), parameters),
    };
    let layout = bind_group_layout(device, parameters, shader);
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(&label),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&label),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(shader.entry_point()),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &shader.overrides(),
            // Every element of workgroup memory is written before it is read.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    });
    Pipeline { pipeline, layout }
}

fn passed_through(device: &wgpu::Device, shader: Shader, spirv: &[u8], label: &str) -> wgpu::ShaderModule {
    let entry_point = wgpu::PassthroughShaderEntryPoint {
        name: shader.entry_point().into(),
        workgroup_size: (shader.threads(), 1, 1),
    };
    let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
        label: Some(label),
        entry_points: Cow::Owned(vec![entry_point]),
        spirv: Some(Cow::Owned(bytemuck::pod_collect_to_vec(spirv))),
        ..Default::default()
    };
    // SAFETY: It is valid SPIR-V of a shader of ours, as tools/spirv has checked, for matrices that the adapter lists
    // and subgroups of the size that it has. It indexes as said below: whole tiles of panels, which are made of
    // whole blocks, and sums of whole blocks.
    unsafe { device.create_shader_module_passthrough(descriptor) }
}

fn module(
    device: &wgpu::Device,
    parameters: Parameters,
    (shader, number_type): (Shader, NumberType),
    label: &str,
) -> wgpu::ShaderModule {
    let mut text = shader.wgsl(number_type).expect("the embedded sources compose, as a test shows");
    if parameters == Parameters::Storage {
        text = text.replacen("var<uniform>", "var<storage, read>", 1);
    }
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Wgsl(Cow::Owned(text)),
    };
    // SAFETY: Without checks, shaders must index in range, end their loops and divide by no zero.
    // - Indices: a thread drops out, reads zero or the last row instead, where its row or column is not below the counts
    //   in the parameters. `dispatch` sets these counts, offsets and strides such that the last element of each matrix's
    //   span is in its binding (its test recomputes them), and `check_kernel` asserts that every matrix lies
    //   within its buffer. Workgroup and local arrays are indexed by constants' remainders, or by subsets of at most
    //   four factors.
    // - Matrix units load and store whole tiles of panels that are made of whole blocks of them, in buffers of their
    //   own; a subgroup works on a block that its number names, below the blocks that there are.
    // - Loops run to counts in the parameters, with steps of at least one.
    // - Divisors are constants, or `cols`, `tiles`, `tiles_across`, `sums`, `slices`, `lanes`, `width`, sides and
    //   numbers of tiles, blocks and groups, and loops' counts, at least one in every dispatch.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

fn bind_group_layout(device: &wgpu::Device, parameters: Parameters, shader: Shader) -> wgpu::BindGroupLayout {
    let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    };
    let storage = |binding| {
        let read_only = binding > shader.written();
        entry(binding, wgpu::BufferBindingType::Storage { read_only }, false)
    };
    let parameters = match parameters {
        Parameters::Uniform => wgpu::BufferBindingType::Uniform,
        Parameters::Storage => wgpu::BufferBindingType::Storage { read_only: true },
    };
    let mut entries = vec![entry(0, parameters, true)];
    entries.extend((1..=shader.written() + shader.read()).map(storage));
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(shader.stem()),
        entries: &entries,
    })
}
