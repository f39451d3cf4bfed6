// The dealer's half of a truncation pair, with r = (mask_0 + mask_1) mod 2^w and w = `width`:
//   top  = (r >> (w - 1)) - top
//   high = ((r mod 2^(w-1)) >> bits) - high

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    bits: u32,
    width: u32,
    top_offset: u32,
    high_offset: u32,
    mask_0_offset: u32,
    mask_1_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> top: array<Word>;
@group(0) @binding(2) var<storage, read_write> high: array<Word>;
@group(0) @binding(3) var<storage, read> mask_0: array<Word>;
@group(0) @binding(4) var<storage, read> mask_1: array<Word>;

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
    let r = ring_add(
        ring_load(mask_0[params.mask_0_offset + index]),
        ring_load(mask_1[params.mask_1_offset + index]),
    );
    let top_index = params.top_offset + index;
    let high_index = params.high_offset + index;
    let top_bit = ring_and(ring_shr(r, params.width - 1u), ring_one());
    // The top bit and what lies above it leave to the left, and `bits` bits to the right.
    let above = RING_BITS - params.width + 1u;
    let middle = ring_shr(ring_shl(r, above), params.bits + above);
    top[top_index] = ring_store(ring_sub(top_bit, ring_load(top[top_index])));
    high[high_index] = ring_store(ring_sub(middle, ring_load(high[high_index])));
}
