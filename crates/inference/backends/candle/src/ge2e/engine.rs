//! The lane engine of speaker vectors: parts of all requests share runs.

use std::{sync::Arc, task::Context};

use rayon::ThreadPool;
use trunkline_inference::{Engine, ModelError, Progress, SlotId, Slots};

use super::{
    ENGINE,
    partials::{gain, starts},
};
use crate::{
    mel::Mel,
    network::{DIMENSIONS, Encoder, FRAMES, unit},
};

/// Requests at work at once; more wait in the lane's queue.
const SLOTS: usize = 32;
/// Parts in one run. A run cannot be stopped.
const RUN_PARTS: usize = 8;

/// A request at work.
struct Work {
    samples: Arc<[i16]>,
    gain: f32,
    /// First frames of the parts not looked at yet, the last first.
    parts: Vec<usize>,
    sum: Vec<f32>,
}

impl Work {
    fn new(samples: Arc<[i16]>) -> Self {
        let mut parts: Vec<usize> = starts(samples.len()).collect();
        parts.reverse();
        Self { gain: gain(&samples), samples, parts, sum: vec![0.0; DIMENSIONS] }
    }
}

/// Many requests, one encoder.
pub(crate) struct SpeakerEngine {
    encoder: Encoder,
    threads: ThreadPool,
    mel: Mel,
    spectrograms: Vec<f32>,
    works: Vec<Option<Work>>,
    /// The slot whose turn it is.
    next: SlotId,
}

impl SpeakerEngine {
    /// Makes an engine that computes on these threads.
    pub(crate) fn new(encoder: Encoder, threads: ThreadPool) -> Self {
        let works = (0..SLOTS).map(|_| None).collect();
        Self { encoder, threads, mel: Mel::new(), spectrograms: Vec::new(), works, next: 0 }
    }

    /// Takes parts for one run, one request after the other; the slot of each.
    fn gather(&mut self) -> Vec<SlotId> {
        let mut run = Vec::with_capacity(RUN_PARTS);
        self.spectrograms.clear();
        let mut misses = 0;
        while run.len() < RUN_PARTS && misses < SLOTS {
            let slot = self.next;
            self.next = (slot + 1) % SLOTS;
            let work = self.works[slot].as_mut();
            let Some((work, part)) =
                work.and_then(|work| work.parts.pop().map(|part| (work, part)))
            else {
                misses += 1;
                continue;
            };
            misses = 0;
            let sound = (&work.samples[..], work.gain);
            self.mel.append(sound, part, FRAMES, &mut self.spectrograms);
            run.push(slot);
        }
        run
    }

    fn add(&mut self, slot: SlotId, vector: &[f32]) {
        let Some(work) = &mut self.works[slot] else { return };
        for (sum, number) in work.sum.iter_mut().zip(vector) {
            *sum += number;
        }
    }

    fn fail(&mut self, slots: &mut Slots<Vec<f32>>, slot: SlotId, error: ModelError) {
        if self.works[slot].take().is_some() {
            slots.fail(slot, error);
        }
    }

    fn emit(&mut self, slots: &mut Slots<Vec<f32>>) {
        for (slot, work) in self.works.iter_mut().enumerate() {
            if let Some(work) = work.take_if(|work| work.parts.is_empty()) {
                slots.emit(slot, unit(work.sum));
                slots.finish(slot);
            }
        }
    }

    /// Refuses the requests without any sound.
    fn refuse(&mut self, slots: &mut Slots<Vec<f32>>) {
        for slot in 0..SLOTS {
            if self.works[slot].as_ref().is_some_and(|work| work.samples.is_empty()) {
                let reason = "there is no sound to know a voice by".to_owned();
                self.fail(slots, slot, ModelError::BadRequest(reason));
            }
        }
    }
}

impl Engine for SpeakerEngine {
    type Job = Arc<[i16]>;
    type Piece = Vec<f32>;

    fn slots(&self) -> usize {
        SLOTS
    }

    fn admit(&mut self, slot: SlotId, samples: Arc<[i16]>) {
        self.works[slot] = Some(Work::new(samples));
    }

    fn step(&mut self, slots: &mut Slots<Vec<f32>>, _: &mut Context<'_>) -> Progress {
        self.refuse(slots);
        let run = self.gather();
        if run.is_empty() {
            return Progress::Idle;
        }
        slots.stepped(run.len());
        let (encoder, spectrograms) = (&self.encoder, &self.spectrograms);
        match self.threads.install(|| encoder.run(spectrograms)) {
            Ok(vectors) => {
                for (&slot, vector) in run.iter().zip(&vectors) {
                    self.add(slot, vector);
                }
            }
            Err(error) => {
                let error = ModelError::Engine { engine: ENGINE, reason: error.to_string() };
                for slot in run {
                    self.fail(slots, slot, error.clone());
                }
            }
        }
        self.emit(slots);
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.works[slot] = None;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use candle_nn::{VarBuilder, VarMap};
    use futures::{FutureExt, StreamExt, executor::block_on};
    use trunkline_inference::{Lane, Priority};

    use super::*;
    use crate::testbed::{noise, tone};

    /// An engine whose weights are drawn by chance.
    fn engine() -> SpeakerEngine {
        let weights = VarMap::new();
        let weights = VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu);
        let threads = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        SpeakerEngine::new(Encoder::new(&weights).unwrap(), threads)
    }

    fn lane() -> Lane<SpeakerEngine> {
        Lane::start(ENGINE, Priority::BehindAudio, || Ok(engine())).unwrap()
    }

    #[test]
    fn requests_share_runs_and_none_keeps_another_waiting() {
        let mut engine = engine();
        engine.admit(3, noise(160_000, 5000).into());
        engine.admit(5, noise(16_000, 5000).into());
        let run = engine.gather();
        assert_eq!(run, [3, 5, 3, 3, 3, 3, 3, 3]);
        assert_eq!(engine.spectrograms.len(), RUN_PARTS * FRAMES * crate::mel::MELS);
    }

    #[test]
    fn all_are_answered_with_vectors_of_length_one_and_the_same_sound_with_the_same() {
        let lane = lane();
        let sounds = [tone(300.0, 40_000), noise(40_000, 5000), tone(300.0, 40_000)];
        let streams: Vec<_> = sounds.map(|sound| lane.open(sound.into())).into();
        let vectors: Vec<Vec<f32>> =
            streams.into_iter().map(|mut s| block_on(s.next()).unwrap().unwrap()).collect();
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!(vectors.iter().all(|vector| (product(vector, vector) - 1.0).abs() < 1e-4));
        assert!(product(&vectors[0], &vectors[2]) > 0.9999);
        assert!(product(&vectors[0], &vectors[1]) < 0.9999);
    }

    #[test]
    fn no_sound_is_refused_and_the_lane_goes_on() {
        let lane = lane();
        let refused = block_on(lane.open(Arc::from([])).next()).unwrap().unwrap_err();
        assert!(matches!(refused, ModelError::BadRequest(_)), "{refused}");
        assert!(block_on(lane.open(noise(800, 500).into()).next()).unwrap().is_ok());
    }

    #[test]
    fn dropping_the_future_stops_the_work() {
        let lane = lane();
        // Twenty minutes would take a minute or more.
        let mut endless = lane.open(noise(16_000 * 1200, 5000).into());
        drop(endless.next().now_or_never());
        drop(endless);
        let started = std::time::Instant::now();
        assert!(block_on(lane.open(noise(800, 500).into()).next()).unwrap().is_ok());
        assert!(started.elapsed().as_secs() < 30);
    }
}
