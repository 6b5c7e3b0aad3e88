//! The names, labels and buckets of the figures. Dashboards and alerts rely on the names.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::Registry,
};
use trunkline_inference::{
    Devices,
    lane::{BATCHES, Load},
};

use crate::journal::JournalMeters;

/// Seconds; dense where a turn is good or not.
const TURN_BUCKETS: [f64; 15] =
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0];
/// Seconds; a stage is a part of a turn.
const STAGE_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 2.0, 5.0];
/// Seconds from the invitation to the answer.
const SETUP_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

type HistogramFamily<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LegLabels {
    pub(super) leg: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StageLabels {
    pub(super) stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LaneLabels {
    pub(super) lane: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub(super) leg: &'static str,
    pub(super) tenant: &'static str,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeviceLabels {
    pub(super) device: u32,
    pub(super) model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FallbackLabels {
    pub(super) modality: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TenantLabels {
    pub(super) tenant: String,
}

/// Figures of calls and their turns.
#[derive(Clone)]
pub(super) struct CallFigures {
    pub(super) turn_latency: HistogramFamily<LegLabels>,
    pub(super) stage: HistogramFamily<StageLabels>,
    pub(super) concurrent: Gauge,
    pub(super) total: Family<CallLabels, Counter>,
    pub(super) setup: HistogramFamily<LegLabels>,
    pub(super) compliance: Compliance,
}

impl CallFigures {
    pub(super) fn register(registry: &mut Registry, slo: Duration) -> Self {
        let figures = Self {
            turn_latency: Family::new_with_constructor(|| Histogram::new(TURN_BUCKETS)),
            stage: Family::new_with_constructor(|| Histogram::new(STAGE_BUCKETS)),
            concurrent: Gauge::default(),
            total: Family::default(),
            setup: Family::new_with_constructor(|| Histogram::new(SETUP_BUCKETS)),
            compliance: Compliance { turns: Arc::default(), slo },
        };
        registry.register(
            "trunkline_turn_latency_seconds",
            "End of the caller's speech to first reply audio on the wire",
            figures.turn_latency.clone(),
        );
        registry.register(
            "trunkline_stage_seconds",
            "Where the turn latency went; the stages of a turn add up to it",
            figures.stage.clone(),
        );
        registry.register(
            "trunkline_concurrent_calls",
            "Calls in progress",
            figures.concurrent.clone(),
        );
        registry.register("trunkline_calls", "Calls that ended, by why", figures.total.clone());
        registry.register(
            "trunkline_call_setup_seconds",
            "Invitation to answer",
            figures.setup.clone(),
        );
        registry.register_collector(Box::new(figures.compliance.clone()));
        figures
    }
}

/// Figures of what happened within calls.
#[derive(Clone, Default)]
pub(super) struct TurnFigures {
    pub(super) ended: Counter,
    pub(super) interrupted: Counter,
    pub(super) speech_ignored: Counter,
    pub(super) model_failures: Counter,
    pub(super) underruns: Counter,
}

impl TurnFigures {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let figures = Self::default();
        registry.register("trunkline_turns", "Turns that callers took", figures.ended.clone());
        registry.register(
            "trunkline_interruptions",
            "Replies that callers interrupted",
            figures.interrupted.clone(),
        );
        registry.register(
            "trunkline_speech_ignored",
            "Sounds that were not taken as a turn",
            figures.speech_ignored.clone(),
        );
        registry.register(
            "trunkline_model_failures",
            "Times a model failed within a call",
            figures.model_failures.clone(),
        );
        registry.register(
            "trunkline_playout_underruns",
            "Times a reply had nothing to play though more of it was to come",
            figures.underruns.clone(),
        );
        figures
    }
}

/// Figures of models and lanes.
#[derive(Clone)]
pub(super) struct ModelFigures {
    pub(super) gpu_memory: Family<DeviceLabels, Gauge>,
    pub(super) fallbacks: Family<FallbackLabels, Counter>,
}

impl ModelFigures {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let figures = Self { gpu_memory: Family::default(), fallbacks: Family::default() };
        registry.register(
            "trunkline_gpu_memory_bytes",
            "Memory of a device that a model holds",
            figures.gpu_memory.clone(),
        );
        registry.register(
            "trunkline_fallback",
            "Times a model answered in place of another",
            figures.fallbacks.clone(),
        );
        figures
    }
}

/// Figures of requests that were refused.
#[derive(Clone, Default)]
pub(super) struct RequestFigures {
    pub(super) auth_failures: Counter,
    pub(super) rate_limited: Family<TenantLabels, Counter>,
}

impl RequestFigures {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let figures = Self::default();
        registry.register(
            "trunkline_auth_failures",
            "Requests without a valid key",
            figures.auth_failures.clone(),
        );
        registry.register(
            "trunkline_rate_limited",
            "Requests refused because their tenant asked too often",
            figures.rate_limited.clone(),
        );
        figures
    }
}

/// The figures that the journal keeps.
pub(super) fn register_journal(registry: &mut Registry, journal: &JournalMeters) {
    let counters = [
        ("trunkline_journal_dropped", "Entries dropped: the queue was full", &journal.dropped),
        ("trunkline_journal_errors", "Failed writes of the journal", &journal.journal_errors),
        ("trunkline_store_errors", "Failed writes of the call database", &journal.store_errors),
    ];
    for (name, help, counter) in counters {
        registry.register(name, help, counter.clone());
    }
    let gauges = [
        ("trunkline_journal_queue_length", "Entries that wait to be written", &journal.queued),
        (
            "trunkline_journal_unrecorded_entries",
            "Entries that are durable but not yet in the call database",
            &journal.unrecorded,
        ),
        (
            "trunkline_journal_failing",
            "1 while the journal cannot be written",
            &journal.journal_failing,
        ),
        (
            "trunkline_store_failing",
            "1 while the call database cannot be written",
            &journal.store_failing,
        ),
    ];
    for (name, help, gauge) in gauges {
        registry.register(name, help, gauge.clone());
    }
}

/// How many turns were on time.
#[derive(Clone, Debug)]
pub(super) struct Compliance {
    turns: Arc<[AtomicU64; 2]>,
    slo: Duration,
}

impl Compliance {
    pub(super) fn count(&self, latency: Duration) {
        self.turns[usize::from(latency <= self.slo)].fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for Compliance {
    /// Says nothing before the first turn: 0 and 1 would both be untrue.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let [late, on_time] = [0, 1].map(|i: usize| self.turns[i].load(Ordering::Relaxed));
        if late + on_time == 0 {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio of counts far below 2^52")]
        let ratio = ConstGauge::new(on_time as f64 / (late + on_time) as f64);
        let metric = encoder.encode_descriptor(
            "trunkline_sla_compliance_ratio",
            "Share of turns whose reply sounded in time, since the start",
            None,
            ratio.metric_type(),
        )?;
        ratio.encode(metric)
    }
}

/// How long the busiest of the devices that lanes share was at work for calls.
#[derive(Clone, Debug, Default)]
pub(super) struct DeviceWork(pub(super) Arc<OnceLock<Devices>>);

impl Collector for DeviceWork {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(devices) = self.0.get() else { return Ok(()) };
        let worked = ConstCounter::new(devices.worked().as_secs_f64());
        let metric = encoder.encode_descriptor(
            "trunkline_device_work_seconds",
            "How long the busiest device was at work for calls, as far as more calls would take more: what admission goes by.",
            None,
            worked.metric_type(),
        )?;
        worked.encode(metric)
    }
}

/// How busy each lane is.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneLoads(Arc<Mutex<Vec<NamedLoad>>>);

type NamedLoad = (String, Arc<Load>);

impl LaneLoads {
    /// The second lane of a name has its number behind it, and so on.
    pub(super) fn watch(&self, load: Arc<Load>) {
        let mut loads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = match loads.iter().filter(|(_, other)| other.lane() == load.lane()).count() {
            0 => load.lane().to_owned(),
            number => format!("{}-{}", load.lane(), number + 1),
        };
        loads.push((name, load));
    }
}

impl Collector for LaneLoads {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let loads = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut metric = encoder.encode_descriptor(
            "trunkline_lane_active_slots",
            "Slots of a lane that are at work",
            None,
            MetricType::Gauge,
        )?;
        for (lane, load) in &loads {
            let active = ConstGauge::new(i64::try_from(load.active()).unwrap_or(i64::MAX));
            active.encode(metric.encode_family(&LaneLabels { lane: lane.clone() })?)?;
        }
        let mut metric = encoder.encode_descriptor(
            "trunkline_lane_deadline_misses",
            "Steps of a lane that met what was waited for after it was due.",
            None,
            MetricType::Counter,
        )?;
        for (lane, load) in &loads {
            let late = ConstCounter::new(load.late());
            late.encode(metric.encode_family(&LaneLabels { lane: lane.clone() })?)?;
        }
        let mut metric = encoder.encode_descriptor(
            "trunkline_lane_busy_seconds",
            "How long a lane's steps took, all together.",
            None,
            MetricType::Counter,
        )?;
        for (lane, load) in &loads {
            let worked = ConstCounter::new(load.worked().as_secs_f64());
            worked.encode(metric.encode_family(&LaneLabels { lane: lane.clone() })?)?;
        }
        let mut metric = encoder.encode_descriptor(
            "trunkline_lane_batch_size",
            "Jobs that a lane stepped together.",
            None,
            MetricType::Histogram,
        )?;
        for (lane, load) in &loads {
            let steps = load.steps();
            let sizes = BATCHES.map(|size| size as f64).into_iter().chain([f64::MAX]);
            let buckets: Vec<_> = sizes.zip(steps).collect();
            metric
                .encode_family(&LaneLabels { lane: lane.clone() })?
                .encode_histogram::<LaneLabels>(
                    load.jobs() as f64,
                    steps.iter().sum(),
                    &buckets,
                    None,
                )?;
        }
        Ok(())
    }
}
