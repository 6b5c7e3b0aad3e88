//! Who waits for a model's answer.

use std::time::{Duration, Instant};

use crate::schedule::{Claim, Promise, Promises, Tenant};

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

impl Audience {
    /// The claim of a reply that was asked for at `asked` and of which `written` tokens are there; before
    /// the first of them, of the prompt being read.
    pub fn claim(self, asked: Instant, written: u32, is_reading: bool) -> Claim {
        let tenant = Tenant(0);
        let promises = Promises::default();
        match self {
            Self::Nobody => Claim::batch(tenant),
            Self::Program => {
                Claim::live(tenant, asked + PROGRAM_FIRST + PROGRAM_NEXT * written).of_program()
            }
            Self::Caller if is_reading => {
                Claim::live(tenant, promises.due(Promise::PrefillChunk, asked))
            }
            Self::Caller => {
                // What was written sounds while more is written.
                let sounds = TOKEN_SOUNDS * written.saturating_sub(FIRST_CLAUSE_TOKENS);
                let spoken = promises.due(Promise::FirstClause, asked) + sounds;
                Claim::live(tenant, spoken.checked_sub(VOICE_TAKES).unwrap_or(asked))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_first_clause_is_due_before_a_programs_and_before_the_rest_of_it() {
        let now = Instant::now();
        let due = |audience: Audience, written, reads| audience.claim(now, written, reads).due();
        assert!(due(Audience::Caller, 0, true) < due(Audience::Caller, 0, false));
        assert_eq!(
            due(Audience::Caller, 0, false),
            due(Audience::Caller, FIRST_CLAUSE_TOKENS, false)
        );
        assert!(due(Audience::Caller, 3, false) < due(Audience::Caller, 20, false));
        assert!(due(Audience::Caller, 0, false) < due(Audience::Program, 0, false));
        assert_eq!(due(Audience::Nobody, 0, false), None);
        let spoken = Promises::default().due(Promise::FirstClause, now);
        let written = due(Audience::Caller, 0, false).unwrap();
        assert_eq!(spoken.duration_since(written), VOICE_TAKES, "the voice is next");
    }
}
