//! The answer to a completion: whole and streamed have the same shape.

use serde_json::{Map, Value, json};
use trunkline_inference::{FinishReason, ReplyPiece, TokenLogprobs};

use super::request::CompletionOrder;
use crate::openai::{
    logprobs,
    reply::{Reply, Tally, Teller},
    stamp,
};

/// The answer, and what was told of it.
pub(super) struct Answer {
    id: String,
    created: i64,
    model: String,
    /// Replies to each prompt.
    replies: usize,
    /// Whether and with what alternatives tokens are told.
    top: Option<u8>,
    with_usage: bool,
    choices: Vec<Choice>,
}

/// One reply.
#[derive(Default)]
struct Choice {
    /// The prompt, until it is told.
    echo: Option<String>,
    tokens: Vec<TokenLogprobs>,
    /// Letters told so far.
    offset: usize,
    tally: Tally,
    is_over: bool,
}

impl Answer {
    pub(super) fn new(model: &str, order: &CompletionOrder) -> Self {
        let echo =
            |text: &String| Choice { echo: order.echo.then(|| text.clone()), ..Choice::default() };
        Self {
            id: stamp::id("cmpl-"),
            created: stamp::now_s(),
            model: model.to_owned(),
            replies: order.replies,
            top: order.logprobs,
            with_usage: order.streaming == Some(true),
            choices: order.completions.iter().map(|made| echo(&made.prompt)).collect(),
        }
    }

    /// All of it at once.
    pub(super) fn whole(mut self, replies: Vec<Reply>) -> Value {
        let mut told = Vec::new();
        for (number, reply) in replies.into_iter().enumerate() {
            if let Some(choice) = self.choices.get_mut(number) {
                (choice.tokens, choice.tally) = (reply.logprobs, reply.tally);
            }
            told.push(self.choice(number, &reply.text, Some(finish(reply.finish))));
        }
        let mut answer = self.part(&told);
        answer["usage"] = self.tally().usage();
        answer
    }

    fn part(&self, choices: &[Value]) -> Value {
        json!({
            "id": self.id, "object": "text_completion", "created": self.created,
            "model": self.model, "choices": choices,
            "system_fingerprint": stamp::fingerprint(&self.model),
        })
    }

    fn chunk(&mut self, number: usize, text: &str, finish: Option<&str>) -> Value {
        let choice = self.choice(number, text, finish);
        let mut part = self.part(&[choice]);
        if self.with_usage {
            part["usage"] = Value::Null;
        }
        part
    }

    fn choice(&mut self, number: usize, text: &str, finish: Option<&str>) -> Value {
        let top = self.top;
        let mut choice = self.choices.get_mut(number);
        let echo = choice.as_mut().and_then(|choice| choice.echo.take()).unwrap_or_default();
        let logprobs = choice.zip(top).map(|(choice, top)| choice.logprobs(top, &echo));
        json!({
            "index": number, "text": echo + text, "logprobs": logprobs, "finish_reason": finish,
        })
    }

    /// Each prompt counts once.
    fn tally(&self) -> Tally {
        let mut all = Tally::default();
        for (number, choice) in self.choices.iter().enumerate() {
            if number % self.replies.max(1) == 0 {
                all.add(choice.tally);
            } else {
                all.add_reply(choice.tally);
            }
        }
        all
    }

    fn finish(&mut self, number: usize, reason: FinishReason) -> Vec<Value> {
        let Some(choice) = self.choices.get_mut(number).filter(|choice| !choice.is_over) else {
            return Vec::new();
        };
        choice.is_over = true;
        vec![self.chunk(number, "", Some(finish(reason)))]
    }
}

impl Choice {
    /// Those of the tokens that were not told yet: `tokens`, `token_logprobs`, `top_logprobs` and
    /// `text_offset`, lists of the same length.
    fn logprobs(&mut self, top: u8, echo: &str) -> Value {
        self.offset += echo.chars().count();
        let tokens = std::mem::take(&mut self.tokens);
        let (mut texts, mut offsets) = (Vec::new(), Vec::new());
        for token in &tokens {
            let text = logprobs::text(&token.chosen.bytes);
            offsets.push(self.offset);
            self.offset += text.chars().count();
            texts.push(text);
        }
        let chosen: Vec<f32> =
            tokens.iter().map(|token| logprobs::finite(token.chosen.logprob)).collect();
        let alternatives: Option<Vec<_>> = (top > 0).then(|| tokens.iter().map(dict).collect());
        json!({
            "tokens": texts, "token_logprobs": chosen,
            "top_logprobs": alternatives, "text_offset": offsets,
        })
    }
}

/// The most probable tokens and the chosen one: `{"token": logprob}`.
fn dict(token: &TokenLogprobs) -> Map<String, Value> {
    let all = token.top.iter().chain([&token.chosen]);
    all.map(|one| (logprobs::text(&one.bytes), json!(logprobs::finite(one.logprob)))).collect()
}

fn finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "length",
        FinishReason::Stop | FinishReason::ToolCalls => "stop",
    }
}

impl Teller for Answer {
    fn tell(&mut self, number: usize, piece: ReplyPiece) -> Vec<Value> {
        match piece {
            ReplyPiece::Text(text) => vec![self.chunk(number, &text, None)],
            ReplyPiece::ToolCall(_) => Vec::new(),
            ReplyPiece::Logprobs(tokens) => {
                if let Some(choice) = self.choices.get_mut(number) {
                    choice.tokens.extend(tokens);
                }
                Vec::new()
            }
            ReplyPiece::Usage { prompt, cached, generated, finish } => {
                if let Some(choice) = self.choices.get_mut(number) {
                    choice.tally = Tally { prompt, cached, generated };
                }
                self.finish(number, finish)
            }
        }
    }

    fn end(&mut self) -> Vec<Value> {
        let numbers = 0..self.choices.len();
        let mut chunks: Vec<_> =
            numbers.flat_map(|number| self.finish(number, FinishReason::Stop)).collect();
        if self.with_usage {
            let mut last = self.part(&[]);
            last["usage"] = self.tally().usage();
            chunks.push(last);
        }
        chunks
    }
}
