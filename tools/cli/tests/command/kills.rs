//! A training whose nodes are killed at random points ends in the same bits as one that nobody disturbs.

use crate::states::{example, start};
use crate::support::{Folder, deployment, json, stderr};
use std::time::{Duration, Instant};

/// Turns between two kills, at most, and from one checkpoint to the next.
const MOST_TURNS: u64 = 6;
const EVERY: &str = "2";

/// Numbers that look random, from a seed that the test prints (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % count
    }
}

/// The newest turn of which a party has its states.
fn newest(folder: &Folder, party: usize) -> u64 {
    let entries = std::fs::read_dir(folder.path(&format!("kept/party{party}"))).into_iter().flatten();
    let turn = |name: &str| name.strip_suffix(".state")?.split_once('-')?.1.parse().ok();
    entries.flatten().filter_map(|entry| turn(&entry.file_name().to_string_lossy())).max().unwrap_or(0)
}

/// Kills a dealer or a party so many times, each time some turns after the last, and ends the training.
fn ends_in_the_same_bits(kills: u64) {
    let folder = example("logistic.toml");
    let text = std::fs::read_to_string(folder.path("job.toml")).expect("the job");
    // Many more than are waited for: on a busy machine the nodes go on while this test waits for a core.
    let turns = (kills + 2) * 10 * MOST_TURNS;
    let text = text.replace("repeat = 300", &format!("repeat = {turns}"));
    folder.text("job.toml", &text.replace("every = 50", &format!("every = {turns}")));
    json(&folder.run(&["run", "job.toml", "--local", "--json"]));
    let weights = std::fs::read(folder.path("weights.npy")).expect("the weights of a run without");
    std::fs::remove_file(folder.path("weights.npy")).expect("they are removed");
    deployment(&folder);
    let keep = ["--checkpoint", "kept", "--checkpoint-every", EVERY];
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut chance = Chance(seed);
    for kill in 0..kills {
        let before = newest(&folder, 0);
        let mut nodes = start(&folder, &keep);
        let (victim, more) = (chance.below(3) as usize, chance.below(MOST_TURNS));
        let patience = Instant::now() + Duration::from_secs(120);
        while newest(&folder, 0) < before + more {
            assert!(Instant::now() < patience, "kill {kill}: party 0 goes on from turn {before}");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Anywhere between two checkpoints, or while the nodes meet.
        std::thread::sleep(Duration::from_micros(chance.below(if more == 0 { 900_000 } else { 30_000 })));
        nodes[victim].kill().expect("it is killed");
        for (number, node) in nodes.into_iter().enumerate() {
            let output = node.wait_with_output().expect("a node ends");
            if number != victim {
                let line = stderr(&output);
                assert_eq!(output.status.code(), Some(3), "kill {kill}, of node {victim}: {line}");
            }
        }
        assert!(!folder.path("weights.npy").exists(), "nothing is written");
    }
    for node in start(&folder, &keep) {
        let output = node.wait_with_output().expect("a node ends");
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read(folder.path("weights.npy")).expect("the weights"), weights, "the same bits");
    assert_eq!([newest(&folder, 0), newest(&folder, 1)], [0, 0], "what is done is not kept");
}

#[test]
fn a_training_with_two_kills_ends_in_the_same_bits() {
    ends_in_the_same_bits(2);
}

#[test]
#[ignore = "takes minutes"]
fn a_training_with_twenty_kills_ends_in_the_same_bits() {
    ends_in_the_same_bits(20);
}
