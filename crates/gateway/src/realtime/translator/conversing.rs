//! The items of the conversation: put in, taken out, shown, cut.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trunkline_session::{Direction, ItemKey};

use super::Translator;
use crate::realtime::{
    fault::Fault,
    item_wire::ItemWire,
    items::{Item, Place},
};

/// What clients call the place before the first item.
const ROOT: &str = "root";

impl Translator {
    /// `conversation.item.create`.
    pub(super) fn create(&mut self, json: &Value, previous: Option<&str>) -> Result<(), Fault> {
        let wire = ItemWire::read(json, "item")?;
        let message = wire.message("item")?;
        if let Some(id) = wire.id().filter(|id| self.conversation.items.get(id).is_some()) {
            let message = format!("the conversation has an item '{id}' already");
            return Err(Fault::invalid("item_create_duplicate_item_id", message).at("item.id"));
        }
        let place = match previous {
            None => Place::End,
            Some(ROOT) => Place::First,
            Some(id) => Place::After(id.to_owned()),
        };
        let after = self.key_before(&place)?;
        let id = wire.id().map_or_else(|| self.wire.ids.next("item"), str::to_owned);
        let call_id = self.wire.ids.next("call");
        self.conversation.placed += 1;
        let number = self.conversation.placed;
        let key = Some(ItemKey::Placed(number));
        self.direct_in_order(Direction::Insert { item: number, after, message })?;
        let json = wire.json(&id, &call_id);
        self.show_item(Item::new(id, key, json), &place);
        Ok(())
    }

    /// What the session calls the item before a place.
    #[expect(
        clippy::option_option,
        reason = "the contract's words: nowhere in particular, first, behind"
    )]
    fn key_before(&self, place: &Place) -> Result<Option<Option<ItemKey>>, Fault> {
        match place {
            Place::End => Ok(None),
            Place::First => Ok(Some(None)),
            Place::After(id) if self.conversation.items.last() == Some(id) => Ok(None),
            Place::After(id) => match self.conversation.items.get(id) {
                // What is still being transcribed has no name yet: behind the rest then.
                Some(item) => Ok(item.key.map(Some)),
                None => {
                    Err(no_item("item_create_invalid_previous_item_id", id).at("previous_item_id"))
                }
            },
        }
    }

    /// `conversation.item.added` and `done`.
    pub(super) fn show_item(&mut self, item: Item, place: &Place) {
        let json = item.json.clone();
        let previous = self.conversation.items.insert(item, place);
        let fields = json!({ "previous_item_id": previous, "item": json });
        self.wire.send("conversation.item.added", fields.clone());
        self.wire.send("conversation.item.done", fields);
    }

    /// `conversation.item.delete`.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), Fault> {
        let item = self.conversation.items.remove(id);
        let item = item.ok_or_else(|| no_item("item_delete_invalid_item_id", id).at("item_id"))?;
        if let Some(key) = item.key {
            self.direct_in_order(Direction::Remove(key))?;
        }
        self.wire.send("conversation.item.deleted", json!({ "item_id": id }));
        Ok(())
    }

    /// `conversation.item.retrieve`. Sound is not kept: an item is shown with its words.
    pub(super) fn retrieve(&mut self, id: &str) -> Result<(), Fault> {
        let item = self.conversation.items.get(id);
        let item =
            item.ok_or_else(|| no_item("item_retrieve_invalid_item_id", id).at("item_id"))?;
        self.wire.send("conversation.item.retrieved", json!({ "item": item.json }));
        Ok(())
    }

    /// `conversation.item.truncate`: the client has stopped playing there.
    pub(super) fn truncate(
        &mut self,
        now: Instant,
        id: &str,
        content_index: u32,
        heard: Duration,
    ) -> Result<(), Fault> {
        let item = self.conversation.items.get_mut(id);
        let item =
            item.ok_or_else(|| no_item("item_truncate_invalid_item_id", id).at("item_id"))?;
        let Some(ItemKey::Reply(reply)) = item.key.filter(|_| is_spoken(&item.json)) else {
            let message = "only what the assistant has spoken can be truncated";
            return Err(Fault::value("item_id", message));
        };
        if content_index != 0 {
            let message = "a spoken item has one part: content_index is 0";
            return Err(Fault::value("content_index", message));
        }
        let sent = self.replying.sent(reply).max(item.duration());
        let audio_end_ms = heard.as_millis();
        if heard > sent {
            let message = format!(
                "Audio content of {}ms is already shorter than {audio_end_ms}ms",
                sent.as_millis()
            );
            return Err(Fault::value("audio_end_ms", message));
        }
        let words = item.words_until(heard);
        item.set_transcript(&words);
        if !self.replying.playout.is_empty(now) {
            self.stop_quietly(reply);
        }
        self.direct(Direction::Truncate { reply, heard });
        let fields = json!({
            "item_id": id, "content_index": content_index,
            "audio_end_ms": u64::try_from(audio_end_ms).unwrap_or(u64::MAX),
        });
        self.wire.send("conversation.item.truncated", fields);
        Ok(())
    }

    /// What the client orders, behind what it committed before.
    pub(super) fn direct_in_order(&mut self, direction: Direction) -> Result<(), Fault> {
        if self.listening.ear.is_behind() {
            return self.listening.ear.order(direction);
        }
        self.direct(direction);
        Ok(())
    }
}

fn is_spoken(item: &Value) -> bool {
    item["role"] == "assistant" && item["content"][0]["type"].as_str() != Some("output_text")
}

pub(super) fn no_item(code: &'static str, id: &str) -> Fault {
    Fault::invalid(code, format!("the conversation has no item '{id}'"))
}
