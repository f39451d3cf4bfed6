//! Comparisons, choices by their results, and truncation, between the two computing parties. The formulas are those of
//! [`crate::protocol::beaver`].

use super::shares::{COMPUTING, TwoPartyShares, from_parts, is_leader};
use super::{UsesToolkit, one_way};
use crate::correlation::{
    Bit, BitProductSpec, BitSpec, Correlation, EntryId, MonomialsSpec, TableSpec, TruncPairSpec,
};
use crate::program::{Test, Truncation};
use crate::protocol::Content;
use crate::protocol::lowering::{Block, Lowering, Parts, Tile};
use crate::ring::Shape;
use crate::share::{Parties, PartyId};
use crate::step::bits::{Level, Predicate, planes};
use crate::step::{Action, BufferId, Kernel, KeyId, Matrix, MemoryClass};

/// Bits that the parties share as e = b ⊕ ρ, which both know, and parts of ρ.
#[derive(Clone, Copy)]
pub(in crate::protocol) struct Bits {
    shape: Shape,
    /// e, a plane; both know it.
    opened: [Block; 2],
    /// ρ.
    entry: EntryId,
    /// Each party's parts of ρ.
    mask: [Bit; 2],
}

/// The table of a mask, of so many of its low bits, with the bit behind them or without.
pub(super) type TableKey = (EntryId, u32, bool);

/// A comparison of a public c with an entry's mask.
#[derive(Clone, Copy)]
struct Comparison {
    predicate: Predicate,
    bits: u32,
    opened: [Block; 2],
    mask: EntryId,
    shape: Shape,
}

/// Answers about a tile that no party holds alone. Of a sum with a public constant the other summand may be open.
pub(in crate::protocol) fn test<P: UsesToolkit>(lowering: &mut Lowering<'_, P>, x: Tile, test: Test) -> Bits {
    let shape = lowering.grid(x.value).shape(x.at);
    let answer = if lowering.works_on_parts() {
        lowering.compare_parts(x, test)
    } else {
        lowering.search(x, test).unwrap_or_else(|| lowering.compare_alone(x, test))
    };
    lowering.share_bits(answer, shape, matches!(test, Test::NonNegative | Test::NonZero))
}

/// Shares of the bits as elements.
pub(in crate::protocol) fn elements<P: UsesToolkit>(lowering: &mut Lowering<'_, P>, bits: Bits) -> Parts {
    from_parts(COMPUTING.map(|party| {
        let out = lowering.buffer(party, bits.shape, MemoryClass::Shares);
        lowering.push(party, Action::Kernel(bits.added_to(out, party, false)));
        out
    }))
}

/// The bits times a value of their shape.
pub(in crate::protocol) fn choose<P: UsesToolkit>(
    lowering: &mut Lowering<'_, P>,
    bits: Bits,
    z: Tile,
) -> Parts {
    let value = lowering.two_party(z);
    let opened = lowering.open_masked(z, Parties::first(2), value.holders());
    let mask = opened.mask.expect("a value that is hidden from somebody");
    let spec = BitProductSpec { bit: bits.entry, mask, shape: bits.shape };
    let acquired = lowering.demand(Correlation::BitProduct(spec));
    from_parts(COMPUTING.map(|party| {
        let index = party.index();
        let hidden = spec.acquire(&mut lowering.lists[index], acquired, party).0;
        let opened = opened.sum[index].expect("both learn it");
        let terms = vec![(opened, bits.mask[index].share)];
        lowering.push(party, Action::Kernel(Kernel::Hadamard { out: hidden, terms, accumulate: true }));
        let value = lowering.part_with_told(&value, party);
        let out = lowering.buffer(party, bits.shape, MemoryClass::Shares);
        let chosen = Kernel::Mux {
            out,
            bits: bits.opened[index],
            value,
            constant: 0,
            hidden: Some(hidden),
            accumulate: false,
        };
        lowering.push(party, Action::Kernel(chosen));
        out
    }))
}

/// Truncation of a tile that no party holds alone.
pub(in crate::protocol) fn truncate<P: UsesToolkit>(
    lowering: &mut Lowering<'_, P>,
    x: Tile,
    bits: u32,
    method: Truncation,
) -> Parts {
    let shape = lowering.grid(x.value).shape(x.at);
    let width = lowering.rules.toolkit().widths.truncation(x.value, bits, shape.len());
    if method == Truncation::Stochastic && shape.len() >= one_way::LARGE {
        return lowering.truncate_one_way(x, shape, bits, width);
    }
    if lowering.works_on_parts() {
        return lowering.truncate_parts(x, (bits, width), method);
    }
    let operand = lowering.two_party(x);
    let spec = TruncPairSpec { shape, bits, width };
    let acquired = lowering.demand(Correlation::TruncPair(spec));
    let pairs = COMPUTING.map(|party| spec.acquire(&mut lowering.lists[party.index()], acquired, party));
    let offset = 1 << (width - 2);
    let masked = COMPUTING.map(|party| {
        let part = *operand.of(party).expect("a value that no party holds alone has two parts");
        let terms = vec![(1, part), (1, pairs[party.index()].mask)];
        let constant = if is_leader(party) { offset } else { 0 };
        lowering.combine(party, shape, MemoryClass::Openings, terms, constant)
    });
    let opened = lowering.open_to_both(masked, operand.told, width);
    if method == Truncation::Exact {
        let comparison =
            Comparison { predicate: Predicate::Borrow, bits, opened, mask: acquired.entry, shape };
        let answer = lowering.compare(comparison);
        let borrow = lowering.share_bits(answer, shape, false);
        for (party, pair) in COMPUTING.into_iter().zip(&pairs) {
            lowering.push(party, Action::Kernel(borrow.added_to(pair.high, party, true)));
        }
    }
    from_parts(COMPUTING.map(|party| {
        let pair = &pairs[party.index()];
        let out = lowering.buffer(party, shape, MemoryClass::Shares);
        let (opened, leader) = (vec![opened[party.index()]], is_leader(party));
        let (top, high) = (pair.top, pair.high);
        let kernel = Kernel::TruncFinish { out, opened, top, high, bits, width, leader };
        lowering.push(party, Action::Kernel(kernel));
        out
    }))
}

impl<P: UsesToolkit> Lowering<'_, P> {
    /// A party's part, to which the leader adds the helper's masked one.
    fn part_with_told(&mut self, value: &TwoPartyShares, party: PartyId) -> Option<Block> {
        let told = value.told(party).filter(|_| is_leader(party));
        let terms = value.of(party).copied().into_iter().chain(told);
        self.total_at(party, MemoryClass::Shares, terms.map(|term| (1, term)).collect())
    }

    /// Shares of the answers about a tile, a plane, found by a comparison of its own.
    fn compare_alone(&mut self, x: Tile, test: Test) -> [Block; 2] {
        let shape = self.grid(x.value).shape(x.at);
        let (base, constant) = self.compared[x.value.index()];
        let opened = self.open_compared(Tile { value: base, at: x.at });
        let (predicate, bits) = predicate(test, self.rules.toolkit().widths.magnitude_bits(x.value));
        let mask = opened.mask.expect("both parts are masked");
        let opened = COMPUTING.map(|party| {
            let sum = opened.sum[party.index()].expect("both learn it");
            match constant {
                0 => sum,
                _ => self.combine(party, shape, MemoryClass::Openings, vec![(1, sum)], constant),
            }
        });
        self.compare(Comparison { predicate, bits, opened, mask, shape })
    }

    /// Shares of a mask's table, dealt once.
    pub(super) fn table(&mut self, spec: TableSpec) -> [Block; 2] {
        let key = (spec.mask, spec.bits, spec.top);
        if let Some(&table) = self.rules.toolkit().tables.get(&key) {
            return table;
        }
        let acquired = self.demand(Correlation::Table(spec));
        let table = COMPUTING.map(|party| spec.acquire(&mut self.lists[party.index()], acquired, party).0);
        self.rules.toolkit().tables.insert(key, table);
        table
    }

    /// Shares of a comparison's answers, a plane.
    fn compare(&mut self, comparison: Comparison) -> [Block; 2] {
        let Comparison { predicate, bits, opened, mask, shape } = comparison;
        let ring = self.program.ring();
        let tables = self.table(TableSpec { mask, shape, bits, top: predicate.has_top() });
        let level = predicate.level(bits);
        let shares = COMPUTING.map(|party| {
            let table = tables[party.index()];
            let out = self.buffer(party, planes(ring, level.planes(), shape.len()), MemoryClass::Scratch);
            let (opened, lanes, leader) = (opened[party.index()], None, is_leader(party));
            let lookup = Kernel::LookupShares { out, opened, table, bits, predicate, lanes, leader };
            self.push(party, Action::Kernel(lookup));
            out
        });
        self.joined(shares, level, shape.len())
    }

    /// Shares of what is left of a level's planes when all digits are joined.
    pub(super) fn joined(&mut self, shares: [Block; 2], level: Level, elements: usize) -> [Block; 2] {
        let levels =
            std::iter::successors(Some(level), |level| level.next()).filter(|level| level.digits > 1);
        levels.fold(shares, |shares, level| self.join(shares, level, elements))
    }

    /// Shares of the next level's planes.
    pub(super) fn join(&mut self, shares: [Block; 2], level: Level, elements: usize) -> [Block; 2] {
        let next = level.next().expect("more than one digit");
        let shape = planes(self.program.ring(), next.planes(), elements);
        let spec = MonomialsSpec { level, elements };
        let acquired = self.demand(Correlation::Monomials(spec));
        let dealt = COMPUTING.map(|party| spec.acquire(&mut self.lists[party.index()], acquired, party));
        let opened = self.open_bits(shares, dealt.each_ref().map(|dealt| dealt.masks), false);
        COMPUTING.map(|party| {
            let dealt = &dealt[party.index()];
            let out = self.buffer(party, shape, MemoryClass::Scratch);
            let join = Kernel::AndTree {
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
        })
    }

    /// Shared bits, negated with `flip`, as e and ρ.
    pub(super) fn share_bits(&mut self, shares: [Block; 2], shape: Shape, flip: bool) -> Bits {
        let spec = BitSpec { shape };
        let acquired = self.demand(Correlation::Bit(spec));
        let mask = COMPUTING.map(|party| spec.acquire(&mut self.lists[party.index()], acquired, party));
        let opened = self.open_bits(shares, mask.each_ref().map(|mask| mask.mask), flip);
        Bits { shape, opened, entry: acquired.entry, mask }
    }

    /// Opens the first planes of each party's shares under masks, as many as the masks are; the leader negates.
    fn open_bits(&mut self, shares: [Block; 2], masks: [Block; 2], flip: bool) -> [Block; 2] {
        let class = MemoryClass::Openings;
        let masked = COMPUTING.map(|party| {
            let right = masks[party.index()];
            let left = Matrix::new(shares[party.index()].buffer, right.shape);
            let out = self.buffer(party, right.shape, class);
            let flip = flip && is_leader(party);
            self.push(party, Action::Kernel(Kernel::Xor { out, left, right, flip }));
            out
        });
        COMPUTING.map(|party| {
            let (own, sender) = (masked[party.index()], COMPUTING[1 - party.index()]);
            let received = self.transfer(masked[sender.index()], sender, party, Content::Bits, class);
            let out = self.buffer(party, own.shape, class);
            self.push(party, Action::Kernel(Kernel::Xor { out, left: own, right: received, flip: false }));
            out
        })
    }
}

impl Bits {
    /// [b] = i₀·e + (1 − 2e)·[ρ], added to `out` or put there.
    pub(super) fn added_to(&self, out: Block, party: PartyId, accumulate: bool) -> Kernel<BufferId, KeyId> {
        Kernel::Mux {
            out,
            bits: self.opened[party.index()],
            value: None,
            constant: is_leader(party).into(),
            hidden: Some(self.mask[party.index()].share),
            accumulate,
        }
    }
}

/// The predicate on x = c + a that answers a test, and of how many low bits of a there is a table, where |x| < 2^bits.
pub(super) fn predicate(test: Test, bits: u32) -> (Predicate, u32) {
    match test {
        Test::Negative | Test::NonNegative => (Predicate::Sign, bits),
        // One bit more, since −2^bits might be there where the ring has no more bits.
        Test::Zero | Test::NonZero => (Predicate::Zero, bits + 1),
    }
}
