//! How many GPUs so many calls take, and why.

use super::{Gpu, Load, Models, models::bytes};
use crate::budget::{
    Budget, Choice, Demand, Device, Footprint, Item, Kind, Ledger, OverBudget, Part,
};

/// The part of a device's time that calls may take when every batch is full. The simulation of
/// `benches/RESULTS.md`, B11, carries calls up to more than this; the rest is for what is uneven about speech.
pub const MOST_BUSY: f64 = 0.80;
/// Bytes of each GPU that are left to others: its driver, the libraries, what memory is split up into.
const RESERVE_BYTES: u64 = 2 << 30;
/// Clauses of a reply and texts of a turn that are worked on together, usually.
const WINDOWS: f64 = 8.0;

/// What a model does for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Speech into words.
    Hearing,
    /// Reading prompts.
    Reading,
    /// Writing replies.
    Writing,
    /// Words into speech.
    Speaking,
}

impl Stage {
    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Hearing => "hearing (recognizer)",
            Self::Reading => "reading (language model, prompts)",
            Self::Writing => "writing (language model, replies)",
            Self::Speaking => "speaking (voice)",
        }
    }
}

/// What a stage takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Use {
    /// The stage.
    pub stage: Stage,
    /// GPU-seconds a second for all calls, every batch full.
    pub gpus: f64,
}

/// How many GPUs calls take.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// GPUs, each with all models of a call.
    pub gpus: u32,
    /// Calls that a GPU of it carries.
    pub calls_per_gpu: u32,
    /// The part of their time that they are busy, every batch full.
    pub busy: f64,
    /// What each stage takes.
    pub uses: Vec<Use>,
    /// What the memory of each GPU is for.
    pub memory: Ledger,
    /// Whether there is no room for the texts of as many calls as there is time for.
    pub is_limited_by_memory: bool,
}

impl Plan {
    /// The stage that takes the most.
    pub fn limit(&self) -> Stage {
        let most = self.uses.iter().max_by(|a, b| a.gpus.total_cmp(&b.gpus));
        most.map_or(Stage::Writing, |of| of.stage)
    }

    /// GPUs that each modality would take with GPUs of its own: the recognizer, the language model, the voice.
    pub fn apart(&self) -> [u32; 3] {
        let of = |stages: &[Stage]| {
            let uses = self.uses.iter().filter(|of| stages.contains(&of.stage));
            let gpus = uses.map(|of| of.gpus).sum::<f64>() / MOST_BUSY;
            whole(gpus.ceil()).max(1)
        };
        [of(&[Stage::Hearing]), of(&[Stage::Reading, Stage::Writing]), of(&[Stage::Speaking])]
    }
}

/// How many GPUs of a kind so many calls take with these models.
///
/// Each GPU carries all models, as one schedule for all lanes carries more than GPUs of one model each. Its
/// calls are limited by its time, and by its memory for their texts.
///
/// # Errors
///
/// When the models do not fit into the memory of one GPU: the sum that shows it.
pub fn plan(calls: u32, gpu: &Gpu, models: &Models, load: &Load) -> Result<Plan, OverBudget> {
    let one = uses(1.0, gpu, models, load);
    let by_time = whole(MOST_BUSY / one.iter().map(|of| of.gpus).sum::<f64>()).max(1);
    let by_memory = most_texts(gpu, models, load)?;
    let most = by_time.min(by_memory);
    let gpus = calls.div_ceil(most).max(1);
    let calls_per_gpu = calls.div_ceil(gpus);
    let uses = uses(f64::from(calls), gpu, models, load);
    let busy = uses.iter().map(|of| of.gpus).sum::<f64>() / f64::from(gpus);
    let memory = ledger(calls_per_gpu, gpu, models, load)?;
    let is_limited_by_memory = by_memory < by_time;
    Ok(Plan { gpus, calls_per_gpu, busy, uses, memory, is_limited_by_memory })
}

/// What each stage takes for so many calls.
fn uses(calls: f64, gpu: &Gpu, models: &Models, load: &Load) -> Vec<Use> {
    let Models { recognizer, language, voice } = models;
    let turns = calls * load.turns_hz;
    let window = recognizer.window(load.speech_seconds);
    let hears = recognizer.step_seconds(gpu, window * WINDOWS, load.speech_seconds)
        - recognizer.start_seconds(load.speech_seconds);
    let row = language.row_seconds(gpu);
    let attention = load.context_tokens * bytes(language.kv_bytes) / gpu.bandwidth;
    let says = voice.step_seconds(gpu, load.reply_seconds) - voice.start;
    [
        (Stage::Hearing, turns * hears / WINDOWS),
        (Stage::Reading, turns * load.prompt_tokens * row),
        (Stage::Writing, turns * load.reply_tokens * (row + attention)),
        (Stage::Speaking, turns * says),
    ]
    .map(|(stage, gpus)| Use { stage, gpus })
    .to_vec()
}

/// The calls for whose texts a GPU has room beside the models.
fn most_texts(gpu: &Gpu, models: &Models, load: &Load) -> Result<u32, OverBudget> {
    let none = ledger(0, gpu, models, load)?;
    let text = whole(load.context_tokens * bytes(models.language.kv_bytes)).max(1);
    let room = none.room_bytes().saturating_sub(none.needed_bytes());
    Ok(u32::try_from(room / u64::from(text)).unwrap_or(u32::MAX).max(1))
}

/// What a GPU holds for so many calls.
fn ledger(calls: u32, gpu: &Gpu, models: &Models, load: &Load) -> Result<Ledger, OverBudget> {
    let device = Device {
        name: gpu.label.to_owned(),
        kind: Kind::Gpu,
        total_bytes: gpu.memory_bytes,
        free_bytes: gpu.memory_bytes,
        slice: None,
    };
    let Models { recognizer, language, voice } = models;
    let weights = |bytes| Item::amount(Part::Weights, "weights", bytes, "as published");
    let workspace =
        |bytes| Item::amount(Part::Workspace, "to compute", bytes, "an allowance, not measured");
    let texts = Item::product(
        Part::Kv,
        "keys and values",
        &[
            (u64::from(calls), "calls"),
            (u64::from(whole(load.context_tokens)), "tokens"),
            (language.kv_bytes, "bytes"),
        ],
    );
    let demand = |model: &str, items: Vec<Item>| Demand {
        model: model.to_owned(),
        choices: vec![Choice { on: Kind::Gpu, footprint: Footprint { items }, work: None }],
        replicas: 1,
        is_of_call: true,
    };
    let demands = [
        demand("recognizer", vec![weights(recognizer.weight_bytes), workspace(1 << 30)]),
        demand(language.name, vec![weights(language.weight_bytes), texts, workspace(1 << 30)]),
        demand("voice", vec![weights(voice.weight_bytes), workspace(1 << 30)]),
    ];
    let mut placement = Budget::new(vec![device], RESERVE_BYTES).place(&demands)?;
    Ok(placement.ledgers.remove(0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capacity::{GPUS, LANGUAGE_MODELS, LanguageModel, Recognizer, VoiceModel};

    fn models(language: &str) -> Models {
        let language = *LanguageModel::named(language).unwrap();
        Models { recognizer: Recognizer::TURBO, language, voice: VoiceModel::KOKORO }
    }

    fn planned(calls: u32, gpu: &str, language: &str) -> Result<Plan, OverBudget> {
        plan(calls, Gpu::named(gpu).unwrap(), &models(language), &Load::default())
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_sum() {
        let refused = planned(1, "a10", "8b-bf16");
        assert!(refused.is_ok(), "16 GB and the rest fit into 24");
        let tight = Gpu { memory_bytes: 16 << 30, ..*Gpu::named("a10").unwrap() };
        let refused = plan(1, &tight, &models("8b-bf16"), &Load::default()).unwrap_err();
        assert!(refused.to_string().contains("short by"), "{refused}");
    }

    #[test]
    fn long_texts_are_limited_by_memory() {
        let load = Load { context_tokens: 30_000.0, ..Load::default() };
        let long = plan(100, Gpu::named("l40s").unwrap(), &models("8b-bf16"), &load).unwrap();
        assert!(long.is_limited_by_memory && long.memory.short_bytes() == 0);
        assert!(!planned(100, "a100", "8b-bf16").unwrap().is_limited_by_memory);
    }

    #[test]
    fn the_language_model_takes_the_most_of_an_a100() {
        let planned = planned(250, "a100", "8b-bf16").unwrap();
        assert!(matches!(planned.limit(), Stage::Reading | Stage::Writing));
        assert!(planned.busy <= MOST_BUSY);
    }

    proptest! {
        #[test]
        fn more_calls_take_no_fewer_gpus_and_no_gpu_has_more_than_it_can(
            calls in 1_u32..20_000,
            more in 0_u32..1_000,
            gpu in 0..GPUS.len(),
            language in 0..LANGUAGE_MODELS.len(),
        ) {
            let models = Models { language: LANGUAGE_MODELS[language], ..models("4b-q4") };
            let of = |calls| plan(calls, &GPUS[gpu], &models, &Load::default()).unwrap();
            let (fewer, many) = (of(calls), of(calls + more));
            prop_assert!(fewer.gpus <= many.gpus);
            for plan in [fewer, many] {
                prop_assert!(plan.calls_per_gpu == 1 || plan.busy <= MOST_BUSY + 1e-9);
                prop_assert_eq!(plan.memory.short_bytes(), 0);
            }
        }
    }
}
