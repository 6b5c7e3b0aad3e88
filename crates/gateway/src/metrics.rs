//! Figures for Prometheus, fed by what sessions note and by whoever owns a figure.

mod families;
mod process;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{encoding::text, registry::Registry};
use trunkline_inference::{Devices, lane::Load};
use trunkline_session::{CallId, Observer, Record, StageTimes, What};

use crate::journal::JournalMeters;
use families::{
    CallFigures, CallLabels, DeviceLabels, DeviceWork, FallbackLabels, LaneLoads, LegLabels,
    ModelFigures, RequestFigures, StageLabels, TenantLabels, TurnFigures,
};

/// Whose calls these are, until there are tenants.
const TENANT: &str = "default";
/// The leg of a call whose beginning was not seen.
const UNKNOWN_LEG: &str = "unknown";

/// All figures of a server. Cloning shares them.
///
/// As an observer it takes locks for a few instructions and never across I/O or an await.
#[derive(Clone)]
pub struct Metrics(Arc<Figures>);

/// One allocation: every request has a part in them.
struct Figures {
    registry: Registry,
    calls: CallFigures,
    turns: TurnFigures,
    models: ModelFigures,
    requests: RequestFigures,
    lanes: LaneLoads,
    device: DeviceWork,
    journal: JournalMeters,
    /// The legs of the calls in progress: later entries of a call do not say it.
    legs: Mutex<HashMap<CallId, &'static str>>,
}

impl Metrics {
    /// Figures at zero; a turn is on time when its reply sounds within `slo`.
    pub fn new(slo: Duration) -> Self {
        let mut registry = Registry::default();
        let journal = JournalMeters::default();
        families::register_journal(&mut registry, &journal);
        let (lanes, device) = (LaneLoads::default(), DeviceWork::default());
        registry.register_collector(Box::new(lanes.clone()));
        registry.register_collector(Box::new(device.clone()));
        registry.register_collector(Box::new(process::Process));
        Self(Arc::new(Figures {
            calls: CallFigures::register(&mut registry, slo),
            turns: TurnFigures::register(&mut registry),
            models: ModelFigures::register(&mut registry),
            requests: RequestFigures::register(&mut registry),
            lanes,
            device,
            journal,
            legs: Mutex::default(),
            registry,
        }))
    }

    /// The figures that the journal keeps.
    pub fn journal(&self) -> JournalMeters {
        self.0.journal.clone()
    }

    /// All figures in the `OpenMetrics` text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry).expect("writing to a string does not fail");
        text
    }

    /// A call was answered this long after it came in.
    pub fn call_set_up(&self, leg: &'static str, took: Duration) {
        self.0.calls.setup.get_or_create(&LegLabels { leg }).observe(took.as_secs_f64());
    }

    /// Shows how busy a lane is.
    pub fn watch_lane(&self, load: Arc<Load>) {
        self.0.lanes.watch(load);
    }

    /// Shows how long the devices that lanes share are at work for calls; the first told stay.
    pub fn watch_devices(&self, devices: Devices) {
        drop(self.0.device.0.set(devices));
    }

    /// A model holds this much of a device's memory.
    pub fn gpu_memory_held(&self, device: u32, model: &str, bytes: i64) {
        let labels = DeviceLabels { device, model: model.to_owned() };
        self.0.models.gpu_memory.get_or_create(&labels).set(bytes);
    }

    /// A model answered in place of another.
    pub fn fell_back(&self, modality: &'static str, models: (&str, &str), reason: &'static str) {
        let (from, to) = models;
        let labels = FallbackLabels { modality, from: from.to_owned(), to: to.to_owned(), reason };
        self.0.models.fallbacks.get_or_create(&labels).inc();
    }

    /// A request showed no key or a wrong one.
    pub fn auth_failed(&self) {
        self.0.requests.auth_failures.inc();
    }

    /// A request was refused because its tenant asked too often.
    pub fn rate_limited(&self, tenant: &str) {
        let labels = TenantLabels { tenant: tenant.to_owned() };
        self.0.requests.rate_limited.get_or_create(&labels).inc();
    }

    fn reply_sounded(&self, leg: &'static str, stages: &StageTimes) {
        let total = stages.total();
        self.0.calls.turn_latency.get_or_create(&LegLabels { leg }).observe(total.as_secs_f64());
        self.0.calls.compliance.count(total);
        for (stage, took) in [
            ("endpoint", stages.endpoint),
            ("stt", stages.stt),
            ("llm_first_token", stages.llm_first_token),
            ("tts_first_audio", stages.tts_first_audio),
            ("playout", stages.playout),
        ] {
            let labels = StageLabels { stage };
            self.0.calls.stage.get_or_create(&labels).observe(took.as_secs_f64());
        }
    }

    fn leg_of(&self, call: CallId) -> &'static str {
        let legs = self.0.legs.lock().unwrap_or_else(PoisonError::into_inner);
        legs.get(&call).copied().unwrap_or(UNKNOWN_LEG)
    }

    fn call_began(&self, call: CallId, leg: &'static str) {
        self.0.legs.lock().unwrap_or_else(PoisonError::into_inner).insert(call, leg);
        self.0.calls.concurrent.inc();
    }

    fn call_ended(&self, call: CallId, outcome: &'static str) {
        let began = self.0.legs.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
        if began.is_some() {
            self.0.calls.concurrent.dec();
        }
        let leg = began.unwrap_or(UNKNOWN_LEG);
        let labels = CallLabels { leg, tenant: TENANT, outcome };
        self.0.calls.total.get_or_create(&labels).inc();
    }
}

impl Observer for Metrics {
    fn note(&self, record: Record) {
        match record.what {
            What::Answered { leg, .. } => self.call_began(record.call, leg),
            What::ReplySounded { stages, .. } => {
                self.reply_sounded(self.leg_of(record.call), &stages);
            }
            What::Ended { reason, .. } => self.call_ended(record.call, reason.as_str()),
            What::ReplyHeard { interrupted, .. } => {
                if interrupted {
                    self.0.turns.interrupted.inc();
                }
            }
            What::TurnEnded { .. } => {
                self.0.turns.ended.inc();
            }
            What::SpeechIgnored { .. } => {
                self.0.turns.speech_ignored.inc();
            }
            What::ModelFailed { .. } => {
                self.0.turns.model_failures.inc();
            }
            What::RanDry { .. } => {
                self.0.turns.underruns.inc();
            }
            What::Decided { .. } | What::Pressed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use trunkline_session::HangupReason;

    use super::*;

    fn note(metrics: &Metrics, call: CallId, what: What) {
        metrics.note(Record { call, at: SystemTime::UNIX_EPOCH, what });
    }

    fn answered() -> What {
        let (wire_id, from, to, agent) = Default::default();
        What::Answered { wire_id, from, to, leg: "sip", agent }
    }

    fn sounded(endpoint: Duration) -> What {
        What::ReplySounded { turn: 1, stages: StageTimes { endpoint, ..StageTimes::default() } }
    }

    fn ended() -> What {
        What::Ended { reason: HangupReason::CallerHungUp, duration: Duration::ZERO }
    }

    #[test]
    fn calls_in_progress_go_up_and_down() {
        let metrics = Metrics::new(Duration::from_secs(2));
        let calls = [CallId::new(), CallId::new()];
        for call in calls {
            note(&metrics, call, answered());
        }
        assert!(metrics.text().contains("trunkline_concurrent_calls 2\n"));
        for call in calls {
            note(&metrics, call, ended());
        }
        let text = metrics.text();
        assert!(text.contains("trunkline_concurrent_calls 0\n"));
        let total =
            r#"trunkline_calls_total{leg="sip",tenant="default",outcome="caller_hung_up"} 2"#;
        assert!(text.contains(total), "{text}");
    }

    #[test]
    fn an_end_without_a_beginning_does_not_take_calls_below_none() {
        let metrics = Metrics::new(Duration::from_secs(2));
        note(&metrics, CallId::new(), ended());
        assert!(metrics.text().contains("trunkline_concurrent_calls 0\n"));
        assert!(metrics.text().contains(r#"trunkline_calls_total{leg="unknown""#));
    }

    #[test]
    fn compliance_is_the_share_of_turns_in_time_and_unsaid_before_the_first() {
        let metrics = Metrics::new(Duration::from_millis(800));
        assert!(!metrics.text().contains("trunkline_sla_compliance_ratio"));
        let call = CallId::new();
        for ms in [200, 500, 800, 801] {
            note(&metrics, call, sounded(Duration::from_millis(ms)));
        }
        assert!(metrics.text().contains("trunkline_sla_compliance_ratio 0.75\n"));
    }
}
