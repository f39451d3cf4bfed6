#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_control_flow_attributes : require

// Products of residues on matrix units that multiply bytes: for every modulus, sums = left * right, as i32. WGSL has no
// matrices of bytes, so this is GLSL, which tools/spirv translates for each shape of tiles.
//
// Panels are laid out by residue_split.wgsl, in tiles of SIDE rows by DEPTH inner elements. A workgroup computes SIDE by
// SIDE sums: it brings a tile of either panel to its own memory, and each of its subgroups multiplies ROWS by COLS of them,
// while the next tiles are on their way to registers. Residues are at most 128 in magnitude, so that sums of up to 2^16
// products stay exact.

// The matrices that the units multiply, TILE by INNER and INNER by TILE, and the threads of a subgroup.
#ifndef TILE
#error "TILE, INNER and SUBGROUP are defined by tools/spirv"
#endif

#define THREADS 128
#define SIDE 128
#define DEPTH 64

// What a subgroup computes: all of them together a square of SIDE.
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

#define TILES_DOWN (ROWS / TILE)
#define TILES_ACROSS (COLS / TILE)

// Sixteens of residues: of a row of a tile, of a tile, that a thread brings.
#define ROW (DEPTH / 16)
#define AREA (SIDE * ROW)
#define BROUGHT (AREA / THREADS)

// Eights of residues in a row in workgroup memory: two more than there are keep the rows of a matrix in different banks.
#define PITCH (DEPTH / 8 + 2)

layout(local_size_x = THREADS) in;

layout(set = 0, binding = 0) uniform Params {
    // Workgroups along the rows and columns of the result, and tiles along the inner size.
    uint groups_across;
    uint groups_down;
    uint inner_tiles;
    uint moduli;
    // Elements of a row of sums.
    uint pitch;
    // From one modulus's panel or sums to the next's: sixteens of residues, and elements.
    uint left_stride;
    uint right_stride;
    uint sums_stride;
} params;
layout(set = 0, binding = 1) writeonly buffer Sums { int sums[]; };
layout(set = 0, binding = 2) readonly buffer Left { uvec4 left[]; };
layout(set = 0, binding = 3) readonly buffer Right { uvec4 right[]; };

shared uvec2 left_tile[SIDE * PITCH];
shared uvec2 right_tile[SIDE * PITCH];

#define LeftMatrix coopmat<int8_t, gl_ScopeSubgroup, TILE, INNER, gl_MatrixUseA>
#define RightMatrix coopmat<int8_t, gl_ScopeSubgroup, INNER, TILE, gl_MatrixUseB>
#define SumMatrix coopmat<int, gl_ScopeSubgroup, TILE, TILE, gl_MatrixUseAccumulator>

// Workgroups next to each other are four of a column before the next column: what they load then meets in the cache.
#define STRIP 4

uvec2 place_of(uint number) {
    uint strip = number / (STRIP * params.groups_across);
    uint rest = number % (STRIP * params.groups_across);
    uint height = min(STRIP, params.groups_down - strip * STRIP);
    return uvec2(strip * STRIP + rest % height, rest / height);
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
    uint left_at = modulus * params.left_stride + place.x * params.inner_tiles * AREA + thread;
    uint right_at = modulus * params.right_stride + place.y * params.inner_tiles * AREA + thread;
    uint row = gl_SubgroupID / (SIDE / COLS) * ROWS;
    uint col = gl_SubgroupID % (SIDE / COLS) * COLS;

    SumMatrix sums_of[TILES_DOWN][TILES_ACROSS];
    [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
        [[unroll]] for (uint j = 0; j < TILES_ACROSS; j++) {
            sums_of[i][j] = SumMatrix(0);
        }
    }
    uvec4 next_left[BROUGHT];
    uvec4 next_right[BROUGHT];
    [[unroll]] for (uint i = 0; i < BROUGHT; i++) {
        next_left[i] = left[left_at + i * THREADS];
        next_right[i] = right[right_at + i * THREADS];
    }
    for (uint step = 0; step < params.inner_tiles; step++) {
        [[unroll]] for (uint i = 0; i < BROUGHT; i++) {
            uint at = thread + i * THREADS;
            uint to = at / ROW * PITCH + at % ROW * 2;
            left_tile[to] = next_left[i].xy;
            left_tile[to + 1] = next_left[i].zw;
            right_tile[to] = next_right[i].xy;
            right_tile[to + 1] = next_right[i].zw;
        }
        barrier();
        if (step + 1 < params.inner_tiles) {
            uint next = (step + 1) * AREA;
            [[unroll]] for (uint i = 0; i < BROUGHT; i++) {
                next_left[i] = left[left_at + next + i * THREADS];
                next_right[i] = right[right_at + next + i * THREADS];
            }
        }
        UNROLLED for (uint k = 0; k < DEPTH / INNER; k++) {
            LeftMatrix lefts[TILES_DOWN];
            [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
                uint from = (row + i * TILE) * PITCH + k * (INNER / 8);
                coopMatLoad(lefts[i], left_tile, from, PITCH, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (uint j = 0; j < TILES_ACROSS; j++) {
                RightMatrix right_matrix;
                uint from = (col + j * TILE) * PITCH + k * (INNER / 8);
                coopMatLoad(right_matrix, right_tile, from, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
                [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
                    sums_of[i][j] = coopMatMulAdd(lefts[i], right_matrix, sums_of[i][j]);
                }
            }
        }
        barrier();
    }
    uint out_row = place.x * SIDE + row;
    uint out_col = place.y * SIDE + col;
    [[unroll]] for (uint i = 0; i < TILES_DOWN; i++) {
        [[unroll]] for (uint j = 0; j < TILES_ACROSS; j++) {
            uint at = modulus * params.sums_stride + (out_row + i * TILE) * params.pitch + out_col + j * TILE;
            coopMatStore(sums_of[i][j], sums, at, params.pitch, gl_CooperativeMatrixLayoutRowMajor);
        }
    }
}
