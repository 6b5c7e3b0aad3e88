//! What a client asks of a response: read, checked against the session, and what the response shows of it.

use serde_json::{Value, json};
use trunkline_inference::Message;
use trunkline_session::ReplyOrder;

use super::{Translator, conversing::no_item};
use crate::realtime::{
    client::ResponseWire,
    codec::Codec,
    fault::Fault,
    item_wire::ItemWire,
    response::Shape,
    settings::{modality, tools, wire::VoiceWire},
};

impl Translator {
    pub(super) fn order(&mut self, wire: &ResponseWire) -> Result<ReplyOrder, Fault> {
        wire.check()?;
        let is_aside = match wire.conversation.as_deref() {
            None | Some("auto") => false,
            Some("none") => true,
            Some(_) => {
                let message = "a response goes into the conversation (auto) or not (none)";
                return Err(Fault::value("response.conversation", message));
            }
        };
        let own = match &wire.tools {
            Some(wire) => Some(tools::tools(wire, "response")?),
            None => None,
        };
        let known = own.as_deref().unwrap_or(self.settings.tools());
        let choice = wire.tool_choice.as_ref();
        let choice = choice.map(|choice| tools::choice(choice, known, "response")).transpose()?;
        let tools = (own.is_some() || choice.is_some())
            .then(|| (known.to_vec(), choice.unwrap_or_default()));
        let voice = self.voice(wire)?;
        let max_tokens = wire.max_output_tokens.as_ref();
        let max_tokens = max_tokens.map(|max| max.tokens("response")).transpose()?;
        let input = wire.input.as_deref().map(|input| self.messages(input)).transpose()?;
        let tag = self.replying.next_tag();
        Ok(ReplyOrder {
            tag,
            instructions: wire.instructions.clone(),
            tools,
            modality: modality(wire.output_modalities.as_deref(), "response")?,
            voice,
            max_tokens,
            temperature: wire.temperature,
            input,
            is_aside,
        })
    }

    fn voice(&self, wire: &ResponseWire) -> Result<Option<trunkline_inference::Voice>, Fault> {
        let Some(output) = wire.audio.as_ref().and_then(|audio| audio.output.as_ref()) else {
            return Ok(None);
        };
        if let Some(format) = &output.format
            && Codec::of(format, "response.audio.output.format")? != self.settings.output.codec
        {
            let message = "a response sounds in the session's format: change that";
            return Err(Fault::unsupported("response.audio.output.format", message));
        }
        let speed = output.speed.unwrap_or(self.settings.output.voice.speed);
        let name = output.voice.as_ref().map(VoiceWire::name);
        if name.is_none() && output.speed.is_none() {
            return Ok(None);
        }
        let own = self.settings.shown(&["audio", "output", "voice"]);
        let name = name.or(own.as_str());
        self.house.voice(name, speed, "response.audio.output.voice").map(Some)
    }

    /// The messages that a response is made from instead of the conversation.
    fn messages(&self, input: &[Value]) -> Result<Vec<Message>, Fault> {
        let numbered = input.iter().enumerate();
        let read = numbered.map(|(n, json)| {
            let param = format!("response.input[{n}]");
            match ItemWire::read(json, &param)? {
                ItemWire::ItemReference { id } => {
                    let item = self.conversation.items.get(&id);
                    let missing = || no_item("item_not_found", &id).at(format!("{param}.id"));
                    let item = item.ok_or_else(missing)?;
                    ItemWire::read(&item.json, &param)?.message(&param)
                }
                item @ (ItemWire::Message { .. }
                | ItemWire::FunctionCall { .. }
                | ItemWire::FunctionCallOutput { .. }) => item.message(&param),
            }
        });
        read.collect()
    }

    /// What the response will show of what was asked.
    pub(super) fn shape(&self, wire: &ResponseWire, order: &ReplyOrder) -> Shape {
        let own = self.own_shape();
        let voice = wire.audio.as_ref().and_then(|audio| audio.output.as_ref()?.voice.as_ref());
        let mut audio = own.audio;
        if let Some(voice) = voice {
            audio["output"]["voice"] = voice.name().into();
        }
        Shape {
            metadata: wire.metadata.clone().unwrap_or_default(),
            modality: order.modality.unwrap_or(own.modality),
            max_output_tokens: order.max_tokens.map_or(own.max_output_tokens, Value::from),
            audio,
            conversation: own.conversation.filter(|_| !order.is_aside),
        }
    }

    /// What a response shows that nothing was asked of.
    pub(super) fn own_shape(&self) -> Shape {
        let shown = |name: &str| self.settings.shown(&["audio", "output", name]);
        Shape {
            metadata: Value::Null,
            modality: self.settings.output.modality,
            max_output_tokens: self.settings.shown(&["max_output_tokens"]),
            audio: json!({ "output": { "format": shown("format"), "voice": shown("voice") } }),
            conversation: Some(self.conversation.id.clone()),
        }
    }
}
