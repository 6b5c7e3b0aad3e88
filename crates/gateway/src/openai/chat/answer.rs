//! The answer to a chat.

use serde_json::{Value, json};
use trunkline_inference::{FinishReason, ToolCall};

use crate::openai::{
    logprobs,
    reply::{Reply, Tally},
    stamp,
};

/// How calls of functions are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `tool_calls`.
    Tools,
    /// `function_call`, to clients that sent `functions`.
    Functions,
}

/// What every part of an answer has in common.
#[derive(Debug)]
pub(super) struct Answer {
    id: String,
    created: i64,
    model: String,
    pub(super) form: Form,
}

impl Answer {
    pub(super) fn new(model: &str, form: Form) -> Self {
        let model = model.to_owned();
        Self { id: stamp::id("chatcmpl-"), created: stamp::now_s(), model, form }
    }

    /// A part of the answer: the object `object` with these choices.
    pub(super) fn part(&self, object: &str, choices: &[Value]) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model,
            "choices": choices, "service_tier": "default",
            "system_fingerprint": stamp::fingerprint(&self.model),
        })
    }

    /// All of it at once.
    pub(super) fn whole(&self, replies: Vec<Reply>) -> Value {
        let mut tally = replies.first().map(|reply| reply.tally).unwrap_or_default();
        replies.iter().skip(1).for_each(|reply| tally.add_reply(reply.tally));
        let numbered = replies.into_iter().enumerate();
        let choices: Vec<_> = numbered.map(|(number, reply)| self.choice(number, reply)).collect();
        with_usage(self.part("chat.completion", &choices), Some(tally))
    }

    fn choice(&self, number: usize, reply: Reply) -> Value {
        let finish = self.finish(reply.finish, !reply.calls.is_empty());
        let words = (!reply.text.is_empty() || reply.calls.is_empty()).then_some(reply.text);
        let mut message = json!({
            "role": "assistant", "content": words, "refusal": null, "annotations": [],
        });
        match self.form {
            Form::Tools if reply.calls.is_empty() => {}
            Form::Tools => message["tool_calls"] = reply.calls.iter().map(tool_call).collect(),
            Form::Functions => {
                if let Some(call) = reply.calls.first() {
                    message["function_call"] = function(call);
                }
            }
        }
        let tokens = &reply.logprobs;
        let logprobs = (!tokens.is_empty())
            .then(|| json!({ "content": logprobs::list(tokens), "refusal": null }));
        json!({
            "index": number, "message": message, "logprobs": logprobs, "finish_reason": finish,
        })
    }

    /// Why a reply ended, in the client's words.
    pub(super) fn finish(&self, finish: FinishReason, has_calls: bool) -> &'static str {
        match finish {
            FinishReason::Length => "length",
            FinishReason::Stop | FinishReason::ToolCalls => match self.form {
                Form::Tools if has_calls => "tool_calls",
                Form::Functions if has_calls => "function_call",
                Form::Tools | Form::Functions => "stop",
            },
        }
    }
}

/// `part` with what the request took; null before that is known.
pub(super) fn with_usage(mut part: Value, tally: Option<Tally>) -> Value {
    part["usage"] = tally.map(Tally::usage).unwrap_or_default();
    part
}

fn tool_call(call: &ToolCall) -> Value {
    json!({ "id": stamp::id("call_"), "type": "function", "function": function(call) })
}

fn function(call: &ToolCall) -> Value {
    json!({ "name": call.name, "arguments": call.arguments })
}
