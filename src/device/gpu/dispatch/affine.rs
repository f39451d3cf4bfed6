//! Affine copies: whole, or in parts whose spans fit bindings.

use super::super::params::{self, ParamBytes};
use super::super::shader::Shader;
use super::{Planner, index, stride};
use crate::step::{Loop, Matrix};

/// Elements that one dispatch copies at most: threads are counted in 32 bits, with room for a workgroup more.
const MOST_COPIES: usize = 1 << 30;

impl<B: Copy> Planner<'_, B> {
    pub(super) fn affine(
        &mut self,
        out: Matrix<B>,
        operand: Matrix<B>,
        loops: &[Loop],
        (from, to): (usize, usize),
        keep: bool,
    ) {
        if !keep && !out.shape.is_empty() && !writes_all(loops, to, out.shape.len()) {
            self.clear(out);
        }
        if loops.iter().any(|turn| turn.count == 0) {
            return;
        }
        let most = self.limits.elements(self.element_bytes);
        let span = |step: fn(&Loop) -> usize| {
            loops.iter().map(|turn| (turn.count - 1) * step(turn)).sum::<usize>() + 1
        };
        let (read, written) = (span(|turn| turn.from), span(|turn| turn.to));
        let copies: usize = loops.iter().map(|turn| turn.count).product();
        if read > most || written > most || copies > MOST_COPIES {
            // The loop that reaches furthest is halved.
            let reach = |turn: &Loop| (turn.count - 1) * turn.from.max(turn.to).max(1);
            let longest =
                (0..loops.len()).max_by_key(|&at| reach(&loops[at])).expect("a loop that reaches far");
            let Loop { count, from: step, to: step_out } = loops[longest];
            let (mut first, mut second) = (loops.to_vec(), loops.to_vec());
            first[longest].count = count / 2;
            second[longest].count = count - count / 2;
            self.affine(out, operand, &first, (from, to), true);
            let begin = (from + count / 2 * step, to + count / 2 * step_out);
            return self.affine(out, operand, &second, begin, true);
        }
        let (read, operand_offset) = self.bind(operand.buffer, from, read);
        let (written, out_offset) = self.bind(out.buffer, to, written);
        let mut turns = [[1, 0, 0, 0]; 6];
        for (turn, of) in turns[6 - loops.len()..].iter_mut().zip(loops) {
            *turn = [index(of.count), stride(of.count, of.from), stride(of.count, of.to), 0];
        }
        let params =
            params::Affine { loops: turns, count: index(copies), out_offset, operand_offset, unused: 0 };
        let groups = copies.div_ceil(Shader::Affine.threads() as usize);
        self.dispatch(Shader::Affine, ParamBytes::new(&params), vec![written, read], groups, copies);
    }
}

/// True where the loops write each of so many elements, counted from `first` on: from the shortest step on, each reaches
/// where the next begins.
fn writes_all(loops: &[Loop], first: usize, elements: usize) -> bool {
    let mut turns: Vec<&Loop> = loops.iter().filter(|turn| turn.count != 1).collect();
    turns.sort_by_key(|turn| turn.to);
    let mut written = 1;
    for turn in turns {
        if turn.to != written {
            return false;
        }
        written *= turn.count;
    }
    first == 0 && written == elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_writes_all_and_what_pads_does_not() {
        let turn = |count, to| Loop { count, from: 1, to };
        assert!(writes_all(&[turn(3, 1), turn(1, 99), turn(5, 3)], 0, 15), "a transposition");
        assert!(writes_all(&[], 0, 1));
        assert!(!writes_all(&[turn(3, 1), turn(5, 4)], 0, 20), "a column is left");
        assert!(!writes_all(&[turn(3, 1), turn(5, 3)], 5, 20), "a row is left");
        assert!(!writes_all(&[turn(0, 1)], 0, 1), "nothing is written");
        assert!(!writes_all(&[turn(3, 0)], 0, 3), "one element three times");
    }
}
