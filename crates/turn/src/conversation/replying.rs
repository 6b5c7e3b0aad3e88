//! Our replies: made, let out, heard, cut and failed.

use std::{mem, time::Duration};

use crate::{
    Command, Conversation, Ear, Event, Mark, Refused, ReplyCause, ReplyId, Spoken, Taking,
    reply::{Reply, is_last},
};

use super::floor::Idling;

impl Conversation {
    /// The call begins.
    pub(super) fn answered(&mut self) {
        if self.floor.answered.is_none() {
            let now = self.now();
            self.floor.answered = Some(now);
            self.floor.quiet_since = Some(now);
            if self.config.taking == Taking::Manual {
                self.order(Command::Listen(Ear::Next));
            }
            self.say(ReplyCause::Greeting(self.script.greeting.clone()));
        }
    }

    /// Says something of ours as soon as the line is clear. An empty text is not said.
    pub(super) fn say(&mut self, cause: ReplyCause) {
        let needs_chat = cause.fixed_text().is_none();
        let is_chat_open = self.floor.cut.is_some() || (needs_chat && !self.commits.is_empty());
        if is_chat_open || self.floor.is_line_taken() {
            if let Some(ReplyCause::Ordered(order)) = self.floor.next.replace(cause) {
                self.refuse(Some(order), Refused::ReplyUnderWay);
            }
            return;
        }
        match cause.fixed_text() {
            Some("") if is_last(&cause) => self.hang_up(),
            Some("") => self.floor.quiet_since = Some(self.now()),
            Some(_) | None => {
                // It stands in for what was prepared, which can be prepared again.
                self.drop_prepared();
                self.make_reply(cause);
                self.release_reply();
            }
        }
    }

    /// Says what waited for the line, if it is clear.
    pub(super) fn say_next(&mut self) {
        if let Some(cause) = self.floor.next.take() {
            self.say(cause);
        }
    }

    /// Begins to make a reply, held back. One that is made and let out is heard before it: the chat
    /// takes it as heard.
    pub(super) fn make_reply(&mut self, cause: ReplyCause) {
        let mut held = None;
        if let Some(mut made) = self.floor.reply.take() {
            held = made.held.take();
            if !made.cause.is_aside() {
                let whole = made.failure.is_none();
                self.transcript.agent_heard(made.id, made.clauses.all_text(), whole);
            }
            self.floor.under.push(made);
        }
        let reply = self.counts.next_reply();
        self.floor.reply = Some(Reply { held, ..Reply::new(reply, cause.clone(), self.now()) });
        self.order(Command::PrepareReply { reply, cause });
    }

    /// Lets out what was prepared; where that failed meanwhile, we apologize.
    pub(super) fn release_prepared(&mut self) {
        let Some(reply) = self.floor.reply.take_if(|reply| reply.failure.is_some()) else {
            return self.release_reply();
        };
        if self.goes_on() {
            self.tell(Event::ReplyStarted { reply: reply.id, cause: reply.cause.clone() });
            self.close_reply(&reply, String::new());
        }
        self.apologize();
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

    pub(super) fn wrote(&mut self, id: ReplyId, text: &str) {
        let now = self.now();
        if let Some(reply) = self.floor.reply_mut(id).filter(|reply| !reply.clauses.is_whole()) {
            reply.progressed = now;
            reply.is_ready = true;
            reply.clauses.write(text);
        }
    }

    pub(super) fn tool_called(&mut self, id: ReplyId, index: u32) {
        let now = self.now();
        let Some(reply) = self.floor.reply_mut(id).filter(|reply| !reply.clauses.is_whole()) else {
            return;
        };
        reply.progressed = now;
        reply.clauses.call();
        if !reply.cause.is_aside() {
            self.tell(Event::ToolCalled { reply: id, index });
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
        self.finish_replies();
        self.say_next_if_clear();
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
        let is_aside = reply.cause.is_aside();
        if let Some(newest) = self.floor.reply.as_mut().filter(|newest| newest.id != mark.reply) {
            // It follows what is heard.
            newest.progressed = now;
        }
        let is_under = self.floor.under.iter().any(|reply| reply.id == mark.reply);
        if !is_aside && !is_under {
            self.transcript.agent_heard(mark.reply, text, is_whole);
        }
        self.finish_replies();
        self.say_next_if_clear();
    }

    /// The model or the voice failed. What has gone out is still heard; then we apologize. A reply
    /// that is only prepared may yet not be needed.
    pub(super) fn reply_failed(&mut self, id: ReplyId, reason: String) {
        let Some(reply) = self.floor.reply.as_mut().filter(|reply| reply.id == id) else { return };
        if reply.failure.is_none() {
            reply.failure = Some(reason.clone());
            self.tell(Event::ReplyFailed { reply: id, reason });
            self.finish_replies();
            self.say_next_if_clear();
        }
    }

    /// Stops all that was let out; how much of it was heard is answered by the leg. Which replies
    /// those are.
    pub(super) fn stop_reply(&mut self) -> Vec<ReplyId> {
        let Some(reply) = self.floor.reply.take() else { return Vec::new() };
        self.order(Command::StopReply { reply: reply.id });
        let mut stopped = mem::take(&mut self.floor.under);
        stopped.push(reply);
        let ids = stopped.iter().map(|reply| reply.id).collect();
        self.floor.cut = Some((stopped, self.now()));
        ids
    }

    /// The leg says how much of what was stopped was heard.
    pub(super) fn reply_cut(&mut self, id: ReplyId, last: Option<Mark>, since_mark: Duration) {
        let is_it = |stopped: &[Reply]| stopped.last().is_some_and(|reply| reply.id == id);
        let Some((stopped, _)) = self.floor.cut.take_if(|(stopped, _)| is_it(stopped)) else {
            return;
        };
        let mut since_mark = since_mark;
        for mut reply in stopped {
            if let Some(mark) = last.filter(|mark| mark.reply == reply.id) {
                reply.clauses.played(mark);
            }
            self.close_reply(&reply, reply.clauses.text_at_cut(since_mark));
            if !reply.clauses.is_played_out() {
                // The sound after the last mark was this reply's.
                since_mark = Duration::ZERO;
            }
        }
        self.line_is_clear();
    }

    /// The leg did not say: what the marks told is what was heard.
    pub(super) fn cut_late(&mut self) {
        if let Some((stopped, _)) = self.floor.cut.take() {
            for reply in stopped {
                self.close_reply(&reply, reply.clauses.heard_text());
            }
            self.line_is_clear();
        }
    }

    pub(super) fn close_reply(&mut self, reply: &Reply, text: String) {
        let whole = reply.failure.is_none() && reply.clauses.is_heard_whole();
        if !reply.cause.is_aside() {
            self.transcript.agent_heard(reply.id, text.clone(), whole);
            self.transcript.keep(reply.id, reply.clauses.clone());
        }
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

    /// Ends the replies of which nothing more will be heard. After the last one the floor is the
    /// caller's.
    fn finish_replies(&mut self) {
        for reply in self.floor.under.extract_if(.., |reply| reply.is_over()).collect::<Vec<_>>() {
            self.close_reply(&reply, reply.clauses.heard_text());
        }
        let Some(reply) = self.floor.reply.take_if(|reply| reply.is_over()) else { return };
        self.close_reply(&reply, reply.clauses.heard_text());
        self.floor.reply = self.floor.under.pop();
        self.pass_hold_on(&reply);
        self.floor.quiet_since = Some(self.now());
        if self.counts.idling == Idling::Unspoken {
            self.counts.idling = Idling::Spoken;
        }
        if reply.is_last() {
            self.hang_up();
        } else if reply.failure.is_some() && !self.goes_on() {
            self.forget_turn();
            self.go_on_replying();
            self.apologize();
        } else if self.floor.reply.is_none() {
            self.overlap_outlived_reply();
        }
    }

    /// A reply that ends while the line is held, as one without sound may, leaves that to the one
    /// before it, or the line goes on.
    fn pass_hold_on(&mut self, over: &Reply) {
        match &mut self.floor.reply {
            Some(before) => before.held = before.held.or(over.held),
            None if over.held.is_some() || self.clock.is_held() => {
                self.order(Command::ResumeReply { reply: over.id });
            }
            None => {}
        }
    }

    /// Says what waited for a reply to be made.
    pub(super) fn say_next_if_clear(&mut self) {
        if self.floor.cut.is_none() && !self.floor.is_line_taken() && !self.floor.is_over {
            self.say_next();
        }
    }

    fn line_is_clear(&mut self) {
        match self.floor.next.take() {
            Some(cause) => self.say(cause),
            None => self.prepare_reply(),
        }
    }
}
