//! All calls of this process: starts them, counts them, drains them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tracing::Instrument;

use crate::{Leg, Observer, Plan, Session, session::Watch};

/// The calls in progress.
pub struct Sessions {
    calls: TaskTracker,
    watch: Watch,
    running: Arc<AtomicUsize>,
}

/// Room for one call: from before it is answered, so that no call is answered that nobody waits for.
pub struct Place<'a> {
    sessions: &'a Sessions,
    /// A drain waits for this.
    _token: TaskTrackerToken,
}

impl Sessions {
    /// No calls yet; `observer` will be told of each.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        let watch = Watch { observer, shutdown: CancellationToken::new() };
        Self { calls: TaskTracker::new(), watch, running: Arc::default() }
    }

    /// How many calls are in progress.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Room for one more call; `None` once they are drained.
    pub fn enter(&self) -> Option<Place<'_>> {
        // In this order: who has a token is waited for.
        let token = self.calls.token();
        (!self.calls.is_closed()).then_some(Place { sessions: self, _token: token })
    }

    /// Takes no more calls and waits until all are over; those that still go on after `patience` are
    /// ended politely.
    pub async fn drain(&self, patience: Duration) {
        self.calls.close();
        if tokio::time::timeout(patience, self.calls.wait()).await.is_err() {
            self.watch.shutdown.cancel();
            self.calls.wait().await;
        }
    }
}

impl Place<'_> {
    /// Starts the call.
    pub fn start<L: Leg + 'static>(self, leg: L, plan: Plan) {
        let span =
            tracing::info_span!("call", call = %plan.call, leg = plan.leg, agent = plan.agent.name);
        let count = Counted::new(&self.sessions.running);
        let session = Session::new(leg, plan, self.sessions.watch.clone());
        let call = async move {
            let reason = session.run().await;
            tracing::info!(reason = reason.as_str(), "the call is over");
            drop(count);
        };
        self.sessions.calls.spawn(call.instrument(span));
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
