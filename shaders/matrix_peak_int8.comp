#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_control_flow_attributes : require

// Products on matrix units that multiply bytes, on registers alone: what they do at most. As matrix_peak.wgsl, a workgroup
// does BLOCKS blocks of eight sums, as many subgroups at a time as it has.

#ifndef TILE
#error "TILE, INNER and SUBGROUP are defined by tools/spirv"
#endif

#define BLOCKS 4

layout(local_size_x = 128) in;

layout(set = 0, binding = 0) uniform Params {
    uint steps;
} params;
// A tile for each block.
layout(set = 0, binding = 1) writeonly buffer Out { int sums[]; };
// Four matrices of TILE by INNER, and two of INNER by TILE.
layout(set = 0, binding = 2) readonly buffer Left { uvec2 left[]; };
layout(set = 0, binding = 3) readonly buffer Right { uvec2 right[]; };

#define EIGHTS (TILE * INNER / 8)
#define SumMatrix coopmat<int, gl_ScopeSubgroup, TILE, TILE, gl_MatrixUseAccumulator>

void main() {
    coopmat<int8_t, gl_ScopeSubgroup, TILE, INNER, gl_MatrixUseA> lefts[4];
    coopmat<int8_t, gl_ScopeSubgroup, INNER, TILE, gl_MatrixUseB> rights[2];
    [[unroll]] for (uint i = 0; i < 4; i++) {
        coopMatLoad(lefts[i], left, i * EIGHTS, INNER / 8, gl_CooperativeMatrixLayoutRowMajor);
    }
    [[unroll]] for (uint j = 0; j < 2; j++) {
        coopMatLoad(rights[j], right, j * EIGHTS, INNER / 8, gl_CooperativeMatrixLayoutColumnMajor);
    }
    uint number = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    for (uint block = gl_SubgroupID; block < BLOCKS; block += gl_NumSubgroups) {
        SumMatrix sums_of[8];
        [[unroll]] for (uint i = 0; i < 8; i++) {
            sums_of[i] = SumMatrix(0);
        }
        for (uint step = 0; step < params.steps; step++) {
            [[unroll]] for (uint i = 0; i < 8; i++) {
                sums_of[i] = coopMatMulAdd(lefts[i / 2], rights[i % 2], sums_of[i]);
            }
        }
        SumMatrix sum = sums_of[0];
        [[unroll]] for (uint i = 1; i < 8; i++) {
            sum += sums_of[i];
        }
        coopMatStore(sum, sums, (number * BLOCKS + block) * TILE * TILE, TILE, gl_CooperativeMatrixLayoutRowMajor);
    }
}
