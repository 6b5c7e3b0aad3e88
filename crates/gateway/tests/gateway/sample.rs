//! Calls to take note of.

use std::time::{Duration, SystemTime};

use trunkline_session::{
    CallId, HangupReason, Record, StageTimes, What,
    event::{Evidence, TurnEndReason},
};
use uuid::Uuid;

/// The same id each time, later ids for higher numbers.
pub(crate) fn call(number: u128) -> CallId {
    CallId(Uuid::from_u128(0x019a_0000_0000_7000_8000_0000_0000_0000 + number))
}

/// A record `after_ms` into a call that began at a fixed time.
pub(crate) fn record(call: CallId, after_ms: u64, what: What) -> Record {
    // 2026-11-21T06:24:54.123456Z
    let began = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_242_294_123_456);
    Record { call, at: began + Duration::from_millis(after_ms), what }
}

pub(crate) fn answered(wire_id: &str, from: &str) -> What {
    What::Answered {
        wire_id: wire_id.to_owned(),
        from: from.to_owned(),
        to: "sip:demo@127.0.0.1".to_owned(),
        leg: "sip",
        agent: "receptionist".to_owned(),
    }
}

pub(crate) fn turn_ended(turn: u32, text: &str) -> What {
    What::TurnEnded {
        turn,
        text: text.to_owned(),
        reason: TurnEndReason::Finished,
        silence: Duration::from_millis(240),
        end_probability: Some(0.93),
        speech_end_media_ms: 4200,
    }
}

pub(crate) fn sounded(turn: u32) -> What {
    let stages = StageTimes {
        endpoint: Duration::from_micros(250_400),
        stt: Duration::from_micros(99_400),
        llm_first_token: Duration::from_micros(80_400),
        tts_first_audio: Duration::from_micros(70_400),
        playout: Duration::from_micros(19_400),
    };
    What::ReplySounded { turn, stages }
}

pub(crate) fn reply(turn: Option<u32>, text: &str, whole: bool) -> What {
    What::ReplyHeard { turn, text: text.to_owned(), whole, interrupted: !whole }
}

pub(crate) fn ended() -> What {
    What::Ended { reason: HangupReason::CallerHungUp, duration: Duration::from_millis(20_500) }
}

/// A whole call with something of everything.
pub(crate) fn conversation(call: CallId) -> Vec<Record> {
    let evidence =
        Evidence { voiced: Duration::from_millis(80), level_dbfs: -41.5, ..Evidence::default() };
    let ignored = What::SpeechIgnored { reason: "cough".into(), text: "[cough]".into(), evidence };
    let decided = What::Decided { kind: "false_interruption", detail: "held for 320 ms".into() };
    let failed = What::ModelFailed { reason: "the voice gave no sound".into() };
    vec![
        record(call, 0, answered("a84b4c76e66710@pc33.example", "sip:alice@example.com")),
        record(call, 1500, reply(None, "Hello, how can I help?", true)),
        record(call, 4500, turn_ended(1, "when do you open tomorrow")),
        record(call, 4780, sounded(1)),
        record(call, 5200, ignored),
        record(call, 6000, decided),
        record(call, 9000, reply(Some(1), "We open at nine", false)),
        record(call, 12_000, What::Pressed),
        record(call, 14_000, turn_ended(2, "and on Sunday")),
        record(call, 15_000, failed),
        record(call, 20_500, ended()),
    ]
}
