//! `trunkline serve`: answers calls until it is told to stop.

use std::{sync::Arc, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use trunkline_gateway::{
    About, Admissions, DataDir, GatewayError, Intake, Journal, JournalTasks, MachineAbout, Metrics,
    Observers, Operator, Readiness, RealtimeDesk, Server, SqliteStore, Store,
    openai::{Api, Named, Served},
    router,
};
use trunkline_inference::{Devices, schedule::Tenant};
use trunkline_session::{Agent, CallId, Models, Plan, Sessions};
use trunkline_telephony::{IncomingCall, SipServer};

use crate::{
    announcing,
    assemble::{self, ProgramModels},
    cli::ConfigArgs,
    config::Config,
    exit::Failure,
    machine::Machine,
    memory, rehearsal, telemetry,
};

/// How long calls may go on after the order to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// How long the SIP side may take to say goodbye after that.
const GOODBYE: Duration = Duration::from_secs(3);

pub(crate) async fn run(args: ConfigArgs) -> Result<(), Failure> {
    let config = Arc::new(Config::load(args.config.as_deref())?);
    telemetry::start(&config.log);
    raise_file_limit();
    let stop = stop_signal()?;
    let mut sip =
        SipServer::bind(assemble::sip(&config.sip)).await.map_err(Failure::unavailable)?;
    let seating = memory::place(&config.models)?;
    let desk = Desk::open(&config).await.map_err(Failure::unavailable)?;
    for (gpu, model, bytes) in seating.gpu_memory() {
        desk.metrics.gpu_memory_held(gpu, model, i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    desk.readiness.mark_ready("sip");
    let loading = Arc::clone(&config);
    let devices = assemble::devices(&config.models, seating.gpus());
    let shared = Some(devices.clone());
    let models = tokio::task::spawn_blocking(move || {
        let mut progress = |role: &str, name: &str| tracing::info!("loading the {role}: {name}");
        let place = |name: &str| assemble::Place::of(seating.gpus_of(name), shared.as_ref());
        let models = assemble::models(&loading.models, &place, &mut progress)?;
        Ok::<_, Failure>((models, assemble::program_models(&loading.models, &mut progress)?))
    });
    let (models, others) = tokio::select! {
        models = models => models.map_err(Failure::new).flatten()?,
        () = stop.cancelled() => return desk.close().await,
    };
    let served = served(&config, &models, others);
    for load in models.lane_loads().into_iter().chain(served.lane_loads()) {
        desk.metrics.watch_lane(load);
    }
    desk.metrics.watch_devices(devices.clone());
    let sessions = Arc::new(Sessions::new(desk.observers.clone()));
    let agents: Vec<_> =
        config.agents.iter().map(|(name, agent)| assemble::agent(name, agent)).collect();
    tokio::select! {
        () = rehearse(agents.first(), &models, &devices, &desk.admissions) => {}
        () = stop.cancelled() => return desk.close().await,
    }
    desk.api.serve(served);
    desk.api.open_realtime(RealtimeDesk {
        sessions: Arc::clone(&sessions),
        models: models.clone(),
        agent: assemble::realtime_agent(&config.agents),
    });
    desk.readiness.mark_ready("models");
    tracing::info!(sip = %sip.local_addr(), http = %desk.http, "ready: answering calls");

    let (metrics, admissions) = (desk.metrics.clone(), desk.admissions.clone());
    let mut answering = JoinSet::new();
    let mut watching = JoinSet::new();
    watching.spawn(admissions.clone().watch(devices));
    watching.spawn(announcing::record_all(models.clone(), agents));
    let front = Arc::new(Front { config, models, sessions, metrics, admissions });
    front.answer_until(&mut sip, &mut answering, stop.cancelled()).await;
    tracing::info!(
        calls = front.sessions.running(),
        "stopping: calls and requests in progress may finish"
    );
    desk.readiness.mark_not_ready("sip", "the server is stopping");
    let drained = async {
        let requests = timeout(DRAIN, desk.intake.drain());
        let ((), requests) = tokio::join!(front.sessions.drain(DRAIN), requests);
        if requests.is_err() {
            tracing::warn!("requests of programs are cut off: they took too long");
        }
    };
    // Callers are told to try elsewhere, rather than left without an answer.
    front.answer_until(&mut sip, &mut answering, drained).await;
    sip.shutdown(GOODBYE).await;
    desk.close().await
}

/// Has the models greet and take a turn, so that the first caller meets warm ones and it is known what calls take.
async fn rehearse(
    agent: Option<&Agent>,
    models: &Models,
    devices: &Devices,
    admissions: &Admissions,
) {
    let Some(agent) = agent.filter(|_| devices.is_shared()) else { return };
    announcing::record(models, agent, &agent.script.greeting).await;
    match rehearsal::turn(models, agent, devices).await {
        Ok(turn) => {
            tracing::info!(worked_ms = turn.as_millis(), "the models are warm");
            admissions.expect_turns_of(turn);
        }
        Err(error) => tracing::warn!(%error, "the models could not take a turn by themselves"),
    }
}

/// Everything that stays open while calls come and go: HTTP, journal, store.
struct Desk {
    readiness: Readiness,
    metrics: Metrics,
    api: Api,
    intake: Intake,
    admissions: Admissions,
    observers: Arc<Observers>,
    journal_tasks: JournalTasks,
    http: std::net::SocketAddr,
    serving: JoinSet<()>,
    stop: CancellationToken,
}

impl Desk {
    async fn open(config: &Config) -> Result<Self, GatewayError> {
        let dir = Arc::new(DataDir::open(&config.store.data_dir)?);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir).await?);
        let metrics = Metrics::new(Duration::from_millis(config.gateway.turn_slo_ms.into()));
        let delay = config.store.journal_fsync_ms.duration();
        let (journal, journal_tasks) =
            Journal::start(dir, delay, Arc::clone(&store), metrics.journal()).await?;
        let found = journal_tasks.recovered;
        if found.crashed_calls > 0 {
            tracing::warn!(
                calls = found.crashed_calls,
                "the last run died: its open calls are marked as crashed"
            );
        }
        let readiness = Readiness::new(&["models", "sip"]);
        let server = Server::bind(&config.gateway).await?;
        let http = server.address();
        let api = Api::new(&config.api);
        let admissions = if config.gateway.admission {
            Admissions::new(Duration::from_millis(config.gateway.turn_slo_ms.into()))
        } else {
            Admissions::open()
        };
        let intake = Intake::new(&config.api, metrics.clone(), admissions.clone());
        let operator = Operator {
            store,
            journal: journal.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            api: api.clone(),
            intake: intake.clone(),
            about: Arc::new(about(config)),
        };
        let observers = Arc::new(Observers::new(vec![
            Arc::new(journal),
            Arc::new(metrics.clone()),
            Arc::new(admissions.clone()),
        ]));
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(server.run(router::router(operator, &config.gateway), stop.clone()));
        Ok(Self {
            readiness,
            metrics,
            api,
            intake,
            admissions,
            observers,
            journal_tasks,
            http,
            serving,
            stop,
        })
    }

    async fn close(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
        self.journal_tasks.finish().await;
        Ok(())
    }
}

/// What operators are told about this server.
fn about(config: &Config) -> About {
    let Machine { cpu, cores, memory_bytes, gpu_driver } = Machine::look();
    About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config_sha256: config.sha256.clone(),
        models: assemble::models_by_hash(&config.models),
        machine: MachineAbout { cpu, cores, memory_bytes, gpu_driver },
    }
}

/// The models of calls as programs ask for them.
fn served(config: &Config, models: &Models, others: ProgramModels) -> Served {
    let names = &config.models;
    Served {
        llm: Named::new(&names.llm, Arc::clone(&models.llm)),
        stt: Named::new(&names.stt, Arc::clone(&models.stt)),
        tts: Named::new(&names.tts, Arc::clone(&models.tts)),
        embedder: others.embedder.map(|model| Named::new(&names.embedding, model)),
        speakers: others.speakers.map(|model| Named::new(&names.speakers, model)),
        vad: Arc::clone(&models.vad),
    }
}

/// Where calls come in.
struct Front {
    config: Arc<Config>,
    models: Models,
    sessions: Arc<Sessions>,
    metrics: Metrics,
    admissions: Admissions,
}

impl Front {
    /// Answers whoever calls, until then.
    async fn answer_until(
        self: &Arc<Self>,
        sip: &mut SipServer,
        answering: &mut JoinSet<()>,
        end: impl Future<Output = ()>,
    ) {
        tokio::pin!(end);
        loop {
            tokio::select! {
                Some(call) = sip.accept() => { answering.spawn(Arc::clone(self).answer(call)); }
                Some(_) = answering.join_next() => {}
                () = &mut end => return,
            }
        }
    }

    async fn answer(self: Arc<Self>, mut call: IncomingCall) {
        let Some(place) = self.sessions.enter() else {
            tracing::info!("a call is refused: the server is stopping");
            return call.reject(503, Some(DRAIN)).await;
        };
        let rang = Instant::now();
        let Some((name, config)) = self.config.agent_for(call.to_user()) else {
            tracing::info!(to = call.to_uri(), "no agent answers this number");
            return call.reject(404, None).await;
        };
        let id = CallId::new();
        if let Err(wait) = self.admissions.call(id) {
            return call.reject(503, Some(wait)).await;
        }
        let plan = Plan {
            call: id,
            wire_id: call.sip_call_id().to_owned(),
            from: call.from().to_owned(),
            to: call.to_uri().to_owned(),
            leg: "sip",
            tenant: Tenant::default(),
            agent: Arc::new(assemble::agent(name, config)),
            models: self.models.clone(),
        };
        if let Err(error) = call.ring().await {
            self.admissions.gave_up(id);
            return tracing::info!(%error, "the caller went away before the call was answered");
        }
        match call.answer().await {
            Ok(leg) => {
                self.metrics.call_set_up("sip", rang.elapsed());
                place.start(leg, plan);
            }
            Err(error) => {
                self.admissions.gave_up(id);
                tracing::info!(%error, "the call was not answered");
            }
        }
    }
}

/// Allows as many open files as the system lets us: each call has two sockets, each request one, and many
/// systems begin with 1024.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::debug!(%error, limit = limit.current, "the limit of open files stays as it is");
    }
}

/// Cancelled by SIGTERM or SIGINT.
fn stop_signal() -> Result<CancellationToken, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    let wait = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    };
    #[expect(clippy::disallowed_methods, reason = "lives as long as the process")]
    drop(tokio::spawn(wait));
    Ok(stop)
}
