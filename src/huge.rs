//! Huge pages for large blocks, where the operating system gives them only to those who ask.
//!
//! Kernels walk over many rows at once, each on a page of its own: with pages of 4 KiB they wait for the page tables,
//! in virtual machines above all (reading a matrix once was 1.3 to 1.7 times as fast with huge ones). What is allocated
//! anew for each matrix on its way to or from a device is written once only, and waits for every page of it.

/// The size of a huge page, nearly everywhere; of another size, the advice is merely less useful.
#[cfg(target_os = "linux")]
const HUGE_BYTES: usize = 2 << 20;

/// Asks for huge pages under memory that was just allocated. What comes of it is the system's affair.
pub fn advise<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        use std::ffi::{c_int, c_void};
        unsafe extern "C" {
            fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
        }
        const MADV_HUGEPAGE: c_int = 14;
        let (begin, size_bytes) = (memory.as_mut_ptr().cast::<u8>(), size_of_val(memory));
        let skipped = begin.align_offset(HUGE_BYTES);
        let whole_bytes = size_bytes.saturating_sub(skipped) / HUGE_BYTES * HUGE_BYTES;
        if whole_bytes > 0 {
            // SAFETY: the range is within the slice and of whole pages; the advice changes no content.
            unsafe { madvise(begin.wrapping_add(skipped).cast(), whole_bytes, MADV_HUGEPAGE) };
        }
    }
    let _ = memory;
}
