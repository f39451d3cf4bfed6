// Copies what nested loops reach in the operand to what they reach in the output. A thread copies one element.

#import ring
#import grid

override WORKGROUP: u32 = 256u;

const LOOPS: u32 = 6u;

// A loop is (count, step in the operand, step in the output, unused), the outermost first.
struct Params {
    loops: array<vec4<u32>, 6>,
    count: u32,
    out_offset: u32,
    operand_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;

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
    var rest = index;
    var source = params.operand_offset;
    var place = params.out_offset;
    for (var left = LOOPS; left > 0u; left -= 1u) {
        let turn = params.loops[left - 1u];
        let number = rest % turn.x;
        rest /= turn.x;
        source += number * turn.y;
        place += number * turn.z;
    }
    out[place] = operand[source];
}
