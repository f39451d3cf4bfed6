// The residues of a part of a matrix, as f16, in the order in which matrix units load them.
//
// A *panel* holds tiles of T by T elements, each contiguous: for every modulus, for every T rows, the tiles along
// the inner size. The right matrix is laid out as its transpose, so that the inner index runs fastest in the tiles of
// both. What a tile has beyond the matrix is zero.
//
// An element is the sum of its 16-bit limbs times 2^0, 2^16, 2^32 and 2^48, the top limb signed; the limbs times the
// residues of these powers are below 2^26 together. The residue is this sum less the nearest multiple of the modulus.
// The quotient in f32 is off by less than 0.03, so that a residue is at most 128 and a few in magnitude, an integer
// that f16 holds exactly.

#import ring
#import grid
#import modulus

override WORKGROUP: u32 = 256u;

struct Params {
    // Elements that there are, across and along the inner size.
    outer: u32,
    inner: u32,
    // Tiles to write, across and along the inner size.
    outer_tiles: u32,
    inner_tiles: u32,
    // The first of them in the panel, and the panel's tiles along the inner size.
    first_outer_tile: u32,
    first_inner_tile: u32,
    panel_inner_tiles: u32,
    // Elements of a tile's side.
    tile: u32,
    // Of the operand, the first element and the distances of neighbours.
    operand_offset: u32,
    outer_stride: u32,
    inner_stride: u32,
    // Whether the operand is the right matrix.
    right: u32,
    first_modulus: u32,
    moduli: u32,
    // Eights of elements from one modulus's panel to the next's.
    modulus_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> panel: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;
@group(0) @binding(3) var<storage, read> moduli: array<Modulus>;

fn limbs_at(outer: u32, inner: u32) -> vec4<i32> {
    var value = ring_zero();
    if outer < params.outer && inner < params.inner {
        let index = params.operand_offset + outer * params.outer_stride + inner * params.inner_stride;
        value = ring_load(operand[index]);
    }
    let halves = ring_signed_halves(value);
    let high = bitcast<i32>(halves.y);
    return vec4<i32>(i32(halves.x & 0xffffu), i32(halves.x >> 16u), high & 0xffff, high >> 16u);
}

fn residue(limbs: vec4<i32>, factors: vec4<i32>, modulus: Modulus) -> f32 {
    let sum = dot(limbs, factors);
    let quotient = round(f32(sum) * modulus.inverse);
    return f32(sum - i32(quotient) * i32(modulus.size));
}

// A thread computes eight elements that lie side by side in a tile, modulo every modulus.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let eight = group_number(group, groups) * WORKGROUP + thread;
    let eights_across = params.tile / 8u;
    let row = eight / eights_across;
    let number = row / params.tile;
    let outer_tile = number / params.inner_tiles;
    let inner_tile = number % params.inner_tiles;
    if outer_tile >= params.outer_tiles {
        return;
    }
    let outer = outer_tile * params.tile + row % params.tile;
    let inner = inner_tile * params.tile + eight % eights_across * 8u;
    var limbs: array<vec4<i32>, 8>;
    for (var i = 0u; i < 8u; i++) {
        limbs[i] = limbs_at(outer, inner + i);
    }
    let tile = (params.first_outer_tile + outer_tile) * params.panel_inner_tiles
        + params.first_inner_tile + inner_tile;
    let place = tile * params.tile * eights_across + eight % (params.tile * eights_across);
    for (var i = 0u; i < params.moduli; i++) {
        let modulus = moduli[params.first_modulus + i];
        var factors = modulus.left;
        if params.right != 0u {
            factors = modulus.right;
        }
        var packed: vec4<u32>;
        for (var pair = 0u; pair < 4u; pair++) {
            let first = residue(limbs[2u * pair], factors, modulus);
            let second = residue(limbs[2u * pair + 1u], factors, modulus);
            packed[pair] = pack2x16float(vec2<f32>(first, second));
        }
        panel[i * params.modulus_stride + place] = packed;
    }
}
