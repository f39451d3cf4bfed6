//! What an eavesdropper sees is uniform, and never the same twice.

use super::{product, world};
use crate::device::cpu::Cpu;
use crate::net::Frame;
use crate::net::tamper::Verdict;
use crate::protocol::Protocol;
use crate::ring::{Elements, Ring};
use crate::session::World;
use crate::share::Role;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// What each message carried, by sender, receiver and number.
type Transcript = HashMap<(Role, Role, u32), Vec<u8>>;

const M: usize = 24;
const K: usize = 32;
const N: usize = 20;

/// The wire's view of one product of constant matrices.
fn transcript(protocol: Protocol, world: World) -> Transcript {
    let heard: Arc<Mutex<Transcript>> = Arc::default();
    let ear = heard.clone();
    let rule = move |from: Role, to: Role, frame: &Frame| {
        if let Frame::Data(data) = frame {
            let mut heard = ear.lock().expect("no panic while listening");
            heard.entry((from, to, data.message)).or_default().extend_from_slice(&data.payload);
        }
        Verdict::Pass
    };
    let program = product(protocol, Ring::Z64, 16, (M, K, N));
    let inputs = [Elements::Z64(vec![1 << 16; M * K]), Elements::Z64(vec![3 << 16; K * N])];
    world.with_rule(Arc::new(rule)).run(&program, &inputs).expect("a run without faults");
    let heard = std::mem::take(&mut *heard.lock().expect("no panic while listening"));
    assert!(!heard.is_empty());
    heard
}

/// Pearson's statistic of the bytes against the uniform distribution, 255 degrees of freedom.
fn chi_squared(bytes: &[u8]) -> f64 {
    let mut counts = [0f64; 256];
    bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1.0);
    let expected = bytes.len() as f64 / 256.0;
    counts.iter().map(|count| (count - expected).powi(2) / expected).sum()
}

#[test]
fn openings_of_fixed_secrets_are_uniform_and_fresh() {
    // E, F, one c and one output share each way; one triple's and one pair's corrections.
    are_uniform_and_fresh(Protocol::Beaver, 6 + 3);
    // A share of x, one of y, one c and one output share each way, the rest for both; one pair's corrections.
    are_uniform_and_fresh(Protocol::Replicated, 8 + 2);
}

fn are_uniform_and_fresh(protocol: Protocol, messages: usize) {
    let mut pooled: Transcript = HashMap::new();
    let mut seen: HashSet<(Role, Vec<u8>)> = HashSet::new();
    for seed in 0..16 {
        for (message, bytes) in transcript(protocol, world(protocol, seed)) {
            for word in bytes.chunks_exact(8).take(16) {
                // What is told to two is the same for both.
                assert!(
                    seen.insert((message.1, word.to_vec())),
                    "a masked value repeats in {message:?}; seed {seed}"
                );
            }
            pooled.entry(message).or_default().extend(bytes);
        }
    }
    assert_eq!(pooled.len(), messages);
    for (message, bytes) in pooled {
        let statistic = chi_squared(&bytes);
        // Mean 255, standard deviation 22.6; the seeds are fixed, so that this either always holds or never.
        assert!((150.0..400.0).contains(&statistic), "{message:?} is not uniform: {statistic}");
    }
}

#[test]
fn without_a_seed_no_two_runs_send_the_same() {
    for protocol in Protocol::ALL {
        let open = || World::new(protocol, Arc::new(Cpu::open(Some(1), None).expect("the CPU device opens")));
        let (first, second) = (transcript(protocol, open()), transcript(protocol, open()));
        for (message, bytes) in first {
            assert_ne!(bytes, second[&message], "{message:?} is masked afresh");
        }
    }
}
