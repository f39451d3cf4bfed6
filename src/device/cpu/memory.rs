//! Host memory for buffers: aligned, reused, and wiped when it is freed.
//!
//! Memory goes from a [`Block`] in a buffer's [`Storage`] to the device's [`Pool`] and back. Blocks are always
//! initialised, so a new buffer's content is undefined to its user but never to the compiler. What the pool keeps
//! is idle, not live; the pool is bounded, and a block that leaves it is wiped first, because it held shares.

use super::huge;
use crate::ring::Element;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use zeroize::Zeroize;

/// Idle memory that a pool keeps at most: as much as some large matrices, little next to what a run holds.
const IDLE_BYTES: u64 = 1 << 30;

/// Idle blocks that a pool keeps at most, so that looking through them stays cheap.
const IDLE_BLOCKS: usize = 256;

/// A cache line, which is also the widest vector: the unit of allocation and its alignment.
#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// Aligned memory, wiped when dropped.
#[derive(Default)]
pub(super) struct Block {
    lines: Vec<Line>,
}

impl Block {
    /// Zeroed memory of at least `size_bytes`, or `None` where there is none.
    pub(super) fn new(size_bytes: u64) -> Option<Block> {
        let count = Block::lines_for(size_bytes)?;
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).ok()?;
        huge::advise(lines.spare_capacity_mut());
        lines.resize(count, Line([0; 8]));
        Some(Block { lines })
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
        size_of_val(self.lines.as_slice()) as u64
    }

    /// All of it, as elements.
    pub(super) fn elements<E: Element>(&self) -> &[E] {
        bytemuck::cast_slice(&self.lines)
    }

    /// All of it, as elements to be written.
    pub(super) fn elements_mut<E: Element>(&mut self) -> &mut [E] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }

    /// All of it, as bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.lines)
    }

    /// All of it, as bytes to be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }

    fn lines_for(size_bytes: u64) -> Option<usize> {
        usize::try_from(size_bytes.div_ceil(size_of::<Line>() as u64)).ok()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.elements_mut::<u64>().zeroize();
    }
}

/// Blocks that were freed and wait to be used again, oldest first.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<Block>>,
}

impl Pool {
    /// A block of at least `size_bytes`: an idle one that fits well, otherwise a new one. `None` where the host has
    /// no such memory even after the pool has given back its own.
    pub(super) fn take(&self, size_bytes: u64) -> Option<Block> {
        self.reuse(size_bytes).or_else(|| Block::new(size_bytes)).or_else(|| {
            self.shrink(0);
            Block::new(size_bytes)
        })
    }

    /// Frees idle memory until at most `idle_bytes` are left, oldest first.
    pub(super) fn shrink(&self, idle_bytes: u64) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left: u64 = idle.iter().map(Block::size_bytes).sum();
        let mut count = 0;
        while left > idle_bytes {
            left -= idle[count].size_bytes();
            count += 1;
        }
        let freed: Vec<Block> = idle.drain(..count).collect();
        // Wiping takes a while: others may take blocks meanwhile.
        drop(idle);
        drop(freed);
    }

    /// The smallest idle block of at least `size_bytes` that wastes no more than an eighth.
    fn reuse(&self, size_bytes: u64) -> Option<Block> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let line_bytes = size_of::<Line>() as u64;
        let most_bytes = size_bytes.saturating_add(size_bytes / 8).saturating_add(line_bytes);
        let fits = |block: &Block| (size_bytes..most_bytes).contains(&block.size_bytes());
        let (index, _) = idle
            .iter()
            .enumerate()
            .filter(|(_, block)| fits(block))
            .min_by_key(|(_, block)| block.size_bytes())?;
        idle.remove(index)
    }

    fn put(&self, block: Block) {
        if block.size_bytes() == 0 {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push_back(block);
        let oldest = if idle.len() > IDLE_BLOCKS { idle.pop_front() } else { None };
        drop(idle);
        drop(oldest);
        self.shrink(IDLE_BYTES);
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

    #[test]
    fn freed_memory_is_used_again() {
        let pool = Arc::new(Pool::default());
        let mut block = pool.take(1000).unwrap();
        block.bytes_mut()[0] = 7;
        drop(Storage::new(block, pool.clone()));
        assert_eq!(pool.take(990).unwrap().bytes()[0], 7, "the same block");
        assert_eq!(pool.idle.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_much_larger_block_is_left_alone() {
        let pool = Arc::new(Pool::default());
        drop(Storage::new(pool.take(10_000).unwrap(), pool.clone()));
        assert!(pool.take(100).unwrap().size_bytes() < 200);
        assert_eq!(pool.idle.lock().unwrap().len(), 1);
    }

    #[test]
    fn the_pool_is_bounded() {
        let pool = Arc::new(Pool::default());
        (0..IDLE_BLOCKS + 10).for_each(|_| pool.put(Block::new(64).unwrap()));
        assert_eq!(pool.idle.lock().unwrap().len(), IDLE_BLOCKS);
        pool.shrink(640);
        assert_eq!(pool.idle.lock().unwrap().len(), 10);
    }

    #[test]
    fn memory_that_cannot_be_had_is_no_panic() {
        assert!(Pool::default().take(u64::MAX).is_none());
    }
}
