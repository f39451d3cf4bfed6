//! Offers, which parties exchange before anything is planned: the shape and the kind of each of their own inputs. The
//! others need them to build the program.
//!
//! An offer is a peer's word, and a shape decides what an output says. Where a job means w to be a (6, 1), a peer that
//! brings the (6, 6) identity instead is told x by `x @ w`. So every offer is held against what the job declares
//! ([`Session::inputs`]), and a program that shows others what depends on this party's inputs is not run with shapes that
//! a peer chose, unless [`accept_shapes`](super::SessionOptions::accept_shapes) says that they may. Shapes that a peer
//! chose also decide what a run takes: they make no value larger than a limit.

use super::{Session, SessionError};
use crate::plan::{Plan, PlanError};
use crate::program::{Dims, Input, Kind, Program};
use crate::share::{PartyId, Role, Terms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most bytes of a value, of the outputs that a party learns, of what waits on the host and, unless there is a budget, of
/// the plan, where peers chose shapes; or the budget, if that is more.
pub const ACCEPTED_BYTES: u64 = 1 << 30;

/// An input as all parties' jobs declare it, before its data is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The party that brings it.
    pub owner: PartyId,
    /// Its shape, if the job declares one.
    pub shape: Option<Dims>,
    /// The kind of its numbers, if the job declares one.
    pub kind: Option<Kind>,
}

/// An offer: an input's shape and kind, by its owner's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its extents.
    pub shape: Dims,
    /// The kind of its numbers.
    pub kind: Kind,
}

/// An offer that the job does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Another shape than the job declares.
    #[error("{owner} offers input '{input}' of shape {offered}; the job declares shape {declared}")]
    Shape {
        /// The input.
        input: String,
        /// Whose it is.
        owner: PartyId,
        /// What the job declares.
        declared: Dims,
        /// What its owner offers.
        offered: Dims,
    },
    /// Another kind than the job declares.
    #[error("{owner} offers input '{input}' as {offered}; the job declares {declared}")]
    Kind {
        /// The input.
        input: String,
        /// Whose it is.
        owner: PartyId,
        /// What the job declares.
        declared: Kind,
        /// What its owner offers.
        offered: Kind,
    },
    /// An owner that offers nothing for an input.
    #[error("{owner} did not say what shape its input '{input}' has")]
    Missing {
        /// The input.
        input: String,
        /// Whose it is.
        owner: PartyId,
    },
    /// An offer that cannot be read, or that comes twice.
    #[error("what {owner} offers for input '{input}' cannot be read: {reason}")]
    Unreadable {
        /// The input.
        input: String,
        /// Whose it is.
        owner: PartyId,
        /// Why.
        reason: String,
    },
    /// An offer for what is no input of the party that makes it.
    #[error("{peer} offers what is no input of its own in the job")]
    Unknown {
        /// Who.
        peer: PartyId,
    },
    /// A shape of the owner's choice, where others learn what depends on this party's input.
    #[error(
        "the job declares no shape for input '{input}' of {owner}, and input '{own}' of {party} reaches output \
         '{output}' of another party: by its choice of shapes a peer can learn more of '{own}' than the job means; \
         declare the shape in the job, or accept what is offered with --accept-shapes"
    )]
    Undeclared {
        /// The input without a declared shape.
        input: String,
        /// Whose it is.
        owner: PartyId,
        /// This party.
        party: PartyId,
        /// The input of this party that reaches another party's output.
        own: String,
        /// That output.
        output: String,
    },
    /// Shapes of a peer's choice that take too much.
    #[error(
        "with the shapes that peers offered, {what} takes {bytes} bytes, above the limit of {most_bytes} for shapes \
         that the job does not declare; declare them in the job, or give a larger --budget"
    )]
    TooLarge {
        /// The quantity.
        what: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        most_bytes: u64,
    },
}

impl Declared {
    /// Holds an offer for the input `name` against the declaration.
    fn check(&self, name: &str, offer: Offer) -> Result<(), OfferError> {
        let (input, owner) = (name.to_owned(), self.owner);
        match (self.shape, self.kind) {
            (Some(declared), _) if declared != offer.shape => {
                Err(OfferError::Shape { input, owner, declared, offered: offer.shape })
            }
            (_, Some(declared)) if declared != offer.kind => {
                Err(OfferError::Kind { input, owner, declared, offered: offer.kind })
            }
            _ => Ok(()),
        }
    }
}

impl OfferError {
    /// The party whose offer is refused, if it is one party alone.
    pub(super) fn offerer(&self) -> Option<PartyId> {
        match *self {
            OfferError::Shape { owner, .. }
            | OfferError::Kind { owner, .. }
            | OfferError::Missing { owner, .. }
            | OfferError::Unreadable { owner, .. }
            | OfferError::Unknown { peer: owner } => Some(owner),
            OfferError::Undeclared { .. } | OfferError::TooLarge { .. } => None,
        }
    }
}

impl Session {
    /// The shape and kind of every input that the job declares, by name: this party's and its peers', as each offered
    /// its own when it connected. All offers are held against the declarations.
    ///
    /// # Errors
    /// Where an offer is missing, cannot be read, is for no input of its party, or differs from what is declared. The
    /// session cannot be used after that, and the peers are told why.
    pub fn inputs(
        &mut self,
        declared: &BTreeMap<String, Declared>,
    ) -> Result<BTreeMap<String, Offer>, SessionError> {
        self.attempt(|session| {
            let mut inputs = BTreeMap::new();
            for (&party, offers) in &session.offers {
                inputs.extend(held(party, offers, declared)?);
            }
            if let Some((input, &Declared { owner, .. })) =
                declared.iter().find(|(name, _)| !inputs.contains_key(*name))
            {
                return Err(OfferError::Missing { input: input.clone(), owner }.into());
            }
            let shaped = declared.iter().filter(|(_, declared)| declared.shape.is_some());
            session.declared.extend(shaped.map(|(name, _)| name.clone()));
            Ok(inputs)
        })
    }

    /// Refuses a program of which a peer chose a shape, where it shows other parties what depends on this one's inputs or
    /// takes too much. Returns the limit of the plan's memory, where a peer chose a shape.
    pub(super) fn check_shapes(&self, program: &Program) -> Result<Option<u64>, OfferError> {
        let Role::Party(party) = self.role else { unreachable!("a session is a party's") };
        let Some(chosen) = program.inputs().iter().find(|input| self.is_chosen(input, party)) else {
            return Ok(None);
        };
        if let (false, Some((own, output))) = (self.options.accept_shapes, program.reach_of(party)) {
            let (input, owner) = (chosen.name.clone(), chosen.owner);
            let (own, output) = (own.name.clone(), output.name.clone());
            return Err(OfferError::Undeclared { input, owner, party, own, output });
        }
        let budget_bytes = self.options.budget_bytes.unwrap_or(0);
        let most_bytes = self.options.accepted_bytes.unwrap_or(ACCEPTED_BYTES.max(budget_bytes));
        check_size(program, party, most_bytes)?;
        Ok(Some(most_bytes))
    }

    /// Whether a peer chose the input's shape: it offered one, and nothing declared it.
    fn is_chosen(&self, input: &Input, party: PartyId) -> bool {
        let offers = self.offers.get(&input.owner).filter(|_| input.owner != party);
        let is_offered = offers.is_some_and(|offers| offers.iter().any(|(name, _)| name == input.name));
        is_offered && !self.declared.contains(&input.name)
    }
}

/// A party's offers, each once and as the job declares it.
fn held(
    party: PartyId,
    offers: &Terms,
    declared: &BTreeMap<String, Declared>,
) -> Result<BTreeMap<String, Offer>, OfferError> {
    let mut inputs = BTreeMap::new();
    for (name, text) in offers.iter() {
        let own = declared.get(name).filter(|declared| declared.owner == party);
        let own = own.ok_or(OfferError::Unknown { peer: party })?;
        let unreadable =
            |reason: String| OfferError::Unreadable { input: name.to_owned(), owner: party, reason };
        let offer: Offer = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        own.check(name, offer)?;
        if inputs.insert(name.to_owned(), offer).is_some() {
            return Err(unreadable("it comes twice".into()));
        }
    }
    Ok(inputs)
}

/// Refuses a program with a value of more than so many bytes, or of whose outputs `party` learns more.
fn check_size(program: &Program, party: PartyId, most_bytes: u64) -> Result<(), OfferError> {
    let bytes = |elements: usize| (elements as u64).saturating_mul(program.ring().element_bytes() as u64);
    let too_large = |what: String, bytes| Err(OfferError::TooLarge { what, bytes, most_bytes });
    let sizes = program.values().iter().map(|value| (value, bytes(value.shape.len())));
    if let Some((value, bytes)) =
        sizes.max_by_key(|&(_, bytes)| bytes).filter(|&(_, bytes)| bytes > most_bytes)
    {
        return too_large(value.label.clone(), bytes);
    }
    let learnt = program.outputs().iter().filter(|output| output.to.contains(party));
    let learnt =
        learnt.map(|output| bytes(program.value(output.value).shape.len())).fold(0, u64::saturating_add);
    if learnt > most_bytes {
        return too_large(format!("what {party} learns"), learnt);
    }
    Ok(())
}

/// The error of a plan that exceeds the limit for shapes that peers chose, rather than a budget that was given.
pub(super) fn over_limit(
    error: SessionError,
    chosen_bytes: Option<u64>,
    given_bytes: Option<u64>,
) -> SessionError {
    match (error, chosen_bytes, given_bytes) {
        (SessionError::Plan(PlanError::OverBudget { needed_bytes, .. }), Some(most_bytes), None) => {
            OfferError::TooLarge { what: "the plan".to_owned(), bytes: needed_bytes, most_bytes }.into()
        }
        (error, ..) => error,
    }
}

/// Refuses a plan that holds more than so many bytes on the host, to keep within a budget of device memory.
pub(super) fn check_host(plan: &Plan, most_bytes: u64) -> Result<(), OfferError> {
    let bytes = plan.spilled().host_peak_bytes;
    let what = || "what waits in host memory".to_owned();
    if bytes > most_bytes { Err(OfferError::TooLarge { what: what(), bytes, most_bytes }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, Declared> {
        let input = |owner, shape: Option<&[usize]>, kind| Declared {
            owner: PartyId(owner),
            shape: shape.map(|extents| Dims::new(extents).expect("few axes")),
            kind,
        };
        [
            ("w", input(1, Some(&[6, 1]), None)),
            ("k", input(1, None, Some(Kind::I64))),
            ("x", input(0, None, None)),
        ]
        .map(|(name, declared)| (name.to_owned(), declared))
        .into()
    }

    fn refused(offers: &[(&str, &str)]) -> String {
        let offers: Terms = offers.iter().copied().collect();
        held(PartyId(1), &offers, &declared()).expect_err("it is refused").to_string()
    }

    #[test]
    fn offers_are_held_against_what_the_job_declares() {
        let fits = ("w", r#"{"shape":[6,1],"kind":"real"}"#);
        let offers: Terms = [fits].into_iter().collect();
        let offer = held(PartyId(1), &offers, &declared()).expect("it is as declared")["w"];
        assert_eq!(offer.shape.extents(), [6, 1]);
        assert_eq!(
            refused(&[("w", r#"{"shape":[6,6],"kind":"real"}"#)]),
            "party 1 offers input 'w' of shape (6, 6); the job declares shape (6, 1)"
        );
        assert_eq!(
            refused(&[("k", r#"{"shape":[2],"kind":"u64"}"#)]),
            "party 1 offers input 'k' as u64; the job declares i64"
        );
        assert_eq!(
            refused(&[fits, fits]),
            "what party 1 offers for input 'w' cannot be read: it comes twice"
        );
        for unreadable in
            ["", "{}", r#"{"shape":[1,1,1,1,1],"kind":"real"}"#, r#"{"shape":[-1],"kind":"real"}"#]
        {
            let line = refused(&[("w", unreadable)]);
            assert!(line.starts_with("what party 1 offers for input 'w' cannot be read: "), "{line}");
        }
        for foreign in ["x", "y"] {
            let line = refused(&[(foreign, r#"{"shape":[1],"kind":"real"}"#)]);
            assert_eq!(line, "party 1 offers what is no input of its own in the job");
        }
    }
}
