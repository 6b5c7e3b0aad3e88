//! The rest of a body that nobody read, taken in and thrown away. A client that still sends when the
//! connection closes does not see the answer: the system discards what it has not read yet
//! (RFC 9112, section 9.6).

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use futures::StreamExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::timeout;

/// What is taken in at most. Past that the connection is closed, and the answer may be lost.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// For how long at most.
const TIME: Duration = Duration::from_secs(30);

/// Takes in what the rest of the router leaves of a request's body.
pub(super) async fn take_in_the_rest(request: Request, next: Next) -> Response {
    // Who waits to be told to go on sends nothing unless the body is asked for.
    let headers = request.headers();
    if headers.contains_key(header::EXPECT) || !has_body(headers) {
        return next.run(request).await;
    }
    next.run(request.map(|body| Body::new(Whole(body)))).await
}

/// RFC 9112, section 6.3. The body itself may not know: one with a time limit never tells its end.
fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0")
}

/// A body that is read to its end, if need be after its reader has let go of it.
struct Whole(Body);

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            // Nothing more comes of it: it is whole, or the client went away or fell silent.
            self.0 = Body::empty();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if !self.0.is_end_stream() {
            let body = mem::take(&mut self.0);
            #[expect(clippy::disallowed_methods, reason = "ends by itself, and soon")]
            drop(tokio::spawn(timeout(TIME, read(body))));
        }
    }
}

async fn read(body: Body) {
    let (mut pieces, mut left) = (body.into_data_stream(), MOST_BYTES);
    while let Some(Ok(piece)) = pieces.next().await {
        let Some(rest) = left.checked_sub(piece.len()) else { return };
        left = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{Router, http::StatusCode, middleware, routing::post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        task::JoinSet,
    };
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{GatewayConfig, Server};

    /// A server whose one route reads nothing and refuses, for the length of a test.
    async fn refusing() -> (SocketAddr, JoinSet<()>) {
        let router = Router::new()
            .route("/", post(|| async { StatusCode::PAYLOAD_TOO_LARGE }))
            .layer(middleware::from_fn(take_in_the_rest));
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        let server =
            Server::bind(&GatewayConfig { bind, ..GatewayConfig::default() }).await.unwrap();
        let address = server.address();
        let mut running = JoinSet::new();
        running.spawn(server.run(router, CancellationToken::new()));
        (address, running)
    }

    async fn send(stream: &mut TcpStream, more: &str, mib: usize) -> std::io::Result<()> {
        let length = mib << 20;
        let head =
            format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).await?;
        let piece = vec![0; 1 << 20];
        for _ in 0..mib {
            stream.write_all(&piece).await?;
        }
        Ok(())
    }

    async fn status(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8_lossy(&head[..12]).into_owned()
    }

    #[tokio::test]
    async fn a_client_that_sends_all_it_has_reads_the_refusal_and_goes_on() {
        let (address, _server) = refusing().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        for mib in [26, 0, 1] {
            send(&mut stream, "", mib).await.unwrap();
            assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
        }
    }

    #[tokio::test]
    async fn only_what_was_left_unread_is_more_work() {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let body = || {
            let pieces = futures::stream::iter([Ok::<_, std::io::Error>("piece")]);
            Whole(Body::from_stream(pieces))
        };
        let mut read = body();
        while std::future::poll_fn(|cx| Pin::new(&mut read).poll_frame(cx)).await.is_some() {}
        drop(read);
        assert_eq!(tasks(), 0);
        drop(body());
        assert_eq!(tasks(), 1);
        assert!(!has_body(&HeaderMap::new()));
        assert!(!has_body(&HeaderMap::from_iter([(header::CONTENT_LENGTH, "0".parse().unwrap())])));
    }

    #[tokio::test]
    async fn who_sends_without_end_is_hung_up() {
        let (address, _server) = refusing().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut stream, "", 256).await.is_err());
    }

    #[tokio::test]
    async fn who_waits_to_be_told_to_go_on_is_refused_without_it() {
        let (address, _server) = refusing().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
    }
}
