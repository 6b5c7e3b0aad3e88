//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Voice AI on your own GPUs: phone calls and an OpenAI-compatible API in one binary.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The configuration that a command works with.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The config file; without one, built-in defaults.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer calls.
    Serve(ConfigArgs),
    /// Check the config and show what it would run, without opening a port.
    Check {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look over the machine: cores, memory, ports, models, tools.
    Doctor {
        #[command(flatten)]
        config: ConfigArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Reckon how many GPUs so many calls take, and why.
    Plan(crate::plan::PlanArgs),
    /// List, fetch and verify models.
    Models(crate::models_cli::ModelsArgs),
    /// Make keys for programs and operators.
    Keys(crate::keys::KeysArgs),
    /// Talk through the microphone and the speaker.
    Talk(ConfigArgs),
    /// Show the record of calls.
    Calls(crate::calls_cli::CallsArgs),
    /// Transcribe a sound file.
    Transcribe(crate::transcribe::TranscribeArgs),
    /// Place a call, speak, listen, and show where the time went.
    Call(crate::call::CallArgs),
    /// Place many calls at once, and certify how they were answered.
    Bench(crate::bench::BenchArgs),
    /// Speak text into a WAV file.
    Speak(crate::speak::SpeakArgs),
    /// Print the reference of the config file, or its JSON Schema.
    #[command(hide = true)]
    Config {
        /// Which.
        #[arg(value_enum)]
        what: ConfigPage,
    },
}

/// What can be printed of the config's types.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum ConfigPage {
    /// docs/config.md.
    Reference,
    /// config/schema.json.
    Schema,
}
