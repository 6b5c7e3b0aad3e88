//! What a request asks for, kept by the engine whatever the network thinks.

use serde_json::{Value, json};
use trunkline_inference::{
    Completion, FinishReason, TextFormat, TokenLogprobs, Tool, ToolCall, ToolChoice,
};

use super::*;

#[derive(Debug, Default)]
struct Reply {
    text: String,
    calls: Vec<ToolCall>,
    logprobs: Vec<TokenLogprobs>,
    generated: u32,
    finish: FinishReason,
}

fn read(stream: ReplyStream) -> Result<Reply, ModelError> {
    let mut reply = Reply::default();
    for piece in block_on(stream.collect::<Vec<_>>()) {
        match piece? {
            ReplyPiece::Text(more) => reply.text.push_str(&more),
            ReplyPiece::ToolCall(call) => reply.calls.push(call),
            ReplyPiece::Logprobs(tokens) => reply.logprobs.extend(tokens),
            ReplyPiece::Usage { generated, finish, .. } => {
                (reply.generated, reply.finish) = (generated, finish);
            }
        }
    }
    Ok(reply)
}

fn answer(chat: Chat) -> Result<Reply, ModelError> {
    read(Toy::start(Machine::default()).open(chat))
}

fn asking(options: ChatOptions) -> Chat {
    Chat { options, ..chat(1, &["hello"], 0) }
}

fn refusal(chat: Chat) -> String {
    match answer(chat) {
        Err(ModelError::BadRequest(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn tools() -> Vec<Tool> {
    let parameters = json!({"type": "object", "properties": {"day": {"enum": ["Mon", "Tue"]}},
        "required": ["day"], "additionalProperties": false});
    vec![Tool { name: "book".to_owned(), description: String::new(), parameters }]
}

#[test]
fn a_reply_that_must_be_json_is() {
    let schema =
        json!({"type": "array", "items": {"enum": ["ab", "cd"]}, "minItems": 2, "maxItems": 3});
    for temperature in [0.0, 1.0] {
        let format = TextFormat::JsonSchema(schema.clone());
        let options =
            ChatOptions { format, temperature, max_tokens: 999, ..ChatOptions::default() };
        let reply = answer(asking(options)).unwrap();
        let value: Value = serde_json::from_str(&reply.text).unwrap();
        assert!(jsonschema::is_valid(&schema, &value), "{reply:?}");
        assert_eq!(reply.finish, FinishReason::Stop);
    }
}

#[test]
fn a_reply_that_must_call_does() {
    for choice in [ToolChoice::Required, ToolChoice::Function("book".to_owned())] {
        let chat = Chat { tools: tools(), tool_choice: choice, ..chat(1, &["hello"], 999) };
        let reply = answer(chat).unwrap();
        assert_eq!(reply.text, "");
        assert_eq!(reply.finish, FinishReason::ToolCalls);
        assert!(!reply.calls.is_empty() && reply.calls.len() <= 4, "{reply:?}");
        for call in reply.calls {
            assert_eq!(call.name, "book");
            let day: Value = serde_json::from_str(&call.arguments).unwrap();
            assert!(day["day"] == "Mon" || day["day"] == "Tue", "{day}");
        }
    }
}

#[test]
fn a_call_that_max_tokens_cuts_is_not_made() {
    let choice = ToolChoice::Function("book".to_owned());
    let reply = answer(Chat { tools: tools(), tool_choice: choice, ..chat(1, &["hello"], 20) });
    let reply = reply.unwrap();
    assert_eq!((reply.calls.len(), reply.text.as_str()), (0, ""));
    assert_eq!((reply.finish, reply.generated), (FinishReason::Length, 20));
}

#[test]
fn a_function_that_is_not_there_cannot_be_required() {
    let with = |tools, tool_choice| Chat { tools, tool_choice, ..chat(1, &["hello"], 9) };
    assert!(refusal(with(Vec::new(), ToolChoice::Required)).contains("tool_choice"));
    let other = ToolChoice::Function("other".to_owned());
    assert!(refusal(with(tools(), other)).contains("other"));
}

#[test]
fn options_that_mean_nothing_are_refused_by_name() {
    let options = ChatOptions { max_tokens: 9, ..ChatOptions::default() };
    let bias = ChatOptions { logit_bias: vec![(256, 1.0)], ..options.clone() };
    assert!(refusal(asking(bias)).contains("logit_bias"));
    let top = ChatOptions { top_logprobs: Some(21), ..options.clone() };
    assert!(refusal(asking(top)).contains("top_logprobs"));
    let format = TextFormat::JsonSchema(json!({"contains": {"type": "string"}}));
    assert!(refusal(asking(ChatOptions { format, ..options })).contains("contains"));
}

#[test]
fn a_warm_up_needs_no_grammar() {
    let format = TextFormat::JsonSchema(json!({"not": {}}));
    let options = ChatOptions { format, max_tokens: 0, ..ChatOptions::default() };
    assert_eq!(answer(asking(options)).unwrap().generated, 0);
}

#[test]
fn probabilities_are_those_before_bias_and_tell_every_token() {
    let options = |logit_bias| ChatOptions {
        top_logprobs: Some(2),
        logit_bias,
        max_tokens: 5,
        ..ChatOptions::default()
    };
    let plain = answer(asking(options(Vec::new()))).unwrap();
    assert_eq!(plain.logprobs.len(), 5);
    for token in &plain.logprobs {
        assert_eq!(token.top[0], token.chosen);
    }
    let biased = answer(asking(options(vec![(u32::from(b'!'), 100.0)]))).unwrap();
    assert_eq!(biased.text, "!!!!!");
    for token in &biased.logprobs {
        assert!(token.chosen.logprob < token.top[0].logprob);
    }
    assert_eq!(biased.logprobs[0].top[0], plain.logprobs[0].top[0]);
}

#[test]
fn a_text_is_continued_as_it_is() {
    let toy = Toy::start(Machine::default());
    let complete = |prompt: &str| {
        let options = ChatOptions { max_tokens: 4, ..ChatOptions::default() };
        let completion = Completion {
            prompt: prompt.to_owned(),
            options,
            cache_salt: 3,
            ..Completion::default()
        };
        read(toy.lane.open(Request::Text(completion)))
    };
    let reply = complete("once upon a time").unwrap();
    assert_eq!((reply.text.len(), reply.finish), (4, FinishReason::Length));
    assert_eq!(toy.evaluated(), 16 + 3);
    assert!(matches!(complete(""), Err(ModelError::BadRequest(_))));
}

#[test]
fn a_reply_that_fills_the_context_is_cut() {
    let toy = Toy::start(Machine { context: 200, ..Machine::default() });
    let reply = read(toy.open(chat(1, &["hello"], 100_000))).unwrap();
    assert_eq!(reply.finish, FinishReason::Length);
    let stop =
        ChatOptions { stop: vec!["a".to_owned()], max_tokens: 999, ..ChatOptions::default() };
    let toy = Toy::start(Machine { context: 2000, ..Machine::default() });
    assert_eq!(read(toy.open(asking(stop))).unwrap().finish, FinishReason::Stop);
}
