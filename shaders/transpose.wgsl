// out = the transposed operand. A workgroup turns one tile around in workgroup memory, so that both its reads and
// its writes run along rows.

#import ring
#import grid

const TILE: u32 = 32u;
const THREADS: u32 = 256u;
// One more than the tile, so that a column of the tile lies in different banks.
const PITCH: u32 = TILE + 1u;

struct Params {
    rows: u32,
    cols: u32,
    tiles_across: u32,
    tiles: u32,
    operand_offset: u32,
    operand_stride: u32,
    out_offset: u32,
    out_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;

var<workgroup> tile: array<Word, TILE * PITCH>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    if number >= params.tiles {
        return;
    }
    let first_row = number / params.tiles_across * TILE;
    let first_col = number % params.tiles_across * TILE;
    let x = lane % TILE;
    for (var y = lane / TILE; y < TILE; y += THREADS / TILE) {
        let row = first_row + y;
        let col = first_col + x;
        if row < params.rows && col < params.cols {
            tile[y * PITCH + x] = operand[params.operand_offset + row * params.operand_stride + col];
        }
    }
    workgroupBarrier();
    for (var y = lane / TILE; y < TILE; y += THREADS / TILE) {
        let row = first_row + x;
        let col = first_col + y;
        if row < params.rows && col < params.cols {
            out[params.out_offset + col * params.out_stride + row] = tile[x * PITCH + y];
        }
    }
}
