// Z_2^64 from 32-bit arithmetic alone: an element is its low and its high half. WebGPU has no more than this.
// The names are explained in u32.wgsl.

alias Word = vec2<u32>;
alias Elem = vec2<u32>;

struct Quad {
    low: vec4<u32>,
    high: vec4<u32>,
}

const RING_BITS: u32 = 64u;
const QUAD_VECTORS: u32 = 2u;

fn ring_load(word: Word) -> Elem {
    return word;
}

fn ring_store(value: Elem) -> Word {
    return value;
}

fn ring_from_halves(low_high: vec2<u32>) -> Elem {
    return low_high;
}

fn ring_signed_halves(a: Elem) -> vec2<u32> {
    return ring_store(a);
}

fn ring_low(a: Elem) -> u32 {
    return a.x;
}

fn ring_zero() -> Elem {
    return vec2<u32>(0u, 0u);
}

fn ring_one() -> Elem {
    return vec2<u32>(1u, 0u);
}

fn ring_add(a: Elem, b: Elem) -> Elem {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn ring_sub(a: Elem, b: Elem) -> Elem {
    return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

// The high word of a product of two words, by halves of 16 bits. No partial sum leaves 32 bits:
// (2^16 - 1)^2 + (2^16 - 1) < 2^32.
fn high_of_product(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let a_low = a & vec4<u32>(0xffffu);
    let a_high = a >> vec4<u32>(16u);
    let b_low = b & vec4<u32>(0xffffu);
    let b_high = b >> vec4<u32>(16u);
    let first = a_low * b_high + ((a_low * b_low) >> vec4<u32>(16u));
    let second = a_high * b_low + (first & vec4<u32>(0xffffu));
    return a_high * b_high + (first >> vec4<u32>(16u)) + (second >> vec4<u32>(16u));
}

fn ring_mul(a: Elem, b: Elem) -> Elem {
    let high = high_of_product(vec4<u32>(a.x), vec4<u32>(b.x)).x;
    return vec2<u32>(a.x * b.x, high + a.x * b.y + a.y * b.x);
}

fn ring_mul_add(sum: Elem, a: Elem, b: Elem) -> Elem {
    return ring_add(sum, ring_mul(a, b));
}

// A word shifted by its own width is not zero in WGSL, hence the cases. They depend on the public amount.
fn ring_shl(a: Elem, bits: u32) -> Elem {
    if bits == 0u {
        return a;
    }
    if bits >= 32u {
        return vec2<u32>(0u, a.x << (bits - 32u));
    }
    return vec2<u32>(a.x << bits, (a.y << bits) | (a.x >> (32u - bits)));
}

fn ring_shr(a: Elem, bits: u32) -> Elem {
    if bits == 0u {
        return a;
    }
    if bits >= 32u {
        return vec2<u32>(a.y >> (bits - 32u), 0u);
    }
    return vec2<u32>((a.x >> bits) | (a.y << (32u - bits)), a.y >> bits);
}

fn ring_shr_signed(a: Elem, bits: u32) -> Elem {
    let high = bitcast<i32>(a.y);
    if bits == 0u {
        return a;
    }
    if bits >= 32u {
        return vec2<u32>(bitcast<u32>(high >> (bits - 32u)), bitcast<u32>(high >> 31u));
    }
    return vec2<u32>((a.x >> bits) | (a.y << (32u - bits)), bitcast<u32>(high >> bits));
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
    return Quad(vec4<u32>(a.x, b.x, c.x, d.x), vec4<u32>(a.y, b.y, c.y, d.y));
}

fn ring_quad_load(first: vec4<u32>, last: vec4<u32>) -> Quad {
    return Quad(vec4<u32>(first.xz, last.xz), vec4<u32>(first.yw, last.yw));
}

fn ring_quad_first(quad: Quad) -> vec4<u32> {
    return vec4<u32>(quad.low.x, quad.high.x, quad.low.y, quad.high.y);
}

fn ring_quad_last(quad: Quad) -> vec4<u32> {
    return vec4<u32>(quad.low.z, quad.high.z, quad.low.w, quad.high.w);
}

fn ring_quad_zero() -> Quad {
    return Quad(vec4<u32>(), vec4<u32>());
}

fn ring_quad_at(quad: Quad, index: u32) -> Elem {
    return vec2<u32>(quad.low[index], quad.high[index]);
}

fn ring_quad_mul_add(sum: Quad, a: Elem, b: Quad) -> Quad {
    let product_low = a.x * b.low;
    let product_high = high_of_product(vec4<u32>(a.x), b.low) + a.x * b.high + a.y * b.low;
    let low = sum.low + product_low;
    let carry = select(vec4<u32>(0u), vec4<u32>(1u), low < product_low);
    return Quad(low, sum.high + product_high + carry);
}
