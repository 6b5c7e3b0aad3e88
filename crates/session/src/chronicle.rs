//! A call's chronicler: turns events into the record that observers get, and times each turn.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use trunkline_turn::{Decision, Event, IgnoreReason, ReplyCause, ReplyId, TurnEndReason, TurnId};

use crate::{
    CallId, HangupReason, Observer, Plan, Record, What, hearing::Hearing, milestones::Milestones,
    mouth::Mouth, reply::now,
};

pub(crate) struct Chronicle {
    call: CallId,
    observer: Arc<dyn Observer>,
    began: Instant,
    turn_ends: HashMap<TurnId, Instant>,
    /// How the turn that is ending was decided; the event that names the turn follows at once.
    decided: Option<Decision>,
    /// Replies that began and are not over: one, or several that are heard after each other.
    replies: Vec<CurrentReply>,
    /// Why the call would end if we ended it.
    parting: HangupReason,
}

/// A reply that is being heard.
struct CurrentReply {
    id: ReplyId,
    cause: ReplyCause,
    is_timed: bool,
    is_interrupted: bool,
}

impl Chronicle {
    pub(crate) fn new(plan: &Plan, observer: Arc<dyn Observer>, began: Instant) -> Self {
        let chronicle = Self {
            call: plan.call,
            observer,
            began,
            turn_ends: HashMap::new(),
            decided: None,
            replies: Vec::new(),
            parting: HangupReason::AgentHungUp,
        };
        chronicle.note(What::Answered {
            wire_id: plan.wire_id.clone(),
            from: plan.from.clone(),
            to: plan.to.clone(),
            leg: plan.leg,
            agent: plan.agent.name.clone(),
        });
        chronicle
    }

    pub(crate) fn event(&mut self, event: Event, hearing: &Hearing) {
        match event {
            Event::TurnStarted { turn } => tracing::debug!(turn = turn.0, "the caller speaks"),
            Event::TurnEnded { turn, text, speech_ended } => {
                self.turn_ended(turn, text, speech_ended, hearing);
            }
            Event::ReplyStarted { reply, cause } => self.reply_started(reply, cause),
            Event::ReplyHeard { reply, text, whole } => self.reply_heard(reply, text, whole),
            Event::Interrupted { reply } => {
                if let Some(current) = self.replies.iter_mut().find(|r| r.id == reply) {
                    current.is_interrupted = true;
                }
            }
            Event::ReplyCancelled { reply } => {
                self.decide("reply_cancelled", format!("reply {}: as ordered", reply.0));
            }
            Event::FellIdle { from, to } => {
                let idle = to.saturating_duration_since(from);
                self.decide("fell_idle", format!("nobody spoke for {} ms", idle.as_millis()));
            }
            Event::Refused { refusal, .. } => {
                tracing::debug!(?refusal, "an order was not carried out");
            }
            // Failures of the recognizer are noted where they come from.
            Event::TurnFailed { .. }
            | Event::SpeechStarted { .. }
            | Event::SpeechStopped { .. }
            | Event::ToolCalled { .. } => {}
            Event::ReplyFailed { reason, .. } => self.model_failed(&reason),
            Event::FellSilent { silence } => {
                self.parting = HangupReason::CallerSilent;
                self.decide("fell_silent", format!("no word for {} ms", silence.as_millis()));
            }
            Event::Pressed(_) => self.note(What::Pressed),
            Event::Decided(decision) => self.decision(decision),
        }
    }

    /// The first audio after silence left for the caller.
    pub(crate) fn sounded(&mut self, at: Instant, mouth: &Mouth) {
        let Some(current) = self.replies.iter_mut().find(|r| !r.is_timed) else { return };
        current.is_timed = true;
        let ReplyCause::Turn { turn, .. } = &current.cause else { return };
        let (Some(reply), Some(answer), Some(&speech_ended)) =
            (mouth.reply().filter(|r| r.id == current.id), mouth.answer, self.turn_ends.get(turn))
        else {
            return;
        };
        let milestones = Milestones {
            speech_ended,
            words_asked: answer.asked,
            words_known: answer.known,
            first_token: reply.meter.first_token.get().copied().unwrap_or(answer.known),
            first_audio: reply.ready_at.unwrap_or(at),
            released: reply.released_at.unwrap_or(at),
            sounded: at,
        };
        let turn = turn.0;
        self.note(What::ReplySounded { turn, stages: milestones.stages() });
    }

    /// A reply wants a function called.
    pub(crate) fn tool_called(&self, name: &str) {
        self.decide("tool_called", name.to_owned());
    }

    /// The caller heard nothing for `gap` in the middle of a reply.
    pub(crate) fn ran_dry(&self, gap: std::time::Duration) {
        self.note(What::RanDry { gap });
    }

    pub(crate) fn model_failed(&mut self, reason: &str) {
        self.parting = HangupReason::ModelFailed;
        self.note(What::ModelFailed { reason: reason.to_owned() });
    }

    pub(crate) fn ended(&self, reason: HangupReason) {
        self.note(What::Ended { reason, duration: now().saturating_duration_since(self.began) });
    }

    /// Why the conversation hangs up.
    pub(crate) fn parting(&self) -> HangupReason {
        self.parting
    }

    fn reply_started(&mut self, id: ReplyId, cause: ReplyCause) {
        self.parting = match (&cause, self.parting) {
            (ReplyCause::Apology(_), _) => HangupReason::ModelFailed,
            (ReplyCause::Farewell(_), HangupReason::CallerSilent) => HangupReason::CallerSilent,
            // Without a silence before it, a farewell is said when the call has lasted too long.
            (ReplyCause::Farewell(_), _) => HangupReason::TooLong,
            (
                ReplyCause::Greeting(_)
                | ReplyCause::Turn { .. }
                | ReplyCause::Ordered(_)
                | ReplyCause::Idle
                | ReplyCause::Silence(_),
                _,
            ) => HangupReason::AgentHungUp,
        };
        self.replies.retain(|reply| reply.id != id);
        self.replies.push(CurrentReply { id, cause, is_timed: false, is_interrupted: false });
    }

    fn turn_ended(&mut self, turn: TurnId, text: String, speech_ended: Instant, hearing: &Hearing) {
        self.turn_ends.insert(turn, speech_ended);
        let (reason, silence, end_probability) = match self.decided.take() {
            Some(Decision::TurnEnded { reason, silence, end_probability, .. }) => {
                (reason, silence, end_probability)
            }
            _ => (TurnEndReason::Finished, now().saturating_duration_since(speech_ended), None),
        };
        self.note(What::TurnEnded {
            turn: turn.0,
            text,
            reason,
            silence,
            end_probability,
            speech_end_media_ms: hearing.media_time(speech_ended).to_ms(),
        });
    }

    fn reply_heard(&mut self, reply: ReplyId, text: String, whole: bool) {
        let at = self.replies.iter().position(|r| r.id == reply);
        let current = at.map(|at| self.replies.remove(at));
        let turn = current.as_ref().and_then(|r| match &r.cause {
            ReplyCause::Turn { turn, .. } => Some(turn.0),
            ReplyCause::Ordered(_)
            | ReplyCause::Idle
            | ReplyCause::Greeting(_)
            | ReplyCause::Silence(_)
            | ReplyCause::Apology(_)
            | ReplyCause::Farewell(_) => None,
        });
        let interrupted = current.is_some_and(|r| r.is_interrupted);
        self.note(What::ReplyHeard { turn, text, whole, interrupted });
    }

    fn decision(&mut self, decision: Decision) {
        match decision {
            Decision::TurnEnded { .. } => self.decided = Some(decision),
            Decision::Ignored { reason, text, evidence } => {
                let reason = ignore_reason(reason).to_owned();
                self.note(What::SpeechIgnored { reason, text, evidence });
            }
            Decision::PreparedReplyDropped { reply } => {
                self.decide(
                    "prepared_reply_dropped",
                    format!("reply {}: the caller went on", reply.0),
                );
            }
            Decision::FalseInterruption { reply, held } => {
                let detail =
                    format!("reply {} was held for {} ms and went on", reply.0, held.as_millis());
                self.decide("false_interruption", detail);
            }
            Decision::FloorRecovered { stuck } => {
                self.decide(
                    "floor_recovered",
                    format!("nobody owned the floor for {} ms", stuck.as_millis()),
                );
            }
        }
    }

    fn decide(&self, kind: &'static str, detail: String) {
        self.note(What::Decided { kind, detail });
    }

    fn note(&self, what: What) {
        self.observer.note(Record { call: self.call, at: SystemTime::now(), what });
    }
}

fn ignore_reason(reason: IgnoreReason) -> &'static str {
    match reason {
        IgnoreReason::TooShort => "too_short",
        IgnoreReason::TooQuiet => "too_quiet",
        IgnoreReason::NoWords => "no_words",
        IgnoreReason::NoSpeech => "no_speech",
        IgnoreReason::LowConfidence => "low_confidence",
        IgnoreReason::Repetitive => "repetitive",
        IgnoreReason::KnownHallucination => "known_hallucination",
        IgnoreReason::UnsureVoice => "unsure_voice",
        IgnoreReason::Cough => "cough",
        IgnoreReason::Backchannel => "backchannel",
    }
}

#[cfg(test)]
mod tests;
