//! smart-turn v3: has the caller finished, by the sound of the last 8 seconds?

mod mel;

use std::{
    collections::VecDeque, future::Future, path::PathBuf, pin::Pin, sync::Arc, task::Context,
};

use futures::{FutureExt, StreamExt};
use ort::{session::Session, value::TensorRef};
use trunkline_inference::{
    EndOfTurn, Engine, Lane, ModelError, Priority, Progress, SlotId, Slots, lane::Load,
};

use self::mel::{FRAMES, LogMel, MELS};
use crate::runtime::{Runtime, engine_error};

/// The engine's name in errors and thread lists.
const ENGINE: &str = "smart-turn";
/// Questions at once on one lane; each is answered in turn, the first first.
const SLOTS: usize = 64;

/// Where smart-turn is and how much it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmartTurnConfig {
    /// The ONNX model, version 3 of smart-turn for CPUs (one file, 8.7 MB).
    pub model: PathBuf,
    /// Threads of the runtime; 1 by default. 2 answer sooner on an idle machine.
    pub threads: usize,
}

impl SmartTurnConfig {
    /// The defaults for the model at `model`.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self { model: model.into(), threads: 1 }
    }
}

/// smart-turn on its own lane. Cloning shares the lane.
///
/// A score above 0.5 says that the speaker has finished. On read speech cut short it is wrong four
/// times in ten, so it may shorten a wait but never end one alone.
#[derive(Clone)]
pub struct SmartTurn {
    lane: Lane<TurnEngine>,
}

impl SmartTurn {
    /// Loads the model, starts its lane, and scores silence once to warm up.
    pub fn load(runtime: &Runtime, config: &SmartTurnConfig) -> Result<Self, ModelError> {
        let (runtime, config) = (runtime.clone(), config.clone());
        let lane = Lane::start(ENGINE, Priority::WithAudio, move || {
            let session = runtime.open(&config.model, config.threads)?;
            let mut engine = TurnEngine::new(session);
            engine.score(&[]).map_err(engine_error(ENGINE))?;
            Ok(engine)
        })?;
        Ok(Self { lane })
    }
}

impl EndOfTurn for SmartTurn {
    fn score(
        &self,
        tail: Arc<[i16]>,
    ) -> Pin<Box<dyn Future<Output = Result<f32, ModelError>> + Send>> {
        let answer = self.lane.open(tail).into_future();
        answer
            .map(|(score, _)| score.unwrap_or(Err(ModelError::Stopped { engine: ENGINE })))
            .boxed()
    }

    fn lane_load(&self) -> Option<Arc<Load>> {
        Some(self.lane.load())
    }
}

/// The lane engine: one question at a time, the oldest first.
struct TurnEngine {
    session: Session,
    mel: LogMel,
    features: Vec<f32>,
    tails: Vec<Option<Arc<[i16]>>>,
    asked: VecDeque<SlotId>,
}

impl TurnEngine {
    fn new(session: Session) -> Self {
        Self {
            session,
            mel: LogMel::new(),
            features: vec![0.0; MELS * FRAMES],
            tails: vec![None; SLOTS],
            asked: VecDeque::with_capacity(SLOTS),
        }
    }

    fn score(&mut self, tail: &[i16]) -> ort::Result<f32> {
        self.mel.features(tail, &mut self.features);
        let input = TensorRef::from_array_view(([1, MELS, FRAMES], self.features.as_slice()))?;
        let outputs = self.session.run(ort::inputs![input])?;
        let (_, scores) = outputs[0].try_extract_tensor::<f32>()?;
        Ok(scores.first().copied().unwrap_or(0.0).clamp(0.0, 1.0))
    }
}

impl Engine for TurnEngine {
    type Job = Arc<[i16]>;
    type Piece = f32;

    fn slots(&self) -> usize {
        SLOTS
    }

    fn admit(&mut self, slot: SlotId, job: Arc<[i16]>) {
        self.tails[slot] = Some(job);
        self.asked.push_back(slot);
    }

    fn step(&mut self, slots: &mut Slots<f32>, _: &mut Context<'_>) -> Progress {
        let Some(slot) = self.asked.pop_front() else { return Progress::Idle };
        let Some(tail) = self.tails[slot].take() else { return Progress::More };
        slots.stepped(1);
        match self.score(&tail) {
            Ok(score) => {
                slots.emit(slot, score);
                slots.finish(slot);
            }
            Err(error) => slots.fail(slot, engine_error(ENGINE)(error)),
        }
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.tails[slot] = None;
        self.asked.retain(|&asked| asked != slot);
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::testbed;

    fn smart_turn() -> SmartTurn {
        let model = testbed::model("smart-turn-v3.2/smart-turn.onnx");
        SmartTurn::load(&testbed::runtime(), &SmartTurnConfig::new(model)).unwrap()
    }

    /// The scores that the reference implementation, in Python, gives for these clips, whole and cut
    /// at 60 %.
    const REFERENCE: [(&str, f32, f32); 6] = [
        ("jfk", 0.8171, 0.0157),
        ("arctic_aew__cmu_arctic_us_aew_a0001", 0.9816, 0.1357),
        ("libri3005__3005-163389-0001", 0.6957, 0.9357),
        ("sb_spk1__spk1_snt1", 0.0191, 0.0575),
        ("cards__001", 0.9880, 0.9719),
        ("goforward", 0.9865, 0.9140),
    ];

    #[test]
    #[ignore = "needs models"]
    fn real_scores_are_those_of_the_reference() {
        let smart_turn = smart_turn();
        for (name, whole, cut) in REFERENCE {
            let Some(clip) = testbed::clip(name) else { return };
            let part = clip.get(..clip.len() * 6 / 10).unwrap();
            for (sound, expected) in [(&clip[..], whole), (part, cut)] {
                let score = block_on(smart_turn.score(sound.into())).unwrap();
                // The quantised model moves this far when its input changes in the sixth digit.
                assert!((score - expected).abs() < 0.12, "{name}: {score} {expected}");
            }
        }
    }

    #[test]
    #[ignore = "needs models"]
    fn real_scores_cost_what_is_printed() {
        for threads in [1, 2] {
            let model = testbed::model("smart-turn-v3.2/smart-turn.onnx");
            let session = testbed::runtime().open(&model, threads).unwrap();
            let mut engine = TurnEngine::new(session);
            let sound = testbed::noise(128_000, 3000);
            engine.score(&sound).unwrap();
            let started = testbed::process_time();
            (0..20).for_each(|_| drop(engine.score(&sound)));
            let all = testbed::process_time().saturating_sub(started) / 20;
            let started = testbed::process_time();
            (0..20).for_each(|_| engine.mel.features(&sound, &mut engine.features));
            let mel = testbed::process_time().saturating_sub(started) / 20;
            println!("{threads} threads: {all:?} of processor a score, {mel:?} of it mel");
        }
    }

    #[test]
    #[ignore = "needs models"]
    fn real_questions_at_once_are_all_answered() {
        let smart_turn = smart_turn();
        let sound: Arc<[i16]> = testbed::noise(32_000, 1000).into();
        let scores: Vec<_> = (0..10).map(|_| smart_turn.score(Arc::clone(&sound))).collect();
        let scores: Vec<f32> = scores.into_iter().map(|s| block_on(s).unwrap()).collect();
        assert!(scores.iter().all(|score| (score - scores[0]).abs() < 1e-6));
    }
}
