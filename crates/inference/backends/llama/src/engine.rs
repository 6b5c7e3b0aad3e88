//! Replies at work: several in one batch, each on a sequence that remembers its chat.

mod job;
#[cfg(test)]
mod toy;

use std::task::Context;

use llama_cpp_2::token::LlamaToken;
use trunkline_inference::{Chat, Engine, ModelError, Progress, ReplyPiece, SlotId, Slots};

use self::job::{Job, Work};
use crate::{
    network::{EvaluateError, Limits, Network, Row},
    plan::{self, Need, Share},
    prefix::{Sequences, shared_len},
    prompt,
    template::ChatTemplate,
    text::MAX_TOOL_CALLS,
};

/// Pieces that one step may give a reader: text, tool calls, text and usage.
const PIECES_PER_STEP: usize = MAX_TOOL_CALLS + 3;
/// Of two prompts that differ sooner than this many tokens from here, neither waits for the other.
const WORTH_WAITING: usize = 8;
/// The part of the context, one in so many, that no prompt may take: room for the reply.
const REPLY_PART: usize = 4;

/// Writes replies with a language model.
pub(crate) struct ReplyEngine<N: Network> {
    network: N,
    template: ChatTemplate,
    limits: Limits,
    sequences: Sequences,
    jobs: Vec<Option<Job<N::Sampler>>>,
}

impl<N: Network> ReplyEngine<N> {
    /// An engine without jobs.
    pub(crate) fn new(network: N, template: ChatTemplate, limits: Limits) -> Self {
        Self {
            network,
            template,
            limits,
            sequences: Sequences::new(limits.sequences),
            jobs: (0..limits.slots).map(|_| None).collect(),
        }
    }
}

impl<N: Network> Engine for ReplyEngine<N> {
    type Job = Chat;
    type Piece = ReplyPiece;

    fn slots(&self) -> usize {
        self.limits.slots
    }

    fn admit(&mut self, slot: SlotId, chat: Chat) {
        let job = self.begin(&chat).map_or_else(Job::Refused, |work| Job::Working(Box::new(work)));
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
    /// Finds the chat's place among what has been evaluated.
    fn begin(&mut self, chat: &Chat) -> Result<Work<N::Sampler>, ModelError> {
        let budget = self.limits.context_tokens - self.limits.context_tokens / REPLY_PART;
        let prompt = prompt::compose(&self.network, &self.template, chat, budget)?;
        let is_warm_up = chat.options.max_tokens == 0;
        // The last token is evaluated even when it was before: what follows it is asked for.
        let most = if is_warm_up { prompt.len() } else { prompt.len() - 1 };
        let start = self
            .sequences
            .take(chat.cache_salt, &prompt, most)
            .ok_or(ModelError::Busy { engine: "llama" })?;
        let sequence = start.sequence;
        let keep = match start.copy_from {
            Some(source) => self.copy(source, sequence, start.keep),
            None => self.network.trim(sequence, start.keep),
        };
        self.sequences.truncate(sequence, keep);
        let sampler = self.network.sampler(&chat.options);
        Ok(Work::new(sequence, prompt, keep, &chat.options, sampler))
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
            self.finish(slot, slots);
        }
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
    fn collect(&mut self, shares: &[Share], slots: &mut Slots<ReplyPiece>) {
        let mut row = 0;
        for share in shares {
            row += share.tokens;
            let Some(Job::Working(work)) = &mut self.jobs[share.slot] else { continue };
            self.sequences.extend(work.sequence, &work.pending()[..share.tokens]);
            work.evaluated(share.tokens);
            if work.awaits_token() {
                let token = self.network.sample(row - 1, &mut work.sampler);
                self.write(share.slot, token, slots);
            } else if work.is_done() {
                self.finish(share.slot, slots);
            }
        }
    }

    fn write(&mut self, slot: SlotId, token: LlamaToken, slots: &mut Slots<ReplyPiece>) {
        let Some(Job::Working(work)) = &mut self.jobs[slot] else { return };
        if self.network.is_end(token) {
            self.finish(slot, slots);
            return;
        }
        if let Some(piece) = work.write(token, &self.network.piece(token)) {
            slots.emit(slot, piece);
        }
        if work.is_written() || self.sequences.len(work.sequence) >= self.limits.context_tokens {
            self.finish(slot, slots);
        }
    }

    fn finish(&mut self, slot: SlotId, slots: &mut Slots<ReplyPiece>) {
        let Some(Job::Working(work)) = &mut self.jobs[slot] else { return };
        for piece in work.finish() {
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

    fn work(&self, slot: SlotId) -> Option<&Work<N::Sampler>> {
        match &self.jobs[slot] {
            Some(Job::Working(work)) => Some(work),
            Some(Job::Refused(_)) | None => None,
        }
    }
}
