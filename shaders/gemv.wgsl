// out (+)= left_first * right_first + left_second * right_second, where the result has one side of a few elements, up to
// eight: a vector or a few of them times a matrix, or a matrix times them. Memory bounds it, so that the matrix is
// read once: a thread multiplies four of its rows (or columns) by all vectors.
//
// The side of the result that is not short is the long one. `lanes` threads share four results of every vector and
// divide the inner size. Neighbouring threads read neighbouring elements of the matrix: they are lanes where those
// lie along the inner size, and results where not. Places beyond the matrix read its last row again and are not
// stored, so that no loop knows the edge.
//
// Where there are too few workgroups for a large GPU, the inner size is cut into `slices`, each with results of its
// own, one behind the other in `out`, to be summed afterwards.

#import ring
#import grid

// Vectors: the short side of the result.
override FEW: u32 = 1u;

const THREADS: u32 = 256u;

struct Params {
    long: u32,
    // A power of two, from 1 to THREADS.
    lanes: u32,
    // Whether neighbours of the matrix lie along the inner size.
    along_inner: u32,
    // Workgroups along the long side.
    tiles: u32,
    slices: u32,
    // Elements from one slice's results to the next's.
    slice_stride: u32,
    accumulate: u32,
    out_offset: u32,
    // From one result to the next along the long side, and from one vector's to the next vector's.
    out_strides: vec2<u32>,
    // Inner sizes of the two terms.
    inner: vec2<u32>,
    // Of each matrix, the first element and the distances of neighbours, along the long side and the inner size.
    matrix_first: vec4<u32>,
    matrix_second: vec4<u32>,
    // Of the vectors, the first element and the distances, from vector to vector and along the inner size.
    vectors_first: vec4<u32>,
    vectors_second: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> matrix_first: array<Word>;
@group(0) @binding(3) var<storage, read> vectors_first: array<Word>;
@group(0) @binding(4) var<storage, read> matrix_second: array<Word>;
@group(0) @binding(5) var<storage, read> vectors_second: array<Word>;

var<workgroup> partial: array<Elem, 4u * THREADS>;

// Four results of every vector.
struct Sums {
    of_0: Quad,
    of_1: Quad,
    of_2: Quad,
    of_3: Quad,
    of_4: Quad,
    of_5: Quad,
    of_6: Quad,
    of_7: Quad,
}

fn matrix_at(second: bool, index: u32) -> Elem {
    if second {
        return ring_load(matrix_second[index]);
    }
    return ring_load(matrix_first[index]);
}

fn vector_at(second: bool, index: u32) -> Elem {
    if second {
        return ring_load(vectors_second[index]);
    }
    return ring_load(vectors_first[index]);
}

// Adds the products of one term over every `lanes`th inner index from `begin` to before `end`.
fn multiply_add(sums: ptr<function, Sums>, second: bool, places: vec4<u32>, begin: u32, end: u32) {
    let matrix = select(params.matrix_first, params.matrix_second, vec4<bool>(second));
    let vectors = select(params.vectors_first, params.vectors_second, vec4<bool>(second));
    let rows = vec4<u32>(matrix.x) + places * matrix.y;
    for (var k = begin; k < end; k += params.lanes) {
        let at = rows + vec4<u32>(k * matrix.z);
        let four = ring_quad(
            matrix_at(second, at.x),
            matrix_at(second, at.y),
            matrix_at(second, at.z),
            matrix_at(second, at.w),
        );
        let v = vectors.x + k * vectors.z;
        (*sums).of_0 = ring_quad_mul_add((*sums).of_0, vector_at(second, v), four);
        if FEW > 1u {
            (*sums).of_1 = ring_quad_mul_add((*sums).of_1, vector_at(second, v + vectors.y), four);
        }
        if FEW > 2u {
            (*sums).of_2 = ring_quad_mul_add((*sums).of_2, vector_at(second, v + 2u * vectors.y), four);
        }
        if FEW > 3u {
            (*sums).of_3 = ring_quad_mul_add((*sums).of_3, vector_at(second, v + 3u * vectors.y), four);
        }
        if FEW > 4u {
            (*sums).of_4 = ring_quad_mul_add((*sums).of_4, vector_at(second, v + 4u * vectors.y), four);
        }
        if FEW > 5u {
            (*sums).of_5 = ring_quad_mul_add((*sums).of_5, vector_at(second, v + 5u * vectors.y), four);
        }
        if FEW > 6u {
            (*sums).of_6 = ring_quad_mul_add((*sums).of_6, vector_at(second, v + 6u * vectors.y), four);
        }
        if FEW > 7u {
            (*sums).of_7 = ring_quad_mul_add((*sums).of_7, vector_at(second, v + 7u * vectors.y), four);
        }
    }
}

// Where a thread is among those of its workgroup, and what the workgroup computes.
struct Place {
    thread: u32,
    own: u32,
    lane: u32,
    first: u32,
    slice: u32,
}

// Adds up what the lanes have of one vector's results, and stores it.
fn finish(vector: u32, sums: Quad, place: Place) {
    let owners = THREADS / params.lanes;
    for (var i = 0u; i < 4u; i++) {
        partial[(place.own + i * owners) * params.lanes + place.lane] = ring_quad_at(sums, i);
    }
    workgroupBarrier();
    for (var result = place.thread; result < 4u * owners; result += THREADS) {
        let long = place.first + result;
        if long < params.long {
            let index = params.out_offset + place.slice * params.slice_stride
                + long * params.out_strides.x + vector * params.out_strides.y;
            var total = ring_zero();
            if params.accumulate != 0u {
                total = ring_load(out[index]);
            }
            for (var lane = 0u; lane < params.lanes; lane++) {
                total = ring_add(total, partial[result * params.lanes + lane]);
            }
            out[index] = ring_store(total);
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let number = group_number(group, groups);
    let slice = number / params.tiles;
    if slice >= params.slices {
        return;
    }
    let lanes = params.lanes;
    let owners = THREADS / lanes;
    var lane = thread % lanes;
    var own = thread / lanes;
    if params.along_inner == 0u {
        own = thread % owners;
        lane = thread / owners;
    }
    let first = number % params.tiles * 4u * owners;
    let last = vec4<u32>(params.long - 1u);
    let places = min(vec4<u32>(first + own) + vec4<u32>(0u, 1u, 2u, 3u) * owners, last);

    let both = params.inner.x + params.inner.y;
    let inner_here = (both + params.slices - 1u) / params.slices;
    let begin = min(both, slice * inner_here);
    let end = min(both, begin + inner_here);
    var sums = Sums(
        ring_quad_zero(),
        ring_quad_zero(),
        ring_quad_zero(),
        ring_quad_zero(),
        ring_quad_zero(),
        ring_quad_zero(),
        ring_quad_zero(),
        ring_quad_zero(),
    );
    // The slice may end in the first term, begin in the second, or have some of both.
    multiply_add(&sums, false, places, begin + lane, min(end, params.inner.x));
    if end > params.inner.x {
        let start = max(begin, params.inner.x) - params.inner.x;
        multiply_add(&sums, true, places, start + lane, end - params.inner.x);
    }
    let place = Place(thread, own, lane, first, slice);
    finish(0u, sums.of_0, place);
    if FEW > 1u {
        finish(1u, sums.of_1, place);
    }
    if FEW > 2u {
        finish(2u, sums.of_2, place);
    }
    if FEW > 3u {
        finish(3u, sums.of_3, place);
    }
    if FEW > 4u {
        finish(4u, sums.of_4, place);
    }
    if FEW > 5u {
        finish(5u, sums.of_5, place);
    }
    if FEW > 6u {
        finish(6u, sums.of_6, place);
    }
    if FEW > 7u {
        finish(7u, sums.of_7, place);
    }
}
