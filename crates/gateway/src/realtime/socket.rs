//! The WebSocket of a session: frames in, frames out, and a pulse that finds clients that are gone.

use std::{future::Future, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use tokio::{
    sync::mpsc,
    time::{interval, timeout},
};

use super::{
    leg::Incoming,
    outbox::{Outgoing, Outlet},
};

/// The longest frame and message: what OpenAI takes as the audio of one event, and its event.
pub(super) const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Frames from the client that may wait; past that the socket is not read.
pub(super) const INCOMING: usize = 64;
/// How often the client is asked whether it is there.
const PULSE: Duration = Duration::from_secs(20);
/// A client of which nothing came for this long, not even an answer to the pulse, is gone.
const SILENCE: Duration = Duration::from_secs(65);
/// How long a client may take to read a frame.
const READING_TIME: Duration = Duration::from_secs(30);
/// How long a client may take to answer a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Carries frames until either side ends.
pub(super) async fn carry(socket: WebSocket, incoming: mpsc::Sender<Incoming>, outlet: Outlet) {
    let (mut sink, mut stream) = socket.split();
    tokio::select! {
        () = read(&mut stream, incoming) => {}
        () = write(&mut sink, outlet) => {
            let answered = async { while let Some(Ok(_)) = stream.next().await {} };
            if timeout(GOODBYE, answered).await.is_err() {
                tracing::debug!("a Realtime client did not answer the goodbye");
            }
        }
    }
}

/// Tells a client why there is no session for it.
pub(super) async fn turn_away(mut socket: WebSocket, event: String, code: u16) {
    let close = CloseFrame { code, reason: "try again later".into() };
    let told = async {
        socket.send(Message::Text(event.into())).await?;
        socket.send(Message::Close(Some(close))).await
    };
    if !matches!(timeout(READING_TIME, told).await, Ok(Ok(()))) {
        tracing::debug!("a Realtime client was gone before it was turned away");
    }
}

async fn read(stream: &mut SplitStream<WebSocket>, incoming: mpsc::Sender<Incoming>) {
    while let Ok(Some(Ok(message))) = timeout(SILENCE, stream.next()).await {
        let frame = match message {
            Message::Text(text) => Incoming::Text(text.as_str().to_owned()),
            Message::Binary(_) => Incoming::Binary,
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return,
        };
        if incoming.send(frame).await.is_err() {
            // The session is over; what is left to be sent is sent.
            return std::future::pending().await;
        }
    }
}

async fn write(sink: &mut SplitSink<WebSocket, Message>, mut outlet: Outlet) {
    let mut pulse = interval(PULSE);
    loop {
        let message = tokio::select! {
            frame = outlet.next() => match frame {
                Some(Outgoing::Text(text)) => Message::Text(text.into()),
                Some(Outgoing::Close(code, reason)) => return close(sink, code, reason).await,
                None => return close(sink, 1000, "").await,
            },
            _ = pulse.tick() => Message::Ping(Vec::new().into()),
        };
        if !sent(sink.send(message)).await {
            return;
        }
    }
}

async fn close(sink: &mut SplitSink<WebSocket, Message>, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    if !sent(sink.send(Message::Close(Some(frame)))).await {
        tracing::debug!("a Realtime client was gone before it was told goodbye");
    }
}

async fn sent(sending: impl Future<Output = Result<(), axum::Error>>) -> bool {
    matches!(timeout(READING_TIME, sending).await, Ok(Ok(())))
}
