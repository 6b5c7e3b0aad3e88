//! One fake of each model, together.

use std::{sync::Arc, time::Duration};

use trunkline_session::Models;

use crate::{FakeEndOfTurn, FakeStt, FakeTts, FakeVad, ScriptedLlm, World};

/// One fake of each model. Clones share what they remember and count.
#[derive(Clone, Debug)]
pub struct Fakes {
    /// Hears.
    pub stt: FakeStt,
    /// Thinks.
    pub llm: ScriptedLlm,
    /// Speaks.
    pub tts: FakeTts,
    /// Finds voice activity.
    pub vad: FakeVad,
    /// Judges ends of turns.
    pub end_of_turn: Option<FakeEndOfTurn>,
}

impl Fakes {
    /// Fakes for a call in `world`, answered with `replies` in turn. The recognizer takes 100 ms, the
    /// first word 200 ms and each further one 20 ms, the voice 100 ms a clause.
    pub fn new(world: World, replies: &[&str]) -> Self {
        let ms = Duration::from_millis;
        Self {
            stt: FakeStt::new(world, ms(100)),
            llm: ScriptedLlm::new(replies, ms(200), ms(20)),
            tts: FakeTts::new(ms(100)),
            vad: FakeVad::default(),
            end_of_turn: Some(FakeEndOfTurn(0.9)),
        }
    }

    /// The fakes as the models of a plan.
    pub fn models(&self) -> Models {
        Models {
            stt: Arc::new(self.stt.clone()),
            llm: Arc::new(self.llm.clone()),
            tts: Arc::new(self.tts.clone()),
            vad: Arc::new(self.vad.clone()),
            end_of_turn: self.end_of_turn.map(|model| Arc::new(model) as _),
            announcements: Arc::default(),
        }
    }

    /// How many streams of any model are alive.
    pub fn live(&self) -> usize {
        let fakes = [self.stt.live(), self.llm.live(), self.tts.live(), self.vad.live()];
        fakes.iter().map(|live| live.count()).sum()
    }
}

/// Models that need no files and no computing, for load tests of everything around them: whatever
/// sounds is heard as one sentence, and answered with two in the time that good models take.
pub fn fake_models() -> Models {
    let ms = Duration::from_millis;
    let fakes = Fakes {
        stt: FakeStt::hearing("What time do you open?", ms(100)),
        ..Fakes::new(World::new(&[]), &["We open at nine. Is there anything else?"])
    };
    fakes.models()
}

/// The same, but the language model says all its words at once: what then takes processor time is what
/// is around the models, and no fake's timers.
pub fn fake_models_at_once() -> Models {
    let llm = ScriptedLlm::new(
        &["We open at nine. Is there anything else?"],
        Duration::ZERO,
        Duration::ZERO,
    );
    Models { llm: Arc::new(llm), ..fake_models() }
}
