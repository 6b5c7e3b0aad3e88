//! What the client says aloud: the input audio buffer, turns, and their words.

use std::{collections::VecDeque, time::Instant};

use serde_json::json;
use trunkline_audio::MediaTime;
use trunkline_session::{Direction, ItemKey};
use trunkline_turn::TurnId;

use super::Translator;
use crate::realtime::{
    codec::{Codec, Decoder, HEARD_HZ},
    ear::{Ear, Pace},
    fault::Fault,
    items::{Item, Place},
    settings::wire::Kind,
};

/// The shortest sound that can be committed, ms, as OpenAI's.
const SHORTEST_MS: u64 = 100;

/// The input audio buffer and what is known of the turn under way.
#[derive(Debug)]
pub(super) struct Listening {
    decoder: Decoder,
    pub(super) ear: Ear,
    /// Samples since the last commit or clear.
    uncommitted: u64,
    /// The turn under way.
    turn: Option<Turn>,
    /// What the client committed and the session has not answered; at most [`Ear`]'s orders and those
    /// that the session works on.
    commits: VecDeque<Commit>,
}

/// A turn that is being said.
#[derive(Debug)]
struct Turn {
    item_id: String,
    start_ms: u64,
    /// `None` while it is being said.
    end_ms: Option<u64>,
    words: Words,
}

/// The words of a turn as they become sure.
#[derive(Debug, Default)]
struct Words {
    /// What the recognizer made of it last.
    last: String,
    /// What was told.
    told: String,
}

#[derive(Debug)]
struct Commit {
    event_id: Option<String>,
    /// Its item, where it has been told already.
    turn: Option<Turn>,
    seconds: f64,
}

impl Listening {
    pub(super) fn new(codec: Codec) -> Self {
        Self {
            decoder: Decoder::new(codec),
            ear: Ear::new(),
            uncommitted: 0,
            turn: None,
            commits: VecDeque::new(),
        }
    }

    /// What follows comes in this codec.
    pub(super) fn speak(&mut self, codec: Codec) {
        if codec != self.decoder.codec() {
            self.decoder = Decoder::new(codec);
        }
    }
}

impl Words {
    /// What two hypotheses in a row agree on beyond what was told.
    fn grown(&mut self, words: &str) -> Option<String> {
        let agreed = common_words(&self.last, words).to_owned();
        words.clone_into(&mut self.last);
        let delta = agreed.strip_prefix(self.told.as_str()).filter(|delta| !delta.is_empty())?;
        let delta = delta.to_owned();
        self.told.push_str(&delta);
        Some(delta)
    }

    /// What is left to tell of the whole.
    fn rest<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.strip_prefix(self.told.as_str()).filter(|rest| !rest.is_empty())
    }
}

/// The beginning that both texts have, in whole words.
fn common_words<'a>(one: &str, other: &'a str) -> &'a str {
    let same = one.split_inclusive(' ').zip(other.split_inclusive(' '));
    let length = same.take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum();
    other.get(..length).unwrap_or_default()
}

impl Translator {
    /// `input_audio_buffer.append`.
    pub(super) fn append(&mut self, now: Instant, audio: &str) -> Result<(), Fault> {
        let sound = self.listening.decoder.decode(audio)?;
        self.listening.ear.append(now, &sound)?;
        self.listening.uncommitted += sound.len() as u64;
        Ok(())
    }

    /// `input_audio_buffer.commit`.
    pub(super) fn commit(&mut self, event_id: Option<&str>) -> Result<(), Fault> {
        let samples = self.listening.uncommitted;
        let ms = MediaTime::from_samples(samples, HEARD_HZ).to_ms();
        if ms < SHORTEST_MS {
            return Err(too_little(ms));
        }
        self.listening.ear.order(Direction::CommitTurn)?;
        self.listening.uncommitted = 0;
        // Where voice activity is listened for, the turn may just have ended by itself.
        let turn = self.settings.input.turns.is_manual().then(|| self.take_turn());
        if let Some(turn) = &turn {
            self.show_turn(&turn.item_id, None);
        }
        let seconds = MediaTime::from_samples(samples, HEARD_HZ).to_duration().as_secs_f64();
        let event_id = event_id.map(str::to_owned);
        self.listening.commits.push_back(Commit { event_id, turn, seconds });
        Ok(())
    }

    /// `input_audio_buffer.clear`.
    pub(super) fn clear(&mut self) -> Result<(), Fault> {
        self.listening.ear.clear();
        self.listening.ear.order(Direction::ClearTurn)?;
        self.listening.decoder.reset();
        self.listening.uncommitted = 0;
        self.listening.turn = None;
        self.wire.send("input_audio_buffer.cleared", json!({}));
        Ok(())
    }

    /// 20 ms of the client's sound reach the session.
    pub(super) fn listen(&mut self, now: Instant) {
        let pace = if self.settings.input.turns.is_manual() { Pace::Manual } else { Pace::Live };
        for input in self.listening.ear.tick(now, pace) {
            self.wire.tell(input);
        }
    }

    pub(super) fn speech_started(&mut self, at: MediaTime) {
        let item_id = self.wire.ids.next("item");
        let padding = self.settings.input.turns.padding_ms();
        let start_ms = self.listening.ear.client_ms(at).saturating_sub(padding);
        let fields = json!({ "audio_start_ms": start_ms, "item_id": item_id });
        self.wire.send("input_audio_buffer.speech_started", fields);
        let words = Words::default();
        self.listening.turn = Some(Turn { item_id, start_ms, end_ms: None, words });
    }

    pub(super) fn speech_stopped(&mut self, at: MediaTime) {
        let silence = self.settings.input.turns.silence_ms();
        let at_ms = self.listening.ear.client_ms(at) + silence;
        let heard_ms = self.listening.ear.heard_ms();
        let Some(turn) = &mut self.listening.turn else { return };
        let end_ms = at_ms.min(heard_ms).max(turn.start_ms);
        turn.end_ms = Some(end_ms);
        let fields = json!({ "audio_end_ms": end_ms, "item_id": turn.item_id });
        self.wire.send("input_audio_buffer.speech_stopped", fields);
    }

    /// Words so far are told where they are all that the session is for: other clients expect those of
    /// a turn after it.
    pub(super) fn words(&mut self, words: &str) {
        if self.settings.kind != Kind::Transcription || self.settings.input.transcription.is_none()
        {
            return;
        }
        if self.settings.input.turns.is_manual() && self.listening.turn.is_none() {
            let turn = self.take_turn();
            self.listening.turn = Some(turn);
        }
        let Some(turn) = &mut self.listening.turn else { return };
        if let Some(delta) = turn.words.grown(words) {
            let fields = json!({ "item_id": turn.item_id, "content_index": 0, "delta": delta });
            self.wire.send("conversation.item.input_audio_transcription.delta", fields);
        }
    }

    pub(super) fn turn_ended(&mut self, number: TurnId, text: &str) {
        let key = ItemKey::Turn(number);
        let (turn, seconds) = match self.listening.commits.pop_front() {
            Some(Commit { turn: Some(turn), seconds, .. }) => {
                if let Some(item) = self.conversation.items.get_mut(&turn.item_id) {
                    item.key = Some(key);
                }
                (turn, seconds)
            }
            Some(Commit { turn: None, seconds, .. }) => (self.show_ended(key), seconds),
            None => {
                let turn = self.show_ended(key);
                let end_ms = turn.end_ms.unwrap_or_else(|| self.listening.ear.heard_ms());
                let length = std::time::Duration::from_millis(end_ms.saturating_sub(turn.start_ms));
                self.listening.uncommitted = 0;
                (turn, length.as_secs_f64())
            }
        };
        if let Some(item) = self.conversation.items.get_mut(&turn.item_id) {
            item.set_transcript(text);
        }
        if self.settings.input.transcription.is_some() {
            self.transcribed(&turn, text, seconds);
        }
    }

    fn transcribed(&mut self, turn: &Turn, text: &str, seconds: f64) {
        let place = json!({ "item_id": turn.item_id, "content_index": 0 });
        if let Some(rest) = turn.words.rest(text) {
            let mut fields = place.clone();
            fields["delta"] = rest.into();
            self.wire.send("conversation.item.input_audio_transcription.delta", fields);
        }
        let mut fields = place;
        fields["transcript"] = text.into();
        fields["usage"] = json!({ "type": "duration", "seconds": seconds });
        self.wire.send("conversation.item.input_audio_transcription.completed", fields);
    }

    pub(super) fn turn_failed(&mut self, reason: &str) {
        tracing::warn!(reason, "a turn of a Realtime client was not transcribed");
        let message = "the recognizer failed; the server's log says why";
        let committed = self.listening.commits.pop_front();
        let shown = committed.and_then(|commit| commit.turn);
        let item_id = match shown.or_else(|| self.listening.turn.take()) {
            Some(turn) => turn.item_id,
            None => self.wire.ids.next("item"),
        };
        self.conversation.items.remove(&item_id);
        let error = json!({
            "type": "server_error", "code": "transcription_failed", "message": message,
            "param": null,
        });
        let fields = json!({ "item_id": item_id, "content_index": 0, "error": error });
        self.wire.send("conversation.item.input_audio_transcription.failed", fields);
    }

    pub(super) fn fell_idle(&mut self, from: MediaTime, to: MediaTime) {
        let item_id = self.wire.ids.next("item");
        let [from, to] = [from, to].map(|at| self.listening.ear.client_ms(at));
        let fields = json!({ "audio_start_ms": from, "audio_end_ms": to, "item_id": item_id });
        self.wire.send("input_audio_buffer.timeout_triggered", fields);
    }

    /// The session heard nothing in what was committed.
    pub(super) fn commit_refused(&mut self) {
        let commit = self.listening.commits.pop_front();
        let event_id = commit.as_ref().and_then(|commit| commit.event_id.clone());
        self.wire.fault(&too_little(0), event_id.as_deref());
        if let Some(turn) = commit.and_then(|commit| commit.turn)
            && self.conversation.items.remove(&turn.item_id).is_some()
        {
            self.wire.send("conversation.item.deleted", json!({ "item_id": turn.item_id }));
        }
    }

    /// The turn under way, which is over, or one of its own.
    fn take_turn(&mut self) -> Turn {
        let start_ms = self.listening.ear.heard_ms();
        let open = self.listening.turn.take();
        open.unwrap_or_else(|| Turn {
            item_id: self.wire.ids.next("item"),
            start_ms,
            end_ms: None,
            words: Words::default(),
        })
    }

    /// The turn under way is over and in the chat.
    fn show_ended(&mut self, key: ItemKey) -> Turn {
        let turn = self.take_turn();
        self.show_turn(&turn.item_id, Some(key));
        turn
    }

    /// `committed` and the item.
    fn show_turn(&mut self, item_id: &str, key: Option<ItemKey>) {
        let previous = self.conversation.items.last().map(str::to_owned);
        let fields = json!({ "previous_item_id": previous, "item_id": item_id });
        self.wire.send("input_audio_buffer.committed", fields);
        let item = Item::heard(item_id.to_owned(), key);
        self.show_item(item, &Place::End);
    }
}

/// As OpenAI's servers say it.
fn too_little(ms: u64) -> Fault {
    let message = format!(
        "Error committing input audio buffer: buffer too small. Expected at least {SHORTEST_MS}ms \
         of audio, but buffer only has {ms}.00ms of audio."
    );
    Fault::invalid("input_audio_buffer_commit_empty", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_once_two_hypotheses_agree() {
        let mut words = Words::default();
        assert_eq!(words.grown("What time"), None);
        assert_eq!(words.grown("What time do"), Some("What ".into()), "the last word may grow");
        assert_eq!(words.grown("What time do you"), Some("time ".into()));
        assert_eq!(words.grown("Watt time"), None, "what was told is not taken back");
        assert_eq!(words.rest("What time do you open?"), Some("do you open?"));
        assert_eq!(words.rest("Watt time"), None);
    }
}
