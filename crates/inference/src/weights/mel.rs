//! The mel filters of Whisper's ear: Slaney's scale and normalisation, 0 to 8 kHz, 400-point windows
//! at 16 kHz.

const RATE_HZ: f64 = 16_000.0;
const WINDOW: usize = 400;
/// Frequencies in a window's spectrum.
pub(super) const BINS: usize = WINDOW / 2 + 1;

/// Slaney's scale: linear up to here, logarithmic above.
const KNEE_HZ: f64 = 1000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
const KNEE_MEL: f64 = KNEE_HZ / HZ_PER_MEL;
/// 27 steps span a factor of 6.4 above the knee.
const STEPS: f64 = 27.0;
const SPAN: f64 = 6.4;

/// `mels` triangles of equal area, each over [`BINS`] frequencies: f32 `[mels][BINS]`, row by row.
#[expect(clippy::cast_possible_truncation, reason = "the model wants f32")]
pub(super) fn filterbank(mels: usize) -> Vec<f32> {
    let top = mel_of(RATE_HZ / 2.0);
    let edge = |i: usize| hz_of(top * index(i) / index(mels + 1));
    let mut filters = Vec::with_capacity(mels * BINS);
    for mel in 0..mels {
        let (low, peak, high) = (edge(mel), edge(mel + 1), edge(mel + 2));
        let area = 2.0 / (high - low);
        filters.extend((0..BINS).map(|bin| {
            let hz = index(bin) * RATE_HZ / index(WINDOW);
            let rise = (hz - low) / (peak - low);
            let fall = (high - hz) / (high - peak);
            (rise.min(fall).max(0.0) * area) as f32
        }));
    }
    filters
}

fn index(i: usize) -> f64 {
    f64::from(u32::try_from(i).unwrap_or(u32::MAX))
}

fn mel_of(hz: f64) -> f64 {
    if hz < KNEE_HZ { hz / HZ_PER_MEL } else { KNEE_MEL + (hz / KNEE_HZ).ln() * STEPS / SPAN.ln() }
}

fn hz_of(mel: f64) -> f64 {
    if mel < KNEE_MEL {
        mel * HZ_PER_MEL
    } else {
        KNEE_HZ * ((mel - KNEE_MEL) * SPAN.ln() / STEPS).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_goes_there_and_back() {
        for hz in [0.0, 440.0, 1000.0, 4000.0, 8000.0] {
            assert!((hz_of(mel_of(hz)) - hz).abs() < 1e-6);
        }
        assert!((mel_of(8000.0) - 45.245_640_471_924_965).abs() < 1e-9);
    }

    #[test]
    fn every_filter_hears_something_and_none_hears_the_edges() {
        for mels in [80, 128] {
            let filters = filterbank(mels);
            assert_eq!(filters.len(), mels * BINS);
            for row in filters.chunks(BINS) {
                assert!(row.iter().sum::<f32>() > 0.0);
                assert!(row[0].abs() < f32::EPSILON);
            }
        }
    }

    #[test]
    fn wide_filters_have_equal_area() {
        let filters = filterbank(80);
        let area = |mel: usize| filters[mel * BINS..(mel + 1) * BINS].iter().sum::<f32>() * 40.0;
        for mel in 60..80 {
            assert!((area(mel) - 1.0).abs() < 0.03, "{mel}: {}", area(mel));
        }
    }
}
