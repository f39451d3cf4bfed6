//! What the protocols' formulas say that a program costs online, worked out from shapes, owners and tiles alone.
//!
//! Nothing here looks at steps: that a plan's steps, and a run's messages, add up to the same is checked elsewhere.

use super::halves::{Halves, PAIR, half_of};
use super::lowering::{senders, sends};
use super::{Cost, OpCost, Protocol, beaver, chosen, compared, question, replicated, replicates_first};
use crate::program::tiling::Tiling;
use crate::program::{Op, Program, Truncation, ValueId, range};
use crate::ring::Shape;
use crate::share::{Parties, PartyId, Sharing};
use crate::step::bits::Question;
use std::collections::HashMap;

/// A value as far as its cost goes: how many rounds lie before each copy of its components.
pub(super) type Held = Sharing<u32>;

/// Elements sent by each party, and by what formula.
pub(super) struct Sent {
    terms: Vec<String>,
    elements: Vec<u64>,
}

impl Sent {
    fn new(parties: usize) -> Sent {
        Sent { terms: Vec::new(), elements: vec![0; parties] }
    }

    /// A party sends `count` elements.
    pub(super) fn send(&mut self, name: &str, formula: &str, count: usize, sender: PartyId) {
        self.elements[sender.index()] += count as u64;
        self.terms.push(format!("{name} {formula} = {count} from {sender}"));
    }

    /// Halves are opened: every holder sends to every learner but itself. Returns when each has the sum.
    fn open(&mut self, factor: Factor, value: Halves<u32>, learners: Parties) -> [u32; 2] {
        let mut depths = [0; 2];
        for learner in learners.iter() {
            let depth = &mut depths[learner.index()];
            let told = value.told.map_or(0, |told| told[learner.index()]);
            *depth = value.of(learner).copied().unwrap_or(0).max(told);
            let other = PAIR[1 - learner.index()];
            if let Some(sent) = value.of(other) {
                *depth = (*depth).max(sent + 1);
                self.send(factor.name, factor.formula, factor.count, other);
            }
        }
        depths
    }

    /// The rounds of a comparison after c is open: every level's factors, then the bits. Returns how many.
    fn compare(&mut self, question: Question, bits: u32, words: u64) -> u32 {
        let mut level = Some(question.level(bits));
        let mut rounds = 0;
        while let Some(joined) = level {
            let planes = joined.next().map_or(1, |_| joined.factors());
            let sent = u64::from(planes) * words;
            PAIR.into_iter().for_each(|party| self.elements[party.index()] += sent);
            let name = if planes == 1 { "bits" } else { "factors" };
            let who = if self.elements.len() == 2 { "each" } else { "parties 0 and 1 each" };
            self.terms.push(format!("{name} {planes}·⌈m·n/k⌉ = {sent} from {who}"));
            rounds += 1;
            level = joined.next();
        }
        rounds
    }
}

/// An operand, and what it is called where it is sent.
#[derive(Clone, Copy)]
pub(super) struct Factor {
    pub(super) id: ValueId,
    name: &'static str,
    formula: &'static str,
    count: usize,
}

/// What the formulas are worked out from, and what they have found so far.
pub(super) struct Costs<'a> {
    protocol: Protocol,
    program: &'a Program,
    tiling: &'a Tiling,
    /// By value: whether an earlier run left it, and all that was sent of it.
    kept: Vec<bool>,
    /// By value.
    magnitude_bits: Vec<u32>,
    /// By value: see [`compared`].
    compared: Vec<(ValueId, u64)>,
    /// By value: those that come before.
    values: Vec<Held>,
    halves: HashMap<ValueId, Halves<u32>>,
    replicas: HashMap<ValueId, Held>,
    /// By who learnt a value and whose parts were masked, when each learnt it.
    opened: HashMap<(ValueId, Parties, Parties), [u32; 2]>,
}

/// The cost of the online phase of `program`'s first run, or of a run `again` in the same session. Then resident values
/// are there, and all that was sent of them.
pub(super) fn cost(protocol: Protocol, program: &Program, tiling: &Tiling, again: bool) -> Cost {
    let mut costs = Costs {
        protocol,
        program,
        tiling,
        kept: program.resident().into_iter().map(|resident| resident && again).collect(),
        magnitude_bits: range::magnitude_bits(program),
        compared: compared(program),
        values: Vec::with_capacity(program.values().len()),
        halves: HashMap::new(),
        replicas: HashMap::new(),
        opened: HashMap::new(),
    };
    let mut cost = Cost { ops: Vec::new(), rounds: 0 };
    let deepest = |held: &Held| held.iter().map(|(.., depth)| depth).max().unwrap_or(0);
    for (index, needed) in program.needed().into_iter().enumerate() {
        let id = ValueId(index as u32);
        let mut sent = Sent::new(protocol.parties());
        let mut held = if needed { costs.op(id, &mut sent) } else { Held::ZERO };
        if costs.kept[index] {
            (held, sent) = (held.map(|_, _, _| 0), Sent::new(protocol.parties()));
        }
        cost.rounds = cost.rounds.max(deepest(&held));
        record(&mut cost, program, id, "", sent);
        costs.values.push(held);
    }
    for output in program.outputs() {
        let mut sent = Sent::new(protocol.parties());
        let count = program.value(output.value).shape.len();
        let depth = reveal(&mut sent, costs.held(output.value), output.to, count);
        cost.rounds = cost.rounds.max(depth);
        record(&mut cost, program, output.value, &format!("output {}: ", output.name), sent);
    }
    cost.rounds = cost.rounds.max(costs.deepest_message());
    cost
}

/// An output's cost, and the round in which the last recipient has it.
fn reveal(sent: &mut Sent, value: Held, recipients: Parties, count: usize) -> u32 {
    let mut deepest = 0;
    for recipient in recipients.iter() {
        let senders = senders(&value, recipient);
        senders.iter().for_each(|&sender| sent.send("share", "m·n", count, sender));
        for (holders, party, depth) in value.iter() {
            if party == recipient {
                deepest = deepest.max(depth);
            } else if sends(&senders, holders, recipient) == Some(party) {
                deepest = deepest.max(depth + 1);
            }
        }
    }
    deepest
}

fn record(cost: &mut Cost, program: &Program, value: ValueId, prefix: &str, sent: Sent) {
    if sent.elements.iter().all(|&elements| elements == 0) {
        return;
    }
    let value_of = program.value(value);
    let what = match value_of.op {
        Op::Truncate(..) if prefix.is_empty() => "truncation of ",
        _ => prefix,
    };
    cost.ops.push(OpCost {
        value,
        label: format!("{what}{}", value_of.label),
        formula: sent.terms.join(", "),
        sent_elements: sent.elements,
    });
}

impl Costs<'_> {
    pub(super) fn held(&self, id: ValueId) -> Held {
        self.values[id.index()]
    }

    fn op(&mut self, id: ValueId, sent: &mut Sent) -> Held {
        let value = self.program.value(id);
        match value.op {
            Op::Input(index) => Sharing::alone(self.program.inputs()[index].owner, 0),
            Op::Gather(a, _)
                if replicates_first(self.protocol, self.program, a, id) && self.held(a).owner().is_none() =>
            {
                let operand = self.factor(a, "", "m·n");
                self.replicated(sent, operand)
            }
            Op::Neg(a) | Op::AddConstant(a, _) | Op::Scale(a, _) | Op::Transpose(a) | Op::Sum(a, _) => {
                self.held(a)
            }
            Op::Slice(a, ..) | Op::Place(a, _) | Op::Gather(a, _) => self.held(a),
            Op::Test(a, test) if self.held(a).owner().is_none() => {
                let both = Parties::first(2);
                let x = self.factor(self.compared[a.index()].0, "c", "m·n");
                let depth = self.open(sent, x, both, both);
                let (question, bits) = question(test, self.magnitude_bits[a.index()]);
                let rounds = sent.compare(question, bits, self.words(value.shape));
                Costs::from_halves(together(depth, rounds))
            }
            Op::Test(a, _) => self.held(a),
            Op::Add(a, b) | Op::Sub(a, b) => {
                let (a, b) = (self.held(a), self.held(b));
                Sharing::new(|holders, party| a.copy(holders, party).max(b.copy(holders, party)))
            }
            Op::Mul(a, b) if self.chooses(a, b).is_some() => {
                let (condition, z) = self.chooses(a, b).expect("a choice");
                self.choice(sent, condition, z)
            }
            Op::Mul(a, b) => {
                let (x, y) = (self.factor(a, "E", "elements"), self.factor(b, "F", "elements"));
                self.product(sent, x, y)
            }
            Op::MatMul(a, b) => {
                let (x, y) = (self.factor(a, "E", "m·k"), self.factor(b, "F", "k·n"));
                self.product(sent, x, y)
            }
            Op::Truncate(a, bits, method) if self.held(a).owner().is_none() => {
                let halves = self.halves(sent, a);
                let depth = sent.open(self.factor(a, "c", "m·n"), halves, Parties::first(2));
                let rounds = match method {
                    Truncation::Stochastic => 0,
                    Truncation::Exact => sent.compare(Question::Borrow, bits, self.words(value.shape)),
                };
                Costs::from_halves(together(depth, rounds))
            }
            Op::Truncate(a, ..) => self.held(a),
        }
    }

    fn product(&mut self, sent: &mut Sent, x: Factor, y: Factor) -> Held {
        match self.protocol {
            Protocol::Beaver => beaver::product_cost(self, sent, x, y),
            Protocol::Replicated => replicated::product_cost(self, sent, x, y),
        }
    }

    /// A comparison's result times a value.
    fn choice(&mut self, sent: &mut Sent, condition: ValueId, z: ValueId) -> Held {
        let halves = self.halves(sent, z);
        let open = self.open(sent, self.factor(z, "c", "m·n"), Parties::first(2), halves.holders());
        let condition = self.held(condition);
        Costs::from_halves(PAIR.map(|party| {
            let index = party.index();
            let told = halves.told.map_or(0, |told| told[index]);
            let part = halves.of(party).copied().unwrap_or(0);
            open[index].max(part).max(told).max(condition.own(party).unwrap_or(0))
        }))
    }

    fn factor(&self, id: ValueId, name: &'static str, formula: &'static str) -> Factor {
        Factor { id, name, formula, count: self.program.value(id).shape.len() }
    }

    /// A value as halves; a third party's part is told to both.
    pub(super) fn halves(&mut self, sent: &mut Sent, id: ValueId) -> Halves<u32> {
        if let Some(&halves) = self.halves.get(&id) {
            return halves;
        }
        let held = self.held(id);
        let part = |party: PartyId| {
            let its =
                held.iter().filter(|&(holders, whose, _)| whose == party && half_of(holders) == Some(party));
            its.map(|(.., depth)| depth).max()
        };
        let mut halves = Halves { parts: PAIR.map(part), told: None };
        let third = PartyId(2);
        if let Some(depth) = held.own(third) {
            let count = self.program.value(id).shape.len();
            halves.told = Some([0; 2]);
            if !self.kept[id.index()] {
                sent.send("rest", "2·m·n", 2 * count, third);
                halves.told = Some([depth + 1; 2]);
            }
            halves.parts = halves.parts.map(|part| Some(part.unwrap_or(0)));
        }
        self.halves.insert(id, halves);
        halves
    }

    /// A value as a replicated one.
    pub(super) fn replicated(&mut self, sent: &mut Sent, factor: Factor) -> Held {
        if let Some(&replica) = self.replicas.get(&factor.id) {
            return replica;
        }
        let mut sent_before = Sent::new(self.protocol.parties());
        let is_kept = self.kept[factor.id.index()];
        let sent = if is_kept { &mut sent_before } else { sent };
        let replica = replicated::replicate(sent, self.held(factor.id), factor.formula, factor.count);
        let replica = if is_kept { replica.map(|_, _, _| 0) } else { replica };
        self.replicas.insert(factor.id, replica);
        replica
    }

    /// Opens a value, unless it is open already.
    pub(super) fn open(
        &mut self,
        sent: &mut Sent,
        factor: Factor,
        learners: Parties,
        masked: Parties,
    ) -> [u32; 2] {
        let halves = self.halves(sent, factor.id);
        if self.kept[factor.id.index()] {
            return [0; 2];
        }
        let open = || sent.open(factor, halves, learners);
        *self.opened.entry((factor.id, learners, masked)).or_insert_with(open)
    }

    /// A value of which parties 0 and 1 have a part each.
    pub(super) fn from_halves(depths: [u32; 2]) -> Held {
        Sharing::new(|holders, party| {
            let is_half = holders == party.alone() && PAIR.contains(&party);
            is_half.then(|| depths[party.index()])
        })
    }

    /// What [`chosen`] says, where two parties answered the comparison.
    fn chooses(&self, a: ValueId, b: ValueId) -> Option<(ValueId, ValueId)> {
        chosen(self.program, a, b).filter(|(condition, _)| {
            let Op::Test(tested, _) = self.program.value(*condition).op else { return false };
            self.held(tested).owner().is_none()
        })
    }

    /// Words of a plane of every tile.
    fn words(&self, shape: Shape) -> u64 {
        let (grid, bits) = (self.tiling.grid(shape), self.program.ring().bits() as usize);
        grid.tiles().map(|at| grid.shape(at).len().div_ceil(bits) as u64).sum()
    }

    /// The round of the last message that makes a value halves or replicated ones.
    fn deepest_message(&self) -> u32 {
        let replicas = self.replicas.values().flat_map(|held| held.iter().map(|(.., depth)| depth));
        let told = self.halves.values().filter_map(|halves| halves.told).flatten();
        replicas.chain(told).max().unwrap_or(0)
    }
}

/// After so many rounds in which both parties send.
fn together(depth: [u32; 2], rounds: u32) -> [u32; 2] {
    (0..rounds).fold(depth, |[first, second], _| [first.max(second + 1), second.max(first + 1)])
}
