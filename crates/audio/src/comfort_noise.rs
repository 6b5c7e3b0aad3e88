//! Comfort noise: a faint hiss, so that a silent line does not sound dead.

/// Makes comfort noise in the manner of RFC 3389, without its spectral coefficients.
///
/// The noise is soft towards high frequencies, as rooms are. Two generators with one seed make the
/// same noise.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    state: u64,
    amplitude: f32,
    smoothed: f32,
}

impl ComfortNoise {
    /// Makes a generator at -62 dB of full scale: audible as "the line is there", not as noise.
    pub fn new(seed: u64) -> Self {
        let mut noise = Self { state: seed ^ 0x9e37_79b9_7f4a_7c15, amplitude: 0.0, smoothed: 0.0 };
        noise.set_level(62);
        noise
    }

    /// Sets the level as the first byte of an RFC 3389 payload gives it: dB below overload, 0 to
    /// 127; above 127 counts as 127. Levels above -30 dB are not comfort and count as -30.
    pub fn set_level(&mut self, minus_dbov: u8) {
        let level = f32::from(minus_dbov.clamp(30, 127));
        self.amplitude = 32_768.0 * 10_f32.powf(-level / 20.0) * TO_AMPLITUDE;
    }

    /// Fills `samples`.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            self.smoothed += SMOOTHING * (self.uniform() - self.smoothed);
            *sample = (self.smoothed * self.amplitude).round() as i16;
        }
    }

    /// A number in -1..1 from a xorshift generator with multiplied output (Vigna 2016).
    fn uniform(&mut self) -> f32 {
        self.state = if self.state == 0 { 1 } else { self.state };
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let bits = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        bits as f32 / 8_388_608.0 - 1.0
    }
}

/// The share of each new value in the one-pole low pass.
const SMOOTHING: f32 = 0.5;

/// From root mean square to the amplitude of the uniform noise: the square root of 3, and what the
/// low pass takes away, the square root of (2 - 0.5) / 0.5.
const TO_AMPLITUDE: f32 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level;

    fn noise(seed: u64, minus_dbov: u8) -> Vec<i16> {
        let (mut samples, mut generator) = (vec![0; 16_000], ComfortNoise::new(seed));
        generator.set_level(minus_dbov);
        generator.fill(&mut samples);
        samples
    }

    #[test]
    fn the_level_is_the_one_asked_for() {
        for minus_dbov in [30, 40, 50, 62] {
            let level = level::rms_dbfs(&noise(1, minus_dbov));
            assert!((level + f32::from(minus_dbov)).abs() < 1.0, "{level} for -{minus_dbov}");
        }
        assert!(level::rms_dbfs(&noise(1, 0)) < -29.0);
        assert_eq!(level::peak(&noise(1, 127)), 0);
    }

    #[test]
    fn the_seed_decides_the_noise() {
        assert_eq!(noise(5, 50), noise(5, 50));
        assert_ne!(noise(5, 50), noise(6, 50));
        assert!(noise(0x9e37_79b9_7f4a_7c15, 40).iter().any(|sample| *sample != 0));
    }

    #[test]
    fn high_frequencies_are_softer() {
        let samples = noise(3, 40);
        let steps: Vec<i16> = samples.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // White noise would step 3 dB above its own level.
        assert!(level::rms_dbfs(&steps) < level::rms_dbfs(&samples) + 0.5);
    }

    #[test]
    fn it_has_no_constant_part() {
        let sum: i64 = noise(9, 40).iter().map(|&sample| i64::from(sample)).sum();
        assert!((sum / 16_000).abs() < 20);
    }
}
