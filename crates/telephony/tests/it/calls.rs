//! Calls from ringing to the end.

use std::time::Duration;

use tokio::time::timeout;
use trunkline_session::{HangupReason, Leg, LegOutput};
use trunkline_telephony::{
    DialError, DialOptions, Dialer, SipConfig, SipError, SipServer, sdp::Codec,
};

use crate::world::{
    PATIENCE, World, config, dialer, ended, hear, loudness, mark, server, speak, spoken, uri,
};

#[tokio::test]
async fn a_call_is_answered_heard_both_ways_and_hung_up() {
    for transport in ["udp", "tcp"] {
        let World { server, mut call, mut leg } = World::connected(transport).await;
        leg.send(LegOutput::Audio(spoken(1000.0, 1000))).unwrap();
        leg.send(LegOutput::Mark(mark(0))).unwrap();
        let caller = async {
            let heard = speak(&mut call, 440.0, 75).await;
            call.hang_up().await;
            heard
        };
        let (reply, heard) = tokio::join!(caller, hear(&mut leg));

        assert_eq!(heard.gone, Some(HangupReason::CallerHungUp));
        assert!(loudness(&heard.samples, 440.0, 16_000.0) > 3000.0, "{transport}: caller unheard");
        assert!(loudness(&reply, 1000.0, 8_000.0) > 3000.0, "{transport}: reply unheard");
        assert!(heard.has("sounding") && heard.has("played 0"), "{:?}", heard.events);
        let stats = leg.stats();
        assert_eq!((stats.received, stats.lost, stats.rejected), (75, 0, 0));
        assert!(stats.sent > 60, "{stats:?}");
        server.shutdown(PATIENCE).await;
    }
}

#[tokio::test]
async fn the_agent_hangs_up_after_its_last_words() {
    let World { mut call, mut leg, server } = World::connected("udp").await;
    leg.send(LegOutput::Audio(spoken(800.0, 200))).unwrap();
    leg.send(LegOutput::Mark(mark(3))).unwrap();
    leg.send(LegOutput::HangUp(HangupReason::AgentHungUp)).unwrap();
    let (heard, reason) = tokio::join!(hear(&mut leg), ended(&mut call));
    assert!(heard.has("played 3"), "{:?}", heard.events);
    assert_eq!(heard.gone, Some(HangupReason::AgentHungUp));
    assert_eq!(reason, HangupReason::CallerHungUp);
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn hold_silences_the_call_and_resume_brings_it_back() {
    for transport in ["udp", "tcp"] {
        let World { mut call, mut leg, server } = World::connected(transport).await;
        let caller = async {
            speak(&mut call, 440.0, 20).await;
            let agreed = call.hold().await.unwrap();
            assert!(!agreed.direction.is_receiving());
            let agreed = call.resume().await.unwrap();
            assert!(agreed.direction.is_receiving() && agreed.direction.is_sending());
            let heard = speak(&mut call, 440.0, 30).await;
            call.hang_up().await;
            heard
        };
        let (after, heard) = tokio::join!(caller, hear(&mut leg));
        assert_eq!(heard.events, ["held", "resumed"]);
        assert!(after.len() > 20 * 160, "only {} samples after the hold", after.len());
        server.shutdown(PATIENCE).await;
    }
}

#[tokio::test]
async fn a_rejected_call_says_why() {
    let mut server = server().await;
    let dialer = dialer().await;
    let uri = uri(&server, "udp");
    let rejecting = async {
        let incoming = server.accept().await.unwrap();
        assert_eq!(incoming.to_user(), "demo");
        assert!(incoming.from().starts_with("sip:caller@127.0.0.1"), "{}", incoming.from());
        incoming.reject(486, None).await;
    };
    let (outcome, ()) = tokio::join!(dialer.dial(&uri, DialOptions::default()), rejecting);
    assert!(matches!(outcome, Err(DialError::Rejected { status: 486, .. })));
}

#[tokio::test]
async fn a_caller_that_gives_up_while_it_rings_is_noticed() {
    for transport in ["udp", "tcp"] {
        let mut server = server().await;
        let dialer = dialer().await;
        let uri = uri(&server, transport);
        let options = DialOptions { timeout: Duration::from_millis(300), ..DialOptions::default() };
        let ringing = async {
            let mut incoming = server.accept().await.unwrap();
            incoming.ring().await.unwrap();
            tokio::time::sleep(Duration::from_millis(900)).await;
            incoming.answer().await
        };
        let (outcome, answered) = tokio::join!(dialer.dial(&uri, options), ringing);
        assert!(matches!(outcome, Err(DialError::Timeout)));
        assert!(matches!(answered, Err(SipError::Cancelled)), "{transport}");
        assert_eq!(server.calls_in_progress(), 0);
    }
}

#[tokio::test]
async fn a_cancel_that_crosses_the_answer_leaves_no_call_behind() {
    let mut server = server().await;
    let dialer = dialer().await;
    let uri = uri(&server, "udp");
    for delay in [0, 1, 2, 5, 10, 20] {
        let options =
            DialOptions { timeout: Duration::from_millis(delay), ..DialOptions::default() };
        let answering = async {
            let incoming = timeout(Duration::from_secs(2), server.accept()).await.ok()??;
            let mut leg = incoming.answer().await.ok()?;
            Some(hear(&mut leg).await)
        };
        let dialing = async {
            if let Ok(call) = dialer.dial(&uri, options).await {
                call.hang_up().await;
            }
        };
        tokio::join!(dialing, answering);
    }
    timeout(PATIENCE, async {
        while server.calls_in_progress() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("every call is over");
}

#[tokio::test]
async fn one_call_too_many_is_told_to_come_back() {
    let full = SipConfig { max_calls: 1, ..config() };
    let world = World::connected_with(full, "udp").await;
    let second = dialer().await.dial(&uri(&world.server, "udp"), DialOptions::default()).await;
    assert!(matches!(second, Err(DialError::Rejected { status: 503, .. })));
}

#[tokio::test]
async fn an_offer_without_a_common_codec_is_refused() {
    let server = server().await;
    let options = DialOptions { codecs: Vec::new(), ..DialOptions::default() };
    let outcome = dialer().await.dial(&uri(&server, "udp"), options).await;
    assert!(matches!(outcome, Err(DialError::Rejected { status: 488, .. })));
}

#[tokio::test]
async fn a_law_is_spoken_when_only_that_is_offered() {
    let mut server = server().await;
    let dialer = dialer().await;
    let uri = uri(&server, "udp");
    let options = DialOptions { codecs: vec![Codec::Pcma], ..DialOptions::default() };
    let answered = async { server.accept().await.unwrap().answer().await.unwrap() };
    let (call, mut leg) = tokio::join!(dialer.dial(&uri, options), answered);
    let mut call = call.unwrap();
    assert_eq!(call.negotiated().unwrap().codec, Codec::Pcma);
    let caller = async {
        speak(&mut call, 440.0, 40).await;
        call.hang_up().await;
    };
    let ((), heard) = tokio::join!(caller, hear(&mut leg));
    assert!(loudness(&heard.samples, 440.0, 16_000.0) > 3000.0);
}

#[tokio::test]
async fn a_shutdown_waits_for_calls_and_then_ends_them() {
    let World { mut call, mut leg, server } = World::connected("udp").await;
    let late = dialer().await;
    let address = uri(&server, "udp");
    let stopping = server.shutdown(Duration::from_millis(500));
    let calling = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        late.dial(&address, DialOptions::default()).await
    };
    let (heard, reason, (), refused) =
        tokio::join!(hear(&mut leg), ended(&mut call), stopping, calling);
    assert_eq!(heard.gone, Some(HangupReason::Shutdown));
    assert_eq!(reason, HangupReason::CallerHungUp);
    assert!(matches!(refused, Err(DialError::Rejected { status: 503, .. })));
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let first = server().await;
    for (udp, tcp, name) in [(true, false, "udp"), (false, true, "tcp")] {
        let taken = SipConfig { bind: first.local_addr(), udp, tcp, ..config() };
        let Err(error) = SipServer::bind(taken).await else { panic!("bound twice over {name}") };
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("another program"), "{text}");
    }
    let none = SipConfig { udp: false, tcp: false, ..config() };
    assert!(matches!(SipServer::bind(none).await, Err(SipError::NoTransport)));
}

#[tokio::test]
async fn nonsense_addresses_are_explained() {
    let dialer: Dialer = dialer().await;
    for uri in ["demo", "sips:demo@127.0.0.1", "tel:+1555", "sip:a b@127.0.0.1", "sip:"] {
        let outcome = dialer.dial(uri, DialOptions::default()).await;
        assert!(matches!(outcome, Err(DialError::BadUri { .. })), "{uri}");
    }
    let nobody = dialer.dial("sip:a@127.0.0.1:9;transport=tcp", DialOptions::default()).await;
    assert!(matches!(nobody, Err(DialError::Unreachable { .. })));
}
