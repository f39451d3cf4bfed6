//! The threads that a device computes on, and how work is split over them.
//!
//! With one thread everything runs on the caller's; otherwise on a pool of its own. Small work stays on the calling
//! thread, where it is done sooner than another thread wakes.

use super::SimdLevel;
use super::peak::fastest_products;
use crate::ring::Ring;
use rayon::prelude::*;

/// Bytes of output, times the cost of one, up to which work stays on the calling thread: a core is done with so many
/// in some 15 µs, while another wakes in 5 to 50.
const ALONE_BYTES: usize = 256 << 10;

/// Bytes of output below which work is not split further.
const GRAIN_BYTES: usize = 32 << 10;

/// Pieces per thread, so that a thread that started late or was interrupted leaves work to the others.
const PIECES_PER_THREAD: usize = 4;

/// A SIMD level that this processor has, and threads.
pub(super) struct Workers {
    level: SimdLevel,
    /// Whether products take the level that was measured to be their fastest, rather than `level`.
    measured: bool,
    threads: usize,
    pool: Option<rayon::ThreadPool>,
}

impl Workers {
    /// `threads` workers; one is the caller itself.
    ///
    /// # Errors
    /// Says why there are no such workers.
    pub(super) fn new(level: SimdLevel, threads: usize) -> Result<Workers, String> {
        if !level.is_available() {
            return Err(format!("this processor has no {}", level.name()));
        }
        let pool = match threads {
            0 => return Err("it needs at least one thread".into()),
            1 => None,
            _ => Some(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|index| format!("symbolon-cpu-{index}"))
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
        };
        Ok(Workers { level, measured: false, threads, pool })
    }

    /// The calling thread alone, at the same level.
    pub(super) fn caller(&self) -> Workers {
        Workers { level: self.level, measured: self.measured, threads: 1, pool: None }
    }

    /// Runs `work`, which splits several times, on one of the threads: so the others are woken once.
    pub(super) fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// The level to compute at.
    pub(super) fn level(&self) -> SimdLevel {
        self.level
    }

    /// The same, but for products each ring takes the level that is measured to be its fastest on this processor.
    pub(super) fn with_measured_products(self) -> Workers {
        Workers { measured: true, ..self }
    }

    /// The level to compute matrix products at.
    pub(super) fn product_level(&self, ring: Ring) -> SimdLevel {
        if self.measured { fastest_products(ring) } else { self.level }
    }

    /// Their number.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Pieces that large work is cut into.
    pub(super) fn pieces(&self) -> usize {
        self.threads * PIECES_PER_THREAD
    }

    /// Calls `work` with pieces of `out` and where each begins. Pieces begin at multiples of `unit` elements; `cost`
    /// is how many elements are read for one that is written, roughly.
    pub(super) fn split<T: Send>(
        &self,
        out: &mut [T],
        unit: usize,
        cost: usize,
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let elements = |bytes: usize| (bytes / size_of::<T>() / cost.max(1)).max(1);
        let (alone, grain) = (elements(ALONE_BYTES), elements(GRAIN_BYTES));
        match &self.pool {
            Some(pool) if out.len() > alone.max(2 * unit) => {
                let even = out.len().div_ceil(self.pieces());
                let piece = even.max(grain).next_multiple_of(unit);
                pool.install(|| {
                    let pieces = out.par_chunks_mut(piece).enumerate();
                    pieces.for_each(|(index, chunk)| work(index * piece, chunk));
                });
            }
            _ => work(0, out),
        }
    }

    /// Calls `work` with each task.
    pub(super) fn each<T: Send>(&self, tasks: Vec<T>, work: impl Fn(T) + Send + Sync) {
        match &self.pool {
            Some(pool) if tasks.len() > 1 => pool.install(|| tasks.into_par_iter().for_each(work)),
            _ => tasks.into_iter().for_each(work),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_once_and_begin_at_units() {
        for (threads, len) in [(1, 100_000), (3, 100_001), (3, 7), (2, 0)] {
            let workers = Workers::new(SimdLevel::best(), threads).unwrap();
            let mut out = vec![0usize; len];
            workers.split(&mut out, 7, 1, |start, piece| {
                assert_eq!(start % 7, 0);
                piece.iter_mut().enumerate().for_each(|(index, value)| *value += start + index);
            });
            assert!(out.into_iter().eq(0..len));
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        assert!(Workers::new(SimdLevel::best(), 0).is_err());
        let missing = if cfg!(target_arch = "aarch64") { SimdLevel::Avx2 } else { SimdLevel::Neon };
        assert!(Workers::new(missing, 1).err().unwrap().contains(missing.name()));
    }
}
