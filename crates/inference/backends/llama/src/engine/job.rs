//! One reply on its way: what is still to be evaluated, and what has been written.

use std::time::Instant;

use llama_cpp_2::token::LlamaToken;
use trunkline_inference::{
    FinishReason, ModelError, Party, ReplyPiece, ReplyProgress, schedule::Claim,
};

use super::pen::Pen;
use crate::{
    constraint::Keeper,
    plan::Stage,
    text::{Ending, Pieces},
};

/// What is in a slot.
pub(super) enum Job {
    /// A chat that cannot be served.
    Refused(ModelError),
    /// A chat being served.
    Working(Box<Work>),
}

/// A chat being served.
pub(super) struct Work {
    pub(super) sequence: usize,
    pub(super) prompt: Vec<LlamaToken>,
    /// How much of the prompt is evaluated.
    read: usize,
    cached: usize,
    /// The token written last, not evaluated yet.
    last: Option<LlamaToken>,
    /// `None` once the reply has ended.
    pen: Option<Pen>,
    /// The most tokens to write; a warm-up writes none.
    most: u32,
    progress: ReplyProgress,
}

impl Work {
    /// A job that nothing of is evaluated.
    pub(super) fn new(prompt: Vec<LlamaToken>, max_tokens: u32, pen: Pen) -> Self {
        Self {
            sequence: 0,
            prompt,
            read: 0,
            cached: 0,
            last: None,
            pen: Some(pen),
            most: max_tokens,
            progress: ReplyProgress::new(Party::default(), Instant::now()),
        }
    }

    /// The same for somebody else.
    pub(super) fn waited_for_by(self, party: Party) -> Self {
        let party = if self.is_warm_up() { Party::nobody(party.tenant) } else { party };
        Self { progress: ReplyProgress::new(party, Instant::now()), ..self }
    }

    /// How soon what comes of a step is due, and in how many more such steps, of `share` of its tokens,
    /// the claim is met.
    pub(super) fn claim(&self, share: usize) -> (Claim, usize) {
        let is_reading = self.is_reading();
        let to_read = if is_reading { self.pending().len().div_ceil(share.max(1)) } else { 0 };
        let (claim, to_write) = self.progress.claim(is_reading);
        (claim, to_read + to_write as usize)
    }

    /// Gives it a sequence that holds the prompt up to `cached`.
    pub(super) fn begin_at(&mut self, sequence: usize, cached: usize) {
        self.sequence = sequence;
        (self.read, self.cached) = (cached, cached);
    }

    /// The tokens that wait to be evaluated.
    pub(super) fn pending(&self) -> &[LlamaToken] {
        let unread = self.prompt.get(self.read..).unwrap_or_default();
        if unread.is_empty() { self.last.as_slice() } else { unread }
    }

    /// Whether nobody waits for a reply.
    pub(super) fn is_warm_up(&self) -> bool {
        self.most == 0
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

    /// Adds a token to the reply, by what the model thinks of each; `None` when it is the end.
    pub(super) fn write(
        &mut self,
        logits: &[f32],
        keeper: &Keeper,
    ) -> Result<Option<Pieces>, ModelError> {
        let Some(pen) = &mut self.pen else { return Ok(None) };
        let Some(written) = pen.write(logits, keeper)? else { return Ok(None) };
        self.progress.wrote(Instant::now(), written.ends_clause);
        self.last = Some(written.token);
        Ok(Some(written.pieces))
    }

    /// Says what of its schema cannot be kept, as soon as that is known.
    pub(super) fn check(&mut self) -> Result<(), ModelError> {
        self.pen.as_mut().map_or(Ok(()), Pen::check)
    }

    /// Whether nothing more may follow: a stop text came, or the grammar is at its end.
    pub(super) fn is_complete(&self) -> bool {
        self.pen.as_ref().is_none_or(Pen::is_complete)
    }

    /// Whether the reply is as long as it may be.
    pub(super) fn is_full(&self) -> bool {
        self.progress.written() >= self.most
    }

    /// The last pieces, once.
    pub(super) fn finish(&mut self, ending: Ending) -> Vec<ReplyPiece> {
        let Some(pen) = self.pen.take() else { return Vec::new() };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut pieces = pen.finish(ending);
        let has_calls = pieces.iter().any(|piece| matches!(piece, ReplyPiece::ToolCall(_)));
        let finish = match ending {
            Ending::Cut => FinishReason::Length,
            Ending::Whole if has_calls => FinishReason::ToolCalls,
            Ending::Whole => FinishReason::Stop,
        };
        pieces.push(ReplyPiece::Usage {
            prompt: count(self.prompt.len()),
            cached: count(self.cached),
            generated: self.progress.written(),
            finish,
        });
        pieces
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use trunkline_inference::ChatOptions;

    use super::*;
    use crate::vocabulary::toy::Toy;

    fn keeper() -> Keeper {
        Keeper::start(Arc::new(Toy::bytes())).unwrap()
    }

    fn work(max_tokens: u32, cached: usize, stop: &str) -> Work {
        let prompt = (0..10).map(LlamaToken).collect();
        let options = ChatOptions { stop: vec![stop.to_owned()], ..ChatOptions::default() };
        let pen = Pen::of_text(&options, &keeper()).unwrap();
        let mut work = Work::new(prompt, max_tokens, pen);
        work.begin_at(0, cached);
        work
    }

    fn write(work: &mut Work, byte: u8) -> Option<Pieces> {
        let mut logits = [0.0; 256];
        logits[usize::from(byte)] = 1.0;
        work.write(&logits, &keeper()).unwrap()
    }

    #[test]
    fn a_reply_reads_its_prompt_and_then_writes_token_by_token() {
        let mut work = work(2, 4, "");
        assert_eq!((work.pending().len(), work.stage()), (6, Stage::Reading));
        work.evaluated(6);
        assert!(work.awaits_token() && !work.is_done());
        let text = ReplyPiece::Text("Y".to_owned());
        assert_eq!(write(&mut work, b'Y'), Some([None, Some(text)]));
        assert_eq!((work.pending(), work.stage()), ([LlamaToken(89)].as_slice(), Stage::Writing));
        work.evaluated(1);
        assert!(work.awaits_token() && !work.is_full());
        write(&mut work, b'.');
        assert!(work.is_full() && !work.is_complete());
        let usage =
            ReplyPiece::Usage { prompt: 10, cached: 4, generated: 2, finish: FinishReason::Length };
        assert_eq!(work.finish(Ending::Cut), [usage]);
        assert_eq!(work.finish(Ending::Cut), []);
    }

    #[test]
    fn a_stop_text_and_the_end_token_end_a_reply() {
        let mut work = work(9, 10, "!");
        write(&mut work, b'a');
        assert!(!work.is_complete());
        write(&mut work, b'!');
        assert!(work.is_complete());
        assert_eq!(write(&mut work, 0), None);
        let stopped =
            ReplyPiece::Usage { prompt: 10, cached: 10, generated: 2, finish: FinishReason::Stop };
        assert_eq!(work.finish(Ending::Whole), [stopped]);
    }

    #[test]
    fn a_warm_up_only_reads() {
        let mut work = work(0, 4, "");
        assert_eq!(work.stage(), Stage::Warming);
        work.evaluated(6);
        assert!(work.is_done() && !work.awaits_token());
    }

    #[test]
    fn what_is_taken_over_counts_as_cached() {
        let mut work = work(1, 0, "");
        work.evaluated(2);
        work.skip_to(work.most_shared());
        assert_eq!(work.pending().len(), 1);
        let pieces = work.finish(Ending::Whole);
        assert!(matches!(pieces.last(), Some(ReplyPiece::Usage { cached: 7, .. })));
    }
}
