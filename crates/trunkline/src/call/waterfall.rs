//! One bar a turn: where the time between the caller's last sound and the answer's first went.

use super::report::{Latency, TurnReport};

/// Characters of the longest bar.
const WIDTH: f64 = 60.0;
const STAGES: [(&str, char); 5] =
    [("endpoint", '░'), ("stt", '▒'), ("llm", '▓'), ("tts", '█'), ("playout", '▪')];

/// The bars, with a legend, as lines.
pub(crate) fn bars(turns: &[TurnReport]) -> Vec<String> {
    let timed: Vec<(usize, Latency)> =
        turns.iter().enumerate().filter_map(|(n, t)| Some((n + 1, t.latency_ms?))).collect();
    let longest = timed.iter().map(|(_, l)| l.total).fold(1.0, f64::max);
    let mut lines: Vec<String> = timed.iter().map(|(n, l)| bar(*n, l, longest)).collect();
    if !lines.is_empty() {
        let legend: Vec<String> =
            STAGES.iter().map(|(name, shade)| format!("{shade} {name}")).collect();
        lines.push(format!("        {}", legend.join("  ")));
    }
    lines
}

fn bar(turn: usize, latency: &Latency, longest: f64) -> String {
    let parts = [
        latency.endpoint,
        latency.stt,
        latency.llm_first_token,
        latency.tts_first_audio,
        latency.playout,
    ];
    let scale = |ms: f64| columns(ms / longest * WIDTH);
    if parts.iter().any(Option::is_none) {
        return format!(
            "turn {turn:2} {} {:.0} ms",
            "█".repeat(scale(latency.total)),
            latency.total
        );
    }
    let mut drawn = String::new();
    let (mut at, mut until) = (0, 0.0);
    for ((_, shade), ms) in STAGES.iter().zip(parts) {
        until += ms.unwrap_or_default().max(0.0);
        let end = scale(until);
        drawn.extend(std::iter::repeat_n(*shade, end.saturating_sub(at)));
        at = at.max(end);
    }
    let numbers: Vec<String> =
        parts.iter().map(|ms| format!("{:.0}", ms.unwrap_or_default())).collect();
    format!("turn {turn:2} {drawn} {:.0} ms = {}", latency.total, numbers.join(" + "))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a line")]
fn columns(width: f64) -> usize {
    width.clamp(0.0, 2.0 * WIDTH).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_turn_and_shows_each_stage() {
        let latency = Latency {
            total: 1000.0,
            endpoint: Some(400.0),
            stt: Some(200.0),
            llm_first_token: Some(200.0),
            tts_first_audio: Some(100.0),
            playout: Some(100.0),
        };
        let drawn = bar(1, &latency, 1000.0);
        assert_eq!(drawn.matches('░').count(), 24, "{drawn}");
        assert_eq!(drawn.matches('▪').count(), 6, "{drawn}");
        assert!(drawn.ends_with("1000 ms = 400 + 200 + 200 + 100 + 100"), "{drawn}");
    }

    #[test]
    fn without_stages_the_bar_is_plain_and_turns_without_times_have_none() {
        let bare = Latency {
            total: 500.0,
            endpoint: None,
            stt: None,
            llm_first_token: None,
            tts_first_audio: None,
            playout: None,
        };
        assert_eq!(bar(3, &bare, 1000.0), format!("turn  3 {} 500 ms", "█".repeat(30)));
        assert!(bars(&[]).is_empty());
    }

    #[test]
    fn a_stage_that_took_less_than_nothing_shortens_no_other() {
        let latency = Latency {
            total: 100.0,
            endpoint: Some(-20.0),
            stt: Some(50.0),
            llm_first_token: Some(50.0),
            tts_first_audio: Some(0.0),
            playout: Some(0.0),
        };
        let drawn = bar(1, &latency, 100.0);
        assert_eq!((drawn.matches('▒').count(), drawn.matches('▓').count()), (30, 30), "{drawn}");
    }
}
