// Z_2^32: an element is one word, in memory and in registers.
//
// The three files of this folder define the same names. Word is an element in memory, Elem one in registers, and
// Quad four side by side, which is what a thread of a matrix product accumulates. Shift amounts are public, from
// 0 to RING_BITS - 1. Nothing branches on an element.

alias Word = u32;
alias Elem = u32;
alias Quad = vec4<u32>;

const RING_BITS: u32 = 32u;
// Vectors of 16 bytes that four elements are in memory.
const QUAD_VECTORS: u32 = 1u;

fn ring_load(word: Word) -> Elem {
    return word;
}

fn ring_store(value: Elem) -> Word {
    return value;
}

// The element of a 64-bit number given by its halves, reduced.
fn ring_from_halves(low_high: vec2<u32>) -> Elem {
    return low_high.x;
}

// The halves of the 64-bit two's complement number of the same value.
fn ring_signed_halves(a: Elem) -> vec2<u32> {
    return vec2<u32>(a, bitcast<u32>(bitcast<i32>(a) >> 31u));
}

// The low word.
fn ring_low(a: Elem) -> u32 {
    return a;
}

fn ring_zero() -> Elem {
    return 0u;
}

fn ring_one() -> Elem {
    return 1u;
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

// sum + a * b
fn ring_mul_add(sum: Elem, a: Elem, b: Elem) -> Elem {
    return sum + a * b;
}

fn ring_shl(a: Elem, bits: u32) -> Elem {
    return a << bits;
}

fn ring_shr(a: Elem, bits: u32) -> Elem {
    return a >> bits;
}

// The shift of a two's complement number: it rounds down.
fn ring_shr_signed(a: Elem, bits: u32) -> Elem {
    return bitcast<u32>(bitcast<i32>(a) >> bits);
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
    return vec4<u32>(a, b, c, d);
}

// Four elements that lie side by side in memory, from the first and the last of their vectors.
fn ring_quad_load(first: vec4<u32>, last: vec4<u32>) -> Quad {
    return first;
}

// Its vectors in memory again.
fn ring_quad_first(quad: Quad) -> vec4<u32> {
    return quad;
}

fn ring_quad_last(quad: Quad) -> vec4<u32> {
    return quad;
}

fn ring_quad_zero() -> Quad {
    return vec4<u32>();
}

fn ring_quad_at(quad: Quad, index: u32) -> Elem {
    return quad[index];
}

// sum + a * b, in each of the four places
fn ring_quad_mul_add(sum: Quad, a: Elem, b: Quad) -> Quad {
    return sum + a * b;
}
