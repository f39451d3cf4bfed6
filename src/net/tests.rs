//! Links between processes, which meet over TCP by way of a proxy.

mod strangers;

use super::identity::tls::{Stream, Tls};
use super::stream::hello::write_frame;
use super::*;
use crate::share::Role;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const ZERO: Role = Role::party(0);
const ONE: Role = Role::party(1);
const TEXT: Topic = Topic::new(1, "text", 2 << 20);

/// Credentials of parties 0 and 1, and of a stranger who believes party 0.
pub(super) fn credentials() -> [Credentials; 3] {
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

/// What a proxy does to the connections that it has.
#[derive(Clone, Copy)]
enum Harm {
    EndAll,
    /// Of as many connections as there are streams, the one that was made as this one ends.
    EndOne(usize),
    /// One direction of it ends.
    HalfCloseOne(usize),
}

/// Does harm to connections, and counts those that were made.
struct Proxy {
    harm: tokio::sync::watch::Sender<Harm>,
    made: Arc<AtomicUsize>,
}

impl Proxy {
    fn harm(&self, harm: Harm) {
        self.harm.send(harm).expect("the proxy listens");
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }
}

/// Passes connections on to `to`.
async fn proxy(to: SocketAddr, streams: usize) -> (Address, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").into();
    let (harm, harmed) = tokio::sync::watch::channel(Harm::EndAll);
    let made = Arc::new(AtomicUsize::new(0));
    let proxy = Proxy { harm, made: made.clone() };
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let mut harmed = harmed.clone();
            harmed.mark_unchanged();
            let number = made.fetch_add(1, Ordering::SeqCst) % streams;
            tokio::spawn(async move {
                let far = TcpStream::connect(to).await.expect("the listener is there");
                let ((mut near_read, mut near_write), (mut far_read, mut far_write)) =
                    (near.into_split(), far.into_split());
                let there = tokio::spawn(async move {
                    drop(tokio::io::copy(&mut near_read, &mut far_write).await);
                });
                let back = tokio::spawn(async move {
                    drop(tokio::io::copy(&mut far_read, &mut near_write).await);
                });
                while harmed.changed().await.is_ok() {
                    let harm = *harmed.borrow();
                    match harm {
                        Harm::EndAll => break,
                        Harm::EndOne(one) if one == number => break,
                        Harm::HalfCloseOne(one) if one == number => there.abort(),
                        _ => {}
                    }
                }
                (there.abort(), back.abort())
            });
        }
    });
    (address, proxy)
}

/// A link of party 1 to party 0 through a proxy; where party 0 listens, and what ends connections.
async fn meet(
    zero: &Credentials,
    one: &Credentials,
    options: &LinkOptions,
) -> (Link, Link, SocketAddr, Proxy) {
    meet_with(zero, one, options, options).await
}

/// As [`meet`], where party 0 and party 1 want different things.
async fn meet_with(
    zero: &Credentials,
    one: &Credentials,
    zeros: &LinkOptions,
    ones: &LinkOptions,
) -> (Link, Link, SocketAddr, Proxy) {
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let (address, proxy) = proxy(listener.address(), zeros.streams.min(ones.streams).count()).await;
    let hello = Hello::new(ZERO);
    let (accepted, dialled) = tokio::join!(
        listener.accept(&[ONE], hello, zero, zeros),
        dial(ZERO, &address, Hello::new(ONE), one, ones),
    );
    let accepted = accepted.expect("party 1 connects").pop().expect("one link");
    (accepted, dialled.expect("party 0 is there"), listener.address(), proxy)
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
    let (near, far, _, _proxy) = meet(&zero, &one, &LinkOptions::default()).await;
    near.abort("a file was altered").await;
    let error = loop {
        if let Err(error) = far.sender().send(Frame::Ready).await {
            break error.to_string();
        }
    };
    assert!(error.contains("gave up: a file was altered"), "{error}");
}

#[tokio::test]
async fn who_is_stopped_while_it_waits_for_the_end_tells_its_peer() {
    static STOP: Interrupt = Interrupt::new();
    let [interrupted, plain] =
        [Some(&STOP), None].map(|interrupt| LinkOptions { interrupt, ..LinkOptions::default() });
    for _ in 0..20 {
        let (near, mut far) = Link::pair([ONE, ZERO], [&interrupted, &plain], 1 << 16);
        let stopped = async {
            STOP.request();
            near.finish().await
        };
        let told = async {
            loop {
                far.receiver().expect_control(TEXT);
                if let Err(error) = far.receiver().receive().await {
                    return error.to_string();
                }
            }
        };
        let (ended, told) = tokio::join!(stopped, told);
        assert_eq!(ended, Err(NetError::Interrupted));
        assert_eq!(told, "party 0 gave up: interrupted");
    }
}

#[tokio::test]
async fn a_link_outlives_its_connections_and_the_listener_goes_with_it() {
    let [zero, one, _] = credentials();
    let options = LinkOptions::default();
    let (mut near, mut far, listens, proxy) = meet(&zero, &one, &options).await;
    for text in ["first", "second", "third"] {
        exchange(&mut near, &mut far, text).await;
        proxy.harm(Harm::EndAll);
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
    let (mut near, mut far, listens, proxy) = meet(&zero, &one, &options).await;
    exchange(&mut near, &mut far, "before").await;
    // Another process of party 1 does not know the link's name.
    let another = Hello { link: Token::draw().expect("entropy"), received: 1, ..Hello::new(ONE) };
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
    proxy.harm(Harm::EndAll);
    exchange(&mut near, &mut far, "after").await;
}

#[tokio::test]
async fn a_session_that_nobody_knows_is_not_taken_up() {
    let [zero, one, _] = credentials();
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let hello = Hello { link: Token::draw().expect("entropy"), received: 3, ..Hello::new(ONE) };
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

#[tokio::test]
async fn a_link_that_has_lost_its_connection_says_so_before_it_is_given_up() {
    let [zero, one, _] = credentials();
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let address = Address::from(listener.address());
    let options = LinkOptions::default();
    let (accepted, dialled) = tokio::join!(
        listener.accept(&[ONE], Hello::new(ZERO), &zero, &options),
        dial(ZERO, &address, Hello::new(ONE), &one, &options),
    );
    let dialled = dialled.expect("party 0 is there");
    assert_eq!(dialled.trouble(), None, "it is connected");
    // Its port is still there, so that the link hopes for another connection.
    accepted.expect("party 1 connects").into_iter().for_each(Link::kill);
    let trouble = async {
        while dialled.trouble().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), trouble).await.expect("it is said");
    let trouble = dialled.trouble().expect("a reason");
    assert!(matches!(&trouble, NetError::Closed { peer: ZERO, .. }), "{trouble}");
}

fn streams(count: u64) -> LinkOptions {
    LinkOptions { streams: Streams::new(count).expect("a number of streams"), ..LinkOptions::default() }
}

/// Sends texts of all sizes one way, and does harm in the midst of them: they arrive, once and in order.
async fn suffer(near: &mut Link, far: &mut Link, proxy: &Proxy, harm: Harm) {
    let text = |number: usize| format!("{number} ").repeat([3, 90_000, 400_000][number % 3]);
    let sender = near.sender().clone();
    let sending = tokio::spawn(async move {
        for number in 0..12 {
            let payload = serde_json::to_vec(&text(number)).expect("a text serialises");
            let frame = Frame::Control { topic: TEXT.number, payload: payload.into() };
            sender.send(frame).await.expect("it is queued");
        }
    });
    for number in 0..12 {
        let received: String = far.receive_control(TEXT, Duration::from_secs(20)).await.expect("it arrives");
        assert!(received == text(number), "text {number}");
        if number == 2 {
            proxy.harm(harm);
        }
    }
    sending.await.expect("it sends");
    exchange(near, far, "and back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_several_streams_outlives_each_of_them() {
    let [zero, one, _] = credentials();
    let options = LinkOptions {
        deadlines: Deadlines { silence: Duration::from_secs(60), ..Deadlines::default() },
        ..streams(3)
    };
    let (mut near, mut far, _, proxy) = meet(&zero, &one, &options).await;
    exchange(&mut near, &mut far, "hello").await;
    assert_eq!(proxy.made(), 3);
    let all = (0..3).flat_map(|one| [Harm::EndOne(one), Harm::HalfCloseOne(one)]);
    for (index, harm) in all.chain([Harm::EndAll]).enumerate() {
        suffer(&mut near, &mut far, &proxy, harm).await;
        suffer(&mut far, &mut near, &proxy, Harm::EndAll).await;
        let reconnects = 2 * (index as u64 + 1);
        assert_eq!((near.traffic().reconnects, far.traffic().reconnects), (reconnects, reconnects));
    }
    let (one_end, other_end) = tokio::join!(near.finish(), far.finish());
    assert_eq!((one_end, other_end), (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_link_has_as_many_streams_as_both_ends_want() {
    let [zero, one, _] = credentials();
    for (zeros, ones, made) in [(1, 1, 1), (1, 4, 1), (4, 1, 1), (2, 3, 2), (8, 8, 8)] {
        let (mut near, mut far, _, proxy) = meet_with(&zero, &one, &streams(zeros), &streams(ones)).await;
        exchange(&mut near, &mut far, "hello").await;
        assert_eq!(proxy.made(), made, "{zeros} and {ones}");
    }
    let shaped = LinkOptions { shape: Some(LinkShape::LAN), ..streams(4) };
    let (mut near, mut far, _, proxy) = meet_with(&zero, &one, &shaped, &streams(4)).await;
    exchange(&mut near, &mut far, "hello").await;
    assert_eq!(proxy.made(), 1, "a line that stands in for another is a single one");
}

#[tokio::test]
async fn what_a_peer_with_several_streams_said_last_is_heard() {
    let [zero, one, _] = credentials();
    for _ in 0..8 {
        let (near, mut far, _, _proxy) = meet(&zero, &one, &streams(4)).await;
        near.sender().send(Frame::Ready).await.expect("it is queued");
        near.abort("a file was altered").await;
        let error = loop {
            if let Err(error) = far.receiver().receive().await {
                break error.to_string();
            }
        };
        assert!(error.contains("gave up: a file was altered"), "{error}");
    }
}

/// Opens a stream as `owner` does, and hears the answer.
async fn open(owner: &Credentials, listens: SocketAddr, hello: Hello) -> (Stream, Result<Hello, NetError>) {
    let stream = TcpStream::connect(listens).await.expect("party 0 listens");
    let mut stream = Tls::new(owner).connect(ZERO, stream).await.expect("party 0 knows the identity");
    write_frame(&mut stream, hello.frame()).await.expect("a greeting is sent");
    let answer = Hello::hear(ZERO, &mut stream).await;
    (stream, answer)
}

#[tokio::test]
async fn a_stream_that_does_not_belong_to_the_connection_is_turned_away() {
    let [mut zero, one, _] = credentials();
    let [_, mut two, _] = credentials();
    zero.peers.insert(Role::party(2), two.identity.certificate());
    two.peers.insert(ZERO, zero.identity.certificate());
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let listens = listener.address();
    let (options, first_token) = (streams(3), Token::draw().expect("entropy"));
    let hello = Hello {
        link: first_token,
        connection: Token::draw().expect("entropy"),
        ..options.greeting(Hello::new(ONE))
    };
    let refused = async |owner: &Credentials, hello: Hello, why: &str| {
        let error = open(owner, listens, hello).await.1.expect_err(why);
        assert!(matches!(&error, NetError::Aborted { reason, .. } if reason.contains(why)), "{error}");
    };
    let visiting = async {
        refused(&one, Hello { stream: 1, ..hello }, "knows nothing of this connection").await;
        let (first, answer) = open(&one, listens, hello).await;
        let answer = answer.expect("an answer");
        assert_eq!(
            (answer.link, answer.connection, answer.streams, answer.stream),
            (hello.link, hello.connection, options.streams, 0)
        );
        let other = Token::draw().expect("entropy");
        refused(&one, Hello { stream: 1, link: other, ..hello }, "which goes on").await;
        refused(&one, Hello { stream: 1, connection: other, ..hello }, "another connection").await;
        refused(&one, Hello { stream: 3, ..hello }, "not so many").await;
        refused(&one, Hello { stream: 255, ..hello }, "not so many").await;
        let of_two = Hello { stream: 1, role: Role::party(2), ..hello };
        refused(&two, of_two, "does not await this role").await;
        let (second, answer) = open(&one, listens, Hello { stream: 1, ..hello }).await;
        assert_eq!(answer.expect("an answer").stream, 1);
        refused(&one, Hello { stream: 1, ..hello }, "there already").await;
        let (third, answer) = open(&one, listens, Hello { stream: 2, ..hello }).await;
        assert_eq!(answer.expect("an answer").stream, 2);
        refused(&one, Hello { stream: 2, ..hello }, "nothing awaits").await;
        [first, second, third]
    };
    let (accepted, mut opened) =
        tokio::join!(listener.accept(&[ONE], Hello::new(ZERO), &zero, &options), visiting);
    let link = accepted.expect("party 1 connects").pop().expect("one link");
    for turn in [0, 1, 2, 0] {
        link.sender().send(Frame::Ready).await.expect("it is queued");
        let mut header = [0; HEADER_BYTES];
        opened[turn].read_exact(&mut header).await.expect("each stream has its turn");
        assert_eq!(header[..], Frame::Ready.encode().0[..]);
    }
}
