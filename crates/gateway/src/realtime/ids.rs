//! The ids of a session: of events, items, responses and function calls.

use uuid::Uuid;

/// Numbers whatever gets an id; ids of different sessions differ.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    session: String,
    last: u64,
}

impl Ids {
    /// The ids of a new session.
    pub(crate) fn random() -> Self {
        let random = Uuid::new_v4().simple().to_string();
        Self { session: random.chars().take(12).collect(), last: 0 }
    }

    /// Ids that are the same in every run.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { session: String::new(), last: 0 }
    }

    /// The session's own: `sess_…`.
    pub(crate) fn session(&self) -> String {
        format!("sess_{}", self.session)
    }

    /// A new id; at most 32 characters for prefixes of at most 5.
    pub(crate) fn next(&mut self, prefix: &str) -> String {
        self.last += 1;
        format!("{prefix}_{}{}", self.session, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_within_and_between_sessions() {
        let (mut one, mut two) = (Ids::random(), Ids::random());
        let ids = [one.next("item"), one.next("item"), two.next("item"), two.next("item")];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 4, "{ids:?}");
        assert!(ids.iter().all(|id| id.starts_with("item_") && id.len() <= 32));
        assert_ne!(one.session(), two.session());
    }
}
