//! The parts of a message's content.

use serde::Deserialize;

use super::text_or::TextOr;
use crate::refusal::Refusal;

/// A part: a text, or a sound, picture or file that no model here takes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Part {
    r#type: String,
    text: Option<String>,
    refusal: Option<String>,
}

/// A content: a text or parts.
pub(crate) type Content = TextOr<Part>;

/// The text of a content; its parts follow each other as they are. `path` is where the client wrote it.
pub(crate) fn text(content: Option<Content>, path: &str) -> Result<String, Refusal> {
    let parts = match content {
        None => return Ok(String::new()),
        Some(TextOr::Text(text)) => return Ok(text),
        Some(TextOr::List(parts)) => parts,
    };
    let texts = parts.into_iter().enumerate().map(|(number, part)| {
        let (text, field) = match part.r#type.as_str() {
            "text" | "input_text" | "output_text" | "summary_text" => (part.text, "text"),
            "refusal" => (part.refusal, "refusal"),
            other => {
                let message = format!(
                    "the models here read text: a part of the type '{other}' cannot be sent"
                );
                return Err(Refusal::unsupported(format!("{path}[{number}].type"), message));
            }
        };
        text.ok_or_else(|| {
            let param = format!("{path}[{number}].{field}");
            Refusal::bad_param(param, format!("a part of this type has a {field}"))
        })
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unwrap_in_result, reason = "a test may panic")]
    fn read(content: &str) -> Result<String, Refusal> {
        text(serde_json::from_str(content).unwrap(), "messages[2].content")
    }

    #[test]
    fn the_texts_of_the_parts_follow_each_other() {
        assert_eq!(read("null").unwrap(), "");
        assert_eq!(read(r#""a""#).unwrap(), "a");
        let parts = r#"[{"type":"text","text":"a "},{"type":"input_text","text":"b"},
            {"type":"refusal","refusal":"!"}]"#;
        assert_eq!(read(parts).unwrap(), "a b!");
    }

    #[test]
    fn what_is_no_text_is_refused_by_its_place() {
        for (kind, param) in [
            ("image_url", "messages[2].content[1].type"),
            ("input_audio", "messages[2].content[1].type"),
            ("file", "messages[2].content[1].type"),
            ("text", "messages[2].content[1].text"),
        ] {
            let parts = format!(r#"[{{"type":"text","text":"a"}},{{"type":"{kind}"}}]"#);
            assert_eq!(read(&parts).unwrap_err().error()["param"], param);
        }
    }
}
