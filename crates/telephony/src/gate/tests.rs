//! What the gate lets through, and what it answers.

use proptest::prelude::*;

use super::*;

const INVITE: &str = "INVITE sip:demo@127.0.0.1 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"A \\\" <b\" <sip:a@192.0.2.9>;tag=1\r\n\
    To: <sip:demo@127.0.0.1>\r\n\
    Call-ID: c1@192.0.2.9\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:a@192.0.2.9:5070>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 3\r\n\r\nv=0";

fn judge(message: &[u8]) -> Verdict {
    let source = "127.0.0.1:9999".parse().unwrap();
    Gate::new("trunkline", 1).judge(message, source, Framing::Datagram)
}

fn status(message: &str) -> u16 {
    match judge(message.as_bytes()) {
        Verdict::Pass | Verdict::PassAs(_) => 0,
        Verdict::Drop(_) | Verdict::KeepAlive(_) => 1,
        Verdict::Reply(reply) => std::str::from_utf8(&reply[8..11]).unwrap().parse().unwrap(),
    }
}

/// The good request with one thing changed.
fn with(from: &str, to: &str) -> String {
    assert!(INVITE.contains(from), "{from}");
    INVITE.replace(from, to)
}

#[test]
fn a_good_request_passes() {
    assert_eq!(judge(INVITE.as_bytes()), Verdict::Pass);
}

#[test]
fn each_flaw_gets_its_status() {
    for (message, expected) in [
        (with("Via: SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1;rport\r\n", ""), 1),
        (with("From: \"A \\\" <b\" <sip:a@192.0.2.9>;tag=1\r\n", ""), 400),
        (with("To: <sip:demo@127.0.0.1>\r\n", ""), 400),
        (with("Call-ID: c1@192.0.2.9\r\n", ""), 400),
        (with("CSeq: 1 INVITE\r\n", ""), 400),
        (with("Max-Forwards: 70\r\n", ""), 0),
        (with("Max-Forwards: 70", "Max-Forwards: many"), 400),
        (with("CSeq: 1 INVITE", "CSeq: 1 OPTIONS"), 400),
        (with("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE"), 400),
        (with("CSeq: 1 INVITE", "CSeq: one INVITE"), 400),
        (with("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        (with(";tag=1", ""), 400),
        (with("Content-Length: 3", "Content-Length: 4"), 400),
        (with("Content-Length: 3", "Content-Length: -1"), 400),
        (with("Content-Length: 3", "Content-Length: 2"), 0),
        (with("Content-Length: 3\r\n", "Content-Length: 3\r\nContent-Length: 3\r\n"), 400),
        (with("<sip:demo@127.0.0.1>\r\n", "\"demo <sip:demo@127.0.0.1>\r\n"), 400),
        (with("sip:demo@127.0.0.1 SIP", "<sip:demo@127.0.0.1> SIP"), 400),
        (with("sip:demo@127.0.0.1 SIP", "sip:demo@127.0.0.1; lr SIP"), 400),
        (with("sip:demo@127.0.0.1 SIP", "nobody:demo SIP"), 416),
        (with("sip:demo@127.0.0.1 SIP", "tel:+15551234567 SIP"), 0),
        (with("Contact:", "Require: 100rel, nothing\r\nContact:"), 420),
        (with("Contact:", "Require: timer\r\nContact:"), 0),
        (with("Contact:", "Content-Encoding: gzip\r\nContact:"), 415),
        (with("application/sdp", "application/unknown"), 415),
        (with("Contact:", "No colon here\r\nContact:"), 400),
        (INVITE.replace("INVITE", "REGISTER"), 405),
        (INVITE.replace("INVITE", "NEWMETHOD"), 501),
        (INVITE.replace("INVITE", "OPTIONS"), 200),
        (INVITE.replace("INVITE", "BYE"), 481),
        (INVITE.replace("INVITE", "ACK").replace(";tag=1", ""), 1),
        ("hello".to_owned(), 1),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 1),
    ] {
        assert_eq!(status(&message), expected, "{message}");
    }
}

#[test]
fn a_body_without_a_stated_length_ends_with_its_datagram() {
    let Verdict::PassAs(whole) = judge(with("Content-Length: 3\r\n", "").as_bytes()) else {
        panic!("not passed on");
    };
    assert!(String::from_utf8(whole).unwrap().ends_with("Content-Length: 3\r\n\r\nv=0"));
    let source = "127.0.0.1:9".parse().unwrap();
    let framed = Gate::new("t", 1).judge(
        with("Content-Length: 3\r\n", "").as_bytes(),
        source,
        Framing::Stream,
    );
    assert!(matches!(framed, Verdict::Reply(_)));
}

#[test]
fn a_reply_repeats_what_identifies_the_request() {
    let Verdict::Reply(reply) = judge(INVITE.replace("INVITE", "OPTIONS").as_bytes()) else {
        panic!("not answered");
    };
    insta::assert_snapshot!(String::from_utf8(reply).unwrap());
}

#[test]
fn a_retransmission_gets_the_same_reply() {
    let message = INVITE.replace("INVITE", "REGISTER");
    assert_eq!(judge(message.as_bytes()), judge(message.as_bytes()));
}

#[test]
fn an_unknown_extension_is_named() {
    let message = with("Contact:", "Require: timer, 100rel\r\nContact:");
    let Verdict::Reply(reply) = judge(message.as_bytes()) else { panic!("not answered") };
    assert!(String::from_utf8(reply).unwrap().contains("\r\nUnsupported: 100rel\r\n"));
}

#[test]
fn keep_alives_are_answered_here() {
    assert_eq!(judge(b"\r\n\r\n"), Verdict::KeepAlive(b"\r\n"));
    assert_eq!(judge(b"\r\n"), Verdict::KeepAlive(b""));
    assert_eq!(judge(b"\0"), Verdict::KeepAlive(b""));
    assert_eq!(judge(b""), Verdict::KeepAlive(b""));
}

#[test]
fn a_header_line_too_many_or_a_message_too_long_is_refused() {
    let many = with("Contact:", &format!("{}Contact:", "X-A: b\r\n".repeat(200)));
    assert_eq!(status(&many), 400);
    let long = with("Contact:", &format!("X-A: {}\r\nContact:", "b".repeat(MAX_MESSAGE)));
    assert_eq!(status(&long), 513);
}

#[test]
fn folded_and_short_headers_are_read() {
    let folded = with("To: <sip:demo@127.0.0.1>", "t :\r\n  <sip:demo@127.0.0.1>");
    assert_eq!(status(&folded), 0);
}

#[test]
fn responses_pass_only_when_they_can_be_matched() {
    let ok = INVITE.replace("INVITE sip:demo@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK");
    assert_eq!(judge(ok.as_bytes()), Verdict::Pass);
    for broken in [
        ok.replace("200", "99"),
        ok.replace("CSeq: 1", "CSeq: x"),
        ok.replace("2.0 200", "3.0 200"),
    ] {
        assert!(matches!(judge(broken.as_bytes()), Verdict::Drop(_)), "{broken}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _verdict = judge(&bytes);
    }

    #[test]
    fn no_change_to_a_good_request_makes_it_panic(
        changes in prop::collection::vec((0usize..420, any::<u8>()), 1..6),
        cut in 300usize..430,
    ) {
        let mut bytes = INVITE.as_bytes().to_vec();
        for (at, byte) in changes {
            if let Some(target) = bytes.get_mut(at) { *target = byte; }
        }
        bytes.truncate(cut);
        if let Verdict::Reply(reply) = judge(&bytes) {
            let text = String::from_utf8(reply).unwrap();
            prop_assert!(text.starts_with("SIP/2.0 ") && text.ends_with("\r\n\r\n"));
        }
    }
}
