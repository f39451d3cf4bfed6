// out (+)= left_first * right_first + left_second * right_second, as one product whose inner size is that of both
// terms: the tiles of the second follow those of the first. A term of inner size 0 is none.
//
// A workgroup computes a tile of the result, and a thread one, two or four blocks of 4 by 4 elements of it. Both
// operands lie in workgroup memory in fours: of the rows that a block has, and of its columns, so that a step of the
// inner loop reads one four for each and knows no edge. Tiles are square, or long where the result has few columns or
// few rows.
//
// There are two halves of workgroup memory: while one is multiplied, what comes next is on its way from the operands to
// registers, and goes to the other half. A thread fetches a four of each operand at most. Only tiles at the edges
// of a matrix are fetched and stored with checks; what they have beyond it is read as zero.
//
// A small result of a long inner size has too few tiles for a large GPU: the inner size is then cut into `slices`, each
// with results of its own, one behind the other in `out`, to be summed afterwards.

#import ring
#import grid
#import right

// Depth of a tile along the inner size. The fours of a tile of either operand are as many as the threads at most.
override INNER: u32 = 16u;
// Threads along a row of the tile.
override THREADS_ACROSS: u32 = 16u;
// Blocks of a thread, down and across: one or two.
override BLOCKS_DOWN: u32 = 1u;
override BLOCKS_ACROSS: u32 = 1u;

const THREADS: u32 = 256u;
override THREADS_DOWN: u32 = THREADS / THREADS_ACROSS;
// Fours of rows of the left tile, and of columns of the right one.
override FOURS_DOWN: u32 = BLOCKS_DOWN * THREADS_DOWN;
override FOURS_ACROSS: u32 = BLOCKS_ACROSS * THREADS_ACROSS;
// Threads write neighbouring columns of the left tile at once: each column is turned about by another number of fours,
// so that they use different banks. Powers of two.
override TURNS: u32 = min(FOURS_DOWN, 8u);

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
@group(0) @binding(4) var<storage, read> left_second: array<Word>;

var<workgroup> left_tile: array<Quad, 2u * INNER * FOURS_DOWN>;
var<workgroup> right_tile: array<Quad, 2u * INNER * FOURS_ACROSS>;

// A block's sums.
struct Block {
    row_0: Quad,
    row_1: Quad,
    row_2: Quad,
    row_3: Quad,
}

fn block_zero() -> Block {
    return Block(ring_quad_zero(), ring_quad_zero(), ring_quad_zero(), ring_quad_zero());
}

fn multiply_add(block: ptr<function, Block>, left: Quad, right: Quad) {
    (*block).row_0 = ring_quad_mul_add((*block).row_0, ring_quad_at(left, 0u), right);
    (*block).row_1 = ring_quad_mul_add((*block).row_1, ring_quad_at(left, 1u), right);
    (*block).row_2 = ring_quad_mul_add((*block).row_2, ring_quad_at(left, 2u), right);
    (*block).row_3 = ring_quad_mul_add((*block).row_3, ring_quad_at(left, 3u), right);
}

fn left_place(k: u32, four: u32) -> u32 {
    return k * FOURS_DOWN + (four ^ (k % TURNS));
}

fn left_at(second: bool, row: u32, k: u32) -> Elem {
    if second {
        return ring_load(left_second[params.left_second.x + row * params.left_second.y + k]);
    }
    return ring_load(left_first[params.left_first.x + row * params.left_first.y + k]);
}

// Four rows of the left operand at one inner index.
fn left_quad(second: bool, row: u32, k: u32) -> Quad {
    return ring_quad(
        left_at(second, row, k),
        left_at(second, row + 1u, k),
        left_at(second, row + 2u, k),
        left_at(second, row + 3u, k),
    );
}

fn left_at_edge(second: bool, row: u32, k: u32, inner: u32) -> Elem {
    if row < params.rows && k < inner {
        return left_at(second, row, k);
    }
    return ring_zero();
}

fn left_quad_at_edge(second: bool, row: u32, k: u32, inner: u32) -> Quad {
    return ring_quad(
        left_at_edge(second, row, k, inner),
        left_at_edge(second, row + 1u, k, inner),
        left_at_edge(second, row + 2u, k, inner),
        left_at_edge(second, row + 3u, k, inner),
    );
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

fn store_row(slice: u32, row: u32, col: u32, values: Quad) {
    store(slice, row, col, ring_quad_at(values, 0u));
    store(slice, row, col + 1u, ring_quad_at(values, 1u));
    store(slice, row, col + 2u, ring_quad_at(values, 2u));
    store(slice, row, col + 3u, ring_quad_at(values, 3u));
}

fn store_block(slice: u32, row: u32, col: u32, block: Block) {
    store_row(slice, row, col, block.row_0);
    store_row(slice, row + 1u, col, block.row_1);
    store_row(slice, row + 2u, col, block.row_2);
    store_row(slice, row + 3u, col, block.row_3);
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
    let first_row = number / params.tiles_across * 4u * FOURS_DOWN;
    let first_col = number % params.tiles_across * 4u * FOURS_ACROSS;
    let is_inside = first_row + 4u * FOURS_DOWN <= params.rows && first_col + 4u * FOURS_ACROSS <= params.cols;
    // What this thread fetches in every step: neighbours read neighbours.
    let left_k = thread % INNER;
    let left_four = thread / INNER;
    let right_k = thread / FOURS_ACROSS;
    let right_four = thread % FOURS_ACROSS;
    let row = first_row + 4u * left_four;
    let col = first_col + 4u * right_four;
    // What it multiplies.
    let x = thread % THREADS_ACROSS;
    let y = thread / THREADS_ACROSS;
    var block_00 = block_zero();
    var block_01 = block_zero();
    var block_10 = block_zero();
    var block_11 = block_zero();

    let steps_first = (params.inner.x + INNER - 1u) / INNER;
    let steps = steps_first + (params.inner.y + INNER - 1u) / INNER;
    let steps_here = (steps + params.slices - 1u) / params.slices;
    let begin = slice * steps_here;
    let end = min(steps, begin + steps_here);
    var left = ring_quad_zero();
    var right = ring_quad_zero();
    // One step more than there are: in each the fours of the next are fetched, and those fetched before multiplied.
    for (var next = begin; next <= end; next++) {
        let half = next % 2u * INNER;
        if next > begin {
            if left_four < FOURS_DOWN {
                left_tile[half * FOURS_DOWN + left_place(left_k, left_four)] = left;
            }
            if right_k < INNER {
                right_tile[(half + right_k) * FOURS_ACROSS + right_four] = right;
            }
            workgroupBarrier();
        }
        if next < end {
            let second = next >= steps_first;
            let start = select(next, next - steps_first, second) * INNER;
            let inner = select(params.inner.x, params.inner.y, second);
            let is_whole = is_inside && start + INNER <= inner;
            if left_four < FOURS_DOWN {
                if is_whole {
                    left = left_quad(second, row, start + left_k);
                } else {
                    left = left_quad_at_edge(second, row, start + left_k, inner);
                }
            }
            if right_k < INNER {
                if is_whole {
                    right = right_quad(second, start + right_k, col);
                } else {
                    right = right_quad_at_edge(second, start + right_k, col, inner);
                }
            }
        }
        if next > begin {
            for (var k = 0u; k < INNER; k++) {
                let left_0 = left_tile[half * FOURS_DOWN + left_place(k, y)];
                let right_0 = right_tile[(half + k) * FOURS_ACROSS + x];
                multiply_add(&block_00, left_0, right_0);
                if BLOCKS_DOWN > 1u {
                    let left_1 = left_tile[half * FOURS_DOWN + left_place(k, y + THREADS_DOWN)];
                    multiply_add(&block_10, left_1, right_0);
                    if BLOCKS_ACROSS > 1u {
                        let right_1 = right_tile[(half + k) * FOURS_ACROSS + x + THREADS_ACROSS];
                        multiply_add(&block_01, left_0, right_1);
                        multiply_add(&block_11, left_1, right_1);
                    }
                }
            }
        }
    }
    let own_row = first_row + 4u * y;
    let own_col = first_col + 4u * x;
    store_block(slice, own_row, own_col, block_00);
    if BLOCKS_DOWN > 1u {
        store_block(slice, own_row + 4u * THREADS_DOWN, own_col, block_10);
    }
    if BLOCKS_ACROSS > 1u {
        store_block(slice, own_row, own_col + 4u * THREADS_ACROSS, block_01);
        store_block(slice, own_row + 4u * THREADS_DOWN, own_col + 4u * THREADS_ACROSS, block_11);
    }
}
