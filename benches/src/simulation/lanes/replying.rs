//! The language model's lane: each step writes a token of every reply and reads what room is left for.

use std::time::{Duration, Instant};

use trunkline_inference::{
    Party, ReplyProgress,
    schedule::{Step, Tenant},
};

use super::Demand;
use crate::simulation::{
    Turn,
    machine::{Machine, Took},
};

/// A reply that is read for or written.
#[derive(Clone, Debug)]
struct Reply {
    turn: usize,
    asked: f64,
    /// Counted from `epoch`, which stands for when it was asked.
    progress: ReplyProgress,
    epoch: Instant,
    /// Tokens of the first clause.
    first_clause: f64,
    to_read: f64,
    written: f64,
    length: f64,
    /// Tokens of the call that are remembered.
    context: f64,
    /// Tokens of the step that runs.
    share: f64,
}

/// The lane.
#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct Replying {
    replies: Vec<Reply>,
}

impl Replying {
    pub(in crate::simulation) fn asked(&mut self, now: f64, turn: usize, told: &Turn) {
        let epoch = Instant::now();
        self.replies.push(Reply {
            turn,
            asked: now,
            progress: ReplyProgress::new(Party::caller(Tenant(0)), epoch),
            epoch,
            first_clause: told.clauses.first().map_or(0.0, |clause| clause.tokens),
            to_read: told.prompt,
            written: 0.0,
            length: told.reply(),
            context: told.context,
            share: 0.0,
        });
    }

    /// How many tokens of each reply the next step evaluates, those written first.
    fn shares(&self, machine: &Machine) -> Vec<f64> {
        let slots = self.replies.len().min(machine.most_replies());
        let replies = &self.replies[..slots];
        let writes = |reply: &&Reply| reply.to_read == 0.0;
        #[expect(clippy::cast_precision_loss, reason = "replies at once")]
        let mut room = machine.most_rows() - replies.iter().filter(writes).count() as f64;
        let share = |reply: &Reply| {
            if reply.to_read == 0.0 {
                return 1.0;
            }
            let share = reply.to_read.min(room.max(0.0));
            room -= share;
            share
        };
        replies.iter().map(share).collect()
    }

    pub(in crate::simulation) fn demand(&self, machine: &Machine) -> Option<Demand> {
        let shares = self.shares(machine);
        let amount: f64 = shares.iter().sum();
        let at_work = || self.replies.iter().zip(&shares).filter(|(_, share)| **share > 0.0);
        let reads = at_work().any(|(reply, _)| reply.to_read > 0.0);
        let claims = at_work().map(|(reply, share)| Self::claim(reply, *share, amount));
        let step = Step { kind: u8::from(reads), amount, pace: Some(Duration::from_millis(50)) };
        (amount > 0.0).then(|| Demand { step, claims: claims.collect() })
    }

    /// When the reply's next tokens are due, and the amount of work until then; as the language model's lane has
    /// it.
    fn claim(reply: &Reply, share: f64, amount: f64) -> (f64, f64) {
        let is_reading = reply.to_read > 0.0;
        let (claim, to_write) = reply.progress.claim(is_reading);
        let due = claim.due().map_or(0.0, |due| due.duration_since(reply.epoch).as_secs_f64());
        let to_read = if is_reading { (reply.to_read / share).ceil() } else { 0.0 };
        (reply.asked + due, amount * (to_read + f64::from(to_write)))
    }

    /// Begins the next step; what it takes.
    pub(in crate::simulation) fn begin(&mut self, machine: &Machine) -> Took {
        let shares = self.shares(machine);
        for (reply, share) in self.replies.iter_mut().zip(&shares) {
            reply.share = *share;
        }
        let at_work = self.replies.iter().filter(|reply| reply.share > 0.0);
        let context = at_work.map(|reply| reply.context + reply.written).sum();
        machine.think(shares.iter().sum(), context)
    }

    /// Ends it: the turns that have another token, and how many they have.
    pub(in crate::simulation) fn end(&mut self, now: f64) -> Vec<(usize, f64)> {
        let mut written = Vec::new();
        for reply in &mut self.replies {
            let share = std::mem::take(&mut reply.share);
            if share == 0.0 {
                continue;
            }
            reply.to_read = (reply.to_read - share).max(0.0);
            // The step that reads the last of a prompt writes the first token.
            if reply.to_read == 0.0 {
                reply.written += 1.0;
                let at = reply.epoch + Duration::from_secs_f64(now - reply.asked);
                reply.progress.wrote(at, reply.written >= reply.first_clause);
                written.push((reply.turn, reply.written));
            }
        }
        self.replies.retain(|reply| reply.written < reply.length);
        written
    }
}
