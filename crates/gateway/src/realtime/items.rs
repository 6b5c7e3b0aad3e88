//! The items of a conversation, in order, as the client knows them.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_session::ItemKey;

/// Items that are kept. Of more the oldest are forgotten here; the chat keeps what fits the model.
const ITEMS: usize = 4_096;

/// An item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    /// What the session calls it; `None` while it is being transcribed.
    pub(crate) key: Option<ItemKey>,
    /// As clients see it.
    pub(crate) json: Value,
    /// What was said of it, where it is spoken by us.
    pub(crate) spoken: Vec<(String, Duration)>,
}

/// Where an item goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    End,
    First,
    After(String),
}

/// The items.
#[derive(Clone, Debug, Default)]
pub(crate) struct Items {
    list: Vec<Item>,
}

impl Item {
    pub(crate) fn new(id: String, key: Option<ItemKey>, json: Value) -> Self {
        Self { id, key, json, spoken: Vec::new() }
    }

    /// What the caller said in a turn.
    pub(crate) fn heard(id: String, key: Option<ItemKey>) -> Self {
        let content = json!([{ "type": "input_audio", "transcript": null }]);
        let json = json!({
            "id": id, "object": "realtime.item", "type": "message", "status": "completed",
            "role": "user", "content": content,
        });
        Self::new(id, key, json)
    }

    /// Sets the words of its sound.
    pub(crate) fn set_transcript(&mut self, text: &str) {
        if let Some(part) = self.json["content"].get_mut(0) {
            part["transcript"] = text.into();
        }
    }

    /// How long it sounds.
    pub(crate) fn duration(&self) -> Duration {
        self.spoken.iter().map(|(_, duration)| *duration).sum()
    }

    /// The words that were spoken by `heard`: whole clauses, and of the one under way as many words as
    /// fit evenly.
    pub(crate) fn words_until(&self, heard: Duration) -> String {
        let mut text = String::new();
        let mut left = heard;
        for (clause, duration) in &self.spoken {
            if left >= *duration {
                text.push_str(clause);
                left -= *duration;
                continue;
            }
            let words: Vec<&str> = clause.split_inclusive(char::is_whitespace).collect();
            let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
            let is_out = |n: &u32| left.saturating_mul(count) >= duration.saturating_mul(*n);
            let out = (1..=count).filter(is_out).count();
            text.extend(words.iter().take(out).copied());
            break;
        }
        text.trim_end().to_owned()
    }
}

impl Items {
    /// Puts an item in, at the end where there is no such place; the id of the one before it.
    pub(crate) fn insert(&mut self, item: Item, place: &Place) -> Option<String> {
        let at = match place {
            Place::End => self.list.len(),
            Place::First => 0,
            Place::After(id) => self.position(id).map_or(self.list.len(), |at| at + 1),
        };
        let before = at.checked_sub(1).and_then(|before| self.list.get(before));
        let before = before.map(|item| item.id.clone());
        self.list.insert(at, item);
        if self.list.len() > ITEMS {
            self.list.remove(0);
        }
        before
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Item> {
        self.list.iter().find(|item| item.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Item> {
        self.list.iter_mut().find(|item| item.id == id)
    }

    pub(crate) fn by_key(&mut self, key: ItemKey) -> Option<&mut Item> {
        self.list.iter_mut().find(|item| item.key == Some(key))
    }

    /// The id of the item before one.
    pub(crate) fn before(&self, id: &str) -> Option<String> {
        let before = self.list.get(self.position(id)?.checked_sub(1)?)?;
        Some(before.id.clone())
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Item> {
        self.position(id).map(|at| self.list.remove(at))
    }

    /// The last item's id.
    pub(crate) fn last(&self) -> Option<&str> {
        self.list.last().map(|item| item.id.as_str())
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.list.iter().position(|item| item.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str) -> Item {
        Item::new(id.into(), None, json!({}))
    }

    #[test]
    fn an_item_knows_the_one_before_it() {
        let mut items = Items::default();
        assert_eq!(items.insert(item("b"), &Place::End), None);
        assert_eq!(items.insert(item("d"), &Place::End), Some("b".into()));
        assert_eq!(items.insert(item("a"), &Place::First), None);
        assert_eq!(items.insert(item("c"), &Place::After("b".into())), Some("b".into()));
        assert_eq!(items.before("c"), Some("b".into()));
        assert_eq!(items.before("a"), None);
        assert_eq!(items.last(), Some("d"));
        assert_eq!(items.remove("d").unwrap().id, "d");
        assert_eq!(items.last(), Some("c"));
    }

    #[test]
    fn the_oldest_items_are_forgotten() {
        let mut items = Items::default();
        for n in 0..=ITEMS {
            items.insert(item(&n.to_string()), &Place::End);
        }
        assert!(items.get("0").is_none());
        assert!(items.get("1").is_some());
    }

    #[test]
    fn words_are_kept_as_far_as_they_were_spoken() {
        let mut item = item("a");
        let seconds = Duration::from_secs;
        item.spoken =
            vec![("We open.".into(), seconds(1)), (" At nine or ten.".into(), seconds(4))];
        assert_eq!(item.duration(), seconds(5));
        for (heard_ms, words) in [
            (0, ""),
            (999, "We"),
            (1000, "We open."),
            (3000, "We open. At"),
            (5000, "We open. At nine or ten."),
            (9000, "We open. At nine or ten."),
        ] {
            assert_eq!(item.words_until(Duration::from_millis(heard_ms)), words, "{heard_ms}");
        }
    }
}
