//! Replies at work: several in one batch, each on a sequence that remembers its chat.

#[cfg(test)]
mod equality;
mod job;
mod pen;
#[cfg(test)]
mod toy;

use std::{sync::Arc, task::Context, time::Duration};

use trunkline_inference::{
    Chat, Completion, Engine, ModelError, Party, Progress, ReplyPiece, SlotId, Slots,
    schedule::{Claim, Step, Use},
};

use self::{
    job::{Job, Work},
    pen::Pen,
};
use crate::{
    constraint::Keeper,
    network::{EvaluateError, Limits, Network, Row},
    plan::{self, Need, Share},
    prefix::{Sequences, shared_len},
    prompt,
    template::ChatTemplate,
    text::{Ending, MAX_TOOL_CALLS},
};

/// Pieces that one step may give a reader: probabilities and text, tool calls, probabilities and
/// text, and usage.
const PIECES_PER_STEP: usize = MAX_TOOL_CALLS + 5;
/// So often a batch that is never empty is evaluated: twenty tokens a second write a first clause in time.
const PACE: Duration = Duration::from_millis(50);
/// Of two prompts that differ sooner than this many tokens from here, neither waits for the other.
const WORTH_WAITING: usize = 8;
/// The part of the context, one in so many, that no prompt may take: room for the reply.
const REPLY_PART: usize = 4;

/// What is to be continued.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// A chat.
    Chat(Chat),
    /// A text.
    Text(Completion),
}

/// Writes replies with a language model.
pub(crate) struct ReplyEngine<N: Network> {
    network: N,
    template: Arc<ChatTemplate>,
    keeper: Keeper,
    limits: Limits,
    sequences: Sequences,
    jobs: Vec<Option<Job>>,
}

impl<N: Network> ReplyEngine<N> {
    /// An engine without jobs.
    pub(crate) fn new(
        network: N,
        template: Arc<ChatTemplate>,
        limits: Limits,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            keeper: Keeper::start(Arc::clone(network.vocabulary()))?,
            network,
            template,
            limits,
            sequences: Sequences::new(limits.sequences),
            jobs: (0..limits.slots).map(|_| None).collect(),
        })
    }
}

impl<N: Network> Engine for ReplyEngine<N> {
    type Job = Request;
    type Piece = ReplyPiece;

    fn slots(&self) -> usize {
        self.limits.slots
    }

    fn party(request: &Request) -> Party {
        match request {
            Request::Chat(chat) => chat.party,
            Request::Text(text) => text.party,
        }
    }

    fn admit(&mut self, slot: SlotId, request: Request) {
        let job =
            self.begin(&request).map_or_else(Job::Refused, |work| Job::Working(Box::new(work)));
        self.jobs[slot] = Some(job);
    }

    fn step(&mut self, slots: &mut Slots<ReplyPiece>, _: &mut Context<'_>) -> Progress {
        let ready: Vec<_> =
            slots.active().filter(|&slot| slots.has_room(slot, PIECES_PER_STEP)).collect();
        for &slot in &ready {
            self.settle(slot, slots);
        }
        let rests = self.limits.on_demand && !ready.iter().any(|&slot| slots.is_awaited(slot));
        let shares = if rests { Vec::new() } else { self.plan(&ready) };
        if shares.is_empty() {
            return Progress::Idle;
        }
        let (step, claims) = self.demand(&shares);
        if !slots.may_step(step, &claims) {
            return Progress::Idle;
        }
        slots.stepped(shares.len());
        let watches: Vec<_> = shares.iter().map(|share| slots.watch(share.slot)).collect();
        let is_abandoned = || watches.iter().all(|is_gone| is_gone());
        match self.evaluate(&shares, &is_abandoned) {
            Ok(()) => self.collect(&shares, slots),
            Err(EvaluateError::Abandoned) => {}
            Err(EvaluateError::Full) => {
                self.give_up(&shares, "no memory is left for the context", slots);
            }
            Err(EvaluateError::Failed(reason)) => self.give_up(&shares, &reason, slots),
        }
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        if let Some(Job::Working(work)) = self.jobs[slot].take() {
            self.sequences.release(work.sequence);
        }
    }
}

impl<N: Network> ReplyEngine<N> {
    /// Finds the request's place among what has been evaluated.
    fn begin(&mut self, request: &Request) -> Result<Work, ModelError> {
        let (mut work, salt) = match request {
            Request::Chat(chat) => (self.read_chat(chat)?, chat.cache_salt),
            Request::Text(text) => (self.read_text(text)?, text.cache_salt),
        };
        let start = self
            .sequences
            .take(salt, &work.prompt, work.most_shared())
            .ok_or(ModelError::Busy { engine: "llama" })?;
        let sequence = start.sequence;
        let keep = match start.copy_from {
            Some(source) => self.copy(source, sequence, start.keep),
            None => self.network.trim(sequence, start.keep),
        };
        self.sequences.truncate(sequence, keep);
        work.begin_at(sequence, keep);
        Ok(work)
    }

    fn read_chat(&mut self, chat: &Chat) -> Result<Work, ModelError> {
        let vocabulary = self.network.vocabulary().as_ref();
        let prompt = prompt::compose(vocabulary, &self.template, chat, self.prompt_budget())?;
        let pen = if chat.options.max_tokens == 0 {
            Pen::of_warm_up(&self.keeper)?
        } else {
            Pen::of_chat(chat, self.template.call_form(), &self.keeper)?
        };
        Ok(Work::new(prompt, chat.options.max_tokens, pen).waited_for_by(chat.party))
    }

    fn read_text(&mut self, text: &Completion) -> Result<Work, ModelError> {
        let prompt =
            prompt::of_text(self.network.vocabulary().as_ref(), text, self.prompt_budget())?;
        let pen = Pen::of_text(&text.options, &self.keeper)?;
        Ok(Work::new(prompt, text.options.max_tokens, pen).waited_for_by(text.party))
    }

    fn prompt_budget(&self) -> usize {
        self.limits.context_tokens - self.limits.context_tokens / REPLY_PART
    }

    /// Gives `to` the beginning of `from`; says how much of it, which is nothing when the model
    /// cannot divide what it remembers.
    fn copy(&mut self, from: usize, to: usize, keep: usize) -> usize {
        self.network.trim(to, 0);
        if !self.network.can_trim() {
            return 0;
        }
        self.network.copy(from, to, keep);
        keep
    }

    /// Takes over what another sequence evaluated of the same prompt, and ends a job that needs
    /// nothing more.
    fn settle(&mut self, slot: SlotId, slots: &mut Slots<ReplyPiece>) {
        let work = match &mut self.jobs[slot] {
            Some(Job::Working(work)) => work,
            Some(Job::Refused(error)) => {
                slots.fail(slot, error.clone());
                return;
            }
            None => return,
        };
        if let Err(refusal) = work.check() {
            slots.fail(slot, refusal);
            return;
        }
        let found = self.sequences.ahead(work.sequence, &work.prompt[..work.most_shared()]);
        if let Some((source, keep)) = found.filter(|_| work.is_reading() && self.network.can_trim())
        {
            self.network.trim(work.sequence, 0);
            self.network.copy(source, work.sequence, keep);
            let from = self.sequences.len(work.sequence);
            self.sequences.extend(work.sequence, &work.prompt[from..keep]);
            work.skip_to(keep);
        }
        if work.is_done() {
            self.finish(slot, Ending::Whole, slots);
        }
    }

    /// What a step of `shares` takes of the device, and for whom.
    #[expect(clippy::cast_precision_loss, reason = "tokens of one step")]
    fn demand(&self, shares: &[Share]) -> (Step, Vec<(Claim, f64)>) {
        let rows: usize = shares.iter().map(|share| share.tokens).sum();
        let reads = shares.iter().any(|share| self.work(share.slot).is_some_and(Work::is_reading));
        let amount = rows as f64;
        let claims = shares.iter().filter_map(|share| {
            let (claim, steps) = self.work(share.slot)?.claim(share.tokens);
            Some((claim, amount * steps as f64))
        });
        (Step { kind: u8::from(reads), amount, pace: Some(PACE) }, claims.collect())
    }

    fn plan(&self, ready: &[SlotId]) -> Vec<Share> {
        let needs = ready.iter().filter_map(|&slot| {
            let work = self.work(slot)?;
            (!work.is_done()).then(|| Need {
                slot,
                tokens: work.pending().len(),
                stage: work.stage(),
            })
        });
        plan::plan(needs.collect(), self.limits.step_tokens, |a, b| self.reads_same(a, b))
    }

    /// Whether `b` does better to wait for what `a` evaluates.
    fn reads_same(&self, a: SlotId, b: SlotId) -> bool {
        let (Some(a), Some(b)) = (self.work(a), self.work(b)) else { return false };
        self.network.can_trim()
            && self.sequences.may_share(a.sequence, b.sequence)
            && a.is_reading()
            && shared_len(&a.prompt, &b.prompt) >= self.sequences.len(b.sequence) + WORTH_WAITING
    }

    /// Evaluates each slot's share, giving up old prompts when there is no room.
    fn evaluate(
        &mut self,
        shares: &[Share],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError> {
        let mut rows = Vec::with_capacity(self.limits.step_tokens);
        for share in shares {
            let Some(work) = self.work(share.slot) else { continue };
            let position = self.sequences.len(work.sequence);
            let pending = work.pending();
            let is_sampled = |i: usize| i + 1 == pending.len() && !work.is_warm_up();
            rows.extend(pending.iter().take(share.tokens).enumerate().map(|(i, &token)| Row {
                token,
                position: position + i,
                sequence: work.sequence,
                is_sampled: is_sampled(i),
            }));
        }
        loop {
            match self.network.evaluate(&rows, is_abandoned) {
                Err(EvaluateError::Full) => {
                    let Some(evicted) = self.sequences.evict() else {
                        return Err(EvaluateError::Full);
                    };
                    self.network.trim(evicted, 0);
                }
                Err(error @ (EvaluateError::Abandoned | EvaluateError::Failed(_))) => {
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Notes what was evaluated and lets each reply that can go on write a token.
    #[expect(clippy::cast_precision_loss, reason = "tokens of one step")]
    fn collect(&mut self, shares: &[Share], slots: &mut Slots<ReplyPiece>) {
        let mut row = 0;
        for share in shares {
            row += share.tokens;
            slots.used(share.slot, Use { tokens: share.tokens as f64, ..Use::default() });
            let Some(Job::Working(work)) = &mut self.jobs[share.slot] else { continue };
            self.sequences.extend(work.sequence, &work.pending()[..share.tokens]);
            work.evaluated(share.tokens);
            if work.awaits_token() {
                self.write(share.slot, row - 1, slots);
            } else if work.is_done() {
                self.finish(share.slot, Ending::Whole, slots);
            }
        }
    }

    fn write(&mut self, slot: SlotId, row: usize, slots: &mut Slots<ReplyPiece>) {
        let Some(Job::Working(work)) = &mut self.jobs[slot] else { return };
        let pieces = match work.write(self.network.logits(row), &self.keeper) {
            Ok(Some(pieces)) => pieces,
            Ok(None) => {
                self.finish(slot, Ending::Whole, slots);
                return;
            }
            Err(error) => {
                slots.fail(slot, error);
                return;
            }
        };
        for piece in pieces.into_iter().flatten() {
            slots.emit(slot, piece);
        }
        if work.is_complete() {
            self.finish(slot, Ending::Whole, slots);
        } else if work.is_full() || self.sequences.len(work.sequence) >= self.limits.context_tokens
        {
            self.finish(slot, Ending::Cut, slots);
        }
    }

    fn finish(&mut self, slot: SlotId, ending: Ending, slots: &mut Slots<ReplyPiece>) {
        let Some(Job::Working(work)) = &mut self.jobs[slot] else { return };
        for piece in work.finish(ending) {
            slots.emit(slot, piece);
        }
        slots.finish(slot);
    }

    /// Ends the replies of a step that failed. What the model remembers of them is not to be relied on.
    fn give_up(&mut self, shares: &[Share], reason: &str, slots: &mut Slots<ReplyPiece>) {
        for share in shares {
            let Some(sequence) = self.work(share.slot).map(|work| work.sequence) else { continue };
            self.network.trim(sequence, 0);
            self.sequences.truncate(sequence, 0);
            let reason = reason.to_owned();
            slots.fail(share.slot, ModelError::Engine { engine: "llama", reason });
        }
    }

    fn work(&self, slot: SlotId) -> Option<&Work> {
        match &self.jobs[slot] {
            Some(Job::Working(work)) => Some(work),
            Some(Job::Refused(_)) | None => None,
        }
    }
}
