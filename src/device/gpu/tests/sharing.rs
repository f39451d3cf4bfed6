//! Sessions that share one GPU.

use super::memory::{counted, small_staging};
use super::*;
use crate::device::Count;
use crate::step::Kernel;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One session more on a GPU.
fn session(gpu: &Gpu) -> Arc<dyn Device> {
    gpu.for_session().expect("there is room").expect("a GPU has a lane for each session")
}

/// The second element of a product with three.
fn triple(device: &dyn Device, buffers: &[Buffer; 2]) -> u64 {
    let shape = Shape::new(1, 1000);
    let terms = vec![(3, Matrix::new(&buffers[0], shape))];
    let kernel = Kernel::Linear { out: Matrix::new(&buffers[1], shape), terms, constant: 0 };
    device.run(Ring::Z64, &kernel).expect("runs");
    let bytes = pollster::block_on(device.download(&buffers[1], 8000).expect("downloads")).expect("arrives");
    bytemuck::pod_collect_to_vec::<u8, u64>(&bytes)[1]
}

fn buffers(device: &dyn Device) -> [Buffer; 2] {
    let buffers = [(); 2].map(|()| device.allocate(8000, MemoryClass::Shares).expect("memory"));
    device.upload(&buffers[0], 0, bytemuck::cast_slice(&counted(1000))).expect("uploads");
    buffers
}

#[test]
fn a_session_that_waits_for_its_peer_holds_up_no_other() {
    let Some(gpu) = open(small_staging()) else { return };
    let [waiting, working] = [session(&gpu), session(&gpu)];
    let buffers = [buffers(&*waiting), buffers(&*working)];
    assert_eq!(triple(&*waiting, &buffers[0]), counted(2)[1].wrapping_mul(3));
    // Bytes may arrive before their mapping and their submission are known to be over.
    while waiting.pause().expect("pauses") {
        std::thread::yield_now();
    }
    let before = waiting.counters();
    // The one has recorded work that nobody has asked for yet, and leaves it at that.
    let shape = Shape::new(1, 1000);
    let terms = vec![(5, Matrix::new(&buffers[0][0], shape))];
    let kernel = Kernel::Linear { out: Matrix::new(&buffers[0][1], shape), terms, constant: 0 };
    waiting.run(Ring::Z64, &kernel).expect("runs");
    assert!(!waiting.pause().expect("pauses"), "nothing is under way");
    let counted_before = working.counters();
    for _ in 0..20 {
        assert_eq!(triple(&*working, &buffers[1]), counted(2)[1].wrapping_mul(3));
    }
    working.synchronise().expect("synchronises");
    let [of_waiting, of_working] =
        [waiting.counters().since(&before), working.counters().since(&counted_before)];
    assert_eq!(of_waiting.get(Count::Submits), 0, "the other's submissions leave this one's batch alone");
    assert_eq!((of_working.get(Count::Submits), of_working.get(Count::Dispatches)), (20, 20));
    assert_eq!(of_working.get(Count::DownloadedBytes), 160_000);
    let bytes = pollster::block_on(waiting.download(&buffers[0][1], 8000).expect("downloads"));
    let product: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes.expect("arrives"));
    assert_eq!(product[1], counted(2)[1].wrapping_mul(5), "what was recorded is done when it is wanted");
}

#[test]
fn a_session_that_waits_for_staging_holds_up_no_other() {
    let Some(gpu) = open(small_staging()) else { return };
    // The GPU's own lane is the first session's.
    let [waiting, working] = [session(&gpu), session(&gpu)];
    let buffers = [buffers(&*waiting), buffers(&*working)];
    let (kept, home) = {
        let state = gpu.lock().expect("the device is well");
        (state.transfer.drain_landings(), state.transfer.landings_home())
    };
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| triple(&*waiting, &buffers[0]));
        while waiting.counters().get(Count::Submits) == 0 {
            std::thread::yield_now();
        }
        for _ in 0..20 {
            assert_eq!(triple(&*working, &buffers[1]), counted(2)[1].wrapping_mul(3));
        }
        assert!(!waits.is_finished(), "it has no memory for what it reads");
        kept.into_iter().for_each(|staging| home.send(staging).expect("its place"));
        assert_eq!(waits.join().expect("no panic"), counted(2)[1].wrapping_mul(3));
    });
}

/// A session has two submissions under way at most, behind which another's next one comes.
#[test]
fn a_session_with_much_to_do_lets_another_have_its_turn() {
    const MUCH: u64 = 400;
    let Some(gpu) = open(small_staging()) else { return };
    let [busy, other] = [session(&gpu), session(&gpu)];
    let buffers = [buffers(&*busy), buffers(&*other)];
    triple(&*other, &buffers[1]);
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let much = scope.spawn(|| {
            let shape = Shape::new(1, 1000);
            for _ in 0..MUCH {
                let terms = vec![(5, Matrix::new(&buffers[0][0], shape))];
                let kernel = Kernel::Linear { out: Matrix::new(&buffers[0][1], shape), terms, constant: 0 };
                busy.run(Ring::Z64, &kernel).expect("runs");
                busy.flush().expect("flushes");
                busy.settle(2).expect("settles");
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
        while done.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(triple(&*other, &buffers[1]), counted(2)[1].wrapping_mul(3));
        assert!(done.load(Ordering::Relaxed) < MUCH, "it had its turn before all of the other's work");
        much.join().expect("no panic");
    });
}

#[test]
fn each_session_has_a_ledger_and_staging_memory_of_its_own_under_one_budget() {
    let Some(gpu) = open(small_staging()) else { return };
    let whole = || gpu.ledger().live().total_bytes;
    let own = gpu.description().staging_bytes;
    let first = session(&gpu);
    assert_eq!((first.ledger().live().total_bytes, whole()), (own, own), "the first has what is there");
    let second = session(&gpu);
    let more = second.description().staging_bytes;
    assert_eq!((second.ledger().live().total_bytes, whole()), (more, own + more));
    let shares = second.allocate(1 << 20, MemoryClass::Shares).expect("memory");
    assert_eq!(second.ledger().peak().total_bytes, more + (1 << 20));
    assert_eq!(first.ledger().peak().total_bytes, own, "it counts only its own");
    let error = first.allocate(7 << 20, MemoryClass::Shares).expect_err("the budget is that of both");
    assert!(matches!(error, DeviceError::OverBudget { budget_bytes: 8_388_608, .. }), "{error}");
    drop((shares, second));
    assert_eq!(whole(), own, "what a session had for itself goes with it");
    drop(first);
    assert_eq!(session(&gpu).description().staging_bytes, own, "its lane is the next session's");
    assert_eq!(whole(), own);
}

#[test]
fn sessions_that_share_a_gpu_fail_together_when_it_is_lost() {
    let Some(gpu) = open(small_staging()) else { return };
    let sessions = [session(&gpu), session(&gpu)];
    let buffers = sessions.each_ref().map(|session| buffers(&**session));
    gpu.lose();
    for (session, buffers) in sessions.iter().zip(&buffers) {
        let download = session.download(&buffers[0], 8000);
        let arrived = download.and_then(|download| pollster::block_on(download).map(drop));
        assert!(matches!(arrived, Err(DeviceError::Lost { .. })), "{arrived:?}");
    }
    assert!(matches!(gpu.for_session().map(drop), Err(DeviceError::Lost { .. })));
}

/// Memory that stays mapped is written through where the device reads it, whatever chunk of it is next.
#[test]
fn staging_memory_is_used_over_and_over() {
    let Some(gpu) = open(small_staging()) else { return };
    let device = session(&gpu);
    let buffer = device.allocate(8000, MemoryClass::Shares).expect("memory");
    for turn in 0..40u64 {
        let elements: Vec<u64> = counted(1000).iter().map(|element| element ^ turn).collect();
        device.upload(&buffer, 0, bytemuck::cast_slice(&elements)).expect("uploads");
        let bytes = pollster::block_on(device.download(&buffer, 8000).expect("downloads")).expect("arrives");
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, u64>(&bytes), elements, "turn {turn}");
    }
}
