//! The local kernels alone: arithmetic modulo 2^32 and 2^64 on any device, without parties.
//!
//! Matrices are row-major. A call copies its operands to the device and the result back.

use crate::handles::{give, lock, of};
use crate::memory::{put, read, text, write};
use crate::status::{Fault, SymbolonStatus, call};
use std::ffi::{c_char, c_void};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use symbolon::Device;
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::device::{Buffer, DeviceKernel};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Matrix, MemoryClass};
use symbolon_cli::Failure;
use zeroize::Zeroize;

/// The bytes of a generator's key.
const KEY_BYTES: usize = 32;

/// A device: one thread at a time enqueues.
type Opened = Mutex<Arc<dyn Device>>;

/// Opens a device: "auto", "cpu", "gpu", or an adapter by a part of its name.
///
/// # Safety
/// `name` is a text; `device` has room for a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_device_open(name: *const c_char, device: *mut u64) -> SymbolonStatus {
    call(|| {
        // SAFETY: the caller vouches for the room.
        unsafe { put(device, 0, "device") }?;
        // SAFETY: the caller vouches for the text.
        let Ok(choice) = DeviceChoice::from_str(unsafe { text(name, "name") }?);
        let opened = select::open(&choice, &DeviceOptions::default()).map_err(Failure::from)?;
        // SAFETY: the caller vouches for the room.
        unsafe { put(device, give(Opened::new(opened)), "device") }
    })
}

/// The work of a kernel.
enum Work<'a> {
    Gemm,
    /// left + factor · right.
    Sum(u64),
    Hadamard,
    Fill {
        key: &'a PrgKey,
        stream: u64,
        block: u64,
    },
}

impl Work<'_> {
    fn kernel<'a>(&'a self, operands: &[Matrix<&'a Buffer>], out: Matrix<&'a Buffer>) -> DeviceKernel<'a> {
        let pair = || vec![(operands[0], operands[1])];
        match *self {
            Work::Gemm => Kernel::Gemm { terms: pair(), out, accumulate: false },
            Work::Hadamard => Kernel::Hadamard { terms: pair(), out, accumulate: false },
            Work::Sum(factor) => {
                let terms = vec![(1, operands[0]), (factor, operands[1])];
                Kernel::Linear { terms, out, constant: 0 }
            }
            Work::Fill { key, stream, block } => Kernel::Fill { out, key, stream, block },
        }
    }
}

/// Does some work on operands, and reads what it gives.
fn compute(
    device: u64,
    ring: Ring,
    work: &Work<'_>,
    operands: &[(&[u8], Shape)],
    out: Shape,
) -> Result<Vec<u8>, Fault> {
    let device: Arc<Opened> = of(device, "a device")?;
    let device = lock(&device);
    if out.is_empty() {
        return Ok(Vec::new());
    }
    let size_bytes = |shape: Shape| (shape.len() * ring.element_bytes()) as u64;
    let done = || {
        let mut buffers = Vec::new();
        for &(bytes, shape) in operands {
            let buffer = device.allocate(size_bytes(shape), MemoryClass::Plain)?;
            device.upload(&buffer, 0, bytes)?;
            buffers.push((buffer, shape));
        }
        let result = device.allocate(size_bytes(out), MemoryClass::Plain)?;
        let operands = Vec::from_iter(buffers.iter().map(|(buffer, shape)| Matrix::new(buffer, *shape)));
        device.run(ring, &work.kernel(&operands, Matrix::new(&result, out)))?;
        pollster::block_on(device.download(&result, size_bytes(out))?)
    };
    Ok(done().map_err(Failure::from)?.to_vec())
}

/// A matrix of the caller's as bytes.
///
/// # Safety
/// `from` has the elements of `shape`.
unsafe fn matrix<'a>(
    ring: Ring,
    from: *const c_void,
    shape: Shape,
    what: &str,
) -> Result<(&'a [u8], Shape), Fault> {
    // SAFETY: the caller of this function vouches for them.
    Ok((unsafe { read(from.cast::<u8>(), bytes(ring, shape)?, what) }?, shape))
}

/// The bytes of a matrix, whose extents a caller may have mistaken.
fn bytes(ring: Ring, shape: Shape) -> Result<usize, Fault> {
    let elements = shape.rows.checked_mul(shape.cols);
    let bytes = elements.and_then(|elements| elements.checked_mul(ring.element_bytes()));
    bytes.ok_or_else(|| Fault::usage(format!("a matrix of {} x {} is too large", shape.rows, shape.cols)))
}

fn ring(bits: u32) -> Result<Ring, Fault> {
    Ring::from_bits(bits).map_err(Fault::usage)
}

fn zeros(count: usize) -> Result<Vec<u8>, Fault> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(count).map_err(|_| {
        Fault::new(SymbolonStatus::Resources, format!("there is no memory for {count} bytes"))
    })?;
    zeros.resize(count, 0);
    Ok(zeros)
}

/// out = left · right modulo 2^`ring_bits`, which is 32 or 64: (m, k) times (k, n), of which `sizes` has m, k and n. Elements
/// have `ring_bits` bits.
///
/// # Safety
/// `sizes` has three sizes; `left` has m·k elements, `right` k·n, and `out` has room for m·n.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_gemm(
    device: u64,
    ring_bits: u32,
    sizes: *const usize,
    left: *const c_void,
    right: *const c_void,
    out: *mut c_void,
) -> SymbolonStatus {
    call(|| {
        // SAFETY: the caller vouches for the sizes.
        let [m, k, n] = *unsafe { read(sizes, 3, "sizes") }? else { unreachable!("there are three") };
        let (ring, shape) = (ring(ring_bits)?, Shape::new(m, n));
        let room = bytes(ring, shape)?;
        // SAFETY: the caller vouches for the elements and the room.
        unsafe {
            let left = matrix(ring, left, Shape::new(m, k), "left")?;
            let right = matrix(ring, right, Shape::new(k, n), "right")?;
            let product = match k {
                0 => zeros(room)?,
                _ => compute(device, ring, &Work::Gemm, &[left, right], shape)?,
            };
            write(out.cast::<u8>(), room, &product, "out")
        }
    })
}

/// Does elementwise work on `count` elements.
///
/// # Safety
/// `left` and `right` have `count` elements, and `out` has room for them.
unsafe fn elementwise(
    device: u64,
    ring_bits: u32,
    work: &Work<'_>,
    count: usize,
    operands: [*const c_void; 2],
    out: *mut c_void,
) -> SymbolonStatus {
    call(|| {
        let (ring, shape) = (ring(ring_bits)?, Shape::new(1, count));
        let room = bytes(ring, shape)?;
        // SAFETY: the caller of this function vouches for the elements and the room.
        unsafe {
            let [left, right] = operands;
            let operands = [matrix(ring, left, shape, "left")?, matrix(ring, right, shape, "right")?];
            let result = compute(device, ring, work, &operands, shape)?;
            write(out.cast::<u8>(), room, &result, "out")
        }
    })
}

/// out = left + factor · right modulo 2^`ring_bits`, element by element: a factor of −1, as an unsigned number, subtracts.
///
/// # Safety
/// `left` and `right` have `count` elements, and `out` has room for them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_add(
    device: u64,
    ring_bits: u32,
    count: usize,
    left: *const c_void,
    factor: u64,
    right: *const c_void,
    out: *mut c_void,
) -> SymbolonStatus {
    let factor = if ring_bits == 32 { u64::from(factor as u32) } else { factor };
    // SAFETY: the caller vouches for the elements and the room.
    unsafe { elementwise(device, ring_bits, &Work::Sum(factor), count, [left, right], out) }
}

/// out = left ∘ right modulo 2^`ring_bits`, element by element.
///
/// # Safety
/// `left` and `right` have `count` elements, and `out` has room for them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_multiply(
    device: u64,
    ring_bits: u32,
    count: usize,
    left: *const c_void,
    right: *const c_void,
    out: *mut c_void,
) -> SymbolonStatus {
    // SAFETY: the caller vouches for the elements and the room.
    unsafe { elementwise(device, ring_bits, &Work::Hadamard, count, [left, right], out) }
}

/// `size_bytes` bytes, whole words of 4, of the stream `stream` of ChaCha12 under a key of 32 bytes, from a block of 64
/// bytes on. Never use the same bytes twice.
///
/// # Safety
/// `key` has 32 bytes; `out` has room for `size_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn symbolon_fill(
    device: u64,
    key: *const u8,
    stream: u64,
    block: u64,
    out: *mut u8,
    size_bytes: usize,
) -> SymbolonStatus {
    call(|| {
        if !size_bytes.is_multiple_of(Ring::Z32.element_bytes()) {
            return Err(Fault::usage("size_bytes is no multiple of 4"));
        }
        let shape = Shape::new(1, size_bytes / Ring::Z32.element_bytes());
        // SAFETY: the caller vouches for the key and the room.
        unsafe {
            let mut bytes = [0; KEY_BYTES];
            bytes.copy_from_slice(read(key, KEY_BYTES, "key")?);
            let key = PrgKey::from_bytes(bytes);
            bytes.zeroize();
            let filled = compute(device, Ring::Z32, &Work::Fill { key: &key, stream, block }, &[], shape)?;
            write(out, size_bytes, &filled, "out")
        }
    })
}
