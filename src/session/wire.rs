//! The wire lane of a process: its runtime, and what happens to links when something fails.

use super::{SessionError, SessionOptions};
use crate::net::{Activity, Link, LinkOptions, NetError};
use crate::share::Role;
use std::future::Future;
use tokio::runtime::{Builder, Handle, Runtime};

/// The threads that serve a process's links.
pub(super) struct Wire {
    runtime: Runtime,
    pub links: LinkOptions,
}

impl Wire {
    pub(super) fn new(options: &SessionOptions) -> Result<Wire, SessionError> {
        // One thread moves more bytes than a link takes; the device lane wants the others.
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("wire").enable_all().build();
        let runtime = runtime.map_err(|error| SessionError::Runtime { reason: error.to_string() })?;
        let links =
            LinkOptions { deadlines: options.deadlines, shape: options.link, activity: Activity::new() };
        Ok(Wire { runtime, links })
    }

    pub(super) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Tells every peer what it may know of why this process gives up.
    pub(super) fn abort(&self, links: Vec<Link>, told: impl Fn(Role) -> String) {
        self.block_on(async {
            for link in links {
                let reason = told(link.peer());
                link.abort(&reason).await;
            }
        });
    }

    /// Ends every link in order.
    pub(super) fn finish(&self, links: Vec<Link>) -> Result<(), NetError> {
        self.block_on(async {
            // A peer that has failed must not keep the others from being told.
            let mut result = Ok(());
            for link in links {
                result = result.and(link.finish().await);
            }
            result
        })
    }
}
