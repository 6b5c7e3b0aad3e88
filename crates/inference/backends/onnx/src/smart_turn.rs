//! smart-turn v3: has the caller finished, by the sound of the last 8 seconds?

mod mel;

use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::Context,
    time::{Duration, Instant},
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
/// Questions at once on one lane. They wait for half a second each, so every call may have one.
const SLOTS: usize = 256;
/// A question is taken up when its answer is needed in this many times the time it takes.
const HEADROOM: u32 = 2;
/// And this much sooner: the thread has to be woken.
const WAKING: Duration = Duration::from_millis(10);
/// Answers given to nobody at start: the first takes longer than any later one.
const WARM_UPS: usize = 4;
/// Answers over which their duration is averaged.
const MEMORY: u32 = 4;

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
    /// Loads the model, starts its lane, and scores silence to warm up.
    pub fn load(runtime: &Runtime, config: &SmartTurnConfig) -> Result<Self, ModelError> {
        let (runtime, config) = (runtime.clone(), config.clone());
        let lane = Lane::start(ENGINE, Priority::WithAudio, move || {
            let session = runtime.open(&config.model, config.threads)?;
            let mut engine = TurnEngine::new(session);
            for _ in 0..WARM_UPS {
                engine.answer(&[]).map_err(engine_error(ENGINE))?;
            }
            Ok(engine)
        })?;
        Ok(Self { lane })
    }
}

impl EndOfTurn for SmartTurn {
    fn score(
        &self,
        tail: Arc<[i16]>,
        needed: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<f32, ModelError>> + Send>> {
        let answer = self.lane.open(Question { tail, needed }).into_future();
        answer
            .map(|(score, _)| score.unwrap_or(Err(ModelError::Stopped { engine: ENGINE })))
            .boxed()
    }

    fn lane_load(&self) -> Option<Arc<Load>> {
        Some(self.lane.load())
    }
}

/// What is to be judged, and by when.
struct Question {
    tail: Arc<[i16]>,
    needed: Instant,
}

/// The lane engine: one question at a time, the one first whose answer is needed first, and none long
/// before that. While a turn's end is waited for, recognizer and language model need the processor
/// more, and a caller who goes on makes the question void.
struct TurnEngine {
    session: Session,
    mel: LogMel,
    features: Vec<f32>,
    questions: Vec<Option<Question>>,
    /// How long answers take, on average.
    takes: Option<Duration>,
}

impl TurnEngine {
    fn new(session: Session) -> Self {
        Self {
            session,
            mel: LogMel::new(),
            features: vec![0.0; MELS * FRAMES],
            questions: (0..SLOTS).map(|_| None).collect(),
            takes: None,
        }
    }

    /// Scores and learns how long that takes.
    fn answer(&mut self, tail: &[i16]) -> ort::Result<f32> {
        let started = Instant::now();
        let score = self.score(tail)?;
        self.learn(started.elapsed());
        Ok(score)
    }

    fn score(&mut self, tail: &[i16]) -> ort::Result<f32> {
        self.mel.features(tail, &mut self.features);
        let input = TensorRef::from_array_view(([1, MELS, FRAMES], self.features.as_slice()))?;
        let outputs = self.session.run(ort::inputs![input])?;
        let (_, scores) = outputs[0].try_extract_tensor::<f32>()?;
        Ok(scores.first().copied().unwrap_or(0.0).clamp(0.0, 1.0))
    }

    /// One answer that had to share its core says little about the next.
    fn learn(&mut self, took: Duration) {
        let takes = self.takes.map_or(took, |takes| (takes * (MEMORY - 1) + took) / MEMORY);
        self.takes = Some(takes);
    }

    /// The question whose answer is needed first, and when to take it up.
    fn next(&self) -> Option<(SlotId, Instant)> {
        let questions = self.questions.iter().enumerate();
        let asked =
            questions.filter_map(|(slot, question)| Some((slot, question.as_ref()?.needed)));
        let (slot, needed) = asked.clone().min_by_key(|&(_, needed)| needed)?;
        let waiting = u32::try_from(asked.count()).unwrap_or(u32::MAX);
        Some((slot, starts_at(needed, self.takes.unwrap_or_default(), waiting)))
    }
}

/// When to begin with `waiting` questions of which the first is needed at `needed`.
fn starts_at(needed: Instant, takes: Duration, waiting: u32) -> Instant {
    let ahead = takes.saturating_mul(waiting.saturating_mul(HEADROOM)).saturating_add(WAKING);
    needed.checked_sub(ahead).unwrap_or(needed)
}

impl Engine for TurnEngine {
    type Job = Question;
    type Piece = f32;

    fn slots(&self) -> usize {
        SLOTS
    }

    fn admit(&mut self, slot: SlotId, question: Question) {
        self.questions[slot] = Some(question);
    }

    fn step(&mut self, slots: &mut Slots<f32>, _: &mut Context<'_>) -> Progress {
        let Some((slot, starts)) = self.next() else { return Progress::Idle };
        if Instant::now() < starts {
            return Progress::Until(starts);
        }
        let Some(question) = self.questions[slot].take() else { return Progress::More };
        slots.stepped(1);
        match self.answer(&question.tail) {
            Ok(score) => {
                slots.emit(slot, score);
                slots.finish(slot);
            }
            Err(error) => slots.fail(slot, engine_error(ENGINE)(error)),
        }
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.questions[slot] = None;
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::testbed;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_question_is_taken_up_as_late_as_its_answer_allows_and_sooner_when_more_wait() {
        let needed = Instant::now() + MS(1000);
        let ahead = |takes, waiting| needed.duration_since(starts_at(needed, takes, waiting));
        assert_eq!(ahead(MS(50), 1), MS(110));
        assert_eq!(ahead(MS(50), 4), MS(410));
        assert_eq!(starts_at(needed, Duration::MAX, u32::MAX), needed, "no such time");
    }

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
                let score = block_on(smart_turn.score(sound.into(), Instant::now())).unwrap();
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
    fn real_questions_are_answered_in_the_order_of_their_need_and_not_long_before() {
        let smart_turn = smart_turn();
        let sound: Arc<[i16]> = testbed::noise(32_000, 1000).into();
        let asked = Instant::now();
        let late = smart_turn.score(Arc::clone(&sound), asked + MS(3000));
        let soon = smart_turn.score(Arc::clone(&sound), asked + MS(1500));
        block_on(soon).unwrap();
        assert!(asked.elapsed() > MS(500), "it could wait: {:?}", asked.elapsed());
        assert!(late.now_or_never().is_none(), "this one can wait longer");
    }

    #[test]
    #[ignore = "needs models"]
    fn real_questions_at_once_are_all_answered() {
        let smart_turn = smart_turn();
        let sound: Arc<[i16]> = testbed::noise(32_000, 1000).into();
        let now = Instant::now();
        let scores: Vec<_> = (0..10).map(|_| smart_turn.score(Arc::clone(&sound), now)).collect();
        let scores: Vec<f32> = scores.into_iter().map(|s| block_on(s).unwrap()).collect();
        assert!(scores.iter().all(|score| (score - scores[0]).abs() < 1e-6));
    }
}
