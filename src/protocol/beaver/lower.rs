//! The lowering rules, tile by tile. Formulas and names are those of the module above.

use super::bits::Bits;
use super::{Masks, PARTIES, chosen, cost, masks};
use crate::correlation::{Correlation, Demand, EntryId, MaskSpec, Product, ProductSpec, Purpose};
use crate::program::tiling::{Grid, Tiling};
use crate::program::{Op, Output, Program, ValueId, range};
use crate::protocol::Lowered;
use crate::ring::{Axis, Shape};
use crate::share::{Additive, Parties, PartyId};
use crate::step::{
    Action, BufferId, InputId, Kernel, KeyId, Matrix, MemoryClass, MessageId, OpId, Phase, Step, StepList,
};
use std::collections::HashMap;

/// One matrix for each party that has one.
pub(super) type Parts = Additive<Matrix<BufferId>>;

/// A tile of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    pub(super) value: ValueId,
    pub(super) at: (usize, usize),
}

/// A tile under a mask, opened.
#[derive(Clone, Copy)]
pub(super) struct Opened {
    /// The mask, unless nothing needed hiding, and its parts.
    pub(super) mask: Option<EntryId>,
    masks: [Option<Matrix<BufferId>>; 2],
    /// The masked tile, at those who learnt it.
    pub(super) sum: Parts,
}

/// Lowers `program` for both parties.
pub(in crate::protocol) fn lower(program: &Program, tiling: &Tiling) -> Lowered {
    let mut lowering = Lowering {
        program,
        tiling,
        lists: PARTIES.map(|party| StepList::new(party.into(), program.ring())),
        demand: Demand::new(program.ring()),
        messages: 0,
        purpose: Purpose { op: OpId(0), tile: 0, once: false },
        resident: program.resident(),
        magnitude_bits: range::magnitude_bits(program),
        tiles: HashMap::new(),
        bits: HashMap::new(),
        whole: HashMap::new(),
        opened: HashMap::new(),
    };
    for (index, output) in program.outputs().iter().enumerate() {
        for at in lowering.grid(output.value).growing() {
            lowering.require(Tile { value: output.value, at });
            lowering.for_value(None, |lowering| lowering.output(index, output, at));
        }
    }
    Lowered {
        parties: lowering.lists.into(),
        demand: lowering.demand,
        cost: cost::cost(program, tiling, false),
        cost_again: cost::cost(program, tiling, true),
    }
}

pub(super) struct Lowering<'a> {
    pub(super) program: &'a Program,
    tiling: &'a Tiling,
    pub(super) lists: [StepList; 2],
    pub(super) demand: Demand,
    messages: u32,
    /// What steps are emitted for.
    pub(super) purpose: Purpose,
    /// By value: whether it is the same in every run.
    resident: Vec<bool>,
    /// By value: see [`range::magnitude_bits`].
    pub(super) magnitude_bits: Vec<u32>,
    /// The tiles that have been lowered.
    pub(super) tiles: HashMap<Tile, Parts>,
    /// The tiles of tests that both parties answered, as bits; as elements only where these are asked for.
    pub(super) bits: HashMap<Tile, Bits>,
    /// The values that were put together from their tiles.
    pub(super) whole: HashMap<ValueId, Parts>,
    /// The tiles that have been opened, by who learnt them and whose parts were masked.
    opened: HashMap<(Tile, Parties, Parties), Opened>,
}

impl Lowering<'_> {
    /// Lowers a tile, after those that it is computed from.
    fn require(&mut self, tile: Tile) {
        // A stack of its own: programs can be deeper than the machine's.
        let mut stack = vec![tile];
        while let Some(&tile) = stack.last() {
            if self.is_lowered(tile) {
                stack.pop();
                continue;
            }
            let missing = self.operands(tile).into_iter().find(|&operand| !self.is_lowered(operand));
            match missing {
                Some(operand) => stack.push(operand),
                None => {
                    let once = self.resident[tile.value.index()];
                    self.purpose = Purpose { op: OpId(tile.value.0), tile: self.purpose.tile + 1, once };
                    self.lower(tile);
                }
            }
        }
    }

    fn is_lowered(&self, tile: Tile) -> bool {
        self.tiles.contains_key(&tile) || self.bits.contains_key(&tile)
    }

    fn lower(&mut self, tile: Tile) {
        let Op::Test(a, test) = self.program.value(tile.value).op else {
            let parts = self.tile(tile);
            self.tiles.insert(tile, parts);
            return;
        };
        let operand = Tile { value: a, at: tile.at };
        let parts = self.parts(operand);
        if parts.holders() == Parties::first(2) {
            let bits = self.test(operand, test);
            self.bits.insert(tile, bits);
        } else {
            let parts = self.test_alone(parts, test);
            self.tiles.insert(tile, parts);
        }
    }

    /// The tiles that a tile is computed from.
    fn operands(&self, Tile { value, at: (row, col) }: Tile) -> Vec<Tile> {
        let tile = |value, at| Tile { value, at };
        match self.program.value(value).op {
            Op::Input(_) => Vec::new(),
            Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) => {
                [a, b].map(|operand| self.over(operand, (row, col))).to_vec()
            }
            Op::Neg(a) | Op::AddConstant(a, _) | Op::Scale(a, _) | Op::Truncate(a, ..) | Op::Test(a, _) => {
                vec![tile(a, (row, col))]
            }
            Op::Slice(..) | Op::Place(..) => {
                self.pieces(Tile { value, at: (row, col) }).into_iter().map(|piece| piece.from).collect()
            }
            Op::Gather(a, _) => self.grid(a).tiles().map(|at| tile(a, at)).collect(),
            Op::Transpose(a) => vec![tile(a, (col, row))],
            Op::Sum(a, Axis::Rows) => (0..self.grid(a).extent().0).map(|row| tile(a, (row, col))).collect(),
            Op::Sum(a, Axis::Cols) => (0..self.grid(a).extent().1).map(|col| tile(a, (row, col))).collect(),
            Op::MatMul(a, b) => {
                let inner = 0..self.grid(a).extent().1;
                inner.flat_map(|inner| [tile(a, (row, inner)), tile(b, (inner, col))]).collect()
            }
        }
    }

    /// The operand's tile that stands over a tile of the result, where rows, columns or scalars repeat.
    fn over(&self, operand: ValueId, (row, col): (usize, usize)) -> Tile {
        let (rows, cols) = self.grid(operand).extent();
        Tile { value: operand, at: (row.min(rows - 1), col.min(cols - 1)) }
    }

    fn tile(&mut self, tile: Tile) -> Parts {
        let Tile { value, at } = tile;
        let shape = self.grid(value).shape(at);
        match self.program.value(value).op {
            Op::Input(index) => self.input(index, self.grid(value), at),
            Op::Add(a, b) => self.sum(shape, (1, self.over(a, at)), (1, self.over(b, at))),
            Op::Sub(a, b) => self.sum(shape, (1, self.over(a, at)), (u64::MAX, self.over(b, at))),
            Op::Neg(a) => self.linear(Tile { value: a, at }, u64::MAX, 0),
            Op::AddConstant(a, constant) => self.linear(Tile { value: a, at }, 1, constant),
            Op::Scale(a, factor) => self.linear(Tile { value: a, at }, factor, 0),
            Op::Mul(a, b) => {
                if let Some((condition, value)) = chosen(self.program, a, b)
                    && let Some(&bits) = self.bits.get(&Tile { value: condition, at })
                {
                    return self.choose(bits, Tile { value, at });
                }
                let terms = vec![(self.over(a, at), self.over(b, at))];
                self.product(Product::Elementwise, shape, terms)
            }
            Op::MatMul(a, b) => {
                let inner = 0..self.grid(a).extent().1;
                let term =
                    |inner| (Tile { value: a, at: (at.0, inner) }, Tile { value: b, at: (inner, at.1) });
                self.product(Product::Matrix, shape, inner.map(term).collect())
            }
            Op::Transpose(a) => {
                let operand = self.parts(Tile { value: a, at: (at.1, at.0) });
                self.local(operand, shape, |out, operand| Kernel::Transpose { out, operand })
            }
            Op::Sum(_, axis) => self.total(self.operands(tile), shape, axis),
            Op::Truncate(a, bits, method) => self.truncate(Tile { value: a, at }, shape, bits, method),
            Op::Slice(..) | Op::Place(..) => self.assemble(tile, shape),
            Op::Gather(a, gather) => self.gathered(a, gather, self.grid(value).origin(at), shape),
            Op::Test(..) => unreachable!("tests are lowered apart"),
        }
    }

    fn input(&mut self, index: usize, grid: Grid, at: (usize, usize)) -> Parts {
        let owner = self.program.inputs()[index].owner;
        self.each(Parties::from_iter([owner]), |lowering, party| {
            let to = lowering.buffer(party, grid.shape(at), MemoryClass::Shares);
            let input = InputId(index as u32);
            lowering.push(party, Action::Input { to, input, at: grid.origin(at) });
            to
        })
    }

    /// A kernel of one operand on every part.
    pub(super) fn local(
        &mut self,
        operand: Parts,
        shape: Shape,
        kernel: impl Fn(Matrix<BufferId>, Matrix<BufferId>) -> Kernel<BufferId, KeyId>,
    ) -> Parts {
        self.each(operand.holders(), |lowering, party| {
            let out = lowering.buffer(party, shape, MemoryClass::Shares);
            lowering.push(party, Action::Kernel(kernel(out, held(operand, party))));
            out
        })
    }

    /// factor · a + constant: the first holder adds the constant.
    fn linear(&mut self, a: Tile, factor: u64, constant: u64) -> Parts {
        let operand = self.parts(a);
        let leader = operand.holders().lowest();
        self.each(operand.holders(), |lowering, party| {
            let constant = if Some(party) == leader { constant } else { 0 };
            let operand = held(operand, party);
            lowering.combine(party, operand.shape, MemoryClass::Shares, vec![(factor, operand)], constant)
        })
    }

    /// The sum of two multiples; where a party holds one of them only, that one, repeated to `shape`.
    fn sum(&mut self, shape: Shape, a: (u64, Tile), b: (u64, Tile)) -> Parts {
        let operands = [a, b].map(|(factor, tile)| (factor, self.parts(tile)));
        let holders = operands[0].1.holders().union(operands[1].1.holders());
        self.each(holders, |lowering, party| {
            let there = |(factor, parts): &(u64, Parts)| Some((*factor, *parts.part(party)?));
            let terms: Vec<_> = operands.iter().filter_map(there).collect();
            match terms[..] {
                [(1, only)] if only.shape == shape => only,
                _ => lowering.combine(party, shape, MemoryClass::Shares, terms, 0),
            }
        })
    }

    /// Sums over one axis: of every tile along it, then of those.
    fn total(&mut self, tiles: Vec<Tile>, shape: Shape, axis: Axis) -> Parts {
        let sums: Vec<Parts> = tiles
            .into_iter()
            .map(|tile| {
                let operand = self.parts(tile);
                self.local(operand, shape, |out, operand| Kernel::Sum { out, operand, axis })
            })
            .collect();
        let add = |lowering: &mut Self, a: Parts, b: Parts| {
            lowering.each(a.holders(), |lowering, party| {
                let terms = vec![(1, held(a, party)), (1, held(b, party))];
                lowering.combine(party, shape, MemoryClass::Shares, terms, 0)
            })
        };
        sums.into_iter().reduce(|a, b| add(self, a, b)).expect("an axis has at least one tile")
    }

    /// Σ X·Y over pairs of tiles. See the module's documentation.
    fn product(&mut self, product: Product, shape: Shape, terms: Vec<(Tile, Tile)>) -> Parts {
        let (x, y) = (self.parts(terms[0].0).holders(), self.parts(terms[0].1).holders());
        let masks = masks(x, y);
        let opened: Vec<(Opened, Opened)> = terms
            .iter()
            .map(|&(left, right)| {
                (self.open_masked(left, y, masks.left), self.open_masked(right, masks.left, masks.right))
            })
            .collect();
        let mut shares = self.shares_of_product(product, shape, masks, &opened);
        let mut result = [None; 2];
        for party in PARTIES {
            let index = party.index();
            let dealt = shares[index].take();
            if dealt.is_none() && !y.contains(party) {
                continue;
            }
            let mut accumulate = dealt.is_some();
            let out = dealt.unwrap_or_else(|| self.buffer(party, shape, MemoryClass::Shares));
            for (&(_, right), &(e, f)) in terms.iter().zip(&opened) {
                let own = self.parts(right).part(party).map(|&y| (held(e.sum, party), y));
                let hidden = e.masks[index].map(|a| (a, held(f.sum, party)));
                let pairs = own.into_iter().chain(hidden).collect();
                self.push(party, product.kernel(out, pairs, accumulate));
                accumulate = true;
            }
            result[index] = Some(out);
        }
        Additive::new(result)
    }

    /// Each party's share of the product of the masks, or nothing where no operand needs hiding.
    fn shares_of_product(
        &mut self,
        product: Product,
        shape: Shape,
        masks: Masks,
        opened: &[(Opened, Opened)],
    ) -> [Option<Matrix<BufferId>>; 2] {
        if masks.left.is_empty() {
            return [None, None];
        }
        let mask = |opened: &Opened| opened.mask.expect("an operand that is masked");
        let terms = opened.iter().map(|(left, right)| (mask(left), mask(right))).collect();
        let spec = ProductSpec { product, shape, terms };
        let entry = self.consume(Correlation::Product(spec.clone()));
        let purpose = self.purpose;
        PARTIES.map(|party| Some(spec.acquire(&mut self.lists[party.index()], entry, party, purpose).0))
    }

    /// Opens a tile to `learners`, hiding the parts of `masked`; once, however many products it is a factor of.
    pub(super) fn open_masked(&mut self, tile: Tile, learners: Parties, masked: Parties) -> Opened {
        let key = (tile, learners, masked);
        if let Some(&opened) = self.opened.get(&key) {
            return opened;
        }
        let opened = self.for_value(Some(tile.value), |lowering| lowering.open_tile(tile, learners, masked));
        self.opened.insert(key, opened);
        opened
    }

    fn open_tile(&mut self, tile: Tile, learners: Parties, masked: Parties) -> Opened {
        let value = self.parts(tile);
        let mut opened = Opened { mask: None, masks: [None; 2], sum: Additive::new([None; 2]) };
        if !masked.is_empty() {
            let spec = MaskSpec { shape: self.grid(tile.value).shape(tile.at), parts: masked };
            let entry = self.consume(Correlation::Mask(spec));
            let purpose = self.purpose;
            opened.mask = Some(entry);
            opened.masks =
                PARTIES.map(|party| spec.acquire(&mut self.lists[party.index()], entry, party, purpose));
        }
        if !learners.is_empty() {
            let hidden = self.each(value.holders(), |lowering, party| {
                let part = held(value, party);
                let Some(mask) = opened.masks[party.index()] else { return part };
                let terms = vec![(1, part), (u64::MAX, mask)];
                lowering.combine(party, part.shape, MemoryClass::Openings, terms, 0)
            });
            opened.sum = self.open(hidden, learners);
        }
        opened
    }

    /// Sends every part to the learners who do not have it; the result is the sum, held by the learners.
    pub(super) fn open(&mut self, parts: Parts, learners: Parties) -> Parts {
        let mut sums = [None; 2];
        for learner in learners.iter() {
            sums[learner.index()] = self.gather(parts, learner, MemoryClass::Openings);
        }
        Additive::new(sums)
    }

    /// The sum of all parts at `learner`, or nothing where nobody has one.
    fn gather(&mut self, parts: Parts, learner: PartyId, class: MemoryClass) -> Option<Matrix<BufferId>> {
        let mut sum = parts.part(learner).copied();
        for sender in parts.holders().without(learner).iter() {
            let from = held(parts, sender);
            let received = self.transfer(from, sender, learner, class);
            sum = Some(match sum {
                None => received,
                Some(own) => self.combine(learner, from.shape, class, vec![(1, own), (1, received)], 0),
            });
        }
        sum
    }

    fn output(&mut self, index: usize, output: &Output, at: (usize, usize)) {
        let grid = self.grid(output.value);
        let parts = self.parts(Tile { value: output.value, at });
        for recipient in output.to.iter() {
            let from = self.gather(parts, recipient, MemoryClass::Plain).expect("every value has a holder");
            self.push(recipient, Action::Output { from, output: index, at: grid.origin(at) });
        }
    }

    /// Σ factor · operand + constant at one party, in a new buffer.
    pub(super) fn combine(
        &mut self,
        party: PartyId,
        shape: Shape,
        class: MemoryClass,
        terms: Vec<(u64, Matrix<BufferId>)>,
        constant: u64,
    ) -> Matrix<BufferId> {
        let out = self.buffer(party, shape, class);
        self.push(party, Action::Kernel(Kernel::Linear { out, terms, constant }));
        out
    }

    pub(super) fn transfer(
        &mut self,
        from: Matrix<BufferId>,
        sender: PartyId,
        receiver: PartyId,
        class: MemoryClass,
    ) -> Matrix<BufferId> {
        let message = MessageId(self.messages);
        self.messages += 1;
        let to = self.buffer(receiver, from.shape, class);
        self.push(sender, Action::Send { from, peer: receiver.into(), message });
        self.push(receiver, Action::Receive { to, peer: sender.into(), message });
        to
    }

    pub(super) fn each(
        &mut self,
        parties: Parties,
        mut part: impl FnMut(&mut Self, PartyId) -> Matrix<BufferId>,
    ) -> Parts {
        Additive::new(PARTIES.map(|party| parties.contains(party).then(|| part(self, party))))
    }

    pub(super) fn buffer(&mut self, party: PartyId, shape: Shape, class: MemoryClass) -> Matrix<BufferId> {
        self.lists[party.index()].buffer(shape, class)
    }

    pub(super) fn push(&mut self, party: PartyId, action: Action) {
        let Purpose { op, tile, once } = self.purpose;
        self.lists[party.index()].push_step(Step { action, phase: Phase::Online, op, tile, once });
    }

    /// Puts a correlation on the demand.
    pub(super) fn consume(&mut self, correlation: Correlation) -> EntryId {
        self.demand.push_for(correlation, self.purpose.once)
    }

    /// Emits steps that depend on one value alone, in whatever op they are wanted first: of a resident value in the
    /// first run, otherwise in every.
    fn for_value<T>(&mut self, value: Option<ValueId>, emit: impl FnOnce(&mut Self) -> T) -> T {
        let once = value.is_some_and(|value| self.resident[value.index()]);
        let outer = std::mem::replace(&mut self.purpose.once, once);
        let emitted = emit(self);
        self.purpose.once = outer;
        emitted
    }

    pub(super) fn grid(&self, value: ValueId) -> Grid {
        self.tiling.grid(self.program.value(value).shape)
    }

    /// A tile that has been lowered, as elements.
    pub(super) fn parts(&mut self, tile: Tile) -> Parts {
        if let Some(&parts) = self.tiles.get(&tile) {
            return parts;
        }
        let bits = self.bits[&tile];
        let parts = self.for_value(Some(tile.value), |lowering| lowering.elements(bits));
        self.tiles.insert(tile, parts);
        parts
    }
}

/// The part of a party that has one.
pub(super) fn held(parts: Parts, party: PartyId) -> Matrix<BufferId> {
    *parts.part(party).expect("a part that is there")
}
