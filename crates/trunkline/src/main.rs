//! Voice AI on your own GPUs: answers calls, hears, thinks, speaks.

mod admin;
mod announcing;
mod assemble;
mod bench;
mod call;
mod calls_cli;
mod check;
mod cli;
mod config;
mod doctor;
mod exit;
mod gpu;
mod host_memory;
mod keys;
mod machine;
mod memory;
mod models_cli;
mod plan;
mod rehearsal;
mod serve;
mod sound_file;
mod speak;
mod speech;
mod talk;
mod telemetry;
mod transcribe;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{Cli, Command, ConfigPage},
    exit::Failure,
};

// A request makes and frees hundreds of small things: glibc's allocator took a sixth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(Failure::new(error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[expect(clippy::print_stdout, reason = "the command's result")]
async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Check { config, json } => check::run(&config, json),
        Command::Doctor { config, json } => doctor::run(&config, json),
        Command::Plan(args) => plan::run(&args),
        Command::Models(args) => models_cli::run(args),
        Command::Transcribe(args) => transcribe::run(args).await,
        Command::Call(args) => call::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Talk(args) => talk::run(args).await,
        Command::Calls(args) => calls_cli::run(args).await,
        Command::Keys(args) => keys::run(&args),
        Command::Speak(args) => speak::run(args).await,
        Command::Config { what: ConfigPage::Reference } => {
            print!("{}", config::reference());
            Ok(())
        }
        Command::Config { what: ConfigPage::Schema } => {
            println!("{:#}", config::schema());
            Ok(())
        }
    }
}
