//! For whom a job is, and how soon.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// Whoever the work is for, as an opaque number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(pub u64);

/// What waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A caller, who notices when it is not done by `due`.
    Live {
        /// When it must be done.
        due: Instant,
    },
    /// Nobody yet: the transcription of a file, the analysis of a call that is over. It fills gaps.
    Batch,
}

/// For whom a job is, and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub tenant: Tenant,
    /// The tenant's weight: twice the weight, twice the share.
    pub weight: NonZeroU32,
    /// What waits for it.
    pub class: Class,
    /// Whether it is a call's: admission counts what those take.
    pub is_call: bool,
}

impl Claim {
    /// A caller's, of weight 1.
    pub fn live(tenant: Tenant, due: Instant) -> Self {
        Self { tenant, weight: NonZeroU32::MIN, class: Class::Live { due }, is_call: true }
    }

    /// One that nobody waits for, of weight 1.
    pub fn batch(tenant: Tenant) -> Self {
        Self { tenant, weight: NonZeroU32::MIN, class: Class::Batch, is_call: false }
    }

    /// The same for a program, which gives way to calls when there is too much to do.
    #[must_use]
    pub fn of_program(self) -> Self {
        Self { is_call: false, ..self }
    }

    /// The same with another weight.
    #[must_use]
    pub fn weighing(self, weight: NonZeroU32) -> Self {
        Self { weight, ..self }
    }

    /// When it must be done; `None` of batch work.
    pub fn due(&self) -> Option<Instant> {
        match self.class {
            Class::Live { due } => Some(due),
            Class::Batch => None,
        }
    }
}

/// What is promised to a caller. A due time is all that the schedule knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The words so far while the caller speaks, from when the sound of them was heard.
    PartialTranscript,
    /// The words of a turn, from when the caller stopped speaking.
    FinalTranscript,
    /// A chunk of the prompt read, from when the caller stopped speaking.
    PrefillChunk,
    /// The first clause spoken, from when the caller stopped speaking.
    FirstClause,
    /// A further clause spoken, from when the playout of the one before runs dry.
    NextClause,
}

/// How soon each promise is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promises {
    /// After the sound was heard. A partial transcript is of no use once the next one is due.
    pub partial_transcript: Duration,
    /// After the caller stopped speaking.
    pub final_transcript: Duration,
    /// After the caller stopped speaking.
    pub prefill_chunk: Duration,
    /// After the caller stopped speaking. Silence of 600 to 800 ms between turns feels slow
    /// (Stivers et al., PNAS 2009: the median over ten languages is 200 ms).
    pub first_clause: Duration,
    /// Before the playout runs dry: what the way to the caller takes.
    pub next_clause_lead: Duration,
}

impl Default for Promises {
    fn default() -> Self {
        Self {
            partial_transcript: Duration::from_millis(500),
            final_transcript: Duration::from_millis(450),
            prefill_chunk: Duration::from_millis(650),
            first_clause: Duration::from_millis(1_200),
            next_clause_lead: Duration::from_millis(60),
        }
    }
}

impl Promises {
    /// When `promise` is due, counted from the moment that its doc names.
    pub fn due(&self, promise: Promise, from: Instant) -> Instant {
        match promise {
            Promise::PartialTranscript => from + self.partial_transcript,
            Promise::FinalTranscript => from + self.final_transcript,
            Promise::PrefillChunk => from + self.prefill_chunk,
            Promise::FirstClause => from + self.first_clause,
            Promise::NextClause => from.checked_sub(self.next_clause_lead).unwrap_or(from),
        }
    }
}
