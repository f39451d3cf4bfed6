//! The command's heap: it overwrites memory that is given back to it.
//!
//! Inputs and results pass through text, records, archives and arrays, most of them in libraries that wipe nothing. So
//! the heap wipes all memory, whoever held it. Memory that grows is copied, and the old copy overwritten.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(not(test))]
#[global_allocator]
static HEAP: Wiping<System> = Wiping(System);

/// Set once the operating system has refused memory.
static EXHAUSTED: AtomicBool = AtomicBool::new(false);

/// True once the operating system has refused memory. A signal's handler may call it.
pub fn is_exhausted() -> bool {
    EXHAUSTED.load(Ordering::Relaxed)
}

/// Has the heap keep what is freed, wiped, for what is allocated next, up to the system's largest block of a heap.
///
/// GNU's heap otherwise returns what is free at its end, takes it back a moment later, and waits for every page of it:
/// about a tenth of the time of `bench whole` with one sentence (1.45 s against 1.30 s on two cores).
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    {
        use std::ffi::c_int;
        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        const M_TRIM_THRESHOLD: c_int = -1;
        const M_MMAP_THRESHOLD: c_int = -3;
        const LARGEST_BLOCK_BYTES: c_int = 32 << 20;
        // SAFETY: settings of the heap, which change no memory; a system that refuses them keeps its own.
        unsafe {
            mallopt(M_TRIM_THRESHOLD, c_int::MAX);
            mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK_BYTES);
        }
    }
}

/// An allocator that overwrites freed memory before `A` gets it back.
struct Wiping<A>(A);

// SAFETY: every call is handed on as it is; what is written before `dealloc` is still the caller's.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        noted(unsafe { self.0.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        noted(unsafe { self.0.alloc_zeroed(layout) })
    }

    // The provided `realloc` copies to memory that `alloc` gives, and has `dealloc` take the old.

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory is the caller's until it is freed below.
        unsafe { memory.write_bytes(0, layout.size()) };
        // The compiler knows that nobody reads what is freed; here it must take it that somebody does.
        let memory = black_box(memory);
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(memory, layout) }
    }
}

fn noted(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        EXHAUSTED.store(true, Ordering::Relaxed);
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, ArrayD};
    use ndarray_npy::{WritableElement, WriteNpyExt};
    use safetensors::Dtype;
    use safetensors::tensor::{TensorView, serialize};
    use std::io::{Cursor, Write};
    use std::path::Path;
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Mutex, PoisonError, RwLock};
    use symbolon::program::{Dims, Kind};
    use symbolon::ring::{FixedPoint, Ring};
    use symbolon_job::data::{Matrix, OutputData, Source};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    /// The system's allocator, with a look at all that is given back to it.
    struct Watch;

    #[global_allocator]
    static HEAP: Wiping<Watch> = Wiping(Watch);

    static IS_ON: AtomicBool = AtomicBool::new(false);
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    /// What is looked for; not on the heap, which is looked through.
    static SECRETS: RwLock<[[u8; 16]; 4]> = RwLock::new([[0; 16]; 4]);

    // SAFETY: every call is handed on to the system's allocator as it is.
    unsafe impl GlobalAlloc for Watch {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            if IS_ON.load(Ordering::SeqCst) {
                // SAFETY: the memory is the caller's until it is freed below, and no reference to it is left.
                let bytes = unsafe { std::slice::from_raw_parts(memory, layout.size()) };
                let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
                if bytes.windows(16).any(|bytes| secrets.iter().any(|secret| secret == bytes)) {
                    FOUND.fetch_add(1, Ordering::SeqCst);
                }
            }
            // SAFETY: as the caller promises.
            unsafe { System.dealloc(memory, layout) }
        }
    }

    /// How many pieces of memory are given back to the system with one of the secrets in them while `work` runs.
    fn left_behind(secrets: [[u8; 16]; 4], work: impl FnOnce()) -> usize {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        *SECRETS.write().unwrap_or_else(PoisonError::into_inner) = secrets;
        FOUND.store(0, Ordering::SeqCst);
        IS_ON.store(true, Ordering::SeqCst);
        work();
        IS_ON.store(false, Ordering::SeqCst);
        FOUND.load(Ordering::SeqCst)
    }

    fn bytes_of<const N: usize, const M: usize>(words: [[u8; N]; M]) -> [u8; 16] {
        words.concat().try_into().expect("sixteen bytes")
    }

    /// A secret number that floats of 32 bits have exactly, so that each form of it is known.
    const SECRET: f32 = 1_207.515_6;
    const INTEGER: u32 = 0x2e7_0b0d;
    /// Sixteen characters.
    const TEXT: &str = "4512.76543210987";
    const COUNT: usize = 4000;

    /// What the numbers look like in files, once they are read, and as elements of a ring.
    fn forms() -> [[u8; 16]; 4] {
        let real = f64::from(SECRET);
        [
            bytes_of([SECRET.to_le_bytes(); 4]),
            bytes_of([real.to_le_bytes(); 2]),
            bytes_of([((real * 65536.0) as u64).to_le_bytes(); 2]),
            bytes_of([((f64::from(SECRET) * 256.0) as u32).to_le_bytes(); 4]),
        ]
    }

    fn integer_forms() -> [[u8; 16]; 4] {
        let wide = u64::from(INTEGER);
        [
            bytes_of([INTEGER.to_le_bytes(); 4]),
            bytes_of([wide.to_le_bytes(); 2]),
            bytes_of([i128::from(wide).to_le_bytes()]),
            bytes_of([f64::from(INTEGER).to_le_bytes(); 2]),
        ]
    }

    fn npy<T: WritableElement + Clone>(value: T) -> Vec<u8> {
        let mut bytes = Vec::new();
        Array2::from_elem((COUNT / 4, 4), value).write_npy(&mut bytes).expect("an array");
        bytes
    }

    fn npz(array: &[u8]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let deflated = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        archive.start_file("w.npy", deflated).expect("an entry");
        archive.write_all(array).expect("an entry");
        archive.finish().expect("an archive").into_inner()
    }

    fn safetensors(dtype: Dtype, bytes: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, vec![COUNT], bytes).expect("a tensor");
        serialize([("w", view)], None).expect("a file")
    }

    /// Reads the file and encodes what is in it, for both rings.
    fn take_in(path: &Path, fraction_bits: [u32; 2]) {
        let source = Source { file: path.to_owned(), tensor: None };
        let matrix = Matrix::read(&source).expect("a matrix");
        matrix.check(None, Some(1e9)).expect("within the bound");
        for (ring, fraction_bits) in [Ring::Z32, Ring::Z64].into_iter().zip(fraction_bits) {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            drop(matrix.encode(codec, matrix.kind).expect("elements"));
        }
    }

    #[test]
    fn no_kind_of_input_leaves_its_numbers_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let reals = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes, forms(), [8, 16]);
        let integers = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes, integer_forms(), [0, 0]);
        let csv_row = |cell: &str| [cell, ",", cell, "\n"].concat().repeat(COUNT / 2).into_bytes();
        let mut text_forms = [[0xff; 16]; 4];
        text_forms[0] = TEXT.as_bytes().try_into().expect("sixteen characters");
        text_forms[1] = bytes_of([TEXT.parse::<f64>().expect("a number").to_le_bytes(); 2]);
        let cases = [
            reals("f32.npy", npy(SECRET)),
            reals("f64.npy", npy(f64::from(SECRET))),
            reals("f32.npz", npz(&npy(SECRET))),
            reals("f64.npz", npz(&npy(f64::from(SECRET)))),
            reals("f32.safetensors", safetensors(Dtype::F32, &SECRET.to_le_bytes().repeat(COUNT))),
            reals("f64.safetensors", safetensors(Dtype::F64, &f64::from(SECRET).to_le_bytes().repeat(COUNT))),
            integers("i32.npy", npy(INTEGER as i32)),
            integers("u32.npy", npy(INTEGER)),
            integers("i64.npy", npy(i64::from(INTEGER))),
            integers("u64.npy", npy(u64::from(INTEGER))),
            integers("u32.safetensors", safetensors(Dtype::U32, &INTEGER.to_le_bytes().repeat(COUNT))),
            integers("u32.npz", npz(&npy(INTEGER))),
            integers("integers.csv", csv_row(&INTEGER.to_string())),
            ("reals.csv".to_owned(), csv_row(TEXT), text_forms, [8, 16]),
        ];
        for (name, bytes, secrets, fraction_bits) in cases {
            let path = folder.path().join(&name);
            std::fs::write(&path, bytes).expect("a file");
            assert_eq!(left_behind(secrets, || take_in(&path, fraction_bits)), 0, "{name}");
        }
    }

    #[test]
    fn no_kind_of_output_leaves_its_numbers_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let dims = Dims::new(&[COUNT]).expect("a shape");
        for (ring, fraction_bits) in [(Ring::Z32, 8), (Ring::Z64, 16)] {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            for name in ["z.npy", "z.csv"] {
                let write = || {
                    let values = vec![f64::from(SECRET); COUNT];
                    let elements = symbolon::ring::Elements::encode(codec, &values).expect("elements");
                    let path = folder.path().join(name);
                    let output = OutputData { dims, kind: Kind::Real, codec, elements };
                    output.write(&path, 0o600).expect("a file");
                };
                assert_eq!(left_behind(forms(), write), 0, "{name} of {} bits", ring.bits());
            }
        }
    }

    #[test]
    fn others_would_leave_them_and_it_would_show() {
        let layout = Layout::from_size_align(64, 8).expect("a layout");
        let freed_as_it_is = || {
            // SAFETY: the memory is of this layout, written within it, and freed once.
            unsafe {
                let memory = HEAP.0.alloc_zeroed(layout);
                memory.copy_from_nonoverlapping(forms()[1].as_ptr(), 16);
                HEAP.0.dealloc(memory, layout);
            }
        };
        assert_eq!(left_behind(forms(), freed_as_it_is), 1);
        let grown = || {
            let mut array = ArrayD::from_elem(vec![COUNT], f64::from(SECRET)).into_raw_vec_and_offset().0;
            (0..COUNT).for_each(|_| array.push(0.0));
            array.shrink_to_fit();
        };
        assert_eq!(left_behind(forms(), grown), 0, "what grows is copied, and the old copy wiped");
    }
}
