//! SIP over TCP: our own reader and writer for each connection, the gate between them and rsipstack.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rsipstack::{
    sip::{SipMessage, Transport},
    transport::{SipAddr, SipConnection, TransportEvent, channel::ChannelConnection},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::Stack;
use crate::{
    gate::{Framer, Framing, Gate, Piece, Verdict},
    trace,
};

/// Accepted connections at a time; one more is closed at once.
const MAX_CONNECTIONS: usize = 1024;
/// A message that has begun is whole within this, or the connection is closed.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);
/// A connection without a message for this long is closed.
const IDLE: Duration = Duration::from_mins(30);
/// A peer that does not read for this long is cut off.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// Our own answers waiting to be written; the connection is closed when full.
const ANSWERS: usize = 32;
const READ: usize = 4096;

/// Accepts connections until the stack stops.
pub(super) async fn listen(stack: Arc<Stack>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stack.stop.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a SIP connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::debug!(%peer, "too many SIP connections; closed a new one");
            continue;
        };
        let (_, connection) = attach(&stack, stream, peer).await;
        connections.spawn(async move {
            connection.run().await;
            drop(permit);
        });
    }
}

/// Opens a connection to `peer`.
pub(super) async fn connect(stack: &Stack, peer: SocketAddr) -> io::Result<SipConnection> {
    let stream = TcpStream::connect(peer).await?;
    let (attached, connection) = attach(stack, stream, peer).await;
    if stack.spawn(Box::pin(connection.run())).await.is_err() {
        return Err(io::ErrorKind::NotConnected.into());
    }
    Ok(attached)
}

/// One connection.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    gate: Arc<Gate>,
    handle: ChannelConnection,
    to_stack: mpsc::UnboundedSender<TransportEvent>,
    from_stack: mpsc::UnboundedReceiver<TransportEvent>,
    stop: CancellationToken,
}

#[expect(
    clippy::disallowed_methods,
    reason = "rsipstack's in-memory transport takes unbounded channels only; what enters is one \
              message a read, and a peer that does not read is cut off after WRITE_WITHIN"
)]
async fn attach(stack: &Stack, stream: TcpStream, peer: SocketAddr) -> (SipConnection, Connection) {
    let (to_stack, incoming) = mpsc::unbounded_channel();
    let (outgoing, from_stack) = mpsc::unbounded_channel();
    let stop = stack.stop.child_token();
    let address = SipAddr { r#type: Some(Transport::Tcp), addr: peer.into() };
    let handle =
        ChannelConnection::create_connection(incoming, outgoing, address, Some(stop.clone()))
            .await
            .expect("rsipstack's in-memory transport has no way to fail");
    let attached = SipConnection::Channel(handle.clone());
    stack.endpoint.transport_layer.add_connection(attached.clone());
    let gate = stack.gate.clone();
    (attached, Connection { stream, peer, gate, handle, to_stack, from_stack, stop })
}

impl Connection {
    async fn run(self) {
        let Self { stream, peer, gate, handle, to_stack, from_stack, stop } = self;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "a SIP connection keeps Nagle's delay");
        }
        let (read, write) = stream.into_split();
        let (answers, from_reader) = mpsc::channel(ANSWERS);
        let reader = Reader { read, peer, gate, handle, to_stack, answers };
        let writer = Writer { write, peer, from_stack, from_reader };
        let ended = tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = reader.run() => ended,
            ended = writer.run() => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a SIP connection ended");
        }
        stop.cancel();
    }
}

struct Reader {
    read: OwnedReadHalf,
    peer: SocketAddr,
    gate: Arc<Gate>,
    handle: ChannelConnection,
    to_stack: mpsc::UnboundedSender<TransportEvent>,
    answers: mpsc::Sender<Vec<u8>>,
}

impl Reader {
    async fn run(mut self) -> io::Result<()> {
        let mut framer = Framer::default();
        let mut buffer = [0; READ];
        loop {
            let patience = if framer.is_waiting() { WHOLE_WITHIN } else { IDLE };
            let length = timeout(patience, self.read.read(&mut buffer)).await??;
            if length == 0 {
                return Ok(());
            }
            framer.push(buffer.get(..length).unwrap_or_default());
            while let Some(piece) = framer.next_piece() {
                match piece {
                    Piece::KeepAlive => self.answer(b"\r\n".to_vec())?,
                    Piece::Message(message) => self.take(&message)?,
                    Piece::Broken(message) => {
                        self.take(&message)?;
                        // Give the writer a chance to say why.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
            }
        }
    }

    fn take(&self, message: &[u8]) -> io::Result<()> {
        trace::message(trace::Way::In, self.peer, "tcp", message);
        match self.gate.judge(message, self.peer, Framing::Stream) {
            Verdict::Pass => self.pass(message),
            Verdict::PassAs(whole) => self.pass(&whole),
            Verdict::Drop(reason) => {
                tracing::debug!(peer = %self.peer, reason, "dropped a message that is not SIP");
                Ok(())
            }
            Verdict::KeepAlive(reply) => self.answer(reply.to_vec()),
            Verdict::Reply(reply) => self.answer(reply),
        }
    }

    fn pass(&self, message: &[u8]) -> io::Result<()> {
        let received = SipMessage::try_from(message).ok().and_then(|message| {
            SipConnection::update_msg_received(message, self.peer, Transport::Tcp).ok()
        });
        let Some(received) = received else {
            return Ok(());
        };
        let from = SipAddr { r#type: Some(Transport::Tcp), addr: self.peer.into() };
        let connection = SipConnection::Channel(self.handle.clone());
        self.to_stack
            .send(TransportEvent::Incoming(received, connection, from))
            .map_err(|_| io::ErrorKind::NotConnected.into())
    }

    fn answer(&self, bytes: Vec<u8>) -> io::Result<()> {
        self.answers.try_send(bytes).map_err(|_| io::ErrorKind::WouldBlock.into())
    }
}

struct Writer {
    write: OwnedWriteHalf,
    peer: SocketAddr,
    from_stack: mpsc::UnboundedReceiver<TransportEvent>,
    from_reader: mpsc::Receiver<Vec<u8>>,
}

impl Writer {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let bytes = tokio::select! {
                Some(bytes) = self.from_reader.recv() => bytes,
                Some(event) = self.from_stack.recv() => match event {
                    TransportEvent::Incoming(message, ..) => message.to_bytes(),
                    TransportEvent::New(_) | TransportEvent::Closed(_) => continue,
                },
                else => return Ok(()),
            };
            trace::message(trace::Way::Out, self.peer, "tcp", &bytes);
            timeout(WRITE_WITHIN, self.write.write_all(&bytes)).await??;
        }
    }
}
