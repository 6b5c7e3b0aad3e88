//! Transcripts as OpenAI's clients read them.

use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Map, Value, json};
use trunkline_audio::MediaTime;
use trunkline_inference::{Segment, SttTask, SttToken};

use super::{cast::Cast, languages, listening::Piece, order::Extras};

/// Audio tokens that OpenAI counts a second.
const TOKENS_A_SECOND: f64 = 10.0;

/// A whole sound, written down.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) pieces: Vec<Piece>,
    pub(super) duration: MediaTime,
}

impl Written {
    /// Everything that was said.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            text.push_str(&delta(piece, text.is_empty()));
        }
        text
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.pieces.iter().flat_map(|piece| &piece.transcript.segments)
    }

    /// The codes of the languages that were spoken, the first one first.
    fn languages(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for code in self.pieces.iter().filter_map(|piece| piece.transcript.language.as_deref()) {
            if !found.contains(&code) {
                found.push(code);
            }
        }
        found
    }

    /// The code of the language that most of the text is in.
    fn language(&self) -> Option<&str> {
        let said = |code: &str| -> usize {
            let own = |piece: &&Piece| piece.transcript.language.as_deref() == Some(code);
            self.pieces.iter().filter(own).map(|piece| piece.transcript.text.len()).sum()
        };
        self.languages().into_iter().rev().max_by_key(|code| said(code))
    }

    /// `response_format` json.
    pub(super) fn json(&self, extras: Extras) -> Value {
        let mut json = json!({
            "text": self.text(),
            "languages": self.spoken(),
            "usage": self.duration_usage(),
        });
        self.add_logprobs(&mut json, extras);
        json
    }

    /// The last event of a stream.
    pub(super) fn done(&self, extras: Extras) -> Value {
        let mut json = json!({
            "type": "transcript.text.done",
            "text": self.text(),
            "languages": self.spoken(),
            "usage": self.token_usage(),
        });
        self.add_logprobs(&mut json, extras);
        json
    }

    /// `response_format` `verbose_json`; `temperature` is what was asked for.
    pub(super) fn verbose_json(&self, task: SttTask, temperature: f32, extras: Extras) -> Value {
        let (name, language) = match task {
            SttTask::Transcribe => {
                ("transcribe", languages::english_name(self.language().unwrap_or("en")))
            }
            SttTask::Translate => ("translate", "english"),
        };
        let mut json = json!({
            "task": name,
            "language": language,
            "duration": seconds(self.duration),
            "text": self.text(),
        });
        if extras.words {
            let words = self.segments().flat_map(|segment| &segment.words);
            json["words"] = words
                .map(|word| json!({ "word": word.text, "start": seconds(word.start), "end": seconds(word.end) }))
                .collect();
        }
        if extras.segments {
            let segments = self.pieces.iter().flat_map(|piece| {
                piece.transcript.segments.iter().map(move |segment| (piece, segment))
            });
            let segments = segments.enumerate();
            json["segments"] = segments
                .map(|(id, (piece, segment))| verbose_segment(id, piece, segment, temperature))
                .collect();
        }
        json["usage"] = self.duration_usage();
        json
    }

    /// `response_format` `diarized_json`.
    pub(super) fn diarized_json(&self, cast: &Cast) -> Value {
        json!({
            "task": "transcribe",
            "duration": seconds(self.duration),
            "text": self.text(),
            "segments": self.speeches(cast),
            "usage": self.duration_usage(),
        })
    }

    /// Each segment with its speaker, as a stream tells them too. Who speaks is known only when all is
    /// heard: voices are compared with each other.
    pub(super) fn speeches(&self, cast: &Cast) -> Vec<Value> {
        let voiced: Vec<_> = self
            .pieces
            .iter()
            .flat_map(|piece| piece.transcript.segments.iter().zip(&piece.voices))
            .map(|(segment, voice)| (segment, voice.as_slice()))
            .collect();
        let labels = cast.label(&voiced);
        let speeches = voiced.iter().zip(labels).enumerate();
        speeches.map(|(id, ((segment, _), speaker))| speech(id, segment, &speaker)).collect()
    }

    fn spoken(&self) -> Value {
        self.languages().into_iter().map(|code| json!({ "code": code })).collect()
    }

    fn duration_usage(&self) -> Value {
        json!({ "type": "duration", "seconds": seconds(self.duration).ceil() })
    }

    /// Counted as OpenAI counts sound; the text's are those of the model.
    fn token_usage(&self) -> Value {
        let audio = whole((seconds(self.duration) * TOKENS_A_SECOND).ceil());
        let text = self.segments().map(|segment| segment.tokens.len() as u64).sum::<u64>();
        json!({
            "type": "tokens",
            "input_tokens": audio,
            "input_token_details": { "audio_tokens": audio, "text_tokens": 0 },
            "output_tokens": text,
            "total_tokens": audio + text,
        })
    }

    fn add_logprobs(&self, json: &mut Value, extras: Extras) {
        if extras.logprobs {
            json["logprobs"] = self.pieces.iter().flat_map(logprobs).collect();
        }
    }
}

/// What a stream tells of one more piece; nothing where nothing was said.
pub(super) fn delta_event(piece: &Piece, is_first: bool, extras: Extras) -> Option<Value> {
    let delta = delta(piece, is_first);
    if delta.is_empty() {
        return None;
    }
    let mut event = Map::new();
    event.insert("type".to_owned(), json!("transcript.text.delta"));
    event.insert("delta".to_owned(), json!(delta));
    if extras.logprobs {
        event.insert("logprobs".to_owned(), logprobs(piece).collect());
    }
    Some(event.into())
}

/// What a piece adds to the text.
fn delta(piece: &Piece, is_first: bool) -> String {
    let text = piece.transcript.text.trim();
    let space = languages::space(piece.transcript.language.as_deref());
    if is_first || text.is_empty() { text.to_owned() } else { format!("{space}{text}") }
}

fn logprobs(piece: &Piece) -> impl Iterator<Item = Value> {
    let tokens = piece.transcript.segments.iter().flat_map(|segment| &segment.tokens);
    tokens.map(|token| {
        let text = String::from_utf8_lossy(&token.bytes);
        json!({ "token": text, "logprob": rounded(token.logprob), "bytes": token.bytes })
    })
}

fn verbose_segment(id: usize, piece: &Piece, segment: &Segment, temperature: f32) -> Value {
    let space = languages::space(piece.transcript.language.as_deref());
    json!({
        "id": id,
        "seek": piece.start.to_ms() / 10,
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": format!("{space}{}", segment.text),
        "tokens": segment.tokens.iter().map(|token| token.id).collect::<Vec<_>>(),
        "temperature": rounded(temperature),
        "avg_logprob": rounded(mean(&segment.tokens).unwrap_or(piece.transcript.avg_logprob)),
        "compression_ratio": rounded(compression_ratio(&segment.text)),
        "no_speech_prob": rounded(segment.no_speech),
    })
}

fn speech(id: usize, segment: &Segment, speaker: &str) -> Value {
    json!({
        "type": "transcript.text.segment",
        "id": format!("seg_{id}"),
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": segment.text,
        "speaker": speaker,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a segment has few tokens")]
fn mean(tokens: &[SttToken]) -> Option<f32> {
    let sum: f32 = tokens.iter().map(|token| token.logprob).sum();
    (!tokens.is_empty()).then(|| sum / tokens.len() as f32)
}

/// The bytes of `text` over those of it compressed, as Whisper measures repetition.
#[expect(clippy::cast_precision_loss, reason = "a segment is short")]
fn compression_ratio(text: &str) -> f32 {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = zlib.write_all(text.as_bytes()).and_then(|()| zlib.finish());
    let compressed = written.expect("a Vec takes all");
    text.len() as f32 / compressed.len().max(1) as f32
}

#[expect(clippy::cast_precision_loss, reason = "a sound is shorter than 2^53 ms")]
fn seconds(time: MediaTime) -> f64 {
    time.to_ms() as f64 / 1000.0
}

/// As few digits as say it.
fn rounded(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of tokens is small and positive"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use trunkline_inference::{Transcript, Word};

    use super::*;

    const NOTHING: Extras = Extras { segments: false, words: false, logprobs: false };

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_ms(ms)
    }

    fn segment(start: u64, end: u64, text: &str) -> Segment {
        let words = text.split_whitespace().map(|word| Word {
            text: word.to_owned(),
            start: ms(start),
            end: ms(end),
        });
        let token = |(id, word): (u32, &str)| SttToken {
            id,
            bytes: word.as_bytes().to_vec(),
            logprob: -0.25,
        };
        Segment {
            text: text.to_owned(),
            start: ms(start),
            end: ms(end),
            tokens: (400..).zip(text.split_inclusive(' ')).map(token).collect(),
            words: words.collect(),
            no_speech: 0.01,
        }
    }

    fn piece(language: &str, segments: &[Segment]) -> Piece {
        let text =
            segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" ");
        let language = Some(language.to_owned());
        let segments = segments.to_vec();
        let start = segments.first().map_or(ms(0), |first| first.start);
        Piece {
            voices: Vec::new(),
            start,
            transcript: Transcript { text, language, segments, ..Transcript::default() },
        }
    }

    fn written() -> Written {
        let first =
            piece("en", &[segment(500, 1_000, "Hello."), segment(1_200, 2_000, "It is I.")]);
        let second = piece("de", &[segment(30_250, 31_000, "Guten Tag.")]);
        Written { pieces: vec![first, Piece::default(), second], duration: ms(32_100) }
    }

    #[test]
    fn json_tells_the_text_the_languages_and_how_long_it_sounds() {
        insta::assert_json_snapshot!(written().json(NOTHING));
    }

    #[test]
    fn logprobs_are_told_token_by_token_with_their_bytes() {
        let mut pieces = written().pieces;
        let token = SttToken { id: 7, bytes: vec![0xC3], logprob: -1.5 };
        pieces[2].transcript.segments[0].tokens = vec![token];
        let written = Written { pieces, ..written() };
        let json = written.json(Extras { logprobs: true, ..NOTHING });
        let logprobs = json["logprobs"].as_array().unwrap();
        assert_eq!(logprobs.len(), 5);
        assert_eq!(
            logprobs[1],
            json!({ "token": "It ", "logprob": -0.25, "bytes": [73, 116, 32] })
        );
        // Half a character.
        assert_eq!(logprobs[4], json!({ "token": "\u{fffd}", "logprob": -1.5, "bytes": [195] }));
    }

    #[test]
    fn verbose_json_is_as_whispers() {
        let extras = Extras { segments: true, words: true, logprobs: false };
        insta::assert_json_snapshot!(written().verbose_json(SttTask::Transcribe, 0.2, extras));
        let translated = written().verbose_json(SttTask::Translate, 0.0, NOTHING);
        assert_eq!(translated["task"], "translate");
        assert_eq!(translated["language"], "english");
        assert!(translated.get("words").is_none() && translated.get("segments").is_none());
    }

    #[test]
    fn the_deltas_of_a_stream_make_its_text() {
        let (written, mut text) = (written(), String::new());
        let extras = Extras { logprobs: true, ..NOTHING };
        for piece in &written.pieces {
            let Some(event) = delta_event(piece, text.is_empty(), extras) else { continue };
            assert_eq!(event["type"], "transcript.text.delta");
            assert!(event["logprobs"].is_array());
            text.push_str(event["delta"].as_str().unwrap());
        }
        assert_eq!(text, written.text());
        assert_eq!(written.done(NOTHING)["text"], text);
        insta::assert_json_snapshot!(written.done(NOTHING));
    }

    #[test]
    fn languages_without_spaces_are_joined_without() {
        let pieces =
            vec![piece("zh", &[segment(0, 1, "你好。")]), piece("zh", &[segment(2, 3, "再见。")])];
        assert_eq!(Written { pieces, duration: ms(4) }.text(), "你好。再见。");
    }

    #[test]
    fn nothing_said_is_an_empty_text() {
        let nothing = Written { pieces: Vec::new(), duration: ms(1_000) };
        let extras = Extras { segments: true, words: true, logprobs: true };
        let json = nothing.json(extras);
        assert_eq!(
            (json["text"].as_str(), json["logprobs"].as_array().map(Vec::len)),
            (Some(""), Some(0))
        );
        let verbose = nothing.verbose_json(SttTask::Transcribe, 0.0, extras);
        assert_eq!(verbose["segments"], json!([]));
        assert_eq!(verbose["words"], json!([]));
    }

    #[test]
    fn repetition_compresses_well() {
        assert!(compression_ratio("Hello there.") < 1.0);
        assert!(compression_ratio(&"again ".repeat(50)) > 2.4);
    }
}
