//! What the operating system is told about large blocks of secrets: huge pages, where it gives them only to those who ask,
//! and that they are not to be dumped.
//!
//! Kernels walk over many rows at once, each on a page of its own: with pages of 4 KiB they wait for the page tables,
//! in virtual machines above all (reading a matrix once was 1.3 to 1.7 times as fast with huge ones). What is allocated
//! anew for each matrix on its way to or from a device is written once only, and waits for every page of it.
//!
//! A process that crashes may leave its memory on a disk. Whether it does is for the process to say, which may be another
//! program that embeds this library; the pages of shares and values are kept out of it here.

/// The size of a huge page, nearly everywhere; of another size, the advice is merely less useful.
#[cfg(target_os = "linux")]
const HUGE_BYTES: usize = 2 << 20;

/// Blocks below this are not kept out of dumps: each takes a mapping of its own, of which a process has some ten thousand.
#[cfg(target_os = "linux")]
const UNDUMPED_BYTES: usize = 64 << 10;

/// Gives advice on memory that was just allocated, and that secrets will be in. What comes of it is the system's affair.
/// Whoever gets the pages later has them in no dump either.
pub fn advise<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        use std::ffi::{c_int, c_long, c_void};
        unsafe extern "C" {
            fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
            fn sysconf(name: c_int) -> c_long;
        }
        const MADV_HUGEPAGE: c_int = 14;
        const MADV_DONTDUMP: c_int = 16;
        const SC_PAGESIZE: c_int = 30;
        let (begin, size_bytes) = (memory.as_mut_ptr().cast::<u8>(), size_of_val(memory));
        let skipped = begin.align_offset(HUGE_BYTES);
        let whole_bytes = size_bytes.saturating_sub(skipped) / HUGE_BYTES * HUGE_BYTES;
        if whole_bytes > 0 {
            // SAFETY: the range is within the slice and of whole pages; the advice changes no content.
            unsafe { madvise(begin.wrapping_add(skipped).cast(), whole_bytes, MADV_HUGEPAGE) };
        }
        if size_bytes >= UNDUMPED_BYTES {
            // SAFETY: a question without an effect.
            let page_bytes = usize::try_from(unsafe { sysconf(SC_PAGESIZE) }).unwrap_or(4096);
            let before = begin.addr() % page_bytes;
            // SAFETY: the pages that the slice lies on; the advice changes no content, also not of what is beside it.
            unsafe { madvise(begin.wrapping_sub(before).cast(), before + size_bytes, MADV_DONTDUMP) };
        }
    }
    let _ = memory;
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::memory::wipe::Wiped;
    use crate::ring::{Elements, Ring};

    /// The flags of the mapping that an address lies in.
    fn flags(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("the process's mappings");
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let end = |text| usize::from_str_radix(text, 16).ok();
            if let Some((Some(begin), Some(end))) = range.map(|(begin, stop)| (end(begin), end(stop))) {
                inside = (begin..end).contains(&address);
            }
            if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
                return flags.to_owned();
            }
        }
        panic!("{address:x} is mapped");
    }

    #[test]
    fn blocks_of_secrets_are_in_no_dump() {
        let undumped = |bytes: &[u8]| {
            [&bytes[0], &bytes[bytes.len() - 1]].iter().all(|&byte| {
                flags(std::ptr::from_ref(byte).addr()).split_whitespace().any(|flag| flag == "dd")
            })
        };
        assert!(undumped(&Wiped::zeroed(UNDUMPED_BYTES)), "messages");
        assert!(undumped(Elements::zeros(Ring::Z64, UNDUMPED_BYTES / 8).bytes()), "elements");
        let encoded = Elements::from_integers(Ring::Z32, (0..UNDUMPED_BYTES as u64).map(|at| at % 7));
        assert!(undumped(encoded.bytes()), "inputs");
        let mut block = vec![0u64; UNDUMPED_BYTES];
        advise(&mut block);
        assert!(undumped(bytemuck::cast_slice(&block)), "buffers");
    }
}
