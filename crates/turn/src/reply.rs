//! One reply of ours, from its preparation until it has been heard, stopped or failed.

use std::time::{Duration, Instant};

use crate::{ReplyCause, ReplyId, clauses::Clauses};

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) id: ReplyId,
    pub(crate) cause: ReplyCause,
    pub(crate) clauses: Clauses,
    pub(crate) is_ready: bool,
    pub(crate) is_released: bool,
    /// When something of it was last seen to come forward.
    pub(crate) progressed: Instant,
    /// Since when its audio is held.
    pub(crate) held: Option<Instant>,
    /// Why it failed. What had gone out by then is still being heard.
    pub(crate) failure: Option<String>,
}

impl Reply {
    pub(crate) fn new(id: ReplyId, cause: ReplyCause, now: Instant) -> Self {
        Self {
            id,
            cause,
            clauses: Clauses::default(),
            is_ready: false,
            is_released: false,
            progressed: now,
            held: None,
            failure: None,
        }
    }

    /// Whether the call ends when it has been heard.
    pub(crate) fn is_last(&self) -> bool {
        is_last(&self.cause)
    }

    /// Whether no more of it will be made.
    pub(crate) fn is_made(&self) -> bool {
        self.clauses.is_whole() || self.failure.is_some()
    }

    /// Whether the caller may hear some of it.
    pub(crate) fn is_sounding(&self) -> bool {
        self.is_ready && self.is_released && self.held.is_none()
    }

    /// Whether nothing more of it will be heard.
    pub(crate) fn is_over(&self) -> bool {
        let is_cut_short = self.failure.is_some() && self.clauses.is_played_out();
        self.is_released && (self.clauses.is_heard_whole() || is_cut_short)
    }

    /// When it counts as stuck, unless it comes forward: what has gone out must be heard first.
    pub(crate) fn stuck_at(&self, limit: Duration) -> Instant {
        self.progressed + self.clauses.unheard() + limit
    }

    /// Whether it asks something and will have been heard within `window`.
    pub(crate) fn ends_asking(&self, now: Instant, window: Duration) -> bool {
        let asks = self.clauses.last_words().is_some_and(|text| text.trim_end().ends_with('?'));
        asks && self.progressed + self.clauses.unheard() <= now + window
    }
}

/// Whether a reply said for this reason is followed by hanging up.
pub(crate) fn is_last(cause: &ReplyCause) -> bool {
    match cause {
        ReplyCause::Apology(_) | ReplyCause::Farewell(_) => true,
        ReplyCause::Greeting(_)
        | ReplyCause::Turn { .. }
        | ReplyCause::Ordered(_)
        | ReplyCause::Idle
        | ReplyCause::Silence(_) => false,
    }
}
