// A matrix product put together from its residues: out (+)= sum of s_i * (P / m_i) - q * P modulo 2^k, where s_i are
// the sums of residue_gemm.wgsl or residue_gemm_int8.comp, P is the product of the moduli m_i, and q the sum of s_i / m_i, rounded.
//
// The moduli may come in several goes: then the sums over the first ones wait in `partial`.

#import ring
#import grid
#import modulus

override WORKGROUP: u32 = 256u;

struct Params {
    rows: u32,
    cols: u32,
    out_offset: u32,
    out_stride: u32,
    // The first row among the sums, their elements in a row, and those from one modulus's to the next's.
    first_row: u32,
    pitch: u32,
    sums_stride: u32,
    first_modulus: u32,
    moduli: u32,
    // Whether these are the first moduli, the last.
    is_first: u32,
    is_last: u32,
    accumulate: u32,
    // Whether the sums are bytes, four to a word; otherwise they are f32.
    bytes: u32,
    // P modulo 2^64, the low half first.
    product: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> sums: array<u32>;
@group(0) @binding(4) var<storage, read> moduli: array<Modulus>;

fn sum_at(place: u32) -> i32 {
    if params.bytes == 0u {
        return i32(bitcast<f32>(sums[place]));
    }
    return bitcast<i32>(sums[place / 4u] << (24u - place % 4u * 8u)) >> 24u;
}

fn signed(value: i32) -> Elem {
    return ring_from_halves(vec2<u32>(bitcast<u32>(value), bitcast<u32>(value >> 31u)));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = group_number(group, groups) * WORKGROUP + thread;
    let row = index / params.cols;
    let col = index % params.cols;
    if row >= params.rows {
        return;
    }
    let place = (params.first_row + row) * params.pitch + col;
    var sum = ring_zero();
    var fractions = 0;
    if params.is_first == 0u {
        let before = partial[place];
        sum = ring_from_halves(before.xy);
        fractions = bitcast<i32>(before.z);
    }
    for (var i = 0u; i < params.moduli; i++) {
        let modulus = moduli[params.first_modulus + i];
        let value = sum_at(i * params.sums_stride + place);
        sum = ring_mul_add(sum, ring_from_halves(modulus.cofactor), signed(value));
        fractions += value * modulus.fraction;
    }
    if params.is_last == 0u {
        partial[place] = vec4<u32>(ring_signed_halves(sum), bitcast<u32>(fractions), 0u);
        return;
    }
    let quotient = (fractions + (1 << (FRACTION_BITS - 1u))) >> FRACTION_BITS;
    var value = ring_sub(sum, ring_mul(ring_from_halves(params.product), signed(quotient)));
    let out_index = params.out_offset + row * params.out_stride + col;
    if params.accumulate != 0u {
        value = ring_add(value, ring_load(out[out_index]));
    }
    out[out_index] = ring_store(value);
}
