// Bits of elements as planes: plane j has bit number top - j of each. A thread makes one word of one plane.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    width: u32,
    elements: u32,
    top: u32,
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
    let bit = params.top - index / params.width;
    let word = index % params.width;
    var plane = ring_zero();
    for (var at = 0u; at < RING_BITS; at += 1u) {
        let element = at * params.width + word;
        if element < params.elements {
            let shifted = ring_low(ring_shr(ring_load(operand[params.operand_offset + element]), bit));
            plane = ring_or(plane, ring_shl(ring_from_halves(vec2<u32>(shifted & 1u, 0u)), at));
        }
    }
    out[params.out_offset + index] = ring_store(plane);
}
