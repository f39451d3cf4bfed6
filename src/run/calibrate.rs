//! Measures a device's rates.

use crate::circuit::garble::{Bits, Evaluator, GarbleError, Garbler, Labels, Started};
use crate::circuit::{Builder, Schedule};
use crate::device::{Buffer, Device, DeviceError, Pieces};
use crate::plan::DeviceModel;
use crate::ring::prg::PrgKey;
use crate::ring::{Ring, Shape};
use crate::share::PartyId;
use crate::step::{Kernel, Matrix, MemoryClass};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The side of the measured tiles: that of plans by default, and a larger one on a device that multiplies such tiles in
/// an instant, to keep it busy.
const SIDES: [usize; 2] = [512, 2048];
const INSTANT: f64 = 0.4e-3;

/// The number of tiles that kernels go through in turn, so that caches serve them no better than in a run.
const TILES: usize = 12;

/// The least time, and the least number of repetitions, for which work is queued: a run does not wait for the device
/// after every kernel.
const QUEUED: f64 = 5e-3;
const MOST_TIMES: usize = 32;

/// The number of measurements of which each rate is the median.
const REPEATS: usize = 5;

/// The number of reads of which the median is taken.
const READS: usize = 33;

/// The number of small steps that are timed together.
const SMALL_STEPS: usize = 256;

/// Measures the device: the times of a plan's steps on tiles of usual size, one after the other. It takes about a second
/// on a processor's core, and 25 MB of device memory; on a GPU 400 MB, or less where a budget does not hold them.
///
/// # Errors
/// Where the device fails or has no memory.
pub fn calibrate(device: &dyn Device) -> Result<DeviceModel, DeviceError> {
    let [small, large] = SIDES;
    let mut bench = Bench::new(device, small)?;
    if bench.gemm(Ring::Z64)? < INSTANT {
        match Bench::new(device, large) {
            Ok(larger) => bench = larger,
            Err(DeviceError::OverBudget { .. } | DeviceError::OutOfMemory { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let side = bench.side;
    let bytes = (side * side * Ring::Z64.element_bytes()) as f64;
    let host = vec![0; bytes as usize];
    let step_s = bench.small_step()?;
    let per_step = |seconds: f64, work: f64| work / (seconds - step_s).max(1e-9);
    Ok(DeviceModel {
        name: format!("{}, measured", device.description().name),
        gemm_z32_per_s: per_step(bench.gemm(Ring::Z32)?, (side * side * side) as f64),
        gemm_z64_per_s: per_step(bench.gemm(Ring::Z64)?, (side * side * side) as f64),
        elementwise_bytes_per_s: per_step(bench.linear()?, 3.0 * bytes),
        fill_bytes_per_s: per_step(bench.fill()?, bytes),
        upload_bytes_per_s: per_step(bench.upload(&host)?, bytes),
        download_bytes_per_s: per_step(bench.download(bytes as u64)?, bytes),
        garbled_gates_per_s: garbled_gates_per_s(),
        step_s,
        submit_s: bench.submit()?,
        exchange_s: bench.exchange()?,
        wake_s: wake_s(),
        // A device's own calls say nothing of what goes on beside them.
        transfers_beside: false,
    })
}

/// The number of sums, and of their bits, of which the measured circuit is: wide stages, as those of elementwise ops are.
const SUMS: usize = 256;
const SUM_BITS: usize = 64;

/// AND gates a second of garbling and evaluating one after the other, each for itself; of a host without randomness, that of
/// models that do not say.
fn garbled_gates_per_s() -> f64 {
    let mut builder = Builder::new();
    let [a, b] = [0, 1].map(|party| builder.input(PartyId(party), SUMS * SUM_BITS));
    for (a, b) in a.chunks(SUM_BITS).zip(b.chunks(SUM_BITS)) {
        let sum = builder.add(a, b);
        builder.output(PartyId(1).alone(), &sum[SUM_BITS - 1..]);
    }
    let schedule = Arc::new(Schedule::new(&builder.finish()));
    let bits = Bits::new(1, vec![1; SUMS * SUM_BITS]);
    let mut times: Vec<Duration> =
        (0..REPEATS).filter_map(|_| garbled_and_evaluated(&schedule, &bits).ok()).collect();
    times.sort();
    let gates = 2.0 * schedule.and_count() as f64;
    let rate = |time: &Duration| gates / time.as_secs_f64().max(1e-9);
    times.get(times.len() / 2).map_or(DeviceModel::typical().garbled_gates_per_s, rate)
}

fn garbled_and_evaluated(schedule: &Arc<Schedule>, bits: &Bits) -> Result<Duration, GarbleError> {
    let start = Instant::now();
    let Started { mut garbler, opening, labels, pairs } = Garbler::start(schedule.clone(), bits)?;
    let own: Labels = pairs.into_messages().map(|[_, one]| one).collect();
    let mut evaluator = Evaluator::new(schedule.clone(), 1, &opening, labels, own)?;
    while let Some(piece) = garbler.next_piece() {
        evaluator.consume(piece)?;
    }
    let (decoding, _) = garbler.finish()?;
    evaluator.finish(&decoding)?;
    Ok(start.elapsed())
}

/// Half of what two threads take to wake each other in turn.
fn wake_s() -> f64 {
    let (to, from) = (crossbeam_channel::bounded::<()>(0), crossbeam_channel::bounded::<()>(0));
    let turns = SMALL_STEPS;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..turns).for_each(|_| {
                let _ = to.1.recv();
                let _ = from.0.send(());
            })
        });
        let start = Instant::now();
        for _ in 0..turns {
            // The other end lives as long as the scope.
            let _ = to.0.send(());
            let _ = from.1.recv();
        }
        start.elapsed().as_secs_f64() / (2 * turns) as f64
    })
}

struct Bench<'a> {
    device: &'a dyn Device,
    side: usize,
    tiles: Vec<Buffer>,
    key: PrgKey,
}

impl<'a> Bench<'a> {
    fn new(device: &'a dyn Device, side: usize) -> Result<Bench<'a>, DeviceError> {
        let size_bytes = Shape::new(side, side).size_bytes(Ring::Z64);
        let tile = |_| device.allocate(size_bytes, MemoryClass::Scratch);
        let tiles = (0..TILES).map(tile).collect::<Result<_, _>>()?;
        // The key guards nothing: the drawn values are overwritten.
        let bench = Bench { device, side, tiles, key: PrgKey::from_bytes([7; 32]) };
        (0..TILES).try_for_each(|tile| bench.run(Ring::Z64, &bench.fill_of(tile)))?;
        Ok(bench)
    }

    fn tile(&self, index: usize) -> Matrix<&Buffer> {
        Matrix::new(&self.tiles[index % TILES], Shape::new(self.side, self.side))
    }

    fn run(&self, ring: Ring, kernel: &Kernel<&Buffer, &PrgKey>) -> Result<(), DeviceError> {
        self.device.run(ring, kernel)
    }

    /// Seconds of one piece of work, several in a row.
    fn time(
        &self,
        in_a_row: usize,
        work: impl FnMut(usize) -> Result<(), DeviceError>,
    ) -> Result<f64, DeviceError> {
        let mut work = work;
        let mut run = |times: usize| {
            self.device.synchronise()?;
            let start = Instant::now();
            (0..times).flat_map(|_| 0..in_a_row).try_for_each(&mut work)?;
            self.device.synchronise()?;
            Ok::<_, DeviceError>(start.elapsed().as_secs_f64())
        };
        run(1)?;
        let times = ((QUEUED / run(1)?) as usize).clamp(1, MOST_TIMES);
        let mut seconds = Vec::new();
        for _ in 0..REPEATS {
            seconds.push(run(times)? / (times * in_a_row) as f64);
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[REPEATS / 2])
    }

    fn gemm(&self, ring: Ring) -> Result<f64, DeviceError> {
        self.time(2, |at| {
            let terms = vec![(self.tile(3 * at + 1), self.tile(3 * at + 2))];
            self.run(ring, &Kernel::Gemm { out: self.tile(3 * at), terms, accumulate: true })
        })
    }

    fn linear(&self) -> Result<f64, DeviceError> {
        self.time(TILES / 3, |at| {
            let terms = vec![(1, self.tile(3 * at + 1)), (u64::MAX, self.tile(3 * at + 2))];
            self.run(Ring::Z64, &Kernel::Linear { out: self.tile(3 * at), terms, constant: 1 })
        })
    }

    fn fill_of(&self, tile: usize) -> Kernel<&Buffer, &PrgKey> {
        Kernel::Fill { out: self.tile(tile), key: &self.key, stream: tile as u64, block: 0 }
    }

    fn fill(&self) -> Result<f64, DeviceError> {
        self.time(TILES / 2, |at| self.run(Ring::Z64, &self.fill_of(at)))
    }

    fn upload(&self, host: &[u8]) -> Result<f64, DeviceError> {
        self.time(TILES / 2, |at| self.device.upload(&self.tiles[at], 0, host))
    }

    fn download(&self, size_bytes: u64) -> Result<f64, DeviceError> {
        self.time(TILES / 2, |at| {
            pollster::block_on(self.device.download(&self.tiles[at], size_bytes)?).map(drop)
        })
    }

    /// Seconds of the start of a small kernel and a read.
    fn submit(&self) -> Result<f64, DeviceError> {
        self.read_in_turn(|started, _| started)
    }

    /// Seconds from there until the bytes are on the host.
    fn exchange(&self) -> Result<f64, DeviceError> {
        self.read_in_turn(|started, arrived| arrived - started)
    }

    /// The median of a time that is made of when the pause behind a small kernel and a read returns, and of when the bytes
    /// arrive, both in seconds since it was called.
    fn read_in_turn(&self, time: impl Fn(f64, f64) -> f64) -> Result<f64, DeviceError> {
        let element = |tile: usize| Matrix::new(&self.tiles[tile], Shape::new(1, 1));
        let mut seconds = Vec::new();
        for _ in 0..READS {
            let terms = vec![(1, element(1))];
            self.run(Ring::Z64, &Kernel::Linear { out: element(0), terms, constant: 1 })?;
            let (sender, arrival) = crossbeam_channel::bounded(1);
            let arrived = move |result: Result<Pieces, DeviceError>| drop(sender.send(result.map(drop)));
            let size_bytes = Ring::Z64.element_bytes() as u64;
            self.device.read(&self.tiles[0], size_bytes, Box::new(arrived))?;
            let start = Instant::now();
            let mut is_at_work = self.device.pause()?;
            let started = start.elapsed().as_secs_f64();
            while is_at_work && arrival.is_empty() {
                is_at_work = self.device.look()?;
            }
            let closed = |_| {
                Err(DeviceError::Lost {
                    device: self.device.description().name.clone(),
                    reason: "it brought no bytes".into(),
                })
            };
            arrival.try_recv().unwrap_or_else(closed)?;
            seconds.push(time(started, start.elapsed().as_secs_f64()));
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[READS / 2])
    }

    fn small_step(&self) -> Result<f64, DeviceError> {
        let element = |tile: usize| Matrix::new(&self.tiles[tile], Shape::new(1, 1));
        self.time(SMALL_STEPS, |_| {
            let terms = vec![(1, element(1))];
            self.run(Ring::Z64, &Kernel::Linear { out: element(0), terms, constant: 1 })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;

    #[test]
    fn a_measured_model_has_rates() {
        let model = calibrate(&Cpu::open(Some(1), None).expect("the CPU device opens")).expect("a model");
        let rates = [
            model.gemm_z32_per_s,
            model.gemm_z64_per_s,
            model.elementwise_bytes_per_s,
            model.fill_bytes_per_s,
            model.upload_bytes_per_s,
            model.download_bytes_per_s,
            model.garbled_gates_per_s,
        ];
        assert!(rates.iter().all(|rate| rate.is_finite() && *rate > 0.0), "{model:?}");
    }
}
