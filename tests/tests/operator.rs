//! Story: an operator starts, checks, breaks and restarts the server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    thread,
    time::Duration,
};

use trunkline_acceptance::{Server, program, run};

/// Answers calls with fakes: what is tested is everything around the models.
const FAKES: &str = "[models]\nllm = \"fake\"\n";

#[test]
fn five_mistakes_are_reported_together_with_file_line_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    let text = "[models]\nthreads = \"two\"\nsett = \"tiny\"\n\n[sip]\nbind = \"127.0.0.1:99999\"\n\n\
                [agents.sales]\nnumbers = []\n\n[agents.support]\nnumbers = [\"1\"]\nvoice_speed = 9.0\n";
    fs::write(&file, text).unwrap();
    let Some(checked) = run(&["check", "--config", file.to_str().unwrap()]) else { return };
    assert_eq!(checked.status.code(), Some(78));
    let said = String::from_utf8(checked.stderr).unwrap();
    for line in [2, 3, 6, 9, 13] {
        let place = format!("bad.toml:{line}:");
        let found = said.lines().find(|l| l.contains(&place));
        assert!(found.is_some_and(|l| l.contains("; ")), "no problem at line {line}: {said}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let Some(program) = program() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let output = Command::new(program)
        .arg("serve")
        .current_dir(dir.path())
        .env("TRUNKLINE__SIP__BIND", &bind)
        .env("TRUNKLINE__GATEWAY__BIND", "127.0.0.1:0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&bind), "{said}");
}

#[test]
fn missing_models_are_named_with_the_command_that_gets_them() {
    let empty = tempfile::tempdir().unwrap();
    let file = empty.path().join("t.toml");
    fs::write(&file, format!("[models]\ndir = {:?}\n", empty.path())).unwrap();
    let Some(checked) = run(&["check", "--config", file.to_str().unwrap()]) else { return };
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(said.contains("trunkline models pull") && said.contains("whisper-base"), "{said}");
    assert_eq!(checked.status.code(), Some(69));
}

#[test]
#[ignore = "needs models"]
fn real_models_that_do_not_fit_are_refused_with_the_sum_before_any_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.toml");
    let text = "[models]\nmemory_reserve_mib = 1048576\n[sip]\nbind = \"127.0.0.1:0\"\n";
    fs::write(&file, text).unwrap();
    for command in ["check", "serve"] {
        let Some(refused) = run(&[command, "--config", file.to_str().unwrap()]) else { return };
        assert_eq!(refused.status.code(), Some(78));
        let said = String::from_utf8(refused.stderr).unwrap();
        for words in ["keys and values = ", "1024.00 GiB of it left to others", "short by"] {
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn a_server_that_is_told_to_stop_stops_cleanly() {
    let Some(server) = Server::start(FAKES) else { return };
    let mut server = server.unwrap();
    assert_eq!(server.get("/health").unwrap().status, 200);
    assert!(server.get("/metrics").unwrap().body.contains("trunkline_concurrent_calls"));
    assert!(server.stop().unwrap().success());
    assert!(server.errors().is_empty(), "{:?}", server.errors());
}

/// 3 s of a square wave: the fakes take any sound for speech.
fn sound_file(server: &Server) -> String {
    let path = server.dir().join("speech.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..48_000 {
        wav.write_sample(if n % 40 < 20 { 8000i16 } else { -8000 }).unwrap();
    }
    wav.finalize().unwrap();
    path.to_str().unwrap().to_owned()
}

fn call(server: &Server, wavs: usize) -> serde_json::Value {
    let (to, admin) = (server.uri("demo"), format!("http://{}", server.http()));
    let wav = sound_file(server);
    let save = server.dir().join("saved");
    let mut arguments = vec!["call", "--to", &to, "--admin", &admin, "--json", "--save"];
    arguments.push(save.to_str().unwrap());
    arguments.push("--wav");
    arguments.extend(std::iter::repeat_n(wav.as_str(), wavs));
    let output = run(&arguments).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_call_is_answered_measured_and_kept() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let report = call(&server, 2);
    assert_eq!(report["outcome"], "completed");
    let turns = report["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 2, "{report:#}");
    for turn in turns {
        assert!(turn["heard"].as_str().is_some_and(|it| it.contains("open")), "{turn:#}");
        assert!(turn["reply"].as_str().is_some_and(|it| it.contains("nine")), "{turn:#}");
        let latency = &turn["latency_ms"];
        let sum: f64 = ["endpoint", "stt", "llm_first_token", "tts_first_audio", "playout"]
            .iter()
            .map(|stage| latency[stage].as_f64().unwrap())
            .sum();
        let total = latency["total"].as_f64().unwrap();
        // The two clocks are those of two processes' packets; a busy machine delays either.
        assert!((sum - total).abs() < 200.0, "stages {sum} total {total}");
    }
    let mut saved = hound::WavReader::open(report["reply_wav"].as_str().unwrap()).unwrap();
    assert_eq!(saved.spec().channels, 2);
    let right: Vec<i16> = saved.samples::<i16>().map(Result::unwrap).skip(1).step_by(2).collect();
    assert!(right.iter().any(|s| s.unsigned_abs() > 1000), "the reply is not in the recording");
    let kept = server.get(&format!("/admin/v1/calls/{}", report["call_id"].as_str().unwrap()));
    assert_eq!(kept.unwrap().status, 200);
    assert!(server.errors().is_empty(), "{:?}", server.errors());
}

fn bench(server: &Server, admin: &str, wav: &str, save: &std::path::Path) -> serde_json::Value {
    let to = server.uri("demo");
    let save = save.to_str().unwrap();
    let timing =
        ["--seconds", "6", "--ramp", "4", "--turns", "2", "--think", "0.3", "--barge-in", "0"];
    let mut arguments =
        vec!["bench", "--to", &to, "--admin", admin, "--clips", wav, "--save", save];
    arguments.extend(timing);
    arguments.extend(["--calls", "2", "--json"]);
    let output = run(&arguments).unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_load_of_calls_is_certified() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let (folder, save) = (server.dir().join("clips"), server.dir().join("certificate"));
    fs::create_dir(&folder).unwrap();
    fs::copy(sound_file(&server), folder.join("speech.wav")).unwrap();
    fs::write(folder.join("speech.txt"), "what time do you close").unwrap();
    let admin = format!("http://{}", server.http());
    let certificate = bench(&server, &admin, folder.to_str().unwrap(), &save);
    let level = &certificate["levels"][0];
    assert_eq!(level["callers"], 2, "{certificate:#}");
    assert!(level["turns"].as_u64().unwrap() >= 2 && level["unanswered"] == 0, "{level:#}");
    assert!(level["mouth_to_ear_ms"]["p95"].as_f64().unwrap() > 100.0, "{level:#}");
    assert!(level["words"].as_u64().unwrap() >= 10 && level["word_errors_percent"].is_number());
    assert!(level["server"]["cpu_seconds"].as_f64().unwrap() > 0.0, "{level:#}");
    assert_eq!(level["failed"].as_object().unwrap().len(), 0, "{level:#}");
    let hash = certificate["server"]["config_sha256"].as_str().unwrap();
    assert_eq!(hash.len(), 64, "{certificate:#}");
    let picture = fs::read_to_string(save.join("certificate.svg")).unwrap();
    assert!(picture.contains("<svg") && picture.contains("p95"), "{picture}");
    let saved = fs::read(save.join("certificate.json")).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&saved).unwrap(), certificate);
}

#[test]
fn after_a_crash_nothing_recorded_is_lost_and_open_calls_are_marked() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let finished = call(&server, 1);
    let (to, wav) = (server.uri("demo"), sound_file(&server));
    let mut open = Command::new(program().unwrap())
        .args(["call", "--to", &to, "--json", "--wav", &wav, &wav, &wav, &wav])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let open_calls = |server: &Server| {
        let body = server.get("/admin/v1/calls?outcome=open").unwrap().body;
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["data"].as_array().unwrap().len()
    };
    let waited = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        open_calls(&server) == 1
    });
    assert!(waited, "the second call never began");
    let server = server.crash_and_restart().unwrap();
    open.kill().unwrap();
    open.wait().unwrap();
    assert_eq!(open_calls(&server), 0);
    let path = format!("/admin/v1/calls/{}", finished["call_id"].as_str().unwrap());
    let kept: serde_json::Value = serde_json::from_str(&server.get(&path).unwrap().body).unwrap();
    assert_eq!(kept["turns"][0]["heard"], finished["turns"][0]["heard"]);
    let crashed = server.get("/admin/v1/calls?outcome=crashed").unwrap().body;
    assert!(crashed.contains("\"crashed\""), "{crashed}");
}

#[test]
fn a_slow_client_does_not_hold_up_others() {
    let Some(server) = Server::start(FAKES) else { return };
    let server = server.unwrap();
    let mut slow = std::net::TcpStream::connect(server.http()).unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n").unwrap();
    assert_eq!(server.get("/health").unwrap().status, 200);
    slow.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(slow.read(&mut [0; 16]).is_err(), "an unfinished request was answered");
}
