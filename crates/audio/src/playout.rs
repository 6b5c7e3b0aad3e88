//! The playout: queued speech on its way to the wire, 20 ms at a time, with marks, flush and pause.

use std::{collections::VecDeque, mem, time::Duration};

use crate::{Frame, MediaTime, Resampler, level};

/// How much sound may be queued; a push beyond is refused.
pub const MAX_QUEUED: Duration = Duration::from_secs(90);

/// How many marks may be queued; one more is refused.
pub const MAX_MARKS: usize = 4_096;

/// The queue is full; what was to be queued is not. A reply this far ahead of the caller's ear is a
/// fault of whoever speaks: end the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the playout queue is full: more than 90 s of sound or 4096 marks are waiting")]
pub struct Full;

/// 20 ms for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick<M> {
    /// Exactly 20 ms at the playout's rate; zeros where nothing was queued.
    pub samples: Vec<i16>,
    /// Marks of which everything queued before has left with this tick or earlier, in order.
    pub played: Vec<M>,
    /// Whether there is anything to hear.
    pub sound: Sound,
}

/// Whether a tick carries queued sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Nothing queued was heard: the caller may get comfort noise instead.
    Silent,
    /// The first audible sound since the queue ran empty, was flushed, or was new.
    Begins,
    /// More of what began earlier, its pauses included.
    Goes,
}

/// What a flush threw away, told by what it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed<M> {
    /// The last mark that was played since the flush before this one.
    pub last: Option<M>,
    /// How much queued sound left after that mark; without one, since the flush before this one.
    pub since_mark: Duration,
}

/// Paces speech to the wire and knows what the caller has heard of it.
///
/// Sound of any rate is converted once, when it is pushed. The owner calls [`tick`](Self::tick)
/// every 20 ms by its own clock. A flush or pause fades out within the next tick, so that nothing
/// clicks: that fade is not counted as heard.
#[derive(Debug)]
pub struct Playout<M> {
    rate_hz: u32,
    converter: Option<Converter>,
    /// At most [`MAX_QUEUED`]; a push beyond is refused.
    queue: VecDeque<i16>,
    /// At most [`MAX_MARKS`], each with the count of samples that must leave before it.
    marks: VecDeque<(u64, M)>,
    /// Samples taken from the queue by ticks, ever.
    left: u64,
    heard: Heard<M>,
    state: State,
    onset: Onset,
}

impl<M: Copy> Playout<M> {
    /// Makes an empty playout for a wire of `rate_hz`.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            converter: None,
            queue: VecDeque::new(),
            marks: VecDeque::new(),
            left: 0,
            heard: Heard { last: None, left_then: 0 },
            state: State::Running,
            onset: Onset::Awaited,
        }
    }

    /// Queues sound behind what is queued.
    pub fn push(&mut self, frame: &Frame) -> Result<(), Full> {
        if self.queued() + frame.duration() > MAX_QUEUED {
            return Err(Full);
        }
        if self.converter.as_ref().is_some_and(|converter| converter.from_hz != frame.rate_hz()) {
            self.drain_converter();
            self.converter = None;
        }
        let rate_hz = self.rate_hz;
        let converter =
            self.converter.get_or_insert_with(|| Converter::new(frame.rate_hz(), rate_hz));
        converter.convert(frame.samples(), &mut self.queue);
        Ok(())
    }

    /// Queues a mark, which [`tick`](Self::tick) gives back when all before it has left.
    pub fn mark(&mut self, mark: M) -> Result<(), Full> {
        if self.marks.len() == MAX_MARKS {
            return Err(Full);
        }
        let held_back = self.converter.as_ref().map_or(0, Converter::held_back);
        self.marks.push_back((self.left + self.queue.len() as u64 + held_back, mark));
        Ok(())
    }

    /// Throws away what is queued and ends a pause. The next tick fades out.
    pub fn flush(&mut self) -> Flushed<M> {
        let was_audible = self.state == State::Running && self.onset == Onset::Past;
        self.state = if was_audible { State::Fading(self.faded_front()) } else { State::Running };
        self.queue.clear();
        self.marks.clear();
        self.converter = None;
        self.onset = Onset::Awaited;
        let heard = mem::replace(&mut self.heard, Heard { last: None, left_then: self.left });
        let since = MediaTime::from_samples(self.left - heard.left_then, self.rate_hz);
        Flushed { last: heard.last, since_mark: since.to_duration() }
    }

    /// Stops taking from the queue. The next tick fades out; what it carries is heard again after
    /// [`resume`](Self::resume).
    pub fn pause(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Paused) {
            State::Running if self.onset == Onset::Past => State::Pausing(self.faded_front()),
            State::Running | State::Resuming | State::Paused => State::Paused,
            State::Fading(samples) | State::Pausing(samples) => State::Pausing(samples),
        }
    }

    /// Goes on after a pause, fading in.
    pub fn resume(&mut self) {
        match self.state {
            State::Pausing(_) | State::Paused => self.state = State::Resuming,
            State::Running | State::Resuming | State::Fading(_) => {}
        }
    }

    /// Takes the next 20 ms.
    pub fn tick(&mut self) -> Tick<M> {
        match mem::replace(&mut self.state, State::Running) {
            State::Running => self.take(Fade::None),
            State::Resuming => self.take(Fade::In),
            State::Fading(samples) => {
                Tick { samples, played: self.passed_marks(), sound: Sound::Goes }
            }
            State::Pausing(samples) => {
                self.state = State::Paused;
                Tick { samples, played: Vec::new(), sound: Sound::Goes }
            }
            State::Paused => {
                self.state = State::Paused;
                let samples = vec![0; self.samples_a_tick()];
                Tick { samples, played: Vec::new(), sound: Sound::Silent }
            }
        }
    }

    /// How much sound waits to leave.
    pub fn queued(&self) -> Duration {
        let held_back = self.converter.as_ref().map_or(0, Converter::held_back);
        let samples = self.queue.len() as u64 + held_back;
        MediaTime::from_samples(samples, self.rate_hz).to_duration()
    }

    /// Whether neither sound nor a mark waits to leave.
    pub fn is_empty(&self) -> bool {
        self.queued().is_zero() && self.marks.is_empty() && !matches!(self.state, State::Fading(_))
    }

    /// Samples a second of what ticks carry.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn take(&mut self, fade: Fade) -> Tick<M> {
        let wanted = self.samples_a_tick();
        if self.queue.len() < wanted {
            self.drain_converter();
        }
        let taken = wanted.min(self.queue.len());
        let mut samples: Vec<i16> = self.queue.drain(..taken).collect();
        self.left += taken as u64;
        match fade {
            Fade::In => fade_in(&mut samples),
            Fade::None => {}
        }
        let sound = self.sound_of(&samples);
        samples.resize(wanted, 0);
        let played = self.passed_marks();
        Tick { samples, played, sound }
    }

    fn sound_of(&mut self, samples: &[i16]) -> Sound {
        let sound = match self.onset {
            _ if samples.is_empty() => Sound::Silent,
            Onset::Past => Sound::Goes,
            Onset::Awaited if level::rms_dbfs(samples) < AUDIBLE_DBFS => Sound::Silent,
            Onset::Awaited => Sound::Begins,
        };
        let is_over = self.queue.is_empty();
        let has_begun = self.onset == Onset::Past || sound == Sound::Begins;
        self.onset = if has_begun && !is_over { Onset::Past } else { Onset::Awaited };
        sound
    }

    fn passed_marks(&mut self) -> Vec<M> {
        let mut played = Vec::new();
        while let Some((after, mark)) = self.marks.pop_front_if(|(after, _)| *after <= self.left) {
            self.heard = Heard { last: Some(mark), left_then: after };
            played.push(mark);
        }
        played
    }

    fn drain_converter(&mut self) {
        if let Some(converter) = &mut self.converter {
            converter.finish(&mut self.queue);
        }
    }

    fn faded_front(&self) -> Vec<i16> {
        let wanted = self.samples_a_tick();
        let mut samples: Vec<i16> = self.queue.iter().copied().take(wanted).collect();
        fade_out(&mut samples);
        samples.resize(wanted, 0);
        samples
    }

    fn samples_a_tick(&self) -> usize {
        self.rate_hz as usize / 50
    }
}

/// The level from which sound counts as heard: above the hiss of a voice and comfort noise.
const AUDIBLE_DBFS: f32 = -50.0;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The next tick carries these, faded out; they stay queued.
    Pausing(Vec<i16>),
    Paused,
    /// The next tick fades in.
    Resuming,
    /// The next tick carries these, the end of what was flushed.
    Fading(Vec<i16>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Onset {
    Awaited,
    Past,
}

#[derive(Clone, Copy, Debug)]
enum Fade {
    None,
    In,
}

#[derive(Clone, Copy, Debug)]
struct Heard<M> {
    last: Option<M>,
    /// What had left when that mark was reached, or at the flush before this one.
    left_then: u64,
}

/// Brings pushed sound to the wire's rate.
#[derive(Debug)]
struct Converter {
    from_hz: u32,
    resampler: Resampler,
    /// Whether the filter holds the end of what was pushed.
    holds: bool,
    scratch: Vec<i16>,
}

impl Converter {
    fn new(from_hz: u32, to_hz: u32) -> Self {
        let resampler = Resampler::new(from_hz, to_hz);
        Self { from_hz, resampler, holds: false, scratch: Vec::new() }
    }

    fn convert(&mut self, samples: &[i16], queue: &mut VecDeque<i16>) {
        self.scratch.clear();
        self.resampler.process(samples, &mut self.scratch);
        self.holds |= !samples.is_empty();
        queue.extend(&self.scratch);
    }

    fn held_back(&self) -> u64 {
        if self.holds { self.resampler.delay_samples() as u64 } else { 0 }
    }

    fn finish(&mut self, queue: &mut VecDeque<i16>) {
        if mem::take(&mut self.holds) {
            self.scratch.clear();
            self.resampler.finish(&mut self.scratch);
            queue.extend(&self.scratch);
        }
    }
}

fn fade_out(samples: &mut [i16]) {
    let length = samples.len();
    fade(samples, |n| length - 1 - n);
}

fn fade_in(samples: &mut [i16]) {
    fade(samples, |n| n);
}

fn fade(samples: &mut [i16], weight: impl Fn(usize) -> usize) {
    let full = samples.len().max(1) as i64;
    for (n, sample) in samples.iter_mut().enumerate() {
        *sample = (i64::from(*sample) * weight(n) as i64 / full) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 8_000;

    /// Sound at the wire's own rate: nothing is converted, so that samples can be compared.
    fn frame(samples: impl IntoIterator<Item = i16>) -> Frame {
        Frame::new(samples.into_iter().collect::<Vec<_>>(), RATE_HZ, MediaTime::ZERO)
    }

    fn loud(ms: u64) -> Frame {
        frame((0..ms * 8).map(|n| if n % 20 < 10 { 8_000 } else { -8_000 }))
    }

    fn largest_step(samples: &[i16]) -> u16 {
        samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap_or(0)
    }

    #[test]
    fn a_tick_is_always_20_ms() {
        for rate_hz in [8_000, 16_000, 24_000, 48_000] {
            let mut playout: Playout<u8> = Playout::new(rate_hz);
            assert_eq!(playout.tick().samples, vec![0; rate_hz as usize / 50]);
            playout.push(&loud(50)).unwrap();
            for _ in 0..6 {
                assert_eq!(playout.tick().samples.len(), rate_hz as usize / 50);
            }
            assert!(playout.is_empty());
        }
    }

    #[test]
    fn a_mark_comes_back_when_all_before_it_has_left() {
        let mut playout = Playout::new(RATE_HZ);
        playout.mark('a').unwrap();
        playout.push(&loud(40)).unwrap();
        playout.mark('b').unwrap();
        playout.push(&loud(5)).unwrap();
        playout.mark('c').unwrap();
        let played: Vec<Vec<char>> = (0..4).map(|_| playout.tick().played).collect();
        assert_eq!(played, [vec!['a'], vec!['b'], vec!['c'], vec![]]);
    }

    #[test]
    fn a_mark_waits_for_the_end_that_the_filter_holds() {
        let mut playout = Playout::new(RATE_HZ);
        let speech = Frame::new(vec![9_000; 24 * 40], 24_000, MediaTime::ZERO);
        playout.push(&speech).unwrap();
        playout.mark(1).unwrap();
        assert_eq!(playout.queued(), Duration::from_micros(43_750));
        let played: Vec<Vec<i32>> = (0..3).map(|_| playout.tick().played).collect();
        assert_eq!(played, [vec![], vec![], vec![1]]);
        assert!(playout.is_empty());
    }

    #[test]
    fn a_flush_tells_what_was_heard() {
        let mut playout = Playout::new(RATE_HZ);
        playout.push(&loud(30)).unwrap();
        playout.mark(1).unwrap();
        playout.push(&loud(1_000)).unwrap();
        playout.mark(2).unwrap();
        for _ in 0..5 {
            playout.tick();
        }
        let flushed = playout.flush();
        assert_eq!(flushed, Flushed { last: Some(1), since_mark: Duration::from_millis(70) });
        assert_eq!(playout.queued(), Duration::ZERO);
        assert_eq!(playout.flush(), Flushed { last: None, since_mark: Duration::ZERO });
    }

    #[test]
    fn a_flush_fades_out_within_one_tick_and_does_not_click() {
        let mut playout: Playout<u8> = Playout::new(RATE_HZ);
        playout.push(&frame(vec![10_000; 8_000])).unwrap();
        let mut heard = playout.tick().samples;
        playout.flush();
        let fade = playout.tick();
        assert_eq!(fade.sound, Sound::Goes);
        heard.extend(fade.samples);
        let silence = playout.tick();
        assert_eq!(
            (silence.sound, silence.samples.iter().any(|s| *s != 0)),
            (Sound::Silent, false)
        );
        heard.extend(silence.samples);
        assert!(largest_step(&heard) < 100, "step of {}", largest_step(&heard));
    }

    #[test]
    fn what_is_pushed_after_a_flush_follows_the_fade() {
        let mut playout = Playout::new(RATE_HZ);
        playout.push(&loud(500)).unwrap();
        playout.tick();
        playout.flush();
        playout.push(&frame(vec![3_000; 160])).unwrap();
        playout.mark('x').unwrap();
        assert_eq!(playout.tick().played, []);
        let next = playout.tick();
        assert_eq!((next.samples, next.played), (vec![3_000; 160], vec!['x']));
        assert_eq!(next.sound, Sound::Begins);
    }

    #[test]
    fn a_pause_fades_holds_and_loses_nothing() {
        let mut playout = Playout::new(RATE_HZ);
        playout.push(&frame(vec![10_000; 160 * 10])).unwrap();
        playout.mark('e').unwrap();
        let mut heard = playout.tick().samples;
        playout.pause();
        for _ in 0..5 {
            heard.extend(playout.tick().samples);
        }
        assert_eq!(playout.queued(), Duration::from_millis(180));
        playout.resume();
        let mut marks = Vec::new();
        for _ in 0..9 {
            let tick = playout.tick();
            heard.extend(tick.samples);
            marks.extend(tick.played);
        }
        assert_eq!(marks, ['e']);
        assert!(largest_step(&heard) < 100);
        assert_eq!(heard.iter().filter(|s| **s == 0).count(), 4 * 160 + 2);
    }

    #[test]
    fn a_flush_ends_a_pause_without_a_sound() {
        let mut playout: Playout<u8> = Playout::new(RATE_HZ);
        playout.push(&loud(500)).unwrap();
        playout.tick();
        playout.pause();
        playout.tick();
        playout.flush();
        assert_eq!(playout.tick().sound, Sound::Silent);
        playout.push(&loud(20)).unwrap();
        assert_eq!(playout.tick().sound, Sound::Begins);
    }

    #[test]
    fn sound_begins_with_the_first_audible_tick_and_again_after_an_empty_queue() {
        let mut playout: Playout<u8> = Playout::new(RATE_HZ);
        playout.push(&frame([0; 160])).unwrap();
        playout.push(&loud(20)).unwrap();
        playout.push(&frame([0; 160])).unwrap();
        playout.push(&loud(20)).unwrap();
        let mut sounds: Vec<Sound> = (0..5).map(|_| playout.tick().sound).collect();
        playout.push(&loud(20)).unwrap();
        sounds.push(playout.tick().sound);
        let expected =
            [Sound::Silent, Sound::Begins, Sound::Goes, Sound::Goes, Sound::Silent, Sound::Begins];
        assert_eq!(sounds, expected);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut playout = Playout::new(RATE_HZ);
        for _ in 0..90 {
            playout.push(&loud(1_000)).unwrap();
        }
        assert_eq!(playout.push(&loud(20)), Err(Full));
        assert_eq!(playout.queued(), MAX_QUEUED);
        for n in 0..MAX_MARKS {
            playout.mark(n).unwrap();
        }
        assert_eq!(playout.mark(0), Err(Full));
        playout.tick();
        assert_eq!(playout.push(&loud(20)), Ok(()));
    }

    #[test]
    fn sound_of_several_rates_follows_each_other() {
        let mut playout: Playout<u8> = Playout::new(RATE_HZ);
        for rate_hz in [24_000, 16_000, 22_050, 8_000] {
            let speech = Frame::new(vec![7_000; rate_hz as usize / 10], rate_hz, MediaTime::ZERO);
            playout.push(&speech).unwrap();
        }
        let queued = playout.queued().as_millis();
        assert!((400..=415).contains(&queued), "{queued} ms of 400 queued");
    }
}
