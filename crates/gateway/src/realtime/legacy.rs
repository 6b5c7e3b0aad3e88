//! The requests for ephemeral keys as they were before the API's release: flat sessions, in and out.

use serde_json::{Map, Value, json};

use crate::refusal::Refusal;

/// What was flat, and where it is.
const MOVED: [(&str, &[&str]); 6] = [
    ("voice", &["audio", "output", "voice"]),
    ("speed", &["audio", "output", "speed"]),
    ("input_audio_transcription", &["audio", "input", "transcription"]),
    ("input_audio_noise_reduction", &["audio", "input", "noise_reduction"]),
    ("turn_detection", &["audio", "input", "turn_detection"]),
    ("max_response_output_tokens", &["max_output_tokens"]),
];
const FORMATS: [(&str, &str); 2] =
    [("input_audio_format", "input"), ("output_audio_format", "output")];
/// What has no counterpart and changes nothing that was promised.
const DROPPED: [&str; 2] = ["client_secret", "temperature"];

/// A flat session as a session of this type.
pub(super) fn session(
    flat: &Map<String, Value>,
    kind: &str,
) -> Result<Map<String, Value>, Refusal> {
    let mut session = json!({ "type": kind });
    for (name, value) in flat {
        let moved = MOVED.iter().find(|(old, _)| old == name);
        let format = FORMATS.iter().find(|(old, _)| old == name);
        match (name.as_str(), moved, format) {
            (_, Some((_, path)), _) => put(&mut session, path, value.clone()),
            (_, _, Some((_, side))) => {
                put(&mut session, &["audio", side, "format"], audio_format(name, value)?);
            }
            ("modalities", ..) => session["output_modalities"] = modalities(value),
            // Asked with the key's lifetime rather than of the session.
            (name, ..) if DROPPED.contains(&name) => {}
            _ => session[name] = value.clone(),
        }
    }
    Ok(session.as_object().cloned().unwrap_or_default())
}

/// A session as a flat one, with its key.
pub(super) fn flat(session: &Value, key: &str, expires_at: i64) -> Value {
    let mut flat = session.clone();
    let audio = flat.as_object_mut().and_then(|flat| flat.remove("audio")).unwrap_or_default();
    for (side, old) in [("input", "input_audio_format"), ("output", "output_audio_format")] {
        let name = match audio[side]["format"]["type"].as_str() {
            Some("audio/pcm") => "pcm16",
            Some("audio/pcmu") => "g711_ulaw",
            Some("audio/pcma") => "g711_alaw",
            Some(_) | None => continue,
        };
        flat[old] = name.into();
    }
    for (old, path) in MOVED {
        let [_, side, name] = path else { continue };
        if let Some(value) = audio.get(side).and_then(|side| side.get(name)) {
            flat[old] = value.clone();
        }
    }
    if let Some(map) = flat.as_object_mut() {
        if let Some(max) = map.remove("max_output_tokens") {
            map.insert("max_response_output_tokens".into(), max);
        }
        if let Some(modalities) = map.remove("output_modalities") {
            let is_spoken = modalities[0] == "audio";
            let both = if is_spoken { json!(["text", "audio"]) } else { modalities };
            map.insert("modalities".into(), both);
        }
        map.remove("type");
        map.insert("client_secret".into(), json!({ "value": key, "expires_at": expires_at }));
    }
    flat
}

fn put(session: &mut Value, path: &[&str], value: Value) {
    let mut at = session;
    for name in path {
        at = &mut at[*name];
    }
    *at = value;
}

fn audio_format(name: &str, value: &Value) -> Result<Value, Refusal> {
    match value.as_str() {
        Some("pcm16") => Ok(json!({ "type": "audio/pcm", "rate": 24_000 })),
        Some("g711_ulaw") => Ok(json!({ "type": "audio/pcmu" })),
        Some("g711_alaw") => Ok(json!({ "type": "audio/pcma" })),
        Some(_) | None => {
            let message = "pcm16, g711_ulaw or g711_alaw is expected";
            Err(Refusal::bad_param(name.to_owned(), message))
        }
    }
}

/// Speech came with its text: both were named.
fn modalities(value: &Value) -> Value {
    let is_spoken = value.as_array().is_some_and(|all| all.iter().any(|one| one == "audio"));
    if is_spoken { json!(["audio"]) } else { value.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_session_is_read_and_shown_flat_again() {
        let asked = json!({
            "model": "gpt-realtime", "modalities": ["audio", "text"], "instructions": "x",
            "voice": "alloy", "input_audio_format": "g711_ulaw", "output_audio_format": "pcm16",
            "turn_detection": {"type": "server_vad"}, "max_response_output_tokens": 5,
            "temperature": 0.8,
        });
        let session = session(asked.as_object().unwrap(), "realtime").unwrap();
        assert_eq!(
            Value::Object(session.clone()),
            json!({
                "type": "realtime", "model": "gpt-realtime", "output_modalities": ["audio"],
                "instructions": "x", "max_output_tokens": 5,
                "audio": {
                    "output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}},
                    "input": {"format": {"type": "audio/pcmu"},
                        "turn_detection": {"type": "server_vad"}},
                },
            })
        );
        let flat = flat(&Value::Object(session), "ek_1", 7);
        assert_eq!(flat["modalities"], json!(["text", "audio"]));
        assert_eq!(flat["client_secret"], json!({"value": "ek_1", "expires_at": 7}));
        for same in ["model", "voice", "input_audio_format", "turn_detection"] {
            assert_eq!(flat[same], asked[same], "{same}");
        }
        assert!(flat.get("audio").is_none());
    }

    #[test]
    fn an_unknown_format_is_named() {
        let asked = json!({"input_audio_format": "opus"});
        let refusal = session(asked.as_object().unwrap(), "realtime").unwrap_err();
        assert_eq!(refusal.error()["param"], "input_audio_format");
    }
}
