// out = left * right as the textbook writes it, one element a thread: the reference beside which products are measured.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    rows: u32,
    inner: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> left: array<Word>;
@group(0) @binding(3) var<storage, read> right: array<Word>;

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
    var sum = ring_zero();
    for (var k = 0u; k < params.inner; k++) {
        let a = ring_load(left[row * params.inner + k]);
        sum = ring_mul_add(sum, a, ring_load(right[k * params.cols + col]));
    }
    out[index] = ring_store(sum);
}
