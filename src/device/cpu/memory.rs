//! Host memory for buffers: aligned, reused, and wiped when it is freed.
//!
//! Memory goes from a [`Block`] in a buffer's [`Storage`] to the device's [`Pool`] and back. Blocks are always
//! initialised, so a new buffer's content is undefined to its user but never to the compiler. What the pool keeps
//! is idle, not live. **Invariant**: what lives and what idles together never exceed the most that lived at once, so
//! that pooling does not raise the peak that a plan promised. A block is wiped when it leaves the pool for good, and
//! where the device is told to wipe, because it held shares; what a kernel leaves of them in registers, on stacks or in swapped pages is not.

use crate::memory::huge;
use crate::ring::Element;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use zeroize::Zeroize;

/// Idle memory that a pool keeps at most: as much as some large matrices, little next to what a run holds.
const IDLE_BYTES: u64 = 1 << 30;

/// Idle blocks that a pool keeps at most, so that looking through them stays cheap.
const IDLE_BLOCKS: usize = 256;

/// A cache line, which is also the widest vector: the unit of allocation and its alignment.
const LINE_BYTES: u64 = 64;

/// Words of it.
const LINE_WORDS: usize = LINE_BYTES as usize / size_of::<u64>();

/// Aligned memory, wiped when dropped.
#[derive(Default)]
pub(super) struct Block {
    /// The lines, and up to a line around them: the allocator hands out zeroed pages without touching them only where
    /// it is asked for no more than its own alignment.
    words: Vec<u64>,
    /// Where the lines begin and end.
    lines: Range<usize>,
    /// Whether it is idle and holds zeros only.
    is_wiped: bool,
}

impl Block {
    /// Zeroed memory of at least `size_bytes`, or `None` where there is none.
    pub(super) fn new(size_bytes: u64) -> Option<Block> {
        let lines = usize::try_from(size_bytes.div_ceil(LINE_BYTES)).ok()?;
        let len = lines.checked_mul(LINE_WORDS)?;
        let mut words = bytemuck::allocation::try_zeroed_vec::<u64>(len.checked_add(LINE_WORDS - 1)?).ok()?;
        huge::advise(&mut words);
        let start = words.as_ptr().align_offset(LINE_BYTES as usize);
        Some(Block { words, lines: start..start + len, is_wiped: false })
    }

    /// Makes room for `len` elements, keeping the content undefined, and returns them.
    pub(super) fn elements_of<E: Element>(&mut self, len: usize) -> &mut [E] {
        let size_bytes = (len * size_of::<E>()) as u64;
        if self.size_bytes() < size_bytes {
            *self = Block::new(size_bytes).expect("memory for a kernel's working set");
        }
        &mut self.elements_mut()[..len]
    }

    /// Bytes it holds.
    pub(super) fn size_bytes(&self) -> u64 {
        size_of_val(self.words()) as u64
    }

    /// All of it, as elements.
    pub(super) fn elements<E: Element>(&self) -> &[E] {
        bytemuck::cast_slice(self.words())
    }

    /// All of it, as elements to be written.
    pub(super) fn elements_mut<E: Element>(&mut self) -> &mut [E] {
        bytemuck::cast_slice_mut(&mut self.words[self.lines.clone()])
    }

    /// All of it, as bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.words())
    }

    /// All of it, as bytes to be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.words[self.lines.clone()])
    }

    fn words(&self) -> &[u64] {
        &self.words[self.lines.clone()]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if !self.is_wiped {
            self.words.as_mut_slice().zeroize();
        }
    }
}

/// Blocks that were freed and wait to be used again, and the account of those in use.
#[derive(Default)]
pub(super) struct Pool(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    /// Oldest first.
    idle: VecDeque<Block>,
    idle_bytes: u64,
    live_bytes: u64,
    most_live_bytes: u64,
}

impl Pool {
    /// A block of at least `size_bytes`: an idle one that fits well, otherwise a new one. `None` where the host has
    /// no such memory even after the pool has given back its own.
    pub(super) fn take(&self, size_bytes: u64) -> Option<Block> {
        let granted_bytes = size_bytes.checked_next_multiple_of(LINE_BYTES)?;
        let mut shelf = self.shelf();
        let reused = shelf.reuse(granted_bytes);
        let freed = if reused.is_none() { shelf.make_room(granted_bytes) } else { Vec::new() };
        // Wiping and zeroing take a while: others may take blocks meanwhile.
        drop(shelf);
        drop(freed);
        let block = reused.or_else(|| Block::new(size_bytes)).or_else(|| {
            self.trim();
            Block::new(size_bytes)
        })?;
        self.shelf().lend(block.size_bytes());
        Some(block)
    }

    /// Lets `wipe` overwrite every idle block that was in use since it did.
    pub(super) fn wipe(&self, wipe: impl Fn(&mut [u8])) {
        let mut shelf = self.shelf();
        for block in shelf.idle.iter_mut().filter(|block| !block.is_wiped) {
            wipe(block.bytes_mut());
            block.is_wiped = true;
        }
    }

    /// Frees everything idle.
    fn trim(&self) {
        let mut shelf = self.shelf();
        let freed = shelf.shrink(0);
        drop(shelf);
        drop(freed);
    }

    fn put(&self, block: Block) {
        let mut shelf = self.shelf();
        shelf.live_bytes -= block.size_bytes();
        shelf.idle_bytes += block.size_bytes();
        shelf.idle.push_back(block);
        let mut freed = shelf.shrink(IDLE_BYTES);
        if shelf.idle.len() > IDLE_BLOCKS {
            freed.extend(shelf.pop());
        }
        drop(shelf);
        drop(freed);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// The smallest idle block of at least `granted_bytes` that wastes no more than an eighth, and does not raise the
    /// peak by what it wastes.
    fn reuse(&mut self, granted_bytes: u64) -> Option<Block> {
        let peak = self.most_live_bytes.max(self.live_bytes.saturating_add(granted_bytes));
        let most_bytes = granted_bytes.saturating_add(granted_bytes / 8).min(peak - self.live_bytes);
        let fits = |block: &Block| (granted_bytes..=most_bytes).contains(&block.size_bytes());
        let (index, _) = self
            .idle
            .iter()
            .enumerate()
            .filter(|(_, block)| fits(block))
            .min_by_key(|(_, block)| block.size_bytes())?;
        let mut block = self.idle.remove(index)?;
        self.idle_bytes -= block.size_bytes();
        block.is_wiped = false;
        Some(block)
    }

    /// Takes idle blocks out, oldest first, such that a new one of `granted_bytes` keeps the invariant.
    fn make_room(&mut self, granted_bytes: u64) -> Vec<Block> {
        let live_bytes = self.live_bytes.saturating_add(granted_bytes);
        self.shrink(self.most_live_bytes.saturating_sub(live_bytes))
    }

    /// Takes idle blocks out, oldest first, until at most `idle_bytes` are left.
    fn shrink(&mut self, idle_bytes: u64) -> Vec<Block> {
        let mut freed = Vec::new();
        while self.idle_bytes > idle_bytes {
            freed.extend(self.pop());
        }
        freed
    }

    fn pop(&mut self) -> Option<Block> {
        let block = self.idle.pop_front()?;
        self.idle_bytes -= block.size_bytes();
        Some(block)
    }

    fn lend(&mut self, size_bytes: u64) {
        self.live_bytes += size_bytes;
        self.most_live_bytes = self.most_live_bytes.max(self.live_bytes);
    }
}

/// What a buffer of this device holds. Any number of readers or one writer at a time; the device makes sure that
/// nobody waits.
pub(super) struct Storage {
    block: RwLock<Block>,
    pool: Arc<Pool>,
}

impl Storage {
    /// Storage over a block that goes to `pool` in the end.
    pub(super) fn new(block: Block, pool: Arc<Pool>) -> Storage {
        Storage { block: RwLock::new(block), pool }
    }

    /// Shared access.
    ///
    /// # Panics
    /// Where it is being written.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Block> {
        match self.block.try_read() {
            Ok(guard) => guard,
            Err(std::sync::TryLockError::Poisoned(error)) => error.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => panic!("a buffer is read while it is written"),
        }
    }

    /// Exclusive access.
    ///
    /// # Panics
    /// Where it is in use.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Block> {
        match self.block.try_write() {
            Ok(guard) => guard,
            Err(std::sync::TryLockError::Poisoned(error)) => error.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => panic!("a buffer is written while it is in use"),
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let block = self.block.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.pool.put(std::mem::take(block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_large_enough() {
        for size_bytes in [0, 1, 64, 65, 4097] {
            let block = Block::new(size_bytes).unwrap();
            assert!(block.size_bytes() >= size_bytes && block.size_bytes() < size_bytes + 64);
            assert_eq!(block.bytes().as_ptr().addr() % 64, 0);
        }
    }

    /// A buffer of so many bytes.
    fn storage(pool: &Arc<Pool>, size_bytes: u64) -> Storage {
        Storage::new(pool.take(size_bytes).expect("memory"), pool.clone())
    }

    fn idle(pool: &Pool) -> (usize, u64) {
        let shelf = pool.shelf();
        assert_eq!(shelf.idle_bytes, shelf.idle.iter().map(Block::size_bytes).sum::<u64>());
        assert!(shelf.live_bytes + shelf.idle_bytes <= shelf.most_live_bytes);
        (shelf.idle.len(), shelf.idle_bytes)
    }

    #[test]
    fn freed_memory_is_used_again() {
        let pool = Arc::new(Pool::default());
        let first = storage(&pool, 1000);
        first.write().bytes_mut()[0] = 7;
        drop(first);
        assert_eq!(storage(&pool, 990).read().bytes()[0], 7, "the same block");
        assert_eq!(idle(&pool).0, 1);
    }

    #[test]
    fn a_much_larger_block_is_left_alone() {
        let pool = Arc::new(Pool::default());
        drop(storage(&pool, 10_000));
        // It idles no longer, or the two together would exceed the peak.
        assert!(storage(&pool, 100).read().size_bytes() < 200);
        assert_eq!(idle(&pool), (1, 128));
    }

    #[test]
    fn idle_memory_never_raises_the_peak() {
        let pool = Arc::new(Pool::default());
        let (a, b) = (storage(&pool, 6400), storage(&pool, 3200));
        drop(a);
        assert_eq!(idle(&pool), (1, 6400));
        let c = storage(&pool, 640);
        assert_eq!(idle(&pool), (0, 0), "640 bytes more would have been too many");
        drop((b, c));
        assert_eq!(idle(&pool), (2, 3840));
        let fitting = storage(&pool, 3100);
        assert_eq!((fitting.read().size_bytes(), idle(&pool)), (3200, (1, 640)));
    }

    #[test]
    fn the_pool_is_bounded() {
        let pool = Arc::new(Pool::default());
        let all: Vec<Storage> = (0..IDLE_BLOCKS + 10).map(|_| storage(&pool, 64)).collect();
        drop(all);
        assert_eq!(idle(&pool).0, IDLE_BLOCKS);
        pool.trim();
        assert_eq!(idle(&pool), (0, 0));
    }

    #[test]
    fn memory_that_cannot_be_had_is_no_panic() {
        for size_bytes in [u64::MAX, u64::MAX - 100, 1 << 62] {
            assert!(Pool::default().take(size_bytes).is_none());
        }
    }
}
