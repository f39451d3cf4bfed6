// One party's shares of the next level's planes, from the opened masked factors X = x ^ mask. A product of factors is
// the sum over the subsets S of them of (the masks' product over S) * (the product of X over the others); such a sum is
// folded one factor at a time. A thread makes one word of both bits of one group.

#import ring
#import grid
#import level

override WORKGROUP: u32 = 256u;

struct Params {
    count: u32,
    width: u32,
    digits: u32,
    order: u32,
    fan_in: u32,
    leader: u32,
    out_offset: u32,
    planes_offset: u32,
    opened_offset: u32,
    masks_offset: u32,
    monomials_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> planes: array<Word>;
@group(0) @binding(3) var<storage, read> opened: array<Word>;
@group(0) @binding(4) var<storage, read> masks: array<Word>;
@group(0) @binding(5) var<storage, read> monomials: array<Word>;

// By subset of a group's eq factors: the share of the product of their masks.
var<private> products: array<Elem, 16>;
var<private> terms: array<Elem, 16>;

fn opened_at(plane: u32, word: u32) -> Elem {
    return ring_load(opened[params.opened_offset + plane * params.width + word]);
}

fn mask_at(plane: u32, word: u32) -> Elem {
    return ring_load(masks[params.masks_offset + plane * params.width + word]);
}

fn monomial_at(row: u32, word: u32) -> Elem {
    return ring_load(monomials[params.monomials_offset + row * params.width + word]);
}

fn plane_at(plane: u32, word: u32) -> Elem {
    return ring_load(planes[params.planes_offset + plane * params.width + word]);
}

// The sum over subsets S of `factors` eq factors from `first` on of terms[S] * the product of X over the others.
fn folded(first: u32, factors: u32, word: u32) -> Elem {
    for (var left = factors; left > 0u; left -= 1u) {
        let factor = opened_at(first + left - 1u, word);
        let bit = 1u << (left - 1u);
        for (var subset = 0u; subset < bit; subset += 1u) {
            terms[subset] = ring_xor(ring_and(terms[subset], factor), terms[subset | bit]);
        }
    }
    return terms[0];
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
    let level = Level(params.digits, params.order, params.fan_in);
    let number = index / params.width;
    let word = index % params.width;
    let first = number * params.fan_in;
    let size = level_size(level, number);
    let factors = level_eq_factors(level, number);
    var row = level_first_monomial(level, number);
    products[0] = ring_zero();
    if params.leader == 1u {
        products[0] = ring_not(ring_zero());
    }
    for (var factor = 0u; factor < factors; factor += 1u) {
        let bit = 1u << factor;
        products[bit] = mask_at(first + factor, word);
        for (var rest = 1u; rest < bit; rest += 1u) {
            products[bit | rest] = monomial_at(row, word);
            row += 1u;
        }
    }
    let next = Level(level_groups(level), params.order, params.fan_in);
    if number < level_eq_planes(next) {
        var equal = ring_zero();
        if size == 1u {
            equal = plane_at(first, word);
        } else {
            for (var subset = 0u; subset < (1u << factors); subset += 1u) {
                terms[subset] = products[subset];
            }
            equal = folded(first, factors, word);
        }
        out[params.out_offset + number * params.width + word] = ring_store(equal);
    }
    if params.order == 0u {
        return;
    }
    var less = plane_at(level_lt_plane(level, first), word);
    for (var digit = 1u; digit < size; digit += 1u) {
        let plane = level_lt_plane(level, first + digit);
        let factor = opened_at(plane, word);
        terms[0] = ring_xor(ring_and(factor, products[0]), mask_at(plane, word));
        for (var subset = 1u; subset < (1u << digit); subset += 1u) {
            terms[subset] = ring_xor(ring_and(factor, products[subset]), monomial_at(row, word));
            row += 1u;
        }
        less = ring_xor(less, folded(first, digit, word));
    }
    let lt_row = level_lt_plane(next, number);
    out[params.out_offset + lt_row * params.width + word] = ring_store(less);
}
