// out (+)= sums over one axis. `lanes` threads share one sum, and a workgroup computes THREADS / lanes of them.
// Neighbouring threads read neighbouring elements, whichever the axis.
//
// A few long sums have too little work for a large GPU: each is then cut into `slices`, whose sums lie one behind the
// other in `out`, to be summed afterwards.

#import ring
#import grid

const THREADS: u32 = 256u;

struct Params {
    sums: u32,
    inner: u32,
    // A power of two, at most THREADS.
    lanes: u32,
    accumulate: u32,
    out_offset: u32,
    operand_offset: u32,
    // From one sum's elements to the next sum's, and from one element of a sum to the next; one of them is 1.
    sum_stride: u32,
    inner_stride: u32,
    slices: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> operand: array<Word>;

var<workgroup> partial: array<Elem, THREADS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let lanes = params.lanes;
    let sums_here = THREADS / lanes;
    var lane = thread % lanes;
    var own = thread / lanes;
    if params.inner_stride != 1u {
        own = thread % sums_here;
        lane = thread / sums_here;
    }
    let first = group_number(group, groups) * sums_here;
    var sum = ring_zero();
    let results = params.sums * params.slices;
    if first + own < results {
        let start = params.operand_offset + (first + own) % params.sums * params.sum_stride;
        let slice = (first + own) / params.sums;
        let inner_here = (params.inner + params.slices - 1u) / params.slices;
        let end = min(params.inner, (slice + 1u) * inner_here);
        var i = slice * inner_here + lane;
        // Four at a time are on their way at once.
        let stride = lanes * params.inner_stride;
        for (; i + 3u * lanes < end; i += 4u * lanes) {
            let at = start + i * params.inner_stride;
            let first_two = ring_add(ring_load(operand[at]), ring_load(operand[at + stride]));
            let last_two = ring_add(ring_load(operand[at + 2u * stride]), ring_load(operand[at + 3u * stride]));
            sum = ring_add(sum, ring_add(first_two, last_two));
        }
        for (; i < end; i += lanes) {
            sum = ring_add(sum, ring_load(operand[start + i * params.inner_stride]));
        }
    }
    partial[own * lanes + lane] = sum;
    workgroupBarrier();
    if thread < sums_here && first + thread < results {
        let index = params.out_offset + first + thread;
        var total = ring_zero();
        if params.accumulate != 0u {
            total = ring_load(out[index]);
        }
        for (var i = 0u; i < lanes; i++) {
            total = ring_add(total, partial[thread * lanes + i]);
        }
        out[index] = ring_store(total);
    }
}
