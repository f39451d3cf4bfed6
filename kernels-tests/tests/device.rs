//! What every device promises apart from its arithmetic: memory, transfers, the ledger.

use kernels_tests::{Variant, variants};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use symbolon::device::cpu::{Cpu, SimdLevel, profile};
use symbolon::device::{Buffer, Device, DeviceError, DeviceKernel};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Kernel, Matrix, MemoryClass};

fn download(variant: &Variant, buffer: &Buffer, size_bytes: u64) -> Vec<u8> {
    let download = variant.device.download(buffer, size_bytes).expect(&variant.name);
    pollster::block_on(download).expect(&variant.name).to_vec()
}

/// Buffers, and the memory that transfers pass through, hold shares: none is left to who comes next.
#[test]
fn what_was_freed_is_wiped() {
    for variant in variants() {
        let device = &variant.device;
        let secrets = [vec![0xa5; 4096], vec![0x5a; 300_000]];
        for secret in &secrets {
            let buffer = device.allocate(secret.len() as u64, MemoryClass::Shares).unwrap();
            device.upload(&buffer, 0, secret).unwrap();
            assert_eq!(download(&variant, &buffer, secret.len() as u64), *secret);
        }
        device.wipe().unwrap();
        for secret in &secrets {
            // The same memory, where the device keeps what was freed; or another test's, which has used it since.
            let next = device.allocate(secret.len() as u64, MemoryClass::Shares).unwrap();
            let left = download(&variant, &next, secret.len() as u64);
            assert!(
                left.chunks(64).all(|piece| piece != &secret[..piece.len()]),
                "{}: shares of {} bytes are left",
                variant.name,
                left.len()
            );
        }
    }
}

#[test]
fn bytes_come_back_from_where_they_were_put() {
    for variant in variants() {
        for size_bytes in [4u64, 64, 100, 4096, 300_004] {
            let buffer = variant.device.allocate(size_bytes, MemoryClass::Shares).unwrap();
            let mut expected: Vec<u8> = (0..size_bytes).map(|index| (index * 7 + 3) as u8).collect();
            variant.device.upload(&buffer, 0, &expected).unwrap();
            let offset_bytes = size_bytes / 8 * 4;
            let patch: Vec<u8> =
                (0..(size_bytes - offset_bytes) / 4 * 4).map(|index| !(index as u8)).collect();
            variant.device.upload(&buffer, offset_bytes, &patch).unwrap();
            expected[offset_bytes as usize..][..patch.len()].copy_from_slice(&patch);
            assert_eq!(download(&variant, &buffer, size_bytes), expected, "{}", variant.name);
            assert_eq!(download(&variant, &buffer, 4), expected[..4], "{}", variant.name);
        }
    }
}

#[test]
fn nothing_can_be_moved() {
    for variant in variants() {
        let empty = variant.device.allocate(0, MemoryClass::Shares).unwrap();
        variant.device.upload(&empty, 0, &[]).unwrap();
        assert_eq!(download(&variant, &empty, 0), [0u8; 0], "{}", variant.name);
    }
}

#[test]
fn a_download_waits_for_what_was_enqueued_before() {
    for variant in variants() {
        let device = &*variant.device;
        let [a, b] = [(); 2].map(|()| device.allocate(400, MemoryClass::Shares).unwrap());
        let bytes: Vec<u8> = (0..100u32).flat_map(u32::to_ne_bytes).collect();
        device.upload(&a, 0, &bytes).unwrap();
        let shape = Shape::new(10, 10);
        // Doubled back and forth: each step reads what the one before it wrote.
        for step in 0..20 {
            let (from, to) = if step % 2 == 0 { (&a, &b) } else { (&b, &a) };
            let kernel = Kernel::Linear {
                out: Matrix::new(to, shape),
                terms: vec![(2, Matrix::new(from, shape))],
                constant: 0,
            };
            device.run(Ring::Z32, &kernel).unwrap();
        }
        let later = device.download(&a, 400).unwrap();
        device.flush().unwrap();
        let expected: Vec<u8> = (0..100u32).flat_map(|element| (element << 20).to_ne_bytes()).collect();
        assert_eq!(*pollster::block_on(later).unwrap(), expected, "{}", variant.name);
        device.synchronise().unwrap();
        assert!(!device.busy().is_zero(), "{}", variant.name);
    }
}

#[test]
fn the_ledger_follows_buffers() {
    let device = Cpu::open(Some(1), None).unwrap();
    the_ledger_follows(&device);
}

fn the_ledger_follows(device: &dyn Device) {
    let before = device.ledger().live().total_bytes;
    let shares = device.allocate(1000, MemoryClass::Shares).unwrap();
    let openings = device.allocate(500, MemoryClass::Openings).unwrap();
    assert_eq!(shares.size_bytes(), 1000);
    assert_eq!(device.ledger().live().total_bytes, before + 1500);
    assert_eq!(device.ledger().live().by_class[&MemoryClass::Openings], 500);
    drop(openings);
    assert_eq!(device.ledger().live().total_bytes, before + 1000);
    drop(shares);
    assert_eq!(device.ledger().live().total_bytes, before);
    assert_eq!(device.ledger().peak().total_bytes, before + 1500);
}

#[test]
fn the_budget_is_a_typed_refusal() {
    let device = Cpu::open(Some(1), Some(4096)).unwrap();
    let kept = device.allocate(4000, MemoryClass::Shares).unwrap();
    let error = device.allocate(97, MemoryClass::Scratch).unwrap_err();
    let expected = DeviceError::OverBudget {
        size_bytes: 97,
        class: MemoryClass::Scratch,
        live_bytes: 4000,
        budget_bytes: 4096,
    };
    assert_eq!(error, expected);
    drop(kept);
    assert!(device.allocate(4096, MemoryClass::Scratch).is_ok());
    assert_eq!(device.ledger().live().total_bytes, 0);
}

#[test]
fn memory_that_is_not_there_is_a_typed_refusal() {
    let device = Cpu::open(Some(1), None).unwrap();
    let error = device.allocate(1 << 60, MemoryClass::Shares).unwrap_err();
    assert!(matches!(error, DeviceError::OutOfMemory { live_bytes: 0, .. }), "{error}");
    assert_eq!(device.ledger().peak().total_bytes, 0, "it never was");
    assert_eq!(device.ledger().live().total_bytes, 0);
}

#[test]
fn a_fill_is_the_generators_stream() {
    let key = PrgKey::from_bytes([9; 32]);
    for variant in variants() {
        for (ring, len) in [(Ring::Z32, 1003usize), (Ring::Z64, 517), (Ring::Z64, 40_000)] {
            let size_bytes = len * ring.element_bytes();
            let buffer = variant.device.allocate(size_bytes as u64, MemoryClass::Correlations).unwrap();
            let out = Matrix::new(&buffer, Shape::new(1, len));
            variant.device.run(ring, &Kernel::Fill { out, key: &key, stream: 77, block: 3 }).unwrap();
            let mut expected = vec![0; size_bytes];
            key.fill(77, 3, &mut expected);
            assert_eq!(download(&variant, &buffer, size_bytes as u64), expected, "{}", variant.name);
        }
    }
}

/// Several threads, each with buffers of its own, on one device.
#[test]
fn a_device_is_shared_between_threads() {
    fn is_shareable<T: Send + Sync + ?Sized>() {}
    is_shareable::<dyn Device>();
    is_shareable::<Buffer>();
    for variant in variants() {
        std::thread::scope(|scope| {
            for part in 0..4u64 {
                let device: Arc<dyn Device> = variant.device.clone();
                scope.spawn(move || doubles(&*device, part));
            }
        });
    }
}

fn doubles(device: &dyn Device, part: u64) {
    let shape = Shape::new(100, 100);
    let [a, b] = [(); 2].map(|()| device.allocate(80_000, MemoryClass::Shares).unwrap());
    let bytes: Vec<u8> = (0..10_000).flat_map(|index: u64| (index + (part << 32)).to_ne_bytes()).collect();
    device.upload(&a, 0, &bytes).unwrap();
    let kernel =
        Kernel::Linear { out: Matrix::new(&b, shape), terms: vec![(2, Matrix::new(&a, shape))], constant: 1 };
    device.run(Ring::Z64, &kernel).unwrap();
    let got = pollster::block_on(device.download(&b, 80_000).unwrap()).unwrap();
    let expected: Vec<u8> =
        (0..10_000).flat_map(|index: u64| (2 * (index + (part << 32)) + 1).to_ne_bytes()).collect();
    assert!(*got == expected, "part {part}");
}

/// Every device refuses `misuse` in the same words.
fn refused(expected: &str, misuse: impl Fn(&dyn Device, [&Buffer; 2])) {
    for variant in variants() {
        let device = &*variant.device;
        let buffers = [(); 2].map(|()| device.allocate(64, MemoryClass::Shares).unwrap());
        let attempt = catch_unwind(AssertUnwindSafe(|| misuse(device, buffers.each_ref())));
        let panic = attempt.expect_err(&variant.name);
        let message = panic.downcast_ref::<String>().expect("a formatted message");
        assert!(message.contains(expected), "{}: {message}", variant.name);
    }
}

fn run(device: &dyn Device, kernel: &DeviceKernel<'_>) {
    let _ = device.run(Ring::Z64, kernel);
}

/// A row of 8-byte elements.
fn row(buffer: &Buffer, len: usize) -> Matrix<&Buffer> {
    Matrix::new(buffer, Shape::new(1, len))
}

#[test]
fn an_output_is_never_an_operand() {
    refused("linear: an output is also another of the kernel's matrices", |device, [buffer, _]| {
        let matrix = row(buffer, 4);
        run(device, &Kernel::Linear { out: matrix, terms: vec![(1, matrix)], constant: 0 });
    });
}

#[test]
fn a_matrix_lies_within_its_buffer() {
    refused("linear: a matrix (1, 9) of 72 bytes in a buffer of 64 bytes", |device, [out, operand]| {
        let terms = vec![(1, row(operand, 9))];
        run(device, &Kernel::Linear { out: row(out, 9), terms, constant: 0 });
    });
    // Its size in bytes is 0 modulo 2^64.
    refused("bytes in a buffer of 64 bytes", |device, [out, operand]| {
        let terms = vec![(1, row(operand, 1 << 61))];
        run(device, &Kernel::Linear { out: row(out, 1 << 61), terms, constant: 0 });
    });
}

#[test]
fn shifts_are_within_the_ring() {
    for bits in [0, 64] {
        refused(&format!("shift: by {bits} bits of 64"), |device, [out, operand]| {
            run(device, &Kernel::Shift { out: row(out, 8), operand: row(operand, 8), bits });
        });
    }
    refused("trunc_finish: by 63 bits of 64", |device, [out, operand]| {
        let (out, operand) = (row(out, 8), row(operand, 8));
        let [opened, top, high] = [operand; 3];
        let (opened, bits, width, leader) = (vec![opened], 63, 64, true);
        run(device, &Kernel::TruncFinish { out, opened, top, high, bits, width, leader });
    });
}

#[test]
fn transfers_are_of_whole_words() {
    refused("an upload of 3 bytes to byte 0, which are not whole words", |device, [buffer, _]| {
        let _ = device.upload(buffer, 0, &[0; 3]);
    });
    refused("an upload of 4 bytes to byte 2, which are not whole words", |device, [buffer, _]| {
        let _ = device.upload(buffer, 2, &[0; 4]);
    });
    refused("an upload of 8 bytes to byte 60 of Buffer(64 bytes", |device, [buffer, _]| {
        let _ = device.upload(buffer, 60, &[0; 8]);
    });
    refused("a download of 6 bytes, which are not whole words", |device, [buffer, _]| {
        let _ = device.download(buffer, 6);
    });
    refused("a download of 68 bytes of Buffer(64 bytes", |device, [buffer, _]| {
        let _ = device.download(buffer, 68);
    });
}

#[test]
fn a_buffer_of_another_device_is_refused() {
    let other = Cpu::open(Some(1), None).unwrap();
    let foreign = other.allocate(64, MemoryClass::Shares).unwrap();
    refused("is another device's", |device, _| {
        let _ = device.upload(&foreign, 0, &[0; 4]);
    });
    refused("is another device's", |device, _| {
        let _ = device.download(&foreign, 4);
    });
    refused("is another device's", |device, [out, _]| {
        run(device, &Kernel::Linear { out: row(out, 8), terms: vec![(1, row(&foreign, 8))], constant: 0 });
    });
}

#[test]
fn levels_and_threads_are_checked_when_opening() {
    let absent = if cfg!(target_arch = "aarch64") { SimdLevel::Avx2 } else { SimdLevel::Neon };
    for result in [Cpu::open_with(absent, Some(1), None), Cpu::open(Some(0), None)] {
        assert!(matches!(result.err(), Some(DeviceError::Unusable { .. })));
    }
    let device = Cpu::open(Some(2), None).unwrap();
    assert_eq!(*device.description(), profile(Some(2)));
}
