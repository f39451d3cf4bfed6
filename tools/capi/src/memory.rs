//! The caller's memory.

use crate::status::Fault;
use std::ffi::{CStr, c_char};

/// The longest list that a caller may pass, in elements: beyond it a length is a mistake.
const MOST_ELEMENTS: usize = 1 << 40;

/// A text of the caller's; `what` names it in errors.
///
/// # Safety
/// `text` is null, or ends with a zero byte and does not change during the call.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Fault> {
    if text.is_null() {
        return Err(Fault::usage(format!("{what} is null")));
    }
    // SAFETY: the caller of this function vouches for the zero byte.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Fault::usage(format!("{what} is not UTF-8")))
}

/// Elements of the caller's to read.
///
/// # Safety
/// `from` is null, or has `len` elements that do not change during the call.
pub(crate) unsafe fn read<'a, T>(from: *const T, len: usize, what: &str) -> Result<&'a [T], Fault> {
    if len == 0 {
        return Ok(&[]);
    }
    if from.is_null() || !from.is_aligned() || len > MOST_ELEMENTS {
        return Err(Fault::usage(format!("{what} is null, not aligned, or of an impossible length")));
    }
    // SAFETY: it is aligned and not null, and the caller of this function vouches for its length.
    Ok(unsafe { std::slice::from_raw_parts(from, len) })
}

/// Writes elements to the caller's, which has `len` of them.
///
/// # Safety
/// `to` is null, or has room for `len` elements that nobody else uses during the call.
pub(crate) unsafe fn write<T: Copy>(to: *mut T, len: usize, from: &[T], what: &str) -> Result<(), Fault> {
    if len != from.len() {
        return Err(Fault::usage(format!(
            "{what} has room for {len} elements, and there are {}",
            from.len()
        )));
    }
    if len == 0 {
        return Ok(());
    }
    if to.is_null() || !to.is_aligned() {
        return Err(Fault::usage(format!("{what} is null or not aligned")));
    }
    // SAFETY: both have `len` elements, `to` is aligned, and nobody else uses it, so that they do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, len) };
    Ok(())
}

/// Writes one thing to the caller's.
///
/// # Safety
/// `to` is null, or has room for one that nobody else uses during the call.
pub(crate) unsafe fn put<T: Copy>(to: *mut T, value: T, what: &str) -> Result<(), Fault> {
    // SAFETY: the caller of this function vouches for the room.
    unsafe { write(to, 1, &[value], what) }
}

/// Writes a text and a zero byte to the caller's `room` bytes, if they suffice, and the bytes that it takes to `needed`.
///
/// # Safety
/// `to` is null or has `room` bytes, `needed` is null or has room for one, and nobody else uses either during the call.
pub(crate) unsafe fn put_text(
    to: *mut c_char,
    room: usize,
    needed: *mut usize,
    text: &str,
) -> Result<(), Fault> {
    let mut bytes: Vec<c_char> = text.bytes().map(|byte| byte as c_char).collect();
    bytes.push(0);
    if !needed.is_null() {
        // SAFETY: the caller of this function vouches for the room.
        unsafe { put(needed, bytes.len(), "needed") }?;
    }
    if room == 0 && !needed.is_null() {
        return Ok(());
    }
    if room < bytes.len() {
        return Err(Fault::usage(format!(
            "the text takes {} bytes, and there is room for {room}",
            bytes.len()
        )));
    }
    // SAFETY: the caller of this function vouches for `room` bytes, of which these are the first.
    unsafe { write(to, bytes.len(), &bytes, "the text") }
}
