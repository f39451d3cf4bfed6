// The right operand of a matrix product, four columns at a time, read element by element.

@group(0) @binding(3) var<storage, read> right_first: array<Word>;
@group(0) @binding(5) var<storage, read> right_second: array<Word>;

fn right_at(second: bool, k: u32, col: u32) -> Elem {
    if second {
        return ring_load(right_second[params.right_second.x + k * params.right_second.y + col]);
    }
    return ring_load(right_first[params.right_first.x + k * params.right_first.y + col]);
}

fn right_quad(second: bool, k: u32, col: u32) -> Quad {
    return ring_quad(
        right_at(second, k, col),
        right_at(second, k, col + 1u),
        right_at(second, k, col + 2u),
        right_at(second, k, col + 3u),
    );
}

fn right_at_edge(second: bool, k: u32, col: u32, inner: u32) -> Elem {
    if k < inner && col < params.cols {
        return right_at(second, k, col);
    }
    return ring_zero();
}

// Zero beyond the operand.
fn right_quad_at_edge(second: bool, k: u32, col: u32, inner: u32) -> Quad {
    return ring_quad(
        right_at_edge(second, k, col, inner),
        right_at_edge(second, k, col + 1u, inner),
        right_at_edge(second, k, col + 2u, inner),
        right_at_edge(second, k, col + 3u, inner),
    );
}
