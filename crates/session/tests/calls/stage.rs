//! The stage: one call between a scripted caller and an agent with fake models.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use trunkline_inference::{Chat, Message, Role, Voice, schedule::Tenant};
use trunkline_session::{
    Agent, CallId, Direction, HangupReason, News, Origin, Plan, Session, StageTimes, Watch, What,
};
use trunkline_testkit::{Act, Fakes, Remembered, ScriptedLeg, Sent, World};
use trunkline_turn::{DetectorConfig, OnFailure, Script, TurnConfig};

/// A call to be played.
pub(crate) struct Call {
    pub(crate) fakes: Fakes,
    pub(crate) script: Script,
    world: World,
    acts: Vec<(u64, Act)>,
    room: Duration,
    shutdown_at: Option<u64>,
    agent: Agent,
}

/// What came of it.
pub(crate) struct Played {
    pub(crate) reason: HangupReason,
    pub(crate) took: Duration,
    pub(crate) sent: Vec<Sent>,
    pub(crate) fakes: Fakes,
    what: Vec<What>,
    told: Vec<(Duration, News)>,
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
        let agent = Agent {
            name: "demo".into(),
            instructions: "Be brief.".into(),
            voice: Voice::default(),
            language: Some("en".into()),
            max_reply_tokens: 1000,
            temperature: 0.0,
            turn: turn_config(),
            detector: DetectorConfig::default(),
            ..Agent::default()
        };
        let (acts, room, shutdown_at) = (vec![], Duration::MAX, None);
        Self { fakes, script, world, acts, room, shutdown_at, agent }
    }

    /// The same with a program at the caller's end: the agent says nothing by itself, goes on after
    /// failures and gives its sound out as fast as it is made.
    pub(crate) fn directed(says: &[(u64, u64, &str)], replies: &[&str]) -> Self {
        let mut call = Self::new(says, replies);
        call.script = Script {
            greeting: String::new(),
            apology: String::new(),
            silence_prompts: vec![],
            farewell: String::new(),
            repeat: String::new(),
        };
        call.agent.lead = Duration::from_hours(1);
        call.agent.turn.on_failure = OnFailure::GoOn;
        call
    }

    /// The agent is another in this.
    pub(crate) fn agent(mut self, change: impl FnOnce(&mut Agent)) -> Self {
        change(&mut self.agent);
        self
    }

    /// The agent as the call begins with it, to be changed in mid-call.
    pub(crate) fn agent_now(&self) -> Agent {
        Agent { script: self.script.clone(), ..self.agent.clone() }
    }

    /// What the program orders, and when the caller hangs up.
    pub(crate) fn orders(self, orders: &[(u64, Direction)], hung_up_at: u64) -> Self {
        let acts = orders.iter().map(|(at, order)| (*at, Act::Direct(order.clone())));
        let acts: Vec<(u64, Act)> = acts.chain([(hung_up_at, Act::HangUp)]).collect();
        self.acts(&acts)
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
        let plan = Plan {
            call: CallId::new(),
            wire_id: "wire".into(),
            from: "sip:a@example.com".into(),
            to: "sip:demo@example.com".into(),
            leg: "scripted",
            tenant: Tenant::default(),
            agent: Arc::new(self.agent_now()),
            models: self.fakes.models(),
        };
        (leg, plan)
    }

    /// Plays the call to its end.
    pub(crate) async fn play(self) -> Played {
        let began = tokio::time::Instant::now();
        let (leg, plan) = self.leg_and_plan();
        let (sent, told) = (leg.sent(), leg.told());
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
            reason = Box::pin(Session::new(leg, plan, watch).run()) => reason,
            () = stopping => unreachable!("it waits for ever"),
        };
        let sent = sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (took, what) = (began.elapsed(), observer.what());
        Played { reason, took, sent, fakes: self.fakes, what, told }
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

    /// What the leg was told, a line each, without the times.
    pub(crate) fn news(&self) -> Vec<String> {
        self.told.iter().map(|(_, news)| news_line(news)).collect()
    }

    /// The news whose lines begin with one of `kinds`.
    pub(crate) fn news_of(&self, kinds: &[&str]) -> Vec<String> {
        let is_of = |line: &String| kinds.iter().any(|kind| line.starts_with(kind));
        self.news().into_iter().filter(is_of).collect()
    }

    /// When, in ms, the leg was told the first news whose line begins with this.
    pub(crate) fn told_at(&self, line: &str) -> u128 {
        let mut told = self.told.iter();
        let found = told.find(|(_, news)| news_line(news).starts_with(line));
        found.unwrap_or_else(|| panic!("never told: {line} {:#?}", self.news())).0.as_millis()
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
    let with_calls = |m: &Message| {
        let calls: Vec<&str> = m.tool_calls.iter().map(|call| call.name.as_str()).collect();
        let calls = if calls.is_empty() { String::new() } else { format!(" {calls:?}") };
        line(m.role, &m.content) + &calls
    };
    chat.messages.iter().map(with_calls).collect()
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
        What::RanDry { gap } => format!("ran dry for {} ms", gap.as_millis()),
        What::Pressed => "pressed".into(),
        What::ModelFailed { reason } => format!("failed: {reason}"),
        What::Ended { reason, .. } => format!("ended: {}", reason.as_str()),
    }
}

fn news_line(news: &News) -> String {
    match news {
        News::SpeechStarted { at } => format!("speaks at {}", at.to_ms()),
        News::SpeechStopped { at } => format!("spoke to {}", at.to_ms()),
        News::Words(text) => format!("words {text}"),
        News::TurnEnded { turn, text } => format!("turn {}: {text}", turn.0),
        News::TurnFailed { reason } => format!("turn failed: {reason}"),
        News::FellIdle { from, to } => format!("idle for {}", to.since(*from).to_ms()),
        News::ReplyStarted { reply, origin } => match origin {
            Origin::Turn(turn) => format!("starts {} to turn {}", reply.0, turn.0),
            Origin::Ordered(tag) => format!("starts {} as ordered {tag}", reply.0),
            Origin::Own => format!("starts {}", reply.0),
        },
        News::Wrote { reply, text } => format!("wrote {}: {text}", reply.0),
        News::Spoke { reply, text, .. } => format!("spoke {}: {text}", reply.0),
        News::ToolCalled { reply, index, call } => {
            format!("calls {}.{index}: {}", reply.0, call.name)
        }
        News::ReplyMade { reply, .. } => format!("made {}", reply.0),
        News::ReplyEnded { reply, ending, .. } => format!("ended {}: {ending:?}", reply.0),
        News::ReplyHeard { reply, text, whole: true } => format!("heard {}: {text}", reply.0),
        News::ReplyHeard { reply, text, .. } => format!("heard {}: {text} -", reply.0),
        News::Refused { tag: Some(tag), refusal } => format!("refused {tag}: {refusal:?}"),
        News::Refused { tag: None, refusal } => format!("refused: {refusal:?}"),
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
