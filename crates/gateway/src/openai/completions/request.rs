//! What a client asks for.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use trunkline_inference::{ChatOptions, Completion, Party, schedule::Tenant};

use crate::{
    openai::{
        sampling::{Sampling, UNTIL_THE_CONTEXT_ENDS, within},
        text_or::TextOr,
    },
    refusal::Refusal,
};

/// Replies to one text.
const REPLIES: u32 = 8;
/// Texts of one request.
const PROMPTS: usize = 64;
/// What a reply may have at most when the client does not say, as OpenAI's.
const MOST_TOKENS: u32 = 16;
/// Alternatives that may be asked for at each token.
const TOP: u8 = 5;

/// The body of a request.
#[derive(Debug, Deserialize)]
pub(crate) struct CreateCompletion {
    pub(crate) model: String,
    prompt: Option<TextOr<Prompt>>,
    best_of: Option<u32>,
    echo: Option<bool>,
    frequency_penalty: Option<f32>,
    logit_bias: Option<BTreeMap<String, f32>>,
    logprobs: Option<u8>,
    max_tokens: Option<u32>,
    n: Option<u32>,
    presence_penalty: Option<f32>,
    seed: Option<i64>,
    stop: Option<TextOr<String>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    suffix: Option<String>,
    temperature: Option<f32>,
    top_p: Option<f32>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// One of several prompts.
#[derive(Debug)]
enum Prompt {
    Text(String),
    /// A token, or a list of them.
    Tokens,
}

/// What to do.
#[derive(Debug)]
pub(super) struct CompletionOrder {
    /// For each prompt, one for each reply to it.
    pub(super) completions: Vec<Completion>,
    /// Replies to each prompt.
    pub(super) replies: usize,
    /// Whether a reply begins with its prompt.
    pub(super) echo: bool,
    /// How many alternatives to tell of each token.
    pub(super) logprobs: Option<u8>,
    /// Whether it is streamed, and if so with what it took.
    pub(super) streaming: Option<bool>,
}

impl CreateCompletion {
    /// The request within its bounds.
    pub(super) fn read(mut self, cache_salt: u64) -> Result<CompletionOrder, Refusal> {
        self.refuse_what_cannot_be()?;
        let n = within("n", self.n, 1..=REPLIES, 1)?;
        if self.best_of.is_some_and(|best_of| best_of != n) {
            let message = "nothing is left out here: best_of can only be n";
            return Err(Refusal::unsupported("best_of", message));
        }
        let prompts = prompts(self.prompt.take())?;
        let echo = self.echo == Some(true);
        let options = self.stream_options.take().unwrap_or_default();
        let streaming = (self.stream == Some(true)).then_some(options.include_usage == Some(true));
        let logprobs = self.logprobs;
        let options = self.options()?;
        let one = |prompt: &String, number: u32| {
            let seed = options.seed.wrapping_add(number);
            let options = ChatOptions { seed, ..options.clone() };
            let party = Party::program(Tenant(cache_salt));
            Completion { prompt: prompt.clone(), options, cache_salt, party }
        };
        let each = |prompt| (0..n).map(move |number| (prompt, number));
        let completions =
            prompts.iter().flat_map(each).map(|(prompt, number)| one(prompt, number)).collect();
        let replies = usize::try_from(n).unwrap_or(1);
        Ok(CompletionOrder { completions, replies, echo, logprobs, streaming })
    }

    fn refuse_what_cannot_be(&self) -> Result<(), Refusal> {
        if self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(Refusal::unsupported("suffix", "texts are continued only at their end"));
        }
        within("logprobs", self.logprobs, 0..=TOP, 0)?;
        if self.echo == Some(true) && self.logprobs.is_some() {
            let message = "how probable the prompt's tokens were is not told: leave out echo";
            return Err(Refusal::unsupported("logprobs", message));
        }
        Ok(())
    }

    fn options(self) -> Result<ChatOptions, Refusal> {
        let max_tokens = self.max_tokens.unwrap_or(MOST_TOKENS).min(UNTIL_THE_CONTEXT_ENDS);
        let top_logprobs = self.logprobs;
        let sampling = Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            seed: self.seed,
            stop: self.stop,
            logit_bias: self.logit_bias,
        };
        Ok(ChatOptions { top_logprobs, ..sampling.options(max_tokens)? })
    }
}

fn prompts(prompt: Option<TextOr<Prompt>>) -> Result<Vec<String>, Refusal> {
    let prompts = match prompt {
        None => return Err(Refusal::bad_param("prompt", "there is no prompt")),
        Some(TextOr::Text(text)) => return Ok(vec![text]),
        Some(TextOr::List(prompts)) => prompts,
    };
    if !(1..=PROMPTS).contains(&prompts.len()) {
        let message = format!("there are 1 to {PROMPTS} prompts in a request");
        return Err(Refusal::bad_param("prompt", message));
    }
    let text = |prompt| match prompt {
        Prompt::Text(text) => Ok(text),
        Prompt::Tokens => {
            let message = "prompts are texts here: token numbers differ from model to model";
            Err(Refusal::unsupported("prompt", message))
        }
    };
    prompts.into_iter().map(text).collect()
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PromptVisitor)
    }
}

struct PromptVisitor;

impl<'de> Visitor<'de> for PromptVisitor {
    type Value = Prompt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or token numbers")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Prompt, E> {
        Ok(Prompt::Text(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Prompt, E> {
        Ok(Prompt::Tokens)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<Prompt, A::Error> {
        while tokens.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Prompt::Tokens)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::openai::body::parse;

    fn order(body: &Value) -> Result<CompletionOrder, Refusal> {
        let mut whole = json!({ "model": "m", "prompt": "p" });
        for (key, value) in body.as_object().unwrap() {
            whole[key] = value.clone();
        }
        parse::<CreateCompletion>(whole.to_string().as_bytes())?.read(3)
    }

    #[test]
    fn each_prompt_has_its_replies_with_seeds_of_their_own() {
        let order = order(&json!({"prompt": ["a", "b"], "n": 2, "seed": 1, "best_of": 2})).unwrap();
        let made = order.completions.iter().map(|c| (c.prompt.as_str(), c.options.seed));
        assert_eq!(made.collect::<Vec<_>>(), [("a", 1), ("a", 2), ("b", 1), ("b", 2)]);
        let first = &order.completions[0];
        assert_eq!((first.options.max_tokens, first.cache_salt, order.replies), (16, 3, 2));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_its_name() {
        for (body, param) in [
            (json!({"prompt": null}), "prompt"),
            (json!({"prompt": []}), "prompt"),
            (json!({"prompt": [1, 2]}), "prompt"),
            (json!({"prompt": [[1, 2]]}), "prompt"),
            (json!({"prompt": ["a", {}]}), "prompt[1]"),
            (json!({"prompt": vec!["a"; 65]}), "prompt"),
            (json!({"best_of": 2}), "best_of"),
            (json!({"suffix": "s"}), "suffix"),
            (json!({"logprobs": 6}), "logprobs"),
            (json!({"logprobs": 1, "echo": true}), "logprobs"),
            (json!({"n": 99}), "n"),
            (json!({"max_tokens": -1}), "max_tokens"),
        ] {
            let error = order(&body).unwrap_err().error();
            assert_eq!(error["param"], param, "{body}: {error}");
        }
        assert!(order(&json!({"suffix": "", "best_of": 1, "logprobs": null})).is_ok());
    }
}
