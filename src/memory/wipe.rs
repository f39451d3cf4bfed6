//! Bytes that are wiped when nobody holds them any more: shares, correlations and keys on their way between a device, the
//! wire and files.

use crate::memory::huge;
use bytes::{BufMut, Bytes};
use std::fmt;
use std::io;
use std::ops::Deref;
use zeroize::Zeroize;

/// Overwrites the stack below its caller, where calls that have returned may have left keys that they had by value: what
/// is built there next and moved to the heap takes them along in its gaps.
#[inline(never)]
pub fn stack() {
    /// More than the calls that receive a key take.
    const BELOW_BYTES: usize = 64 << 10;
    std::hint::black_box(&mut [0u8; BELOW_BYTES]);
}

/// Bytes that are wiped when dropped. `Debug` shows how many there are.
#[derive(Default, PartialEq, Eq)]
pub struct Wiped(Vec<u8>);

impl Wiped {
    /// So many zeros, to be written.
    pub fn zeroed(len: usize) -> Wiped {
        let mut bytes = vec![0; len];
        huge::advise(&mut bytes);
        Wiped(bytes)
    }

    /// No bytes, with room for so many.
    pub fn with_capacity(capacity: usize) -> Wiped {
        let mut bytes = Vec::with_capacity(capacity);
        huge::advise(bytes.spare_capacity_mut());
        Wiped(bytes)
    }

    /// Appends bytes.
    ///
    /// # Panics
    /// Where there is no room for them: growing would leave a copy behind.
    pub fn extend(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.0.capacity() - self.0.len(), "wiped bytes do not grow");
        self.0.extend_from_slice(bytes);
    }

    /// Room for so many more bytes, to be filled without having been zeroed first.
    ///
    /// # Panics
    /// Where there is no room for them: growing would leave a copy behind.
    pub fn room(&mut self, bytes: usize) -> impl BufMut {
        assert!(bytes <= self.0.capacity() - self.0.len(), "wiped bytes do not grow");
        (&mut self.0).limit(bytes)
    }

    /// Overwrites the bytes; there is room for as many again.
    pub fn clear(&mut self) {
        self.wipe();
        self.0.clear();
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn wipe(&mut self) {
        // As a slice: a vector is wiped byte by byte.
        self.0.as_mut_slice().zeroize();
    }
}

/// Appends bytes of which nobody knows how many there will be: where there is no room, all move, and the old memory is wiped.
impl io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Wiped::with_capacity(needed.max(2 * self.0.capacity()));
            larger.extend(self);
            *self = larger;
        }
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Wiped {
        Wiped(bytes)
    }
}

/// Bytes that are shared, and wiped with the last that holds a part of them.
impl From<Wiped> for Bytes {
    fn from(bytes: Wiped) -> Bytes {
        Bytes::from_owner(bytes)
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wiped({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;
    use crate::program::Program;
    use crate::protocol::Protocol;
    use crate::ring::{Elements, FixedPoint, Ring, Shape};
    use crate::session::{World, insecure_contribution, insecure_dealt_key};
    use crate::share::{Parties, PartyId, Role};
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
    use std::sync::{Arc, Mutex, PoisonError};
    use zeroize::Zeroizing;

    /// An allocator that looks for a secret in all memory that is freed.
    struct Watch {
        is_on: AtomicBool,
        /// Two words that stand one behind the other, [`mixed`].
        secret: [AtomicU64; 2],
        found: AtomicUsize,
    }

    #[global_allocator]
    static WATCH: Watch = Watch {
        is_on: AtomicBool::new(false),
        secret: [AtomicU64::new(0), AtomicU64::new(0)],
        found: AtomicUsize::new(0),
    };

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

        // What grows is copied and freed, as the provided method does: no copy is missed.
        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            if self.is_on.load(SeqCst) {
                // SAFETY: the memory is the caller's until it is freed below.
                unsafe { self.look(memory, layout.size()) };
            }
            // SAFETY: as the caller promises.
            unsafe { System.dealloc(memory, layout) }
        }
    }

    impl Watch {
        /// Looks through `size` bytes at `memory`, at every word of 8 bytes, and in small pieces, where what is packed
        /// may lie anywhere, at every byte.
        ///
        /// # Safety
        /// They belong to the caller.
        unsafe fn look(&self, memory: *mut u8, size: usize) {
            const SMALL_BYTES: usize = 4 << 10;
            let [first, second] = [self.secret[0].load(SeqCst), self.secret[1].load(SeqCst)];
            let aligned = memory.align_offset(8);
            let shifts = if size <= SMALL_BYTES { 8 } else { 1 };
            for shift in 0..shifts {
                let start = (aligned + shift) % 8;
                let mut before = 0;
                for at in 0..size.saturating_sub(start) / 8 {
                    // SAFETY: within the memory. Words that were never written have some value or other, which a volatile
                    // read is content with.
                    let word = unsafe { memory.add(start + 8 * at).cast::<[u8; 8]>().read_volatile() };
                    let word = mixed(u64::from_ne_bytes(word));
                    if at > 0 && before == first && word == second {
                        self.found.fetch_add(1, SeqCst);
                        return;
                    }
                    before = word;
                }
            }
        }
    }

    /// A word as the watch compares it: what looks for a secret must not itself leave it on the stack.
    fn mixed(word: u64) -> u64 {
        word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// How many pieces of memory are freed with these words in them while `work` runs.
    fn left_behind(secret: [u64; 2], work: impl FnOnce()) -> usize {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        WATCH.found.store(0, SeqCst);
        WATCH.secret[0].store(mixed(secret[0]), SeqCst);
        WATCH.secret[1].store(mixed(secret[1]), SeqCst);
        WATCH.is_on.store(true, SeqCst);
        work();
        WATCH.is_on.store(false, SeqCst);
        WATCH.found.load(SeqCst)
    }

    const SECRET: u64 = 0x5ec2_e75e_c2e7_0b0d;

    fn secret_bytes() -> Vec<u8> {
        SECRET.to_le_bytes().repeat(1000)
    }

    #[test]
    fn shared_parts_are_wiped_with_the_last() {
        assert_eq!(left_behind([SECRET; 2], || drop(secret_bytes())), 1, "others are not, and it shows");
        let cut = || {
            let whole = Bytes::from(Wiped::from(secret_bytes()));
            let parts = [whole.slice(..4000), whole.slice(4000..)];
            drop(whole);
            assert_eq!(parts[1][..8], SECRET.to_le_bytes());
        };
        assert_eq!(left_behind([SECRET; 2], cut), 0);
        assert_eq!(format!("{:?}", Wiped::from(secret_bytes())), "Wiped(8000 bytes)");
    }

    #[test]
    fn what_grows_as_it_is_written_is_wiped_where_it_was() {
        let written = || {
            let mut bytes = Wiped::with_capacity(100);
            (0..1000).for_each(|_| bytes.write_all(&SECRET.to_le_bytes()).expect("there is memory"));
            assert_eq!(*bytes, *Wiped::from(secret_bytes()));
        };
        assert_eq!(left_behind([SECRET; 2], written), 0);
    }

    /// The same in fixed point and 32 bits, where the input is held against its bound as the real numbers that it is.
    #[test]
    fn a_run_leaves_no_number_in_fixed_point_behind() {
        const VALUE: f64 = 1_207.515_625;
        const BOUND: Option<f64> = Some(2000.0);
        for (ring, fraction_bits) in [(Ring::Z32, 8), (Ring::Z64, 16)] {
            let codec = FixedPoint::new(ring, fraction_bits).expect("a codec");
            let mut program = Program::new(2, codec);
            let shape = Shape::new(40, 40);
            let x = program.input("x", PartyId(0), shape, BOUND).expect("an input");
            let y = program.input("y", PartyId(1), shape, BOUND).expect("an input");
            let z = program.add(x, y).expect("a sum");
            program.output("z", z, Parties::from_iter([PartyId(0)])).expect("an output");
            let run = || {
                let values = Zeroizing::new(vec![VALUE; shape.len()]);
                let inputs =
                    [Elements::encode(codec, &values).expect("an input"), Elements::zeros(ring, shape.len())];
                let mut wrong = Zeroizing::new(vec![VALUE; 100]);
                wrong[99] = f64::NAN;
                Elements::encode(codec, &wrong).expect_err("not a number");
                let world =
                    World::new(Protocol::Beaver, Arc::new(Cpu::open(Some(1), None).expect("a device")));
                let outcomes = world.run(&program, &inputs).expect("a run");
                assert_eq!(outcomes[0].outputs["z"], inputs[0]);
                // An iterator that does not say how many there are.
                let kept = inputs[0].to_u64();
                let kept = Zeroizing::new(kept);
                drop(Elements::from_integers(ring, kept.iter().copied().filter(|&element| element > 0)));
            };
            let element = codec.encode_one(VALUE, 0).expect("a number");
            let packed = if ring == Ring::Z32 { element | element << 32 } else { element };
            for secret in [packed, element, VALUE.to_bits()] {
                assert_eq!(left_behind([secret; 2], run), 0, "{secret:x} of {} bits", ring.bits());
            }
        }
    }

    /// x @ 1 for a matrix x of secrets: neither x nor the same result is left in the memory of a party, nor its keys.
    #[test]
    fn a_run_leaves_no_input_result_or_key_behind() {
        const SEED: u64 = 7;
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let shape = Shape::new(40, 40);
        let x = program.input("x", PartyId(0), shape, None).expect("an input");
        let one = program.input("one", PartyId(1), shape, None).expect("an input");
        let z = program.matmul(x, one).expect("a product");
        program.output("z", z, Parties::from_iter([PartyId(0)])).expect("an output");
        let run = || {
            let inputs = [
                Elements::from_integers(Ring::Z64, (0..1600).map(|_| SECRET)),
                Elements::from_integers(Ring::Z64, (0..1600).map(|at| u64::from(at % 41 == 0))),
            ];
            let world = World::new(Protocol::Beaver, Arc::new(Cpu::open(Some(1), None).expect("a device")));
            let outcomes = world.with_insecure_seed(SEED).run(&program, &inputs).expect("a run");
            assert_eq!(outcomes[0].outputs["z"], inputs[0]);
            outcomes[0].plans.agreement.digest
        };
        let digest = run();
        let run = || {
            run();
        };
        assert_eq!(left_behind([SECRET; 2], run), 0, "inputs and results");
        for party in 0..2 {
            let key = insecure_dealt_key(SEED, &digest, Role::party(party));
            let words = [0, 2].map(|at| u64::from(key.words()[at]) | u64::from(key.words()[at + 1]) << 32);
            assert_eq!(left_behind(words, run), 0, "the key of party {party}");
        }
    }

    /// What parties contribute to the keys that they share is in no memory that a run gives back.
    #[test]
    fn a_run_leaves_no_contribution_to_a_key_behind() {
        const SEED: u64 = 11;
        let mut program = Program::new(3, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
        let shape = Shape::new(3, 3);
        let x = program.input("x", PartyId(0), shape, None).expect("an input");
        let y = program.input("y", PartyId(1), shape, None).expect("an input");
        let z = program.matmul(x, y).expect("a product");
        program.output("z", z, Parties::from_iter([PartyId(0)])).expect("an output");
        let run = || {
            let inputs = [0, 1].map(|_| Elements::zeros(Ring::Z64, shape.len()));
            let device = Arc::new(Cpu::open(Some(1), None).expect("a device"));
            let world = World::new(Protocol::Replicated, device).with_insecure_seed(SEED);
            world.run(&program, &inputs).expect("a run");
        };
        for (from, to) in [(0, 2), (2, 0), (1, 2), (2, 1)] {
            let contribution = insecure_contribution(SEED, Role::party(from), Role::party(to));
            let words =
                [0, 8].map(|at| u64::from_ne_bytes(contribution[at..at + 8].try_into().expect("8 bytes")));
            assert_eq!(left_behind(words, run), 0, "what party {from} tells party {to}");
        }
    }
}
