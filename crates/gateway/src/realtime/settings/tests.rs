//! What sessions may be set to.

use serde_json::json;
use trunkline_turn::Taking;

use super::*;
use crate::realtime::house::tests::house;

fn updated(patch: &Value) -> Result<Settings, Fault> {
    let house = house();
    let settings = Settings::new(Kind::Realtime, Some("gpt-realtime"), &house)?;
    settings.updated(patch.as_object().unwrap(), &house, false)
}

/// The code and the parameter of what is wrong.
fn refused(patch: &Value) -> (String, String) {
    let fault = updated(patch).unwrap_err().json(None);
    let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("param"))
}

#[test]
fn what_clients_send_is_understood() {
    // LiveKit's, Pipecat's and the Agents SDK's first updates.
    for patch in [
        json!({"type": "realtime", "model": "gpt-realtime", "output_modalities": ["audio"],
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 24000}, "noise_reduction": null,
                    "transcription": {"model": "gpt-4o-mini-transcribe", "language": null},
                    "turn_detection": {"type": "semantic_vad", "eagerness": "medium",
                        "create_response": true, "interrupt_response": true}},
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "speed": 1.0,
                    "voice": "marin"}},
            "max_output_tokens": "inf", "tool_choice": "auto", "tracing": null,
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
            "reasoning": {"effort": "low"}}),
        json!({"type": "realtime", "object": "realtime.session", "id": "sess_1",
            "expires_at": 1, "instructions": "x", "tools": [], "include": null}),
        json!({"audio": {"input": {"format": {"type": "audio/pcmu"},
            "noise_reduction": {"type": "far_field", "strength": 0.5}}}}),
        json!({"audio": {"output": {"voice": {"id": "fake"}}}}),
    ] {
        assert!(updated(&patch).is_ok(), "{patch}: {:?}", updated(&patch).err());
    }
}

#[test]
fn what_cannot_be_is_named() {
    for (patch, code, param) in [
        (json!({"modalities": ["text"]}), "unknown_parameter", "session.modalities"),
        (json!({"colour": 1}), "unknown_parameter", "session.colour"),
        (json!({"type": "transcription"}), "invalid_value", "session.type"),
        (
            json!({"output_modalities": ["audio", "text"]}),
            "invalid_value",
            "session.output_modalities",
        ),
        (json!({"output_modalities": ["smell"]}), "invalid_value", "session.output_modalities[0]"),
        (json!({"max_output_tokens": 0}), "invalid_value", "session.max_output_tokens"),
        (json!({"prompt": {"id": "x"}}), "unsupported_value", "session.prompt"),
        (json!({"model": "nothing"}), "model_not_found", "session.model"),
        (json!({"tools": [{"type": "mcp"}]}), "unsupported_value", "session.tools[0].type"),
        (
            json!({"audio": {"output": {"voice": "nobody"}}}),
            "invalid_value",
            "session.audio.output.voice",
        ),
        (json!({"audio": {"output": {"speed": 2}}}), "invalid_value", "session.audio.output.speed"),
        (
            json!({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 8000}}}}),
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        (
            json!({"audio": {"input": {"transcription": {"model": "gpt-4o"}}}}),
            "invalid_value",
            "session.audio.input.transcription.model",
        ),
        (
            json!({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}}),
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
    ] {
        assert_eq!(refused(&patch), (code.into(), param.into()), "{patch}");
    }
}

#[test]
fn an_agent_is_as_the_session_was_set() {
    let patch = json!({
        "instructions": "Sing.", "max_output_tokens": 77, "output_modalities": ["text"],
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": {"type": "function", "name": "f"},
        "audio": {"input": {"turn_detection": null, "transcription":
            {"model": "whisper-1", "language": "de", "prompt": "Opern", "keywords": ["Tosca"]}}},
    });
    let agent = updated(&patch).unwrap().agent(&house());
    assert_eq!((agent.instructions.as_str(), agent.max_reply_tokens), ("Sing.", 77));
    assert_eq!(agent.modality, Modality::Text);
    assert_eq!(agent.tool_choice, ToolChoice::Function("f".into()));
    assert_eq!(agent.turn.taking, Taking::Manual);
    assert_eq!(agent.turn.on_failure, OnFailure::GoOn);
    assert_eq!(agent.language.as_deref(), Some("de"));
    assert_eq!(agent.hints.as_deref(), Some("Opern, Tosca"));
    assert_eq!(agent.script, silent());
}

#[test]
fn a_transcription_session_never_replies() {
    let house = house();
    let settings = Settings::new(Kind::Transcription, Some("gpt-4o-transcribe"), &house).unwrap();
    let patch = json!({"type": "transcription", "audio": {"input": {
        "turn_detection": {"type": "server_vad", "create_response": true}}}});
    let settings = settings.updated(patch.as_object().unwrap(), &house, false).unwrap();
    let taking = settings.agent(&house).turn.taking;
    assert_eq!(taking, Taking::Automatic { replies: false, yields: true });
    assert_eq!(settings.json("sess_1", 0)["object"], "realtime.transcription_session");
}
