//! Fake engines that answer and speak.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    Candidate, Chat, ChatModel, ChatOptions, Clause, ClauseStream, Completion, FinishReason,
    ModelError, Party, ReplyPiece, ReplyStream, SpeechPiece, SpeechStream, TextToSpeech,
    TokenLogprobs, ToolCall, Voice, WordTiming,
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
/// A word in square brackets is a call of the tool of that name, `[name]` or `[name{"key":"value"}]`; the
/// word `!` is a failure. Each word counts as a token, of replies as of prompts.
#[derive(Clone, Debug)]
pub struct ScriptedLlm {
    replies: Arc<[String]>,
    /// From the request to the first word, and from word to word.
    delays: (Duration, Duration),
    asked: Arc<Mutex<Vec<Chat>>>,
    completed: Arc<Mutex<Vec<Completion>>>,
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
            completed: Arc::default(),
            warmed: Arc::default(),
            live: Live::default(),
        }
    }

    /// The chats it was asked to continue, those that only warm it up left out.
    pub fn asked(&self) -> Vec<Chat> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The texts it was asked to continue.
    pub fn completed(&self) -> Vec<Completion> {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The chats it was only to read ahead.
    pub fn warmed(&self) -> Vec<Chat> {
        self.warmed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its streams.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The `n`th reply, cut as `options` say, after a prompt of so many tokens.
    fn tell(&self, n: usize, options: &ChatOptions, prompt: usize) -> ReplyStream {
        let text = self.replies.get(n).or(self.replies.last());
        let text = text.map_or("!", String::as_str);
        let most = usize::try_from(options.max_tokens).unwrap_or(usize::MAX);
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let told = words.len().min(most);
        let finish = match words.iter().any(|word| called(word).is_some()) {
            _ if told < words.len() => FinishReason::Length,
            true => FinishReason::ToolCalls,
            false => FinishReason::Stop,
        };
        let spoken = words.into_iter().take(told);
        let mut steps: Vec<_> =
            spoken.map(|word| (true, pieces(word, options.top_logprobs))).collect();
        steps.push((false, vec![Ok(usage(prompt, told, finish))]));
        let (first, each) = self.delays;
        let steps = stream::iter(steps.into_iter().enumerate());
        let timed = steps.then(move |(n, (is_word, pieces))| async move {
            let delay = if n == 0 { first } else { each };
            if is_word && !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            stream::iter(pieces)
        });
        self.live.watch(timed.flatten())
    }
}

impl ChatModel for ScriptedLlm {
    fn reply(&self, chat: Chat) -> ReplyStream {
        let prompt = tokens(&chat);
        if chat.options.max_tokens == 0 {
            self.warmed.lock().unwrap_or_else(PoisonError::into_inner).push(chat);
            let read = usage(prompt, 0, FinishReason::Length);
            return self.live.watch(stream::iter([Ok(read)]));
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = self.tell(asked.len(), &chat.options, prompt);
        asked.push(chat);
        reply
    }

    fn complete(&self, completion: Completion) -> ReplyStream {
        let prompt = completion.prompt.split_whitespace().count();
        let mut completed = self.completed.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = self.tell(completed.len(), &completion.options, prompt);
        completed.push(completion);
        reply
    }

    fn count_tokens(&self, chat: &Chat) -> Option<u32> {
        u32::try_from(tokens(chat)).ok()
    }
}

/// The words of a chat.
fn tokens(chat: &Chat) -> usize {
    chat.messages.iter().map(|message| message.content.split_whitespace().count()).sum()
}

fn usage(prompt: usize, generated: usize, finish: FinishReason) -> ReplyPiece {
    let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
    ReplyPiece::Usage { prompt: number(prompt), cached: 0, generated: number(generated), finish }
}

/// What a word of the script stands for.
fn pieces(word: &str, top: Option<u8>) -> Vec<Result<ReplyPiece, ModelError>> {
    if word.trim() == "!" {
        return vec![Err(told_to_fail("fake llm"))];
    }
    if let Some(call) = called(word) {
        let (name, arguments) = call.split_at(call.find('{').unwrap_or(call.len()));
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        let (name, arguments) = (name.to_owned(), arguments.to_owned());
        return vec![Ok(ReplyPiece::ToolCall(ToolCall { name, arguments }))];
    }
    let tokens = top.map(|top| Ok(ReplyPiece::Logprobs(vec![logprobs(word, top)])));
    tokens.into_iter().chain([Ok(ReplyPiece::Text(word.to_owned()))]).collect()
}

/// The inside of square brackets.
fn called(word: &str) -> Option<&str> {
    word.trim().strip_prefix('[')?.strip_suffix(']')
}

/// A word and so many others that might have been: itself, then `alt1`, `alt2`, each less probable.
fn logprobs(word: &str, top: u8) -> TokenLogprobs {
    let candidate = |bytes: &str, n: u8| Candidate {
        bytes: bytes.as_bytes().to_vec(),
        logprob: -0.5 - f32::from(n),
    };
    let other = |n| if n == 0 { candidate(word, 0) } else { candidate(&format!("alt{n}"), n) };
    TokenLogprobs { chosen: candidate(word, 0), top: (0..top).map(other).collect() }
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
    fn speak(&self, clauses: ClauseStream, _: &Voice, _: Party) -> SpeechStream {
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
