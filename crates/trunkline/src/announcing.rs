//! The voice says what agents say by themselves before callers hear it.

use trunkline_session::{Agent, Models};

/// Has `text` said once as `agent` speaks. Each call has it said anew where that fails.
pub(crate) async fn record(models: &Models, agent: &Agent, text: &str) {
    let recorded = models.announcements.record(&*models.tts, agent, text).await;
    if let Err(error) = recorded {
        tracing::warn!(%error, agent = agent.name, text, "this could not be said beforehand");
    }
}

/// The same for all that `agents` say by themselves, greetings first: every call begins with one.
pub(crate) async fn record_all(models: Models, agents: Vec<Agent>) {
    for agent in &agents {
        record(&models, agent, &agent.script.greeting).await;
    }
    for agent in &agents {
        for text in agent.script.texts().filter(|text| *text != agent.script.greeting) {
            record(&models, agent, text).await;
        }
    }
    tracing::debug!(agents = agents.len(), "all announcements are recorded");
}

#[cfg(all(test, feature = "fakes"))]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use trunkline_inference::{
        ClauseStream, ModelError, Party, SpeechStream, TextToSpeech, Voice, schedule::Tenant,
    };
    use trunkline_testkit::{FakeTts, fake_models};
    use trunkline_turn::Script;

    use super::*;

    /// Notes for whom it speaks, and cannot speak for one.
    struct Noting {
        voice: FakeTts,
        asked: Mutex<Vec<(String, Party)>>,
    }

    impl TextToSpeech for Noting {
        fn speak(&self, clauses: ClauseStream, voice: &Voice, party: Party) -> SpeechStream {
            let mut asked = self.asked.lock().expect("nobody panics");
            asked.push((voice.name.clone(), party));
            if voice.name == "mute" {
                let failure = ModelError::Stopped { engine: "voice" };
                return Box::pin(futures::stream::iter([Err(failure)]));
            }
            self.voice.speak(clauses, voice, party)
        }

        fn voices(&self) -> Vec<String> {
            Vec::new()
        }
    }

    fn agent(voice: &str, greeting: &str) -> Agent {
        Agent {
            voice: Voice { name: voice.into(), speed: 1.0 },
            script: Script {
                greeting: greeting.into(),
                silence_prompts: Vec::new(),
                repeat: String::new(),
                ..Script::default()
            },
            ..Agent::default()
        }
    }

    #[tokio::test]
    async fn greetings_come_first_nobody_waits_and_a_failure_stops_nothing() {
        let tts = Arc::new(Noting { voice: FakeTts::new(Duration::ZERO), asked: Mutex::default() });
        let agents = [agent("a", "Hello."), agent("mute", "Hello."), agent("c", "")];
        let models = Models { tts: Arc::clone(&tts) as _, ..fake_models() };
        let kept = Arc::clone(&models.announcements);
        record_all(models, agents.to_vec()).await;
        let asked = tts.asked.lock().expect("nobody panics");
        let order: Vec<&str> = asked.iter().map(|(voice, _)| voice.as_str()).collect();
        assert_eq!(order, ["a", "mute", "a", "a", "mute", "mute", "c", "c"]);
        let nobody = Party::nobody(Tenant::default());
        assert!(asked.iter().all(|(_, party)| *party == nobody));
        for text in agents.iter().flat_map(|agent| agent.script.texts()) {
            assert_eq!(kept.of(&agents[0], text).is_some(), !text.is_empty(), "{text}");
            assert!(kept.of(&agents[1], text).is_none());
        }
        assert!(kept.of(&agents[2], &agents[2].script.farewell).is_some());
    }
}
