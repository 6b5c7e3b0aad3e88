//! What a client asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use trunkline_inference::{Chat, ChatOptions, Overflow, Party, TextFormat, Tool, schedule::Tenant};

use super::{answer::Form, chunks::Streaming, message::WireMessage};
use crate::{
    openai::{
        format::ResponseFormat,
        history, logprobs,
        sampling::{Sampling, UNTIL_THE_CONTEXT_ENDS, within},
        text_or::TextOr,
        tools::{self, Function},
    },
    refusal::Refusal,
};

/// Replies to one chat.
const REPLIES: u32 = 8;

/// The body of a request. What is not named here is ignored: it asks for nothing that changes a reply.
#[derive(Debug, Deserialize)]
pub(crate) struct CreateChat {
    pub(crate) model: String,
    messages: Vec<WireMessage>,
    audio: Option<IgnoredAny>,
    frequency_penalty: Option<f32>,
    function_call: Option<Value>,
    functions: Option<Vec<Function>>,
    logit_bias: Option<BTreeMap<String, f32>>,
    logprobs: Option<bool>,
    max_completion_tokens: Option<u32>,
    max_tokens: Option<u32>,
    modalities: Option<Vec<String>>,
    moderation: Option<IgnoredAny>,
    n: Option<u32>,
    parallel_tool_calls: Option<bool>,
    presence_penalty: Option<f32>,
    response_format: Option<ResponseFormat>,
    seed: Option<i64>,
    stop: Option<TextOr<String>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    temperature: Option<f32>,
    tool_choice: Option<Value>,
    tools: Option<Vec<WireTool>>,
    top_logprobs: Option<u8>,
    top_p: Option<f32>,
    web_search_options: Option<IgnoredAny>,
}

/// How a stream is told.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct StreamOptions {
    /// Whether its last event tells what it took.
    pub(crate) include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct WireTool {
    r#type: String,
    function: Option<Function>,
}

/// What to do.
#[derive(Debug)]
pub(super) struct ChatOrder {
    /// One for each reply.
    pub(super) chats: Vec<Chat>,
    /// Whether only the first call of a function counts.
    pub(super) one_call: bool,
    pub(super) form: Form,
    pub(super) streaming: Option<Streaming>,
}

impl CreateChat {
    /// The request within its bounds.
    pub(super) fn read(mut self, cache_salt: u64) -> Result<ChatOrder, Refusal> {
        self.refuse_what_cannot_be()?;
        let replies = within("n", self.n, 1..=REPLIES, 1)?;
        let has_functions = self.functions.is_some();
        let messages = std::mem::take(&mut self.messages);
        let entries = super::message::entries(messages)?;
        let choice = match self.function_call.take() {
            Some(choice) if has_functions => Some(function_choice(choice)),
            Some(_) | None => self.tool_choice.take(),
        };
        let (tools, tool_choice) = tools::choose(self.take_tools()?, choice.as_ref())?;
        let streaming = self.stream.unwrap_or_default().then(|| Streaming {
            with_usage: self.stream_options.take().unwrap_or_default().include_usage == Some(true),
        });
        let form = if has_functions { Form::Functions } else { Form::Tools };
        let one_call = has_functions || self.parallel_tool_calls == Some(false);
        let options = self.options()?;
        let messages = history::messages(entries);
        let overflow = Overflow::Refuse;
        let party = Party::program(Tenant(cache_salt));
        let chat = Chat { messages, tools, tool_choice, options, cache_salt, overflow, party };
        let numbered = |number: u32| {
            let mut chat = chat.clone();
            chat.options.seed = chat.options.seed.wrapping_add(number);
            chat
        };
        Ok(ChatOrder { chats: (0..replies).map(numbered).collect(), one_call, form, streaming })
    }

    fn refuse_what_cannot_be(&self) -> Result<(), Refusal> {
        let sound = self.modalities.iter().flatten().any(|modality| modality != "text");
        for (param, asked, what) in [
            ("modalities", sound, "this route answers in text: /v1/realtime speaks"),
            ("audio", self.audio.is_some(), "this route answers in text: /v1/realtime speaks"),
            (
                "web_search_options",
                self.web_search_options.is_some(),
                "nothing here searches the web",
            ),
            ("moderation", self.moderation.is_some(), "replies are not moderated here"),
        ] {
            if asked {
                return Err(Refusal::unsupported(param, what));
            }
        }
        Ok(())
    }

    fn take_tools(&mut self) -> Result<Vec<Tool>, Refusal> {
        if let Some(functions) = self.functions.take() {
            let numbered = functions.into_iter().enumerate();
            return numbered.map(|(n, f)| f.tool(&format!("functions[{n}]"))).collect();
        }
        let numbered = self.tools.take().unwrap_or_default().into_iter().enumerate();
        let tool = |(number, tool): (usize, WireTool)| match (tool.r#type.as_str(), tool.function) {
            ("function", Some(function)) => function.tool(&format!("tools[{number}].function")),
            ("function", None) => {
                let param = format!("tools[{number}].function");
                Err(Refusal::bad_param(param, "a tool of the type function describes one"))
            }
            (other, _) => {
                let message = format!("tools are functions here: '{other}' is not known");
                Err(Refusal::unsupported(format!("tools[{number}].type"), message))
            }
        };
        numbered.map(tool).collect()
    }

    fn options(self) -> Result<ChatOptions, Refusal> {
        let at_least_one = 1..=UNTIL_THE_CONTEXT_ENDS;
        let most = |param, given: Option<u32>| {
            let given = given.map(|most| most.min(UNTIL_THE_CONTEXT_ENDS));
            within(param, given, at_least_one.clone(), UNTIL_THE_CONTEXT_ENDS)
        };
        let old = most("max_tokens", self.max_tokens)?;
        let new = most("max_completion_tokens", self.max_completion_tokens)?;
        let max_tokens = if self.max_completion_tokens.is_some() { new } else { old };
        let format = self.response_format.map_or(Ok(TextFormat::Text), ResponseFormat::read)?;
        let top_logprobs = logprobs::wanted(self.logprobs == Some(true), self.top_logprobs)?;
        let sampling = Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            seed: self.seed,
            stop: self.stop,
            logit_bias: self.logit_bias,
        };
        Ok(ChatOptions { format, top_logprobs, ..sampling.options(max_tokens)? })
    }
}

/// `function_call` of old clients: a word or `{"name"}`, as a `tool_choice`.
fn function_choice(choice: Value) -> Value {
    if choice.is_object() {
        return serde_json::json!({ "type": "function", "function": choice });
    }
    choice
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trunkline_inference::{Role, ToolChoice};

    use super::*;
    use crate::openai::body::parse;

    fn order(extra: &Value) -> Result<ChatOrder, Refusal> {
        let mut body = json!({ "model": "m", "messages": [{"role": "user", "content": "hi"}] });
        for (key, value) in extra.as_object().unwrap() {
            body[key] = value.clone();
        }
        parse::<CreateChat>(body.to_string().as_bytes())?.read(7)
    }

    #[test]
    fn a_bare_request_is_continued_as_openai_would_until_the_context_ends() {
        let order =
            order(&json!({"seed": 5, "unknown": {}, "store": true, "metadata": {}})).unwrap();
        assert_eq!((order.chats.len(), order.one_call, order.form), (1, false, Form::Tools));
        assert!(order.streaming.is_none());
        let chat = &order.chats[0];
        assert_eq!((chat.cache_salt, chat.messages[0].role), (7, Role::User));
        assert!((chat.options.temperature - 1.0).abs() < f32::EPSILON);
        assert_eq!((chat.options.max_tokens, chat.options.seed), (UNTIL_THE_CONTEXT_ENDS, 5));
    }

    #[test]
    fn several_replies_have_seeds_of_their_own() {
        let order = order(&json!({"n": 3, "seed": 5})).unwrap();
        let seeds: Vec<_> = order.chats.iter().map(|chat| chat.options.seed).collect();
        assert_eq!(seeds, [5, 6, 7]);
    }

    #[test]
    fn the_newer_bound_on_tokens_counts() {
        let most = |extra| order(&extra).unwrap().chats[0].options.max_tokens;
        assert_eq!(most(json!({"max_tokens": 5})), 5);
        assert_eq!(most(json!({"max_tokens": 5, "max_completion_tokens": 9})), 9);
        assert_eq!(most(json!({"max_tokens": u32::MAX})), UNTIL_THE_CONTEXT_ENDS);
    }

    #[test]
    fn functions_of_old_clients_are_tools() {
        let order = order(&json!({
            "functions": [{"name": "f"}], "function_call": {"name": "f"},
        }))
        .unwrap();
        assert_eq!((order.one_call, order.form), (true, Form::Functions));
        assert_eq!(order.chats[0].tool_choice, ToolChoice::Function("f".into()));
        assert_eq!(order.chats[0].tools[0].name, "f");
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_its_name() {
        for (extra, param) in [
            (json!({"n": 9}), "n"),
            (json!({"n": 0}), "n"),
            (json!({"max_tokens": 0}), "max_tokens"),
            (json!({"max_completion_tokens": -1}), "max_completion_tokens"),
            (json!({"temperature": 3}), "temperature"),
            (json!({"temperature": "hot"}), "temperature"),
            (json!({"top_logprobs": 2}), "top_logprobs"),
            (json!({"modalities": ["text", "audio"]}), "modalities"),
            (json!({"audio": {"voice": "alloy"}}), "audio"),
            (json!({"web_search_options": {}}), "web_search_options"),
            (json!({"messages": []}), "messages"),
            (json!({"messages": [{"role": "robot", "content": ""}]}), "messages[0].role"),
            (json!({"messages": [{"content": ""}]}), "messages[0].role"),
            (json!({"tools": [{"type": "custom"}]}), "tools[0].type"),
            (json!({"tools": [{"type": "function"}]}), "tools[0].function"),
            (json!({"tool_choice": "required"}), "tool_choice"),
            (json!({"functions": [{"name": ""}]}), "functions[0].name"),
            (json!({"response_format": {"type": "xml"}}), "response_format.type"),
        ] {
            let error = order(&extra).unwrap_err().error();
            assert_eq!(error["param"], param, "{extra}: {error}");
        }
        assert!(order(&json!({"audio": null, "modalities": ["text"], "n": null})).is_ok());
    }

    #[test]
    fn a_stream_tells_what_it_took_when_asked() {
        let with_usage = |extra| order(&extra).unwrap().streaming.map(|told| told.with_usage);
        assert_eq!(with_usage(json!({"stream": false})), None);
        assert_eq!(with_usage(json!({"stream": true})), Some(false));
        let options = json!({"include_usage": true, "include_obfuscation": false});
        assert_eq!(with_usage(json!({"stream": true, "stream_options": options})), Some(true));
    }
}
