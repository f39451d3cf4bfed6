//! Every kernel that there is, drawn at random: what the invariant of this module's parent is tested on.
//!
//! The kernels are those of their table, and the shaders those of their folder, so that none can be left out.

use super::tests::{Name, check_scratch_spans, limits, matrix, ring};
use super::*;
use crate::device::gpu::MatrixTile;
use crate::ring::Shape;
use crate::step::bits::{self, LANE_BITS, Lanes, Level, Predicate};
use crate::step::{Axis, Loop, MOST_LOOPS, STEMS};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

/// Shaders that no kernel runs: they are only measured, on matrices of their own.
const MEASURED: [&str; 4] = ["gemm_naive", "matrix_peak", "matrix_peak_int8", "peak"];

/// The stems of all shaders with an entry point.
fn shaders() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let files = std::fs::read_dir(folder).expect("the shaders").map(|file| file.expect("a shader").path());
    let is_run = |path: &Path| {
        let is_glsl = path.extension().is_some_and(|extension| extension == "comp");
        is_glsl || (path.is_file() && std::fs::read_to_string(path).expect("a shader").contains("@compute"))
    };
    let stem = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.filter(|path| is_run(path)).map(|path| stem(&path)).collect()
}

/// Numbers that choose a kernel's shapes.
struct Draw<'a> {
    numbers: std::iter::Copied<std::slice::Iter<'a, u32>>,
    ring: Ring,
    limits: Limits,
}

impl Draw<'_> {
    /// From 0 to `end`, excluded.
    fn below(&mut self, end: usize) -> usize {
        self.numbers.next().expect("as many numbers as the largest kernel needs") as usize % end.max(1)
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn extent(&mut self) -> usize {
        match self.below(3) {
            0 => 1 + self.below(69),
            1 => 120 + self.below(20),
            _ => 2000 + self.below(100),
        }
    }

    /// Rows and columns that are the given ones, or repeated.
    fn leaning(&mut self, name: usize, rows: usize, cols: usize) -> Matrix<Name> {
        let (rows, cols) = (if self.flag() { rows } else { 1 }, if self.flag() { cols } else { 1 });
        matrix(name, rows, cols)
    }

    /// Bits of comparisons, of a ring of which `reserved` are left.
    fn bits(&mut self, reserved: u32) -> u32 {
        1 + self.below((self.ring.bits() - reserved) as usize) as u32
    }

    /// By how many bits, and modulo which power of two, elements are truncated.
    fn truncation(&mut self) -> (u32, u32) {
        let width = 3 + self.below(self.ring.bits() as usize - 2) as u32;
        (1 + self.below(width as usize - 2) as u32, width)
    }

    /// Elements of which so many planes fit a binding, together with the elements.
    fn elements_of(&mut self, planes: u32) -> usize {
        let most = self.limits.elements(self.ring.element_bytes());
        let bits = self.ring.bits() as usize;
        1 + self.below((most / planes.max(bits as u32) as usize * bits).min(100_000))
    }

    fn planes(&self, name: usize, planes: u32, elements: usize) -> Matrix<Name> {
        let Shape { rows, cols } = bits::planes(self.ring, planes, elements);
        matrix(name, rows, cols)
    }

    fn predicate(&mut self) -> Predicate {
        [Predicate::Borrow, Predicate::Sign, Predicate::Zero][self.below(3)]
    }

    /// A number of lanes that the ring has.
    fn lane_count(&mut self) -> u32 {
        2 + self.below((self.ring.bits() / LANE_BITS) as usize - 1) as u32
    }

    /// Those of a base, or of a few powers.
    fn lanes(&mut self) -> Lanes {
        let (count, rising) = (self.lane_count(), self.flag());
        if self.flag() {
            return Lanes::base(count, rising);
        }
        let exponents = (0..8).fold(0, |all, _| all | 1u64 << self.below(self.ring.bits() as usize));
        Lanes { own: 0, exponents, rising }
    }

    /// A level with digits to join.
    fn level(&mut self) -> Level {
        let (digits, order) = (2 + self.below(15) as u32, self.flag());
        if self.flag() { Level::new(digits, order) } else { Level::pairwise(digits, order) }
    }
}

static KEY: LazyLock<PrgKey> = LazyLock::new(|| PrgKey::from_bytes([1; 32]));

/// Tiles on matrix units, and bytes for residues.
type Units = Option<(MatrixTile, u64)>;

/// A kernel of that name.
fn kernel(stem: &str, draw: &mut Draw<'_>) -> (Kernel<Name, &'static PrgKey>, Units) {
    let (rows, cols) = (draw.extent(), draw.extent());
    let whole = |name| matrix(name, rows, cols);
    let key: &'static PrgKey = &KEY;
    let shift = 1 + draw.below(draw.ring.bits() as usize - 2) as u32;
    let kernel = match stem {
        "linear" => {
            let terms = [(1, draw.leaning(1, rows, cols)), (2, draw.leaning(2, rows, cols))];
            let terms = terms[..1 + draw.below(2)].to_vec();
            Kernel::Linear { out: whole(0), terms, constant: 3 }
        }
        "hadamard" => {
            let mut pair = |name| (draw.leaning(name, rows, cols), draw.leaning(name + 1, rows, cols));
            let terms = [pair(1), pair(3)];
            let terms = terms[..1 + draw.below(2)].to_vec();
            Kernel::Hadamard { out: whole(0), terms, accumulate: draw.flag() }
        }
        "gemm" => return gemm(draw),
        "transpose" => Kernel::Transpose { out: matrix(0, cols, rows), operand: whole(1) },
        "rows" => {
            let (column, behind) = (draw.below(50), draw.below(50));
            let operand = matrix(1, draw.extent(), column + cols + behind);
            Kernel::Rows { out: whole(0), operand, index: matrix(2, rows, 1), column }
        }
        "sum" => match draw.flag() {
            true => Kernel::Sum { out: matrix(0, 1, cols), operand: whole(1), axis: Axis::Rows },
            false => Kernel::Sum { out: matrix(0, rows, 1), operand: whole(1), axis: Axis::Cols },
        },
        "shift" => Kernel::Shift { out: whole(0), operand: whole(1), bits: shift },
        "fill" => Kernel::Fill { out: whole(0), key, stream: 0, block: 7 },
        "mask" => {
            let (out, operand) = (whole(0), whole(1));
            Kernel::Mask { out, factor: 1, operand, mask_factor: 2, key, stream: 0, block: 7, constant: 3 }
        }
        "hadamard_mask" => {
            let terms = [1, 3].map(|name| (whole(name), whole(name + 1)))[..1 + draw.below(2)].to_vec();
            Kernel::HadamardMask { out: whole(0), terms, key, stream: 0, block: 7 }
        }
        "trunc_pair" => {
            let [top, high, first, second] = [0, 1, 2, 3].map(whole);
            let (bits, width) = draw.truncation();
            Kernel::TruncPair { top, high, masks: [first, second], bits, width }
        }
        "trunc_finish" => {
            let [out, own, other, top, high] = [0, 1, 2, 3, 4].map(whole);
            let opened = [own, other][..1 + draw.below(2)].to_vec();
            let (bits, width) = draw.truncation();
            Kernel::TruncFinish { out, opened, top, high, bits, width, leader: draw.flag() }
        }
        "pack" | "unpack" => {
            let width = draw.bits(1);
            let Shape { rows: few_rows, cols: few_cols } = bits::packed(draw.ring, width, rows * cols);
            let few = |name| matrix(name, few_rows, few_cols);
            match stem {
                "pack" => Kernel::Pack { out: few(0), operand: whole(1), width },
                _ => Kernel::Unpack { out: whole(0), operand: few(1), width, accumulate: draw.flag() },
            }
        }
        "xor" => Kernel::Xor { out: whole(0), left: whole(1), right: whole(2), flip: draw.flag() },
        "and" => Kernel::And { out: whole(0), left: whole(1), right: whole(2), addend: whole(3) },
        "truth_table" | "lookup_shares" | "bit_planes" | "mask_products" | "and_tree" | "pick_lanes"
        | "mux" => on_planes(stem, draw),
        "affine" => affine(draw),
        _ => panic!("no kernel '{stem}' is drawn: what its shader indexes is not tested"),
    };
    (kernel, None)
}

/// A product, on scalar or on matrix units.
fn gemm(draw: &mut Draw<'_>) -> (Kernel<Name, &'static PrgKey>, Units) {
    let n = if draw.flag() { 1 + draw.below(9) } else { 1 + draw.below(139) };
    let (m, n) = if draw.flag() { (draw.extent(), n) } else { (n, draw.extent()) };
    // Large products in small bindings are parts without number.
    let is_small = m * n < 5000 || draw.limits.binding_bytes > 1 << 20;
    let k = if is_small && draw.flag() { 1000 + draw.below(2000) } else { 1 + draw.below(139) };
    let l = draw.below(40);
    let terms = [(matrix(1, m, k), matrix(2, k, n)), (matrix(3, m, l), matrix(4, l, n))];
    let terms = terms[..1 + draw.below(2)].to_vec();
    let units = draw.flag().then(|| {
        let tile = MatrixTile::ALL[draw.below(MatrixTile::ALL.len())];
        (tile, [1 << 20, 8 << 20, 288 << 20][draw.below(3)])
    });
    (Kernel::Gemm { out: matrix(0, m, n), terms, accumulate: draw.flag() }, units)
}

/// A kernel on planes of bits, which are whole.
fn on_planes(stem: &str, draw: &mut Draw<'_>) -> Kernel<Name, &'static PrgKey> {
    match stem {
        "truth_table" => {
            let top = draw.flag();
            let bits = draw.bits(top.into());
            let planes = bits::table_planes(bits, top);
            let elements = draw.elements_of(planes);
            Kernel::TruthTable {
                out: draw.planes(0, planes, elements),
                mask: matrix(1, 1, elements),
                bits,
                top,
            }
        }
        "lookup_shares" => {
            let predicate = draw.predicate();
            let bits = draw.bits(predicate.has_top().into());
            let table = bits::table_planes(bits, predicate.has_top());
            let lanes = (predicate.has_top() && draw.flag()).then(|| draw.lanes());
            let written = lanes.map_or(predicate.level(bits), Lanes::level).planes();
            let elements = draw.elements_of(table.max(written));
            let out = draw.planes(0, written, elements);
            let (opened, table) = (matrix(1, 1, elements), draw.planes(2, table, elements));
            Kernel::LookupShares { out, opened, table, bits, predicate, lanes, leader: draw.flag() }
        }
        "bit_planes" => {
            let top = draw.below(draw.ring.bits() as usize) as u32;
            let rows = 1 + draw.below(top as usize + 1) as u32;
            let elements = draw.elements_of(rows);
            Kernel::BitPlanes { out: draw.planes(0, rows, elements), operand: matrix(1, 1, elements), top }
        }
        "mask_products" => {
            let level = draw.level();
            let elements = draw.elements_of(level.monomials().max(level.factors()));
            let masks = [1, 2].map(|name| draw.planes(name, level.factors(), elements));
            Kernel::MaskProducts { out: draw.planes(0, level.monomials(), elements), masks, level }
        }
        "and_tree" => {
            let level = draw.level();
            let elements = draw.elements_of(level.monomials().max(level.planes()));
            let rows = [level.planes(), level.factors(), level.factors(), level.monomials()];
            let next = level.next().expect("digits to join");
            let out = draw.planes(0, next.planes(), elements);
            let mut names = 1..;
            let [planes, opened, masks, monomials] =
                rows.map(|rows| draw.planes(names.next().expect("a name"), rows, elements));
            Kernel::AndTree { out, planes, opened, masks, monomials, level, leader: draw.flag() }
        }
        "pick_lanes" => {
            let (lanes, groups, rising) = (draw.lane_count(), 1 + draw.below(9) as u32, draw.flag());
            let own = Level::new(groups + 1, true).planes();
            let base = Lanes::base(lanes, rising).results().planes();
            let elements = draw.elements_of(own.max(base));
            let out = draw.planes(0, Level::new(lanes, true).planes(), elements);
            let (opened, base, own) =
                (matrix(1, 1, elements), draw.planes(2, base, elements), draw.planes(3, own, elements));
            let exponent = draw.below((lanes * LANE_BITS) as usize) as u32;
            let group = draw.below(groups as usize) as u32;
            Kernel::PickLanes { out, opened, base, own, lanes, exponent, rising, group }
        }
        _ => {
            let most = draw.limits.elements(draw.ring.element_bytes()) * draw.ring.bits() as usize;
            let elements = 1 + draw.below(most.min(100_000));
            let mut value = |name| draw.flag().then(|| matrix(name, 1, elements));
            let (value, hidden) = (value(2), value(3));
            let bits = draw.planes(1, 1, elements);
            let (out, accumulate) = (matrix(0, 1, elements), draw.flag());
            Kernel::Mux { out, bits, value, constant: 1, hidden, accumulate }
        }
    }
}

/// Loops that reach no place of the output twice, and the operand in any order.
fn affine(draw: &mut Draw<'_>) -> Kernel<Name, &'static PrgKey> {
    let count = draw.below(MOST_LOOPS + 1);
    let (mut read, mut written) = (1, 1);
    let mut loops = Vec::new();
    for _ in 0..count {
        let turn = Loop { count: 1 + draw.below(6), from: draw.below(40), to: written + draw.below(3) };
        read += (turn.count - 1) * turn.from;
        written += (turn.count - 1) * turn.to;
        loops.insert(0, turn);
    }
    let (from, to) = (draw.below(300), draw.below(300));
    let (read, written) = (from + read + draw.below(50), to + written + draw.below(50));
    Kernel::Affine {
        out: matrix(0, 1, written),
        operand: matrix(1, 1, read),
        loops,
        from,
        to,
        keep: draw.flag(),
    }
}

/// What is drawn for one kernel.
fn case() -> impl Strategy<Value = (Ring, Limits, Vec<u32>)> {
    (ring(), limits(), prop::collection::vec(any::<u32>(), 48))
}

/// The entry points that a drawn kernel runs, all of whose indices hold.
fn checked(
    stem: &str,
    (ring, limits, numbers): (Ring, Limits, Vec<u32>),
) -> Vec<(&'static str, &'static str)> {
    let mut draw = Draw { numbers: numbers.iter().copied(), ring, limits };
    let (kernel, units) = kernel(stem, &mut draw);
    assert_eq!(kernel.name(), stem);
    let alignment_bytes = if units.is_some() { 256 } else { limits.alignment_bytes };
    let shaders = check_scratch_spans(ring, &kernel, Limits { alignment_bytes, ..limits }, units);
    shaders.into_iter().map(|shader| (shader.stem(), shader.entry_point())).collect()
}

#[test]
fn every_index_of_every_kernel_is_within_its_binding() {
    for stem in STEMS {
        let mut runner = TestRunner::new(Config::with_cases(32));
        let hold = |case| {
            checked(stem, case);
            Ok(())
        };
        runner.run(&case(), hold).unwrap_or_else(|error| panic!("{stem}: {error}"));
    }
}

/// What is drawn above runs every shader that computes, also where one stands for several: each is reached by the same
/// draws in every run of the test.
#[test]
fn every_shader_is_reached_by_the_kernels_that_are_drawn() {
    let reached = RefCell::new(BTreeSet::new());
    for stem in STEMS {
        let mut runner = TestRunner::new_with_rng(
            Config { cases: 24, failure_persistence: None, ..Config::default() },
            proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
        );
        let hold = |case| {
            reached.borrow_mut().extend(checked(stem, case));
            Ok(())
        };
        runner.run(&case(), hold).unwrap_or_else(|error| panic!("{stem}: {error}"));
    }
    let reached = reached.into_inner();
    let stems: BTreeSet<String> = reached.iter().map(|(stem, _)| (*stem).to_owned()).collect();
    let expected: BTreeSet<String> =
        shaders().into_iter().filter(|stem| !MEASURED.contains(&stem.as_str())).collect();
    assert_eq!(stems, expected, "shaders whose indices are tested");
    for stem in ["fill", "mask", "hadamard_mask"] {
        assert!(reached.contains(&(stem, "tail")), "the last block of {stem}");
    }
}
