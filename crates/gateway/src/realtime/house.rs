//! What every Realtime session of a server works with: its models, what clients call them, its agent.

use std::{fmt, sync::Arc};

use trunkline_inference::Voice;
use trunkline_session::Agent;

use super::fault::Fault;
use crate::openai::served::{Directory, Served};

/// The models, their names, and the agent that sessions start from.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) served: Served,
    pub(crate) directory: Arc<Directory>,
    pub(crate) agent: Agent,
}

impl House {
    /// That clients may call the language model so.
    pub(crate) fn knows_llm(&self, name: &str, param: &str) -> Result<(), Fault> {
        let found = self.directory.llm(&self.served, name);
        found.map(drop).map_err(|refusal| Fault::from_refusal(&refusal, param))
    }

    /// That clients may call the recognizer so.
    pub(crate) fn knows_stt(&self, name: &str, param: &str) -> Result<(), Fault> {
        let found = self.directory.stt(&self.served, name);
        found.map(drop).map_err(|refusal| Fault::from_refusal(&refusal, param))
    }

    /// The voice that clients call so, else the agent's.
    pub(crate) fn voice(
        &self,
        name: Option<&str>,
        speed: f32,
        param: &str,
    ) -> Result<Voice, Fault> {
        let name = match name {
            Some(name) if name != self.default_voice() => {
                let found = self.directory.voice(&*self.served.tts.model, name);
                found.map_err(|refusal| Fault::from_refusal(&refusal, param))?
            }
            Some(_) | None => self.agent.voice.name.clone(),
        };
        Ok(Voice { name, speed: speed * self.agent.voice.speed })
    }

    /// The name of the agent's voice.
    pub(crate) fn default_voice(&self) -> String {
        let named = Some(self.agent.voice.name.clone()).filter(|name| !name.is_empty());
        named.or_else(|| self.served.tts.model.voices().into_iter().next()).unwrap_or_default()
    }
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").field("agent", &self.agent.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use trunkline_session::Models;
    use trunkline_testkit::fake_models;

    use super::*;
    use crate::{ApiConfig, openai::Named};

    /// The testkit's models under names of their own.
    pub(crate) fn served(models: &Models) -> Served {
        Served {
            llm: Named::new("local-llm", Arc::clone(&models.llm)),
            stt: Named::new("local-stt", Arc::clone(&models.stt)),
            tts: Named::new("local-tts", Arc::clone(&models.tts)),
            embedder: None,
            speakers: None,
            vad: Arc::clone(&models.vad),
        }
    }

    pub(crate) fn house() -> House {
        House {
            served: served(&fake_models()),
            directory: Arc::new(Directory::new(&ApiConfig::default())),
            agent: Agent { instructions: "Be brief.".into(), ..Agent::default() },
        }
    }

    #[test]
    fn names_stand_for_local_models_of_the_right_role() {
        let house = house();
        assert_eq!(house.knows_llm("gpt-realtime", "session.model"), Ok(()));
        assert_eq!(house.knows_stt("gpt-realtime-whisper", "x"), Ok(()));
        let fault = house.knows_llm("whisper-1", "session.model").unwrap_err();
        assert_eq!(fault.json(None)["param"], "session.model");
        assert!(house.knows_stt("nothing", "x").is_err());
    }

    #[test]
    fn a_voice_is_the_agents_until_another_is_named() {
        let house = house();
        assert_eq!(house.default_voice(), "fake");
        let voice = |name| house.voice(name, 1.2, "session.audio.output.voice").unwrap();
        assert_eq!(voice(None).name, "");
        assert_eq!(voice(Some("marin")).name, "fake");
        assert!((voice(Some("fake")).speed - 1.2).abs() < 1e-6);
        let fault = house.voice(Some("nobody"), 1.0, "session.audio.output.voice").unwrap_err();
        assert_eq!(fault.json(None)["param"], "session.audio.output.voice");
    }
}
