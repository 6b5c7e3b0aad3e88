//! JSON schemas as the grammar engine is given them: with bounds where a small model might go on for
//! ever, and refused where the engine would let something wrong pass.

use serde_json::{Map, Value, json};
use trunkline_inference::ModelError;

/// Whitespace between two tokens of JSON: a space or two, or a new line and its indentation.
const WHITESPACE: &str = r"[ ]{1,2}|\n[ ]{0,32}";
/// Where a schema leaves numbers open: the integers that every reader of JSON holds exactly
/// (RFC 8259, section 6), and about as much for other numbers.
const LARGEST_INTEGER: i64 = (1 << 53) - 1;
/// Of a date in the form of RFC 3339: in another month, not the 29th, or in a leap year.
const EXISTING_DATE: &str = "^[0-9]{4}-(0[13-9]|1[012])-|^[0-9]{4}-02-([01]|2[0-8])|\
    ^([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29";
/// Of a time in the form of RFC 3339: no leap second, which is only right at the end of some days, and
/// nanoseconds at the finest, where a small model might write digits for ever.
const EXISTING_TIME: &str = r":[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?[Zz+-]";
/// Keywords whose value is a schema.
const SCHEMA: [&str; 4] = ["items", "additionalProperties", "additionalItems", "not"];
/// Keywords whose value is a list of schemas.
const SCHEMAS: [&str; 4] = ["anyOf", "allOf", "oneOf", "prefixItems"];
/// Keywords whose values are schemas by name.
const NAMED_SCHEMAS: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// The schema with bounds and with the engine's options.
pub(super) fn prepare(schema: &Value) -> Result<Value, ModelError> {
    let mut root = match bounded(schema)? {
        Value::Bool(true) => Map::new(),
        Value::Object(root) => root,
        other @ (Value::Null
        | Value::Bool(false)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => {
            return Err(bad(&format!(
                "a schema is an object that something can satisfy, not {other}"
            )));
        }
    };
    root.insert("x-guidance".to_owned(), json!({ "whitespace_pattern": WHITESPACE }));
    Ok(Value::Object(root))
}

fn bounded(schema: &Value) -> Result<Value, ModelError> {
    let Value::Object(given) = schema else { return Ok(schema.clone()) };
    let mut bounded = Map::with_capacity(given.len());
    for (key, value) in given {
        let value = match value {
            Value::Array(all) if SCHEMAS.contains(&key.as_str()) => {
                all.iter().map(self::bounded).collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::Object(all) if NAMED_SCHEMAS.contains(&key.as_str()) => {
                let named = all.iter().map(|(name, one)| Ok((name.clone(), self::bounded(one)?)));
                Value::Object(named.collect::<Result<Map<_, _>, ModelError>>()?)
            }
            _ if SCHEMA.contains(&key.as_str()) => self::bounded(value)?,
            // Says nothing.
            Value::Bool(false) if key == "uniqueItems" => continue,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => value.clone(),
        };
        bounded.insert(key.clone(), value);
    }
    refuse_uncounted(&bounded)?;
    bound_numbers(&mut bounded);
    bound_times(&mut bounded);
    Ok(Value::Object(bounded))
}

/// The engine counts a name that is written twice as two properties.
fn refuse_uncounted(schema: &Map<String, Value>) -> Result<(), ModelError> {
    let least = schema.get("minProperties").and_then(Value::as_u64).unwrap_or(0);
    let is_open = schema.get("additionalProperties") != Some(&Value::Bool(false));
    if least > 1 && is_open {
        return Err(bad("minProperties above 1 needs additionalProperties: false"));
    }
    Ok(())
}

fn bound_numbers(schema: &mut Map<String, Value>) {
    let is_of = |kind: &str| match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        Some(_) | None => false,
    };
    let is_listed = schema.contains_key("enum") || schema.contains_key("const");
    if is_listed || !(is_of("integer") || is_of("number")) {
        return;
    }
    for (inclusive, exclusive, bound) in [
        ("minimum", "exclusiveMinimum", -LARGEST_INTEGER),
        ("maximum", "exclusiveMaximum", LARGEST_INTEGER),
    ] {
        if !schema.contains_key(inclusive) && !schema.contains_key(exclusive) {
            schema.insert(inclusive.to_owned(), bound.into());
        }
    }
}

/// The engine's dates have a 29th of February in every year, and its times a 61st second.
fn bound_times(schema: &mut Map<String, Value>) {
    let patterns = match schema.get("format").and_then(Value::as_str) {
        Some("date") => vec![json!({"pattern": EXISTING_DATE})],
        Some("time") => vec![json!({"pattern": EXISTING_TIME})],
        Some("date-time") => {
            vec![json!({"pattern": EXISTING_DATE}), json!({"pattern": EXISTING_TIME})]
        }
        Some(_) | None => return,
    };
    match schema.get_mut("allOf") {
        Some(Value::Array(all)) => all.extend(patterns),
        Some(_) | None => {
            schema.insert("allOf".to_owned(), patterns.into());
        }
    }
}

fn bad(reason: &str) -> ModelError {
    ModelError::BadRequest(format!("the JSON schema cannot be kept to: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(schema: impl std::borrow::Borrow<Value>) -> Value {
        bounded(schema.borrow()).unwrap()
    }

    #[test]
    fn numbers_are_bounded_wherever_a_schema_may_stand() {
        let number = json!({"type": "number", "minimum": 0});
        let expected = json!({"type": "number", "minimum": 0, "maximum": LARGEST_INTEGER});
        assert_eq!(bounds(number.clone()), expected);
        for around in ["items", "additionalProperties"] {
            assert_eq!(bounds(json!({ around: number })), json!({ around: expected }));
        }
        for around in ["properties", "$defs"] {
            let schema = json!({ around: {"type": number} });
            assert_eq!(bounds(schema), json!({ around: {"type": expected} }));
        }
        for around in ["anyOf", "prefixItems"] {
            assert_eq!(
                bounds(json!({ around: [true, number] })),
                json!({ around: [true, expected] })
            );
        }
    }

    #[test]
    fn what_has_its_bounds_is_left_alone() {
        for schema in [
            json!({"type": "integer", "minimum": 1, "exclusiveMaximum": 9}),
            json!({"type": "number", "enum": [1e300]}),
            json!({"const": {"type": "number"}}),
            json!({"type": "string", "minLength": 3}),
        ] {
            assert_eq!(bounds(schema.clone()), schema);
        }
    }

    #[test]
    fn a_schema_that_allows_everything_or_nothing_is_a_schema() {
        assert!(prepare(&json!(true)).is_ok());
        assert!(prepare(&json!({})).is_ok());
        assert!(matches!(prepare(&json!(3)), Err(ModelError::BadRequest(_))));
    }

    #[test]
    fn a_date_exists() {
        let date = bounds(json!({"type": "string", "format": "date"}));
        for (day, exists) in [
            ("2024-02-29", true),
            ("2000-02-29", true),
            ("2023-02-28", true),
            ("2023-12-31", true),
            ("2023-02-29", false),
            ("1900-02-29", false),
        ] {
            assert_eq!(jsonschema::is_valid(&date, &json!(day)), exists, "{day}");
        }
    }

    #[test]
    fn a_minute_has_sixty_seconds() {
        let time = bounds(json!({"type": "string", "format": "date-time"}));
        assert!(jsonschema::is_valid(&time, &json!("2024-02-29T20:14:59Z")));
        assert!(!jsonschema::is_valid(&time, &json!("2024-02-28T20:14:60+00:08")));
    }

    #[test]
    fn a_second_has_a_thousand_million_parts() {
        let time = bounds(json!({"type": "string", "format": "time"}));
        assert!(jsonschema::is_valid(&time, &json!("20:14:59.123456789+01:00")));
        assert!(!jsonschema::is_valid(&time, &json!("20:14:59.1234567890Z")));
    }

    #[test]
    fn a_request_for_unique_items_is_only_dropped_where_there_is_none() {
        assert_eq!(bounds(json!({"uniqueItems": false})), json!({}));
        assert_eq!(bounds(json!({"uniqueItems": true})), json!({"uniqueItems": true}));
    }
}
