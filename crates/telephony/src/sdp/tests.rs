//! Offers and answers.

use proptest::prelude::*;

use super::*;

fn ours() -> Description {
    Description::new("192.0.2.1:40000".parse().unwrap(), Codec::ALL, 7)
}

fn offer(lines: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{lines}"
    )
}

fn answered(lines: &str) -> (String, Negotiated) {
    ours().answer(&offer(lines), Direction::SendRecv).unwrap()
}

#[test]
fn an_offer_reads_as_people_expect() {
    insta::assert_snapshot!(ours().offer(Direction::SendRecv));
}

#[test]
fn an_answer_takes_the_first_common_codec_and_refuses_other_streams() {
    let (text, negotiated) = answered(
        "m=audio 5004 RTP/AVP 9 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\n\
         m=video 5006 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n",
    );
    insta::assert_snapshot!(text);
    assert_eq!(negotiated.codec, Codec::Pcma);
    assert_eq!(negotiated.dtmf, Some(96));
    assert_eq!(negotiated.ptime_ms, 30);
    assert_eq!(negotiated.remote, "198.51.100.7:5004".parse().unwrap());
    assert_eq!(negotiated.remote_rtcp, "198.51.100.7:5005".parse().unwrap());
}

#[test]
fn a_bare_media_line_without_rtpmap_is_enough() {
    let (_, negotiated) = answered("m=audio 5004 RTP/AVP 0\r\n");
    assert_eq!((negotiated.codec, negotiated.payload_type), (Codec::Pcmu, 0));
    assert_eq!(negotiated.dtmf, None);
}

#[test]
fn a_dynamic_payload_type_may_carry_mu_law() {
    let (_, negotiated) = answered("m=audio 5004 RTP/AVP 110\r\na=rtpmap:110 pcmu/8000/1\r\n");
    assert_eq!((negotiated.codec, negotiated.payload_type), (Codec::Pcmu, 110));
}

#[test]
fn hold_is_answered_with_its_mirror_image() {
    for (theirs, ours, held) in [
        ("sendonly", Direction::RecvOnly, true),
        ("inactive", Direction::Inactive, true),
        ("recvonly", Direction::SendOnly, false),
        ("sendrecv", Direction::SendRecv, false),
    ] {
        let (text, negotiated) = answered(&format!("m=audio 5004 RTP/AVP 0\r\na={theirs}\r\n"));
        assert_eq!(negotiated.direction, ours, "{theirs}");
        assert_eq!(negotiated.is_held(), held, "{theirs}");
        assert!(text.contains(&format!("a={}\r\n", ours.name())), "{theirs}: {text}");
    }
}

#[test]
fn an_unspecified_address_is_an_old_style_hold() {
    let text = "v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n";
    let (_, negotiated) = ours().answer(text, Direction::SendRecv).unwrap();
    assert!(negotiated.is_held());
    assert_eq!(negotiated.direction, Direction::RecvOnly);
}

#[test]
fn a_direction_of_the_session_holds_for_its_stream() {
    let text = "v=0\r\no=- 1 2 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\na=inactive\r\nm=audio 5004 RTP/AVP 0\r\n";
    let (_, negotiated) = ours().answer(text, Direction::SendRecv).unwrap();
    assert_eq!(negotiated.direction, Direction::Inactive);
}

#[test]
fn rtcp_goes_where_the_offer_says() {
    let (_, named) = answered("m=audio 5004 RTP/AVP 0\r\na=rtcp:6000 IN IP4 203.0.113.9\r\n");
    assert_eq!(named.remote_rtcp, "203.0.113.9:6000".parse().unwrap());
    let (text, muxed) = answered("m=audio 5004 RTP/AVP 0\r\na=rtcp-mux\r\n");
    assert!(muxed.is_muxed() && text.contains("a=rtcp-mux"));
}

#[test]
fn ipv6_works() {
    let text = "v=0\r\no=- 1 2 IN IP6 2001:db8::7\r\ns=-\r\nc=IN IP6 2001:db8::7\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n";
    let mut ours = Description::new("[2001:db8::1]:40000".parse().unwrap(), Codec::ALL, 7);
    let (answer, negotiated) = ours.answer(text, Direction::SendRecv).unwrap();
    assert_eq!(negotiated.remote, "[2001:db8::7]:5004".parse().unwrap());
    assert!(answer.contains("c=IN IP6 2001:db8::1\r\n"), "{answer}");
}

#[test]
fn what_cannot_be_agreed_on_is_refused_with_its_reason() {
    let refusal = |lines: &str| ours().answer(&offer(lines), Direction::SendRecv).unwrap_err();
    assert_eq!(refusal("m=audio 5004 RTP/AVP 9 18\r\n"), SdpError::NoCodec);
    assert_eq!(refusal("m=video 5004 RTP/AVP 97\r\n"), SdpError::NoAudio);
    assert_eq!(refusal("m=audio 0 RTP/AVP 0\r\n"), SdpError::NoAudio);
    assert_eq!(refusal("m=audio 5004 RTP/SAVP 0\r\n"), SdpError::NoAudio);
    assert_eq!(refusal("m=audio 5004 RTP/AVP 0\r\na=rtpmap:0 L16/8000\r\n"), SdpError::NoCodec);
    let named = "v=0\r\no=- 1 2 IN IP4 x\r\ns=-\r\nc=IN IP4 phone.example\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n";
    assert!(matches!(ours().answer(named, Direction::SendRecv), Err(SdpError::NoAddress(_))));
    assert!(matches!(ours().answer("hello", Direction::SendRecv), Err(SdpError::Malformed(_))));
    let bomb = offer(&"a=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\n".repeat(10_000));
    assert!(matches!(ours().answer(&bomb, Direction::SendRecv), Err(SdpError::TooLarge(_))));
}

#[test]
fn the_version_grows_only_when_the_description_changes() {
    let version = |text: &str| text.lines().nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    let mut ours = ours();
    let talk = offer("m=audio 5004 RTP/AVP 0\r\n");
    let hold = offer("m=audio 5004 RTP/AVP 0\r\na=sendonly\r\n");
    let mut answer = |text: &str| version(&ours.answer(text, Direction::SendRecv).unwrap().0);
    assert_eq!(answer(&talk), "7");
    assert_eq!(answer(&talk), "7");
    assert_eq!(answer(&hold), "8");
    assert_eq!(answer(&talk), "9");
}

#[test]
fn an_answer_to_our_offer_is_taken() {
    let mut ours = ours();
    let offered = ours.offer(Direction::SendRecv);
    let mut theirs = Description::new("198.51.100.7:5004".parse().unwrap(), Codec::ALL, 1);
    let (answer, _) = theirs.answer(&offered, Direction::SendRecv).unwrap();
    let negotiated = ours.accept(&answer, Direction::SendRecv).unwrap();
    assert_eq!(negotiated.remote, "198.51.100.7:5004".parse().unwrap());
    assert!(negotiated.is_muxed());
    assert_eq!((negotiated.codec, negotiated.dtmf), (Codec::Pcmu, Some(101)));
}

#[test]
fn a_description_is_found_among_several_parts() {
    let body = "--b1\r\nContent-Type: application/isup;version=x\r\n\r\n\x01\x02\r\n\
                --b1\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\ns=-\r\n\r\n--b1--\r\n";
    let found = description_in(Some("multipart/mixed; boundary=\"b1\""), body.as_bytes());
    assert!(found.unwrap().starts_with("v=0\r\ns=-"));
    assert_eq!(description_in(Some("text/plain"), b"v=0"), None);
    assert_eq!(description_in(None, b"\r\n"), None);
    assert!(description_in(Some("Application/SDP; charset=utf-8"), b"v=0").is_some());
    assert_eq!(description_in(Some("multipart/mixed"), body.as_bytes()), None);
}

proptest! {
    #[test]
    fn no_description_makes_it_panic(text in ".{0,400}", kind in ".{0,60}") {
        let read = ours().answer(&text, Direction::SendRecv);
        prop_assert!(read.is_err() || text.contains("m="));
        let _found = description_in(Some(&kind), text.as_bytes());
    }

    #[test]
    fn no_change_to_a_good_offer_makes_it_panic(at in 0usize..200, byte in any::<u8>(), cut in 0usize..220) {
        let mut bytes = offer("m=audio 5004 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=rtcp:1 IN IP4 1.2.3.4\r\n").into_bytes();
        if let Some(target) = bytes.get_mut(at) { *target = byte; }
        bytes.truncate(cut);
        if let Ok((answer, _)) = ours().answer(&String::from_utf8_lossy(&bytes), Direction::SendRecv) {
            prop_assert!(check(&answer).is_ok(), "{answer}");
        }
    }
}
