// out = the low `width` bits of each element, one element behind the other. RING_BITS elements fill as many words as
// each has bits. A thread makes one word.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    elements: u32,
    width: u32,
    out_offset: u32,
    operand_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;

fn low_bits(element: u32) -> Elem {
    let low = ring_shr(ring_not(ring_zero()), RING_BITS - params.width);
    return ring_and(ring_load(operand[params.operand_offset + element]), low);
}

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
    // The word's first bit, counted from the beginning of its group of elements, and the element that it is one of.
    let bit = index % params.width * RING_BITS;
    var element = index / params.width * RING_BITS + bit / params.width;
    var word = ring_shr(low_bits(element), bit % params.width);
    for (var filled = params.width - bit % params.width; filled < RING_BITS; filled += params.width) {
        element += 1u;
        if element >= params.elements {
            break;
        }
        word = ring_or(word, ring_shl(low_bits(element), filled));
    }
    out[params.out_offset + index] = ring_store(word);
}
