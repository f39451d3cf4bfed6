// The residues of a part of a matrix, in the order in which they are multiplied.
//
// A *panel* holds tiles of some rows by some inner elements, each contiguous, with the inner index running fastest: for
// every modulus, for every so many rows, the tiles along the inner size. The right matrix is laid out as its transpose.
// What a tile has beyond the inner size is zero; rows beyond the matrix are left as they are.
//
// An element is the sum of its 16-bit limbs times 2^0, 2^16, 2^32 and 2^48, the top limb signed; the limbs times the
// residues of these powers are below 2^26 together. The residue is this sum less the nearest multiple of the modulus.
// The quotient in f32 is off by less than 0.03, so that a residue is at most 128 and a few in magnitude.

#import ring
#import grid
#import modulus
#import residue

override WORKGROUP: u32 = 256u;

// Adding 1.5 * 2^23 to a number below 2^22 leaves no bits behind the point: the nearest integer is then the difference of
// both numbers' bits, and no conversion is needed, which takes a GPU as long as four other instructions.
const ROUNDING: f32 = 12582912.0;
const ROUNDING_BITS: i32 = 0x4b400000;

// Residues in sixteen bytes, which a thread computes.
const RESIDUES: u32 = 4u * PER_WORD;

struct Params {
    // Elements that there are, across and along the inner size.
    outer: u32,
    inner: u32,
    // Tiles to write along the inner size.
    inner_tiles: u32,
    // The first row and the first tile in the panel, and the panel's tiles along the inner size.
    first_outer: u32,
    first_inner_tile: u32,
    panel_inner_tiles: u32,
    // Rows and inner elements of a tile.
    tile_outer: u32,
    tile_inner: u32,
    // Of the operand, the first element and the distances of neighbours.
    operand_offset: u32,
    outer_stride: u32,
    inner_stride: u32,
    // Whether the operand is the right matrix.
    right: u32,
    first_modulus: u32,
    moduli: u32,
    // From one modulus's panel to the next's, in sixteen bytes.
    modulus_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> panel: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;
@group(0) @binding(3) var<storage, read> moduli: array<Modulus>;

fn limbs_at(outer: u32, inner: u32) -> vec4<i32> {
    var value = ring_zero();
    if inner < params.inner {
        let index = params.operand_offset + outer * params.outer_stride + inner * params.inner_stride;
        value = ring_load(operand[index]);
    }
    let halves = ring_signed_halves(value);
    let high = bitcast<i32>(halves.y);
    return vec4<i32>(i32(halves.x & 0xffffu), i32(halves.x >> 16u), high & 0xffff, high >> 16u);
}

fn residue(limbs: vec4<i32>, factors: vec4<i32>, modulus: Modulus) -> i32 {
    let sum = dot(limbs, factors);
    let quotient = bitcast<i32>(f32(sum) * modulus.inverse + ROUNDING) - ROUNDING_BITS;
    return sum - quotient * i32(modulus.size);
}

// A thread computes sixteen bytes of a row of a tile, modulo every modulus. Neighbours are those whose elements are: along
// the inner size in the left matrix, across it in the right one.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = group_number(group, groups) * WORKGROUP + thread;
    let parts = params.tile_inner / RESIDUES;
    let inner_tile = number / (parts * params.outer);
    if inner_tile >= params.inner_tiles {
        return;
    }
    let rest = number % (parts * params.outer);
    var outer = rest / parts;
    var part = rest % parts;
    if params.right != 0u {
        outer = rest % params.outer;
        part = rest / params.outer;
    }
    let inner = inner_tile * params.tile_inner + part * RESIDUES;
    var limbs: array<vec4<i32>, RESIDUES>;
    for (var i = 0u; i < RESIDUES; i++) {
        limbs[i] = limbs_at(outer, inner + i);
    }
    let row = params.first_outer + outer;
    let tile = row / params.tile_outer * params.panel_inner_tiles + params.first_inner_tile + inner_tile;
    let place = (tile * params.tile_outer + row % params.tile_outer) * parts + part;
    for (var i = 0u; i < params.moduli; i++) {
        let modulus = moduli[params.first_modulus + i];
        var factors = modulus.left;
        if params.right != 0u {
            factors = modulus.right;
        }
        var packed: vec4<u32>;
        for (var word = 0u; word < 4u; word++) {
            packed[word] = packed_residues(&limbs, word, factors, modulus);
        }
        panel[i * params.modulus_stride + place] = packed;
    }
}
