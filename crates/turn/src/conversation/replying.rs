//! Our replies: made, let out, heard, cut and failed.

use std::time::Duration;

use crate::{
    Command, Conversation, Event, Mark, ReplyCause, ReplyId, Spoken,
    reply::{Reply, is_last},
};

impl Conversation {
    /// The call begins.
    pub(super) fn answered(&mut self) {
        if self.floor.answered.is_none() {
            let now = self.now();
            self.floor.answered = Some(now);
            self.floor.quiet_since = Some(now);
            self.say(ReplyCause::Greeting(self.script.greeting.clone()));
        }
    }

    /// Says something of ours as soon as the line is clear. An empty text is not said.
    pub(super) fn say(&mut self, cause: ReplyCause) {
        if self.floor.cut.is_some() {
            self.floor.next = Some(cause);
            return;
        }
        match text_of(&cause) {
            Some("") if is_last(&cause) => self.hang_up(),
            Some("") => self.floor.quiet_since = Some(self.now()),
            Some(_) | None => {
                self.make_reply(cause);
                self.release_reply();
            }
        }
    }

    /// Begins to make a reply, held back.
    pub(super) fn make_reply(&mut self, cause: ReplyCause) {
        let reply = self.counts.next_reply();
        self.floor.reply = Some(Reply::new(reply, cause.clone(), self.now()));
        self.order(Command::PrepareReply { reply, cause });
    }

    /// Lets out what was prepared; where that failed meanwhile, we apologize.
    pub(super) fn release_prepared(&mut self) {
        if self.floor.reply.take_if(|reply| reply.failure.is_some()).is_some() {
            self.apologize();
        } else {
            self.release_reply();
        }
    }

    pub(super) fn reply_ready(&mut self, id: ReplyId) {
        let now = self.now();
        if let Some(reply) = self.floor.reply_mut(id) {
            reply.is_ready = true;
            reply.progressed = now;
        }
    }

    pub(super) fn spoke(&mut self, spoken: Spoken) {
        let now = self.now();
        if let Some(reply) = self.floor.reply_mut(spoken.mark.reply) {
            // What was unheard goes on playing: only an idle line starts a new count.
            if reply.clauses.is_played_out() {
                reply.progressed = now;
            }
            reply.is_ready = true;
            reply.clauses.push(spoken);
        }
    }

    pub(super) fn reply_whole(&mut self, id: ReplyId) {
        let now = self.now();
        let Some(reply) = self.floor.reply_mut(id) else { return };
        if reply.clauses.is_empty() {
            return self.reply_failed(id, "the reply has no words".to_owned());
        }
        if reply.clauses.is_played_out() {
            reply.progressed = now;
        }
        reply.clauses.complete();
        self.finish_reply();
    }

    pub(super) fn played(&mut self, mark: Mark) {
        let now = self.now();
        let Some(reply) = self.floor.reply_mut(mark.reply).filter(|reply| reply.is_released) else {
            return;
        };
        reply.clauses.played(mark);
        reply.progressed = now;
        let text = reply.clauses.heard_text();
        let is_whole = reply.clauses.is_heard_whole();
        self.transcript.agent_heard(mark.reply, text, is_whole);
        self.finish_reply();
    }

    /// The model or the voice failed. What has gone out is still heard; then we apologize. A reply
    /// that is only prepared may yet not be needed.
    pub(super) fn reply_failed(&mut self, id: ReplyId, reason: String) {
        let Some(reply) = self.floor.reply.as_mut().filter(|reply| reply.id == id) else { return };
        if reply.failure.is_none() {
            reply.failure = Some(reason.clone());
            self.tell(Event::ReplyFailed { reply: id, reason });
            self.finish_reply();
        }
    }

    /// Stops a reply that was let out; how much of it was heard is answered by the leg.
    pub(super) fn stop_reply(&mut self) {
        let Some(reply) = self.floor.reply.take() else { return };
        self.order(Command::StopReply { reply: reply.id });
        let now = self.now();
        self.floor.cut = Some((reply, now));
    }

    /// The leg says how much of a stopped reply was heard.
    pub(super) fn reply_cut(&mut self, id: ReplyId, last: Option<Mark>, since_mark: Duration) {
        let Some((mut reply, _)) = self.floor.cut.take_if(|(reply, _)| reply.id == id) else {
            return;
        };
        if let Some(mark) = last.filter(|mark| mark.reply == id) {
            reply.clauses.played(mark);
        }
        let text = reply.clauses.text_at_cut(since_mark);
        self.close_reply(&reply, text);
        self.line_is_clear();
    }

    /// The leg did not say: what the marks told is what was heard.
    pub(super) fn cut_late(&mut self) {
        if let Some((reply, _)) = self.floor.cut.take() {
            self.close_reply(&reply, reply.clauses.heard_text());
            self.line_is_clear();
        }
    }

    pub(super) fn close_reply(&mut self, reply: &Reply, text: String) {
        let whole = reply.failure.is_none() && reply.clauses.is_heard_whole();
        self.transcript.agent_heard(reply.id, text.clone(), whole);
        self.tell(Event::ReplyHeard { reply: reply.id, text, whole });
    }

    fn release_reply(&mut self) {
        let now = self.now();
        let Some(reply) = self.floor.reply.as_mut() else { return };
        reply.is_released = true;
        reply.progressed = now;
        let (id, cause) = (reply.id, reply.cause.clone());
        self.order(Command::ReleaseReply { reply: id });
        if self.clock.is_held() {
            self.order(Command::PauseReply { reply: id });
        }
        self.tell(Event::ReplyStarted { reply: id, cause });
    }

    /// Ends the reply when nothing more of it will be heard: the floor is the caller's.
    fn finish_reply(&mut self) {
        let now = self.now();
        let Some(reply) = self.floor.reply.take_if(|reply| reply.is_over()) else { return };
        self.close_reply(&reply, reply.clauses.heard_text());
        self.floor.quiet_since = Some(now);
        match &reply.failure {
            _ if reply.is_last() => self.hang_up(),
            Some(_) => {
                self.forget_turn();
                self.apologize();
            }
            None => self.overlap_outlived_reply(),
        }
    }

    fn line_is_clear(&mut self) {
        match self.floor.next.take() {
            Some(cause) => self.say(cause),
            None => self.prepare_reply(),
        }
    }
}

/// The fixed text of a reply that has one.
fn text_of(cause: &ReplyCause) -> Option<&str> {
    match cause {
        ReplyCause::Greeting(text)
        | ReplyCause::Silence(text)
        | ReplyCause::Apology(text)
        | ReplyCause::Farewell(text) => Some(text),
        ReplyCause::Turn { .. } => None,
    }
}
