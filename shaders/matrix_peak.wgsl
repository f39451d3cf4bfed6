enable f16;
enable wgpu_cooperative_matrix;

// Products on matrix units, on registers alone: what they do at most. A workgroup does BLOCKS blocks of eight sums, as
// many subgroups at a time as it has.

#import tile

const THREADS: u32 = 128u;
const BLOCKS: u32 = 4u;
const AREA: u32 = TILE * TILE;

struct Params {
    steps: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// A tile for each block.
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
// Four tiles, and two.
@group(0) @binding(2) var<storage, read> left: array<f16>;
@group(0) @binding(3) var<storage, read> right: array<f16>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let left_0 = coopLoadT<LeftTile>(&left[0], TILE);
    let left_1 = coopLoadT<LeftTile>(&left[AREA], TILE);
    let left_2 = coopLoadT<LeftTile>(&left[2u * AREA], TILE);
    let left_3 = coopLoadT<LeftTile>(&left[3u * AREA], TILE);
    let right_0 = coopLoad<RightTile>(&right[0], TILE);
    let right_1 = coopLoad<RightTile>(&right[AREA], TILE);
    let number = group.y * groups.x + group.x;
    for (var block = subgroup; block < BLOCKS; block += subgroups) {
        var sum_00 = SumTile();
        var sum_01 = SumTile();
        var sum_10 = SumTile();
        var sum_11 = SumTile();
        var sum_20 = SumTile();
        var sum_21 = SumTile();
        var sum_30 = SumTile();
        var sum_31 = SumTile();
        for (var step = 0u; step < params.steps; step++) {
            sum_00 = coopMultiplyAdd(left_0, right_0, sum_00);
            sum_01 = coopMultiplyAdd(left_0, right_1, sum_01);
            sum_10 = coopMultiplyAdd(left_1, right_0, sum_10);
            sum_11 = coopMultiplyAdd(left_1, right_1, sum_11);
            sum_20 = coopMultiplyAdd(left_2, right_0, sum_20);
            sum_21 = coopMultiplyAdd(left_2, right_1, sum_21);
            sum_30 = coopMultiplyAdd(left_3, right_0, sum_30);
            sum_31 = coopMultiplyAdd(left_3, right_1, sum_31);
        }
        let sum = sum_00 + sum_01 + sum_10 + sum_11 + sum_20 + sum_21 + sum_30 + sum_31;
        let place = (number * BLOCKS + block) * AREA;
        coopStoreT(sum, &out[place], TILE);
    }
}
