//! Where Realtime clients are let in: who may come, how many at once, and what their calls run on.

use std::{
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Map;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use trunkline_session::{Agent, CallId, Models, Plan, Sessions};

use super::{
    house::House,
    ids::Ids,
    leg::{Incoming, RealtimeLeg},
    outbox::Outbox,
    secrets::Secrets,
    settings::{SESSION_TIME, Settings, wire::Kind},
    translator::Translator,
};
use crate::{openai::Api, refusal::Refusal, router::intake::Meter};

/// What Realtime sessions run on.
pub struct RealtimeDesk {
    /// Runs the calls.
    pub sessions: Arc<Sessions>,
    /// Serves them.
    pub models: Models,
    /// Who answers a client that sets nothing: its instructions, voice and language.
    pub agent: Agent,
}

/// The desk, once it is open, and what it gives out.
pub(crate) struct Realtime {
    open: OnceLock<(RealtimeDesk, Arc<House>)>,
    pub(super) secrets: Secrets,
    room: Arc<Semaphore>,
}

/// What a client asks for as it connects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) kind: Kind,
    pub(super) model: Option<&'a str>,
}

impl Realtime {
    /// A desk that is still closed, for so many sessions at once.
    pub(crate) fn new(sessions: u32) -> Self {
        let room = usize::try_from(sessions).unwrap_or(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)));
        Self { open: OnceLock::new(), secrets: Secrets::default(), room }
    }

    /// Opens the desk. Only the first call counts.
    pub(crate) fn open(&self, desk: RealtimeDesk, api: &Api) -> Result<(), Refusal> {
        let served = api.served()?.clone();
        let directory = Arc::clone(&api.directory);
        let house = House { served, directory, agent: desk.agent.clone() };
        if self.open.set((desk, Arc::new(house))).is_err() {
            tracing::warn!("the Realtime API is open already");
        }
        Ok(())
    }

    pub(super) fn house(&self) -> Result<&Arc<House>, Refusal> {
        self.open.get().map(|(_, house)| house).ok_or_else(Refusal::loading)
    }

    /// The settings that a client begins with.
    pub(super) fn settings(&self, wanted: Wanted<'_>) -> Result<Settings, Refusal> {
        let house = self.house()?;
        let served = |model: &&str| match wanted.kind {
            Kind::Realtime => true,
            // Clients of transcription name the model of the session too, which here transcribes nothing.
            Kind::Transcription => house.knows_stt(model, "model").is_ok(),
        };
        let model = wanted.model.filter(served);
        if let (Kind::Realtime, Some(model)) = (wanted.kind, model) {
            house.directory.llm(&house.served, model)?;
        }
        Settings::new(wanted.kind, model, house).map_err(super::fault::Fault::into_refusal)
    }

    /// Room for one more session, while there is any.
    pub(super) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Starts the call of a client.
    pub(super) fn start(
        &self,
        settings: Settings,
        meter: Meter,
        incoming: mpsc::Receiver<Incoming>,
        outbox: Outbox,
    ) -> Result<(), Refusal> {
        let (desk, house) = self.open.get().ok_or_else(Refusal::loading)?;
        let place = desk.sessions.enter().ok_or_else(Refusal::stopping)?;
        let to = settings.shown(&["model"]).as_str().unwrap_or("transcription").to_owned();
        let now = tokio::time::Instant::now().into_std();
        let translator = Translator::new(Arc::clone(house), settings, Ids::random(), expiry(), now);
        let plan = Plan {
            call: CallId::new(),
            wire_id: translator.id(),
            from: String::new(),
            to,
            leg: "realtime",
            tenant: meter.tenant(),
            agent: translator.agent(),
            models: desk.models.clone(),
        };
        place.start(RealtimeLeg::new(translator, meter, incoming, outbox), plan);
        Ok(())
    }

    /// The settings of a session that a request describes.
    pub(super) fn described(
        &self,
        session: &Map<String, serde_json::Value>,
    ) -> Result<Settings, Refusal> {
        let house = self.house()?;
        let kind = match session.get("type").and_then(serde_json::Value::as_str) {
            None | Some("realtime") => Kind::Realtime,
            Some("transcription") => Kind::Transcription,
            Some(other) => {
                let message = format!("'{other}' is not realtime or transcription");
                return Err(Refusal::bad_param("session.type", message));
            }
        };
        let settings = Settings::new(kind, None, house);
        let settings = settings.and_then(|settings| settings.updated(session, house, false));
        settings.map_err(super::fault::Fault::into_refusal)
    }
}

/// Unix time, seconds.
pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// When a session that begins now ends.
fn expiry() -> i64 {
    unix_now().saturating_add(i64::try_from(SESSION_TIME.as_secs()).unwrap_or(i64::MAX))
}
