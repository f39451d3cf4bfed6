//! Awaiting peers: the first time, and again for as long as the links last.
//!
//! Whoever connects shows a certificate that is pinned, and greets with the role that it is pinned for and the name of a
//! link. A name that a link has leads there; another opens a link, where the role is awaited and has none. So a
//! connection that breaks in the handshake is simply made again, and who does not know a link's name cannot take it
//! over, even with the peer's own key.

use super::carrier::{Origin, Visit};
use super::connect::{abort_all, named, prepare, soon};
use super::hello::{LinkId, write_frame};
use super::tls::Tls;
use super::{Address, Credentials, Frame, Hello, Link, LinkOptions, NetError};
use crate::share::Role;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Greetings awaited at once: strangers beyond it are turned away, and peers among them try again.
const MOST_GREETINGS: usize = 16;

/// Connections that wait for their link to take them: the latest is the good one, and it takes them at once.
const MOST_VISITS: usize = 4;

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
        let socket = TcpListener::bind(address).await.map_err(refused)?;
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
        let mut door = Door {
            socket: self.socket.clone(),
            awaited: awaited.to_vec(),
            seats: Vec::new(),
            greetings: JoinSet::new(),
            tls: Arc::new(Tls::new(credentials)),
            hello,
            options: options.clone(),
        };
        let mut present: Vec<Link> = Vec::new();
        let mut refused = None;
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
                opened = door.open() => match opened {
                    Ok(link) => present.push(link),
                    Err(error) => {
                        tracing::warn!(%error, "a connection was turned away");
                        refused = Some(Box::new(error));
                    }
                },
            }
        }
        tokio::spawn(door.keep());
        Ok(present)
    }
}

/// Lets peers in.
struct Door {
    socket: Arc<TcpListener>,
    awaited: Vec<Role>,
    seats: Vec<Seat>,
    greetings: JoinSet<Result<(Role, Visit), NetError>>,
    tls: Arc<Tls>,
    hello: Hello,
    options: LinkOptions,
}

/// A link that exists.
struct Seat {
    peer: Role,
    link: LinkId,
    visits: mpsc::Sender<Visit>,
}

impl Door {
    /// The next link that is opened, or why somebody is turned away; connections of links that exist go to them.
    async fn open(&mut self) -> Result<Link, NetError> {
        loop {
            tokio::select! {
                connection = self.socket.accept() => {
                    // A connection that failed before it was taken is nobody's fault here.
                    if let Ok((stream, address)) = connection && self.greetings.len() < MOST_GREETINGS {
                        self.greetings.spawn(admit(stream, address, self.tls.clone()));
                    }
                }
                Some(greeting) = self.greetings.join_next() => {
                    let (peer, visit) = greeting.expect("greeting does not panic")?;
                    if let Some(link) = self.seat(peer, visit).await? {
                        return Ok(link);
                    }
                }
            }
        }
    }

    /// Keeps the door for as long as there are links.
    async fn keep(mut self) {
        let links: Vec<mpsc::Sender<Visit>> = self.seats.iter().map(|seat| seat.visits.clone()).collect();
        let ended = async {
            for link in &links {
                link.closed().await;
            }
        };
        tokio::pin!(ended);
        loop {
            tokio::select! {
                () = &mut ended => return,
                // Who is turned away has been told; nobody here waits for it.
                opened = self.open() => if let Err(error) = opened {
                    tracing::warn!(%error, "a connection was turned away");
                },
            }
        }
    }

    /// Leads a visitor to its link, which is returned where it is new.
    async fn seat(&mut self, peer: Role, mut visit: Visit) -> Result<Option<Link>, NetError> {
        if let Err(error) = visit.hello.check(peer) {
            // A peer of another version finds that out by itself.
            let answer = Hello { link: visit.hello.link, ..self.hello };
            let _ = write_frame(&mut visit.stream, answer.frame()).await;
            let _ = visit.stream.shutdown().await;
            return Err(error);
        }
        let seat = self.seats.iter().find(|seat| seat.peer == peer);
        match seat {
            Some(seat) if seat.link == visit.hello.link => {
                match seat.visits.try_send(visit) {
                    Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
                    Err(mpsc::error::TrySendError::Closed(visit)) => {
                        turn_away(visit, "its session is over").await;
                    }
                }
                Ok(None)
            }
            Some(_) => {
                turn_away(visit, "it has a session with this role already, which goes on").await;
                Err(NetError::Unexpected { found: peer, awaited: self.missing() })
            }
            None if !self.awaited.contains(&peer) => {
                turn_away(visit, "it does not await this role").await;
                Err(NetError::Unexpected { found: peer, awaited: self.missing() })
            }
            None if visit.hello.received > 0 => {
                let claimed = visit.hello.received;
                turn_away(visit, "it knows nothing of this session: it has been started anew").await;
                Err(NetError::Miscount { peer, claimed, acknowledged: 0, sent: 0 })
            }
            None => {
                let (visits, origin) = mpsc::channel(MOST_VISITS);
                self.seats.push(Seat { peer, link: visit.hello.link, visits });
                let origin = Origin::Awaited(origin);
                Ok(Some(Link::over(peer, self.hello, origin, Some(visit), &self.options)))
            }
        }
    }

    fn missing(&self) -> Vec<Role> {
        let is_missing = |role: &&Role| self.seats.iter().all(|seat| seat.peer != **role);
        self.awaited.iter().filter(is_missing).copied().collect()
    }
}

/// A connection whose peer has greeted, and who that is.
async fn admit(stream: TcpStream, address: SocketAddr, tls: Arc<Tls>) -> Result<(Role, Visit), NetError> {
    let address = Address::from(address);
    let admission = async {
        prepare(&stream);
        let accepted = tls.accept(stream).await;
        let (peer, mut stream) = accepted.map_err(|failure| named(failure, address.clone()))?;
        let hello = Hello::hear(peer, &mut stream).await?;
        Ok((peer, Visit { stream: Box::new(stream), hello }))
    };
    soon(admission, &address).await
}

/// Tells a visitor why it is not let in.
async fn turn_away(mut visit: Visit, reason: &str) {
    let _ = write_frame(&mut visit.stream, Frame::abort(reason)).await;
    let _ = visit.stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::connect::dial;
    use crate::net::hello::write_frame;
    use crate::net::{Deadlines, Identity, IdentityPem, Topic};
    use std::time::Duration;
    use tokio::io::AsyncReadExt;

    const ZERO: Role = Role::party(0);
    const ONE: Role = Role::party(1);
    const TEXT: Topic = Topic::new(1, "text", 100);

    /// Credentials of parties 0 and 1, and of a stranger who believes party 0.
    fn credentials() -> [Credentials; 3] {
        let fresh = |owner| {
            let pem = IdentityPem::generate(owner, Duration::from_secs(60 * 60)).expect("an identity");
            Identity::from_pem(&pem.key, &pem.certificate).expect("what was made can be read")
        };
        let (zero, one, stranger) = (fresh(ZERO), fresh(ONE), fresh(ONE));
        let knows = |own: &Identity, peer, pinned: &Identity| Credentials {
            identity: own.clone(),
            peers: [(peer, pinned.certificate())].into(),
        };
        [knows(&zero, ONE, &one), knows(&one, ZERO, &zero), knows(&stranger, ZERO, &zero)]
    }

    /// Passes connections on to `to`, and ends them all whenever it is told to.
    async fn proxy(to: SocketAddr) -> (Address, tokio::sync::watch::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").into();
        let (end, ended) = tokio::sync::watch::channel(());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut ended = ended.clone();
                ended.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await.expect("the listener is there");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = ended.changed() => {}
                    }
                });
            }
        });
        (address, end)
    }

    /// A link of party 1 to party 0 through a proxy; where party 0 listens, and what ends connections.
    async fn meet(
        zero: &Credentials,
        one: &Credentials,
        options: &LinkOptions,
    ) -> (Link, Link, SocketAddr, tokio::sync::watch::Sender<()>) {
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let (address, end) = proxy(listener.address()).await;
        let hello = Hello::new(ZERO);
        let (accepted, dialled) = tokio::join!(
            listener.accept(&[ONE], hello, zero, options),
            dial(ZERO, &address, Hello::new(ONE), one, options),
        );
        let accepted = accepted.expect("party 1 connects").pop().expect("one link");
        (accepted, dialled.expect("party 0 is there"), listener.address(), end)
    }

    async fn exchange(near: &mut Link, far: &mut Link, text: &str) {
        for (from, to) in [(0, 1), (1, 0)] {
            let links = [&mut *near, &mut *far];
            links[from].send_control(TEXT, &text).await.expect("it is queued");
            let received: String =
                links[to].receive_control(TEXT, Duration::from_secs(20)).await.expect("it arrives");
            assert_eq!(received, text);
        }
    }

    #[tokio::test]
    async fn what_a_peer_said_when_it_gave_up_is_the_error_of_whatever_is_sent_later() {
        let [zero, one, _] = credentials();
        let (near, far, _, _end) = meet(&zero, &one, &LinkOptions::default()).await;
        near.abort("a file was altered").await;
        let error = loop {
            if let Err(error) = far.sender().send(Frame::Ready).await {
                break error.to_string();
            }
        };
        assert!(error.contains("gave up: a file was altered"), "{error}");
    }

    #[tokio::test]
    async fn a_link_outlives_its_connections_and_the_listener_goes_with_it() {
        let [zero, one, _] = credentials();
        let options = LinkOptions::default();
        let (mut near, mut far, listens, end) = meet(&zero, &one, &options).await;
        for text in ["first", "second", "third"] {
            exchange(&mut near, &mut far, text).await;
            end.send(()).expect("the proxy listens");
            exchange(&mut near, &mut far, text).await;
        }
        assert_eq!((near.traffic().reconnects, far.traffic().reconnects), (3, 3));
        assert_eq!(near.traffic().sent_frames, 6);
        let (one_end, other_end) = tokio::join!(near.finish(), far.finish());
        assert_eq!((one_end, other_end), (Ok(()), Ok(())));
        while TcpStream::connect(listens).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What party 0 says to a connection of party 1's identity that greets so.
    async fn greet(one: &Credentials, listens: SocketAddr, hello: Hello) -> NetError {
        let stream = TcpStream::connect(listens).await.expect("party 0 listens");
        let mut stream = Tls::new(one).connect(ZERO, stream).await.expect("party 0 knows the identity");
        write_frame(&mut stream, hello.frame()).await.expect("a greeting is sent");
        Hello::hear(ZERO, &mut stream).await.expect_err("it is turned away")
    }

    #[tokio::test]
    async fn nobody_else_takes_a_link_over() {
        let [zero, one, stranger] = credentials();
        let options = LinkOptions::default();
        let (mut near, mut far, listens, end) = meet(&zero, &one, &options).await;
        exchange(&mut near, &mut far, "before").await;
        // Another process of party 1 does not know the link's name.
        let another = Hello { link: LinkId::draw().expect("entropy"), received: 1, ..Hello::new(ONE) };
        let error = greet(&one, listens, another).await;
        assert!(
            matches!(&error, NetError::Aborted { reason, .. } if reason.contains("which goes on")),
            "{error}"
        );
        let stream = TcpStream::connect(listens).await.expect("party 0 listens");
        // Whom party 0 does not know learns that from an alert.
        if let Ok(mut stream) = Tls::new(&stranger).connect(ZERO, stream).await {
            assert!(stream.read_u8().await.is_err(), "a stranger is refused");
        }
        end.send(()).expect("the proxy listens");
        exchange(&mut near, &mut far, "after").await;
    }

    #[tokio::test]
    async fn a_session_that_nobody_knows_is_not_taken_up() {
        let [zero, one, _] = credentials();
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let hello = Hello { link: LinkId::draw().expect("entropy"), received: 3, ..Hello::new(ONE) };
        let deadlines = Deadlines { connect: Duration::from_secs(2), ..Deadlines::default() };
        let options = LinkOptions { deadlines, ..LinkOptions::default() };
        let (accepted, error) = tokio::join!(
            listener.accept(&[ONE], Hello::new(ZERO), &zero, &options),
            greet(&one, listener.address(), hello),
        );
        assert!(matches!(&error, NetError::Aborted { reason, .. } if reason.contains("anew")), "{error}");
        assert!(matches!(accepted, Err(NetError::Absent { .. })), "party 1 is still awaited");
    }

    #[tokio::test]
    async fn a_peer_that_has_ended_is_given_up_soon() {
        let [zero, one, _] = credentials();
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
        let address = Address::from(listener.address());
        let options = LinkOptions::default();
        let (accepted, dialled) = tokio::join!(
            listener.accept(&[ONE], Hello::new(ZERO), &zero, &options),
            dial(ZERO, &address, Hello::new(ONE), &one, &options),
        );
        let mut dialled = dialled.expect("party 0 is there");
        // Ended without a word, as a process that is killed.
        accepted.expect("party 1 connects").into_iter().for_each(Link::kill);
        drop(listener);
        let error = dialled.receiver().receive().await.expect_err("nobody is there");
        let NetError::Closed { reason, .. } = &error else { panic!("an ended connection: {error}") };
        assert!(reason.contains("nobody listens there any more"), "{error}");
    }
}
