//! What the protocol's formulas say that a program costs online, worked out from shapes, owners and tiles alone.
//!
//! Nothing here looks at steps: that a plan's steps, and a run's messages, add up to the same is checked elsewhere.

use super::{PARTIES, chosen, masks, question};
use crate::program::tiling::Tiling;
use crate::program::{Op, Program, Truncation, ValueId, range};
use crate::protocol::{Cost, OpCost};
use crate::ring::Shape;
use crate::share::{Parties, PartyId};
use crate::step::bits::Question;
use std::collections::HashMap;

/// A value as far as its cost goes: who holds parts, and after how many rounds.
#[derive(Clone, Copy, Default)]
struct Held {
    holders: Parties,
    /// Rounds before the part is there, by party.
    depth: [u32; 2],
}

/// Elements sent by each party, and by what formula.
#[derive(Default)]
struct Sent {
    terms: Vec<String>,
    elements: [u64; 2],
}

impl Sent {
    /// Every holder sends `count` elements to every learner but itself; returns when each learner has the sum.
    fn open(&mut self, name: &str, formula: &str, count: usize, value: Held, learners: Parties) -> [u32; 2] {
        let mut depth = [0; 2];
        for learner in learners.iter() {
            let at = &mut depth[learner.index()];
            if value.holders.contains(learner) {
                *at = value.depth[learner.index()];
            }
            for sender in value.holders.without(learner).iter() {
                *at = (*at).max(value.depth[sender.index()] + 1);
                self.elements[sender.index()] += count as u64;
                self.terms.push(format!("{name} {formula} = {count} from {sender}"));
            }
        }
        depth
    }
}

impl Sent {
    /// The rounds of a comparison after c is open: every level's factors, then the bits. Returns how many.
    fn compare(&mut self, question: Question, bits: u32, words: u64) -> u32 {
        let mut level = Some(question.level(bits));
        let mut rounds = 0;
        while let Some(joined) = level {
            let planes = joined.next().map_or(1, |_| joined.factors());
            self.elements.iter_mut().for_each(|sent| *sent += u64::from(planes) * words);
            let name = if planes == 1 { "bits" } else { "factors" };
            self.terms.push(format!("{name} {planes}·⌈m·n/k⌉ = {} from each", u64::from(planes) * words));
            rounds += 1;
            level = joined.next();
        }
        rounds
    }
}

/// What the formulas are worked out from.
struct Facts<'a> {
    program: &'a Program,
    tiling: &'a Tiling,
    /// By value: whether an earlier run left it.
    kept: Vec<bool>,
    /// By value.
    magnitude_bits: Vec<u32>,
}

impl Facts<'_> {
    /// Words of a plane of every tile.
    fn words(&self, shape: Shape) -> u64 {
        let (grid, bits) = (self.tiling.grid(shape), self.program.ring().bits() as usize);
        grid.tiles().map(|at| grid.shape(at).len().div_ceil(bits) as u64).sum()
    }
}

/// The values that have been opened, by who learnt them and whose parts were masked, with when each learnt them.
type Opened = HashMap<(ValueId, Parties, Parties), [u32; 2]>;

/// The cost of the online phase of `program`'s first run, or of a run `again` in the same session. Then what is opened
/// of resident values is there, and so are these.
pub(super) fn cost(program: &Program, tiling: &Tiling, again: bool) -> Cost {
    let kept = program.resident().into_iter().map(|resident| resident && again).collect();
    let facts = Facts { program, tiling, kept, magnitude_bits: range::magnitude_bits(program) };
    let needed = program.needed();
    let mut opened = Opened::new();
    let mut values: Vec<Held> = Vec::with_capacity(needed.len());
    let mut cost = Cost { ops: Vec::new(), rounds: 0 };
    for (index, needed) in needed.into_iter().enumerate() {
        let id = ValueId(index as u32);
        let mut sent = Sent::default();
        let mut held =
            if needed { op_cost(&facts, id, &values, &mut sent, &mut opened) } else { Held::default() };
        if facts.kept[index] {
            (held.depth, sent) = ([0; 2], Sent::default());
        }
        cost.rounds = cost.rounds.max(held.depth[0]).max(held.depth[1]);
        record(&mut cost, program, id, "", sent);
        values.push(held);
    }
    for output in program.outputs() {
        let mut sent = Sent::default();
        let count = program.value(output.value).shape.len();
        let depth = sent.open("share", "m·n", count, values[output.value.index()], output.to);
        cost.rounds = cost.rounds.max(depth[0]).max(depth[1]);
        record(&mut cost, program, output.value, &format!("output {}: ", output.name), sent);
    }
    cost
}

fn record(cost: &mut Cost, program: &Program, value: ValueId, prefix: &str, sent: Sent) {
    if sent.elements == [0; 2] {
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
        sent_elements: sent.elements.to_vec(),
    });
}

fn op_cost(facts: &Facts<'_>, id: ValueId, values: &[Held], sent: &mut Sent, opened: &mut Opened) -> Held {
    let (program, both) = (facts.program, Parties::first(2));
    let value = program.value(id);
    let of = |operand: ValueId| values[operand.index()];
    match value.op {
        Op::Input(index) => {
            Held { holders: Parties::from_iter([program.inputs()[index].owner]), depth: [0; 2] }
        }
        Op::Neg(a) | Op::AddConstant(a, _) | Op::Scale(a, _) | Op::Transpose(a) | Op::Sum(a, _) => of(a),
        Op::Slice(a, ..) | Op::Place(a, _) | Op::Gather(a, _) => of(a),
        Op::Test(a, test) if of(a).holders == both => {
            let x = Factor::new(facts, values, a, "c", "m·n");
            let depth = x.open(sent, opened, both, both);
            let (question, bits) = question(test, facts.magnitude_bits[a.index()]);
            let rounds = sent.compare(question, bits, facts.words(value.shape));
            Held { holders: both, depth: together(depth, rounds) }
        }
        Op::Test(a, _) => of(a),
        Op::Add(a, b) | Op::Sub(a, b) => {
            let (a, b) = (of(a), of(b));
            let depth = [a.depth[0].max(b.depth[0]), a.depth[1].max(b.depth[1])];
            Held { holders: a.holders.union(b.holders), depth }
        }
        Op::Mul(a, b) if chooses(program, values, a, b).is_some() => {
            let (condition, z) = chooses(program, values, a, b).expect("a choice");
            let z = Factor::new(facts, values, z, "c", "m·n");
            let open = z.open(sent, opened, both, z.held.holders);
            let depth = PARTIES.map(|party| {
                let index = party.index();
                open[index].max(z.held.depth[index]).max(of(condition).depth[index])
            });
            Held { holders: both, depth }
        }
        Op::Mul(a, b) => {
            let factor = |id, name| Factor::new(facts, values, id, name, "elements");
            product(sent, opened, &factor(a, "E"), &factor(b, "F"))
        }
        Op::MatMul(a, b) => {
            let factor = |id, name, formula| Factor::new(facts, values, id, name, formula);
            product(sent, opened, &factor(a, "E", "m·k"), &factor(b, "F", "k·n"))
        }
        Op::Truncate(a, bits, method) if of(a).holders == both => {
            let depth = sent.open("c", "m·n", value.shape.len(), of(a), both);
            let rounds = match method {
                Truncation::Stochastic => 0,
                Truncation::Exact => sent.compare(Question::Borrow, bits, facts.words(value.shape)),
            };
            Held { holders: both, depth: together(depth, rounds) }
        }
        Op::Truncate(a, ..) => of(a),
    }
}

/// After so many rounds in which both parties send.
fn together(depth: [u32; 2], rounds: u32) -> [u32; 2] {
    (0..rounds).fold(depth, |[first, second], _| [first.max(second + 1), second.max(first + 1)])
}

/// What [`chosen`] says, where both parties answered the comparison.
fn chooses(program: &Program, values: &[Held], a: ValueId, b: ValueId) -> Option<(ValueId, ValueId)> {
    chosen(program, a, b).filter(|(condition, _)| {
        let Op::Test(tested, _) = program.value(*condition).op else { return false };
        values[tested.index()].holders == Parties::first(2)
    })
}

/// A factor of a product.
struct Factor {
    id: ValueId,
    held: Held,
    name: &'static str,
    formula: &'static str,
    count: usize,
    /// Whether an earlier run opened it.
    kept: bool,
}

impl Factor {
    fn new(
        facts: &Facts<'_>,
        values: &[Held],
        id: ValueId,
        name: &'static str,
        formula: &'static str,
    ) -> Factor {
        let (held, count) = (values[id.index()], facts.program.value(id).shape.len());
        Factor { id, held, name, formula, count, kept: facts.kept[id.index()] }
    }

    /// Opens the factor, unless it is open already.
    fn open(&self, sent: &mut Sent, opened: &mut Opened, learners: Parties, masked: Parties) -> [u32; 2] {
        if self.kept {
            return [0; 2];
        }
        let open = || sent.open(self.name, self.formula, self.count, self.held, learners);
        *opened.entry((self.id, learners, masked)).or_insert_with(open)
    }
}

fn product(sent: &mut Sent, opened: &mut Opened, x: &Factor, y: &Factor) -> Held {
    let masks = masks(x.held.holders, y.held.holders);
    let e = x.open(sent, opened, y.held.holders, masks.left);
    let f = y.open(sent, opened, masks.left, masks.right);
    if masks.left.is_empty() {
        return Held { holders: y.held.holders, depth: e };
    }
    let depth = |party: PartyId| {
        let index = party.index();
        let e = if y.held.holders.contains(party) { e[index].max(y.held.depth[index]) } else { 0 };
        let f = if masks.left.contains(party) { f[index] } else { 0 };
        e.max(f)
    };
    Held { holders: Parties::first(2), depth: PARTIES.map(depth) }
}
