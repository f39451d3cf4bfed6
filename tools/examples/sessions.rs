//! Two parties and a dealer, each on a thread as if it were a machine: they meet on loopback under mutual TLS between
//! pinned identities.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use symbolon::net::{Certificate, Credentials, Identity, IdentityPem};
use symbolon::session::{DealerNetwork, PartyNetwork, SessionOptions, SessionSetup, deal};
use symbolon::{
    Cpu, Device, Elements, FixedPoint, Parties, PartyId, Program, Protocol, Ring, Role, Session, Shape,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Everybody's own key, and the certificates of the others.
fn credentials(roles: &[Role]) -> Result<BTreeMap<Role, Credentials>, Failure> {
    let day = Duration::from_secs(24 * 60 * 60);
    let mut identities: BTreeMap<Role, Identity> = BTreeMap::new();
    for &role in roles {
        let pem = IdentityPem::generate(role, day)?;
        identities.insert(role, Identity::from_pem(&pem.key, &pem.certificate)?);
    }
    let certificate = |role: &Role| (*role, identities[role].certificate());
    let of = |own: &Role| {
        let peers: BTreeMap<Role, Certificate> =
            roles.iter().filter(|role| *role != own).map(certificate).collect();
        Credentials { identity: identities[own].clone(), peers }
    };
    Ok(roles.iter().map(|role| (*role, of(role))).collect())
}

/// z = x @ w on integers, for both parties.
fn program(codec: FixedPoint) -> Result<Program, Failure> {
    let mut program = Program::new(2, codec);
    let x = program.input("x", PartyId(0), Shape::new(2, 2), None)?;
    let w = program.input("w", PartyId(1), Shape::new(2, 2), None)?;
    let z = program.matmul(x, w)?;
    program.output("z", z, Parties::first(2))?;
    Ok(program)
}

/// One party: it connects, runs the program on its own input, and ends the session in order.
fn party(
    network: PartyNetwork,
    own: (&str, [u64; 4]),
    told: mpsc::Sender<SocketAddr>,
) -> Result<Vec<u64>, Failure> {
    let codec = FixedPoint::new(Ring::Z64, 0)?;
    let device: Arc<dyn Device> = Arc::new(Cpu::open(Some(1), None)?);
    let tell = move |address| told.send(address).expect("somebody waits for it");
    let mut setup = SessionSetup::new(network);
    setup.terms.add("job", "z = x @ w");
    let mut session = Session::connect(device, setup, tell)?;
    let inputs = BTreeMap::from([(own.0.to_owned(), Elements::from_integers(Ring::Z64, own.1))]);
    let outcome = session.run(Protocol::Beaver, &program(codec)?, inputs)?;
    session.finish()?;
    Ok(outcome.outputs["z"].to_u64())
}

fn main() -> Result<(), Failure> {
    let roles = [Role::party(0), Role::party(1), Role::Dealer];
    let credentials = credentials(&roles)?;
    let loopback: SocketAddr = "127.0.0.1:0".parse()?;
    let (dealer_told, dealer_address) = mpsc::channel();
    let (party_told, party_address) = mpsc::channel();

    let network = DealerNetwork {
        listen: loopback,
        parties: 2,
        streams: None,
        credentials: credentials[&Role::Dealer].clone(),
    };
    let dealer = thread::spawn(move || -> Result<(), Failure> {
        let device: Arc<dyn Device> = Arc::new(Cpu::open(Some(1), None)?);
        deal(device, &network, SessionOptions::default(), move |address| {
            dealer_told.send(address).expect("somebody waits for it")
        })?;
        Ok(())
    });
    let dealer_address = dealer_address.recv()?;
    let network = |id: u8, listen, lower| PartyNetwork {
        party: PartyId(id),
        listen,
        lower,
        parties: 2,
        dealer: Some(dealer_address.into()),
        streams: None,
        credentials: credentials[&Role::party(id)].clone(),
    };
    let first = network(0, Some(loopback), BTreeMap::new());
    let zero = thread::spawn(move || party(first, ("x", [1, 2, 3, 4]), party_told));
    let lower = BTreeMap::from([(PartyId(0), party_address.recv()?.into())]);
    let second = network(1, None, lower);
    let one = thread::spawn(move || party(second, ("w", [5, 6, 7, 8]), mpsc::channel().0));

    for party in [zero, one] {
        let z = party.join().expect("a party does not panic")?;
        println!("z = {z:?}");
        assert_eq!(z, [19, 22, 43, 50]);
    }
    dealer.join().expect("the dealer does not panic")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_runs() {
        super::main().expect("the example runs");
    }
}
