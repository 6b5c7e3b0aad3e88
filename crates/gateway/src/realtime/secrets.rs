//! Ephemeral keys: what a page may show instead of a program's own key, for one session as it was set.

use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::settings::Settings;
use crate::{KeyDigest, router::guard::Caller};

/// Keys that are valid at once; one more is refused until the next one expires.
const KEYS: usize = 4_096;
/// What every such key begins with.
pub(crate) const PREFIX: &str = "ek_";

/// The keys that are valid. Kept in memory: a restart ends them.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// At most [`KEYS`].
    keys: Mutex<Vec<Secret>>,
}

#[derive(Debug)]
struct Secret {
    digest: KeyDigest,
    /// Unix time, seconds.
    expires_at: i64,
    /// Who asked for it, and pays.
    issued_to: Caller,
    settings: Settings,
}

impl Secrets {
    /// A new key for sessions like this; `None` when there are too many.
    pub(crate) fn issue(
        &self,
        now: i64,
        expires_at: i64,
        issued_to: Caller,
        settings: Settings,
    ) -> Option<String> {
        let mut keys = self.valid(now);
        if keys.len() >= KEYS {
            return None;
        }
        let [one, two] = [Uuid::new_v4(), Uuid::new_v4()].map(|random| random.simple().to_string());
        let key = format!("{PREFIX}{one}{two}");
        keys.push(Secret { digest: KeyDigest::of(&key), expires_at, issued_to, settings });
        Some(key)
    }

    /// To whom a key was issued and for what, while it is valid.
    pub(crate) fn find(&self, now: i64, key: &str) -> Option<(Caller, Settings)> {
        let digest = KeyDigest::of(key);
        let keys = self.valid(now);
        let found = keys.iter().find(|key| key.digest.matches(&digest));
        found.map(|key| (key.issued_to, key.settings.clone()))
    }

    fn valid(&self, now: i64) -> MutexGuard<'_, Vec<Secret>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|key| key.expires_at > now);
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::{house::tests::house, settings::wire::Kind};

    #[test]
    fn a_key_is_valid_until_it_expires() {
        let (secrets, house) = (Secrets::default(), house());
        let settings = Settings::new(Kind::Transcription, None, &house).unwrap();
        let key = secrets.issue(0, 60, Caller::Program(2), settings.clone()).unwrap();
        assert!(key.starts_with(PREFIX) && key.len() == 67);
        let (caller, found) = secrets.find(59, &key).unwrap();
        assert_eq!((caller, found.kind), (Caller::Program(2), Kind::Transcription));
        assert!(secrets.find(59, "ek_other").is_none());
        assert!(secrets.find(60, &key).is_none());
        assert!(
            (0..KEYS).all(|_| secrets.issue(60, 61, Caller::Operator, settings.clone()).is_some())
        );
        assert!(secrets.issue(60, 61, Caller::Operator, settings.clone()).is_none());
        assert!(secrets.issue(61, 62, Caller::Operator, settings).is_some());
    }
}
