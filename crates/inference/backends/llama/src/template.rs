//! A model's chat template: messages and functions into the text that the model was trained on.

mod json;
mod without_tools;

use minijinja::{
    Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig, value::Serde,
};
use minijinja_contrib::pycompat::unknown_method_callback;
use trunkline_inference::{Message, ModelError, Role, Tool, ToolCall};

use crate::constraint::CallForm;

const NAME: &str = "chat";
/// The format of most models, taken for one that brings no template.
const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// The texts of the tokens that templates name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenTexts {
    pub(crate) bos: String,
    pub(crate) eos: String,
}

/// How a rendered chat ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With the header of the reply: the model writes on.
    Reply,
    /// With the last message: more may follow.
    Open,
}

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    jinja: Environment<'static>,
    tokens: TokenTexts,
    /// Whether it tells the model about functions.
    knows_tools: bool,
    call_form: CallForm,
}

impl ChatTemplate {
    /// The model's own template, or `ChatML` with a warning when it has none.
    pub(crate) fn of_model(source: Option<&str>, tokens: TokenTexts) -> Result<Self, String> {
        if source.is_none() {
            tracing::warn!(
                "the model brings no chat template (is it a base model?): ChatML is used, replies may be poor"
            );
        }
        Self::new(source.unwrap_or(CHATML), tokens)
    }

    fn new(source: &str, tokens: TokenTexts) -> Result<Self, String> {
        let mut jinja = Environment::new();
        // As transformers sets it up, which is what templates are written for.
        jinja.set_syntax(block_syntax()?);
        jinja.set_unknown_method_callback(unknown_method_callback);
        jinja.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, reason))
        });
        jinja.add_filter("tojson", json::filter);
        jinja
            .add_template_owned(NAME, source.to_owned())
            .map_err(|e| format!("its chat template cannot be read: {e:#}"))?;
        let call_form =
            if source.contains("<tool_call>") { CallForm::Tagged } else { CallForm::Bare };
        let mut template = Self { jinja, tokens, knows_tools: true, call_form };
        template.knows_tools = template.tells_of_tools();
        Ok(template)
    }

    /// How the model writes calls.
    pub(crate) fn call_form(&self) -> CallForm {
        if self.knows_tools { self.call_form } else { CallForm::Bare }
    }

    /// The text of a chat. A template that refuses the order of roles gets them as it likes them:
    /// neighbours of one role joined, the system message before the first words of the caller. One
    /// that knows nothing of functions gets them in words.
    pub(crate) fn render(
        &self,
        messages: &[Message],
        tools: &[Tool],
        ending: Ending,
    ) -> Result<String, ModelError> {
        if self.knows_tools {
            return self.render_as_known(messages, tools, ending);
        }
        self.render_as_known(&without_tools::in_words(messages, tools), &[], ending)
    }

    fn render_as_known(
        &self,
        messages: &[Message],
        tools: &[Tool],
        ending: Ending,
    ) -> Result<String, ModelError> {
        let refusal = match self.try_render(messages, tools, ending) {
            Ok(text) => return Ok(text),
            Err(refusal) => refusal,
        };
        self.try_render(&joined(messages, Fold::Neighbours), tools, ending)
            .or_else(|_| self.try_render(&joined(messages, Fold::SystemToo), tools, ending))
            .map_err(|_| {
                ModelError::BadRequest(format!("the model's chat template refuses: {refusal}"))
            })
    }

    fn try_render(
        &self,
        messages: &[Message],
        tools: &[Tool],
        ending: Ending,
    ) -> Result<String, Error> {
        let messages: Vec<_> = messages.iter().map(message_value).collect();
        // As transformers: no functions are none, not an empty list.
        let tools: Option<Vec<Value>> =
            (!tools.is_empty()).then(|| tools.iter().map(tool_value).collect());
        self.jinja.get_template(NAME)?.render(context! {
            messages,
            tools,
            add_generation_prompt => ending == Ending::Reply,
            bos_token => self.tokens.bos.clone(),
            eos_token => self.tokens.eos.clone(),
        })
    }

    fn tells_of_tools(&self) -> bool {
        const NAME: &str = "probe_whether_tools_are_told";
        let tool = Tool {
            name: NAME.to_owned(),
            description: String::new(),
            parameters: serde_json::json!({"type": "object", "properties": {}}),
        };
        let asked = [Message::new(Role::System, "-"), Message::new(Role::User, "-")];
        self.render_as_known(&asked, &[tool], Ending::Reply).is_ok_and(|text| text.contains(NAME))
    }
}

fn message_value(message: &Message) -> Value {
    let (role, content) = (role_name(message.role), message.content.clone());
    if message.tool_calls.is_empty() {
        return context! { role, content };
    }
    let tool_calls: Vec<_> = message.tool_calls.iter().map(call_value).collect();
    context! { role, content, tool_calls }
}

fn call_value(call: &ToolCall) -> Value {
    let arguments = serde_json::from_str::<serde_json::Value>(&call.arguments)
        .map_or_else(|_| Value::from(call.arguments.as_str()), |value| Serde(value).into());
    context! { type => "function", function => context! { name => call.name.clone(), arguments } }
}

fn tool_value(tool: &Tool) -> Value {
    Serde(json::of_tool(tool)).into()
}

fn block_syntax() -> Result<SyntaxConfig, String> {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    syntax.build().map_err(|e| e.to_string())
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fold {
    Neighbours,
    SystemToo,
}

fn joined(messages: &[Message], fold: Fold) -> Vec<Message> {
    let mut out: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        let role = match message.role {
            Role::System if fold == Fold::SystemToo => Role::User,
            role @ (Role::System | Role::User | Role::Assistant | Role::Tool) => role,
        };
        match out.last_mut() {
            Some(last) if last.role == role && last.tool_calls.is_empty() => {
                last.tool_calls.clone_from(&message.tool_calls);
                last.content.push_str("\n\n");
                last.content.push_str(&message.content);
            }
            Some(_) | None => out.push(Message { role, ..message.clone() }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message::new(role, content)
    }

    fn chat() -> Vec<Message> {
        vec![message(Role::System, "Be brief."), message(Role::User, "Hello")]
    }

    fn template(source: &str) -> ChatTemplate {
        let tokens = TokenTexts { bos: "<s>".to_owned(), eos: "</s>".to_owned() };
        ChatTemplate::new(source, tokens).unwrap()
    }

    #[test]
    fn a_model_without_template_gets_chatml() {
        let template = ChatTemplate::of_model(None, TokenTexts::default()).unwrap();
        assert_eq!(
            template.render(&chat(), &[], Ending::Reply).unwrap(),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
        );
        assert!(
            template.render(&chat(), &[], Ending::Open).unwrap().ends_with("Hello<|im_end|>\n")
        );
    }

    #[test]
    fn python_methods_loop_controls_and_json_work() {
        let template = template(
            "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{% break %}{% endif %}{{ m['content'].strip().upper() }}{% endfor %}{{ messages[1] | tojson }}{{ eos_token }}",
        );
        let text = template.render(&chat(), &[], Ending::Reply).unwrap();
        assert_eq!(text, r#"<s>BE BRIEF.{"role": "user", "content": "Hello"}</s>"#);
    }

    #[test]
    fn blocks_leave_no_blank_lines() {
        let template = template(
            "{% for m in messages %}\n  {% if true %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}\n",
        );
        assert_eq!(template.render(&chat(), &[], Ending::Open).unwrap(), "Be brief.\nHello\n");
    }

    #[test]
    fn a_template_without_system_role_gets_it_with_the_callers_first_words() {
        let template = template(
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}[{{ m.content }}]{% endfor %}",
        );
        assert_eq!(template.render(&chat(), &[], Ending::Reply).unwrap(), "[Be brief.\n\nHello]");
    }

    #[test]
    fn a_template_that_wants_turns_to_alternate_gets_them_joined() {
        let template = template(
            "{% for m in messages %}{% if not loop.first and m.role == messages[loop.index0 - 1].role %}{{ raise_exception('alternate') }}{% endif %}[{{ m.content }}]{% endfor %}",
        );
        let chat = [message(Role::User, "one"), message(Role::User, "two")];
        assert_eq!(template.render(&chat, &[], Ending::Reply).unwrap(), "[one\n\ntwo]");
    }

    #[test]
    fn a_refusal_is_told_in_the_templates_words() {
        let template = template("{{ raise_exception('never') }}");
        let error = template.render(&chat(), &[], Ending::Reply).unwrap_err();
        assert!(error.to_string().contains("never") && !error.is_retryable());
    }

    fn weather() -> Tool {
        Tool {
            name: "weather".to_owned(),
            description: "Tells <the> weather.".to_owned(),
            parameters: serde_json::json!({"type": "object", "properties": {"city": {"type": "string"}}}),
        }
    }

    fn called() -> Vec<Message> {
        let call = ToolCall {
            name: "weather".to_owned(),
            arguments: r#"{"city":"Bern","days":[1,2]}"#.to_owned(),
        };
        let mut messages = chat();
        let calling = Message::new(Role::Assistant, "");
        messages.push(Message { tool_calls: vec![call], ..calling });
        messages.push(message(Role::Tool, "sunny"));
        messages
    }

    #[test]
    fn functions_and_calls_are_given_as_transformers_gives_them() {
        let template = template(
            "{% for t in tools %}{{ t | tojson }}{% endfor %}{% for m in messages %}{% for c in m.tool_calls or [] %}|{{ c | tojson }}|{{ c.function.arguments.city }}{% endfor %}{% endfor %}",
        );
        assert_eq!(
            template.render(&called(), &[weather()], Ending::Reply).unwrap(),
            r#"{"type": "function", "function": {"name": "weather", "description": "Tells <the> weather.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}|{"type": "function", "function": {"name": "weather", "arguments": {"city": "Bern", "days": [1, 2]}}}|Bern"#
        );
    }

    #[test]
    fn without_functions_a_template_is_told_of_none() {
        let template = template(
            "{% if tools is none %}none{% endif %}{% for t in tools or [] %}{{ t.function.name }}{% endfor %}",
        );
        assert_eq!(template.render(&chat(), &[], Ending::Open).unwrap(), "none");
        assert_eq!(template.render(&chat(), &[weather()], Ending::Open).unwrap(), "weather");
    }

    #[test]
    fn a_template_that_knows_no_functions_gets_them_in_words() {
        let template = ChatTemplate::of_model(None, TokenTexts::default()).unwrap();
        assert_eq!(template.call_form(), CallForm::Bare);
        let text = template.render(&called(), &[weather()], Ending::Reply).unwrap();
        assert!(text.starts_with("<|im_start|>system\nBe brief.\n\n"), "{text}");
        assert!(text.contains(r#"{"name": "weather", "description""#), "{text}");
        assert!(text.contains(r#"{"name": "weather", "arguments": {"city": "Bern""#), "{text}");
        assert!(text.contains("<|im_start|>user\n") && text.contains("sunny"), "{text}");
        assert!(!text.contains("<|im_start|>tool"), "{text}");
    }

    #[test]
    fn the_form_of_calls_is_that_of_the_template() {
        let source = "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}<tool_call>";
        assert_eq!(template(source).call_form(), CallForm::Tagged);
    }

    #[test]
    fn a_broken_template_is_reported() {
        assert!(
            ChatTemplate::new("{% for %}", TokenTexts::default())
                .unwrap_err()
                .contains("chat template")
        );
    }
}
