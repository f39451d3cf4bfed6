// Z_2^64 where the device has 64-bit integers: two words in memory, the low one first, and a u64 in registers.
// The names are explained in u32.wgsl.

alias Word = vec2<u32>;
alias Elem = u64;
alias Quad = vec4<u64>;

const RING_BITS: u32 = 64u;
const QUAD_VECTORS: u32 = 2u;

fn ring_load(word: Word) -> Elem {
    return u64(word.x) | (u64(word.y) << 32u);
}

fn ring_store(value: Elem) -> Word {
    return vec2<u32>(u32(value), u32(value >> 32u));
}

fn ring_from_halves(low_high: vec2<u32>) -> Elem {
    return ring_load(low_high);
}

fn ring_signed_halves(a: Elem) -> vec2<u32> {
    return ring_store(a);
}

fn ring_low(a: Elem) -> u32 {
    return u32(a);
}

fn ring_zero() -> Elem {
    return 0lu;
}

fn ring_one() -> Elem {
    return 1lu;
}

fn ring_add(a: Elem, b: Elem) -> Elem {
    return a + b;
}

fn ring_sub(a: Elem, b: Elem) -> Elem {
    return a - b;
}

fn ring_mul(a: Elem, b: Elem) -> Elem {
    return a * b;
}

fn ring_mul_add(sum: Elem, a: Elem, b: Elem) -> Elem {
    return sum + a * b;
}

fn ring_shl(a: Elem, bits: u32) -> Elem {
    return a << bits;
}

fn ring_shr(a: Elem, bits: u32) -> Elem {
    return a >> bits;
}

fn ring_shr_signed(a: Elem, bits: u32) -> Elem {
    // By way of i64 it would be shorter, but naga 30 writes a bitcast of 64 bits as nothing in HLSL. The copies of the
    // top bit go left in two steps, because no shift is as wide as the number.
    return (a >> bits) | (((0lu - (a >> 63u)) << (63u - bits)) << 1u);
}

fn ring_and(a: Elem, b: Elem) -> Elem {
    return a & b;
}

fn ring_or(a: Elem, b: Elem) -> Elem {
    return a | b;
}

fn ring_xor(a: Elem, b: Elem) -> Elem {
    return a ^ b;
}

fn ring_not(a: Elem) -> Elem {
    return ~a;
}

fn ring_quad(a: Elem, b: Elem, c: Elem, d: Elem) -> Quad {
    return vec4<u64>(a, b, c, d);
}

fn ring_quad_load(first: vec4<u32>, last: vec4<u32>) -> Quad {
    return vec4<u64>(ring_load(first.xy), ring_load(first.zw), ring_load(last.xy), ring_load(last.zw));
}

fn ring_quad_first(quad: Quad) -> vec4<u32> {
    return vec4<u32>(ring_store(quad.x), ring_store(quad.y));
}

fn ring_quad_last(quad: Quad) -> vec4<u32> {
    return vec4<u32>(ring_store(quad.z), ring_store(quad.w));
}

fn ring_quad_zero() -> Quad {
    return vec4<u64>();
}

fn ring_quad_at(quad: Quad, index: u32) -> Elem {
    return quad[index];
}

fn ring_quad_mul_add(sum: Quad, a: Elem, b: Quad) -> Quad {
    return sum + a * b;
}
