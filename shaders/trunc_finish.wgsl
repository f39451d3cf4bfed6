// One party's share of the truncated value, from the opened c = (x + 2^(w-2) + r) mod 2^w or two parts of it, of which
// the low w bits count, with w = `width` and t = c >> (w - 1):
//   out = leader * (((c mod 2^(w-1)) >> bits) - 2^(w-2-bits)) - high
//       + (top * (1 - 2t) + leader * t) * 2^(w-1-bits)
// c is public, and so is whether this party is the leader.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    bits: u32,
    width: u32,
    leader: u32,
    parts: u32,
    out_offset: u32,
    first_offset: u32,
    second_offset: u32,
    top_offset: u32,
    high_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> first: array<Word>;
@group(0) @binding(3) var<storage, read> second: array<Word>;
@group(0) @binding(4) var<storage, read> top: array<Word>;
@group(0) @binding(5) var<storage, read> high: array<Word>;

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
    var c = ring_load(first[params.first_offset + index]);
    if params.parts == 2u {
        c = ring_add(c, ring_load(second[params.second_offset + index]));
    }
    let t = ring_and(ring_shr(c, params.width - 1u), ring_one());
    let sign = ring_sub(ring_one(), ring_shl(t, 1u));
    var wrap = ring_mul(ring_load(top[params.top_offset + index]), sign);
    var value = ring_sub(ring_zero(), ring_load(high[params.high_offset + index]));
    if params.leader != 0u {
        let above = RING_BITS - params.width + 1u;
        let middle = ring_shr(ring_shl(c, above), params.bits + above);
        let lift = ring_shl(ring_one(), params.width - 2u - params.bits);
        value = ring_add(value, ring_sub(middle, lift));
        wrap = ring_add(wrap, t);
    }
    value = ring_add(value, ring_shl(wrap, params.width - 1u - params.bits));
    out[params.out_offset + index] = ring_store(value);
}
