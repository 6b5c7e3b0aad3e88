//! A scripted client and a whole session with the testkit's models, in virtual time.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use trunkline_inference::schedule::Tenant;
use trunkline_session::{Agent, CallId, Models, Plan, Sessions};
use trunkline_testkit::fake_models;

use super::{
    house::{House, tests::served},
    ids::Ids,
    leg::{Incoming, RealtimeLeg},
    outbox::{self, Outgoing, Outlet},
    settings::{Settings, wire::Kind},
    translator::Translator,
};
use crate::{ApiConfig, Observers, openai::served::Directory, router::intake::Meter};

/// Longer than any answer takes here, in virtual time.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_caller_speaks_and_is_answered() {
    let mut client = Client::call(Kind::Realtime);
    let transcription = json!({"audio": {"input": {"transcription": {"model": "whisper-1"}}}});
    client.send(json!({"type": "session.update", "session": transcription})).await;
    client.speak(1200).await;
    let seen = client.until("response.done").await;
    assert_eq!(
        kinds(&seen),
        [
            "session.created",
            "session.updated",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    let heard = find(&seen, "conversation.item.input_audio_transcription.completed");
    assert_eq!(heard["transcript"], "What time do you open?");
    let done = find(&seen, "response.done");
    let said = &done["response"]["output"][0]["content"][0]["transcript"];
    assert_eq!(said, "We open at nine. Is there anything else?");
    assert_eq!(done["response"]["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_client_takes_turns_itself_and_reads_the_answer() {
    let mut client = Client::call(Kind::Realtime);
    let manual =
        json!({"output_modalities": ["text"], "audio": {"input": {"turn_detection": null}}});
    client.send(json!({"type": "session.update", "session": manual})).await;
    client.append(&tone(1000)).await;
    client.send(json!({"type": "input_audio_buffer.commit"})).await;
    client.send(json!({"type": "response.create", "response": {"metadata": {"a": "b"}}})).await;
    let began = Instant::now();
    let seen = client.until("response.done").await;
    let done = &find(&seen, "response.done")["response"];
    assert_eq!(done["output"][0]["content"][0]["text"], "We open at nine. Is there anything else?");
    assert_eq!(done["metadata"], json!({"a": "b"}));
    assert!(began.elapsed() < Duration::from_secs(2), "a second of sound is heard in an eighth");
}

#[tokio::test(start_paused = true)]
async fn an_interruption_is_told_and_what_was_not_heard_is_forgotten() {
    let mut client = Client::call(Kind::Realtime);
    client.speak(1200).await;
    let seen = client.until("response.done").await;
    let item = find(&seen, "response.done")["response"]["output"][0]["id"].clone();
    client.speak(1500).await;
    client.until("input_audio_buffer.speech_started").await;
    client
        .send(json!({"type": "conversation.item.truncate", "item_id": item,
        "content_index": 0, "audio_end_ms": 300}))
        .await;
    let seen = client.until("response.done").await;
    assert!(kinds(&seen).contains(&"conversation.item.truncated"), "{:?}", kinds(&seen));
    assert!(!kinds(&seen).contains(&"error"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_transcription_session_writes_down_and_never_answers() {
    let mut client = Client::call(Kind::Transcription);
    client.speak(1200).await;
    let completed = "conversation.item.input_audio_transcription.completed";
    let seen = client.until(completed).await;
    assert_eq!(find(&seen, completed)["transcript"], "What time do you open?");
    sleep(Duration::from_secs(5)).await;
    assert!(client.outlet.try_next().is_none(), "nobody replies");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_not_hung_up_on() {
    let mut client = Client::call(Kind::Realtime);
    client.append(&vec![0; 2400]).await;
    sleep(Duration::from_mins(5)).await;
    client.send(json!({"type": "session.update", "session": {}})).await;
    let seen = client.until("session.updated").await;
    assert_eq!(kinds(&seen), ["session.created", "session.updated"]);
}

/// A client in a call.
struct Client {
    frames: mpsc::Sender<Incoming>,
    outlet: Outlet,
    _sessions: Sessions,
}

impl Client {
    fn call(kind: Kind) -> Self {
        let models: Models = fake_models();
        let house = Arc::new(House {
            served: served(&models),
            directory: Arc::new(Directory::new(&ApiConfig::default())),
            agent: Agent { instructions: "Be brief.".into(), ..Agent::default() },
        });
        let settings = Settings::new(kind, None, &house).unwrap();
        let (frames, incoming) = mpsc::channel(64);
        let (outbox, outlet) = outbox::new();
        let now = Instant::now().into_std();
        let translator = Translator::new(house, settings, Ids::plain(), 0, now);
        let plan = Plan {
            call: CallId::new(),
            wire_id: String::new(),
            from: String::new(),
            to: String::new(),
            leg: "realtime",
            tenant: Tenant::default(),
            agent: translator.agent(),
            models,
        };
        let sessions = Sessions::new(Arc::new(Observers::new(Vec::new())));
        let place = sessions.enter().unwrap();
        place.start(RealtimeLeg::new(translator, Meter::for_tests(), incoming, outbox), plan);
        Self { frames, outlet, _sessions: sessions }
    }

    async fn send(&self, event: Value) {
        self.frames.send(Incoming::Text(event.to_string())).await.unwrap();
    }

    async fn append(&self, samples: &[i16]) {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let audio = STANDARD.encode(bytes);
        self.send(json!({"type": "input_audio_buffer.append", "audio": audio})).await;
    }

    /// Speaks as a live client does, 20 ms at a time, and then sends nothing.
    async fn speak(&self, ms: usize) {
        for _ in 0..ms / 20 {
            self.append(&tone(20)).await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every event up to the first of a type; runs of the same type of sound count once.
    async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        loop {
            let frame = timeout(PATIENCE, self.outlet.next()).await;
            let frame = frame.unwrap_or_else(|_| panic!("no {kind} after {:?}", kinds(&seen)));
            let Some(Outgoing::Text(text)) = frame else {
                panic!("the session ended after {:?}", kinds(&seen))
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            let is_more = event["type"] == "response.output_audio.delta"
                && seen.last().is_some_and(|last| last["type"] == event["type"]);
            let is_it = event["type"] == kind;
            if !is_more {
                seen.push(event);
            }
            if is_it {
                return seen;
            }
        }
    }
}

fn tone(ms: usize) -> Vec<i16> {
    (0..ms * 24).map(|n| if n % 48 < 24 { 8_000 } else { -8_000 }).collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn find<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|event| event["type"] == kind).unwrap()
}
