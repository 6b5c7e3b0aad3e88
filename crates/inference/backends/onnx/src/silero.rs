//! Silero VAD: the probability of speech in each 32 ms, for many calls in one batch.

mod batch;
mod ear;
mod engine;

use std::{path::PathBuf, pin::Pin, sync::Arc};

use futures::Stream;
use ort::{session::Session, value::TensorRef};
use trunkline_audio::Frame;
use trunkline_inference::{Lane, ModelError, Priority, VadStream, VoiceActivity, lane::Load};

use self::{
    batch::{Batch, ROW, STATE},
    engine::{Network, VadEngine},
};
use crate::runtime::{Runtime, engine_error};

/// The engine's name in errors and thread lists.
const ENGINE: &str = "silero-vad";
/// What Silero hears.
const RATE_HZ: u32 = 16_000;

/// Where Silero VAD is and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SileroConfig {
    /// The ONNX model, version 5 or 6 of Silero VAD (one file, 2.3 MB).
    pub model: PathBuf,
    /// Threads of the runtime; 1 by default, more do not help a model this small.
    pub threads: usize,
    /// Calls listened to at once; 256 by default. More wait for a free slot.
    pub slots: usize,
}

impl SileroConfig {
    /// The defaults for the model at `model`.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self { model: model.into(), threads: 1, slots: 256 }
    }
}

/// Silero VAD on its own lane. Cloning shares the lane.
///
/// Scores windows of 512 samples at 16 kHz. A frame at another rate ends its stream with
/// [`ModelError::BadRequest`]; a rest shorter than a window at the end of the stream is not scored.
#[derive(Clone)]
pub struct SileroVad {
    lane: Lane<VadEngine<Silero>>,
}

impl SileroVad {
    /// Loads the model and starts its lane.
    pub fn load(runtime: &Runtime, config: &SileroConfig) -> Result<Self, ModelError> {
        let (runtime, config) = (runtime.clone(), config.clone());
        let lane = Lane::start(ENGINE, Priority::WithAudio, move || {
            let session = runtime.open(&config.model, config.threads)?;
            Ok(VadEngine::new(Silero { session }, config.slots.max(1)))
        })?;
        Ok(Self { lane })
    }
}

impl VoiceActivity for SileroVad {
    fn listen(&self, audio: Pin<Box<dyn Stream<Item = Frame> + Send>>) -> VadStream {
        self.lane.open(audio)
    }

    fn lane_load(&self) -> Option<Arc<Load>> {
        Some(self.lane.load())
    }
}

struct Silero {
    session: Session,
}

impl Network for Silero {
    fn run(&mut self, batch: &mut Batch) -> Result<(), ModelError> {
        self.infer(batch).map_err(engine_error(ENGINE))
    }
}

impl Silero {
    fn infer(&mut self, batch: &mut Batch) -> ort::Result<()> {
        let rows = batch.rows();
        let rate: [i64; 1] = [i64::from(RATE_HZ)];
        let outputs = self.session.run(ort::inputs![
            TensorRef::from_array_view(([rows, ROW], batch.sound()))?,
            TensorRef::from_array_view(([2, rows, STATE], batch.state()))?,
            TensorRef::from_array_view(([1_usize; 0], rate.as_slice()))?,
        ])?;
        let (_, probabilities) = outputs[0].try_extract_tensor::<f32>()?;
        let (_, state) = outputs[1].try_extract_tensor::<f32>()?;
        batch.take_results(probabilities, state);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, executor::block_on, stream};
    use trunkline_audio::MediaTime;

    use super::*;
    use crate::testbed;

    fn vad() -> SileroVad {
        let model = testbed::model("silero-vad/silero_vad.onnx");
        SileroVad::load(&testbed::runtime(), &SileroConfig::new(model)).unwrap()
    }

    fn scores(vad: &SileroVad, samples: &[i16]) -> Vec<f32> {
        let stream = vad.listen(Box::pin(stream::iter(testbed::frames(samples, RATE_HZ))));
        block_on(stream.map(|score| score.unwrap().probability).collect())
    }

    #[test]
    #[ignore = "needs models"]
    fn real_speech_is_speech_and_noise_is_not() {
        let vad = vad();
        let noise = testbed::noise(RATE_HZ as usize * 3, 300);
        let silent = scores(&vad, &noise);
        assert_eq!(silent.len(), noise.len() / 512);
        assert!(silent.iter().all(|&p| p < 0.5), "{silent:?}");
        let Some(speech) = testbed::clip("jfk") else { return };
        let heard = scores(&vad, &speech);
        let voiced = heard.iter().filter(|&&p| p > 0.5).count();
        assert!(voiced * 2 > heard.len(), "{voiced} of {}", heard.len());
    }

    #[test]
    #[ignore = "needs models"]
    fn real_scores_do_not_depend_on_who_else_is_listening() {
        let Some(speech) = testbed::clip("jfk") else { return };
        let vad = vad();
        let alone = scores(&vad, &speech);
        let crowd: Vec<_> = (0..40)
            .map(|call| {
                let samples = speech.get(call * 100..).unwrap();
                vad.listen(Box::pin(stream::iter(testbed::frames(samples, RATE_HZ))))
            })
            .collect();
        let together: Vec<f32> =
            block_on(crowd.into_iter().next().unwrap().map(|s| s.unwrap().probability).collect());
        assert_eq!(alone.len(), together.len());
        let furthest =
            alone.iter().zip(&together).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
        assert!(furthest < 0.01, "{furthest}");
    }

    #[test]
    #[ignore = "needs models"]
    fn real_window_costs_are_printed() {
        let runtime = testbed::runtime();
        let model = testbed::model("silero-vad/silero_vad.onnx");
        let mut network = Silero { session: runtime.open(&model, 1).unwrap() };
        for rows in [1, 8, 64, 200] {
            let mut batch = Batch::new(rows);
            let noise = testbed::noise(ROW, 3000);
            let sound: Vec<f32> = noise.iter().map(|&s| f32::from(s) / 32768.0).collect();
            for slot in 0..rows {
                batch.put(slot, &sound, &[0.0; 2 * STATE]);
            }
            batch.gather();
            network.run(&mut batch).unwrap();
            let runs = 400 / rows + 5;
            let started = testbed::process_time();
            for _ in 0..runs {
                network.run(&mut batch).unwrap();
            }
            let each = testbed::process_time().saturating_sub(started)
                / u32::try_from(runs * rows).unwrap();
            println!("batch {rows}: {each:?} of processor a window");
        }
        assert_eq!(MediaTime::from_samples(512, RATE_HZ), MediaTime::from_ms(32));
    }
}
