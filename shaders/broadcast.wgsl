// Operands that are repeated: a view is (offset, row stride, column stride, unused) in elements, and a stride of 0
// repeats the one row or column that there is.

fn view_index(view: vec4<u32>, row: u32, col: u32) -> u32 {
    return view.x + row * view.y + col * view.z;
}

// Row and column of an element among `count` in rows of `cols`. A single row, which most are, takes no division.
fn place_of(index: u32, count: u32, cols: u32) -> vec2<u32> {
    if cols >= count {
        return vec2<u32>(0u, index);
    }
    return vec2<u32>(index / cols, index % cols);
}
