// out (+)= sum of left * right, element by element, over one or two pairs.

#import ring
#import grid
#import broadcast

override WORKGROUP: u32 = 256u;

// Elements that a thread computes, a workgroup's threads apart.
const PER_THREAD: u32 = 2u;

struct Params {
    count: u32,
    cols: u32,
    out_offset: u32,
    terms: u32,
    left_first: vec4<u32>,
    right_first: vec4<u32>,
    left_second: vec4<u32>,
    right_second: vec4<u32>,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> left_first: array<Word>;
@group(0) @binding(3) var<storage, read> right_first: array<Word>;
@group(0) @binding(4) var<storage, read> left_second: array<Word>;
@group(0) @binding(5) var<storage, read> right_second: array<Word>;

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
    // What is not always there is added apart, so that nothing stands between the reads of the products.
    var sums: array<Elem, PER_THREAD>;
    for (var i = 0u; i < PER_THREAD; i++) {
        let place = place_of(min(own + i * WORKGROUP, params.count - 1u), params.count, params.cols);
        let left = ring_load(left_first[view_index(params.left_first, place.x, place.y)]);
        let right = ring_load(right_first[view_index(params.right_first, place.x, place.y)]);
        sums[i] = ring_mul(left, right);
    }
    if params.terms == 2u {
        for (var i = 0u; i < PER_THREAD; i++) {
            let place = place_of(min(own + i * WORKGROUP, params.count - 1u), params.count, params.cols);
            let left = ring_load(left_second[view_index(params.left_second, place.x, place.y)]);
            let right = ring_load(right_second[view_index(params.right_second, place.x, place.y)]);
            sums[i] = ring_mul_add(sums[i], left, right);
        }
    }
    if params.accumulate != 0u {
        for (var i = 0u; i < PER_THREAD; i++) {
            let index = min(own + i * WORKGROUP, params.count - 1u);
            sums[i] = ring_add(sums[i], ring_load(out[params.out_offset + index]));
        }
    }
    for (var i = 0u; i < PER_THREAD; i++) {
        let index = own + i * WORKGROUP;
        if index < params.count {
            out[params.out_offset + index] = ring_store(sums[i]);
        }
    }
}
