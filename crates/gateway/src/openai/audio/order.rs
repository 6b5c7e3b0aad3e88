//! What a form asks of a transcription.

use std::time::Duration;

use serde::Deserialize;
use trunkline_inference::{SttDetail, SttOptions, SttTask};

use super::{
    cast::Known,
    languages,
    pauses::Rules,
    upload::{Fields, missing},
};
use crate::refusal::Refusal;

/// The longest `prefix_padding_ms`.
const MOST_PADDING_MS: u32 = 5_000;
/// The range of `silence_duration_ms`.
const SILENCE_MS: std::ops::RangeInclusive<u32> = 50..=10_000;

/// The shape of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Text,
    Srt,
    Vtt,
    VerboseJson,
    DiarizedJson,
}

impl Format {
    const NAMES: [(&'static str, Self); 6] = [
        ("json", Self::Json),
        ("text", Self::Text),
        ("srt", Self::Srt),
        ("verbose_json", Self::VerboseJson),
        ("vtt", Self::Vtt),
        ("diarized_json", Self::DiarizedJson),
    ];

    fn parse(name: Option<&str>) -> Result<Self, Refusal> {
        let name = name.unwrap_or("json");
        let found = Self::NAMES.iter().find(|(own, _)| *own == name);
        let known = || Self::NAMES.map(|(name, _)| name).join(", ");
        found.map(|(_, format)| *format).ok_or_else(|| {
            Refusal::bad_param("response_format", format!("'{name}' is none of {}", known()))
        })
    }
}

/// What is told beside the text.
#[expect(clippy::struct_excessive_bools, reason = "each may be asked for alone")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) segments: bool,
    pub(super) words: bool,
    pub(super) logprobs: bool,
}

/// What a form asks for.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) model: String,
    pub(super) format: Format,
    pub(super) options: SttOptions,
    pub(super) rules: Rules,
    pub(super) extras: Extras,
    pub(super) is_streamed: bool,
    /// Persons known beforehand; only where speakers are told apart.
    pub(super) known: Known,
}

/// The model that OpenAI does not stream, whatever is asked.
const NEVER_STREAMED: &str = "whisper-1";

impl Order {
    /// Reads the fields of a form.
    pub(super) fn parse(fields: &Fields, task: SttTask) -> Result<Self, Refusal> {
        let model = fields.one("model").ok_or_else(|| missing("model"))?.to_owned();
        let format = Format::parse(fields.one("response_format"))?;
        let extras = extras(fields, format)?;
        let is_streamed = is_streamed(fields, format)? && model != NEVER_STREAMED;
        let known = known(fields, format)?;
        let options = SttOptions {
            language: language(fields)?,
            prompt: prompt(fields),
            partials: false,
            task,
            temperature: temperature(fields)?,
            detail: detail(extras),
            ..SttOptions::default()
        };
        Ok(Self { model, format, options, rules: rules(fields)?, extras, is_streamed, known })
    }
}

/// Segments are wanted even where only text is told: a recognizer takes streams without any for calls,
/// which come first.
fn detail(extras: Extras) -> SttDetail {
    if extras.words { SttDetail::Words } else { SttDetail::Segments }
}

fn extras(fields: &Fields, format: Format) -> Result<Extras, Refusal> {
    let mut extras = Extras { segments: format == Format::VerboseJson, ..Extras::default() };
    for included in fields.all("include") {
        match included {
            "logprobs" if format == Format::Json => extras.logprobs = true,
            "logprobs" => {
                let message = "logprobs are told with response_format json only";
                return Err(Refusal::bad_param("include", message));
            }
            _ => {
                return Err(Refusal::bad_param("include", format!("'{included}' is not logprobs")));
            }
        }
    }
    let granularities: Vec<&str> = fields.all("timestamp_granularities").collect();
    if granularities.is_empty() {
        return Ok(extras);
    }
    let refuse = |message: String| Err(Refusal::bad_param("timestamp_granularities", message));
    if format != Format::VerboseJson {
        return refuse("it needs response_format verbose_json".to_owned());
    }
    extras.segments = false;
    for granularity in granularities {
        match granularity {
            "word" => extras.words = true,
            "segment" => extras.segments = true,
            _ => return refuse(format!("'{granularity}' is neither word nor segment")),
        }
    }
    Ok(extras)
}

fn is_streamed(fields: &Fields, format: Format) -> Result<bool, Refusal> {
    let is_streamed = match fields.one("stream").map(str::to_lowercase).as_deref() {
        None | Some("false" | "0" | "null") => false,
        Some("true" | "1") => true,
        Some(other) => {
            return Err(Refusal::bad_param(
                "stream",
                format!("'{other}' is neither true nor false"),
            ));
        }
    };
    if is_streamed && !matches!(format, Format::Json | Format::Text | Format::DiarizedJson) {
        let message = "a stream has response_format json, text or diarized_json";
        return Err(Refusal::unsupported("response_format", message));
    }
    Ok(is_streamed)
}

fn known(fields: &Fields, format: Format) -> Result<Known, Refusal> {
    let known = Known::parse(fields)?;
    if !known.is_empty() && format != Format::DiarizedJson {
        let message = "it needs response_format diarized_json";
        return Err(Refusal::bad_param("known_speaker_names", message));
    }
    Ok(known)
}

/// One language is an order. Several are a hint that the model, which finds the language out from the
/// sound, does not need.
fn language(fields: &Fields) -> Result<Option<String>, Refusal> {
    if let Some(given) = fields.one("language") {
        return languages::code("language", given);
    }
    let mut hints = Vec::new();
    for given in fields.all("languages") {
        hints.push(languages::code("languages", given)?);
    }
    hints.dedup();
    Ok(if hints.len() == 1 { hints.pop().flatten() } else { None })
}

fn prompt(fields: &Fields) -> Option<String> {
    let keywords = fields.all("keywords").collect::<Vec<_>>().join(", ");
    let parts = [fields.one("prompt").unwrap_or_default().trim(), &keywords];
    let prompt = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    Some(prompt).filter(|prompt| !prompt.is_empty())
}

fn temperature(fields: &Fields) -> Result<f32, Refusal> {
    let Some(given) = fields.one("temperature") else { return Ok(0.0) };
    let parsed = given.trim().parse().ok().filter(|value| (0.0..=1.0).contains(value));
    parsed
        .ok_or_else(|| Refusal::bad_param("temperature", format!("'{given}' is not within 0 to 1")))
}

/// `chunking_strategy` as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerVad {
    r#type: String,
    threshold: Option<f32>,
    prefix_padding_ms: Option<u32>,
    silence_duration_ms: Option<u32>,
}

/// `chunking_strategy`: a word, JSON, or a field for each member, as OpenAI's own clients send it.
fn rules(fields: &Fields) -> Result<Rules, Refusal> {
    const NAME: &str = "chunking_strategy";
    let wrong = |what: String| Refusal::bad_param(NAME, what);
    let wanted = match fields.one(NAME) {
        Some("auto") => return Ok(Rules::default()),
        Some(json) => serde_json::from_str(json).map_err(|e| {
            wrong(format!("it is neither 'auto' nor an object of type server_vad: {e}"))
        })?,
        None => match members(fields, NAME)? {
            Some(wanted) => wanted,
            None => return Ok(Rules::default()),
        },
    };
    if wanted.r#type != "server_vad" {
        return Err(wrong(format!("the type '{}' is not server_vad", wanted.r#type)));
    }
    let threshold = wanted.threshold.unwrap_or(0.5);
    let padding = wanted.prefix_padding_ms.unwrap_or(300);
    let silence = wanted.silence_duration_ms.unwrap_or(200);
    if !(0.0..=1.0).contains(&threshold) {
        return Err(wrong(format!("the threshold {threshold} is not within 0 to 1")));
    }
    if padding > MOST_PADDING_MS {
        return Err(wrong(format!("prefix_padding_ms is more than {MOST_PADDING_MS}")));
    }
    if !SILENCE_MS.contains(&silence) {
        let (least, most) = (SILENCE_MS.start(), SILENCE_MS.end());
        return Err(wrong(format!("silence_duration_ms is not within {least} to {most}")));
    }
    let ms = |ms: u32| Duration::from_millis(ms.into());
    Ok(Rules { threshold, padding: ms(padding), pause: ms(silence) })
}

fn members(fields: &Fields, name: &'static str) -> Result<Option<ServerVad>, Refusal> {
    let one = |member: &str| fields.one(&format!("{name}[{member}]"));
    let wrong = |member: &str| Refusal::bad_param(name, format!("{member} is not a number"));
    let whole =
        |member: &str| one(member).map(|v| v.parse::<u32>().map_err(|_| wrong(member))).transpose();
    let Some(kind) = one("type") else { return Ok(None) };
    let threshold = one("threshold").map(|v| v.parse().map_err(|_| wrong("threshold")));
    Ok(Some(ServerVad {
        r#type: kind.to_owned(),
        threshold: threshold.transpose()?,
        prefix_padding_ms: whole("prefix_padding_ms")?,
        silence_duration_ms: whole("silence_duration_ms")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in [("model", "whisper")].iter().chain(pairs) {
            fields.push(name, (*value).to_owned());
        }
        fields
    }

    fn order(pairs: &[(&str, &str)]) -> Order {
        Order::parse(&fields(pairs), SttTask::Transcribe).unwrap()
    }

    #[test]
    fn a_bare_form_asks_for_json_of_any_language() {
        let order = order(&[("language", ""), ("prompt", " "), ("response_format", "")]);
        assert_eq!((order.model.as_str(), order.format), ("whisper", Format::Json));
        assert_eq!((order.options.language, order.options.prompt), (None, None));
        assert_eq!(order.options.detail, SttDetail::Segments);
        assert_eq!(order.rules, Rules::default());
        assert!(!order.is_streamed);
        assert_eq!(order.extras, Extras::default());
    }

    #[test]
    fn words_to_expect_go_into_the_prompt() {
        let order =
            order(&[("prompt", "A call."), ("keywords[]", "Trunkline"), ("keywords", "SIP")]);
        assert_eq!(order.options.prompt.as_deref(), Some("A call. Trunkline, SIP"));
    }

    #[test]
    fn one_language_is_an_order_and_several_are_a_hint() {
        let language = |pairs: &[(&str, &str)]| order(pairs).options.language;
        assert_eq!(language(&[("language", "German")]).as_deref(), Some("de"));
        assert_eq!(language(&[("languages[]", "fr")]).as_deref(), Some("fr"));
        assert_eq!(language(&[("languages[]", "fr"), ("languages[]", "de")]), None);
        assert_eq!(language(&[("language", "auto"), ("languages[]", "de")]), None);
    }

    #[test]
    fn the_recognizer_is_asked_for_as_much_as_is_told() {
        let detail = |pairs: &[(&str, &str)]| order(pairs).options.detail;
        let verbose = ("response_format", "verbose_json");
        let by = |granularity| ("timestamp_granularities[]", granularity);
        assert_eq!(detail(&[("response_format", "text")]), SttDetail::Segments);
        assert_eq!(detail(&[verbose]), SttDetail::Segments);
        assert_eq!(detail(&[verbose, by("word")]), SttDetail::Words);
        let extras = |pairs: &[(&str, &str)]| {
            let extras = order(pairs).extras;
            (extras.segments, extras.words)
        };
        assert_eq!(extras(&[verbose]), (true, false));
        assert_eq!(extras(&[verbose, by("word")]), (false, true));
        assert_eq!(extras(&[verbose, by("word"), by("segment")]), (true, true));
    }

    #[test]
    fn whisper_1_is_never_streamed() {
        let streamed = |model| order(&[("model", model), ("stream", "True")]).is_streamed;
        assert!(streamed("gpt-4o-transcribe"));
        assert!(!streamed("whisper-1"));
    }

    #[test]
    fn chunking_comes_as_a_word_as_json_or_as_members() {
        let ms = Duration::from_millis;
        let rules = |pairs: &[(&str, &str)]| order(pairs).rules;
        assert_eq!(rules(&[("chunking_strategy", "auto")]), Rules::default());
        let wanted = Rules { threshold: 0.7, padding: ms(300), pause: ms(400) };
        let json = r#"{"type":"server_vad","threshold":0.7,"silence_duration_ms":400}"#;
        assert_eq!(rules(&[("chunking_strategy", json)]), wanted);
        let members = [
            ("chunking_strategy[type]", "server_vad"),
            ("chunking_strategy[threshold]", "0.7"),
            ("chunking_strategy[silence_duration_ms]", "400"),
        ];
        assert_eq!(rules(&members), wanted);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let vad = |json: &'static str| ("chunking_strategy", json);
        for (pair, param, code) in [
            (("model", ""), "", ""),
            (("response_format", "xml"), "response_format", "invalid_value"),
            (("language", "klingon"), "language", "invalid_value"),
            (("languages[]", "klingon"), "languages", "invalid_value"),
            (("temperature", "1.1"), "temperature", "invalid_value"),
            (("temperature", "nan"), "temperature", "invalid_value"),
            (("temperature", "hot"), "temperature", "invalid_value"),
            (("stream", "maybe"), "stream", "invalid_value"),
            (("include[]", "usage"), "include", "invalid_value"),
            (("timestamp_granularities[]", "word"), "timestamp_granularities", "invalid_value"),
            (("known_speaker_names[]", "Ann"), "known_speaker_references", "invalid_value"),
            (("known_speaker_references[]", "data:"), "known_speaker_references", "invalid_value"),
            (vad("never"), "chunking_strategy", "invalid_value"),
            (vad(r#"{"type":"x"}"#), "chunking_strategy", "invalid_value"),
            (vad(r#"{"type":"server_vad","threshold":2}"#), "chunking_strategy", "invalid_value"),
            (
                vad(r#"{"type":"server_vad","silence_duration_ms":1}"#),
                "chunking_strategy",
                "invalid_value",
            ),
            (
                vad(r#"{"type":"server_vad","prefix_padding_ms":9000}"#),
                "chunking_strategy",
                "invalid_value",
            ),
            (("chunking_strategy[type]", "semantic_vad"), "chunking_strategy", "invalid_value"),
        ] {
            let parsed = Order::parse(&fields(&[pair]), SttTask::Transcribe);
            if param.is_empty() {
                assert!(parsed.is_ok(), "an empty field counts as none");
                continue;
            }
            let error = parsed.unwrap_err().error();
            assert_eq!(
                (error["param"].as_str(), error["code"].as_str()),
                (Some(param), Some(code)),
                "{pair:?}"
            );
        }
        let none = Order::parse(&Fields::default(), SttTask::Transcribe).unwrap_err().error();
        assert_eq!(none["param"], "model");
    }

    #[test]
    fn combinations_that_make_no_sense_are_refused() {
        for (pairs, param) in [
            ([("response_format", "srt"), ("stream", "true")], "response_format"),
            ([("response_format", "text"), ("include[]", "logprobs")], "include"),
            (
                [("response_format", "verbose_json"), ("timestamp_granularities[]", "letter")],
                "timestamp_granularities",
            ),
        ] {
            let error = Order::parse(&fields(&pairs), SttTask::Transcribe).unwrap_err().error();
            assert_eq!(error["param"], param);
        }
    }
}
