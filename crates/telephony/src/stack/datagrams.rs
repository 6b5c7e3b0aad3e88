//! The UDP socket that rsipstack reads: only what the gate lets through.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use rsipstack::platform::net::UdpSocket as StackSocket;
use tokio::{net::UdpSocket, sync::Mutex};

use crate::{
    gate::{Framing, Gate, Verdict},
    trace,
};

/// The largest datagram there is.
const MAX_DATAGRAM: usize = 64 * 1024;
/// Waited after a failed read, so that a socket that keeps failing does not take a core.
const AFTER_FAILURE: Duration = Duration::from_millis(5);

pub(super) struct GatedSocket {
    socket: UdpSocket,
    gate: Arc<Gate>,
    /// rsipstack's own buffer would cut long datagrams.
    buffer: Mutex<Vec<u8>>,
}

impl GatedSocket {
    pub(super) fn new(socket: UdpSocket, gate: Arc<Gate>) -> Self {
        Self { socket, gate, buffer: Mutex::new(vec![0; MAX_DATAGRAM]) }
    }

    /// The next message that the gate lets through, written to `into`.
    async fn next(&self, into: &mut [u8]) -> (usize, SocketAddr) {
        let mut buffer = self.buffer.lock().await;
        loop {
            let (length, source) = match self.socket.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    tracing::debug!(%error, "reading SIP datagrams failed");
                    tokio::time::sleep(AFTER_FAILURE).await;
                    continue;
                }
            };
            let datagram = buffer.get(..length).unwrap_or_default();
            let passed = match self.gate.judge(datagram, source, Framing::Datagram) {
                Verdict::Pass => copy(datagram, into),
                Verdict::PassAs(whole) => copy(&whole, into),
                Verdict::KeepAlive(reply) => {
                    self.reply(reply, source);
                    None
                }
                Verdict::Drop(reason) => {
                    tracing::debug!(%source, reason, "dropped a datagram that is not SIP");
                    None
                }
                Verdict::Reply(reply) => {
                    trace::message(trace::Way::In, source, "udp", datagram);
                    self.reply(&reply, source);
                    None
                }
            };
            if let Some(length) = passed {
                trace::message(trace::Way::In, source, "udp", datagram);
                return (length, source);
            }
        }
    }

    /// Never waits: an answer that does not fit into the socket's buffer is lost like any datagram.
    fn reply(&self, bytes: &[u8], to: SocketAddr) {
        if bytes.is_empty() {
            return;
        }
        if bytes.len() > 4 {
            trace::message(trace::Way::Out, to, "udp", bytes);
        }
        if let Err(error) = self.socket.try_send_to(bytes, to) {
            tracing::debug!(%error, %to, "a SIP answer could not be sent");
        }
    }
}

fn copy(from: &[u8], into: &mut [u8]) -> Option<usize> {
    into.get_mut(..from.len())?.copy_from_slice(from);
    Some(from.len())
}

impl StackSocket for GatedSocket {
    fn recv_from<'socket, 'buffer, 'future>(
        &'socket self,
        buffer: &'buffer mut [u8],
    ) -> BoxFuture<'future, rsipstack::Result<(usize, SocketAddr)>>
    where
        'socket: 'future,
        'buffer: 'future,
        Self: 'future,
    {
        Box::pin(async move { Ok(self.next(buffer).await) })
    }

    fn send_to<'socket, 'buffer, 'future>(
        &'socket self,
        bytes: &'buffer [u8],
        to: SocketAddr,
    ) -> BoxFuture<'future, rsipstack::Result<usize>>
    where
        'socket: 'future,
        'buffer: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            trace::message(trace::Way::Out, to, "udp", bytes);
            Ok(self.socket.send_to(bytes, to).await?)
        })
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}
