//! The server's side: how it is set up, and what it counts.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::admin::Admin;

/// The server may take this long to tell about itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the server tells about itself: version, hashes of its configuration and models, its machine.
/// `Null` where it is out of reach.
pub(super) async fn about(admin: &Admin) -> Value {
    let asked = admin.get(&["about"], None).timeout(PATIENCE).send().await;
    let Ok(answer) = asked.and_then(reqwest::Response::error_for_status) else {
        return Value::Null;
    };
    answer.json().await.unwrap_or_default()
}

/// The server's counters.
#[derive(Clone, Debug, Default)]
pub(super) struct Meters {
    text: Option<String>,
}

/// How far they moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Used {
    /// Times a reply had nothing to play though more was to come.
    pub(super) underruns: Option<u64>,
    /// Processor seconds of the server.
    pub(super) cpu_seconds: Option<f64>,
    /// Its memory at the end, bytes.
    pub(super) resident_bytes: Option<u64>,
}

impl Meters {
    pub(super) async fn read(admin: &Admin) -> Self {
        let asked = admin.metrics().timeout(PATIENCE).send().await;
        match asked.and_then(reqwest::Response::error_for_status) {
            Ok(answer) => Self { text: answer.text().await.ok() },
            Err(_) => Self::default(),
        }
    }

    pub(super) fn since(&self, before: &Self) -> Used {
        let moved = |name| Some(self.value(name)? - before.value(name)?);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
        let whole = |value: f64| value.max(0.0) as u64;
        Used {
            underruns: moved("trunkline_playout_underruns_total").map(whole),
            cpu_seconds: moved("process_cpu_seconds_total"),
            resident_bytes: self.value("process_resident_memory_bytes").map(whole),
        }
    }

    /// The value of a metric without labels.
    fn value(&self, name: &str) -> Option<f64> {
        let line = self.text.as_ref()?.lines().find(|line| line.split(' ').next() == Some(name))?;
        line.split(' ').nth(1)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meters(text: &str) -> Meters {
        Meters { text: Some(text.to_owned()) }
    }

    #[test]
    fn counters_are_told_by_how_far_they_moved() {
        let before = meters(
            "# TYPE x counter\ntrunkline_playout_underruns_total 2\nprocess_cpu_seconds_total 10.5\n",
        );
        let after = meters(
            "trunkline_playout_underruns_total 5\nprocess_cpu_seconds_total 12.0\nprocess_resident_memory_bytes 4096\n",
        );
        let used = after.since(&before);
        assert_eq!(
            used,
            Used { underruns: Some(3), cpu_seconds: Some(1.5), resident_bytes: Some(4096) }
        );
        assert_eq!(Meters::default().since(&before), Used::default());
    }
}
