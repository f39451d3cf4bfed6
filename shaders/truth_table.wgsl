// The dealer's half of a table: out ^= [digit >= v] for v = 1, 2, ..., digit by digit of the mask's low bits, and its
// bit behind them as a digit of one bit. A thread makes one word of all planes of one digit.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

const DIGIT_BITS: u32 = 4u;
const DIGIT_PLANES: u32 = 15u;

struct Params {
    count: u32,
    width: u32,
    elements: u32,
    bits: u32,
    digits: u32,
    planes: u32,
    out_offset: u32,
    mask_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> mask: array<Word>;

fn bit_of(digit: u32, bit: u32, lane: u32) -> Elem {
    return ring_shl(ring_from_halves(vec2<u32>((digit >> bit) & 1u, 0u)), lane);
}

// Whether a bit decides, or what is below it does.
fn decide(value: u32, bit: u32, plane: Elem, below: Elem) -> Elem {
    if ((value >> bit) & 1u) == 1u {
        return ring_and(plane, below);
    }
    return ring_or(plane, below);
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
    let job = index / params.width;
    let word = index % params.width;
    let is_top = job == params.digits;
    let low = select(job * DIGIT_BITS, params.bits, is_top);
    let wide = select(min(DIGIT_BITS, params.bits - min(low, params.bits)), 1u, is_top);
    let first_plane = select(job * DIGIT_PLANES, params.planes - 1u, is_top);
    let values = (1u << wide) - 1u;
    var b0 = ring_zero();
    var b1 = ring_zero();
    var b2 = ring_zero();
    var b3 = ring_zero();
    for (var at = 0u; at < RING_BITS; at += 1u) {
        let element = at * params.width + word;
        if element < params.elements {
            let digit = ring_low(ring_shr(ring_load(mask[params.mask_offset + element]), low)) & values;
            b0 = ring_or(b0, bit_of(digit, 0u, at));
            b1 = ring_or(b1, bit_of(digit, 1u, at));
            b2 = ring_or(b2, bit_of(digit, 2u, at));
            b3 = ring_or(b3, bit_of(digit, 3u, at));
        }
    }
    for (var value = 1u; value <= values; value += 1u) {
        let place = params.out_offset + (first_plane + value - 1u) * params.width + word;
        var at_least = decide(value, 0u, b0, ring_not(ring_zero()));
        at_least = decide(value, 1u, b1, at_least);
        at_least = decide(value, 2u, b2, at_least);
        at_least = decide(value, 3u, b3, at_least);
        out[place] = ring_store(ring_xor(ring_load(out[place]), at_least));
    }
}
