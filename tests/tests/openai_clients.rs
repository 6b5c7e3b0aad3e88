//! Story: programs written for OpenAI's API are pointed at this server, and work.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use trunkline_acceptance::{Check, KEY_SHA256, Models, Server, clients_are_installed, tell};

#[test]
fn openais_clients_get_along_with_a_server_of_fakes() {
    let stories = [
        "openai_models",
        "openai_errors",
        "openai_absent",
        "openai_chat",
        "openai_completions",
        "openai_moderations",
        "openai_transcriptions",
        "openai_speech",
        "node_audio",
        "livekit_speech",
        "openai_responses",
        "openai_realtime",
        "node_chat",
        "node_responses",
        "node_realtime",
    ];
    all_hold(&stories, Models::Fake, "");
}

#[test]
#[ignore = "needs models"]
fn real_openais_python_client_finds_everything_it_asks_for() {
    let stories =
        ["openai_models", "openai_errors", "openai_absent", "openai_chat", "openai_completions"];
    all_hold(&stories, Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_openais_clients_have_texts_embedded_and_judged() {
    all_hold(&["openai_embeddings", "node_embeddings", "openai_moderations"], Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_openais_python_client_is_heard_and_spoken_to() {
    all_hold(&["openai_transcriptions", "openai_speech"], Models::Multilingual, "");
}

#[test]
#[ignore = "needs models"]
fn real_openais_python_client_has_its_responses() {
    all_hold(&["openai_responses"], Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_openais_python_client_talks_in_realtime() {
    all_hold(&["openai_realtime"], Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_openais_node_client_finds_everything_it_asks_for() {
    all_hold(&["node_chat", "node_responses", "node_realtime"], Models::Real, "");
    all_hold(&["node_audio"], Models::Multilingual, "");
}

#[test]
#[ignore = "needs models"]
fn real_agents_of_livekit_hear_think_and_speak() {
    all_hold(&["livekit_speech", "livekit_chat", "livekit_realtime"], Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_pipelines_of_pipecat_hear_think_and_speak() {
    all_hold(&["pipecat_services", "pipecat_realtime"], Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_agents_of_openais_agents_sdk_talk() {
    all_hold(&["agents_realtime"], Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_conversation_by_recorded_voices_is_answered_intelligibly() {
    all_hold(&["conversation"], Models::Real, "");
}

#[test]
#[ignore = "needs models"]
fn real_page_in_a_browser_talks() {
    if trunkline_acceptance::is_installed("chromium-headless-shell") {
        all_hold(&["page"], Models::Real, "");
    }
}

#[test]
#[ignore = "needs models"]
fn real_requests_too_many_are_told_to_come_back_and_do() {
    all_hold(&["openai_limits"], Models::Real, "max_requests = 1\n");
}

#[test]
#[ignore = "needs models"]
fn real_clients_wait_for_a_server_that_still_loads() {
    if !clients_are_installed() {
        return;
    }
    let Some(server) = Server::start_without_waiting(&config(Models::Real, "")) else { return };
    told_by(&["openai_loading"], &server.unwrap(), Models::Real);
}

/// Starts a server and runs the stories against it, one after the other.
fn all_hold(stories: &[&str], models: Models, api: &str) {
    if !clients_are_installed() {
        return;
    }
    let Some(server) = Server::start(&config(models, api)) else { return };
    told_by(stories, &server.unwrap(), models);
}

fn told_by(stories: &[&str], server: &Server, models: Models) {
    let failures: Vec<String> =
        stories.iter().flat_map(|story| broken(story, server, models)).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(server.errors().is_empty(), "{:#?}", server.errors());
}

/// The claims of a story that do not hold, to be read.
fn broken(story: &str, server: &Server, models: Models) -> Vec<String> {
    let checks = match tell(story, server.http(), models) {
        Ok(checks) if checks.is_empty() => return vec![format!("{story} checked nothing")],
        Ok(checks) => checks,
        Err(error) => return vec![format!("{story}: {error}")],
    };
    let told = |check: &Check| {
        format!("{story}: {}, {}\n    {}", check.endpoint, check.check, check.detail)
    };
    checks.iter().filter(|check| !check.ok).map(told).collect()
}

fn config(models: Models, api: &str) -> String {
    let models = match models {
        Models::Fake => "llm = \"fake\"\n",
        Models::Real => {
            "stt = \"whisper-tiny.en\"\nllm = \"qwen2.5-coder-0.5b-instruct\"\nslots = 4\n"
        }
        Models::Multilingual => {
            "stt = \"whisper-base\"\nllm = \"qwen2.5-coder-0.5b-instruct\"\nslots = 4\n"
        }
    };
    format!("[models]\n{models}\n[api]\nkey_sha256 = [\"{KEY_SHA256}\"]\n{api}")
}
