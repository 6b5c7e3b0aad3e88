//! Damaged messages by the thousand, bombs and slow readers: the server goes on.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use trunkline_telephony::{SipServer, gate::MAX_MESSAGE};

use crate::{
    torture::{assert_alive, status_of},
    world::server,
};

const SEED: u64 = 4475;
const MUTATIONS: usize = 10_000;

const INVITE: &str = "INVITE sip:demo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK1;rport\r\nFrom: \"A\" <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:demo@127.0.0.1>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@127.0.0.1:1>\r\nContent-Type: application/sdp\r\nContent-Length: 106\r\n\r\nv=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// Takes every call and lets it go.
async fn receptionist(server: &mut SipServer) {
    while let Some(call) = server.accept().await {
        drop(call);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_mutations_leave_the_server_alive() {
    let mut server = server().await;
    let address = server.local_addr();
    let sending = async {
        let mut random = StdRng::seed_from_u64(SEED);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(address).await.unwrap();
        let mut slowest = Duration::ZERO;
        for n in 0..MUTATIONS {
            socket.send(&mutation(&mut random, n)).await.unwrap();
            if n % 10 == 9 {
                // A burst must not fill the server's socket: what is lost is not tested.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if n % 100 == 99 {
                slowest = slowest.max(liveness(address).await);
            }
        }
        slowest
    };
    let slowest = tokio::select! {
        slowest = sending => slowest,
        () = receptionist(&mut server) => unreachable!("the server stopped"),
    };
    println!("slowest of {} OPTIONS between {MUTATIONS} mutations: {slowest:?}", MUTATIONS / 100);
    assert_alive(&server).await;
}

#[tokio::test]
async fn mutations_in_streams_leave_the_server_alive() {
    let mut server = server().await;
    let address = server.local_addr();
    let sending = async {
        let mut random = StdRng::seed_from_u64(SEED);
        for n in 0..300 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            for _ in 0..5 {
                if stream.write_all(&mutation(&mut random, n)).await.is_err() {
                    break;
                }
            }
        }
        liveness(address).await
    };
    tokio::select! {
        _ = sending => {}
        () = receptionist(&mut server) => unreachable!("the server stopped"),
    }
}

/// How long an OPTIONS takes.
async fn liveness(address: std::net::SocketAddr) -> Duration {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let options = INVITE.replace("INVITE", "OPTIONS");
    let start = std::time::Instant::now();
    let mut buffer = [0; 4096];
    for _ in 0..20 {
        // A datagram may find the server's socket full of mutations.
        socket.send(options.as_bytes()).await.unwrap();
        if let Ok(length) = timeout(Duration::from_millis(500), socket.recv(&mut buffer)).await {
            assert_eq!(status_of(&buffer[..length.unwrap()]), 200);
            return start.elapsed();
        }
    }
    panic!("no answer to 20 OPTIONS");
}

/// A message with a few things wrong.
fn mutation(random: &mut StdRng, n: usize) -> Vec<u8> {
    const WORDS: [&str; 14] = [
        "\r\n",
        "\r\n\r\n",
        ";tag=",
        "\"",
        "<",
        "sip:",
        "\0",
        "%s%n",
        "99999999999999999999",
        "-1",
        "\u{2603}",
        "SIP/2.0",
        ": ",
        "z9hG4bK",
    ];
    let method =
        ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "SIP/2.0 200"][n % 8];
    let mut bytes = INVITE
        .replace("INVITE", method)
        .replace("c1", &format!("c{n}"))
        .replace("z9hG4bK1", &format!("z9hG4bK{n}"))
        .into_bytes();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] = random.random(),
            1 => drop(bytes.drain(at..(at + random.random_range(1..40)).min(bytes.len()))),
            2 => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                bytes.splice(at..at, word.bytes());
            }
            3 => {
                let piece = bytes[at..(at + 60).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at.max(1)),
            _ => {
                let long = vec![b'A'; random.random_range(1..5000)];
                bytes.splice(at..at, long);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes.truncate(60_000);
    bytes
}

#[tokio::test]
async fn a_stream_that_never_finishes_its_message_is_closed() {
    let server = server().await;
    let mut bomb = TcpStream::connect(server.local_addr()).await.unwrap();
    let filler = [b'x'; 1024];
    let mut sent = 0;
    let closed = timeout(Duration::from_secs(5), async {
        while bomb.write_all(&filler).await.is_ok() {
            sent += filler.len();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    closed.await.expect("the connection is closed");
    assert!(sent < 100 * MAX_MESSAGE, "{sent} bytes were taken");
    assert_alive(&server).await;
}

#[tokio::test]
async fn a_message_in_pieces_over_tcp_is_answered() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    for piece in INVITE.replace("INVITE", "OPTIONS").as_bytes().chunks(37) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut buffer = [0; 4096];
    let length = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(status_of(&buffer[..length]), 200);
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let length = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(&buffer[..length], b"\r\n");
}

#[tokio::test]
async fn a_session_description_of_a_megabyte_is_refused() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let bomb = INVITE.replace("Content-Length: 106", "Content-Length: 1060000");
    stream.write_all(bomb.as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.unwrap().unwrap();
    assert!((400..600).contains(&status_of(&buffer[..length])));
    assert_alive(&server).await;
}
