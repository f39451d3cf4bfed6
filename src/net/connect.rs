//! Finding each other: listening and dialling, in any order of starting, up to a deadline.

use super::{Hello, Link, LinkOptions, NetError};
use crate::share::Role;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Pause between two attempts to reach a peer that is not there yet.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Greetings awaited at once: strangers beyond it are turned away, and peers among them try again.
const MOST_GREETINGS: usize = 16;

/// How long a connection may take to greet.
const GREETING_PATIENCE: Duration = Duration::from_secs(2);

/// Refuses addresses beyond this machine.
///
/// # Errors
/// [`NetError::NotLoopback`].
pub fn check_loopback(address: SocketAddr) -> Result<(), NetError> {
    if address.ip().is_loopback() { Ok(()) } else { Err(NetError::NotLoopback { address }) }
}

/// A socket on which peers are awaited.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the address is not loopback, or taken.
    pub async fn bind(address: SocketAddr) -> Result<Listener, NetError> {
        check_loopback(address)?;
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
        options: &LinkOptions,
    ) -> Result<Vec<Link>, NetError> {
        let deadline = Instant::now() + options.deadlines.connect;
        let mut present: Vec<Link> = Vec::new();
        let mut refused = None;
        let mut greetings = JoinSet::new();
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
                    if let Ok((stream, _)) = connection && greetings.len() < MOST_GREETINGS {
                        prepare(&stream);
                        let link = Link::new(awaited[0], stream, options);
                        greetings.spawn(greeted(link, hello));
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

/// A link that has greeted, soon.
async fn greeted(mut link: Link, hello: Hello) -> Result<Link, NetError> {
    match timeout(GREETING_PATIENCE, link.greet(hello)).await {
        Ok(greeting) => greeting.map(|()| link),
        Err(_) => Err(NetError::Late { peer: link.peer(), what: "greeting", waited: GREETING_PATIENCE }),
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
/// Where the address is not loopback, the peer does not answer in time, speaks another version, or is somebody else.
pub async fn dial(
    peer: Role,
    address: SocketAddr,
    hello: Hello,
    options: &LinkOptions,
) -> Result<Link, NetError> {
    check_loopback(address)?;
    let deadline = Instant::now() + options.deadlines.connect;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let reason = match timeout(remaining, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                prepare(&stream);
                match greeted(Link::new(peer, stream, options), hello).await {
                    Ok(link) if link.peer() == peer => return Ok(link),
                    Ok(link) => {
                        return Err(NetError::Unexpected { found: link.peer(), awaited: vec![peer] });
                    }
                    Err(error @ (NetError::Version { .. } | NetError::Aborted { .. })) => return Err(error),
                    // The peer may have been too busy with strangers to take this connection.
                    Err(error) => error.to_string(),
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + RETRY_PAUSE >= deadline {
            return Err(NetError::Unreachable { peer, address, waited: options.deadlines.connect, reason });
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Frames are written whole, so that waiting to fill a packet would only delay them.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}
