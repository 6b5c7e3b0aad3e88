//! How loud a window is, 20 ms by 20 ms: where the last voice is, and where to cut.

/// What every recognizer hears.
pub(crate) const RATE_HZ: u32 = 16_000;
/// Samples in a cell of 20 ms.
pub(crate) const CELL: usize = RATE_HZ as usize / 50;

/// Below this, 60 dB under full scale, nothing is voice.
const SILENCE: f32 = 0.001;
/// Voice is at least this much of the loudest cell (35 dB under it) ...
const OF_LOUDEST: f32 = 0.018;
/// ... and twice the noise, which is the level that a tenth of the cells stay under ...
const OVER_NOISE: f32 = 2.0;
/// ... but speech without a pause is no noise: 20 dB under the loudest is voice whatever the rest.
const SURELY_VOICE: f32 = 0.1;
/// Cells of the quiet spot that a window is cut at.
const CUT_CELLS: usize = 5;

/// The loudness of a growing window.
#[derive(Default)]
pub(crate) struct Loudness {
    cells: Vec<f32>,
    /// Samples of the cell being filled, squared and summed.
    partial: f32,
    partial_len: usize,
}

impl Loudness {
    /// Measures more samples.
    pub(crate) fn push(&mut self, samples: &[f32]) {
        for sample in samples {
            self.partial += sample * sample;
            self.partial_len += 1;
            if self.partial_len == CELL {
                #[expect(clippy::cast_precision_loss, reason = "a cell is short")]
                self.cells.push((self.partial / CELL as f32).sqrt());
                (self.partial, self.partial_len) = (0.0, 0);
            }
        }
    }

    /// Forgets everything before sample `cut`, a multiple of [`CELL`].
    pub(crate) fn forget_before(&mut self, cut: usize) {
        self.cells.drain(..(cut / CELL).min(self.cells.len()));
    }

    /// The sample after the last voice; 0 where there is none.
    pub(crate) fn voice_end(&self) -> usize {
        let threshold = self.threshold();
        self.cells.iter().rposition(|&c| c > threshold).map_or(0, |last| (last + 1) * CELL)
    }

    /// Which of the first `cells` are voice.
    pub(crate) fn voiced(&self, cells: usize) -> Vec<bool> {
        let threshold = self.threshold();
        self.cells.iter().take(cells).map(|&cell| cell > threshold).collect()
    }

    /// The middle of the quietest 100 ms that begin at sample `from` or after: a multiple of
    /// [`CELL`].
    pub(crate) fn quietest_after(&self, from: usize) -> usize {
        let first = (from / CELL).min(self.cells.len());
        let spots = self.cells[first..].windows(CUT_CELLS).map(|spot| spot.iter().sum::<f32>());
        let quietest = spots.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        quietest.map_or(self.cells.len(), |(at, _)| first + at + CUT_CELLS / 2) * CELL
    }

    fn threshold(&self) -> f32 {
        let loudest = self.cells.iter().fold(0.0_f32, |a, &b| a.max(b));
        let noise = (OVER_NOISE * self.noise()).min(loudest * SURELY_VOICE);
        SILENCE.max(loudest * OF_LOUDEST).max(noise)
    }

    fn noise(&self) -> f32 {
        let mut cells = self.cells.clone();
        let tenth = cells.len() / 10;
        if cells.is_empty() { 0.0 } else { *cells.select_nth_unstable_by(tenth, f32::total_cmp).1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells of these levels.
    fn loudness(levels: &[f32]) -> Loudness {
        let mut loudness = Loudness::default();
        for &level in levels {
            loudness.push(&[level; CELL]);
        }
        loudness
    }

    #[test]
    fn silence_has_no_voice() {
        assert_eq!(loudness(&[0.0; 50]).voice_end(), 0);
        assert_eq!(loudness(&[0.0005; 50]).voice_end(), 0);
        assert_eq!(loudness(&[]).voice_end(), 0);
    }

    #[test]
    fn voice_ends_where_the_level_falls() {
        let levels = [[0.002; 10], [0.2; 10], [0.002; 10]].concat();
        assert_eq!(loudness(&levels).voice_end(), 20 * CELL);
    }

    #[test]
    fn a_weak_last_sound_is_voice() {
        let levels = [vec![0.0005; 10], vec![0.2; 10], vec![0.01; 2], vec![0.0005; 10]].concat();
        assert_eq!(loudness(&levels).voice_end(), 22 * CELL);
    }

    #[test]
    fn speech_without_a_pause_is_voice_to_its_end() {
        assert_eq!(loudness(&[0.2; 40]).voice_end(), 40 * CELL);
    }

    #[test]
    fn steady_noise_under_speech_is_not_voice() {
        let levels = [[0.01; 10], [0.2; 10], [0.012; 10]].concat();
        assert_eq!(loudness(&levels).voice_end(), 20 * CELL);
    }

    #[test]
    fn the_cut_falls_into_the_pause() {
        let mut levels = vec![0.2; 100];
        levels[70..80].fill(0.01);
        let cut = loudness(&levels).quietest_after(50 * CELL);
        assert!((70 * CELL..80 * CELL).contains(&cut), "{cut}");
        assert_eq!(cut % CELL, 0);
    }

    #[test]
    fn voice_and_pauses_are_told_apart_cell_by_cell() {
        let levels = [[0.002; 2], [0.2; 2], [0.002; 2]].concat();
        assert_eq!(loudness(&levels).voiced(5), [false, false, true, true, false]);
    }

    #[test]
    fn what_was_forgotten_does_not_count() {
        let mut loudness = loudness(&[[0.2; 10], [0.0; 10]].concat());
        loudness.forget_before(10 * CELL);
        assert_eq!(loudness.voice_end(), 0);
    }

    #[test]
    fn samples_may_come_in_any_portions() {
        let mut loudness = Loudness::default();
        let samples = [0.2; 10 * CELL];
        samples.chunks(77).for_each(|portion| loudness.push(portion));
        assert_eq!(loudness.voice_end(), 10 * CELL);
    }
}
