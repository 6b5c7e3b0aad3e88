//! What the routes of the API work with.

use std::sync::{Arc, OnceLock};

use trunkline_inference::Moderation;

use super::{
    audio,
    responses::{Background, Memory, socket::Sockets},
    served::{Directory, Served},
};
use crate::{
    ApiConfig,
    realtime::{Realtime, RealtimeDesk},
    refusal::Refusal,
};

/// The API of a server: its models, once they are loaded, and what clients call them. Cloning shares it.
#[derive(Clone)]
pub struct Api {
    served: Arc<OnceLock<Served>>,
    moderation: Arc<OnceLock<Moderation>>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) config: Arc<ApiConfig>,
    /// Responses that clients may come back to.
    pub(crate) memory: Memory,
    /// Responses that are made while nobody waits.
    pub(crate) background: Arc<Background>,
    /// Room for sockets.
    pub(crate) sockets: Sockets,
    pub(crate) realtime: Arc<Realtime>,
    /// Room for the files that are at work.
    pub(crate) places: audio::Places,
}

impl Api {
    /// An API whose models are still to be loaded: it answers 503 until then.
    pub fn new(config: &ApiConfig) -> Self {
        Self {
            served: Arc::default(),
            moderation: Arc::default(),
            directory: Arc::new(Directory::new(config)),
            config: Arc::new(config.clone()),
            memory: Memory::default(),
            background: Arc::default(),
            sockets: Sockets::default(),
            realtime: Arc::new(Realtime::new(config.max_realtime_sessions)),
            places: audio::Places::default(),
        }
    }

    /// The models are loaded. Only the first call counts.
    pub fn serve(&self, served: Served) {
        if self.served.set(served).is_err() {
            tracing::warn!("the API has its models already");
        }
    }

    /// Judges texts, where there is an embedder for that.
    pub(crate) fn moderation(&self) -> Option<&Moderation> {
        let embedder = self.served.get()?.embedder.as_ref()?;
        Some(self.moderation.get_or_init(|| Moderation::new(Arc::clone(&embedder.model))))
    }

    /// Realtime clients may come, after [`serve`](Self::serve). Only the first call counts.
    pub fn open_realtime(&self, desk: RealtimeDesk) {
        if self.realtime.open(desk, self).is_err() {
            tracing::error!("Realtime clients cannot be served before the API has its models");
        }
    }

    /// The models.
    pub(crate) fn served(&self) -> Result<&Served, Refusal> {
        self.served.get().ok_or_else(Refusal::loading)
    }
}
