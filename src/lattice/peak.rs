//! What this processor does at most, to price products and to hold measurements against; and threads to do it on.

use super::layout::Rates;
use super::modulus::PRODUCTS;
use super::parameters::Parameters;
use super::poly::{Pair, multiply_add};
use rayon::ThreadPool;
use std::hint::black_box;
use std::time::Instant;

/// How often each loop is timed; the fastest counts.
const RUNS: usize = 20;

/// What one core does alone.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Butterflies of whole transforms per second.
    pub butterflies_per_s: f64,
    /// Multiply-adds of pointwise products per second.
    pub multiply_adds_per_s: f64,
}

impl Peak {
    /// Measures for some milliseconds.
    pub fn measure(parameters: &Parameters) -> Peak {
        let degree = parameters.degree();
        let transform = &parameters.transforms[0];
        let polynomial = |seed: u32| -> Vec<u32> {
            (0..degree as u32).map(|index| index.wrapping_mul(seed) % transform.modulus.value).collect()
        };
        let mut slots = polynomial(0x9e37_79b9);
        let transforms = fastest(|| transform.forward(black_box(&mut slots)));
        let factors: Vec<Vec<u32>> = (1..=3 * PRODUCTS as u32).map(polynomial).collect();
        let pairs: Vec<Pair<'_>> =
            factors.as_chunks::<3>().0.iter().map(|[a, b, c]| ([&a[..], b], &c[..])).collect();
        let (mut first, mut second) = (vec![0; degree], vec![0; degree]);
        let products = fastest(|| {
            multiply_add(&transform.modulus, [black_box(&mut first), &mut second], black_box(&pairs));
        });
        Peak {
            butterflies_per_s: (degree / 2) as f64 * f64::from(degree.ilog2()) / transforms,
            multiply_adds_per_s: (2 * PRODUCTS * degree) as f64 / products,
        }
    }

    /// What so many such cores and a link do.
    pub fn rates(&self, threads: usize, bytes_per_s: f64) -> Rates {
        Rates {
            byte_s: 1.0 / bytes_per_s,
            butterfly_s: 1.0 / (self.butterflies_per_s * threads as f64),
            multiply_add_s: 1.0 / (self.multiply_adds_per_s * threads as f64),
        }
    }
}

/// Seconds of one call.
fn fastest(mut work: impl FnMut()) -> f64 {
    let mut once = || {
        let begin = Instant::now();
        work();
        begin.elapsed().as_secs_f64()
    };
    (0..RUNS).map(|_| once()).fold(f64::INFINITY, f64::min).max(1e-9)
}

/// Threads on which parties compute: without them, rayon's own are used.
pub struct Threads(ThreadPool);

impl Threads {
    /// So many of them.
    ///
    /// # Errors
    /// Says why the operating system gives none.
    pub fn new(count: usize) -> Result<Threads, String> {
        let name = |index| format!("symbolon-lattice-{index}");
        let builder = rayon::ThreadPoolBuilder::new().num_threads(count).thread_name(name);
        builder.build().map(Threads).map_err(|error| error.to_string())
    }

    /// Runs `work` on them.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.install(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Ring;

    #[test]
    fn rates_are_those_of_all_threads() {
        let peak = Peak::measure(&Parameters::insecure(Ring::Z32, 64));
        let [one, two] = [1, 2].map(|threads| peak.rates(threads, 1e6));
        assert!(one.butterfly_s > 0.0 && one.multiply_add_s > 0.0);
        assert_eq!(one.butterfly_s, 2.0 * two.butterfly_s);
        assert_eq!(one.byte_s, two.byte_s);
        assert_eq!(Threads::new(2).expect("two threads").run(rayon::current_num_threads), 2);
    }
}
