// Residues as f16, which holds integers up to 2048.

const PER_WORD: u32 = 2u;

fn packed_residues(limbs: ptr<function, array<vec4<i32>, RESIDUES>>, word: u32, factors: vec4<i32>, modulus: Modulus) -> u32 {
    let first = residue((*limbs)[2u * word], factors, modulus);
    let second = residue((*limbs)[2u * word + 1u], factors, modulus);
    return pack2x16float(vec2<f32>(f32(first), f32(second)));
}
