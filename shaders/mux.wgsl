// out (+)= bit * value + (1 - 2 * bit) * hidden, without a branch on the bit: with m = -bit the terms are value & m and
// (hidden ^ m) - m. Bit i of a plane is bit i / width of word i % width.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    first: u32,
    width: u32,
    has_value: u32,
    has_hidden: u32,
    accumulate: u32,
    constant: vec2<u32>,
    out_offset: u32,
    bits_offset: u32,
    value_offset: u32,
    hidden_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> bits: array<Word>;
@group(0) @binding(3) var<storage, read> value: array<Word>;
@group(0) @binding(4) var<storage, read> hidden: array<Word>;

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
    let element = params.first + index;
    let word = ring_load(bits[params.bits_offset + element % params.width]);
    let bit = ring_and(ring_shr(word, element / params.width), ring_one());
    let mask = ring_sub(ring_zero(), bit);
    var chosen = ring_from_halves(params.constant);
    if params.has_value == 1u {
        chosen = ring_load(value[params.value_offset + index]);
    }
    var result = ring_and(chosen, mask);
    if params.has_hidden == 1u {
        let other = ring_load(hidden[params.hidden_offset + index]);
        result = ring_add(result, ring_sub(ring_xor(other, mask), mask));
    }
    let place = params.out_offset + index;
    if params.accumulate == 1u {
        result = ring_add(result, ring_load(out[place]));
    }
    out[place] = ring_store(result);
}
