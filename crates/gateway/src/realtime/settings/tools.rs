//! The functions of a session, when its model calls them, and how long its replies may be.

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_inference::{Tool, ToolChoice};

use crate::realtime::fault::Fault;

/// Functions that a session may have. 128, as OpenAI's.
const TOOLS: usize = 128;

/// A tool as clients write it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ToolWire {
    r#type: String,
    #[serde(default)]
    name: String,
    description: Option<String>,
    parameters: Option<Value>,
}

/// When tools are called, as clients write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ChoiceWire {
    /// `auto`, `none`, `required`.
    Mode(String),
    /// One tool.
    One {
        /// `function`.
        r#type: String,
        /// Its name.
        #[serde(default)]
        name: String,
    },
}

/// The most tokens of a reply as clients write them: a number or `inf`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum MaxTokens {
    /// So many.
    Number(u64),
    /// `inf`.
    Word(String),
}

/// What `inf` stands for, and the most that may be asked: as OpenAI's.
pub(crate) const MOST_TOKENS: u32 = 4096;

/// The tools; `param` is what holds them.
pub(crate) fn tools(wire: &[ToolWire], param: &str) -> Result<Vec<Tool>, Fault> {
    if wire.len() > TOOLS {
        return Err(Fault::value(format!("{param}.tools"), format!("at most {TOOLS} tools")));
    }
    let numbered = wire.iter().enumerate();
    numbered.map(|(n, wire)| wire.tool(&format!("{param}.tools[{n}]"))).collect()
}

impl ToolWire {
    fn tool(&self, at: &str) -> Result<Tool, Fault> {
        if self.r#type != "function" {
            let message = format!("tools of type '{}' are not served: only functions", self.r#type);
            return Err(Fault::unsupported(format!("{at}.type"), message));
        }
        if self.name.is_empty() {
            return Err(Fault::value(format!("{at}.name"), "a function needs a name"));
        }
        let empty = || json!({ "type": "object", "properties": {} });
        let parameters = self.parameters.clone().filter(|p| !p.is_null()).unwrap_or_else(empty);
        if !parameters.is_object() {
            return Err(Fault::value(format!("{at}.parameters"), "a JSON Schema is an object"));
        }
        Ok(Tool {
            name: self.name.clone(),
            description: self.description.clone().unwrap_or_default(),
            parameters,
        })
    }
}

/// When the tools are called; `param` is what holds the choice.
pub(crate) fn choice(wire: &ChoiceWire, tools: &[Tool], param: &str) -> Result<ToolChoice, Fault> {
    let param = format!("{param}.tool_choice");
    match wire {
        ChoiceWire::Mode(mode) => match mode.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            other => Err(Fault::value(param, format!("'{other}' is not auto, none or required"))),
        },
        ChoiceWire::One { r#type, .. } if r#type != "function" => {
            Err(Fault::unsupported(param, format!("a choice of type '{type}' is not served")))
        }
        ChoiceWire::One { name, .. } if tools.iter().any(|tool| tool.name == *name) => {
            Ok(ToolChoice::Function(name.clone()))
        }
        ChoiceWire::One { name, .. } => {
            Err(Fault::value(param, format!("there is no function '{name}' among the tools")))
        }
    }
}

impl MaxTokens {
    /// The number; `param` is what holds it.
    pub(crate) fn tokens(&self, param: &str) -> Result<u32, Fault> {
        let wrong = || {
            let message = format!("a number from 1 to {MOST_TOKENS} or \"inf\" is expected");
            Fault::value(format!("{param}.max_output_tokens"), message)
        };
        match self {
            Self::Word(word) if word == "inf" => Ok(MOST_TOKENS),
            Self::Word(_) => Err(wrong()),
            Self::Number(number) => u32::try_from(*number)
                .ok()
                .filter(|number| (1..=MOST_TOKENS).contains(number))
                .ok_or_else(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: Value) -> Result<Vec<Tool>, Fault> {
        let wire: Vec<ToolWire> = crate::realtime::settings::parse(wire, "session")?;
        tools(&wire, "session")
    }

    #[test]
    fn a_function_may_have_no_description_and_no_parameters() {
        let tools = read(json!([{"type": "function", "name": "f", "description": null}])).unwrap();
        assert_eq!(tools[0].name, "f");
        assert_eq!(tools[0].parameters["type"], "object");
    }

    #[test]
    fn other_tools_are_refused_by_their_place() {
        let param = |wire| read(wire).unwrap_err().json(None)["param"].clone();
        assert_eq!(param(json!([{"type": "mcp", "server_label": "x"}])), "session.tools[0].type");
        assert_eq!(param(json!([{"type": "function"}])), "session.tools[0].name");
        let wrong = json!([{"type": "function", "name": "f", "parameters": 1}]);
        assert_eq!(param(wrong), "session.tools[0].parameters");
    }

    #[test]
    fn a_choice_is_a_mode_or_one_of_the_functions() {
        let tools = read(json!([{"type": "function", "name": "f"}])).unwrap();
        let read = |wire| choice(&serde_json::from_value(wire).unwrap(), &tools, "session");
        assert_eq!(read(json!("required")), Ok(ToolChoice::Required));
        let one = json!({"type": "function", "name": "f"});
        assert_eq!(read(one), Ok(ToolChoice::Function("f".into())));
        for wrong in
            [json!("maybe"), json!({"type": "mcp"}), json!({"type": "function", "name": "g"})]
        {
            let fault = read(wrong).unwrap_err();
            assert_eq!(fault.json(None)["param"], "session.tool_choice");
        }
    }

    #[test]
    fn the_most_tokens_are_a_number_or_inf() {
        let read = |wire| serde_json::from_value::<MaxTokens>(wire).unwrap().tokens("session");
        assert_eq!(read(json!("inf")), Ok(MOST_TOKENS));
        assert_eq!(read(json!(7)), Ok(7));
        for wrong in [json!(0), json!(4097), json!("many"), json!(u64::MAX)] {
            assert!(read(wrong).is_err());
        }
    }
}
