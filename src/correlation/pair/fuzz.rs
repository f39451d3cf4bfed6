//! A peer's messages of lattices, for fuzzing: none may panic, or be taken where it is not what is due.

use super::choice::Way;
use super::lattices::Small;
use super::{Choice, Corrections, Kept, Lattices, Making, PairError, first_turn, make};
use crate::correlation::{Correlation, Demand, EntryId, MaskSpec, Product, ProductSpec};
use crate::ot::{Channel, Random, SessionId};
use crate::ring::prg::PrgKey;
use crate::ring::{Ring, Shape};
use crate::share::{Parties, PartyId};
use crate::step::MessageId;
use std::sync::LazyLock;
use zeroize::Zeroizing;

/// A peer of whose messages the bytes are known beforehand.
struct Told<'a>(&'a [u8]);

impl Channel for Told<'_> {
    type Error = PairError;

    fn send(&mut self, _: Vec<u8>) -> Result<(), PairError> {
        Ok(())
    }

    fn receive(&mut self, most_bytes: usize) -> Result<Vec<u8>, PairError> {
        let (message, rest) = self.0.split_at(most_bytes.min(self.0.len()));
        self.0 = rest;
        Ok(message.to_vec())
    }
}

struct Dropped;

impl Corrections for Dropped {
    fn take(&mut self, _: MessageId, _: Zeroizing<Vec<u8>>) {}
}

/// A product of matrices and one of vectors, both by lattices and of shared factors.
fn demand() -> Demand {
    let mut demand = Demand::new(Ring::Z64);
    for (product, left, right) in [
        (Product::Matrix, Shape::new(9, 16), Shape::new(16, 7)),
        (Product::Elementwise, Shape::new(8, 80), Shape::new(8, 80)),
    ] {
        let mut mask = |shape| demand.push(Correlation::Mask(MaskSpec { shape, parts: Parties::first(2) }));
        let terms = vec![(mask(left), mask(right))];
        let shape = product.shape(left, right).expect("shapes that fit");
        demand.push(Correlation::Product(ProductSpec { product, shape, terms }));
    }
    demand
}

/// Lattices that hide nothing.
fn lattices() -> Lattices {
    Lattices::insecure(Small::DEFAULT)
}

/// The demand, and the ways of its products.
static MAKING: LazyLock<(Demand, Choice)> = LazyLock::new(|| {
    let demand = demand();
    let choice = Choice::new(&demand, false, &lattices());
    let ways = [2, 5].map(|entry| choice.way(EntryId(entry)));
    assert!(matches!(ways, [Way::Matrices(_), Way::Vectors]), "both by lattices");
    (demand, choice)
});

/// Makes the correlations as the party that the first byte says, with the others as what its peer sends.
///
/// # Panics
/// Where what was sent is taken although it ends too soon.
pub fn pair(bytes: &[u8]) {
    let Some((party, messages)) = bytes.split_first() else { return };
    let mut channel = Told(messages);
    let made = made(PartyId(party % 2), &mut channel);
    assert!(made.is_err() || !messages.is_empty(), "nothing comes of nothing");
}

fn made<C: Channel<Error = PairError>>(party: PartyId, channel: &mut C) -> Result<(), PairError> {
    let ((demand, choice), mut lattices, mut kept) = (&*MAKING, lattices(), Kept::default());
    let key = PrgKey::from_bytes([party.0; 32]);
    let (session, turn) = (SessionId([3; 32]), first_turn());
    let making = Making { demand, choice, turn: &turn, party, session, key: &key };
    let random = Random::from_key(PrgKey::from_bytes([8 + party.0; 32]));
    make(making, (&mut lattices, &mut kept), random, channel, &mut Dropped).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::corpus;
    use std::sync::mpsc;

    /// A channel that keeps what it has received.
    struct Recorded {
        to: mpsc::Sender<Vec<u8>>,
        from: mpsc::Receiver<Vec<u8>>,
        received: Vec<u8>,
    }

    impl Channel for Recorded {
        type Error = PairError;

        fn send(&mut self, message: Vec<u8>) -> Result<(), PairError> {
            self.to.send(message).expect("the peer is there");
            Ok(())
        }

        fn receive(&mut self, _: usize) -> Result<Vec<u8>, PairError> {
            let message = self.from.recv().expect("the peer is there");
            self.received.extend(&message);
            Ok(message)
        }
    }

    /// All that an honest peer sends to either party.
    fn cases() -> [(&'static str, Vec<u8>); 2] {
        let ((to_second, from_first), (to_first, from_second)) = (mpsc::channel(), mpsc::channel());
        let ends = [(to_second, from_second), (to_first, from_first)];
        std::thread::scope(|scope| {
            let threads = (0u8..).zip(ends).map(|(party, (to, from))| {
                scope.spawn(move || {
                    let mut channel = Recorded { to, from, received: vec![party] };
                    made(PartyId(party), &mut channel).expect("honest parties");
                    channel.received
                })
            });
            let mut received =
                threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().expect("no panic"));
            ["to_party_0", "to_party_1"].map(|name| (name, received.next().expect("two parties")))
        })
    }

    #[test]
    fn messages_of_the_corpus_are_survived() {
        corpus("pair", pair);
    }

    /// A changed format needs a new corpus, or the old one would only be refused.
    #[test]
    fn the_corpus_has_every_message() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fuzz/corpus/pair");
        for (name, bytes) in cases() {
            assert!(
                made(PartyId(bytes[0]), &mut Told(&bytes[1..])).is_ok(),
                "{name} is a whole conversation"
            );
            let stored = std::fs::read(folder.join(name)).expect("a case");
            assert!(stored == bytes, "tools/fuzz/corpus/pair/{name} is that conversation");
        }
    }
}
