//! One call's ears: voice activity on every frame, a recognizer while somebody speaks.

use std::{
    collections::VecDeque,
    future::{Future, pending, poll_fn},
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    ModelError, Party, SttInput, SttOptions, Transcript, TranscriptStream, VadScore, VadStream,
};
use trunkline_turn::{DetectorConfig, Evidence, SpeechDetector, SpeechEdge, Taking};

use crate::{Agent, Models};

mod past;

use past::Past;

/// Frames on their way to the voice-activity lane, 5 s. When full the new frame is dropped and counted.
const VAD_QUEUE: usize = 250;
/// Frames and questions on their way to the recognizer, 60 s. When full the new frame is dropped and counted.
const STT_QUEUE: usize = 3000;
/// Sound kept from before speech was noticed: voice activity takes about 100 ms to be sure, and the
/// recognizer wants to hear the first consonant whole.
const PRE_ROLL: Duration = Duration::from_millis(500);
/// Turns whose words are awaited after they were committed. When full the oldest is given up: the
/// conversation no longer waits for it.
const COMMITTED: usize = 16;

/// What the ears noticed.
#[derive(Debug)]
pub(crate) enum Noticed {
    /// Voice activity began or ended.
    Edge(SpeechEdge),
    /// Voice activity goes on.
    Voice { voiced: Duration },
    /// One more window without a change.
    Nothing,
    /// Words.
    Words(Transcript),
    /// The recognizer failed.
    Failed(ModelError),
    /// The voice activity failed: nothing more will be noticed.
    Deaf(ModelError),
    /// The words of a turn that was committed with this question, or why there are none.
    Committed { ask: u32, words: Result<String, String> },
    /// The end-of-turn model's judgement.
    EndScored(f32),
}

type Score = Pin<Box<dyn Future<Output = Result<f32, ModelError>> + Send>>;

pub(crate) struct Hearing {
    models: Models,
    options: SttOptions,
    sense: Sense,
    is_deaf: bool,
    turn: Option<Turn>,
    manual: Manual,
    score: Option<Score>,
    past: Past,
}

/// Voice activity and what is made of it.
struct Sense {
    feed: mpsc::Sender<Frame>,
    vad: VadStream,
    config: DetectorConfig,
    detector: SpeechDetector,
}

/// The recognizer at work on one turn.
struct Turn {
    feed: mpsc::Sender<SttInput>,
    words: TranscriptStream,
}

/// Turns that a program ends.
#[derive(Default)]
struct Manual {
    /// Whether it does: voice activity is not looked for then.
    is_on: bool,
    /// Whether the recognizer is to be opened at the next sound.
    is_next: bool,
    /// Why the turn so far is lost, if it is.
    lost: Option<String>,
    /// Turns that are over, and what was asked about them.
    committed: VecDeque<(u32, Turn)>,
}

impl Hearing {
    pub(crate) fn new(
        models: Models,
        party: Party,
        language: Option<String>,
        config: DetectorConfig,
    ) -> Self {
        let (vad_feed, frames) = mpsc::channel(VAD_QUEUE);
        let vad = models.vad.listen(Box::pin(ReceiverStream::new(frames)));
        let options = SttOptions { language, partials: true, party, ..SttOptions::default() };
        Self {
            models,
            options,
            sense: Sense {
                feed: vad_feed,
                vad,
                detector: SpeechDetector::new(config.clone()),
                config,
            },
            is_deaf: false,
            turn: None,
            manual: Manual::default(),
            score: None,
            past: Past::default(),
        }
    }

    /// Listens as `agent` does from here on; a turn under way is heard out as before. True when voice
    /// activity is looked for anew, and what went on is forgotten.
    pub(crate) fn listen_as(&mut self, agent: &Agent) -> bool {
        self.options.language.clone_from(&agent.language);
        self.options.prompt.clone_from(&agent.hints);
        let is_manual = agent.turn.taking == Taking::Manual;
        let is_another = self.sense.config != agent.detector || self.manual.is_on != is_manual;
        if is_another {
            self.sense.config = agent.detector.clone();
            self.sense.detector = SpeechDetector::new(agent.detector.clone());
            self.past.last_window = self.past.heard_to();
        }
        if self.manual.is_on != is_manual {
            self.manual.is_on = is_manual;
            self.settle();
        }
        is_another
    }

    /// What was heard up to now belongs to no turn any more.
    pub(crate) fn settle(&mut self) {
        self.past.settled = self.past.heard_to();
        self.manual.lost = None;
    }

    /// How much was heard since the last turn was committed or cleared.
    pub(crate) fn unsettled(&self) -> Duration {
        self.past.heard_to().since(self.past.settled).to_duration()
    }

    /// Takes 20 ms of sound.
    pub(crate) fn hear(&mut self, now: Instant, frame: Frame) {
        let mut full = !self.manual.is_on && self.sense.feed.try_send(frame.clone()).is_err();
        if self.manual.is_next {
            self.manual.is_next = false;
            self.past.turn_from = self.past.heard_to();
            self.begin_turn();
        }
        if let Some(turn) = &self.turn {
            full |= turn.feed.try_send(SttInput::Frame(frame.clone())).is_err();
        }
        self.past.push(now, frame, full);
    }

    /// Has the recognizer listen to a turn, from a little before now.
    pub(crate) fn open(&mut self) {
        self.past.mark_turn(PRE_ROLL);
        self.begin_turn();
    }

    /// Has the recognizer listen to a turn from the next sound on.
    pub(crate) fn open_next(&mut self) {
        self.manual.is_next = true;
    }

    fn begin_turn(&mut self) {
        let (feed, inputs) = mpsc::channel(STT_QUEUE);
        for frame in self.past.turn() {
            // The queue is empty and longer than the pre-roll.
            drop(feed.try_send(SttInput::Frame(frame.clone())));
        }
        let words =
            self.models.stt.transcribe(Box::pin(ReceiverStream::new(inputs)), &self.options);
        self.turn = Some(Turn { feed, words });
    }

    /// Forgets the turn.
    pub(crate) fn shut(&mut self) {
        self.turn = None;
        self.manual.is_next = false;
        self.sense.detector.reset_evidence();
    }

    /// The turn is what was heard up to now: asks the recognizer for its words and listens no more to
    /// it. What the words are lost by, if they are.
    pub(crate) fn commit(&mut self, ask: u32) -> Result<(), String> {
        let turn = self.turn.take();
        let lost = self.manual.lost.take();
        self.shut();
        self.settle();
        let deaf = || lost.unwrap_or_else(|| "the recognizer is not listening".to_owned());
        let turn = turn.ok_or_else(deaf)?;
        let asked = turn.feed.try_send(SttInput::Finalize { ask });
        asked.map_err(|_| "the recognizer cannot keep up".to_owned())?;
        if self.manual.committed.len() == COMMITTED {
            self.manual.committed.pop_front();
        }
        self.manual.committed.push_back((ask, turn));
        Ok(())
    }

    /// Asks the recognizer for what it has. False when it cannot be asked.
    pub(crate) fn finalize(&mut self, ask: u32) -> bool {
        self.turn.as_ref().is_some_and(|t| t.feed.try_send(SttInput::Finalize { ask }).is_ok())
    }

    /// Has the end-of-turn model judge the last seconds; the answer has time until `needed`.
    pub(crate) fn score_end(&mut self, needed: Instant) {
        if let Some(model) = &self.models.end_of_turn {
            self.score = Some(model.score(self.past.tail(), needed));
        }
    }

    /// What voice activity says of the turn so far.
    pub(crate) fn evidence(&self) -> Evidence {
        self.sense.detector.evidence()
    }

    /// Where in the caller's sound the moment `at` lies.
    pub(crate) fn media_time(&self, at: Instant) -> MediaTime {
        let Some((heard_at, end)) = self.past.heard_at else { return MediaTime::ZERO };
        let ago = heard_at.saturating_duration_since(at);
        end.since(MediaTime::from_ms(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Waits for something to notice. Cancel-safe.
    pub(crate) async fn notice(&mut self) -> Noticed {
        tokio::select! {
            biased;
            score = self.sense.vad.next(), if !self.is_deaf => match score {
                Some(Ok(score)) => self.judge(score),
                Some(Err(error)) => self.go_deaf(error),
                // Its sound has not ended, so neither may its verdicts.
                None => self.go_deaf(ModelError::Stopped { engine: "voice activity" }),
            },
            words = next_words(&mut self.turn) => match words {
                Ok(words) => Noticed::Words(words),
                Err(error) => {
                    self.turn = None;
                    self.lose(error)
                }
            },
            committed = next_committed(&mut self.manual.committed) => committed,
            score = next_score(&mut self.score) => {
                self.score = None;
                match score {
                    Ok(probability) => Noticed::EndScored(probability),
                    // The turn ends by silence and words alone.
                    Err(error) => {
                        tracing::warn!(%error, "the end-of-turn model failed; going by silence and words");
                        Noticed::Nothing
                    }
                }
            },
        }
    }

    fn go_deaf(&mut self, error: ModelError) -> Noticed {
        self.is_deaf = true;
        Noticed::Deaf(error)
    }

    /// The recognizer failed. A program that ends turns learns of it when it ends this one.
    fn lose(&mut self, error: ModelError) -> Noticed {
        if !self.manual.is_on {
            return Noticed::Failed(error);
        }
        tracing::error!(%error, "the recognizer failed over a turn");
        self.manual.lost = Some(error.to_string());
        Noticed::Nothing
    }

    fn judge(&mut self, score: VadScore) -> Noticed {
        let window = score.end.since(self.past.last_window).to_duration();
        self.past.last_window = score.end;
        let level = self.past.level_before(score.end);
        let Some(at) = self.past.instant_of(score.end) else { return Noticed::Nothing };
        match self.sense.detector.push(score.probability, level, at, window) {
            Some(edge) => Noticed::Edge(edge),
            None if self.sense.detector.is_speaking() => {
                Noticed::Voice { voiced: self.sense.detector.evidence().voiced }
            }
            None => Noticed::Nothing,
        }
    }
}

async fn next_words(turn: &mut Option<Turn>) -> Result<Transcript, ModelError> {
    let Some(turn) = turn else { return pending().await };
    // Its sound has not ended, so neither may its words.
    turn.words.next().await.unwrap_or(Err(ModelError::Stopped { engine: "recognizer" }))
}

async fn next_committed(committed: &mut VecDeque<(u32, Turn)>) -> Noticed {
    let ready = poll_fn(|cx| {
        for (at, (_, turn)) in committed.iter_mut().enumerate() {
            if let Poll::Ready(words) = turn.words.poll_next_unpin(cx) {
                return Poll::Ready((at, words));
            }
        }
        Poll::Pending
    });
    let (at, words) = ready.await;
    let words = match words {
        // What it thought on the way.
        Some(Ok(words)) if words.ask.is_none() => return Noticed::Nothing,
        Some(Ok(words)) => Ok(words.text),
        Some(Err(error)) => Err(error.to_string()),
        None => Err(ModelError::Stopped { engine: "recognizer" }.to_string()),
    };
    let Some((ask, _)) = committed.remove(at) else { return Noticed::Nothing };
    Noticed::Committed { ask, words }
}

async fn next_score(score: &mut Option<Score>) -> Result<f32, ModelError> {
    match score {
        Some(score) => score.await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
