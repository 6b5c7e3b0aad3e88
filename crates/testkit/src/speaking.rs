//! Fake engines that answer and speak.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    Chat, ChatModel, ClauseStream, ModelError, ReplyPiece, ReplyStream, SpeechPiece, SpeechStream,
    TextToSpeech, Voice, WordTiming,
};

/// Rate of everything spoken.
const HZ: u32 = 24_000;
/// How long each fake word sounds.
const WORD: Duration = Duration::from_millis(200);

/// Answers by rote, word by word, and remembers what it was asked.
#[derive(Clone, Debug)]
pub struct ScriptedLlm {
    replies: Arc<[String]>,
    /// From the request to the first word, and from word to word.
    delays: (Duration, Duration),
    asked: Arc<Mutex<Vec<Chat>>>,
}

impl ScriptedLlm {
    /// Gives `replies` in turn, the last one again and again; an empty list fails.
    pub fn new(replies: &[&str], first_word: Duration, each_word: Duration) -> Self {
        Self {
            replies: replies.iter().map(|&r| r.to_owned()).collect(),
            delays: (first_word, each_word),
            asked: Arc::default(),
        }
    }

    /// The chats it was asked to continue, those that only warm it up left out.
    pub fn asked(&self) -> Vec<Chat> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The reply to the `n`th question.
    fn text(&self, n: usize) -> Option<String> {
        self.replies.get(n).or(self.replies.last()).cloned()
    }
}

impl ChatModel for ScriptedLlm {
    fn reply(&self, chat: Chat) -> ReplyStream {
        if chat.options.max_tokens == 0 {
            return Box::pin(stream::empty());
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let text = self.text(asked.len());
        asked.push(chat);
        let (first, each) = self.delays;
        let Some(text) = text else {
            let failed = ModelError::Engine { engine: "fake llm", reason: "told to fail".into() };
            return Box::pin(stream::iter([Err(failed)]));
        };
        let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        Box::pin(stream::iter(words.into_iter().enumerate()).then(move |(n, word)| async move {
            tokio::time::sleep(if n == 0 { first } else { each }).await;
            Ok(ReplyPiece::Text(word))
        }))
    }
}

/// Speaks each word as 200 ms of tone, `delay` after it gets a clause.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeTts {
    /// From a clause to its audio.
    pub delay: Duration,
    /// Fails at the first clause.
    pub fails: bool,
}

impl TextToSpeech for FakeTts {
    fn speak(&self, clauses: ClauseStream, _: &Voice) -> SpeechStream {
        let Self { delay, fails } = *self;
        Box::pin(clauses.flat_map(move |clause| {
            let pieces = match clause {
                Ok(_) if fails => {
                    vec![Err(ModelError::Engine { engine: "fake tts", reason: "told to fail".into() })]
                }
                Ok(clause) => {
                    let names: Vec<&str> = clause.text.split_whitespace().collect();
                    let end = |n: usize| WORD * u32::try_from(n).unwrap_or(u32::MAX);
                    let words = names
                        .iter()
                        .enumerate()
                        .map(|(n, word)| WordTiming { word: (*word).to_owned(), end: end(n + 1) })
                        .collect();
                    let duration = end(names.len());
                    let mut pieces: Vec<_> = (0..names.len() * 10)
                        .map(|n| Ok(SpeechPiece::Audio(tone(n))))
                        .collect();
                    pieces.push(Ok(SpeechPiece::ClauseEnd { clause, duration, words }));
                    pieces
                }
                Err(error) => vec![Err(error)],
            };
            let late = stream::once(tokio::time::sleep(delay)).filter_map(|()| async { None });
            late.chain(stream::iter(pieces))
        }))
    }

    fn voices(&self) -> Vec<String> {
        vec!["fake".into()]
    }
}

/// The `n`th 20 ms of a tone.
fn tone(n: usize) -> Frame {
    let samples: Vec<i16> = (0..480).map(|i| if i % 24 < 12 { 6000 } else { -6000 }).collect();
    Frame::new(samples, HZ, MediaTime::from_ms(20 * n as u64))
}
