//! Makes a model's sound fit to be heard while it comes: silence trimmed, level matched, ends faded.

use std::collections::VecDeque;

/// Speech is brought to this level (RMS of what is not silence): -20 dBFS, as telephone prompts are.
const LEVEL: f32 = 0.1;
/// A model's whisper is not blown up further than this.
const MOST_GAIN: f32 = 8.0;
/// Above this the limiter bends the wave instead of letting it clip.
const KNEE: f32 = 0.7;
/// No sample goes beyond this.
const CEILING: f32 = 0.98;
/// Sound softer than this, once levelled, is silence: -52 dBFS.
const SILENCE: f32 = 0.0025;
/// A model that is quieter than this has said nothing.
const NOTHING: f32 = 1e-4;
/// How many spoken steps what is known of a voice counts for, beside those of the part itself: 100 ms.
const KNOWN_STEPS: f32 = 20.0;
/// Steps of a part that are looked at before the first leaves: 250 ms, less than any voice's first
/// stretch, so that nobody waits for them. A part louder than most ("Sure,") is brought down at once.
const FORESEEN_STEPS: usize = 50;
/// Steps softer than this part of the voice's loudness, -20 dB, are no speech.
const SPOKEN: f32 = 0.1;
/// Loudness is looked at in steps of 5 ms: 200 a second.
const STEPS_PER_S: u32 = 200;
/// Steps kept before the first sound: 5 ms, for soft onsets. More, and every reply starts later.
const LEAD_STEPS: usize = 1;
/// Steps kept after the last sound: 50 ms, for the voice to die away.
const TAIL_STEPS: usize = 10;
/// Steps of the fade at either end.
const FADE_STEPS: usize = 2;

/// The finish of one part of a clause.
///
/// With a loudness known from earlier parts, sound leaves as it comes, at a gain that follows what the
/// part itself turns out to be; without, when all is there.
pub(super) struct Finish {
    step: usize,
    level: Option<Level>,
    /// Sound that waits for a whole step, or for the gain.
    waiting: VecDeque<f32>,
    /// Silence before the first sound.
    lead: VecDeque<f32>,
    /// What follows the sound that has left; not empty once there was a sound.
    held: Vec<f32>,
    /// Where in `held` the last sound ends.
    sound_end: usize,
    /// How much has left, for the fade at the start.
    left: usize,
    loudness: Vec<f32>,
}

impl Finish {
    /// A finish for sound at `rate_hz` of a voice of this `loudness`, if it is known.
    pub(super) fn new(rate_hz: u32, loudness: Option<f32>) -> Self {
        Self {
            step: (rate_hz / STEPS_PER_S).max(1) as usize,
            level: loudness.map(Level::expected),
            waiting: VecDeque::new(),
            lead: VecDeque::new(),
            held: Vec::new(),
            sound_end: 0,
            left: 0,
            loudness: Vec::new(),
        }
    }

    /// Takes `samples` and appends to `out` what can leave.
    pub(super) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.waiting.extend(samples);
        if let Some(mut level) = self.level.take() {
            if self.loudness.is_empty() {
                if self.waiting.len() < FORESEEN_STEPS * self.step {
                    self.level = Some(level);
                    return;
                }
                level.foresee(self.waiting.make_contiguous(), self.step);
            }
            while self.waiting.len() >= self.step {
                self.take_step(&mut level, out);
            }
            self.level = Some(level);
        }
    }

    /// Appends the rest to `out`, and tells how loud the voice was, if it said anything.
    pub(super) fn end(mut self, out: &mut Vec<f32>) -> Option<f32> {
        let mut level = self.level.take().or_else(|| {
            let samples = self.waiting.make_contiguous();
            let loudness = samples.chunks(self.step).map(rms).collect::<Vec<_>>();
            spoken_loudness(&loudness).map(Level::measured)
        })?;
        if self.loudness.is_empty() {
            level.foresee(self.waiting.make_contiguous(), self.step);
        }
        while !self.waiting.is_empty() {
            self.take_step(&mut level, out);
        }
        self.held.truncate(self.sound_end + TAIL_STEPS * self.step);
        let fade = (FADE_STEPS * self.step).min(self.held.len());
        for (n, sample) in self.held.iter_mut().rev().take(fade).enumerate() {
            *sample *= ramp(n, fade);
        }
        let rest = self.held.len();
        self.leave(rest, out);
        spoken_loudness(&self.loudness)
    }

    fn take_step(&mut self, level: &mut Level, out: &mut Vec<f32>) {
        let len = self.step.min(self.waiting.len());
        let mut samples: Vec<f32> = self.waiting.drain(..len).collect();
        let loudness = rms(&samples);
        self.loudness.push(loudness);
        let (before, gain) = (level.gain, level.next(loudness));
        let sounds = loudness * gain > SILENCE;
        for (n, sample) in (1_u16..).zip(&mut samples) {
            let along = f32::from(n) / len as f32;
            *sample = limit(*sample * (before + (gain - before) * along));
        }
        if self.held.is_empty() && !sounds {
            self.lead.extend(samples);
            let surplus = self.lead.len().saturating_sub(LEAD_STEPS * self.step);
            self.lead.drain(..surplus);
            return;
        }
        self.held.extend(self.lead.drain(..));
        self.held.extend(samples);
        if sounds {
            // What may yet have to be faded stays.
            let ready = self.held.len().saturating_sub(FADE_STEPS * self.step);
            self.leave(ready, out);
            self.sound_end = self.held.len();
        }
    }

    /// Lets the first `count` held samples go, raised from nothing at the start of the part.
    fn leave(&mut self, count: usize, out: &mut Vec<f32>) {
        let fade = FADE_STEPS * self.step;
        for sample in self.held.drain(..count) {
            out.push(if self.left < fade { sample * ramp(self.left, fade) } else { sample });
            self.left += 1;
        }
        self.sound_end = self.sound_end.saturating_sub(count);
    }
}

/// How loud a part is taken to be, and the gain that follows from it.
struct Level {
    gain: f32,
    known: f32,
    /// The power of the steps spoken, those that stand for what is known among them.
    power: f32,
    steps: f32,
    /// Steps to come that have been heard already.
    foreseen: usize,
}

impl Level {
    /// Of a part whose voice was so loud before.
    fn expected(known: f32) -> Self {
        let power = known * known * KNOWN_STEPS;
        Self { gain: gain(known), known, power, steps: KNOWN_STEPS, foreseen: 0 }
    }

    /// Of a part that has been measured as a whole: the gain stays.
    fn measured(known: f32) -> Self {
        Self { steps: f32::INFINITY, ..Self::expected(known) }
    }

    /// Hears the first steps of a part before they leave.
    fn foresee(&mut self, samples: &[f32], step: usize) {
        for samples in samples.chunks(step).take(FORESEEN_STEPS) {
            self.hear(rms(samples));
            self.foreseen += 1;
        }
    }

    /// The gain for the next step, of this loudness.
    fn next(&mut self, loudness: f32) -> f32 {
        if self.foreseen > 0 {
            self.foreseen -= 1;
        } else {
            self.hear(loudness);
        }
        self.gain
    }

    fn hear(&mut self, loudness: f32) {
        if loudness > self.known * SPOKEN && self.steps.is_finite() {
            self.power += loudness * loudness;
            self.steps += 1.0;
            self.gain = gain((self.power / self.steps).sqrt());
        }
    }
}

/// What is spoken is within 30 dB of the loudest step; its RMS.
fn spoken_loudness(loudness: &[f32]) -> Option<f32> {
    let loudest = loudness.iter().copied().fold(0.0, f32::max);
    if loudest < NOTHING || !loudest.is_finite() {
        return None;
    }
    let spoken: Vec<f32> =
        loudness.iter().copied().filter(|&level| level > loudest * 0.0316).collect();
    Some(rms(&spoken))
}

fn gain(loudness: f32) -> f32 {
    (LEVEL / loudness).min(MOST_GAIN)
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
}

fn limit(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample;
    }
    let room = CEILING - KNEE;
    (KNEE + room * (over / room).tanh()).copysign(sample)
}

/// From 0 to 1 in `len` samples, without a corner.
fn ramp(n: usize, len: usize) -> f32 {
    0.5 - 0.5 * (std::f32::consts::PI * n as f32 / len as f32).cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: u32 = 22_050;

    fn tone(seconds: f32, peak: f32) -> Vec<f32> {
        let len = (RATE as f32 * seconds) as usize;
        (0..len).map(|n| peak * (n as f32 * 0.1).sin()).collect()
    }

    fn padded(silence_s: f32, sound: &[f32]) -> Vec<f32> {
        let silence = vec![0.0; (RATE as f32 * silence_s) as usize];
        [&silence, sound, &silence].concat()
    }

    fn finished(samples: &[f32], loudness: Option<f32>, piece: usize) -> (Vec<f32>, Option<f32>) {
        let (mut finish, mut out) = (Finish::new(RATE, loudness), Vec::new());
        samples.chunks(piece).for_each(|piece| finish.push(piece, &mut out));
        let loudness = finish.end(&mut out);
        (out, loudness)
    }

    #[test]
    fn silence_around_the_words_goes_and_silence_between_them_stays() {
        let words = padded(0.4, &[tone(0.5, 0.3), vec![0.0; 11_025], tone(0.5, 0.3)].concat());
        for loudness in [None, Some(0.2)] {
            let (samples, _) = finished(&words, loudness, 1000);
            let seconds = samples.len() as f32 / RATE as f32;
            assert!((1.52..1.59).contains(&seconds), "{seconds}");
            let first = samples.iter().position(|s| s.abs() > 0.02).unwrap();
            assert!((first as f32) < RATE as f32 * 0.06, "{first}");
        }
    }

    #[test]
    fn loud_and_soft_voices_come_out_alike() {
        for peak in [0.03, 0.3, 1.0] {
            let (samples, loudness) = finished(&tone(1.0, peak), None, 5000);
            assert!((0.09..0.11).contains(&rms(&samples)), "{peak}: {}", rms(&samples));
            let (again, _) = finished(&tone(1.0, peak), loudness, 5000);
            assert!((0.09..0.11).contains(&rms(&again)));
        }
    }

    #[test]
    fn a_part_louder_or_softer_than_its_voice_is_brought_to_the_level_within_a_word() {
        for peak in [0.2, 0.28, 0.4] {
            let (samples, _) = finished(&tone(0.4, peak), Some(0.2), 500);
            let level = 20.0 * (rms(&samples) / LEVEL).log10();
            assert!(level.abs() < 1.5, "{peak}: {level} dB");
            let end =
                20.0 * (rms(&samples[samples.len() * 3 / 4..samples.len() - 500]) / LEVEL).log10();
            assert!(end.abs() < 1.0, "{peak}: {end} dB");
        }
    }

    #[test]
    fn a_known_voice_is_heard_before_it_has_finished() {
        let (mut finish, mut out) = (Finish::new(RATE, Some(0.2)), Vec::new());
        finish.push(&tone(0.3, 0.3), &mut out);
        assert!(out.len() as f32 > RATE as f32 * 0.25, "{}", out.len());
    }

    #[test]
    fn peaks_are_bent_not_cut() {
        let mut samples = tone(1.0, 0.02);
        samples[10_000] = 0.9;
        let (samples, _) = finished(&samples, None, 400);
        assert!(samples.iter().all(|s| s.abs() <= CEILING));
    }

    #[test]
    fn silence_is_nothing() {
        for silent in [vec![], vec![0.0; 5000], vec![1e-6; 5000], vec![f32::NAN; 500]] {
            for loudness in [None, Some(0.1)] {
                assert_eq!(finished(&silent, loudness, 300), (Vec::new(), None));
            }
        }
    }

    proptest! {
        #[test]
        fn any_sound_in_any_pieces_starts_and_ends_at_rest_within_bounds(
            samples in proptest::collection::vec(-3.0_f32..3.0, 0..3000),
            known in any::<bool>(),
            piece in 1_usize..700,
        ) {
            let loudness = known.then_some(0.5);
            let (out, _) = finished(&samples, loudness, piece);
            prop_assert!(out.iter().all(|s| s.abs() <= CEILING));
            if out.len() > 1 {
                prop_assert!(out[0].abs() < 1e-3);
                prop_assert!(out[out.len() - 1].abs() < 1e-3);
            }
            prop_assert_eq!(&out, &finished(&samples, loudness, 3000).0);
        }
    }
}
