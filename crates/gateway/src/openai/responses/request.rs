//! What a client asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use trunkline_inference::{
    Chat, ChatModel, ChatOptions, Message, Overflow, Party, Role, TextFormat, Tool, ToolChoice,
    schedule::Tenant,
};

use super::{
    item::{self, Item, WireItem},
    memory::Turn,
    order::{Lookup, Order},
};
use crate::{
    openai::{
        Named, format, history, logprobs,
        sampling::{Sampling, UNTIL_THE_CONTEXT_ENDS, within},
        stamp,
        text_or::TextOr,
        tools::{self, Function},
    },
    refusal::Refusal,
};

/// What has each token's probability told.
const WITH_LOGPROBS: &str = "message.output_text.logprobs";
/// Notes that a client may add to a response.
const NOTES: usize = 16;

/// The body of a request. What is not named here is ignored: it asks for nothing that changes a reply.
#[derive(Debug, Deserialize)]
pub(crate) struct CreateResponse {
    pub(crate) model: Option<String>,
    background: Option<bool>,
    conversation: Option<IgnoredAny>,
    generate: Option<bool>,
    include: Option<Vec<String>>,
    input: Option<TextOr<WireItem>>,
    instructions: Option<String>,
    max_output_tokens: Option<u32>,
    max_tool_calls: Option<u32>,
    metadata: Option<BTreeMap<String, String>>,
    moderation: Option<IgnoredAny>,
    parallel_tool_calls: Option<bool>,
    previous_response_id: Option<String>,
    prompt: Option<IgnoredAny>,
    prompt_cache_key: Option<String>,
    reasoning: Option<Value>,
    safety_identifier: Option<String>,
    store: Option<bool>,
    stream: Option<bool>,
    temperature: Option<f32>,
    text: Option<TextConfig>,
    tool_choice: Option<Value>,
    tools: Option<Vec<WireTool>>,
    top_logprobs: Option<u8>,
    top_p: Option<f32>,
    truncation: Option<Truncation>,
    user: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct TextConfig {
    format: Option<Value>,
    verbosity: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Truncation {
    Auto,
    Disabled,
}

#[derive(Debug, Deserialize)]
struct WireTool {
    r#type: String,
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Value>,
    strict: Option<bool>,
}

impl CreateResponse {
    pub(super) fn is_streamed(&self) -> bool {
        self.stream == Some(true)
    }

    pub(super) fn is_in_background(&self) -> bool {
        self.background == Some(true)
    }

    /// The request within its bounds.
    pub(super) fn read(
        mut self,
        llm: Named<dyn ChatModel>,
        lookup: &Lookup<'_>,
    ) -> Result<Order, Refusal> {
        self.refuse_what_cannot_be()?;
        if self.is_in_background() && self.store == Some(false) {
            let message = "what runs in the background is kept: leave out store";
            return Err(Refusal::unsupported("store", message));
        }
        let before = match &self.previous_response_id {
            Some(id) => lookup.before(id)?,
            None => Vec::new(),
        };
        let input = item::read(self.input.take(), lookup)?;
        if input.is_empty() && before.is_empty() {
            return Err(Refusal::missing_param("input".to_owned()));
        }
        let is_answered = self.generate != Some(false);
        let options = self.options(is_answered)?;
        let (tools, tool_choice) = self.tools()?;
        let messages = self.messages(&before, &input);
        let overflow = match self.truncation {
            Some(Truncation::Auto) => Overflow::DropOldest,
            Some(Truncation::Disabled) | None => Overflow::Refuse,
        };
        let cache_salt = lookup.owner;
        let tenant = Tenant(cache_salt);
        let party =
            if self.is_in_background() { Party::nobody(tenant) } else { Party::program(tenant) };
        let chat = Chat { messages, tools, tool_choice, options, cache_salt, overflow, party };
        let one_call = self.parallel_tool_calls == Some(false);
        let response = self.object(&llm.name, &chat.options);
        let turn = Turn { owner: lookup.owner, response, before, input, output: Vec::new() };
        Ok(Order { llm, chat, one_call, turn, is_answered, keepers: Vec::new() })
    }

    fn refuse_what_cannot_be(&self) -> Result<(), Refusal> {
        for (param, asked, what) in [
            (
                "conversation",
                self.conversation.is_some(),
                "conversations are not kept here: use previous_response_id",
            ),
            ("prompt", self.prompt.is_some(), "there are no stored prompts here"),
            ("moderation", self.moderation.is_some(), "replies are not moderated here"),
        ] {
            if asked {
                return Err(Refusal::unsupported(param, what));
            }
        }
        if self.metadata.as_ref().is_some_and(|notes| notes.len() > NOTES) {
            let message = format!("there may be at most {NOTES} entries");
            return Err(Refusal::bad_param("metadata", message));
        }
        Ok(())
    }

    fn options(&self, is_answered: bool) -> Result<ChatOptions, Refusal> {
        let most = self.max_output_tokens.map(|most| most.min(UNTIL_THE_CONTEXT_ENDS));
        let most =
            within("max_output_tokens", most, 1..=UNTIL_THE_CONTEXT_ENDS, UNTIL_THE_CONTEXT_ENDS)?;
        let includes = self.include.iter().flatten().any(|what| what == WITH_LOGPROBS);
        let has_top = self.top_logprobs.is_some_and(|top| top > 0);
        let top_logprobs = logprobs::wanted(includes || has_top, self.top_logprobs)?;
        let sampling =
            Sampling { temperature: self.temperature, top_p: self.top_p, ..Sampling::default() };
        let max_tokens = if is_answered { most } else { 0 };
        Ok(ChatOptions { format: self.format()?, top_logprobs, ..sampling.options(max_tokens)? })
    }

    fn format(&self) -> Result<TextFormat, Refusal> {
        let Some(format) = self.text.as_ref().and_then(|text| text.format.as_ref()) else {
            return Ok(TextFormat::Text);
        };
        match format["type"].as_str().unwrap_or_default() {
            "json_schema" => format::schema("text.format.schema", format.get("schema").cloned()),
            other => format::plain("text.format.type", other),
        }
    }

    fn tools(&self) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
        let read = |(number, tool): (usize, &WireTool)| {
            let path = format!("tools[{number}]");
            if tool.r#type != "function" {
                let message = format!("tools are functions here: there is no '{}'", tool.r#type);
                return Err(Refusal::unsupported(format!("{path}.type"), message));
            }
            let function = Function {
                name: tool.name.clone().unwrap_or_default(),
                description: tool.description.clone(),
                parameters: tool.parameters.clone(),
            };
            function.tool(&path)
        };
        let tools: Result<_, _> = self.tools.iter().flatten().enumerate().map(read).collect();
        tools::choose(tools?, self.tool_choice.as_ref())
    }

    /// The instructions hold for this response only; what was said before comes after them.
    fn messages(&self, before: &[Item], input: &[Item]) -> Vec<Message> {
        let instructions = self.instructions.iter().map(|text| Message::new(Role::System, text));
        let entries = before.iter().chain(input).map(|item| item.entry.clone());
        instructions.chain(history::messages(entries)).collect()
    }

    /// The response before the model begins: what was asked, and what is not known yet.
    fn object(self, model: &str, options: &ChatOptions) -> Value {
        let text = self.text.unwrap_or_default();
        let format = text.format.unwrap_or_else(|| json!({ "type": "text" }));
        let no_reasoning = || json!({ "effort": null, "summary": null });
        let truncation = match self.truncation {
            Some(Truncation::Auto) => "auto",
            Some(Truncation::Disabled) | None => "disabled",
        };
        json!({
            "id": stamp::id("resp_"), "object": "response", "created_at": stamp::now_s(),
            "status": "in_progress", "background": self.background == Some(true),
            "completed_at": null, "error": null, "incomplete_details": null,
            "instructions": self.instructions, "max_output_tokens": self.max_output_tokens,
            "max_tool_calls": self.max_tool_calls, "model": model, "output": [],
            "parallel_tool_calls": self.parallel_tool_calls != Some(false),
            "previous_response_id": self.previous_response_id,
            "prompt_cache_key": self.prompt_cache_key,
            "reasoning": self.reasoning.unwrap_or_else(no_reasoning),
            "safety_identifier": self.safety_identifier, "service_tier": "default",
            "store": self.store != Some(false), "temperature": shortest(options.temperature),
            "text": { "format": format, "verbosity": text.verbosity.as_deref().unwrap_or("medium") },
            "tool_choice": self.tool_choice.unwrap_or_else(|| json!("auto")),
            "tools": self.tools.unwrap_or_default().iter().map(told).collect::<Vec<_>>(),
            "top_logprobs": options.top_logprobs.unwrap_or(0), "top_p": shortest(options.top_p),
            "truncation": truncation, "usage": null, "user": self.user,
            "metadata": self.metadata.unwrap_or_default(),
        })
    }
}

/// A number with the digits that it was written with: 0.7 rather than 0.699999988.
fn shortest(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, |number| json!(number))
}

fn told(tool: &WireTool) -> Value {
    json!({
        "type": "function", "name": tool.name, "description": tool.description,
        "parameters": tool.parameters, "strict": tool.strict.unwrap_or(true),
    })
}
