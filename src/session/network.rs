//! The addresses of a deployment, and how a party meets its peers there.

use super::SessionError;
use super::wire::Wire;
use crate::net::{
    Address, Credentials, Hello, IdentityError, Link, Listener, NetError, Streams, abort_all, dial, requested,
};
use crate::protocol::Protocol;
use crate::share::{Parties, PartyId, Role};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The addresses and identities of a party and its peers. Parties with a higher number connect to those with a lower one, and all connect
/// to the dealer, if there is one.
#[derive(Clone, Debug)]
pub struct PartyNetwork {
    /// The party.
    pub party: PartyId,
    /// The address on which it awaits parties with a higher number; `None` for the last.
    pub listen: Option<SocketAddr>,
    /// The addresses of the parties with a lower number.
    pub lower: BTreeMap<PartyId, Address>,
    /// The number of parties.
    pub parties: usize,
    /// The dealer's address; `None` where correlations are in a store, or the protocol has no dealer.
    pub dealer: Option<Address>,
    /// The number of TLS connections of a link, where its peer takes as many; `None` takes a number that suits the cores.
    pub streams: Option<Streams>,
    /// This party's identity and its peers' certificates.
    pub credentials: Credentials,
}

/// A fault in the description of a network, or in what is asked of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkFault {
    /// A party beyond their number, or too many parties.
    #[error("{party} of {parties} parties")]
    Parties {
        /// The party.
        party: PartyId,
        /// How many there are.
        parties: usize,
    },
    /// A party without the address of one with a lower number.
    #[error("{party} needs the address of every party with a lower number")]
    NoAddress {
        /// The party.
        party: PartyId,
    },
    /// A party that is not the last one and does not listen.
    #[error("{party} needs an address to listen on")]
    NoListener {
        /// The party.
        party: PartyId,
    },
    /// A peer without a certificate here.
    #[error("the certificate of {peer} is missing")]
    NoCertificate {
        /// The peer.
        peer: Role,
    },
    /// Two peers with one certificate.
    #[error(transparent)]
    Identity(IdentityError),
    /// Offers that are longer than peers take.
    #[error("what this party offers takes {bytes} bytes; its peers take {most_bytes}")]
    Offers {
        /// Their length.
        bytes: usize,
        /// The most that peers take.
        most_bytes: usize,
    },
    /// Other peers than the protocol has.
    #[error("{protocol} is for {}, but {role} is connected to {}", listed(.roles), listed(.peers))]
    Peers {
        /// The protocol.
        protocol: Protocol,
        /// Its parties.
        roles: Vec<Role>,
        /// This party.
        role: Role,
        /// The parties that it is connected to.
        peers: Vec<Role>,
    },
    /// A garbled run at a role that is neither party 0 nor party 1, or has no link with the other of them.
    #[error(
        "a garbled circuit is between parties 0 and 1: {role} is neither, or is not connected to the other"
    )]
    NotOfTwo {
        /// This role.
        role: Role,
    },
    /// A protocol that a dealer serves, and neither a dealer nor a store.
    #[error("there is neither a dealer nor a store")]
    NoDealer,
}

impl From<NetworkFault> for SessionError {
    fn from(fault: NetworkFault) -> SessionError {
        SessionError::Network(fault)
    }
}

impl PartyNetwork {
    /// Makes sure that every peer has its place.
    pub(super) fn check(&self) -> Result<(), SessionError> {
        let wrong = |fault| Err(SessionError::Network(fault));
        if self.party.index() >= self.parties || self.parties > Parties::MOST {
            return wrong(NetworkFault::Parties { party: self.party, parties: self.parties });
        }
        let expected: Vec<PartyId> = (0..self.party.0).map(PartyId).collect();
        if !self.lower.keys().copied().eq(expected) {
            return wrong(NetworkFault::NoAddress { party: self.party });
        }
        if self.listen.is_none() && self.party.index() + 1 < self.parties {
            return wrong(NetworkFault::NoListener { party: self.party });
        }
        let parties = Parties::first(self.parties).without(self.party);
        let dealer = self.dealer.is_some().then_some(Role::Dealer);
        let peers: Vec<Role> = parties.iter().map(Role::from).chain(dealer).collect();
        check_pins(&self.credentials, &peers)
    }
}

fn listed(roles: &[Role]) -> String {
    let names: Vec<String> = roles.iter().map(Role::to_string).collect();
    names.join(", ")
}

/// Makes sure that the certificate of every peer is known, and is nobody else's here.
pub(super) fn check_pins(credentials: &Credentials, peers: &[Role]) -> Result<(), SessionError> {
    match peers.iter().find(|peer| !credentials.peers.contains_key(peer)) {
        Some(&peer) => Err(NetworkFault::NoCertificate { peer }.into()),
        None => Ok(credentials.check_distinct().map_err(NetworkFault::Identity)?),
    }
}

/// Meets the other parties, then the dealer; those that are there are told where one is missing.
pub(super) async fn meet(
    wire: &Wire,
    network: &PartyNetwork,
    listening: impl FnOnce(SocketAddr),
) -> Result<Vec<Link>, NetError> {
    let mut links = Vec::new();
    let met = tokio::select! {
        biased;
        () = requested(wire.links.interrupt) => Err(NetError::Interrupted),
        met = meet_into(&mut links, wire, network, listening) => met,
    };
    match met {
        Ok(()) => Ok(links),
        Err(error) => {
            let error = first_trouble(&links, error);
            abort_all(links, |peer| error.told(peer)).await;
            Err(error)
        }
    }
}

/// Why parties did not meet, where a peer is not there in time: a peer that was met and has gone since is why, since the
/// others may have given up for its sake.
fn first_trouble(links: &[Link], error: NetError) -> NetError {
    let is_late = matches!(error, NetError::Unreachable { .. } | NetError::Absent { .. });
    links.iter().filter(|_| is_late).find_map(Link::trouble).unwrap_or(error)
}

async fn meet_into(
    links: &mut Vec<Link>,
    wire: &Wire,
    network: &PartyNetwork,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), NetError> {
    let (hello, credentials) = (Hello::new(network.party.into()), &network.credentials);
    let higher: Vec<Role> =
        (network.party.index() + 1..network.parties).map(|index| Role::party(index as u8)).collect();
    let listener = match network.listen {
        Some(address) => Some(Listener::bind(address).await?),
        None => None,
    };
    if let Some(listener) = &listener {
        listening(listener.address());
    }
    for (&party, address) in &network.lower {
        links.push(dial(party.into(), address, hello, credentials, &wire.links).await?);
    }
    if let (Some(listener), false) = (&listener, higher.is_empty()) {
        links.extend(listener.accept(&higher, hello, credentials, &wire.links).await?);
    }
    if let Some(address) = &network.dealer {
        links.push(dial(Role::Dealer, address, hello, credentials, &wire.links).await?);
    }
    Ok(())
}
