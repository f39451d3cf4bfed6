//! The invariant that the unchecked shaders rely on, recomputed from parameters as each shader forms its indices.

use super::*;
use crate::device::gpu::MatrixTile;
use crate::device::gpu::params;
use crate::device::gpu::residue::blocking::{MOST_USED_BYTES, Room};
use crate::device::gpu::residue::panels::{ContentCell, Panels};
use crate::device::gpu::tile::THREADS;
use crate::device::gpu::tune::Tuning;
use crate::ring::Shape;
use crate::step::Axis;
use proptest::prelude::*;

/// A buffer that only knows its name and how many elements its matrix has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) usize, pub(super) usize);

pub(super) const LIMITS: Limits =
    Limits { binding_bytes: 8192, alignment_bytes: 256, groups_across: 65_535, scratch_bytes: 16384 };

/// The limits of adapters there are, and such as show every seam.
pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let binding_bytes = prop_oneof![Just(8192u64), Just(4096), 5000u64..70_000, Just(128 << 20)];
    let alignment_bytes = prop_oneof![Just(256u64), Just(64), Just(32), Just(16)];
    let groups_across = prop_oneof![Just(1u32), 2u32..9, Just(65_535)];
    (binding_bytes, alignment_bytes, groups_across).prop_map(
        |(binding_bytes, alignment_bytes, groups_across)| Limits {
            // Such are the limits that wgpu reports.
            binding_bytes: binding_bytes / 4 * 4,
            alignment_bytes,
            groups_across,
            scratch_bytes: binding_bytes / 8 * 8,
        },
    )
}

pub(super) fn matrix(name: usize, rows: usize, cols: usize) -> Matrix<Name> {
    Matrix::new(Name(name, rows * cols), Shape::new(rows, cols))
}

fn last(offset: u32, rows: u32, stride: u32, cols: u32) -> u64 {
    u64::from(offset) + u64::from(rows - 1) * u64::from(stride) + u64::from(cols - 1)
}

/// Bytes from the start of each binding to the end of the last element that the shader reaches.
fn ends(ring: Ring, dispatch: &Dispatch<Name>) -> Vec<u64> {
    let element = ring.element_bytes() as u64;
    let units = match dispatch.shader {
        Shader::Fill | Shader::FillTail => vec![4],
        // Counted in bytes.
        Shader::Mask | Shader::HadamardMask => vec![1; dispatch.bindings.len()],
        Shader::ResidueSplit { .. } => vec![16, element, 64],
        Shader::ResidueGemm { tile } if tile.has_bytes() => vec![16, 16, 16, 64],
        Shader::ResidueGemm { .. } => vec![4, 2, 2, 64, 4],
        Shader::ResidueJoin => vec![element, 16, 4, 64],
        _ => vec![element; dispatch.bindings.len()],
    };
    last_indices(ring, dispatch).into_iter().zip(units).map(|(last, unit)| (last + 1) * unit).collect()
}

/// The last index that the shader forms into each binding.
fn last_indices(ring: Ring, dispatch: &Dispatch<Name>) -> Vec<u64> {
    let view = |view: [u32; 4], rows: u32, cols: u32| {
        u64::from(view[0])
            + u64::from(rows - 1) * u64::from(view[1])
            + u64::from(cols - 1) * u64::from(view[2])
    };
    match dispatch.shader {
        Shader::Linear => {
            let p: params::Linear = dispatch.params.read();
            let rows = p.count / p.cols;
            let out = last(p.out_offset, 1, 0, p.count);
            vec![out, view(p.first, rows, p.cols), view(p.second, rows, p.cols)]
        }
        Shader::Hadamard => {
            let p: params::Hadamard = dispatch.params.read();
            let rows = p.count / p.cols;
            let operands = [p.left_first, p.right_first, p.left_second, p.right_second];
            let operands = operands.map(|operand| view(operand, rows, p.cols));
            [vec![last(p.out_offset, 1, 0, p.count)], operands.to_vec()].concat()
        }
        Shader::Gemm { vectors, .. } => {
            let p: params::Gemm = dispatch.params.read();
            let is_whole =
                [p.right_first, p.right_second].iter().flatten().all(|place| place.is_multiple_of(4));
            assert!(!vectors || (is_whole && p.cols.is_multiple_of(4)), "{p:?}");
            let second = if p.inner[1] == 0 { p.inner[0] } else { p.inner[1] };
            vec![
                last(p.out_offset, p.rows, p.out_stride, p.cols)
                    + u64::from(p.slices - 1) * u64::from(p.slice_stride),
                last(p.left_first[0], p.rows, p.left_first[1], p.inner[0]),
                last(p.right_first[0], p.inner[0], p.right_first[1], p.cols),
                last(p.left_second[0], p.rows, p.left_second[1], second),
                last(p.right_second[0], second, p.right_second[1], p.cols),
            ]
        }
        Shader::Gemv { few } => {
            let p: params::Gemv = dispatch.params.read();
            assert!(p.lanes.is_power_of_two() && p.lanes <= THREADS as u32);
            let second = if p.inner[1] == 0 { p.inner[0] } else { p.inner[1] };
            let out = [p.out_offset, p.out_strides[0], p.out_strides[1], 0];
            vec![
                view(out, p.long, few) + u64::from(p.slices - 1) * u64::from(p.slice_stride),
                view(p.matrix_first, p.long, p.inner[0]),
                view(p.vectors_first, few, p.inner[0]),
                view(p.matrix_second, p.long, second),
                view(p.vectors_second, few, second),
            ]
        }
        Shader::Transpose => {
            let p: params::Transpose = dispatch.params.read();
            vec![
                last(p.out_offset, p.cols, p.out_stride, p.rows),
                last(p.operand_offset, p.rows, p.operand_stride, p.cols),
            ]
        }
        Shader::Rows => {
            let p: params::Rows = dispatch.params.read();
            let rows = p.count / p.cols;
            assert_eq!(rows * p.cols, p.count);
            assert!(p.first_row + p.bound_rows <= p.operand_rows);
            vec![
                last(p.out_offset, rows, p.out_stride, p.cols),
                last(p.operand_offset, p.bound_rows, p.operand_stride, p.cols),
                last(p.index_offset, 1, 0, rows),
            ]
        }
        Shader::Sum => {
            let p: params::Sum = dispatch.params.read();
            assert!(p.lanes.is_power_of_two() && p.lanes <= 256);
            let operand = u64::from(p.operand_offset)
                + u64::from(p.sums - 1) * u64::from(p.sum_stride)
                + u64::from(p.inner - 1) * u64::from(p.inner_stride);
            vec![last(p.out_offset, 1, 0, p.sums * p.slices), operand]
        }
        Shader::Fill => {
            let p: params::Fill = dispatch.params.read();
            // Counted in words, like its spans.
            vec![u64::from(p.offset) * 4 + u64::from(p.count) * 16 - 1]
        }
        Shader::FillTail => {
            let p: params::Fill = dispatch.params.read();
            assert!(p.count < 16);
            vec![last(p.offset, 1, 0, p.count)]
        }
        Shader::Mask => {
            let p: params::Mask = dispatch.params.read();
            vec![u64::from(p.offset) * 16 + u64::from(p.count) * 64 - 1; 2]
        }
        Shader::MaskTail => {
            let p: params::Mask = dispatch.params.read();
            vec![last(p.offset, 1, 0, p.count); 2]
        }
        Shader::HadamardMask => {
            let p: params::HadamardMask = dispatch.params.read();
            vec![u64::from(p.offset) * 16 + u64::from(p.count) * 64 - 1; 5]
        }
        Shader::HadamardMaskTail => {
            let p: params::HadamardMask = dispatch.params.read();
            vec![last(p.offset, 1, 0, p.count); 5]
        }
        Shader::TruthTable => planes::truth_table(ring, dispatch),
        Shader::LookupShares => planes::lookup_shares(ring, dispatch),
        Shader::MaskProducts => planes::mask_products(dispatch),
        Shader::AndTree => planes::and_tree(dispatch),
        Shader::PickLanes => planes::pick_lanes(ring, dispatch),
        Shader::BitPlanes => planes::bit_planes(ring, dispatch),
        Shader::And => {
            let p: params::And = dispatch.params.read();
            let offsets = [p.out_offset, p.left_offset, p.right_offset, p.addend_offset];
            offsets.map(|offset| last(offset, 1, 0, p.count)).to_vec()
        }
        Shader::Xor => {
            let p: params::Xor = dispatch.params.read();
            let offsets = [p.out_offset, p.left_offset, p.right_offset];
            offsets.map(|offset| last(offset, 1, 0, p.count)).to_vec()
        }
        Shader::Mux => {
            let p: params::Mux = dispatch.params.read();
            assert!((p.first + p.count - 1) / p.width < ring.bits(), "a shift within the ring");
            let bits = last(p.bits_offset, 1, 0, p.width);
            let or_bits = |has: u32, offset| if has == 1 { last(offset, 1, 0, p.count) } else { bits };
            let (value, hidden) =
                (or_bits(p.has_value, p.value_offset), or_bits(p.has_hidden, p.hidden_offset));
            vec![last(p.out_offset, 1, 0, p.count), bits, value, hidden]
        }
        Shader::Affine => {
            let p: params::Affine = dispatch.params.read();
            let reach =
                |at: usize| p.loops.iter().map(|turn| u64::from((turn[0] - 1) * turn[at])).sum::<u64>();
            assert_eq!(p.loops.iter().map(|turn| turn[0]).product::<u32>(), p.count);
            vec![u64::from(p.out_offset) + reach(2), u64::from(p.operand_offset) + reach(1)]
        }
        Shader::ResidueSplit { bytes } => {
            let p: params::ResidueSplit = dispatch.params.read();
            let in_vector = if bytes { 16 } else { 8 };
            let area = u64::from(p.tile_outer * p.tile_inner / in_vector);
            let last_row = (p.first_outer + p.outer - 1) / p.tile_outer;
            let tiles = u64::from(last_row) * u64::from(p.panel_inner_tiles)
                + u64::from(p.first_inner_tile + p.inner_tiles);
            assert!(tiles * area <= u64::from(p.modulus_stride));
            assert!(p.first_inner_tile + p.inner_tiles <= p.panel_inner_tiles);
            let operand = u64::from(p.operand_offset)
                + u64::from(p.outer - 1) * u64::from(p.outer_stride)
                + u64::from(p.inner - 1) * u64::from(p.inner_stride);
            let panel = u64::from(p.moduli) * u64::from(p.modulus_stride);
            vec![panel - 1, operand, last_modulus(dispatch, 2, p.first_modulus + p.moduli)]
        }
        Shader::ResidueGemm { tile } if tile.has_bytes() => {
            let p: params::ResidueGemmInt8 = dispatch.params.read();
            let ((in_tile, depth), [high, wide]) = (tile.panel_tile(), tile.block());
            let (rows, cols) =
                (high as u64 * u64::from(p.groups_down), wide as u64 * u64::from(p.groups_across));
            assert!(rows % in_tile as u64 == 0 && cols % in_tile as u64 == 0);
            let panel = |outer: u64| outer * u64::from(p.inner_tiles) * depth as u64 / 16;
            assert!(panel(rows) <= u64::from(p.left_stride) && panel(cols) <= u64::from(p.right_stride));
            assert!(cols <= u64::from(p.pitch) && rows * u64::from(p.pitch) <= u64::from(p.sums_stride));
            assert!(p.pitch.is_multiple_of(16) && p.sums_stride.is_multiple_of(16), "{p:?}");
            let whole = |stride: u32| u64::from(p.moduli) * u64::from(stride) - 1;
            let moduli = last_modulus(dispatch, 3, p.first_modulus + p.moduli);
            // Sums are written sixteen at a time.
            vec![(whole(p.sums_stride) + 1) / 16 - 1, whole(p.left_stride), whole(p.right_stride), moduli]
        }
        Shader::ResidueGemm { tile } => {
            let p: params::ResidueGemm = dispatch.params.read();
            let tile = tile.side() as u64;
            let panel = |blocks: u32| u64::from(4 * blocks * p.inner_tiles) * tile * tile;
            let whole = |stride: u32| u64::from(p.moduli) * u64::from(stride) - 1;
            assert!(panel(p.blocks_down) <= u64::from(p.left_stride));
            assert!(panel(p.blocks_across) <= u64::from(p.right_stride));
            let (rows, cols) = (u64::from(4 * p.blocks_down) * tile, u64::from(4 * p.blocks_across) * tile);
            assert!(cols <= u64::from(p.pitch) && rows * u64::from(p.pitch) <= u64::from(p.sums_stride));
            let moduli = last_modulus(dispatch, 3, p.first_modulus + p.moduli);
            vec![
                whole(p.sums_stride),
                whole(p.left_stride),
                whole(p.right_stride),
                moduli,
                2 * tile * tile - 1,
            ]
        }
        Shader::ResidueJoin => {
            let p: params::ResidueJoin = dispatch.params.read();
            let place = last(0, p.first_row + p.rows, p.pitch, p.cols);
            assert!(place < u64::from(p.sums_stride));
            let waits = p.is_first == 0 || p.is_last == 0;
            vec![
                last(p.out_offset, p.rows, p.out_stride, p.cols),
                if waits { u64::from(p.sums_stride) - 1 } else { 0 },
                u64::from(p.moduli) * u64::from(p.sums_stride) / if p.bytes == 1 { 4 } else { 1 } - 1,
                last_modulus(dispatch, 3, p.first_modulus + p.moduli),
            ]
        }
        Shader::Peak | Shader::MatrixPeak { .. } | Shader::GemmNaive => {
            unreachable!("no kernel runs what is only measured")
        }
        Shader::Shift => {
            let p: params::Shift = dispatch.params.read();
            [p.out_offset, p.operand_offset].map(|offset| last(offset, 1, 0, p.count)).to_vec()
        }
        Shader::Pack => {
            let p: params::Pack = dispatch.params.read();
            // The last word begins within the last element, or before.
            let bit = (p.count - 1) % p.width * ring.bits();
            let element = (p.count - 1) / p.width * ring.bits() + bit / p.width;
            assert!(element < p.elements, "{p:?}");
            [(p.out_offset, p.count), (p.operand_offset, p.elements)]
                .map(|(offset, count)| last(offset, 1, 0, count))
                .to_vec()
        }
        Shader::Unpack => {
            let p: params::Unpack = dispatch.params.read();
            let end = |index: u32| {
                let bits = index % ring.bits() * p.width + p.width;
                u64::from(index / ring.bits()) * u64::from(p.width) + u64::from(bits.div_ceil(ring.bits()))
            };
            let words = (0..p.count).map(end).max().expect("an element");
            vec![last(p.out_offset, 1, 0, p.count), u64::from(p.operand_offset) + words - 1]
        }
        Shader::TruncPair => {
            let p: params::TruncPair = dispatch.params.read();
            let offsets = [p.top_offset, p.high_offset, p.mask_0_offset, p.mask_1_offset];
            offsets.map(|offset| last(offset, 1, 0, p.count)).to_vec()
        }
        Shader::TruncFinish => {
            let p: params::TruncFinish = dispatch.params.read();
            let offsets = [p.out_offset, p.first_offset, p.second_offset, p.top_offset, p.high_offset];
            offsets.map(|offset| last(offset, 1, 0, p.count)).to_vec()
        }
    }
}

/// The last of all moduli, which are bound together, if `end` is within them.
fn last_modulus(dispatch: &Dispatch<Name>, binding: usize, end: u32) -> u64 {
    let last = dispatch.bindings[binding].size_bytes / 64 - 1;
    assert!(u64::from(end) <= last + 1);
    last
}

fn works(ring: Ring, kernel: &Kernel<Name, &PrgKey>, limits: Limits) -> Vec<Dispatch<Name>> {
    Memory::new(ring, limits, None).works(ring, kernel, limits)
}

/// Memory for intermediate results, and what buffers hold.
pub(super) struct Memory {
    partial: Name,
    pub(super) residues: Option<Residues<Name>>,
    panels: [Panels; 2],
    pub(super) contents: [ContentCell; 5],
}

impl Memory {
    /// With as much for residues as is given beside what is multiplied.
    pub(super) fn new(ring: Ring, limits: Limits, residues: Option<(MatrixTile, u64)>) -> Memory {
        let residues = residues.map(|(tile, bytes)| named_residues(ring, tile, bytes));
        let panels = residues.as_ref().map(Residues::panels).unwrap_or_default();
        let partial = Name(usize::MAX, limits.scratch_bytes as usize / ring.element_bytes());
        Memory { partial, residues, panels, contents: [(); 5].map(|()| ContentCell::new()) }
    }

    pub(super) fn works(
        &mut self,
        ring: Ring,
        kernel: &Kernel<Name, &PrgKey>,
        limits: Limits,
    ) -> Vec<Dispatch<Name>> {
        let mut works = Vec::new();
        let tuning = &Tuning::default().scalar[usize::from(ring != Ring::Z32)];
        let scratch = Scratch {
            partial: self.partial,
            residues: self.residues,
            panels: &mut self.panels,
            content: &|Name(number, _)| self.contents[number].content(),
        };
        plan(ring, kernel, limits, scratch, tuning, &mut |work| works.push(work));
        works
    }

    /// Residues of left and of right operands that a product makes, modulo all numbers together.
    fn splits(&mut self, kernel: &Kernel<Name, &PrgKey>, limits: Limits) -> [u32; 2] {
        let mut splits = [0; 2];
        for dispatch in self.works(Ring::Z64, kernel, limits) {
            if matches!(dispatch.shader, Shader::ResidueSplit { .. }) {
                let params: params::ResidueSplit = dispatch.params.read();
                splits[params.right as usize] += params.outer * params.inner * params.moduli;
            }
        }
        splits
    }
}

fn named_residues(ring: Ring, tile: MatrixTile, bytes: u64) -> Residues<Name> {
    let name = |number, bytes: u64| Name(usize::MAX - number, bytes as usize / ring.element_bytes());
    let room = Room::of(tile, bytes);
    Residues {
        tile,
        always: true,
        cost: [1.0; 2],
        room,
        left: name(1, room.left_bytes),
        right: name(2, room.right_bytes + room.kept_bytes),
        sums: name(3, room.sums_bytes),
        partial: name(4, room.partial_bytes),
        constants: name(5, Residues::size_bytes(tile, 0)),
    }
}

/// Each span ends with the last element that the shader touches, in the matrix, and obeys the limits.
fn check_spans(ring: Ring, kernel: &Kernel<Name, &PrgKey>, limits: Limits) {
    drop(check_scratch_spans(ring, kernel, limits, None));
}

/// The same with memory for residues; the shaders that the kernel runs.
pub(super) fn check_scratch_spans(
    ring: Ring,
    kernel: &Kernel<Name, &PrgKey>,
    limits: Limits,
    residues: Option<(MatrixTile, u64)>,
) -> Vec<Shader> {
    kernel.check(ring);
    let mut shaders = Vec::new();
    for dispatch in Memory::new(ring, limits, residues).works(ring, kernel, limits) {
        assert!(dispatch.groups[0] <= limits.groups_across && !dispatch.groups.contains(&0), "{kernel:?}");
        assert_eq!(dispatch.bindings.len(), dispatch.shader.written() + dispatch.shader.read());
        for (span, end) in dispatch.bindings.iter().zip(ends(ring, &dispatch)) {
            // Planes are bound whole, also where not all of them are read.
            let is_whole = matches!(
                dispatch.shader,
                Shader::LookupShares | Shader::MaskProducts | Shader::AndTree | Shader::PickLanes
            );
            assert!(span.size_bytes == end || (is_whole && end < span.size_bytes), "{kernel:?}");
            assert!(span.size_bytes <= limits.binding_bytes);
            assert_eq!(span.offset_bytes % limits.alignment_bytes, 0);
            let end = span.offset_bytes + span.size_bytes;
            assert!(end <= (span.buffer.1 * ring.element_bytes()) as u64, "{kernel:?}");
        }
        shaders.push(dispatch.shader);
    }
    shaders
}

pub(super) fn ring() -> impl Strategy<Value = Ring> {
    prop_oneof![Just(Ring::Z32), Just(Ring::Z64)]
}

/// Matrices whose rows lie further apart than a shader counts, which only names can stand for here.
#[test]
fn rows_may_lie_any_distance_apart() {
    let limits = Limits {
        binding_bytes: (2 << 30) - 4,
        alignment_bytes: 256,
        groups_across: 65_535,
        scratch_bytes: 4 << 20,
    };
    let (few, long) = (2, (1 << 32) + 3);
    let whole = |name| matrix(name, few, long);
    let terms = vec![(1, matrix(1, 1, long)), (2, matrix(2, few, 1))];
    check_spans(Ring::Z32, &Kernel::Linear { out: whole(0), terms, constant: 0 }, limits);
    check_spans(Ring::Z64, &Kernel::Transpose { out: matrix(0, long, few), operand: whole(1) }, limits);
    for axis in [Axis::Rows, Axis::Cols] {
        let shape = Shape::new(few, long).summed(axis);
        let out = matrix(0, shape.rows, shape.cols);
        check_spans(Ring::Z32, &Kernel::Sum { out, operand: whole(1), axis }, limits);
    }
    let terms = vec![(matrix(1, few, 3), matrix(2, 3, long))];
    check_spans(Ring::Z32, &Kernel::Gemm { out: whole(0), terms, accumulate: false }, limits);
    let terms = vec![(whole(1), matrix(2, long, few))];
    check_spans(Ring::Z32, &Kernel::Gemm { out: matrix(0, few, few), terms, accumulate: false }, limits);
}

#[test]
fn a_product_of_two_terms_is_one_dispatch_where_it_fits() {
    let terms = vec![(matrix(1, 8, 5), matrix(2, 5, 9)), (matrix(3, 8, 7), matrix(4, 7, 9))];
    let kernel = Kernel::Gemm { out: matrix(0, 8, 9), terms, accumulate: false };
    assert_eq!(works(Ring::Z64, &kernel, LIMITS).len(), 1);
}

/// What would keep one workgroup at work alone is shared among many, and summed afterwards.
#[test]
fn long_and_narrow_work_is_spread() {
    let limits = Limits { binding_bytes: 128 << 20, scratch_bytes: 4 << 20, ..LIMITS };
    let groups = |kernel: &Kernel<Name, &PrgKey>| -> Vec<u32> {
        let dispatches = works(Ring::Z64, kernel, limits).into_iter();
        dispatches.map(|dispatch| dispatch.groups[0] * dispatch.groups[1]).collect()
    };
    let terms = vec![(matrix(1, 10, 1 << 17), matrix(2, 1 << 17, 10))];
    assert_eq!(groups(&Kernel::Gemm { out: matrix(0, 10, 10), terms, accumulate: false }), [256, 4]);
    let (out, operand) = (matrix(0, 1, 1), matrix(1, 1, 1 << 23));
    assert_eq!(groups(&Kernel::Sum { out, operand, axis: Axis::Cols }), [1024, 1]);
    let (out, operand) = (matrix(0, 1, 3), matrix(1, 1 << 20, 3));
    assert_eq!(groups(&Kernel::Sum { out, operand, axis: Axis::Rows }), [768, 3]);
}

/// A large product is cut to the memory for residues, and those of a left matrix that fit are made once for a row of
/// blocks.
#[test]
fn residues_are_used_again() {
    let limits = Limits { binding_bytes: 1 << 30, ..LIMITS };
    let terms = vec![(matrix(1, 1024, 1024), matrix(2, 1024, 4096))];
    let kernel = Kernel::Gemm { out: matrix(0, 1024, 4096), terms, accumulate: false };
    let splits =
        |bytes| Memory::new(Ring::Z64, limits, Some((MatrixTile::F16Side16, bytes))).splits(&kernel, limits);
    let all = 18 << 20;
    assert_eq!(splits(1 << 30), [all, 4 * all]);
    let [left, right] = splits(100 << 20);
    assert!(left <= 4 * all && right == 4 * all, "{left} and {right} for {all}");
}

/// What a program multiplies by in every run is split in the first, as long as there is room and nobody writes to it.
#[test]
fn residues_of_weights_stay() {
    let limits = Limits { binding_bytes: 1 << 30, ..LIMITS };
    let product = |left, right, out| {
        let terms = vec![(matrix(left, 256, 1024), matrix(right, 1024, 512))];
        Kernel::Gemm { out: matrix(out, 256, 512), terms, accumulate: false }
    };
    let mut memory = Memory::new(Ring::Z64, limits, Some((MatrixTile::F16Side16, 1 << 30)));
    let (left, right) = (18 << 18, 18 << 19);
    assert_eq!(memory.splits(&product(1, 2, 0), limits), [left, right]);
    memory.contents[1].written();
    assert_eq!(memory.splits(&product(1, 2, 0), limits), [left, 0]);
    // Another layer's weights beside them.
    assert_eq!(memory.splits(&product(1, 3, 0), limits), [0, right]);
    memory.contents[1].written();
    assert_eq!(memory.splits(&product(1, 2, 0), limits), [left, 0]);
    memory.contents[2].written();
    assert_eq!(memory.splits(&product(1, 2, 0), limits), [0, right]);
}

/// Rows of blocks go there and back, and begin with the residues that the row before used last.
#[test]
fn residues_serve_the_next_row_of_blocks() {
    let limits = Limits { binding_bytes: 1 << 30, ..LIMITS };
    let terms = vec![(matrix(1, 8192, 512), matrix(2, 512, 2048))];
    let kernel = Kernel::Gemm { out: matrix(0, 8192, 2048), terms, accumulate: false };
    let [left, right] =
        Memory::new(Ring::Z64, limits, Some((MatrixTile::F16Side16, 288 << 20))).splits(&kernel, limits);
    assert_eq!(left, 18 << 22);
    assert!(right < 4 * (18 << 20), "{right}");
}

/// At 4096³ on units that multiply bytes: every residue is made once, modulo all numbers at once, and of sums a byte each is
/// written and read.
#[test]
fn a_large_product_makes_every_residue_once_and_moves_bytes() {
    const SIDE: usize = 4096;
    let limits = Limits { binding_bytes: 1 << 30, ..LIMITS };
    let terms = vec![(matrix(1, SIDE, SIDE), matrix(2, SIDE, SIDE))];
    let kernel = Kernel::Gemm { out: matrix(0, SIDE, SIDE), terms, accumulate: false };
    let memory = || Memory::new(Ring::Z64, limits, Some((MatrixTile::Int8Side16, MOST_USED_BYTES)));
    assert_eq!(memory().splits(&kernel, limits), [18 << 24, 18 << 24]);
    let works = memory().works(Ring::Z64, &kernel, limits);
    let sums_bytes = |wanted: fn(&Shader) -> bool, binding: usize| {
        let those = works.iter().filter(|work| wanted(&work.shader));
        those.map(|work| work.bindings[binding].size_bytes).sum::<u64>()
    };
    let written = sums_bytes(|shader| matches!(shader, Shader::ResidueGemm { .. }), 0);
    let read = sums_bytes(|shader| matches!(shader, Shader::ResidueJoin), 2);
    let chunks = written / (18 << 24);
    assert_eq!((written, read), (chunks * (18 << 24), chunks * (18 << 24)));
    assert_eq!(chunks, 2, "chunks of the inner size");
    let joins = works.iter().filter(|work| work.shader == Shader::ResidueJoin);
    for join in joins {
        let params: params::ResidueJoin = join.params.read();
        assert_eq!((params.is_first, params.is_last, params.moduli), (1, 1, 18), "nothing waits");
    }
}

#[test]
fn a_product_over_nothing_is_zero() {
    let terms = vec![(matrix(1, 8, 0), matrix(2, 0, 9))];
    let kernel = |accumulate| Kernel::Gemm { out: matrix(0, 8, 9), terms: terms.clone(), accumulate };
    let [zeros] = &works(Ring::Z64, &kernel(false), LIMITS)[..] else { panic!("one dispatch") };
    assert_eq!((zeros.shader, zeros.bindings[0].size_bytes, zeros.work), (Shader::Linear, 576, 72));
    assert!(works(Ring::Z64, &kernel(true), LIMITS).is_empty());
}
