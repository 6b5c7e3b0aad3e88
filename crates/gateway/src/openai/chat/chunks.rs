//! The answer to a chat as it is made: `chat.completion.chunk`.

use serde_json::{Value, json};
use trunkline_inference::{FinishReason, ReplyPiece, TokenLogprobs, ToolCall};

use super::answer::{Answer, Form, with_usage};
use crate::openai::{
    logprobs,
    reply::{Tally, Teller},
    stamp,
};

/// How a stream is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Streaming {
    /// Whether a last chunk tells what it took, and the others that they do not know.
    pub(super) with_usage: bool,
}

/// Tells replies in chunks.
pub(super) struct Chunks {
    answer: Answer,
    streaming: Streaming,
    choices: Vec<Choice>,
    tally: Option<Tally>,
}

/// What was told of one reply.
#[derive(Clone, Default)]
struct Choice {
    has_role: bool,
    is_over: bool,
    calls: usize,
    /// Those of the text to come.
    tokens: Vec<TokenLogprobs>,
}

impl Chunks {
    pub(super) fn new(answer: Answer, streaming: Streaming, count: usize) -> Self {
        Self { answer, streaming, choices: vec![Choice::default(); count], tally: None }
    }

    fn chunk(&self, choice: &Value) -> Value {
        let part = self.answer.part("chat.completion.chunk", std::slice::from_ref(choice));
        if self.streaming.with_usage { with_usage(part, None) } else { part }
    }

    /// A chunk of one choice; the probabilities of its tokens come with its text.
    fn delta(&mut self, number: usize, delta: &Value, finish: Option<&str>) -> Value {
        let tokens = match self.choices.get_mut(number) {
            Some(choice) if delta.get("content").is_some() || finish.is_some() => {
                std::mem::take(&mut choice.tokens)
            }
            Some(_) | None => Vec::new(),
        };
        let logprobs = (!tokens.is_empty())
            .then(|| json!({ "content": logprobs::list(&tokens), "refusal": null }));
        self.chunk(&json!({
            "index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish,
        }))
    }

    /// The first chunk of a choice, once.
    fn role(&mut self, number: usize, has_text: bool) -> Option<Value> {
        let choice = self.choices.get_mut(number).filter(|choice| !choice.has_role)?;
        choice.has_role = true;
        let content = if has_text { json!("") } else { Value::Null };
        let first = json!({ "role": "assistant", "content": content, "refusal": null });
        Some(self.chunk(&json!({
            "index": number, "delta": first, "logprobs": null, "finish_reason": null,
        })))
    }

    fn call(&mut self, number: usize, call: &ToolCall) -> Vec<Value> {
        let Some(choice) = self.choices.get_mut(number) else { return Vec::new() };
        let place = choice.calls;
        choice.calls += 1;
        let open = json!({ "name": call.name, "arguments": "" });
        let rest = json!({ "arguments": call.arguments });
        let deltas = match self.answer.form {
            Form::Tools => {
                let id = stamp::id("call_");
                let first =
                    json!({ "index": place, "id": id, "type": "function", "function": open });
                let second = json!({ "index": place, "function": rest });
                [json!({ "tool_calls": [first] }), json!({ "tool_calls": [second] })]
            }
            Form::Functions => [json!({ "function_call": open }), json!({ "function_call": rest })],
        };
        deltas.iter().map(|delta| self.delta(number, delta, None)).collect()
    }

    fn finish(&mut self, number: usize, finish: FinishReason) -> Vec<Value> {
        let Some(choice) = self.choices.get_mut(number).filter(|choice| !choice.is_over) else {
            return Vec::new();
        };
        choice.is_over = true;
        let has_calls = choice.calls > 0;
        let reason = self.answer.finish(finish, has_calls);
        let role = self.role(number, true);
        let last = self.delta(number, &json!({}), Some(reason));
        role.into_iter().chain([last]).collect()
    }

    fn count(&mut self, tally: Tally) {
        match &mut self.tally {
            Some(all) => all.add_reply(tally),
            None => self.tally = Some(tally),
        }
    }
}

impl Teller for Chunks {
    fn tell(&mut self, number: usize, piece: ReplyPiece) -> Vec<Value> {
        match piece {
            ReplyPiece::Text(text) => {
                let role = self.role(number, true);
                let more = self.delta(number, &json!({ "content": text }), None);
                role.into_iter().chain([more]).collect()
            }
            ReplyPiece::ToolCall(call) => {
                let role = self.role(number, false);
                role.into_iter().chain(self.call(number, &call)).collect()
            }
            ReplyPiece::Logprobs(tokens) => {
                if let Some(choice) = self.choices.get_mut(number) {
                    choice.tokens.extend(tokens);
                }
                Vec::new()
            }
            ReplyPiece::Usage { prompt, cached, generated, finish } => {
                self.count(Tally { prompt, cached, generated });
                self.finish(number, finish)
            }
        }
    }

    fn end(&mut self) -> Vec<Value> {
        let open = (0..self.choices.len()).collect::<Vec<_>>();
        let mut chunks: Vec<_> =
            open.into_iter().flat_map(|number| self.finish(number, FinishReason::Stop)).collect();
        if self.streaming.with_usage {
            let part = self.answer.part("chat.completion.chunk", &[]);
            chunks.push(with_usage(part, Some(self.tally.unwrap_or_default())));
        }
        chunks
    }
}
