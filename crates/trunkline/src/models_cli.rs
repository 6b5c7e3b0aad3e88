//! `trunkline models`: what models there are, getting them, and checking them.

use std::{
    collections::HashMap,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use clap::{Args, Subcommand};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use trunkline_inference::catalog::{
    self, Catalog, CatalogError, FileReport, Model, ModelState, PullEvent, PullObserver,
    PullOptions, Quiet, Stage, Verdict,
};

use crate::{config::Config, exit::Failure};

/// Where no terminal shows a bar, a line comes each time this share of a stage is done, in percent.
const LINE_EVERY: u64 = 25;
/// Smaller stages, in bytes, are over before a line is worth reading.
const WORTH_LINES: u64 = 100_000_000;

/// The models this program knows, and those on this machine.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    command: Command,
    /// The config file, whose `models.dir` is used.
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The models' folder, instead of the config's.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A catalog file instead of the one built in.
    #[arg(long, global = true, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every model: its size, its licence, and whether it is here.
    List,
    /// Fetch, check, convert and put in place what is missing.
    Pull {
        #[command(flatten)]
        which: Which,
        /// A folder that holds the packages or the files: nothing touches the network.
        #[arg(long, value_name = "DIR")]
        from: Option<PathBuf>,
    },
    /// Hash every file again.
    Verify {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Models or sets by name; `starter` when none is given.
    names: Vec<String>,
    /// A set: starter, tiny or a100.
    #[arg(long, value_name = "SET")]
    set: Vec<String>,
}

impl Which {
    fn names(&self) -> Vec<String> {
        let named: Vec<String> = self.set.iter().chain(&self.names).cloned().collect();
        if named.is_empty() { vec!["starter".to_owned()] } else { named }
    }
}

/// Runs the command; its answer goes to standard output, its progress to standard error.
pub(crate) fn run(args: ModelsArgs) -> Result<(), Failure> {
    let dir = match args.dir {
        Some(dir) => dir,
        None => Config::load(args.config.as_deref())?.models.dir,
    };
    let shown = Shown::on_this_terminal();
    let observer: &dyn PullObserver = if args.json { &Quiet } else { &shown };
    let answered = answer(&args.command, args.catalog.as_deref(), &dir, observer);
    let text = match &answered {
        Ok(answer) if args.json => format!("{:#}\n", answer.json),
        Ok(answer) => answer.lines.join("\n") + "\n",
        Err(error) if args.json => format!("{:#}\n", json!({ "error": error.to_string() })),
        Err(_) => String::new(),
    };
    io::stdout().write_all(text.as_bytes()).map_err(Failure::new)?;
    answered.map_err(|error| failure(&error))?.failure.map_or(Ok(()), Err)
}

/// What a command says, for people and for programs.
struct Answer {
    lines: Vec<String>,
    json: Value,
    failure: Option<Failure>,
}

fn answer(
    command: &Command,
    catalog: Option<&Path>,
    dir: &Path,
    observer: &dyn PullObserver,
) -> Result<Answer, CatalogError> {
    let catalog = match catalog {
        Some(path) => Catalog::read(path)?,
        None => Catalog::built_in(),
    };
    match command {
        Command::List => Ok(list(&catalog, dir)),
        Command::Pull { which, from } => {
            let models = catalog.select(&which.names())?;
            let options = PullOptions { from: from.clone(), ..PullOptions::into(dir) };
            catalog::pull(&catalog, &models, &options, observer)?;
            Ok(pulled(&models, dir))
        }
        Command::Verify { which } => {
            let models = catalog.select(&which.names())?;
            Ok(verified(&catalog::verify(&models, dir, observer)?))
        }
    }
}

fn list(catalog: &Catalog, dir: &Path) -> Answer {
    let mut lines = vec![row(["MODEL", "ENGINE", "SIZE", "HERE", "LICENCE", "SETS"])];
    let mut rows = Vec::new();
    for model in &catalog.models {
        let here = match catalog::state(model, dir) {
            ModelState::Ready => "yes",
            ModelState::Incomplete { .. } => "partly",
            ModelState::Absent => "no",
        };
        let in_set = |(_, members): &(&String, &Vec<String>)| members.contains(&model.name);
        let sets: Vec<&str> =
            catalog.sets.iter().filter(in_set).map(|(set, _)| set.as_str()).collect();
        let engine = json!(model.engine);
        let engine_name = engine.as_str().unwrap_or_default();
        let size = megabytes(model.bytes());
        lines.push(row([&model.name, engine_name, &size, here, &model.licence, &sets.join(" ")]));
        rows.push(json!({
            "name": model.name, "engine": engine, "bytes": model.bytes(), "here": here,
            "licence": model.licence, "note": model.note, "sets": sets,
        }));
    }
    Answer { lines, json: json!({ "dir": dir, "models": rows }), failure: None }
}

fn row([model, engine, size, here, licence, sets]: [&str; 6]) -> String {
    format!("{model:<28} {engine:<11} {size:>8}  {here:<6} {licence:<17} {sets}")
}

fn pulled(models: &[&Model], dir: &Path) -> Answer {
    let mut lines = vec![format!("In {}:", dir.display())];
    for model in models {
        let note = model.note.as_ref().map_or_else(String::new, |note| format!(" {note}"));
        lines.push(format!("  {} ({}){note}", model.name, model.licence));
    }
    let rows: Vec<Value> = models
        .iter()
        .map(|model| json!({ "name": model.name, "licence": model.licence, "note": model.note }))
        .collect();
    Answer { lines, json: json!({ "dir": dir, "models": rows }), failure: None }
}

fn verified(reports: &[FileReport]) -> Answer {
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for report in reports {
        let (verdict, detail) = match report.verdict {
            Verdict::Sound => ("sound", String::new()),
            Verdict::AsRecorded => ("as recorded", String::new()),
            Verdict::Unknown => ("unknown", "nothing says what it should be".to_owned()),
            Verdict::Missing => ("missing", String::new()),
            Verdict::Truncated { expected, got } => {
                ("truncated", format!("{got} of {expected} bytes"))
            }
            Verdict::WrongHash { expected, got } => {
                ("wrong hash", format!("expected {expected}, got {got}"))
            }
        };
        let gap = if detail.is_empty() { "" } else { ": " };
        lines.push(format!("{verdict:<12} {}{gap}{detail}", report.path.display()));
        rows.push(json!({
            "model": report.model, "path": report.path, "verdict": verdict,
            "good": report.verdict.is_good(), "detail": detail,
        }));
    }
    let bad = reports.iter().filter(|report| !report.verdict.is_good()).count();
    let failure = (bad > 0).then(|| {
        let sentence = "files are not good: run `trunkline models pull`";
        Failure::bad_input(format!("{bad} of {} {sentence}", reports.len()))
    });
    if bad == 0 {
        lines.push(format!("all {} files are good", reports.len()));
    }
    Answer { lines, json: json!({ "good": bad == 0, "files": rows }), failure }
}

/// The exit code tells a script what to do about it.
fn failure(error: &CatalogError) -> Failure {
    match error {
        CatalogError::WrongHash { .. }
        | CatalogError::Truncated { .. }
        | CatalogError::MemberMissing { .. }
        | CatalogError::DamagedPackage { .. }
        | CatalogError::ConversionFailed { .. }
        | CatalogError::Malformed { .. }
        | CatalogError::MissingLicence { .. } => Failure::bad_input(error),
        CatalogError::NotInFolder { .. } | CatalogError::UnknownName { .. } => {
            Failure::no_input(error)
        }
        CatalogError::NoProgram { .. }
        | CatalogError::PackageGone { .. }
        | CatalogError::FetchFailed { .. }
        | CatalogError::NoSource { .. } => Failure::unavailable(error),
        CatalogError::DiskFull { .. } | CatalogError::Io { .. } => Failure::new(error),
    }
}

/// Shows bars on a terminal, and lines elsewhere, on standard error.
struct Shown {
    bars: Option<MultiProgress>,
    stages: Mutex<HashMap<(String, Stage), Running>>,
}

/// One stage being shown.
struct Running {
    bar: Option<ProgressBar>,
    total: u64,
    next_line: u64,
}

impl Shown {
    fn on_this_terminal() -> Self {
        let bars = io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars, stages: Mutex::default() }
    }

    fn line(&self, text: &str) {
        let shown = match &self.bars {
            Some(bars) => bars.println(text),
            None => writeln!(io::stderr(), "{text}"),
        };
        // Where progress cannot be shown the work goes on.
        drop(shown);
    }

    fn started(&self, model: &str, stage: Stage, total: u64) -> Running {
        let Some(bars) = &self.bars else {
            self.line(&format!("{model}: {} {}", stage.as_str(), megabytes(total)));
            return Running { bar: None, total, next_line: LINE_EVERY };
        };
        let form = "{prefix:<40} {bar:30} {bytes:>10}/{total_bytes:<10} {bytes_per_sec} {eta}";
        let style = ProgressStyle::with_template(form).expect("the form is constant");
        let bar = bars.add(ProgressBar::new(total).with_style(style));
        bar.set_prefix(format!("{model}: {}", stage.as_str()));
        Running { bar: Some(bar), total, next_line: LINE_EVERY }
    }

    fn advanced(&self, model: &str, stage: Stage, done: u64) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = stages.get_mut(&(model.to_owned(), stage)) else { return };
        if let Some(bar) = &running.bar {
            bar.set_position(done.min(running.total));
            return;
        }
        let percent = (done.saturating_mul(100) / running.total.max(1)).min(100);
        if percent >= running.next_line && running.total >= WORTH_LINES {
            running.next_line = percent - percent % LINE_EVERY + LINE_EVERY;
            self.line(&format!("{model}: {} {percent} %", stage.as_str()));
        }
    }
}

impl PullObserver for Shown {
    fn tell(&self, event: &PullEvent<'_>) {
        match *event {
            PullEvent::Waiting => {
                self.line("another pull is at work in this folder: waiting for it");
            }
            PullEvent::AlreadyThere { model } => self.line(&format!("{model}: already here")),
            PullEvent::StageStarted { model, stage, total } => {
                let running = self.started(model, stage, total);
                let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
                stages.insert((model.to_owned(), stage), running);
            }
            PullEvent::Advanced { model, stage, done } => self.advanced(model, stage, done),
            PullEvent::StageEnded { model, stage } => {
                let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(Running { bar: Some(bar), .. }) =
                    stages.remove(&(model.to_owned(), stage))
                {
                    bar.finish_and_clear();
                }
            }
            PullEvent::SourceFailed { file, reason } => {
                self.line(&format!("{file}: a source failed ({reason}); trying the next one"));
            }
            PullEvent::ModelReady { model } => self.line(&format!("{model}: ready")),
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(command: &Command, dir: &Path) -> Result<Answer, CatalogError> {
        answer(command, None, dir, &Quiet)
    }

    fn which(names: &[&str]) -> Which {
        Which { names: names.iter().map(ToString::to_string).collect(), set: Vec::new() }
    }

    #[test]
    fn the_list_shows_every_model_with_its_licence_and_its_sets() {
        let dir = tempfile::tempdir().unwrap();
        let answer = ask(&Command::List, dir.path()).unwrap();
        assert_eq!(answer.lines.len(), 1 + Catalog::built_in().models.len());
        let silero = answer.lines.iter().find(|line| line.starts_with("silero-vad ")).unwrap();
        let words: Vec<&str> = silero.split_whitespace().collect();
        assert_eq!(
            words,
            ["silero-vad", "silero", "3", "MB", "no", "MIT", "a100", "starter", "tiny"]
        );
        assert_eq!(answer.json["models"][0]["here"], "no");
    }

    #[test]
    fn what_is_missing_fails_the_verification_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let answer = ask(&Command::Verify { which: which(&["silero-vad"]) }, dir.path()).unwrap();
        assert!(answer.failure.is_some());
        assert_eq!(answer.json["good"], false);
        assert!(answer.lines[0].starts_with("missing "), "{}", answer.lines[0]);
    }

    #[test]
    fn a_folder_that_has_nothing_is_named() {
        let (dir, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pull =
            Command::Pull { which: which(&["silero-vad"]), from: Some(from.path().to_owned()) };
        let error = ask(&pull, dir.path()).err().unwrap();
        assert!(error.to_string().contains("silero-vad==6.2.3"), "{error}");
    }

    #[test]
    fn without_a_name_the_starter_set_is_meant() {
        assert_eq!(which(&[]).names(), ["starter"]);
        assert_eq!(which(&["tiny", "kokoro-82m"]).names(), ["tiny", "kokoro-82m"]);
    }
}
