//! Comparisons, choices by their results, and truncation. Formulas and names are those of the module above.

use super::lower::{Lowering, Parts, Tile, held};
use super::{PARTIES, is_leader};
use crate::correlation::{
    Bit, BitProductSpec, BitSpec, Correlation, EntryId, MonomialsSpec, TableSpec, TruncPairSpec,
};
use crate::program::{Test, Truncation};
use crate::ring::Shape;
use crate::share::{Additive, Parties, PartyId};
use crate::step::bits::{Question, planes};
use crate::step::{Action, BufferId, Kernel, Matrix, MemoryClass};

/// Bits that the parties share as e = b ⊕ ρ, which both know, and parts of ρ.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    shape: Shape,
    /// e, a plane.
    opened: Parts,
    /// ρ.
    entry: EntryId,
    /// Each party's parts of ρ.
    mask: [Bit; 2],
}

/// A question about a public c and an entry's mask.
#[derive(Clone, Copy)]
struct Asked {
    question: Question,
    bits: u32,
    opened: Parts,
    mask: EntryId,
    shape: Shape,
}

impl Lowering<'_> {
    /// Answers about a tile that both hold a part of.
    pub(super) fn test(&mut self, x: Tile, test: Test) -> Bits {
        let both = Parties::first(2);
        let shape = self.grid(x.value).shape(x.at);
        let opened = self.open_masked(x, both, both);
        let (question, bits) = super::question(test, self.magnitude_bits[x.value.index()]);
        let mask = opened.mask.expect("both parts are masked");
        let answer = self.ask(Asked { question, bits, opened: opened.sum, mask, shape });
        self.share_bits(answer, shape, matches!(test, Test::NonNegative | Test::NonZero))
    }

    /// Answers about a tile that one party holds alone. With s = −[x < 0], the shifted sign: [x < 0] = −s, and for
    /// t = −[−x < 0], [x ≠ 0] = −s − t − s·t.
    pub(super) fn test_alone(&mut self, x: Parts, test: Test) -> Parts {
        let bits = self.program.ring().bits() - 1;
        self.each(x.holders(), |lowering, party| {
            let x = held(x, party);
            let sign = |lowering: &mut Self, operand| {
                let out = lowering.buffer(party, x.shape, MemoryClass::Scratch);
                lowering.push(party, Action::Kernel(Kernel::Shift { out, operand, bits }));
                out
            };
            let negative = sign(lowering, x);
            // The answer is what is here, or one less it.
            let (terms, flip) = match test {
                Test::Negative => (vec![(u64::MAX, negative)], false),
                Test::NonNegative => (vec![(u64::MAX, negative)], true),
                Test::Zero | Test::NonZero => {
                    let turned =
                        lowering.combine(party, x.shape, MemoryClass::Scratch, vec![(u64::MAX, x)], 0);
                    let positive = sign(lowering, turned);
                    let terms = vec![(1, negative), (1, positive)];
                    let sum = lowering.combine(party, x.shape, MemoryClass::Scratch, terms, 0);
                    let product =
                        Kernel::Hadamard { out: sum, terms: vec![(negative, positive)], accumulate: true };
                    lowering.push(party, Action::Kernel(product));
                    (vec![(u64::MAX, sum)], test == Test::Zero)
                }
            };
            let (terms, constant) = if flip {
                (terms.into_iter().map(|(_, operand)| (1, operand)).collect(), 1)
            } else {
                (terms, 0)
            };
            lowering.combine(party, x.shape, MemoryClass::Shares, terms, constant)
        })
    }

    /// Shares of the bits as elements.
    pub(super) fn elements(&mut self, bits: Bits) -> Parts {
        self.each(Parties::first(2), |lowering, party| {
            let out = lowering.buffer(party, bits.shape, MemoryClass::Shares);
            lowering.push(party, Action::Kernel(bits.added_to(out, party, false)));
            out
        })
    }

    /// The bits times a value of their shape.
    pub(super) fn choose(&mut self, bits: Bits, z: Tile) -> Parts {
        let value = self.parts(z);
        let opened = self.open_masked(z, Parties::first(2), value.holders());
        let mask = opened.mask.expect("a value that is hidden from somebody");
        let spec = BitProductSpec { bit: bits.entry, mask, shape: bits.shape };
        let entry = self.consume(Correlation::BitProduct(spec));
        self.each(Parties::first(2), |lowering, party| {
            let purpose = lowering.purpose;
            let hidden = spec.acquire(&mut lowering.lists[party.index()], entry, party, purpose).0;
            let terms = vec![(held(opened.sum, party), bits.mask[party.index()].share)];
            lowering.push(party, Action::Kernel(Kernel::Hadamard { out: hidden, terms, accumulate: true }));
            let out = lowering.buffer(party, bits.shape, MemoryClass::Shares);
            let chosen = Kernel::Choose {
                out,
                bits: held(bits.opened, party),
                value: value.part(party).copied(),
                constant: 0,
                hidden: Some(hidden),
                accumulate: false,
            };
            lowering.push(party, Action::Kernel(chosen));
            out
        })
    }

    /// Truncation.
    pub(super) fn truncate(&mut self, x: Tile, shape: Shape, bits: u32, method: Truncation) -> Parts {
        let (operand, both) = (self.parts(x), Parties::first(2));
        if operand.holders() != both {
            return self.local(operand, shape, |out, operand| Kernel::Shift { out, operand, bits });
        }
        let spec = TruncPairSpec { shape, bits };
        let entry = self.consume(Correlation::TruncPair(spec));
        let purpose = self.purpose;
        let pairs = PARTIES.map(|party| spec.acquire(&mut self.lists[party.index()], entry, party, purpose));
        let offset = 1 << (self.program.ring().bits() - 2);
        let masked = self.each(both, |lowering, party| {
            let terms = vec![(1, held(operand, party)), (1, pairs[party.index()].mask)];
            let constant = if is_leader(party) { offset } else { 0 };
            lowering.combine(party, shape, MemoryClass::Openings, terms, constant)
        });
        let opened = self.open(masked, both);
        if method == Truncation::Exact {
            let asked = Asked { question: Question::Borrow, bits, opened, mask: entry, shape };
            let answer = self.ask(asked);
            let borrow = self.share_bits(answer, shape, false);
            for (party, pair) in PARTIES.into_iter().zip(&pairs) {
                self.push(party, Action::Kernel(borrow.added_to(pair.high, party, true)));
            }
        }
        self.each(both, |lowering, party| {
            let pair = &pairs[party.index()];
            let out = lowering.buffer(party, shape, MemoryClass::Shares);
            let (opened, leader) = (held(opened, party), is_leader(party));
            let kernel = Kernel::TruncFinish { out, opened, top: pair.top, high: pair.high, bits, leader };
            lowering.push(party, Action::Kernel(kernel));
            out
        })
    }

    /// Shares of the answers, a plane.
    fn ask(&mut self, asked: Asked) -> Parts {
        let Asked { question, bits, opened, mask, shape } = asked;
        let ring = self.program.ring();
        let spec = TableSpec { mask, shape, bits, top: question.has_top() };
        let entry = self.consume(Correlation::Table(spec));
        let mut level = question.level(bits);
        let mut shares = self.each(Parties::first(2), |lowering, party| {
            let purpose = lowering.purpose;
            let table = spec.acquire(&mut lowering.lists[party.index()], entry, party, purpose).0;
            let out = lowering.buffer(party, planes(ring, level.planes(), shape.len()), MemoryClass::Scratch);
            let (opened, leader) = (held(opened, party), is_leader(party));
            lowering.push(party, Action::Kernel(Kernel::Pick { out, opened, table, bits, question, leader }));
            out
        });
        while let Some(next) = level.next() {
            let spec = MonomialsSpec { level, elements: shape.len() };
            let entry = self.consume(Correlation::Monomials(spec));
            let purpose = self.purpose;
            let dealt =
                PARTIES.map(|party| spec.acquire(&mut self.lists[party.index()], entry, party, purpose));
            let opened = self.open_bits(shares, dealt.each_ref().map(|dealt| dealt.masks), false);
            shares = self.each(Parties::first(2), |lowering, party| {
                let dealt = &dealt[party.index()];
                let out =
                    lowering.buffer(party, planes(ring, next.planes(), shape.len()), MemoryClass::Scratch);
                lowering.push(
                    party,
                    Action::Kernel(Kernel::Join {
                        out,
                        planes: held(shares, party),
                        opened: held(opened, party),
                        masks: dealt.masks,
                        monomials: dealt.monomials,
                        level,
                        leader: is_leader(party),
                    }),
                );
                out
            });
            level = next;
        }
        shares
    }

    /// Shared bits, negated with `flip`, as e and ρ.
    fn share_bits(&mut self, shares: Parts, shape: Shape, flip: bool) -> Bits {
        let spec = BitSpec { shape };
        let entry = self.consume(Correlation::Bit(spec));
        let purpose = self.purpose;
        let mask = PARTIES.map(|party| spec.acquire(&mut self.lists[party.index()], entry, party, purpose));
        let opened = self.open_bits(shares, mask.each_ref().map(|mask| mask.mask), flip);
        Bits { shape, opened, entry, mask }
    }

    /// Opens the first planes of each party's shares under masks, as many as the masks are; the leader negates.
    fn open_bits(&mut self, shares: Parts, masks: [Matrix<BufferId>; 2], flip: bool) -> Parts {
        let masked = PARTIES.map(|party| {
            let right = masks[party.index()];
            let left = Matrix::new(held(shares, party).buffer, right.shape);
            let out = self.buffer(party, right.shape, MemoryClass::Openings);
            let flip = flip && is_leader(party);
            self.push(party, Action::Kernel(Kernel::Xor { out, left, right, flip }));
            out
        });
        let sums = PARTIES.map(|party| {
            let (own, sender) = (masked[party.index()], PARTIES[1 - party.index()]);
            let received = self.transfer(masked[sender.index()], sender, party, MemoryClass::Openings);
            let out = self.buffer(party, own.shape, MemoryClass::Openings);
            self.push(party, Action::Kernel(Kernel::Xor { out, left: own, right: received, flip: false }));
            Some(out)
        });
        Additive::new(sums)
    }
}

impl Bits {
    /// [b] = i₀·e + (1 − 2e)·[ρ], added to `out` or put there.
    fn added_to(
        &self,
        out: Matrix<BufferId>,
        party: PartyId,
        accumulate: bool,
    ) -> Kernel<BufferId, crate::step::KeyId> {
        Kernel::Choose {
            out,
            bits: held(self.opened, party),
            value: None,
            constant: is_leader(party).into(),
            hidden: Some(self.mask[party.index()].share),
            accumulate,
        }
    }
}
