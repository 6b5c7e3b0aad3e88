//! A gateway to test: its folder, and what runs on it.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trunkline_gateway::{
    Admissions, ApiConfig, DataDir, GatewayConfig, GatewayError, Intake, Journal, JournalTasks,
    Metrics, Operator, Readiness, Server, SqliteStore, Store,
    journal::{Entry, Recovered},
    openai::Api,
    router::router,
    store::{Answer, Call, CallFilter, CallRecord},
};
use trunkline_session::{CallId, HangupReason, Observer, Record};

/// A store and a journal in a folder.
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) switch: Arc<AtomicBool>,
    pub(crate) journal: Journal,
    pub(crate) metrics: Metrics,
    tasks: JournalTasks,
}

impl World {
    pub(crate) async fn start(path: &Path) -> Self {
        for _ in 0..100 {
            match Self::try_start(path).await {
                // A process that another test is starting holds every open file, the lock of the
                // world before this one among them, for the moment between fork and exec.
                Err(GatewayError::InUse { .. }) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                started => return started.unwrap(),
            }
        }
        panic!("the folder stays in use")
    }

    pub(crate) async fn try_start(path: &Path) -> Result<Self, GatewayError> {
        Self::start_with(path, true).await
    }

    /// What a start says while the store cannot be written.
    pub(crate) async fn try_start_failing(path: &Path) -> GatewayError {
        loop {
            let error = Self::start_with(path, false).await.err().unwrap();
            if !matches!(error, GatewayError::InUse { .. }) {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn start_with(path: &Path, works: bool) -> Result<Self, GatewayError> {
        let dir = Arc::new(DataDir::open(path)?);
        let real = SqliteStore::open(&dir).await?;
        let switch = Arc::new(AtomicBool::new(works));
        let store: Arc<dyn Store> = Arc::new(Switched { real, works: Arc::clone(&switch) });
        let metrics = Metrics::new(Duration::from_secs(2));
        let delay = Duration::from_millis(2);
        let (journal, tasks) =
            Journal::start(dir, delay, Arc::clone(&store), metrics.journal()).await?;
        Ok(Self { store, switch, journal, metrics, tasks })
    }

    pub(crate) fn recovered(&self) -> Recovered {
        self.tasks.recovered
    }

    pub(crate) fn note_all(&self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            self.metrics.note(record.clone());
            self.journal.note(record);
        }
    }

    /// Has every write to the store fail, or work again.
    pub(crate) fn store_works(&self, works: bool) {
        self.switch.store(works, Ordering::Relaxed);
    }

    /// A clean stop.
    pub(crate) async fn stop(self) {
        self.tasks.finish().await;
        self.store.close().await;
    }

    /// As if the process died: the tasks end wherever they are.
    pub(crate) async fn crash(self) {
        drop(self.tasks);
        self.store.close().await;
    }
}

/// A SQLite store whose writes fail while a switch is off.
struct Switched {
    real: SqliteStore,
    works: Arc<AtomicBool>,
}

impl Store for Switched {
    fn record_batch<'a>(&'a self, entries: &'a [Entry]) -> Answer<'a, ()> {
        if self.works.load(Ordering::Relaxed) {
            return self.real.record_batch(entries);
        }
        async { Err(GatewayError::Database("database or disk is full".into())) }.boxed()
    }
    fn applied_position(&self) -> Answer<'_, u64> {
        self.real.applied_position()
    }
    fn close_open_calls(&self, reason: HangupReason) -> Answer<'_, u64> {
        self.real.close_open_calls(reason)
    }
    fn calls<'a>(
        &'a self,
        filter: &'a CallFilter,
        limit: u32,
        before: Option<CallId>,
    ) -> Answer<'a, Vec<Call>> {
        self.real.calls(filter, limit, before)
    }
    fn call(&self, id: CallId) -> Answer<'_, Option<CallRecord>> {
        self.real.call(id)
    }
    fn call_with_wire_id<'a>(&'a self, wire_id: &'a str) -> Answer<'a, Option<CallId>> {
        self.real.call_with_wire_id(wire_id)
    }
    fn check_reachable(&self) -> Answer<'_, ()> {
        self.real.check_reachable()
    }
    fn close(&self) -> BoxFuture<'_, ()> {
        self.real.close()
    }
}

/// A world with its HTTP face.
pub(crate) struct Face {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    pub(crate) readiness: Readiness,
    pub(crate) api: Api,
    pub(crate) intake: Intake,
    pub(crate) client: reqwest::Client,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Face {
    pub(crate) async fn open(path: &Path, config: &GatewayConfig) -> Self {
        Self::open_for_programs(path, config, &ApiConfig::default()).await
    }

    pub(crate) async fn open_for_programs(
        path: &Path,
        config: &GatewayConfig,
        api: &ApiConfig,
    ) -> Self {
        let world = World::start(path).await;
        let readiness = Readiness::new(&["models", "sip"]);
        let intake = Intake::new(api, world.metrics.clone(), Admissions::open());
        let api = Api::new(api);
        let operator = Operator {
            store: Arc::clone(&world.store),
            journal: world.journal.clone(),
            metrics: world.metrics.clone(),
            readiness: readiness.clone(),
            api: api.clone(),
            intake: intake.clone(),
            about: Arc::default(),
        };
        let server = Server::bind(config).await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
        let stop = CancellationToken::new();
        let running = server.run(router(operator, config), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "awaited by close")]
        let serving = tokio::spawn(running);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { world, address, readiness, api, intake, client, stop, serving }
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    pub(crate) async fn json(&self, path: &str) -> (u16, serde_json::Value) {
        let answer = self.get(path).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
        self.world.stop().await;
    }
}
