// How a kernel's workgroups number what they work on: a dimension of a dispatch holds 65,535 workgroups, so that
// a long row of workgroups is folded into two dimensions.

fn group_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
