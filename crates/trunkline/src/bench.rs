//! `trunkline bench`: a load caller. Many callers at once, and a certificate of what they met.

mod caller;
mod certificate;
mod clips;
mod level;
mod machine;
mod picture;
mod realtime;
mod tally;
mod words;

use std::{path::PathBuf, sync::Arc, time::Duration};

use trunkline_telephony::Dialer;

use self::{
    caller::{Desk, Habits},
    certificate::Certificate,
    clips::Clips,
};
use crate::{
    admin::Admin,
    call::{Server, wire},
    exit::Failure,
};

#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Whom to call: `sip:USER@HOST:PORT`, with `;transport=tcp` for TCP, or a session of the Realtime API:
    /// `ws://HOST:PORT/v1/realtime`, with the API key in the environment variable `TRUNKLINE_API_KEY`.
    #[arg(long, default_value = "sip:bench@127.0.0.1:5060")]
    to: String,
    /// Callers at once; several numbers, as `4,8,16`, are tried one after the other.
    #[arg(long, value_delimiter = ',', default_value = "4")]
    calls: Vec<usize>,
    /// What the callers say: a folder of sound files, or a list with one file a line, its text behind a
    /// tab where word errors are to be counted.
    #[arg(long)]
    clips: PathBuf,
    /// How long each number of callers is measured, seconds; the ramp comes before.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// New callers a second, until all of them call.
    #[arg(long, default_value_t = 1.0)]
    ramp: f64,
    /// What a caller says in one call before it hangs up and calls again.
    #[arg(long, default_value_t = 4)]
    turns: usize,
    /// How long a caller thinks before it speaks, seconds, in the middle.
    #[arg(long, default_value_t = 1.5)]
    think: f64,
    /// The share of replies that callers talk into.
    #[arg(long, default_value_t = 0.1)]
    barge_in: f64,
    /// How long a refused caller waits before it calls again, seconds.
    #[arg(long, default_value_t = 5.0)]
    patience: f64,
    /// The limit of the 95th percentile of mouth to ear, milliseconds, that a level must keep to pass.
    #[arg(long, default_value_t = 2000)]
    slo_ms: u64,
    /// The seed of what is said when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server's HTTP address, for what it heard and how it is set up.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    admin: String,
    /// A folder for certificate.json and certificate.svg.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) async fn run(args: BenchArgs) -> Result<(), Failure> {
    args.check()?;
    let clips = Arc::new(Clips::read(&args.clips)?);
    let admin = Admin::at(&args.admin)?;
    let dialer = Dialer::bind(wire()).await.map_err(Failure::unavailable)?;
    let desk = Arc::new(Desk {
        dialer,
        server: Server::new(admin.clone()),
        to: args.to.clone(),
        clips: Arc::clone(&clips),
        habits: args.habits(),
    });
    let slo = Duration::from_millis(args.slo_ms);
    let mut certificate = Certificate::begin(&args.to, &clips, slo, machine::about(&admin).await);
    for (nth, &calls) in (0..).zip(&args.calls) {
        let level =
            level::Level { calls, seconds: args.seconds, ramp: args.ramp, seed: args.seed + nth };
        tell(
            &args,
            &format!(
                "{calls} callers, {} s after a ramp of {:.0} s",
                args.seconds,
                level.ramp_up().as_secs_f64()
            ),
        );
        let figures = level.run(&desk, &admin, &|line| tell(&args, line)).await;
        tell(&args, &figures.to_string());
        certificate.add(figures);
    }
    if let Some(folder) = &args.save {
        certificate.save(folder)?;
        tell(&args, &format!("saved: {0}/certificate.json, {0}/certificate.svg", folder.display()));
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&certificate).map_err(Failure::new)?);
    } else {
        print!("{certificate}");
    }
    certificate.verdict()
}

/// Progress, for people: a script reads the result alone.
#[expect(clippy::print_stderr, reason = "progress beside the result")]
fn tell(args: &BenchArgs, line: &str) {
    if !args.json {
        eprintln!("{line}");
    }
}

impl BenchArgs {
    fn habits(&self) -> Habits {
        Habits {
            turns: self.turns,
            think: Duration::from_secs_f64(self.think),
            barge_in: self.barge_in,
            patience: Duration::from_secs_f64(self.patience),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let bad = |what: &str| Err(Failure::bad_input(what));
        if self.calls.iter().any(|n| !(1..=2000).contains(n)) {
            return bad("--calls must be 1 to 2000");
        }
        if self.to.starts_with("wss:") {
            return bad("--to: the load caller speaks no TLS; call the server's own port by ws://");
        }
        if !(0.1..=100.0).contains(&self.ramp) {
            return bad("--ramp must be 0.1 to 100 callers a second");
        }
        if !(0.0..=1.0).contains(&self.barge_in) {
            return bad("--barge-in is a share: 0.0 to 1.0");
        }
        if !(0.0..=60.0).contains(&self.think) || !(0.1..=600.0).contains(&self.patience) {
            return bad("--think must be 0 to 60 seconds and --patience 0.1 to 600");
        }
        if !(1..=100).contains(&self.turns) || !(5..=86_400).contains(&self.seconds) {
            return bad("--turns must be 1 to 100 and --seconds 5 to 86400");
        }
        Ok(())
    }
}
