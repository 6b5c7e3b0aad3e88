//! A server, a dialler, and ears and mouths for both.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval, timeout};
use trunkline_audio::{Frame, MediaTime};
use trunkline_session::{
    HangupReason, Leg, LegInput,
    leg::{Mark, ReplyId},
};
use trunkline_telephony::{CallEvent, DialOptions, Dialer, SipCall, SipConfig, SipLeg, SipServer};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// RTP ports that no other test of this process uses.
fn ports() -> RangeInclusive<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 200 * 50;
    first..=first + 49
}

pub(crate) fn config() -> SipConfig {
    SipConfig {
        bind: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0),
        rtp_ports: ports(),
        ..SipConfig::default()
    }
}

pub(crate) async fn server() -> SipServer {
    SipServer::bind(config()).await.unwrap()
}

pub(crate) async fn dialer() -> Dialer {
    Dialer::bind(config()).await.unwrap()
}

pub(crate) fn uri(server: &SipServer, transport: &str) -> String {
    format!("sip:demo@{};transport={transport}", server.local_addr())
}

/// Both ends of a call that has just been answered.
pub(crate) struct World {
    pub(crate) server: SipServer,
    pub(crate) call: SipCall,
    pub(crate) leg: SipLeg,
}

impl World {
    pub(crate) async fn connected(transport: &str) -> Self {
        Self::connected_with(config(), transport).await
    }

    pub(crate) async fn connected_with(config: SipConfig, transport: &str) -> Self {
        let mut server = SipServer::bind(config).await.unwrap();
        let dialer = dialer().await;
        let uri = uri(&server, transport);
        let answering = async {
            let mut incoming = server.accept().await.unwrap();
            incoming.ring().await.unwrap();
            incoming.answer().await.unwrap()
        };
        let dialing = dialer.dial(&uri, DialOptions::default());
        let (call, leg) =
            timeout(PATIENCE, async { tokio::join!(dialing, answering) }).await.unwrap();
        Self { server, call: call.unwrap(), leg }
    }
}

/// What a leg told until it was gone.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) samples: Vec<i16>,
    pub(crate) events: Vec<String>,
    pub(crate) gone: Option<HangupReason>,
}

impl Heard {
    pub(crate) fn keys(&self) -> String {
        self.events.iter().filter_map(|event| event.strip_prefix("key ")).collect()
    }

    pub(crate) fn has(&self, event: &str) -> bool {
        self.events.iter().any(|found| found == event)
    }
}

/// Listens until the leg is gone.
pub(crate) async fn hear(leg: &mut SipLeg) -> Heard {
    let mut heard = Heard::default();
    let all = async {
        while heard.gone.is_none() {
            note(leg.recv().await, &mut heard);
        }
    };
    timeout(PATIENCE, all).await.expect("the leg is gone in time");
    heard
}

fn note(input: LegInput, heard: &mut Heard) {
    let event = match input {
        LegInput::Audio(frame) => {
            assert_eq!((frame.rate_hz(), frame.samples().len()), (16_000, 320));
            heard.samples.extend(frame.samples());
            return;
        }
        LegInput::Pressed(digit) => format!("key {}", digit.0),
        LegInput::Played(mark) => format!("played {}", mark.clause),
        LegInput::Sounding(_) => "sounding".to_owned(),
        LegInput::Flushed { .. } => "flushed".to_owned(),
        LegInput::Directed(direction) => format!("{direction:?}"),
        LegInput::Held => "held".to_owned(),
        LegInput::Resumed => "resumed".to_owned(),
        LegInput::Gone(reason) => {
            heard.gone = Some(reason);
            return;
        }
    };
    heard.events.push(event);
}

/// Speaks `frames` of a tone at real-time pace while listening; gives what was heard at 8 kHz.
pub(crate) async fn speak(call: &mut SipCall, hz: f64, frames: usize) -> Vec<i16> {
    let samples = tone(hz, frames * 20, 8_000);
    let mut pace = interval(Duration::from_millis(20));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut heard = Vec::new();
    let mut frames = samples.chunks(160);
    loop {
        tokio::select! {
            _ = pace.tick() => match frames.next() {
                Some(frame) => drop(call.send_frame(frame)),
                None => return heard,
            },
            event = call.recv() => match event {
                CallEvent::Packet { samples, .. } => heard.extend(samples),
                CallEvent::Ended(_) => return heard,
                CallEvent::Pressed(_) | CallEvent::Held | CallEvent::Resumed => {}
            },
        }
    }
}

/// Waits for the end of a call.
pub(crate) async fn ended(call: &mut SipCall) -> HangupReason {
    timeout(PATIENCE, async {
        loop {
            if let CallEvent::Ended(reason) = call.recv().await {
                return reason;
            }
        }
    })
    .await
    .expect("the call ends in time")
}

#[expect(clippy::cast_possible_truncation, reason = "a sine of 8000 fits")]
pub(crate) fn tone(hz: f64, ms: usize, rate: u32) -> Vec<i16> {
    let samples = ms * usize::try_from(rate).unwrap() / 1000;
    (0..u32::try_from(samples).unwrap())
        .map(|n| {
            let phase = f64::from(n) * hz * std::f64::consts::TAU / f64::from(rate);
            (8000.0 * phase.sin()) as i16
        })
        .collect()
}

/// A tone for the agent's mouth.
pub(crate) fn spoken(hz: f64, ms: usize) -> Frame {
    Frame::new(tone(hz, ms, 24_000), 24_000, MediaTime::ZERO)
}

/// The amplitude of one frequency (Goertzel), over the loudest second.
pub(crate) fn loudness(samples: &[i16], hz: f64, rate: f64) -> f64 {
    let second = 1 << 12;
    samples.chunks(second).map(|chunk| amplitude(chunk, hz, rate)).fold(0.0, f64::max)
}

fn amplitude(samples: &[i16], hz: f64, rate: f64) -> f64 {
    let step = hz * std::f64::consts::TAU / rate;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let phase = step * f64::from(u32::try_from(n).unwrap());
        re += f64::from(*sample) * phase.cos();
        im += f64::from(*sample) * phase.sin();
    }
    2.0 * re.hypot(im) / 4096.0
}

pub(crate) fn mark(clause: u32) -> Mark {
    Mark { reply: ReplyId(1), clause }
}
