//! The conversation's own time, which stands still while the call is on hold.

use std::time::{Duration, Instant};

/// Times inside the conversation are local; facts come in and deadlines go out in real time.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    now: Option<Instant>,
    held_since: Option<Instant>,
    held: Duration,
}

impl Clock {
    /// Takes the time; it never runs backwards.
    pub(super) fn set(&mut self, now: Instant) {
        self.now = Some(self.now.map_or(now, |before| before.max(now)));
    }

    /// What time it is in the conversation. `None` before the first input.
    pub(super) fn now(&self) -> Option<Instant> {
        self.now.map(|now| self.local(now))
    }

    /// Conversation time of a real time.
    pub(super) fn local(&self, at: Instant) -> Instant {
        let at = self.held_since.map_or(at, |held| at.min(held));
        at.checked_sub(self.held).unwrap_or(at)
    }

    /// Real time of a conversation time, when no hold comes in between.
    pub(super) fn real(&self, local: Instant) -> Instant {
        local + self.held
    }

    pub(super) fn is_held(&self) -> bool {
        self.held_since.is_some()
    }

    /// Real time at which the hold has lasted `limit`.
    pub(super) fn held_until(&self, limit: Duration) -> Option<Instant> {
        self.held_since.map(|since| since + limit)
    }

    pub(super) fn has_passed(&self, real: Instant) -> bool {
        self.now.is_some_and(|now| now >= real)
    }

    pub(super) fn hold(&mut self) {
        if self.held_since.is_none() {
            self.held_since = self.now;
        }
    }

    pub(super) fn go_on(&mut self) {
        if let (Some(since), Some(now)) = (self.held_since.take(), self.now) {
            self.held += now.saturating_duration_since(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_on_hold_and_goes_on_after_it() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut clock = Clock::default();
        assert_eq!(clock.now(), None);
        clock.set(at(100));
        clock.hold();
        clock.set(at(600));
        assert_eq!(clock.now(), Some(at(100)));
        assert_eq!(clock.held_until(Duration::from_secs(1)), Some(at(1100)));
        clock.go_on();
        clock.set(at(700));
        assert_eq!(clock.now(), Some(at(200)));
        assert_eq!(clock.real(at(200)), at(700));
        clock.set(at(50));
        assert_eq!(clock.now(), Some(at(200)), "never backwards");
    }
}
