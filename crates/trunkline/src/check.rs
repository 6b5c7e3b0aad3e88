//! `trunkline check`: what a config would run, without opening a port.

use std::path::PathBuf;

use serde::Serialize;

use crate::{assemble, cli::ConfigArgs, config::Config, exit::Failure, memory};

/// What would run.
#[derive(Debug, Serialize)]
struct Report {
    sip: String,
    http: String,
    data_dir: PathBuf,
    max_calls: usize,
    agents: Vec<AgentLine>,
    models: Vec<ModelLine>,
    model_bytes: u64,
    /// What each device holds; `None` where models are missing or do not fit.
    memory: Option<Vec<memory::DeviceLine>>,
}

#[derive(Debug, Serialize)]
struct AgentLine {
    name: String,
    numbers: Vec<String>,
}

/// A file that a model is loaded from.
#[derive(Debug, Serialize)]
struct ModelLine {
    role: &'static str,
    model: String,
    file: PathBuf,
    /// `None` when it is not there.
    bytes: Option<u64>,
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) fn run(args: &ConfigArgs, json: bool) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref())?;
    let mut report = report(&config);
    let seated = missing(&report).map_or_else(|| memory::place(&config.models), Err);
    report.memory = seated.as_ref().ok().map(|seating| memory::lines(seating.ledgers()));
    if json {
        println!("{}", serde_json::to_string_pretty(&report).map_err(Failure::new)?);
    } else {
        print!("{}", readable(&report));
    }
    seated.map(drop)
}

/// The failure where models are missing.
fn missing(report: &Report) -> Option<Failure> {
    let missing = report.models.iter().filter(|model| model.bytes.is_none());
    let mut names: Vec<_> = missing.map(|model| model.model.as_str()).collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        Failure::unavailable(format!(
            "models are missing: run `trunkline models pull {}`",
            names.join(" ")
        ))
    })
}

fn report(config: &Config) -> Report {
    let line = |file: assemble::ModelFile| ModelLine {
        role: file.role,
        bytes: file.path.metadata().ok().map(|m| m.len()),
        model: file.model,
        file: file.path,
    };
    let models: Vec<_> = assemble::model_files(&config.models).into_iter().map(line).collect();
    let agent = |(name, agent): &(String, crate::config::AgentConfig)| AgentLine {
        name: name.clone(),
        numbers: agent.numbers.clone(),
    };
    Report {
        sip: format!("{} (UDP and TCP)", config.sip.bind),
        http: config.gateway.bind.to_string(),
        data_dir: config.store.data_dir.clone(),
        max_calls: config.sip.max_calls,
        agents: config.agents.iter().map(agent).collect(),
        model_bytes: models.iter().filter_map(|m| m.bytes).sum(),
        models,
        memory: None,
    }
}

fn readable(report: &Report) -> String {
    let mut lines = vec![
        format!("SIP     {}, at most {} calls", report.sip, report.max_calls),
        format!("HTTP    {}", report.http),
        format!("record  {}", report.data_dir.display()),
    ];
    for agent in &report.agents {
        lines.push(format!("agent   {} answers {}", agent.name, agent.numbers.join(", ")));
    }
    for model in &report.models {
        let size = model.bytes.map_or_else(|| "MISSING".into(), mebibytes);
        lines.push(format!("{:7} {} ({size}) {}", model.role, model.model, model.file.display()));
    }
    lines.push(format!("files   {} in all", mebibytes(report.model_bytes)));
    lines.extend(report.memory.iter().flat_map(|devices| memory::readable(devices)));
    lines.join("\n") + "\n"
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
