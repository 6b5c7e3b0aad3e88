//! Fake engines that listen.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    EndOfTurn, HearingStream, ModelError, SpeechToText, SttInput, SttOptions, Transcript,
    TranscriptStream, VadScore, VadStream, VoiceActivity,
};

use crate::World;

/// Finds voice activity by loudness, a score each 20 ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeVad;

impl VoiceActivity for FakeVad {
    fn listen(&self, audio: Pin<Box<dyn Stream<Item = Frame> + Send>>) -> VadStream {
        Box::pin(audio.map(|frame| {
            let loud = frame.samples().iter().any(|s| s.unsigned_abs() > 1000);
            Ok(VadScore { probability: if loud { 0.95 } else { 0.02 }, end: frame.end() })
        }))
    }
}

/// Hears what the caller of its world says, `delay` after it is asked.
#[derive(Clone, Debug)]
pub struct FakeStt {
    world: World,
    delay: Duration,
    fails: bool,
}

impl FakeStt {
    /// Hears `world`.
    pub fn new(world: World, delay: Duration) -> Self {
        Self { world, delay, fails: false }
    }

    /// Fails whenever it is asked.
    pub fn failing() -> Self {
        Self { world: World::new(&[]), delay: Duration::ZERO, fails: true }
    }
}

impl SpeechToText for FakeStt {
    fn transcribe(&self, audio: HearingStream, _: &SttOptions) -> TranscriptStream {
        let state = (audio, None::<(MediaTime, MediaTime)>, self.clone());
        Box::pin(stream::unfold(state, |(mut audio, mut span, stt)| async move {
            loop {
                match audio.next().await? {
                    SttInput::Frame(frame) => {
                        let from = span.map_or(frame.at(), |(from, _)| from);
                        span = Some((from, frame.end()));
                    }
                    SttInput::Finalize { ask } => {
                        tokio::time::sleep(stt.delay).await;
                        let answer = stt.answer(ask, span);
                        return Some((answer, (audio, span, stt)));
                    }
                }
            }
        }))
    }
}

impl FakeStt {
    fn answer(
        &self,
        ask: u32,
        span: Option<(MediaTime, MediaTime)>,
    ) -> Result<Transcript, ModelError> {
        if self.fails {
            return Err(ModelError::Engine { engine: "fake stt", reason: "told to fail".into() });
        }
        let (from, to) = span.unwrap_or_default();
        Ok(Transcript {
            text: self.world.words(from, to),
            ask: Some(ask),
            end: to.since(from),
            avg_logprob: -0.2,
            compression_ratio: 1.0,
            ..Transcript::default()
        })
    }
}

/// Always of the same opinion.
#[derive(Clone, Copy, Debug)]
pub struct FakeEndOfTurn(pub f32);

impl EndOfTurn for FakeEndOfTurn {
    fn score(
        &self,
        _: Arc<[i16]>,
    ) -> Pin<Box<dyn Future<Output = Result<f32, ModelError>> + Send>> {
        Box::pin(std::future::ready(Ok(self.0)))
    }
}
