#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_control_flow_attributes : require

// Products of residues on matrix units that multiply bytes: for every modulus, sums = left * right modulo it, as bytes. WGSL
// has no matrices of bytes, so this is GLSL, which tools/spirv translates for each shape of tiles.
//
// Panels are laid out by residue_split.wgsl, in tiles of WIDTH rows by DEPTH inner elements. A workgroup computes 2 * WIDTH by
// WIDTH sums: two tiles of the left panel and one of the right are brought to its own memory, and each of its subgroups
// multiplies ROWS by COLS of them. There is memory for two steps: while one is multiplied, the next is written beside it and
// the one after that is on its way to registers, so that the threads meet once a step.
//
// Residues are at most 128 in magnitude, so that i32 holds sums of up to 2^16 products. The quotient in f32 of a sum below 2^27
// is off by less than 0.2: what is left is in -179..179, and a multiple of the modulus away from what a byte holds.

// The matrices that the units multiply, TILE by INNER and INNER by TILE, and the threads of a subgroup.
#ifndef TILE
#error "TILE, INNER and SUBGROUP are defined by tools/spirv"
#endif

// Eight subgroups, four down and two across.
#define THREADS (8 * SUBGROUP)
#define DEPTH 32

// What a subgroup computes.
#if SUBGROUP == 32
#define ROWS 64
#define COLS 64
#define UNROLLED [[unroll]]
#elif SUBGROUP == 8
#define ROWS 32
#define COLS 32
// Software drivers, which have such subgroups, would take long to compile it.
#define UNROLLED [[dont_unroll]]
#endif

#define WIDTH (2 * COLS)

#define TILES_DOWN (ROWS / TILE)
#define TILES_ACROSS (COLS / TILE)

// Sixteens of residues: of a row of a tile, of a tile, of what a thread brings of a tile.
#define ROW (DEPTH / 16)
#define AREA (WIDTH * ROW)
#define BROUGHT (AREA / THREADS)

// Eights of residues in a row in workgroup memory: two more than there are keep the rows of a matrix in different banks.
#define PITCH (DEPTH / 8 + 2)
// Of a tile there, and of a step's three.
#define PLACE (WIDTH * PITCH)
#define STEP (3 * PLACE)

// A strip of a subgroup's sums in workgroup memory, in pairs of sums: of a row, with two more for the banks, and of all.
#define STRIP_PITCH (COLS / 2 + 2)
#define STRIP (TILE * STRIP_PITCH)

layout(local_size_x = THREADS) in;

struct Modulus {
    ivec4 left;
    ivec4 right;
    uvec2 cofactor;
    float size;
    float inverse;
    int fraction;
    int unused_0;
    int unused_1;
    int unused_2;
};

layout(set = 0, binding = 0) uniform Params {
    // Workgroups along the rows and columns of the result, and tiles along the inner size.
    uint groups_across;
    uint groups_down;
    uint inner_tiles;
    uint first_modulus;
    uint moduli;
    // Elements of a row of sums.
    uint pitch;
    // From one modulus's panel or sums to the next's: sixteens of residues, and sums.
    uint left_stride;
    uint right_stride;
    uint sums_stride;
} params;
// Sixteen sums each.
layout(set = 0, binding = 1) writeonly buffer Sums { uvec4 sums[]; };
layout(set = 0, binding = 2) readonly buffer Left { uvec4 left[]; };
layout(set = 0, binding = 3) readonly buffer Right { uvec4 right[]; };
layout(set = 0, binding = 4) readonly buffer Moduli { Modulus moduli[]; };

// Two steps' tiles, two of the left panel and one of the right; at the end a strip of sums of each subgroup, which is less.
shared uvec2 tiles[2 * STEP];

#define LeftMatrix coopmat<int8_t, gl_ScopeSubgroup, TILE, INNER, gl_MatrixUseA>
#define RightMatrix coopmat<int8_t, gl_ScopeSubgroup, INNER, TILE, gl_MatrixUseB>
#define SumMatrix coopmat<int, gl_ScopeSubgroup, TILE, TILE, gl_MatrixUseAccumulator>

// Workgroups next to each other are four of a column before the next column: what they load then meets in the cache.
#define DOWN 4

uvec2 place_of(uint number) {
    uint strip = number / (DOWN * params.groups_across);
    uint rest = number % (DOWN * params.groups_across);
    uint height = min(DOWN, params.groups_down - strip * DOWN);
    return uvec2(strip * DOWN + rest % height, rest / height);
}

uint byte_of(uint sum, float size, float inverse) {
    int value = int(sum);
    value -= int(round(float(value) * inverse)) * int(size);
    // 1 above the range of a byte, -1 below it.
    value -= ((value + 128) >> 8) * int(size);
    return uint(value) & 0xffu;
}

void main() {
    uint number = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint groups = params.groups_across * params.groups_down;
    uint modulus = number / groups;
    if (modulus >= params.moduli) {
        return;
    }
    uvec2 place = place_of(number % groups);
    uint thread = gl_LocalInvocationIndex;
    // A thread's part of the tiles of a step.
    uint upper_at = modulus * params.left_stride + 2 * place.x * params.inner_tiles * AREA + thread;
    uint lower_at = upper_at + params.inner_tiles * AREA;
    uint right_at = modulus * params.right_stride + place.y * params.inner_tiles * AREA + thread;
    uint row = gl_SubgroupID / 2 * ROWS;
    uint col = gl_SubgroupID % 2 * COLS;

    SumMatrix sums_of[TILES_DOWN][TILES_ACROSS];
    [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
        [[unroll]] for (uint j = 0; j < TILES_ACROSS; j++) {
            sums_of[i][j] = SumMatrix(0);
        }
    }
    uvec4 next[3][BROUGHT];
    [[unroll]] for (uint i = 0; i < BROUGHT; i++) {
        next[0][i] = left[upper_at + i * THREADS];
        next[1][i] = left[lower_at + i * THREADS];
        next[2][i] = right[right_at + i * THREADS];
    }
    // In turn `step` the tiles of that step are written, and those of the step before are multiplied.
    for (uint step = 0; step <= params.inner_tiles; step++) {
        if (step < params.inner_tiles) {
            [[unroll]] for (uint tile = 0; tile < 3; tile++) {
                [[unroll]] for (uint i = 0; i < BROUGHT; i++) {
                    uint at = thread + i * THREADS;
                    uint to = step % 2 * STEP + tile * PLACE + at / ROW * PITCH + at % ROW * 2;
                    tiles[to] = next[tile][i].xy;
                    tiles[to + 1] = next[tile][i].zw;
                }
            }
        }
        if (step + 1 < params.inner_tiles) {
            uint further = (step + 1) * AREA;
            [[unroll]] for (uint i = 0; i < BROUGHT; i++) {
                next[0][i] = left[upper_at + further + i * THREADS];
                next[1][i] = left[lower_at + further + i * THREADS];
                next[2][i] = right[right_at + further + i * THREADS];
            }
        }
        if (step > 0) {
            uint from_left = (step + 1) % 2 * STEP + row * PITCH;
            uint from_right = (step + 1) % 2 * STEP + 2 * PLACE + col * PITCH;
            UNROLLED for (uint k = 0; k < DEPTH / INNER; k++) {
                LeftMatrix lefts[TILES_DOWN];
                [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
                    uint from = from_left + i * TILE * PITCH + k * (INNER / 8);
                    coopMatLoad(lefts[i], tiles, from, PITCH, gl_CooperativeMatrixLayoutRowMajor);
                }
                [[unroll]] for (uint j = 0; j < TILES_ACROSS; j++) {
                    RightMatrix right_matrix;
                    uint from = from_right + j * TILE * PITCH + k * (INNER / 8);
                    coopMatLoad(right_matrix, tiles, from, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
                    [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
                        sums_of[i][j] = coopMatMulAdd(lefts[i], right_matrix, sums_of[i][j]);
                    }
                }
            }
        }
        // What was written is there, and what was multiplied may be written over.
        barrier();
    }
    float size = moduli[params.first_modulus + modulus].size;
    float inverse = moduli[params.first_modulus + modulus].inverse;
    uint first_row = 2 * place.x * WIDTH + row;
    uint first = (modulus * params.sums_stride + first_row * params.pitch + place.y * WIDTH + col) / 16;
    uint strip = gl_SubgroupID * STRIP;
    [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
        [[unroll]] for (uint j = 0; j < TILES_ACROSS; j++) {
            uint to = strip + j * (TILE / 2);
            coopMatStore(sums_of[i][j], tiles, to, STRIP_PITCH, gl_CooperativeMatrixLayoutRowMajor);
        }
        barrier();
        [[unroll]] for (uint part = gl_SubgroupInvocationID; part < TILE * COLS / 16; part += SUBGROUP) {
            uint down = part / (COLS / 16);
            uint across = part % (COLS / 16);
            uint from = strip + down * STRIP_PITCH + across * 8;
            uvec4 packed;
            [[unroll]] for (uint word = 0; word < 4; word++) {
                uvec2 low = tiles[from + 2 * word];
                uvec2 high = tiles[from + 2 * word + 1];
                packed[word] = byte_of(low.x, size, inverse) | byte_of(low.y, size, inverse) << 8
                    | byte_of(high.x, size, inverse) << 16 | byte_of(high.y, size, inverse) << 24;
            }
            sums[first + (i * TILE + down) * (params.pitch / 16) + across] = packed;
        }
        barrier();
    }
}
