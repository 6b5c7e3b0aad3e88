//! Speech found in sequences of voice-activity windows.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use trunkline_turn::{DetectorConfig, SpeechDetector, SpeechEdge};

const WINDOW: Duration = Duration::from_millis(32);

/// Feeds windows (how many, probability, level) and gives the edges as `+ms` and `-ms` by when the
/// sound began or ended, each with `@` the window's end at which it was noticed.
fn edges(config: DetectorConfig, windows: &[(u32, f32, f32)]) -> String {
    let mut line = Line::new(config);
    for &(count, probability, level) in windows {
        for _ in 0..count {
            line.push(probability, level);
        }
    }
    line.edges.join(" ")
}

struct Line {
    detector: SpeechDetector,
    start: Instant,
    windows: u32,
    edges: Vec<String>,
    rising: u32,
}

impl Line {
    fn new(config: DetectorConfig) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
        let start = Instant::now();
        Self {
            detector: SpeechDetector::new(config),
            start,
            windows: 0,
            edges: Vec::new(),
            rising: 0,
        }
    }

    fn push(&mut self, probability: f32, level: f32) {
        self.windows += 1;
        let end = self.start + WINDOW * self.windows;
        let Some(edge) = self.detector.push(probability, level, end, WINDOW) else { return };
        let (sign, at) = match edge {
            SpeechEdge::Rising => return self.rising += 1,
            SpeechEdge::Started { at } => ('+', at),
            SpeechEdge::Stopped { at } => ('-', at),
        };
        let ms = |at: Instant| (at - self.start).as_millis();
        self.edges.push(format!("{sign}{}@{}", ms(at), ms(end)));
    }
}

#[test]
fn speech_begins_with_two_windows_and_stops_after_three() {
    let found = edges(
        DetectorConfig::default(),
        &[(10, 0.02, -65.0), (20, 0.95, -25.0), (10, 0.02, -65.0)],
    );
    assert_eq!(found, "+320@384 -960@1056");
}

#[test]
fn the_first_window_that_may_be_speech_is_told_once() {
    let mut line = Line::new(DetectorConfig::default());
    for probability in [0.02, 0.95, 0.95, 0.95, 0.02, 0.02, 0.02] {
        line.push(probability, -25.0);
    }
    assert_eq!(line.rising, 1);
    line.push(0.6, -25.0);
    assert_eq!(line.rising, 2);
    line.push(0.6, -80.0);
    assert_eq!(line.rising, 2);
}

#[test]
fn a_single_window_starts_nothing() {
    let click =
        [(5, 0.1, -65.0), (1, 0.9, -20.0), (5, 0.1, -65.0), (1, 0.9, -20.0), (9, 0.1, -65.0)];
    assert_eq!(edges(DetectorConfig::default(), &click), "");
}

#[test]
fn weak_windows_do_not_start_speech_but_keep_it_going() {
    assert_eq!(edges(DetectorConfig::default(), &[(30, 0.45, -25.0)]), "");
    let found = edges(
        DetectorConfig::default(),
        &[(2, 0.9, -25.0), (30, 0.4, -25.0), (3, 0.3, -25.0), (5, 0.1, -60.0)],
    );
    assert_eq!(found, "+0@64 -1024@1120");
}

#[test]
fn a_stop_inside_a_word_does_not_end_speech() {
    let found = edges(
        DetectorConfig::default(),
        &[(5, 0.9, -25.0), (2, 0.1, -50.0), (5, 0.9, -25.0), (9, 0.1, -60.0)],
    );
    assert_eq!(found, "+0@64 -384@480");
}

#[test]
fn sound_below_the_floor_is_no_speech_whatever_its_probability() {
    assert_eq!(edges(DetectorConfig::default(), &[(50, 0.99, -58.0)]), "");
    let found = edges(DetectorConfig::default(), &[(5, 0.9, -30.0), (9, 0.9, -58.0)]);
    assert_eq!(found, "+0@64 -160@256");
}

#[test]
fn speech_must_stand_out_from_the_noise_of_its_line() {
    let noisy = |speech| edges(DetectorConfig::default(), &[(150, 0.1, -45.0), (10, 0.8, speech)]);
    assert_eq!(noisy(-42.0), "");
    assert_eq!(noisy(-35.0), "+4800@4864");
}

#[test]
fn the_noise_estimate_has_a_ceiling_so_that_a_loud_line_has_its_say() {
    let found =
        edges(DetectorConfig::default(), &[(300, 0.1, -20.0), (10, 0.8, -30.0), (9, 0.1, -20.0)]);
    assert_eq!(found, "+9600@9664 -9920@10016");
}

#[test]
fn the_noise_estimate_falls_at_once_when_the_line_falls_quiet() {
    let found = edges(
        DetectorConfig::default(),
        &[(200, 0.1, -40.0), (8, 0.1, -70.0), (4, 0.9, -52.0), (9, 0.1, -70.0)],
    );
    assert_eq!(found, "+6656@6720 -6784@6880");
}

#[test]
fn evidence_sums_the_voiced_windows_only() {
    let mut line = Line::new(DetectorConfig::default());
    assert_eq!(line.detector.evidence().voiced, Duration::ZERO);
    line.push(0.9, -20.0);
    assert_eq!(line.detector.evidence().voiced, Duration::ZERO, "not sure yet");
    for _ in 0..9 {
        line.push(0.9, -20.0);
    }
    for _ in 0..10 {
        line.push(0.5, -30.0);
    }
    for _ in 0..20 {
        line.push(0.01, -60.0);
    }
    let evidence = line.detector.evidence();
    assert_eq!(evidence.voiced, WINDOW * 20);
    assert!((evidence.vad_mean - 0.7).abs() < 1e-3, "{}", evidence.vad_mean);
    assert!((evidence.level_dbfs + 25.0).abs() < 1e-2, "{}", evidence.level_dbfs);
}

#[test]
fn resetting_the_evidence_counts_speech_that_goes_on_from_there() {
    let mut line = Line::new(DetectorConfig::default());
    for _ in 0..10 {
        line.push(0.9, -20.0);
    }
    line.detector.reset_evidence();
    assert!(line.detector.is_speaking());
    line.push(0.9, -20.0);
    assert_eq!(line.detector.evidence().voiced, WINDOW);
}

proptest! {
    #[test]
    fn edges_alternate_and_never_run_ahead_of_their_windows(
        windows in prop::collection::vec((0.0f32..1.0, -80.0f32..0.0), 1..400),
    ) {
        let mut line = Line::new(DetectorConfig::default());
        for (probability, level) in windows {
            line.push(probability, level);
        }
        let mut expected = '+';
        let mut last = 0u32;
        for edge in &line.edges {
            prop_assert!(edge.starts_with(expected));
            expected = if expected == '+' { '-' } else { '+' };
            let (at, noticed) = edge.split_once('@').unwrap();
            let at: u32 = at.trim_start_matches(['+', '-']).parse().unwrap();
            prop_assert!(at >= last && at < noticed.parse::<u32>().unwrap());
            last = at;
        }
    }

    #[test]
    fn evidence_lies_between_its_windows(
        windows in prop::collection::vec((0.4f32..1.0, -50.0f32..0.0), 3..100),
    ) {
        let mut line = Line::new(DetectorConfig::default());
        line.push(0.9, -20.0);
        line.push(0.9, -20.0);
        for (probability, level) in &windows {
            line.push(*probability, *level);
        }
        let evidence = line.detector.evidence();
        prop_assert!((0.4..=1.0).contains(&evidence.vad_mean));
        prop_assert!((-50.0..=0.01).contains(&evidence.level_dbfs));
        prop_assert_eq!(evidence.voiced, WINDOW * (u32::try_from(windows.len()).unwrap() + 2));
    }
}
