//! Strangers who reach the nodes' ports, from the nodes' own address.

use crate::support::{Folder, data, declared, deployment, job, stderr};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Idle connections in all, where this process may have as many files open.
const STRANGERS: usize = 10_000;

/// Strangers who hold idle connections to some addresses.
struct Strangers {
    is_over: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
    many: usize,
}

impl Strangers {
    fn come(addresses: &[SocketAddr]) -> Strangers {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let many = files.map_or(STRANGERS, |files| STRANGERS.min(files as usize * 3 / 4));
        let (is_over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let each = many / addresses.len();
        let thread = |&address: &SocketAddr| {
            let (is_over, made) = (is_over.clone(), made.clone());
            std::thread::spawn(move || {
                let mut held = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    if held.len() == each {
                        // More would leave the machine's other connections no ports.
                        std::thread::sleep(Duration::from_millis(10));
                        continue;
                    }
                    match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                        Ok(stream) => {
                            held.push(stream);
                            made.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(1)),
                    }
                }
            })
        };
        let threads = addresses.iter().map(thread).collect();
        Strangers { is_over, made, threads, many }
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    fn leave(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a stranger does not panic"));
    }
}

/// Where party 0 of [`deployment`] listens.
fn listens(folder: &Folder) -> SocketAddr {
    let text = std::fs::read_to_string(folder.path("p0.toml")).expect("a configuration");
    let line = text.lines().find_map(|line| line.strip_prefix("listen = ")).expect("an address");
    line.trim_matches('"').parse().expect("an address")
}

#[test]
fn ten_thousand_idle_connections_do_not_keep_the_nodes_apart() {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &declared(&job(64, 16, "z = x @ w"), [2, 3], [3, 2]));
    let dealer = deployment(&folder);
    let zero = listens(&folder);
    let start = |arguments: &[&str]| {
        folder.start(&[arguments, &["--device", "cpu", "--threads", "1", "--deadline", "120"]].concat())
    };
    let first =
        [start(&["deal", "--config", "dealer.toml"]), start(&["run", "job.toml", "--party", "p0.toml"])];
    let strangers = Strangers::come(&[dealer, zero]);
    // The last comes when all strangers are there, or as many as connect in a minute.
    for _ in 0..600 {
        if strangers.made() >= strangers.many {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(strangers.made() > 600, "more strangers than a node has places for: {}", strangers.made());
    let last = start(&["run", "job.toml", "--party", "p1.toml"]);
    for child in first.into_iter().chain([last]) {
        let output = child.wait_with_output().expect("the command ends");
        assert!(
            output.status.success(),
            "the nodes meet among {} strangers: {}",
            strangers.made(),
            stderr(&output)
        );
    }
    strangers.leave();
    let z: ndarray::Array2<f64> = folder.read("z.npy");
    assert!((z[(0, 0)] - 5.0).abs() < 1e-3, "{z}");
}
