//! How far a reply is, and so how soon what follows is due.

use std::time::{Duration, Instant};

use super::{Audience, Party};
use crate::schedule::{Claim, Promise, Promises};

/// Tokens of a first clause without a mark: five words.
const FIRST_CLAUSE_TOKENS: u32 = 8;
/// Tokens of the clauses after it, about. The voice begins with a clause when it is whole.
const NEXT_CLAUSE_TOKENS: u32 = 8;
/// How long a token of a reply sounds: speech has three or four words a second.
const TOKEN_SOUNDS: Duration = Duration::from_millis(200);
/// What is left to the voice of the time until a clause is to sound, and to the rest of the clause. In the simulation
/// of an A100 (`benches/RESULTS.md`, B11) 0 carries 199 calls with one step at a time, 300 ms 256, 500 ms 265.
const VOICE_TAKES: Duration = Duration::from_millis(500);
/// A program is given its first token within this, and each further one as soon after the one before: the
/// server scenario of `MLPerf` Inference for chat models of 8B (`loadgen/mlperf.conf`).
const PROGRAM_FIRST: Duration = Duration::from_secs(2);
const PROGRAM_NEXT: Duration = Duration::from_millis(100);

/// How far a language model is with a reply.
#[derive(Clone, Copy, Debug)]
pub struct ReplyProgress {
    party: Party,
    asked: Instant,
    written: u32,
    first: Option<FirstClause>,
}

/// What the caller hears first.
#[derive(Clone, Copy, Debug)]
struct FirstClause {
    at: Instant,
    tokens: u32,
}

impl ReplyProgress {
    /// Nothing is there of what `party` asked for.
    pub fn new(party: Party, asked: Instant) -> Self {
        Self { party, asked, written: 0, first: None }
    }

    /// How many tokens were written.
    pub fn written(&self) -> u32 {
        self.written
    }

    /// Notes a token that was written, and whether a clause may end with it.
    pub fn wrote(&mut self, now: Instant, ends_clause: bool) {
        self.written += 1;
        if self.first.is_none() && (ends_clause || self.written == FIRST_CLAUSE_TOKENS) {
            self.first = Some(FirstClause { at: now, tokens: self.written });
        }
    }

    /// When what comes next is due, and about how many tokens that is; while the prompt `is_reading`, its end.
    pub fn claim(&self, is_reading: bool) -> (Claim, u32) {
        let (due, tokens) = match self.party.audience {
            Audience::Program | Audience::Nobody => {
                let due = self.asked + PROGRAM_FIRST + PROGRAM_NEXT * self.written;
                (due, u32::from(!is_reading))
            }
            Audience::Caller if is_reading => {
                (Promises::default().due(Promise::PrefillChunk, self.asked), 0)
            }
            Audience::Caller => self.clause(),
        };
        (self.party.claim(due), tokens)
    }

    /// When the clause that is being written is to be there, and about how many tokens it lacks.
    fn clause(&self) -> (Instant, u32) {
        let Some(first) = self.first else {
            let spoken = Promises::default().due(Promise::FirstClause, self.asked);
            let due = spoken.checked_sub(VOICE_TAKES).unwrap_or(self.asked);
            return (due, FIRST_CLAUSE_TOKENS.saturating_sub(self.written).max(1));
        };
        // The voice takes as long for the second as for the first: it is due when that one has sounded. What is
        // written beyond it sounds in its turn.
        let whole = first.tokens + NEXT_CLAUSE_TOKENS;
        let sounds = first.tokens + self.written.saturating_sub(whole);
        (first.at + TOKEN_SOUNDS * sounds, whole.saturating_sub(self.written).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Tenant;

    fn due(reply: ReplyProgress) -> Instant {
        reply.claim(false).0.due().unwrap()
    }

    fn written(party: Party, asked: Instant, tokens: u32) -> ReplyProgress {
        let mut reply = ReplyProgress::new(party, asked);
        (0..tokens).for_each(|_| reply.wrote(asked + Duration::from_millis(300), false));
        reply
    }

    #[test]
    fn a_callers_first_clause_is_due_before_a_programs_and_the_prompt_before_it() {
        let now = Instant::now();
        let (caller, program) = (Party::caller(Tenant(1)), Party::program(Tenant(1)));
        let [first, of_program] = [caller, program].map(|party| ReplyProgress::new(party, now));
        assert!(first.claim(true).0.due() < first.claim(false).0.due());
        assert!(due(first) < due(of_program));
        assert_eq!(due(first), due(written(caller, now, 5)));
        assert_eq!(ReplyProgress::new(Party::nobody(Tenant(1)), now).claim(false).0.due(), None);
        let spoken = Promises::default().due(Promise::FirstClause, now);
        assert_eq!(spoken.duration_since(due(first)), VOICE_TAKES, "the voice is next");
    }

    #[test]
    fn the_second_clause_is_due_when_the_first_has_sounded_however_early_that_came() {
        let (now, ms) = (Instant::now(), Duration::from_millis);
        let mut reply = ReplyProgress::new(Party::caller(Tenant(1)), now);
        (0..2).for_each(|_| reply.wrote(now + ms(100), false));
        reply.wrote(now + ms(150), true);
        assert_eq!((due(reply), reply.claim(false).1), (now + ms(150) + TOKEN_SOUNDS * 3, 8));
        (0..8).for_each(|_| reply.wrote(now + ms(400), true));
        assert_eq!((due(reply), reply.claim(false).1), (now + ms(150) + TOKEN_SOUNDS * 3, 1));
        (0..4).for_each(|_| reply.wrote(now + ms(500), false));
        assert_eq!(due(reply), now + ms(150) + TOKEN_SOUNDS * 7, "more of it sounds meanwhile");
    }

    #[test]
    fn a_program_is_given_token_by_token() {
        let now = Instant::now();
        let reply = |tokens| written(Party::program(Tenant(1)), now, tokens);
        assert_eq!(due(reply(20)).duration_since(due(reply(10))), PROGRAM_NEXT * 10);
    }
}
