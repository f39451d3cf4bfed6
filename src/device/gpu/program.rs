//! The shaders, and what the Rust side knows of them: entry points, bindings, workgroups.
//!
//! A [`Program`] is one entry point of one WGSL file; with a [`NumberType`] it is a pipeline. A test without a GPU
//! validates every such pair and compares this table with what the WGSL declares.

use super::compose::{ComposeError, compose};
use super::residue::moduli::FOLDED_INNER;

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
    /// `gemm.wgsl`, square tiles
    Gemm,
    /// `gemm.wgsl`, long tiles for a result of few columns
    GemmNarrow,
    /// `gemm.wgsl`, long tiles for a result of few rows
    GemmFlat,
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
    ResidueSplit,
    /// `residue_gemm.wgsl` on tiles of 16 by 16
    ResidueGemm16,
    /// `residue_gemm.wgsl` on tiles of 8 by 8
    ResidueGemm8,
    /// `residue_join.wgsl`
    ResidueJoin,
}

impl Program {
    /// Every program.
    #[cfg(test)]
    pub const ALL: [Program; 23] = [
        Program::Linear,
        Program::Hadamard,
        Program::Gemm,
        Program::GemmNarrow,
        Program::GemmFlat,
        Program::Transpose,
        Program::Sum,
        Program::Shift,
        Program::Fill,
        Program::FillTail,
        Program::TruncPair,
        Program::TruncFinish,
        Program::Table,
        Program::Pick,
        Program::Xor,
        Program::Monomials,
        Program::Join,
        Program::Choose,
        Program::Affine,
        Program::ResidueSplit,
        Program::ResidueGemm16,
        Program::ResidueGemm8,
        Program::ResidueJoin,
    ];

    /// The stem of its file.
    pub const fn stem(self) -> &'static str {
        match self {
            Program::Linear => "linear",
            Program::Hadamard => "hadamard",
            Program::Gemm | Program::GemmNarrow | Program::GemmFlat => "gemm",
            Program::Transpose => "transpose",
            Program::Sum => "sum",
            Program::Shift => "shift",
            Program::Fill | Program::FillTail => "fill",
            Program::TruncPair => "trunc_pair",
            Program::TruncFinish => "trunc_finish",
            Program::Table => "table",
            Program::Pick => "pick",
            Program::Xor => "xor",
            Program::Monomials => "monomials",
            Program::Join => "join",
            Program::Choose => "choose",
            Program::Affine => "affine",
            Program::ResidueSplit => "residue_split",
            Program::ResidueGemm16 | Program::ResidueGemm8 => "residue_gemm",
            Program::ResidueJoin => "residue_join",
        }
    }

    /// The entry point's name.
    pub const fn entry_point(self) -> &'static str {
        match self {
            Program::FillTail => "tail",
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
            Program::Fill | Program::FillTail => 0,
            Program::Transpose | Program::Sum | Program::Shift | Program::Table | Program::Affine => 1,
            Program::Linear | Program::TruncPair | Program::Pick | Program::Xor | Program::Monomials => 2,
            Program::ResidueSplit | Program::ResidueJoin => 2,
            Program::TruncFinish | Program::Choose => 3,
            Program::Hadamard | Program::Gemm | Program::GemmNarrow | Program::GemmFlat | Program::Join => 4,
            Program::ResidueGemm16 | Program::ResidueGemm8 => 4,
        }
    }

    /// Threads of a workgroup.
    pub const fn threads(self) -> u32 {
        match self {
            Program::FillTail => 1,
            Program::ResidueGemm16 | Program::ResidueGemm8 => 128,
            _ => 256,
        }
    }

    /// The `override`s of the shader and the values they get.
    pub fn overrides(self, number_type: NumberType) -> &'static [(&'static str, f64)] {
        // Tiles take 9 KiB of workgroup memory at most, of the 16 KiB that every adapter has, which leaves room for
        // a second workgroup.
        match (self, number_type) {
            (Program::Gemm, NumberType::U32) => &[("INNER", 16.0), ("THREADS_ACROSS", 16.0)],
            (Program::Gemm, _) => &[("INNER", 8.0), ("THREADS_ACROSS", 16.0)],
            (Program::GemmNarrow, NumberType::U32) => &[("INNER", 8.0), ("THREADS_ACROSS", 4.0)],
            (Program::GemmNarrow, _) => &[("INNER", 4.0), ("THREADS_ACROSS", 4.0)],
            (Program::GemmFlat, NumberType::U32) => &[("INNER", 8.0), ("THREADS_ACROSS", 64.0)],
            (Program::GemmFlat, _) => &[("INNER", 4.0), ("THREADS_ACROSS", 64.0)],
            (Program::Transpose | Program::Sum | Program::FillTail, _) => &[],
            (Program::ResidueGemm16 | Program::ResidueGemm8, _) => &[("FOLDED", FOLDED_INNER as f64)],
            _ => &[("WORKGROUP", 256.0)],
        }
    }

    /// Rows and columns of the result that a workgroup of a matrix product computes: 4 of each per thread.
    pub const fn gemm_tile(self) -> (usize, usize) {
        match self {
            Program::GemmNarrow => (256, 16),
            Program::GemmFlat => (16, 256),
            _ => (64, 64),
        }
    }

    /// The whole WGSL text for a number type.
    ///
    /// # Errors
    /// Never for the sources that are there: a test composes them all.
    pub fn wgsl(self, number_type: NumberType) -> Result<String, ComposeError> {
        compose(self.stem(), |name| match name {
            "tile" => self.tile_source(),
            _ => source(name, number_type),
        })
    }

    /// Whether it knows no ring, so that one number type does for all.
    pub const fn is_ringless(self) -> bool {
        self.needs_matrix_units() || matches!(self, Program::Fill | Program::FillTail)
    }

    /// Products of residues on tiles of this side.
    pub const fn residue_gemm(tile: usize) -> Program {
        if tile == 16 { Program::ResidueGemm16 } else { Program::ResidueGemm8 }
    }

    /// Whether it runs on matrix units.
    pub const fn needs_matrix_units(self) -> bool {
        matches!(self, Program::ResidueGemm16 | Program::ResidueGemm8)
    }

    const fn tile_source(self) -> Option<&'static str> {
        match self {
            Program::ResidueGemm16 => Some(include_str!("../../../shaders/tile/tile16.wgsl")),
            Program::ResidueGemm8 => Some(include_str!("../../../shaders/tile/tile8.wgsl")),
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
        "transpose" => include_str!("../../../shaders/transpose.wgsl"),
        "sum" => include_str!("../../../shaders/sum.wgsl"),
        "shift" => include_str!("../../../shaders/shift.wgsl"),
        "fill" => include_str!("../../../shaders/fill.wgsl"),
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
        "residue_join" => include_str!("../../../shaders/residue_join.wgsl"),
        _ => return None,
    })
}
