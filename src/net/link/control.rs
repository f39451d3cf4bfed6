//! Control messages: JSON, each on a topic that both ends know to be due.

use crate::memory::wipe::Wiped;
use crate::net::error::NetError;
use crate::net::frame::{Frame, wipe};
use crate::net::link::Link;
use crate::net::link::expected::Topic;
use crate::share::shortened;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

impl Link {
    /// Sends a control message as JSON; returns its length in bytes.
    ///
    /// # Errors
    /// Where the link is broken, or the message longer than a peer takes.
    pub async fn send_control(&mut self, topic: Topic, message: &impl Serialize) -> Result<usize, NetError> {
        // An order with its contribution to a key may be longer: what grows is wiped where it was.
        const ROOM_BYTES: usize = 4096;
        let mut payload = Wiped::with_capacity(ROOM_BYTES);
        serde_json::to_writer(&mut payload, message).expect("control messages serialise");
        let Topic { number: topic, name: what, most_bytes } = topic;
        let (peer, bytes) = (self.peer(), payload.len());
        if bytes > most_bytes {
            return Err(NetError::TooLong { peer, what, bytes, most_bytes });
        }
        self.sender().send(Frame::Control { topic, payload: payload.into() }).await?;
        Ok(bytes)
    }

    /// Sends bytes as a control message; they are wiped once they are written.
    ///
    /// # Errors
    /// Where the link is broken, or the message longer than a peer takes.
    pub async fn send_bytes(&mut self, topic: Topic, payload: Vec<u8>) -> Result<(), NetError> {
        let Topic { number: topic, name: what, most_bytes } = topic;
        let (peer, bytes, payload) = (self.peer(), payload.len(), Wiped::from(payload));
        if bytes > most_bytes {
            return Err(NetError::TooLong { peer, what, bytes, most_bytes });
        }
        self.sender().send(Frame::Control { topic, payload: payload.into() }).await
    }

    /// Receives bytes as a control message within `patience`.
    ///
    /// # Errors
    /// Where the link is broken, something else arrives, or nothing in time.
    pub async fn receive_bytes(&mut self, topic: Topic, patience: Duration) -> Result<Vec<u8>, NetError> {
        let (peer, what) = (self.peer(), topic.name);
        self.receiver().expect_control(topic);
        let frame = timeout(patience, self.receiver().receive()).await;
        match frame.map_err(|_| NetError::Late { peer, what, waited: patience })?? {
            Frame::Control { payload, .. } => {
                let bytes = payload.to_vec();
                wipe(payload);
                Ok(bytes)
            }
            other => Err(NetError::OutOfPlace { peer, expected: what, found: other.name() }),
        }
    }

    /// Receives a control message within `patience`.
    ///
    /// # Errors
    /// Where the link is broken, something else arrives, or nothing in time.
    pub async fn receive_control<M: DeserializeOwned>(
        &mut self,
        topic: Topic,
        patience: Duration,
    ) -> Result<M, NetError> {
        let (peer, what) = (self.peer(), topic.name);
        match timeout(patience, self.receive_control_or_finish(topic)).await {
            Ok(Ok(Some(message))) => Ok(message),
            Ok(Ok(None)) => Err(NetError::OutOfPlace { peer, expected: what, found: Frame::Finish.name() }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(NetError::Late { peer, what, waited: patience }),
        }
    }

    /// Receives a control message, or `None` where the peer has finished instead; waits as long as the peer lives.
    ///
    /// # Errors
    /// Where the link is broken, or something else arrives.
    pub async fn receive_control_or_finish<M: DeserializeOwned>(
        &mut self,
        topic: Topic,
    ) -> Result<Option<M>, NetError> {
        self.receiver().expect_control(topic);
        let frame = self.receiver().receive().await?;
        let (peer, what) = (self.peer(), topic.name);
        match frame {
            Frame::Control { payload, .. } => {
                let message = serde_json::from_slice(&payload);
                wipe(payload);
                message.map(Some).map_err(|error| {
                    let reason = shortened(&error.to_string());
                    NetError::Malformed { peer, what, reason }
                })
            }
            Frame::Finish => Ok(None),
            other => Err(NetError::OutOfPlace { peer, expected: what, found: other.name() }),
        }
    }
}
