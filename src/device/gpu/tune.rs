//! The autotuner: what of a matrix product is fastest differs between adapters, is measured once when one is opened, and is
//! remembered.
//!
//! Measured are the depth of the square tiles of `gemm.wgsl`, for each way in which elements are computed on, and how much
//! longer products on matrix units take than `residue/blocking.rs` estimates, from which the choice between both
//! engines follows. Every candidate computes the same bits.

use super::device::Gpu;
use super::program::NumberType;
use super::remembered::{Key, Remembered};
use super::residue::blocking;
use crate::device::{Buffer, Device, DeviceError};
use crate::ring::prg::PrgKey;
use crate::ring::{Ring, Shape};
use crate::step::{Kernel, Matrix, MemoryClass};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

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

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Inner elements of a square tile, for 32 and 64 bits.
    pub inner: [u32; 2],
    /// The cost of products on matrix units in multiples of the estimate, for 32 and 64 bits.
    pub matrix_unit_cost: [f64; 2],
}

/// The candidates for inner elements, those that suit most first; their tiles fit workgroup memory.
const INNER: [[u32; 3]; 2] = [[16, 8, 24], [8, 4, 12]];

/// The side of the products that are measured.
const SIDE: usize = 1024;

/// What is measured later than this after the beginning is left as it suits most. One product more may run.
const LONGEST: Duration = Duration::from_millis(1500);

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning { inner: INNER.map(|candidates| candidates[0]), matrix_unit_cost: [1.0; 2] }
    }
}

impl Tuning {
    /// Every candidate, each in both rings' turn.
    pub fn candidates() -> Vec<Tuning> {
        let candidate = |at: usize| Tuning { inner: INNER.map(|inner| inner[at]), ..Tuning::default() };
        (0..INNER[0].len()).map(candidate).collect()
    }

    /// Inner elements of a square tile of these elements.
    pub(super) fn inner_of(&self, number_type: NumberType) -> u32 {
        self.inner[usize::from(number_type != NumberType::U32)]
    }

    /// Whether it could have been measured: it may come from a file.
    pub(super) fn is_sound(&self) -> bool {
        let is_candidate = |(inner, candidates): (&u32, &[u32; 3])| candidates.contains(inner);
        self.inner.iter().zip(&INNER).all(is_candidate)
            && self.matrix_unit_cost.iter().all(|cost| cost.is_finite() && *cost > 0.0)
    }
}

impl Gpu {
    /// Takes up what is known of the adapter, or measures it.
    ///
    /// # Errors
    /// Where the device fails.
    pub(super) fn autotune(&mut self, autotune: Autotune, is_software: bool) -> Result<(), DeviceError> {
        let tuning = match autotune {
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
        self.take_up(tuning)
    }

    fn take_up(&mut self, tuning: Tuning) -> Result<(), DeviceError> {
        self.tuning = tuning;
        self.lock()?.pipelines.tune(tuning);
        Ok(())
    }

    /// Measures every candidate within a bounded time.
    fn measure(&mut self) -> Result<Tuning, DeviceError> {
        let begin = Instant::now();
        let mut best = Tuning::default();
        let residues = self.residues.take();
        for (at, ring) in Ring::ALL.into_iter().enumerate() {
            let Some(product) = Product::new(self, ring)? else { continue };
            let mut scalar = Duration::MAX;
            for inner in INNER[at] {
                if begin.elapsed() > LONGEST {
                    break;
                }
                let mut candidate = best;
                candidate.inner[at] = inner;
                self.take_up(candidate)?;
                let time = product.time(self)?;
                if time < scalar {
                    (scalar, best) = (time, candidate);
                }
            }
            self.take_up(best)?;
            if let Some(residues) = &residues
                && scalar < Duration::MAX
                && begin.elapsed() <= LONGEST
            {
                let tile = residues.tile;
                let size = (SIDE, SIDE, SIDE);
                let estimate = blocking::cheapest(ring, size, tile, residues.room, self.limits.binding_bytes);
                self.residues = Some(residues.clone());
                let on_matrix_units = product.time(self)?;
                self.residues = None;
                if let Some((_, cost)) = estimate {
                    let measured = on_matrix_units.as_secs_f64() / scalar.as_secs_f64();
                    best.matrix_unit_cost[at] = measured * blocking::scalar_cost(ring, size) / cost;
                }
            }
        }
        self.residues = residues;
        self.trim();
        self.ledger.restart_peak();
        Ok(best)
    }
}

/// A square product to be timed.
struct Product {
    ring: Ring,
    matrices: [Buffer; 3],
}

impl Product {
    /// None where memory or bindings do not hold it.
    fn new(gpu: &Gpu, ring: Ring) -> Result<Option<Product>, DeviceError> {
        let shape = Shape::new(SIDE, SIDE);
        let size_bytes = (shape.len() * ring.element_bytes()) as u64;
        // The key guards nothing: the elements only have to look like shares.
        let key = PrgKey::from_bytes([7; 32]);
        let matrix = || {
            let buffer = gpu.allocate(size_bytes, MemoryClass::Scratch)?;
            let out = Matrix::new(&buffer, shape);
            gpu.run(ring, &Kernel::Fill { out, key: &key, stream: 0, block: 0 })?;
            Ok::<_, DeviceError>(buffer)
        };
        let all = || Ok([matrix()?, matrix()?, matrix()?]);
        match all() {
            Ok(matrices) => Ok(Some(Product { ring, matrices })),
            Err(DeviceError::OverBudget { .. } | DeviceError::OutOfMemory { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How long it takes: the best of a few, after one that compiles.
    fn time(&self, gpu: &Gpu) -> Result<Duration, DeviceError> {
        let [out, left, right] =
            self.matrices.each_ref().map(|buffer| Matrix::new(buffer, Shape::new(SIDE, SIDE)));
        let kernel = Kernel::Gemm { out, terms: vec![(left, right)], accumulate: false };
        let run = || {
            gpu.synchronise()?;
            let begin = Instant::now();
            gpu.run(self.ring, &kernel)?;
            gpu.synchronise()?;
            Ok::<_, DeviceError>(begin.elapsed())
        };
        let first = run()?;
        // A slow device is measured well enough by one run.
        if first > LONGEST / 4 {
            return Ok(first);
        }
        Ok(run()?.min(run()?).min(run()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_fits_workgroup_memory() {
        for (inner, element_bytes) in INNER.into_iter().zip([4, 8]) {
            // Square tiles have 64 rows and columns, and one more element in each column of the left one.
            assert!(inner.into_iter().all(|inner| inner * (65 + 64) * element_bytes <= 16 << 10));
        }
        assert!(Tuning::candidates().iter().all(Tuning::is_sound));
        assert!(!Tuning { inner: [16, 1 << 20], ..Tuning::default() }.is_sound());
        assert!(!Tuning { matrix_unit_cost: [f64::NAN, 1.0], ..Tuning::default() }.is_sound());
    }
}
