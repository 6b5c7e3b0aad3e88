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

/// Where no terminal shows a bar, a line comes each time this share of a stage is done, in percent.
const LINE_EVERY: u64 = 25;
/// Smaller stages, in bytes, are over before a line is worth reading.
const WORTH_LINES: u64 = 100_000_000;

/// The models this program knows, and those on this machine.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    command: Command,
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

/// Runs the command on the models in `dir`, with its answer to `out` and its progress on standard
/// error. Returns the exit code: 0, 1, 2 or one of sysexits.
pub(crate) fn run(args: &ModelsArgs, dir: &Path, out: &mut dyn Write) -> u8 {
    let observer = Shown::on_this_terminal();
    let observer: &dyn PullObserver = if args.json { &Quiet } else { &observer };
    let result = match answer(args, dir, observer) {
        Ok(answer) => {
            let code = answer.code;
            let text =
                if args.json { format!("{:#}", answer.json) } else { answer.lines.join("\n") };
            writeln!(out, "{text}").map(|()| code)
        }
        Err(error) if args.json => {
            let body = json!({ "error": error.to_string() });
            writeln!(out, "{body:#}").map(|()| exit_code(&error))
        }
        Err(error) => writeln!(io::stderr(), "error: {error}").map(|()| exit_code(&error)),
    };
    // A reader that went away has no more use for the answer.
    result.unwrap_or(1)
}

/// What a command says, for people and for programs.
struct Answer {
    lines: Vec<String>,
    json: Value,
    code: u8,
}

fn answer(
    args: &ModelsArgs,
    dir: &Path,
    observer: &dyn PullObserver,
) -> Result<Answer, CatalogError> {
    let catalog = match &args.catalog {
        Some(path) => Catalog::read(path)?,
        None => Catalog::built_in(),
    };
    match &args.command {
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
    Answer { lines, json: json!({ "dir": dir, "models": rows }), code: 0 }
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
    Answer { lines, json: json!({ "dir": dir, "models": rows }), code: 0 }
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
    lines.push(match bad {
        0 => format!("all {} files are good", reports.len()),
        _ => format!("{bad} of {} files are not good: run `trunkline models pull`", reports.len()),
    });
    Answer { lines, json: json!({ "good": bad == 0, "files": rows }), code: u8::from(bad > 0) }
}

/// As in sysexits, so that a script can tell what to do about it.
fn exit_code(error: &CatalogError) -> u8 {
    match error {
        CatalogError::UnknownName { .. } => 2,
        CatalogError::WrongHash { .. }
        | CatalogError::Truncated { .. }
        | CatalogError::MemberMissing { .. }
        | CatalogError::DamagedPackage { .. }
        | CatalogError::ConversionFailed { .. } => 65,
        CatalogError::NotInFolder { .. } => 66,
        CatalogError::NoProgram { .. }
        | CatalogError::PackageGone { .. }
        | CatalogError::FetchFailed { .. } => 69,
        CatalogError::NoSource { attempts, .. } => attempts.first().map_or(69, exit_code),
        CatalogError::DiskFull { .. } => 73,
        CatalogError::Io { .. } => 74,
        CatalogError::Malformed { .. } | CatalogError::MissingLicence { .. } => 78,
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
