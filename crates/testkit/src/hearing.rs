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
    EndOfTurn, HearingStream, ModelError, Segment, SpeechToText, SttDetail, SttInput, SttOptions,
    SttToken, Transcript, TranscriptStream, VadScore, VadStream, VoiceActivity, Word,
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

/// The log-probability of everything that a [`FakeStt`] hears.
const LOGPROB: f32 = -0.2;

/// Hears what its caller says, some time after it is asked or its stream ends.
///
/// Where detail is wanted, all of it is one segment from the stream's start to its end, and its words
/// are spread evenly over it.
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

    fn answer(
        &self,
        ask: Option<u32>,
        sound: &Sound,
        options: &SttOptions,
    ) -> Result<Transcript, ModelError> {
        let (from, to) = (sound.from.unwrap_or_default(), sound.to);
        let text = match &self.hears {
            Hears::World(world) => world.words(from, to),
            Hears::Sentence(sentence) if sound.is_loud => (*sentence).to_owned(),
            Hears::Sentence(_) => String::new(),
            Hears::Nothing => return Err(told_to_fail("fake stt")),
        };
        let end = to.since(from);
        Ok(Transcript {
            segments: segments(&text, end, options.detail),
            language: (!text.is_empty()).then(|| options.language.clone().unwrap_or("en".into())),
            text,
            ask,
            end,
            avg_logprob: LOGPROB,
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
    fn is_told(&self) -> bool {
        self.from.is_some() && self.to == self.told
    }

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
    fn transcribe(&self, audio: HearingStream, options: &SttOptions) -> TranscriptStream {
        let state = (Some(audio), Sound::default(), self.clone(), options.clone());
        let words = stream::unfold(state, |(mut audio, mut sound, stt, options)| async move {
            let ask = loop {
                match audio.as_mut()?.next().await {
                    Some(SttInput::Frame(frame)) => {
                        sound.push(&frame);
                        if stt.is_partial_due(&sound) {
                            break None;
                        }
                    }
                    Some(SttInput::Finalize { ask }) => {
                        tokio::time::sleep(stt.delay()).await;
                        break Some(ask);
                    }
                    None if sound.is_told() => return None,
                    None => {
                        tokio::time::sleep(stt.delay()).await;
                        audio = None;
                        break None;
                    }
                }
            };
            sound.told = sound.to;
            let answer = stt.answer(ask, &sound, &options);
            Some((answer, (audio, sound, stt, options)))
        });
        self.live.watch(words)
    }
}

/// One segment of all the text, with its words spread evenly.
fn segments(text: &str, end: MediaTime, detail: SttDetail) -> Vec<Segment> {
    if detail == SttDetail::Text || text.is_empty() {
        return Vec::new();
    }
    let texts: Vec<_> = text.split_whitespace().collect();
    let samples = end.to_samples(48_000);
    let at = |n: usize| MediaTime::from_samples(samples * n as u64 / texts.len() as u64, 48_000);
    let word =
        |(n, text): (usize, &&str)| Word { text: (*text).to_owned(), start: at(n), end: at(n + 1) };
    let words = texts.iter().enumerate().map(word);
    let token = |(id, word): (u32, &&str)| SttToken {
        id,
        bytes: format!(" {word}").into_bytes(),
        logprob: LOGPROB,
    };
    let segment = Segment {
        text: text.to_owned(),
        start: MediaTime::ZERO,
        end,
        tokens: (0..).zip(&texts).map(token).collect(),
        words: if detail == SttDetail::Words { words.collect() } else { Vec::new() },
        no_speech: 0.0,
    };
    vec![segment]
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn heard(detail: SttDetail, seconds: usize) -> Vec<Transcript> {
        let loud = |n: usize| {
            let at = MediaTime::from_ms(n as u64 * 20);
            SttInput::Frame(Frame::new(vec![8_000; 320], 16_000, at))
        };
        let inputs: Vec<_> = (0..seconds * 50).map(loud).collect();
        let stt = FakeStt::hearing("good morning all", Duration::from_millis(5));
        let options = SttOptions { detail, ..SttOptions::default() };
        let heard = stt.transcribe(Box::pin(stream::iter(inputs)), &options);
        heard.map(Result::unwrap).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_answered_once_at_its_end_with_words_spread_evenly() {
        let heard = heard(SttDetail::Words, 3).await;
        assert_eq!(heard.len(), 1);
        let [segment] = &heard[0].segments[..] else { panic!("one segment: {heard:?}") };
        let words: Vec<_> = segment.words.iter().map(|w| (w.text.as_str(), w.start)).collect();
        let at = |s: u64| MediaTime::from_ms(s * 1_000);
        assert_eq!(words, [("good", at(0)), ("morning", at(1)), ("all", at(2))]);
        assert_eq!((segment.end, segment.tokens.len()), (at(3), 3));
        assert_eq!(heard[0].language.as_deref(), Some("en"));
    }

    #[tokio::test(start_paused = true)]
    async fn detail_is_told_as_far_as_it_is_wanted() {
        assert_eq!(heard(SttDetail::Text, 3).await[0].segments, []);
        assert_eq!(heard(SttDetail::Segments, 3).await[0].segments[0].words, []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_without_sound_is_answered_with_nothing() {
        let heard = heard(SttDetail::Words, 0).await;
        assert_eq!((heard.len(), heard[0].text.as_str()), (1, ""));
        assert_eq!(heard[0].segments, []);
    }
}
