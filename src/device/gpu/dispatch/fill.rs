//! The generator's bytes: whole blocks, then the rest.

use super::super::panel::cuts;
use super::super::params::{self, ParamBytes, halves};
use super::super::program::Program;
use super::{Planner, index};
use crate::ring::prg::{BLOCK_BYTES, PrgKey};
use crate::step::Matrix;

/// Words of a block.
const BLOCK_WORDS: usize = BLOCK_BYTES / 4;

/// Blocks in a multiple of every alignment (of 256 bytes and more, a power of two): a panel of so many begins where
/// the shader can write 16 bytes at a time.
const PANEL_BLOCKS: usize = 16;

impl<B: Copy> Planner<'_, B> {
    pub(super) fn fill(&mut self, out: Matrix<B>, key: &PrgKey, stream: u64, block: u64) {
        // The generator yields words, whatever the ring.
        let len = out.shape.len() * self.element_bytes / 4;
        self.element_bytes = 4;
        let [k0, k1, k2, k3, k4, k5, k6, k7] = key.words();
        let base = params::Fill {
            key_low: [k0, k1, k2, k3],
            key_high: [k4, k5, k6, k7],
            stream: halves(stream),
            ..Default::default()
        };
        let (blocks, tail) = (len / BLOCK_WORDS, len % BLOCK_WORDS);
        let most = self.limits.elements(BLOCK_BYTES) / PANEL_BLOCKS * PANEL_BLOCKS;
        for (first, count) in cuts(blocks, most) {
            let (binding, _) = self.bind(out.buffer, first * BLOCK_WORDS, count * BLOCK_WORDS);
            let block = halves(block.wrapping_add(first as u64));
            let params = params::Fill { block, count: index(count), ..base };
            self.dispatch(
                Program::Fill,
                ParamBytes::new(&params),
                vec![binding],
                count.div_ceil(Program::Fill.threads() as usize),
                count * BLOCK_WORDS,
            );
        }
        if tail > 0 {
            let (binding, offset) = self.bind(out.buffer, blocks * BLOCK_WORDS, tail);
            let block = halves(block.wrapping_add(blocks as u64));
            let params = params::Fill { block, count: index(tail), offset, ..base };
            self.dispatch(Program::FillTail, ParamBytes::new(&params), vec![binding], 1, tail);
        }
    }
}
