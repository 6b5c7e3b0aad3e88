//! A Piper voice's network: a sentence's latent frames at once, then its sound stretch by stretch.

use std::path::Path;

use ort::{session::Session, value::TensorRef};
use trunkline_inference::ModelError;

use super::graph::{Halves, cut};
use crate::runtime::{Runtime, corrupt};

/// Frames of the first stretch, about 280 ms of sound: what stands between a text and its voice.
const FIRST_FRAMES: usize = 24;
/// Frames of the longest stretch, about 1.5 s. Each is twice as long as the one before up to here.
const MOST_FRAMES: usize = 128;
/// Frames seen on either side of a stretch, so that it sounds as in one piece: measured, the sound
/// differs by less than 1e-5 from 10 frames on.
const CONTEXT_FRAMES: usize = 12;

/// The network, cut in two where it can be.
pub(super) enum Network {
    /// Sound stretch by stretch.
    Cut {
        /// Symbols to frames.
        front: Session,
        /// Frames to sound.
        back: Session,
    },
    /// Sound all at once.
    Whole(Session),
}

/// A part of a clause between symbols and sound.
pub(crate) enum Latent {
    /// Frames, some of them said.
    Frames {
        /// `[width, frames]`.
        values: Vec<f32>,
        /// How many there are.
        frames: usize,
        /// How many have been said.
        said: usize,
        /// How many to say next.
        next: usize,
    },
    /// Sound that is whole already.
    Sound(Option<Vec<f32>>),
}

impl Network {
    /// Opens the model at `path`, cut in two unless it is built in an unknown way.
    pub(super) fn open(runtime: &Runtime, path: &Path, threads: usize) -> Result<Self, ModelError> {
        let bytes =
            std::fs::read(path).map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        if let Some(Halves { front, back }) = cut(&bytes) {
            let halves = runtime
                .open_bytes(&front, threads)
                .and_then(|front| Ok((front, runtime.open_bytes(&back, threads)?)));
            match halves {
                Ok((front, back)) => return Ok(Self::Cut { front, back }),
                Err(error) => tracing::debug!(%error, "the voice cannot be cut in two"),
            }
        }
        tracing::info!(path = %path.display(), "the voice is said in whole sentences");
        let session = runtime.open_bytes(&bytes, threads).map_err(|e| corrupt(path, e))?;
        Ok(Self::Whole(session))
    }

    /// Makes a part's frames from its symbols.
    pub(super) fn front(&mut self, ids: &[i64], scales: [f32; 3]) -> ort::Result<Latent> {
        let (session, whole) = match self {
            Self::Cut { front, .. } => (front, false),
            Self::Whole(session) => (session, true),
        };
        let lengths = [ids.len() as i64];
        let outputs = session.run(ort::inputs![
            TensorRef::from_array_view(([1, ids.len()], ids))?,
            TensorRef::from_array_view(([1], lengths.as_slice()))?,
            TensorRef::from_array_view(([3], scales.as_slice()))?,
        ])?;
        let (shape, values) = outputs[0].try_extract_tensor::<f32>()?;
        let values = values.to_vec();
        if whole {
            return Ok(Latent::Sound(Some(values)));
        }
        let frames = shape.last().map_or(0, |&frames| frames as usize);
        Ok(Latent::Frames { values, frames, said: 0, next: FIRST_FRAMES })
    }

    /// Makes the next stretch of sound; none when the part has been said.
    pub(super) fn back(&mut self, latent: &mut Latent) -> ort::Result<Option<Vec<f32>>> {
        let (values, frames, said, next) = match latent {
            Latent::Sound(sound) => return Ok(sound.take()),
            Latent::Frames { values, frames, said, next } => (values, *frames, said, next),
        };
        let Self::Cut { back, .. } = self else { return Ok(None) };
        if *said >= frames {
            return Ok(None);
        }
        let stretch = Stretch::new(*said, *next, frames);
        let input = stretch.of(values, frames);
        let shape = [1, input.len() / stretch.seen(), stretch.seen()];
        let outputs = back.run(ort::inputs![TensorRef::from_array_view((shape, &input[..]))?])?;
        let (_, sound) = outputs[0].try_extract_tensor::<f32>()?;
        let sound = stretch.without_context(sound);
        (*said, *next) = (stretch.end, (*next * 2).min(MOST_FRAMES));
        Ok(Some(sound))
    }
}

/// The frames `start..end`, seen with those from `first` to `last`.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    first: usize,
    start: usize,
    end: usize,
    last: usize,
}

impl Stretch {
    /// About `len` frames from `start` on; a short rest is taken along.
    fn new(start: usize, len: usize, frames: usize) -> Self {
        let end = if frames - start < len + len / 2 { frames } else { start + len };
        let first = start.saturating_sub(CONTEXT_FRAMES);
        Self { first, start, end, last: (end + CONTEXT_FRAMES).min(frames) }
    }

    /// How many frames the decoder sees.
    fn seen(&self) -> usize {
        self.last - self.first
    }

    /// The columns of `values`, `[width, frames]`, that the decoder sees.
    fn of(&self, values: &[f32], frames: usize) -> Vec<f32> {
        values.chunks_exact(frames).flat_map(|row| &row[self.first..self.last]).copied().collect()
    }

    /// The part of the decoder's `sound` that belongs to the stretch itself.
    fn without_context(&self, sound: &[f32]) -> Vec<f32> {
        let samples_a_frame = sound.len() / self.seen();
        let start = (self.start - self.first) * samples_a_frame;
        sound[start..start + (self.end - self.start) * samples_a_frame].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testbed;

    #[test]
    fn a_stretch_is_seen_with_its_neighbours_and_heard_without() {
        let stretch = Stretch::new(24, 4, 100);
        assert_eq!(stretch, Stretch { first: 12, start: 24, end: 28, last: 40 });
        let values: Vec<f32> = (0..200_u8).map(f32::from).collect();
        let seen = stretch.of(&values, 100);
        assert_eq!((seen.len(), seen[0], seen[28]), (56, 12.0, 112.0));
        let sound: Vec<f32> = (0..28 * 2_u8).map(f32::from).collect();
        assert_eq!(
            stretch.without_context(&sound),
            [24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 31.0]
        );
    }

    proptest! {
        #[test]
        fn stretches_cover_every_frame_once(frames in 1_usize..2000, len in 1_usize..200) {
            let mut said = 0;
            while said < frames {
                let stretch = Stretch::new(said, len, frames);
                prop_assert_eq!(stretch.start, said);
                prop_assert!(stretch.end > said && stretch.last <= frames);
                said = stretch.end;
            }
            prop_assert_eq!(said, frames);
        }
    }

    #[test]
    #[ignore = "needs models"]
    fn real_stretches_sound_as_one_piece() {
        let path = testbed::model("piper-en_US-joe-medium/voice.onnx");
        let mut network = Network::open(&testbed::runtime(), &path, 1).unwrap();
        let ids: Vec<i64> = [1, 0].into_iter().chain((0..120).map(|n| 14 + n * 7 % 90)).collect();
        let mut latent = network.front(&ids, [0.667, 1.0, 0.8]).unwrap();
        let Latent::Frames { values, frames, .. } = &latent else { panic!("not cut") };
        let all = Stretch { first: 0, start: 0, end: *frames, last: *frames };
        let Network::Cut { back, .. } = &mut network else { panic!("not cut") };
        let shape = [1, values.len() / frames, *frames];
        let input = TensorRef::from_array_view((shape, &values[..])).unwrap();
        let outputs = back.run(ort::inputs![input]).unwrap();
        let whole = all.without_context(outputs[0].try_extract_tensor::<f32>().unwrap().1);
        drop(outputs);
        let mut pieces = Vec::new();
        while let Some(sound) = network.back(&mut latent).unwrap() {
            pieces.extend(sound);
        }
        assert_eq!(pieces.len(), whole.len());
        let furthest = pieces.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 1e-4, "{furthest}");
    }
}
