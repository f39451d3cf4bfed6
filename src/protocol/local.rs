//! Ops that every party does for itself: linear ones on every copy of a value, and all ops on values that one party knows
//! alone, or that all know.
//!
//! A value that all know is one component, of which each party has a copy. Where it meets another value, each party works
//! with its own copy, so the other value's components are the result's: the sum is its first component's, as a constant
//! would be, and a product with it is a linear op.

use super::lowering::{Block, Lowering, Pair, Parts, SAME_COMPONENTS, Tile};
use super::rules::Rules;
use crate::correlation::Product;
use crate::program::Test;
use crate::ring::{Axis, MINUS_ONE, Shape};
use crate::share::{Parties, PartyId, Sharing};
use crate::step::{Action, BufferId, Kernel, KeyId, MemoryClass};

impl<P: Rules> Lowering<'_, P> {
    /// A kernel of one operand on every copy.
    pub(super) fn local(
        &mut self,
        operand: Parts,
        shape: Shape,
        kernel: impl Fn(Block, Block) -> Kernel<BufferId, KeyId>,
    ) -> Parts {
        operand.map(|_, party, operand| {
            let out = self.buffer(party, shape, MemoryClass::Shares);
            self.push(party, Action::Kernel(kernel(out, operand)));
            out
        })
    }

    /// factor · a + constant: the holders of the first component add the constant.
    pub(super) fn linear(&mut self, a: Tile, factor: u64, constant: u64) -> Parts {
        let operand = self.parts(a);
        let first = operand.components().next();
        operand.map(|holders, party, operand| {
            let constant = if Some(holders) == first { constant } else { 0 };
            self.combine(party, operand.shape, MemoryClass::Shares, vec![(factor, operand)], constant)
        })
    }

    /// The sum of two multiples; where only one has a component, that one's, repeated to `shape`.
    pub(super) fn sum(&mut self, shape: Shape, (of_a, a): (u64, Tile), (of_b, b): (u64, Tile)) -> Parts {
        let known = [a, b].map(|tile| self.known[tile.value.index()]);
        let (mut a, mut b) = (self.parts(a), self.parts(b));
        match known {
            [true, false] => a = self.in_first_component(&a, &b),
            [false, true] => b = self.in_first_component(&b, &a),
            _ => {}
        }
        let mut sum = Sharing::ZERO;
        for (holders, party, [a, b]) in a.zip(&b) {
            let terms = a.map(|a| (of_a, a)).into_iter().chain(b.map(|b| (of_b, b))).collect::<Vec<_>>();
            let copy = match terms[..] {
                [(1, only)] if only.shape == shape => only,
                _ => self.combine(party, shape, MemoryClass::Shares, terms, 0),
            };
            sum.put(holders, party, copy);
        }
        sum
    }

    /// A tile that all parties know, as the first component of another.
    fn in_first_component(&self, known: &Parts, other: &Parts) -> Parts {
        let all = Parties::first(self.program.parties());
        let first = other.components().next().expect("every value has a component");
        let copy = |party| known.copy(all, party).expect("all parties know it");
        first.iter().map(|party| (first, party, copy(party))).collect()
    }

    /// Σ X·Y over pairs of tiles, of which all parties know one of each pair.
    pub(super) fn product_with_known(&mut self, product: Product, shape: Shape, terms: &[Pair]) -> Parts {
        let all = Parties::first(self.program.parties());
        let (left, right) = terms[0];
        let known = [left, right].map(|tile| self.known[tile.value.index()]);
        let pairs: Vec<[Parts; 2]> = terms.iter().map(|&(x, y)| [self.parts(x), self.parts(y)]).collect();
        let other = &pairs[0][usize::from(known[0])];
        other.map(|holders, party, _| {
            let out = self.buffer(party, shape, MemoryClass::Shares);
            for (index, [x, y]) in pairs.iter().enumerate() {
                let of = |parts: &Parts, is_known: bool| {
                    parts.copy(if is_known { all } else { holders }, party).expect(SAME_COMPONENTS)
                };
                let pair = (of(x, known[0]), of(y, known[1]));
                self.push(party, product.kernel(out, vec![pair], index > 0));
            }
            out
        })
    }

    /// Sums over one axis: of every tile along it, then of those.
    pub(super) fn total(&mut self, tiles: Vec<Tile>, shape: Shape, axis: Axis) -> Parts {
        let sums: Vec<Parts> = tiles
            .into_iter()
            .map(|tile| {
                let operand = self.parts(tile);
                self.local(operand, shape, |out, operand| Kernel::Sum { out, operand, axis })
            })
            .collect();
        let add = |lowering: &mut Self, a: Parts, b: Parts| {
            a.map(|holders, party, a| {
                let b = b.copy(holders, party).expect(SAME_COMPONENTS);
                lowering.combine(party, shape, MemoryClass::Shares, vec![(1, a), (1, b)], 0)
            })
        };
        sums.into_iter().reduce(|a, b| add(self, a, b)).expect("an axis has at least one tile")
    }

    /// Σ X·Y over pairs of tiles, all of which `owner` knows alone.
    pub(super) fn product_alone(
        &mut self,
        owner: PartyId,
        product: Product,
        shape: Shape,
        terms: &[Pair],
    ) -> Parts {
        let out = self.buffer(owner, shape, MemoryClass::Shares);
        for (index, &(x, y)) in terms.iter().enumerate() {
            let own = |parts: Parts| parts.own(owner).expect(SAME_COMPONENTS);
            let pair = (own(self.parts(x)), own(self.parts(y)));
            self.push(owner, product.kernel(out, vec![pair], index > 0));
        }
        Sharing::alone(owner, out)
    }

    /// Compares a tile that one party knows alone with zero. With s = −[x < 0], the shifted sign: [x < 0] = −s, and for
    /// t = −[−x < 0], [x ≠ 0] = −s − t − s·t.
    pub(super) fn test_alone(&mut self, x: Parts, test: Test) -> Parts {
        let bits = self.program.ring().bits() - 1;
        x.map(|_, party, x| {
            let sign = |lowering: &mut Self, operand| {
                let out = lowering.buffer(party, x.shape, MemoryClass::Scratch);
                lowering.push(party, Action::Kernel(Kernel::Shift { out, operand, bits }));
                out
            };
            let scratch =
                |lowering: &mut Self, terms| lowering.combine(party, x.shape, MemoryClass::Scratch, terms, 0);
            let negative = sign(self, x);
            // −[the answer], or −[its negation] with `flip`.
            let (minus, flip) = match test {
                Test::Negative => (negative, false),
                Test::NonNegative => (negative, true),
                Test::Zero | Test::NonZero => {
                    let turned = scratch(self, vec![(MINUS_ONE, x)]);
                    let positive = sign(self, turned);
                    let out = scratch(self, vec![(1, negative), (1, positive)]);
                    let terms = vec![(negative, positive)];
                    let product = Kernel::Hadamard { out, terms, accumulate: true };
                    self.push(party, Action::Kernel(product));
                    (out, test == Test::Zero)
                }
            };
            let (factor, constant) = if flip { (1, 1) } else { (MINUS_ONE, 0) };
            self.combine(party, x.shape, MemoryClass::Shares, vec![(factor, minus)], constant)
        })
    }
}
