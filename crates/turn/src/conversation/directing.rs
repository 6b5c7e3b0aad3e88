//! What a program at the caller's end orders: replies, their end, and changes of the chat.

use std::time::Duration;

use crate::{
    Command, Conversation, Ear, Event, ItemKey, Order, Place, Refused, ReplyCause, ReplyId,
    TurnEndReason, reply::Reply,
};

use super::floor::State;

impl Conversation {
    /// Reply to the chat as it is; to what the caller has just said too, where that is known.
    pub(super) fn reply_ordered(&mut self, order: Order) {
        let is_on = self.floor.answered.is_some() && !self.floor.is_ending();
        if !is_on || self.floor.next.is_some() || self.floor.is_line_taken() {
            return self.refuse(Some(order), Refused::ReplyUnderWay);
        }
        // It stands in for the reply that was prepared.
        self.drop_prepared();
        let is_known = self.floor.cut.is_none() && self.commits.is_empty();
        let is_silent = self.state() == State::Deciding;
        let is_ended = is_known && is_silent && self.close_turn(TurnEndReason::Finished).is_some();
        self.say(ReplyCause::Ordered(order));
        if is_ended {
            self.order(Command::Listen(Ear::Shut));
        }
    }

    /// Stop the reply, or this one.
    pub(super) fn stop_ordered(&mut self, reply: Option<ReplyId>) {
        if reply.is_none() && self.floor.released().is_none() && self.cancel_waiting() {
            return;
        }
        let all = self.floor.under.iter().chain(&self.floor.reply);
        let mut sounding = all.filter(|reply| reply.is_released && !reply.is_last());
        let is_meant = |other: &Reply| reply.is_none_or(|reply| reply == other.id);
        if !sounding.any(is_meant) {
            return self.refuse(None, Refused::NoReply);
        }
        for reply in self.stop_reply() {
            self.tell(Event::ReplyCancelled { reply });
        }
        self.floor.quiet_since = Some(self.now());
        self.overlap_outlived_reply();
    }

    pub(super) fn item_placed(&mut self, item: u64, place: Place) {
        if !self.transcript.place(item, place) {
            self.refuse(None, Refused::NoSuchItem);
        }
    }

    pub(super) fn item_removed(&mut self, item: ItemKey) {
        if !self.transcript.remove(item) {
            self.refuse(None, Refused::NoSuchItem);
        }
    }

    /// No more than `heard` of a reply was heard. One that is still on its way keeps no more either.
    pub(super) fn reply_truncated(&mut self, id: ReplyId, heard: Duration) {
        if !self.transcript.has(ItemKey::Reply(id)) {
            return self.refuse(None, Refused::NoSuchItem);
        }
        let is_under = self.floor.under.iter().any(|reply| reply.id == id);
        let Some(reply) = self.floor.reply_mut(id) else {
            return self.transcript.truncate(id, heard);
        };
        reply.clauses.truncate(heard);
        let text = if is_under { reply.clauses.all_text() } else { reply.clauses.heard_text() };
        self.transcript.agent_heard(id, text, false);
    }

    pub(super) fn refuse(&mut self, order: Option<Order>, refusal: Refused) {
        let order = order.map(|order| order.number);
        self.tell(Event::Refused { order, refusal });
    }

    /// Takes back a reply that waits for the line. It is told as one that began and was cancelled.
    fn cancel_waiting(&mut self) -> bool {
        let Some(cause) = self.floor.next.take_if(|cause| cause.fixed_text().is_none()) else {
            return false;
        };
        let reply = self.counts.next_reply();
        self.tell(Event::ReplyStarted { reply, cause });
        self.tell(Event::ReplyCancelled { reply });
        self.tell(Event::ReplyHeard { reply, text: String::new(), whole: false });
        true
    }
}
