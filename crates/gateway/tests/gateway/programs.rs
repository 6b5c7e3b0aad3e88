//! What holds for every route of the API: keys, limits, headers, web pages. Over a real socket.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use trunkline_gateway::{ApiConfig, GatewayConfig, KeyDigest};

use crate::world::Face;

const ADMIN: &str = "tk-operator";
const KEY: &str = "sk-program";

fn local() -> GatewayConfig {
    GatewayConfig { bind: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() }
}

fn exposed() -> GatewayConfig {
    GatewayConfig {
        bind: "0.0.0.0:0".parse().unwrap(),
        admin_key_sha256: vec![KeyDigest::of(ADMIN)],
        ..GatewayConfig::default()
    }
}

fn keyed() -> ApiConfig {
    ApiConfig {
        key_sha256: vec![KeyDigest::of("sk-another"), KeyDigest::of(KEY)],
        ..ApiConfig::default()
    }
}

#[tokio::test]
async fn beyond_loopback_programs_show_a_key_as_openais_or_azures_clients_do() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open_for_programs(dir.path(), &exposed(), &keyed()).await;
    let status = async |name: &'static str, value: &str| {
        face.get("/v1/models").header(name, value).send().await.unwrap().status().as_u16()
    };
    // No models are loaded: whoever is let through is told so.
    assert_eq!(status("authorization", &format!("Bearer {KEY}")).await, 503);
    assert_eq!(status("authorization", &format!("Bearer {ADMIN}")).await, 503);
    assert_eq!(status("api-key", KEY).await, 503);
    for wrong in ["Bearer sk-wrong", "Bearer", "Basic dGs=", "sk-program"] {
        assert_eq!(status("authorization", wrong).await, 401, "{wrong}");
    }
    let refused = face.get("/v1/models").send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    insta::assert_json_snapshot!("api_unauthorized", refused.json::<Value>().await.unwrap());
    // A program's key opens no operator's door.
    let admin = face.get("/admin/v1/calls").bearer_auth(KEY).send().await.unwrap();
    assert_eq!(admin.status(), 401);
    face.close().await;
}

#[tokio::test]
async fn while_models_are_loaded_clients_are_told_when_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open(dir.path(), &local()).await;
    let answer = face.get("/v1/models").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "5");
    assert_eq!(answer.headers()["retry-after-ms"], "5000");
    assert_eq!(answer.headers()["openai-version"], "2020-10-01");
    assert!(answer.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
    let took: u64 = answer.headers()["openai-processing-ms"].to_str().unwrap().parse().unwrap();
    assert!(took < 5000);
    assert!(answer.headers().get("x-ratelimit-limit-requests").is_none());
    insta::assert_json_snapshot!("models_loading", answer.json::<Value>().await.unwrap());
    face.close().await;
}

#[tokio::test]
async fn a_key_over_its_limit_is_told_how_long_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiConfig { requests_per_minute: 2, tokens_per_minute: 1000, ..keyed() };
    let face = Face::open_for_programs(dir.path(), &exposed(), &api).await;
    let ask = async |key: &str| face.get("/v1/models").bearer_auth(key).send().await.unwrap();
    let first = ask(KEY).await;
    assert_eq!(first.headers()["x-ratelimit-limit-requests"], "2");
    assert_eq!(first.headers()["x-ratelimit-remaining-requests"], "1");
    assert_eq!(first.headers()["x-ratelimit-reset-requests"], "30s");
    assert_eq!(first.headers()["x-ratelimit-remaining-tokens"], "1000");
    ask(KEY).await;
    let over = ask(KEY).await;
    assert_eq!(over.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = over.headers()["retry-after-ms"].to_str().unwrap().parse().unwrap();
    assert!((1..=30_000).contains(&wait), "{wait}");
    let body: Value = over.json().await.unwrap();
    assert_eq!(body["error"]["type"], "requests");
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    assert_eq!(ask("sk-another").await.status(), 503);
    let metrics = face.get("/metrics").bearer_auth(ADMIN).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("trunkline_rate_limited_total{tenant=\"api\"} 1"), "{metrics}");
    face.close().await;
}

#[tokio::test]
async fn pages_of_the_configured_origins_may_use_the_api_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let page = "https://app.example";
    let api = ApiConfig { cors_origins: vec![page.to_owned()], ..keyed() };
    let face = Face::open_for_programs(dir.path(), &exposed(), &api).await;
    let url = format!("http://{}/v1/models", face.address);
    let preflight = async |origin: &'static str| {
        let request = face.client.request(Method::OPTIONS, &url);
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        let request = request.header("access-control-request-headers", "authorization");
        request.send().await.unwrap()
    };
    let told = preflight(page).await;
    assert!(told.status().is_success());
    assert_eq!(told.headers()["access-control-allow-origin"], page);
    assert_eq!(told.headers()["access-control-allow-headers"], "authorization");
    let stranger = preflight("https://other.example").await;
    assert!(stranger.headers().get("access-control-allow-origin").is_none());
    let asked = face.get("/v1/models").header("origin", page).bearer_auth(KEY);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], page);
    // A refusal can be read by the page too: it would otherwise look like a failed connection.
    let refused = face.get("/v1/models").header("origin", page).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["access-control-allow-origin"], page);
    face.close().await;
}

#[tokio::test]
async fn on_loopback_a_page_from_elsewhere_needs_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let face = Face::open_for_programs(dir.path(), &local(), &keyed()).await;
    let status = async |origin: &'static str| {
        let request = face.get("/v1/models").header("origin", origin);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("http://localhost:3000").await, 503);
    assert_eq!(status("https://page.example").await, 401);
    face.close().await;
}
