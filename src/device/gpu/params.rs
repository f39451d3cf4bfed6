//! The parameters of each dispatch: the `Params` of every WGSL file, field for field.
//!
//! A test without a GPU compares names and offsets with those that naga computes from the WGSL. A field `unused` is
//! padding that only this side has. Parameters of `fill`, `mask` and `hadamard_mask` hold a key, so that [`ParamBytes`] are wiped when
//! dropped. The copies that wgpu, the driver and the device make of them are not, nor what a compiler leaves on a stack.

use bytemuck::{Pod, Zeroable};
use zeroize::Zeroize;

/// Bytes of the largest parameters, and so of a slot in the uniform buffer before alignment.
pub const MOST_BYTES: usize = 128;

/// Parameters as the shader reads them.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub struct ParamBytes {
    bytes: [u8; MOST_BYTES],
}

impl ParamBytes {
    /// The bytes of `params`.
    pub fn new<P: Params>(params: &P) -> ParamBytes {
        let mut bytes = [0; MOST_BYTES];
        bytes[..size_of::<P>()].copy_from_slice(bytemuck::bytes_of(params));
        ParamBytes { bytes }
    }

    /// All of a slot, zeros behind the parameters.
    pub fn bytes(&self) -> &[u8; MOST_BYTES] {
        &self.bytes
    }

    #[cfg(test)]
    pub fn read<P: Params>(&self) -> P {
        bytemuck::pod_read_unaligned(&self.bytes[..size_of::<P>()])
    }
}

/// The parameters of one kernel.
pub trait Params: Pod {
    /// Names of the fields and their offsets.
    #[cfg(test)]
    const FIELDS: &'static [(&'static str, usize)];
}

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => { $(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
        pub struct $name { $(pub $field: $type,)* }

        impl Params for $name {
            #[cfg(test)]
            const FIELDS: &'static [(&'static str, usize)] =
                &[$((stringify!($field), std::mem::offset_of!($name, $field)),)*];
        }

        const _: () = assert!(size_of::<$name>() <= MOST_BYTES && size_of::<$name>().is_multiple_of(16));
    )* };
}

params! {
    /// `linear.wgsl`
    Linear {
        count: u32,
        cols: u32,
        out_offset: u32,
        terms: u32,
        first: [u32; 4],
        second: [u32; 4],
        first_factor: [u32; 2],
        second_factor: [u32; 2],
        constant: [u32; 2],
        unused: [u32; 2],
    }
    /// `hadamard.wgsl`
    Hadamard {
        count: u32,
        cols: u32,
        out_offset: u32,
        terms: u32,
        left_first: [u32; 4],
        right_first: [u32; 4],
        left_second: [u32; 4],
        right_second: [u32; 4],
        accumulate: u32,
        unused: [u32; 3],
    }
    /// `gemm.wgsl`
    Gemm {
        rows: u32,
        cols: u32,
        tiles_across: u32,
        tiles: u32,
        out_offset: u32,
        out_stride: u32,
        inner: [u32; 2],
        left_first: [u32; 2],
        right_first: [u32; 2],
        left_second: [u32; 2],
        right_second: [u32; 2],
        accumulate: u32,
        slices: u32,
        slice_stride: u32,
        unused: u32,
    }
    /// `gemv.wgsl`
    Gemv {
        long: u32,
        lanes: u32,
        along_inner: u32,
        tiles: u32,
        slices: u32,
        slice_stride: u32,
        accumulate: u32,
        out_offset: u32,
        out_strides: [u32; 2],
        inner: [u32; 2],
        matrix_first: [u32; 4],
        matrix_second: [u32; 4],
        vectors_first: [u32; 4],
        vectors_second: [u32; 4],
    }
    /// `transpose.wgsl`
    Transpose {
        rows: u32,
        cols: u32,
        tiles_across: u32,
        tiles: u32,
        operand_offset: u32,
        operand_stride: u32,
        out_offset: u32,
        out_stride: u32,
    }
    /// `rows.wgsl`
    Rows {
        count: u32,
        cols: u32,
        operand_rows: u32,
        first_row: u32,
        bound_rows: u32,
        operand_offset: u32,
        operand_stride: u32,
        index_offset: u32,
        out_offset: u32,
        out_stride: u32,
        unused: [u32; 2],
    }
    /// `sum.wgsl`
    Sum {
        sums: u32,
        inner: u32,
        lanes: u32,
        accumulate: u32,
        out_offset: u32,
        operand_offset: u32,
        sum_stride: u32,
        inner_stride: u32,
        slices: u32,
        unused: [u32; 3],
    }
    /// `shift.wgsl`
    Shift {
        count: u32,
        bits: u32,
        out_offset: u32,
        operand_offset: u32,
    }
    /// `chacha.wgsl`: a part of what draws
    Draw {
        key_low: [u32; 4],
        key_high: [u32; 4],
        block: [u32; 2],
        stream: [u32; 2],
    }
    /// `fill.wgsl`, both entry points
    Fill {
        draw: Draw,
        count: u32,
        offset: u32,
        unused: [u32; 2],
    }
    /// `mask.wgsl`, both entry points
    Mask {
        draw: Draw,
        factor: [u32; 2],
        mask_factor: [u32; 2],
        constant: [u32; 2],
        count: u32,
        offset: u32,
    }
    /// `hadamard_mask.wgsl`, both entry points
    HadamardMask {
        draw: Draw,
        terms: u32,
        count: u32,
        offset: u32,
        unused: [u32; 1],
    }
    /// `pack.wgsl`
    Pack {
        count: u32,
        elements: u32,
        width: u32,
        out_offset: u32,
        operand_offset: u32,
        unused: [u32; 3],
    }
    /// `unpack.wgsl`
    Unpack {
        count: u32,
        width: u32,
        accumulate: u32,
        out_offset: u32,
        operand_offset: u32,
        unused: [u32; 3],
    }
    /// `trunc_pair.wgsl`
    TruncPair {
        count: u32,
        bits: u32,
        width: u32,
        top_offset: u32,
        high_offset: u32,
        mask_0_offset: u32,
        mask_1_offset: u32,
        unused: u32,
    }
    /// `trunc_finish.wgsl`
    TruncFinish {
        count: u32,
        bits: u32,
        width: u32,
        leader: u32,
        parts: u32,
        out_offset: u32,
        first_offset: u32,
        second_offset: u32,
        top_offset: u32,
        high_offset: u32,
        unused: [u32; 2],
    }
    /// `truth_table.wgsl`
    TruthTable {
        count: u32,
        width: u32,
        elements: u32,
        bits: u32,
        digits: u32,
        planes: u32,
        out_offset: u32,
        mask_offset: u32,
    }
    /// `lookup_shares.wgsl`
    LookupShares {
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
        unused: [u32; 2],
    }
    /// `xor.wgsl`
    Xor {
        count: u32,
        flip: u32,
        out_offset: u32,
        left_offset: u32,
        right_offset: u32,
        unused: [u32; 3],
    }
    /// `and.wgsl`
    And {
        count: u32,
        out_offset: u32,
        left_offset: u32,
        right_offset: u32,
        addend_offset: u32,
        unused: [u32; 3],
    }
    /// `bit_planes.wgsl`
    BitPlanes {
        count: u32,
        width: u32,
        elements: u32,
        top: u32,
        out_offset: u32,
        operand_offset: u32,
        unused: [u32; 2],
    }
    /// `mask_products.wgsl`
    MaskProducts {
        count: u32,
        width: u32,
        digits: u32,
        order: u32,
        fan_in: u32,
        out_offset: u32,
        mask_0_offset: u32,
        mask_1_offset: u32,
    }
    /// `and_tree.wgsl`
    AndTree {
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
        unused: u32,
    }
    /// `pick_lanes.wgsl`
    PickLanes {
        count: u32,
        width: u32,
        elements: u32,
        lanes: u32,
        exponent: u32,
        rising: u32,
        group: u32,
        groups: u32,
        out_offset: u32,
        opened_offset: u32,
        base_offset: u32,
        own_offset: u32,
    }
    /// `mux.wgsl`
    Mux {
        count: u32,
        first: u32,
        width: u32,
        has_value: u32,
        has_hidden: u32,
        accumulate: u32,
        constant: [u32; 2],
        out_offset: u32,
        bits_offset: u32,
        value_offset: u32,
        hidden_offset: u32,
    }
    /// `affine.wgsl`
    Affine {
        loops: [[u32; 4]; 6],
        count: u32,
        out_offset: u32,
        operand_offset: u32,
        unused: u32,
    }
    /// `residue_split.wgsl`
    ResidueSplit {
        outer: u32,
        inner: u32,
        inner_tiles: u32,
        first_outer: u32,
        first_inner_tile: u32,
        panel_inner_tiles: u32,
        tile_outer: u32,
        tile_inner: u32,
        operand_offset: u32,
        outer_stride: u32,
        inner_stride: u32,
        right: u32,
        first_modulus: u32,
        moduli: u32,
        modulus_stride: u32,
        unused: u32,
    }
    /// `residue_gemm.wgsl`
    ResidueGemm {
        blocks_down: u32,
        blocks_across: u32,
        groups_across: u32,
        groups: u32,
        inner_tiles: u32,
        first_modulus: u32,
        moduli: u32,
        pitch: u32,
        left_stride: u32,
        right_stride: u32,
        sums_stride: u32,
        unused: u32,
    }
    /// `residue_gemm_int8.comp`
    ResidueGemmInt8 {
        groups_across: u32,
        groups_down: u32,
        inner_tiles: u32,
        first_modulus: u32,
        moduli: u32,
        pitch: u32,
        left_stride: u32,
        right_stride: u32,
        sums_stride: u32,
        unused: [u32; 3],
    }
    /// `residue_join.wgsl`
    ResidueJoin {
        rows: u32,
        cols: u32,
        out_offset: u32,
        out_stride: u32,
        first_row: u32,
        pitch: u32,
        sums_stride: u32,
        first_modulus: u32,
        moduli: u32,
        is_first: u32,
        is_last: u32,
        accumulate: u32,
        bytes: u32,
        unused: u32,
        product: [u32; 2],
    }
    /// `peak.wgsl`
    Peak {
        steps: u32,
        factor: u32,
        unused: [u32; 2],
    }
    /// `matrix_peak.wgsl` and `matrix_peak_int8.comp`
    MatrixPeak {
        steps: u32,
        unused: [u32; 3],
    }
    /// `gemm_naive.wgsl`
    GemmNaive {
        rows: u32,
        inner: u32,
        cols: u32,
        unused: u32,
    }
}

/// The two halves of a 64-bit number, the low one first.
pub const fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}
