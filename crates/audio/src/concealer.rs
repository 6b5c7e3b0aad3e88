//! Packet loss concealment: the last pitch periods go on, and fade, while packets are missing.

/// Conceals lost sound at 8 kHz in the manner of ITU-T G.711, Appendix I.
///
/// Feed every received piece through [`receive`](Self::receive) and ask [`conceal`](Self::conceal)
/// for each missing one. The repeated part grows from one pitch period to three, which keeps long
/// losses from buzzing; after 10 ms the sound fades and is silent after 60 ms. Unlike the appendix
/// it adds no delay: where it would blend into samples already played, it lets the difference at
/// the seam die away instead.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// The last [`HISTORY`] samples that were played.
    history: Vec<f32>,
    loss: Option<Loss>,
}

#[derive(Clone, Debug)]
struct Loss {
    pitch: usize,
    /// What is repeated: one to three pitch periods, blended so that the end runs into the start.
    cycle: Vec<f32>,
    position: usize,
    /// How far the last received sample was from where the repetition takes up.
    seam: f32,
    /// Samples made up so far.
    length: usize,
    /// What was played when packets began to miss.
    before: Vec<f32>,
}

impl Concealer {
    /// Makes a concealer that has heard silence.
    pub fn new() -> Self {
        Self { history: vec![0.0; HISTORY], loss: None }
    }

    /// Takes received sound; after a loss its start is blended with what was made up.
    pub fn receive(&mut self, samples: &mut [i16]) {
        if let Some(mut loss) = self.loss.take() {
            let blend = (SHORTEST_BLEND + loss.length / 10 * 4).min(MAX_BLEND).min(samples.len());
            for (n, sample) in samples.iter_mut().take(blend).enumerate() {
                let share = (n + 1) as f32 / (blend + 1) as f32;
                let made_up = loss.next();
                *sample = (made_up + share * (f32::from(*sample) - made_up)).round() as i16;
            }
        }
        self.remember(samples.iter().map(|&sample| f32::from(sample)));
    }

    /// Makes up sound for a missing piece.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        let mut loss = self.loss.take().unwrap_or_else(|| Loss::begin(&self.history));
        for sample in samples.iter_mut() {
            *sample = loss.next().round().clamp(-32_768.0, 32_767.0) as i16;
        }
        self.loss = Some(loss);
        self.remember(samples.iter().map(|&sample| f32::from(sample)));
    }

    /// Forgets what was heard, as when another stream begins.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    fn remember(&mut self, samples: impl Iterator<Item = f32>) {
        self.history.extend(samples);
        let surplus = self.history.len() - HISTORY;
        self.history.drain(..surplus);
    }
}

impl Default for Concealer {
    fn default() -> Self {
        Self::new()
    }
}

impl Loss {
    fn begin(history: &[f32]) -> Self {
        let pitch = pitch_of(history);
        let seam = history[HISTORY - 1] - history[HISTORY - 1 - pitch];
        let before = history.to_vec();
        Self { pitch, cycle: cycle_of(history, pitch), position: 0, seam, length: 0, before }
    }

    fn next(&mut self) -> f32 {
        if self.length == GROW_EVERY || self.length == 2 * GROW_EVERY {
            self.grow();
        }
        let quarter = self.pitch / 4;
        let seam_left = quarter.saturating_sub(self.length) as f32 / quarter as f32;
        let value = self.cycle[self.position] + self.seam * seam_left;
        self.position = (self.position + 1) % self.cycle.len();
        self.length += 1;
        value * gain(self.length)
    }

    /// Repeats one pitch period more, from the same place within the period.
    fn grow(&mut self) {
        let periods = self.length / GROW_EVERY + 1;
        let place = self.position % self.pitch;
        let was = self.cycle[self.position];
        self.cycle = cycle_of(&self.before, self.pitch * periods);
        self.position = place;
        // A new seam, let to die away over a quarter period as the first one was.
        let difference = was - self.cycle[place];
        let quarter = self.pitch / 4;
        for n in 0..quarter {
            let at = (place + n) % self.cycle.len();
            self.cycle[at] += difference * (quarter - n) as f32 / quarter as f32;
        }
    }
}

/// Three of the longest pitch periods and a quarter: 48.75 ms.
const HISTORY: usize = 390;

/// 200 Hz and 66 Hz: the range of voices that the appendix searches.
const PITCH: std::ops::RangeInclusive<usize> = 40..=120;

/// 20 ms of sound are compared in the search.
const COMPARED: usize = 160;

/// 10 ms: when the repeated part grows, and the steps of the fade.
const GROW_EVERY: usize = 80;

/// 60 ms: where the fade ends.
const SILENT_AFTER: usize = 480;

/// 4 ms: the blend back after the shortest loss; 4 ms more for each 10 ms lost.
const SHORTEST_BLEND: usize = 32;

/// 10 ms: the longest blend.
const MAX_BLEND: usize = 80;

fn gain(length: usize) -> f32 {
    let left = SILENT_AFTER.saturating_sub(length) as f32;
    (left / (SILENT_AFTER - GROW_EVERY) as f32).min(1.0)
}

/// The last `length` samples, their end blended into what stands before their start.
fn cycle_of(history: &[f32], length: usize) -> Vec<f32> {
    let start = history.len() - length;
    let mut cycle = history[start..].to_vec();
    let quarter = (length / 4).min(*PITCH.end() / 4).min(start);
    for n in 0..quarter {
        let share = (n + 1) as f32 / (quarter + 1) as f32;
        let at = length - quarter + n;
        cycle[at] += share * (history[start - quarter + n] - cycle[at]);
    }
    cycle
}

/// The lag at which the last 20 ms look most like what was before them.
fn pitch_of(history: &[f32]) -> usize {
    let recent = &history[HISTORY - COMPARED..];
    let mut best = (*PITCH.end(), 0.0);
    for lag in PITCH {
        let earlier = &history[HISTORY - COMPARED - lag..HISTORY - lag];
        let product: f32 = recent.iter().zip(earlier).map(|(a, b)| a * b).sum();
        let energy: f32 = earlier.iter().map(|b| b * b).sum();
        let likeness = product / energy.max(1.0).sqrt();
        if likeness > best.1 * 1.0001 {
            best = (lag, likeness);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;
    use crate::level;

    /// A voice-like wave of 100 Hz with overtones.
    fn voice(from: usize, count: usize) -> Vec<i16> {
        (from..from + count)
            .map(|n| {
                let angle = TAU * n as f32 / 80.0;
                (5_000.0 * (angle.sin() + 0.5 * (2.0 * angle).sin() + 0.3 * (5.0 * angle).cos()))
                    as i16
            })
            .collect()
    }

    fn heard(concealer: &mut Concealer, packets: usize) {
        for n in 0..packets {
            concealer.receive(&mut voice(n * 160, 160));
        }
    }

    fn largest_step(samples: &[i16]) -> u16 {
        samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap_or(0)
    }

    #[test]
    fn received_sound_is_not_touched() {
        let mut concealer = Concealer::new();
        let mut samples = voice(0, 160);
        concealer.receive(&mut samples);
        assert_eq!(samples, voice(0, 160));
    }

    #[test]
    fn a_voice_goes_on_at_its_pitch() {
        let mut concealer = Concealer::new();
        heard(&mut concealer, 5);
        let mut made_up = [0; 80];
        concealer.conceal(&mut made_up);
        for (made_up, real) in made_up.iter().zip(voice(800, 80)) {
            assert!(made_up.abs_diff(real) < 700, "{made_up} for {real}");
        }
    }

    #[test]
    fn one_lost_packet_is_nearly_inaudible() {
        let mut concealer = Concealer::new();
        heard(&mut concealer, 5);
        let mut line = voice(640, 160);
        let mut lost = [0; 160];
        concealer.conceal(&mut lost);
        line.extend(lost);
        let mut next = voice(960, 160);
        concealer.receive(&mut next);
        line.extend(next);
        let clean = largest_step(&voice(0, 800));
        assert!(largest_step(&line) < clean * 3 / 2, "{} of {clean}", largest_step(&line));
        assert!(level::rms_dbfs(&lost) > level::rms_dbfs(&voice(0, 160)) - 3.0);
    }

    #[test]
    fn the_sound_fades_to_silence_after_60_ms() {
        let mut concealer = Concealer::new();
        heard(&mut concealer, 5);
        let levels: Vec<f32> = (0..4)
            .map(|_| {
                let mut lost = [0; 160];
                concealer.conceal(&mut lost);
                level::rms_dbfs(&lost)
            })
            .collect();
        assert!(levels.is_sorted_by(|a, b| a > b), "{levels:?}");
        assert!((levels[3] - level::SILENCE_DBFS).abs() < 0.1);
    }

    #[test]
    fn a_long_loss_joins_the_next_sound_without_a_click() {
        for lost_packets in 1..10 {
            let mut concealer = Concealer::new();
            heard(&mut concealer, 5);
            let mut line = Vec::new();
            for _ in 0..lost_packets {
                let mut lost = [0; 160];
                concealer.conceal(&mut lost);
                line.extend(lost);
            }
            let mut next = voice(800 + lost_packets * 160 + 33, 160);
            concealer.receive(&mut next);
            line.extend(next);
            let clean = largest_step(&voice(0, 800));
            assert!(
                largest_step(&line) < clean * 2,
                "{lost_packets} lost: {}",
                largest_step(&line)
            );
        }
    }

    #[test]
    fn silence_is_concealed_by_silence() {
        let mut concealer = Concealer::default();
        let mut lost = [1; 160];
        concealer.conceal(&mut lost);
        assert_eq!(lost, [0; 160]);
    }

    #[test]
    fn full_scale_and_noise_do_not_overflow() {
        let mut concealer = Concealer::new();
        for n in 0..200_i32 {
            let mut samples: Vec<i16> = (0..160)
                .map(|k| if (n * 31 + k * k * 17) % 7 < 3 { i16::MAX } else { i16::MIN })
                .collect();
            if n % 3 == 0 {
                concealer.conceal(&mut samples);
            } else {
                concealer.receive(&mut samples);
            }
        }
        concealer.reset();
        concealer.conceal(&mut [0; 7]);
    }
}
