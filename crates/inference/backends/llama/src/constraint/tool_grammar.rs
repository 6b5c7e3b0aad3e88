//! The grammar of calls of functions, as models write them.

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
    let mut rules_of_calls = vec![format!("named: {}\n", calls.join(" | "))];
    for (i, tool) in rules.tools.iter().enumerate() {
        let name = Value::from(tool.name.as_str()).to_string();
        let name = Value::from(name).to_string();
        rules_of_calls.push(format!(
            "call_{i}: {name} WS? \",\" WS? \"\\\"arguments\\\"\" WS? \":\" WS? @arguments_{i}\n"
        ));
        let parameters = schema::prepare(&object(&tool.parameters)).map_err(|error| {
            ModelError::BadRequest(format!("the parameters of {}: {error}", tool.name))
        })?;
        grammars.push(named(format!("arguments_{i}"), parameters));
    }
    lark.push_str(&rules_of_calls.concat());
    lark.push_str("WS: /[ \\n]{1,4}/\n");
    let key = grammars
        .iter()
        .filter_map(|g| g.json_schema.as_ref())
        .fold(lark.clone(), |key, s| format!("{key}\n{s}"));
    grammars.insert(0, GrammarWithLexer::from_lark(lark));
    Ok((key, TopLevelGrammar { grammars, max_tokens: None }))
}

fn forms(rules: &CallRules) -> String {
    let several = |item: &str| match rules.most {
        0 | 1 => item.to_owned(),
        most => format!("{item} (WS? {item}){{0,{}}}", most - 1),
    };
    let tag = "tag: \"<tool_call>\" WS? call WS? \"</tool_call>\"";
    let tagged = format!("tagged: {}\n{tag}\n", several("tag"));
    // A model that leaves the tags out does not write as it learned to: it would repeat its call until
    // it is cut off.
    let calls = if rules.form == CallForm::Any { "call".to_owned() } else { several("call") };
    let bare = format!("bare: {calls}\n");
    let fenced = format!("fenced: \"```\" \"json\"? WS? {calls} WS? \"```\"\n");
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
        Value::Object(_)
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_) => parameters.clone(),
    }
}

fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llama_cpp_2::token::LlamaToken;

    use super::*;
    use crate::{
        constraint::{Grammars, Rule},
        vocabulary::toy::Toy,
    };

    fn rules(form: CallForm, most: usize) -> CallRules {
        let tool = |name: &str, parameters| Tool {
            name: name.to_owned(),
            description: String::new(),
            parameters,
        };
        let day = json!({"type": "object", "properties": {"day": {"$ref": "#/$defs/day"}},
            "required": ["day"], "additionalProperties": false, "$defs": {"day": {"enum": ["Mon", "Tue"]}}});
        CallRules {
            tools: vec![tool("book", day), tool("time \"now\"", json!({}))],
            form,
            most,
            or_json: None,
        }
    }

    /// Whether the text is a whole reply.
    fn takes(rules: CallRules, text: &str) -> bool {
        let mut constraint =
            Grammars::new(Arc::new(Toy::bytes())).begin(&Rule::Calls(rules)).unwrap();
        let tokens: Vec<_> = text.bytes().map(|byte| LlamaToken(byte.into())).collect();
        constraint.catch_up(&tokens)
            && (constraint.is_complete() || constraint.allows(LlamaToken(0)) == Ok(true))
    }

    const BOOK: &str = r#"{"name": "book", "arguments": {"day": "Mon"}}"#;

    #[test]
    fn only_calls_of_the_functions_with_their_arguments_pass() {
        let bare = || rules(CallForm::Bare, 1);
        assert!(takes(bare(), BOOK));
        assert!(takes(bare(), "{\"name\":\"book\",\n \"arguments\":{\"day\":\"Tue\"}}"));
        assert!(takes(bare(), r#"{"name": "time \"now\"", "arguments": {}}"#));
        for wrong in [
            r#"{"name": "book", "arguments": {"day": "Wed"}}"#,
            r#"{"name": "book", "arguments": {}}"#,
            r#"{"name": "time \"now\"", "arguments": {"day": "Mon"}}"#,
            r#"{"name": "delete", "arguments": {}}"#,
            r#"{"name": "book"}"#,
            "Hello",
            "",
        ] {
            assert!(!takes(bare(), wrong), "{wrong}");
        }
    }

    #[test]
    fn a_form_is_kept_to() {
        let tagged = format!("<tool_call>\n{BOOK}\n</tool_call>");
        let fenced = format!("```json\n{BOOK}\n```");
        for (form, takes_tagged, takes_bare, takes_fenced) in [
            (CallForm::Tagged, true, false, false),
            (CallForm::Bare, false, true, false),
            (CallForm::Any, true, true, true),
        ] {
            assert_eq!(takes(rules(form, 1), &tagged), takes_tagged, "{form:?}");
            assert_eq!(takes(rules(form, 1), BOOK), takes_bare, "{form:?}");
            assert_eq!(takes(rules(form, 1), &fenced), takes_fenced, "{form:?}");
        }
    }

    #[test]
    fn there_are_as_many_calls_as_may_be() {
        let twice = format!("{BOOK}\n{BOOK}");
        assert!(!takes(rules(CallForm::Bare, 1), &twice));
        assert!(takes(rules(CallForm::Bare, 2), &twice));
        assert!(!takes(rules(CallForm::Bare, 2), &format!("{twice}\n{BOOK}")));
    }

    #[test]
    fn json_may_be_written_instead_where_it_is_asked_for() {
        let json = json!({"type": "object", "properties": {"a": {"type": "boolean"}},
            "required": ["a"], "additionalProperties": false});
        let rules = || CallRules { or_json: Some(json.clone()), ..rules(CallForm::Tagged, 1) };
        assert!(takes(rules(), "{\"a\": true}"));
        assert!(takes(rules(), &format!("<tool_call>{BOOK}</tool_call>")));
        assert!(!takes(rules(), BOOK));
    }

    #[test]
    fn parameters_that_cannot_be_kept_are_told_with_the_functions_name() {
        let mut rules = rules(CallForm::Bare, 1);
        rules.tools[0].parameters = json!(3);
        let Err(error) = compose(&rules) else { panic!("it is taken") };
        assert!(error.to_string().contains("book"), "{error}");
    }
}
