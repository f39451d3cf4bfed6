//! What protocols have in common: values tile by tile, ops that every party does for itself, messages, outputs.
//!
//! Every value is a grid of tiles (see [`crate::program::tiling`]), each a [`Sharing`] of matrices, and every rule works
//! tile by tile. Tiles are lowered as outputs demand them, operands first: so a tile is opened, multiplied, truncated
//! and sent before the next is begun, and what can be done ahead is done ahead by the executor. The order is the same
//! for all parties. Which components a tile has is a property of its value.

use super::bits::{Bits, TableKey};
use super::halves::{Halves, Opened, OpenedKey};
use super::widths::Widths;
use super::{Content, Lowered, Protocol, beaver, chosen, compared, replicated};
use crate::correlation::{
    Correlation, Delivery, Demand, DemandError, FIRST_FREE_MESSAGE, FIRST_FREE_STREAM, Product, Purpose,
    dealer,
};
use crate::program::tiling::{Grid, Tiling};
use crate::program::{Op, Output, Program, ValueId};
use crate::ring::{Axis, Shape};
use crate::share::{Parties, PartyId, Role, Sharing};
use crate::step::{
    Action, BufferId, InputId, Kernel, KeyId, Matrix, MemoryClass, MessageId, OpId, Phase, Step, StepList,
};
use std::collections::HashMap;

/// A matrix on a party's device.
pub(super) type Block = Matrix<BufferId>;

/// The copies of a tile's components.
pub(super) type Parts = Sharing<Block>;

/// A tile of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tile {
    pub(super) value: ValueId,
    pub(super) at: (usize, usize),
}

/// Lowers `program` for all parties.
pub(super) fn lower(protocol: Protocol, program: &Program, tiling: &Tiling) -> Result<Lowered, DemandError> {
    let mut lowering = Lowering::new(protocol, program, tiling);
    for (index, output) in program.outputs().iter().enumerate() {
        for at in lowering.grid(output.value).growing() {
            lowering.require(Tile { value: output.value, at })?;
            lowering.purpose.once = false;
            lowering.output(index, output, at);
        }
    }
    Ok(lowering.finish())
}

pub(super) struct Lowering<'a> {
    pub(super) protocol: Protocol,
    pub(super) program: &'a Program,
    tiling: &'a Tiling,
    pub(super) lists: Vec<StepList>,
    demand: Demand,
    /// By entry of the demand.
    purposes: Vec<Purpose>,
    /// By message, from [`FIRST_FREE_MESSAGE`] on: what it holds.
    pub(super) contents: Vec<Content>,
    streams: u64,
    /// What steps are emitted for.
    purpose: Purpose,
    /// Where in its value each tile lies, by the number that its steps have.
    places: Vec<(usize, usize)>,
    /// By value: whether it is the same in every run.
    resident: Vec<bool>,
    pub(super) widths: Widths,
    /// By value: see [`compared`].
    pub(super) compared: Vec<(ValueId, u64)>,
    /// The tiles that have been lowered.
    tiles: HashMap<Tile, Parts>,
    /// The tiles of tests that two parties answered, as bits; as elements only where these are asked for.
    bits: HashMap<Tile, Bits>,
    /// The values that were put together from their tiles, and whether from replicated ones.
    pub(super) whole: HashMap<(ValueId, bool), Parts>,
    /// The tiles that parties 0 and 1 hold as halves.
    pub(super) halves: HashMap<Tile, Halves>,
    /// The tiles that have been opened.
    pub(super) opened: HashMap<OpenedKey, Opened>,
    /// The tables of masks, each party's share.
    pub(super) tables: HashMap<TableKey, [Block; 2]>,
    /// The tiles that were replicated.
    pub(super) replicas: HashMap<Tile, Parts>,
    /// Sums of a party's two components of a replicated tile.
    pub(super) sums: HashMap<(Tile, PartyId), Block>,
}

impl<'a> Lowering<'a> {
    fn new(protocol: Protocol, program: &'a Program, tiling: &'a Tiling) -> Lowering<'a> {
        let parties = Parties::first(protocol.parties());
        Lowering {
            protocol,
            program,
            tiling,
            lists: parties.iter().map(|party| StepList::new(party.into(), program.ring())).collect(),
            demand: Demand::new(program.ring()),
            purposes: Vec::new(),
            contents: Vec::new(),
            streams: FIRST_FREE_STREAM,
            purpose: Purpose { op: OpId(0), tile: 0, once: false },
            // Tiles are counted from 1.
            places: vec![(0, 0)],
            resident: program.resident(),
            widths: Widths::new(protocol, program),
            compared: compared(program),
            tiles: HashMap::new(),
            bits: HashMap::new(),
            whole: HashMap::new(),
            halves: HashMap::new(),
            opened: HashMap::new(),
            tables: HashMap::new(),
            replicas: HashMap::new(),
            sums: HashMap::new(),
        }
    }

    fn finish(mut self) -> Lowered {
        if let Role::Party(party) = self.protocol.dealer() {
            let purpose = |entry: crate::correlation::EntryId| self.purposes[entry.0 as usize];
            dealer::deal_into(&mut self.lists[party.index()], &self.demand, purpose);
        }
        let (cost, cost_again) = (self.cost(false), self.cost(true));
        Lowered { parties: self.lists, demand: self.demand, cost, cost_again, tiles: self.places }
    }
}

impl Lowering<'_> {
    /// Lowers a tile, after those that it is computed from.
    fn require(&mut self, tile: Tile) -> Result<(), DemandError> {
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
                    self.places.push(tile.at);
                    self.lower(tile);
                    self.demand.check_length()?;
                }
            }
        }
        Ok(())
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
        let (base, constant) = self.compared[a.index()];
        let operand = Tile { value: base, at: tile.at };
        let parts = self.parts(operand);
        if parts.owner().is_some() {
            let parts = if constant == 0 { parts } else { self.linear(operand, 1, constant) };
            let parts = self.test_alone(parts, test);
            self.tiles.insert(tile, parts);
        } else {
            let bits = self.test(Tile { value: a, at: tile.at }, test);
            self.bits.insert(tile, bits);
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
            Op::Neg(a) | Op::AddConstant(a, _) | Op::Scale(a, _) | Op::Truncate(a, ..) => {
                vec![tile(a, (row, col))]
            }
            Op::Test(a, _) => vec![tile(self.compared[a.index()].0, (row, col))],
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
            Op::Gather(a, gather) => self.gathered(value, (a, gather), self.grid(value).origin(at), shape),
            Op::Test(..) => unreachable!("tests are lowered apart"),
        }
    }

    fn input(&mut self, index: usize, grid: Grid, at: (usize, usize)) -> Parts {
        let owner = self.program.inputs()[index].owner;
        let to = self.buffer(owner, grid.shape(at), MemoryClass::Shares);
        let input = InputId(index as u32);
        self.push(owner, Action::Input { to, input, at: grid.origin(at) });
        Sharing::alone(owner, to)
    }

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
    fn linear(&mut self, a: Tile, factor: u64, constant: u64) -> Parts {
        let operand = self.parts(a);
        let first = operand.components().next();
        operand.map(|holders, party, operand| {
            let constant = if Some(holders) == first { constant } else { 0 };
            self.combine(party, operand.shape, MemoryClass::Shares, vec![(factor, operand)], constant)
        })
    }

    /// The sum of two multiples; where only one has a component, that one's, repeated to `shape`.
    fn sum(&mut self, shape: Shape, a: (u64, Tile), b: (u64, Tile)) -> Parts {
        let operands = [a, b].map(|(factor, tile)| (factor, self.parts(tile)));
        Sharing::new(|holders, party| {
            let there = |(factor, parts): &(u64, Parts)| Some((*factor, parts.copy(holders, party)?));
            let terms: Vec<_> = operands.iter().filter_map(there).collect();
            match terms[..] {
                [] => None,
                [(1, only)] if only.shape == shape => Some(only),
                _ => Some(self.combine(party, shape, MemoryClass::Shares, terms, 0)),
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
            a.map(|holders, party, a| {
                let b = b.copy(holders, party).expect("tiles of a value have the same components");
                lowering.combine(party, shape, MemoryClass::Shares, vec![(1, a), (1, b)], 0)
            })
        };
        sums.into_iter().reduce(|a, b| add(self, a, b)).expect("an axis has at least one tile")
    }

    /// Σ X·Y over pairs of tiles.
    fn product(&mut self, product: Product, shape: Shape, terms: Vec<(Tile, Tile)>) -> Parts {
        match self.protocol {
            Protocol::Beaver => beaver::product(self, product, shape, &terms),
            Protocol::Replicated => replicated::product(self, product, shape, &terms),
        }
    }

    /// Reveals a tile: each recipient adds what it has to what it lacks. Where two others have that, each alone, they
    /// hide how it is split between them.
    fn output(&mut self, index: usize, output: &Output, at: (usize, usize)) {
        let grid = self.grid(output.value);
        let parts = self.parts(Tile { value: output.value, at });
        let (content, class) = (Content::Output { output: index }, MemoryClass::Plain);
        for recipient in output.to.iter() {
            let senders: Vec<PartyId> = senders(&parts, recipient);
            let mut missing: Vec<Block> = senders
                .iter()
                .map(|&sender| {
                    let lacks = |&(holders, party, _): &(Parties, PartyId, Block)| {
                        party == sender && sends(&senders, holders, recipient) == Some(sender)
                    };
                    let terms = parts.iter().filter(lacks).map(|(.., copy)| (1, copy)).collect();
                    self.total_at(sender, MemoryClass::Openings, terms).expect("a sender sends something")
                })
                .collect();
            if let [first, second] = senders[..] {
                let masks = self.common(first, second, grid.shape(at), MemoryClass::Correlations);
                for (index, factor) in [(0, 1), (1, u64::MAX)] {
                    let terms = vec![(1, missing[index]), (factor, masks[index])];
                    missing[index] =
                        self.combine(senders[index], grid.shape(at), MemoryClass::Openings, terms, 0);
                }
            }
            let own = parts.iter().filter(|&(_, party, _)| party == recipient);
            let mut terms: Vec<(u64, Block)> = own.map(|(.., copy)| (1, copy)).collect();
            for (&sender, from) in senders.iter().zip(missing) {
                terms.push((1, self.transfer(from, sender, recipient, content, class)));
            }
            let from = self.total_at(recipient, class, terms).expect("every value has a component");
            self.push(recipient, Action::Output { from, output: index, at: grid.origin(at) });
        }
    }

    /// Σ factor · operand at one party; without an operand nothing, and a single one as it is.
    pub(super) fn total_at(
        &mut self,
        party: PartyId,
        class: MemoryClass,
        terms: Vec<(u64, Block)>,
    ) -> Option<Block> {
        let add = |sum: (u64, Block), term: (u64, Block)| {
            (1, self.combine(party, term.1.shape, class, vec![sum, term], 0))
        };
        terms.into_iter().reduce(add).map(|(factor, sum)| {
            debug_assert_eq!(factor, 1, "a single operand is taken as it is");
            sum
        })
    }

    /// Σ factor · operand + constant at one party, in a new buffer.
    pub(super) fn combine(
        &mut self,
        party: PartyId,
        shape: Shape,
        class: MemoryClass,
        terms: Vec<(u64, Block)>,
        constant: u64,
    ) -> Block {
        let out = self.buffer(party, shape, class);
        self.push(party, Action::Kernel(Kernel::Linear { out, terms, constant }));
        out
    }

    /// Sends a matrix; returns the receiver's copy, booked under `class`.
    pub(super) fn transfer(
        &mut self,
        from: Block,
        sender: PartyId,
        receiver: PartyId,
        content: Content,
        class: MemoryClass,
    ) -> Block {
        let message = MessageId(FIRST_FREE_MESSAGE + self.contents.len() as u32);
        self.contents.push(content);
        let to = self.buffer(receiver, from.shape, class);
        self.push(sender, Action::Send { from, peer: receiver.into(), message });
        self.push(receiver, Action::Receive { to, peer: sender.into(), message });
        to
    }

    /// Uniform elements that two parties know, of a stream of their own: the first's copy and the second's.
    pub(super) fn common(
        &mut self,
        first: PartyId,
        second: PartyId,
        shape: Shape,
        class: MemoryClass,
    ) -> [Block; 2] {
        let (key, stream) = (KeyId::between(first, second), self.streams);
        self.streams += 1;
        [first, second].map(|party| {
            let out = self.buffer(party, shape, class);
            let fill = Action::Kernel(Kernel::Fill { out, key, stream, block: 0 });
            self.push_in(Phase::Offline, party, fill);
            out
        })
    }

    /// Demands a correlation.
    pub(super) fn demand(&mut self, correlation: Correlation) -> Delivery {
        let entry = self.demand.push_for(correlation, self.purpose.once);
        self.purposes.push(self.purpose);
        Delivery { entry, dealer: self.protocol.dealer(), purpose: self.purpose }
    }

    pub(super) fn buffer(&mut self, party: PartyId, shape: Shape, class: MemoryClass) -> Block {
        self.lists[party.index()].buffer(shape, class)
    }

    pub(super) fn push(&mut self, party: PartyId, action: Action) {
        self.push_in(Phase::Online, party, action);
    }

    fn push_in(&mut self, phase: Phase, party: PartyId, action: Action) {
        let Purpose { op, tile, once } = self.purpose;
        self.lists[party.index()].push_step(Step { action, phase, op, tile, once });
    }

    /// Emits what depends on one value alone, for whatever op it is wanted first: if the value is resident as steps of
    /// the first run, otherwise of every run.
    pub(super) fn for_value<T>(&mut self, value: ValueId, emit: impl FnOnce(&mut Self) -> T) -> T {
        let once = self.resident[value.index()];
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
        let parts = self.for_value(tile.value, |lowering| lowering.elements(bits));
        self.tiles.insert(tile, parts);
        parts
    }
}

/// Who sends `recipient` what it lacks of a value: the fewest that have it all, in ascending order.
fn senders(parts: &Parts, recipient: PartyId) -> Vec<PartyId> {
    let lacking = || parts.components().filter(|holders| !holders.contains(recipient));
    let alone = lacking().filter(|holders| holders.len() == 1).filter_map(Parties::lowest);
    let mut senders: Vec<PartyId> = alone.collect();
    if senders.is_empty() {
        senders.extend(lacking().next().and_then(Parties::lowest));
    }
    senders.sort();
    senders
}

/// Which of `senders` sends a component that `recipient` lacks.
fn sends(senders: &[PartyId], holders: Parties, recipient: PartyId) -> Option<PartyId> {
    if holders.contains(recipient) {
        return None;
    }
    senders.iter().copied().find(|&sender| holders.contains(sender))
}
