//! Offers of inputs: held against what is declared by both ends, and not planned with where a peer could choose.

use super::{elements, world};
use crate::net::NetError;
use crate::program::{Dims, Kind, Program, oracle};
use crate::protocol::Protocol;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use crate::session::connect::Introduction;
use crate::session::{Declared, Offer, OfferError, Session, SessionError, SessionOptions, WorldError};
use crate::share::{PartyId, Role, Terms};
use std::collections::BTreeMap;

const X: (usize, usize) = (2, 6);
const W: (usize, usize) = (6, 1);

/// z = x @ w for party 1, with w of a shape of its owner's.
fn program(w: Shape) -> Program {
    let mut program = Program::new(2, FixedPoint::new(Ring::Z64, 0).expect("a codec"));
    let x = program.input("x", PartyId(0), Shape::new(X.0, X.1), None).expect("an input");
    let w = program.input("w", PartyId(1), w, None).expect("an input");
    let z = program.matmul(x, w).expect("a product");
    program.output("z", z, PartyId(1).alone()).expect("an output");
    program
}

fn input(party: PartyId, w: Shape) -> (&'static str, Shape) {
    [("x", Shape::new(X.0, X.1)), ("w", w)][party.index()]
}

/// Connects as parties do: each offers its own input, of which party 1's has the shape `w`.
fn introduce(session: &mut Session, party: PartyId, w: Shape) -> Result<(), SessionError> {
    let (name, shape) = input(party, w);
    let offer = Offer { shape: shape.into(), kind: Kind::Real };
    let offers = BTreeMap::from([(name.to_owned(), offer)]);
    Ok(session.introduce(Introduction::new(Terms::default(), &offers)?)?)
}

fn declared(w: Option<(usize, usize)>) -> BTreeMap<String, Declared> {
    let input = |owner, shape: Option<(usize, usize)>| Declared {
        owner: PartyId(owner),
        shape: shape.map(|(rows, cols)| Dims::from(Shape::new(rows, cols))),
        kind: None,
    };
    [("x".to_owned(), input(0, Some(X))), ("w".to_owned(), input(1, w))].into()
}

/// Party 1 offers w of a shape, under such a declaration; what each party learns.
fn run(
    options: SessionOptions,
    w: Shape,
    declared: &BTreeMap<String, Declared>,
) -> Result<BTreeMap<String, Elements>, WorldError> {
    let outcomes = world(Protocol::Beaver, 7).with_options(options).each_party(|party, session| {
        introduce(session, party, w)?;
        let facts = session.inputs(declared)?;
        let program = program(facts["w"].shape.folded());
        let (name, shape) = input(party, w);
        let own = BTreeMap::from([(name.to_owned(), elements(Ring::Z64, shape.len(), party.0.into()))]);
        Ok(vec![session.run(Protocol::Beaver, &program, own)?])
    })?;
    Ok(outcomes[1][0].outputs.clone())
}

/// Why each party failed.
fn failures(result: Result<BTreeMap<String, Elements>, WorldError>) -> BTreeMap<Role, SessionError> {
    result.expect_err("it is refused").failures.into_iter().collect()
}

#[test]
fn a_shape_that_is_not_declared_is_the_same_disagreement_at_both_ends() {
    let failures = failures(run(SessionOptions::default(), Shape::new(6, 6), &declared(Some(W))));
    for party in [0, 1] {
        let error = &failures[&Role::party(party)];
        assert!(matches!(error, SessionError::Offer(error) if matches!(**error, OfferError::Shape { .. })));
        let line = error.to_string();
        assert_eq!(line, "party 1 offers input 'w' of shape (6, 6); the job declares shape (6, 1)");
    }
}

#[test]
fn a_shape_of_a_peers_choice_is_not_planned_with_where_the_peer_learns_something() {
    let failures = failures(run(SessionOptions::default(), Shape::new(6, 6), &declared(None)));
    let SessionError::Offer(error) = &failures[&Role::party(0)] else { panic!("{failures:?}") };
    let OfferError::Undeclared { input, own, output, .. } = &**error else { panic!("{error}") };
    assert_eq!([input, own, output], ["w", "x", "z"]);
    let told = &failures[&Role::party(1)];
    assert!(matches!(told, SessionError::Net(NetError::Aborted { .. })), "{told}");
}

#[test]
fn a_shape_that_is_accepted_is_computed_with_within_a_limit() {
    let accepting = SessionOptions { accept_shapes: true, ..SessionOptions::default() };
    let w = Shape::new(6, 6);
    let inputs = [0, 1].map(|party| elements(Ring::Z64, input(PartyId(party), w).1.len(), party.into()));
    let expected = oracle::evaluate(&program(w), &inputs)[0].elements.clone();
    assert_eq!(run(accepting, w, &declared(None)).expect("a run")["z"], expected);
    let limited = SessionOptions { accepted_bytes: Some(100), ..accepting };
    let failures = failures(run(limited, w, &declared(None)));
    let error = &failures[&Role::party(0)];
    assert!(error.to_string().contains("w takes 288 bytes, above the limit of 100 "), "{error}");
}
