// Blocks of ChaCha12 (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008): a 64-bit block counter in state words 12
// and 13, a 64-bit stream number in 14 and 15.

// What is drawn: 64-byte blocks of a stream, from one on.
struct Draw {
    key_low: vec4<u32>,
    key_high: vec4<u32>,
    block: vec2<u32>,
    stream: vec2<u32>,
}

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

// The block `index` after the first of these.
fn chacha(draw: Draw, index: u32) -> Block {
    let low = draw.block.x + index;
    let high = draw.block.y + select(0u, 1u, low < index);
    let start = array<vec4<u32>, 4>(
        vec4<u32>(0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u),
        draw.key_low,
        draw.key_high,
        vec4<u32>(low, high, draw.stream),
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
