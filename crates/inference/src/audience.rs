//! For whom a model works, and how soon it must be done.

mod progress;

use std::time::{Duration, Instant};

pub use self::progress::ReplyProgress;
use crate::schedule::{Claim, Tenant, Waiting};

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

    /// Its place in the line for a slot, where it has waited since `since`.
    pub(crate) fn waiting(self, since: Instant) -> Waiting {
        let claim = ReplyProgress::new(self, since).claim(true).0;
        Waiting { claim, since, work: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_callers_wait_for_counts_as_a_calls() {
        let due = Instant::now();
        assert!(Party::caller(Tenant(1)).claim(due).is_call);
        assert!(!Party::program(Tenant(1)).claim(due).is_call);
        assert!(!Party::nobody(Tenant(1)).claim(due).is_call);
        assert_eq!(Party::program(Tenant(7)).claim(due).tenant, Tenant(7));
    }
}
