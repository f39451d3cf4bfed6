// Operands that are repeated: a view is (offset, row stride, column stride, unused) in elements, and a stride of 0
// repeats the one row or column that there is.

fn view_index(view: vec4<u32>, row: u32, col: u32) -> u32 {
    return view.x + row * view.y + col * view.z;
}
