//! The memory of a program in the clear, at the same width of numbers: the reference for private plans.

use crate::program::{Op, Program, ValueId};

/// The memory of a plain run: one op after the other on whole matrices, an input loaded for its first use, every value
/// freed after its last, and elementwise ops in place of an operand that is not needed any more. A private plan follows
/// the same rules but for the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// By value of the program: bytes that are held while it is computed; zero for those that no output needs.
    pub by_op: Vec<u64>,
    /// The largest of them.
    pub peak_bytes: u64,
}

impl Plain {
    /// The memory of `program` in the clear.
    pub fn new(program: &Program) -> Plain {
        let values = program.values();
        let size = |id: ValueId| program.value(id).shape.size_bytes(program.ring());
        let needed = program.needed();
        let mut last_use: Vec<usize> = (0..values.len()).collect();
        let used = values.iter().enumerate().filter(|&(index, _)| needed[index]);
        for (index, value) in used.clone() {
            value.op.operands().for_each(|operand| last_use[operand.index()] = index);
        }
        let mut by_op = vec![0; values.len()];
        let (mut live, mut loaded) = (0, vec![false; values.len()]);
        for (index, value) in used.filter(|(_, value)| !matches!(value.op, Op::Input(_) | Op::State(_))) {
            let id = ValueId(index as u32);
            let mut dying = Vec::new();
            for operand in value.op.operands() {
                let at = operand.index();
                if matches!(program.value(operand).op, Op::Input(_) | Op::State(_)) && !loaded[at] {
                    loaded[at] = true;
                    live += size(operand);
                }
                if last_use[at] == index && !dying.contains(&operand) {
                    dying.push(operand);
                }
            }
            let replaced = |&&operand: &&ValueId| program.value(operand).shape == value.shape;
            let in_place = value.op.is_elementwise() && dying.iter().any(|operand| replaced(&operand));
            by_op[index] = live + if in_place { 0 } else { size(id) };
            live += size(id);
            live -= dying.into_iter().map(size).sum::<u64>();
            if last_use[index] == index {
                live -= size(id);
            }
        }
        let peak_bytes = by_op.iter().copied().max().unwrap_or(0);
        Plain { by_op, peak_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::{FixedPoint, Ring, Shape};
    use crate::share::{Parties, PartyId};

    #[test]
    fn a_product_holds_three_matrices_and_its_truncation_none_more() {
        let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 16).expect("a codec"));
        let x = program.input("x", PartyId(0), Shape::new(10, 20), None).expect("x");
        let w = program.input("w", PartyId(1), Shape::new(20, 5), None).expect("w");
        program.input("unused", PartyId(1), Shape::new(1000, 1000), None).expect("an input");
        let z = program.matmul(x, w).expect("a product");
        let twice = program.add(z, z).expect("a sum");
        program.output("twice", twice, Parties::first(1)).expect("an output");
        let plain = Plain::new(&program);
        assert_eq!(plain.peak_bytes, 8 * (200 + 100 + 50));
        assert_eq!(plain.by_op.last(), Some(&(8 * 50)), "the sum is written over its operand");
    }
}
