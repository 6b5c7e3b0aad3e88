//! Makes a model's sound fit to be heard: silence trimmed, level matched, seams faded.

/// Speech is brought to this level (RMS of what is not silence): -20 dBFS, as telephone prompts are.
const LEVEL: f32 = 0.1;
/// A model's whisper is not blown up further than this.
const MOST_GAIN: f32 = 8.0;
/// Above this the limiter bends the wave instead of letting it clip.
const KNEE: f32 = 0.7;
/// Sound this far below the loudest is silence: 40 dB.
const SILENCE: f32 = 0.01;
/// A model that is quieter than this has said nothing.
const NOTHING: f32 = 1e-4;
/// Loudness is looked at in steps of 5 ms: 200 a second.
const STEPS_PER_S: u32 = 200;
/// Steps kept before the first sound: 20 ms, for soft onsets.
const LEAD_STEPS: usize = 4;
/// Steps kept after the last sound: 50 ms, for the voice to die away.
const TAIL_STEPS: usize = 10;
/// Steps of the fade at either end: out of the lead, and into the tail.
const FADE_STEPS: usize = 2;

/// Trims, levels and fades `samples`; empties them where they are silent.
pub(super) fn finish(samples: &mut Vec<f32>, rate_hz: u32) {
    let step = (rate_hz / STEPS_PER_S).max(1) as usize;
    let loudness: Vec<f32> = samples.chunks(step).map(rms).collect();
    let loudest = loudness.iter().copied().fold(0.0, f32::max);
    if loudest < NOTHING || !loudest.is_finite() {
        samples.clear();
        return;
    }
    let sounds = |&level: &f32| level > loudest * SILENCE;
    let first = loudness.iter().position(sounds).unwrap_or(0).saturating_sub(LEAD_STEPS);
    let last = loudness.iter().rposition(sounds).unwrap_or(0) + 1 + TAIL_STEPS;
    samples.truncate(last * step);
    samples.drain(..first * step);
    level(samples, &loudness, loudest);
    fade(samples, step * FADE_STEPS);
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
}

/// Matches the level of what is spoken: steps within 30 dB of the loudest.
fn level(samples: &mut [f32], loudness: &[f32], loudest: f32) {
    let spoken: Vec<f32> =
        loudness.iter().copied().filter(|&level| level > loudest * 0.0316).collect();
    let gain = (LEVEL / rms(&spoken)).min(MOST_GAIN);
    for sample in samples {
        *sample = limit(*sample * gain);
    }
}

fn limit(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample;
    }
    let room = 0.98 - KNEE;
    (KNEE + room * (over / room).tanh()).copysign(sample)
}

/// Raises the start from nothing and lets the end sink to nothing, without a step.
fn fade(samples: &mut [f32], len: usize) {
    let len = len.min(samples.len() / 2);
    let gain = |n: usize| 0.5 - 0.5 * (std::f32::consts::PI * n as f32 / len as f32).cos();
    for n in 0..len {
        samples[n] *= gain(n);
    }
    for (n, sample) in samples.iter_mut().rev().take(len).enumerate() {
        *sample *= gain(n);
    }
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

    #[test]
    fn silence_around_the_words_goes() {
        let mut samples = padded(0.5, &tone(1.0, 0.3));
        finish(&mut samples, RATE);
        let seconds = samples.len() as f32 / RATE as f32;
        assert!((1.02..1.09).contains(&seconds), "{seconds}");
        let first = samples.iter().position(|s| s.abs() > 0.02).unwrap();
        assert!(first as f32 / (RATE as f32) < 0.06, "{first}");
    }

    #[test]
    fn loud_and_soft_voices_come_out_alike() {
        for peak in [0.03, 0.3, 1.0] {
            let mut samples = tone(1.0, peak);
            finish(&mut samples, RATE);
            let level = rms(&samples);
            assert!((0.09..0.11).contains(&level), "{peak}: {level}");
        }
    }

    #[test]
    fn peaks_are_bent_not_cut() {
        let mut samples = tone(1.0, 0.02);
        samples[10_000] = 0.9;
        finish(&mut samples, RATE);
        assert!(samples.iter().all(|s| s.abs() <= 0.98));
    }

    #[test]
    fn silence_is_nothing() {
        for mut silent in [vec![], vec![0.0; 5000], vec![1e-6; 5000], vec![f32::NAN; 500]] {
            finish(&mut silent, RATE);
            assert!(silent.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_sound_starts_and_ends_at_rest_within_bounds(
            samples in proptest::collection::vec(-3.0_f32..3.0, 0..3000)
        ) {
            let mut samples = samples;
            finish(&mut samples, RATE);
            prop_assert!(samples.iter().all(|s| s.abs() <= 0.98));
            if samples.len() > 1 {
                prop_assert!(samples[0].abs() < 1e-3);
                prop_assert!(samples[samples.len() - 1].abs() < 1e-3);
            }
        }
    }
}
