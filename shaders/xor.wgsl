// out = left ^ right, and every bit negated with flip.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    flip: u32,
    out_offset: u32,
    left_offset: u32,
    right_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> left: array<Word>;
@group(0) @binding(3) var<storage, read> right: array<Word>;

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
    var result = ring_xor(ring_load(left[params.left_offset + index]), ring_load(right[params.right_offset + index]));
    if params.flip == 1u {
        result = ring_not(result);
    }
    out[params.out_offset + index] = ring_store(result);
}
