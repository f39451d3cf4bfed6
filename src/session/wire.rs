//! The wire lane of a process: its runtime, and what happens to links when something fails.

use super::{SessionError, SessionOptions};
use crate::net::{Activity, Link, LinkOptions, NetError, Streams, abort_all, requested};
use crate::share::Role;
use std::future::Future;
use std::thread;
use tokio::runtime::{Builder, Handle, Runtime};

/// The threads that serve a process's links.
pub(super) struct Wire {
    runtime: Runtime,
    pub links: LinkOptions,
}

impl Wire {
    pub(super) fn new(options: &SessionOptions) -> Result<Wire, SessionError> {
        Wire::between(options, Some(Streams::ONE), 1)
    }

    /// For links with so many peers, of as many streams as were asked for, or as suit this machine.
    pub(super) fn between(
        options: &SessionOptions,
        streams: Option<Streams>,
        peers: usize,
    ) -> Result<Wire, SessionError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let streams = streams.unwrap_or_else(|| Streams::for_cores(cores(), peers));
        // One thread moves more bytes than a stream takes, so that it serves several links; the device lane wants the
        // others. Where a link has more streams each wants a core.
        let threads = if streams == Streams::ONE { 1 } else { 1 + peers * streams.count() };
        let failed = |error: std::io::Error| SessionError::Runtime { reason: error.to_string() };
        try_threads(threads).map_err(failed)?;
        let runtime =
            Builder::new_multi_thread().worker_threads(threads).thread_name("wire").enable_all().build();
        let SessionOptions { deadlines, link: shape, interrupt, observer, .. } = *options;
        let links = LinkOptions { deadlines, shape, streams, activity: Activity::new(), interrupt, observer };
        Ok(Wire { runtime: runtime.map_err(failed)?, links })
    }

    pub(super) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits for a peer, unless this process is asked to end first.
    pub(super) fn wait<T, E: From<NetError>>(
        &self,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.block_on(async {
            tokio::select! {
                // The links give up by themselves: that is not the reason.
                biased;
                () = requested(self.links.interrupt) => Err(NetError::Interrupted.into()),
                result = future => result,
            }
        })
    }

    /// Tells all peers at once what each may know of why this process gives up.
    pub(super) fn abort(&self, links: Vec<Link>, told: impl Fn(Role) -> String) {
        self.block_on(abort_all(links, told));
    }

    /// Ends every link in order.
    pub(super) fn finish(&self, links: Vec<Link>) -> Result<(), NetError> {
        self.block_on(async {
            // A peer that has failed must not keep the others from being told, nor must an interrupt.
            let mut result = Ok(());
            for link in links {
                result = result.and(link.finish().await);
            }
            result
        })
    }
}

/// Makes sure that so many threads can be started: the runtime would panic where they cannot.
fn try_threads(count: usize) -> std::io::Result<()> {
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let threads: std::io::Result<Vec<_>> = (0..count)
        .map(|_| {
            let stopped = stopped.clone();
            thread::Builder::new().spawn(move || {
                let _ = stopped.recv();
            })
        })
        .collect();
    // Those that there are end, whether there are enough or not.
    drop(stop);
    threads?.into_iter().for_each(|thread| thread.join().expect("a thread that only waits"));
    Ok(())
}
