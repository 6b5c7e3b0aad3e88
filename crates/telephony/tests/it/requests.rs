//! Requests of a telephone written by hand, and what the server makes of each.

use std::time::Duration;

use tokio::{net::UdpSocket, time::timeout};
use trunkline_session::{HangupReason, Leg, LegInput};
use trunkline_telephony::{SipLeg, SipServer};

use crate::{
    torture::status_of,
    world::{PATIENCE, server},
};

/// A telephone with one call.
struct Phone {
    socket: UdpSocket,
    server: String,
    /// `;tag=...` of the server once it has answered.
    peer_tag: String,
}

impl Phone {
    async fn for_server(server: &SipServer) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server.local_addr()).await.unwrap();
        Self { socket, server: server.local_addr().to_string(), peer_tag: String::new() }
    }

    async fn send(&self, method: &str, cseq: u32, extra: &str, body: &str) {
        let Self { server, peer_tag, .. } = self;
        let me = self.socket.local_addr().unwrap();
        let text = format!(
            "{method} sip:demo@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {me};rport;branch=z9hG4bK{method}{cseq}\r\n\
             From: <sip:me@{me}>;tag=mine\r\nTo: <sip:demo@{server}>{peer_tag}\r\nCall-ID: by-hand\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:me@{me}>\r\n{extra}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket.send(text.as_bytes()).await.unwrap();
    }

    /// The next message that is no provisional response.
    async fn receive(&mut self) -> (u16, String) {
        let mut buffer = [0; 8192];
        loop {
            let length = timeout(Duration::from_secs(5), self.socket.recv(&mut buffer)).await;
            let message = &buffer[..length.expect("an answer in time").unwrap()];
            let text = String::from_utf8(message.to_vec()).unwrap();
            if !text.starts_with("SIP/2.0 ") {
                return (0, text);
            }
            let status = status_of(message);
            if status < 200 {
                continue;
            }
            if let Some(to) = text.lines().find(|line| line.starts_with("To:")) {
                let tag = to.split(";tag=").nth(1).unwrap_or_default();
                self.peer_tag = format!(";tag={tag}");
            }
            return (status, text);
        }
    }

    async fn ask(&mut self, method: &str, cseq: u32, extra: &str, body: &str) -> (u16, String) {
        self.send(method, cseq, extra, body).await;
        self.receive().await
    }

    /// Calls and is answered.
    async fn connected(server: &mut SipServer) -> (Self, SipLeg) {
        let mut phone = Self::for_server(server).await;
        phone.send("INVITE", 1, SDP, &offer("sendrecv")).await;
        let leg = server.accept().await.unwrap().answer().await.unwrap();
        assert_eq!(phone.receive().await.0, 200);
        phone.send("ACK", 1, "", "").await;
        (phone, leg)
    }
}

const SDP: &str = "Content-Type: application/sdp\r\n";

fn offer(direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 9 RTP/AVP 0\r\na={direction}\r\n"
    )
}

/// The next input that is not sound.
async fn next(leg: &mut SipLeg) -> LegInput {
    timeout(PATIENCE, async {
        loop {
            let input = leg.recv().await;
            if !matches!(input, LegInput::Audio(_)) {
                return input;
            }
        }
    })
    .await
    .expect("an input in time")
}

#[tokio::test]
async fn an_invite_that_comes_again_is_the_same_call() {
    let mut server = server().await;
    let phone = Phone::for_server(&server).await;
    for _ in 0..3 {
        phone.send("INVITE", 1, SDP, &offer("sendrecv")).await;
    }
    let first = server.accept().await.unwrap();
    assert_eq!(first.sip_call_id(), "by-hand");
    let second = timeout(Duration::from_millis(300), server.accept()).await;
    assert!(second.is_err(), "a second call rings");
    first.reject(486, None).await;
}

#[tokio::test]
async fn keys_by_info_are_heard_and_other_bodies_refused() {
    let mut server = server().await;
    let (mut phone, mut leg) = Phone::connected(&mut server).await;
    let relay = "Content-Type: application/dtmf-relay\r\n";
    assert_eq!(phone.ask("INFO", 2, relay, "Signal=5\r\nDuration=160\r\n").await.0, 200);
    assert!(matches!(next(&mut leg).await, LegInput::Pressed(digit) if digit.0 == '5'));
    assert_eq!(phone.ask("INFO", 3, "Content-Type: text/plain\r\n", "5").await.0, 415);
    assert_eq!(phone.ask("INFO", 4, "", "").await.0, 200);
}

#[tokio::test]
async fn an_update_holds_and_resumes_a_call() {
    let mut server = server().await;
    let (mut phone, mut leg) = Phone::connected(&mut server).await;
    let (status, answer) = phone.ask("UPDATE", 2, SDP, &offer("sendonly")).await;
    assert!(status == 200 && answer.contains("a=recvonly"), "{answer}");
    assert!(matches!(next(&mut leg).await, LegInput::Held));
    let (_, answer) = phone.ask("UPDATE", 3, SDP, &offer("sendrecv")).await;
    assert!(answer.contains("a=sendrecv"), "{answer}");
    assert!(matches!(next(&mut leg).await, LegInput::Resumed));
    let bad = offer("sendrecv").replace("AVP 0", "AVP 18");
    let (status, answer) = phone.ask("UPDATE", 4, SDP, &bad).await;
    assert!(status == 488 && answer.contains("Warning: 305"), "{answer}");
    assert_eq!(phone.ask("BYE", 5, "", "").await.0, 200);
    assert!(matches!(next(&mut leg).await, LegInput::Gone(HangupReason::CallerHungUp)));
}

#[tokio::test]
async fn requests_that_do_not_belong_are_told_so() {
    let mut server = server().await;
    let (mut phone, _leg) = Phone::connected(&mut server).await;
    assert_eq!(phone.ask("OPTIONS", 5, "", "").await.0, 200);
    assert_eq!(phone.ask("INFO", 3, "", "").await.0, 500, "an older request");
    assert_eq!(phone.ask("REFER", 6, "", "").await.0, 405);
    assert_eq!(phone.ask("NONSENSE", 7, "", "").await.0, 501);
    let known = std::mem::replace(&mut phone.peer_tag, ";tag=nobody".into());
    assert_eq!(phone.ask("BYE", 8, "", "").await.0, 481);
    phone.peer_tag = known;
    assert_eq!(phone.ask("BYE", 9, "", "").await.0, 200);
    assert_eq!(phone.ask("BYE", 10, "", "").await.0, 481, "the call is over");
}

#[tokio::test]
async fn session_timers_are_agreed_on_or_refused() {
    let mut server = server().await;
    let mut phone = Phone::for_server(&server).await;
    let hasty = format!("{SDP}Session-Expires: 30\r\n");
    let (status, text) = phone.ask("INVITE", 1, &hasty, &offer("sendrecv")).await;
    assert!(status == 422 && text.contains("Min-SE: 90"), "{text}");
    phone.send("ACK", 1, "", "").await;
    drop(server.accept().await);

    phone.peer_tag.clear();
    let patient = format!("{SDP}Supported: timer\r\nSession-Expires: 1800\r\n");
    phone.send("INVITE", 2, &patient, &offer("sendrecv")).await;
    let _leg = server.accept().await.unwrap().answer().await.unwrap();
    let (status, text) = phone.receive().await;
    assert!(status == 200 && text.contains("Session-Expires: 1800;refresher=uac"), "{text}");
}

#[tokio::test]
async fn an_invite_without_an_offer_is_made_one() {
    let mut server = server().await;
    let mut phone = Phone::for_server(&server).await;
    phone.send("INVITE", 1, "", "").await;
    let mut leg = server.accept().await.unwrap().answer().await.unwrap();
    let (status, text) = phone.receive().await;
    assert!(status == 200 && text.contains("m=audio"), "{text}");
    phone.send("ACK", 1, SDP, &offer("inactive")).await;
    assert!(matches!(next(&mut leg).await, LegInput::Held), "the answer of the ACK counts");
    let answered = phone.ask("BYE", 2, "", "").await;
    assert_eq!(answered.0, 200);
}
