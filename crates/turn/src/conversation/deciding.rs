//! The caller has stopped: are these words, is the turn over, and what is prepared meanwhile?

use std::time::{Duration, Instant};

use crate::{
    Command, Conversation, Decision, Ear, Event, GateConfig, Heard, IgnoreReason, ReplyCause,
    TurnEndReason, TurnId, caller_turn::CallerTurn, dictation, gate::judge, patience, reply::Reply,
    words::normalized,
};

use super::floor::{Idling, State};

/// Why words are lost that did not come.
pub(super) const LATE: &str = "the recognizer did not answer in time";

impl Conversation {
    pub(super) fn end_scored(&mut self, probability: f32) {
        let is_deciding = self.state() == State::Deciding;
        if let Some(turn) = self.floor.turn.as_mut().filter(|_| is_deciding) {
            turn.end_probability = Some(probability.clamp(0.0, 1.0));
        }
    }

    /// The recognizer said what was said up to this silence.
    pub(super) fn words_known(&mut self, heard: Heard) {
        let verdict = judge(&heard.evidence, &heard.text, &self.config.gate);
        let Some(turn) = &mut self.floor.turn else { return };
        match (verdict, turn.words.believed.take()) {
            (Ok(()), _) => turn.settle(heard),
            // Words once believed stay: the sound after them added nothing.
            (Err(_), Some(believed)) => turn.settle(believed),
            (Err(reason), None)
                if may_be_misheard(reason, &heard, &self.config.gate) && !turn.is_too_long =>
            {
                return self.doubt(reason, heard);
            }
            (Err(reason), None) => return self.ignore_sound(reason, Some(heard)),
        }
        self.name_turn();
        self.prepare_reply();
        if self.floor.turn.as_ref().is_some_and(|turn| turn.is_too_long) {
            self.end_turn(TurnEndReason::TooLong);
        }
    }

    /// Keeps a clear voice of which no believable words were made, in case the caller goes on: the
    /// beginning of a sentence alone is often misheard.
    pub(super) fn doubt(&mut self, reason: IgnoreReason, heard: Heard) {
        if let Some(turn) = &mut self.floor.turn {
            turn.words.doubted = Some((reason, heard));
        }
    }

    /// When it is given up. Soon over our reply, which may be held for it.
    pub(super) fn doubt_ends_at(&self) -> Option<Instant> {
        let turn = self.floor.turn.as_ref().filter(|turn| turn.words.doubted.is_some())?;
        let is_over_reply = self.state() == State::Overlap;
        let overlap = &self.config.overlap;
        let wait = if is_over_reply { overlap.word_gap } else { self.config.patience.unfinished };
        Some(turn.voice.silent_since? + wait)
    }

    pub(super) fn give_up_doubted(&mut self) {
        let Some(turn) = &mut self.floor.turn else { return };
        if let Some((reason, heard)) = turn.words.doubted.take() {
            self.ignore_sound(reason, Some(heard));
            self.go_on_replying();
        }
    }

    /// The recognizer did not answer: what was known is taken, if anything was.
    pub(super) fn words_late(&mut self) {
        let gate = &self.config.gate;
        let Some(turn) = &mut self.floor.turn else { return };
        turn.words.asked = None;
        let latest = turn.words.latest.take();
        let known = latest.filter(|heard| judge(&heard.evidence, &heard.text, gate).is_ok());
        let Some(known) = known.or_else(|| turn.words.believed.take()) else {
            return self.hearing_failed(LATE.to_owned());
        };
        turn.settle(known);
        self.name_turn();
        self.prepare_reply();
        self.end_turn(TurnEndReason::RecognizerTimeout);
    }

    /// Makes the reply ahead of the turn's end, its audio held back, unless the one that there is
    /// answers the same words.
    pub(super) fn prepare_reply(&mut self) {
        if self.floor.cut.is_some() || !self.prepares() {
            // The chat is not known before it is known what was heard.
            return;
        }
        let Some((turn, text)) = self.settled_words() else { return };
        if self.floor.prepared().is_some_and(|reply| answers(reply, &text)) {
            return;
        }
        self.drop_prepared();
        self.make_reply(ReplyCause::Turn { turn, text });
    }

    /// Whether the reply to the turn is made before the turn ends: not under another reply, nor before
    /// an earlier turn's words are known.
    fn prepares(&self) -> bool {
        self.replies() && self.floor.released().is_none() && self.commits.is_empty()
    }

    /// Throws away what was prepared because the caller goes on.
    pub(super) fn drop_prepared(&mut self) {
        let Some(reply) = self.floor.reply.take_if(|reply| !reply.is_released) else { return };
        self.order(Command::StopReply { reply: reply.id });
        self.tell(Event::Decided(Decision::PreparedReplyDropped { reply: reply.id }));
    }

    /// When the turn is over if the caller stays silent: `None` while words, or what was heard of
    /// the reply before, are not known.
    pub(super) fn turn_ends_at(&self) -> Option<Instant> {
        let turn = self.floor.turn.as_ref().filter(|_| self.state() != State::Overlap)?;
        let text = turn.settled_text()?;
        let is_awaited = self.prepares() && self.floor.prepared().is_none();
        if is_awaited || self.floor.cut.is_some() || !self.commits.is_empty() {
            return None;
        }
        let wait = self.patience_with(text, turn.end_probability);
        let end = turn.voice.silent_since? + wait;
        // Sound that may be the caller going on is waited out, or they would be cut off by a hair.
        let rising = turn.voice.rising.map(|rising| rising + self.config.limits.rising);
        Some(rising.map_or(end, |known| end.max(known)))
    }

    /// The silence has lasted long enough.
    pub(super) fn patience_over(&mut self) {
        let Some(turn) = &self.floor.turn else { return };
        let Some(text) = turn.settled_text() else { return };
        let config = &self.config.patience;
        let wait = self.patience_with(text, turn.end_probability);
        let reason = if wait > config.typical {
            TurnEndReason::SilenceTimeout
        } else {
            TurnEndReason::Finished
        };
        self.end_turn(reason);
    }

    fn patience_with(&self, text: &str, end_probability: Option<f32>) -> Duration {
        let is_dictating = dictation::is_dictating(text);
        patience(text, end_probability, is_dictating, &self.config.patience)
    }

    /// The turn is over: the floor is ours, and the prepared reply is let out.
    fn end_turn(&mut self, reason: TurnEndReason) {
        if let Some((turn, text)) = self.close_turn(reason) {
            self.reply_to(turn, text);
            self.order(Command::Listen(Ear::Shut));
        }
    }

    /// Ends the turn with the words that are settled; the ear is to be shut then.
    pub(super) fn close_turn(&mut self, reason: TurnEndReason) -> Option<(TurnId, String)> {
        let now = self.now();
        // No end without a reply to let out, and no reply before the line is clear.
        self.cut_late();
        self.commits_late();
        let (id, text) = self.settled_words()?;
        let turn = self.floor.turn.take()?;
        let ended = turn.voice.silent_since.unwrap_or(now);
        self.tell(Event::Decided(Decision::TurnEnded {
            reason,
            silence: now.saturating_duration_since(ended),
            end_probability: turn.end_probability,
            dictating: dictation::is_dictating(&text),
        }));
        let speech_ended = self.clock.real(ended);
        self.report_silence(&turn);
        self.tell(Event::TurnEnded { turn: id, text: text.clone(), speech_ended });
        self.caller_spoke();
        Some((id, text))
    }

    /// What was counted since the caller's last turn is counted anew.
    pub(super) fn caller_spoke(&mut self) {
        self.counts.prompts = 0;
        self.counts.hearing_failures = 0;
        self.counts.idling = Idling::Unspoken;
    }

    /// Lets out the reply to a turn that is over, or makes it where it could not be prepared.
    fn reply_to(&mut self, turn: TurnId, text: String) {
        if self.floor.prepared().is_some() {
            self.release_prepared();
        } else if self.replies() {
            self.say(ReplyCause::Turn { turn, text });
        } else {
            self.floor.quiet_since = Some(self.now());
        }
    }

    /// Gives the turn its number, now that somebody has really said something.
    pub(super) fn name_turn(&mut self) {
        let is_new = |turn: &&mut CallerTurn| turn.id.is_none() && turn.words.believed.is_some();
        let Some(turn) = self.floor.turn.as_mut().filter(is_new) else { return };
        let id = self.counts.next_turn();
        turn.id = Some(id);
        self.tell(Event::TurnStarted { turn: id });
    }

    pub(super) fn settled_words(&self) -> Option<(TurnId, String)> {
        let turn = self.floor.turn.as_ref()?;
        Some((turn.id?, turn.settled_text()?.trim().to_owned()))
    }
}

/// A voice that is sure to be one, and nothing that music or a decoder's loop would make of it.
pub(super) fn may_be_misheard(reason: IgnoreReason, heard: &Heard, gate: &GateConfig) -> bool {
    let strong = &gate.strong;
    matches!(reason, IgnoreReason::NoWords | IgnoreReason::LowConfidence)
        && heard.evidence.voiced >= strong.voiced
        && heard.evidence.vad_mean >= strong.vad_mean
}

fn answers(reply: &Reply, text: &str) -> bool {
    match &reply.cause {
        ReplyCause::Turn { text: answered, .. } => {
            reply.failure.is_none() && normalized(answered) == normalized(text)
        }
        ReplyCause::Greeting(_)
        | ReplyCause::Ordered(_)
        | ReplyCause::Idle
        | ReplyCause::Silence(_)
        | ReplyCause::Apology(_)
        | ReplyCause::Farewell(_) => false,
    }
}
