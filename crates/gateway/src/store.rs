//! The store: calls, their turns and decisions, for as long as they are kept.

pub mod sqlite;

use futures::future::BoxFuture;
use trunkline_session::{CallId, HangupReason, StageTimes};

use crate::{GatewayError, journal::Entry};

pub use crate::journal::Said;
pub use sqlite::SqliteStore;

/// What a store says.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// Keeps what the journal hands it and answers questions about calls.
///
/// Nothing on the audio path asks it anything: sessions note to the journal, the journal's own task
/// writes here, operators read.
pub trait Store: Send + Sync {
    /// Records entries in order, all or none, and with them the position of the last. Entries at or
    /// before the applied position are left out, so that a batch may be handed over again.
    fn record_batch<'a>(&'a self, entries: &'a [Entry]) -> Answer<'a, ()>;

    /// The position of the last entry recorded, durably; 0 before the first.
    fn applied_position(&self) -> Answer<'_, u64>;

    /// Marks every call that has not ended as ended for this reason, at the time of its last entry.
    /// Says how many there were.
    fn close_open_calls(&self, reason: HangupReason) -> Answer<'_, u64>;

    /// Up to `limit` calls that pass the filter, the newest first, from the call before `before` on.
    fn calls<'a>(
        &'a self,
        filter: &'a CallFilter,
        limit: u32,
        before: Option<CallId>,
    ) -> Answer<'a, Vec<Call>>;

    /// A call with everything that is known about it.
    fn call(&self, id: CallId) -> Answer<'_, Option<CallRecord>>;

    /// The newest call with this name on the wire: SIP's Call-ID.
    fn call_with_wire_id<'a>(&'a self, wire_id: &'a str) -> Answer<'a, Option<CallId>>;

    /// Whether the store answers.
    fn check_reachable(&self) -> Answer<'_, ()>;

    /// Finishes what is under way and lets go of the files. Later calls fail.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Which calls to list; a field that is `None` lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Part of who called, in any case.
    pub from: Option<String>,
    /// Part of who was called, in any case.
    pub to: Option<String>,
    /// How the call ended, or that it has not.
    pub outcome: Option<Outcome>,
    /// Calls answered at this time or later, microseconds since 1970 UTC.
    pub since_us: Option<i64>,
}

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Open,
    /// It ended, for this reason.
    Ended(HangupReason),
}

/// A call in a list. Times are microseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// Its name on the wire; empty where there is none.
    pub wire_id: String,
    /// Who took part.
    pub parties: Parties,
    /// When it was answered.
    pub started_at_us: i64,
    /// How it ended; `None` while it goes on.
    pub ended: Option<Ended>,
    /// How many turns the caller took.
    pub turn_count: u32,
}

/// Who took part in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// The kind of leg.
    pub leg: String,
    /// The agent's name.
    pub agent: String,
    /// Whose call it is.
    pub tenant: String,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When; for a crashed call the time of its last entry.
    pub at_us: i64,
    /// How long it lasted.
    pub duration_us: i64,
    /// Why: [`HangupReason::as_str`].
    pub outcome: String,
}

/// A call with everything that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// The call.
    pub call: Call,
    /// The caller's turns, by number.
    pub turns: Vec<Turn>,
    /// What was said that answers no turn, in order.
    pub prompts: Vec<Prompt>,
    /// Decisions, in order.
    pub decisions: Vec<Decision>,
}

/// A caller's turn and the reply to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Its number, from 1.
    pub number: u32,
    /// What was heard; `None` when that entry was lost.
    pub heard: Option<HeardTurn>,
    /// Where the time to the reply went; `None` when no reply sounded.
    pub latency: Option<StageTimes>,
    /// What the caller heard of the reply; `None` when there was none, or not yet.
    pub reply: Option<Said>,
}

/// What was heard in a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardTurn {
    /// The words.
    pub text: String,
    /// Why the turn ended.
    pub end_reason: String,
    /// How long the caller had been silent by then.
    pub silence_us: i64,
    /// The end-of-turn model's judgement, 0..=1.
    pub end_probability: Option<f64>,
    /// Where in the caller's audio the turn's sound ended.
    pub speech_end_media_ms: i64,
    /// When it was decided that the turn had ended.
    pub ended_at_us: i64,
}

/// A greeting, silence prompt, apology or farewell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// When it was over.
    pub at_us: i64,
    /// What of it was heard.
    pub said: Said,
}

/// A decision with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When.
    pub at_us: i64,
    /// What was decided, in one word.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// More, as JSON.
    pub detail: Option<serde_json::Value>,
    /// On what evidence, as JSON.
    pub evidence: Option<serde_json::Value>,
}
