// out = (left & right) ^ addend.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    out_offset: u32,
    left_offset: u32,
    right_offset: u32,
    addend_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> left: array<Word>;
@group(0) @binding(3) var<storage, read> right: array<Word>;
@group(0) @binding(4) var<storage, read> addend: array<Word>;

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
    let both = ring_and(ring_load(left[params.left_offset + index]), ring_load(right[params.right_offset + index]));
    out[params.out_offset + index] = ring_store(ring_xor(both, ring_load(addend[params.addend_offset + index])));
}
