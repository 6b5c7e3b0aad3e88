//! In virtual time, at the costs of a real voice on a processor: nobody's sound has gaps while there is
//! room for all.

use std::task::Waker;

use futures::stream;
use trunkline_inference::Clause;

use super::*;

/// What Piper takes on one core (`benches/RESULTS.md`), seconds a second of sound: to begin, and to say.
const COSTS: [f32; 2] = [0.027, 0.048];
/// Sound of a letter, samples at 16 kHz: 15 letters a second.
const LETTER: usize = 1066;
/// Of the first stretch and the longest, samples.
const STRETCHES: [usize; 2] = [4458, 23_778];
/// Silence between a listener's replies.
const PAUSE: Duration = Duration::from_millis(500);

/// Says what costs time, and counts the time.
struct Costly {
    spent: Duration,
}

/// Samples left, and in the next stretch.
struct Left(usize, usize);

impl Costly {
    fn spend(&mut self, cost: f32, samples: usize) {
        self.spent += Duration::from_secs_f32(cost * samples as f32 / 16_000.0);
    }
}

impl Synthesizer for Costly {
    type Part = Left;

    fn rate_hz(&self) -> u32 {
        16_000
    }
    fn begin(&mut self, text: &str, _: &Voice) -> Result<Begun<Left>, ModelError> {
        let samples = text.len() * LETTER;
        self.spend(COSTS[0], samples);
        Ok(Begun { part: Left(samples, STRETCHES[0]), weights: Vec::new() })
    }
    fn next(&mut self, Left(left, next): &mut Left) -> Result<Option<Vec<f32>>, ModelError> {
        let len = if *left < *next * 3 / 2 { *left } else { *next };
        // Frames on either side are seen and not heard.
        self.spend(COSTS[1], if len > 0 { len + 700 } else { 0 });
        (*left, *next) = (*left - len, (*next * 2).min(STRETCHES[1]));
        Ok((len > 0).then(|| (0..len).map(|n| (n as f32 * 0.1).sin() * 0.3).collect()))
    }
}

/// Who listens to one reply after another.
#[derive(Default)]
struct Listener {
    replies: usize,
    asked: Duration,
    /// When the next reply is asked for; none while one is spoken.
    asks: Option<Duration>,
    dry: Option<Duration>,
    firsts: Vec<Duration>,
    gaps: usize,
}

const REPLY: [&str; 4] = [
    "Sure,",
    "your appointment is confirmed for Tuesday the fourteenth at half past three.",
    "Please come ten minutes early, and bring the letter of your insurance with you, if you have one.",
    "Is there anything else?",
];

/// Ten replies to each listener on a processor of which the voice gets `share`.
fn play(listeners: usize, share: f32) -> Vec<Listener> {
    let mut engine = VoiceEngine::new(Costly { spent: Duration::ZERO });
    engine.learn("", Some(0.2));
    let began = Instant::now();
    let asks = |n: usize| Some(Duration::from_millis(n as u64 * 337 % 2000));
    let listener = |n| Listener { asks: asks(n), ..Listener::default() };
    let mut listeners: Vec<Listener> = (0..listeners).map(listener).collect();
    let active: Vec<SlotId> = (0..listeners.len()).collect();
    let mut at = Duration::ZERO;
    while listeners.iter().any(|l| l.replies < 10) {
        for (slot, listener) in listeners.iter_mut().enumerate() {
            let is_due = |asks: &mut Duration| *asks <= at;
            if let Some(asked) = listener.asks.take_if(is_due).filter(|_| listener.replies < 10) {
                let clause = |text: &str| Ok(Clause { text: text.into(), speakable: text.into() });
                let clauses = Box::pin(stream::iter(REPLY.map(clause)));
                let speaker = Speaker::new(clauses, Voice::default(), began + asked);
                engine.seats[slot] = Some(Seat { speaker, part: None });
                (listener.asked, listener.dry) = (asked, None);
            }
        }
        let now = began + at;
        for seat in engine.seats.iter_mut().flatten() {
            seat.speaker.listen(now, &mut Context::from_waker(Waker::noop()));
        }
        let crew = engine.crew(&active, now);
        engine.speak(&crew, now);
        let spent = std::mem::take(&mut engine.model.spent).div_f32(share);
        at += if crew.is_empty() { Duration::from_millis(1) } else { spent };
        for (slot, listener) in listeners.iter_mut().enumerate() {
            listener.hear(&mut engine.seats[slot], at);
        }
    }
    listeners
}

impl Listener {
    /// Takes what has been made by `at`, but no more than a leg buffers.
    fn hear(&mut self, seat: &mut Option<Seat<Left>>, at: Duration) {
        while let Some(Seat { speaker, .. }) = seat {
            if self.dry.is_some_and(|dry| dry > at + Duration::from_millis(1300)) {
                return;
            }
            match speaker.take() {
                Poll::Ready(Some(Ok(SpeechPiece::Audio(frame)))) => {
                    match self.dry {
                        None => self.firsts.push(at.saturating_sub(self.asked)),
                        Some(dry) => self.gaps += usize::from(dry < at),
                    }
                    self.dry = Some(self.dry.unwrap_or(at).max(at) + frame.duration());
                }
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => {
                    *seat = None;
                    self.replies += 1;
                    self.asks = self.dry.map(|dry| dry + PAUSE);
                }
                Poll::Pending => return,
            }
        }
    }
}

/// Gaps, and the 95th percentile of the time to the first sound.
fn outcome(listeners: usize, share: f32) -> (usize, Duration) {
    let listeners = play(listeners, share);
    let mut firsts: Vec<Duration> = listeners.iter().flat_map(|l| l.firsts.clone()).collect();
    firsts.sort();
    (listeners.iter().map(|l| l.gaps).sum(), firsts[firsts.len() * 95 / 100])
}

#[test]
fn eight_listeners_hear_no_gap_on_a_core_of_which_a_tenth_is_taken() {
    for (listeners, share, most_ms) in [(1, 1.0, 50), (4, 1.0, 50), (8, 1.0, 100), (8, 0.9, 250)] {
        let (gaps, first) = outcome(listeners, share);
        assert_eq!(gaps, 0, "{listeners} at {share}");
        assert!(first < Duration::from_millis(most_ms), "{listeners} at {share}: {first:?}");
    }
}

#[test]
fn with_too_little_of_a_core_replies_begin_late_rather_than_never() {
    let (gaps, first) = outcome(8, 0.6);
    assert!(gaps > 0 && first < Duration::from_secs(1), "{gaps} {first:?}");
}
