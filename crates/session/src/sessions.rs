//! All calls of this process: starts them, counts them, drains them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{Leg, Observer, Plan, Session, session::Watch};

/// The calls in progress.
pub struct Sessions {
    tasks: Mutex<JoinSet<()>>,
    watch: Watch,
    running: Arc<AtomicUsize>,
}

impl Sessions {
    /// No calls yet; `observer` will be told of each.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        let watch = Watch { observer, shutdown: CancellationToken::new() };
        Self { tasks: Mutex::default(), watch, running: Arc::default() }
    }

    /// How many calls are in progress.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Starts a call.
    pub async fn start<L: Leg + 'static>(&self, leg: L, plan: Plan) {
        let span =
            tracing::info_span!("call", call = %plan.call, leg = plan.leg, agent = plan.agent.name);
        let count = Counted::new(&self.running);
        let mut tasks = self.tasks.lock().await;
        while tasks.try_join_next().is_some() {}
        let session = Session::new(leg, plan, self.watch.clone());
        let call = async move {
            let reason = session.run().await;
            tracing::info!(reason = reason.as_str(), "the call is over");
            drop(count);
        };
        tasks.spawn(call.instrument(span));
    }

    /// Waits until all calls are over; those that still go on after `patience` are ended politely.
    pub async fn drain(&self, patience: Duration) {
        let mut tasks = self.tasks.lock().await;
        let over = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, over).await.is_err() {
            self.watch.shutdown.cancel();
            while tasks.join_next().await.is_some() {}
        }
    }
}

/// Counts a call for as long as it lives, also when it panics.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(running))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
