//! Replies: ordered and stopped by the client, made by the session, told as responses.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use trunkline_audio::Frame;
use trunkline_inference::ToolCall;
use trunkline_session::{
    Direction, Ending, LegInput, Modality, Origin, Refused, ReplyOrder, Usage, leg::ReplyId,
};

use super::Translator;
use crate::realtime::{
    client::ResponseWire,
    codec::{Codec, Encoder},
    fault::Fault,
    playout::FarPlayout,
    response::{Response, Shape, Status},
};

/// Replies that may be asked for and not begun; more are refused with an error event.
const ORDERS: usize = 32;
/// Responses that are remembered once they are done, for what the session tells of them after.
const RESPONSES: usize = 32;
/// Cancellations that may wait for an answer; of more the oldest is forgotten.
const CANCELS: usize = 64;
/// How long a reply that was ordered while the one before it still sounds is ordered again.
const PATIENCE: Duration = Duration::from_mins(1);
/// And how often.
const AGAIN: Duration = Duration::from_millis(200);

/// Replies and their sound.
#[derive(Debug)]
pub(super) struct Replying {
    pub(super) encoder: Encoder,
    pub(super) playout: FarPlayout,
    pub(super) has_sounded: bool,
    /// At most [`RESPONSES`] and those under way.
    responses: VecDeque<(Response, Duration)>,
    /// What sounds now.
    speaking: Option<ReplyId>,
    /// At most [`ORDERS`].
    orders: VecDeque<Ordered>,
    /// At most [`CANCELS`].
    cancels: VecDeque<Cancel>,
    tag: u64,
}

/// A reply that was asked for and has not begun.
#[derive(Debug)]
struct Ordered {
    order: ReplyOrder,
    event_id: Option<String>,
    shape: Shape,
    /// Where it waits for the reply before it to end.
    waits: Option<Waits>,
    /// The id of the response, once the client was told that there will be one.
    announced: Option<String>,
}

/// Since when an order waits, and when it was refused; `None` once it was ordered again.
#[derive(Clone, Copy, Debug)]
struct Waits {
    since: Instant,
    refused: Option<Instant>,
}

#[derive(Debug)]
struct Cancel {
    reply: Option<ReplyId>,
    asker: Asker,
}

/// Who is told when there is nothing to cancel.
#[derive(Debug)]
enum Asker {
    /// The client, with the id of its event.
    Client(Option<String>),
    /// Nobody: we asked.
    Nobody,
}

impl Replying {
    pub(super) fn new(codec: Codec, now: Instant) -> Self {
        Self {
            encoder: Encoder::new(codec),
            playout: FarPlayout::new(now),
            has_sounded: false,
            responses: VecDeque::new(),
            speaking: None,
            orders: VecDeque::new(),
            cancels: VecDeque::new(),
            tag: 0,
        }
    }

    /// A number for another order.
    pub(super) fn next_tag(&mut self) -> u64 {
        self.tag += 1;
        self.tag
    }

    /// How much of a reply's sound went out.
    pub(super) fn sent(&self, reply: ReplyId) -> Duration {
        let found = self.responses.iter().find(|(response, _)| response.reply == reply);
        found.map_or(Duration::ZERO, |(_, sent)| *sent)
    }

    fn get(&mut self, reply: ReplyId) -> Option<&mut Response> {
        let mut all = self.responses.iter_mut();
        all.find(|(response, _)| response.reply == reply).map(|(response, _)| response)
    }

    /// Whether the client knows of a response in the conversation that is not done.
    pub(super) fn is_busy(&self) -> bool {
        let mut all = self.responses.iter();
        all.any(|(response, _)| !response.is_done && response.shape.conversation.is_some())
            || self
                .orders
                .iter()
                .any(|ordered| ordered.announced.is_some() && ordered.shape.conversation.is_some())
    }

    fn remember(&mut self, response: Response) {
        self.responses.push_back((response, Duration::ZERO));
        if self.responses.len() > RESPONSES
            && let Some(done) = self.responses.iter().position(|(response, _)| response.is_done)
        {
            self.responses.remove(done);
        }
    }
}

impl Translator {
    /// `response.create`.
    pub(super) fn respond(
        &mut self,
        wire: Option<ResponseWire>,
        event_id: Option<&str>,
    ) -> Result<(), Fault> {
        if self.settings.kind == crate::realtime::settings::wire::Kind::Transcription {
            let message = "a transcription session makes no responses";
            return Err(Fault::invalid("invalid_event", message));
        }
        if self.replying.is_busy() && !is_aside(wire.as_ref()) {
            return Err(busy());
        }
        if self.replying.orders.len() >= ORDERS {
            return Err(Fault::invalid("rate_limit_exceeded", "too many responses are waiting"));
        }
        let wire = wire.unwrap_or_default();
        let order = self.order(&wire)?;
        let shape = self.shape(&wire, &order);
        self.direct_in_order(Direction::Reply(Box::new(order.clone())))?;
        let event_id = event_id.map(str::to_owned);
        self.replying.orders.push_back(Ordered {
            order,
            event_id,
            shape,
            waits: None,
            announced: None,
        });
        Ok(())
    }

    /// `response.cancel`. The session knows of replies that the client does not.
    pub(super) fn cancel(&mut self, id: Option<&str>, event_id: Option<&str>) -> Result<(), Fault> {
        if self.take_back(id) {
            return Ok(());
        }
        let mut under_way = self.replying.responses.iter().filter(|(known, _)| !known.is_done);
        let reply = match id {
            Some(id) => {
                let found = under_way.find(|(response, _)| response.id == id);
                Some(found.ok_or_else(nothing_to_cancel)?.0.reply)
            }
            None => under_way
                .find(|(response, _)| response.shape.conversation.is_some())
                .map(|(response, _)| response.reply),
        };
        self.stop(Cancel { reply, asker: Asker::Client(event_id.map(str::to_owned)) });
        Ok(())
    }

    /// Takes back the response that was announced and waits, if it is the one that is meant.
    fn take_back(&mut self, id: Option<&str>) -> bool {
        let is_meant = |ordered: &Ordered| {
            // While it is ordered again it is the session's to stop.
            let waits = ordered.waits.is_some_and(|waits| waits.refused.is_some());
            let announced = ordered.announced.as_deref();
            waits && announced.is_some_and(|announced| id.is_none_or(|id| id == announced))
        };
        let Some(at) = self.replying.orders.iter().position(is_meant) else { return false };
        let Some(ordered) = self.replying.orders.remove(at) else { return false };
        let id = ordered.announced.unwrap_or_default();
        let status = Status::Cancelled("client_cancelled");
        Response::never_began(&id, &ordered.shape, &status, &mut self.wire);
        true
    }

    /// The client has stopped playing a reply by itself.
    pub(super) fn stop_quietly(&mut self, reply: ReplyId) {
        self.stop(Cancel { reply: Some(reply), asker: Asker::Nobody });
    }

    fn stop(&mut self, cancel: Cancel) {
        self.direct(Direction::StopReply(cancel.reply));
        self.replying.cancels.push_back(cancel);
        if self.replying.cancels.len() > CANCELS {
            self.replying.cancels.pop_front();
        }
    }

    pub(super) fn cancel_refused(&mut self) {
        let cancel = self.replying.cancels.pop_front();
        match cancel.map_or(Asker::Client(None), |cancel| cancel.asker) {
            Asker::Client(event_id) => self.wire.fault(&nothing_to_cancel(), event_id.as_deref()),
            Asker::Nobody => {}
        }
    }

    pub(super) fn reply_started(&mut self, reply: ReplyId, origin: Origin) {
        let ordered = match origin {
            Origin::Ordered(tag) => self.take_order(tag),
            Origin::Turn(_) | Origin::Own => None,
        };
        self.begin(reply, ordered);
    }

    fn begin(&mut self, reply: ReplyId, ordered: Option<Ordered>) {
        let (announced, shape) =
            ordered.map_or((None, None), |ordered| (ordered.announced, Some(ordered.shape)));
        let shape = shape.unwrap_or_else(|| self.own_shape());
        if shape.modality == Modality::Audio {
            self.replying.speaking = Some(reply);
            if self.replying.encoder.codec() != self.settings.output.codec {
                self.replying.encoder = Encoder::new(self.settings.output.codec);
            }
        }
        let id = announced.unwrap_or_else(|| Response::announce(&shape, &mut self.wire));
        self.replying.remember(Response::begin(reply, id, shape));
    }

    fn take_order(&mut self, tag: u64) -> Option<Ordered> {
        let at = self.replying.orders.iter().position(|ordered| ordered.order.tag == tag)?;
        self.replying.orders.remove(at)
    }

    pub(super) fn sound(&mut self, now: Instant, frame: &Frame) {
        let Some(reply) = self.replying.speaking else { return };
        if let Some((_, sent)) =
            self.replying.responses.iter_mut().find(|(response, _)| response.reply == reply)
        {
            *sent += frame.duration();
        }
        self.replying.has_sounded = true;
        if self.replying.playout.push(now, frame.duration()) {
            self.wire.tell(LegInput::Sounding(now));
        }
        if let Some(delta) = self.replying.encoder.encode(frame) {
            self.push_sound(&delta);
        }
    }

    /// Sends sound that is too short for a chunk.
    pub(super) fn push_gathered(&mut self) {
        if let Some(delta) = self.replying.encoder.take() {
            self.push_sound(&delta);
        }
    }

    fn push_sound(&mut self, delta: &str) {
        let Some(reply) = self.replying.speaking else { return };
        let items = &mut self.conversation.items;
        if let Some(response) = self.replying.get(reply).filter(|response| !response.is_done) {
            response.sound(delta, items, &mut self.wire);
        }
    }

    pub(super) fn spoke(&mut self, reply: ReplyId, text: &str, duration: Duration) {
        self.push_gathered();
        let items = &mut self.conversation.items;
        if let Some(response) = self.replying.get(reply).filter(|response| !response.is_done) {
            response.spoke(text, duration, items, &mut self.wire);
        }
    }

    pub(super) fn wrote(&mut self, reply: ReplyId, text: &str) {
        let items = &mut self.conversation.items;
        if let Some(response) = self.replying.get(reply).filter(|response| !response.is_done) {
            response.wrote(text, items, &mut self.wire);
        }
    }

    pub(super) fn tool_called(&mut self, reply: ReplyId, index: u32, call: &ToolCall) {
        let items = &mut self.conversation.items;
        if let Some(response) = self.replying.get(reply).filter(|response| !response.is_done) {
            response.called(index, call, items, &mut self.wire);
        }
    }

    pub(super) fn reply_made(&mut self, now: Instant, reply: ReplyId, usage: Usage) {
        if self.replying.speaking == Some(reply) {
            if let Some(delta) = self.replying.encoder.finish() {
                self.push_sound(&delta);
            }
            self.replying.speaking = None;
        }
        let items = &mut self.conversation.items;
        if let Some(response) = self.replying.get(reply) {
            response.made(usage, items, &mut self.wire);
        }
        self.ask_again(now);
    }

    pub(super) fn reply_ended(
        &mut self,
        now: Instant,
        reply: ReplyId,
        ending: &Ending,
        usage: Usage,
    ) {
        if *ending == Ending::Cancelled {
            self.cancel_done(reply);
        }
        if let Ending::Failed(reason) = ending {
            tracing::warn!(reason, "a reply to a Realtime client failed");
        }
        if self.replying.speaking == Some(reply) {
            self.replying.encoder.reset();
            self.replying.speaking = None;
        }
        if self.replying.get(reply).is_none() {
            self.begin_what_never_began(reply, ending);
        }
        let items = &mut self.conversation.items;
        if let Some(response) = self.replying.get(reply) {
            response.ended(ending, usage, items, &mut self.wire);
        }
        self.ask_again(now);
    }

    /// A reply that ended before anything of it went out is told where it was ordered, or failed.
    fn begin_what_never_began(&mut self, reply: ReplyId, ending: &Ending) {
        let ordered = match ending {
            Ending::Cancelled | Ending::Failed(_) => self.replying.orders.pop_front(),
            Ending::Interrupted => None,
        };
        if ordered.is_some() || matches!(ending, Ending::Failed(_)) {
            self.begin(reply, ordered);
            self.replying.speaking = None;
        }
    }

    fn cancel_done(&mut self, reply: ReplyId) {
        let cancels = &mut self.replying.cancels;
        let fits = |cancel: &Cancel| cancel.reply.is_none_or(|named| named == reply);
        if let Some(at) = cancels.iter().position(fits) {
            cancels.remove(at);
        }
    }

    /// What was heard of a reply is what the chat keeps.
    pub(super) fn reply_heard(&mut self, now: Instant, reply: ReplyId, text: &str) {
        let key = trunkline_session::ItemKey::Reply(reply);
        if let Some(item) = self.conversation.items.by_key(key)
            && item.duration() > Duration::ZERO
        {
            item.set_transcript(text.trim());
        }
        self.ask_again(now);
    }

    pub(super) fn reply_refused(&mut self, now: Instant, tag: u64, refusal: Refused) {
        let orders = &mut self.replying.orders;
        let at = orders.iter().position(|ordered| ordered.order.tag == tag);
        let Some((at, ordered)) = at.and_then(|at| Some((at, orders.remove(at)?))) else {
            return self.wire.fault(&busy(), None);
        };
        // The response before it is done, and its sound has yet to be heard.
        let is_early = refusal == Refused::ReplyUnderWay && !self.replying.is_busy();
        let since = ordered.waits.map_or(now, |waits| waits.since);
        if is_early && now.saturating_duration_since(since) < PATIENCE {
            let announced = ordered.announced.clone();
            // Clients give up on a response of which they are told nothing.
            let id =
                announced.unwrap_or_else(|| Response::announce(&ordered.shape, &mut self.wire));
            let waits = Some(Waits { since, refused: Some(now) });
            let ordered = Ordered { waits, announced: Some(id), ..ordered };
            self.replying.orders.insert(at, ordered);
            return;
        }
        if let Some(id) = &ordered.announced {
            let status = Status::Cancelled("turn_detected");
            Response::never_began(id, &ordered.shape, &status, &mut self.wire);
        }
        self.wire.fault(&busy(), ordered.event_id.as_deref());
    }

    /// Orders again what was ordered while the reply before it still sounded.
    pub(super) fn ask_again(&mut self, now: Instant) {
        let is_due = |ordered: &&mut Ordered| {
            let refused = ordered.waits.and_then(|waits| waits.refused);
            refused.is_some_and(|at| now.saturating_duration_since(at) >= AGAIN)
        };
        let Some(ordered) = self.replying.orders.iter_mut().find(is_due) else { return };
        ordered.waits = ordered.waits.map(|waits| Waits { refused: None, ..waits });
        let order = ordered.order.clone();
        self.direct(Direction::Reply(Box::new(order)));
    }
}

fn is_aside(wire: Option<&ResponseWire>) -> bool {
    wire.and_then(|wire| wire.conversation.as_deref()) == Some("none")
}

fn busy() -> Fault {
    let message = "Conversation already has an active response in progress: wait until it is \
                   done, or send response.cancel";
    Fault::invalid("conversation_already_has_active_response", message)
}

/// Clients look for how the message begins.
fn nothing_to_cancel() -> Fault {
    let message = "Cancellation failed: no active response found";
    Fault::invalid("response_cancel_not_active", message)
}
