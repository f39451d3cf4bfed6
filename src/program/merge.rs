//! Values that are computed twice.
//!
//! A program is written step by step, and a step may repeat what another has: the transpose of the same matrix, the
//! comparison of a number with the same powers of two in a function and in its gradient. [`Program::merged`] makes every op
//! use the first of several equal values, so that the others are not needed. What is known of equal values is equal too, so
//! a stated range keeps its value apart from others.

use super::{Op, Program, Value, ValueId};
use crate::ring::Shape;
use std::collections::HashMap;

impl Program {
    /// The same program, with the same values under the same numbers, in which no op and no output uses a value that is the
    /// same op of the same operands as an earlier one.
    #[must_use]
    pub fn merged(&self) -> Program {
        let mut program = self.clone();
        let mut first: Vec<ValueId> = Vec::with_capacity(self.values.len());
        let mut known: HashMap<(Op, Shape, u32), Vec<ValueId>> = HashMap::new();
        for (id, value) in (0..).map(ValueId).zip(&mut program.values) {
            let of = |operand: ValueId| first[operand.index()];
            value.op = value.op.map(of);
            value.meaning = value.meaning.map(|meaning| meaning.map(of));
            let same = known.entry((value.op, value.shape, value.fraction_bits)).or_default();
            let twin = same.iter().copied().find(|twin| is_known_alike(self.value(*twin), value));
            if twin.is_none() {
                same.push(id);
            }
            first.push(twin.unwrap_or(id));
        }
        for output in &mut program.outputs {
            output.value = first[output.value.index()];
        }
        program.states.iter_mut().for_each(|state| state.renumber(|value| first[value.index()]));
        program
    }
}

/// Whether what is known of two values that are equal is the same.
fn is_known_alike(a: &Value, b: &Value) -> bool {
    a.interval == b.interval && a.integers == b.integers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Dims, Truncation};
    use crate::ring::{FixedPoint, Ring};
    use crate::share::{Parties, PartyId};

    fn program() -> (Program, ValueId, ValueId) {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(2, codec).with_truncation(Truncation::Exact);
        let dims = Dims::new(&[2, 3]).expect("two axes");
        let x = program.input("x", PartyId(0), dims, None).expect("x");
        let y = program.input("y", PartyId(1), dims, None).expect("y");
        (program, x, y)
    }

    fn needed(program: &Program) -> usize {
        program.needed().into_iter().filter(|&needed| needed).count()
    }

    #[test]
    fn what_is_written_twice_is_computed_once() {
        let (mut program, x, y) = program();
        let products = [0, 1].map(|_| {
            let turned = program.transpose(x).expect("a transpose");
            program.matmul(turned, y).expect("a product")
        });
        let sum = program.add(products[0], products[1]).expect("a sum");
        program.output("z", sum, Parties::first(2)).expect("an output");
        // Two inputs, the transpose, the product, its truncation and the sum.
        assert_eq!((needed(&program), needed(&program.merged())), (9, 6));
    }

    #[test]
    fn stated_ranges_and_inputs_stay_apart() {
        let (mut program, x, y) = program();
        let near = program.assume(x, -1.0, 1.0).expect("a range");
        let far = program.assume(x, -2.0, 2.0).expect("a range");
        let sum = program.add(near, far).expect("a sum");
        let all = program.add(sum, y).expect("a sum");
        program.output("z", all, Parties::first(2)).expect("an output");
        assert_eq!(program.merged(), program);
    }
}
