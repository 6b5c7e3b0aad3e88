//! Responses that are made while nobody waits for them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use futures::StreamExt;
use serde_json::Value;
use tokio::task::{AbortHandle, JoinSet};

use super::{memory::Turn, object, order::Order};
use crate::{
    openai::{Api, reply::Teller},
    refusal::Refusal,
    router::intake::Meter,
};

/// Responses in the background at once. More are refused with 429.
const AT_ONCE: usize = 16;

/// The work in the background. Dropping it stops it.
#[derive(Debug, Default)]
pub(crate) struct Background(Mutex<Work>);

#[derive(Debug, Default)]
struct Work {
    tasks: JoinSet<()>,
    handles: HashMap<String, AbortHandle>,
}

impl Background {
    fn start(
        &self,
        id: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Refusal> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = all.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!(%error, "a response in the background failed");
            }
        }
        all.handles.retain(|_, handle| !handle.is_finished());
        if all.tasks.len() >= AT_ONCE {
            let message = format!("{AT_ONCE} responses are at work in the background; try again");
            return Err(Refusal::busy(message));
        }
        let handle = all.tasks.spawn(work);
        all.handles.insert(id.to_owned(), handle);
        Ok(())
    }

    /// Stops the work on the response of this id, where there is any.
    pub(super) fn stop(&self, id: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = all.handles.remove(id) {
            handle.abort();
        }
    }
}

/// Has the response made in the background, and tells it as it stands.
pub(super) fn start(api: &Api, mut order: Order, meter: Meter) -> Result<Value, Refusal> {
    let response = object::with_status(order.response().clone(), "queued");
    let id = response["id"].as_str().unwrap_or_default().to_owned();
    let memory = api.memory.clone();
    order.keepers.clear();
    let turn: Turn = order.turn.clone();
    let (name, owner) = (id.clone(), turn.owner);
    memory.keep(Instant::now(), turn);
    let started = api.background.start(&id, async move {
        let (mut pieces, mut narration) = order.begin(meter);
        while let Some((_, piece)) = pieces.next().await {
            match piece {
                Ok(piece) => drop(narration.tell(0, piece)),
                Err(error) => {
                    drop(narration.fail(error));
                    let (response, output) = narration.into_ended();
                    return memory.close(&name, response, output);
                }
            }
        }
        narration.end();
        let (response, output) = narration.into_ended();
        memory.close(&name, response, output);
    });
    if started.is_err() {
        api.memory.remove(owner, &id);
    }
    started.map(|()| response)
}
