// One party's shares of a first level's planes: what the public c picks from the shared table of r. A thread makes one
// word of both bits of one digit. The table is not indexed by c: a place is picked by conjunction with the plane that
// says where c has that digit. Where there are lanes, a digit is one of a group's lane of c, or of c moved by a power of two.

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
    table_digits: u32,
    groups: u32,
    own: u32,
    rising: u32,
    exponents_low: u32,
    exponents_high: u32,
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

fn is_exponent(exponent: u32) -> u32 {
    if exponent < 32u {
        return (params.exponents_low >> exponent) & 1u;
    }
    return (params.exponents_high >> (exponent - 32u)) & 1u;
}

// The exponent of a moved group.
fn exponent_of(number: u32) -> u32 {
    var exponent = 0u;
    var reached = is_exponent(0u);
    while reached <= number && exponent < RING_BITS - 1u {
        exponent += 1u;
        reached += is_exponent(exponent);
    }
    return exponent;
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
    let level = Level(params.digits, params.order, FAN_IN);
    let digit = index / params.width;
    let word = index % params.width;
    // Levels count digits from the most significant, tables from the least.
    var place = params.digits - 1u - digit;
    var moved = ring_zero();
    if params.groups > 0u {
        let number = digit / FAN_IN;
        if number == params.groups {
            out[params.out_offset + level_lt_plane(level, digit) * params.width + word] = ring_store(moved);
            return;
        }
        var lane_of_c = number;
        if number >= params.own {
            let exponent = exponent_of(number - params.own);
            lane_of_c = exponent / LANE_BITS;
            moved = ring_shl(ring_one(), exponent);
            if params.rising == 0u {
                moved = ring_sub(ring_zero(), moved);
            }
        }
        place = lane_of_c * FAN_IN + FAN_IN - 1u - digit % FAN_IN;
    }
    let low = place * DIGIT_BITS;
    let values = (1u << min(DIGIT_BITS, params.bits - min(low, params.bits))) - 1u;
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
        c = ring_add(c, moved);
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
    if digit % FAN_IN == 0u && place + 1u >= params.table_digits && params.predicate == SIGN {
        let plane = params.table_planes - 1u;
        less = ring_xor(less, ring_load(table[params.table_offset + plane * params.width + word]));
        if params.leader == 1u {
            less = ring_xor(less, top);
        }
    }
    let row = level_lt_plane(level, digit);
    out[params.out_offset + row * params.width + word] = ring_store(less);
}
