// out = factor * operand + mask_factor * F + constant, where F is what fill.wgsl would write. `main` works on whole
// blocks of 64 bytes, one a thread; `tail` on the elements of a last block that is not whole.

#import ring
#import chacha
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    draw: Draw,
    factor: vec2<u32>,
    mask_factor: vec2<u32>,
    constant: vec2<u32>,
    // Blocks in `main`, elements in `tail`.
    count: u32,
    // Of the first block in `main`, in 16 bytes; of the first element in `tail`, in elements.
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> operand: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> tail_out: array<Word>;
@group(0) @binding(2) var<storage, read> tail_operand: array<Word>;

fn masked(value: Quad, mask: Quad) -> Quad {
    let constant = ring_from_halves(params.constant);
    let sum = ring_quad(constant, constant, constant, constant);
    let scaled = ring_quad_mul_add(sum, ring_from_halves(params.factor), value);
    return ring_quad_mul_add(scaled, ring_from_halves(params.mask_factor), mask);
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
    var block = chacha(params.draw, index);
    let at = params.offset + 4u * index;
    for (var first = 0u; first < 4u; first += QUAD_VECTORS) {
        let last = first + QUAD_VECTORS - 1u;
        let value = ring_quad_load(operand[at + first], operand[at + last]);
        let sum = masked(value, ring_quad_load(block.rows[first], block.rows[last]));
        out[at + first] = ring_quad_first(sum);
        out[at + last] = ring_quad_last(sum);
    }
}

@compute @workgroup_size(1)
fn tail() {
    var block = chacha(params.draw, 0u);
    for (var index = 0u; index < params.count; index++) {
        let first = index / 4u * QUAD_VECTORS;
        let mask = ring_quad_load(block.rows[first], block.rows[first + QUAD_VECTORS - 1u]);
        let value = ring_load(tail_operand[params.offset + index]);
        let sum = masked(ring_quad(value, value, value, value), mask);
        tail_out[params.offset + index] = ring_store(ring_quad_at(sum, index % 4u));
    }
}
