//! The powers of two modulo which values are opened between the two.
//!
//! Truncations and comparisons depend on the low bits of what they open alone, on as many as their operands have by the
//! declared bounds. Reducing modulo 2^w commutes with sums, so each party sends the low w bits of its masked part, and the
//! low w bits of the mask are as uniform as the mask. A value that is multiplied under the same opening is opened whole, and
//! so is one of which the bits that are left out are few.

use super::bits::predicate;
use crate::program::{Op, Program, ValueId, range};
use crate::protocol::{chosen, compared};
use crate::ring::Ring;
use crate::step::bits::packed;

/// Of every eight words that elements fill, as many as packed ones may fill to be worth packing.
const WORTH_EIGHTHS: usize = 7;

/// The known widths of a program's values, in bits.
pub(super) struct Widths {
    ring: Ring,
    /// By value: t with |x| < 2^t; see [`range::magnitude_bits`].
    magnitude: Vec<u32>,
    /// By value: how many low bits everything needs that works with one opening of it.
    opened: Vec<u32>,
    /// By value: how many low bits everything needs that works with it between the two.
    shares: Vec<u32>,
}

impl Widths {
    /// Goes through all that is done with each value of the program.
    pub(super) fn new(program: &Program, products_open: bool) -> Widths {
        let count = program.values().len();
        let ring = program.ring();
        let magnitude = range::magnitude_bits(program);
        let mut widths = Widths { ring, magnitude, opened: vec![0; count], shares: vec![0; count] };
        let (compared, known) = (compared(program), program.known());
        let needed = program.values().iter().zip(program.needed()).filter(|(_, needed)| *needed);
        for (value, _) in needed {
            // Who knows a value opens nothing to compare, truncate or multiply it.
            if value.op.operands().any(|operand| known[operand.index()]) {
                continue;
            }
            match value.op {
                Op::Compare(a, test) => {
                    let (predicate, bits) = predicate(test, widths.magnitude[a.index()]);
                    widths.open(compared[a.index()].0, predicate.width(bits));
                }
                Op::Truncate(a, bits, _) => {
                    let width = widths.truncation_bits(a, bits);
                    let of_shares = &mut widths.shares[a.index()];
                    *of_shares = width.max(*of_shares);
                }
                Op::Mul(a, b) => {
                    chosen(program, a, b).into_iter().for_each(|(_, z)| widths.open(z, ring.bits()));
                    widths.multiply([a, b], products_open);
                }
                Op::MatMul(a, b) => widths.multiply([a, b], products_open),
                _ => {}
            }
        }
        widths
    }

    fn open(&mut self, value: ValueId, width: u32) {
        for of_value in [&mut self.opened[value.index()], &mut self.shares[value.index()]] {
            *of_value = width.max(*of_value);
        }
    }

    fn multiply(&mut self, factors: [ValueId; 2], products_open: bool) {
        if products_open {
            factors.into_iter().for_each(|factor| self.open(factor, self.ring.bits()));
        }
    }

    /// t with |x| < 2^t.
    pub(super) fn magnitude_bits(&self, x: ValueId) -> u32 {
        self.magnitude[x.index()]
    }

    /// w of a truncation of a tile of so many elements by m bits; see [`crate::protocol::beaver`].
    pub(super) fn truncation(&self, x: ValueId, bits: u32, elements: usize) -> u32 {
        self.worth(self.truncation_bits(x, bits), elements)
    }

    /// w of the opening of a tile of a value that is compared.
    pub(super) fn opened(&self, x: ValueId, elements: usize) -> u32 {
        self.worth(self.opened[x.index()], elements)
    }

    /// w of the helper's part of a tile.
    pub(super) fn shares(&self, x: ValueId, elements: usize) -> u32 {
        self.worth(self.shares[x.index()], elements)
    }

    /// |x| < 2^(w−2), and m ≤ w − 2.
    fn truncation_bits(&self, x: ValueId, bits: u32) -> u32 {
        (self.magnitude_bits(x).max(bits) + 2).min(self.ring.bits())
    }

    /// The width, or all of the ring's where little is saved. Wider elements are worth packing only where narrower ones are,
    /// so what is told for several uses serves each.
    fn worth(&self, width: u32, elements: usize) -> u32 {
        let is_worth = 8 * packed(self.ring, width, elements).len() <= WORTH_EIGHTHS * elements;
        if is_worth && width > 0 { width } else { self.ring.bits() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Test, Truncation};
    use crate::ring::{Axis, FixedPoint, Shape};
    use crate::share::{Parties, PartyId};

    /// A program on x = x0 + x1 with |x| ≤ 2, that is below 2^18.
    fn program(parties: usize, build: impl Fn(&mut Program, ValueId) -> ValueId) -> (Program, ValueId) {
        let codec = FixedPoint::new(Ring::Z64, 16).expect("a codec");
        let mut program = Program::new(parties, codec).with_truncation(Truncation::Stochastic);
        let [a, b] = [0, 1].map(|owner| {
            let name = format!("x{owner}");
            program.input(&name, PartyId(owner), Shape::new(8, 8), Some(1.0)).expect("an input")
        });
        let x = program.add(a, b).expect("a sum");
        let z = build(&mut program, x);
        program.output("z", z, Parties::first(1)).expect("an output");
        (program, x)
    }

    #[test]
    fn what_is_only_compared_is_opened_by_its_own_bits() {
        for (products_open, test) in
            [true, false].into_iter().flat_map(|p| [(p, Test::Negative), (p, Test::Zero)])
        {
            let (program, x) = program(2, |program, x| program.test(x, test).expect("a test"));
            assert_eq!(Widths::new(&program, products_open).opened(x, 64), 19, "{products_open}, {test:?}");
        }
    }

    #[test]
    fn what_is_multiplied_as_well_is_opened_whole() {
        let (program, x) = program(2, |program, x| program.relu(x).expect("a choice"));
        assert_eq!(Widths::new(&program, true).opened(x, 64), 64);
    }

    #[test]
    fn products_that_open_nothing_leave_openings_narrow() {
        let build = |program: &mut Program, x| {
            let test = program.test(x, Test::Negative).expect("a test");
            let square = program.matmul(x, x).expect("a product");
            let sum = program.sum(test, Some(Axis::Rows)).expect("a sum");
            program.add(square, sum).expect("a sum")
        };
        let (program, x) = program(2, build);
        assert_eq!(Widths::new(&program, true).opened(x, 64), 64);
        assert_eq!(Widths::new(&program, false).opened(x, 64), 19);
    }

    #[test]
    fn a_truncation_has_room_for_its_operand_and_for_what_it_drops() {
        let (program, x) = program(2, |_, x| x);
        let widths = Widths::new(&program, true);
        assert_eq!([1, 16, 18, 30].map(|bits| widths.truncation(x, bits, 640)), [20, 20, 20, 32]);
        assert_eq!(widths.truncation(x, 16, 1), 64, "one element fills one word");
        assert_eq!([54, 55].map(|bits| widths.truncation(x, bits, 64)), [56, 64], "an eighth is worth it");
    }
}
