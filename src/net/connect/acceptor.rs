//! Awaiting peers: the first time, and again for as long as the links last.
//!
//! Whoever connects shows a certificate that is pinned, and greets with the role that it is pinned for and the name of a
//! link. A name that a link has leads there; another opens a link, where the role is awaited and has none. So a
//! connection that breaks in the handshake is simply made again, and who does not know a link's name cannot take it
//! over, even with the peer's own key. Strangers do not keep peers out: see [`super::admission`].

use crate::net::connect::abort_all;
use crate::net::connect::admission::Admission;
use crate::net::error::NetError;
use crate::net::identity::Credentials;
use crate::net::identity::tls::Tls;
use crate::net::interrupt::requested;
use crate::net::link::connection::{Connection, ConnectionSource};
use crate::net::link::{Link, LinkOptions};
use crate::net::stream::hello::{Hello, Token, write_frame};
use crate::net::streams::Streams;
use crate::share::Role;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Connections that the operating system keeps until they are accepted: as many as it takes, so that a peer's is among
/// them though strangers come by the thousand.
const BACKLOG: u32 = 4096;

/// Of connections that were turned away one is logged so often, with how many there were.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Streams that wait for their link to take them, which it does at once: those of one connection, and others that a peer
/// has given up.
const MOST_CONNECTIONS: usize = 4 + Streams::MOST.count();

/// A socket on which peers are awaited.
#[derive(Clone, Debug)]
pub struct Listener {
    socket: Arc<TcpListener>,
    address: SocketAddr,
}

impl Listener {
    /// Listens on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the address is taken, or not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Listener, NetError> {
        let refused = |error: std::io::Error| NetError::Listen { address, reason: error.to_string() };
        let socket = listen(address).map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Listener { socket: Arc::new(socket), address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Awaits the peers in `awaited`, in any order, greeting each. Connections of others, and such as do not greet
    /// properly or soon, are turned away and remembered for the error only; they do not end the waiting. The socket
    /// stays open for as long as any of the links lasts, so that they can be taken up again.
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
        let mut acceptor = Acceptor {
            awaited: awaited.to_vec(),
            seats: Vec::new(),
            admission: Admission::new(self.socket.clone(), Tls::new(credentials)),
            hello: options.greeting(hello),
            options: options.clone(),
        };
        let mut present: Vec<Link> = Vec::new();
        let (mut refused, mut log) = (None, Log::default());
        while present.len() < awaited.len() {
            tokio::select! {
                () = sleep_until(deadline) => {
                    let is_missing = |role: &&Role| present.iter().all(|link| link.peer() != **role);
                    let missing = awaited.iter().filter(is_missing).copied().collect();
                    let (address, waited) = (self.address, options.deadlines.connect);
                    let error = NetError::Absent { missing, address, waited, refused };
                    abort_all(present, |peer| error.told(peer)).await;
                    return Err(error);
                }
                () = requested(options.interrupt) => {
                    let error = NetError::Interrupted;
                    abort_all(present, |peer| error.told(peer)).await;
                    return Err(error);
                }
                opened = acceptor.open() => match opened {
                    Ok(link) => present.push(link),
                    Err(error) => {
                        log.turned_away(&error);
                        refused = Some(Box::new(telling(refused, error)));
                    }
                },
            }
        }
        tokio::spawn(acceptor.keep());
        Ok(present)
    }
}

/// Lets peers in.
struct Acceptor {
    awaited: Vec<Role>,
    seats: Vec<Seat>,
    admission: Admission,
    hello: Hello,
    options: LinkOptions,
}

/// A link that exists.
struct Seat {
    peer: Role,
    link: Token,
    connections: mpsc::Sender<Connection>,
}

impl Acceptor {
    /// The next link that is opened, or why somebody is turned away; connections of links that exist go to them.
    async fn open(&mut self) -> Result<Link, NetError> {
        loop {
            let (peer, connection) = self.admission.next().await?;
            if let Some(link) = self.seat(peer, connection).await? {
                return Ok(link);
            }
        }
    }

    /// Goes on accepting for as long as there are links.
    async fn keep(mut self) {
        let links: Vec<mpsc::Sender<Connection>> =
            self.seats.iter().map(|seat| seat.connections.clone()).collect();
        let ended = async {
            for link in &links {
                link.closed().await;
            }
        };
        tokio::pin!(ended);
        let mut log = Log::default();
        loop {
            tokio::select! {
                () = &mut ended => return,
                // Who is turned away has been told; nobody here waits for it.
                opened = self.open() => if let Err(error) = opened {
                    log.turned_away(&error);
                },
            }
        }
    }

    /// Leads a visitor to its link, which is returned where it is new.
    async fn seat(&mut self, peer: Role, mut connection: Connection) -> Result<Option<Link>, NetError> {
        if let Err(error) = connection.hello.check(peer) {
            // A peer of another version finds that out by itself.
            let answer = Hello { link: connection.hello.link, ..self.hello };
            let _ = write_frame(&mut connection.stream, answer.frame()).await;
            let _ = connection.stream.shutdown().await;
            return Err(error);
        }
        let seat = self.seats.iter().find(|seat| seat.peer == peer);
        match seat {
            Some(seat) if seat.link == connection.hello.link => {
                match seat.connections.try_send(connection) {
                    Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
                    Err(mpsc::error::TrySendError::Closed(connection)) => {
                        connection.turn_away("its session is over").await;
                    }
                }
                Ok(None)
            }
            Some(_) => {
                connection.turn_away("it has a session with this role already, which goes on").await;
                Err(NetError::Unexpected { found: peer, awaited: self.missing() })
            }
            None if !self.awaited.contains(&peer) => {
                connection.turn_away("it does not await this role").await;
                Err(NetError::Unexpected { found: peer, awaited: self.missing() })
            }
            None if connection.hello.stream > 0 => {
                connection.turn_away("it knows nothing of this connection").await;
                let (expected, found) = ("the first stream of a link", "the hello of another");
                Err(NetError::OutOfPlace { peer, expected, found })
            }
            None if connection.hello.received > 0 => {
                let claimed = connection.hello.received;
                connection.turn_away("it knows nothing of this session: it has been started anew").await;
                Err(NetError::Miscount { peer, claimed, acknowledged: 0, sent: 0 })
            }
            None => {
                let (connections, source) = mpsc::channel(MOST_CONNECTIONS);
                self.seats.push(Seat { peer, link: connection.hello.link, connections });
                let source = ConnectionSource::Awaited(source);
                Ok(Some(Link::over(peer, self.hello, source, Some(connection), &self.options)))
            }
        }
    }

    fn missing(&self) -> Vec<Role> {
        let is_missing = |role: &&Role| self.seats.iter().all(|seat| seat.peer != **role);
        self.awaited.iter().filter(is_missing).copied().collect()
    }
}

/// A socket that listens.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere it would let another process have the same address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Of two reasons why connections were turned away, the one that says more of a peer: strangers, who speak no TLS or say
/// nothing, are many.
fn telling(before: Option<Box<NetError>>, error: NetError) -> NetError {
    match before {
        Some(before) if matches!(error, NetError::Handshake { .. }) => *before,
        _ => error,
    }
}

/// Says of connections that were turned away why the last one was, now and then: strangers must not fill a log.
#[derive(Default)]
struct Log {
    last: Option<Instant>,
    untold: u64,
}

impl Log {
    fn turned_away(&mut self, error: &NetError) {
        self.untold += 1;
        if self.last.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            let connections = self.untold;
            tracing::warn!(%error, connections, "turned away");
            (self.last, self.untold) = (Some(Instant::now()), 0);
        }
    }
}
