//! `trunkline plan`: how many GPUs so many calls take, and why.

use serde::Serialize;
use trunkline_inference::{
    budget::Bytes,
    capacity::{
        self, GPUS, Gpu, LANGUAGE_MODELS, LanguageModel, Load, MOST_BUSY, Models, Recognizer,
        VoiceModel,
    },
};

use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// Calls at once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
    /// The kind of GPU: a100, a100-40, h100, h200, l40s, l4, a10.
    #[arg(long)]
    gpu: String,
    /// The language model: 8b-bf16, 8b-q4, 4b-bf16, 4b-q4.
    #[arg(long, default_value = "8b-bf16")]
    llm: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The plan as it is printed.
#[derive(Debug, Serialize)]
struct Report {
    calls: u32,
    gpu: &'static str,
    language_model: &'static str,
    gpus: u32,
    calls_per_gpu: u32,
    busy: f64,
    limit: &'static str,
    stages: Vec<StageLine>,
    apart: Apart,
    memory: MemoryLine,
    #[serde(skip)]
    sum: String,
}

/// What a stage takes, in GPUs' time.
#[derive(Debug, Serialize)]
struct StageLine {
    stage: &'static str,
    gpus: f64,
}

/// GPUs if each modality had its own.
#[derive(Debug, Serialize)]
struct Apart {
    recognizer: u32,
    language_model: u32,
    voice: u32,
}

/// A GPU's memory.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "scripts read the unit in the name")]
struct MemoryLine {
    needed_bytes: u64,
    room_bytes: u64,
    reserve_bytes: u64,
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) fn run(args: &PlanArgs) -> Result<(), Failure> {
    let report = report(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(Failure::new)?);
    } else {
        print!("{}", readable(&report));
    }
    Ok(())
}

fn report(args: &PlanArgs) -> Result<Report, Failure> {
    let gpu = Gpu::named(&args.gpu)
        .ok_or_else(|| unknown("GPU", &args.gpu, GPUS.iter().map(|gpu| gpu.name)))?;
    let language = LanguageModel::named(&args.llm).ok_or_else(|| {
        unknown("language model", &args.llm, LANGUAGE_MODELS.iter().map(|model| model.name))
    })?;
    let (recognizer, voice) = (Recognizer::TURBO, VoiceModel::KOKORO);
    let models = Models { recognizer, language: *language, voice };
    let plan =
        capacity::plan(args.calls, gpu, &models, &Load::default()).map_err(Failure::config)?;
    let stage = |of: &capacity::Use| StageLine { stage: of.stage.label(), gpus: of.gpus };
    let [recognizer, language_model, voice] = plan.apart();
    let is_memory = plan.is_limited_by_memory;
    Ok(Report {
        calls: args.calls,
        gpu: gpu.label,
        language_model: language.name,
        gpus: plan.gpus,
        calls_per_gpu: plan.calls_per_gpu,
        busy: plan.busy,
        limit: if is_memory { "memory for what callers said" } else { plan.limit().label() },
        stages: plan.uses.iter().map(stage).collect(),
        apart: Apart { recognizer, language_model, voice },
        memory: MemoryLine {
            needed_bytes: plan.memory.needed_bytes(),
            room_bytes: plan.memory.room_bytes(),
            reserve_bytes: plan.memory.reserve,
        },
        sum: plan.memory.to_string(),
    })
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known = known.collect::<Vec<_>>().join(", ");
    Failure::bad_input(format!("no {what} is known by the name {name}; known are {known}"))
}

fn readable(report: &Report) -> String {
    let Report { calls, gpu, gpus, calls_per_gpu, language_model, .. } = report;
    let mut lines = vec![format!(
        "{calls} calls with Whisper turbo, {language_model} and Kokoro take {gpus} x {gpu}: {calls_per_gpu} calls each"
    )];
    lines.push(String::new());
    lines.push("What they take of the GPUs' time, batches full:".to_owned());
    for StageLine { stage, gpus } in &report.stages {
        lines.push(format!("  {gpus:>8.2}  {stage}"));
    }
    let all: f64 = report.stages.iter().map(|line| line.gpus).sum();
    lines.push(format!(
        "  {all:>8.2}  of {gpus}: {:.0} % busy, at most {:.0} % are planned, as speech is uneven",
        report.busy * 100.0,
        MOST_BUSY * 100.0
    ));
    lines.push(format!("The limit is {}.", report.limit));
    let Apart { recognizer, language_model, voice } = report.apart;
    lines.push(format!(
        "With GPUs of their own: recognizer {recognizer}, language model {language_model}, voice {voice}; {} in all.",
        recognizer + language_model + voice
    ));
    lines.push(String::new());
    let room = Bytes(report.memory.room_bytes);
    lines.push(format!("Memory of each GPU, {room} of room:"));
    lines.push(report.sum.clone());
    lines.push(String::new());
    lines.push("Computed from data sheets, not measured; see docs/operators.md.".to_owned());
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(gpu: &str, llm: &str) -> PlanArgs {
        PlanArgs { calls: 250, gpu: gpu.to_owned(), llm: llm.to_owned(), json: false }
    }

    #[test]
    fn unknown_names_are_told_the_known_ones() {
        let failure = report(&args("b300", "8b-bf16")).unwrap_err().to_string();
        assert!(failure.contains("b300") && failure.contains("a100, a100-40, h100"), "{failure}");
        let failure = report(&args("a100", "70b")).unwrap_err().to_string();
        assert!(failure.contains("70b") && failure.contains("8b-bf16, 8b-q4"), "{failure}");
    }

    #[test]
    fn the_help_names_every_kind() {
        use clap::CommandFactory as _;
        let mut command = crate::cli::Cli::command();
        let help = command.find_subcommand_mut("plan").unwrap().render_long_help().to_string();
        let names = GPUS.iter().map(|gpu| gpu.name).chain(LANGUAGE_MODELS.iter().map(|m| m.name));
        for name in names {
            assert!(help.contains(name), "{name} is not in\n{help}");
        }
    }

    #[test]
    fn what_is_printed_adds_up() {
        let report = report(&args("A100", "8b-bf16")).unwrap();
        let all: f64 = report.stages.iter().map(|line| line.gpus).sum();
        assert!((all / f64::from(report.gpus) - report.busy).abs() < 1e-9);
        assert!(report.gpus * report.calls_per_gpu >= 250);
        let text = readable(&report);
        assert!(text.contains("1 x A100 80 GB SXM: 250 calls each"), "{text}");
        assert!(text.contains("8b-bf16: weights"), "{text}");
    }
}
