//! Fake engines that listen.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, stream};
use trunkline_audio::{Frame, MediaTime, level};
use trunkline_inference::{
    EndOfTurn, HearingStream, ModelError, SpeechToText, SttInput, SttOptions, Transcript,
    TranscriptStream, VadScore, VadStream, VoiceActivity,
};

use crate::{Live, World, speaking::told_to_fail};

/// The peak from which a frame counts as sound: -30 dB of full scale.
const LOUD: u16 = 1000;

/// Finds voice activity by loudness, a score a frame.
#[derive(Clone, Debug, Default)]
pub struct FakeVad {
    fails: bool,
    live: Live,
}

impl FakeVad {
    /// Fails at once.
    pub fn failing() -> Self {
        Self { fails: true, ..Self::default() }
    }

    /// Its streams.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

impl VoiceActivity for FakeVad {
    fn listen(&self, audio: Pin<Box<dyn Stream<Item = Frame> + Send>>) -> VadStream {
        if self.fails {
            return self.live.watch(stream::iter([Err(told_to_fail("fake vad"))]));
        }
        self.live.watch(audio.map(|frame| {
            let probability = if is_loud(&frame) { 0.95 } else { 0.02 };
            Ok(VadScore { probability, end: frame.end() })
        }))
    }
}

/// Hears what its caller says, some time after it is asked.
#[derive(Clone, Debug)]
pub struct FakeStt {
    hears: Hears,
    delay: Duration,
    /// Added to the first answer of all.
    late_once: Arc<Mutex<Duration>>,
    partials_every: Option<Duration>,
    live: Live,
}

/// Where the words come from.
#[derive(Clone, Debug)]
enum Hears {
    /// The words that a world's caller says within the sound that was fed.
    World(World),
    /// Always these, when there was a sound.
    Sentence(&'static str),
    /// None: it fails.
    Nothing,
}

impl FakeStt {
    /// Hears `world`, `delay` after it is asked.
    pub fn new(world: World, delay: Duration) -> Self {
        Self::of(Hears::World(world), delay)
    }

    /// Hears `sentence` in whatever sounds.
    pub fn hearing(sentence: &'static str, delay: Duration) -> Self {
        Self::of(Hears::Sentence(sentence), delay)
    }

    /// Fails whenever it is asked.
    pub fn failing() -> Self {
        Self::of(Hears::Nothing, Duration::ZERO)
    }

    /// Says unasked what it has heard so far, each time that this much sound came.
    #[must_use]
    pub fn with_partials_every(self, span: Duration) -> Self {
        Self { partials_every: Some(span), ..self }
    }

    /// Gives its first answer of all this much later.
    #[must_use]
    pub fn late_once(self, late: Duration) -> Self {
        Self { late_once: Arc::new(Mutex::new(late)), ..self }
    }

    /// Its streams.
    pub fn live(&self) -> &Live {
        &self.live
    }

    fn delay(&self) -> Duration {
        let mut late = self.late_once.lock().unwrap_or_else(PoisonError::into_inner);
        self.delay + mem::take(&mut *late)
    }

    fn of(hears: Hears, delay: Duration) -> Self {
        Self {
            hears,
            delay,
            late_once: Arc::default(),
            partials_every: None,
            live: Live::default(),
        }
    }

    fn answer(&self, ask: Option<u32>, sound: &Sound) -> Result<Transcript, ModelError> {
        let (from, to) = (sound.from.unwrap_or_default(), sound.to);
        let text = match &self.hears {
            Hears::World(world) => world.words(from, to),
            Hears::Sentence(sentence) if sound.is_loud => (*sentence).to_owned(),
            Hears::Sentence(_) => String::new(),
            Hears::Nothing => return Err(told_to_fail("fake stt")),
        };
        Ok(Transcript {
            text,
            ask,
            end: to.since(from),
            avg_logprob: -0.2,
            compression_ratio: 1.0,
            worked: self.delay,
            ..Transcript::default()
        })
    }

    fn is_partial_due(&self, sound: &Sound) -> bool {
        self.partials_every.is_some_and(|span| sound.to.since(sound.told).to_duration() >= span)
    }
}

/// The sound that one stream was fed.
#[derive(Default)]
struct Sound {
    from: Option<MediaTime>,
    to: MediaTime,
    /// Up to where the last transcript went.
    told: MediaTime,
    is_loud: bool,
}

impl Sound {
    fn push(&mut self, frame: &Frame) {
        if self.from.is_none() {
            self.from = Some(frame.at());
            self.told = frame.at();
        }
        self.to = frame.end();
        self.is_loud |= is_loud(frame);
    }
}

impl SpeechToText for FakeStt {
    fn transcribe(&self, audio: HearingStream, _: &SttOptions) -> TranscriptStream {
        let state = (audio, Sound::default(), self.clone());
        let words = stream::unfold(state, |(mut audio, mut sound, stt)| async move {
            loop {
                let ask = match audio.next().await? {
                    SttInput::Frame(frame) => {
                        sound.push(&frame);
                        if !stt.is_partial_due(&sound) {
                            continue;
                        }
                        None
                    }
                    SttInput::Finalize { ask } => {
                        tokio::time::sleep(stt.delay()).await;
                        Some(ask)
                    }
                };
                sound.told = sound.to;
                let answer = stt.answer(ask, &sound);
                return Some((answer, (audio, sound, stt)));
            }
        });
        self.live.watch(words)
    }
}

/// Always of the same opinion.
#[derive(Clone, Copy, Debug)]
pub struct FakeEndOfTurn(pub f32);

impl EndOfTurn for FakeEndOfTurn {
    fn score(
        &self,
        _: Arc<[i16]>,
        _: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<f32, ModelError>> + Send>> {
        Box::pin(std::future::ready(Ok(self.0)))
    }
}

fn is_loud(frame: &Frame) -> bool {
    level::peak(frame.samples()) > LOUD
}
