//! What a call came to: the caller's own measurements joined with the server's record.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ear::Ear;

/// The server's turn may end this much later by its own clock than the utterance did by ours.
const LATE: Duration = Duration::from_secs(6);

/// What the caller said, by its own clock.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// What it was: the text, or the file's name.
    pub(crate) what: String,
    /// When its first sound was sent.
    pub(crate) began: Instant,
    /// When its last sound was sent.
    pub(crate) ended: Instant,
}

/// The result of a call, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The server's id of the call, or the SIP Call-ID where the server's record is out of reach.
    pub(crate) call_id: String,
    /// `completed`, or what went wrong.
    pub(crate) outcome: String,
    /// What was said and answered.
    pub(crate) turns: Vec<TurnReport>,
    /// The stereo recording: caller left, other side right.
    pub(crate) reply_wav: Option<String>,
    /// The wire.
    pub(crate) rtp: RtpReport,
}

/// One utterance of the caller and its answer.
#[derive(Debug, Serialize)]
pub(crate) struct TurnReport {
    /// What was said: the text, or the file's name.
    pub(crate) said: String,
    /// How long it lasted, first to last sound.
    pub(crate) said_seconds: f64,
    /// What the server heard; `None` where its record is out of reach or it took no turn.
    pub(crate) heard: Option<String>,
    /// What the server answered, as far as it was heard.
    pub(crate) reply: Option<String>,
    /// Whether the answer was interrupted.
    pub(crate) interrupted: bool,
    /// Turns that the server ended before the utterance had: it answered too early.
    pub(crate) answered_early: usize,
    /// Where the time went.
    pub(crate) latency_ms: Option<Latency>,
    /// How long the other side went on sounding after this utterance began, when it barged in.
    pub(crate) barge_in_ms: Option<f64>,
}

/// From the caller's last sound to the first of the answer, by the caller's own packets, and its parts
/// by the server's record. `endpoint` is corrected for what the server took as the end of speech.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) total: f64,
    pub(crate) endpoint: Option<f64>,
    pub(crate) stt: Option<f64>,
    pub(crate) llm_first_token: Option<f64>,
    pub(crate) tts_first_audio: Option<f64>,
    pub(crate) playout: Option<f64>,
}

/// The caller's view of the wire.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct RtpReport {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) jitter_ms: f64,
}

/// A turn of the server's record.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ServerTurn {
    #[serde(default)]
    pub(crate) heard: String,
    #[serde(default)]
    pub(crate) reply: Option<String>,
    #[serde(default)]
    pub(crate) interrupted: bool,
    #[serde(default)]
    pub(crate) speech_end_media_ms: u64,
    #[serde(default)]
    pub(crate) latency_ms: Option<ServerLatency>,
}

/// The server's stage times.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct ServerLatency {
    pub(crate) endpoint: f64,
    pub(crate) stt: f64,
    pub(crate) llm_first_token: f64,
    pub(crate) tts_first_audio: f64,
    pub(crate) playout: f64,
}

/// Joins what the caller said and heard with the server's turns; `first_packet` is when the caller's
/// first packet left, the zero of the server's media time.
pub(crate) fn turns(
    said: &[Said],
    ear: &Ear,
    server: &[ServerTurn],
    first_packet: Instant,
) -> Vec<TurnReport> {
    let since = |at: Instant| at.saturating_duration_since(first_packet);
    let mut reports = Vec::with_capacity(said.len());
    for (n, utterance) in said.iter().enumerate() {
        let next_began = said.get(n + 1).map(|s| s.began);
        let from = since(utterance.began);
        let until = next_began.map_or(since(utterance.ended) + LATE, since);
        let end_ms = since(utterance.ended).as_secs_f64() * 1000.0;
        let mine: Vec<&ServerTurn> = server
            .iter()
            .filter(|t| (from..until).contains(&Duration::from_millis(t.speech_end_media_ms)))
            .collect();
        let heard: Vec<&str> = mine.iter().map(|t| t.heard.as_str()).collect();
        let last = mine.last().copied();
        let total = total(utterance, ear, next_began);
        reports.push(TurnReport {
            said: utterance.what.clone(),
            said_seconds: millis((utterance.ended - utterance.began).as_secs_f64()),
            heard: (!heard.is_empty()).then(|| heard.join(" ")),
            reply: last.and_then(|t| t.reply.clone()),
            interrupted: last.is_some_and(|t| t.interrupted),
            answered_early: mine.len().saturating_sub(1),
            latency_ms: total.map(|total| latency(total, last, end_ms)),
            barge_in_ms: ear.stopped_after(utterance.began).map(|stopped| {
                millis((stopped.saturating_duration_since(utterance.began)).as_secs_f64() * 1000.0)
            }),
        });
    }
    reports
}

/// Mouth to ear: from the last sound sent to the first sound of the answer.
fn total(said: &Said, ear: &Ear, next_began: Option<Instant>) -> Option<f64> {
    let answer = ear.first_after(said.ended)?;
    let is_mine = next_began.is_none_or(|next| answer < next);
    is_mine.then(|| millis((answer - said.ended).as_secs_f64() * 1000.0))
}

fn latency(total: f64, turn: Option<&ServerTurn>, end_ms: f64) -> Latency {
    let parts = turn.and_then(|t| {
        let taken = Duration::from_millis(t.speech_end_media_ms).as_secs_f64() * 1000.0;
        t.latency_ms.map(|l| (l, taken))
    });
    let endpoint = parts.map(|(l, taken)| millis(l.endpoint + taken - end_ms));
    Latency {
        total,
        endpoint,
        stt: parts.map(|(l, _)| l.stt),
        llm_first_token: parts.map(|(l, _)| l.llm_first_token),
        tts_first_audio: parts.map(|(l, _)| l.tts_first_audio),
        playout: parts.map(|(l, _)| l.playout),
    }
}

/// Rounded to a tenth.
fn millis(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_turn(heard: &str, end: u64) -> ServerTurn {
        ServerTurn {
            heard: heard.into(),
            reply: Some("yes".into()),
            interrupted: false,
            speech_end_media_ms: end,
            latency_ms: Some(ServerLatency {
                endpoint: 300.0,
                stt: 200.0,
                llm_first_token: 150.0,
                tts_first_audio: 100.0,
                playout: 10.0,
            }),
        }
    }

    fn said(base: Instant, from: u64, to: u64) -> Said {
        let at = |ms| base + Duration::from_millis(ms);
        Said { what: "x".into(), began: at(from), ended: at(to) }
    }

    #[test]
    fn stage_times_add_up_to_what_the_caller_measured() {
        let base = Instant::now();
        let mut ear = Ear::default();
        ear.hear(base + Duration::from_millis(2790), &[5000; 160]);
        let server = [server_turn("hello", 2020)];
        let turns = turns(&[said(base, 1000, 2000)], &ear, &server, base);
        let latency = turns[0].latency_ms.unwrap();
        assert!((latency.total - 790.0).abs() < 1.0);
        let sum = latency.endpoint.unwrap() + 200.0 + 150.0 + 100.0 + 10.0;
        assert!((sum - 780.0).abs() < 1.0, "endpoint is corrected by the 20 ms: {sum}");
    }

    #[test]
    fn an_utterance_that_was_taken_as_two_turns_was_answered_early() {
        let base = Instant::now();
        let server = [server_turn("one", 1500), server_turn("two", 2000), server_turn("x", 9000)];
        let said = [said(base, 1000, 2000), said(base, 8000, 9000)];
        let turns = turns(&said, &Ear::default(), &server, base);
        assert_eq!(turns[0].heard.as_deref(), Some("one two"));
        assert_eq!((turns[0].answered_early, turns[1].answered_early), (1, 0));
    }
}
