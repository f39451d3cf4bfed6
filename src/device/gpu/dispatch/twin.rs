//! Products by residues without matrix units: every dispatch computed as its shader does, one element after the other.
//! This holds the layout of panels against plain products also for tiles that no software driver multiplies.

use super::tests::{LIMITS, Memory, Name, matrix};
use super::*;
use crate::device::gpu::residue::moduli::{self, FOLDED_INNER, Modulus, ROUNDING};
use crate::device::gpu::{MatrixTile, params};

/// What the buffers hold: matrices by their names, and the memory for residues.
struct Twin {
    matrices: Vec<Vec<u64>>,
    panels: [Vec<f32>; 2],
    sums: Vec<f32>,
    partial: Vec<(u64, i32)>,
    moduli: Vec<Modulus>,
}

impl Twin {
    fn new(memory: &Memory, matrices: Vec<Vec<u64>>) -> Twin {
        let Residues { room, tile, .. } = memory.residues.expect("memory for residues");
        // What nobody has written is no number, and must not be used.
        let residue_bytes = tile.residue_bytes();
        let panel = |bytes: u64| vec![f32::NAN; bytes as usize / residue_bytes];
        Twin {
            matrices,
            panels: [panel(room.left_bytes), panel(room.right_bytes + room.kept_bytes)],
            sums: vec![f32::NAN; room.sums_bytes as usize / tile.sum_bytes()],
            partial: vec![(0, 0); room.partial_bytes as usize / 16],
            moduli: moduli::table(Ring::Z64),
        }
    }

    fn run(&mut self, dispatch: Dispatch<Name>) {
        match dispatch.shader {
            Shader::ResidueSplit { .. } => self.split(&dispatch),
            Shader::ResidueGemm { tile } if tile.has_bytes() => self.multiply_bytes(&dispatch, tile),
            Shader::ResidueGemm { tile } => self.multiply(&dispatch, tile.side()),
            Shader::ResidueJoin => self.join(&dispatch),
            shader => panic!("{shader:?} is none of theirs"),
        }
    }

    /// `residue_split.wgsl`
    fn split(&mut self, dispatch: &Dispatch<Name>) {
        let p: params::ResidueSplit = dispatch.params.read();
        let [panel, operand, _] = dispatch.bindings[..] else { panic!("three bindings") };
        let has_bytes = dispatch.shader == Shader::ResidueSplit { bytes: true };
        let (residue_bytes, in_vector) = if has_bytes { (1, 16) } else { (2, 8) };
        let (rows, depth) = (p.tile_outer as usize, p.tile_inner as usize);
        let (outer, inner) = (p.outer as usize, p.inner_tiles as usize * depth);
        assert!(dispatch.groups.iter().product::<u32>() as usize * 256 >= outer * inner / in_vector);
        for (outer, inner) in (0..outer).flat_map(|outer| (0..inner).map(move |inner| (outer, inner))) {
            let value = if inner < p.inner as usize {
                let index = p.operand_offset as usize
                    + outer * p.outer_stride as usize
                    + inner * p.inner_stride as usize;
                self.matrices[operand.buffer.0][operand.offset_bytes as usize / 8 + index]
            } else {
                0
            };
            let row = p.first_outer as usize + outer;
            let tile =
                row / rows * p.panel_inner_tiles as usize + p.first_inner_tile as usize + inner / depth;
            let place = (tile * rows + row % rows) * depth + inner % depth;
            for modulus in 0..p.moduli as usize {
                let constants = &self.moduli[p.first_modulus as usize + modulus];
                let factors = if p.right == 1 { constants.right } else { constants.left };
                let at = panel.offset_bytes as usize / residue_bytes
                    + in_vector * modulus * p.modulus_stride as usize
                    + place;
                let residue = residue(value, factors, constants);
                self.panels[p.right as usize][at] =
                    if has_bytes { byte(residue, constants.size) } else { residue };
            }
        }
    }

    /// `residue_gemm_int8.comp`
    fn multiply_bytes(&mut self, dispatch: &Dispatch<Name>, tile: MatrixTile) {
        let p: params::ResidueGemmInt8 = dispatch.params.read();
        let [left_at, right_at] =
            [1, 2].map(|binding: usize| dispatch.bindings[binding].offset_bytes as usize);
        let ((in_tile, depth), [high, wide]) = (tile.panel_tile(), tile.block());
        let (inner, tiles) = (p.inner_tiles as usize * depth, p.inner_tiles as usize);
        let (rows, cols) = (high * p.groups_down as usize, wide * p.groups_across as usize);
        let place = |outer: usize, k: usize| {
            let number = outer / in_tile * tiles + k / depth;
            number * in_tile * depth + outer % in_tile * depth + k % depth
        };
        for modulus in 0..p.moduli as usize {
            let constants = &self.moduli[p.first_modulus as usize + modulus];
            let left = &self.panels[0][left_at + 16 * modulus * p.left_stride as usize..];
            let right = &self.panels[1][right_at + 16 * modulus * p.right_stride as usize..];
            for (row, col) in (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))) {
                let product = |k| left[place(row, k)] * right[place(col, k)];
                let sum: f32 = (0..inner).map(product).sum();
                // Integers in f32 below 2^24, which these inner sizes keep to.
                assert!(sum.is_nan() || sum.abs() < 16_777_216.0);
                self.sums[modulus * p.sums_stride as usize + row * p.pitch as usize + col] =
                    if sum.is_nan() { sum } else { byte(reduced(sum, constants), constants.size) };
            }
        }
    }

    /// `residue_gemm.wgsl`
    fn multiply(&mut self, dispatch: &Dispatch<Name>, tile: usize) {
        let p: params::ResidueGemm = dispatch.params.read();
        let [left_at, right_at] =
            [1, 2].map(|binding: usize| dispatch.bindings[binding].offset_bytes as usize / 2);
        let inner = p.inner_tiles as usize * tile;
        let (rows, cols) = (4 * p.blocks_down as usize * tile, 4 * p.blocks_across as usize * tile);
        // An element of a panel: tiles of so many rows, along the inner size.
        let place = |outer: usize, k: usize| {
            let number = outer / tile * p.inner_tiles as usize + k / tile;
            number * tile * tile + outer % tile * tile + k % tile
        };
        for modulus in 0..p.moduli as usize {
            let constants = &self.moduli[p.first_modulus as usize + modulus];
            let left = &self.panels[0][left_at + modulus * p.left_stride as usize..];
            let right = &self.panels[1][right_at + modulus * p.right_stride as usize..];
            for (row, col) in (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))) {
                let mut sum = 0.0;
                for start in (0..inner).step_by(FOLDED_INNER) {
                    for k in start..inner.min(start + FOLDED_INNER) {
                        sum += left[place(row, k)] * right[place(col, k)];
                    }
                    let quotient = sum * constants.inverse + ROUNDING - ROUNDING;
                    sum -= quotient * constants.size;
                }
                self.sums[modulus * p.sums_stride as usize + row * p.pitch as usize + col] = sum;
            }
        }
    }

    /// `residue_join.wgsl`
    fn join(&mut self, dispatch: &Dispatch<Name>) {
        let p: params::ResidueJoin = dispatch.params.read();
        let whole = |[low, high]: [u32; 2]| u64::from(low) | u64::from(high) << 32;
        let out = dispatch.bindings[0];
        for (row, col) in (0..p.rows as usize).flat_map(|row| (0..p.cols as usize).map(move |col| (row, col)))
        {
            let place = (p.first_row as usize + row) * p.pitch as usize + col;
            let (mut sum, mut fractions) = if p.is_first == 1 { (0, 0) } else { self.partial[place] };
            for modulus in 0..p.moduli as usize {
                let constants = &self.moduli[p.first_modulus as usize + modulus];
                let value = self.sums[modulus * p.sums_stride as usize + place];
                assert!(!value.is_nan(), "a residue that nobody made");
                sum = u64::wrapping_add(sum, whole(constants.cofactor).wrapping_mul(value as i64 as u64));
                fractions += value as i32 * constants.fraction;
            }
            if p.is_last == 0 {
                self.partial[place] = (sum, fractions);
                continue;
            }
            let half = 1 << (moduli::FRACTION_BITS - 1);
            let quotient = i64::from((fractions + half) >> moduli::FRACTION_BITS);
            let value = sum.wrapping_sub(whole(p.product).wrapping_mul(quotient as u64));
            let index =
                out.offset_bytes as usize / 8 + p.out_offset as usize + row * p.out_stride as usize + col;
            let element = &mut self.matrices[out.buffer.0][index];
            *element = if p.accumulate == 1 { element.wrapping_add(value) } else { value };
        }
    }
}

fn residue(value: u64, factors: [i32; 4], modulus: &Modulus) -> f32 {
    let limb = |at: u32| (value >> (16 * at) & 0xffff) as i32;
    let limbs = [limb(0), limb(1), limb(2), (value as i64 >> 48) as i32];
    let sum: i32 = limbs.iter().zip(factors).map(|(limb, factor)| limb * factor).sum();
    let quotient = (sum as f32 * modulus.inverse).round_ties_even();
    (sum - quotient as i32 * modulus.size as i32) as f32
}

/// What of a residue's representatives a byte holds.
fn byte(residue: f32, size: f32) -> f32 {
    let byte = residue + if residue < -128.0 { size } else { 0.0 } - if residue > 127.0 { size } else { 0.0 };
    assert!((-128.0..=127.0).contains(&byte), "{residue} modulo {size}");
    byte
}

fn reduced(sum: f32, modulus: &Modulus) -> f32 {
    sum - (sum * modulus.inverse).round_ties_even() * modulus.size
}

fn plain(left: &[u64], right: &[u64], (m, k, n): (usize, usize, usize)) -> Vec<u64> {
    let at = |row: usize, col: usize| {
        (0..k).map(|i| left[row * k + i].wrapping_mul(right[i * n + col])).fold(0, u64::wrapping_add)
    };
    (0..m).flat_map(|row| (0..n).map(move |col| (row, col))).map(|(row, col)| at(row, col)).collect()
}

/// The extremes of the ring among drawn elements.
fn elements(len: usize, seed: u64) -> Vec<u64> {
    let extremes = [1 << 63, u64::MAX, (1 << 63) - 1, 0x8080_8080_8080_8080, 0];
    let element = |place: u64| match (place * seed) % 11 {
        extreme if extreme < 5 => extremes[extreme as usize],
        _ => (place + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    };
    (0..len as u64).map(element).collect()
}

/// One product by other left matrices, then by itself changed, in blocks, chunks and groups of moduli: with every form of
/// tiles, with little memory and with enough for all residues to stay.
#[test]
fn products_by_residues_are_exact_on_tiles_of_every_form() {
    let (m, k, n) = (70, 137, 131);
    let limits = Limits { binding_bytes: 1 << 30, ..LIMITS };
    let forms = MatrixTile::ALL.into_iter().flat_map(|tile| [2 << 20, 16 << 20].map(|bytes| (tile, bytes)));
    for (tile, bytes) in forms.chain([(MatrixTile::F16Side16, 320 << 20)]) {
        let mut memory = Memory::new(Ring::Z64, limits, Some((tile, bytes)));
        let matrices =
            vec![vec![7; m * n], elements(m * k, 1), elements(k * n, 2), elements(m * k, 3), Vec::new()];
        let mut twin = Twin::new(&memory, matrices);
        for round in 0..2 {
            for left in [1, 3] {
                let terms = vec![(matrix(left, m, k), matrix(2, k, n))];
                let kernel = Kernel::Gemm { out: matrix(0, m, n), terms, accumulate: false };
                memory.works(Ring::Z64, &kernel, limits).into_iter().for_each(|work| twin.run(work));
                let expected = plain(&twin.matrices[left], &twin.matrices[2], (m, k, n));
                assert!(twin.matrices[0] == expected, "{tile}, {bytes} bytes, round {round}");
            }
            memory.contents[2].written();
            twin.matrices[2] = elements(k * n, 5);
        }
    }
}
