// out (+)= left_first * right_first + left_second * right_second, as one product whose inner size is that of both
// terms: the tiles of the second follow those of the first. A term of inner size 0 is none.
//
// A workgroup computes a tile of the result, and a thread 4 x 4 elements of it that lie as far apart as the tile
// has threads along that side: neighbouring threads then work on neighbouring elements, in the banks of workgroup
// memory as in the output. Tiles are square, or long where the result has few columns or few rows. What a tile has
// beyond the matrix is read as zero, so that the inner loop need not know the edge.
//
// A small result of a long inner size has too few tiles for a large GPU: the inner size is then cut into `slices`, each
// with results of its own, one behind the other in `out`, to be summed afterwards.

#import ring
#import grid

// Depth of a tile along the inner size.
override INNER: u32 = 16u;
// Threads along a row of the tile.
override THREADS_ACROSS: u32 = 16u;

const THREADS: u32 = 256u;
override THREADS_DOWN: u32 = THREADS / THREADS_ACROSS;
override TILE_ROWS: u32 = 4u * THREADS_DOWN;
override TILE_COLS: u32 = 4u * THREADS_ACROSS;
// A tile of the left matrix is stored by columns; the extra element spreads its rows over the banks.
override PITCH: u32 = TILE_ROWS + 1u;

struct Params {
    rows: u32,
    cols: u32,
    tiles_across: u32,
    tiles: u32,
    out_offset: u32,
    out_stride: u32,
    // Inner sizes of the two terms.
    inner: vec2<u32>,
    // Of each matrix, the offset of its first element and the distance of its rows.
    left_first: vec2<u32>,
    right_first: vec2<u32>,
    left_second: vec2<u32>,
    right_second: vec2<u32>,
    accumulate: u32,
    slices: u32,
    // Elements from one slice's results to the next's.
    slice_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> left_first: array<Word>;
@group(0) @binding(3) var<storage, read> right_first: array<Word>;
@group(0) @binding(4) var<storage, read> left_second: array<Word>;
@group(0) @binding(5) var<storage, read> right_second: array<Word>;

var<workgroup> left_tile: array<Elem, INNER * PITCH>;
var<workgroup> right_tile: array<Elem, INNER * TILE_COLS>;

fn left_at(second: bool, row: u32, k: u32) -> Elem {
    if second {
        return ring_load(left_second[params.left_second.x + row * params.left_second.y + k]);
    }
    return ring_load(left_first[params.left_first.x + row * params.left_first.y + k]);
}

fn right_at(second: bool, k: u32, col: u32) -> Elem {
    if second {
        return ring_load(right_second[params.right_second.x + k * params.right_second.y + col]);
    }
    return ring_load(right_first[params.right_first.x + k * params.right_first.y + col]);
}

// Fetches both tiles at depth `start` of a term.
fn fetch(second: bool, start: u32, inner: u32, first_row: u32, first_col: u32, thread: u32) {
    for (var i = thread; i < INNER * TILE_ROWS; i += THREADS) {
        let row = first_row + i / INNER;
        let k = start + i % INNER;
        var value = ring_zero();
        if row < params.rows && k < inner {
            value = left_at(second, row, k);
        }
        left_tile[i % INNER * PITCH + i / INNER] = value;
    }
    for (var i = thread; i < INNER * TILE_COLS; i += THREADS) {
        let k = start + i / TILE_COLS;
        let col = first_col + i % TILE_COLS;
        var value = ring_zero();
        if col < params.cols && k < inner {
            value = right_at(second, k, col);
        }
        right_tile[i] = value;
    }
}

fn store(slice: u32, row: u32, col: u32, value: Elem) {
    if row < params.rows && col < params.cols {
        let index = params.out_offset + slice * params.slice_stride + row * params.out_stride + col;
        var sum = value;
        if params.accumulate != 0u {
            sum = ring_add(sum, ring_load(out[index]));
        }
        out[index] = ring_store(sum);
    }
}

fn store_quad(slice: u32, row: u32, col: u32, values: Quad) {
    store(slice, row, col, ring_quad_at(values, 0u));
    store(slice, row, col + THREADS_ACROSS, ring_quad_at(values, 1u));
    store(slice, row, col + 2u * THREADS_ACROSS, ring_quad_at(values, 2u));
    store(slice, row, col + 3u * THREADS_ACROSS, ring_quad_at(values, 3u));
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let slice = group_number(group, groups) / params.tiles;
    let number = group_number(group, groups) % params.tiles;
    if slice >= params.slices {
        return;
    }
    let first_row = number / params.tiles_across * TILE_ROWS;
    let first_col = number % params.tiles_across * TILE_COLS;
    let x = thread % THREADS_ACROSS;
    let y = thread / THREADS_ACROSS;
    var sum_0 = ring_quad_zero();
    var sum_1 = ring_quad_zero();
    var sum_2 = ring_quad_zero();
    var sum_3 = ring_quad_zero();
    let steps_first = (params.inner.x + INNER - 1u) / INNER;
    let steps = steps_first + (params.inner.y + INNER - 1u) / INNER;
    let steps_here = (steps + params.slices - 1u) / params.slices;
    let end = min(steps, (slice + 1u) * steps_here);
    for (var step = slice * steps_here; step < end; step++) {
        if step < steps_first {
            fetch(false, step * INNER, params.inner.x, first_row, first_col, thread);
        } else {
            fetch(true, (step - steps_first) * INNER, params.inner.y, first_row, first_col, thread);
        }
        workgroupBarrier();
        for (var k = 0u; k < INNER; k++) {
            let right = k * TILE_COLS + x;
            let quad = ring_quad(
                right_tile[right],
                right_tile[right + THREADS_ACROSS],
                right_tile[right + 2u * THREADS_ACROSS],
                right_tile[right + 3u * THREADS_ACROSS],
            );
            let left = k * PITCH + y;
            sum_0 = ring_quad_mul_add(sum_0, left_tile[left], quad);
            sum_1 = ring_quad_mul_add(sum_1, left_tile[left + THREADS_DOWN], quad);
            sum_2 = ring_quad_mul_add(sum_2, left_tile[left + 2u * THREADS_DOWN], quad);
            sum_3 = ring_quad_mul_add(sum_3, left_tile[left + 3u * THREADS_DOWN], quad);
        }
        workgroupBarrier();
    }
    store_quad(slice, first_row + y, first_col + x, sum_0);
    store_quad(slice, first_row + y + THREADS_DOWN, first_col + x, sum_1);
    store_quad(slice, first_row + y + 2u * THREADS_DOWN, first_col + x, sum_2);
    store_quad(slice, first_row + y + 3u * THREADS_DOWN, first_col + x, sum_3);
}
