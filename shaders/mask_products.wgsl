// The dealer's half of a level's monomials: out ^= the products of the masks that the level needs. A thread makes one
// word of all monomials of one group.

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
    out_offset: u32,
    mask_0_offset: u32,
    mask_1_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Word>;
@group(0) @binding(2) var<storage, read> mask_0: array<Word>;
@group(0) @binding(3) var<storage, read> mask_1: array<Word>;

fn mask_at(plane: u32, word: u32) -> Elem {
    let place = plane * params.width + word;
    return ring_xor(ring_load(mask_0[params.mask_0_offset + place]), ring_load(mask_1[params.mask_1_offset + place]));
}

fn correct(row: u32, word: u32, monomial: Elem) {
    let place = params.out_offset + row * params.width + word;
    out[place] = ring_store(ring_xor(ring_load(out[place]), monomial));
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
    let factors = level_eq_factors(level, number);
    var row = level_first_monomial(level, number);
    var products: array<Elem, 16>;
    products[0] = ring_not(ring_zero());
    for (var factor = 0u; factor < factors; factor += 1u) {
        let mask = mask_at(first + factor, word);
        for (var rest = 0u; rest < (1u << factor); rest += 1u) {
            let product = ring_and(products[rest], mask);
            products[rest | (1u << factor)] = product;
            if rest != 0u {
                correct(row, word, product);
                row += 1u;
            }
        }
    }
    if params.order == 0u {
        return;
    }
    for (var digit = 1u; digit < level_size(level, number); digit += 1u) {
        let less = mask_at(level_lt_plane(level, first + digit), word);
        for (var subset = 1u; subset < (1u << digit); subset += 1u) {
            correct(row, word, ring_and(products[subset], less));
            row += 1u;
        }
    }
}
