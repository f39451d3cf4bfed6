//! Copies what nested loops reach in the operand to what they reach in the output.

use super::view::{View, ViewMut};
use super::workers::Workers;
use crate::ring::Element;
use crate::step::Loop;

pub(super) fn run<E: Element>(
    workers: &Workers,
    out: ViewMut<'_, E>,
    operand: View<'_, E>,
    loops: &[Loop],
    (from, to): (usize, usize),
    keep: bool,
) {
    if !keep {
        workers.split(out.elements, 8, 1, |_, piece| piece.fill(E::ZERO));
    }
    if loops.iter().any(|turn| turn.count == 0) || out.elements.is_empty() {
        return;
    }
    let loops: Vec<Loop> = loops.iter().copied().filter(|turn| turn.count > 1).collect();
    let reach = |loops: &[Loop]| loops.iter().map(|turn| (turn.count - 1) * turn.to).sum::<usize>() + 1;
    match loops.split_first() {
        // Turns of the outermost loop that lie behind one another are shared out among threads.
        Some((outer, inner)) if reach(inner) <= outer.to => {
            let out = &mut out.elements[to..to + reach(&loops)];
            workers.split(out, outer.to, 1, |start, piece| {
                for (turn, part) in (start / outer.to..).zip(piece.chunks_mut(outer.to)) {
                    copy(part, &operand.elements[from + turn * outer.from..], inner);
                }
            });
        }
        _ => copy(&mut out.elements[to..], &operand.elements[from..], &loops),
    }
}

/// The loops from the beginning of both.
fn copy<E: Element>(out: &mut [E], operand: &[E], loops: &[Loop]) {
    match *loops {
        [] => out[0] = operand[0],
        [Loop { count, from: 1, to: 1 }] => out[..count].copy_from_slice(&operand[..count]),
        [Loop { count, from, to }] => (0..count).for_each(|turn| out[turn * to] = operand[turn * from]),
        [Loop { count, from, to }, ref inner @ ..] => {
            (0..count).for_each(|turn| copy(&mut out[turn * to..], &operand[turn * from..], inner));
        }
    }
}
