//! The meeting of a party with its peers, and the first messages that they exchange.

use super::keys::KeySource;
use super::network::meet;
use super::topic::{INTRODUCTION, check_offers};
use super::wire::Wire;
use super::{Devices, Offer, PartyNetwork, Session, SessionError, SessionOptions};
use crate::net::NetError;
use crate::run::{Stage, Stages};
use crate::share::{Role, Terms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// All that a party needs to connect.
#[derive(Clone, Debug)]
pub struct SessionSetup {
    /// The addresses and identities of the party and its peers.
    pub network: PartyNetwork,
    /// The session's options.
    pub options: SessionOptions,
    /// Facts that all parties must have in common, such as the text of the job. The dealer is not told.
    pub terms: Terms,
    /// The shapes and kinds of this party's inputs, by name: the others need them ([`Session::inputs`]). The dealer is not
    /// told.
    pub offers: BTreeMap<String, Offer>,
}

impl SessionSetup {
    /// A party of this network, without terms and offers.
    pub fn new(network: PartyNetwork) -> SessionSetup {
        let options = SessionOptions::default();
        SessionSetup { network, options, terms: Terms::default(), offers: BTreeMap::new() }
    }
}

/// The first words of a party to the others, once it is known who they are.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Introduction {
    /// Facts that both must have in common.
    pub terms: Terms,
    /// The sender's inputs, by name: each an [`Offer`] as JSON, a peer's word until it is held against a job.
    pub offers: Terms,
}

impl Introduction {
    /// The first words with these offers.
    pub fn new(terms: Terms, offers: &BTreeMap<String, Offer>) -> Result<Introduction, SessionError> {
        let json = |offer: &Offer| serde_json::to_string(offer).expect("an offer serialises");
        let offers: Terms = offers.iter().map(|(name, offer)| (name, json(offer))).collect();
        check_offers(&offers)?;
        Ok(Introduction { terms, offers })
    }
}

impl Session {
    /// Connects to the other parties and the dealer, in any order of starting, up to the connect deadline. `listening` is
    /// called with the address on which this party listens, once it does.
    ///
    /// # Errors
    /// Where the network is not well described, a peer is missing, or was given other terms, and where the offers exceed
    /// 1 MiB, since no peer takes more.
    ///
    /// # Panics
    /// Within a task of a tokio runtime: sessions block.
    pub fn connect(
        devices: impl Into<Devices>,
        setup: SessionSetup,
        listening: impl FnOnce(SocketAddr),
    ) -> Result<Session, SessionError> {
        let stages = Stages::default();
        let SessionSetup { network, options, terms, offers } = setup;
        network.check()?;
        let ours = Introduction::new(terms, &offers)?;
        let devices = devices.into().for_session()?;
        let peers = network.parties - 1 + usize::from(network.dealer.is_some());
        let wire = Wire::between(&options, network.streams, peers)?;
        let role = Role::from(network.party);
        let links = wire.block_on(meet(&wire, &network, listening))?;
        let mut session = Session::over(role, devices, wire, links, options, KeySource::Entropy);
        session.stages = stages;
        match session.introduce(ours) {
            Ok(()) => {
                session.stages.end(Stage::Connecting);
                Ok(session)
            }
            Err(error) => Err(session.fail(error.into())),
        }
    }

    /// Tells the other parties the terms, and learns their offers.
    pub(super) fn introduce(&mut self, ours: Introduction) -> Result<(), NetError> {
        let parties = self.links.iter_mut().filter(|link| link.peer() != Role::Dealer);
        let (role, offers) = (self.role, &mut self.offers);
        self.wire.wait(async {
            let mut disagreement = None;
            for link in parties {
                let bytes = link.send_control(INTRODUCTION, &ours).await?;
                // The peer may still be waiting for others to connect, as long as this party would; then it says who is
                // missing, which is the better reason to end for.
                let theirs: Introduction =
                    link.receive_control(INTRODUCTION.like(bytes), 2 * link.patience()).await?;
                let difference = ours.terms.first_difference(&theirs.terms);
                let error = difference.map(|difference| NetError::Disagree { peer: link.peer(), difference });
                disagreement = disagreement.or(error);
                let Role::Party(party) = link.peer() else { unreachable!("the dealer is not introduced") };
                offers.insert(party, theirs.offers);
            }
            if let Role::Party(party) = role {
                offers.insert(party, ours.offers);
            }
            disagreement.map_or(Ok(()), Err)
        })
    }
}
