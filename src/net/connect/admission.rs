//! Strangers: those who have connected and are not known yet.
//!
//! Whoever reaches the port can connect, and says nothing, or a byte now and then, or the first message of a handshake
//! over and over. The peers may come from the same address, so nobody is counted by address. What a connection costs is
//! bounded instead, and peers get in beside strangers who are silent, drip or send garbage, though these know the rules:
//!
//! | stage | ends with | places, of P | who goes where all are taken |
//! |---|---|---|---|
//! | silent | the whole first message of TLS, the ClientHello | P / 4 | one of them by lot, for the next that connects |
//! | opened | its turn to be answered, which is drawn by lot | P / 4 | one of them by lot, for the next that has said so much |
//! | answered | a certificate that is pinned, its signature, a greeting | P / 2 | the oldest, for the next that is answered |
//!
//! **By stage.** Each stage has places of its own, so that one who does less never displaces one who does more. A partial
//! ClientHello is as good as silence, however long it drips. No stage lasts longer than [`GREETING_PATIENCE`] in all.
//!
//! **By lot.** Were the oldest to go, who connects P / 4 times while a peer's first message is on its way would lock that
//! peer out with certainty. By lot a peer stays through k newcomers with probability (1 − 4/P)^k, at any rate, and a peer
//! that loses dials again after 50 ms: as often as it takes, up to the deadline. Streams beside the first, and connections
//! that take up a link, are made in the same way.
//!
//! **At a pace.** Answering takes a key agreement, some tenths of a millisecond. P / 8 answers at once and 3P / 8 a second
//! bound that, and mean that P / 2 places last for a second at least: whoever is answered has that long for its side, more
//! than any round trip. Only a pinned identity gets further. Connections are accepted at a pace too, so that strangers
//! take a part of a core and no more, and each has a chance to be read before the next is accepted.
//!
//! **What remains.** Whole first messages cost a stranger nothing: who sends them much faster than the pace of answers
//! leaves a peer one chance in as many, and who fills the operating system's line of connections faster than they are
//! accepted leaves it fewer still. On a busy machine such a flood has kept a link of four streams from being made for a
//! minute.
//!
//! **Memory.** A stranger is read up to 16 KiB ([`super::socket`]); with what TLS keeps of it, it takes less than 64 KiB.
//! P is 512, or half of the files that the process may have open, if that is less: the rest are for its own. Where the
//! operating system gives none all the same, half of the strangers of the first two stages go, and accepting pauses for a
//! moment: it neither ends nor turns in a circle.

use crate::net::address::Address;
use crate::net::connect::{named, prepare};
use crate::net::error::NetError;
use crate::net::identity::tls::{Opening, Tls};
use crate::net::link::connection::Connection;
use crate::net::stream::hello::{GREETING_PATIENCE, Hello};
use crate::share::Role;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinError, JoinSet, yield_now};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Most strangers at a time.
const MOST_PLACES: usize = 512;

/// Fewest: a link of eight streams fits beside as many strangers.
const LEAST_PLACES: usize = 64;

/// Connections accepted a second, and at once: at some twenty microseconds each, a sixth of a core.
const ACCEPTS: (u32, u32) = (8000, 64);

/// The pause in which nothing is accepted where the operating system has no room for more.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(20);

/// Everybody who has connected and has not greeted.
pub(in crate::net) struct Admission {
    socket: Arc<TcpListener>,
    tls: Arc<Tls>,
    places: Places,
    tasks: JoinSet<Stage>,
    /// The number of tasks so far: each has a number.
    begun: u64,
    /// Those whose first message is not all there.
    silent: Vec<(u64, AbortHandle)>,
    /// Those whose first message waits to be answered.
    opened: Vec<Opened>,
    /// Those that have been answered, the oldest first.
    answered: VecDeque<(u64, AbortHandle)>,
    accepts: Pace,
    answers: Pace,
    /// Nothing could be accepted last.
    is_short: bool,
}

/// The most tasks at each stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    silent: usize,
    opened: usize,
    answered: usize,
}

/// The end of a task of one stage.
enum Stage {
    Heard(u64, Box<Result<Opened, NetError>>),
    Greeted(u64, Result<(Role, Connection), NetError>),
}

/// A connection with its first message.
struct Opened {
    opening: Opening,
    address: Address,
    deadline: Instant,
}

impl Places {
    fn of(all: usize) -> Places {
        Places { silent: all / 4, opened: all / 4, answered: all / 2 }
    }

    /// As many as the process's limit on open files leaves room for.
    fn here() -> Places {
        let most = most_open_files().map_or(MOST_PLACES, |files| files / 2);
        Places::of(most.clamp(LEAST_PLACES, MOST_PLACES))
    }

    /// Answers a second, and at once: in a second no more than there are places.
    fn answers(self) -> (u32, u32) {
        let places = self.answered as u32;
        (places * 3 / 4, places / 4)
    }
}

/// The number of files that this process may have open, where that is known.
fn most_open_files() -> Option<usize> {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit: Option<u64> = None;
    limit.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

impl Admission {
    pub(in crate::net) fn new(socket: Arc<TcpListener>, tls: Tls) -> Admission {
        Admission::with(socket, tls, Places::here())
    }

    fn with(socket: Arc<TcpListener>, tls: Tls, places: Places) -> Admission {
        Admission {
            socket,
            tls: Arc::new(tls),
            places,
            tasks: JoinSet::new(),
            begun: 0,
            silent: Vec::new(),
            opened: Vec::new(),
            answered: VecDeque::new(),
            accepts: Pace::new(ACCEPTS),
            answers: Pace::new(places.answers()),
            is_short: false,
        }
    }

    /// The next peer that has greeted, or why a connection did not become one. It can be dropped and called again.
    pub(in crate::net) async fn next(&mut self) -> Result<(Role, Connection), NetError> {
        loop {
            tokio::select! {
                // Whoever is further goes first: what is done at one stage makes room there before others come.
                biased;
                Some(stage) = self.tasks.join_next() => if let Some(end) = self.leave(stage) {
                    return end;
                },
                () = sleep_until(self.answers.due()), if !self.opened.is_empty() => self.answer(),
                connection = accept(&self.socket, self.accepts.due()) => {
                    self.take(connection);
                    // What the newcomer has sent already is read before another is accepted.
                    yield_now().await;
                }
            }
        }
    }

    /// Takes a connection in, or makes room where there could be none.
    fn take(&mut self, connection: io::Result<(TcpStream, SocketAddr)>) {
        self.accepts.take();
        match connection {
            Ok((stream, address)) => {
                self.is_short = false;
                if self.silent.len() >= self.places.silent {
                    self.silent.swap_remove(lot(self.silent.len())).1.abort();
                }
                let (address, deadline) = (Address::from(address), Instant::now() + GREETING_PATIENCE);
                let place = self.place();
                let task = self.tasks.spawn(async move {
                    Stage::Heard(
                        place,
                        Box::new(by(deadline, address.clone(), hear(stream, address, deadline)).await),
                    )
                });
                self.silent.push((place, task));
            }
            // It has gone before it was accepted.
            Err(error) if is_gone(&error) => {}
            Err(error) => self.make_room(&error),
        }
    }

    /// Half of those who have not been answered go, so that there are files and memory again, and nothing is accepted for
    /// a moment.
    fn make_room(&mut self, error: &io::Error) {
        if !self.is_short {
            tracing::warn!(%error, "no connection can be accepted: strangers are turned away");
        }
        self.is_short = true;
        for _ in 0..self.silent.len().div_ceil(2) {
            self.silent.swap_remove(lot(self.silent.len())).1.abort();
        }
        for _ in 0..self.opened.len().div_ceil(2) {
            self.opened.swap_remove(lot(self.opened.len()));
        }
        self.accepts.pause(SHORTAGE_PAUSE);
    }

    /// Answers one of those who wait for it, by lot.
    fn answer(&mut self) {
        let Opened { opening, address, deadline } = self.opened.swap_remove(lot(self.opened.len()));
        if deadline <= Instant::now() {
            return;
        }
        self.answers.take();
        if self.answered.len() >= self.places.answered
            && let Some((_, oldest)) = self.answered.pop_front()
        {
            oldest.abort();
        }
        let (tls, place) = (self.tls.clone(), self.place());
        let task = self.tasks.spawn(async move {
            Stage::Greeted(place, by(deadline, address.clone(), greet(tls, opening, address)).await)
        });
        self.answered.push_back((place, task));
    }

    /// Ends a stage of one connection; returns what is to be told of it.
    fn leave(&mut self, stage: Result<Stage, JoinError>) -> Option<Result<(Role, Connection), NetError>> {
        match stage {
            // It had to go, and nobody is told.
            Err(error) if error.is_cancelled() => None,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
            Ok(Stage::Heard(place, heard)) => {
                let held = self.silent.iter().position(|(taken, _)| *taken == place)?;
                self.silent.swap_remove(held);
                let opened = match *heard {
                    Ok(opened) => opened,
                    Err(error) => return Some(Err(error)),
                };
                if self.opened.len() >= self.places.opened {
                    self.opened.swap_remove(lot(self.opened.len()));
                }
                self.opened.push(opened);
                None
            }
            // Even where its place was given away meanwhile: it is known now.
            Ok(Stage::Greeted(place, greeted)) => {
                self.answered.retain(|(taken, _)| *taken != place);
                Some(greeted)
            }
        }
    }

    fn place(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }
}

/// A connection, no sooner than at a time.
async fn accept(socket: &TcpListener, due: Instant) -> io::Result<(TcpStream, SocketAddr)> {
    sleep_until(due).await;
    socket.accept().await
}

/// Whether a connection was not there any more when it was to be accepted.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
    )
}

/// Hears the first message of a connection.
async fn hear(stream: TcpStream, address: Address, deadline: Instant) -> Result<Opened, NetError> {
    prepare(&stream);
    let opening = Opening::hear(stream).await.map_err(|failure| named(failure, address.clone()))?;
    Ok(Opened { opening, address, deadline })
}

/// Shakes hands with a connection and hears its greeting.
async fn greet(tls: Arc<Tls>, opening: Opening, address: Address) -> Result<(Role, Connection), NetError> {
    let (peer, mut stream) = tls.answer(opening).await.map_err(|failure| named(failure, address))?;
    let hello = Hello::hear(peer, &mut stream).await?;
    Ok((peer, Connection::new(stream, hello)))
}

/// Ends what takes longer than its connection may.
async fn by<T>(
    deadline: Instant,
    address: Address,
    stage: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let late = |_| {
        let reason = format!("it took longer than {GREETING_PATIENCE:?}");
        NetError::Handshake { address: address.to_string(), reason }
    };
    timeout_at(deadline, stage).await.map_err(late)?
}

/// A number below `count`, which nobody can foresee.
fn lot(count: usize) -> usize {
    // Without entropy there is no handshake either.
    getrandom::u64().map_or(0, |drawn| (drawn % count.max(1) as u64) as usize)
}

/// So many a second, and some at once after a rest.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    at_once: u32,
    /// The time at which the last would have been due, had all been taken one after the other.
    taken_until: Instant,
}

impl Pace {
    fn new((per_second, at_once): (u32, u32)) -> Pace {
        Pace { interval: Duration::from_secs(1) / per_second, at_once, taken_until: Instant::now() }
    }

    /// The time of the next.
    fn due(&self) -> Instant {
        let ahead = self.interval * (self.at_once - 1);
        self.taken_until.checked_sub(ahead).unwrap_or_else(Instant::now)
    }

    /// Takes one.
    fn take(&mut self) {
        self.taken_until = self.taken_until.max(Instant::now()) + self.interval;
    }

    /// Lets none be for a while.
    fn pause(&mut self, pause: Duration) {
        self.taken_until = Instant::now() + pause + self.interval * (self.at_once - 1);
    }
}

#[cfg(test)]
mod tests;
