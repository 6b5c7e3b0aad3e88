//! Keys, strangers, callers that move or fall silent.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::UdpSocket, time::interval};
use trunkline_session::{HangupReason, Leg, LegInput, LegOutput, leg::Digit};
use trunkline_telephony::SipConfig;

use crate::world::{World, config, hear, loudness, mark, speak, spoken, tone};

#[tokio::test]
async fn every_key_arrives_once() {
    let World { mut call, mut leg, server: _server } = World::connected("udp").await;
    let caller = async {
        speak(&mut call, 440.0, 10).await;
        for key in "1234567890*#".chars() {
            call.press(Digit(key));
        }
        let mut frames = 0;
        while call.is_pressing() {
            speak(&mut call, 440.0, 1).await;
            frames += 1;
            assert!(frames < 400, "the keys never end");
        }
        call.hang_up().await;
    };
    let ((), heard) = tokio::join!(caller, hear(&mut leg));
    assert_eq!(heard.keys(), "1234567890*#");
    assert!(loudness(&heard.samples, 440.0, 16_000.0) > 1000.0);
}

#[tokio::test]
async fn a_third_party_is_neither_heard_nor_spoken_to() {
    let World { mut call, mut leg, server: _server } = World::connected("udp").await;
    let target = call.negotiated().unwrap().remote;
    leg.send(LegOutput::Audio(spoken(1000.0, 3000))).unwrap();
    let caller = async {
        speak(&mut call, 440.0, 100).await;
        call.hang_up().await;
    };
    let (bled, (), heard) = tokio::join!(inject(target, 120), caller, hear(&mut leg));

    assert_eq!(bled, 0, "packets sent to a stranger");
    let stranger = loudness(&heard.samples, 2500.0, 16_000.0);
    assert!(stranger < 200.0, "a stranger was heard: {stranger}");
    assert!(loudness(&heard.samples, 440.0, 16_000.0) > 3000.0);
    let stats = leg.stats();
    assert_eq!(stats.received, 100);
    assert!(stats.rejected >= 100, "{stats:?}");
}

/// Sends a tone from a socket of its own to `target`; gives how many packets came back.
async fn inject(target: SocketAddr, packets: u16) -> usize {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut pace = interval(Duration::from_millis(15));
    let mut bled = 0;
    let mut buffer = [0; 2048];
    // Ahead of the caller's first packet a stranger has the best chances.
    for n in 0..packets {
        pace.tick().await;
        let mut packet = vec![0x80, 0];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 160).to_be_bytes());
        packet.extend(0x5555_aaaa_u32.to_be_bytes());
        let samples = tone(2500.0, 20, 8_000);
        packet.extend(samples.iter().map(|sample| trunkline_audio::g711::encode_ulaw(*sample)));
        socket.send_to(&packet, target).await.unwrap();
        while socket.try_recv(&mut buffer).is_ok() {
            bled += 1;
        }
    }
    bled
}

#[tokio::test]
async fn a_caller_that_sends_nothing_is_let_go() {
    let impatient = SipConfig { no_media_timeout: Duration::from_millis(400), ..config() };
    let World { call, mut leg, server: _server } = World::connected_with(impatient, "udp").await;
    let heard = hear(&mut leg).await;
    assert_eq!(heard.gone, Some(HangupReason::NoMedia));
    drop(call);
}

#[tokio::test]
async fn a_caller_on_hold_may_be_silent() {
    let impatient = SipConfig { no_media_timeout: Duration::from_millis(400), ..config() };
    let World { mut call, mut leg, server: _server } =
        World::connected_with(impatient, "udp").await;
    let caller = async {
        speak(&mut call, 440.0, 5).await;
        call.hold().await.unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        call.resume().await.unwrap();
        speak(&mut call, 440.0, 20).await;
        call.hang_up().await;
    };
    let ((), heard) = tokio::join!(caller, hear(&mut leg));
    assert_eq!(heard.gone, Some(HangupReason::CallerHungUp));
}

#[tokio::test]
async fn a_flush_stops_the_reply_within_60_ms() {
    let World { mut call, mut leg, server: _server } = World::connected("udp").await;
    leg.send(LegOutput::Audio(spoken(1000.0, 200))).unwrap();
    leg.send(LegOutput::Mark(mark(0))).unwrap();
    leg.send(LegOutput::Audio(spoken(1000.0, 5000))).unwrap();
    leg.send(LegOutput::Mark(mark(1))).unwrap();
    let agent = async {
        let mut flushed = None;
        let mut ticks = 0;
        loop {
            match leg.recv().await {
                LegInput::Audio(_) => ticks += 1,
                LegInput::Flushed { last, since_mark } => flushed = Some((last, since_mark, ticks)),
                LegInput::Gone(_) => return flushed,
                LegInput::Pressed(_)
                | LegInput::Played(_)
                | LegInput::Sounding(_)
                | LegInput::Directed(_)
                | LegInput::Held
                | LegInput::Resumed => {}
            }
            if ticks == 30 && flushed.is_none() {
                leg.send(LegOutput::Flush).unwrap();
            }
        }
    };
    let caller = async {
        let heard = speak(&mut call, 440.0, 60).await;
        call.hang_up().await;
        heard
    };
    let (flushed, heard) = tokio::join!(agent, caller);
    let (last, since_mark, ticks) = flushed.unwrap();
    assert_eq!(last, Some(mark(0)));
    let heard_after_mark = since_mark.as_millis();
    assert!((340..=420).contains(&heard_after_mark), "{heard_after_mark} ms after the mark");
    assert_eq!(ticks, 30, "a flush is answered at once");
    let loud = heard.chunks(160).filter(|packet| packet.iter().any(|s| s.abs() > 1000)).count();
    assert!((28..=33).contains(&loud), "{loud} loud packets");
}
