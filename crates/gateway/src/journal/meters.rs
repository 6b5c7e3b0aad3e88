//! How the journal and the store are doing, for metrics and alarms.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// Shared figures; cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct JournalMeters {
    /// Entries refused because the queue was full.
    pub dropped: Counter,
    /// Entries that wait to be written.
    pub queued: Gauge,
    /// Entries that are durable but not yet in the store.
    pub unrecorded: Gauge,
    /// 1 while the journal cannot be written.
    pub journal_failing: Gauge,
    /// Failed attempts to write the journal.
    pub journal_errors: Counter,
    /// 1 while the store cannot be written.
    pub store_failing: Gauge,
    /// Failed attempts to write the store.
    pub store_errors: Counter,
}

/// An alarm that is raised once, however often the same thing fails.
#[derive(Debug)]
pub(super) struct Alarm {
    raised: Gauge,
    errors: Counter,
    what: &'static str,
}

impl Alarm {
    pub(super) fn new(what: &'static str, raised: &Gauge, errors: &Counter) -> Self {
        Self { raised: raised.clone(), errors: errors.clone(), what }
    }

    /// Something failed.
    pub(super) fn raise(&self, error: &dyn std::fmt::Display) {
        self.errors.inc();
        if self.raised.set(1) == 0 {
            tracing::error!(
                %error,
                "{} fails; calls go on and it is tried again: check the disk", self.what
            );
        }
    }

    /// It worked.
    pub(super) fn clear(&self) {
        if self.raised.set(0) == 1 {
            tracing::info!("{} works again", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_stays_raised_until_it_works_again() {
        let (raised, errors) = (Gauge::default(), Counter::default());
        let alarm = Alarm::new("the disk", &raised, &errors);
        alarm.clear();
        assert_eq!((raised.get(), errors.get()), (0, 0));
        for failures in 1..=3 {
            alarm.raise(&"no space left");
            assert_eq!((raised.get(), errors.get()), (1, failures));
        }
        alarm.clear();
        assert_eq!((raised.get(), errors.get()), (0, 3));
    }
}
