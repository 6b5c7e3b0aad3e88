//! The reference of all fields, made from the types: docs/config.md and config/schema.json.

use serde_json::Value;

use super::Config;

/// The JSON Schema of the config file. Defaults are in the descriptions: some depend on the machine.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    drop_defaults(&mut schema);
    schema
}

fn drop_defaults(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("default");
            object.values_mut().for_each(drop_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The reference as Markdown.
pub(crate) fn reference() -> String {
    let schema = schema();
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Made from the types by `trunkline config reference`; a test fails when it is stale. -->\n\n\
         One TOML file, named with `--config`. Every section and field may be left out. `trunkline check\n\
         --config FILE` reports all mistakes at once. Environment variables override fields by one rule:\n\
         `TRUNKLINE__GATEWAY__BIND` is `bind` in `[gateway]`.\n",
    );
    for (section, property) in properties(&schema, &schema) {
        let about = text(&property, "description");
        let target = match property.get("additionalProperties") {
            Some(inner) if inner.is_object() => resolve(&schema, inner),
            _ => resolve(&schema, &property),
        };
        let header = if section == "agents" { "agents.NAME" } else { section.as_str() };
        page.push_str(&section_head(header, &about));
        for (field, schema_of_field) in properties(&schema, target) {
            let meaning = text(&schema_of_field, "description");
            let kind = kind(&schema, &schema_of_field);
            page.extend(["| `", &field, "` | ", &kind, " | ", &meaning, " |\n"]);
        }
    }
    page
}

fn section_head(name: &str, about: &str) -> String {
    format!("\n## `[{name}]`\n\n{about}\n\n| field | kind | meaning |\n|---|---|---|\n")
}

fn properties(root: &Value, object: &Value) -> Vec<(String, Value)> {
    let object = resolve(root, object);
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    properties.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect()
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
    name.and_then(|name| root.get("$defs")?.get(name)).unwrap_or(schema)
}

fn text(schema: &Value, key: &str) -> String {
    let text = schema.get(key).and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn kind(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let names: Vec<_> =
            choices.iter().filter_map(|c| c.get("const").and_then(Value::as_str)).collect();
        return names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ");
    }
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "array" => "list".into(),
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|k| *k != "null").unwrap_or("any").into()
        }
        _ => "string".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn repository(file: &str) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file)
    }

    #[test]
    fn the_reference_and_the_schema_are_those_of_the_types() {
        let schema = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        for (file, made) in [("docs/config.md", reference()), ("config/schema.json", schema)] {
            let kept = fs::read_to_string(repository(file)).unwrap_or_default();
            assert!(kept == made, "{file} is stale: see CONTRIBUTING.md, \"Generated files\"");
        }
    }

    #[test]
    fn every_field_says_what_it_is_and_its_default() {
        for line in reference().lines().filter(|l| l.starts_with("| `")) {
            assert!(line.to_lowercase().contains("default"), "no default in: {line}");
        }
    }
}
