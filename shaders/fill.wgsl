// The generator's bytes as words. `main` writes whole blocks of 64 bytes, one a thread; `tail` the words of a last block
// that is not whole.

#import chacha
#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    draw: Draw,
    // Blocks in `main`, words in `tail`.
    count: u32,
    // Of the first block in `main`, in 16 bytes; of the first word in `tail`, in words.
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> tail_out: array<u32>;

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
    let block = chacha(params.draw, index);
    let at = params.offset + 4u * index;
    out[at] = block.rows[0];
    out[at + 1u] = block.rows[1];
    out[at + 2u] = block.rows[2];
    out[at + 3u] = block.rows[3];
}

@compute @workgroup_size(1)
fn tail() {
    var block = chacha(params.draw, 0u);
    for (var word = 0u; word < params.count; word++) {
        tail_out[params.offset + word] = block.rows[word / 4u][word % 4u];
    }
}
