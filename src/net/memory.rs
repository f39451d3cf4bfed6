//! A wire in memory between two roles of one process.
//!
//! Both ends are ordinary byte streams, so links over them run the code that runs over TCP. One end dials, as with TCP,
//! and dials again where a connection breaks.

use crate::net::error::{NetError, explain};
use crate::net::link::connection::{Connection, ConnectionSource, Dial, DialError};
use crate::net::link::{Link, LinkOptions};
use crate::net::stream::hello::{Hello, Token, write_frame};
use crate::share::Role;
use std::future::Future;
use std::io;
use std::pin::Pin;
use tokio::io::{DuplexStream, duplex};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Bytes that a wire holds in each direction, as a socket's buffers do.
pub(super) const PIPE_BYTES: usize = 1 << 18;

/// Makes a wire's next connection: its two ends, the dialling one first; `None` where there can be no other.
pub(crate) type Pipe = Box<dyn FnMut() -> Option<(DuplexStream, DuplexStream)> + Send>;

/// Connections that pass every byte on as it is.
pub(crate) fn plain_pipe() -> Pipe {
    Box::new(|| Some(duplex(PIPE_BYTES)))
}

/// An end of a wire, which becomes a link.
pub(crate) struct WireEnd(ConnectionSource);

/// Two ends of a wire over such connections; the first dials the other, which is `peer`. `runtime` serves the wire, and
/// must outlive what is sent.
pub(crate) fn wire(peer: Role, pipe: Pipe, runtime: &Handle) -> (WireEnd, WireEnd) {
    let (connections, awaited) = mpsc::channel(1);
    let near = MemoryDial { peer, pipe, runtime: runtime.clone(), connections: Some(connections) };
    (WireEnd(ConnectionSource::Dialled(Box::new(near))), WireEnd(ConnectionSource::Awaited(awaited)))
}

impl WireEnd {
    /// The link of role `own` with `peer` over this end; must be called within a tokio runtime.
    pub fn link(self, own: Role, peer: Role, options: &LinkOptions) -> Link {
        // There are no strangers in memory: a name that can be guessed does.
        let hello = Hello { link: Token::default(), ..Hello::new(own) };
        Link::over(peer, hello, self.0, None, options)
    }
}

/// Dials the other end of a wire.
struct MemoryDial {
    peer: Role,
    pipe: Pipe,
    runtime: Handle,
    /// Where the other end awaits connections; closed once there can be no other.
    connections: Option<mpsc::Sender<Connection>>,
}

impl Dial for MemoryDial {
    fn dial(
        &mut self,
        hello: Hello,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send + '_>> {
        let pipe = (self.pipe)();
        if pipe.is_none() {
            self.connections = None;
        }
        let connections = self.connections.clone().filter(|connections| !connections.is_closed());
        let peer = self.peer;
        let Some(((mut stream, mut connection), connections)) = pipe.zip(connections) else {
            let gone = NetError::Closed { peer, reason: "the wire is cut".into() };
            return Box::pin(std::future::ready(Err(DialError::Final(gone))));
        };
        self.runtime.spawn(async move {
            if let Ok(hello) = Hello::hear(peer, &mut connection).await {
                let _ = connections.send(Connection::new(connection, hello)).await;
            }
        });
        Box::pin(async move {
            let failed = |error: io::Error| DialError::Failed(explain(peer, &error));
            write_frame(&mut stream, hello.frame()).await.map_err(failed)?;
            let hello = Hello::hear(peer, &mut stream).await.map_err(DialError::Failed)?;
            Ok(Connection::new(stream, hello))
        })
    }
}
