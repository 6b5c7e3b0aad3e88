//! The whole backend on real models: run with `--ignored` where the models are.

mod constrained;
mod memory;

use std::path::PathBuf;

use futures::{StreamExt, executor::block_on};
use trunkline_inference::{
    Chat, ChatModel, ChatOptions, FinishReason, Message, ReplyPiece, ReplyStream, Role,
    TokenLogprobs, ToolCall,
};

use crate::{
    Llama, LlamaConfig,
    network::Network,
    template::{ChatTemplate, Ending},
    weights::Weights,
};

pub(crate) const SMALL: &str = "qwen2.5-coder-0.5b-instruct";
pub(crate) const LARGE: &str = "qwen2.5-coder-1.5b-instruct";

const INSTRUCTIONS: &str = "You are the receptionist of Bergmann Dental. Answer in one short sentence. \
    We are open Monday to Friday from eight to half past five and closed at weekends. \
    A check-up costs ninety francs.";

#[test]
#[ignore = "needs models"]
fn real_templates_render_as_the_models_were_trained() {
    for model in [SMALL, LARGE] {
        let weights = Weights::load(&config(model)).unwrap();
        let template =
            ChatTemplate::of_model(weights.chat_template().as_deref(), weights.token_texts())
                .unwrap();
        let messages = chat(&["Hello", "Good morning.", "Are you open?"]).messages;
        assert_eq!(
            template.render(&messages, &[], Ending::Reply).unwrap(),
            format!(
                "<|im_start|>system\n{INSTRUCTIONS}<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n\
                 <|im_start|>assistant\nGood morning.<|im_end|>\n<|im_start|>user\nAre you open?<|im_end|>\n\
                 <|im_start|>assistant\n"
            ),
            "{model}"
        );
        let tool = [said(Role::User, "Book it"), said(Role::Tool, "{\"ok\": true}")];
        assert!(
            template.render(&tool, &[], Ending::Open).unwrap().ends_with(
                "<|im_start|>user\n<tool_response>\n{\"ok\": true}\n</tool_response><|im_end|>\n"
            ),
            "{model}"
        );
    }
}

#[test]
#[ignore = "needs models"]
fn real_headers_are_single_tokens_and_never_text() {
    let weights = Weights::load(&config(SMALL)).unwrap();
    let vocabulary = weights.vocabulary();
    let tokens = vocabulary.tokenize("<|im_start|>user\nHi<|im_end|>");
    assert_eq!(tokens.len(), 5, "{tokens:?}");
    assert_eq!(vocabulary.piece(tokens[0]), b"");
    assert!(vocabulary.is_end(tokens[4]));
    assert!(vocabulary.control_texts().iter().any(|text| text == "<|im_end|>"));
}

#[test]
#[ignore = "needs models"]
fn real_questions_are_answered_from_the_instructions() {
    for model in [SMALL, LARGE] {
        let llama = Llama::load(config(model)).unwrap();
        let reply = run(&llama, chat(&["How much is a check-up?"]));
        assert!(
            reply.text.to_lowercase().contains("ninety") || reply.text.contains("90"),
            "{reply:?}"
        );
        assert!(!reply.text.contains("<|"), "{reply:?}");
        assert!(reply.pieces > 3, "streamed: {reply:?}");
    }
}

#[test]
#[ignore = "needs models"]
fn real_turns_evaluate_only_what_is_new() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let warm = run(&llama, Chat { options: at_most(0), ..chat(&[]) });
    let first = run(&llama, chat(&["When are you open?"]));
    assert_eq!(first.usage.1, warm.usage.0);
    let partial = Chat {
        options: at_most(0),
        ..chat(&["When are you open?", &first.text, "And how much is"])
    };
    let partial = run(&llama, partial);
    assert!(partial.usage.0 - partial.usage.1 < 14, "{partial:?}");
    let second =
        run(&llama, chat(&["When are you open?", &first.text, "And how much is a check-up?"]));
    assert!(second.usage.0 - second.usage.1 < 14, "{second:?}");
    assert!(second.usage.1 >= partial.usage.0 - 1, "{second:?}");
}

#[test]
#[ignore = "needs models"]
fn real_replies_from_the_cache_begin_like_fresh_ones() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let question = || chat(&["When are you open?"]);
    let fresh = run(&llama, Chat { cache_salt: 7, options: at_most(4), ..question() });
    run(&llama, Chat { options: at_most(0), ..chat(&["When are you"]) });
    let cached = run(&llama, Chat { options: at_most(4), ..question() });
    assert_eq!(fresh.usage.1, 0);
    assert!(cached.usage.1 > 0);
    assert_eq!(cached.text, fresh.text);
}

#[test]
#[ignore = "needs models"]
fn real_calls_are_answered_side_by_side() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let questions =
        ["How much is a check-up?", "What does a check-up cost?", "Is a check-up ninety francs?"];
    let streams: Vec<_> = questions.iter().map(|q| llama.reply(chat(&[q]))).collect();
    for (question, stream) in questions.iter().zip(streams) {
        let pieces: Vec<_> = block_on(stream.collect());
        let reply = Reply::of(pieces.into_iter().map(Result::unwrap));
        assert!(
            reply.text.to_lowercase().contains("ninety") || reply.text.contains("90"),
            "{question} {reply:?}"
        );
    }
}

#[test]
#[ignore = "needs models"]
fn real_replies_stop_when_dropped_and_at_stop_texts() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let story =
        || Chat { options: at_most(2000), ..chat(&["Count slowly from one to one thousand."]) };
    let mut stream = llama.reply(story());
    assert!(matches!(block_on(stream.next()), Some(Ok(ReplyPiece::Text(_)))));
    drop(stream);
    let again = run(&llama, Chat { options: at_most(1), ..story() });
    assert_eq!(again.usage.1, again.usage.0 - 1);
    let options = ChatOptions { stop: vec!["open".to_owned()], ..at_most(40) };
    let stopped = run(&llama, Chat { options, ..chat(&["Repeat: we are open"]) });
    assert!(!stopped.text.contains("open") && stopped.usage.2 < 40, "{stopped:?}");
}

#[test]
#[ignore = "needs models"]
fn real_draws_repeat_with_their_seed() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let options = |seed| ChatOptions { temperature: 1.2, top_p: 0.95, seed, ..at_most(24) };
    let draw = |salt, seed| {
        let chat = Chat { options: options(seed), cache_salt: salt, ..chat(&["Tell me a joke."]) };
        run(&llama, chat).text
    };
    assert_eq!(draw(1, 5), draw(2, 5));
    assert_ne!(draw(3, 5), draw(4, 6));
}

#[test]
#[ignore = "needs models"]
fn real_chats_longer_than_the_context_are_answered() {
    let config = LlamaConfig { context_tokens: 256, slots: 1, ..config(SMALL) };
    let llama = Llama::load(config).unwrap();
    let turns: Vec<String> =
        (0..41).map(|i| format!("This is sentence number {i} of a long call.")).collect();
    let turns: Vec<&str> = turns.iter().map(String::as_str).collect();
    let reply = run(&llama, Chat { options: at_most(500), ..chat(&turns) });
    assert!(!reply.text.is_empty() && reply.usage.0 + reply.usage.2 <= 257, "{reply:?}");
    let monologue = "and then ".repeat(500);
    assert!(run(&llama, Chat { options: at_most(5), ..chat(&[&monologue]) }).usage.0 <= 192);
}

#[derive(Debug, Default)]
struct Reply {
    text: String,
    calls: Vec<ToolCall>,
    pieces: usize,
    /// Prompt, cached and generated tokens.
    usage: (u32, u32, u32),
    finish: FinishReason,
    logprobs: Vec<TokenLogprobs>,
}

impl Reply {
    fn of(pieces: impl Iterator<Item = ReplyPiece>) -> Self {
        let mut reply = Self::default();
        for piece in pieces {
            reply.pieces += 1;
            match piece {
                ReplyPiece::Text(text) => reply.text.push_str(&text),
                ReplyPiece::ToolCall(call) => reply.calls.push(call),
                ReplyPiece::Logprobs(tokens) => reply.logprobs.extend(tokens),
                ReplyPiece::Usage { prompt, cached, generated, finish } => {
                    reply.usage = (prompt, cached, generated);
                    reply.finish = finish;
                }
            }
        }
        reply
    }
}

fn run(llama: &Llama, chat: Chat) -> Reply {
    read(llama.reply(chat))
}

fn read(stream: ReplyStream) -> Reply {
    let pieces: Vec<_> = block_on(stream.collect());
    Reply::of(pieces.into_iter().map(Result::unwrap))
}

#[expect(clippy::disallowed_methods, reason = "tests find their models by the environment")]
pub(crate) fn config(model: &str) -> LlamaConfig {
    let folder =
        std::env::var("TRUNKLINE_MODELS").expect("TRUNKLINE_MODELS names the models' folder");
    let config = LlamaConfig::new(PathBuf::from(folder).join(model).join("model.gguf"));
    LlamaConfig { context_tokens: 1024, ..config }
}

fn at_most(max_tokens: u32) -> ChatOptions {
    ChatOptions { max_tokens, ..ChatOptions::default() }
}

fn said(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

/// The caller and the agent take turns.
fn chat(turns: &[&str]) -> Chat {
    let roles = [Role::User, Role::Assistant];
    let turns = turns.iter().enumerate().map(|(i, turn)| said(roles[i % 2], turn));
    Chat {
        messages: std::iter::once(said(Role::System, INSTRUCTIONS)).chain(turns).collect(),
        options: at_most(60),
        ..Chat::default()
    }
}
