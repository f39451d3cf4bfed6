// Multiply-adds on registers alone: what a device does at most of what a matrix product is made of. Four sums of four
// elements each depend on one another only from step to step.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    steps: u32,
    // Not known to the compiler.
    factor: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let index = group_number(group, groups) * WORKGROUP + thread;
    let factor = ring_from_halves(vec2<u32>(params.factor, params.factor ^ index));
    let one = ring_add(factor, ring_one());
    var sum_0 = ring_quad(factor, one, factor, one);
    var sum_1 = ring_quad(one, one, factor, factor);
    var sum_2 = ring_quad(factor, factor, one, one);
    var sum_3 = ring_quad(one, factor, one, factor);
    for (var step = 0u; step < params.steps; step++) {
        sum_0 = ring_quad_mul_add(sum_0, factor, sum_1);
        sum_1 = ring_quad_mul_add(sum_1, factor, sum_2);
        sum_2 = ring_quad_mul_add(sum_2, factor, sum_3);
        sum_3 = ring_quad_mul_add(sum_3, factor, sum_0);
        sum_0 = ring_quad_mul_add(sum_0, one, sum_2);
        sum_1 = ring_quad_mul_add(sum_1, one, sum_3);
        sum_2 = ring_quad_mul_add(sum_2, one, sum_0);
        sum_3 = ring_quad_mul_add(sum_3, one, sum_1);
    }
    var total = ring_zero();
    for (var i = 0u; i < 4u; i++) {
        total = ring_add(total, ring_add(ring_quad_at(sum_0, i), ring_quad_at(sum_1, i)));
        total = ring_add(total, ring_add(ring_quad_at(sum_2, i), ring_quad_at(sum_3, i)));
    }
    out[index] = ring_store(total);
}
