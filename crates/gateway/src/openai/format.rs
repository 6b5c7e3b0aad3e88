//! What the text of a reply must be.

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_inference::TextFormat;

use crate::refusal::Refusal;

/// `response_format` of chats.
#[derive(Debug, Deserialize)]
pub(crate) struct ResponseFormat {
    r#type: String,
    json_schema: Option<NamedSchema>,
}

/// A JSON Schema and its name.
#[derive(Debug, Deserialize)]
struct NamedSchema {
    schema: Option<Value>,
}

impl ResponseFormat {
    /// As models take it.
    pub(crate) fn read(self) -> Result<TextFormat, Refusal> {
        match self.r#type.as_str() {
            "json_schema" => {
                let Some(named) = self.json_schema else {
                    let message = "the type json_schema needs a json_schema";
                    return Err(Refusal::bad_param("response_format.json_schema", message));
                };
                schema("response_format.json_schema.schema", named.schema)
            }
            other => plain("response_format.type", other),
        }
    }
}

/// The formats without a schema.
pub(crate) fn plain(param: &'static str, kind: &str) -> Result<TextFormat, Refusal> {
    match kind {
        "text" => Ok(TextFormat::Text),
        "json_object" => Ok(TextFormat::JsonObject),
        other => {
            let message = format!("'{other}' is none of text, json_object and json_schema");
            Err(Refusal::unsupported(param, message))
        }
    }
}

/// The format of a schema; without one, any JSON. It holds whether or not the client asks to be strict.
pub(crate) fn schema(param: &'static str, schema: Option<Value>) -> Result<TextFormat, Refusal> {
    match schema {
        None | Some(Value::Null) => Ok(TextFormat::JsonSchema(json!({}))),
        Some(schema) if schema.is_object() => Ok(TextFormat::JsonSchema(schema)),
        Some(_) => Err(Refusal::bad_param(param, "a JSON Schema is an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unwrap_in_result, reason = "a test may panic")]
    fn read(format: Value) -> Result<TextFormat, Refusal> {
        serde_json::from_value::<ResponseFormat>(format).unwrap().read()
    }

    #[test]
    fn formats_are_read_and_unknown_ones_refused() {
        assert_eq!(read(json!({"type": "text"})).unwrap(), TextFormat::Text);
        assert_eq!(read(json!({"type": "json_object"})).unwrap(), TextFormat::JsonObject);
        let schema = json!({"type": "object"});
        let named = json!({"name": "n", "schema": schema, "strict": false});
        let format = read(json!({"type": "json_schema", "json_schema": named})).unwrap();
        assert_eq!(format, TextFormat::JsonSchema(schema));
        for (format, param) in [
            (json!({"type": "grammar"}), "response_format.type"),
            (json!({"type": "json_schema"}), "response_format.json_schema"),
            (
                json!({"type": "json_schema", "json_schema": {"schema": 1}}),
                "response_format.json_schema.schema",
            ),
        ] {
            assert_eq!(read(format).unwrap_err().error()["param"], param);
        }
    }
}
