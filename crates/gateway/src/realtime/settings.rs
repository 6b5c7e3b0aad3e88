//! What a session is set to: read from what clients write, shown to them whole, and put into an agent.

mod merge;
pub(crate) mod tools;
pub(crate) mod turns;
pub(crate) mod wire;

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use trunkline_inference::{Tool, ToolChoice, Voice};
use trunkline_session::{Agent, Modality};
use trunkline_turn::{OnFailure, Script};

use self::{
    tools::MOST_TOKENS,
    turns::Turns,
    wire::{InputWire, Kind, OutputWire, SessionWire, Transcription, VoiceWire},
};
use super::{codec::Codec, fault::Fault, house::House};

/// Names of the API before its general availability, and what they are called since.
const BETA: [(&str, &str); 9] = [
    ("modalities", "output_modalities"),
    ("voice", "audio.output.voice"),
    ("speed", "audio.output.speed"),
    ("input_audio_format", "audio.input.format"),
    ("output_audio_format", "audio.output.format"),
    ("input_audio_transcription", "audio.input.transcription"),
    ("input_audio_noise_reduction", "audio.input.noise_reduction"),
    ("turn_detection", "audio.input.turn_detection"),
    ("max_response_output_tokens", "max_output_tokens"),
];
/// How much sound may wait at the client: it takes all that is made.
const LEAD: Duration = Duration::from_hours(24);
/// The longest session, as OpenAI's.
pub(crate) const SESSION_TIME: Duration = Duration::from_hours(1);
/// A client that says nothing is not asked whether it is there.
const NEVER: Duration = Duration::from_hours(24);

/// What a session is set to.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// As the client sees it.
    doc: Map<String, Value>,
    pub(crate) kind: Kind,
    pub(crate) input: Input,
    pub(crate) output: Output,
    thinking: Thinking,
}

/// What is heard.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) codec: Codec,
    pub(crate) transcription: Option<Transcription>,
    pub(crate) turns: Turns,
}

/// What replies are.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) codec: Codec,
    pub(crate) voice: Voice,
    pub(crate) modality: Modality,
}

/// How replies are made.
#[derive(Clone, Debug)]
struct Thinking {
    instructions: String,
    tools: Vec<Tool>,
    tool_choice: ToolChoice,
    max_tokens: u32,
}

impl Settings {
    /// A session that nobody has set, of this kind and with the model that clients call so.
    pub(crate) fn new(kind: Kind, model: Option<&str>, house: &House) -> Result<Self, Fault> {
        let doc = match kind {
            Kind::Realtime => realtime_doc(model.unwrap_or(&house.served.llm.name), house),
            Kind::Transcription => transcription_doc(model.unwrap_or(&house.served.stt.name)),
        };
        Self::read(object(doc), house)
    }

    /// These settings with what a `session.update` names changed. `has_sounded`: a reply was heard.
    pub(crate) fn updated(
        &self,
        patch: &Map<String, Value>,
        house: &House,
        has_sounded: bool,
    ) -> Result<Self, Fault> {
        if let Some((beta, name)) = BETA.iter().find(|(beta, _)| patch.contains_key(*beta)) {
            let message = format!("'{beta}' is called 'session.{name}' since the API's release");
            return Err(Fault::invalid("unknown_parameter", message).at(format!("session.{beta}")));
        }
        let kind = patch.get("type").and_then(Value::as_str);
        if kind.is_some_and(|kind| Some(kind) != self.doc.get("type").and_then(Value::as_str)) {
            let message = "the type of a session cannot be changed: connect anew, \
                           with ?intent=transcription for one that only transcribes";
            return Err(Fault::value("session.type", message));
        }
        let mut doc = self.doc.clone();
        merge::merge(&mut doc, patch);
        let new = Self::read(doc, house)?;
        if has_sounded && new.output.voice.name != self.output.voice.name {
            let message = "the voice cannot be changed once a reply has been spoken";
            let fault = Fault::invalid("cannot_update_voice", message);
            return Err(fault.at("session.audio.output.voice"));
        }
        Ok(new)
    }

    fn read(mut doc: Map<String, Value>, house: &House) -> Result<Self, Fault> {
        for shown in ["id", "object", "expires_at", "client_secret"] {
            doc.remove(shown);
        }
        let wire: SessionWire = parse(Value::Object(doc.clone()), "session")?;
        if wire.prompt.is_some() {
            let message = "stored prompts are not served: send instructions";
            return Err(Fault::unsupported("session.prompt", message));
        }
        let audio = wire.audio.unwrap_or_default();
        let input = read_input(audio.input.unwrap_or_default(), house)?;
        let output = read_output(audio.output.as_ref(), wire.output_modalities.as_deref(), house)?;
        if let (Some(model), Kind::Realtime) = (&wire.model, wire.r#type) {
            house.knows_llm(model, "session.model")?;
        }
        let tools = tools::tools(wire.tools.as_deref().unwrap_or_default(), "session")?;
        let tool_choice = match &wire.tool_choice {
            Some(choice) => tools::choice(choice, &tools, "session")?,
            None => ToolChoice::Auto,
        };
        let max_tokens = wire.max_output_tokens.map(|max| max.tokens("session")).transpose()?;
        let thinking = Thinking {
            instructions: wire.instructions.unwrap_or_default(),
            tools,
            tool_choice,
            max_tokens: max_tokens.unwrap_or(MOST_TOKENS),
        };
        let mut settings = Self { doc, kind: wire.r#type, input, output, thinking };
        settings.show_turns();
        Ok(settings)
    }

    /// Turn detection is shown whole, whatever the client left out.
    fn show_turns(&mut self) {
        let shown = self.input.turns.json();
        let input = self.doc.get_mut("audio").and_then(|audio| audio.get_mut("input"));
        if let Some(input) = input.and_then(Value::as_object_mut) {
            input.insert("turn_detection".into(), shown);
            input.insert("format".into(), self.input.codec.json());
        }
    }

    /// As clients see it.
    pub(crate) fn json(&self, id: &str, expires_at: i64) -> Value {
        let object = match self.kind {
            Kind::Realtime => "realtime.session",
            Kind::Transcription => "realtime.transcription_session",
        };
        let mut json = Map::new();
        json.insert("type".into(), self.doc.get("type").cloned().unwrap_or_default());
        json.insert("object".into(), object.into());
        json.insert("id".into(), id.into());
        json.extend(self.doc.clone());
        json.insert("expires_at".into(), expires_at.into());
        Value::Object(json)
    }

    /// A part of what clients see.
    pub(crate) fn shown(&self, pointer: &[&str]) -> Value {
        let mut part = self.doc.get(pointer.first().copied().unwrap_or_default());
        for name in pointer.iter().skip(1) {
            part = part.and_then(|part| part.get(name));
        }
        part.cloned().unwrap_or_default()
    }

    /// The functions of its model.
    pub(crate) fn tools(&self) -> &[Tool] {
        &self.thinking.tools
    }

    /// Who answers: like the house's agent, but as set.
    pub(crate) fn agent(&self, house: &House) -> Arc<Agent> {
        let mut agent = Agent {
            instructions: self.thinking.instructions.clone(),
            voice: self.output.voice.clone(),
            language: self.language(house),
            max_reply_tokens: self.thinking.max_tokens,
            tools: self.thinking.tools.clone(),
            tool_choice: self.thinking.tool_choice.clone(),
            modality: self.output.modality,
            hints: self.input.transcription.as_ref().and_then(Transcription::hints),
            lead: LEAD,
            script: silent(),
            ..house.agent.clone()
        };
        agent.turn.on_failure = OnFailure::GoOn;
        agent.turn.silence.prompt_after = NEVER;
        agent.turn.silence.hearing_failures = u32::MAX;
        agent.turn.limits.call = SESSION_TIME;
        let may_reply = self.kind == Kind::Realtime;
        self.input.turns.apply(&mut agent.turn, &mut agent.detector, may_reply);
        Arc::new(agent)
    }

    /// What the caller speaks: as set, as the house's agent expects, or to be found out.
    fn language(&self, house: &House) -> Option<String> {
        match &self.input.transcription {
            Some(set) => set.language.clone().or_else(|| match set.languages.as_deref() {
                Some([one]) => Some(one.clone()),
                Some(_) | None => None,
            }),
            None => house.agent.language.clone(),
        }
    }
}

impl Transcription {
    fn hints(&self) -> Option<String> {
        let words = self.keywords.iter().flatten().map(String::as_str);
        let hints: Vec<&str> = self.prompt.iter().map(String::as_str).chain(words).collect();
        (!hints.is_empty()).then(|| hints.join(", "))
    }
}

/// What a client is told that sets nothing.
fn realtime_doc(model: &str, house: &House) -> Value {
    json!({
        "type": "realtime",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": house.agent.instructions,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": null,
        "prompt": null,
        "include": null,
        "audio": {
            "input": {
                "format": Codec::Pcm.json(),
                "transcription": null,
                "noise_reduction": null,
                "turn_detection": { "type": "server_vad" },
            },
            "output": {
                "format": Codec::Pcm.json(),
                "voice": house.default_voice(),
                "speed": 1.0,
            },
        },
    })
}

fn transcription_doc(model: &str) -> Value {
    json!({
        "type": "transcription",
        "include": null,
        "audio": {
            "input": {
                "format": Codec::Pcm.json(),
                "transcription": { "model": model },
                "noise_reduction": null,
                "turn_detection": { "type": "server_vad" },
            },
        },
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// Reads JSON; what is wrong is told with its path below `root`.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(value: Value, root: &str) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner().to_string();
        let param = if path == "." { root.to_owned() } else { format!("{root}.{path}") };
        let code = match inner.split_whitespace().next() {
            Some("unknown") if inner.starts_with("unknown field") => "unknown_parameter",
            Some("missing") => "missing_required_parameter",
            Some(_) | None => "invalid_value",
        };
        Fault::invalid(code, inner).at(param)
    })
}

fn read_input(wire: InputWire, house: &House) -> Result<Input, Fault> {
    let codec = match &wire.format {
        Some(format) => Codec::of(format, "session.audio.input.format")?,
        None => Codec::Pcm,
    };
    if let Some(model) = wire.transcription.as_ref().and_then(|t| t.model.as_deref()) {
        house.knows_stt(model, "session.audio.input.transcription.model")?;
    }
    let turns = Turns::new(wire.turn_detection)?;
    Ok(Input { codec, transcription: wire.transcription, turns })
}

fn read_output(
    wire: Option<&OutputWire>,
    modalities: Option<&[wire::Modality]>,
    house: &House,
) -> Result<Output, Fault> {
    let codec = match wire.and_then(|wire| wire.format.as_ref()) {
        Some(format) => Codec::of(format, "session.audio.output.format")?,
        None => Codec::Pcm,
    };
    let speed = wire.and_then(|wire| wire.speed).unwrap_or(1.0);
    if !(0.25..=1.5).contains(&speed) {
        let message = "the speed is between 0.25 and 1.5";
        return Err(Fault::value("session.audio.output.speed", message));
    }
    let voice = wire.and_then(|wire| wire.voice.as_ref()).map(VoiceWire::name);
    let voice = house.voice(voice, speed, "session.audio.output.voice")?;
    let modality = modality(modalities, "session")?.unwrap_or_default();
    Ok(Output { codec, voice, modality })
}

/// What replies are; `param` is what holds it.
pub(crate) fn modality(
    wire: Option<&[wire::Modality]>,
    param: &str,
) -> Result<Option<Modality>, Fault> {
    match wire {
        None => Ok(None),
        Some([wire::Modality::Audio]) => Ok(Some(Modality::Audio)),
        Some([wire::Modality::Text]) => Ok(Some(Modality::Text)),
        Some(_) => {
            let message = "either [\"audio\"] or [\"text\"] is expected";
            Err(Fault::value(format!("{param}.output_modalities"), message))
        }
    }
}

fn silent() -> Script {
    Script {
        greeting: String::new(),
        apology: String::new(),
        silence_prompts: Vec::new(),
        farewell: String::new(),
        repeat: String::new(),
    }
}

#[cfg(test)]
mod tests;
