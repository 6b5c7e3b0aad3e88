//! JSON as chat templates expect it: as Python's `json.dumps` writes it.

use std::io;

use minijinja::{Error, ErrorKind, Value, value::Kwargs};
use serde::Serialize;
use serde_json::{
    json,
    ser::{Formatter, PrettyFormatter, Serializer},
};
use trunkline_inference::Tool;

/// The `tojson` filter of transformers: nothing escaped for HTML, and an indentation if asked for.
#[expect(clippy::needless_pass_by_value, reason = "minijinja gives filters their options so")]
pub(super) fn filter(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let mut text = Vec::new();
    let written = match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut text, OneLine)),
        Some(width) => {
            let indent = " ".repeat(width);
            let lines = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut text, lines))
        }
    };
    written.map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    Ok(Value::from(String::from_utf8_lossy(&text).into_owned()))
}

/// One line, with a space after each colon and comma.
pub(super) fn one_line(value: &serde_json::Value) -> String {
    let mut text = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut text, OneLine));
    written.map_or_else(|_| value.to_string(), |()| String::from_utf8_lossy(&text).into_owned())
}

/// A function in the form of OpenAI's API, which templates know.
pub(super) fn of_tool(tool: &Tool) -> serde_json::Value {
    json!({"type": "function", "function": {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }})
}

struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        if is_first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context, value::Serde};

    use super::*;

    fn render(source: &str) -> String {
        let mut jinja = Environment::new();
        jinja.add_filter("tojson", filter);
        let value = Value::from(Serde(json!({"b": ["<é>", 1, null], "a": {}})));
        jinja.render_str(source, context! { value }).unwrap()
    }

    // Written by Python 3.11: json.dumps(value, ensure_ascii=False, indent=..).
    #[test]
    fn it_is_what_python_writes() {
        assert_eq!(render("{{ value | tojson }}"), r#"{"b": ["<é>", 1, null], "a": {}}"#);
        assert_eq!(
            render("{{ value | tojson(indent=2) }}"),
            "{\n  \"b\": [\n    \"<é>\",\n    1,\n    null\n  ],\n  \"a\": {}\n}"
        );
    }

    #[test]
    fn one_line_is_what_the_filter_writes() {
        assert_eq!(one_line(&json!({"a": [1, 2]})), r#"{"a": [1, 2]}"#);
    }
}
