// One party's shares of a first level's planes: what the public c picks from the shared table of r. A thread makes one
// word of both bits of one digit. The table is not indexed by c: a place is picked by conjunction with the plane that
// says where c has that digit.

#import ring
#import grid
#import level

override WORKGROUP: u32 = 256u;

const DIGIT_BITS: u32 = 4u;
const DIGIT_PLANES: u32 = 15u;

// What is asked: see Predicate in src/step/bits.rs.
const BORROW: u32 = 0u;
const SIGN: u32 = 1u;

struct Params {
    count: u32,
    width: u32,
    elements: u32,
    bits: u32,
    digits: u32,
    order: u32,
    predicate: u32,
    leader: u32,
    out_offset: u32,
    opened_offset: u32,
    table_offset: u32,
    table_planes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> opened: array<Word>;
@group(0) @binding(3) var<storage, read> table: array<Word>;

fn bit_of(digit: u32, bit: u32, lane: u32) -> Elem {
    return ring_shl(ring_from_halves(vec2<u32>((digit >> bit) & 1u, 0u)), lane);
}

fn only_if(value: u32, bit: u32, plane: Elem) -> Elem {
    if ((value >> bit) & 1u) == 1u {
        return plane;
    }
    return ring_not(plane);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = group_number(group, groups) * WORKGROUP + lane;
    if index >= params.count {
        return;
    }
    let level = Level(params.digits, params.order);
    let digit = index / params.width;
    let word = index % params.width;
    // Levels count digits from the most significant, tables from the least.
    let place = params.digits - 1u - digit;
    let low = place * DIGIT_BITS;
    let values = (1u << min(DIGIT_BITS, params.bits - low)) - 1u;
    var b0 = ring_zero();
    var b1 = ring_zero();
    var b2 = ring_zero();
    var b3 = ring_zero();
    var top = ring_zero();
    for (var at = 0u; at < RING_BITS; at += 1u) {
        let element = at * params.width + word;
        var c = ring_zero();
        if element < params.elements {
            c = ring_load(opened[params.opened_offset + element]);
        }
        if params.predicate == SIGN {
            top = ring_or(top, bit_of(ring_low(ring_shr(c, params.bits)), 0u, at));
            c = ring_not(c);
        } else if params.predicate != BORROW {
            c = ring_sub(ring_zero(), c);
        }
        let of_digit = ring_low(ring_shr(c, low)) & values;
        b0 = ring_or(b0, bit_of(of_digit, 0u, at));
        b1 = ring_or(b1, bit_of(of_digit, 1u, at));
        b2 = ring_or(b2, bit_of(of_digit, 2u, at));
        b3 = ring_or(b3, bit_of(of_digit, 3u, at));
    }
    // T_v = [r >= v]; T_0 is 1 and the leader's, the one behind the last is zero.
    var less = ring_zero();
    var at_most = ring_zero();
    var tabled = ring_zero();
    if params.leader == 1u {
        tabled = ring_not(ring_zero());
    }
    for (var value = 0u; value <= values; value += 1u) {
        var chosen = ring_and(only_if(value, 0u, b0), only_if(value, 1u, b1));
        chosen = ring_and(chosen, ring_and(only_if(value, 2u, b2), only_if(value, 3u, b3)));
        at_most = ring_xor(at_most, ring_and(chosen, tabled));
        tabled = ring_zero();
        if value < values {
            let plane = place * DIGIT_PLANES + value;
            tabled = ring_load(table[params.table_offset + plane * params.width + word]);
        }
        less = ring_xor(less, ring_and(chosen, tabled));
    }
    if digit < level_eq_planes(level) {
        out[params.out_offset + digit * params.width + word] = ring_store(ring_xor(less, at_most));
    }
    if params.order == 0u {
        return;
    }
    if digit == 0u && params.predicate == SIGN {
        let plane = params.table_planes - 1u;
        less = ring_xor(less, ring_load(table[params.table_offset + plane * params.width + word]));
        if params.leader == 1u {
            less = ring_xor(less, top);
        }
    }
    let row = level_lt_plane(level, digit);
    out[params.out_offset + row * params.width + word] = ring_store(less);
}
