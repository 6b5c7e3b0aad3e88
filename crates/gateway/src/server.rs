//! The HTTP server: binds, serves, and lets requests finish when it stops.

use std::{io, net::SocketAddr, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::{GatewayConfig, GatewayError};

/// Connections at once. Past that new ones wait in the system's backlog.
const CONNECTIONS: usize = 1024;
/// How long a client may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest head of a request.
const HEAD_BYTES: usize = 32 * 1024;
/// How long a client may take to read a piece of an answer. One that reads nothing would keep a model's
/// slot for ever.
const READING_TIME: Duration = Duration::from_mins(1);
/// How long requests may take to finish when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How long to wait when no more connections can be taken, for want of file descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds the configured address; refuses one that other machines reach when there is no key.
    pub async fn bind(config: &GatewayConfig) -> Result<Self, GatewayError> {
        let bind = config.bind;
        if !bind.ip().is_loopback() && config.admin_key_sha256.is_empty() {
            return Err(GatewayError::Exposed { bind });
        }
        let failure = |source| GatewayError::Bind { bind, source };
        let listener = TcpListener::bind(bind).await.map_err(failure)?;
        let address = listener.local_addr().map_err(failure)?;
        Ok(Self { listener, address })
    }

    /// Where it listens: the configured address, with the port that was given for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop; then takes no more and lets requests finish.
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = connections.join_next() => tell_of_panic(ended),
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => {
                            connections.spawn(serve(stream, router.clone(), stop.clone()));
                        }
                        Err(error) => pause_after(&error).await,
                    }
                }
            }
        }
        drop(self.listener);
        let drained = timeout(DRAIN_TIME, async {
            while let Some(ended) = connections.join_next().await {
                tell_of_panic(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                requests = connections.len(),
                "stopped before every request was answered"
            );
        }
    }
}

async fn serve(stream: TcpStream, router: Router, stop: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    let service = TowerToHyperService::new(router);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(READING_TIME));
    let stream = TokioIo::new(Box::pin(stream));
    let connection = builder.serve_connection(stream, service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // The client went away or spoke no HTTP: nothing of ours to act on.
        tracing::debug!(%error, "a connection ended early");
    }
}

fn tell_of_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "cannot take a connection");
    sleep(ACCEPT_PAUSE).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn local() -> GatewayConfig {
        GatewayConfig { bind: SocketAddr::from(([127, 0, 0, 1], 0)), ..GatewayConfig::default() }
    }

    async fn ask(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        stream
    }

    async fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_though_the_server_stops() {
        let (asked, go) = (CancellationToken::new(), CancellationToken::new());
        let (told, wait) = (asked.clone(), go.clone());
        let slow = Router::new().route(
            "/",
            get(async move || {
                told.cancel();
                wait.cancelled().await;
                "done"
            }),
        );
        let server = Server::bind(&local()).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(server.run(slow, stop.clone()));
        let stream = ask(address).await;
        asked.cancelled().await;
        stop.cancel();
        go.cancel();
        assert!(answer(stream).await.ends_with("done"));
        running.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn idle_connections_are_closed_when_the_server_stops() {
        let server = Server::bind(&local()).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(server.run(Router::new(), stop.clone()));
        let mut stream = ask(address).await;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 404");
        stop.cancel();
        running.join_next().await.unwrap().unwrap();
        answer(stream).await;
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_their_turn() {
        let server = Server::bind(&local()).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(server.run(Router::new(), stop.clone()));
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut waiting = ask(address).await;
        let mut status = [0; 12];
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let early = waiting.try_read(&mut status).unwrap_err();
        assert_eq!(early.kind(), io::ErrorKind::WouldBlock);
        drop(silent);
        waiting.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 404");
        stop.cancel();
        drop(waiting);
        running.join_next().await.unwrap().unwrap();
    }
}
