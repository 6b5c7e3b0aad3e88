//! The stage: one call between a scripted caller and an agent with fake models.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use trunkline_inference::{Chat, Role, Voice};
use trunkline_session::{Agent, CallId, HangupReason, Plan, Session, StageTimes, Watch, What};
use trunkline_testkit::{Act, Fakes, Remembered, ScriptedLeg, Sent, World};
use trunkline_turn::{DetectorConfig, Script, TurnConfig};

/// A call to be played.
pub(crate) struct Call {
    pub(crate) fakes: Fakes,
    pub(crate) script: Script,
    world: World,
    acts: Vec<(u64, Act)>,
    room: Duration,
    shutdown_at: Option<u64>,
}

/// What came of it.
pub(crate) struct Played {
    pub(crate) reason: HangupReason,
    pub(crate) took: Duration,
    pub(crate) sent: Vec<Sent>,
    pub(crate) fakes: Fakes,
    what: Vec<What>,
}

impl Call {
    /// The caller says `(at ms, for ms, words)` and is answered with `replies` in turn. The agent
    /// greets with one word, which is heard by 400 ms.
    pub(crate) fn new(says: &[(u64, u64, &str)], replies: &[&str]) -> Self {
        let world = World::new(says);
        let script = Script {
            greeting: "Hello.".into(),
            apology: "Sorry, goodbye.".into(),
            silence_prompts: vec!["Are you there?".into()],
            farewell: "Goodbye.".into(),
            repeat: "Once more?".into(),
        };
        let fakes = Fakes::new(world.clone(), replies);
        Self { fakes, script, world, acts: vec![], room: Duration::MAX, shutdown_at: None }
    }

    /// What the caller does besides speaking.
    pub(crate) fn acts(mut self, acts: &[(u64, Act)]) -> Self {
        self.acts = acts.to_vec();
        self
    }

    /// The caller hangs up then.
    pub(crate) fn hung_up_at(self, ms: u64) -> Self {
        self.acts(&[(ms, Act::HangUp)])
    }

    /// The server stops then.
    pub(crate) fn shut_down_at(mut self, ms: u64) -> Self {
        self.shutdown_at = Some(ms);
        self
    }

    /// The leg's queue holds no more than this.
    pub(crate) fn room(mut self, room: Duration) -> Self {
        self.room = room;
        self
    }

    /// The leg and the plan, for whoever starts the call.
    pub(crate) fn leg_and_plan(&self) -> (ScriptedLeg, Plan) {
        let leg = ScriptedLeg::new(self.world.clone(), &self.acts).with_room(self.room);
        let agent = Agent {
            name: "demo".into(),
            instructions: "Be brief.".into(),
            voice: Voice::default(),
            language: Some("en".into()),
            max_reply_tokens: 200,
            temperature: 0.0,
            script: self.script.clone(),
            turn: turn_config(),
            detector: DetectorConfig::default(),
            ..Agent::default()
        };
        let plan = Plan {
            call: CallId::new(),
            wire_id: "wire".into(),
            from: "sip:a@example.com".into(),
            to: "sip:demo@example.com".into(),
            leg: "scripted",
            agent: Arc::new(agent),
            models: self.fakes.models(),
        };
        (leg, plan)
    }

    /// Plays the call to its end.
    pub(crate) async fn play(self) -> Played {
        let began = tokio::time::Instant::now();
        let (leg, plan) = self.leg_and_plan();
        let sent = leg.sent();
        let observer = Arc::new(Remembered::default());
        let shutdown = CancellationToken::new();
        let watch = Watch { observer: Arc::clone(&observer) as _, shutdown: shutdown.clone() };
        let stopping = async {
            match self.shutdown_at {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
            shutdown.cancel();
            std::future::pending::<()>().await;
        };
        let reason = tokio::select! {
            reason = Session::new(leg, plan, watch).run() => reason,
            () = stopping => unreachable!("it waits for ever"),
        };
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Played { reason, took: began.elapsed(), sent, fakes: self.fakes, what: observer.what() }
    }
}

impl Played {
    /// What was noted, a line each, without figures.
    pub(crate) fn story(&self) -> Vec<String> {
        self.what.iter().map(line).collect()
    }

    /// The lines of the story that begin with `kind`.
    pub(crate) fn told(&self, kind: &str) -> Vec<String> {
        self.story().into_iter().filter(|line| line.starts_with(kind)).collect()
    }

    /// The turns and replies of the story, in order.
    pub(crate) fn talk(&self) -> Vec<String> {
        let is_talk = |line: &String| line.starts_with("caller:") || line.starts_with("agent:");
        self.story().into_iter().filter(is_talk).collect()
    }

    /// The stage times of each turn.
    pub(crate) fn stages(&self) -> Vec<StageTimes> {
        let mut all = Vec::new();
        for what in &self.what {
            if let What::ReplySounded { stages, .. } = what {
                all.push(*stages);
            }
        }
        all
    }

    /// When sound began to reach the caller, and when it ended, each in ms.
    pub(crate) fn sounds(&self) -> Vec<(u128, u128)> {
        let (mut sounds, mut began) = (Vec::new(), None);
        for sent in &self.sent {
            match sent {
                Sent::Sound(at) => began = Some(at.as_millis()),
                Sent::Quiet(at) => sounds.extend(began.take().map(|b| (b, at.as_millis()))),
                Sent::HungUp(..) => {}
            }
        }
        sounds
    }

    /// The chats that the language model was asked to continue.
    pub(crate) fn chats(&self) -> Vec<Vec<String>> {
        self.fakes.llm.asked().iter().map(chat_lines).collect()
    }
}

pub(crate) fn chat_lines(chat: &Chat) -> Vec<String> {
    let line = |role: Role, text: &str| match role {
        Role::System => format!("system: {text}"),
        Role::User => format!("user: {text}"),
        Role::Assistant => format!("assistant: {text}"),
        Role::Tool => format!("tool: {text}"),
    };
    chat.messages.iter().map(|m| line(m.role, &m.content)).collect()
}

fn line(what: &What) -> String {
    match what {
        What::Answered { agent, .. } => format!("answered by {agent}"),
        What::TurnEnded { text, .. } => format!("caller: {text}"),
        What::ReplySounded { turn, .. } => format!("sounded {turn}"),
        What::ReplyHeard { text, whole: true, .. } => format!("agent: {text}"),
        What::ReplyHeard { text, interrupted: true, .. } => format!("agent: {text} - interrupted"),
        What::ReplyHeard { text, .. } => format!("agent: {text} -"),
        What::SpeechIgnored { reason, text, .. } => format!("ignored {reason} {text}"),
        What::Decided { kind, .. } => format!("decided {kind}"),
        What::Pressed => "pressed".into(),
        What::ModelFailed { reason } => format!("failed: {reason}"),
        What::Ended { reason, .. } => format!("ended: {}", reason.as_str()),
    }
}

/// Patience that does not move when defaults are tuned.
fn turn_config() -> TurnConfig {
    let mut config = TurnConfig::default();
    config.patience.finished = Duration::from_millis(280);
    config.patience.typical = Duration::from_millis(450);
    config.patience.unfinished = Duration::from_millis(850);
    config.patience.sure = 0.7;
    config.patience.unsure = 0.7;
    config
}
