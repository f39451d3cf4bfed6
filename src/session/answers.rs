//! The opening of the answers of a program's checks: first whether anything is wrong, and where it is, the first step.
//!
//! Each answer is the sum of the parties' parts, each of which is uniform to everybody else but for what the sum says.
//!
//! 1. Every party sends every other one its commitments H(party, run, place, part, salt) to its parts of both answers, each
//!    with 256 fresh bits of salt.
//! 2. Once a party has all commitments, it sends its part of the first answer, the salt, and a digest of all commitments as
//!    it has them, its own among them. Each holds the others' parts against their commitments and their digests against
//!    its own. The sum is 0 where all is well, and 1 where it is not.
//! 3. Only where it is 1, every party sends its part of the second answer and the salt. The sum says which step is the
//!    first that does not hold.
//!
//! H is BLAKE3 in its mode for key derivation. A commitment binds, since H is collision-resistant, and tells nothing, since
//! it covers random bits. **A party that lies** about its part so has to choose the lie before it sees anything of the
//! answer (Blum, "Coin flipping by telephone", CRYPTO 1981). Any sum but 0 and 1 ends the run with an error: a lie that
//! turns "not well" into "well" turns "well" into an error, so who does not know the answer beforehand is noticed where it
//! guesses wrong, and learns nothing of an answer that it has altered but whether it guessed right. Who does not open what
//! it has committed to is noticed, by name. Digests tell two honest parties that a third one has told them different
//! commitments; the same commitments are opened to the same parts, so all honest parties that go on have the same answers,
//! and none takes another one's next message for a fault. Where more than one peer may have lied, the error names each.
//!
//! A party that knows that its own doing makes a step fail can have the others read that all is well, and so can one that
//! alters what is computed. Such a party knows both sums, so it can as well commit to a part of the second answer that is
//! shifted to another step; and one that knows that all is well can add 1 to the first and a step's number to the second.
//! Then the step that is named is one that holds, such as the bound of an innocent's input. Only the semi-honest model
//! excludes that: a named step is what the parties' parts say, and proves nothing against whose step it is.
//!
//! *Messages:* two between every two parties in each direction, three where a step does not hold. *Rounds:* 2 or 3.

#[cfg(test)]
mod tests;

use super::keys::{Commitment, KeySource, Salt};
use super::topic::{CHECK_ANSWER, CHECK_COMMITMENTS, FAILED_STEP};
use crate::net::{Link, NetError, Topic};
use crate::program::Check;
use crate::ring::{Elements, Ring};
use crate::run::{Answers, Opening, RunError};
use crate::share::Role;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run's answers at one party.
pub(super) struct CheckAnswers<'a> {
    pub check: &'a Check,
    pub role: Role,
    /// The session's runs before this one.
    pub run: u32,
    pub ring: Ring,
    pub keys: KeySource,
}

/// The commitments of a party to its parts.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commitments {
    commitments: [Commitment; Check::ANSWERS],
}

/// What a commitment is to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    /// As digits of which there are always as many.
    #[serde(with = "digits")]
    part: u64,
    salt: Salt,
}

/// A party's part of the first answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    opened: Part,
    /// Of all parties' commitments.
    digest: [u8; 32],
}

/// A party's part of the second one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Second {
    opened: Part,
}

impl Answers for CheckAnswers<'_> {
    fn output(&self) -> usize {
        self.check.output
    }

    fn open<'b>(&'b mut self, links: &'b mut [Link], own: Elements) -> Opening<'b> {
        Box::pin(self.opened(links, own))
    }
}

impl CheckAnswers<'_> {
    async fn opened(&self, links: &mut [Link], own: Elements) -> Result<Option<String>, RunError> {
        let mut links: Vec<&mut Link> = links.iter_mut().filter(|link| link.peer() != Role::Dealer).collect();
        let own = own.to_u64();
        let part = |place: usize| {
            self.keys.salt(self.role, self.run, place).map(|salt| Part { part: own[place], salt })
        };
        let (first, second) = (part(0)?, part(1)?);
        let commitments =
            [(0, &first), (1, &second)].map(|(place, part)| self.commitment(self.role, place, part));
        let mut all = BTreeMap::from([(self.role, Commitments { commitments })]);
        all.extend(exchange(&mut links, CHECK_COMMITMENTS, &all[&self.role]).await?);
        let digest = digest(self.run, &all);
        let shown = First { opened: first.clone(), digest };
        let theirs: Vec<(Role, First)> = exchange(&mut links, CHECK_ANSWER, &shown).await?;
        if theirs.iter().any(|(_, theirs)| theirs.digest != digest) {
            return Err(lied(&links));
        }
        let parts = theirs.into_iter().map(|(peer, theirs)| (peer, theirs.opened)).collect();
        match self.sum(0, first, parts, &all)? {
            0 => Ok(None),
            1 => {
                let shown = Second { opened: second.clone() };
                let theirs: Vec<(Role, Second)> = exchange(&mut links, FAILED_STEP, &shown).await?;
                let parts = theirs.into_iter().map(|(peer, theirs)| (peer, theirs.opened)).collect();
                let sum = self.sum(1, second, parts, &all)?;
                self.check.first(sum).map(|step| Some(step.to_owned())).ok_or_else(|| lied(&links))
            }
            _ => Err(lied(&links)),
        }
    }

    /// What a party is bound to before it shows a part.
    fn commitment(&self, party: Role, place: usize, part: &Part) -> Commitment {
        Commitment::to_answer(party, self.run, place, part.part, &part.salt)
    }

    /// The sum of an answer's parts, each of which is what its party had committed itself to.
    fn sum(
        &self,
        place: usize,
        own: Part,
        parts: Vec<(Role, Part)>,
        all: &BTreeMap<Role, Commitments>,
    ) -> Result<u64, RunError> {
        let mut sum = own.part;
        for (peer, part) in parts {
            if !self.commitment(peer, place, &part).is(all[&peer].commitments[place]) {
                let reason = "it is not what the peer had committed itself to".into();
                return Err(failed(NetError::Malformed { peer, what: CHECK_ANSWER.name, reason }));
            }
            sum = sum.wrapping_add(part.part);
        }
        Ok(self.ring.reduce(sum))
    }
}

/// Sends every party a message, and receives one from each.
async fn exchange<M: Serialize, T: DeserializeOwned>(
    links: &mut [&mut Link],
    topic: Topic,
    own: &M,
) -> Result<Vec<(Role, T)>, RunError> {
    for link in links.iter_mut() {
        link.send_control(topic, own).await.map_err(failed)?;
    }
    let mut theirs = Vec::new();
    for link in links.iter_mut() {
        let patience = link.long_patience();
        theirs.push((link.peer(), link.receive_control(topic, patience).await.map_err(failed)?));
    }
    Ok(theirs)
}

/// A digest of all parties' commitments.
fn digest(run: u32, all: &BTreeMap<Role, Commitments>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("symbolon 2026-11 commitments to answers of checks");
    hasher.update(&run.to_le_bytes());
    for commitment in all.values().flat_map(|of_one| of_one.commitments) {
        hasher.update(commitment.bytes());
    }
    *hasher.finalize().as_bytes()
}

fn failed(error: NetError) -> RunError {
    RunError::Peer { error, doing: "opening the answers of the checks".into() }
}

/// Each of the peers may be the one.
fn lied(links: &[&mut Link]) -> RunError {
    RunError::Answers { peers: links.iter().map(|link| link.peer()).collect() }
}

/// A number as sixteen hexadecimal digits: the length of a message says nothing of it.
mod digits {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{number:016x}"))
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<u64, D::Error> {
        let text = <&str>::deserialize(from)?;
        let is_number = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_number);
        number.ok_or_else(|| D::Error::custom("a part of 16 hexadecimal digits was due"))
    }
}
