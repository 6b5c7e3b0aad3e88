//! What each key may ask for in a minute: requests, and tokens of language models.
//!
//! A bucket a key and kind that fills evenly. What a request costs in tokens is known when it is over,
//! so a bucket may fall below zero; the key then waits until it is above again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Caller;
use crate::ApiConfig;

const MINUTE: Duration = Duration::from_mins(1);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Requests.
    Requests,
    /// Tokens of language models, read and written.
    Tokens,
}

/// The allowances of all keys.
pub(super) struct Allowances {
    /// One a key, then that of operators.
    accounts: Vec<Mutex<Account>>,
}

#[derive(Clone, Debug)]
struct Account {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// How a key stands: nothing where there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) requests: Option<Left>,
    pub(super) tokens: Option<Left>,
}

/// What is left of a limit, and when it will be whole again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset: Duration,
}

/// A request that is over the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OverLimit {
    pub(super) what: Kind,
    pub(super) wait: Duration,
    pub(super) standing: Standing,
}

impl Allowances {
    pub(super) fn new(config: &ApiConfig) -> Self {
        let now = Instant::now();
        let bucket = |limit: u32| (limit > 0).then(|| Bucket::full(limit, now));
        let account = Account {
            requests: bucket(config.requests_per_minute),
            tokens: bucket(config.tokens_per_minute),
        };
        let accounts = (0..=config.key_sha256.len()).map(|_| Mutex::new(account.clone()));
        Self { accounts: accounts.collect() }
    }

    /// Takes one request off what the caller may ask for.
    pub(super) fn take(&self, caller: Caller, now: Instant) -> Result<Standing, OverLimit> {
        let mut account = self.account(caller).lock().unwrap_or_else(PoisonError::into_inner);
        let checked = [
            (Kind::Requests, account.requests.as_mut().and_then(|b| b.wait_for(1.0, now))),
            (Kind::Tokens, account.tokens.as_mut().and_then(|b| b.wait_for(1.0, now))),
        ];
        for (what, wait) in checked {
            if let Some(wait) = wait {
                return Err(OverLimit { what, wait, standing: account.standing() });
            }
        }
        if let Some(requests) = &mut account.requests {
            requests.left -= 1.0;
        }
        Ok(account.standing())
    }

    /// Takes tokens off, below zero too.
    pub(super) fn spend(&self, caller: Caller, tokens: u32, now: Instant) {
        let mut account = self.account(caller).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = &mut account.tokens {
            bucket.fill(now);
            bucket.left -= f64::from(tokens);
        }
    }

    fn account(&self, caller: Caller) -> &Mutex<Account> {
        let last = self.accounts.len() - 1;
        match caller {
            Caller::Program(number) => &self.accounts[number.min(last)],
            Caller::Operator | Caller::Anyone => &self.accounts[last],
        }
    }
}

impl Account {
    fn standing(&self) -> Standing {
        let left = |bucket: &Option<Bucket>| bucket.as_ref().map(Bucket::left);
        Standing { requests: left(&self.requests), tokens: left(&self.tokens) }
    }
}

#[derive(Clone, Debug)]
struct Bucket {
    limit: u32,
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(limit: u32, now: Instant) -> Self {
        Self { limit, left: f64::from(limit), at: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let gained = f64::from(self.limit) * passed.as_secs_f64() / MINUTE.as_secs_f64();
        self.left = (self.left + gained).min(f64::from(self.limit));
        self.at = now;
    }

    /// How long until there is as much; `None` when there is.
    fn wait_for(&mut self, amount: f64, now: Instant) -> Option<Duration> {
        self.fill(now);
        (self.left < amount).then(|| self.time_for(amount - self.left))
    }

    fn time_for(&self, amount: f64) -> Duration {
        MINUTE.mul_f64(amount / f64::from(self.limit))
    }

    fn left(&self) -> Left {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the limit, which is a u32"
        )]
        let remaining = self.left.clamp(0.0, f64::from(self.limit)) as u32;
        let reset = self.time_for(f64::from(self.limit) - self.left);
        Left { limit: self.limit, remaining, reset }
    }
}

/// A time as OpenAI writes it: `20ms`, `1s`, `6m0s`.
pub(super) fn written(time: Duration) -> String {
    let ms = time.as_millis();
    if ms < 1000 {
        return format!("{ms}ms");
    }
    // Rounded up: who waits as long finds the limit whole again.
    let seconds = ms.div_ceil(1000);
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyDigest;

    fn allowances(requests: u32, tokens: u32) -> Allowances {
        Allowances::new(&ApiConfig {
            key_sha256: vec![KeyDigest::of("a"), KeyDigest::of("b")],
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            ..ApiConfig::default()
        })
    }

    fn later(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let allowances = allowances(0, 0);
        for _ in 0..1000 {
            assert_eq!(allowances.take(Caller::Program(0), later(0)), Ok(Standing::default()));
        }
    }

    #[test]
    fn each_key_has_its_own_allowance_that_fills_evenly() {
        let allowances = allowances(2, 0);
        let start = later(0);
        let take =
            |key, ms| allowances.take(Caller::Program(key), start + Duration::from_millis(ms));
        let first = take(0, 0).unwrap().requests.unwrap();
        assert_eq!((first.limit, first.remaining), (2, 1));
        assert!((29_000..=30_000).contains(&first.reset.as_millis()), "{first:?}");
        assert!(take(0, 0).is_ok());
        let over = take(0, 0).unwrap_err();
        assert_eq!(over.what, Kind::Requests);
        assert!((29_000..=30_000).contains(&over.wait.as_millis()), "{over:?}");
        assert!(take(1, 0).is_ok(), "another key is not concerned");
        assert!(take(0, 30_001).is_ok());
        assert!(take(0, 30_002).is_err());
    }

    #[test]
    fn tokens_are_spent_afterwards_and_the_debt_is_waited_out() {
        let allowances = allowances(0, 600);
        let start = later(0);
        assert!(allowances.take(Caller::Operator, start).is_ok());
        allowances.spend(Caller::Operator, 900, start);
        let over = allowances.take(Caller::Operator, start).unwrap_err();
        assert_eq!(over.what, Kind::Tokens);
        assert!((30_000..=30_200).contains(&over.wait.as_millis()), "{over:?}");
        assert_eq!(over.standing.tokens.unwrap().remaining, 0);
        assert!(allowances.take(Caller::Operator, start + Duration::from_secs(31)).is_ok());
        assert!(allowances.take(Caller::Program(0), start).is_ok());
    }

    #[test]
    fn times_are_written_as_openai_does() {
        let ms = Duration::from_millis;
        for (time, text) in
            [(20, "20ms"), (1000, "1s"), (1001, "2s"), (59_001, "1m0s"), (360_000, "6m0s")]
        {
            assert_eq!(written(ms(time)), text);
        }
    }
}
