//! Agents: who answers which number, and how.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::problem::Within;

/// One agent.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentConfig {
    /// The dialled numbers or SIP user names that this agent answers; `*` takes every number that no
    /// other agent lists. Default: `["*"]`.
    pub(crate) numbers: Vec<String>,
    /// What it says first; empty for nothing. Default: a short greeting.
    pub(crate) greeting: String,
    /// What the language model is told: who it is, what it knows, how it speaks. Small models invent
    /// what is not there, so keep facts complete and rules few. Default: a small receptionist.
    pub(crate) instructions: String,
    /// The voice's name within the voice model; empty for the model's own. Default: empty.
    pub(crate) voice: String,
    /// How fast it speaks, 0.5 to 2.0, 1.0 as recorded. Default: 1.0.
    pub(crate) voice_speed: f32,
    /// ISO 639-1 code of what callers speak, `auto` to find out by listening. Naming it is faster and
    /// more accurate. Default: `en`.
    pub(crate) language: String,
    /// The most tokens a reply may have, 1 to 4096: a caller listens to about 3 tokens a second.
    /// Default: 120.
    pub(crate) max_reply_tokens: u32,
    /// Sampling temperature, 0.0 (always the likeliest word) to 2.0. Default: 0.0.
    pub(crate) temperature: f32,
    /// How patient it is with pauses, 0.5 to 3.0: multiplies the silences after which the caller counts
    /// as finished (about 0.5 s when all is said, 1.1 s when something is missing). More for callers
    /// who search for words, less where answers are short. Default: 1.0.
    pub(crate) patience: f32,
    /// Whether callers may talk over the greeting. Default: true.
    pub(crate) greeting_interruptible: bool,
    /// What it says before it hangs up when a model has failed. Default: a short apology.
    pub(crate) apology: String,
    /// What it says, one after the other, when the caller is silent. Default: one question.
    pub(crate) silence_prompts: Vec<String>,
    /// Seconds of silence before each of them, 1 to 3600. Default: 12.
    pub(crate) silence_after_seconds: u64,
    /// Its last words to a caller who stays silent. Default: a short farewell.
    pub(crate) farewell: String,
    /// Seconds that a call may last, 10 to 86400: a caller who never hangs up costs a slot. Default: 1800.
    pub(crate) max_call_seconds: u64,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            numbers: vec!["*".into()],
            greeting: "Hello, this is Trunkline. How can I help you?".into(),
            instructions: RECEPTIONIST.trim().into(),
            voice: String::new(),
            voice_speed: 1.0,
            language: "en".into(),
            max_reply_tokens: 120,
            temperature: 0.0,
            patience: 1.0,
            greeting_interruptible: true,
            apology: "I am sorry, something went wrong on our side. Please call again later."
                .into(),
            silence_prompts: vec!["Are you still there?".into()],
            silence_after_seconds: 12,
            farewell: "I cannot hear you, so I will hang up now. Goodbye.".into(),
            max_call_seconds: 1800,
        }
    }
}

/// The receptionist that answers when no agent is configured. Its facts are all here.
const RECEPTIONIST: &str = "
You are the telephone receptionist of Harbor Dental, a dentist's practice. You speak with a caller.
Answer in one or two short spoken sentences. Use plain words, no lists, no markdown, no code.
Only use these facts. If a fact is not here, say that you do not know and offer to take a message.
Opening hours: Monday to Friday from nine in the morning to five in the afternoon. Closed on Saturday and Sunday.
Address: twelve Harbor Street, next to the post office. Parking is behind the house and free.
Dentists: Doctor Lee and Doctor Martin. A check-up costs sixty dollars and takes half an hour.
To book, change or cancel an appointment, ask for the name and the day and say that the practice will call back.
In an emergency at night, tell the caller to dial nine one one.
";

impl AgentConfig {
    pub(crate) fn silence_after(&self) -> Duration {
        Duration::from_secs(self.silence_after_seconds)
    }

    pub(crate) fn max_duration(&self) -> Duration {
        Duration::from_secs(self.max_call_seconds)
    }

    /// The language for the recognizer, `None` to find out.
    pub(crate) fn spoken_language(&self) -> Option<String> {
        (self.language != "auto").then(|| self.language.clone())
    }
}

/// Reads the table of agents in the file's order; the receptionist where there is none.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<Vec<(String, AgentConfig)>, D::Error> {
    Ok(IndexMap::<String, AgentConfig>::deserialize(source)?.into_iter().collect())
}

/// Whom to fall back on without any configured agent.
pub(super) fn receptionist() -> Vec<(String, AgentConfig)> {
    vec![("receptionist".to_owned(), AgentConfig::default())]
}

pub(super) fn check(agents: &[(String, AgentConfig)], problems: &mut Within<'_>) {
    for (at, (name, agent)) in agents.iter().enumerate() {
        agent.check(name, problems);
        for number in &agent.numbers {
            let earlier = agents.iter().take(at).find(|(_, a)| a.numbers.contains(number));
            if let Some((other, _)) = earlier {
                let what = format!("number `{number}` is already answered by agent `{other}`");
                problems.add(&format!("agents.{name}.numbers"), what, "list it once");
            }
        }
    }
}

impl AgentConfig {
    fn check(&self, name: &str, problems: &mut Within<'_>) {
        let mut wrong = |field: &str, what: String, remedy: &str| {
            problems.add(&format!("agents.{name}.{field}"), what, remedy);
        };
        if self.numbers.is_empty() {
            wrong("numbers", "no number reaches this agent".into(), "list one, or \"*\" for all");
        }
        if self.instructions.trim().is_empty() {
            wrong(
                "instructions",
                "the agent has no instructions".into(),
                "say who it is and what it knows",
            );
        }
        if !(0.5..=2.0).contains(&self.voice_speed) {
            wrong(
                "voice_speed",
                format!("{} is not a speed", self.voice_speed),
                "choose 0.5 to 2.0",
            );
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            wrong(
                "temperature",
                format!("{} is out of range", self.temperature),
                "choose 0.0 to 2.0",
            );
        }
        if !(0.5..=3.0).contains(&self.patience) {
            wrong("patience", format!("{} is out of range", self.patience), "choose 0.5 to 3.0");
        }
        let is_code =
            self.language.len() == 2 && self.language.chars().all(|c| c.is_ascii_lowercase());
        if !is_code && self.language != "auto" {
            wrong(
                "language",
                format!("`{}` is not an ISO 639-1 code", self.language),
                "write `en`, `es`, ... or `auto`",
            );
        }
        if !(1..=4096).contains(&self.max_reply_tokens) {
            wrong(
                "max_reply_tokens",
                format!("{} is out of range", self.max_reply_tokens),
                "choose 1 to 4096",
            );
        }
        if !(1..=3600).contains(&self.silence_after_seconds) {
            wrong(
                "silence_after_seconds",
                format!("{} is out of range", self.silence_after_seconds),
                "choose 1 to 3600",
            );
        }
        if !(10..=86_400).contains(&self.max_call_seconds) {
            wrong(
                "max_call_seconds",
                format!("{} is out of range", self.max_call_seconds),
                "choose 10 to 86400",
            );
        }
    }
}
