//! For whom a model works, and how soon it must be done.

use std::time::{Duration, Instant};

use crate::schedule::{Claim, Promise, Promises, Tenant, Waiting};

/// Tokens of a first clause: a comma, or five words, end it.
pub const FIRST_CLAUSE_TOKENS: u32 = 8;
/// How long a token of a reply sounds: speech has three or four words a second.
const TOKEN_SOUNDS: Duration = Duration::from_millis(200);
/// What is left to the voice of the time until a clause is to sound, and to the rest of the clause. In the simulation
/// of an A100 (`benches/RESULTS.md`, B11) 0 carries 199 calls with one step at a time, 300 ms 256, 500 ms 265.
const VOICE_TAKES: Duration = Duration::from_millis(500);
/// A program is given its first token within this, and each further one as soon after the one before: the
/// server scenario of `MLPerf` Inference for chat models of 8B (`loadgen/mlperf.conf`).
const PROGRAM_FIRST: Duration = Duration::from_secs(2);
const PROGRAM_NEXT: Duration = Duration::from_millis(100);

/// Who waits for an answer, and so how soon it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Somebody on the line, who hears silence meanwhile.
    Caller,
    /// A program that reads the answer as it comes.
    #[default]
    Program,
    /// Nobody yet.
    Nobody,
}

/// For whom a model works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Who is charged for it.
    pub tenant: Tenant,
    /// Who waits for it.
    pub audience: Audience,
}

impl Party {
    /// A caller of a tenant.
    pub fn caller(tenant: Tenant) -> Self {
        Self { tenant, audience: Audience::Caller }
    }

    /// A program of a tenant.
    pub fn program(tenant: Tenant) -> Self {
        Self { tenant, audience: Audience::Program }
    }

    /// A tenant of whom nobody waits.
    pub fn nobody(tenant: Tenant) -> Self {
        Self { tenant, audience: Audience::Nobody }
    }

    /// Whether somebody is on the line.
    pub fn is_caller(self) -> bool {
        self.audience == Audience::Caller
    }

    /// The claim of work that is due at `due` to whoever waits for it.
    pub fn claim(self, due: Instant) -> Claim {
        match self.audience {
            Audience::Caller => Claim::live(self.tenant, due),
            Audience::Program => Claim::live(self.tenant, due).of_program(),
            Audience::Nobody => Claim::batch(self.tenant),
        }
    }

    /// The claim of a reply that was asked for at `asked` and of which `written` tokens are there; before
    /// the first of them, of the prompt being read.
    pub fn reply_claim(self, asked: Instant, written: u32, is_reading: bool) -> Claim {
        let promises = Promises::default();
        self.claim(match self.audience {
            Audience::Program | Audience::Nobody => asked + PROGRAM_FIRST + PROGRAM_NEXT * written,
            Audience::Caller if is_reading => promises.due(Promise::PrefillChunk, asked),
            Audience::Caller => {
                // What was written sounds while more is written.
                let sounds = TOKEN_SOUNDS * written.saturating_sub(FIRST_CLAUSE_TOKENS);
                let spoken = promises.due(Promise::FirstClause, asked) + sounds;
                spoken.checked_sub(VOICE_TAKES).unwrap_or(asked)
            }
        })
    }

    /// Its place in the line for a slot, where it has waited since `since`.
    pub(crate) fn waiting(self, since: Instant) -> Waiting {
        Waiting { claim: self.reply_claim(since, 0, true), since, work: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_first_clause_is_due_before_a_programs_and_before_the_rest_of_it() {
        let now = Instant::now();
        let (caller, program) = (Party::caller(Tenant(1)), Party::program(Tenant(1)));
        let due = |party: Party, written, reads| party.reply_claim(now, written, reads).due();
        assert!(due(caller, 0, true) < due(caller, 0, false));
        assert_eq!(due(caller, 0, false), due(caller, FIRST_CLAUSE_TOKENS, false));
        assert!(due(caller, 3, false) < due(caller, 20, false));
        assert!(due(caller, 0, false) < due(program, 0, false));
        assert_eq!(due(Party::nobody(Tenant(1)), 0, false), None);
        let spoken = Promises::default().due(Promise::FirstClause, now);
        let written = due(caller, 0, false).unwrap();
        assert_eq!(spoken.duration_since(written), VOICE_TAKES, "the voice is next");
    }

    #[test]
    fn only_what_callers_wait_for_counts_as_a_calls() {
        let due = Instant::now();
        assert!(Party::caller(Tenant(1)).claim(due).is_call);
        assert!(!Party::program(Tenant(1)).claim(due).is_call);
        assert!(!Party::nobody(Tenant(1)).claim(due).is_call);
        assert_eq!(Party::program(Tenant(7)).claim(due).tenant, Tenant(7));
    }
}
