//! The first words on a link, and control messages: who is there, and whether both were given the same job.

use super::error::printable;
use super::frame::CONTROL_PAYLOAD_BYTES;
use super::{Frame, Link, NetError};
use crate::share::Role;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;

/// The version of the protocol: wire format, handshake and lowering.
pub const VERSION: u32 = 1;

/// A greeting: all that is said before it is known who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's [`VERSION`].
    pub version: u32,
    /// Who greets.
    pub role: Role,
}

impl Hello {
    /// The greeting of a process of this version.
    pub const fn new(role: Role) -> Hello {
        Hello { version: VERSION, role }
    }
}

/// A term that two processes do not have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: String,
    /// What this process has.
    pub here: String,
    /// What the other has.
    pub there: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} here and {} there", self.field, self.here, self.there)
    }
}

/// The first term in which two lists differ: terms are compared by their names, wherever they stand, and those that
/// stand first say most.
pub fn first_difference(here: &[(String, String)], there: &[(String, String)]) -> Option<Difference> {
    let (ours, theirs) = (by_name(here), by_name(there));
    let place = |list: &[(String, String)]| {
        list.iter().position(|(name, _)| ours.get(&**name) != theirs.get(&**name))
    };
    let field = match (place(here), place(there)) {
        (Some(place), other) if other.is_none_or(|other| place <= other) => &here[place].0,
        (_, Some(place)) => &there[place].0,
        _ if here.len() == there.len() => return None,
        // A name that stands twice in one list only.
        _ => {
            return Some(difference(
                "number of terms",
                Some(&here.len().to_string()),
                Some(&there.len().to_string()),
            ));
        }
    };
    Some(difference(field, ours.get(&**field).copied(), theirs.get(&**field).copied()))
}

fn by_name(list: &[(String, String)]) -> BTreeMap<&str, &str> {
    list.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn difference(field: &str, here: Option<&str>, there: Option<&str>) -> Difference {
    let shown = |value: Option<&str>| value.map_or_else(|| "absent".to_owned(), shorten);
    Difference { field: printable(field), here: shown(here), there: shown(there) }
}

fn shorten(value: &str) -> String {
    const LONGEST: usize = 200;
    let value = printable(value);
    match value.len() {
        0..=LONGEST => format!("`{value}`"),
        _ => format!("`{}…`", &value[..value.floor_char_boundary(LONGEST)]),
    }
}

impl Link {
    /// Exchanges greetings, and names the peer by its own.
    ///
    /// # Errors
    /// Where the peer is silent, or speaks another version.
    pub async fn greet(&mut self, hello: Hello) -> Result<(), NetError> {
        self.send_control("greeting", &hello).await?;
        let theirs: Hello = self.receive_control("greeting", self.patience()).await?;
        self.admit(theirs.role);
        if theirs.version != VERSION {
            return Err(NetError::Version { peer: theirs.role, here: VERSION, there: theirs.version });
        }
        Ok(())
    }

    /// Sends a control message as JSON.
    ///
    /// # Errors
    /// Where the link is broken, or the message longer than a peer takes.
    pub async fn send_control(&self, what: &'static str, message: &impl Serialize) -> Result<(), NetError> {
        let payload = serde_json::to_vec(message).expect("control messages serialise");
        if payload.len() > CONTROL_PAYLOAD_BYTES {
            return Err(NetError::TooLong { peer: self.peer(), what, bytes: payload.len() });
        }
        self.sender().send(Frame::Control(payload.into())).await
    }

    /// Receives a control message within `patience`.
    ///
    /// # Errors
    /// Where the link is broken, something else arrives, or nothing in time.
    pub async fn receive_control<M: DeserializeOwned>(
        &mut self,
        what: &'static str,
        patience: Duration,
    ) -> Result<M, NetError> {
        let peer = self.peer();
        match timeout(patience, self.receive_control_or_finish(what)).await {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => Err(NetError::OutOfPlace { peer, expected: what, found: Frame::Finish.name() }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(NetError::Late { peer, what, waited: patience }),
        }
    }

    /// Receives a control message, or `None` where the peer has finished instead; waits as long as the peer lives.
    ///
    /// # Errors
    /// Where the link is broken, or something else arrives.
    pub async fn receive_control_or_finish<M: DeserializeOwned>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<M>, NetError> {
        let frame = self.receiver().receive().await?;
        let peer = self.peer();
        match frame {
            Frame::Control(payload) => serde_json::from_slice(&payload).map(Some).map_err(|error| {
                let reason = printable(&error.to_string());
                NetError::Malformed { peer, what, reason }
            }),
            Frame::Finish => Ok(None),
            other => Err(NetError::OutOfPlace { peer, expected: what, found: other.name() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let here = terms(&[("protocol", "beaver"), ("ring_bits", "64"), ("step 1", "z = x")]);
        assert_eq!(first_difference(&here, &here), None);
        let there = terms(&[("protocol", "beaver"), ("ring_bits", "32"), ("step 1", "z = x")]);
        let difference = first_difference(&here, &there).unwrap();
        assert_eq!(difference.to_string(), "ring_bits is `64` here and `32` there");
        let shorter = terms(&[("protocol", "beaver"), ("ring_bits", "64")]);
        assert_eq!(first_difference(&shorter, &here).unwrap().field, "step 1");
        assert_eq!(first_difference(&here, &shorter).unwrap().there, "absent");
    }

    #[test]
    fn terms_are_compared_by_name() {
        let here = terms(&[("protocol", "beaver"), ("owner of input x", "0"), ("step 1", "z = x")]);
        let more = terms(&[
            ("protocol", "beaver"),
            ("owner of input a", "1"),
            ("owner of input x", "0"),
            ("step 1", "z = x + a"),
        ]);
        let difference = first_difference(&here, &more).unwrap();
        assert_eq!(difference.to_string(), "owner of input a is absent here and `1` there");
        let difference = first_difference(&more, &here).unwrap();
        assert_eq!(difference.to_string(), "owner of input a is `1` here and absent there");
        let turned: Vec<_> = here.iter().rev().cloned().collect();
        assert_eq!(first_difference(&here, &turned), None);
        let twice = [&here[..], &here[..1]].concat();
        assert_eq!(first_difference(&here, &twice).unwrap().field, "number of terms");
    }
}
