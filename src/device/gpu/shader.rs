//! The shaders, one row each: entry points, bindings, workgroups, overrides and parameters.
//!
//! A [`Shader`] is one entry point of one WGSL file; with a [`NumberType`] it is a pipeline. A test without a GPU
//! validates every such pair and compares its row with the declarations of the WGSL. Products of matrices of bytes, for
//! which WGSL has no words, are written in GLSL, and contained here as the SPIR-V that `tools/spirv` makes of it.

use super::compose::{ComposeError, compose};
use super::matrix_tile::MatrixTile;
use super::params::{self, Params};
use super::residue::moduli::FOLDED_INNER;
use super::tile::GemmTile;

/// The element type of a ring in WGSL: a file of `shaders/ring/`.
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

/// The Rust side of a shader.
#[derive(Clone, Copy)]
struct Row {
    /// The stem of its file.
    stem: &'static str,
    /// Its source, in GLSL where there is SPIR-V of it.
    text: &'static str,
    spirv: Option<&'static [u8]>,
    /// A text that only this form of the shader imports, and its name.
    import: Option<(&'static str, &'static str)>,
    entry_point: &'static str,
    /// Storage buffers that it writes, bound from 1 on, and that it reads, bound behind those.
    buffers: [usize; 2],
    threads: u32,
    per_thread: u32,
    overrides: [Option<(&'static str, f64)>; 4],
    has_ring: bool,
    #[cfg(test)]
    layout: Layout,
}

/// The fields of a shader's parameters with their offsets, and the bytes of all.
#[cfg(test)]
#[derive(Clone, Copy)]
pub struct Layout {
    pub fields: &'static [(&'static str, usize)],
    pub size_bytes: usize,
}

#[cfg(test)]
impl Layout {
    pub const fn of<P: Params>() -> Layout {
        Layout { fields: P::FIELDS, size_bytes: size_of::<P>() }
    }
}

impl Row {
    /// A shader of 256 threads, which it declares by an override, with parameters `P`.
    const fn new<P: Params>(stem: &'static str, text: &'static str, buffers: [usize; 2]) -> Row {
        Row {
            stem,
            text,
            spirv: None,
            import: None,
            entry_point: "main",
            buffers,
            threads: 256,
            per_thread: 1,
            overrides: [Some(("WORKGROUP", 256.0)), None, None, None],
            has_ring: true,
            #[cfg(test)]
            layout: Layout::of::<P>(),
        }
    }

    /// With so many elements for each thread.
    const fn per_thread(self, per_thread: u32) -> Row {
        Row { per_thread, ..self }
    }

    /// With these overrides alone.
    const fn overrides(self, overrides: [Option<(&'static str, f64)>; 4]) -> Row {
        Row { overrides, ..self }
    }

    /// With nothing to override.
    const fn fixed(self) -> Row {
        self.overrides([None; 4])
    }

    /// Of numbers that are no ring elements, so that one number type does for all.
    const fn ringless(self) -> Row {
        Row { has_ring: false, ..self }
    }

    /// The entry point of one thread for a last block that is not whole.
    const fn tail(self) -> Row {
        Row { entry_point: "tail", threads: 1, ..self.fixed() }
    }

    /// With a text of its own form.
    const fn import(self, name: &'static str, text: &'static str) -> Row {
        Row { import: Some((name, text)), ..self }
    }

    /// On matrix units, with so many threads.
    const fn on_matrix_units(self, threads: u32) -> Row {
        Row { threads, ..self.fixed().ringless() }
    }
}

/// A row of a shader in WGSL: its stem, its parameters, and how many buffers it writes and reads.
macro_rules! wgsl {
    ($stem:literal, $params:ident, $written:literal, $read:literal) => {
        Row::new::<params::$params>(
            $stem,
            include_str!(concat!("../../../shaders/", $stem, ".wgsl")),
            [$written, $read],
        )
    };
}

/// A row of a shader in GLSL for matrix units of one form, with so many threads.
macro_rules! spirv {
    ($stem:literal, $form:literal, $threads:expr, $params:ident, $written:literal, $read:literal) => {
        Row {
            spirv: Some(include_bytes!(concat!("../../../shaders/spirv/", $stem, "_", $form, ".spv"))),
            ..Row::new::<params::$params>(
                $stem,
                include_str!(concat!("../../../shaders/", $stem, ".comp")),
                [$written, $read],
            )
            .on_matrix_units($threads)
        }
    };
}

/// Declares [`Shader`] from its rows; those of shaders with several forms name the function that lists them for tests.
macro_rules! shaders {
    ($(
        $(#[$doc:meta])*
        $name:ident $({ $($(#[$of_field:meta])* $field:ident: $type:ty),* } in $forms:path)? => $row:expr;
    )*) => {
        /// An entry point of a shader.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Shader {
            $($(#[$doc])* $name $({ $($(#[$of_field])* $field: $type),* })?,)*
        }

        impl Shader {
            fn row(self) -> Row {
                match self {
                    $(Shader::$name $({ $($field),* })? => $row,)*
                }
            }

            /// Every shader in every form that a number type has.
            #[cfg(test)]
            pub fn all(number_type: NumberType) -> Vec<Shader> {
                let mut all = Vec::new();
                $(all.extend(shaders!(@forms $name number_type $($forms)?));)*
                all
            }
        }
    };
    (@forms $name:ident $number_type:ident) => { [Shader::$name] };
    (@forms $name:ident $number_type:ident $forms:path) => { $forms($number_type) };
}

shaders! {
    /// `linear.wgsl`
    Linear => wgsl!("linear", Linear, 1, 2).per_thread(4);
    /// `hadamard.wgsl`
    Hadamard => wgsl!("hadamard", Hadamard, 1, 4).per_thread(2);
    /// `gemm.wgsl`
    Gemm {
        /// The part of the result that a workgroup computes.
        tile: GemmTile,
        /// The right operand is read in vectors of four elements.
        vectors: bool
    } in forms::products => wgsl!("gemm", Gemm, 1, 4)
        .overrides([
            Some(("INNER", f64::from(tile.inner))),
            Some(("THREADS_ACROSS", f64::from(tile.threads_across))),
            Some(("BLOCKS_DOWN", f64::from(tile.blocks[0]))),
            Some(("BLOCKS_ACROSS", f64::from(tile.blocks[1]))),
        ])
        .import("right", if vectors { RIGHT_VECTORS } else { RIGHT_WORDS });
    /// `gemv.wgsl`
    Gemv {
        /// The number of vectors that are multiplied: 1 to 8.
        few: u32
    } in forms::vectors => wgsl!("gemv", Gemv, 1, 4).overrides([Some(("FEW", f64::from(few))), None, None, None]);
    /// `transpose.wgsl`
    Transpose => wgsl!("transpose", Transpose, 1, 1).fixed();
    /// `rows.wgsl`
    Rows => wgsl!("rows", Rows, 1, 2);
    /// `sum.wgsl`
    Sum => wgsl!("sum", Sum, 1, 1).fixed();
    /// `shift.wgsl`
    Shift => wgsl!("shift", Shift, 1, 1);
    /// `fill.wgsl`, whole blocks
    Fill => wgsl!("fill", Fill, 1, 0).ringless();
    /// `fill.wgsl`, the last block where it is not whole
    FillTail => wgsl!("fill", Fill, 1, 0).ringless().tail();
    /// `mask.wgsl`, whole blocks
    Mask => wgsl!("mask", Mask, 1, 1);
    /// `mask.wgsl`, the last block where it is not whole
    MaskTail => wgsl!("mask", Mask, 1, 1).tail();
    /// `hadamard_mask.wgsl`, whole blocks
    HadamardMask => wgsl!("hadamard_mask", HadamardMask, 1, 4);
    /// `hadamard_mask.wgsl`, the last block where it is not whole
    HadamardMaskTail => wgsl!("hadamard_mask", HadamardMask, 1, 4).tail();
    /// `pack.wgsl`
    Pack => wgsl!("pack", Pack, 1, 1);
    /// `unpack.wgsl`
    Unpack => wgsl!("unpack", Unpack, 1, 1);
    /// `trunc_pair.wgsl`
    TruncPair => wgsl!("trunc_pair", TruncPair, 2, 2);
    /// `trunc_finish.wgsl`
    TruncFinish => wgsl!("trunc_finish", TruncFinish, 1, 4);
    /// `truth_table.wgsl`
    TruthTable => wgsl!("truth_table", TruthTable, 1, 1);
    /// `lookup_shares.wgsl`
    LookupShares => wgsl!("lookup_shares", LookupShares, 1, 2);
    /// `xor.wgsl`
    Xor => wgsl!("xor", Xor, 1, 2);
    /// `and.wgsl`
    And => wgsl!("and", And, 1, 3);
    /// `bit_planes.wgsl`
    BitPlanes => wgsl!("bit_planes", BitPlanes, 1, 1);
    /// `mask_products.wgsl`
    MaskProducts => wgsl!("mask_products", MaskProducts, 1, 2);
    /// `and_tree.wgsl`
    AndTree => wgsl!("and_tree", AndTree, 1, 4);
    /// `pick_lanes.wgsl`
    PickLanes => wgsl!("pick_lanes", PickLanes, 1, 3);
    /// `mux.wgsl`
    Mux => wgsl!("mux", Mux, 1, 3);
    /// `affine.wgsl`
    Affine => wgsl!("affine", Affine, 1, 1);
    /// `residue_split.wgsl`
    ResidueSplit {
        /// Residues are bytes; otherwise f16.
        bytes: bool
    } in forms::residues => wgsl!("residue_split", ResidueSplit, 1, 2)
        .import("residue", if bytes { RESIDUE_INT8 } else { RESIDUE_F16 });
    /// `residue_gemm.wgsl`, or `residue_gemm_int8.comp`
    ResidueGemm {
        /// The form of the matrix units.
        tile: MatrixTile
    } in forms::residue_products => match tile {
        MatrixTile::Int8Side16 => {
            spirv!("residue_gemm_int8", "16x16x32", tile.threads(), ResidueGemmInt8, 1, 3)
        }
        MatrixTile::Int8Side8 => {
            spirv!("residue_gemm_int8", "8x8x8", tile.threads(), ResidueGemmInt8, 1, 3)
        }
        MatrixTile::F16Side16 | MatrixTile::F16Side8 => wgsl!("residue_gemm", ResidueGemm, 1, 4)
            .on_matrix_units(tile.threads())
            .overrides([Some(("FOLDED", FOLDED_INNER as f64)), None, None, None])
            .import("tile", tile_text(tile)),
    };
    /// `residue_join.wgsl`
    ResidueJoin => wgsl!("residue_join", ResidueJoin, 2, 2);
    /// `peak.wgsl`
    Peak => wgsl!("peak", Peak, 1, 0);
    /// `matrix_peak.wgsl`, or `matrix_peak_int8.comp`
    MatrixPeak {
        /// The form of the matrix units.
        tile: MatrixTile
    } in forms::matrix_peaks => match tile {
        MatrixTile::Int8Side16 => spirv!("matrix_peak_int8", "16x16x32", 128, MatrixPeak, 1, 2),
        MatrixTile::Int8Side8 => spirv!("matrix_peak_int8", "8x8x8", 128, MatrixPeak, 1, 2),
        MatrixTile::F16Side16 | MatrixTile::F16Side8 => wgsl!("matrix_peak", MatrixPeak, 1, 2)
            .on_matrix_units(128)
            .import("tile", tile_text(tile)),
    };
    /// `gemm_naive.wgsl`
    GemmNaive => wgsl!("gemm_naive", GemmNaive, 1, 2);
}

const RIGHT_VECTORS: &str = include_str!("../../../shaders/right/vectors.wgsl");
const RIGHT_WORDS: &str = include_str!("../../../shaders/right/words.wgsl");
const RESIDUE_F16: &str = include_str!("../../../shaders/residue/f16.wgsl");
const RESIDUE_INT8: &str = include_str!("../../../shaders/residue/int8.wgsl");

/// The constants of square tiles on matrix units.
const fn tile_text(tile: MatrixTile) -> &'static str {
    match tile.side() {
        16 => include_str!("../../../shaders/tile/tile16.wgsl"),
        _ => include_str!("../../../shaders/tile/tile8.wgsl"),
    }
}

/// The texts that shaders import, by name.
const SHARED: [(&str, &str); 5] = [
    ("grid", include_str!("../../../shaders/grid.wgsl")),
    ("broadcast", include_str!("../../../shaders/broadcast.wgsl")),
    ("chacha", include_str!("../../../shaders/chacha.wgsl")),
    ("level", include_str!("../../../shaders/level.wgsl")),
    ("modulus", include_str!("../../../shaders/modulus.wgsl")),
];

impl Shader {
    /// The stem of its file.
    pub fn stem(self) -> &'static str {
        self.row().stem
    }

    /// The entry point's name.
    pub fn entry_point(self) -> &'static str {
        self.row().entry_point
    }

    /// The number of storage buffers that it writes; they are bound from 1 on, behind the parameters.
    pub fn written(self) -> usize {
        self.row().buffers[0]
    }

    /// The number of storage buffers that it reads; they are bound behind those that it writes.
    pub fn read(self) -> usize {
        self.row().buffers[1]
    }

    /// Threads of a workgroup.
    pub fn threads(self) -> u32 {
        self.row().threads
    }

    /// Elements that a thread computes, where it is the same number for all.
    pub fn per_thread(self) -> u32 {
        self.row().per_thread
    }

    /// The `override`s of the shader and the values they get.
    pub fn overrides(self) -> Vec<(&'static str, f64)> {
        self.row().overrides.into_iter().flatten().collect()
    }

    /// True for a shader that knows no ring, so that one number type does for all.
    pub fn is_ringless(self) -> bool {
        !self.row().has_ring
    }

    /// The SPIR-V of a shader that is written in GLSL.
    pub fn spirv(self) -> Option<&'static [u8]> {
        self.row().spirv
    }

    /// The source as it is in its file.
    #[cfg(test)]
    pub fn text(self) -> &'static str {
        self.row().text
    }

    /// The layout of its parameters.
    #[cfg(test)]
    pub fn layout(self) -> Layout {
        self.row().layout
    }

    /// The whole WGSL text for a number type.
    ///
    /// # Errors
    /// Never for the sources that are there: a test composes them all.
    pub fn wgsl(self, number_type: NumberType) -> Result<String, ComposeError> {
        let Row { stem, text, import, .. } = self.row();
        let own = [(stem, text), ("ring", number_type.source())].into_iter().chain(import);
        let texts: Vec<(&str, &str)> = own.chain(SHARED).collect();
        compose(stem, |name| texts.iter().find(|(other, _)| *other == name).map(|(_, text)| *text))
    }
}

/// The forms of shaders that have several.
#[cfg(test)]
mod forms {
    use super::{GemmTile, MatrixTile, NumberType, Shader};
    use crate::device::gpu::tune::Tuning;

    pub fn products(number_type: NumberType) -> Vec<Shader> {
        let (at, element_bytes) = if number_type == NumberType::U32 { (0, 4) } else { (1, 8) };
        let tuned = Tuning::candidates().into_iter().map(move |tuning| tuning.scalar[at].large.tile);
        let tiles = tuned.chain([GemmTile::narrow(element_bytes), GemmTile::flat(element_bytes)]);
        tiles.flat_map(|tile| [false, true].map(|vectors| Shader::Gemm { tile, vectors })).collect()
    }

    pub fn vectors(_: NumberType) -> Vec<Shader> {
        (1..=8).map(|few| Shader::Gemv { few }).collect()
    }

    pub fn residues(_: NumberType) -> [Shader; 2] {
        [false, true].map(|bytes| Shader::ResidueSplit { bytes })
    }

    pub fn residue_products(_: NumberType) -> [Shader; 4] {
        MatrixTile::ALL.map(|tile| Shader::ResidueGemm { tile })
    }

    pub fn matrix_peaks(_: NumberType) -> [Shader; 4] {
        MatrixTile::ALL.map(|tile| Shader::MatrixPeak { tile })
    }
}
