//! Packing the low bits of elements, and unpacking them.
//!
//! As many elements as the ring has bits are packed apart from all others, so that both kernels are cut between such
//! groups.

use super::super::panel::cuts;
use super::super::params::{self, ParamBytes};
use super::super::shader::Shader;
use super::{Planner, Span, index};
use crate::step::Matrix;
use crate::step::bits::packed;

/// A part of both matrices, each with where it begins in its binding.
struct Part<B> {
    elements: usize,
    words: usize,
    whole: (Span<B>, u32),
    packed: (Span<B>, u32),
}

impl<B: Copy> Planner<'_, B> {
    pub(super) fn pack(&mut self, out: Matrix<B>, operand: Matrix<B>, width: u32) {
        for part in self.parts(operand, out, width) {
            let params = params::Pack {
                count: index(part.words),
                elements: index(part.elements),
                width,
                out_offset: part.packed.1,
                operand_offset: part.whole.1,
                ..Default::default()
            };
            let groups = part.words.div_ceil(Shader::Pack.threads() as usize);
            let bindings = vec![part.packed.0, part.whole.0];
            self.dispatch(Shader::Pack, ParamBytes::new(&params), bindings, groups, part.elements);
        }
    }

    pub(super) fn unpack(&mut self, out: Matrix<B>, operand: Matrix<B>, width: u32, accumulate: bool) {
        for part in self.parts(out, operand, width) {
            let params = params::Unpack {
                count: index(part.elements),
                width,
                accumulate: accumulate.into(),
                out_offset: part.whole.1,
                operand_offset: part.packed.1,
                ..Default::default()
            };
            let groups = part.elements.div_ceil(Shader::Unpack.threads() as usize);
            let bindings = vec![part.whole.0, part.packed.0];
            self.dispatch(Shader::Unpack, ParamBytes::new(&params), bindings, groups, part.elements);
        }
    }

    /// Whole groups of elements that fit a binding, and the rest.
    fn parts(&self, whole: Matrix<B>, few: Matrix<B>, width: u32) -> Vec<Part<B>> {
        let group = self.ring.bits() as usize;
        let most = self.limits.elements(self.element_bytes) / group * group;
        let part = |(first, elements): (usize, usize)| {
            let words = packed(self.ring, width, elements).len();
            Part {
                elements,
                words,
                whole: self.bind(whole.buffer, first, elements),
                packed: self.bind(few.buffer, first / group * width as usize, words),
            }
        };
        cuts(whole.shape.len(), most).map(part).collect()
    }
}
