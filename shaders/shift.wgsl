// out = operand / 2^bits of signed elements, rounded down.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    bits: u32,
    out_offset: u32,
    operand_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group_number(group, groups) * WORKGROUP + lane;
    if index >= params.count {
        return;
    }
    let value = ring_load(operand[params.operand_offset + index]);
    out[params.out_offset + index] = ring_store(ring_shr_signed(value, params.bits));
}
