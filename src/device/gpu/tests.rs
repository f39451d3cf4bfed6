//! The device on a real adapter, software Vulkan where there is no other. Without any adapter these tests say so
//! and pass, or fail where `SYMBOLON_REQUIRE_GPU` is 1. Kernels are held against scalar arithmetic on the smallest shapes that reach every path.

mod kernels;
mod large;
mod memory;
mod sharing;

use super::*;
use crate::device::{Buffer, Device, DeviceError};
use crate::ring::{Element, Ring, Shape};
use crate::step::{Matrix, MemoryClass};
use std::io::Write;

/// Says that a test is skipped, past the harness, which would keep it to itself as the test passes.
pub(in crate::device) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = std::io::stderr().write_all(format!("SKIPPED: {test}: {why}\n").as_bytes());
}

/// As [`skip`], where there is no adapter at all.
///
/// # Panics
/// Where one is required.
pub(in crate::device) fn skip_without_adapter() {
    let required = std::env::var("SYMBOLON_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(!required, "no GPU adapter was found, and SYMBOLON_REQUIRE_GPU is 1");
    skip("no GPU adapter was found (SYMBOLON_REQUIRE_GPU=1 makes this fail)");
}

/// Opens an adapter, a software one first: it is there wherever these tests run by themselves.
fn open(options: GpuOptions) -> Option<Gpu> {
    let mut adapters = adapters();
    adapters.sort_by_key(|adapter| !adapter.is_software());
    let Some(adapter) = adapters.first() else {
        skip_without_adapter();
        return None;
    };
    if options.arithmetic == Arithmetic::Native && !adapter.features.shader_int64 {
        skip(&format!("{} has no 64-bit integers", adapter.name));
        return None;
    }
    Some(Gpu::open(adapter, options).expect("the adapter opens"))
}

/// Words written beyond a matrix, which no kernel may touch.
const GUARD: [u8; 24] = [0xa5; 24];

/// A matrix on the device, with guard words behind it.
fn upload<E: Element>(gpu: &Gpu, elements: &[E]) -> Buffer {
    let bytes: &[u8] = bytemuck::cast_slice(elements);
    let size_bytes = (bytes.len() + GUARD.len()) as u64;
    let buffer = gpu.allocate(size_bytes, MemoryClass::Scratch).expect("memory");
    gpu.upload(&buffer, 0, bytes).expect("uploads");
    gpu.upload(&buffer, bytes.len() as u64, &GUARD).expect("uploads");
    buffer
}

/// The elements of a matrix, its guard words checked.
fn fetch<E: Element>(gpu: &Gpu, buffer: &Buffer) -> Vec<E> {
    let download = gpu.download(buffer, buffer.size_bytes()).expect("downloads");
    let bytes = pollster::block_on(download).expect("arrives");
    let (elements, guard) = bytes.split_at(bytes.len() - GUARD.len());
    assert_eq!(guard, GUARD, "words behind the matrix");
    bytemuck::pod_collect_to_vec(elements)
}
