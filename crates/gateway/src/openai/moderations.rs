//! `POST /v1/moderations`: whether texts are harmful, by a local check.

use axum::{
    Json,
    extract::{Extension, State},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use trunkline_inference::moderation::{Category, Scores};
use uuid::Uuid;

use super::{Api, body::Body, text_or::TextOr};
use crate::{refusal::Refusal, router::intake::Meter};

/// Texts of one request, and bytes of them all: what takes some seconds of a processor.
const INPUTS: usize = 256;
const BYTES: usize = 256 * 1024;
/// What is judged with where the client does not say.
const USUAL: &str = "omni-moderation-latest";

/// The body of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct CreateModeration {
    model: Option<String>,
    input: TextOr<Input>,
}

/// One of several inputs: a text of its own, or a part of the only one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Part(Part),
}

#[derive(Debug, Deserialize)]
struct Part {
    r#type: String,
    text: Option<String>,
}

impl CreateModeration {
    /// The texts, of which each gets a result.
    fn texts(self) -> Result<Vec<String>, Refusal> {
        let texts = self.each()?;
        let bytes: usize = texts.iter().map(String::len).sum();
        if bytes > BYTES {
            let message = format!("{bytes} bytes of text: {BYTES} are judged in one request");
            return Err(Refusal::bad_param("input", message));
        }
        Ok(texts)
    }

    /// Parts are one text.
    fn each(self) -> Result<Vec<String>, Refusal> {
        let inputs = match self.input {
            TextOr::Text(text) => return Ok(vec![text]),
            TextOr::List(inputs) if (1..=INPUTS).contains(&inputs.len()) => inputs,
            TextOr::List(inputs) => {
                let message = format!("{} inputs: 1 to {INPUTS} are taken", inputs.len());
                return Err(Refusal::bad_param("input", message));
            }
        };
        let (mut texts, mut parts) = (Vec::new(), Vec::new());
        for (number, input) in inputs.into_iter().enumerate() {
            match input {
                Input::Text(text) => texts.push(text),
                Input::Part(part) => parts.push(part.text(number)?),
            }
        }
        if !parts.is_empty() {
            if !texts.is_empty() {
                return Err(Refusal::bad_param("input", "send strings or parts, not both"));
            }
            texts.push(parts.join("\n"));
        }
        Ok(texts)
    }
}

impl Part {
    fn text(self, number: usize) -> Result<String, Refusal> {
        if self.r#type != "text" {
            let message = format!("parts of the type '{}' cannot be judged: text can", self.r#type);
            return Err(Refusal::bad_param(format!("input[{number}].type"), message));
        }
        self.text.ok_or_else(|| Refusal::missing_param(format!("input[{number}].text")))
    }
}

/// Judges texts. A client that goes away stops the model.
pub(crate) async fn create(
    State(api): State<Api>,
    Extension(meter): Extension<Meter>,
    Body(asked): Body<CreateModeration>,
) -> Result<Json<Value>, Refusal> {
    let name = asked.model.as_deref().unwrap_or(USUAL);
    let model = api.directory.moderation(api.served()?, name)?;
    let check = api.moderation().ok_or_else(|| Refusal::no_such_model(name))?;
    let mut results = Vec::new();
    for text in asked.texts()? {
        let judged = check.judge(&text).await?;
        meter.spent(judged.tokens);
        results.push(shown(&judged.scores));
    }
    let id = format!("modr-{}", Uuid::now_v7().simple());
    Ok(Json(json!({ "id": id, "model": &*model, "results": results })))
}

fn shown(scores: &Scores) -> Value {
    let each = |value: &dyn Fn(Category) -> Value| -> Map<String, Value> {
        Category::ALL.iter().map(|&c| (c.name().to_owned(), value(c))).collect()
    };
    json!({
        "flagged": scores.is_flagged(),
        "categories": each(&|category| scores.is(category).into()),
        "category_scores": each(&|category| scores.of(category).into()),
        "category_applied_input_types": each(&|_| json!(["text"])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(input: &Value) -> CreateModeration {
        serde_json::from_value(json!({ "input": input })).unwrap()
    }

    fn texts(input: &Value) -> Result<Vec<String>, Value> {
        asked(input).texts().map_err(|refusal| refusal.error()["param"].clone())
    }

    #[test]
    fn strings_have_a_result_each_and_parts_one() {
        assert_eq!(texts(&json!("a")).unwrap(), ["a"]);
        assert_eq!(texts(&json!(["a", "b"])).unwrap(), ["a", "b"]);
        let part = |text: &str| json!({"type": "text", "text": text});
        assert_eq!(texts(&json!([part("a"), part("b")])).unwrap(), ["a\nb"]);
    }

    #[test]
    fn what_cannot_be_judged_is_named() {
        let image = json!({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}});
        let text = json!({"type": "text", "text": "a"});
        for (input, param) in [
            (json!([]), "input"),
            (json!(vec!["a"; 257]), "input"),
            (json!("x".repeat(300_000)), "input"),
            (json!(["a", text]), "input"),
            (json!([text, image]), "input[1].type"),
            (json!([{"type": "text"}]), "input[0].text"),
        ] {
            assert_eq!(texts(&input).unwrap_err(), param);
        }
    }
}
