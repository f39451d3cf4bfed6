// Residues as signed bytes. Those beyond their range, a few above 128 in magnitude, have another representative within.

const PER_WORD: u32 = 4u;

fn byte(limbs: vec4<i32>, factors: vec4<i32>, modulus: Modulus) -> i32 {
    let value = residue(limbs, factors, modulus);
    // 1 above the range, -1 below it.
    let beyond = (value + 128) >> 8u;
    return value - beyond * i32(modulus.size);
}

fn packed_residues(limbs: ptr<function, array<vec4<i32>, RESIDUES>>, word: u32, factors: vec4<i32>, modulus: Modulus) -> u32 {
    let first = byte((*limbs)[4u * word], factors, modulus);
    let second = byte((*limbs)[4u * word + 1u], factors, modulus);
    let third = byte((*limbs)[4u * word + 2u], factors, modulus);
    let fourth = byte((*limbs)[4u * word + 3u], factors, modulus);
    return u32(first & 0xff) | u32(second & 0xff) << 8u | u32(third & 0xff) << 16u | u32(fourth & 0xff) << 24u;
}
