//! Several observers behind one.

use std::sync::Arc;

use trunkline_session::{Observer, Record};

/// Tells each of several observers, in order.
pub struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    /// All of these; none is fine too.
    pub fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self(observers)
    }
}

impl Observer for Observers {
    fn note(&self, record: Record) {
        let Some((last, others)) = self.0.split_last() else { return };
        for observer in others {
            observer.note(record.clone());
        }
        last.note(record);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::SystemTime,
    };

    use trunkline_session::{CallId, What};

    use super::*;

    #[derive(Default)]
    struct Tally(AtomicU32);

    impl Observer for Tally {
        fn note(&self, _: Record) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn every_observer_is_told_once() {
        let tallies = [Arc::new(Tally::default()), Arc::new(Tally::default())];
        let observers = Observers::new(tallies.iter().map(|t| Arc::clone(t) as _).collect());
        let record = Record { call: CallId::new(), at: SystemTime::now(), what: What::Pressed };
        observers.note(record.clone());
        observers.note(record);
        assert_eq!(tallies.map(|t| t.0.load(Ordering::Relaxed)), [2, 2]);
    }

    #[test]
    fn nobody_may_be_watching() {
        let record = Record { call: CallId::new(), at: SystemTime::now(), what: What::Pressed };
        Observers::new(Vec::new()).note(record);
    }
}
