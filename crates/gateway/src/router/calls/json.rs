//! Calls as JSON. Times are RFC 3339 in UTC; lengths are whole milliseconds.

use serde_json::{Value, json};
use trunkline_session::StageTimes;

use crate::{
    store::{Call, CallRecord, Decision, HeardTurn, Prompt, Said, Turn},
    timestamp::rfc3339,
};

/// A page of calls; the shape is documented at the route.
pub(super) fn page(calls: &[Call], has_more: bool) -> Value {
    let next_cursor = calls.last().filter(|_| has_more).map(|call| call.id.to_string());
    json!({
        "object": "list",
        "data": calls.iter().map(call).collect::<Vec<_>>(),
        "has_more": has_more,
        "next_cursor": next_cursor,
    })
}

/// A call in a list:
///
/// ```json
/// {"call_id","wire_id","from","to","leg","agent","tenant","status":"in_progress"|"ended",
///  "outcome","started_at","ended_at","duration_ms","turn_count"}
/// ```
///
/// `wire_id` is the SIP Call-ID, null where the wire has none; `outcome`, `ended_at` and
/// `duration_ms` are null while the call goes on.
pub(super) fn call(call: &Call) -> Value {
    let ended = call.ended.as_ref();
    json!({
        "call_id": call.id.to_string(),
        "wire_id": Some(&call.wire_id).filter(|id| !id.is_empty()),
        "from": call.parties.from,
        "to": call.parties.to,
        "leg": call.parties.leg,
        "agent": call.parties.agent,
        "tenant": call.parties.tenant,
        "status": if ended.is_some() { "ended" } else { "in_progress" },
        "outcome": ended.map(|ended| &ended.outcome),
        "started_at": rfc3339(call.started_at_us),
        "ended_at": ended.map(|ended| rfc3339(ended.at_us)),
        "duration_ms": ended.map(|ended| millis(ended.duration_us)),
        "turn_count": call.turn_count,
    })
}

/// A call with everything known about it: the fields of [`call`], and `turns` ([`turn`]), `prompts`
/// ([`prompt`]) and `decisions` ([`decision`]).
pub(super) fn record(record: &CallRecord) -> Value {
    let mut json = call(&record.call);
    json["turns"] = record.turns.iter().map(turn).collect();
    json["prompts"] = record.prompts.iter().map(prompt).collect();
    json["decisions"] = record.decisions.iter().map(decision).collect();
    json
}

/// A caller's turn and the reply to it:
///
/// ```json
/// {"turn","heard","reply","whole","interrupted","end_reason","silence_ms","end_probability",
///  "speech_end_media_ms","latency_ms":{"total","endpoint","stt","llm_first_token",
///  "tts_first_audio","playout"},"speech_ended_at","ended_at"}
/// ```
///
/// `reply` is what the caller heard of it; it, `whole` and `interrupted` are null while there is
/// none. `latency_ms` is null when no reply sounded; its stages add up to its total.
/// `speech_ended_at` is when the caller's last sound of the turn ended, `ended_at` when the turn
/// was taken as over.
fn turn(turn: &Turn) -> Value {
    let heard = turn.heard.as_ref();
    let reply = turn.reply.as_ref();
    let speech_ended_at = |heard: &HeardTurn| rfc3339(heard.ended_at_us - heard.silence_us);
    json!({
        "turn": turn.number,
        "heard": heard.map(|heard| &heard.text),
        "reply": reply.map(|reply| &reply.text),
        "whole": reply.map(|reply| reply.whole),
        "interrupted": reply.map(|reply| reply.interrupted),
        "end_reason": heard.map(|heard| &heard.end_reason),
        "silence_ms": heard.map(|heard| millis(heard.silence_us)),
        "end_probability": heard.and_then(|heard| heard.end_probability).map(probability),
        "speech_end_media_ms": heard.map(|heard| heard.speech_end_media_ms),
        "latency_ms": turn.latency.as_ref().map(latency),
        "speech_ended_at": heard.map(speech_ended_at),
        "ended_at": heard.map(|heard| rfc3339(heard.ended_at_us)),
    })
}

/// Rounds milestones rather than stages, so that the stages add up to the total to the millisecond.
fn latency(stages: &StageTimes) -> Value {
    let mut passed_us = 0;
    let mut stage = |took: std::time::Duration| {
        let before = (passed_us + 500) / 1000;
        passed_us += took.as_micros();
        u64::try_from((passed_us + 500) / 1000 - before).unwrap_or(u64::MAX)
    };
    let [endpoint, stt, llm_first_token, tts_first_audio, playout] = [
        stages.endpoint,
        stages.stt,
        stages.llm_first_token,
        stages.tts_first_audio,
        stages.playout,
    ]
    .map(&mut stage);
    json!({
        "total": endpoint + stt + llm_first_token + tts_first_audio + playout,
        "endpoint": endpoint,
        "stt": stt,
        "llm_first_token": llm_first_token,
        "tts_first_audio": tts_first_audio,
        "playout": playout,
    })
}

/// Something said that answers no turn: `{"at","text","whole","interrupted"}`; `at` is when it was
/// over, `text` what was heard of it.
fn prompt(prompt: &Prompt) -> Value {
    let Said { text, whole, interrupted } = &prompt.said;
    json!({
        "at": rfc3339(prompt.at_us),
        "text": text,
        "whole": whole,
        "interrupted": interrupted,
    })
}

/// A decision: `{"at","kind","reason","detail","evidence"}`. For `kind` `speech_ignored`, `detail`
/// is `{"text"}` and `evidence` is `{"voiced_ms","level_dbfs","vad_mean","no_speech","avg_logprob",
/// "compression_ratio"}`; both are null for other kinds.
fn decision(decision: &Decision) -> Value {
    json!({
        "at": rfc3339(decision.at_us),
        "kind": decision.kind,
        "reason": decision.reason,
        "detail": decision.detail,
        "evidence": decision.evidence,
    })
}

fn millis(micros: i64) -> i64 {
    (micros + 500).div_euclid(1000)
}

/// Three decimals: more would be noise of the number format.
fn probability(probability: f64) -> f64 {
    (probability * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rounded_stages_add_up_to_the_rounded_total() {
        let stages = StageTimes {
            endpoint: Duration::from_micros(250_400),
            stt: Duration::from_micros(99_400),
            llm_first_token: Duration::from_micros(80_400),
            tts_first_audio: Duration::from_micros(70_400),
            playout: Duration::from_micros(19_400),
        };
        let json = latency(&stages);
        let parts = ["endpoint", "stt", "llm_first_token", "tts_first_audio", "playout"];
        let sum: u64 = parts.iter().map(|part| json[part].as_u64().unwrap()).sum();
        assert_eq!((json["total"].as_u64(), sum), (Some(520), 520));
        assert_eq!(json["endpoint"], 250);
    }

    #[test]
    fn lengths_are_rounded_to_the_nearest_millisecond() {
        assert_eq!([499, 500, 1499, 0].map(millis), [0, 1, 1, 0]);
        assert!((probability(f64::from(0.93_f32)) - 0.93).abs() < f64::EPSILON);
    }
}
