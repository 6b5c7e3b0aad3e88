//! A reply in the making: `tts.speak(clauses(llm.reply(chat)))`. Dropping it is barge-in.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, stream};
use tracing::{Instrument as _, Span};
use trunkline_inference::{
    Chat, ChatModel, Clause, ModelError, ReplyPiece, ReplyStream, SpeechPiece, SpeechStream,
    TextToSpeech, Voice,
};
use trunkline_turn::{Mark, ReplyCause, ReplyId, Spoken, WordTime};

use crate::clauses::ClauseCutter;

/// How much audio may wait at the leg before the reply is held back; the lanes behind it pause.
const LEAD: Duration = Duration::from_secs(15);

pub(crate) struct Reply {
    pub(crate) id: ReplyId,
    pub(crate) first_token: Arc<OnceLock<Instant>>,
    pub(crate) ready_at: Option<Instant>,
    pub(crate) released_at: Option<Instant>,
    /// What is logged about it.
    pub(crate) span: Span,
    speech: SpeechStream,
    waiting: Option<SpeechPiece>,
    progress: Progress,
}

/// How far the reply has come.
#[derive(Default)]
struct Progress {
    clauses: u32,
    heard: u32,
    sent: Duration,
    played: Duration,
    lengths: Vec<Duration>,
    is_whole: bool,
}

/// What a reply has to say to its session.
#[derive(Debug)]
pub(crate) enum ReplyNews {
    /// The first audio is there.
    Ready,
    /// More audio, or the end of a clause.
    Piece(SpeechPiece),
    /// Nothing more will come.
    Whole,
    /// A model failed.
    Failed(ModelError),
}

impl Reply {
    /// Begins to say fixed text.
    pub(crate) fn of_text(
        id: ReplyId,
        cause: &ReplyCause,
        tts: &dyn TextToSpeech,
        voice: &Voice,
        cutter: ClauseCutter,
    ) -> Self {
        let text = match cause {
            ReplyCause::Greeting(t)
            | ReplyCause::Silence(t)
            | ReplyCause::Apology(t)
            | ReplyCause::Farewell(t)
            | ReplyCause::Turn { text: t, .. } => t.clone(),
        };
        let pieces: ReplyStream = Box::pin(stream::iter([Ok(ReplyPiece::Text(text))]));
        Self::of_stream(id, pieces, (tts, voice), cutter)
    }

    /// Begins to answer `chat`.
    pub(crate) fn of_chat(
        id: ReplyId,
        chat: Chat,
        llm: &dyn ChatModel,
        spoken_by: (&dyn TextToSpeech, &Voice),
        cutter: ClauseCutter,
    ) -> Self {
        Self::of_stream(id, llm.reply(chat), spoken_by, cutter)
    }

    fn of_stream(
        id: ReplyId,
        text: ReplyStream,
        (tts, voice): (&dyn TextToSpeech, &Voice),
        cutter: ClauseCutter,
    ) -> Self {
        let span = tracing::info_span!("reply", reply = id.0);
        let first_token = Arc::new(OnceLock::new());
        // The voice's lane polls the clauses: what is logged there belongs to the reply all the same.
        let cutting = (Some(text), cutter, Arc::clone(&first_token));
        let speech = tts.speak(Box::pin(clauses(cutting, span.clone())), voice);
        Self {
            id,
            first_token,
            ready_at: None,
            released_at: None,
            span,
            speech,
            waiting: None,
            progress: Progress::default(),
        }
    }

    /// Waits for news; for ever while there can be none (held back, far ahead, whole). Cancel-safe.
    pub(crate) async fn next(&mut self) -> ReplyNews {
        if self.progress.is_whole || (self.ready_at.is_some() && !self.may_send()) {
            return std::future::pending().await;
        }
        if let Some(piece) = self.waiting.take() {
            return ReplyNews::Piece(piece);
        }
        match self.speech.next().await {
            Some(Ok(piece)) if self.ready_at.is_none() => {
                self.waiting = Some(piece);
                ReplyNews::Ready
            }
            Some(Ok(piece)) => ReplyNews::Piece(piece),
            Some(Err(error)) => {
                self.progress.is_whole = true;
                ReplyNews::Failed(error)
            }
            None => {
                self.progress.is_whole = true;
                ReplyNews::Whole
            }
        }
    }

    fn may_send(&self) -> bool {
        self.released_at.is_some() && self.progress.sent.saturating_sub(self.progress.played) < LEAD
    }

    /// Takes note of a clause that goes out; its mark follows it.
    pub(crate) fn end_clause(&mut self, piece: SpeechPiece) -> Option<Spoken> {
        let SpeechPiece::ClauseEnd { clause, duration, words } = piece else { return None };
        let mark = Mark { reply: self.id, clause: self.progress.clauses };
        self.progress.clauses += 1;
        self.progress.sent += duration;
        self.progress.lengths.push(duration);
        let words = words.into_iter().map(|w| WordTime { word: w.word, end: w.end }).collect();
        Some(Spoken { mark, text: clause.text, duration, words })
    }

    /// Takes note that the caller heard up to `mark`; true when that was the end.
    pub(crate) fn played(&mut self, mark: Mark) -> bool {
        self.progress.heard = mark.clause + 1;
        let heard = self.progress.lengths.iter().zip(0..self.progress.heard);
        self.progress.played = heard.map(|(length, _)| *length).sum();
        self.is_heard()
    }

    /// Whether all there is and will be was heard.
    pub(crate) fn is_heard(&self) -> bool {
        self.progress.is_whole && self.progress.heard == self.progress.clauses
    }
}

/// A reply's text on its way into clauses, and when its first token came.
type Cutting = (Option<ReplyStream>, ClauseCutter, Arc<OnceLock<Instant>>);

/// Cuts a reply's text into clauses as it comes.
fn clauses(cutting: Cutting, span: Span) -> impl Stream<Item = Result<Clause, ModelError>> + Send {
    stream::unfold(cutting, move |cutting| next_clause(cutting).instrument(span.clone()))
}

async fn next_clause(
    (mut text, mut cutter, first_token): Cutting,
) -> Option<(Result<Clause, ModelError>, Cutting)> {
    loop {
        if let Some(clause) = cutter.next_clause() {
            return Some((Ok(clause), (text, cutter, first_token)));
        }
        let Some(pieces) = &mut text else {
            let last = cutter.finish()?;
            return Some((Ok(last), (text, cutter, first_token)));
        };
        match pieces.next().await {
            Some(Ok(ReplyPiece::Text(piece))) => {
                first_token.get_or_init(now);
                cutter.push(&piece);
            }
            Some(Ok(ReplyPiece::ToolCall(call))) => {
                tracing::warn!(tool = call.name, "the model asked for a tool; agents have none");
            }
            Some(Ok(ReplyPiece::Logprobs(_))) => {}
            Some(Ok(ReplyPiece::Usage { prompt, cached, generated, .. })) => {
                tracing::debug!(prompt, cached, generated, "reply generated");
            }
            Some(Err(error)) => {
                // What was cut off is not spoken: half a clause says nothing.
                return Some((Err(error), (None, ClauseCutter::new(None), first_token)));
            }
            None => text = None,
        }
    }
}

/// The session's clock: tokio's, so that tests may run in virtual time.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
