// out (+)= the elements that were packed: see pack.wgsl. A thread makes one element.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    width: u32,
    accumulate: u32,
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
    // The element's first bit, counted from the beginning of its group.
    let bit = index % RING_BITS * params.width;
    let word = params.operand_offset + index / RING_BITS * params.width + bit / RING_BITS;
    let read = bit % RING_BITS;
    var value = ring_shr(ring_load(operand[word]), read);
    if read + params.width > RING_BITS {
        value = ring_or(value, ring_shl(ring_load(operand[word + 1u]), RING_BITS - read));
    }
    value = ring_and(value, ring_shr(ring_not(ring_zero()), RING_BITS - params.width));
    let place = params.out_offset + index;
    if params.accumulate == 1u {
        value = ring_add(value, ring_load(out[place]));
    }
    out[place] = ring_store(value);
}
