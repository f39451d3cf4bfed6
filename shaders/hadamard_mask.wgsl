// out = sum of left * right + F, element by element, over one or two pairs, where F is what fill.wgsl would write. `main`
// works on whole blocks of 64 bytes, one a thread; `tail` on the elements of a last block that is not whole.

#import ring
#import chacha
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    draw: Draw,
    terms: u32,
    // Blocks in `main`, elements in `tail`.
    count: u32,
    // Of the first block in `main`, in 16 bytes; of the first element in `tail`, in elements.
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> left_first: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> right_first: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> left_second: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> right_second: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> tail_out: array<Word>;
@group(0) @binding(2) var<storage, read> tail_left_first: array<Word>;
@group(0) @binding(3) var<storage, read> tail_right_first: array<Word>;
@group(0) @binding(4) var<storage, read> tail_left_second: array<Word>;
@group(0) @binding(5) var<storage, read> tail_right_second: array<Word>;

fn add_products(sum: Quad, left: Quad, right: Quad) -> Quad {
    return ring_quad(
        ring_mul_add(ring_quad_at(sum, 0u), ring_quad_at(left, 0u), ring_quad_at(right, 0u)),
        ring_mul_add(ring_quad_at(sum, 1u), ring_quad_at(left, 1u), ring_quad_at(right, 1u)),
        ring_mul_add(ring_quad_at(sum, 2u), ring_quad_at(left, 2u), ring_quad_at(right, 2u)),
        ring_mul_add(ring_quad_at(sum, 3u), ring_quad_at(left, 3u), ring_quad_at(right, 3u)),
    );
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
        var sum = add_products(
            ring_quad_load(block.rows[first], block.rows[last]),
            ring_quad_load(left_first[at + first], left_first[at + last]),
            ring_quad_load(right_first[at + first], right_first[at + last]),
        );
        if params.terms == 2u {
            sum = add_products(
                sum,
                ring_quad_load(left_second[at + first], left_second[at + last]),
                ring_quad_load(right_second[at + first], right_second[at + last]),
            );
        }
        out[at + first] = ring_quad_first(sum);
        out[at + last] = ring_quad_last(sum);
    }
}

@compute @workgroup_size(1)
fn tail() {
    var block = chacha(params.draw, 0u);
    for (var index = 0u; index < params.count; index++) {
        let at = params.offset + index;
        let first = index / 4u * QUAD_VECTORS;
        let drawn = ring_quad_load(block.rows[first], block.rows[first + QUAD_VECTORS - 1u]);
        var sum = ring_quad_at(drawn, index % 4u);
        sum = ring_mul_add(sum, ring_load(tail_left_first[at]), ring_load(tail_right_first[at]));
        if params.terms == 2u {
            sum = ring_mul_add(sum, ring_load(tail_left_second[at]), ring_load(tail_right_second[at]));
        }
        tail_out[at] = ring_store(sum);
    }
}
