//! Comparisons, choices by their results, and truncation: between parties 0 and 1, with dealt correlations. The formulas
//! are those of [`super::beaver`].

use super::Content;
use super::halves::{Halves, PAIR, is_leader};
use super::lowering::{Block, Lowering, Parts, Tile};
use crate::correlation::{
    Bit, BitProductSpec, BitSpec, Correlation, EntryId, MonomialsSpec, TableSpec, TruncPairSpec,
};
use crate::program::{Test, Truncation};
use crate::ring::Shape;
use crate::share::{Parties, PartyId};
use crate::step::bits::{Question, planes};
use crate::step::{Action, BufferId, Kernel, KeyId, Matrix, MemoryClass};

/// Bits that the parties share as e = b ⊕ ρ, which both know, and parts of ρ.
#[derive(Clone, Copy)]
pub(super) struct Bits {
    shape: Shape,
    /// e, a plane; both know it.
    opened: [Block; 2],
    /// ρ.
    entry: EntryId,
    /// Each party's parts of ρ.
    mask: [Bit; 2],
}

/// What a table is of: a mask, how many of its bits have digits, and whether the bit behind them is there.
pub(super) type TableKey = (EntryId, u32, bool);

/// A question about a public c and an entry's mask.
#[derive(Clone, Copy)]
struct Asked {
    question: Question,
    bits: u32,
    opened: [Block; 2],
    mask: EntryId,
    shape: Shape,
}

impl Lowering<'_> {
    /// Answers about a tile that no party holds alone. Of a sum with a public constant the other summand may be open.
    pub(super) fn test(&mut self, x: Tile, test: Test) -> Bits {
        let shape = self.grid(x.value).shape(x.at);
        let (base, constant) = self.compared[x.value.index()];
        let opened = self.open_compared(Tile { value: base, at: x.at });
        let (question, bits) = super::question(test, self.widths.magnitude_bits(x.value));
        let mask = opened.mask.expect("both parts are masked");
        let opened = PAIR.map(|party| {
            let sum = opened.sum[party.index()].expect("both learn it");
            match constant {
                0 => sum,
                _ => self.combine(party, shape, MemoryClass::Openings, vec![(1, sum)], constant),
            }
        });
        let answer = self.ask(Asked { question, bits, opened, mask, shape });
        self.share_bits(answer, shape, matches!(test, Test::NonNegative | Test::NonZero))
    }

    /// Answers about a tile that one party holds alone. With s = −[x < 0], the shifted sign: [x < 0] = −s, and for
    /// t = −[−x < 0], [x ≠ 0] = −s − t − s·t.
    pub(super) fn test_alone(&mut self, x: Parts, test: Test) -> Parts {
        let bits = self.program.ring().bits() - 1;
        x.map(|_, party, x| {
            let lowering = &mut *self;
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
        Self::from_halves(PAIR.map(|party| {
            let out = self.buffer(party, bits.shape, MemoryClass::Shares);
            self.push(party, Action::Kernel(bits.added_to(out, party, false)));
            out
        }))
    }

    /// The bits times a value of their shape.
    pub(super) fn choose(&mut self, bits: Bits, z: Tile) -> Parts {
        let value = self.halves(z);
        let opened = self.open_masked(z, Parties::first(2), value.holders());
        let mask = opened.mask.expect("a value that is hidden from somebody");
        let spec = BitProductSpec { bit: bits.entry, mask, shape: bits.shape };
        let delivery = self.demand(Correlation::BitProduct(spec));
        Self::from_halves(PAIR.map(|party| {
            let index = party.index();
            let hidden = spec.acquire(&mut self.lists[index], delivery, party).0;
            let opened = opened.sum[index].expect("both learn it");
            let terms = vec![(opened, bits.mask[index].share)];
            self.push(party, Action::Kernel(Kernel::Hadamard { out: hidden, terms, accumulate: true }));
            let value = self.half_with_told(&value, party);
            let out = self.buffer(party, bits.shape, MemoryClass::Shares);
            let chosen = Kernel::Choose {
                out,
                bits: bits.opened[index],
                value,
                constant: 0,
                hidden: Some(hidden),
                accumulate: false,
            };
            self.push(party, Action::Kernel(chosen));
            out
        }))
    }

    /// A party's part, to which the leader adds what the third party told.
    fn half_with_told(&mut self, value: &Halves, party: PartyId) -> Option<Block> {
        let told = value.told(party).filter(|_| is_leader(party));
        let terms = value.of(party).copied().into_iter().chain(told);
        self.total_at(party, MemoryClass::Shares, terms.map(|term| (1, term)).collect())
    }

    /// Truncation.
    pub(super) fn truncate(&mut self, x: Tile, shape: Shape, bits: u32, method: Truncation) -> Parts {
        let operand = self.parts(x);
        if operand.owner().is_some() {
            return self.local(operand, shape, |out, operand| Kernel::Shift { out, operand, bits });
        }
        let operand = self.halves(x);
        let width = self.widths.truncation(x.value, bits, shape.len());
        let spec = TruncPairSpec { shape, bits, width };
        let delivery = self.demand(Correlation::TruncPair(spec));
        let pairs = PAIR.map(|party| spec.acquire(&mut self.lists[party.index()], delivery, party));
        let offset = 1 << (width - 2);
        let masked = PAIR.map(|party| {
            let part = *operand.of(party).expect("a value that no party holds alone has two halves");
            let terms = vec![(1, part), (1, pairs[party.index()].mask)];
            let constant = if is_leader(party) { offset } else { 0 };
            self.combine(party, shape, MemoryClass::Openings, terms, constant)
        });
        let opened = self.open_to_both(masked, operand.told, width);
        if method == Truncation::Exact {
            let asked = Asked { question: Question::Borrow, bits, opened, mask: delivery.entry, shape };
            let answer = self.ask(asked);
            let borrow = self.share_bits(answer, shape, false);
            for (party, pair) in PAIR.into_iter().zip(&pairs) {
                self.push(party, Action::Kernel(borrow.added_to(pair.high, party, true)));
            }
        }
        Self::from_halves(PAIR.map(|party| {
            let pair = &pairs[party.index()];
            let out = self.buffer(party, shape, MemoryClass::Shares);
            let (opened, leader) = (vec![opened[party.index()]], is_leader(party));
            let (top, high) = (pair.top, pair.high);
            let kernel = Kernel::TruncFinish { out, opened, top, high, bits, width, leader };
            self.push(party, Action::Kernel(kernel));
            out
        }))
    }

    /// Shares of a mask's table, dealt once.
    fn table(&mut self, spec: TableSpec) -> [Block; 2] {
        let key = (spec.mask, spec.bits, spec.top);
        if let Some(&table) = self.tables.get(&key) {
            return table;
        }
        let delivery = self.demand(Correlation::Table(spec));
        let table = PAIR.map(|party| spec.acquire(&mut self.lists[party.index()], delivery, party).0);
        self.tables.insert(key, table);
        table
    }

    /// Shares of the answers, a plane.
    fn ask(&mut self, asked: Asked) -> [Block; 2] {
        let Asked { question, bits, opened, mask, shape } = asked;
        let ring = self.program.ring();
        let tables = self.table(TableSpec { mask, shape, bits, top: question.has_top() });
        let mut level = question.level(bits);
        let mut shares = PAIR.map(|party| {
            let table = tables[party.index()];
            let out = self.buffer(party, planes(ring, level.planes(), shape.len()), MemoryClass::Scratch);
            let (opened, leader) = (opened[party.index()], is_leader(party));
            self.push(party, Action::Kernel(Kernel::Pick { out, opened, table, bits, question, leader }));
            out
        });
        while let Some(next) = level.next() {
            let spec = MonomialsSpec { level, elements: shape.len() };
            let delivery = self.demand(Correlation::Monomials(spec));
            let dealt = PAIR.map(|party| spec.acquire(&mut self.lists[party.index()], delivery, party));
            let opened = self.open_bits(shares, dealt.each_ref().map(|dealt| dealt.masks), false);
            shares = PAIR.map(|party| {
                let dealt = &dealt[party.index()];
                let out = self.buffer(party, planes(ring, next.planes(), shape.len()), MemoryClass::Scratch);
                let join = Kernel::Join {
                    out,
                    planes: shares[party.index()],
                    opened: opened[party.index()],
                    masks: dealt.masks,
                    monomials: dealt.monomials,
                    level,
                    leader: is_leader(party),
                };
                self.push(party, Action::Kernel(join));
                out
            });
            level = next;
        }
        shares
    }

    /// Shared bits, negated with `flip`, as e and ρ.
    fn share_bits(&mut self, shares: [Block; 2], shape: Shape, flip: bool) -> Bits {
        let spec = BitSpec { shape };
        let delivery = self.demand(Correlation::Bit(spec));
        let mask = PAIR.map(|party| spec.acquire(&mut self.lists[party.index()], delivery, party));
        let opened = self.open_bits(shares, mask.each_ref().map(|mask| mask.mask), flip);
        Bits { shape, opened, entry: delivery.entry, mask }
    }

    /// Opens the first planes of each party's shares under masks, as many as the masks are; the leader negates.
    fn open_bits(&mut self, shares: [Block; 2], masks: [Block; 2], flip: bool) -> [Block; 2] {
        let class = MemoryClass::Openings;
        let masked = PAIR.map(|party| {
            let right = masks[party.index()];
            let left = Matrix::new(shares[party.index()].buffer, right.shape);
            let out = self.buffer(party, right.shape, class);
            let flip = flip && is_leader(party);
            self.push(party, Action::Kernel(Kernel::Xor { out, left, right, flip }));
            out
        });
        PAIR.map(|party| {
            let (own, sender) = (masked[party.index()], PAIR[1 - party.index()]);
            let received = self.transfer(masked[sender.index()], sender, party, Content::Bits, class);
            let out = self.buffer(party, own.shape, class);
            self.push(party, Action::Kernel(Kernel::Xor { out, left: own, right: received, flip: false }));
            out
        })
    }
}

impl Bits {
    /// [b] = i₀·e + (1 − 2e)·[ρ], added to `out` or put there.
    fn added_to(&self, out: Block, party: PartyId, accumulate: bool) -> Kernel<BufferId, KeyId> {
        Kernel::Choose {
            out,
            bits: self.opened[party.index()],
            value: None,
            constant: is_leader(party).into(),
            hidden: Some(self.mask[party.index()].share),
            accumulate,
        }
    }
}
