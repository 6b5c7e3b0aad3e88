//! The HTTP face over a real socket.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use trunkline_gateway::{GatewayConfig, GatewayError, KeyDigest, Server};
use trunkline_inference::lane::Load;

use crate::{
    sample::{answered, call, conversation, record, reply, sounded, turn_ended},
    world::Face,
};

const KEY: &str = "tk-operator";

fn local() -> GatewayConfig {
    GatewayConfig { bind: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() }
}

fn exposed() -> GatewayConfig {
    GatewayConfig {
        bind: "0.0.0.0:0".parse().unwrap(),
        admin_key_sha256: vec![KeyDigest::of("another"), KeyDigest::of(KEY)],
        ..GatewayConfig::default()
    }
}

#[tokio::test]
async fn a_call_is_shown_with_everything_known_about_it() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    face.world.note_all(conversation(call(1)));
    let (status, shown) = face.json(&format!("/admin/v1/calls/{}", call(1))).await;
    assert_eq!(status, 200);
    insta::assert_json_snapshot!("call", shown);
    // By its SIP Call-ID too.
    let (_, same) = face.json("/admin/v1/calls/a84b4c76e66710@pc33.example").await;
    assert_eq!(same, shown);
    face.close().await;
}

#[tokio::test]
async fn a_call_in_progress_says_null_where_nothing_is_known_yet() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    face.world.note_all([
        record(call(1), 0, answered("", "microphone")),
        record(call(1), 4500, turn_ended(1, "hello")),
    ]);
    let (_, shown) = face.json(&format!("/admin/v1/calls/{}", call(1))).await;
    insta::assert_json_snapshot!("call_in_progress", shown);
    face.close().await;
}

#[tokio::test]
async fn a_call_id_of_the_wire_may_look_like_one_of_ours_and_hold_any_sign() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    let theirs = call(99).to_string();
    face.world.note_all([
        record(call(1), 0, answered(&theirs, "sip:a@example.com")),
        record(call(2), 0, answered("a/b?c%d@x", "sip:b@example.com")),
    ]);
    let (_, shown) = face.json(&format!("/admin/v1/calls/{theirs}")).await;
    assert_eq!(shown["call_id"], call(1).to_string());
    let (_, shown) = face.json("/admin/v1/calls/a%2Fb%3Fc%25d@x").await;
    assert_eq!(shown["call_id"], call(2).to_string());
    face.close().await;
}

#[tokio::test]
async fn calls_are_listed_page_by_page_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    for number in 0..7 {
        let wire = format!("{number}@wire");
        face.world.note_all([record(call(number), 0, answered(&wire, "sip:a@example.com"))]);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = face.json(&format!("/admin/v1/calls?limit=3&cursor={cursor}")).await;
        assert_eq!(status, 200);
        let data = page["data"].as_array().unwrap();
        seen.extend(data.iter().map(|call| call["wire_id"].as_str().unwrap().to_owned()));
        assert_eq!(page["has_more"].as_bool().unwrap(), !page["next_cursor"].is_null());
        let Some(next) = page["next_cursor"].as_str() else { break };
        next.clone_into(&mut cursor);
    }
    let newest_first: Vec<_> = (0..7).rev().map(|number| format!("{number}@wire")).collect();
    assert_eq!(seen, newest_first);
    face.close().await;
}

#[tokio::test]
async fn a_list_has_its_shape_and_takes_filters() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    face.world.note_all(conversation(call(1)));
    face.world.note_all([record(call(2), 0, answered("two@wire", "sip:bob@example.com"))]);
    let (_, page) = face.json("/admin/v1/calls").await;
    insta::assert_json_snapshot!("calls", page);
    let count = async |query: &str| {
        let (status, page) = face.json(&format!("/admin/v1/calls?{query}")).await;
        assert_eq!(status, 200, "{query}");
        page["data"].as_array().unwrap().len()
    };
    assert_eq!(count("from=ALICE").await, 1);
    assert_eq!(count("to=demo&outcome=open").await, 1);
    assert_eq!(count("outcome=caller_hung_up").await, 1);
    assert_eq!(count("since=2026-11-21T06:24:55Z").await, 0);
    assert_eq!(count("since=1795242294").await, 2);
    face.close().await;
}

#[tokio::test]
async fn refusals_have_the_shape_that_openai_clients_read() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    for (name, path) in [
        ("bad_limit", "/admin/v1/calls?limit=0"),
        ("bad_outcome", "/admin/v1/calls?outcome=happy"),
        ("unknown_parameter", "/admin/v1/calls?colour=blue"),
        ("no_such_call", "/admin/v1/calls/nobody@nowhere"),
        ("no_such_route", "/admin/v1/nothing"),
        ("bad_path", "/admin/v1/calls/%ff"),
    ] {
        let (status, refusal) = face.json(path).await;
        insta::assert_json_snapshot!(
            name,
            serde_json::json!({ "status": status, "body": refusal })
        );
    }
    let posted = face.client.post(format!("http://{}/admin/v1/calls", face.address));
    let answer = posted.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 405);
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "method_not_allowed");
    face.close().await;
}

#[tokio::test]
async fn beyond_loopback_operators_show_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &exposed()).await;
    face.readiness.mark_ready("models");
    face.readiness.mark_ready("sip");
    let status = async |path: &str, authorization: Option<&str>| {
        let mut request = face.get(path);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let keys = [None, Some("Bearer wrong"), Some("Basic dGs="), Some("Bearer tk-operator")];
    for (path, expected) in [
        ("/health", [200, 200, 200, 200]),
        ("/ready", [200, 200, 200, 200]),
        ("/metrics", [401, 401, 401, 200]),
        ("/admin/v1/calls", [401, 401, 401, 200]),
        ("/admin/v1/calls/nobody", [401, 401, 401, 404]),
        ("/nothing", [404, 404, 404, 404]),
    ] {
        for (key, expected) in keys.into_iter().zip(expected) {
            assert_eq!(status(path, key).await, expected, "{path} {key:?}");
        }
    }
    let answer = face.get("/metrics").send().await.unwrap();
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    insta::assert_json_snapshot!("unauthorized", answer.json::<Value>().await.unwrap());
    let text = face.get("/metrics").bearer_auth(KEY).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("trunkline_auth_failures_total 10"), "{text}");
    face.close().await;
}

#[tokio::test]
async fn health_and_readiness_say_little_without_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &exposed()).await;
    let told = async |path: &str, key: &str| {
        let answer = face.get(path).bearer_auth(key).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(told("/health", "wrong").await, (200, r#"{"status":"alive"}"#.to_owned()));
    assert_eq!(told("/ready", "wrong").await, (503, r#"{"status":"not_ready"}"#.to_owned()));
    assert!(told("/health", KEY).await.1.contains("version"));
    face.readiness.mark_ready("models");
    face.readiness.mark_not_ready("sip", "port 5060 is in use");
    let (status, checks) = told("/ready", KEY).await;
    assert_eq!(status, 503);
    insta::assert_json_snapshot!("not_ready", serde_json::from_str::<Value>(&checks).unwrap());
    face.readiness.mark_ready("sip");
    assert_eq!(told("/ready", "wrong").await, (200, r#"{"status":"ready"}"#.to_owned()));
    face.world.store.close().await;
    let (status, checks) = told("/ready", KEY).await;
    assert_eq!(status, 503);
    assert!(checks.contains("call database failed"), "{checks}");
    face.close().await;
}

#[tokio::test]
async fn a_port_that_others_reach_is_not_bound_without_a_key() {
    for bind in ["0.0.0.0:0", "[::]:0"] {
        let config = GatewayConfig { bind: bind.parse().unwrap(), ..GatewayConfig::default() };
        let refused = Server::bind(&config).await.unwrap_err();
        assert!(matches!(refused, GatewayError::Exposed { .. }));
        assert!(refused.to_string().contains("set gateway.admin_key_sha256"));
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_a_remedy() {
    let first = Server::bind(&local()).await.unwrap();
    let config = GatewayConfig { bind: first.address(), ..GatewayConfig::default() };
    let refused = Server::bind(&config).await.unwrap_err().to_string();
    assert!(refused.contains(&first.address().to_string()) && refused.contains("gateway.bind"));
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    for path in ["/health", "/nothing", "/admin/v1/calls?limit=0"] {
        let answer = face.get(path).send().await.unwrap();
        assert!(answer.headers()["x-request-id"].to_str().unwrap().starts_with("req_"), "{path}");
    }
    let answer = face.get("/health").header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    face.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_and_heads_are_refused_and_the_server_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    let answer = face.get("/health").body("x".repeat(70_000)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    assert_eq!(answer.headers()["connection"], "close");
    let raw = |text: String| {
        let mut stream = TcpStream::connect(face.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = String::new();
        // The server may hang up while we still write.
        drop(stream.write_all(text.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)));
        answer.lines().next().unwrap_or_default().to_owned()
    };
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
    let (large, garbage) =
        tokio::task::block_in_place(|| (raw(head), raw("\u{1}\u{2} no http\r\n\r\n".into())));
    assert!(large.is_empty() || large.contains("431"), "{large}");
    assert!(garbage.is_empty() || garbage.contains("400"), "{garbage}");
    assert_eq!(face.json("/health").await.0, 200);
    face.close().await;
}

#[tokio::test]
async fn metrics_have_their_names_and_follow_calls() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    face.world.note_all(conversation(call(1)));
    face.world.note_all([
        record(call(2), 0, answered("two@wire", "sip:bob@example.com")),
        record(call(2), 100, sounded(1)),
        record(call(2), 200, reply(Some(1), "Yes.", true)),
    ]);
    face.world.metrics.call_set_up("sip", Duration::from_millis(12));
    face.world.metrics.gpu_memory_held(0, "qwen", 1 << 30);
    face.world.metrics.fell_back("tts", ("kokoro", "piper"), "failed");
    face.world.metrics.rate_limited("default");
    let load = Load::of("llm");
    load.stepped(4);
    face.world.metrics.watch_lane(Arc::new(load));
    face.world.journal.settle().await.unwrap();

    let answer = face.get("/metrics").send().await.unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(content_type.starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    // Buckets are a matter of taste, names and labels are not. Labels come in any order.
    // What the process takes is another figure at every scrape.
    let is_steady = |line: &&str| !line.contains("_bucket{") && !line.starts_with("process_");
    let mut names: Vec<_> = text.lines().filter(is_steady).collect();
    names.sort_unstable();
    insta::assert_snapshot!("metrics", names.join("\n"));
    face.close().await;
}

#[tokio::test]
async fn a_stopping_server_finishes_what_it_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    face.json("/health").await;
    let address = face.address;
    face.close().await;
    assert!(TcpStream::connect(address).is_err());
}
