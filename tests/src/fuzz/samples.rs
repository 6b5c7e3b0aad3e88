//! Requests as clients send them: every route of the API, with every kind of field.

use rand::{RngExt, rngs::StdRng};

pub(super) enum Sample {
    Json { path: &'static str, body: &'static str },
    Form { path: &'static str, fields: &'static [(&'static str, &'static str)] },
    Path { method: &'static str, path: &'static str },
}

impl Sample {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Json { .. } | Self::Form { .. } => "POST",
            Self::Path { method, .. } => method,
        }
    }

    pub(super) fn path(&self) -> &'static str {
        match self {
            Self::Json { path, .. } | Self::Form { path, .. } | Self::Path { path, .. } => path,
        }
    }
}

pub(super) fn pick(rng: &mut StdRng) -> Sample {
    let samples = all();
    let chosen = rng.random_range(0..samples.len());
    samples.into_iter().nth(chosen).unwrap_or(Sample::Path { method: "GET", path: "/v1/models" })
}

#[cfg(test)]
pub(super) fn paths() -> Vec<&'static str> {
    all().iter().map(Sample::path).collect()
}

fn all() -> Vec<Sample> {
    let json = JSON.iter().map(|&(path, body)| Sample::Json { path, body });
    let forms = FORMS.iter().map(|&(path, fields)| Sample::Form { path, fields });
    let paths = PATHS.iter().map(|&(method, path)| Sample::Path { method, path });
    json.chain(forms).chain(paths).collect()
}

/// A 16 kHz mono WAV file of so many samples of a square wave.
pub(super) fn wav(samples: u32) -> Vec<u8> {
    let bytes = samples * 2;
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + bytes).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend_from_slice(&16_000_u32.to_le_bytes());
    wav.extend_from_slice(&32_000_u32.to_le_bytes());
    wav.extend_from_slice(b"\x02\0\x10\0data");
    wav.extend_from_slice(&bytes.to_le_bytes());
    let square = |n: u32| if (n / 20).is_multiple_of(2) { 8000_i16 } else { -8000 };
    wav.extend((0..samples).flat_map(|n| square(n).to_le_bytes()));
    wav
}

const JSON: [(&str, &str); 12] = [
    (
        "/v1/chat/completions",
        r#"{"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],"temperature":0.5,"top_p":0.9,"n":1,"stop":["x"],"max_tokens":20,"seed":1}"#,
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"logprobs":true,"top_logprobs":2,"logit_bias":{"5":-100},"frequency_penalty":0.1,"presence_penalty":-0.1}"#,
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Book"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"book","arguments":"{\"day\":\"Monday\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"done"}],"tools":[{"type":"function","function":{"name":"book","description":"Books","parameters":{"type":"object","properties":{"day":{"type":"string"}},"required":["day"]},"strict":true}}],"tool_choice":"auto","parallel_tool_calls":false}"#,
    ),
    (
        "/v1/chat/completions",
        r#"{"model":"gpt-4o","messages":[{"role":"developer","content":"JSON"},{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}}},"max_completion_tokens":30}"#,
    ),
    (
        "/v1/completions",
        r#"{"model":"gpt-4o","prompt":["Once","Twice"],"max_tokens":5,"echo":false,"logprobs":1,"stop":"."}"#,
    ),
    (
        "/v1/embeddings",
        r#"{"model":"text-embedding-3-small","input":["a","b"],"encoding_format":"base64","dimensions":8}"#,
    ),
    (
        "/v1/embeddings",
        r#"{"model":"text-embedding-3-small","input":[[1,2,3]],"encoding_format":"float"}"#,
    ),
    (
        "/v1/responses",
        r#"{"model":"gpt-4o","input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]}],"instructions":"Be brief.","max_output_tokens":20,"metadata":{"a":"b"},"store":true,"text":{"format":{"type":"text"}}}"#,
    ),
    (
        "/v1/responses",
        r#"{"model":"gpt-4o","input":"Hi","stream":true,"tools":[{"type":"function","name":"book","parameters":{"type":"object","properties":{}}}],"tool_choice":{"type":"function","name":"book"},"previous_response_id":null}"#,
    ),
    (
        "/v1/audio/speech",
        r#"{"model":"tts-1","voice":"alloy","input":"Hello there.","response_format":"wav","speed":1.5}"#,
    ),
    (
        "/v1/realtime/client_secrets",
        r#"{"expires_after":{"anchor":"created_at","seconds":60},"session":{"type":"realtime","model":"gpt-realtime","audio":{"output":{"voice":"marin"}}}}"#,
    ),
    ("/v1/moderations", r#"{"model":"omni-moderation-latest","input":["a","b"]}"#),
];

const FORMS: [(&str, &[(&str, &str)]); 2] = [
    (
        "/v1/audio/transcriptions",
        &[
            ("file", ""),
            ("model", "whisper-1"),
            ("language", "en"),
            ("prompt", "names"),
            ("response_format", "verbose_json"),
            ("temperature", "0"),
            ("timestamp_granularities[]", "word"),
            ("include[]", "logprobs"),
            ("chunking_strategy", "auto"),
        ],
    ),
    ("/v1/audio/translations", &[("file", ""), ("model", "whisper-1"), ("response_format", "srt")]),
];

const PATHS: [(&str, &str); 9] = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/gpt-4o"),
    ("GET", "/v1/models/nothing"),
    ("GET", "/v1/responses/resp_none"),
    ("DELETE", "/v1/responses/resp_none"),
    ("POST", "/v1/responses/resp_none/cancel"),
    ("GET", "/v1/responses/resp_none/input_items"),
    ("GET", "/v1/realtime"),
    ("GET", "/health"),
];
