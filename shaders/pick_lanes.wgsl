// One party's shares of the last level of a comparison with a power of two: of each lane the results that the public c picks.
// A thread makes one word of all lanes.

#import ring
#import grid
#import level

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    width: u32,
    elements: u32,
    lanes: u32,
    exponent: u32,
    rising: u32,
    group: u32,
    groups: u32,
    out_offset: u32,
    opened_offset: u32,
    base_offset: u32,
    own_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> opened: array<Word>;
@group(0) @binding(3) var<storage, read> base: array<Word>;
@group(0) @binding(4) var<storage, read> own: array<Word>;

fn base_at(row: u32, word: u32) -> Elem {
    return ring_load(base[params.base_offset + row * params.width + word]);
}

fn own_at(row: u32, word: u32) -> Elem {
    return ring_load(own[params.own_offset + row * params.width + word]);
}

// A plane of a lane: one of the results `unmoved` and `moved` of the base.
fn picked(reached: Elem, unmoved: u32, moved: u32, word: u32) -> Elem {
    let zero = base_at(unmoved, word);
    return ring_xor(zero, ring_and(reached, ring_xor(zero, base_at(moved, word))));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane_of_group: u32,
) {
    let word = group_number(group, groups) * WORKGROUP + lane_of_group;
    if word >= params.count {
        return;
    }
    let of_base = Level(2u * params.lanes, 1u, FAN_IN);
    let of_own = Level(params.groups + 1u, 1u, FAN_IN);
    let last = Level(params.lanes, 1u, FAN_IN);
    for (var lane = 0u; lane < params.lanes; lane += 1u) {
        let first = lane * LANE_BITS;
        var equal = ring_zero();
        var less = ring_zero();
        if params.exponent / LANE_BITS == lane {
            equal = own_at(params.group, word);
            less = own_at(level_lt_plane(of_own, params.group), word);
        } else {
            // The elements of which a borrow or a carry reaches this lane: all bits from the power on let it through.
            var reached = ring_zero();
            if params.exponent < first {
                let ones = ring_sub(ring_shl(ring_one(), first - params.exponent), ring_one());
                for (var at = 0u; at < RING_BITS; at += 1u) {
                    let element = at * params.width + word;
                    var c = ring_zero();
                    if element < params.elements {
                        c = ring_load(opened[params.opened_offset + element]);
                    }
                    if params.rising == 1u {
                        c = ring_not(c);
                    }
                    let rest = ring_and(ring_shr(c, params.exponent), ones);
                    if all(ring_signed_halves(rest) == vec2<u32>(0u, 0u)) {
                        reached = ring_or(reached, ring_shl(ring_one(), at));
                    }
                }
            }
            let moved = params.lanes + max(lane, 1u) - 1u;
            equal = picked(reached, lane, moved, word);
            less = picked(reached, level_lt_plane(of_base, lane), level_lt_plane(of_base, moved), word);
        }
        let digit = params.lanes - 1u - lane;
        if digit < level_eq_planes(last) {
            out[params.out_offset + digit * params.width + word] = ring_store(equal);
        }
        out[params.out_offset + level_lt_plane(last, digit) * params.width + word] = ring_store(less);
    }
}
