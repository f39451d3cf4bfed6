// out = rows of the operand, by public numbers: the low 32 bits of each modulo the number of rows. A thread copies one
// element. Where a binding holds a part of the operand's rows alone, only rows of that part are copied: other dispatches
// have the others.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    cols: u32,
    operand_rows: u32,
    first_row: u32,
    bound_rows: u32,
    operand_offset: u32,
    operand_stride: u32,
    index_offset: u32,
    out_offset: u32,
    out_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;
@group(0) @binding(3) var<storage, read> index: array<Word>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let place = group_number(group, groups) * WORKGROUP + lane;
    if place >= params.count {
        return;
    }
    let row = place / params.cols;
    let col = place % params.cols;
    let number = ring_low(ring_load(index[params.index_offset + row])) % params.operand_rows;
    // Below the first row it wraps, and is beyond the last one.
    let within = number - params.first_row;
    if within >= params.bound_rows {
        return;
    }
    out[params.out_offset + row * params.out_stride + col] =
        operand[params.operand_offset + within * params.operand_stride + col];
}
