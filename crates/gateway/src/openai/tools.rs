//! The functions that a model may call, and whether it does.

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_inference::{Tool, ToolChoice};

use crate::refusal::Refusal;

/// The longest name of a function, letters.
const NAME_LETTERS: usize = 64;

/// A function as clients describe it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Value>,
}

impl Function {
    /// As models take it; `path` is where the client wrote it.
    pub(crate) fn tool(self, path: &str) -> Result<Tool, Refusal> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !(1..=NAME_LETTERS).contains(&self.name.len()) || !self.name.chars().all(is_plain) {
            let message = format!(
                "'{}' is no name for a function: it has 1 to {NAME_LETTERS} letters, digits, _ and -",
                self.name
            );
            return Err(Refusal::bad_param(format!("{path}.name"), message));
        }
        let none = || json!({ "type": "object", "properties": {} });
        let parameters = self.parameters.filter(|schema| !schema.is_null()).unwrap_or_else(none);
        if !parameters.is_object() {
            let message = "the parameters are a JSON Schema: an object";
            return Err(Refusal::bad_param(format!("{path}.parameters"), message));
        }
        Ok(Tool { name: self.name, description: self.description.unwrap_or_default(), parameters })
    }
}

/// Which of `tools` the model may call and whether it must, as `tool_choice` says: `"auto"`, `"none"`,
/// `"required"`, or an object of the type `function` or `allowed_tools`, in the form of chats or that of
/// responses.
pub(crate) fn choose(
    tools: Vec<Tool>,
    choice: Option<&Value>,
) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    let refuse = |message: String| Refusal::bad_param("tool_choice", message);
    let (tools, choice) = match choice {
        None | Some(Value::Null) => (tools, ToolChoice::Auto),
        Some(Value::String(word)) => {
            let choice = mode(word, true).ok_or_else(|| {
                refuse(format!("'{word}' is none of auto, none, required and an object"))
            })?;
            (tools, choice)
        }
        Some(object) => match object.get("type").and_then(Value::as_str).unwrap_or_default() {
            "function" => {
                let name = name(object).ok_or_else(|| refuse("the function has no name".into()))?;
                if tools.iter().all(|tool| tool.name != name) {
                    return Err(refuse(format!("there is no function '{name}' among the tools")));
                }
                let choice = ToolChoice::Function(name.to_owned());
                (tools, choice)
            }
            "allowed_tools" => allowed(&tools, object)?,
            other => {
                let message = format!("only functions can be chosen here, not '{other}'");
                return Err(Refusal::unsupported("tool_choice", message));
            }
        },
    };
    if tools.is_empty() && choice == ToolChoice::Required {
        return Err(refuse("a call is required but there are no tools".into()));
    }
    Ok((tools, choice))
}

fn mode(word: &str, may_be_none: bool) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "required" => Some(ToolChoice::Required),
        "none" if may_be_none => Some(ToolChoice::None),
        _ => None,
    }
}

/// `function.name` in chats, `name` in responses.
fn name(object: &Value) -> Option<&str> {
    object.get("function").unwrap_or(object).get("name")?.as_str()
}

/// Those tools that the client allows this time; its list is inside `allowed_tools` in chats.
fn allowed(tools: &[Tool], object: &Value) -> Result<(Vec<Tool>, ToolChoice), Refusal> {
    let refuse = |message: &str| Refusal::bad_param("tool_choice", message);
    let object = object.get("allowed_tools").unwrap_or(object);
    let word = object.get("mode").and_then(Value::as_str).unwrap_or_default();
    let choice =
        mode(word, false).ok_or_else(|| refuse("the mode of allowed_tools is auto or required"))?;
    let list = object.get("tools").and_then(Value::as_array);
    let list = list.ok_or_else(|| refuse("allowed_tools has no list of tools"))?;
    let names: Vec<&str> = list.iter().filter_map(name).collect();
    let known = |name: &&str| tools.iter().any(|tool| tool.name == *name);
    if names.len() < list.len() || !names.iter().all(known) {
        return Err(refuse("allowed_tools names something that is not among the tools"));
    }
    let tools = tools.iter().filter(|tool| names.contains(&tool.name.as_str())).cloned().collect();
    Ok((tools, choice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> Tool {
        let function = Function { name: name.to_owned(), description: None, parameters: None };
        function.tool("tools[0].function").unwrap()
    }

    fn check(choice: &Value, names: &[&str], expected: &ToolChoice) {
        let (tools, choice) = choose(vec![tool("a"), tool("b")], Some(choice)).unwrap();
        assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!(choice, *expected);
    }

    #[test]
    fn a_choice_is_read_in_the_forms_of_chats_and_responses() {
        let both = ["a", "b"];
        check(&json!(null), &both, &ToolChoice::Auto);
        check(&json!("auto"), &both, &ToolChoice::Auto);
        check(&json!("none"), &both, &ToolChoice::None);
        check(&json!("required"), &both, &ToolChoice::Required);
        let function = ToolChoice::Function("b".to_owned());
        check(&json!({"type": "function", "function": {"name": "b"}}), &both, &function);
        check(&json!({"type": "function", "name": "b"}), &both, &function);
        let chat = json!({"type": "function", "function": {"name": "b"}});
        let chat = json!({"mode": "required", "tools": [chat]});
        check(
            &json!({"type": "allowed_tools", "allowed_tools": chat}),
            &["b"],
            &ToolChoice::Required,
        );
        let list = json!([{"type": "function", "name": "a"}]);
        check(
            &json!({"type": "allowed_tools", "mode": "auto", "tools": list}),
            &["a"],
            &ToolChoice::Auto,
        );
    }

    #[test]
    fn a_choice_that_makes_no_sense_is_refused() {
        let unknown = json!([{"name": "x"}]);
        for choice in [
            json!("sometimes"),
            json!(1),
            json!({"type": "function"}),
            json!({"type": "function", "name": "x"}),
            json!({"type": "web_search"}),
            json!({"type": "allowed_tools", "mode": "none", "tools": []}),
            json!({"type": "allowed_tools", "mode": "auto"}),
            json!({"type": "allowed_tools", "mode": "auto", "tools": unknown}),
            json!({"type": "allowed_tools", "mode": "required", "tools": []}),
        ] {
            let refusal = choose(vec![tool("a")], Some(&choice)).unwrap_err();
            assert_eq!(refusal.error()["param"], "tool_choice", "{choice}");
        }
        assert!(choose(Vec::new(), Some(&json!("required"))).is_err());
        assert!(choose(Vec::new(), Some(&json!("auto"))).is_ok());
    }

    #[test]
    fn a_function_needs_a_name_and_gets_parameters() {
        let parameters = json!({"type": "object", "properties": {}});
        assert_eq!(tool("get_time-2").parameters, parameters);
        for (name, parameters, param) in [
            ("", None, "tools[3].function.name"),
            ("two words", None, "tools[3].function.name"),
            (&"x".repeat(65), None, "tools[3].function.name"),
            ("a", Some(json!([])), "tools[3].function.parameters"),
        ] {
            let function = Function { name: name.to_owned(), description: None, parameters };
            assert_eq!(function.tool("tools[3].function").unwrap_err().error()["param"], param);
        }
    }
}
