//! What an eavesdropper sees is uniform, and never the same twice.

use super::{product_within, world};
use crate::device::cpu::Cpu;
use crate::net::Frame;
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring};
use crate::session::World;
use crate::share::Role;
use crate::testing::Verdict;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// What each message carried, by sender, receiver and number.
type Transcript = HashMap<(Role, Role, u32), Vec<u8>>;

const M: usize = 32;
const K: usize = 32;
/// Columns of a product that is truncated one way, and of one that is not.
const N: usize = 20;
const FEW: usize = 2;

/// The wire's view of one product of constant matrices, of which a bound is declared or not.
fn transcript(protocol: Protocol, world: World, bound: Option<f64>, n: usize) -> Transcript {
    let heard: Arc<Mutex<Transcript>> = Arc::default();
    let ear = heard.clone();
    let rule = move |from: Role, to: Role, frame: &Frame| {
        if let Frame::Data(data) = frame {
            let mut heard = ear.lock().expect("no panic while listening");
            heard.entry((from, to, data.message)).or_default().extend_from_slice(&data.payload);
        }
        Verdict::Pass
    };
    let program =
        product_within(protocol, FixedPoint::new(Ring::Z64, 16).expect("a codec"), (M, K, n), bound);
    let inputs = [Elements::Z64(vec![1 << 16; M * K]), Elements::Z64(vec![3 << 16; K * n])];
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

/// Numbers up to 4: the product is below 2^42 and opened modulo 2^44, in words that are all full.
const BOUND: Option<f64> = Some(4.0);

#[test]
fn openings_of_fixed_secrets_are_uniform_and_fresh() {
    for bound in [None, BOUND] {
        // E, F, one c and its top bits, one output share each way; one triple's and one carry's corrections.
        are_uniform_and_fresh(Protocol::Beaver, (bound, N), 6 + 2);
        // A share of x, one of y, c's two parts and its top bits, one output share each way; one carry's corrections.
        are_uniform_and_fresh(Protocol::Replicated, (bound, N), 7 + 1);
        // Of small ones c is opened both ways, and of a pair there are two corrections.
        are_uniform_and_fresh(Protocol::Beaver, (bound, FEW), 6 + 3);
        are_uniform_and_fresh(Protocol::Replicated, (bound, FEW), 8 + 2);
    }
}

/// Of what is opened modulo 2^44 no more than 44 bits an element are on the wire.
#[test]
fn bits_above_the_modulus_are_not_sent() {
    for (protocol, packed) in [(Protocol::Beaver, 1), (Protocol::Replicated, 2)] {
        let [whole, narrow] = [None, BOUND].map(|bound| {
            let heard = transcript(protocol, world(protocol, 3), bound, N);
            let mut lengths: Vec<usize> = heard.values().map(Vec::len).collect();
            lengths.sort_unstable();
            lengths
        });
        let of = |lengths: &[usize], bits: usize| {
            lengths.iter().filter(|&&length| length == M * N * bits / 8).count()
        };
        assert_eq!((of(&whole, 44), of(&narrow, 44)), (0, packed), "{protocol}: {whole:?} and {narrow:?}");
        assert_eq!(of(&whole, 64) - of(&narrow, 64), packed, "{protocol}: {whole:?} and {narrow:?}");
    }
}

fn are_uniform_and_fresh(protocol: Protocol, (bound, n): (Option<f64>, usize), messages: usize) {
    let mut pooled: Transcript = HashMap::new();
    let mut seen: HashSet<(Role, Vec<u8>)> = HashSet::new();
    for seed in 0..16 {
        for (message, bytes) in transcript(protocol, world(protocol, seed), bound, n) {
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
        let (first, second) = (transcript(protocol, open(), None, N), transcript(protocol, open(), None, N));
        for (message, bytes) in first {
            assert_ne!(bytes, second[&message], "{message:?} is masked afresh");
        }
    }
}
