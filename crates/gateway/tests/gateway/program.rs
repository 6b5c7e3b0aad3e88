//! A program that uses the API of a gateway with fake models.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use trunkline_gateway::{
    ApiConfig, GatewayConfig,
    openai::{Named, Served},
};
use trunkline_testkit::{FakeEmbedder, Fakes, ScriptedLlm, World as Said};

use crate::world::Face;

/// Begins of ids, each followed by 32 hexadecimal digits.
const IDS: [&str; 7] = ["chatcmpl-", "cmpl-", "call_", "resp_", "msg_", "fc_", "fco_"];

/// A gateway whose language model answers by rote.
pub(crate) struct Program {
    pub(crate) face: Face,
    pub(crate) llm: ScriptedLlm,
    _dir: TempDir,
}

impl Program {
    /// One whose model answers with `replies` in turn, at once.
    pub(crate) async fn open(replies: &[&str]) -> Self {
        Self::open_with(ScriptedLlm::new(replies, Duration::ZERO, Duration::ZERO)).await
    }

    /// One whose model has the first word and never the second.
    pub(crate) async fn stuck() -> Self {
        let never = Duration::from_secs(100_000);
        Self::open_with(ScriptedLlm::new(&["one two"], Duration::ZERO, never)).await
    }

    pub(crate) async fn open_with(llm: ScriptedLlm) -> Self {
        Self::open_limited(llm, &ApiConfig::default()).await
    }

    pub(crate) async fn open_limited(llm: ScriptedLlm, api: &ApiConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config =
            GatewayConfig { bind: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() };
        let face = Face::open_for_programs(dir.path(), &config, api).await;
        let fakes = Fakes::new(Said::new(&[]), &[]);
        face.api.serve(Served {
            llm: Named::new("scripted", Arc::new(llm.clone())),
            stt: Named::new("fake-stt", Arc::new(fakes.stt)),
            tts: Named::new("fake-tts", Arc::new(fakes.tts)),
            embedder: Some(Named::new("fake-embedder", Arc::new(FakeEmbedder))),
            speakers: None,
            vad: Arc::new(fakes.vad),
        });
        Self { face, llm, _dir: dir }
    }

    pub(crate) fn request(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.face.client.post(format!("http://{}{path}", self.face.address)).json(body)
    }

    /// The status and the JSON of an answer.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.request(path, body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The JSON of an answer that is no refusal.
    pub(crate) async fn ok(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The lines of a stream, times and ids made the same for every run.
    pub(crate) async fn stream(&self, path: &str, body: &Value) -> String {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let answer = self.request(path, &body).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
        let text = answer.text().await.unwrap();
        let mut seen = Seen::default();
        let line = |line: &str| match line.strip_prefix("data: ").map(serde_json::from_str) {
            Some(Ok(event)) => format!("data: {}\n", seen.settle(event)),
            Some(Err(_)) | None => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    }

    /// The refusal's `param`, with its status.
    pub(crate) async fn refused(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, answer) = self.post(path, body).await;
        assert!(status >= 400, "{body}: {answer}");
        (status, answer["error"]["param"].clone())
    }

    /// Waits until no stream of the model is alive.
    pub(crate) async fn until_idle(&self) {
        for _ in 0..1000 {
            if self.llm.live().count() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the model works on for a client that is gone");
    }

    /// Waits until a stream of the model is alive.
    pub(crate) async fn until_busy(&self) {
        while self.llm.live().count() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn close(self) {
        self.face.close().await;
    }
}

/// An answer with its times and ids made the same for every run.
pub(crate) fn settled(answer: Value) -> Value {
    Seen::default().settle(answer)
}

/// The ids that were met, each with its number among those of its kind.
#[derive(Default)]
pub(crate) struct Seen(HashMap<String, String>);

impl Seen {
    pub(crate) fn settle(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.id(text)),
            Value::Array(list) => list.into_iter().map(|item| self.settle(item)).collect(),
            Value::Object(object) => Value::Object(
                object.into_iter().map(|(key, value)| self.entry(key, value)).collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    fn entry(&mut self, key: String, value: Value) -> (String, Value) {
        let is_time = ["created", "created_at", "completed_at"].contains(&key.as_str());
        let settled = match value {
            Value::Number(_) if is_time => json!(1_790_000_000),
            Value::String(_) if key == "system_fingerprint" => json!("fp_0123456789"),
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => self.settle(other),
        };
        (key, settled)
    }

    fn id(&mut self, text: String) -> String {
        let rest = |prefix: &&str| text.strip_prefix(prefix).is_some_and(|rest| rest.len() == 32);
        let Some(prefix) = IDS.iter().find(|prefix| rest(prefix)) else { return text };
        let number = 1 + self.0.values().filter(|known| known.starts_with(prefix)).count();
        self.0.entry(text).or_insert_with(|| format!("{prefix}{number}")).clone()
    }
}
