//! How many requests of programs are taken in, and for how long: each key's allowance, requests at
//! once, time to answer; and the headers that tell of it.

mod allowance;
mod held;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::allowance::Kind;
use self::{
    allowance::{Allowances, Standing},
    held::Held,
};
use super::guard::Caller;
use crate::{Admissions, ApiConfig, Metrics, refusal::Refusal};

/// The version of OpenAI's API that is spoken.
const OPENAI_VERSION: &str = "2020-10-01";

/// What is taken in. Cloning shares it.
#[derive(Clone)]
pub struct Intake {
    at_once: Arc<Semaphore>,
    most: u32,
    closed: CancellationToken,
    answer_time: Duration,
    allowances: Arc<Allowances>,
    metrics: Metrics,
    admissions: Admissions,
}

/// Takes note of what somebody's requests cost. In the extensions of every request of a program.
#[derive(Clone)]
pub(crate) struct Meter {
    intake: Intake,
    caller: Caller,
}

impl Meter {
    /// Of this caller.
    pub(crate) fn new(intake: Intake, caller: Caller) -> Self {
        Self { intake, caller }
    }

    /// Whose requests these are, as a number.
    pub(crate) fn owner(&self) -> u64 {
        self.caller.cache_salt()
    }

    /// The request took so many tokens; counted against what its key may take in a minute.
    pub(crate) fn spent(&self, tokens: u32) {
        self.intake.allowances.spend(self.caller, tokens, Instant::now().into_std());
    }

    /// Lets in what comes over an open socket, as a request: at work until the permit is dropped.
    pub(crate) fn admit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let admitted = self.intake.admit(self.caller);
        admitted.map(|admitted| admitted.permit).map_err(|refused| refused.refusal)
    }

    /// Lets in a session: a request of the key, with a place of its own.
    pub(crate) fn open_session(&self) -> Result<(), Refusal> {
        self.intake.take(self.caller).map(drop).map_err(|refused| refused.refusal)
    }

    /// Whether the calls in progress leave room for a session.
    pub(crate) fn has_room_for_session(&self) -> bool {
        self.intake.admissions.session().is_ok()
    }

    /// Until no more requests are taken.
    pub(crate) async fn closed(&self) {
        self.intake.closed.cancelled().await;
    }
}

/// What a request that is let in has.
struct Admitted {
    permit: OwnedSemaphorePermit,
    standing: Standing,
}

/// Why a request is not let in.
struct Refused {
    refusal: Refusal,
    standing: Box<Standing>,
}

impl Intake {
    /// As `config` says.
    pub fn new(config: &ApiConfig, metrics: Metrics, admissions: Admissions) -> Self {
        let most = config.max_requests.max(1);
        Self {
            at_once: Arc::new(Semaphore::new(most as usize)),
            most,
            closed: CancellationToken::new(),
            answer_time: Duration::from_secs(config.timeout_seconds.into()),
            allowances: Arc::new(Allowances::new(config)),
            metrics,
            admissions,
        }
    }

    fn admit(&self, caller: Caller) -> Result<Admitted, Refused> {
        let standing = self.take(caller)?;
        if let Err(wait) = self.admissions.request() {
            self.metrics.rate_limited(caller.name());
            let refusal = Refusal::overloaded(wait);
            return Err(Refused { refusal, standing: Box::new(standing) });
        }
        let Ok(permit) = Arc::clone(&self.at_once).try_acquire_owned() else {
            self.metrics.rate_limited(caller.name());
            let refusal = Refusal::busy("as many requests are at work as may be; try again");
            return Err(Refused { refusal, standing: Box::new(standing) });
        };
        Ok(Admitted { permit, standing })
    }

    /// Takes a request off the caller's allowance.
    fn take(&self, caller: Caller) -> Result<Standing, Refused> {
        if self.closed.is_cancelled() {
            return Err(Refused { refusal: Refusal::stopping(), standing: Box::default() });
        }
        self.allowances.take(caller, Instant::now().into_std()).map_err(|over| {
            self.metrics.rate_limited(caller.name());
            let refusal = Refusal::over_limit(over.what, over.wait);
            Refused { refusal, standing: Box::new(over.standing) }
        })
    }

    /// Takes no more requests, and waits until those at work are over.
    pub async fn drain(&self) {
        self.closed.cancel();
        // Closed by nobody; once all permits are here nothing is at work.
        drop(self.at_once.acquire_many(self.most).await);
    }
}

/// Lets a request of a program in, or says why not.
pub(super) async fn take_in(
    State(intake): State<Intake>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let Admitted { permit, standing } = match intake.admit(caller) {
        Ok(admitted) => admitted,
        Err(refused) => {
            let mut response = refused.refusal.into_response();
            tell_standing(response.headers_mut(), &refused.standing);
            return response;
        }
    };
    request.extensions_mut().insert(Meter::new(intake.clone(), caller));
    let answered = timeout(intake.answer_time, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| Refusal::too_slow().into_response());
    let headers = response.headers_mut();
    tell_standing(headers, &standing);
    headers.insert("openai-version", HeaderValue::from_static(OPENAI_VERSION));
    set(headers, "openai-processing-ms", started.elapsed().as_millis().to_string());
    response.map(|body| axum::body::Body::new(Held::new(body, permit)))
}

/// `x-ratelimit-*`, where there is a limit.
fn tell_standing(headers: &mut HeaderMap, standing: &Standing) {
    let limits = [(&standing.requests, REQUESTS), (&standing.tokens, TOKENS)];
    for (left, [limit, remaining, reset]) in limits {
        let Some(left) = left else { continue };
        set(headers, limit, left.limit.to_string());
        set(headers, remaining, left.remaining.to_string());
        set(headers, reset, allowance::written(left.reset));
    }
}

const REQUESTS: [&str; 3] =
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
const TOKENS: [&str; 3] =
    ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];

fn set(headers: &mut HeaderMap, name: &'static str, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    impl Meter {
        /// Of an operator without limits.
        pub(crate) fn for_tests() -> Self {
            Self::new(intake(1, 10), Caller::Operator)
        }
    }

    fn intake(most: u32, seconds: u32) -> Intake {
        let config =
            ApiConfig { max_requests: most, timeout_seconds: seconds, ..ApiConfig::default() };
        Intake::new(&config, Metrics::new(Duration::from_secs(2)), Admissions::open())
    }

    /// A route that answers at once with a body that never ends, and one that never answers.
    fn service(intake: &Intake) -> TowerToHyperService<Router> {
        let endless = || async {
            Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>())
        };
        let router = Router::new()
            .route("/endless", get(endless))
            .route("/never", get(std::future::pending::<()>))
            .route("/quick", get(|| async { "done" }))
            .route_layer(middleware::from_fn_with_state(intake.clone(), take_in))
            .layer(Extension(Caller::Operator));
        TowerToHyperService::new(router)
    }

    fn to(path: &str) -> Request {
        Request::builder().uri(path).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_request_is_at_work_until_its_answer_is_sent_whole_or_given_up() {
        let intake = intake(1, 10);
        let service = service(&intake);
        let first = service.call(to("/endless")).await.unwrap();
        assert_eq!(first.status(), 200);
        let refused = service.call(to("/quick")).await.unwrap();
        assert_eq!(refused.status(), 429);
        assert!(refused.headers().contains_key("retry-after"));
        drop(first);
        assert_eq!(service.call(to("/quick")).await.unwrap().status(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_begin_in_time_is_a_refusal_that_frees_its_place() {
        let intake = intake(1, 10);
        let service = service(&intake);
        assert_eq!(service.call(to("/never")).await.unwrap().status(), 503);
        assert_eq!(service.call(to("/quick")).await.unwrap().status(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_drains_refuses_new_requests_and_waits_for_the_others() {
        let intake = intake(4, 10);
        let service = service(&intake);
        let running = service.call(to("/endless")).await.unwrap();
        let second = Duration::from_secs(1);
        assert!(timeout(second, intake.drain()).await.is_err());
        let refused = service.call(to("/quick")).await.unwrap();
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "5");
        drop(running);
        assert!(timeout(second, intake.drain()).await.is_ok());
    }
}
