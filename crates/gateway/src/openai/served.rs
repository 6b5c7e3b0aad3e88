//! The models that requests are served with, by the names that clients give them.

use std::{collections::BTreeMap, sync::Arc};

use trunkline_inference::{
    ChatModel, SpeechToText, TextEmbedder, TextToSpeech, VoiceActivity, lane::Load,
};

use super::aliases::{Aliases, ModelRole};
use crate::{ApiConfig, refusal::Refusal};

/// A model and its name in the catalog.
pub struct Named<M: ?Sized> {
    /// Its name.
    pub name: Arc<str>,
    /// The model.
    pub model: Arc<M>,
}

impl<M: ?Sized> Named<M> {
    /// A model of this name.
    pub fn new(name: &str, model: Arc<M>) -> Self {
        Self { name: name.into(), model }
    }
}

impl<M: ?Sized> Clone for Named<M> {
    fn clone(&self) -> Self {
        Self { name: Arc::clone(&self.name), model: Arc::clone(&self.model) }
    }
}

/// The models of this server.
#[derive(Clone)]
pub struct Served {
    /// Chats.
    pub llm: Named<dyn ChatModel>,
    /// Hears.
    pub stt: Named<dyn SpeechToText>,
    /// Speaks.
    pub tts: Named<dyn TextToSpeech>,
    /// Embeds texts, where one is configured.
    pub embedder: Option<Named<dyn TextEmbedder>>,
    /// Finds speech in uploads.
    pub vad: Arc<dyn VoiceActivity>,
}

impl Served {
    /// Every model's name and role.
    pub fn names(&self) -> Vec<(Arc<str>, ModelRole)> {
        let own = [
            (&self.llm.name, ModelRole::Llm),
            (&self.stt.name, ModelRole::Stt),
            (&self.tts.name, ModelRole::Tts),
        ];
        let embedder = self.embedder.iter().map(|e| (&e.name, ModelRole::Embedding));
        own.into_iter().chain(embedder).map(|(name, role)| (Arc::clone(name), role)).collect()
    }

    /// How busy the embedder's lane is; the others are those of calls.
    pub fn lane_loads(&self) -> Vec<Arc<Load>> {
        self.embedder.iter().filter_map(|embedder| embedder.model.lane_load()).collect()
    }
}

/// Finds what clients name.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    aliases: Aliases,
    voices: BTreeMap<String, String>,
    knows_openai_voices: bool,
}

impl Directory {
    /// The names that `config` knows.
    pub fn new(config: &ApiConfig) -> Self {
        Self {
            aliases: Aliases::new(&config.aliases, config.openai_names),
            voices: config.voices.clone(),
            knows_openai_voices: config.openai_names,
        }
    }

    /// The language model that `name` stands for.
    pub(crate) fn llm(&self, served: &Served, name: &str) -> Result<Named<dyn ChatModel>, Refusal> {
        self.find(served, name, ModelRole::Llm, "chat").map(|()| served.llm.clone())
    }

    /// The recognizer that `name` stands for.
    pub(crate) fn stt(
        &self,
        served: &Served,
        name: &str,
    ) -> Result<Named<dyn SpeechToText>, Refusal> {
        self.find(served, name, ModelRole::Stt, "transcribe").map(|()| served.stt.clone())
    }

    /// The voice model that `name` stands for.
    pub(crate) fn tts(
        &self,
        served: &Served,
        name: &str,
    ) -> Result<Named<dyn TextToSpeech>, Refusal> {
        self.find(served, name, ModelRole::Tts, "speak").map(|()| served.tts.clone())
    }

    /// The embedder that `name` stands for.
    pub(crate) fn embedder(
        &self,
        served: &Served,
        name: &str,
    ) -> Result<Named<dyn TextEmbedder>, Refusal> {
        let embedder = served.embedder.as_ref().ok_or_else(|| Refusal::no_such_model(name))?;
        self.find(served, name, ModelRole::Embedding, "embed").map(|()| embedder.clone())
    }

    /// The own name and role of the model that `name` stands for.
    pub(crate) fn model(&self, served: &Served, name: &str) -> Option<(Arc<str>, ModelRole)> {
        let names = served.names();
        let own = |name: &str| names.iter().find(|(own, _)| **own == *name).cloned();
        let by_role = |name: &str| {
            let role = ModelRole::of(name)?;
            names.iter().find(|(_, own)| *own == role).cloned()
        };
        let alias = || self.aliases.resolve(name);
        own(name).or_else(|| alias().and_then(|to| own(to).or_else(|| by_role(to))))
    }

    /// The names without `*` that stand for a model of this server and are not its own.
    pub(crate) fn plain_names(&self, served: &Served) -> Vec<String> {
        let plain = self.aliases.plain().map(|(name, _)| name);
        let own = served.names();
        plain
            .filter(|name| own.iter().all(|(own, _)| **own != **name))
            .filter(|name| self.model(served, name).is_some())
            .map(str::to_owned)
            .collect()
    }

    fn find(
        &self,
        served: &Served,
        name: &str,
        role: ModelRole,
        verb: &str,
    ) -> Result<(), Refusal> {
        match self.model(served, name) {
            Some((_, found)) if found == role => Ok(()),
            Some((own, _)) => {
                let what = if *own == *name { String::new() } else { format!(" (here '{own}')") };
                let message = format!("the model '{name}'{what} cannot {verb}");
                Err(Refusal::bad_param("model", message))
            }
            None => Err(Refusal::no_such_model(name)),
        }
    }

    /// The local voice that `name` stands for.
    pub(crate) fn voice(&self, tts: &dyn TextToSpeech, name: &str) -> Result<String, Refusal> {
        let local = tts.voices();
        let has = |voice: &&str| local.iter().any(|own| own == voice);
        let configured = self.voices.get(name).map(String::as_str).filter(has);
        if let Some(voice) = Some(name).filter(has).or(configured) {
            return Ok(voice.to_owned());
        }
        let openai = OPENAI_VOICES.iter().find(|(openai, _)| *openai == name);
        match openai.filter(|_| self.knows_openai_voices) {
            Some((_, like)) => Ok(Some(*like)
                .filter(has)
                .or(local.first().map(String::as_str))
                .unwrap_or_default()
                .to_owned()),
            None => {
                let message =
                    format!("there is no voice '{name}' here: there are {}", local.join(", "));
                Err(Refusal::bad_param("voice", message))
            }
        }
    }
}

/// OpenAI's voices and the Kokoro voice that is most like each; where it is not there, the default one.
const OPENAI_VOICES: [(&str, &str); 13] = [
    ("alloy", "af_alloy"),
    ("ash", "am_michael"),
    ("ballad", "bm_fable"),
    ("cedar", "am_puck"),
    ("coral", "af_bella"),
    ("echo", "am_echo"),
    ("fable", "bm_fable"),
    ("marin", "af_heart"),
    ("nova", "af_nova"),
    ("onyx", "am_onyx"),
    ("sage", "af_sarah"),
    ("shimmer", "af_sky"),
    ("verse", "am_fenrir"),
];
