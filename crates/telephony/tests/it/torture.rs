//! The torture messages of RFC 4475 and RFC 5118 by what is odd about each, and what becomes of it.

use std::{fmt::Write as _, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use trunkline_telephony::SipServer;

use crate::world::server;

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// This status.
    Status(u16),
    /// The message is good: a call rings, which nobody answers here.
    Rings,
    /// Nothing.
    Silence,
}
use Expected::{Rings, Silence, Status};

/// A message with its parts in their usual form; `$` stands for what differs between runs.
struct Message {
    line: &'static str,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
}

impl Message {
    fn new(line: &'static str) -> Self {
        let method = line.split(' ').next().unwrap();
        let headers = vec![
            ("Via", "SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK$;rport".into()),
            ("From", "<sip:caller@example.net>;tag=$".into()),
            ("To", "<sip:demo@127.0.0.1>".into()),
            ("Call-ID", "$@example.net".into()),
            ("CSeq", format!("9 {method}")),
            ("Max-Forwards", "70".into()),
            ("Contact", "<sip:caller@127.0.0.1:1>".into()),
        ];
        Self { line, headers, body: "" }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(header, _)| *header != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| *header != name);
        self
    }

    fn bytes(&self, run: usize) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            write!(text, "Content-Length: {}\r\n", self.body.len()).unwrap();
        }
        format!("{text}\r\n{}", self.body).replace('$', &format!("t{run}")).into_bytes()
    }
}

const INVITE: &str = "INVITE sip:demo@127.0.0.1 SIP/2.0";
const OPTIONS: &str = "OPTIONS sip:demo@127.0.0.1 SIP/2.0";

/// Section of the RFC, message, what comes back.
#[expect(clippy::too_many_lines, reason = "a table, one message an entry")]
fn messages() -> Vec<(&'static str, Message, Expected)> {
    let invite = || Message::new(INVITE);
    let options = || Message::new(OPTIONS);
    vec![
        (
            "4475 3.1.1.1 short and torturous",
            invite()
                .with("To", "sip:demo@127.0.0.1 ;   weird=\"a;b\"")
                .with("CSeq", "0009\r\n  INVITE")
                .and("NewFangled", "a\r\n b: \"c"),
            Rings,
        ),
        (
            "4475 3.1.1.2 wide range of characters",
            options().and("X-!%*_+`'~", "\u{fe}~"),
            Status(200),
        ),
        (
            "4475 3.1.1.2 unusual method",
            Message::new("!i*s`o%n_t~a+N'O-k. sip:demo@127.0.0.1 SIP/2.0"),
            Status(501),
        ),
        (
            "4475 3.1.1.3 escaped characters",
            Message::new("INVITE sip:sips%3Auser%40example.com@127.0.0.1 SIP/2.0"),
            Rings,
        ),
        (
            "4475 3.1.1.4 escaped nulls",
            Message::new("REGISTER sip:demo%00@127.0.0.1 SIP/2.0"),
            Status(405),
        ),
        (
            "4475 3.1.1.5 a percent sign that escapes nothing",
            Message::new("RE%47IST%45R sip:demo@127.0.0.1 SIP/2.0"),
            Status(501),
        ),
        (
            "4475 3.1.1.6 no space before a bracket",
            options().with("From", "caller<sip:caller@example.net>;tag=$"),
            Status(200),
        ),
        (
            "4475 3.1.1.7 long values",
            invite().with("To", &format!("\"{}\" <sip:demo@127.0.0.1>", "long ".repeat(300))),
            Rings,
        ),
        (
            "4475 3.1.1.8 more than the body",
            Message { body: "v=0 and more", ..options().with("Content-Length", "3") },
            Status(200),
        ),
        (
            "4475 3.1.1.9 a semicolon in the user part",
            Message::new("OPTIONS sip:user;par=u%40example.net@127.0.0.1 SIP/2.0"),
            Status(200),
        ),
        (
            "4475 3.1.1.10 many transports in Via",
            options()
                .and("Via", "SIP/2.0/XXXX t6;branch=z9hG4bK1, SIP / 2.0 / TLS t5;branch=z9hG4bK2"),
            Status(200),
        ),
        (
            "4475 3.1.1.11 several bodies",
            Message {
                body: "--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b--\r\n",
                ..invite().and("Content-Type", "multipart/mixed; boundary=b")
            },
            Rings,
        ),
        (
            "4475 3.1.2.1 a separator too many in Via",
            invite().with("Via", "SIP/2.0/UDP 127.0.0.1:1;;,;,,"),
            Status(400),
        ),
        (
            "4475 3.1.2.2 longer than its datagram",
            invite().with("Content-Length", "9999"),
            Status(400),
        ),
        ("4475 3.1.2.3 a negative length", invite().with("Content-Length", "-999"), Status(400)),
        (
            "4475 3.1.2.4 numbers out of range",
            invite().with("CSeq", "36893488147419103232 INVITE"),
            Status(400),
        ),
        (
            "4475 3.1.2.6 an unclosed quote",
            invite().with("To", "\"Mr. J. User <sip:demo@127.0.0.1>"),
            Status(400),
        ),
        (
            "4475 3.1.2.7 brackets around the request's address",
            Message::new("INVITE <sip:demo@127.0.0.1> SIP/2.0"),
            Status(400),
        ),
        (
            "4475 3.1.2.8 spaces in the request's address",
            Message::new("INVITE sip:demo@127.0.0.1; lr SIP/2.0"),
            Status(400),
        ),
        (
            "4475 3.1.2.9 spaces between the words",
            Message::new("INVITE  sip:demo@127.0.0.1  SIP/2.0"),
            Status(400),
        ),
        (
            "4475 3.1.2.11 escaped headers in an address",
            Message::new("INVITE sip:demo@127.0.0.1?Route=%3Csip:example.com%3E SIP/2.0"),
            Rings,
        ),
        (
            "4475 3.1.2.14 two addresses in To",
            options().with("To", "<sip:demo@127.0.0.1> <sip:x@y>"),
            Status(400),
        ),
        (
            "4475 3.1.2.16 an unknown version",
            Message::new("OPTIONS sip:demo@127.0.0.1 SIP/7.0"),
            Status(505),
        ),
        ("4475 3.1.2.17 another method in CSeq", options().with("CSeq", "8 INVITE"), Status(400)),
        (
            "4475 3.1.2.18 another unknown method in CSeq",
            Message::new("NEWMETHOD sip:demo@127.0.0.1 SIP/2.0").with("CSeq", "8 INVITE"),
            Status(400),
        ),
        (
            "4475 3.2.1 a missing branch",
            options().with("Via", "SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK"),
            Status(200),
        ),
        (
            "4475 3.3.1 missing header fields",
            invite().without("Call-ID").without("From").without("To"),
            Status(400),
        ),
        (
            "4475 3.3.2 an unknown scheme",
            Message::new("OPTIONS nobodyKnowsThisScheme:opaquecontent SIP/2.0"),
            Status(416),
        ),
        (
            "4475 3.3.3 a known scheme of another kind",
            Message::new("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"),
            Status(416),
        ),
        (
            "4475 3.3.4 an unknown scheme in To",
            options().with("To", "isbn:2983792873"),
            Status(200),
        ),
        (
            "4475 3.3.5 an extension nobody knows",
            options()
                .and("Require", "nothingSupportsThis")
                .and("Proxy-Require", "noProxiesSupportThis"),
            Status(420),
        ),
        (
            "4475 3.3.6 an unknown content type",
            Message {
                body: "<audio/>",
                ..invite().and("Content-Type", "application/unknownformat")
            },
            Status(415),
        ),
        (
            "4475 3.3.7 an unknown authorization scheme",
            options().and("Authorization", "NoOneKnowsThisScheme opaque-data=here"),
            Status(200),
        ),
        (
            "4475 3.3.8 several values where one belongs",
            invite().and("CSeq", "19 INVITE").and("Call-ID", "other").and("To", "<sip:x@y>"),
            Status(400),
        ),
        (
            "4475 3.3.9 several lengths",
            options().and("Content-Length", "13").and("Content-Length", "5"),
            Status(400),
        ),
        (
            "4475 3.3.10 a 200 for a broadcast address",
            Message::new("SIP/2.0 200 OK")
                .with("CSeq", "9 INVITE")
                .with("Via", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK$"),
            Silence,
        ),
        ("4475 3.3.11 no hops left", options().with("Max-Forwards", "0"), Status(200)),
        (
            "4475 3.3.14 a REGISTER with an odd contact",
            Message::new("REGISTER sip:127.0.0.1 SIP/2.0")
                .with("Contact", "<sip:user@example.com?Route=%3Csip:x%3E>"),
            Status(405),
        ),
        (
            "4475 3.3.15 an unacceptable Accept",
            Message { body: "", ..invite().and("Accept", "text/nobodyKnowsThis") },
            Rings,
        ),
        (
            "4475 3.4.1 from another age",
            Message::new("INVITE sip:demo@127.0.0.1 SIP/2.0")
                .with("Via", "SIP/2.0/UDP 127.0.0.1:1")
                .with("From", "<sip:caller@example.net>"),
            Status(400),
        ),
        (
            "5118 4.1 an IPv6 address",
            Message::new("OPTIONS sip:[2001:db8::10] SIP/2.0"),
            Status(200),
        ),
        (
            "5118 4.3 a port that might be part of the address",
            Message::new("OPTIONS sip:[2001:db8::10:5070] SIP/2.0"),
            Status(200),
        ),
        (
            "5118 4.5 an IPv6 Via with received",
            options().with(
                "Via",
                "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK$",
            ),
            Status(200),
        ),
    ]
}

#[tokio::test]
async fn each_torture_message_gets_its_verdict_over_udp() {
    let mut server = server().await;
    let mut wrong = Vec::new();
    for (run, (name, message, expected)) in messages().into_iter().enumerate() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server.local_addr()).await.unwrap();
        socket.send(&message.bytes(run)).await.unwrap();
        let found = verdict(&mut server, &socket).await;
        if found != expected {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
        assert_alive(&server).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn each_torture_message_leaves_the_server_alive_over_tcp() {
    let server = server().await;
    for (run, (_, message, _)) in messages().into_iter().enumerate() {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(&message.bytes(run)).await.unwrap();
        let mut answer = [0; 4096];
        drop(timeout(Duration::from_millis(50), stream.read(&mut answer)).await);
        assert_alive(&server).await;
    }
}

/// What comes back: a final status, or a call at the server.
async fn verdict(server: &mut SipServer, socket: &UdpSocket) -> Expected {
    let mut buffer = [0; 8192];
    loop {
        let wait = timeout(Duration::from_millis(400), socket.recv(&mut buffer));
        tokio::select! {
            Some(call) = server.accept() => {
                call.reject(486, None).await;
                return Rings;
            }
            received = wait => match received {
                Ok(length) => match status_of(&buffer[..length.unwrap()]) {
                    100..200 => {}
                    status => return Status(status),
                },
                Err(_) => return Silence,
            },
        }
    }
}

pub(crate) fn status_of(response: &[u8]) -> u16 {
    std::str::from_utf8(&response[8..11]).unwrap().parse().unwrap()
}

/// An OPTIONS is answered.
pub(crate) async fn assert_alive(server: &SipServer) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server.local_addr()).await.unwrap();
    socket.send(&Message::new(OPTIONS).bytes(usize::MAX)).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await;
    let length = length.expect("OPTIONS is answered in time").unwrap();
    assert_eq!(status_of(&buffer[..length]), 200);
}
