//! What a list of calls is asked for.

use trunkline_session::{CallId, HangupReason};
use uuid::Uuid;

use crate::{
    refusal::Refusal,
    store::{CallFilter, Outcome},
    timestamp,
};

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 200;
/// The longest text to look for.
const TEXT_BYTES: usize = 256;
const OUTCOMES: [HangupReason; 10] = [
    HangupReason::CallerHungUp,
    HangupReason::Cancelled,
    HangupReason::AgentHungUp,
    HangupReason::CallerSilent,
    HangupReason::NoMedia,
    HangupReason::TooLong,
    HangupReason::ModelFailed,
    HangupReason::LegFailed,
    HangupReason::Shutdown,
    HangupReason::Crashed,
];

/// A checked query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) filter: CallFilter,
    pub(super) limit: u32,
    pub(super) before: Option<CallId>,
}

impl Question {
    /// Checks a query string's pairs. An empty value is as good as none.
    pub(super) fn parse(pairs: Vec<(String, String)>) -> Result<Self, Refusal> {
        let mut question =
            Self { filter: CallFilter::default(), limit: DEFAULT_LIMIT, before: None };
        for (name, value) in pairs {
            question.set(&name, value)?;
        }
        Ok(question)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        let is_set = !value.is_empty();
        match name {
            "from" => self.filter.from = is_set.then(|| text("from", value)).transpose()?,
            "to" => self.filter.to = is_set.then(|| text("to", value)).transpose()?,
            "outcome" => self.filter.outcome = is_set.then(|| outcome(&value)).transpose()?,
            "since" => self.filter.since_us = is_set.then(|| since(&value)).transpose()?,
            "limit" if is_set => self.limit = limit(&value)?,
            "limit" => self.limit = DEFAULT_LIMIT,
            "cursor" => self.before = is_set.then(|| cursor(&value)).transpose()?,
            _ => {
                let message =
                    "unknown parameter: there are from, to, outcome, since, limit, cursor";
                return Err(Refusal::bad_request(message, "unknown_parameter"));
            }
        }
        Ok(())
    }
}

fn text(param: &'static str, value: String) -> Result<String, Refusal> {
    if value.len() > TEXT_BYTES {
        return Err(Refusal::bad_param(param, format!("longer than {TEXT_BYTES} bytes")));
    }
    Ok(value)
}

fn outcome(value: &str) -> Result<Outcome, Refusal> {
    if value == "open" {
        return Ok(Outcome::Open);
    }
    let reason = OUTCOMES.into_iter().find(|reason| reason.as_str() == value);
    reason.map(Outcome::Ended).ok_or_else(|| {
        let known = OUTCOMES.map(HangupReason::as_str).join(", ");
        Refusal::bad_param("outcome", format!("not an outcome: there are open, {known}"))
    })
}

fn since(value: &str) -> Result<i64, Refusal> {
    timestamp::parse(value).ok_or_else(|| {
        let message = "neither RFC 3339 (2026-11-21T06:00:00Z) nor whole seconds since 1970";
        Refusal::bad_param("since", message)
    })
}

fn limit(value: &str) -> Result<u32, Refusal> {
    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Refusal::bad_param("limit", format!("not a number from 1 to {MOST}")))
}

fn cursor(value: &str) -> Result<CallId, Refusal> {
    let id = Uuid::parse_str(value).map(CallId);
    id.map_err(|_| Refusal::bad_param("cursor", "not the next_cursor of a page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Question, String> {
        let pairs = pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Question::parse(pairs).map_err(|refusal| format!("{refusal:?}"))
    }

    #[test]
    fn an_empty_query_asks_for_the_newest() {
        let newest = Question { filter: CallFilter::default(), limit: 50, before: None };
        assert_eq!(parse(&[]).unwrap(), newest);
        let empty = ["from", "to", "outcome", "since", "limit", "cursor"].map(|name| (name, ""));
        assert_eq!(parse(&empty).unwrap(), newest);
    }

    #[test]
    fn every_outcome_can_be_asked_for() {
        for reason in OUTCOMES {
            let question = parse(&[("outcome", reason.as_str())]).unwrap();
            assert_eq!(question.filter.outcome, Some(Outcome::Ended(reason)));
        }
        let open = parse(&[("outcome", "open")]).unwrap();
        assert_eq!(open.filter.outcome, Some(Outcome::Open));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let long = "x".repeat(257);
        for (name, value) in [
            ("from", long.as_str()),
            ("to", long.as_str()),
            ("outcome", "happy"),
            ("since", "yesterday"),
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "-1"),
            ("limit", "ten"),
            ("cursor", "next"),
        ] {
            let refusal = parse(&[(name, value)]).unwrap_err();
            assert!(refusal.contains(&format!("Some(\"{name}\")")), "{name}={value}: {refusal}");
        }
        assert!(parse(&[("colour", "blue")]).unwrap_err().contains("unknown_parameter"));
    }
}
