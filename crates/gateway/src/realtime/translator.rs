//! Between a client of the Realtime API and a session: what either says, in the other's words. Pure: no
//! socket, no clock, no task.

mod conversing;
mod listening;
mod ordering;
mod replying;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use trunkline_audio::Frame;
use trunkline_session::{Agent, Direction, LegInput, News, Overrun, Refused, leg::Mark};

use self::{listening::Listening, replying::Replying};
use super::{
    client::{ClientEvent, Sent},
    fault::Fault,
    house::House,
    ids::Ids,
    items::Items,
    settings::Settings,
    wire::{Effect, Wire},
};

/// A session of the API.
#[derive(Debug)]
pub(crate) struct Translator {
    house: Arc<House>,
    settings: Settings,
    conversation: Conversation,
    listening: Listening,
    replying: Replying,
    wire: Wire,
}

/// What both sides have said.
#[derive(Debug)]
struct Conversation {
    id: String,
    items: Items,
    /// The number of the last item that the client put in.
    placed: u64,
    /// Unix time, seconds, at which the session ends.
    expires_at: i64,
}

impl Translator {
    /// A session with these settings that ends at `expires_at`, Unix time in seconds.
    pub(crate) fn new(
        house: Arc<House>,
        settings: Settings,
        mut ids: Ids,
        expires_at: i64,
        now: Instant,
    ) -> Self {
        let id = ids.next("conv");
        let conversation = Conversation { id, items: Items::default(), placed: 0, expires_at };
        let listening = Listening::new(settings.input.codec);
        let replying = Replying::new(settings.output.codec, now);
        let mut translator =
            Self { house, settings, conversation, listening, replying, wire: Wire::new(ids) };
        translator.show_session("session.created");
        translator
    }

    /// Who answers as the session begins.
    pub(crate) fn agent(&self) -> Arc<Agent> {
        self.settings.agent(&self.house)
    }

    /// The session's id.
    pub(crate) fn id(&self) -> String {
        self.wire.ids.session()
    }

    /// What is to be done next because of what came.
    pub(crate) fn poll(&mut self) -> Option<Effect> {
        self.wire.pop()
    }

    /// The client sent a text frame.
    pub(crate) fn take_text(&mut self, now: Instant, text: &str) {
        let Sent { event_id, event } = Sent::read(text);
        let event_id = event_id.as_deref();
        if let Err(fault) = event.and_then(|event| self.obey(now, event, event_id)) {
            self.wire.fault(&fault, event_id);
        }
    }

    /// The client sent a frame that is no text.
    pub(crate) fn take_binary(&mut self) {
        let message = "binary frames are not read: send events as JSON text";
        self.wire.fault(&Fault::invalid("invalid_json", message), None);
    }

    fn obey(
        &mut self,
        now: Instant,
        event: ClientEvent,
        event_id: Option<&str>,
    ) -> Result<(), Fault> {
        match event {
            ClientEvent::Update { session } => self.update(&session),
            ClientEvent::Append { audio } => self.append(now, &audio),
            ClientEvent::Commit => self.commit(event_id),
            ClientEvent::Clear => self.clear(),
            ClientEvent::ClearOutput => {
                let message = "only WebRTC clients have an output audio buffer here: \
                               stop playing, and send conversation.item.truncate";
                Err(Fault::invalid("invalid_event", message))
            }
            ClientEvent::Create { item, previous_item_id } => {
                self.create(&item, previous_item_id.as_deref())
            }
            ClientEvent::Delete { item_id } => self.delete(&item_id),
            ClientEvent::Retrieve { item_id } => self.retrieve(&item_id),
            ClientEvent::Truncate { item_id, content_index, audio_end_ms } => {
                let heard = Duration::from_millis(audio_end_ms);
                self.truncate(now, &item_id, content_index, heard)
            }
            ClientEvent::Respond { response } => {
                self.respond(response.map(|response| *response), event_id)
            }
            ClientEvent::Cancel { response_id } => self.cancel(response_id.as_deref(), event_id),
        }
    }

    fn update(&mut self, patch: &Map<String, Value>) -> Result<(), Fault> {
        let new = self.settings.updated(patch, &self.house, self.replying.has_sounded)?;
        self.settings = new;
        self.listening.speak(self.settings.input.codec);
        self.direct(Direction::Become(self.agent()));
        self.show_session("session.updated");
        Ok(())
    }

    fn show_session(&mut self, kind: &str) {
        let session = self.settings.json(&self.id(), self.conversation.expires_at);
        self.wire.send(kind, json!({ "session": session }));
    }

    /// The session told something.
    pub(crate) fn take_news(&mut self, now: Instant, news: News) {
        match news {
            News::SpeechStarted { at } => self.speech_started(at),
            News::SpeechStopped { at } => self.speech_stopped(at),
            News::Words(words) => self.words(&words),
            News::TurnEnded { turn, text } => self.turn_ended(turn, &text),
            News::TurnFailed { reason } => self.turn_failed(&reason),
            News::FellIdle { from, to } => self.fell_idle(from, to),
            News::ReplyStarted { reply, origin } => self.reply_started(reply, origin),
            News::Wrote { reply, text } => self.wrote(reply, &text),
            News::Spoke { reply, text, duration } => self.spoke(reply, &text, duration),
            News::ToolCalled { reply, index, call } => self.tool_called(reply, index, &call),
            News::ReplyMade { reply, usage } => self.reply_made(now, reply, usage),
            News::ReplyEnded { reply, ending, usage } => {
                self.reply_ended(now, reply, &ending, usage);
            }
            News::ReplyHeard { reply, text, whole: _ } => self.reply_heard(now, reply, &text),
            News::Refused { tag: Some(tag), refusal } => self.reply_refused(now, tag, refusal),
            News::Refused { tag: None, refusal } => self.refused(refusal),
        }
    }

    fn refused(&mut self, refusal: Refused) {
        match refusal {
            Refused::NoReply => self.cancel_refused(),
            Refused::NothingHeard => self.commit_refused(),
            Refused::NoSuchItem | Refused::ReplyUnderWay => {
                let message = "the conversation has no such item any more";
                self.wire.fault(&Fault::invalid("item_not_found", message), None);
            }
        }
    }

    /// The session speaks.
    pub(crate) fn take_sound(&mut self, now: Instant, frame: &Frame) {
        self.sound(now, frame);
    }

    /// The session put a mark behind what it said.
    pub(crate) fn take_mark(&mut self, mark: Mark) -> Result<(), Overrun> {
        self.push_gathered();
        self.replying.playout.mark(mark)
    }

    /// The session wants what it said not to be heard.
    pub(crate) fn flush(&mut self, now: Instant) {
        self.replying.encoder.reset();
        let flushed = self.replying.playout.flush(now);
        self.wire.tell(flushed);
    }

    /// Whether the client has heard everything.
    pub(crate) fn is_heard(&self, now: Instant) -> bool {
        self.replying.playout.is_empty(now)
    }

    /// 20 ms pass.
    pub(crate) fn tick(&mut self, now: Instant) {
        while let Some(mark) = self.replying.playout.played(now) {
            self.wire.tell(LegInput::Played(mark));
        }
        self.listen(now);
        self.ask_again(now);
    }

    fn direct(&mut self, direction: Direction) {
        self.wire.tell(LegInput::Directed(direction));
    }

    /// The session is over, for a reason that the client is told.
    pub(crate) fn tell_end(&mut self, code: &'static str, message: &str) {
        self.wire.fault(&Fault::invalid(code, message), None);
    }
}

#[cfg(test)]
mod tests;
