// out = sum of factor * operand + constant, over one or two operands. A thread computes some elements, a workgroup's threads
// apart: what it reads is on its way at once.

#import ring
#import grid
#import broadcast

override WORKGROUP: u32 = 256u;

const PER_THREAD: u32 = 4u;

struct Params {
    count: u32,
    cols: u32,
    out_offset: u32,
    terms: u32,
    first: vec4<u32>,
    second: vec4<u32>,
    first_factor: vec2<u32>,
    second_factor: vec2<u32>,
    constant: vec2<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> first: array<Word>;
@group(0) @binding(3) var<storage, read> second: array<Word>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = group_number(group, groups) * WORKGROUP * PER_THREAD + lane;
    if own >= params.count {
        return;
    }
    let constant = ring_from_halves(params.constant);
    var sums: array<Elem, PER_THREAD>;
    for (var i = 0u; i < PER_THREAD; i++) {
        let place = place_of(min(own + i * WORKGROUP, params.count - 1u), params.count, params.cols);
        let a = ring_load(first[view_index(params.first, place.x, place.y)]);
        sums[i] = ring_mul_add(constant, ring_from_halves(params.first_factor), a);
    }
    if params.terms == 2u {
        for (var i = 0u; i < PER_THREAD; i++) {
            let place = place_of(min(own + i * WORKGROUP, params.count - 1u), params.count, params.cols);
            let b = ring_load(second[view_index(params.second, place.x, place.y)]);
            sums[i] = ring_mul_add(sums[i], ring_from_halves(params.second_factor), b);
        }
    }
    for (var i = 0u; i < PER_THREAD; i++) {
        let index = own + i * WORKGROUP;
        if index < params.count {
            out[params.out_offset + index] = ring_store(sums[i]);
        }
    }
}
