//! The grammar of calls of functions, as models write them.

use std::fmt::Write;

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::{Value, json};
use trunkline_inference::{ModelError, Tool};

use super::schema;

/// How calls are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallForm {
    /// An object between tags.
    Tagged,
    /// An object.
    Bare,
    /// As the model began to: between tags, in a fence or an object alone.
    Any,
}

/// Calls that a reply may consist of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallRules {
    /// The functions.
    pub(crate) tools: Vec<Tool>,
    pub(crate) form: CallForm,
    /// How many calls at most.
    pub(crate) most: usize,
    /// JSON of this schema may be written instead.
    pub(crate) or_json: Option<Value>,
}

/// A key that tells grammars apart, and the grammar.
pub(super) fn compose(rules: &CallRules) -> Result<(String, TopLevelGrammar), ModelError> {
    let mut grammars = Vec::with_capacity(rules.tools.len() + 2);
    let mut lark = forms(rules);
    if let Some(schema) = &rules.or_json {
        lark.push_str("json: @json_reply\n");
        grammars.push(named("json_reply".to_owned(), schema::prepare(schema)?));
    }
    lark.push_str("call: \"{\" WS? \"\\\"name\\\"\" WS? \":\" WS? named WS? \"}\"\n");
    let calls: Vec<String> = (0..rules.tools.len()).map(|i| format!("call_{i}")).collect();
    writeln!(lark, "named: {}", calls.join(" | ")).map_err(|e| unwritten(&e))?;
    for (i, tool) in rules.tools.iter().enumerate() {
        let name = Value::from(tool.name.as_str()).to_string();
        let name = Value::from(name).to_string();
        writeln!(
            lark,
            "call_{i}: {name} WS? \",\" WS? \"\\\"arguments\\\"\" WS? \":\" WS? @arguments_{i}"
        )
        .map_err(|e| unwritten(&e))?;
        let parameters = schema::prepare(&object(&tool.parameters)).map_err(|error| {
            ModelError::BadRequest(format!("the parameters of {}: {error}", tool.name))
        })?;
        grammars.push(named(format!("arguments_{i}"), parameters));
    }
    lark.push_str("WS: /[ \\n]{1,4}/\n");
    let key = grammars
        .iter()
        .filter_map(|g| g.json_schema.as_ref())
        .fold(lark.clone(), |key, s| format!("{key}\n{s}"));
    grammars.insert(0, GrammarWithLexer::from_lark(lark));
    Ok((key, TopLevelGrammar { grammars, max_tokens: None }))
}

fn forms(rules: &CallRules) -> String {
    let more = rules.most.saturating_sub(1);
    let tagged = format!(
        "tagged: tag (WS? tag){{0,{more}}}\ntag: \"<tool_call>\" WS? call WS? \"</tool_call>\"\n"
    );
    let bare = format!("bare: call (WS? call){{0,{more}}}\n");
    let fenced = format!("fenced: \"```\" \"json\"? WS? call (WS? call){{0,{more}}} WS? \"```\"\n");
    let (mut starts, mut lark) = match rules.form {
        CallForm::Tagged => (vec!["tagged"], tagged),
        CallForm::Bare => (vec!["bare"], bare),
        CallForm::Any => (vec!["tagged", "bare", "fenced"], tagged + &bare + &fenced),
    };
    if rules.or_json.is_some() {
        starts.push("json");
    }
    let lead = if rules.form == CallForm::Any { "WS? " } else { "" };
    lark.insert_str(0, &format!("start: {lead}begun\nbegun: {}\n", starts.join(" | ")));
    lark
}

fn named(name: String, schema: Value) -> GrammarWithLexer {
    GrammarWithLexer { name: Some(name), ..GrammarWithLexer::from_json_schema(schema) }
}

/// A function without parameters takes no arguments; arguments are always an object.
fn object(parameters: &Value) -> Value {
    match parameters {
        Value::Object(schema) if schema.is_empty() => no_arguments(),
        Value::Object(schema) if !schema.contains_key("type") => {
            let mut schema = schema.clone();
            schema.insert("type".to_owned(), json!("object"));
            Value::Object(schema)
        }
        Value::Null => no_arguments(),
        parameters => parameters.clone(),
    }
}

fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

fn unwritten(error: &std::fmt::Error) -> ModelError {
    ModelError::Engine { engine: "llama", reason: error.to_string() }
}
