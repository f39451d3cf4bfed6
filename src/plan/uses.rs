//! The uses of buffers by steps.

use crate::step::{Access, Step};

/// A step's use of a buffer, all its matrices together.
#[derive(Clone, Copy)]
pub(super) struct Use {
    pub buffer: u32,
    /// Set where the step reads the buffer's content.
    pub needs: bool,
    /// Set where the step changes it.
    pub changes: bool,
}

/// A step's buffers, each once; `len` gives the number of a buffer's elements.
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
