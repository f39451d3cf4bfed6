//! How a role deviates at one message: the rules, what each leads to, and what they do on the wire.

use super::deployment::{Deployment, Way};
use crate::net::{Data, Frame, Topic};
use crate::testing::Verdict;
use crate::testing::WireRule;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Which frame of a way it is; every counted one is sent once in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Control(u32),
    Data(u32),
    Ready,
    Finish,
    /// Greetings, heartbeats and last words.
    Uncounted,
}

pub(super) fn identity(frame: &Frame) -> Identity {
    match frame {
        Frame::Control { topic, .. } => Identity::Control(*topic),
        Frame::Data(data) => Identity::Data(data.message),
        Frame::Ready => Identity::Ready,
        Frame::Finish => Identity::Finish,
        Frame::Bundle(_) => unreachable!("a rule decides on each message of a bundle"),
        Frame::Hello(_) | Frame::Heartbeat { .. } | Frame::Abort(_) => Identity::Uncounted,
    }
}

/// The one rule that a role does not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deviation {
    Shorter,
    Longer,
    Value,
    Order,
    Early,
    Extra,
    Twice,
    Missing,
    AnotherRun,
    AnotherLink,
}

/// What a deviation may lead to at the honest roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// Who is sent it ends with an error that names the sender.
    Refused,
    /// It ends with what comes next in its place, or once the deadline of one has passed, which says for whom it waits.
    Late,
    /// All go on; the result may be wrong.
    Spoiled,
    /// Either of the two.
    RefusedOrSpoiled,
    /// All go on and are right, or it is refused.
    RightOrRefused,
}

impl Leads {
    pub(super) fn words(self) -> &'static str {
        match self {
            Leads::Refused => "ends, sender named",
            Leads::Late => "ends, sender named, or at a deadline, saying who waits for whom",
            Leads::Spoiled => "goes on; the result may be wrong",
            Leads::RefusedOrSpoiled => "ends, sender named, or the result may be wrong",
            Leads::RightOrRefused => "goes on, or ends, sender named",
        }
    }
}

/// The rows of the guide's table, and what each leads to for control messages, and for messages of a run.
pub(super) const RULES: [(&str, Deviation, [Leads; 2]); 10] = {
    use Deviation::*;
    use Leads::*;
    [
        ("shorter", Shorter, [Refused, Refused]),
        ("longer", Longer, [Refused, Refused]),
        ("with another value", Value, [RefusedOrSpoiled, Spoiled]),
        ("in place of the next one, and that one in its place", Order, [Refused, RightOrRefused]),
        ("long before its turn", Early, [Refused, RightOrRefused]),
        ("and one that nobody awaits", Extra, [Refused, Refused]),
        ("twice", Twice, [Refused, Refused]),
        ("not at all", Missing, [Late, Late]),
        ("of another run", AnotherRun, [RefusedOrSpoiled, Refused]),
        ("of another link", AnotherLink, [RefusedOrSpoiled, RefusedOrSpoiled]),
    ]
};

impl Deviation {
    /// What it leads to at this frame.
    pub(super) fn leads(self, frame: &Frame) -> Leads {
        let (.., [control, data]) = RULES[self as usize];
        match frame {
            Frame::Control { .. } => control,
            Frame::Data(_) => data,
            _ => Leads::RightOrRefused,
        }
    }

    /// What becomes of the frames of a way where the role deviates at one of them: nothing where it cannot, several where
    /// there are several ways to do so.
    pub(super) fn acts(
        self,
        deployment: &Deployment,
        way: Way,
        at: usize,
    ) -> Vec<BTreeMap<Identity, Verdict>> {
        let frames = &deployment.sent[&way];
        let (frame, own) = (&frames[at], identity(&frames[at]));
        let then = |other: Frame| vec![BTreeMap::from([(own, Verdict::Then(other))])];
        let replaced = |others: Vec<Frame>| {
            let others = others.into_iter().filter(|other| other != frame);
            others.map(|other| BTreeMap::from([(own, Verdict::Replace(other))])).collect()
        };
        match self {
            Deviation::Shorter => replaced(resized(frame, |bytes| bytes.truncate(bytes.len() - 1))),
            Deviation::Longer => replaced(lengthened(frame)),
            Deviation::Value => replaced(altered(frame)),
            Deviation::Order => {
                let next = frames.get(at + 1).filter(|next| is_message(frame) && is_message(next));
                let swapped = |next: &Frame| {
                    let first = (own, Verdict::Replace(next.clone()));
                    BTreeMap::from([first, (identity(next), Verdict::Replace(frame.clone()))])
                };
                next.map(swapped).into_iter().collect()
            }
            // Right behind the first is in its turn for the second.
            Deviation::Early if at < 2 => Vec::new(),
            Deviation::Early => {
                let first = (identity(&frames[0]), Verdict::Then(frame.clone()));
                vec![[first, (own, Verdict::Drop)].into()]
            }
            Deviation::Extra => match frame {
                Frame::Data(data) => {
                    then(Frame::Data(Data { message: data.message + 1_000_000, ..data.clone() }))
                }
                Frame::Control { .. } => {
                    then(Frame::Control { topic: 99, payload: Bytes::from_static(b"{}") })
                }
                _ => Vec::new(),
            },
            Deviation::Twice => then(frame.clone()),
            Deviation::Missing => vec![BTreeMap::from([(own, Verdict::Drop)])],
            Deviation::AnotherRun => {
                let elsewhere = deployment.sent_elsewhere[&way].iter().find(|other| identity(other) == own);
                let elsewhere = elsewhere.cloned().map(|other| match (other, frame) {
                    // The next of the same session.
                    (Frame::Data(other), Frame::Data(data)) => {
                        Frame::Data(Data { run: data.run.wrapping_add(1), ..other })
                    }
                    (other, _) => other,
                });
                replaced(elsewhere.into_iter().collect())
            }
            Deviation::AnotherLink => {
                let others = deployment.sent.iter().filter(|((from, to), _)| *from == way.0 && *to != way.1);
                replaced(others.map(|(_, others)| others[at.min(others.len() - 1)].clone()).collect())
            }
        }
    }
}

/// Whether it is a message, and no signal.
fn is_message(frame: &Frame) -> bool {
    matches!(frame, Frame::Control { .. } | Frame::Data(_))
}

/// The frame with another payload, if it has one.
fn resized(frame: &Frame, change: impl Fn(&mut Vec<u8>)) -> Vec<Frame> {
    let changed = |payload: &Bytes| {
        let mut bytes = payload.to_vec();
        change(&mut bytes);
        Bytes::from(bytes)
    };
    match frame {
        Frame::Control { topic, payload } => {
            vec![Frame::Control { topic: *topic, payload: changed(payload) }]
        }
        Frame::Data(data) if !data.payload.is_empty() => {
            vec![Frame::Data(Data { payload: changed(&data.payload), ..data.clone() })]
        }
        _ => Vec::new(),
    }
}

fn lengthened(frame: &Frame) -> Vec<Frame> {
    // A control message is longer than any on its topic, but for an order, which is no order with this at its end.
    let most = |bytes: usize| 2 * bytes + Topic::DIFFERENCE_BYTES + 1;
    resized(frame, |bytes| match frame {
        Frame::Control { .. } => {
            bytes.resize(most(bytes.len()), b' ');
            bytes.push(b'x');
        }
        _ => bytes.extend([0; 8]),
    })
}

/// The frame with other values: of a control message with each of its fields altered in turn.
fn altered(frame: &Frame) -> Vec<Frame> {
    let Frame::Control { topic, payload } = frame else {
        return resized(frame, |bytes| bytes.iter_mut().for_each(|byte| *byte = !*byte));
    };
    let words: Value = serde_json::from_slice(payload).expect("control messages are JSON");
    let control = |words: &Value| Frame::Control { topic: *topic, payload: words.to_string().into() };
    fields_altered(&words).iter().map(control).collect()
}

/// The values that differ from this one in one field of one of its objects.
fn fields_altered(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(fields) => {
            let of_field = |(name, field): (&String, &Value)| {
                let with = |altered| {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), altered);
                    Value::Object(fields)
                };
                fields_altered(field).into_iter().map(with).collect::<Vec<_>>()
            };
            fields.iter().flat_map(of_field).collect()
        }
        Value::Array(items) => match items.split_first() {
            None => vec![Value::Array(vec![Value::from(7)])],
            Some((first, rest)) => {
                let with = |first| Value::Array([vec![first], rest.to_vec()].concat());
                fields_altered(first).into_iter().take(1).map(with).collect()
            }
        },
        Value::String(text) => vec![Value::from(format!("{text}x"))],
        Value::Bool(truth) => vec![Value::from(!truth)],
        Value::Number(number) => vec![Value::from(number.as_u64().expect("a whole number") ^ 1)],
        Value::Null => vec![Value::from(7)],
    }
}

/// The rule of a wire on which `way.0` does this to what it sends to `way.1`, and tells nobody that it gives up. It knows
/// what it has sent: counts of what it sent too often are taken off before it sees them.
pub(super) fn wire_rule(way: Way, acts: BTreeMap<Identity, Verdict>) -> WireRule {
    /// Frames beyond those that its link has counted, and the count that it was told last.
    #[derive(Default)]
    struct Count {
        surplus: i64,
        told: u64,
    }
    let count: Mutex<Count> = Mutex::default();
    Arc::new(move |from, to, frame| {
        let mut count = count.lock().expect("no panic");
        match frame {
            Frame::Abort(_) if from == way.0 => Verdict::Drop,
            &Frame::Heartbeat { progress, received } if (to, from) == way => {
                let surplus = count.surplus.max(0) as u64;
                count.told = received.saturating_sub(surplus).max(count.told);
                Verdict::Replace(Frame::Heartbeat { progress, received: count.told })
            }
            _ if (from, to) == way => {
                let verdict = acts.get(&identity(frame)).cloned().unwrap_or(Verdict::Pass);
                count.surplus += match verdict {
                    Verdict::Then(_) => 1,
                    Verdict::Drop => -1,
                    _ => 0,
                };
                verdict
            }
            _ => Verdict::Pass,
        }
    })
}
