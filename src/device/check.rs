//! The preconditions of every device, checked before a kernel runs or bytes move. A violation is a fault of the
//! caller's code, so it panics, and on every device alike.

use super::{Buffer, DeviceId, DeviceKernel};
use crate::ring::Ring;
use crate::step::Access;

/// Checks that a kernel fits the ring, that every matrix lies within a buffer of this device, and that no matrix that
/// is written overlaps another.
///
/// # Panics
/// On a violation.
pub(super) fn check_kernel(device: DeviceId, ring: Ring, kernel: &DeviceKernel<'_>) {
    kernel.check(ring);
    let name = kernel.name();
    let mut used: Vec<(&Buffer, Access)> = Vec::with_capacity(5);
    kernel.visit(|matrix, access| {
        let (shape, buffer) = (matrix.shape, matrix.buffer);
        check_device(device, buffer);
        let len = shape.checked_len().and_then(|len| u64::try_from(len).ok());
        let size_bytes = len.and_then(|len| len.checked_mul(ring.element_bytes() as u64));
        assert!(
            size_bytes.is_some_and(|size_bytes| size_bytes <= buffer.size_bytes()),
            "{name}: a matrix {shape} of {} bytes in a buffer of {} bytes",
            size_bytes.map_or("2^64 or more".to_owned(), |size_bytes| size_bytes.to_string()),
            buffer.size_bytes()
        );
        for &(other, other_access) in &used {
            let written = access != Access::Read || other_access != Access::Read;
            assert!(
                !(written && std::ptr::eq(other, buffer)),
                "{name}: an output is also another of the kernel's matrices"
            );
        }
        used.push((buffer, access));
    });
}

/// Checks that an upload is whole words within a buffer of this device.
///
/// # Panics
/// Where it is not.
pub(super) fn check_upload(device: DeviceId, to: &Buffer, offset_bytes: u64, len: usize) {
    check_device(device, to);
    assert!(
        offset_bytes.is_multiple_of(4) && len.is_multiple_of(4),
        "an upload of {len} bytes to byte {offset_bytes}, which are not whole words"
    );
    let end = offset_bytes.checked_add(len as u64);
    assert!(
        end.is_some_and(|end| end <= to.size_bytes()),
        "an upload of {len} bytes to byte {offset_bytes} of {to:?}"
    );
}

/// Checks that a download is whole words of a buffer of this device.
///
/// # Panics
/// Where it is not.
pub(super) fn check_download(device: DeviceId, from: &Buffer, size_bytes: u64) {
    check_device(device, from);
    assert!(size_bytes.is_multiple_of(4), "a download of {size_bytes} bytes, which are not whole words");
    assert!(size_bytes <= from.size_bytes(), "a download of {size_bytes} bytes of {from:?}");
}

fn check_device(device: DeviceId, buffer: &Buffer) {
    assert_eq!(buffer.device, device, "{buffer:?} is another device's");
}
