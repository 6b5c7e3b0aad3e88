//! One reply on its way: what is still to be evaluated, and what has been written.

use llama_cpp_2::token::LlamaToken;
use trunkline_inference::{ChatOptions, FinishReason, ModelError, ReplyPiece};

use crate::{plan::Stage, text::ReplyWriter};

/// What is in a slot.
pub(super) enum Job<S> {
    /// A chat that cannot be served.
    Refused(ModelError),
    /// A chat being served.
    Working(Box<Work<S>>),
}

/// A chat being served.
pub(super) struct Work<S> {
    pub(super) sequence: usize,
    pub(super) prompt: Vec<LlamaToken>,
    pub(super) sampler: S,
    /// How much of the prompt is evaluated.
    read: usize,
    cached: usize,
    /// The token written last, not evaluated yet.
    last: Option<LlamaToken>,
    writer: ReplyWriter,
    length: Length,
}

struct Length {
    written: u32,
    most: u32,
    has_ended: bool,
}

impl<S> Work<S> {
    /// A job whose prompt is evaluated up to `cached` on `sequence`.
    pub(super) fn new(
        sequence: usize,
        prompt: Vec<LlamaToken>,
        cached: usize,
        options: &ChatOptions,
        sampler: S,
    ) -> Self {
        Self {
            sequence,
            prompt,
            sampler,
            read: cached,
            cached,
            last: None,
            writer: ReplyWriter::new(&options.stop),
            length: Length { written: 0, most: options.max_tokens, has_ended: false },
        }
    }

    /// The tokens that wait to be evaluated.
    pub(super) fn pending(&self) -> &[LlamaToken] {
        let unread = self.prompt.get(self.read..).unwrap_or_default();
        if unread.is_empty() { self.last.as_slice() } else { unread }
    }

    /// Whether nobody waits for a reply.
    pub(super) fn is_warm_up(&self) -> bool {
        self.length.most == 0
    }

    /// How far the job is.
    pub(super) fn stage(&self) -> Stage {
        if !self.is_reading() {
            Stage::Writing
        } else if self.is_warm_up() {
            Stage::Warming
        } else {
            Stage::Reading
        }
    }

    /// Whether part of the prompt is still to be evaluated.
    pub(super) fn is_reading(&self) -> bool {
        self.read < self.prompt.len()
    }

    /// How much of the prompt may be taken over: a reply evaluates the last token itself.
    pub(super) fn most_shared(&self) -> usize {
        if self.is_warm_up() { self.prompt.len() } else { self.prompt.len().saturating_sub(1) }
    }

    /// Notes that the prompt is evaluated up to `read` because it was taken over.
    pub(super) fn skip_to(&mut self, read: usize) {
        self.cached += read - self.read;
        self.read = read;
    }

    /// Notes that so many of the pending tokens were evaluated.
    pub(super) fn evaluated(&mut self, tokens: usize) {
        if self.is_reading() {
            self.read += tokens;
        } else {
            self.last = None;
        }
    }

    /// Whether the next token is to be chosen.
    pub(super) fn awaits_token(&self) -> bool {
        !self.is_warm_up() && self.pending().is_empty()
    }

    /// Whether nothing is left to do but to say so.
    pub(super) fn is_done(&self) -> bool {
        self.is_warm_up() && !self.is_reading()
    }

    /// Adds a token to the reply.
    pub(super) fn write(&mut self, token: LlamaToken, bytes: &[u8]) -> Option<ReplyPiece> {
        self.length.written += 1;
        self.last = Some(token);
        self.writer.push(bytes)
    }

    /// Whether the reply is as long as it may be, or a stop text came.
    pub(super) fn is_written(&self) -> bool {
        self.writer.has_stopped() || self.length.written >= self.length.most
    }

    /// The last pieces, once.
    pub(super) fn finish(&mut self) -> Vec<ReplyPiece> {
        if std::mem::replace(&mut self.length.has_ended, true) {
            return Vec::new();
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut pieces = std::mem::replace(&mut self.writer, ReplyWriter::new(&[])).finish();
        pieces.push(ReplyPiece::Usage {
            prompt: count(self.prompt.len()),
            cached: count(self.cached),
            generated: self.length.written,
            finish: FinishReason::Stop,
        });
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(max_tokens: u32, cached: usize) -> Work<()> {
        let prompt = (0..10).map(LlamaToken).collect();
        Work::new(0, prompt, cached, &ChatOptions { max_tokens, ..ChatOptions::default() }, ())
    }

    #[test]
    fn a_reply_reads_its_prompt_and_then_writes_token_by_token() {
        let mut work = work(2, 4);
        assert_eq!((work.pending().len(), work.stage()), (6, Stage::Reading));
        work.evaluated(6);
        assert!(work.awaits_token() && !work.is_done());
        assert_eq!(work.write(LlamaToken(7), b"Yes"), Some(ReplyPiece::Text("Yes".to_owned())));
        assert_eq!((work.pending(), work.stage()), ([LlamaToken(7)].as_slice(), Stage::Writing));
        work.evaluated(1);
        assert!(work.awaits_token() && !work.is_written());
        work.write(LlamaToken(8), b".");
        assert!(work.is_written());
        let usage =
            ReplyPiece::Usage { prompt: 10, cached: 4, generated: 2, finish: FinishReason::Stop };
        assert_eq!(work.finish(), [usage]);
        assert_eq!(work.finish(), []);
    }

    #[test]
    fn a_warm_up_only_reads() {
        let mut work = work(0, 4);
        assert_eq!(work.stage(), Stage::Warming);
        work.evaluated(6);
        assert!(work.is_done() && !work.awaits_token());
    }

    #[test]
    fn what_is_taken_over_counts_as_cached() {
        let mut work = work(1, 0);
        work.evaluated(2);
        work.skip_to(work.most_shared());
        assert_eq!(work.pending().len(), 1);
        assert!(matches!(work.finish().last(), Some(ReplyPiece::Usage { cached: 7, .. })));
    }
}
