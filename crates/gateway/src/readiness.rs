//! Which parts of the server are ready to take calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What `/ready` tells of the parts that report themselves. Cloning shares it.
///
/// Each part is named when this is made and counts as not ready until it says so; the store is
/// asked at each request and needs no part here.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Part>>>);

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It works.
    Ready,
    /// It does not, for this reason.
    NotReady(String),
}

impl Readiness {
    /// Waits for these parts: `models` and `sip`, say.
    pub fn new(parts: &[&'static str]) -> Self {
        let starting = || Part::NotReady("starting".to_owned());
        Self(Arc::new(Mutex::new(parts.iter().map(|&part| (part, starting())).collect())))
    }

    /// The part works.
    pub fn mark_ready(&self, part: &'static str) {
        self.set(part, Part::Ready);
    }

    /// The part does not work, for a reason that operators read.
    pub fn mark_not_ready(&self, part: &'static str, reason: impl Into<String>) {
        self.set(part, Part::NotReady(reason.into()));
    }

    /// How every part is.
    pub fn parts(&self) -> BTreeMap<&'static str, Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, part: &'static str, state: Part) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_not_ready_until_it_says_so() {
        let readiness = Readiness::new(&["models", "sip"]);
        readiness.clone().mark_ready("sip");
        let parts = readiness.parts();
        assert_eq!(parts["sip"], Part::Ready);
        assert_eq!(parts["models"], Part::NotReady("starting".into()));
    }

    #[test]
    fn a_ready_part_can_fail_again() {
        let readiness = Readiness::new(&["sip"]);
        readiness.mark_ready("sip");
        readiness.mark_not_ready("sip", "draining");
        assert_eq!(readiness.parts()["sip"], Part::NotReady("draining".into()));
    }
}
