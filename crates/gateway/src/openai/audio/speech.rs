//! `/v1/audio/speech`: text, spoken.

use std::{io, pin::Pin};

use axum::{
    body::Body as HttpBody,
    extract::{Extension, State},
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use trunkline_inference::{Clause, ModelError, Party, Voice};
use trunkline_session::clauses::ClauseCutter;

use super::encode::{Encoded, Format, SPOKEN_HZ, encoded};
use crate::{
    openai::{Api, body::Body, sse},
    refusal::Refusal,
    router::guard::Caller,
};

/// The longest input, characters.
const INPUT_CHARS: usize = 4096;
/// Audio tokens that OpenAI counts a second of speech.
const TOKENS_A_SECOND: u64 = 20;
/// Characters that make a token of text, about.
const CHARS_A_TOKEN: usize = 4;

/// The request's body. `instructions` and what is not known are left unread: no local voice takes
/// them.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    model: Option<String>,
    input: Option<String>,
    voice: Option<VoiceName>,
    response_format: Option<String>,
    speed: Option<f32>,
    stream_format: Option<String>,
}

/// A voice by name, or as an object with its name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum VoiceName {
    Name(String),
    Object { id: String },
}

/// `POST /v1/audio/speech`.
pub(crate) async fn speak(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<Asked>,
) -> Result<Response, Refusal> {
    let text = input(&asked)?.to_owned();
    let format = format(asked.response_format.as_deref())?;
    let is_sse = is_sse(asked.stream_format.as_deref())?;
    let served = api.served()?;
    let tts = api.directory.tts(served, required("model", asked.model.as_deref())?)?.model;
    let wanted = match &asked.voice {
        Some(VoiceName::Name(name) | VoiceName::Object { id: name }) => name.as_str(),
        None => return Err(missing("voice")),
    };
    let voice = Voice { name: api.directory.voice(&*tts, wanted)?, speed: speed(asked.speed)? };
    let clauses = clauses(&text, language(&voice.name));
    if clauses.is_empty() {
        return Err(Refusal::bad_param("input", "there is nothing in it that can be spoken"));
    }
    let clauses = Box::pin(stream::iter(clauses.into_iter().map(Ok)));
    let speech = tts.speak(clauses, &voice, Party::program(caller.tenant()));
    let mut sound = Box::pin(encoded(speech, format.encoder()?));
    // The first bytes are waited for, so that a voice that fails at once is answered by a status.
    let first = sound.next().await.transpose()?;
    let sound = stream::iter(first.map(Ok)).chain(sound);
    let sound: SoundStream = Box::pin(sound);
    Ok(if is_sse { events(sound, tokens_of(&text)) } else { file(sound, format) })
}

type SoundStream = Pin<Box<dyn Stream<Item = Result<Encoded, ModelError>> + Send>>;

fn file(sound: SoundStream, format: Format) -> Response {
    let bytes = sound.filter_map(|encoded| {
        std::future::ready(match encoded {
            Ok(Encoded::Bytes(bytes)) => Some(Ok(bytes)),
            Ok(Encoded::End { .. }) => None,
            Err(error) => {
                tracing::error!(%error, "a voice failed while it spoke: the answer ends early");
                Some(Err(io::Error::other(error)))
            }
        })
    });
    ([(header::CONTENT_TYPE, format.content_type())], HttpBody::from_stream(bytes)).into_response()
}

fn events(sound: SoundStream, text_tokens: u64) -> Response {
    let events = sound.map(move |encoded| match encoded? {
        Encoded::Bytes(bytes) => {
            Ok(json!({ "type": "speech.audio.delta", "audio": STANDARD.encode(bytes) }))
        }
        Encoded::End { samples } => {
            let spoken = (samples * TOKENS_A_SECOND).div_ceil(SPOKEN_HZ.into());
            let usage = json!({
                "input_tokens": text_tokens,
                "output_tokens": spoken,
                "total_tokens": text_tokens + spoken,
            });
            Ok(json!({ "type": "speech.audio.done", "usage": usage }))
        }
    });
    sse::answer(sse::Style::Plain, events)
}

fn missing(name: &'static str) -> Refusal {
    Refusal::bad_param(name, format!("the body needs '{name}'"))
}

fn required<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, Refusal> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| missing(name))
}

fn input(asked: &Asked) -> Result<&str, Refusal> {
    let input = required("input", asked.input.as_deref())?;
    let count = input.chars().count();
    if count > INPUT_CHARS {
        let message =
            format!("it has {count} characters: at most {INPUT_CHARS} are spoken at once");
        return Err(Refusal::bad_param("input", message));
    }
    Ok(input)
}

fn speed(speed: Option<f32>) -> Result<f32, Refusal> {
    let speed = speed.unwrap_or(1.0);
    if (0.25..=4.0).contains(&speed) {
        return Ok(speed);
    }
    Err(Refusal::bad_param("speed", format!("{speed} is not within 0.25 to 4")))
}

fn format(name: Option<&str>) -> Result<Format, Refusal> {
    const NAME: &str = "response_format";
    Ok(match name.unwrap_or("mp3") {
        "mp3" => Format::Mp3,
        "opus" => Format::Opus,
        "flac" => Format::Flac,
        "wav" => Format::Wav,
        "pcm" => Format::Pcm,
        "aac" => {
            let message = "this server does not encode AAC: ask for mp3, opus, flac, wav or pcm";
            return Err(Refusal::unsupported(NAME, message));
        }
        other => {
            let message = format!("'{other}' is none of mp3, opus, flac, wav, pcm");
            return Err(Refusal::bad_param(NAME, message));
        }
    })
}

fn is_sse(name: Option<&str>) -> Result<bool, Refusal> {
    match name {
        None | Some("audio") => Ok(false),
        Some("sse") => Ok(true),
        Some(other) => {
            let message = format!("'{other}' is neither audio nor sse");
            Err(Refusal::bad_param("stream_format", message))
        }
    }
}

fn clauses(text: &str, language: Option<String>) -> Vec<Clause> {
    let mut cutter = ClauseCutter::new(language);
    cutter.push(text);
    std::iter::from_fn(|| cutter.finish()).collect()
}

/// The language of a voice by its name: Piper's begin with a locale (`de_DE-thorsten`), Kokoro's with
/// a letter for the language and one for the sex (`ff_siwis`).
fn language(voice: &str) -> Option<String> {
    const KOKORO: [(char, &str); 9] = [
        ('a', "en"),
        ('b', "en"),
        ('e', "es"),
        ('f', "fr"),
        ('h', "hi"),
        ('i', "it"),
        ('j', "ja"),
        ('p', "pt"),
        ('z', "zh"),
    ];
    let (start, rest) = voice.split_once('_')?;
    let mut letters = start.chars();
    let (first, second) = (letters.next()?, letters.next()?);
    if letters.next().is_some() {
        return None;
    }
    if rest.starts_with(char::is_uppercase) {
        return Some(start.to_owned());
    }
    let of = |letter| KOKORO.iter().find(|(own, _)| *own == letter).map(|(_, code)| *code);
    of(first).filter(|_| matches!(second, 'f' | 'm')).map(str::to_owned)
}

fn tokens_of(text: &str) -> u64 {
    text.chars().count().div_ceil(CHARS_A_TOKEN) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voices_name_tells_its_language() {
        for (voice, expected) in [
            ("af_heart", Some("en")),
            ("bm_fable", Some("en")),
            ("ff_siwis", Some("fr")),
            ("zm_yunxi", Some("zh")),
            ("de_DE-thorsten-medium", Some("de")),
            ("ef_dora", Some("es")),
            ("lessac", None),
            ("my_voice", None),
            ("x_y", None),
            ("abc_DE", None),
            ("", None),
        ] {
            assert_eq!(language(voice).as_deref(), expected, "{voice}");
        }
    }

    #[test]
    fn a_text_is_cut_into_clauses_that_can_be_spoken() {
        let texts = |text| clauses(text, None).into_iter().map(|c| c.text).collect::<Vec<_>>();
        assert_eq!(texts("Sure, we open at nine. Bye."), ["Sure,", "we open at nine.", "Bye."]);
        assert!(texts("... 🎉 !").is_empty());
    }

    #[test]
    fn tokens_are_counted_up() {
        assert_eq!([tokens_of("a"), tokens_of("abcd"), tokens_of("abcde")], [1, 1, 2]);
    }
}
