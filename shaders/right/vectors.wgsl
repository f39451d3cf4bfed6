// The right operand of a matrix product, four columns at a time, read as vectors of 16 bytes. Its columns, the distance
// of its rows and the place of its first element are multiples of four elements.

@group(0) @binding(3) var<storage, read> right_first: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> right_second: array<vec4<u32>>;

fn right_quad(second: bool, k: u32, col: u32) -> Quad {
    if second {
        let four = (params.right_second.x + k * params.right_second.y + col) / 4u * QUAD_VECTORS;
        return ring_quad_load(right_second[four], right_second[four + QUAD_VECTORS - 1u]);
    }
    let four = (params.right_first.x + k * params.right_first.y + col) / 4u * QUAD_VECTORS;
    return ring_quad_load(right_first[four], right_first[four + QUAD_VECTORS - 1u]);
}

// Zero beyond the operand.
fn right_quad_at_edge(second: bool, k: u32, col: u32, inner: u32) -> Quad {
    if k < inner && col < params.cols {
        return right_quad(second, k, col);
    }
    return ring_quad_zero();
}
