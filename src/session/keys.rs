//! Keys of the generator that two roles share. Both contribute to each key, and neither chooses it.
//!
//! **Two parties.** Each draws 256 fresh bits for each agreement and each other party. An agreement covers one run, or some
//! that follow each other at once (see [`super::covered`]).
//!
//! 1. Together with the facts of the plan, each sends the commitment H(sender, receiver, first run, contribution).
//! 2. Once a party has the other's commitment, it sends its contribution.
//! 3. Each holds the other's contribution against the commitment, and for each run that is covered both derive
//!    key = KDF(both roles, the plan's name, run, contribution of the lower role, contribution of the higher).
//!
//! *No key is derived twice.* A session's runs have different numbers, and no contribution is for two agreements: a run of a
//! loop has its own key, under which streams and counters begin anew as in a run by itself, and a session that goes on from a
//! checkpoint draws its contributions anew, whatever run it begins with. The KDF is a pseudorandom function of the run under
//! the contributions, so the keys of an agreement's runs are as good as drawn each by itself. Contributions are wiped when
//! the last of these runs begins; until then who reads a party's memory can derive the keys of those before.
//!
//! H and KDF are BLAKE3 in its mode for key derivation, each with a context of its own. The commitment binds, since H is
//! collision-resistant, and tells nothing, since it covers 256 random bits. So both contributions are fixed before either
//! is shown (Blum, "Coin flipping by telephone", CRYPTO 1981): with one honest party the key is uniform to everybody
//! else, and is no key of another run, whatever the other party contributes. The sender's role in the commitment keeps a
//! peer from sending the own commitment and contribution back. A peer that has seen the contribution can still end the
//! run; then nothing has been masked with the keys, and the next agreement draws anew. Nothing is sent that was not sent before
//! but the commitment, in a message that crosses anyway.
//!
//! **The dealer and a party.** The party's contribution goes with its order, the dealer's comes back as the grant; the
//! keys are derived in the same way. The party cannot choose the key, since it speaks first. The dealer, which speaks last,
//! could choose among keys, and gains nothing by it: it learns the key whatever that is, and is trusted with every mask.
//! So there is no commitment. The party's contribution keeps a dealer that draws the same twice (its state was brought
//! back from a snapshot, its generator is weak) from having a party mask two values with one stream.
//!
//! **Stores** are dealt before the parties are there: the dealer alone draws their keys, and the marks of used orders
//! ([`super::store`]) keep each from being used twice.

use super::SessionError;
use super::order::PlanName;
use crate::ring::prg::PrgKey;
use crate::run::RunError;
use crate::share::{PartyId, Role};
use crate::step::KeyId;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A party's part of the names of plans; fresh for each, and told to the other parties alone.
pub(super) type Nonce = [u8; 32];

/// One role's part of the keys of an agreement's runs: 256 bits, fresh for each agreement and each peer, and as secret as the
/// keys.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Contribution {
    contribution: [u8; 32],
}

/// The commitment of a party to a contribution that it has not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Commitment([u8; 32]);

/// Random bits under which a commitment to what could be guessed tells nothing.
pub(super) type Salt = [u8; 32];

/// The commitments that two parties have exchanged for the next agreement, each with what is behind the own one.
pub(super) struct Pledge {
    pub own: Contribution,
    pub peers: Commitment,
}

/// The contributions that two parties have shown each other.
pub(super) struct Shown {
    pub peer: Role,
    pub own: Contribution,
    pub peers: Contribution,
}

/// One direction of a key agreement, for the commitment and for the tests' seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub from: Role,
    pub to: Role,
    /// The session's runs before this one, or before the first that an agreement covers.
    pub run: u32,
}

impl Way {
    fn bytes(self) -> [u8; 6] {
        let [a, b, c, d] = self.run.to_le_bytes();
        [number(self.from), number(self.to), a, b, c, d]
    }
}

/// A role's number in what is hashed: no party has the dealer's.
fn number(role: Role) -> u8 {
    match role {
        Role::Party(PartyId(number)) => number,
        Role::Dealer => u8::MAX,
    }
}

impl Commitment {
    /// The commitment of a party to its part of an answer of the checks; see [`super::answers`].
    pub(super) fn to_answer(party: Role, run: u32, place: usize, part: u64, salt: &Salt) -> Commitment {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 commitment to an answer of checks");
        hasher.update(&[number(party)]).update(&run.to_le_bytes()).update(&(place as u64).to_le_bytes());
        hasher.update(&part.to_le_bytes()).update(salt);
        Commitment(*hasher.finalize().as_bytes())
    }

    /// Whether it is another one; the comparison takes the same time wherever they differ.
    pub(super) fn is(self, other: Commitment) -> bool {
        blake3::Hash::from(self.0) == blake3::Hash::from(other.0)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Contribution {
    /// What the sender is bound to before it shows the contribution.
    pub(super) fn commitment(&self, way: Way) -> Commitment {
        let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 commitment to a contribution");
        hasher.update(&way.bytes()).update(&self.contribution);
        Commitment(*hasher.finalize().as_bytes())
    }

    /// Whether it is what its sender was bound to.
    pub(super) fn keeps(&self, commitment: Commitment, way: Way) -> bool {
        self.commitment(way).is(commitment)
    }
}

/// The key that two roles derive for a run of a plan: `own` is the contribution of the role that sends along `way`.
pub(super) fn derive(plan: &PlanName, way: Way, own: &Contribution, peers: &Contribution) -> PrgKey {
    let roles = KeyId::between(way.from, way.to).roles();
    let [lower, higher] = if roles[0] == way.from { [own, peers] } else { [peers, own] };
    let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 generator key of two roles");
    hasher.update(&roles.map(number)).update(plan.bytes()).update(&way.run.to_le_bytes());
    hasher.update(&lower.contribution).update(&higher.contribution);
    let mut key = *hasher.finalize().as_bytes();
    let derived = PrgKey::from_bytes(key);
    key.zeroize();
    derived
}

/// The source of contributions and nonces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The operating system's entropy.
    #[default]
    Entropy,
    /// A seed, under which runs repeat themselves and nothing is private.
    InsecureSeed(u64),
}

impl KeySource {
    /// A seed that the operating system draws.
    pub(super) fn repeating() -> Result<KeySource, SessionError> {
        let drawn = KeySource::Entropy.draw("", |_| String::new())?;
        let (seed, _) = drawn.split_first_chunk().expect("32 bytes");
        Ok(KeySource::InsecureSeed(u64::from_le_bytes(*seed)))
    }

    /// A fresh nonce of this role; a seed always gives the same.
    pub(super) fn nonce(self, role: Role) -> Result<Nonce, SessionError> {
        self.draw("symbolon insecure test nonce", |seed| format!("{seed} {role:?}"))
    }

    /// A fresh salt for a party's part of an answer of the checks; a seed gives the same for the same run and answer.
    pub(super) fn salt(self, party: Role, run: u32, answer: usize) -> Result<Salt, RunError> {
        let material = |seed| format!("{seed} {party:?} {run} {answer}");
        let failed = |error: SessionError| RunError::Randomness { reason: error.to_string() };
        self.draw("symbolon insecure test salt", material).map_err(failed)
    }

    /// A fresh contribution; a seed gives the same for the same way.
    pub(super) fn contribution(self, way: Way) -> Result<Contribution, SessionError> {
        let drawn = self.draw("symbolon insecure test contribution", |seed| format!("{seed} {way:?}"));
        drawn.map(|contribution| Contribution { contribution })
    }

    /// A fresh key under which this role draws its part of a state's first value; a seed always gives the same.
    pub(super) fn first_state(self, role: Role, state: usize) -> Result<PrgKey, SessionError> {
        let drawn =
            self.draw("symbolon insecure test first state", |seed| format!("{seed} {role:?} {state}"));
        drawn.map(PrgKey::from_bytes)
    }

    fn draw(
        self,
        context: &'static str,
        material: impl FnOnce(u64) -> String,
    ) -> Result<[u8; 32], SessionError> {
        let mut drawn = [0; 32];
        match self {
            KeySource::Entropy => getrandom::fill(&mut drawn)
                .map_err(|error| SessionError::Entropy { reason: error.to_string() })?,
            KeySource::InsecureSeed(seed) => drawn = blake3::derive_key(context, material(seed).as_bytes()),
        }
        Ok(drawn)
    }
}

/// The keys that a party and the dealer derive from a seed for the first run of a plan of parties 0 and 1.
#[cfg(test)]
pub(crate) fn insecure_dealt_key(seed: u64, plan_digest: &[u8; 32], party: Role) -> PrgKey {
    let source = KeySource::InsecureSeed(seed);
    let nonce = |role| (role, source.nonce(role).expect("a seed gives nonces"));
    let name = PlanName::new(plan_digest, &[Role::party(0), Role::party(1)].map(nonce).into());
    let way = Way { from: party, to: Role::Dealer, run: 0 };
    let back = Way { from: way.to, to: way.from, ..way };
    let [own, peers] = [way, back].map(|way| source.contribution(way).expect("a seed gives contributions"));
    derive(&name, way, &own, &peers)
}

/// A party's contribution, derived from a seed, to the key that it shares with another one in a session's first run.
#[cfg(test)]
pub(crate) fn insecure_contribution(seed: u64, from: Role, to: Role) -> [u8; 32] {
    let drawn = KeySource::InsecureSeed(seed).contribution(Way { from, to, run: 0 });
    drawn.expect("a seed gives contributions").contribution
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way { from: Role::party(0), to: Role::party(1), run: 3 };
    const BACK: Way = Way { from: WAY.to, to: WAY.from, ..WAY };

    fn contribution(byte: u8) -> Contribution {
        Contribution { contribution: [byte; 32] }
    }

    fn name(digest: u8) -> PlanName {
        PlanName::new(&[digest; 32], &[(Role::party(0), [9; 32])].into())
    }

    #[test]
    fn both_ends_derive_the_same_key_and_either_contribution_changes_it() {
        let key = |zero, one| *derive(&name(1), WAY, &contribution(zero), &contribution(one)).bytes();
        let back = derive(&name(1), BACK, &contribution(2), &contribution(1));
        assert_eq!(key(1, 2), *back.bytes(), "both ends have one key");
        assert_ne!(key(1, 2), key(3, 2), "the lower party contributes");
        assert_ne!(key(1, 2), key(1, 3), "the higher party contributes");
        assert_ne!(key(1, 2), key(2, 1), "contributions have their places");
    }

    #[test]
    fn a_key_is_bound_to_its_roles_plan_and_run() {
        let (own, peers) = (contribution(1), contribution(2));
        let key = *derive(&name(1), WAY, &own, &peers).bytes();
        for (plan, way) in [
            (name(2), WAY),
            (name(1), Way { run: 4, ..WAY }),
            (name(1), Way { to: Role::party(2), ..WAY }),
            (name(1), Way { to: Role::Dealer, ..WAY }),
        ] {
            assert_ne!(key, *derive(&plan, way, &own, &peers).bytes(), "{way:?}");
        }
    }

    #[test]
    fn a_commitment_binds_its_sender_and_nobody_else() {
        let commitment = contribution(1).commitment(WAY);
        assert!(contribution(1).keeps(commitment, WAY));
        assert!(!contribution(2).keeps(commitment, WAY), "another contribution");
        assert!(!contribution(1).keeps(commitment, BACK), "a commitment that is sent back to who made it");
        assert!(!contribution(1).keeps(commitment, Way { run: 4, ..WAY }), "that of another run");
    }

    #[test]
    fn fresh_contributions_differ() {
        let fresh = || KeySource::Entropy.contribution(WAY).expect("entropy");
        assert_ne!(fresh().commitment(WAY), fresh().commitment(WAY));
    }
}
