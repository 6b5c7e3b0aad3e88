//! `trunkline call`: a built-in caller. Places a real SIP call, speaks, listens, measures.

mod ear;
mod line;
mod report;
mod script;
mod server;
mod speech;
mod waterfall;
mod wire;

use std::{
    fs::File,
    io::BufWriter,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::ArgGroup;
use trunkline_audio::wav::StereoWriter;
use trunkline_telephony::{DialOptions, Dialer, SipConfig};

use self::{
    line::Recording,
    report::{Report, RtpReport},
    script::Script,
};
pub(crate) use self::{
    line::{Cue, Heard, LINE_HZ, Line},
    report::{Latency, TurnReport, turns},
    script::When,
    server::Server,
    wire::{Arrival, Wire},
};
use crate::{admin::Admin, cli::ConfigArgs, config::Config, exit::Failure};

/// How long the other side may let it ring.
const RING: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("what").required(true)))]
pub(crate) struct CallArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whom to call: `sip:USER@HOST:PORT`, with `;transport=tcp` for TCP.
    #[arg(long)]
    to: String,
    /// Sound files to speak, one after the other, each when the other side is quiet.
    #[arg(long, num_args = 1.., group = "what")]
    wav: Vec<PathBuf>,
    /// Texts to speak likewise, with the configured voice.
    #[arg(long, num_args = 1.., group = "what")]
    text: Vec<String>,
    /// A script: sound files, texts, keys, pauses and interruptions (TOML).
    #[arg(long, group = "what")]
    script: Option<PathBuf>,
    /// Who calls.
    #[arg(long, default_value = "sip:caller@127.0.0.1")]
    from: String,
    /// A folder for the recording: call.wav, the caller left, the other side right.
    #[arg(long)]
    save: Option<PathBuf>,
    /// The server's HTTP address, for stage times and texts.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    admin: String,
    /// The voice model that speaks the texts; the config's by default.
    #[arg(long)]
    voice_model: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl CallArgs {
    fn script(&self) -> Result<Script, Failure> {
        match &self.script {
            Some(path) => Script::read(path),
            None if self.wav.is_empty() => Ok(Script::of_texts(&self.text)),
            None => Ok(Script::of_wavs(&self.wav)),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) async fn run(args: CallArgs) -> Result<(), Failure> {
    let config = Config::load(args.config.config.as_deref())?;
    let script = args.script()?;
    let cues = speech::cues(&script, &config, args.voice_model.as_deref()).await?;
    let (recording, path) = recording(&args)?;
    let server = Server::new(Admin::at(&args.admin)?);

    let options =
        DialOptions { from: Some(args.from.clone()), timeout: RING, ..DialOptions::default() };
    let dialer = Dialer::bind(wire()).await.map_err(Failure::unavailable)?;
    let mut call = match dialer.dial(&args.to, options).await {
        Ok(call) => call,
        Err(error) => return refused(&args, &error),
    };
    let sip_call_id = call.sip_call_id().to_owned();
    let watch = server.watch(&sip_call_id, !args.json);
    let heard = Line::new(&mut call, cues, recording)
        .run(|what| {
            if !args.json {
                println!("caller  {what}");
            }
        })
        .await?;
    let stats = call.stats();
    call.hang_up().await;
    watch.stop().await;
    let rtp = RtpReport {
        sent: stats.sent,
        received: stats.received,
        lost: stats.lost,
        jitter_ms: stats.jitter_ms,
    };
    let report = join(&server, &sip_call_id, &heard, rtp, path).await;
    print(&args, &report)?;
    if heard.cut_short {
        return Err(Failure::new("the other side hung up before everything was said"));
    }
    Ok(())
}

/// Any free port, on every address: whom we call decides which is used.
pub(crate) fn wire() -> SipConfig {
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    SipConfig { bind, rtp_ports: 30_000..=39_999, ..SipConfig::default() }
}

async fn join(
    server: &Server,
    sip_call_id: &str,
    heard: &Heard,
    rtp: RtpReport,
    path: Option<PathBuf>,
) -> Report {
    let record = server.record(sip_call_id).await;
    let (call_id, turns) = record.unwrap_or_else(|| (sip_call_id.to_owned(), Vec::new()));
    let outcome = if heard.cut_short { "hung_up_by_other_side" } else { "completed" };
    Report {
        call_id,
        outcome: outcome.into(),
        turns: report::turns(&heard.said, &heard.ear, &turns, heard.first_packet),
        reply_wav: path.map(|p| p.display().to_string()),
        rtp,
    }
}

fn recording(args: &CallArgs) -> Result<(Option<Recording>, Option<PathBuf>), Failure> {
    let Some(folder) = &args.save else { return Ok((None, None)) };
    std::fs::create_dir_all(folder)
        .map_err(|e| Failure::new(format!("{}: {e}", folder.display())))?;
    let path = folder.join("call.wav");
    let file = File::create(&path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    let writer = StereoWriter::new(BufWriter::new(file), LINE_HZ).map_err(Failure::new)?;
    Ok((Some(writer), Some(path)))
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn refused(args: &CallArgs, error: &trunkline_telephony::DialError) -> Result<(), Failure> {
    if args.json {
        let report = Report {
            call_id: String::new(),
            outcome: error.to_string(),
            turns: Vec::new(),
            reply_wav: None,
            rtp: RtpReport::default(),
        };
        println!("{}", serde_json::to_string(&report).map_err(Failure::new)?);
    }
    Err(Failure::unavailable(format!("{}: {error}", args.to)))
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn print(args: &CallArgs, report: &Report) -> Result<(), Failure> {
    if args.json {
        println!("{}", serde_json::to_string(report).map_err(Failure::new)?);
        return Ok(());
    }
    println!();
    for line in waterfall::bars(&report.turns) {
        println!("{line}");
    }
    let RtpReport { sent, received, lost, jitter_ms } = report.rtp;
    println!("rtp: {sent} sent, {received} received, {lost} lost, jitter {jitter_ms:.1} ms");
    if let Some(path) = &report.reply_wav {
        println!("recording: {path} (caller left, other side right)");
    }
    println!("{} ({})", report.outcome, report.call_id);
    Ok(())
}
