//! Memory, transfers, batches and failures.

use super::*;
use crate::device::{Count, Pieces};
use crate::step::Kernel;

pub(super) fn small_staging() -> GpuOptions {
    GpuOptions { budget_bytes: Some(8 << 20), ..GpuOptions::default() }
}

pub(super) fn counted(len: u64) -> Vec<u64> {
    (0..len).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
}

#[test]
fn staging_is_booked_and_larger_buffers_pass_through_it() {
    let Some(gpu) = open(small_staging()) else { return };
    let staging_bytes = gpu.description().staging_bytes;
    assert_eq!(gpu.ledger().live().by_class[&MemoryClass::Staging], staging_bytes);
    assert!(staging_bytes <= (1 << 20) + (256 << 10), "{staging_bytes}");

    let elements = counted(300_001);
    let buffer = upload(&gpu, &elements);
    assert!(buffer.size_bytes() > staging_bytes);
    assert_eq!(fetch::<u64>(&gpu, &buffer), elements);
}

#[test]
fn calls_take_effect_in_their_order() {
    let Some(gpu) = open(small_staging()) else { return };
    let shape = Shape::new(1, 50_000);
    let (a, b) = (upload(&gpu, &counted(50_000)), upload(&gpu, &counted(50_000)));
    let add = |out, operand, constant| {
        let terms = vec![(1, Matrix::new(operand, shape))];
        gpu.run(Ring::Z64, &Kernel::Linear { out: Matrix::new(out, shape), terms, constant }).expect("runs");
    };
    add(&b, &a, 1);
    let early = gpu.download(&b, 400_000).expect("downloads");
    // Neither an upload nor a kernel overtakes the download before it, and batches fill up in between.
    gpu.upload(&a, 8, bytemuck::bytes_of(&77u64)).expect("uploads");
    for step in 0..600 {
        let (out, operand) = if step % 2 == 0 { (&b, &a) } else { (&a, &b) };
        add(out, operand, 2);
    }
    gpu.flush().expect("flushes");
    let late = fetch::<u64>(&gpu, &a);
    let early: Vec<u64> = bytemuck::pod_collect_to_vec(&pollster::block_on(early).expect("arrives"));
    let expected: Vec<u64> = counted(50_000).iter().map(|element| element.wrapping_add(1)).collect();
    assert_eq!(early, expected);
    assert_eq!(late[1], 77 + 1200);
    assert_eq!(late[2], counted(3)[2].wrapping_add(1200));
    assert!(gpu.busy() > std::time::Duration::ZERO);
}

#[test]
fn work_is_taken_down_by_submissions() {
    let Some(gpu) = open(small_staging()) else { return };
    let shape = Shape::new(1, 50_000);
    let (a, b) = (upload(&gpu, &counted(50_000)), upload(&gpu, &counted(50_000)));
    gpu.synchronise().expect("synchronises");
    gpu.record();
    for _ in 0..3 {
        let terms = vec![(3, Matrix::new(&a, shape))];
        gpu.run(Ring::Z64, &Kernel::Linear { out: Matrix::new(&b, shape), terms, constant: 0 })
            .expect("runs");
        gpu.flush().expect("flushes");
    }
    gpu.synchronise().expect("synchronises");
    let spans = gpu.stop_recording();
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.begin <= span.end));
    assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].begin), "one after the other");
    assert!(gpu.stop_recording().is_empty());
}

/// Whoever sees the work done also sees it counted, and none in flight.
#[test]
fn busy_time_is_complete_once_synchronised() {
    let Some(gpu) = open(small_staging()) else { return };
    let shape = Shape::new(1, 50_000);
    let (a, b) = (upload(&gpu, &counted(50_000)), upload(&gpu, &counted(50_000)));
    let terms = vec![(3, Matrix::new(&a, shape))];
    let kernel = Kernel::Linear { out: Matrix::new(&b, shape), terms, constant: 1 };
    let mut before = gpu.busy();
    for _ in 0..50 {
        for most in (0..3).rev() {
            gpu.run(Ring::Z64, &kernel).expect("runs");
            gpu.flush().expect("flushes");
            gpu.settle(most).expect("settles");
        }
        gpu.run(Ring::Z64, &kernel).expect("runs");
        gpu.synchronise().expect("synchronises");
        let after = gpu.busy();
        assert!(after > before, "work was counted");
        assert_eq!(gpu.busy(), after, "the clock stands still while nothing is in flight");
        before = after;
    }
}

/// Has the first bytes of a buffer read, as a lane does.
fn read(gpu: &Gpu, buffer: &Buffer, size_bytes: u64) -> crossbeam_channel::Receiver<Pieces> {
    let (sender, arrival) = crossbeam_channel::bounded(1);
    let arrived = move |result: Result<Pieces, DeviceError>| drop(sender.send(result.expect("bytes arrive")));
    gpu.read(buffer, size_bytes, Box::new(arrived)).expect("reads");
    arrival
}

/// Looks until nothing is under way.
fn look(gpu: &Gpu) {
    let mut is_at_work = gpu.pause().expect("pauses");
    while is_at_work {
        is_at_work = gpu.look().expect("looks");
    }
}

#[test]
fn what_is_read_together_is_one_submission_and_one_map() {
    let Some(gpu) = open(small_staging()) else { return };
    let shape = Shape::new(1, 1000);
    let (a, b) = (upload(&gpu, &counted(1000)), upload(&gpu, &counted(1000)));
    let terms = vec![(3, Matrix::new(&a, shape))];
    let kernel = Kernel::Linear { out: Matrix::new(&b, shape), terms, constant: 0 };
    gpu.prepare(Ring::Z64, &mut std::iter::once(kernel.clone())).expect("prepares");
    let before = gpu.counters();
    gpu.run(Ring::Z64, &kernel).expect("runs");
    look(&gpu);
    assert_eq!(gpu.counters(), before, "nobody waits for so little work");
    let arrivals = [read(&gpu, &b, 8000), read(&gpu, &a, 4000)];
    look(&gpu);
    let [product, operand] = arrivals.map(|arrival| arrival.try_recv().expect("it is there").into_bytes());
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, u64>(&operand), counted(500));
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, u64>(&product)[7], counted(8)[7].wrapping_mul(3));
    let counted = gpu.counters().since(&before);
    let once = [Count::Submits, Count::Maps, Count::Passes, Count::Dispatches];
    once.into_iter().for_each(|count| assert_eq!(counted.get(count), 1, "{}", count.name()));
    assert_eq!(counted.excesses(1), []);
    assert_eq!(counted.get(Count::DownloadedBytes), 12_000);
}

#[test]
fn bytes_are_lent_where_they_land_and_who_holds_them_holds_up_nobody() {
    const LEN: u64 = 128 << 10;
    let Some(gpu) = open(GpuOptions::default()) else { return };
    let elements = counted(LEN / 8);
    let buffer = upload(&gpu, &elements);
    let fetched = |_| {
        let arrival = read(&gpu, &buffer, LEN);
        look(&gpu);
        arrival.try_recv().expect("it is there")
    };
    let held: Vec<Pieces> = (0..40).map(fetched).collect();
    for pieces in &held {
        let bytes = pieces.clone().into_bytes();
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, u64>(&bytes), elements);
    }
    let copied = || gpu.counters().get(Count::CopiedBytes) / LEN;
    assert_eq!(copied(), 40 - 8, "half of the staging buffers are lent");
    drop(held);
    drop(fetched(0));
    assert_eq!(copied(), 40 - 8, "those that came back are lent again");
}

#[test]
fn dropped_buffers_are_taken_up_again() {
    let Some(gpu) = open(small_staging()) else { return };
    let allocate = |size_bytes| gpu.allocate(size_bytes, MemoryClass::Shares).expect("memory");
    let first = allocate(1 << 20);
    assert_eq!(gpu.idle_bytes(), 0);
    drop(first);
    assert_eq!(gpu.idle_bytes(), 1 << 20);
    let second = allocate((1 << 20) - 100);
    assert_eq!(gpu.idle_bytes(), 0);
    drop(second);
    // Another size: what idles goes, so that the two together stay below the peak.
    let third = allocate(3 << 18);
    assert_eq!(gpu.idle_bytes(), 0);
    drop(third);
    gpu.trim();
    assert_eq!(gpu.idle_bytes(), 0);
    let shares = |usage: crate::device::MemoryUse| usage.by_class[&MemoryClass::Shares];
    assert_eq!((shares(gpu.ledger().live()), shares(gpu.ledger().peak())), (0, 1 << 20));
}

#[test]
fn budget_and_buffer_limits_are_typed_errors() {
    let Some(gpu) = open(small_staging()) else { return };
    let error = gpu.allocate(8 << 20, MemoryClass::Shares).unwrap_err();
    assert!(matches!(error, DeviceError::OverBudget { size_bytes: 8_388_608, budget_bytes: 8_388_608, .. }));
    let error = gpu.allocate(u64::MAX / 2, MemoryClass::Shares).unwrap_err();
    assert!(matches!(error, DeviceError::BufferTooLarge { .. }), "{error}");
    gpu.allocate(4 << 20, MemoryClass::Shares).expect("the device is as before");
}

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    let Some(gpu) = open(small_staging()) else { return };
    let buffer = upload(&gpu, &counted(1000));
    gpu.lose();
    let failed = |result: Result<(), DeviceError>| {
        assert!(matches!(result, Err(DeviceError::Lost { .. })), "{result:?}")
    };
    let download = gpu.download(&buffer, 8000).map(|download| pollster::block_on(download).map(drop));
    failed(download.unwrap_or_else(Err));
    failed(gpu.upload(&buffer, 0, &[0; 8]));
    failed(gpu.allocate(100, MemoryClass::Shares).map(drop));
    failed(gpu.flush());
    failed(gpu.synchronise());
    failed(gpu.settle(0));
    failed(gpu.prepare(Ring::Z64, &mut std::iter::empty()));
}

/// Measuring ends, chooses a candidate, and leaves no memory behind.
#[test]
fn autotuning_chooses_a_candidate() {
    let options =
        GpuOptions { autotune: Autotune::Now, budget_bytes: Some(64 << 20), ..GpuOptions::default() };
    let Some(gpu) = open(options) else { return };
    assert!(gpu.tuning.is_sound(), "{:?}", gpu.tuning);
    assert_eq!(gpu.ledger().live().total_bytes, gpu.description().staging_bytes);
    assert_eq!(gpu.ledger().peak(), gpu.ledger().live());
}

/// The ledger is what the driver says, but for its own small allocations and the blocks it cuts them from.
#[test]
fn the_driver_holds_what_the_ledger_booked() {
    let Some(gpu) = open(small_staging()) else { return };
    let Some(before) = gpu.driver_memory() else { return };
    let booked = gpu.ledger().live().total_bytes;
    let buffers: Vec<Buffer> = (1..=4)
        .map(|megabytes| gpu.allocate(megabytes << 18, MemoryClass::Shares).expect("memory"))
        .collect();
    let after = gpu.driver_memory().expect("a driver that has told before");
    let (grown, more) =
        (after.allocated_bytes - before.allocated_bytes, gpu.ledger().live().total_bytes - booked);
    assert!(grown >= more, "{grown} bytes of the driver for {more} of the ledger");
    assert!(grown <= more + more / 100, "{grown} bytes of the driver for {more} of the ledger");
    assert!(after.reserved_bytes >= after.allocated_bytes);
    drop(buffers);
}
