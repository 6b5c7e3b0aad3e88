//! What happens around every request: an id, a span, limits, and who may ask what.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{Extension, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use tracing::Instrument;
use trunkline_inference::{cache_salt, schedule::Tenant};
use uuid::Uuid;

use crate::{ApiConfig, GatewayConfig, KeyDigest, Metrics, refusal::Refusal};

/// How long an answer may take.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// The longest body of a request to an operator's route; none of them reads one.
const BODY_BYTES: u64 = 64 * 1024;
/// The longest request id taken from a client.
const REQUEST_ID_BYTES: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who may ask what.
#[derive(Clone)]
pub struct Access {
    keys: Arc<[KeyDigest]>,
    api_keys: Arc<[KeyDigest]>,
    bound_to_loopback: bool,
    metrics: Metrics,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// It showed an admin key, or comes from this machine to a server that only this machine reaches.
    Operator,
    /// It showed the API key of this number.
    Program(usize),
    /// Anybody.
    Anyone,
}

impl Caller {
    /// What logs and metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Program(_) => "api",
            Self::Anyone => "unknown",
        }
    }

    /// What keeps the evaluated prompts of one key's requests from those of others.
    pub(crate) fn cache_salt(self) -> u64 {
        match self {
            Self::Operator => cache_salt("operator"),
            Self::Program(number) => cache_salt(("program", number)),
            Self::Anyone => cache_salt("anyone"),
        }
    }

    /// Who is charged for what models do for it.
    pub(crate) fn tenant(self) -> Tenant {
        Tenant(self.cache_salt())
    }
}

impl Access {
    /// The rules of a server that is bound and keyed as `config` says.
    pub fn new(config: &GatewayConfig, api: &ApiConfig, metrics: Metrics) -> Self {
        Self {
            keys: config.admin_key_sha256.clone().into(),
            api_keys: api.key_sha256.clone().into(),
            bound_to_loopback: config.bind.ip().is_loopback(),
            metrics,
        }
    }

    fn caller(&self, headers: &HeaderMap) -> Caller {
        let local = self.bound_to_loopback && came_straight_from_this_machine(headers);
        let shown = shown_key(headers).map(KeyDigest::of);
        let known = |keys| shown.as_ref().and_then(|shown| position(keys, shown));
        match known(&self.api_keys) {
            Some(number) => Caller::Program(number),
            None if local || known(&self.keys).is_some() => Caller::Operator,
            None => Caller::Anyone,
        }
    }
}

/// Compares with every key, so that the time taken does not tell which one was close.
fn position(keys: &[KeyDigest], shown: &KeyDigest) -> Option<usize> {
    let each = keys.iter().enumerate();
    each.fold(None, |found, (number, key)| found.or(key.matches(shown).then_some(number)))
}

/// Whether a request to a loopback port was sent by a program here on its own behalf: not by a
/// proxy for somebody else, nor by a browser that a web page led here under another host name
/// (DNS rebinding).
fn came_straight_from_this_machine(headers: &HeaderMap) -> bool {
    let proxied = headers.contains_key(header::FORWARDED)
        || headers.contains_key(HeaderName::from_static("x-forwarded-for"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    !proxied && host.is_some_and(names_loopback) && !is_sent_by_a_page_from_elsewhere(headers)
}

/// Whether a browser sent the request for a page of another machine: browsers send such requests, and
/// open such sockets, before they ask anybody.
fn is_sent_by_a_page_from_elsewhere(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    !host.is_some_and(|(_, host)| names_loopback(host))
}

fn names_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The key of `Authorization: Bearer KEY` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// The WebSocket sub-protocol of the Realtime API.
pub(crate) const PROTOCOL: &str = "realtime";
/// Beside it browsers, which cannot send headers of their own, show the key.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// The key that a request shows: as OpenAI's clients do, as Azure's (`api-key: KEY`), or as browsers do
/// that open a WebSocket.
pub(crate) fn shown_key(headers: &HeaderMap) -> Option<&str> {
    let azures = || headers.get("api-key")?.to_str().ok().map(str::trim);
    bearer(headers).or_else(azures).or_else(|| offered_key(headers))
}

/// The key among the sub-protocols of a WebSocket.
fn offered_key(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut protocols = offered.filter_map(|all| all.to_str().ok()).flat_map(|all| all.split(','));
    protocols.find_map(|protocol| protocol.trim().strip_prefix(KEY_PROTOCOL))
}

/// The answer to a program whose key is missing or not known.
pub(crate) fn unknown_key(headers: &HeaderMap) -> Refusal {
    Refusal::unauthorized(match shown_key(headers) {
        Some(_) => "Incorrect API key provided: this server does not know it",
        None => "an API key is needed: send Authorization: Bearer KEY",
    })
}

/// Finds out who asks, for the routes that tell operators more.
pub(super) async fn recognize(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = access.caller(request.headers());
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Lets operators through.
pub(super) async fn require_key(
    State(access): State<Access>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    match caller {
        Caller::Operator => next.run(request).await,
        Caller::Anyone | Caller::Program(_) => {
            access.metrics.auth_failed();
            let message = match shown_key(request.headers()) {
                Some(_) => "this admin key is not known",
                None => "an admin key is needed: send Authorization: Bearer KEY",
            };
            Refusal::unauthorized(message).into_response()
        }
    }
}

/// Lets programs and operators through.
pub(super) async fn require_api_key(
    State(access): State<Access>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    match caller {
        Caller::Operator | Caller::Program(_) => next.run(request).await,
        Caller::Anyone => {
            access.metrics.auth_failed();
            unknown_key(request.headers()).into_response()
        }
    }
}

/// Bounds the body and the time of a request.
pub(super) async fn limit(request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_BYTES) {
        return Refusal::too_large(BODY_BYTES).into_response();
    }
    timeout(REQUEST_TIME, next.run(request))
        .await
        .unwrap_or_else(|_| Refusal::too_slow().into_response())
}

/// Gives the request an id and a span of its own. Neither query nor headers are logged: they name
/// callers and hold keys.
pub(super) async fn trace(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    let span = tracing::info_span!("request", id, method = %request.method(), route);
    async move {
        let mut response = next.run(request).await;
        tracing::debug!(status = response.status().as_u16(), "answered");
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
    .instrument(span)
    .await
}

/// The client's id for the request where it is fit for a log, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let is_plain = |id: &&str| {
        (1..=REQUEST_ID_BYTES).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_plain);
    given.map_or_else(|| format!("req_{}", Uuid::now_v7().simple()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn access(bind: &str, keys: &[&str]) -> Access {
        let admin_key_sha256 = keys.iter().map(|key| KeyDigest::of(key)).collect();
        let config = GatewayConfig {
            bind: bind.parse().unwrap(),
            admin_key_sha256,
            ..GatewayConfig::default()
        };
        Access::new(&config, &ApiConfig::default(), Metrics::new(Duration::from_secs(2)))
    }

    #[test]
    fn a_key_makes_an_operator_and_nothing_else_does_beyond_loopback() {
        let access = access("0.0.0.0:8080", &["first", "second"]);
        let caller = |authorization| {
            access.caller(&headers(&[("host", "127.0.0.1"), ("authorization", authorization)]))
        };
        assert_eq!(caller("Bearer first"), Caller::Operator);
        assert_eq!(caller("bearer second"), Caller::Operator);
        for wrong in ["Bearer third", "Bearer ", "Bearer", "Basic first", "first", "Bearer FIRST"] {
            assert_eq!(caller(wrong), Caller::Anyone, "{wrong}");
        }
        assert_eq!(access.caller(&headers(&[("host", "localhost")])), Caller::Anyone);
    }

    #[test]
    fn on_loopback_this_machine_is_the_operator() {
        let access = access("127.0.0.1:8080", &[]);
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.8.9.1"] {
            assert_eq!(access.caller(&headers(&[("host", host)])), Caller::Operator, "{host}");
        }
    }

    #[test]
    fn on_loopback_proxies_and_rebound_names_need_a_key() {
        let access = access("127.0.0.1:8080", &["key"]);
        let strangers: [&[(&'static str, &str)]; 8] = [
            &[("host", "attacker.example:8080")],
            &[("host", "127.0.0.1.attacker.example")],
            &[("host", "10.0.0.1")],
            &[("host", "localhost"), ("x-forwarded-for", "203.0.113.7")],
            &[("host", "localhost"), ("forwarded", "for=203.0.113.7")],
            &[("host", "localhost"), ("origin", "https://page.example")],
            &[("host", "localhost"), ("origin", "null")],
            &[],
        ];
        for stranger in strangers {
            assert_eq!(access.caller(&headers(stranger)), Caller::Anyone, "{stranger:?}");
        }
        let keyed = headers(&[("host", "trunkline.example"), ("authorization", "Bearer key")]);
        assert_eq!(access.caller(&keyed), Caller::Operator);
    }

    #[test]
    fn browsers_show_their_key_among_the_protocols_of_a_web_socket() {
        let access = access("0.0.0.0:8080", &["first"]);
        let caller = |protocols| {
            access.caller(&headers(&[("host", "x"), ("sec-websocket-protocol", protocols)]))
        };
        assert_eq!(caller("realtime, openai-insecure-api-key.first"), Caller::Operator);
        assert_eq!(caller("realtime,openai-insecure-api-key.second"), Caller::Anyone);
        assert_eq!(caller("realtime, first"), Caller::Anyone);
    }

    #[test]
    fn a_request_id_is_kept_when_it_is_fit_for_a_log() {
        let id = |given| request_id(&headers(&[("x-request-id", given)]));
        assert_eq!(id("abc-1_2.3"), "abc-1_2.3");
        let long = "x".repeat(REQUEST_ID_BYTES + 1);
        for unfit in ["", "two words", "a\"b", long.as_str()] {
            assert!(id(unfit).starts_with("req_"), "{unfit}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_too_long_is_a_refusal() {
        use axum::{Router, body::Body, middleware, routing::get};
        use hyper::service::Service;
        let never = Router::new()
            .route("/", get(std::future::pending::<()>))
            .layer(middleware::from_fn(limit));
        let service = hyper_util::service::TowerToHyperService::new(never);
        let response = service.call(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status().as_u16(), 503);
    }
}
