//! Cuts sound into pieces of speech that a recognizer takes at once, at its pauses. Pure.

use std::{collections::VecDeque, ops::Range, time::Duration};

use trunkline_audio::MediaTime;
use trunkline_inference::VadScore;

use super::decode::HEARD_HZ;

/// The longest piece: recognizers look at 30 s, and need some air at the end.
pub(crate) const LONGEST: Duration = Duration::from_secs(28);
/// Speech goes on while its probability is no more than this below the threshold, as Silero's
/// authors have it.
const HYSTERESIS: f32 = 0.15;
/// What a pause must be to be a better place to cut than the least probable speech.
const PAUSE: Duration = Duration::from_millis(200);

/// How speech is found and divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rules {
    /// The probability from which a window is speech.
    pub(crate) threshold: f32,
    /// Sound that is kept around speech.
    pub(crate) padding: Duration,
    /// The pause that ends a piece; the sound in it is not listened to.
    pub(crate) pause: Duration,
}

impl Default for Rules {
    /// A low threshold, as missed words are worse than listened-to noise; pauses of less than 2 s
    /// stay, as a recognizer writes better with the words around.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { threshold: 0.35, padding: ms(300), pause: ms(2000) }
    }
}

/// Takes the scores of windows of sound, in order, and gives out pieces, in samples at 16 kHz.
#[derive(Debug)]
pub(crate) struct Cutter {
    threshold: f32,
    padding: u64,
    pause: u64,
    /// Where the last window ended.
    now: u64,
    /// Where the last piece ended.
    floor: u64,
    piece: Option<Piece>,
    ready: VecDeque<Range<u64>>,
}

/// Speech that goes on.
#[derive(Debug)]
struct Piece {
    start: u64,
    /// Where the last speech ended.
    spoken: u64,
    windows: Vec<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: u64,
    end: u64,
    probability: f32,
}

impl Cutter {
    /// A cutter at the start of a sound.
    pub(crate) fn new(rules: &Rules) -> Self {
        let Rules { threshold, padding, pause } = *rules;
        let (padding, pause) = (samples(padding), samples(pause).max(1));
        Self { threshold, padding, pause, now: 0, floor: 0, piece: None, ready: VecDeque::new() }
    }

    /// Takes the score of the next window.
    pub(crate) fn push(&mut self, score: VadScore) {
        let end = score.end.to_samples(HEARD_HZ);
        if end > self.now {
            let window = Window { start: self.now, end, probability: score.probability };
            self.now = end;
            self.take(window);
        }
    }

    /// The sound ended at `end`.
    pub(crate) fn finish(&mut self, end: u64) {
        self.now = self.now.max(end);
        if let Some(piece) = self.piece.take() {
            let end = self.now.min(piece.spoken + self.padding);
            self.give(piece.start..end);
        }
    }

    /// The next piece of speech.
    pub(crate) fn next_piece(&mut self) -> Option<Range<u64>> {
        self.ready.pop_front()
    }

    /// From where on sound may yet become part of a piece.
    pub(crate) fn needed_from(&self) -> u64 {
        let first = self.ready.front().map(|ready| ready.start);
        let start = first.or(self.piece.as_ref().map(|piece| piece.start));
        start.unwrap_or_else(|| self.now.saturating_sub(self.padding).max(self.floor))
    }

    fn take(&mut self, window: Window) {
        let is_speech = |threshold| window.probability >= threshold;
        let Some(piece) = &mut self.piece else {
            if is_speech(self.threshold) {
                let start = window.start.saturating_sub(self.padding).max(self.floor);
                self.piece = Some(Piece { start, spoken: window.end, windows: vec![window] });
            }
            return;
        };
        if window.end - piece.start > samples(LONGEST) {
            return self.cut(window);
        }
        piece.windows.push(window);
        if is_speech(self.threshold - HYSTERESIS) {
            piece.spoken = window.end;
        } else if window.end - piece.spoken >= self.pause {
            let end = window.end.min(piece.spoken + self.padding);
            let start = piece.start;
            self.piece = None;
            self.give(start..end);
        }
    }

    /// The piece is as long as one may be: ends it where that hurts least; `next` did not fit.
    fn cut(&mut self, next: Window) {
        let Some(piece) = self.piece.take() else { return };
        let at = best_cut(&piece, self.threshold - HYSTERESIS);
        self.give(piece.start..at);
        let rest = piece.windows.into_iter().filter(|window| window.start >= at);
        for window in rest.chain([next]) {
            self.take(window);
        }
    }

    fn give(&mut self, piece: Range<u64>) {
        let end = piece.end.min(piece.start + samples(LONGEST));
        if piece.start < end {
            self.floor = end;
            self.ready.push_back(piece.start..end);
        }
    }
}

/// The start of a window in the latter half of the piece: the middle of its longest pause, where that
/// is one, else the window that is the least likely to be speech.
fn best_cut(piece: &Piece, threshold: f32) -> u64 {
    let (first, last) = (piece.start + samples(LONGEST) / 2, piece.windows.len() - 1);
    let late = piece.windows.partition_point(|window| window.start <= first).min(last);
    let (_, windows) = piece.windows.split_at(late);
    let quiet = |window: &Window| window.probability < threshold;
    let pauses = windows.chunk_by(|a, b| quiet(a) == quiet(b)).filter(|run| quiet(&run[0]));
    let length = |run: &&[Window]| run.last().map_or(0, |last| last.end - run[0].start);
    let longest = pauses.max_by_key(length).filter(|run| length(run) >= samples(PAUSE));
    let quietest = || windows.iter().min_by(|a, b| a.probability.total_cmp(&b.probability));
    let window = longest.map(|run| &run[run.len() / 2]).or_else(quietest);
    window.map_or(piece.spoken, |window| window.start).max(piece.start + 1)
}

fn samples(time: Duration) -> u64 {
    MediaTime::from_ms(u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 64))
        .to_samples(HEARD_HZ)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Samples of a window of 32 ms.
    const WINDOW: u64 = 512;

    /// The pieces of windows with these probabilities, in milliseconds, and how far back sound was
    /// still needed at most.
    fn pieces(rules: &Rules, probabilities: &[f32], window: u64) -> (Vec<Range<u64>>, u64) {
        let mut cutter = Cutter::new(rules);
        let (mut pieces, mut held, mut now) = (Vec::new(), 0, 0);
        for &probability in probabilities {
            now += window;
            cutter.push(VadScore { probability, end: MediaTime::from_samples(now, HEARD_HZ) });
            held = held.max(now - cutter.needed_from());
            let needed = cutter.needed_from();
            let before = pieces.len();
            pieces.extend(std::iter::from_fn(|| cutter.next_piece()));
            assert!(pieces[before..].iter().all(|piece: &Range<u64>| piece.start >= needed));
        }
        cutter.finish(now);
        pieces.extend(std::iter::from_fn(|| cutter.next_piece()));
        (pieces, held)
    }

    /// Probabilities of `(probability, windows)`.
    fn sound(parts: &[(f32, usize)]) -> Vec<f32> {
        parts.iter().flat_map(|&(probability, count)| vec![probability; count]).collect()
    }

    fn seconds(pieces: &[Range<u64>]) -> Vec<(f64, f64)> {
        let at =
            |samples: u64| MediaTime::from_samples(samples, HEARD_HZ).to_duration().as_secs_f64();
        let round = |s: f64| (s * 100.0).round() / 100.0;
        pieces.iter().map(|p| (round(at(p.start)), round(at(p.end)))).collect()
    }

    #[test]
    fn speech_is_kept_with_air_around_it_and_long_pauses_are_dropped() {
        let sound = sound(&[(0.0, 100), (0.9, 50), (0.0, 30), (0.9, 50), (0.0, 200), (0.9, 20)]);
        let (pieces, _) = pieces(&Rules::default(), &sound, WINDOW);
        // 3.2 s to 7.36 s with a pause of 1 s within; then 6.4 s of nothing.
        assert_eq!(seconds(&pieces), [(2.9, 7.66), (13.46, 14.4)]);
    }

    #[test]
    fn silence_has_no_pieces() {
        assert!(pieces(&Rules::default(), &sound(&[(0.1, 5_000)]), WINDOW).0.is_empty());
        assert!(pieces(&Rules::default(), &[], WINDOW).0.is_empty());
    }

    #[test]
    fn long_speech_is_cut_in_the_middle_of_its_longest_late_pause() {
        let sound = sound(&[
            (0.9, 200),
            (0.0, 40),
            (0.9, 350),
            (0.1, 10),
            (0.9, 50),
            (0.1, 20),
            (0.9, 400),
        ]);
        let (pieces, _) = pieces(&Rules::default(), &sound, WINDOW);
        // The first pause, 6.4 s in, is too early; of the later ones that from 20.8 s is the longest.
        assert_eq!(seconds(&pieces), [(0.0, 21.12), (21.14, 34.24)]);
    }

    #[test]
    fn speech_without_a_pause_is_cut_where_it_is_the_least_certain() {
        let sound = sound(&[(0.9, 600), (0.6, 1), (0.9, 400)]);
        let (pieces, _) = pieces(&Rules::default(), &sound, WINDOW);
        assert_eq!(seconds(&pieces), [(0.0, 19.2), (19.2, 32.03)]);
    }

    #[test]
    fn what_is_asked_for_sets_the_threshold_the_air_and_the_pause() {
        let ms = Duration::from_millis;
        let rules = Rules { threshold: 0.8, padding: ms(64), pause: ms(320) };
        let sound = sound(&[(0.7, 20), (0.9, 10), (0.0, 11), (0.9, 10), (0.0, 5)]);
        let (pieces, _) = pieces(&rules, &sound, WINDOW);
        assert_eq!(seconds(&pieces), [(0.58, 1.02), (1.25, 1.7)]);
    }

    fn probabilities() -> impl Strategy<Value = Vec<f32>> {
        let run = (prop::sample::select(vec![0.0_f32, 0.1, 0.3, 0.5, 0.7, 1.0]), 1..400_usize);
        prop::collection::vec(run, 0..40).prop_map(|runs| sound(&runs))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn pieces_hold_all_speech_in_order_without_overlap_and_none_is_too_long(
            probabilities in probabilities(),
            window in 100..3_000_u64,
            threshold in 0.05_f32..0.95,
            padding_ms in 0..3_000_u64,
            pause_ms in 50..5_000_u64,
        ) {
            let ms = Duration::from_millis;
            let rules = Rules { threshold, padding: ms(padding_ms), pause: ms(pause_ms) };
            let (pieces, held) = pieces(&rules, &probabilities, window);
            let total = window * probabilities.len() as u64;
            for piece in &pieces {
                prop_assert!(piece.start < piece.end && piece.end <= total);
                prop_assert!(piece.end - piece.start <= samples(LONGEST));
            }
            for pair in pieces.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
            for (number, probability) in probabilities.iter().enumerate() {
                if *probability >= threshold {
                    let (mut at, end) = (number as u64 * window, (number as u64 + 1) * window);
                    // A window of speech may be divided between pieces, but nothing of it is lost.
                    for piece in &pieces {
                        if piece.contains(&at) {
                            at = piece.end;
                        }
                    }
                    prop_assert!(at >= end, "window {number} is lost: {pieces:?}");
                }
            }
            prop_assert!(held <= samples(LONGEST) * 2 + window, "{held} samples are held");
        }
    }
}
