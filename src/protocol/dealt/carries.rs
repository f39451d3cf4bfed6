//! Comparisons and truncations of two parties' parts bit by bit, for correlations that the two make by transfers: nothing is
//! opened first, and no mask has digits. The formulas are those of [`crate::protocol::beaver`].

use super::UsesToolkit;
use super::bits::predicate;
use super::shares::{COMPUTING, from_parts, is_leader};
use crate::correlation::{Correlation, LoweredFor, OleSpec};
use crate::program::{Test, Truncation};
use crate::protocol::Content;
use crate::protocol::lowering::{Block, Lowering, Parts, Tile};
use crate::ring::{MINUS_ONE, Shape};
use crate::share::PartyId;
use crate::step::bits::{Level, PAIR, Predicate, planes};
use crate::step::{Action, Kernel, Loop, Matrix, MemoryClass};

const CLASS: MemoryClass = MemoryClass::Scratch;

impl<P: UsesToolkit> Lowering<'_, P> {
    /// Whether comparisons and truncations work on the parties' parts.
    pub(super) fn works_on_parts(&self) -> bool {
        self.source.lowered_for() == LoweredFor::Pair
    }

    /// Shares of the answers about a tile, a plane, from the parties' parts of it.
    pub(super) fn compare_parts(&mut self, x: Tile, test: Test) -> [Block; 2] {
        let shape = self.grid(x.value).shape(x.at);
        let (base, constant) = self.compared[x.value.index()];
        let parts = self.both_parts(Tile { value: base, at: x.at });
        match predicate(test, self.rules.toolkit().widths.magnitude_bits(x.value)) {
            (Predicate::Zero, bits) => self.is_zero(parts, constant, bits),
            (_, bits) => {
                let parts = self.plus(parts, shape, constant);
                let tops = self.bits_of(parts, bits, 1);
                let carries = self.carries(parts, bits);
                COMPUTING.map(|party| {
                    let (left, right) = (carries[party.index()], tops[party.index()]);
                    let out = self.buffer(party, right.shape, CLASS);
                    self.push(party, Action::Kernel(Kernel::Xor { out, left, right, flip: false }));
                    out
                })
            }
        }
    }

    /// Whether the low bits of x₀ + x₁ + constant are all zero: x₀ + constant and −x₁ are alike.
    fn is_zero(&mut self, parts: [Block; 2], constant: u64, bits: u32) -> [Block; 2] {
        let numbers = COMPUTING.map(|party| {
            // Of party 0 the bits are negated, so that the sum of two is one where they are alike.
            let constant = if is_leader(party) { MINUS_ONE.wrapping_sub(constant) } else { 0 };
            let part = parts[party.index()];
            self.combine(party, part.shape, CLASS, vec![(MINUS_ONE, part)], constant)
        });
        let alike = self.bits_of(numbers, bits - 1, bits);
        self.joined(alike, Level::pairwise(bits, false), numbers[0].shape.len())
    }

    /// Truncation of a tile: S₀ + S₁ + e + t₀·t₁·2^(w−m) − 2^(w−2−m).
    pub(super) fn truncate_parts(&mut self, x: Tile, (bits, width): (u32, u32), method: Truncation) -> Parts {
        let (shape, ring_bits) = (self.grid(x.value).shape(x.at), self.program.ring().bits());
        let parts = self.both_parts(x);
        let (offset, is_exact) = (1 << (width - 2), method == Truncation::Exact);
        let parts = if is_exact {
            self.plus(parts, shape, offset)
        } else {
            let parts = self.shared_anew(parts, shape);
            self.plus(parts, shape, offset - 1)
        };
        let tops = self.bits_of(parts, width - 1, 1);
        let tops = self.products_of_bits(tops, shape.len());
        let tops = self.share_bits(tops, shape, false);
        let carries = is_exact.then(|| {
            let carries = self.carries(parts, bits);
            self.share_bits(carries, shape, false)
        });
        // One more, less the carry of low bits that nobody looks at.
        let rounding = u64::from(!is_exact);
        let constant = rounding.wrapping_sub(1 << (width - 2 - bits));
        from_parts(COMPUTING.map(|party| {
            let mut operand = parts[party.index()];
            if width < ring_bits {
                operand = self.combine(party, shape, CLASS, vec![(1 << (ring_bits - width), operand)], 0);
            }
            let out = self.buffer(party, shape, CLASS);
            let bits_off = ring_bits - width + bits;
            self.push(party, Action::Kernel(Kernel::Shift { out, operand, bits: bits_off }));
            if let Some(carries) = carries {
                self.push(party, Action::Kernel(carries.added_to(out, party, true)));
            }
            let both = self.buffer(party, shape, CLASS);
            self.push(party, Action::Kernel(tops.added_to(both, party, false)));
            let terms = vec![(1, out), (1 << (width - bits), both)];
            let constant = if is_leader(party) { constant } else { 0 };
            self.combine(party, shape, MemoryClass::Shares, terms, constant)
        }))
    }

    /// The two parts of a tile that no party holds alone, and no third party has a part of.
    fn both_parts(&mut self, tile: Tile) -> [Block; 2] {
        let value = self.two_party(tile);
        COMPUTING.map(|party| {
            debug_assert!(value.told(party).is_none(), "two parties alone make their correlations");
            *value.of(party).expect("a value that no party holds alone has two parts")
        })
    }

    /// The parts of the same value, of which party 0's is uniform: under a stream that the two have in common.
    fn shared_anew(&mut self, parts: [Block; 2], shape: Shape) -> [Block; 2] {
        let [first, second] = COMPUTING;
        let masks = self.common(first, second, shape, MemoryClass::Correlations);
        COMPUTING.map(|party| {
            let factor = if is_leader(party) { 1 } else { MINUS_ONE };
            let terms = vec![(1, parts[party.index()]), (factor, masks[party.index()])];
            self.combine(party, shape, CLASS, terms, 0)
        })
    }

    /// Adds a public constant to party 0's part.
    fn plus(&mut self, [first, second]: [Block; 2], shape: Shape, constant: u64) -> [Block; 2] {
        if constant == 0 {
            return [first, second];
        }
        [self.combine(COMPUTING[0], shape, CLASS, vec![(1, first)], constant), second]
    }

    /// Of each party's numbers `count` bits, from number `top` down, as planes.
    fn bits_of(&mut self, numbers: [Block; 2], top: u32, count: u32) -> [Block; 2] {
        COMPUTING.map(|party| {
            let operand = numbers[party.index()];
            let out = self.buffer(party, planes(self.program.ring(), count, operand.shape.len()), CLASS);
            self.push(party, Action::Kernel(Kernel::BitPlanes { out, operand, top }));
            out
        })
    }

    /// Shares of the carries out of the low bits of the sums of two numbers, a plane.
    fn carries(&mut self, numbers: [Block; 2], bits: u32) -> [Block; 2] {
        let elements = numbers[0].shape.len();
        let digits = self.bits_of(numbers, bits - 1, bits);
        let begin = self.products_of_bits(digits, elements);
        let level = Level::pairwise(bits, true);
        let shares = COMPUTING.map(|party| {
            let index = party.index();
            self.leaves(party, level, digits[index], begin[index])
        });
        self.joined(shares, level, elements)
    }

    /// A level's planes: a carry passes where the sum of two bits is one, and begins where their product is.
    fn leaves(&mut self, party: PartyId, level: Level, pass: Block, begin: Block) -> Block {
        let (digits, width) = (level.digits as usize, pass.shape.cols);
        let out = self.buffer(party, Shape::new(level.planes() as usize, width), CLASS);
        let mut copy = |operand: Matrix<_>, (first, step, count): (usize, usize, usize), row: u32, keep| {
            let rows = Loop { count, from: step * width, to: width };
            let words = Loop { count: width, from: 1, to: 1 };
            let (from, to) = (first * width, row as usize * width);
            let copy = Kernel::Affine { out, operand, loops: vec![rows, words], from, to, keep };
            self.push(party, Action::Kernel(copy));
        };
        let pair = PAIR as usize;
        copy(begin, (0, pair, digits.div_ceil(pair)), level.lt_plane(0), false);
        if digits > 1 {
            copy(begin, (1, pair, digits / pair), level.lt_plane(1), true);
            copy(pass, (0, 1, level.eq_planes() as usize), 0, true);
        }
        out
    }

    /// Shares of the products of party 0's bits with party 1's, planes.
    fn products_of_bits(&mut self, own: [Block; 2], elements: usize) -> [Block; 2] {
        let shape = own[0].shape;
        let spec = OleSpec { bits: shape.rows as u32, elements };
        let acquired = self.demand(Correlation::Ole(spec));
        let ole = COMPUTING.map(|party| spec.acquire(&mut self.lists[party.index()], acquired));
        let masked = COMPUTING.map(|party| {
            let (left, right) = (own[party.index()], ole[party.index()].mask);
            let out = self.buffer(party, shape, MemoryClass::Openings);
            self.push(party, Action::Kernel(Kernel::Xor { out, left, right, flip: false }));
            out
        });
        COMPUTING.map(|party| {
            let (index, other) = (party.index(), COMPUTING[1 - party.index()]);
            let from = masked[other.index()];
            let left = self.transfer(from, other, party, Content::Bits, MemoryClass::Openings);
            let right = if is_leader(party) { ole[index].mask } else { own[index] };
            let out = self.buffer(party, shape, CLASS);
            let addend = ole[index].product;
            self.push(party, Action::Kernel(Kernel::And { out, left, right, addend }));
            out
        })
    }
}
