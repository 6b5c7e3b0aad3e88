//! Lists of items, page by page.

use serde::Deserialize;
use serde_json::{Value, json};

use super::item::Item;
use crate::{openai::sampling::within, refusal::Refusal};

/// Items of a page, and of one whose length is not said.
const MOST: usize = 100;
const UNSAID: usize = 20;

/// Which part of a list is wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    order: Direction,
    stream: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Asc,
    #[default]
    Desc,
}

impl Page {
    pub(super) fn is_streamed(&self) -> bool {
        self.stream == Some(true)
    }

    /// The page of `items`, which come oldest first.
    pub(super) fn list<'a>(
        &self,
        items: impl DoubleEndedIterator<Item = &'a Item>,
    ) -> Result<Value, Refusal> {
        let limit = within("limit", self.limit, 1..=MOST, UNSAID)?;
        let mut items: Vec<&Item> = match self.order {
            Direction::Asc => items.collect(),
            Direction::Desc => items.rev().collect(),
        };
        if let Some(after) = &self.after {
            let Some(place) = items.iter().position(|item| item.id == *after) else {
                return Err(Refusal::bad_param("after", format!("there is no item '{after}'")));
            };
            items.drain(..=place);
        }
        let has_more = items.len() > limit;
        items.truncate(limit);
        let id = |item: Option<&&Item>| item.map(|item| item.id.clone()).unwrap_or_default();
        Ok(json!({
            "object": "list",
            "data": items.iter().map(|item| item.told()).collect::<Vec<_>>(),
            "first_id": id(items.first()), "last_id": id(items.last()), "has_more": has_more,
        }))
    }
}

#[cfg(test)]
mod tests {
    use trunkline_inference::Role;

    use super::*;
    use crate::openai::history::Entry;

    #[test]
    fn pages_follow_each_other_from_either_end() {
        let item = |id: &str| Item { id: id.to_owned(), entry: Entry::said(Role::User, id) };
        let items = ["a", "b", "c"].map(item);
        let check = |page: Value, ids: &[&str], more: bool| {
            let page: Page = serde_json::from_value(page).unwrap();
            let list = page.list(items.iter()).unwrap();
            let told = list["data"].as_array().unwrap();
            assert_eq!(told.iter().map(|i| i["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
            assert_eq!(list["has_more"], more);
            assert_eq!(list["first_id"].as_str(), ids.first().copied());
            assert_eq!(list["last_id"].as_str(), ids.last().copied());
        };
        check(json!({}), &["c", "b", "a"], false);
        check(json!({"order": "asc", "limit": 2}), &["a", "b"], true);
        check(json!({"order": "asc", "limit": 2, "after": "b"}), &["c"], false);
        let bad = |page| serde_json::from_value::<Page>(page).unwrap().list(items.iter());
        assert_eq!(bad(json!({"limit": 0})).unwrap_err().error()["param"], "limit");
        assert_eq!(bad(json!({"after": "x"})).unwrap_err().error()["param"], "after");
    }
}
