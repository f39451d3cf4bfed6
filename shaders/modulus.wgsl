// One of the coprime moduli m_i, whose product is P, that products by residues are computed modulo.

struct Modulus {
    // What limbs of 16 bits are multiplied by: the residues of 2^0, 2^16, 2^32 and 2^48, for the left matrix times
    // the inverse of P / m_i.
    left: vec4<i32>,
    right: vec4<i32>,
    // P / m_i modulo 2^64, the low half first.
    cofactor: vec2<u32>,
    // m_i
    size: f32,
    // 1 / m_i
    inverse: f32,
    // 2^FRACTION_BITS / m_i
    fraction: i32,
}

const FRACTION_BITS: u32 = 20u;
