//! `trunkline talk`: a conversation through this machine's microphone and speaker.

use crate::{cli::ConfigArgs, exit::Failure};

#[cfg(not(feature = "microphone"))]
pub(crate) async fn run(_: ConfigArgs) -> Result<(), Failure> {
    std::future::ready(Err(Failure::unavailable(
        "this program was built without a microphone: build it with `--features local,microphone`",
    )))
    .await
}

#[cfg(feature = "microphone")]
pub(crate) async fn run(args: ConfigArgs) -> Result<(), Failure> {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;
    use trunkline_inference::schedule::Tenant;
    use trunkline_session::{CallId, Plan, Session, Watch};
    use trunkline_telephony::MicrophoneLeg;

    use crate::{assemble, config::Config, memory, telemetry};

    let config = Config::load(args.config.as_deref())?;
    telemetry::start(&config.log);
    let leg = MicrophoneLeg::open().map_err(Failure::unavailable)?;
    let (name, agent) =
        config.agents.first().ok_or_else(|| Failure::unavailable("no agent is configured"))?;
    let seating = memory::place(&config.models)?;
    let devices = assemble::devices(&config.models, seating.gpus());
    let place = |name: &str| assemble::Place::of(seating.gpus_of(name), Some(&devices));
    let models = assemble::models(&config.models, &place, &mut |role, name| {
        tracing::info!("loading the {role}: {name}");
    })?;
    let plan = Plan {
        call: CallId::new(),
        wire_id: String::new(),
        from: "microphone".into(),
        to: name.clone(),
        leg: "microphone",
        tenant: Tenant::default(),
        agent: Arc::new(assemble::agent(name, agent)),
        models,
    };
    let shutdown = CancellationToken::new();
    let watch = Watch { observer: Arc::new(Screen), shutdown: shutdown.clone() };
    let mut session = std::pin::pin!(Session::new(leg, plan, watch).run());
    tokio::select! {
        _ = &mut session => {}
        pressed = tokio::signal::ctrl_c() => {
            pressed.map_err(Failure::new)?;
            shutdown.cancel();
            session.await;
        }
    }
    Ok(())
}

/// Shows the conversation.
#[cfg(feature = "microphone")]
struct Screen;

#[cfg(feature = "microphone")]
impl trunkline_session::Observer for Screen {
    #[expect(clippy::print_stdout, reason = "the command's result")]
    fn note(&self, record: trunkline_session::Record) {
        use trunkline_session::What;
        match record.what {
            What::TurnEnded { text, .. } => println!("you     {text}"),
            What::ReplyHeard { text, whole, .. } => {
                println!("agent   {text}{}", if whole { "" } else { " (interrupted)" });
            }
            What::ReplySounded { stages, .. } => {
                println!("        {} ms", stages.total().as_millis());
            }
            What::ModelFailed { reason } => println!("failed  {reason}"),
            What::Answered { .. }
            | What::SpeechIgnored { .. }
            | What::Decided { .. }
            | What::RanDry { .. }
            | What::Pressed
            | What::Ended { .. } => {}
        }
    }
}
