//! A reply in the making: `tts.speak(clauses(llm.reply(chat)))`. Dropping it is barge-in.

mod outset;

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tracing::{Instrument as _, Span};
use trunkline_inference::{
    Clause, ModelError, Party, ReplyPiece, ReplyStream, SpeechPiece, SpeechStream, TextToSpeech,
    ToolCall,
};
use trunkline_turn::{Mark, ReplyId, Spoken, WordTime};

use self::outset::Outset;
use crate::{Agent, Usage, clauses::ClauseCutter};

/// Calls of functions that wait to be told. When full the reply waits.
const CALLS: usize = 16;

pub(crate) struct Reply {
    pub(crate) id: ReplyId,
    pub(crate) meter: Arc<Meter>,
    pub(crate) ready_at: Option<Instant>,
    pub(crate) released_at: Option<Instant>,
    /// What is logged about it.
    pub(crate) span: Span,
    source: Source,
    /// What came first, until the reply is let out.
    waiting: Option<ReplyNews>,
    progress: Progress,
}

/// What the language model's work on a reply is known by, wherever it is done.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) first_token: OnceLock<Instant>,
    outset: Outset,
    usage: OnceLock<Usage>,
}

impl Meter {
    /// What the model has told so far.
    pub(crate) fn usage(&self) -> Usage {
        self.usage.get().copied().unwrap_or_default()
    }

    fn take(&self, usage: Usage) {
        let Usage { prompt, cached, generated, .. } = usage;
        tracing::debug!(prompt, cached, generated, "reply generated");
        self.usage.get_or_init(|| usage);
    }
}

/// Where a reply comes from.
enum Source {
    /// A voice, and beside it the functions that its text calls.
    Spoken { speech: Option<SpeechStream>, calls: Option<mpsc::Receiver<ToolCall>> },
    /// The model itself, and whether it may call functions.
    Written { text: ReplyStream, may_call: bool },
}

/// How far the reply has come.
#[derive(Default)]
struct Progress {
    clauses: u32,
    calls: u32,
    heard: u32,
    sent: Duration,
    played: Duration,
    /// How much may wait at the leg.
    lead: Duration,
    lengths: Vec<Duration>,
    is_whole: bool,
}

/// What a reply has to say to its session.
#[derive(Debug)]
pub(crate) enum ReplyNews {
    /// The first audio, text or call is there.
    Ready,
    /// More audio, or the end of a clause.
    Piece(SpeechPiece),
    /// More text of a written reply.
    Wrote(String),
    /// A function is to be called.
    Called(ToolCall),
    /// Nothing more will come.
    Whole,
    /// A model failed.
    Failed(ModelError),
}

impl Reply {
    /// Begins to say `text` as `agent` speaks.
    pub(crate) fn spoken(
        id: ReplyId,
        text: ReplyStream,
        tts: &dyn TextToSpeech,
        party: Party,
        agent: &Agent,
    ) -> Self {
        let span = tracing::info_span!("reply", reply = id.0);
        let meter = Arc::new(Meter::default());
        let (sender, receiver) = (!agent.tools.is_empty()).then(|| mpsc::channel(CALLS)).unzip();
        // The voice's lane polls the clauses: what is logged there belongs to the reply all the same.
        let cutting = Cutting {
            text: Some(text),
            cutter: ClauseCutter::new(agent.language.clone()),
            pieces: 0,
            meter: Arc::clone(&meter),
            calls: sender,
        };
        let speech = tts.speak(Box::pin(clauses(cutting, span.clone())), &agent.voice, party);
        let source = Source::Spoken { speech: Some(speech), calls: receiver };
        Self::of(id, source, (meter, span), agent)
    }

    /// Says again what was said before.
    pub(crate) fn announced(id: ReplyId, speech: SpeechStream, agent: &Agent) -> Self {
        let span = tracing::info_span!("reply", reply = id.0);
        let source = Source::Spoken { speech: Some(speech), calls: None };
        Self::of(id, source, (Arc::default(), span), agent)
    }

    /// Begins to write `text`.
    pub(crate) fn written(id: ReplyId, text: ReplyStream, agent: &Agent) -> Self {
        let span = tracing::info_span!("reply", reply = id.0);
        let source = Source::Written { text, may_call: !agent.tools.is_empty() };
        Self::of(id, source, (Arc::default(), span), agent)
    }

    fn of(id: ReplyId, source: Source, (meter, span): (Arc<Meter>, Span), agent: &Agent) -> Self {
        let progress = Progress { lead: agent.lead, ..Progress::default() };
        let (ready_at, released_at, waiting) = (None, None, None);
        Self { id, meter, ready_at, released_at, span, source, waiting, progress }
    }

    /// Waits for news; for ever while there can be none (held back, far ahead, whole). Cancel-safe.
    pub(crate) async fn next(&mut self) -> ReplyNews {
        if self.progress.is_whole || (self.ready_at.is_some() && !self.may_send()) {
            return std::future::pending().await;
        }
        if let Some(ready_at) = self.ready_at.filter(|_| self.waiting.is_some()) {
            self.meter.outset.reached(ready_at).await;
        }
        if let Some(news) = self.waiting.take() {
            return news;
        }
        let news = self.source.next(&self.meter, self.released_at.is_some()).await;
        match news {
            ReplyNews::Whole | ReplyNews::Failed(_) => self.progress.is_whole = true,
            first if self.ready_at.is_none() => {
                self.waiting = Some(first);
                return ReplyNews::Ready;
            }
            ReplyNews::Ready | ReplyNews::Piece(_) | ReplyNews::Wrote(_) | ReplyNews::Called(_) => {
            }
        }
        news
    }

    fn may_send(&self) -> bool {
        let progress = &self.progress;
        self.released_at.is_some() && progress.sent.saturating_sub(progress.played) < progress.lead
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

    /// Takes note of a function that is to be called: its place in the reply.
    pub(crate) fn call(&mut self) -> u32 {
        self.progress.calls += 1;
        self.progress.calls - 1
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

    /// Whether nothing more of it will be made.
    pub(crate) fn is_whole(&self) -> bool {
        self.progress.is_whole
    }
}

impl Source {
    /// What comes next. Calls are not taken before the reply `is_out`, but for the first of a reply
    /// that has no words. Cancel-safe.
    async fn next(&mut self, meter: &Meter, is_out: bool) -> ReplyNews {
        match self {
            Self::Spoken { speech, calls } => {
                let spoken = tokio::select! {
                    biased;
                    Some(call) = next_call(calls), if is_out => return ReplyNews::Called(call),
                    piece = next_piece(speech) => piece,
                };
                match spoken {
                    Some(Ok(piece)) => return ReplyNews::Piece(piece),
                    Some(Err(error)) => return ReplyNews::Failed(error),
                    None => *speech = None,
                }
                let call = calls.as_mut().and_then(|calls| calls.try_recv().ok());
                call.map_or(ReplyNews::Whole, ReplyNews::Called)
            }
            Self::Written { text, may_call } => loop {
                match text.next().await {
                    Some(Ok(ReplyPiece::Text(text))) => {
                        meter.first_token.get_or_init(now);
                        return ReplyNews::Wrote(text);
                    }
                    Some(Ok(ReplyPiece::ToolCall(call))) if *may_call => {
                        return ReplyNews::Called(call);
                    }
                    Some(Ok(ReplyPiece::ToolCall(call))) => warn_of(&call),
                    Some(Ok(ReplyPiece::Logprobs(_))) => {}
                    Some(Ok(ReplyPiece::Usage { prompt, cached, generated, finish })) => {
                        meter.take(Usage { prompt, cached, generated, finish });
                    }
                    Some(Err(error)) => return ReplyNews::Failed(error),
                    None => return ReplyNews::Whole,
                }
            },
        }
    }
}

async fn next_call(calls: &mut Option<mpsc::Receiver<ToolCall>>) -> Option<ToolCall> {
    calls.as_mut()?.recv().await
}

async fn next_piece(speech: &mut Option<SpeechStream>) -> Option<Result<SpeechPiece, ModelError>> {
    speech.as_mut()?.next().await
}

fn warn_of(call: &ToolCall) {
    tracing::warn!(tool = call.name, "the model asked for a tool that its agent has not");
}

/// A reply's text on its way into clauses, and what is known of it beside.
struct Cutting {
    text: Option<ReplyStream>,
    cutter: ClauseCutter,
    /// So many pieces of text came.
    pieces: u32,
    meter: Arc<Meter>,
    calls: Option<mpsc::Sender<ToolCall>>,
}

impl Cutting {
    fn note(&self, clause: &Clause) {
        let took = self
            .meter
            .first_token
            .get()
            .map_or(Duration::ZERO, |&first| now().saturating_duration_since(first));
        self.meter.outset.cut(clause, self.pieces, took);
    }
}

/// Cuts a reply's text into clauses as it comes.
fn clauses(cutting: Cutting, span: Span) -> impl Stream<Item = Result<Clause, ModelError>> + Send {
    stream::unfold(cutting, move |cutting| next_clause(cutting).instrument(span.clone()))
}

async fn next_clause(mut cutting: Cutting) -> Option<(Result<Clause, ModelError>, Cutting)> {
    loop {
        if let Some(clause) = cutting.cutter.next_clause() {
            cutting.note(&clause);
            return Some((Ok(clause), cutting));
        }
        let Some(pieces) = &mut cutting.text else {
            cutting.meter.outset.assure();
            let last = cutting.cutter.finish()?;
            return Some((Ok(last), cutting));
        };
        match pieces.next().await {
            Some(Ok(ReplyPiece::Text(piece))) => {
                cutting.meter.first_token.get_or_init(now);
                cutting.pieces += 1;
                cutting.cutter.push(&piece);
            }
            Some(Ok(ReplyPiece::ToolCall(call))) => match &cutting.calls {
                // Nobody listens any more when the reply is dropped, and then neither is this polled.
                Some(calls) => drop(calls.send(call).await),
                None => warn_of(&call),
            },
            Some(Ok(ReplyPiece::Logprobs(_))) => {}
            Some(Ok(ReplyPiece::Usage { prompt, cached, generated, finish })) => {
                cutting.meter.take(Usage { prompt, cached, generated, finish });
            }
            Some(Err(error)) => {
                // What was cut off is not spoken: half a clause says nothing.
                cutting.text = None;
                cutting.cutter = ClauseCutter::new(None);
                return Some((Err(error), cutting));
            }
            None => cutting.text = None,
        }
    }
}

/// The session's clock: tokio's, so that tests may run in virtual time.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
