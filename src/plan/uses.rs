//! How steps use buffers.

use crate::step::{Access, Step};

/// How a step uses a buffer, all its matrices together.
#[derive(Clone, Copy)]
pub(super) struct Use {
    pub buffer: u32,
    /// Whether the step needs what the buffer holds.
    pub needs: bool,
    /// Whether it changes that.
    pub changes: bool,
}

/// A step's buffers, each once; `len` says how many elements a buffer holds.
pub(super) fn operands(step: &Step, len: impl Fn(u32) -> usize) -> Vec<Use> {
    let mut uses: Vec<Use> = Vec::new();
    step.action.visit(|matrix, access| {
        let buffer = matrix.buffer.0;
        let is_whole = matrix.shape.len() == len(buffer);
        let (needs, changes) = (access != Access::Write || !is_whole, access != Access::Read);
        match uses.iter_mut().find(|use_| use_.buffer == buffer) {
            Some(use_) => {
                *use_ = Use { buffer, needs: use_.needs || needs, changes: use_.changes || changes }
            }
            None => uses.push(Use { buffer, needs, changes }),
        }
    });
    uses
}
