//! The autotuner: what of a matrix product is fastest differs between adapters, is measured once when one is opened, and is
//! remembered.
//!
//! Measured are, for each way in which elements are computed on: the tiles of `gemm.wgsl` for large products, for small
//! ones and for those of long inner sizes, and from what length on the inner size is cut; how many threads share a
//! result of `gemv.wgsl`; and how much longer products on matrix units take than `residue/blocking.rs` estimates, from
//! which the choice between both engines follows. Every candidate computes the same bits.

use super::device::Gpu;
use super::remembered::{Key, Remembered};
use super::residue::blocking;
use super::tile::{GemmTile, THREADS};
use crate::device::{Buffer, Device, DeviceError};
use crate::ring::prg::PrgKey;
use crate::ring::{Ring, Shape};
use crate::step::{Kernel, Matrix, MemoryClass};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, Instant};

/// Rows or columns of a result that is computed as vectors times a matrix, at most.
pub const MOST_FEW: usize = 8;

/// Whether the fastest of some candidates is found by measuring them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Autotune {
    /// On adapters other than software ones, at their first opening; what was found is kept in the user's cache folder.
    #[default]
    Auto,
    /// Never: the candidate that suits most.
    Off,
    /// At this opening, on every adapter, without reading or writing files.
    Now,
    /// Never: this candidate, for tests of all.
    Fixed(Tuning),
}

/// The measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Products on scalar units, for 32 and 64 bits.
    pub scalar: [ScalarTuning; 2],
    /// The cost of products on matrix units in multiples of the estimate, for 32 and 64 bits.
    pub matrix_unit_cost: [f64; 2],
}

/// How products on scalar units are computed, by the class of their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScalarTuning {
    /// Of enough tiles for all of a GPU.
    pub large: GemmTiling,
    /// Of fewer, with an inner size several times the result's sides.
    pub long: GemmTiling,
    /// All others.
    pub small: GemmTiling,
    /// Threads that share the results of vectors, where the matrix is on the left and where it is on the right.
    pub lanes: [u32; 2],
}

/// Tiles, and the inner elements that a slice of the inner size has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GemmTiling {
    /// The tile.
    pub tile: GemmTile,
    /// See above.
    pub least_slice: u32,
}

/// The candidates for tiles, for 32 and 64 bits, those that suit most first.
const TILES: [[GemmTile; 4]; 2] = [
    [
        GemmTile::of_blocks([2, 1], 8),
        GemmTile::of_blocks([1, 1], 16),
        GemmTile::of_blocks([2, 2], 8),
        GemmTile::of_blocks([1, 1], 8),
    ],
    [
        GemmTile::of_blocks([2, 1], 4),
        GemmTile::of_blocks([1, 1], 8),
        GemmTile::of_blocks([2, 2], 4),
        GemmTile::of_blocks([1, 1], 4),
    ],
];

/// Which of them may suit results of few tiles: the smallest.
const SMALL_TILES: [usize; 2] = [1, 3];

/// The candidates for the inner elements of a slice at least, those that suit most first.
const LEAST_SLICES: [u32; 3] = [256, 64, 1024];

/// The candidates for threads that share results.
const LANES: [[u32; 2]; 3] = [[32, 4], [64, 16], [8, 1]];

/// What is measured later than this after the beginning is left as it suits most. One product more may run.
const LONGEST: Duration = Duration::from_millis(1500);

/// A run that takes so long is measured well enough by itself.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// A product of 512 that takes longer is not tried at the sizes of a large GPU.
const QUICK: Duration = Duration::from_millis(2);

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { scalar: [0, 1].map(ScalarTuning::new), matrix_unit_cost: [1.0; 2] }
    }
}

impl ScalarTuning {
    fn new(at: usize) -> ScalarTuning {
        let few = GemmTiling { tile: TILES[at][SMALL_TILES[0]], least_slice: LEAST_SLICES[0] };
        ScalarTuning {
            large: GemmTiling { tile: TILES[at][0], ..few },
            long: few,
            small: few,
            lanes: LANES[0],
        }
    }

    /// How an (m, k) × (k, n) product is cut, where so many workgroups keep a large GPU busy.
    pub(super) fn tiling(&self, (m, k, n): (usize, usize, usize), busy_groups: usize) -> GemmTiling {
        if self.large.tile.count(m, n) >= busy_groups / 2 {
            self.large
        } else if k >= 4 * m.max(n) {
            self.long
        } else {
            self.small
        }
    }

    fn is_sound(&self, element_bytes: usize) -> bool {
        let is_sound = |tiling: GemmTiling| {
            tiling.tile.is_sound(element_bytes) && LEAST_SLICES.contains(&tiling.least_slice)
        };
        [self.large, self.long, self.small].into_iter().all(is_sound)
            && self.lanes.iter().all(|lanes| lanes.is_power_of_two() && *lanes <= THREADS as u32)
    }
}

impl Tuning {
    /// Every candidate once, for all shapes alike.
    pub fn candidates() -> Vec<Tuning> {
        let scalar = |at: usize, number: usize| {
            let (least_slice, lanes) =
                (LEAST_SLICES[number % LEAST_SLICES.len()], LANES[number % LANES.len()]);
            let tiling = GemmTiling { tile: TILES[at][number], least_slice };
            ScalarTuning { large: tiling, long: tiling, small: tiling, lanes }
        };
        let candidate = |number| Tuning { scalar: [0, 1].map(|at| scalar(at, number)), ..Tuning::default() };
        (0..TILES[0].len()).map(candidate).collect()
    }

    /// Whether it could have been measured: it may come from a file.
    pub(super) fn is_sound(&self) -> bool {
        self.scalar.iter().zip([4, 8]).all(|(scalar, element_bytes)| scalar.is_sound(element_bytes))
            && self.matrix_unit_cost.iter().all(|cost| cost.is_finite() && *cost > 0.0)
    }
}

impl fmt::Display for ScalarTuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (class, GemmTiling { tile, least_slice }) in
            [("large", self.large), ("long", self.long), ("small", self.small)]
        {
            let (rows, cols, inner) = (tile.rows(), tile.cols(), tile.inner);
            write!(f, "{class} {rows}x{cols}x{inner}")?;
            if class != "large" {
                write!(f, " from {least_slice} on")?;
            }
            f.write_str(", ")?;
        }
        write!(f, "vectors {} and {} threads", self.lanes[0], self.lanes[1])
    }
}

impl Gpu {
    /// How products are computed: as was measured, or as suits most.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Takes up what is known of the adapter, or measures it.
    ///
    /// # Errors
    /// Where the device fails.
    pub(super) fn autotune(&mut self, autotune: Autotune, is_software: bool) -> Result<(), DeviceError> {
        self.tuning = match autotune {
            Autotune::Off => return Ok(()),
            Autotune::Auto if is_software => return Ok(()),
            Autotune::Fixed(tuning) => tuning,
            Autotune::Now => self.measure()?,
            Autotune::Auto => {
                let description = &self.description;
                let key = Key::new(&description.name, &description.driver, &description.arithmetic);
                let remembered = Remembered::in_cache_folder();
                match remembered.as_ref().and_then(|file| file.read(&key)).filter(Tuning::is_sound) {
                    Some(tuning) => tuning,
                    None => {
                        let tuning = self.measure()?;
                        remembered.inspect(|file| file.write(&key, tuning));
                        tuning
                    }
                }
            }
        };
        Ok(())
    }

    /// Measures every candidate within a bounded time: large products first, because most time goes there.
    fn measure(&mut self) -> Result<Tuning, DeviceError> {
        let begin = Instant::now();
        let residues = self.residues.take();
        self.tuning = Tuning::default();
        for (at, ring) in Ring::ALL.into_iter().enumerate() {
            let Some(size) = self.large_size(ring)? else { continue };
            let tiles = TILES[at];
            let scalar = self.choose(begin, ring, size, &tiles, |tuning, tile| {
                tuning.scalar[at].large.tile = tile;
            })?;
            if let Some(residues) = &residues
                && let Some(scalar) = scalar
            {
                self.measure_matrix_units(begin, at, size, scalar, residues)?;
            }
        }
        for (at, ring) in Ring::ALL.into_iter().enumerate() {
            self.measure_few_tiles(begin, at, ring)?;
        }
        self.residues = residues;
        self.trim();
        self.ledger.restart_peak();
        Ok(self.tuning)
    }

    /// Sides of a large product: smaller on a slow device, and where memory does not hold it.
    fn large_size(&self, ring: Ring) -> Result<Option<(usize, usize, usize)>, DeviceError> {
        let small = (512, 512, 512);
        let Some(product) = Product::new(self, ring, small)? else { return Ok(None) };
        if product.time(self)? > QUICK {
            return Ok(Some(small));
        }
        drop(product);
        let large = (2048, 2048, 2048);
        Ok(Some(if Product::new(self, ring, large)?.is_some() { large } else { small }))
    }

    /// Products of vectors, of long inner sizes, and small ones.
    fn measure_few_tiles(&mut self, begin: Instant, at: usize, ring: Ring) -> Result<(), DeviceError> {
        for side in [0, 1] {
            let size = [(4096, 4096, 1), (1, 4096, 4096)][side];
            self.choose(begin, ring, size, &LANES, |tuning, lanes| {
                tuning.scalar[at].lanes[side] = lanes[side];
            })?;
        }
        let tilings: Vec<GemmTiling> = LEAST_SLICES
            .into_iter()
            .flat_map(|least_slice| SMALL_TILES.map(|tile| GemmTiling { tile: TILES[at][tile], least_slice }))
            .collect();
        self.choose(begin, ring, (128, 16_384, 128), &tilings, |tuning, tiling| {
            tuning.scalar[at].long = tiling;
        })?;
        self.choose(begin, ring, (256, 256, 256), &tilings, |tuning, tiling| {
            tuning.scalar[at].small = tiling;
        })?;
        Ok(())
    }

    /// Keeps the fastest of some candidates, and returns its time, if there was time for one.
    fn choose<C: Copy>(
        &mut self,
        begin: Instant,
        ring: Ring,
        size: (usize, usize, usize),
        candidates: &[C],
        set: impl Fn(&mut Tuning, C),
    ) -> Result<Option<Duration>, DeviceError> {
        if begin.elapsed() > LONGEST {
            return Ok(None);
        }
        let Some(product) = Product::new(self, ring, size)? else { return Ok(None) };
        let mut best = (None, self.tuning);
        for candidate in candidates {
            if begin.elapsed() > LONGEST {
                break;
            }
            set(&mut self.tuning, *candidate);
            let time = product.time(self)?;
            if best.0.is_none_or(|least| time < least) {
                best = (Some(time), self.tuning);
            }
        }
        self.tuning = best.1;
        Ok(best.0)
    }

    /// What the same product takes on matrix units.
    fn measure_matrix_units(
        &mut self,
        begin: Instant,
        at: usize,
        size: (usize, usize, usize),
        scalar: Duration,
        residues: &super::residue::Residues<wgpu::Buffer>,
    ) -> Result<(), DeviceError> {
        let ring = Ring::ALL[at];
        let estimate =
            blocking::cheapest(ring, size, residues.tile, residues.room, self.limits.binding_bytes);
        let Some((_, cost)) = estimate else { return Ok(()) };
        let Some(product) = Product::new(self, ring, size)? else { return Ok(()) };
        if begin.elapsed() > LONGEST {
            return Ok(());
        }
        self.residues = Some(residues.clone());
        let time = product.time(self);
        self.residues = None;
        let measured = time?.as_secs_f64() / scalar.as_secs_f64();
        self.tuning.matrix_unit_cost[at] = measured * blocking::scalar_cost(ring, size) / cost;
        Ok(())
    }
}

/// A product to be timed.
struct Product {
    ring: Ring,
    matrices: [(Buffer, Shape); 3],
}

impl Product {
    /// None where memory does not hold it.
    fn new(gpu: &Gpu, ring: Ring, (m, k, n): (usize, usize, usize)) -> Result<Option<Product>, DeviceError> {
        // The key guards nothing: the elements only have to look like shares.
        let key = PrgKey::from_bytes([7; 32]);
        let matrix = |shape: Shape| {
            let size_bytes = shape.size_bytes(ring);
            let buffer = gpu.allocate(size_bytes, MemoryClass::Scratch)?;
            let out = Matrix::new(&buffer, shape);
            gpu.run(ring, &Kernel::Fill { out, key: &key, stream: 0, block: 0 })?;
            Ok::<_, DeviceError>((buffer, shape))
        };
        let all = || Ok([matrix(Shape::new(m, n))?, matrix(Shape::new(m, k))?, matrix(Shape::new(k, n))?]);
        match all() {
            Ok(matrices) => Ok(Some(Product { ring, matrices })),
            Err(DeviceError::OverBudget { .. } | DeviceError::OutOfMemory { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How long it takes: the best of a few, after one that compiles.
    fn time(&self, gpu: &Gpu) -> Result<Duration, DeviceError> {
        let [out, left, right] = self.matrices.each_ref().map(|(buffer, shape)| Matrix::new(buffer, *shape));
        let kernel = Kernel::Gemm { out, terms: vec![(left, right)], accumulate: false };
        let run = || {
            gpu.synchronise()?;
            let begin = Instant::now();
            gpu.run(self.ring, &kernel)?;
            gpu.synchronise()?;
            Ok::<_, DeviceError>(begin.elapsed())
        };
        run()?;
        let second = run()?;
        if second > LONG_ENOUGH {
            return Ok(second);
        }
        Ok(second.min(run()?).min(run()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_sound_and_others_are_not() {
        assert!(Tuning::default().is_sound());
        assert!(Tuning::candidates().iter().all(Tuning::is_sound));
        let with = |set: &dyn Fn(&mut Tuning)| {
            let mut tuning = Tuning::default();
            set(&mut tuning);
            tuning.is_sound()
        };
        assert!(!with(&|tuning| tuning.scalar[0].large.tile.inner = 1 << 20));
        assert!(!with(&|tuning| tuning.scalar[1].small.least_slice = 0));
        assert!(!with(&|tuning| tuning.scalar[1].lanes = [3, 4]));
        assert!(!with(&|tuning| tuning.matrix_unit_cost[0] = f64::NAN));
    }

    #[test]
    fn shapes_have_classes() {
        let tuning = Tuning::candidates();
        let scalar = ScalarTuning {
            long: tuning[1].scalar[0].long,
            small: tuning[2].scalar[0].small,
            ..tuning[0].scalar[0]
        };
        assert_eq!(scalar.tiling((4096, 4096, 4096), 256), scalar.large);
        assert_eq!(scalar.tiling((128, 100_000, 128), 256), scalar.long);
        assert_eq!(scalar.tiling((256, 256, 256), 256), scalar.small);
    }
}
