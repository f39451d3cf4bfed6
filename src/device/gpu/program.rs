//! The shaders, and what the Rust side knows of them: entry points, bindings, workgroups.
//!
//! A [`Program`] is one entry point of one WGSL file; with a [`NumberType`] it is a pipeline. A test without a GPU
//! validates every such pair and compares this table with what the WGSL declares. What WGSL has no words for, matrices of
//! bytes, is written in GLSL, and contained here as the SPIR-V that `tools/spirv` makes of it.

use super::compose::{ComposeError, compose};
use super::matrix_tile::MatrixTile;
use super::residue::moduli::FOLDED_INNER;
use super::tile::Tile;

/// What ring elements are in WGSL: a file of `shaders/ring/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberType {
    /// Z_2^32 in `u32`.
    U32,
    /// Z_2^64 in `u64`, which not every device has.
    U64,
    /// Z_2^64 in two `u32`.
    U64Pairs,
}

impl NumberType {
    /// Every number type.
    #[cfg(test)]
    pub const ALL: [NumberType; 3] = [NumberType::U32, NumberType::U64, NumberType::U64Pairs];

    /// The stem of its file.
    pub const fn name(self) -> &'static str {
        match self {
            NumberType::U32 => "u32",
            NumberType::U64 => "u64",
            NumberType::U64Pairs => "u64_pairs",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            NumberType::U32 => include_str!("../../../shaders/ring/u32.wgsl"),
            NumberType::U64 => include_str!("../../../shaders/ring/u64.wgsl"),
            NumberType::U64Pairs => include_str!("../../../shaders/ring/u64_pairs.wgsl"),
        }
    }
}

/// An entry point of a shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// `linear.wgsl`
    Linear,
    /// `hadamard.wgsl`
    Hadamard,
    /// `gemm.wgsl`
    Gemm {
        /// What a workgroup computes.
        tile: Tile,
        /// Whether the right operand is read in vectors of four elements.
        vectors: bool,
    },
    /// `gemv.wgsl`
    Gemv {
        /// How many vectors are multiplied: 1 to 8.
        few: u32,
    },
    /// `transpose.wgsl`
    Transpose,
    /// `sum.wgsl`
    Sum,
    /// `shift.wgsl`
    Shift,
    /// `fill.wgsl`, whole blocks
    Fill,
    /// `fill.wgsl`, the last block where it is not whole
    FillTail,
    /// `mask.wgsl`, whole blocks
    Mask,
    /// `mask.wgsl`, the last block where it is not whole
    MaskTail,
    /// `pack.wgsl`
    Pack,
    /// `unpack.wgsl`
    Unpack,
    /// `trunc_pair.wgsl`
    TruncPair,
    /// `trunc_finish.wgsl`
    TruncFinish,
    /// `table.wgsl`
    Table,
    /// `pick.wgsl`
    Pick,
    /// `xor.wgsl`
    Xor,
    /// `monomials.wgsl`
    Monomials,
    /// `join.wgsl`
    Join,
    /// `choose.wgsl`
    Choose,
    /// `affine.wgsl`
    Affine,
    /// `residue_split.wgsl`
    ResidueSplit {
        /// Whether residues are bytes; otherwise f16.
        bytes: bool,
    },
    /// `residue_gemm.wgsl`, or `residue_gemm_int8.comp`
    ResidueGemm(MatrixTile),
    /// `residue_join.wgsl`
    ResidueJoin,
    /// `bound.wgsl`
    Bound,
    /// `matrix_bound.wgsl`, or `matrix_bound_int8.comp`
    MatrixBound(MatrixTile),
    /// `gemm_naive.wgsl`
    GemmNaive,
}

impl Program {
    /// Every program in WGSL, but for the forms of the matrix product.
    #[cfg(test)]
    pub const WITHOUT_FORMS: [Program; 29] = [
        Program::Linear,
        Program::Hadamard,
        Program::Transpose,
        Program::Sum,
        Program::Shift,
        Program::Fill,
        Program::FillTail,
        Program::Mask,
        Program::MaskTail,
        Program::Pack,
        Program::Unpack,
        Program::TruncPair,
        Program::TruncFinish,
        Program::Table,
        Program::Pick,
        Program::Xor,
        Program::Monomials,
        Program::Join,
        Program::Choose,
        Program::Affine,
        Program::ResidueSplit { bytes: false },
        Program::ResidueSplit { bytes: true },
        Program::ResidueGemm(MatrixTile::F16Side16),
        Program::ResidueGemm(MatrixTile::F16Side8),
        Program::ResidueJoin,
        Program::Bound,
        Program::MatrixBound(MatrixTile::F16Side16),
        Program::MatrixBound(MatrixTile::F16Side8),
        Program::GemmNaive,
    ];

    /// The stem of its file.
    pub const fn stem(self) -> &'static str {
        match self {
            Program::Linear => "linear",
            Program::Hadamard => "hadamard",
            Program::Gemm { .. } => "gemm",
            Program::Gemv { .. } => "gemv",
            Program::Transpose => "transpose",
            Program::Sum => "sum",
            Program::Shift => "shift",
            Program::Fill | Program::FillTail => "fill",
            Program::Mask | Program::MaskTail => "mask",
            Program::Pack => "pack",
            Program::Unpack => "unpack",
            Program::TruncPair => "trunc_pair",
            Program::TruncFinish => "trunc_finish",
            Program::Table => "table",
            Program::Pick => "pick",
            Program::Xor => "xor",
            Program::Monomials => "monomials",
            Program::Join => "join",
            Program::Choose => "choose",
            Program::Affine => "affine",
            Program::ResidueSplit { .. } => "residue_split",
            Program::ResidueGemm(tile) if tile.has_bytes() => "residue_gemm_int8",
            Program::ResidueGemm(_) => "residue_gemm",
            Program::ResidueJoin => "residue_join",
            Program::Bound => "bound",
            Program::MatrixBound(tile) if tile.has_bytes() => "matrix_bound_int8",
            Program::MatrixBound(_) => "matrix_bound",
            Program::GemmNaive => "gemm_naive",
        }
    }

    /// The entry point's name.
    pub const fn entry_point(self) -> &'static str {
        match self {
            Program::FillTail | Program::MaskTail => "tail",
            _ => "main",
        }
    }

    /// How many storage buffers it writes; they are bound from 1 on, behind the parameters.
    pub const fn written(self) -> usize {
        match self {
            Program::TruncPair | Program::ResidueJoin => 2,
            _ => 1,
        }
    }

    /// How many storage buffers it reads; they are bound behind those that it writes.
    pub const fn read(self) -> usize {
        match self {
            Program::Fill | Program::FillTail | Program::Bound => 0,
            Program::Mask | Program::MaskTail | Program::Pack | Program::Unpack => 1,
            Program::Transpose | Program::Sum | Program::Shift | Program::Table | Program::Affine => 1,
            Program::Linear | Program::TruncPair | Program::Pick | Program::Xor | Program::Monomials => 2,
            Program::ResidueSplit { .. } | Program::ResidueJoin => 2,
            Program::MatrixBound(_) | Program::GemmNaive => 2,
            Program::ResidueGemm(tile) if tile.has_bytes() => 2,
            Program::Choose => 3,
            Program::Hadamard | Program::Gemm { .. } | Program::Gemv { .. } | Program::Join => 4,
            Program::TruncFinish | Program::ResidueGemm(_) => 4,
        }
    }

    /// Threads of a workgroup.
    pub const fn threads(self) -> u32 {
        match self {
            Program::FillTail | Program::MaskTail => 1,
            _ if self.needs_matrix_units() => 128,
            _ => 256,
        }
    }

    /// Elements that a thread computes, where it is the same number for all.
    pub const fn per_thread(self) -> u32 {
        match self {
            Program::Linear => 4,
            Program::Hadamard => 2,
            _ => 1,
        }
    }

    /// The `override`s of the shader and the values they get.
    pub fn overrides(self) -> Vec<(&'static str, f64)> {
        match self {
            Program::Gemm { tile, .. } => vec![
                ("INNER", f64::from(tile.inner)),
                ("THREADS_ACROSS", f64::from(tile.threads_across)),
                ("BLOCKS_DOWN", f64::from(tile.blocks[0])),
                ("BLOCKS_ACROSS", f64::from(tile.blocks[1])),
            ],
            Program::Gemv { few } => vec![("FEW", f64::from(few))],
            Program::Transpose | Program::Sum | Program::FillTail | Program::MaskTail => vec![],
            Program::MatrixBound(_) => vec![],
            Program::ResidueGemm(tile) if tile.has_bytes() => vec![],
            Program::ResidueGemm(_) => vec![("FOLDED", FOLDED_INNER as f64)],
            _ => vec![("WORKGROUP", 256.0)],
        }
    }

    /// The whole WGSL text for a number type.
    ///
    /// # Errors
    /// Never for the sources that are there: a test composes them all.
    pub fn wgsl(self, number_type: NumberType) -> Result<String, ComposeError> {
        compose(self.stem(), |name| match name {
            "tile" => self.tile_source(),
            "right" => self.right_source(),
            "residue" => self.residue_source(),
            _ => source(name, number_type),
        })
    }

    /// Whether it knows no ring, so that one number type does for all.
    pub const fn is_ringless(self) -> bool {
        self.needs_matrix_units() || matches!(self, Program::Fill | Program::FillTail)
    }

    /// The SPIR-V of what is not written in WGSL.
    pub const fn spirv(self) -> Option<&'static [u8]> {
        Some(match self {
            Program::ResidueGemm(MatrixTile::Int8Side16) => {
                include_bytes!("../../../shaders/spirv/residue_gemm_int8_16x16x32.spv")
            }
            Program::ResidueGemm(MatrixTile::Int8Side8) => {
                include_bytes!("../../../shaders/spirv/residue_gemm_int8_8x8x8.spv")
            }
            Program::MatrixBound(MatrixTile::Int8Side16) => {
                include_bytes!("../../../shaders/spirv/matrix_bound_int8_16x16x32.spv")
            }
            Program::MatrixBound(MatrixTile::Int8Side8) => {
                include_bytes!("../../../shaders/spirv/matrix_bound_int8_8x8x8.spv")
            }
            _ => return None,
        })
    }

    /// Whether it runs on matrix units.
    pub const fn needs_matrix_units(self) -> bool {
        matches!(self, Program::ResidueGemm(_) | Program::MatrixBound(_))
    }

    const fn right_source(self) -> Option<&'static str> {
        match self {
            Program::Gemm { vectors: true, .. } => Some(include_str!("../../../shaders/right/vectors.wgsl")),
            Program::Gemm { vectors: false, .. } => Some(include_str!("../../../shaders/right/words.wgsl")),
            _ => None,
        }
    }

    const fn residue_source(self) -> Option<&'static str> {
        match self {
            Program::ResidueSplit { bytes: false } => Some(include_str!("../../../shaders/residue/f16.wgsl")),
            Program::ResidueSplit { bytes: true } => Some(include_str!("../../../shaders/residue/int8.wgsl")),
            _ => None,
        }
    }

    const fn tile_source(self) -> Option<&'static str> {
        match self {
            Program::ResidueGemm(MatrixTile::F16Side16) | Program::MatrixBound(MatrixTile::F16Side16) => {
                Some(include_str!("../../../shaders/tile/tile16.wgsl"))
            }
            Program::ResidueGemm(MatrixTile::F16Side8) | Program::MatrixBound(MatrixTile::F16Side8) => {
                Some(include_str!("../../../shaders/tile/tile8.wgsl"))
            }
            _ => None,
        }
    }
}

fn source(name: &str, number_type: NumberType) -> Option<&'static str> {
    Some(match name {
        "ring" => number_type.source(),
        "grid" => include_str!("../../../shaders/grid.wgsl"),
        "broadcast" => include_str!("../../../shaders/broadcast.wgsl"),
        "linear" => include_str!("../../../shaders/linear.wgsl"),
        "hadamard" => include_str!("../../../shaders/hadamard.wgsl"),
        "gemm" => include_str!("../../../shaders/gemm.wgsl"),
        "gemv" => include_str!("../../../shaders/gemv.wgsl"),
        "transpose" => include_str!("../../../shaders/transpose.wgsl"),
        "sum" => include_str!("../../../shaders/sum.wgsl"),
        "shift" => include_str!("../../../shaders/shift.wgsl"),
        "chacha" => include_str!("../../../shaders/chacha.wgsl"),
        "mask" => include_str!("../../../shaders/mask.wgsl"),
        "fill" => include_str!("../../../shaders/fill.wgsl"),
        "pack" => include_str!("../../../shaders/pack.wgsl"),
        "unpack" => include_str!("../../../shaders/unpack.wgsl"),
        "trunc_pair" => include_str!("../../../shaders/trunc_pair.wgsl"),
        "trunc_finish" => include_str!("../../../shaders/trunc_finish.wgsl"),
        "level" => include_str!("../../../shaders/level.wgsl"),
        "table" => include_str!("../../../shaders/table.wgsl"),
        "pick" => include_str!("../../../shaders/pick.wgsl"),
        "xor" => include_str!("../../../shaders/xor.wgsl"),
        "monomials" => include_str!("../../../shaders/monomials.wgsl"),
        "join" => include_str!("../../../shaders/join.wgsl"),
        "choose" => include_str!("../../../shaders/choose.wgsl"),
        "affine" => include_str!("../../../shaders/affine.wgsl"),
        "modulus" => include_str!("../../../shaders/modulus.wgsl"),
        "residue_split" => include_str!("../../../shaders/residue_split.wgsl"),
        "residue_gemm" => include_str!("../../../shaders/residue_gemm.wgsl"),
        "bound" => include_str!("../../../shaders/bound.wgsl"),
        "matrix_bound" => include_str!("../../../shaders/matrix_bound.wgsl"),
        "gemm_naive" => include_str!("../../../shaders/gemm_naive.wgsl"),
        "residue_join" => include_str!("../../../shaders/residue_join.wgsl"),
        _ => return None,
    })
}
