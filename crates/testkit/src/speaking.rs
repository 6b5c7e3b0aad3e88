//! Fake engines that answer and speak.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    Chat, ChatModel, Clause, ClauseStream, ModelError, ReplyPiece, ReplyStream, SpeechPiece,
    SpeechStream, TextToSpeech, ToolCall, Voice, WordTiming,
};

use crate::Live;

/// Rate of everything spoken.
const HZ: u32 = 24_000;
/// How long each fake word sounds.
const WORD: Duration = Duration::from_millis(200);
/// Frames of a word.
const WORD_FRAMES: usize = 10;

/// Answers by rote, word by word, and remembers what it was asked.
///
/// A word in square brackets is a call of the tool of that name; the word `!` is a failure.
#[derive(Clone, Debug)]
pub struct ScriptedLlm {
    replies: Arc<[String]>,
    /// From the request to the first word, and from word to word.
    delays: (Duration, Duration),
    asked: Arc<Mutex<Vec<Chat>>>,
    warmed: Arc<Mutex<Vec<Chat>>>,
    live: Live,
}

impl ScriptedLlm {
    /// Gives `replies` in turn, the last one again and again; an empty list fails.
    pub fn new(replies: &[&str], first_word: Duration, each_word: Duration) -> Self {
        Self {
            replies: replies.iter().map(|&r| r.to_owned()).collect(),
            delays: (first_word, each_word),
            asked: Arc::default(),
            warmed: Arc::default(),
            live: Live::default(),
        }
    }

    /// The chats it was asked to continue, those that only warm it up left out.
    pub fn asked(&self) -> Vec<Chat> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The chats it was only to read ahead.
    pub fn warmed(&self) -> Vec<Chat> {
        self.warmed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its streams.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The reply to the `n`th question.
    fn text(&self, n: usize) -> Option<String> {
        self.replies.get(n).or(self.replies.last()).cloned()
    }
}

impl ChatModel for ScriptedLlm {
    fn reply(&self, chat: Chat) -> ReplyStream {
        if chat.options.max_tokens == 0 {
            self.warmed.lock().unwrap_or_else(PoisonError::into_inner).push(chat);
            return self.live.watch(stream::empty());
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let text = self.text(asked.len());
        asked.push(chat);
        let (first, each) = self.delays;
        let words: Vec<String> = match text {
            Some(text) => text.split_inclusive(' ').map(str::to_owned).collect(),
            None => vec!["!".to_owned()],
        };
        self.live.watch(stream::iter(words.into_iter().enumerate()).then(
            move |(n, word)| async move {
                tokio::time::sleep(if n == 0 { first } else { each }).await;
                piece(word)
            },
        ))
    }
}

fn piece(word: String) -> Result<ReplyPiece, ModelError> {
    if word.trim() == "!" {
        return Err(told_to_fail("fake llm"));
    }
    let tool = word.trim().strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    Ok(match tool {
        Some(name) => {
            ReplyPiece::ToolCall(ToolCall { name: name.to_owned(), arguments: "{}".to_owned() })
        }
        None => ReplyPiece::Text(word),
    })
}

/// Speaks each word as 200 ms of tone, some time after it gets a clause.
#[derive(Clone, Debug)]
pub struct FakeTts {
    delay: Duration,
    fails: bool,
    live: Live,
}

impl FakeTts {
    /// Gives a clause's audio `delay` after the clause.
    pub fn new(delay: Duration) -> Self {
        Self { delay, fails: false, live: Live::default() }
    }

    /// Fails at each first clause.
    pub fn failing() -> Self {
        Self { fails: true, ..Self::new(Duration::ZERO) }
    }

    /// Its streams.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

impl TextToSpeech for FakeTts {
    fn speak(&self, clauses: ClauseStream, _: &Voice) -> SpeechStream {
        let Self { delay, fails, .. } = *self;
        self.live.watch(clauses.flat_map(move |clause| {
            let pieces = match clause {
                Ok(_) if fails => vec![Err(told_to_fail("fake tts"))],
                Ok(clause) => spoken(clause).map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            late(delay, pieces)
        }))
    }

    fn voices(&self) -> Vec<String> {
        vec!["fake".into()]
    }
}

fn late<T: Send + 'static>(delay: Duration, pieces: Vec<T>) -> impl Stream<Item = T> + Send {
    stream::once(async move {
        tokio::time::sleep(delay).await;
        stream::iter(pieces)
    })
    .flatten()
    .boxed()
}

/// The sound of a clause and its end.
fn spoken(clause: Clause) -> impl Iterator<Item = SpeechPiece> {
    let mut end = Duration::ZERO;
    let timing = |word: &str| {
        end += WORD;
        WordTiming { word: word.to_owned(), end }
    };
    let words: Vec<WordTiming> = clause.text.split_whitespace().map(timing).collect();
    let sound = (0..words.len() * WORD_FRAMES).map(|n| SpeechPiece::Audio(tone(n)));
    sound.chain([SpeechPiece::ClauseEnd { clause, duration: end, words }])
}

/// The `n`th 20 ms of a tone.
fn tone(n: usize) -> Frame {
    let samples: Vec<i16> = (0..480).map(|i| if i % 24 < 12 { 6000 } else { -6000 }).collect();
    Frame::new(samples, HZ, MediaTime::from_ms(20 * n as u64))
}

pub(crate) fn told_to_fail(engine: &'static str) -> ModelError {
    ModelError::Engine { engine, reason: "told to fail".to_owned() }
}
