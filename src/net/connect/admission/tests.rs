use super::*;
use crate::net::tests::credentials;

/// A acceptor with 16 places for the silent, and its address.
async fn admission() -> (Admission, Arc<TcpListener>, SocketAddr) {
    let socket = Arc::new(TcpListener::bind("127.0.0.1:0").await.expect("a port"));
    let address = socket.local_addr().expect("its address");
    let [zero, ..] = credentials();
    (Admission::with(socket.clone(), Tls::new(&zero), Places::of(64)), socket, address)
}

/// Lets so many strangers in who say nothing; they stay as long as what is returned.
async fn come(
    admission: &mut Admission,
    socket: &TcpListener,
    address: SocketAddr,
    many: usize,
) -> Vec<TcpStream> {
    let mut strangers = Vec::new();
    for _ in 0..many {
        let (accepted, connected) = tokio::join!(socket.accept(), TcpStream::connect(address));
        strangers.push(connected.expect("a connection"));
        admission.take(accepted);
    }
    strangers
}

#[tokio::test]
async fn the_silent_make_room_for_newcomers() {
    let (mut admission, socket, address) = admission().await;
    let _strangers = come(&mut admission, &socket, address, 40).await;
    assert_eq!(admission.silent.len(), 16, "so many places there are");
    assert_eq!(admission.silent.last().map(|(place, _)| *place), Some(40), "the newcomer has one of them");
}

#[tokio::test]
async fn where_there_are_no_files_left_strangers_go_and_accepting_pauses() {
    const TOO_MANY_OPEN_FILES: i32 = 24;
    let (mut admission, socket, address) = admission().await;
    let _strangers = come(&mut admission, &socket, address, 11).await;
    admission.take(Err(ErrorKind::ConnectionAborted.into()));
    assert_eq!(admission.silent.len(), 11, "who has gone before it was accepted is nobody's fault");
    let pause = Instant::now();
    admission.take(Err(io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES)));
    assert_eq!(admission.silent.len(), 5, "half of them go");
    assert!(admission.accepts.due() >= pause + SHORTAGE_PAUSE, "nothing is accepted for a moment");
    let _others = come(&mut admission, &socket, address, 3).await;
    assert_eq!(admission.silent.len(), 8, "and then as before");
}

#[tokio::test(start_paused = true)]
async fn a_pace_lets_so_many_at_once_and_so_many_a_second() {
    let mut pace = Pace::new((10, 4));
    let mut taken = Vec::new();
    let begin = Instant::now();
    for _ in 0..24 {
        sleep_until(pace.due()).await;
        pace.take();
        taken.push(begin.elapsed());
    }
    assert_eq!(taken.iter().filter(|time| **time < Duration::from_millis(50)).count(), 4, "at once");
    assert_eq!(
        taken.iter().filter(|time| **time < Duration::from_millis(1050)).count(),
        14,
        "in a second more"
    );
    pace.pause(Duration::from_secs(5));
    assert_eq!(pace.due(), Instant::now() + Duration::from_secs(5));
}

#[test]
fn whoever_is_answered_has_a_second_at_least() {
    for all in [LEAST_PLACES, 100, 256, MOST_PLACES] {
        let places = Places::of(all);
        let (a_second, at_once) = places.answers();
        assert!((a_second + at_once) as usize <= places.answered, "{places:?}");
        assert!(places.silent + places.opened + places.answered <= all, "{places:?}");
    }
    assert!(Places::here().answered >= LEAST_PLACES / 2);
}

#[test]
fn lots_fall_on_everybody() {
    let mut drawn = [0; 5];
    (0..1000).for_each(|_| drawn[lot(drawn.len())] += 1);
    assert!(drawn.iter().all(|&often| often > 100), "{drawn:?}");
    assert_eq!(lot(1), 0);
}
