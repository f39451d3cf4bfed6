//! No message of any program says anything, in its first run or in later ones: each is masked by a stream of its own that
//! its receiver does not have, or is on its way to an output.

use super::protocol_of;
use super::recipe::recipe;
use crate::correlation::{CORRECTIONS, Correlation, Demand, Source};
use crate::plan::fuse;
use crate::program::Program;
use crate::program::tiling::{TileSide, Tiling};
use crate::share::{PartyId, Role, Turn};
use crate::step::{Access, Action, BufferId, Kernel, KeyId, MessageId, StepList};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A stream of the generator.
type Stream = (KeyId, u64);

/// The streams that are terms of every element of a buffer, each with its factor. What depends on streams in any other
/// way is left out.
type Terms = BTreeMap<Stream, u64>;

/// What is sent, and the terms in it.
struct Sent {
    from: PartyId,
    to: PartyId,
    message: MessageId,
    terms: Terms,
}

/// The parties' steps, and what is dealt for them.
struct Lists {
    parties: Vec<StepList>,
    demand: Demand,
}

/// What a list sends to parties.
fn messages(list: &StepList, demand: &Demand) -> Vec<Sent> {
    let Role::Party(from) = list.role else { unreachable!("lists of parties") };
    let mut buffers: HashMap<BufferId, Terms> = HashMap::new();
    let mut sent = Vec::new();
    for step in list.steps.iter() {
        if let Action::Send { from: matrix, peer: Role::Party(to), message } = step.action {
            // What an earlier run left has no mask that this one draws.
            let terms = buffers.get(&matrix.buffer).cloned().unwrap_or_default();
            sent.push(Sent { from, to, message, terms });
        }
        if let Some((to, stream)) = delivered(list.role, &step.action, demand) {
            buffers.insert(to, Terms::from([(stream, 1)]));
            continue;
        }
        let terms = written(&step.action, &buffers);
        // What is updated keeps its terms; a truncation pair's change their sign, which is as good.
        let is_opened = matches!(step.action, Action::Kernel(Kernel::Unpack { .. }));
        step.action.visit(|matrix, access| {
            if access == Access::Write || access == Access::Update && is_opened {
                buffers.insert(matrix.buffer, terms.clone());
            }
        });
    }
    sent
}

/// Masks that a party is sent in place of a key, as a stream: of entries that are delivered the first message has them.
fn delivered(role: Role, action: &Action, demand: &Demand) -> Option<(BufferId, Stream)> {
    let Action::Receive { to, peer: Role::Dealer, message } = *action else { return None };
    let is_delivered = match demand.entries.get((message.0 / CORRECTIONS) as usize) {
        Some(Correlation::Ole(_)) => true,
        Some(Correlation::Monomials(spec)) => spec.is_delivered(),
        _ => false,
    };
    let stream = (KeyId::between(role, Role::Dealer), u64::MAX - u64::from(message.0));
    (is_delivered && message.0.is_multiple_of(CORRECTIONS)).then_some((to.buffer, stream))
}

/// The terms of what an action overwrites.
fn written(action: &Action, buffers: &HashMap<BufferId, Terms>) -> Terms {
    let Action::Kernel(kernel) = action else { return Terms::new() };
    let (out, operands) = match kernel {
        // The low bits of an odd multiple of a uniform element are uniform.
        Kernel::Pack { operand, .. } => return buffers.get(&operand.buffer).cloned().unwrap_or_default(),
        // Products are no terms, and hide nothing.
        Kernel::Fill { key, stream, .. } | Kernel::HadamardMask { key, stream, .. } => {
            return Terms::from([((*key, *stream), 1)]);
        }
        Kernel::Mask { out, factor, operand, .. } => (out, vec![(*factor, *operand)]),
        Kernel::Linear { out, terms, .. } => (out, terms.clone()),
        Kernel::Xor { out, left, right, .. } => (out, vec![(1, *left), (1, *right)]),
        _ => return Terms::new(),
    };
    let mut sum = Terms::new();
    if let Kernel::Mask { key, stream, mask_factor, .. } = kernel {
        sum.insert((*key, *stream), *mask_factor);
    }
    for (factor, operand) in operands {
        // A mask covers every element; of a plane's words as many as there are.
        if operand.shape == out.shape {
            for (stream, of_operand) in buffers.get(&operand.buffer).into_iter().flatten() {
                let of_sum = sum.entry(*stream).or_default();
                *of_sum = of_sum.wrapping_add(factor.wrapping_mul(*of_operand));
            }
        }
    }
    sum
}

/// Whether all that the receiver does with a message is to hand it out, added to its own part.
fn only_reaches_an_output(receiver: &StepList, from: PartyId, message: MessageId) -> bool {
    let received = receiver.steps.iter().find_map(|step| match &step.action {
        Action::Receive { to, peer, message: number } if *number == message && *peer == from.into() => {
            Some(to.buffer)
        }
        _ => None,
    });
    let mut reached = HashSet::from([received.expect("a message that is received")]);
    receiver.steps.iter().all(|step| {
        let mut reads = false;
        step.action
            .visit(|matrix, access| reads |= access != Access::Write && reached.contains(&matrix.buffer));
        match &step.action {
            Action::Kernel(Kernel::Linear { out, .. }) if reads => {
                reached.insert(out.buffer);
                true
            }
            Action::Output { .. } => true,
            _ => !reads,
        }
    })
}

/// Whether a stream, multiplied so, hides what it is added to from a party.
fn hides(stream: &Stream, factor: u64, from: PartyId) -> bool {
    factor % 2 == 1 && !stream.0.is_held_by(from.into())
}

/// Takes away messages that a stream hides which no other has in it, until none is left: then all of them together are
/// uniform. Returns those that stay.
fn unmasked(mut messages: Vec<Sent>) -> Vec<Sent> {
    loop {
        let mut uses: HashMap<Stream, usize> = HashMap::new();
        for stream in messages.iter().flat_map(|sent| sent.terms.keys()) {
            *uses.entry(*stream).or_default() += 1;
        }
        let before = messages.len();
        messages.retain(|sent| {
            let hidden =
                |(stream, &factor): (&Stream, &u64)| uses[stream] == 1 && hides(stream, factor, sent.to);
            !sent.terms.iter().any(hidden)
        });
        if messages.len() == before {
            return messages;
        }
    }
}

/// The parties' steps as they are planned.
fn lists(program: &Program, side: TileSide) -> Lists {
    lists_with(program, side, protocol_of(program).default_source())
}

fn lists_with(program: &Program, side: TileSide, source: Source) -> Lists {
    let lowered = protocol_of(program).lower(program, &Tiling::new(program, side), source);
    let lowered = lowered.expect("few tiles");
    Lists { parties: lowered.parties.iter().map(fuse).collect(), demand: lowered.demand }
}

pub(super) fn check(program: &Program, side: TileSide) {
    check_runs(&lists(program, side));
}

fn check_runs(Lists { parties, demand }: &Lists) {
    check_lists(parties, demand);
    // Later runs have keys of their own: there as well each message has a mask that this very run draws.
    let later = Turn { first: false, seldom: true, hidden: BTreeSet::new() };
    let again: Vec<StepList> = parties.iter().map(|list| list.of_turn(&later)).collect();
    check_lists(&again, demand);
}

fn check_lists(lists: &[StepList], demand: &Demand) {
    for receiver in lists {
        let all = lists.iter().flat_map(|list| messages(list, demand));
        let to_it = all.filter(|sent| Role::from(sent.to) == receiver.role);
        let (outputs, others): (Vec<Sent>, Vec<Sent>) =
            to_it.partition(|sent| only_reaches_an_output(receiver, sent.from, sent.message));
        drop(outputs);
        if let Some(Sent { from, to, message, .. }) = unmasked(others).first() {
            panic!("{message:?} from {from} to {to} is not masked");
        }
    }
}

/// Of an output no more is sent than it says: from one party, or from two under masks that cancel.
pub(super) fn check_outputs(program: &Program, side: TileSide) {
    let Lists { parties: lists, demand } = lists(program, side);
    for receiver in &lists {
        for step in receiver.steps.iter() {
            let Action::Output { from, output, .. } = step.action else { continue };
            // Of the answers of checks a party is handed its own part.
            if program.check().is_some_and(|check| check.output == output) {
                continue;
            }
            let Some(senders) = summands(receiver, from.buffer) else { continue };
            if let [(first, one), (second, other)] = senders[..] {
                let terms = [(first, one), (second, other)].map(|(sender, message)| {
                    let list = &lists[sender.index()];
                    messages(list, &demand)
                        .into_iter()
                        .find(|sent| sent.message == message)
                        .expect("it is sent")
                        .terms
                });
                let key = KeyId::between(first, second);
                let cancels = terms[0].iter().any(|(stream, factor)| {
                    let negated = terms[1].get(stream).map(|other| other.wrapping_neg());
                    stream.0 == key && negated == Some(*factor)
                });
                assert!(cancels, "{first} and {second} tell {} their parts", receiver.role);
            }
        }
    }
}

/// The messages that an output is a sum of, with what the recipient has.
fn summands(list: &StepList, output: BufferId) -> Option<Vec<(PartyId, MessageId)>> {
    let mut wanted = vec![output];
    let mut messages = Vec::new();
    for step in list.steps.iter().rev() {
        match &step.action {
            Action::Receive { to, peer: Role::Party(peer), message } if wanted.contains(&to.buffer) => {
                messages.push((*peer, *message));
            }
            Action::Kernel(Kernel::Linear { out, terms, .. }) if wanted.contains(&out.buffer) => {
                // The chain of sums ends with the recipient's own part.
                let of_class = |buffer: BufferId| list.buffers[buffer.0 as usize].class;
                let operands = terms.iter().map(|(_, operand)| operand.buffer);
                wanted.extend(operands.filter(|&operand| of_class(operand) == of_class(output)));
            }
            _ => {}
        }
    }
    (messages.len() > 1).then_some(messages)
}

/// The parts of the checks' answers that parties are handed have, with a third party, masks that cancel: each says nothing
/// beside the sum.
fn check_parts(program: &Program, side: TileSide) {
    let Some(check) = program.check() else { return };
    let lists = lists(program, side).parties;
    let mut handed: BTreeMap<(usize, usize), Vec<(PartyId, Terms)>> = BTreeMap::new();
    for list in &lists {
        let Role::Party(party) = list.role else { continue };
        for (at, terms) in parts(list, check.output) {
            handed.entry(at).or_default().push((party, terms));
        }
    }
    assert!(!handed.is_empty(), "somebody has a part");
    for parts in handed.values().filter(|parts| lists.len() > 2 && parts.len() > 1) {
        for (index, (party, terms)) in parts.iter().enumerate() {
            for (other, theirs) in &parts[..index] {
                let key = KeyId::between(*party, *other);
                let cancels = terms.iter().any(|(stream, factor)| {
                    stream.0 == key && theirs.get(stream).map(|other| other.wrapping_neg()) == Some(*factor)
                });
                assert!(cancels, "{other} and {party} hand out their parts as they are");
            }
        }
    }
}

/// The blocks of an output that a list hands out, by their places, with the terms in them.
fn parts(list: &StepList, output: usize) -> Vec<((usize, usize), Terms)> {
    let mut buffers: HashMap<BufferId, Terms> = HashMap::new();
    let mut handed = Vec::new();
    for step in &list.steps {
        if let Action::Output { from, output: number, at } = step.action
            && number == output
        {
            handed.push((at, buffers.get(&from.buffer).cloned().unwrap_or_default()));
        }
        let terms = written(&step.action, &buffers);
        step.action.visit(|matrix, access| {
            if access == Access::Write {
                buffers.insert(matrix.buffer, terms.clone());
            }
        });
    }
    handed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn every_message_is_masked_by_a_mask_of_its_own(recipe in recipe()) {
        check(&recipe.program(), recipe.plan.side);
        check_outputs(&recipe.program(), recipe.plan.side);
    }

    /// Two parties that make their correlations have other steps.
    #[test]
    fn every_message_between_a_pair_is_masked_by_a_mask_of_its_own(
        recipe in recipe().prop_filter("of two parties", |recipe| recipe.protocol.check_source(Source::Pair).is_ok())
    ) {
        check_runs(&lists_with(&recipe.program(), recipe.plan.side, Source::Pair));
    }

    #[test]
    fn every_message_of_a_program_with_checks_is_masked_by_a_mask_of_its_own(recipe in recipe()) {
        let program = recipe.program().checked().expect("a program with checks");
        check(&program, recipe.plan.side);
        check_outputs(&program, recipe.plan.side);
        check_parts(&program, recipe.plan.side);
    }
}
