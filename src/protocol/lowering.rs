//! The walk over a program that all protocols share: values tile by tile, operands first, then outputs.
//!
//! Every value is a grid of tiles (see [`crate::program::tiling`]), each a [`Sharing`] of matrices, and every rule works
//! tile by tile. Tiles are lowered as outputs demand them, operands first: so a tile is opened, multiplied, truncated
//! and sent before the next is begun, and what can be done ahead is done ahead by the executor. The order is the same
//! for all parties. Which components a tile has is a property of its value.

use super::regions::Region;
use super::rules::Rules;
use super::{Content, Lowered, chosen, compared};
use crate::correlation::{Demand, DemandError, EntryId, FIRST_FREE_STREAM, Product, Purpose, Source, dealer};
use crate::program::tiling::{Grid, Tiling};
use crate::program::{Op, Output, Program, PublicId, Truncation, ValueId};
use crate::ring::{Axis, MINUS_ONE, Shape};
use crate::share::{Parties, PartyId, Sharing, Taken};
use crate::step::{Action, BufferId, InputId, Kernel, Matrix, MemoryClass, OpId, Phase, StepList};
use std::collections::HashMap;
use std::rc::Rc;

pub(super) const SAME_COMPONENTS: &str = "tiles of a value have the same components";

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

/// The form of the tiles that a value is put together from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// As they are.
    Own,
    /// That for repeating elements.
    Repeatable,
    /// That for products.
    Shared,
}

/// A tile of each factor of a product.
pub(super) type Pair = (Tile, Tile);

/// Lowers `program` for all parties by the rules `P`, with correlations from `source`.
pub(super) fn lower<P: Rules>(
    program: &Program,
    tiling: &Tiling,
    source: Source,
) -> Result<Lowered, DemandError> {
    lower_with::<P>(program, tiling, source, Vec::new())
}

/// The same, with regions of the program computed by garbled circuits.
pub(super) fn lower_with<P: Rules>(
    program: &Program,
    tiling: &Tiling,
    source: Source,
    regions: Vec<Region>,
) -> Result<Lowered, DemandError> {
    let mut lowering = Lowering::<P>::new(program, tiling, source);
    for (number, region) in regions.iter().enumerate() {
        lowering.region_of.extend(region.members.iter().map(|&member| (member, number)));
    }
    lowering.regions = regions.into_iter().map(Rc::new).collect();
    // The answers of checks go before all outputs, which wait for them; and what every run takes before what few do, so that
    // no run misses what another has.
    let check = program.check().map(|check| check.output);
    let (often, seldom): (Vec<usize>, Vec<usize>) =
        (0..program.outputs().len()).partition(|&index| program.outputs()[index].every == 1);
    let others = often.into_iter().filter(|&index| Some(index) != check);
    check.into_iter().chain(others).try_for_each(|index| lowering.reveal(index))?;
    let updates = lowering.updates()?;
    seldom.into_iter().try_for_each(|index| lowering.reveal(index))?;
    lowering.take_effect(&updates);
    Ok(lowering.finish())
}

/// A program that is being lowered by the rules `P`.
pub(super) struct Lowering<'a, P: Rules> {
    pub(super) rules: P,
    pub(super) program: &'a Program,
    tiling: &'a Tiling,
    pub(super) source: Source,
    pub(super) lists: Vec<StepList>,
    pub(super) demand: Demand,
    /// By entry of the demand.
    pub(super) purposes: Vec<Purpose>,
    /// By message, from [`crate::correlation::FIRST_FREE_MESSAGE`] on: what it holds.
    pub(super) contents: Vec<Content>,
    /// The next stream that two parties draw in common.
    pub(super) streams: u64,
    /// The op and the tile that steps are emitted for.
    pub(super) purpose: Purpose,
    /// The runs for which steps are emitted that not the first alone takes.
    pub(super) class: Taken,
    /// The phase of the steps that need inputs.
    pub(super) phase: Phase,
    /// Where in its value each tile lies, by the number that its steps have.
    places: Vec<(usize, usize)>,
    /// By value: whether it is the same in every run.
    pub(super) resident: Vec<bool>,
    /// By value: whether every party knows it. Such a value is one component that all hold; another has none of these.
    pub(super) known: Vec<bool>,
    /// By value: see [`compared`].
    pub(super) compared: Vec<(ValueId, u64)>,
    /// The tiles that have been lowered.
    tiles: HashMap<Tile, Parts>,
    /// The answers of comparisons, as the protocol keeps them; also in `tiles` where an op has asked for elements.
    bits: HashMap<Tile, P::Bits>,
    /// The values that garbled circuits compute.
    regions: Vec<Rc<Region>>,
    /// By value: the region that computes it.
    region_of: HashMap<ValueId, usize>,
    /// The values that were put together from their tiles, and in which form.
    pub(super) whole: HashMap<(ValueId, Form), Parts>,
    /// By party, public value and first number: where they are on the party's device.
    pub(super) publics: HashMap<(PartyId, PublicId, usize), Block>,
}

impl<'a, P: Rules> Lowering<'a, P> {
    fn new(program: &'a Program, tiling: &'a Tiling, source: Source) -> Lowering<'a, P> {
        let parties = Parties::first(program.parties());
        Lowering {
            rules: P::new(program),
            program,
            tiling,
            source,
            lists: parties.iter().map(|party| StepList::new(party.into(), program.ring())).collect(),
            demand: Demand { lowered_for: source.lowered_for(), ..Demand::new(program.ring()) },
            purposes: Vec::new(),
            contents: Vec::new(),
            streams: FIRST_FREE_STREAM,
            purpose: Purpose { op: OpId(0), tile: 0, taken: Taken::Always },
            class: Taken::Always,
            phase: Phase::Online,
            // Tiles are counted from 1.
            places: vec![(0, 0)],
            resident: program.resident(),
            known: program.known(),
            compared: compared(program),
            tiles: HashMap::new(),
            bits: HashMap::new(),
            regions: Vec::new(),
            region_of: HashMap::new(),
            whole: HashMap::new(),
            publics: HashMap::new(),
        }
    }

    fn finish(mut self) -> Lowered {
        if let Some(party) = self.source.dealing_party() {
            let purpose = |entry: EntryId| self.purposes[entry.0 as usize];
            dealer::deal_into(&mut self.lists[party.index()], &self.demand, self.source, purpose);
        }
        let (cost, cost_again) = (self.cost(None), self.cost(Some(&self.program.typical_turn())));
        Lowered { parties: self.lists, demand: self.demand, cost, cost_again, tiles: self.places }
    }

    /// Lowers an output, and all that it is computed from.
    fn reveal(&mut self, index: usize) -> Result<(), DemandError> {
        let (output, check) = (&self.program.outputs()[index], self.program.check());
        for at in self.grid(output.value).growing() {
            let tile = Tile { value: output.value, at };
            self.class = if output.every == 1 { Taken::Always } else { Taken::Seldom };
            self.require(tile)?;
            self.parts(tile);
            if output.every > 1 {
                self.class = Taken::Output(index as u32);
            }
            self.purpose.taken = self.class;
            match check {
                Some(check) if check.output == index => self.answers(index, output, at),
                Some(_) => {
                    self.phase = Phase::Reveal;
                    self.output(index, output, at);
                    self.phase = Phase::Online;
                }
                None => self.output(index, output, at),
            }
        }
        Ok(())
    }

    /// Lowers a tile, after those that it is computed from.
    pub(super) fn require(&mut self, tile: Tile) -> Result<(), DemandError> {
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
                    let taken = self.taken(tile.value);
                    self.purpose = Purpose { op: OpId(tile.value.0), tile: self.purpose.tile + 1, taken };
                    self.places.push(tile.at);
                    self.lower(tile);
                    self.demand.check_length()?;
                }
            }
        }
        Ok(())
    }

    /// The runs that compute a value which is wanted now.
    pub(super) fn taken(&self, value: ValueId) -> Taken {
        if self.resident[value.index()] { Taken::First } else { self.class }
    }

    fn is_lowered(&self, tile: Tile) -> bool {
        self.tiles.contains_key(&tile) || self.bits.contains_key(&tile)
    }

    /// The region that computes a value.
    fn region(&self, value: ValueId) -> Option<Rc<Region>> {
        self.region_of.get(&value).map(|&number| self.regions[number].clone())
    }

    fn lower(&mut self, tile: Tile) {
        if let Some(region) = self.region(tile.value) {
            let results = self.convert(&region);
            self.tiles.extend(results);
            return;
        }
        let Op::Compare(a, test) = self.program.value(tile.value).op else {
            let parts = self.tile(tile);
            self.tiles.insert(tile, parts);
            return;
        };
        let (base, constant) = self.compared[a.index()];
        let operand = Tile { value: base, at: tile.at };
        let parts = self.parts(operand);
        if parts.owner().is_some() || self.known[base.index()] {
            let parts = if constant == 0 { parts } else { self.linear(operand, 1, constant) };
            let parts = self.test_alone(parts, test);
            self.tiles.insert(tile, parts);
        } else {
            let bits = P::test(self, Tile { value: a, at: tile.at }, test);
            self.bits.insert(tile, bits);
        }
    }

    /// The tiles that a tile is computed from.
    fn operands(&self, Tile { value, at: (row, col) }: Tile) -> Vec<Tile> {
        let tile = |value, at| Tile { value, at };
        if let Some(region) = self.region(value) {
            return region.inputs.iter().map(|&input| tile(input, (0, 0))).collect();
        }
        match self.program.value(value).op {
            Op::Input(_) | Op::Public(_) => Vec::new(),
            Op::State(index) => {
                self.computed_first(index).into_iter().map(|value| tile(value, (row, col))).collect()
            }
            Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) => {
                [a, b].map(|operand| self.over(operand, (row, col))).to_vec()
            }
            Op::Neg(a)
            | Op::AddConstant(a, _)
            | Op::Scale(a, _)
            | Op::ScaleByRun(a, _)
            | Op::Truncate(a, ..) => {
                vec![tile(a, (row, col))]
            }
            Op::Compare(a, _) => vec![tile(self.compared[a.index()].0, (row, col))],
            Op::Slice(..) | Op::Pad(..) => {
                self.pieces(Tile { value, at: (row, col) }).into_iter().map(|piece| piece.from).collect()
            }
            Op::Gather(a, _) | Op::RowsByRun(a, _) => self.grid(a).tiles().map(|at| tile(a, at)).collect(),
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
            Op::State(index) => self.state(index, at),
            Op::Add(a, b) => self.sum(shape, (1, self.over(a, at)), (1, self.over(b, at))),
            Op::Sub(a, b) => self.sum(shape, (1, self.over(a, at)), (MINUS_ONE, self.over(b, at))),
            Op::Neg(a) => self.linear(Tile { value: a, at }, MINUS_ONE, 0),
            Op::AddConstant(a, constant) => self.linear(Tile { value: a, at }, 1, constant),
            Op::Scale(a, factor) => self.linear(Tile { value: a, at }, factor, 0),
            Op::Public(public) => self.tensor(public, value, at),
            Op::Mul(a, b) => {
                if let Some((condition, value)) = chosen(self.program, a, b)
                    && !self.known[value.index()]
                    && let Some(&bits) = self.bits.get(&Tile { value: condition, at })
                {
                    return P::choose(self, bits, Tile { value, at });
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
            Op::Slice(..) | Op::Pad(..) => self.assemble(tile, shape),
            Op::Gather(a, gather) => self.gathered(value, (a, gather), self.grid(value).origin(at), shape),
            Op::ScaleByRun(a, by) => self.scaled_by_run(Tile { value: a, at }, by),
            Op::RowsByRun(a, rows) => self.taken_by_run((a, rows), self.grid(value).origin(at), shape),
            Op::Compare(..) => unreachable!("tests are lowered apart"),
        }
    }

    fn input(&mut self, index: usize, grid: Grid, at: (usize, usize)) -> Parts {
        let owner = self.program.inputs()[index].owner;
        let to = self.buffer(owner, grid.shape(at), MemoryClass::Shares);
        let input = InputId(index as u32);
        self.push(owner, Action::Input { to, input, at: grid.origin(at) });
        P::input(self, owner, to)
    }

    /// Σ X·Y over pairs of tiles.
    fn product(&mut self, product: Product, shape: Shape, terms: Vec<Pair>) -> Parts {
        let (left, right) = terms[0];
        if self.known[left.value.index()] || self.known[right.value.index()] {
            return self.product_with_known(product, shape, &terms);
        }
        let owner = self.parts(left).owner();
        match owner.filter(|_| self.parts(right).owner() == owner) {
            Some(owner) => self.product_alone(owner, product, shape, &terms),
            None => P::product(self, product, shape, &terms),
        }
    }

    fn truncate(&mut self, x: Tile, shape: Shape, bits: u32, method: Truncation) -> Parts {
        let operand = self.parts(x);
        if operand.owner().is_some() || self.known[x.value.index()] {
            return self.local(operand, shape, |out, operand| Kernel::Shift { out, operand, bits });
        }
        P::truncate(self, x, bits, method)
    }

    /// Reveals a tile: each recipient adds what it has to what it lacks. Where several others have that, each alone, they
    /// hide how it is split among them, neighbour by neighbour.
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
            for (index, pair) in senders.windows(2).enumerate() {
                let masks = self.common(pair[0], pair[1], grid.shape(at), MemoryClass::Correlations);
                for ((index, factor), mask) in [(index, 1), (index + 1, MINUS_ONE)].into_iter().zip(masks) {
                    let terms = vec![(1, missing[index]), (factor, mask)];
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

    /// Hands the parties a tile of the checks' answers, to each a part of the sum: they open it themselves (see
    /// [`crate::run::Answers`]). Who has no part is handed nothing. With a third party, each two that have parts hide from
    /// it how the sum is split between them.
    fn answers(&mut self, index: usize, output: &Output, at: (usize, usize)) {
        let (grid, class) = (self.grid(output.value), MemoryClass::Openings);
        let parts = self.parts(Tile { value: output.value, at });
        let mut own: Vec<(PartyId, Block)> = Vec::new();
        for party in output.to.iter() {
            // Of several holders of a component the first has it.
            let is_its = |&(holders, whose, _): &(Parties, PartyId, Block)| {
                whose == party && holders.lowest() == Some(party)
            };
            let terms = parts.iter().filter(is_its).map(|(.., copy)| (1, copy)).collect();
            own.extend(self.total_at(party, class, terms).map(|part| (party, part)));
        }
        let are_hidden = output.to.len() > 2;
        for second in (0..own.len()).filter(|_| are_hidden) {
            for first in 0..second {
                let pair = [own[first].0, own[second].0];
                let masks = self.common(pair[0], pair[1], grid.shape(at), MemoryClass::Correlations);
                for ((place, factor), mask) in [(first, 1), (second, MINUS_ONE)].into_iter().zip(masks) {
                    let (party, part) = own[place];
                    let terms = vec![(1, part), (factor, mask)];
                    own[place].1 = self.combine(party, grid.shape(at), class, terms, 0);
                }
            }
        }
        for (party, from) in own {
            self.push(party, Action::Output { from, output: index, at: grid.origin(at) });
        }
    }

    pub(super) fn grid(&self, value: ValueId) -> Grid {
        self.tiling.grid(self.program.value(value).shape)
    }

    /// A tile that has been lowered, as elements.
    pub(super) fn parts(&mut self, tile: Tile) -> Parts {
        if let Some(parts) = self.tiles.get(&tile) {
            return parts.clone();
        }
        let bits = self.bits[&tile];
        let parts = self.for_value(tile.value, |lowering| P::elements(lowering, bits));
        self.tiles.insert(tile, parts.clone());
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
