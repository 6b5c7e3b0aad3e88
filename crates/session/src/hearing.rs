//! One call's ears: voice activity on every frame, a recognizer while somebody speaks.

use std::{
    collections::VecDeque,
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use trunkline_audio::{Frame, MediaTime, level};
use trunkline_inference::{
    ModelError, SttInput, SttOptions, Transcript, TranscriptStream, VadScore, VadStream,
};
use trunkline_turn::{DetectorConfig, Evidence, SpeechDetector, SpeechEdge};

use crate::Models;

/// Frames on their way to the voice-activity lane, 5 s. When full the new frame is dropped and counted.
const VAD_QUEUE: usize = 250;
/// Frames and questions on their way to the recognizer, 60 s. When full the new frame is dropped and counted.
const STT_QUEUE: usize = 3000;
/// Sound kept from before speech was noticed: voice activity takes about 100 ms to be sure, and the
/// recognizer wants to hear the first consonant whole.
const PRE_ROLL: Duration = Duration::from_millis(500);
/// What the end-of-turn model looks at.
const TAIL_SECONDS: usize = 8;
const HZ: usize = 16_000;

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
    /// The end-of-turn model's judgement.
    EndScored(f32),
}

type Score = Pin<Box<dyn Future<Output = Result<f32, ModelError>> + Send>>;

pub(crate) struct Hearing {
    models: Models,
    options: SttOptions,
    vad_feed: mpsc::Sender<Frame>,
    vad: VadStream,
    detector: SpeechDetector,
    is_deaf: bool,
    turn: Option<Turn>,
    score: Option<Score>,
    past: Past,
}

/// The recognizer at work on one turn.
struct Turn {
    feed: mpsc::Sender<SttInput>,
    words: TranscriptStream,
}

/// The last seconds of sound, and when they were heard.
#[derive(Default)]
struct Past {
    frames: VecDeque<Frame>,
    heard_at: Option<(Instant, MediaTime)>,
    /// Where the turn that is heard began.
    turn_from: MediaTime,
    dropped: u64,
    last_window: MediaTime,
}

impl Hearing {
    pub(crate) fn new(models: Models, language: Option<String>, config: DetectorConfig) -> Self {
        let (vad_feed, frames) = mpsc::channel(VAD_QUEUE);
        let vad = models.vad.listen(Box::pin(ReceiverStream::new(frames)));
        let options = SttOptions { language, partials: true, ..SttOptions::default() };
        Self {
            models,
            options,
            vad_feed,
            vad,
            detector: SpeechDetector::new(config),
            is_deaf: false,
            turn: None,
            score: None,
            past: Past::default(),
        }
    }

    /// Takes 20 ms of sound.
    pub(crate) fn hear(&mut self, now: Instant, frame: Frame) {
        let mut full = self.vad_feed.try_send(frame.clone()).is_err();
        if let Some(turn) = &self.turn {
            full |= turn.feed.try_send(SttInput::Frame(frame.clone())).is_err();
        }
        self.past.push(now, frame, full);
    }

    /// Has the recognizer listen to a turn, from a little before now.
    pub(crate) fn open(&mut self) {
        let (feed, inputs) = mpsc::channel(STT_QUEUE);
        self.past.mark_turn(PRE_ROLL);
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
        self.detector.reset_evidence();
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
        self.detector.evidence()
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
            score = self.vad.next(), if !self.is_deaf => match score {
                Some(Ok(score)) => self.judge(score),
                Some(Err(error)) => self.go_deaf(error),
                // Its sound has not ended, so neither may its verdicts.
                None => self.go_deaf(ModelError::Stopped { engine: "voice activity" }),
            },
            words = next_words(&mut self.turn) => match words {
                Ok(words) => Noticed::Words(words),
                Err(error) => {
                    self.turn = None;
                    Noticed::Failed(error)
                }
            },
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

    fn judge(&mut self, score: VadScore) -> Noticed {
        let window = score.end.since(self.past.last_window).to_duration();
        self.past.last_window = score.end;
        let level = self.past.level_before(score.end);
        let Some(at) = self.past.instant_of(score.end) else { return Noticed::Nothing };
        match self.detector.push(score.probability, level, at, window) {
            Some(edge) => Noticed::Edge(edge),
            None if self.detector.is_speaking() => {
                Noticed::Voice { voiced: self.detector.evidence().voiced }
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

async fn next_score(score: &mut Option<Score>) -> Result<f32, ModelError> {
    match score {
        Some(score) => score.await,
        None => pending().await,
    }
}

impl Past {
    fn push(&mut self, now: Instant, frame: Frame, full: bool) {
        if full {
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                tracing::warn!(frames = self.dropped, "the models cannot keep up: frames dropped");
            }
        }
        self.heard_at = Some((now, frame.end()));
        self.frames.push_back(frame);
        let keep = MediaTime::from_ms(TAIL_SECONDS as u64 * 1000);
        while self.frames.len() > 1
            && self
                .frames
                .back()
                .zip(self.frames.front())
                .is_some_and(|(b, f)| b.end().since(f.at()) > keep)
        {
            self.frames.pop_front();
        }
    }

    /// A turn begins, and began this long ago.
    fn mark_turn(&mut self, ago: Duration) {
        let ago = MediaTime::from_ms(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX));
        self.turn_from =
            self.heard_at.map_or(MediaTime::ZERO, |(_, end)| MediaTime::ZERO + end.since(ago));
    }

    /// The sound of the turn, as far as it is kept.
    fn turn(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(|frame| frame.at() >= self.turn_from)
    }

    /// The turn's last seconds. What was before it would only confuse: the model learned on turns
    /// with nothing before them.
    fn tail(&self) -> Arc<[i16]> {
        let mut samples = Vec::with_capacity(TAIL_SECONDS * HZ);
        for frame in self.turn() {
            samples.extend_from_slice(frame.samples());
        }
        let skip = samples.len().saturating_sub(TAIL_SECONDS * HZ);
        samples.split_off(skip).into()
    }

    fn instant_of(&self, media: MediaTime) -> Option<Instant> {
        let (now, end) = self.heard_at?;
        now.checked_sub(end.since(media).to_duration())
    }

    /// Loudness of the frame that ends at or just before `end`.
    fn level_before(&self, end: MediaTime) -> f32 {
        let frame = self.frames.iter().rev().find(|f| f.end() <= end);
        frame.map_or(-100.0, |f| level::rms_dbfs(f.samples()))
    }
}

#[cfg(test)]
mod tests;
