//! How a `session.update` changes a session: what it names is replaced, the rest stays.

use serde_json::{Map, Value};

/// What `null` clears. Elsewhere it says nothing.
const NULLABLE: [&str; 9] = [
    "transcription",
    "turn_detection",
    "noise_reduction",
    "prompt",
    "tracing",
    "include",
    "reasoning",
    "idle_timeout_ms",
    "parallel_tool_calls",
];
/// Objects that are replaced as one.
const WHOLE: [&str; 7] =
    ["format", "tool_choice", "truncation", "prompt", "tracing", "reasoning", "voice"];

/// Puts `patch` into `session`.
pub(super) fn merge(session: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, new) in patch {
        if new.is_null() && !NULLABLE.contains(&name.as_str()) {
            continue;
        }
        match (session.get_mut(name).and_then(Value::as_object_mut), new.as_object()) {
            (Some(old), Some(new)) if is_same_kind(name, old, new) => merge(old, new),
            _ => {
                session.insert(name.clone(), new.clone());
            }
        }
    }
}

/// Whether the fields of `old` that `new` does not name stay: not those of another turn detection.
fn is_same_kind(name: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> bool {
    let is_same_type = new.get("type").is_none_or(|kind| old.get("type") == Some(kind));
    !WHOLE.contains(&name) && is_same_type
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut session: Value, patch: &Value) -> Value {
        merge(session.as_object_mut().unwrap(), patch.as_object().unwrap());
        session
    }

    #[test]
    fn what_is_not_named_stays() {
        let session = json!({"a": {"b": 1, "c": [1, 2]}, "d": "x"});
        let patch = json!({"a": {"c": [3]}});
        assert_eq!(merged(session, &patch), json!({"a": {"b": 1, "c": [3]}, "d": "x"}));
    }

    #[test]
    fn null_clears_what_can_be_off_and_says_nothing_of_the_rest() {
        let session = json!({"turn_detection": {"type": "server_vad"}, "instructions": "x"});
        let patch = json!({"turn_detection": null, "instructions": null});
        assert_eq!(merged(session, &patch), json!({"turn_detection": null, "instructions": "x"}));
    }

    #[test]
    fn another_turn_detection_takes_nothing_from_the_one_before() {
        let session = json!({"turn_detection": {"type": "server_vad", "threshold": 0.9}});
        let same = json!({"turn_detection": {"type": "server_vad", "silence_duration_ms": 1}});
        assert_eq!(
            merged(session.clone(), &same)["turn_detection"],
            json!({"type": "server_vad", "threshold": 0.9, "silence_duration_ms": 1})
        );
        let other = json!({"turn_detection": {"type": "semantic_vad"}});
        assert_eq!(merged(session, &other), other);
    }

    #[test]
    fn a_format_or_a_choice_is_replaced_as_one() {
        let session =
            json!({"format": {"type": "audio/pcm", "rate": 24000}, "tool_choice": "auto"});
        let patch = json!({"format": {"type": "audio/pcmu"},
            "tool_choice": {"type": "function", "name": "f"}});
        assert_eq!(merged(session, &patch), patch);
    }
}
