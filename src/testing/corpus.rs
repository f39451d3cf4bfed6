//! The corpora of the fuzz targets, run as ordinary tests: on every toolchain, and the same each time.

use std::path::Path;

/// Altered cases for each target, where `SYMBOLON_FUZZ_CASES` does not say how many.
const ALTERED: usize = 500;

/// Numbers that lengths and offsets are wrong with.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 7, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX];

/// Calls `target` with the cases in the corpus of this name: whole, cut short, and altered at random.
///
/// # Panics
/// Where there is no corpus, and where the target does.
pub fn corpus(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fuzz/corpus").join(name);
    let entries = std::fs::read_dir(folder).expect("a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a case").path()).collect();
    paths.sort();
    let cases: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("a case can be read")).collect();
    assert!(!cases.is_empty(), "there are cases");
    for case in &cases {
        let step = 1 + case.len() / 500;
        let ends = (0..case.len()).step_by(step).chain([case.len()]);
        ends.for_each(|end| run(target, &case[..end]));
    }
    let wanted = std::env::var("SYMBOLON_FUZZ_CASES").ok().and_then(|count| count.parse().ok());
    let mut random = Random(0x5eed);
    for _ in 0..wanted.unwrap_or(ALTERED) {
        let mut case = cases[random.below(cases.len())].clone();
        for _ in 0..=random.below(4) {
            alter(&mut case, &cases, &mut random);
        }
        run(target, &case);
    }
}

/// Calls `target`; where it panics, the case is printed.
fn run(target: fn(&[u8]), case: &[u8]) {
    struct Shown<'a>(&'a [u8]);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the case, for the corpus: {}", self.0.escape_ascii());
            }
        }
    }
    let _shown = Shown(case);
    target(case);
}

/// Changes a case in one of the ways in which files and frames are wrong.
fn alter(case: &mut Vec<u8>, cases: &[Vec<u8>], random: &mut Random) {
    let at = random.below(case.len() + 1);
    let end = at + random.below((case.len() - at).min(64) + 1);
    let number = NUMBERS[random.below(NUMBERS.len())];
    match random.below(7) {
        0 if at < case.len() => case[at] ^= 1 << random.below(8),
        1 if at < case.len() => case[at] = random.below(256) as u8,
        2 => {
            let bytes = number.to_le_bytes();
            let width = [2, 4, 8][random.below(3)].min(case.len() - at);
            case[at..at + width].copy_from_slice(&bytes[..width]);
        }
        3 => drop(case.splice(at..end, number.to_string().into_bytes())),
        4 => drop(case.drain(at..end)),
        5 => {
            let again = case[at..end].to_vec();
            case.splice(at..at, again);
        }
        _ => {
            let other = &cases[random.below(cases.len())];
            case.truncate(at);
            case.extend(&other[random.below(other.len() + 1)..]);
        }
    }
}

/// Numbers that look random (Knuth's MMIX).
struct Random(u64);

impl Random {
    /// One below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }
}
