//! Which web pages may use the API.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::ApiConfig;

/// How long a browser may remember what it was told.
const REMEMBERED: Duration = Duration::from_mins(10);
/// What pages may read of an answer beside what they always may.
const TOLD: [&str; 5] = [
    "x-request-id",
    "openai-processing-ms",
    "openai-version",
    "retry-after",
    "x-ratelimit-remaining-requests",
];

/// Tells browsers that pages of the configured origins may send requests with a key, and no others.
/// Cookies are never used.
pub(super) fn layer(config: &ApiConfig) -> CorsLayer {
    let origins = if config.cors_origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let origins = config.cors_origins.iter();
        AllowOrigin::list(origins.filter_map(|origin| HeaderValue::try_from(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(
            TOLD.map(HeaderName::from_static)
                .into_iter()
                .chain([header::LOCATION])
                .collect::<Vec<_>>(),
        )
        .max_age(REMEMBERED)
}
