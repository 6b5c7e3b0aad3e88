//! The models that requests are served with, by the names that clients give them.

use std::{collections::BTreeMap, sync::Arc};

use trunkline_inference::{
    ChatModel, SpeakerEncoder, SpeechToText, TextEmbedder, TextToSpeech, VoiceActivity, lane::Load,
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
    /// Embeds texts, where one is configured. Texts are judged by it too.
    pub embedder: Option<Named<dyn TextEmbedder>>,
    /// Tells speakers apart, where one is configured.
    pub speakers: Option<Named<dyn SpeakerEncoder>>,
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

    /// How busy the lanes are that calls have no part in.
    pub fn lane_loads(&self) -> Vec<Arc<Load>> {
        let embedder = self.embedder.iter().filter_map(|embedder| embedder.model.lane_load());
        let speakers = self.speakers.iter().filter_map(|encoder| encoder.model.lane_load());
        embedder.chain(speakers).collect()
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

    /// The name of the model that judges texts, by a name that stands for that.
    pub(crate) fn moderation(&self, served: &Served, name: &str) -> Result<Arc<str>, Refusal> {
        let embedder = served.embedder.as_ref().ok_or_else(|| Refusal::no_such_model(name))?;
        if *name == *embedder.name {
            return Ok(Arc::clone(&embedder.name));
        }
        let found = self.find(served, name, ModelRole::Moderation, "judge texts");
        found.map(|()| Arc::clone(&embedder.name))
    }

    /// The own name and role of the model that `name` stands for.
    pub(crate) fn model(&self, served: &Served, name: &str) -> Option<(Arc<str>, ModelRole)> {
        let names = served.names();
        let own = |name: &str| names.iter().find(|(own, _)| **own == *name).cloned();
        let by_role = |name: &str| {
            let role = ModelRole::of(name)?;
            let model = if role == ModelRole::Moderation { ModelRole::Embedding } else { role };
            names.iter().find(|(_, own)| *own == model).map(|(own, _)| (Arc::clone(own), role))
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
        let Some((_, like)) = openai.filter(|_| self.knows_openai_voices) else {
            let message =
                format!("there is no voice '{name}' here: there are {}", local.join(", "));
            return Err(Refusal::bad_param("voice", message));
        };
        let nearest = Some(*like).filter(has).or(local.first().map(String::as_str));
        Ok(nearest.unwrap_or_default().to_owned())
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

#[cfg(test)]
mod tests {
    use trunkline_inference::{ClauseStream, Party, SpeechStream, Voice};

    use super::*;

    /// Has voices and says nothing.
    struct Voices(&'static [&'static str]);

    impl TextToSpeech for Voices {
        fn speak(&self, _: ClauseStream, _: &Voice, _: Party) -> SpeechStream {
            Box::pin(futures::stream::empty())
        }

        fn voices(&self) -> Vec<String> {
            self.0.iter().map(|&voice| voice.to_owned()).collect()
        }
    }

    fn directory(voices: &[(&str, &str)], openai_names: bool) -> Directory {
        let voices = voices.iter().map(|&(name, to)| (name.to_owned(), to.to_owned())).collect();
        Directory::new(&ApiConfig { openai_names, voices, ..ApiConfig::default() })
    }

    const KOKORO: Voices = Voices(&["af_heart", "af_nova", "am_onyx"]);

    #[test]
    fn a_local_voice_goes_by_its_own_name_first() {
        let directory = directory(&[("af_nova", "am_onyx"), ("boss", "am_onyx")], true);
        assert_eq!(directory.voice(&KOKORO, "af_nova").unwrap(), "af_nova");
        assert_eq!(directory.voice(&KOKORO, "boss").unwrap(), "am_onyx");
    }

    #[test]
    fn openais_voices_stand_for_the_ones_most_like_them_or_the_default_one() {
        let directory = directory(&[("nova", "am_onyx"), ("echo", "gone")], true);
        assert_eq!(directory.voice(&KOKORO, "onyx").unwrap(), "am_onyx");
        assert_eq!(
            directory.voice(&KOKORO, "nova").unwrap(),
            "am_onyx",
            "the configured one counts"
        );
        assert_eq!(directory.voice(&KOKORO, "echo").unwrap(), "af_heart", "'gone' is not there");
        for (name, _) in OPENAI_VOICES {
            let local = directory.voice(&Voices(&["lessac"]), name).unwrap();
            assert_eq!(local, "lessac", "{name}");
        }
        assert_eq!(directory.voice(&Voices(&[]), "alloy").unwrap(), "", "the model's only one");
    }

    #[test]
    fn a_voice_that_is_not_there_is_refused_with_those_that_are() {
        for (directory, name) in [
            (directory(&[], true), "af_sky"),
            (directory(&[], true), ""),
            (directory(&[("boss", "gone")], true), "boss"),
            (directory(&[], false), "alloy"),
        ] {
            let error = directory.voice(&KOKORO, name).unwrap_err().error();
            assert_eq!(error["param"], "voice");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("af_heart, af_nova, am_onyx"), "{message}");
        }
    }
}
