//! Reaching a peer: the first time, in any order of starting, and again where a connection breaks.

mod acceptor;
mod admission;

pub use acceptor::Listener;

use crate::net::address::Address;
use crate::net::error::{NetError, explain};
use crate::net::identity::Credentials;
use crate::net::identity::tls::{self, Tls};
use crate::net::link::connection::{Connection, ConnectionSource, Dial, DialError, RETRY_PAUSE};
use crate::net::link::{Link, LinkOptions};
use crate::net::stream::ByteStream;
use crate::net::stream::hello::{GREETING_PATIENCE, Hello, Token, write_frame};
use crate::net::streams::Streams;
use crate::share::Role;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

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
    let hello = Hello { link: Token::draw()?, ..options.greeting(hello) };
    let mut dialler = Dialler { peer, address: address.clone(), tls: Tls::new(credentials) };
    let deadline = Instant::now() + options.deadlines.connect;
    loop {
        let reason = match timeout_at(deadline, dialler.dial(hello)).await {
            Ok(Ok(connection)) => {
                let source = ConnectionSource::Dialled(Box::new(dialler));
                return Ok(Link::over(peer, hello, source, Some(connection), options));
            }
            Ok(Err(DialError::Final(error))) => return Err(error),
            Ok(Err(DialError::Failed(error))) if is_final(&error) => return Err(error),
            // The peer may have been too busy with strangers to take this connection.
            Ok(Err(DialError::Failed(error))) => error.to_string(),
            Ok(Err(DialError::Nobody(reason))) => reason,
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + RETRY_PAUSE >= deadline {
            let (address, waited) = (address.clone(), options.deadlines.connect);
            return Err(NetError::Unreachable { peer, address, waited, reason });
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Whether another first attempt would end alike. On a link that exists such an answer may be a stranger's, who happens
/// to be at the peer's address for a while.
fn is_final(error: &NetError) -> bool {
    use NetError::{Refused, Unexpected, Untrusted, Version};
    matches!(error, Refused { .. } | Unexpected { .. } | Untrusted { .. } | Version { .. })
}

/// Dials a peer over TCP and TLS.
#[derive(Clone)]
struct Dialler {
    peer: Role,
    address: Address,
    tls: Tls,
}

impl Dial for Dialler {
    fn dial(
        &mut self,
        hello: Hello,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send + '_>> {
        Box::pin(self.try_dial(hello))
    }
}

impl Dialler {
    async fn try_dial(&self, hello: Hello) -> Result<Connection, DialError> {
        let hello = Hello { connection: Token::draw().map_err(DialError::Failed)?, ..hello };
        let mut connection = self.open(hello).await?;
        connection.further = self.open_further(hello, connection.hello.streams.min(hello.streams)).await?;
        Ok(connection)
    }

    /// Opens the streams beside the first, at once.
    async fn open_further(&self, hello: Hello, streams: Streams) -> Result<Vec<ByteStream>, DialError> {
        let mut opening = JoinSet::new();
        for stream in streams.further() {
            let (dialler, hello) = (self.clone(), Hello { stream, ..hello });
            opening.spawn(async move { dialler.open_soon(hello).await });
        }
        let mut opened = BTreeMap::new();
        while let Some(connection) = opening.join_next().await {
            let connection = connection.expect("dialling does not panic").map_err(|error| match error {
                // Why a stream is not taken says nothing of the link: the next connection may be.
                DialError::Final(error) => DialError::Failed(error),
                error => error,
            })?;
            opened.insert(connection.hello.stream, connection.stream);
        }
        Ok(opened.into_values().collect())
    }

    /// Opens a stream that the peer awaits for a while; tries again where strangers were in the way.
    async fn open_soon(&self, hello: Hello) -> Result<Connection, DialError> {
        let deadline = Instant::now() + GREETING_PATIENCE;
        loop {
            match self.open(hello).await {
                Err(DialError::Failed(_)) if Instant::now() + RETRY_PAUSE < deadline => {
                    sleep(RETRY_PAUSE).await
                }
                opened => return opened,
            }
        }
    }

    /// Opens a stream.
    async fn open(&self, hello: Hello) -> Result<Connection, DialError> {
        let failed =
            |reason| DialError::Failed(NetError::Handshake { address: self.address.to_string(), reason });
        let connected = timeout(GREETING_PATIENCE, TcpStream::connect(self.address.as_str())).await;
        let stream = connected.map_err(|_| failed(format!("no answer within {GREETING_PATIENCE:?}")))?;
        let stream = stream.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => DialError::Nobody(error.to_string()),
            _ => failed(error.to_string()),
        })?;
        soon(self.enter(stream, hello), &self.address).await.map_err(|error| match error {
            NetError::Aborted { .. } => DialError::Final(error),
            error => DialError::Failed(error),
        })
    }

    /// A stream, once both sides know each other.
    async fn enter(&self, stream: TcpStream, hello: Hello) -> Result<Connection, NetError> {
        prepare(&stream);
        let (peer, address) = (self.peer, &self.address);
        let stream = self.tls.connect(peer, stream).await;
        let mut stream = stream.map_err(|failure| named(failure, address.clone()))?;
        let greeted = write_frame(&mut stream, hello.frame()).await;
        // Why a greeting is not taken, the peer says.
        let theirs = Hello::hear(peer, &mut stream).await?;
        greeted.map_err(|error| explain(peer, &error))?;
        theirs.check(peer)?;
        if (theirs.link, theirs.connection, theirs.stream) != (hello.link, hello.connection, hello.stream) {
            let reason = "it names another link, or another stream of it".into();
            return Err(NetError::Malformed { peer, what: "hello", reason });
        }
        Ok(Connection::new(stream, theirs))
    }
}

/// Ends a handshake that takes too long.
pub(in crate::net) async fn soon<T>(
    handshake: impl Future<Output = Result<T, NetError>>,
    address: &Address,
) -> Result<T, NetError> {
    let reason = || format!("it took longer than {GREETING_PATIENCE:?}");
    let late = |_| NetError::Handshake { address: address.to_string(), reason: reason() };
    timeout(GREETING_PATIENCE, handshake).await.map_err(late)?
}

/// The error of a handshake with who is at an address.
pub(in crate::net) fn named(failure: tls::Failure, address: Address) -> NetError {
    let address = address.to_string();
    match failure {
        tls::Failure::Untrusted(error) => NetError::Untrusted { address, error },
        tls::Failure::Broken(reason) => NetError::Handshake { address, reason },
    }
}

/// Frames are written whole, so that waiting to fill a packet would only delay them.
pub(in crate::net) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

/// Tells all peers at once what each may know of why this process gives up, without waiting long.
pub async fn abort_all(links: Vec<Link>, told: impl Fn(Role) -> String) {
    let mut telling = JoinSet::new();
    for link in links {
        let reason = told(link.peer());
        telling.spawn(async move { link.abort(&reason).await });
    }
    telling.join_all().await;
}
