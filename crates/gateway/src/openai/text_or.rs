//! A field that is a text or a list.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

/// A text or a list. Unlike an untagged enum it keeps the path of what is wrong inside the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextOr<T> {
    /// `"..."`
    Text(String),
    /// `[..]`
    List(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

struct Either<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
    type Value = TextOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOr::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(TextOr::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(TextOr::List(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::body::parse;

    #[derive(Debug, Deserialize)]
    struct Asked {
        stop: Option<TextOr<String>>,
    }

    #[test]
    fn a_text_a_list_or_nothing_is_read_and_what_is_wrong_has_its_path() {
        let stop = |json: &str| parse::<Asked>(json.as_bytes()).unwrap().stop;
        assert_eq!(stop(r#"{"stop":"a"}"#), Some(TextOr::Text("a".into())));
        assert_eq!(stop(r#"{"stop":["a"]}"#), Some(TextOr::List(vec!["a".into()])));
        assert_eq!(stop(r#"{"stop":null}"#), None);
        let param =
            |json: &str| parse::<Asked>(json.as_bytes()).unwrap_err().error()["param"].clone();
        assert_eq!(param(r#"{"stop":["a",1]}"#), "stop[1]");
        assert_eq!(param(r#"{"stop":{}}"#), "stop");
    }
}
