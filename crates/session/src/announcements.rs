//! Announcements: what agents say by themselves, word for word the same in every call, spoken once and kept.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use futures::{StreamExt, stream};
use trunkline_inference::{
    ModelError, Party, SpeechPiece, SpeechStream, TextToSpeech, schedule::Tenant,
};

use crate::{Agent, clauses};

/// Announcements by what they sound like. What is not recorded is spoken anew by each call.
#[derive(Default)]
pub struct Announcements {
    recorded: RwLock<HashMap<Key, Arc<[SpeechPiece]>>>,
}

/// All that decides how a text sounds.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    text: String,
    language: Option<String>,
    voice: String,
    speed: u32,
}

impl Key {
    fn of(agent: &Agent, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            language: agent.language.clone(),
            voice: agent.voice.name.clone(),
            speed: agent.voice.speed.to_bits(),
        }
    }
}

impl Announcements {
    /// Has `tts` say `text` as `agent` speaks, behind all that callers wait for, and keeps it: 48 kB for each second.
    /// A text that is kept already, and an empty one, is not said.
    pub async fn record(
        &self,
        tts: &dyn TextToSpeech,
        agent: &Agent,
        text: &str,
    ) -> Result<(), ModelError> {
        if text.is_empty() || self.of(agent, text).is_some() {
            return Ok(());
        }
        let clauses = clauses::of_text(text, agent.language.clone());
        let mut speech = tts.speak(clauses, &agent.voice, Party::nobody(Tenant::default()));
        let mut pieces = Vec::new();
        while let Some(piece) = speech.next().await {
            pieces.push(piece?);
        }
        if !pieces.is_empty() {
            let mut recorded = self.recorded.write().unwrap_or_else(PoisonError::into_inner);
            recorded.insert(Key::of(agent, text), pieces.into());
        }
        Ok(())
    }

    /// The sound of `text` as `agent` speaks, where it is recorded.
    pub fn of(&self, agent: &Agent, text: &str) -> Option<SpeechStream> {
        let recorded = self.recorded.read().unwrap_or_else(PoisonError::into_inner);
        let pieces = Arc::clone(recorded.get(&Key::of(agent, text))?);
        let piece = move |at| pieces.get::<usize>(at).cloned().map(Ok);
        Some(Box::pin(stream::iter((0..).map_while(piece))))
    }
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trunkline_inference::Voice;
    use trunkline_testkit::FakeTts;

    use super::*;

    fn agent() -> Agent {
        Agent { language: Some("en".into()), ..Agent::default() }
    }

    async fn said(speech: Option<SpeechStream>) -> Option<Vec<SpeechPiece>> {
        Some(speech?.map(Result::unwrap).collect().await)
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorded_text_sounds_as_the_voice_said_it_and_at_once() {
        let (tts, kept) = (FakeTts::new(Duration::from_millis(100)), Announcements::default());
        let text = "Hello, it is 9:30. How can I help you?";
        let clauses = clauses::of_text(text, agent().language);
        let spoken = said(Some(tts.speak(clauses, &Voice::default(), Party::default()))).await;
        assert_eq!(said(kept.of(&agent(), text)).await, None);
        kept.record(&tts, &agent(), text).await.unwrap();
        let before = tokio::time::Instant::now();
        assert_eq!(said(kept.of(&agent(), text)).await, spoken);
        assert_eq!(said(kept.of(&agent(), text)).await, spoken, "as often as it is wanted");
        kept.record(&tts, &agent(), text).await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO, "and it is not said again");
    }

    #[tokio::test(start_paused = true)]
    async fn another_voice_or_language_is_another_sound() {
        let (tts, kept) = (FakeTts::new(Duration::ZERO), Announcements::default());
        kept.record(&tts, &agent(), "Hello.").await.unwrap();
        let voiced =
            |name: &str, speed| Agent { voice: Voice { name: name.into(), speed }, ..agent() };
        assert!(kept.of(&agent(), "Hello.").is_some());
        assert!(kept.of(&agent(), "Hello!").is_none());
        assert!(kept.of(&voiced("amy", 1.0), "Hello.").is_none());
        assert!(kept.of(&voiced("", 1.1), "Hello.").is_none());
        assert!(kept.of(&Agent { language: None, ..agent() }, "Hello.").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_failed_or_has_no_words() {
        let (tts, kept) = (FakeTts::new(Duration::ZERO), Announcements::default());
        kept.record(&tts, &agent(), "").await.unwrap();
        assert!(kept.of(&agent(), "").is_none());
        kept.record(&Broken, &agent(), "Hello.").await.unwrap_err();
        assert!(kept.of(&agent(), "Hello.").is_none());
    }

    /// Fails after the first clause.
    struct Broken;

    impl TextToSpeech for Broken {
        fn speak(
            &self,
            clauses: trunkline_inference::ClauseStream,
            voice: &Voice,
            party: Party,
        ) -> SpeechStream {
            let failure = Err(ModelError::Stopped { engine: "voice" });
            let spoken = FakeTts::new(Duration::ZERO).speak(clauses, voice, party);
            Box::pin(spoken.chain(stream::iter([failure])))
        }

        fn voices(&self) -> Vec<String> {
            Vec::new()
        }
    }
}
