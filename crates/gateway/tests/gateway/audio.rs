//! Uploads and speech over a real socket, with fake models.

use std::{io::Cursor, path::Path, sync::Arc, time::Duration};

use futures::StreamExt;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::time::timeout;
use trunkline_audio::MediaTime;
use trunkline_gateway::{
    ApiConfig, GatewayConfig,
    openai::{Named, Served},
};
use trunkline_testkit::{FakeSpeakers, FakeStt, FakeTts, Fakes, World};

use crate::world::Face;

/// What the caller in the uploads says: two sentences with four seconds between.
const SAID: [(u64, u64, &str); 2] = [(600, 800, "we are open"), (5_400, 600, "until six")];
const LASTS_MS: u64 = 7_000;

#[tokio::test]
async fn an_upload_is_written_down_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    let answer = async |format: &'static str| {
        let form = form("whisper-1").text("response_format", format);
        let answer = post(&face, "transcriptions", form).await;
        assert_eq!(answer.status(), 200, "{format}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.text().await.unwrap())
    };
    let (kind, json) = answer("json").await;
    assert_eq!(kind, "application/json");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["text"], "we are open until six");
    assert_eq!(json["usage"], json!({ "type": "duration", "seconds": 7.0 }));
    let (kind, text) = answer("text").await;
    assert_eq!(
        (kind.as_str(), text.as_str()),
        ("text/plain; charset=utf-8", "we are open until six\n")
    );
    let (_, verbose) = answer("verbose_json").await;
    let verbose: Value = serde_json::from_str(&verbose).unwrap();
    assert_eq!(verbose["duration"], 7.0);
    assert_eq!(verbose["task"], "transcribe");
    let starts: Vec<_> = verbose["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["start"].as_f64().unwrap())
        .collect();
    // The second piece begins a little before its sound, and its times count from the file's start.
    assert!(starts[0] < 0.7 && starts.last().unwrap() > &5.0, "{starts:?}");
    let (_, srt) = answer("srt").await;
    assert!(srt.starts_with("1\n00:00:00,"), "{srt}");
    let (_, vtt) = answer("vtt").await;
    assert!(vtt.starts_with("WEBVTT\n\n00:00:00."), "{vtt}");
    face.close().await;
}

#[tokio::test]
async fn a_stream_tells_each_piece_and_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    let streamed = form("gpt-4o-transcribe").text("stream", "true");
    let answer = post(&face, "transcriptions", streamed).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
    let events = events(&answer.text().await.unwrap());
    let deltas: Vec<_> = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, ["we are open", " until six"]);
    let done = events.last().unwrap();
    assert_eq!(done["type"], "transcript.text.done");
    assert_eq!(done["text"], "we are open until six");
    assert_eq!(done["usage"]["input_tokens"], 70);
    // OpenAI does not stream whisper-1, whatever is asked.
    let whole = form("whisper-1").text("stream", "true");
    let whole: Value = post(&face, "transcriptions", whole).await.json().await.unwrap();
    assert_eq!(whole["text"], "we are open until six");
    face.close().await;
}

#[tokio::test]
async fn a_translation_is_in_english() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    let form = form("whisper-1").text("response_format", "verbose_json");
    let verbose: Value = post(&face, "translations", form).await.json().await.unwrap();
    assert_eq!((&verbose["task"], &verbose["language"]), (&json!("translate"), &json!("english")));
    face.close().await;
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    let file = || Part::bytes(wav()).file_name("a.wav");
    for (form, status, param) in [
        (Form::new().part("file", file()), 400, json!("model")),
        (Form::new().text("model", "whisper-1"), 400, json!("file")),
        (
            Form::new().text("model", "whisper-1").part("file", Part::bytes(vec![])),
            400,
            json!("file"),
        ),
        (Form::new().text("model", "whisper-1").text("file", "no sound"), 400, json!("file")),
        (form("nobody"), 404, json!("model")),
        (form("tts-1"), 400, json!("model")),
        (form("whisper-1").text("response_format", "diarized_json"), 400, json!("response_format")),
        (
            form("whisper-1").text("known_speaker_names[]", "Ann"),
            400,
            json!("known_speaker_references"),
        ),
        (
            form("gpt-4o-transcribe").text("stream", "true").text("temperature", "9"),
            400,
            json!("temperature"),
        ),
    ] {
        let answer = post(&face, "transcriptions", form).await;
        let (status_is, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        assert_eq!((status_is, &body["error"]["param"]), (status, &param), "{body}");
    }
    let plain = face.client.post(url(&face, "transcriptions")).body("x").send().await.unwrap();
    assert_eq!(plain.status(), 400);
    face.close().await;
}

#[tokio::test]
async fn a_broken_file_is_a_status_even_where_a_stream_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    let form = Form::new()
        .text("model", "gpt-4o-transcribe")
        .text("stream", "true")
        .part("file", Part::bytes(b"RIFF....WAVE".to_vec()).file_name("a.wav"));
    let answer = post(&face, "transcriptions", form).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["param"], "file");
    face.close().await;
}

#[tokio::test]
async fn an_upload_may_be_larger_than_a_json_body_and_no_larger_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let config = ApiConfig { max_upload_mib: 12, ..ApiConfig::default() };
    let face = Face::open_for_programs(dir.path(), &local(), &config).await;
    face.api.serve(served(&fakes()));
    // 5 minutes at 16 kHz: 9.6 MB.
    let long = || hound_wav(16_000, (0..16_000 * 300).map(|_| 0));
    let form = |file: Vec<u8>| {
        Form::new().text("model", "whisper-1").part("file", Part::bytes(file).file_name("a.wav"))
    };
    let answer = post(&face, "transcriptions", form(long())).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["text"], "");
    let mut longer = long();
    longer.resize(12 * 1024 * 1024 + 1, 0);
    let answer = post(&face, "transcriptions", form(longer)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "request_too_large");
    face.close().await;
}

#[tokio::test]
async fn more_uploads_than_fit_are_told_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let slow = Fakes { stt: FakeStt::hearing("late", Duration::from_mins(10)), ..fakes() };
    let face = open(dir.path(), &slow).await;
    let url = url(&face, "transcriptions");
    let mut waiting = tokio::task::JoinSet::new();
    // Each holds its place with a body that does not end; one finds none.
    for _ in 0..17 {
        let (client, url) = (face.client.clone(), url.clone());
        waiting.spawn(async move {
            let head = b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nRIFF".to_vec();
            let head = futures::stream::iter([Ok::<_, std::io::Error>(head)]);
            let body = reqwest::Body::wrap_stream(head.chain(futures::stream::pending()));
            let request =
                client.post(url).header("content-type", "multipart/form-data; boundary=b");
            request.body(body).send().await.unwrap()
        });
    }
    let refused = timeout(Duration::from_secs(20), waiting.join_next()).await.unwrap();
    let refused = refused.unwrap().unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    // Those who go away leave their places to others.
    waiting.abort_all();
    while waiting.join_next().await.is_some() {}
    while post(&face, "transcriptions", form("nobody")).await.status() == 429 {}
    face.close().await;
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let fakes = Fakes { stt: FakeStt::hearing("late", Duration::from_mins(10)), ..fakes() };
    let face = open(dir.path(), &fakes).await;
    let mut asking = Box::pin(post(&face, "transcriptions", form("whisper-1")));
    while fakes.stt.live().count() < 2 {
        tokio::select! {
            _ = &mut asking => panic!("it is answered too early"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(asking);
    while fakes.live() > 0 {
        tokio::task::yield_now().await;
    }
    face.close().await;
}

#[tokio::test]
async fn a_recognizer_or_detector_that_fails_is_a_server_error() {
    for fails in ["stt", "vad"] {
        let dir = tempfile::tempdir().unwrap();
        let mut fakes = fakes();
        match fails {
            "stt" => fakes.stt = FakeStt::failing(),
            _ => fakes.vad = trunkline_testkit::FakeVad::failing(),
        }
        let face = open(dir.path(), &fakes).await;
        let answer = post(&face, "transcriptions", form("whisper-1")).await;
        assert_eq!(answer.status(), 500, "{fails}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "model_failed");
        face.close().await;
    }
}

#[tokio::test]
async fn speech_comes_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    for (format, kind, magic) in [
        (None, "audio/mpeg", &b"\xff\xf3"[..]),
        (Some("mp3"), "audio/mpeg", b"\xff\xf3"),
        (Some("opus"), "audio/opus", b"OggS"),
        (Some("flac"), "audio/flac", b"fLaC"),
        (Some("wav"), "audio/wav", b"RIFF\xff\xff\xff\xffWAVE"),
    ] {
        let mut body = json!({ "model": "tts-1", "voice": "alloy", "input": "Hello there, you." });
        if let Some(format) = format {
            body["response_format"] = json!(format);
        }
        let answer = speak(&face, &body).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], kind);
        let bytes = answer.bytes().await.unwrap();
        assert!(bytes.starts_with(magic), "{format:?}: {:?}", &bytes[..12]);
        // What is spoken can be heard: three words of 200 ms.
        let form = Form::new().text("model", "whisper-1").text("response_format", "verbose_json");
        let form = form.part("file", Part::bytes(bytes.to_vec()).file_name("a.wav"));
        let heard: Value = post(&face, "transcriptions", form).await.json().await.unwrap();
        let duration = heard["duration"].as_f64().unwrap();
        assert!((duration - 0.6).abs() < 0.1, "{format:?}: {heard}");
    }
    face.close().await;
}

#[tokio::test]
async fn raw_samples_and_events_carry_the_same_sound() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    let body = json!({ "model": "tts-1", "voice": { "id": "fake" }, "input": "One two.", "response_format": "pcm", "speed": 1.5, "instructions": "whisper" });
    let raw = speak(&face, &body).await;
    assert_eq!(raw.headers()["content-type"], "audio/pcm");
    let raw = raw.bytes().await.unwrap();
    assert_eq!(raw.len(), 2 * 9_600);
    let mut told = body.clone();
    told["stream_format"] = json!("sse");
    let answer = speak(&face, &told).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
    let events = events(&answer.text().await.unwrap());
    let (done, deltas) = events.split_last().unwrap();
    let sound: Vec<u8> = deltas
        .iter()
        .flat_map(|delta| {
            assert_eq!(delta["type"], "speech.audio.delta");
            base64(delta["audio"].as_str().unwrap())
        })
        .collect();
    assert!(sound == raw);
    assert_eq!(
        *done,
        json!({ "type": "speech.audio.done", "usage": { "input_tokens": 2, "output_tokens": 8, "total_tokens": 10 } })
    );
    face.close().await;
}

#[tokio::test]
async fn the_first_sound_leaves_before_the_last_is_made() {
    let dir = tempfile::tempdir().unwrap();
    // A clause takes 300 ms; a text of four is not waited for.
    let fakes = Fakes { tts: FakeTts::new(Duration::from_millis(300)), ..fakes() };
    let face = open(dir.path(), &fakes).await;
    let body = json!({ "model": "tts-1", "voice": "alloy", "input": "One two. Three four. Five six. Seven eight.", "response_format": "pcm" });
    let mut chunks = speak(&face, &body).await.bytes_stream();
    chunks.next().await.unwrap().unwrap();
    assert_eq!(fakes.tts.live().count(), 1, "the voice speaks on");
    let rest: usize = chunks.map(|chunk| chunk.unwrap().len()).fold(0, async |a, b| a + b).await;
    assert!(rest > 2 * 9_600 * 2);
    face.close().await;
}

#[tokio::test]
async fn speech_that_cannot_be_made_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &fakes()).await;
    let good = json!({ "model": "tts-1", "voice": "alloy", "input": "Hello." });
    for (name, value, code) in [
        ("model", json!(null), "invalid_value"),
        ("model", json!("nobody"), "model_not_found"),
        ("input", json!(""), "invalid_value"),
        ("input", json!("é".repeat(4_097)), "invalid_value"),
        ("input", json!("... 🎉"), "invalid_value"),
        ("voice", json!(null), "invalid_value"),
        ("voice", json!("nobody"), "invalid_value"),
        ("voice", json!(7), "invalid_value"),
        ("speed", json!(4.1), "invalid_value"),
        ("speed", json!("fast"), "invalid_value"),
        ("response_format", json!("aac"), "unsupported_value"),
        ("response_format", json!("midi"), "invalid_value"),
        ("stream_format", json!("smoke"), "invalid_value"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let answer = speak(&face, &body).await;
        let error = &answer.json::<Value>().await.unwrap()["error"];
        assert_eq!((&error["param"], &error["code"]), (&json!(name), &json!(code)), "{error}");
    }
    let longest = json!({ "model": "tts-1", "voice": "alloy", "input": "é".repeat(4_096) });
    assert_eq!(speak(&face, &longest).await.status(), 200);
    face.close().await;
    let dir = tempfile::tempdir().unwrap();
    let face = open(dir.path(), &Fakes { tts: FakeTts::failing(), ..fakes() }).await;
    assert_eq!(speak(&face, &good).await.status(), 500);
    face.close().await;
}

/// The upload with its second sentence from somebody louder.
fn two_voices() -> Vec<u8> {
    let second = 16_000 * 4;
    let samples = samples().into_iter().enumerate();
    let louder =
        samples.map(|(n, sample)| if n > second { sample.saturating_mul(5) } else { sample });
    hound_wav(16_000, louder)
}

fn diarized(known: &[(&'static str, Vec<u8>)]) -> Form {
    use base64::Engine as _;
    let file = Part::bytes(two_voices()).file_name("two.wav");
    let form = Form::new().text("model", "gpt-4o-transcribe-diarize").part("file", file);
    known.iter().fold(form.text("response_format", "diarized_json"), |form, (name, wav)| {
        let wav = base64::engine::general_purpose::STANDARD.encode(wav);
        form.text("known_speaker_names[]", *name)
            .text("known_speaker_references[]", format!("data:audio/wav;base64,{wav}"))
    })
}

async fn open_with_speakers(path: &Path) -> Face {
    let face = Face::open(path, &local()).await;
    let speakers = Some(Named::new("fake-speakers", Arc::new(FakeSpeakers) as _));
    face.api.serve(Served { speakers, ..served(&fakes()) });
    face
}

#[tokio::test]
async fn speakers_are_told_apart_by_letters_or_by_the_names_they_are_known_by() {
    let dir = tempfile::tempdir().unwrap();
    let face = open_with_speakers(dir.path()).await;
    let answer = post(&face, "transcriptions", diarized(&[])).await;
    assert_eq!(answer.status(), 200);
    insta::assert_json_snapshot!("diarized_json", answer.json::<Value>().await.unwrap());
    let known = [("Ann", hound_wav(16_000, samples().into_iter().map(|s| s.saturating_mul(5))))];
    let answer = post(&face, "transcriptions", diarized(&known)).await;
    let answer: Value = answer.json().await.unwrap();
    let speakers: Vec<_> =
        answer["segments"].as_array().unwrap().iter().map(|s| s["speaker"].clone()).collect();
    assert_eq!(speakers, [json!("A"), json!("Ann")], "{answer}");
    face.close().await;
}

#[tokio::test]
async fn a_stream_tells_the_speakers_once_all_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let face = open_with_speakers(dir.path()).await;
    let answer = post(&face, "transcriptions", diarized(&[]).text("stream", "true")).await;
    let told = events(&answer.text().await.unwrap());
    let kinds: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let (delta, segment) = ("transcript.text.delta", "transcript.text.segment");
    assert_eq!(kinds, [delta, delta, segment, segment, "transcript.text.done"]);
    assert_eq!((&told[2]["speaker"], &told[3]["speaker"]), (&json!("A"), &json!("B")));
    face.close().await;
}

fn local() -> GatewayConfig {
    GatewayConfig { bind: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() }
}

fn fakes() -> Fakes {
    let world = World::new(&SAID);
    let fakes = Fakes::new(world.clone(), &["."]);
    Fakes { stt: FakeStt::new(world, Duration::ZERO), tts: FakeTts::new(Duration::ZERO), ..fakes }
}

fn served(fakes: &Fakes) -> Served {
    let models = fakes.models();
    Served {
        llm: Named::new("fake-llm", models.llm),
        stt: Named::new("fake-stt", models.stt),
        tts: Named::new("fake-tts", models.tts),
        embedder: None,
        speakers: None,
        vad: models.vad,
    }
}

async fn open(path: &Path, fakes: &Fakes) -> Face {
    let face = Face::open(path, &local()).await;
    face.api.serve(served(fakes));
    face
}

fn url(face: &Face, route: &str) -> String {
    format!("http://{}/v1/audio/{route}", face.address)
}

async fn post(face: &Face, route: &str, form: Form) -> reqwest::Response {
    face.client.post(url(face, route)).multipart(form).send().await.unwrap()
}

async fn speak(face: &Face, body: &Value) -> reqwest::Response {
    face.client.post(url(face, "speech")).json(body).send().await.unwrap()
}

/// A form with what the caller said, for a model.
fn form(model: &'static str) -> Form {
    Form::new().text("model", model).part("file", Part::bytes(wav()).file_name("call.wav"))
}

fn wav() -> Vec<u8> {
    hound_wav(16_000, samples().into_iter())
}

fn samples() -> Vec<i16> {
    let world = World::new(&SAID);
    let frames = (0..LASTS_MS / 20).map(|n| world.frame(MediaTime::from_ms(20 * n)));
    frames.flat_map(|frame| frame.samples().to_vec()).collect()
}

fn hound_wav(sample_rate: u32, samples: impl Iterator<Item = i16>) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    samples.for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

fn events(text: &str) -> Vec<Value> {
    let events = text.split_terminator("\n\n");
    events
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}
