enable f16;
enable wgpu_cooperative_matrix;

// Products of residues on matrix units: for every modulus, sums = left * right modulo it, as f32.
//
// Panels are laid out by residue_split.wgsl. A subgroup computes a block of 4 by 4 tiles, and a workgroup 2 by 2 such
// blocks, whose loads then meet in the cache; with more subgroups than blocks some have nothing to do, with fewer some
// compute several. Products of residues are integers, and so are their sums, which f32 holds exactly up to 2^24:
// after FOLDED elements of the inner size a sum is reduced, by subtracting the nearest multiple of the modulus.

#import tile
#import modulus

// Inner elements between reductions.
override FOLDED: u32 = 512u;

const THREADS: u32 = 128u;
const BLOCK: u32 = 4u;
const AREA: u32 = TILE * TILE;

struct Params {
    // Blocks of the result, and workgroups along its rows and in all for one modulus.
    blocks_down: u32,
    blocks_across: u32,
    groups_across: u32,
    groups: u32,
    inner_tiles: u32,
    first_modulus: u32,
    moduli: u32,
    // Elements of a row of sums.
    pitch: u32,
    // Elements from one modulus's panel or sums to the next's.
    left_stride: u32,
    right_stride: u32,
    sums_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read> left: array<f16>;
@group(0) @binding(3) var<storage, read> right: array<f16>;
@group(0) @binding(4) var<storage, read> moduli: array<Modulus>;
// Two tiles full of 1.5 * 2^23.
@group(0) @binding(5) var<storage, read> rounding: array<f32>;

// Adding 1.5 * 2^23 leaves no bits behind the point. It is subtracted as another load, so that no compiler finds that
// nothing happens.
fn folded(sum: SumTile, modulus: Modulus) -> SumTile {
    let add = coopLoadT<SumTile>(&rounding[0], TILE);
    let subtract = coopLoadT<SumTile>(&rounding[AREA], TILE);
    let quotient = sum * modulus.inverse + add - subtract;
    return sum - quotient * modulus.size;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    // As `group_number`, but naga takes what a function returns for different in each thread.
    let number = group.y * groups.x + group.x;
    let modulus = number / params.groups;
    if modulus >= params.moduli {
        return;
    }
    let divisor = moduli[params.first_modulus + modulus];
    let first_row = number % params.groups / params.groups_across * 2u;
    let first_col = number % params.groups % params.groups_across * 2u;
    let cols = min(2u, params.blocks_across - first_col);
    let blocks = min(2u, params.blocks_down - first_row) * cols;
    let pitch = params.inner_tiles * AREA;
    for (var block = subgroup; block < blocks; block += subgroups) {
        let row = (first_row + block / cols) * BLOCK;
        let col = (first_col + block % cols) * BLOCK;
        let left_start = modulus * params.left_stride + row * pitch;
        let right_start = modulus * params.right_stride + col * pitch;
        var sum_00 = SumTile();
        var sum_01 = SumTile();
        var sum_02 = SumTile();
        var sum_03 = SumTile();
        var sum_10 = SumTile();
        var sum_11 = SumTile();
        var sum_12 = SumTile();
        var sum_13 = SumTile();
        var sum_20 = SumTile();
        var sum_21 = SumTile();
        var sum_22 = SumTile();
        var sum_23 = SumTile();
        var sum_30 = SumTile();
        var sum_31 = SumTile();
        var sum_32 = SumTile();
        var sum_33 = SumTile();
        for (var start = 0u; start < params.inner_tiles; start += FOLDED / TILE) {
            let end = min(params.inner_tiles, start + FOLDED / TILE);
            for (var k = start; k < end; k++) {
                let right_at = right_start + k * AREA;
                let right_at_1 = right_at + pitch;
                let right_at_2 = right_at + 2u * pitch;
                let right_at_3 = right_at + 3u * pitch;
                let right_0 = coopLoad<RightTile>(&right[right_at], TILE);
                let right_1 = coopLoad<RightTile>(&right[right_at_1], TILE);
                let right_2 = coopLoad<RightTile>(&right[right_at_2], TILE);
                let right_3 = coopLoad<RightTile>(&right[right_at_3], TILE);
                let left_at = left_start + k * AREA;
                let left_0 = coopLoadT<LeftTile>(&left[left_at], TILE);
                sum_00 = coopMultiplyAdd(left_0, right_0, sum_00);
                sum_01 = coopMultiplyAdd(left_0, right_1, sum_01);
                sum_02 = coopMultiplyAdd(left_0, right_2, sum_02);
                sum_03 = coopMultiplyAdd(left_0, right_3, sum_03);
                let left_at_1 = left_at + pitch;
                let left_1 = coopLoadT<LeftTile>(&left[left_at_1], TILE);
                sum_10 = coopMultiplyAdd(left_1, right_0, sum_10);
                sum_11 = coopMultiplyAdd(left_1, right_1, sum_11);
                sum_12 = coopMultiplyAdd(left_1, right_2, sum_12);
                sum_13 = coopMultiplyAdd(left_1, right_3, sum_13);
                let left_at_2 = left_at + 2u * pitch;
                let left_2 = coopLoadT<LeftTile>(&left[left_at_2], TILE);
                sum_20 = coopMultiplyAdd(left_2, right_0, sum_20);
                sum_21 = coopMultiplyAdd(left_2, right_1, sum_21);
                sum_22 = coopMultiplyAdd(left_2, right_2, sum_22);
                sum_23 = coopMultiplyAdd(left_2, right_3, sum_23);
                let left_at_3 = left_at + 3u * pitch;
                let left_3 = coopLoadT<LeftTile>(&left[left_at_3], TILE);
                sum_30 = coopMultiplyAdd(left_3, right_0, sum_30);
                sum_31 = coopMultiplyAdd(left_3, right_1, sum_31);
                sum_32 = coopMultiplyAdd(left_3, right_2, sum_32);
                sum_33 = coopMultiplyAdd(left_3, right_3, sum_33);
            }
            sum_00 = folded(sum_00, divisor);
            sum_01 = folded(sum_01, divisor);
            sum_02 = folded(sum_02, divisor);
            sum_03 = folded(sum_03, divisor);
            sum_10 = folded(sum_10, divisor);
            sum_11 = folded(sum_11, divisor);
            sum_12 = folded(sum_12, divisor);
            sum_13 = folded(sum_13, divisor);
            sum_20 = folded(sum_20, divisor);
            sum_21 = folded(sum_21, divisor);
            sum_22 = folded(sum_22, divisor);
            sum_23 = folded(sum_23, divisor);
            sum_30 = folded(sum_30, divisor);
            sum_31 = folded(sum_31, divisor);
            sum_32 = folded(sum_32, divisor);
            sum_33 = folded(sum_33, divisor);
        }
        let down = TILE * params.pitch;
        let out = modulus * params.sums_stride + row * down + col * TILE;
        store(out, sum_00, sum_01, sum_02, sum_03);
        store(out + down, sum_10, sum_11, sum_12, sum_13);
        store(out + 2u * down, sum_20, sum_21, sum_22, sum_23);
        store(out + 3u * down, sum_30, sum_31, sum_32, sum_33);
    }
}

// Four tiles side by side.
fn store(out: u32, sum_0: SumTile, sum_1: SumTile, sum_2: SumTile, sum_3: SumTile) {
    let out_1 = out + TILE;
    let out_2 = out + 2u * TILE;
    let out_3 = out + 3u * TILE;
    let pitch = params.pitch;
    coopStoreT(sum_0, &sums[out], pitch);
    coopStoreT(sum_1, &sums[out_1], pitch);
    coopStoreT(sum_2, &sums[out_2], pitch);
    coopStoreT(sum_3, &sums[out_3], pitch);
}
