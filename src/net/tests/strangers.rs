//! Peers meet, and take their links up again, while strangers from their own address do their worst.

use super::*;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

/// What strangers do with each connection.
#[derive(Clone, Debug)]
enum Habit {
    /// Nothing.
    Silence,
    /// They send the first message of a handshake but for its end, a byte now and then.
    Drip(Arc<[u8]>),
    /// They send what is no TLS.
    Garbage,
}

/// Strangers who hold as many connections as they can, and make another for the oldest, as fast as they can.
struct Strangers {
    is_over: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Strangers {
    /// Connections that each of them holds: with both ends in this process, less than a usual limit on open files.
    const HELD: usize = 150;
    const THREADS: usize = 2;

    fn come(address: SocketAddr, habit: &Habit) -> Strangers {
        let (is_over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let thread = |_| {
            let (is_over, made, habit) = (is_over.clone(), made.clone(), habit.clone());
            std::thread::spawn(move || {
                let mut held: VecDeque<std::net::TcpStream> = VecDeque::new();
                while !is_over.load(Ordering::Relaxed) {
                    let patience = Duration::from_millis(200);
                    let Ok(mut stream) = std::net::TcpStream::connect_timeout(&address, patience) else {
                        continue;
                    };
                    let said = match &habit {
                        Habit::Silence => &[],
                        Habit::Drip(message) => &message[..9],
                        Habit::Garbage => &b"GET / HTTP/1.1\r\n\r\n"[..],
                    };
                    // Whoever is turned away meanwhile comes again.
                    let _ = stream.write_all(said);
                    held.push_back(stream);
                    if let Habit::Drip(message) = &habit {
                        for stream in held.iter_mut().rev().take(8) {
                            let _ = stream.write_all(&message[9..10]);
                        }
                    }
                    if held.len() > Strangers::HELD {
                        held.pop_front();
                    }
                    made.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let threads = (0..Strangers::THREADS).map(thread).collect();
        Strangers { is_over, made, threads }
    }

    /// Waits until they hold as many connections as they do, and came twice as often.
    async fn are_many(&self) {
        while self.made.load(Ordering::Relaxed) < 2 * Strangers::HELD * Strangers::THREADS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn leave(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a stranger does not panic"));
    }
}

/// The first message that a dialling peer sends: anybody who sees the wire can send it again.
async fn first_message(owner: &Credentials) -> Arc<[u8]> {
    const RECORD_HEADER_BYTES: usize = 5;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let tls = Tls::new(owner);
    tokio::spawn(async move {
        let stream = TcpStream::connect(address).await.expect("a connection");
        drop(tls.connect(ZERO, stream).await);
    });
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut message = vec![0; RECORD_HEADER_BYTES];
    stream.read_exact(&mut message).await.expect("a record's header");
    let length = usize::from(u16::from_be_bytes([message[3], message[4]]));
    message.resize(RECORD_HEADER_BYTES + length, 0);
    stream.read_exact(&mut message[RECORD_HEADER_BYTES..]).await.expect("a record");
    message.into()
}

/// Deadlines that a machine with other things to do keeps: strangers must not make peers wait for longer.
fn patient(streams: LinkOptions) -> LinkOptions {
    let minute = Duration::from_secs(60);
    LinkOptions {
        deadlines: Deadlines { connect: minute, silence: minute, ..Deadlines::default() },
        ..streams
    }
}

async fn meet_among(habit: Habit) {
    let [zero, one, _] = credentials();
    let options = patient(streams(4));
    let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let strangers = Strangers::come(listener.address(), &habit);
    let (address, proxy) = proxy(listener.address(), options.streams.count()).await;
    let meeting = async {
        strangers.are_many().await;
        dial(ZERO, &address, Hello::new(ONE), &one, &options).await
    };
    let (accepted, dialled) =
        tokio::join!(listener.accept(&[ONE], Hello::new(ZERO), &zero, &options), meeting);
    let mut near = accepted.unwrap_or_else(|error| panic!("{habit:?}: {error}")).pop().expect("one link");
    let mut far = dialled.unwrap_or_else(|error| panic!("{habit:?}: {error}"));
    exchange(&mut near, &mut far, "strangers do not keep peers apart").await;
    for _ in 0..2 {
        proxy.harm(Harm::EndAll);
        exchange(&mut near, &mut far, "nor from taking a link up again").await;
    }
    assert!(near.traffic().reconnects >= 2, "{habit:?}");
    strangers.leave();
    let ends = tokio::join!(near.finish(), far.finish());
    assert_eq!(ends, (Ok(()), Ok(())), "{habit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_say_nothing_do_not_keep_peers_out() {
    meet_among(Habit::Silence).await;
    meet_among(Habit::Garbage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_drip_a_first_message_do_not_keep_peers_out() {
    let [_, one, _] = credentials();
    meet_among(Habit::Drip(first_message(&one).await)).await;
}
