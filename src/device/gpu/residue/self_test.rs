//! A product that would show what a driver does wrong: sums at the limits of f32, elements at the limits of the rings.

use crate::device::gpu::Gpu;
use crate::device::{Device, DeviceError};
use crate::ring::{Element, Shape};
use crate::step::{Kernel, Matrix, MemoryClass};

/// Rows, inner size and columns: more than one tile each, none of whole tiles, and more inner elements than are summed
/// before a reduction.
const SIZE: (usize, usize, usize) = (19, 1027, 21);

/// Whether the device computes such a product as scalar arithmetic does, in both rings.
///
/// # Errors
/// Where the device fails.
pub fn self_test(gpu: &Gpu) -> Result<bool, DeviceError> {
    Ok(is_exact::<u32>(gpu)? && is_exact::<u64>(gpu)?)
}

fn is_exact<E: Element>(gpu: &Gpu) -> Result<bool, DeviceError> {
    let (m, k, n) = SIZE;
    let (left, right) = (elements::<E>(m * k, 1), elements::<E>(k * n, 2));
    let upload = |elements: &[E]| {
        let bytes: &[u8] = bytemuck::cast_slice(elements);
        let buffer = gpu.allocate(bytes.len() as u64, MemoryClass::Scratch)?;
        gpu.upload(&buffer, 0, bytes)?;
        Ok::<_, DeviceError>(buffer)
    };
    let (a, b, c) = (upload(&left)?, upload(&right)?, upload(&vec![E::ONE; m * n])?);
    let out = Matrix::new(&c, Shape::new(m, n));
    let terms = vec![(Matrix::new(&a, Shape::new(m, k)), Matrix::new(&b, Shape::new(k, n)))];
    gpu.run(E::RING, &Kernel::Gemm { out, terms, accumulate: false })?;
    let bytes = pollster::block_on(gpu.download(&c, c.size_bytes())?)?;
    let found: Vec<E> = bytemuck::pod_collect_to_vec(&bytes);
    let expected = |index: usize| {
        let product = |i: usize| left[index / n * k + i].mul(right[i * n + index % n]);
        (0..k).map(product).fold(E::ZERO, E::add)
    };
    Ok(found.iter().enumerate().all(|(index, &element)| element == expected(index)))
}

/// The extremes of the ring in turn; and in the first row or column, the most negative throughout.
fn elements<E: Element>(len: usize, step: usize) -> Vec<E> {
    let top = E::ONE.shl(E::RING.bits() - 1);
    let below = top.sub(E::ONE);
    let extremes = [
        top,
        below,
        E::ZERO.sub(E::ONE),
        E::from_u64(0x8080_8080_8080_8080),
        top.add(E::ONE),
        E::ONE,
        E::ZERO,
    ];
    let element = |i: usize| {
        if i < SIZE.1 || i.is_multiple_of(SIZE.2) { top } else { extremes[i * step % extremes.len()] }
    };
    (0..len).map(element).collect()
}
