//! What a program at the caller's end orders of a session.

use std::sync::Arc;

use trunkline_inference::Message;
use trunkline_turn::{Input, ItemKey, Place, ReplyId, Taking};

use super::Session;
use crate::{
    Agent, Direction, Ending, Leg, Modality, News, Origin, Refused, ReplyOrder, reply::now,
};

impl<L: Leg> Session<L> {
    pub(super) fn direct(&mut self, direction: Direction) {
        tracing::trace!(?direction, "directed");
        match direction {
            Direction::Become(agent) => self.become_agent(agent),
            Direction::CommitTurn => {
                let heard = self.hearing.unsettled();
                self.tell(Input::TurnCommitted { heard });
            }
            Direction::ClearTurn => {
                self.hearing.settle();
                self.tell(Input::TurnCleared);
            }
            Direction::Reply(order) => self.order_reply(*order),
            Direction::StopReply(reply) => self.stop_reply(reply),
            Direction::Insert { item, after, message } => {
                let place = match after {
                    Some(None) => Place::First,
                    Some(Some(before)) => Place::Behind(before),
                    None => Place::Last,
                };
                self.insert(item, place, message);
            }
            Direction::Remove(item) => {
                self.mouth.book.remove(item);
                self.tell(Input::ItemRemoved(item));
            }
            Direction::Truncate { reply, heard } => {
                self.tell(Input::ReplyTruncated { reply, heard });
            }
        }
    }

    /// Whether a program ends the caller's turns.
    pub(super) fn is_manual(&self) -> bool {
        self.mouth.agent().turn.taking == Taking::Manual
    }

    fn become_agent(&mut self, agent: Arc<Agent>) {
        if self.hearing.listen_as(&agent) {
            // Speech that goes on starts again.
            self.tell(Input::SpeechStopped { at: now() });
        }
        self.conversation.reconfigure(now(), agent.turn.clone(), agent.script.clone());
        self.mouth.speak_as(agent, self.conversation.transcript());
    }

    fn order_reply(&mut self, order: ReplyOrder) {
        let tag = order.tag;
        let modality = order.modality.unwrap_or(self.mouth.agent().modality);
        let is_beside = order.is_aside && modality == Modality::Text;
        let order = self.mouth.orders.take(order);
        if !is_beside {
            return self.tell(Input::ReplyOrdered(order));
        }
        let begun = self.mouth.prepare_beside(order, self.conversation.transcript());
        self.mouth.orders.settle(order.number);
        self.tell_leg(match begun {
            Some(reply) => News::ReplyStarted { reply, origin: Origin::Ordered(tag) },
            None => News::Refused { tag: Some(tag), refusal: Refused::ReplyUnderWay },
        });
    }

    fn stop_reply(&mut self, reply: Option<ReplyId>) {
        match reply {
            Some(reply) if self.mouth.orders.stop_aside(reply) => {
                let usage = self.mouth.usage(reply);
                self.tell_leg(News::ReplyEnded { reply, ending: Ending::Cancelled, usage });
            }
            reply => self.tell(Input::StopOrdered { reply }),
        }
    }

    fn insert(&mut self, item: u64, place: Place, message: Message) {
        let transcript = self.conversation.transcript();
        let is_there = match place {
            Place::First | Place::Last => true,
            Place::Behind(before) => transcript.has(before),
        };
        if is_there && !transcript.has(ItemKey::Placed(item)) {
            self.mouth.book.place(item, message);
        }
        self.tell(Input::ItemPlaced { item, place });
    }
}
