// The bytes of ChaCha12 (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008) as words: a 64-bit block counter
// in state words 12 and 13, a 64-bit stream number in 14 and 15. `main` writes whole blocks of 64 bytes, one a
// thread; `tail` the words of a last block that is not whole.

#import grid

override WORKGROUP: u32 = 256u;

struct Params {
    key_low: vec4<u32>,
    key_high: vec4<u32>,
    block: vec2<u32>,
    stream: vec2<u32>,
    // Blocks in `main`, words in `tail`.
    count: u32,
    // Of the first block in `main`, in 16 bytes; of the first word in `tail`, in words.
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> tail_out: array<u32>;

struct Block {
    rows: array<vec4<u32>, 4>,
}

fn rotate_left(value: vec4<u32>, bits: u32) -> vec4<u32> {
    return (value << vec4<u32>(bits)) | (value >> vec4<u32>(32u - bits));
}

// Four quarter rounds side by side: one on each column of the rows.
fn quarter_rounds(block: Block) -> Block {
    var a = block.rows[0];
    var b = block.rows[1];
    var c = block.rows[2];
    var d = block.rows[3];
    a += b;
    d = rotate_left(d ^ a, 16u);
    c += d;
    b = rotate_left(b ^ c, 12u);
    a += b;
    d = rotate_left(d ^ a, 8u);
    c += d;
    b = rotate_left(b ^ c, 7u);
    return Block(array<vec4<u32>, 4>(a, b, c, d));
}

// The block `index` after the first.
fn chacha(index: u32) -> Block {
    let low = params.block.x + index;
    let high = params.block.y + select(0u, 1u, low < index);
    let start = array<vec4<u32>, 4>(
        vec4<u32>(0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u),
        params.key_low,
        params.key_high,
        vec4<u32>(low, high, params.stream),
    );
    var block = Block(start);
    for (var double_round = 0u; double_round < 6u; double_round++) {
        block = quarter_rounds(block);
        // Diagonals become columns, and columns again.
        block.rows[1] = block.rows[1].yzwx;
        block.rows[2] = block.rows[2].zwxy;
        block.rows[3] = block.rows[3].wxyz;
        block = quarter_rounds(block);
        block.rows[1] = block.rows[1].wxyz;
        block.rows[2] = block.rows[2].zwxy;
        block.rows[3] = block.rows[3].yzwx;
    }
    for (var row = 0u; row < 4u; row++) {
        block.rows[row] += start[row];
    }
    return block;
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
    let block = chacha(index);
    let at = params.offset + 4u * index;
    out[at] = block.rows[0];
    out[at + 1u] = block.rows[1];
    out[at + 2u] = block.rows[2];
    out[at + 3u] = block.rows[3];
}

@compute @workgroup_size(1)
fn tail() {
    var block = chacha(0u);
    for (var word = 0u; word < params.count; word++) {
        tail_out[params.offset + word] = block.rows[word / 4u][word % 4u];
    }
}
