//! What a level of callers met, in figures. Pure.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    caller::{Called, Turn},
    clips::Clips,
    machine::Used,
    words::{self, Errors},
};

/// The figures of one number of callers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// Callers at once.
    pub(super) callers: usize,
    /// Calls that were answered.
    pub(super) answered: usize,
    /// Calls that were refused, by the status of SIP or HTTP, or the code that a session was closed with.
    pub(super) refused: BTreeMap<u16, usize>,
    /// How long a refusal took, the slowest, milliseconds.
    pub(super) slowest_refusal_ms: Option<f64>,
    /// Calls that failed in another way, by why.
    pub(super) failed: BTreeMap<String, usize>,
    /// Calls that the server ended before the caller had said everything.
    pub(super) cut_short: usize,
    /// Utterances that fell into the measured time.
    pub(super) turns: usize,
    /// Of them, without any answer.
    pub(super) unanswered: usize,
    /// Of them, answered before they had ended.
    pub(super) answered_early: usize,
    /// From the caller's last sound to the answer's first, milliseconds, by the caller's own packets.
    pub(super) mouth_to_ear_ms: Option<Spread>,
    /// Where it went, medians, by the server's record.
    pub(super) stages_ms: Option<Stages>,
    /// How long a reply went on after the caller began to talk into it, milliseconds.
    pub(super) barge_in_ms: Option<Spread>,
    /// Words heard wrong, of all whose text is known, percent.
    pub(super) word_errors_percent: Option<f64>,
    /// Words whose text is known.
    pub(super) words: usize,
    /// Packets that callers missed, and had.
    pub(super) packets_lost: u64,
    pub(super) packets: u64,
    /// What the server counted in the meantime.
    pub(super) server: Used,
}

/// Percentiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// Medians of a turn's stages.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Stages {
    pub(super) endpoint: f64,
    pub(super) stt: f64,
    pub(super) llm_first_token: f64,
    pub(super) tts_first_audio: f64,
    pub(super) playout: f64,
}

impl Spread {
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get(nearest_rank(values.len(), share)).copied();
        Some(Self { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)?, max: *values.last()? })
    }
}

/// The place of a percentile among `count` sorted values, by nearest rank.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts"
)]
fn nearest_rank(count: usize, share: f64) -> usize {
    ((count as f64 * share).ceil() as usize).clamp(1, count.max(1)) - 1
}

impl Figures {
    /// Tallies calls; of their turns, those whose caller finished within `measured`.
    pub(super) fn of(
        callers: usize,
        called: &[Called],
        measured: Range<Instant>,
        clips: &Clips,
        server: Used,
    ) -> Self {
        let mut turns: Vec<&Turn> = Vec::new();
        let (mut answered, mut cut_short, mut packets, mut packets_lost) = (0, 0, 0, 0);
        let (mut refused, mut failed) = (BTreeMap::new(), BTreeMap::new());
        let mut slowest: Option<Duration> = None;
        for call in called {
            match call {
                Called::Refused { status, after } => {
                    *refused.entry(*status).or_insert(0) += 1;
                    slowest = slowest.max(Some(*after));
                }
                Called::Failed(why) => *failed.entry(why.clone()).or_insert(0) += 1,
                Called::Answered { turns: said, cut_short: cut, packets: had, lost } => {
                    answered += 1;
                    cut_short += usize::from(*cut);
                    packets += had;
                    packets_lost += lost;
                    turns.extend(said.iter().filter(|turn| measured.contains(&turn.ended)));
                }
            }
        }
        let errors = word_errors(&turns, clips);
        Self {
            callers,
            answered,
            refused,
            slowest_refusal_ms: slowest.map(millis),
            failed,
            cut_short,
            unanswered: turns.iter().filter(|turn| turn.report.latency_ms.is_none()).count(),
            answered_early: turns.iter().filter(|turn| turn.report.answered_early > 0).count(),
            mouth_to_ear_ms: Spread::of(totals(&turns)),
            stages_ms: stages(&turns),
            barge_in_ms: Spread::of(barge_ins(&turns)),
            word_errors_percent: percent(errors),
            words: errors.words,
            turns: turns.len(),
            packets_lost,
            packets,
            server,
        }
    }

    /// Why the level does not pass, if it does not.
    pub(super) fn fails(&self, slo: Duration) -> Option<String> {
        let p95 = self.mouth_to_ear_ms.map(|spread| spread.p95);
        if !self.failed.is_empty() || self.cut_short > 0 {
            return Some("calls were lost".into());
        }
        if self.server.underruns.is_some_and(|count| count > 0) {
            return Some("replies ran dry".into());
        }
        match p95 {
            None => Some("no turn was answered".into()),
            Some(p95) if p95 > millis(slo) => Some(format!("p95 is {p95:.0} ms")),
            Some(_) if self.unanswered * 100 > self.turns => {
                Some("more than 1 % of turns without an answer".into())
            }
            Some(_) => None,
        }
    }
}

fn totals(turns: &[&Turn]) -> Vec<f64> {
    // A turn that was answered too early has no time of its own.
    let timed = turns.iter().filter(|turn| turn.report.answered_early == 0);
    timed.filter_map(|turn| Some(turn.report.latency_ms?.total)).collect()
}

fn barge_ins(turns: &[&Turn]) -> Vec<f64> {
    turns.iter().filter(|turn| turn.barged_in).filter_map(|turn| turn.report.barge_in_ms).collect()
}

fn stages(turns: &[&Turn]) -> Option<Stages> {
    let timed: Vec<_> = turns.iter().filter_map(|turn| turn.report.latency_ms).collect();
    let median = |part: &dyn Fn(&crate::call::Latency) -> Option<f64>| {
        Spread::of(timed.iter().filter_map(part).collect()).map(|spread| spread.p50)
    };
    Some(Stages {
        endpoint: median(&|l| l.endpoint)?,
        stt: median(&|l| l.stt)?,
        llm_first_token: median(&|l| l.llm_first_token)?,
        tts_first_audio: median(&|l| l.tts_first_audio)?,
        playout: median(&|l| l.playout)?,
    })
}

fn word_errors(turns: &[&Turn], clips: &Clips) -> Errors {
    let mut errors = Errors::default();
    for turn in turns {
        let (Some(said), Some(heard)) = (clips.text(&turn.report.said), &turn.report.heard) else {
            continue;
        };
        errors += words::errors(said, heard);
    }
    errors
}

#[expect(clippy::cast_precision_loss, reason = "counts of words")]
fn percent(errors: Errors) -> Option<f64> {
    (errors.words > 0).then(|| errors.errors as f64 * 100.0 / errors.words as f64)
}

pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: usize = self.refused.values().sum();
        let failed: usize = self.failed.values().sum();
        write!(f, "{:5} callers  {:4} turns", self.callers, self.turns)?;
        match self.mouth_to_ear_ms {
            Some(s) => write!(f, "  p50 {:5.0}  p95 {:5.0}  p99 {:5.0} ms", s.p50, s.p95, s.p99)?,
            None => write!(f, "  no answer")?,
        }
        write!(f, "  {} unanswered  {} early", self.unanswered, self.answered_early)?;
        if let Some(errors) = self.word_errors_percent {
            write!(f, "  {errors:.1} % words wrong")?;
        }
        if let Some(count) = self.server.underruns {
            write!(f, "  {count} underruns")?;
        }
        write!(
            f,
            "  calls: {} answered, {refused} refused, {failed} failed, {} cut short",
            self.answered, self.cut_short
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Latency, TurnReport};

    fn turn(ended: Instant, total: Option<f64>) -> Turn {
        let latency = total.map(|total| Latency {
            total,
            endpoint: Some(total / 2.0),
            stt: Some(1.0),
            llm_first_token: Some(2.0),
            tts_first_audio: Some(3.0),
            playout: Some(4.0),
        });
        let report = TurnReport {
            said: "a.wav".into(),
            said_seconds: 1.0,
            heard: Some("yes please".into()),
            reply: None,
            interrupted: false,
            answered_early: 0,
            latency_ms: latency,
            barge_in_ms: None,
        };
        Turn { ended, barged_in: false, report }
    }

    fn clips() -> Clips {
        let clip = super::super::clips::Clip {
            name: "a.wav".into(),
            sound: [].into(),
            text: Some("Yes, please do.".into()),
        };
        Clips { all: vec![clip] }
    }

    #[test]
    fn turns_of_the_measured_time_are_tallied_and_others_are_not() {
        let base = Instant::now();
        let at = |s| base + Duration::from_secs(s);
        let turns = vec![turn(at(1), Some(9_000.0)), turn(at(10), Some(800.0)), turn(at(11), None)];
        let called = [
            Called::Answered { turns, cut_short: false, packets: 100, lost: 1 },
            Called::Refused { status: 503, after: Duration::from_millis(12) },
            Called::Refused { status: 503, after: Duration::from_millis(7) },
        ];
        let figures = Figures::of(3, &called, at(5)..at(20), &clips(), Used::default());
        assert_eq!((figures.turns, figures.unanswered, figures.answered), (2, 1, 1));
        assert_eq!(figures.mouth_to_ear_ms.map(|s| s.max), Some(800.0));
        assert_eq!(figures.stages_ms.map(|s| s.endpoint), Some(400.0));
        assert_eq!((figures.refused.get(&503), figures.slowest_refusal_ms), (Some(&2), Some(12.0)));
        assert!((figures.word_errors_percent.unwrap() - 100.0 / 3.0).abs() < 0.1);
        assert!(figures.fails(Duration::from_secs(2)).unwrap().contains("1 %"));
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let spread = Spread::of((1..=100).map(f64::from).collect()).unwrap();
        assert_eq!((spread.p50, spread.p95, spread.p99, spread.max), (50.0, 95.0, 99.0, 100.0));
        assert_eq!(Spread::of(vec![7.0]).map(|one| one.p95), Some(7.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
