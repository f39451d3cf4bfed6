//! Peak rates of a GPU, and a reference: kernels that are measured beside matrix products.

use super::device::Gpu;
use super::dispatch::{Dispatch, Span};
use super::params::{self, ParamBytes};
use super::pool::Pooled;
use super::residue::moduli;
use super::shader::{NumberType, Shader};
use crate::device::{Device, DeviceError};
use crate::ring::prg::PrgKey;
use crate::ring::{Ring, Shape};
use crate::step::{Kernel, Matrix, MemoryClass};
use std::time::{Duration, Instant};

/// Workgroups of a measurement on registers: several for each part of a large GPU.
const GROUPS: usize = 1024;

/// Steps at first, and at most: Debian 12's llvmpipe ends a shader in silence after 65,535.
const LEAST_STEPS: u32 = 16;
const MOST_STEPS: u32 = 1 << 15;

/// A measurement that takes so long is long enough.
const LONG_ENOUGH: Duration = Duration::from_millis(20);

/// Multiply-adds of a thread in a step of `peak.wgsl`: eight of four elements.
const PER_STEP: usize = 32;

/// Products of tiles of a workgroup in a step of `matrix_peak.wgsl`: eight in each of four blocks.
const TILES_PER_STEP: usize = 32;

/// Blocks of a workgroup there.
const BLOCKS: usize = 4;

impl Gpu {
    /// Ring multiply-adds per second on registers alone, as the device's arithmetic does them.
    ///
    /// # Errors
    /// If the device fails or has no memory for a few megabytes.
    pub fn multiply_peak(&self, ring: Ring) -> Result<f64, DeviceError> {
        let size_bytes = GROUPS * 256 * ring.element_bytes();
        let out = self.allocate(size_bytes as u64, MemoryClass::Scratch)?;
        let out = out.storage::<Pooled>().buffer();
        let per_step = GROUPS * 256 * PER_STEP;
        self.rate_of_steps(per_step as f64, |steps| {
            let params = params::Peak { steps, factor: 0x9e37_79b9, ..Default::default() };
            let bindings = vec![Span { buffer: out, offset_bytes: 0, size_bytes: size_bytes as u64 }];
            (self.number_type(ring), measured(Shader::Peak, &params, bindings))
        })
    }

    /// Ring multiply-adds per second that the matrix units' products of residues come to, on registers alone, where there are
    /// matrix units that the device uses: an element takes as many products as the ring has moduli.
    ///
    /// # Errors
    /// If the device fails.
    pub fn matrix_unit_peak(&self, ring: Ring) -> Result<Option<f64>, DeviceError> {
        let Some(residues) = &self.residues else { return Ok(None) };
        let tile = residues.tile;
        let (area, matrix) = (tile.side() * tile.side(), tile.side() * tile.inner());
        let groups = GROUPS.min(residues.room.sums_bytes as usize / (BLOCKS * area * 4));
        let span = |buffer, elements: usize, width: usize| Span {
            buffer,
            offset_bytes: 0,
            size_bytes: (elements * width) as u64,
        };
        let per_step = groups * TILES_PER_STEP * area * tile.inner();
        let rate = self.rate_of_steps(per_step as f64, |steps| {
            let params = params::MatrixPeak { steps, ..Default::default() };
            let bindings = vec![
                span(&residues.sums, groups * BLOCKS * area, 4),
                span(&residues.left, 4 * matrix, tile.residue_bytes()),
                span(&residues.right, 2 * matrix, tile.residue_bytes()),
            ];
            let mut dispatch = measured(Shader::MatrixPeak { tile }, &params, bindings);
            dispatch.groups = self.limits.grid(groups);
            (NumberType::U32, dispatch)
        })?;
        Ok(Some(rate / moduli::count(ring) as f64))
    }

    /// Multiply-adds per second of the textbook's kernel for a square product of this size.
    ///
    /// # Errors
    /// If the device fails or has no memory for the matrices.
    ///
    /// # Panics
    /// If a matrix is larger than a binding.
    pub fn naive_rate(&self, ring: Ring, size: usize) -> Result<f64, DeviceError> {
        let shape = Shape::new(size, size);
        let size_bytes = shape.size_bytes(ring);
        assert!(size_bytes <= self.limits.binding_bytes, "matrices of {size} are larger than a binding");
        // The key guards nothing: the elements only have to look like shares.
        let key = PrgKey::from_bytes([7; 32]);
        let matrix = || {
            let buffer = self.allocate(size_bytes, MemoryClass::Scratch)?;
            let out = Matrix::new(&buffer, shape);
            self.run(ring, &Kernel::Fill { out, key: &key, stream: 0, block: 0 })?;
            Ok::<_, DeviceError>(buffer)
        };
        let matrices = [matrix()?, matrix()?, matrix()?];
        let extent = size as u32;
        let run = || {
            let params =
                params::GemmNaive { rows: extent, inner: extent, cols: extent, ..Default::default() };
            let span = |buffer| Span { buffer, offset_bytes: 0, size_bytes };
            let bindings = matrices.each_ref().map(|matrix| span(matrix.storage::<Pooled>().buffer()));
            let mut dispatch = measured(Shader::GemmNaive, &params, bindings.into());
            dispatch.groups = self.limits.grid(shape.len().div_ceil(256));
            self.time(self.number_type(ring), dispatch)
        };
        run()?;
        let best = run()?.min(run()?);
        Ok((size as f64).powi(3) / best.as_secs_f64())
    }

    /// Work per second of a dispatch that does `per_step` of it in each step: with more steps until it takes long enough,
    /// and then the best of a few.
    fn rate_of_steps<'a>(
        &self,
        per_step: f64,
        dispatch: impl Fn(u32) -> (NumberType, Dispatch<&'a wgpu::Buffer>),
    ) -> Result<f64, DeviceError> {
        let time = |steps| {
            let (number_type, dispatch) = dispatch(steps);
            self.time(number_type, dispatch)
        };
        // Compiles it.
        time(LEAST_STEPS)?;
        let mut steps = LEAST_STEPS;
        while time(steps)? < LONG_ENOUGH && steps < MOST_STEPS {
            steps *= 2;
        }
        let best = time(steps)?.min(time(steps)?).min(time(steps)?);
        Ok(per_step * f64::from(steps) / best.as_secs_f64())
    }

    fn time(
        &self,
        number_type: NumberType,
        dispatch: Dispatch<&wgpu::Buffer>,
    ) -> Result<Duration, DeviceError> {
        self.synchronise()?;
        let begin = Instant::now();
        self.enqueue(&mut *self.lock()?, number_type, dispatch)?;
        self.synchronise()?;
        Ok(begin.elapsed())
    }
}

fn measured<'a, P: params::Params>(
    shader: Shader,
    params: &P,
    bindings: Vec<Span<&'a wgpu::Buffer>>,
) -> Dispatch<&'a wgpu::Buffer> {
    let params = ParamBytes::new(params);
    Dispatch { shader, params, bindings, groups: [GROUPS as u32, 1], work: 1 }
}
