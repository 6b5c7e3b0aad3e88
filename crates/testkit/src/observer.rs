//! An observer that remembers.

use std::sync::{Mutex, PoisonError};

use trunkline_session::{Observer, Record, What};

/// Everything that was noted.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<Vec<Record>>);

impl Remembered {
    /// What was noted so far.
    pub fn what(&self) -> Vec<What> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().map(|r| r.what.clone()).collect()
    }
}

impl Observer for Remembered {
    fn note(&self, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}
