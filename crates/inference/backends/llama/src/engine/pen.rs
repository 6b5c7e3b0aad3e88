//! What writes a reply: chooses its tokens within what the request allows and makes pieces of them.

use llama_cpp_2::token::LlamaToken;
use serde_json::{Value, json};
use trunkline_inference::{
    Chat, ChatOptions, ModelError, ReplyPiece, TextFormat, Tool, ToolChoice,
};

use crate::{
    constraint::{CallForm, CallRules, Keeper, Rein, Rule},
    logprobs,
    sampling::Sampler,
    text::{Callable, Ending, MAX_TOOL_CALLS, Pieces, ReplyWriter},
    vocabulary::Vocabulary,
};

/// The most alternatives of a token that are told.
const TOP_LOGPROBS: u8 = 20;

/// A clause may end with one of these.
const MARKS: &[u8] = b".,;:!?";

/// A token of a reply.
pub(super) struct Written {
    pub(super) token: LlamaToken,
    /// What it completes.
    pub(super) pieces: Pieces,
    /// Whether a clause may end with it.
    pub(super) ends_clause: bool,
}

/// Writes one reply.
pub(super) struct Pen {
    sampler: Sampler,
    rein: Rein,
    /// The calls that the reply may turn out to be.
    calls: Option<CallRules>,
    /// The tokens since the beginning, while the reply may turn out to be calls.
    tokens: Vec<LlamaToken>,
    writer: ReplyWriter,
    top_logprobs: Option<u8>,
}

impl Pen {
    /// For the reply to a chat. [`ModelError::BadRequest`] says what cannot be kept to.
    pub(super) fn of_chat(
        chat: &Chat,
        form: CallForm,
        keeper: &Keeper,
    ) -> Result<Self, ModelError> {
        let rule = rule_of_format(&chat.options.format);
        let names = || chat.tools.iter().map(|tool| tool.name.clone());
        let calls = |tools: &[Tool], form, most| CallRules {
            tools: tools.to_vec(),
            form,
            most,
            or_json: None,
        };
        let must_call = |tools: &[Tool], most| {
            let rule = Rule::Calls(calls(tools, form, most));
            (Callable::lenient(names()), Some(rule), None)
        };
        let (callable, rule, calls) = match &chat.tool_choice {
            ToolChoice::Required if chat.tools.is_empty() => {
                return Err(bad("tool_choice requires a call, but there are no tools"));
            }
            ToolChoice::Required => must_call(&chat.tools, MAX_TOOL_CALLS),
            ToolChoice::Function(name) => {
                let tool = chat.tools.iter().find(|tool| tool.name == *name);
                let tool = tool.ok_or_else(|| {
                    bad(&format!("tool_choice names {name}, which is not among the tools"))
                })?;
                must_call(std::slice::from_ref(tool), 1)
            }
            ToolChoice::Auto if !chat.tools.is_empty() => match rule {
                None => {
                    let rules = calls(&chat.tools, CallForm::Any, MAX_TOOL_CALLS);
                    (Callable::lenient(names()), None, Some(rules))
                }
                Some(schema) => {
                    let rules = calls(&chat.tools, CallForm::Tagged, MAX_TOOL_CALLS);
                    let rule = Rule::Calls(CallRules { or_json: Some(schema), ..rules });
                    (Callable::tagged(names()), Some(rule), None)
                }
            },
            ToolChoice::Auto | ToolChoice::None => {
                (Callable::default(), rule.map(Rule::Json), None)
            }
        };
        let pen = Self::plain(&chat.options, keeper.vocabulary(), callable)?;
        Ok(Self { rein: rule.map_or_else(Rein::none, |rule| keeper.begin(rule)), calls, ..pen })
    }

    /// For the continuation of a text.
    pub(super) fn of_text(options: &ChatOptions, keeper: &Keeper) -> Result<Self, ModelError> {
        let rule = rule_of_format(&options.format).map(Rule::Json);
        let pen = Self::plain(options, keeper.vocabulary(), Callable::default())?;
        Ok(Self { rein: rule.map_or_else(Rein::none, |rule| keeper.begin(rule)), ..pen })
    }

    /// For a prompt that is only evaluated.
    pub(super) fn of_warm_up(keeper: &Keeper) -> Result<Self, ModelError> {
        Self::plain(&ChatOptions::default(), keeper.vocabulary(), Callable::default())
    }

    fn plain(
        options: &ChatOptions,
        vocabulary: &dyn Vocabulary,
        callable: Callable,
    ) -> Result<Self, ModelError> {
        let is_known = |token: u32| usize::try_from(token).is_ok_and(|t| t < vocabulary.size());
        if let Some((token, _)) = options.logit_bias.iter().find(|(token, _)| !is_known(*token)) {
            return Err(bad(&format!("logit_bias: the model has no token {token}")));
        }
        if options.top_logprobs.is_some_and(|count| count > TOP_LOGPROBS) {
            return Err(bad("top_logprobs: at most 20"));
        }
        Ok(Self {
            sampler: Sampler::of(options),
            rein: Rein::none(),
            calls: None,
            tokens: Vec::new(),
            writer: ReplyWriter::new(&options.stop, callable),
            top_logprobs: options.top_logprobs,
        })
    }

    /// Chooses the next token by what the model thinks of each, and gives what it completes; `None`
    /// when it ends the reply.
    pub(super) fn write(
        &mut self,
        logits: &[f32],
        keeper: &Keeper,
    ) -> Result<Option<Written>, ModelError> {
        let token = match self.sampler.choose(logits, self.rein.constraint()?) {
            Ok(token) => token,
            Err(reason) => {
                keeper.forget();
                return Err(failed(reason));
            }
        };
        let vocabulary = keeper.vocabulary();
        if vocabulary.is_end(token) {
            return Ok(None);
        }
        if let Some(constraint) = self.rein.constraint()? {
            constraint.accept(token).map_err(failed)?;
        }
        self.rein.look_ahead(keeper);
        let logprobs =
            self.top_logprobs.map(|count| logprobs::of_token(logits, token, count, vocabulary));
        let piece = vocabulary.piece(token);
        let ends_clause = piece.iter().any(|byte| MARKS.contains(byte));
        let pieces = self.writer.push(&piece, logprobs);
        self.follow(token, keeper);
        Ok(Some(Written { token, pieces, ends_clause }))
    }

    /// Whether nothing may follow.
    pub(super) fn is_complete(&self) -> bool {
        self.writer.has_stopped() || self.rein.is_complete()
    }

    /// Says what of its schema cannot be kept, as soon as that is known.
    pub(super) fn check(&mut self) -> Result<(), ModelError> {
        self.rein.poll()
    }

    /// The last pieces.
    pub(super) fn finish(self, ending: Ending) -> Vec<ReplyPiece> {
        self.writer.finish(ending)
    }

    /// Keeps a call that the model has begun to what its function takes.
    fn follow(&mut self, token: LlamaToken, keeper: &Keeper) {
        if self.calls.is_none() {
            return;
        }
        self.tokens.push(token);
        let Some(length) = self.writer.take_beginning() else { return };
        let Some(rules) = self.calls.take() else { return };
        let tokens = std::mem::take(&mut self.tokens);
        self.rein = since(&tokens, length, keeper.vocabulary())
            .map_or_else(Rein::none, |begun| keeper.continue_calls(rules, begun));
    }
}

/// The last tokens that make up so many bytes; `None` when none begins there.
fn since<'a>(
    tokens: &'a [LlamaToken],
    bytes: usize,
    vocabulary: &dyn Vocabulary,
) -> Option<&'a [LlamaToken]> {
    let mut left = bytes;
    for (at, &token) in tokens.iter().enumerate().rev() {
        left = left.checked_sub(vocabulary.piece(token).len())?;
        if left == 0 {
            return tokens.get(at..);
        }
    }
    None
}

fn rule_of_format(format: &TextFormat) -> Option<Value> {
    match format {
        TextFormat::Text => None,
        TextFormat::JsonObject => Some(json!({"type": "object"})),
        TextFormat::JsonSchema(schema) => Some(schema.clone()),
    }
}

fn bad(reason: &str) -> ModelError {
    ModelError::BadRequest(reason.to_owned())
}

fn failed(reason: String) -> ModelError {
    ModelError::Engine { engine: "llama", reason }
}
