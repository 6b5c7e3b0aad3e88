//! What a client asks for.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use tiktoken_rs::cl100k_base_singleton;

use crate::{openai::text_or::TextOr, refusal::Refusal};

/// Texts of one request, as OpenAI's.
const INPUTS: usize = 2048;

/// The body of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct CreateEmbeddings {
    pub(crate) model: String,
    input: TextOr<Input>,
    dimensions: Option<usize>,
    #[serde(default, rename = "encoding_format")]
    pub(super) encoding: Encoding,
}

/// How a vector is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    #[default]
    Float,
    Base64,
}

/// One of several inputs: a text, a token of the only one, or the tokens of one. Tokens are those of
/// OpenAI's embedding models (`cl100k_base`): clients such as `LangChain`'s send them.
#[derive(Debug)]
enum Input {
    Text(String),
    Token(u32),
    Tokens(Vec<u32>),
}

impl CreateEmbeddings {
    /// How many numbers of each vector are wanted.
    pub(super) fn dimensions(&self, of_model: usize) -> Result<usize, Refusal> {
        match self.dimensions {
            None => Ok(of_model),
            Some(wanted) if (1..=of_model).contains(&wanted) => Ok(wanted),
            Some(wanted) => {
                let message =
                    format!("{wanted} is not between 1 and {of_model}, which the model has");
                Err(Refusal::bad_param("dimensions", message))
            }
        }
    }

    /// The texts.
    pub(super) async fn texts(self) -> Result<Vec<String>, Refusal> {
        let inputs = match self.input {
            TextOr::Text(text) => vec![Input::Text(text)],
            TextOr::List(inputs) => joined(inputs)?,
        };
        if !(1..=INPUTS).contains(&inputs.len()) {
            let message = format!("there are 1 to {INPUTS} texts in a request");
            return Err(Refusal::bad_param("input", message));
        }
        let texts = if inputs.iter().all(|input| matches!(input, Input::Text(_))) {
            read(inputs)
        } else {
            // The first time it builds its table, which takes longer than async code may.
            let reading = tokio::task::spawn_blocking(move || read(inputs));
            reading.await.map_err(|_| Refusal::bad_param("input", "the tokens cannot be read"))?
        }?;
        if texts.iter().any(String::is_empty) {
            return Err(Refusal::bad_param("input", "a text cannot be empty"));
        }
        Ok(texts)
    }
}

/// Tokens that stand by themselves belong to one text.
fn joined(inputs: Vec<Input>) -> Result<Vec<Input>, Refusal> {
    let single: Vec<u32> = inputs
        .iter()
        .filter_map(|input| match input {
            Input::Token(token) => Some(*token),
            Input::Text(_) | Input::Tokens(_) => None,
        })
        .collect();
    match single.len() {
        0 => Ok(inputs),
        all if all == inputs.len() => Ok(vec![Input::Tokens(single)]),
        _ => Err(Refusal::bad_param("input", "tokens and texts cannot be mixed")),
    }
}

fn read(inputs: Vec<Input>) -> Result<Vec<String>, Refusal> {
    let text = |input| match input {
        Input::Text(text) => Ok(text),
        Input::Token(token) => decoded(&[token]),
        Input::Tokens(tokens) => decoded(&tokens),
    };
    inputs.into_iter().map(text).collect()
}

fn decoded(tokens: &[u32]) -> Result<String, Refusal> {
    let bytes = cl100k_base_singleton().decode_bytes(tokens).map_err(|_| {
        let message = "token numbers are those of cl100k_base here, and one is none of them";
        Refusal::bad_param("input", message)
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or token numbers")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Input, E> {
        Ok(Input::Text(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, token: u64) -> Result<Input, E> {
        u32::try_from(token).map(Input::Token).map_err(|_| E::custom("no token has this number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Input, A::Error> {
        let mut tokens = Vec::new();
        while let Some(token) = list.next_element()? {
            tokens.push(token);
        }
        Ok(Input::Tokens(tokens))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::openai::body::parse;

    async fn texts(input: Value) -> Result<Vec<String>, Refusal> {
        let body = json!({ "model": "m", "input": input });
        parse::<CreateEmbeddings>(body.to_string().as_bytes())?.texts().await
    }

    #[tokio::test]
    async fn texts_and_tokens_are_read_in_every_form() {
        assert_eq!(texts(json!("a")).await.unwrap(), ["a"]);
        assert_eq!(texts(json!(["a", "b"])).await.unwrap(), ["a", "b"]);
        // As tiktoken encodes "hello world" and "hi".
        assert_eq!(texts(json!([15339, 1917])).await.unwrap(), ["hello world"]);
        let both = texts(json!([[15339, 1917], [6151]])).await.unwrap();
        assert_eq!(both, ["hello world", "hi"]);
    }

    #[tokio::test]
    async fn what_is_no_input_is_refused() {
        for input in [
            json!(""),
            json!([]),
            json!(["a", ""]),
            json!([[]]),
            json!([1, "a"]),
            json!([4_000_000]),
            json!(vec!["a"; INPUTS + 1]),
        ] {
            assert_eq!(texts(input).await.unwrap_err().error()["param"], "input");
        }
        assert_eq!(texts(json!([-1])).await.unwrap_err().error()["param"], "input[0]");
        assert_eq!(texts(json!({})).await.unwrap_err().error()["param"], "input");
    }

    #[test]
    fn a_vector_can_be_shortened_but_not_lengthened() {
        let dimensions = |wanted: Value| {
            let body = json!({ "model": "m", "input": "a", "dimensions": wanted });
            parse::<CreateEmbeddings>(body.to_string().as_bytes()).unwrap().dimensions(8)
        };
        assert_eq!(dimensions(json!(null)).unwrap(), 8);
        assert_eq!(dimensions(json!(3)).unwrap(), 3);
        for wanted in [0, 9] {
            assert_eq!(dimensions(json!(wanted)).unwrap_err().error()["param"], "dimensions");
        }
    }
}
