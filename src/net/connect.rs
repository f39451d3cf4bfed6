//! Finding each other: listening and dialling, in any order of starting, up to a deadline.

use super::tls::{self, Tls};
use super::{Address, Credentials, Hello, Link, LinkOptions, NetError};
use crate::share::Role;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Pause between two attempts to reach a peer that is not there yet.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Greetings awaited at once: strangers beyond it are turned away, and peers among them try again.
const MOST_GREETINGS: usize = 16;

/// How long a connection may take to shake hands and greet.
const GREETING_PATIENCE: Duration = Duration::from_secs(5);

/// A socket on which peers are awaited.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the address is taken, or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Listener, NetError> {
        let refused = |error: std::io::Error| NetError::Listen { address, reason: error.to_string() };
        let socket = TcpListener::bind(address).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Listener { socket, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Awaits the peers in `awaited`, in any order, greeting each. Connections of others, and such as do not greet
    /// properly or soon, are turned away and remembered for the error only; they do not end the waiting.
    ///
    /// # Errors
    /// Where a peer is missing at the deadline; those that are there are told.
    pub async fn accept(
        &self,
        awaited: &[Role],
        hello: Hello,
        credentials: &Credentials,
        options: &LinkOptions,
    ) -> Result<Vec<Link>, NetError> {
        let deadline = Instant::now() + options.deadlines.connect;
        let mut present: Vec<Link> = Vec::new();
        let mut refused = None;
        let mut greetings = JoinSet::new();
        let tls = Arc::new(Tls::new(credentials));
        while present.len() < awaited.len() {
            tokio::select! {
                () = sleep_until(deadline) => {
                    let missing = awaited.iter().filter(|&&role| is_due(role, awaited, &present)).copied().collect();
                    let (address, waited) = (self.address, options.deadlines.connect);
                    let error = NetError::Absent { missing, address, waited, refused };
                    abort_all(present, &error).await;
                    return Err(error);
                }
                connection = self.socket.accept() => {
                    // A connection that failed before it was taken is nobody's fault here.
                    if let Ok((stream, address)) = connection && greetings.len() < MOST_GREETINGS {
                        greetings.spawn(admit(stream, address, hello, tls.clone(), options.clone()));
                    }
                }
                Some(greeting) = greetings.join_next() => match greeting.expect("greeting does not panic") {
                    Ok(link) if is_due(link.peer(), awaited, &present) => present.push(link),
                    Ok(link) => {
                        let error = NetError::Unexpected { found: link.peer(), awaited: awaited.to_vec() };
                        link.sender().try_abort(&error.to_string());
                        refused = Some(Box::new(error));
                    }
                    Err(error) => refused = Some(Box::new(error)),
                },
            }
        }
        Ok(present)
    }
}

/// The link of a connection that was accepted, once both sides know each other.
async fn admit(
    stream: TcpStream,
    address: SocketAddr,
    hello: Hello,
    tls: Arc<Tls>,
    options: LinkOptions,
) -> Result<Link, NetError> {
    let admission = async {
        prepare(&stream);
        let (peer, stream) = tls.accept(stream).await.map_err(|failure| named(failure, address.into()))?;
        greeted(Link::new(peer, stream, &options), hello).await
    };
    soon(admission, &address.into()).await
}

/// The link of a connection that was dialled, once both sides know each other.
async fn enter(
    stream: TcpStream,
    peer: Role,
    address: &Address,
    hello: Hello,
    tls: &Tls,
    options: &LinkOptions,
) -> Result<Link, NetError> {
    let entry = async {
        prepare(&stream);
        let stream = tls.connect(peer, stream).await.map_err(|failure| named(failure, address.clone()))?;
        greeted(Link::new(peer, stream, options), hello).await
    };
    soon(entry, address).await
}

async fn soon(
    handshake: impl Future<Output = Result<Link, NetError>>,
    address: &Address,
) -> Result<Link, NetError> {
    let reason = || format!("it took longer than {GREETING_PATIENCE:?}");
    let late = |_| NetError::Handshake { address: address.to_string(), reason: reason() };
    timeout(GREETING_PATIENCE, handshake).await.map_err(late)?
}

/// A link whose peer has greeted as the role that its certificate is pinned for.
async fn greeted(mut link: Link, hello: Hello) -> Result<Link, NetError> {
    let certified = link.peer();
    link.greet(hello).await?;
    match link.peer() {
        peer if peer == certified => Ok(link),
        found => Err(NetError::Unexpected { found, awaited: vec![certified] }),
    }
}

fn named(failure: tls::Failure, address: Address) -> NetError {
    let address = address.to_string();
    match failure {
        tls::Failure::Untrusted(error) => NetError::Untrusted { address, error },
        tls::Failure::Broken(reason) => NetError::Handshake { address, reason },
    }
}

/// Tells every link why this process gives up.
pub async fn abort_all(links: Vec<Link>, error: &NetError) {
    for link in links {
        link.abort(&error.to_string()).await;
    }
}

/// Whether `role` is awaited and not there yet.
fn is_due(role: Role, awaited: &[Role], present: &[Link]) -> bool {
    awaited.contains(&role) && present.iter().all(|link| link.peer() != role)
}

/// Connects to `peer` and greets it, trying again until it is there or the connect deadline has passed.
///
/// # Errors
/// Where the peer does not answer in time, speaks another version, is somebody else, or refuses this process.
pub async fn dial(
    peer: Role,
    address: &Address,
    hello: Hello,
    credentials: &Credentials,
    options: &LinkOptions,
) -> Result<Link, NetError> {
    let tls = Tls::new(credentials);
    let deadline = Instant::now() + options.deadlines.connect;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let reason = match timeout(remaining, TcpStream::connect(address.as_str())).await {
            Ok(Ok(stream)) => match enter(stream, peer, address, hello, &tls, options).await {
                Ok(link) => return Ok(link),
                Err(error) if is_final(&error) => return Err(error),
                // The peer may have been too busy with strangers to take this connection.
                Err(error) => error.to_string(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + RETRY_PAUSE >= deadline {
            let (address, waited) = (address.clone(), options.deadlines.connect);
            return Err(NetError::Unreachable { peer, address, waited, reason });
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Whether another attempt would end alike.
fn is_final(error: &NetError) -> bool {
    use NetError::{Aborted, Refused, Unexpected, Untrusted, Version};
    matches!(error, Aborted { .. } | Refused { .. } | Unexpected { .. } | Untrusted { .. } | Version { .. })
}

/// Frames are written whole, so that waiting to fill a packet would only delay them.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}
