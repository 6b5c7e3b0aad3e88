//! Sound as it crosses the WebSocket: 24 kHz PCM, mu-law or A-law, to and from what a session takes.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use trunkline_audio::{Frame, Resampler, g711};

use super::fault::Fault;

/// What a session hears.
pub(crate) const HEARD_HZ: u32 = 16_000;
/// What a session says.
const SPOKEN_HZ: u32 = 24_000;
/// The rate of G.711.
const TELEPHONE_HZ: u32 = 8_000;
/// The longest base64 text of one event, as OpenAI's: 15 MiB.
const APPEND_BYTES: usize = 15 * 1024 * 1024;

/// How sound is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// 16-bit little-endian samples at 24 kHz.
    Pcm,
    /// G.711 mu-law at 8 kHz.
    Ulaw,
    /// G.711 A-law at 8 kHz.
    Alaw,
}

/// A format as sessions name it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Format {
    r#type: Name,
    rate: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Name {
    #[serde(rename = "audio/pcm")]
    Pcm,
    #[serde(rename = "audio/pcmu")]
    Ulaw,
    #[serde(rename = "audio/pcma")]
    Alaw,
}

impl Codec {
    /// The codec of a format; `param` names it.
    pub(crate) fn of(format: &Format, param: &str) -> Result<Self, Fault> {
        let codec = match format.r#type {
            Name::Pcm => Self::Pcm,
            Name::Ulaw => Self::Ulaw,
            Name::Alaw => Self::Alaw,
        };
        match format.rate {
            Some(rate) if rate != codec.hz() => {
                let message =
                    format!("the rate of this format is {} Hz, not {rate} Hz", codec.hz());
                Err(Fault::value(format!("{param}.rate"), message))
            }
            Some(_) | None => Ok(codec),
        }
    }

    /// As sessions name it.
    pub(crate) fn json(self) -> Value {
        match self {
            Self::Pcm => json!({ "type": "audio/pcm", "rate": SPOKEN_HZ }),
            Self::Ulaw => json!({ "type": "audio/pcmu" }),
            Self::Alaw => json!({ "type": "audio/pcma" }),
        }
    }

    fn hz(self) -> u32 {
        match self {
            Self::Pcm => SPOKEN_HZ,
            Self::Ulaw | Self::Alaw => TELEPHONE_HZ,
        }
    }
}

/// From the client's sound to 16 kHz samples.
#[derive(Debug)]
pub(crate) struct Decoder {
    codec: Codec,
    resampler: Resampler,
    /// The first byte of a sample whose second is in the next event.
    odd: Option<u8>,
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, resampler: Resampler::new(codec.hz(), HEARD_HZ), odd: None }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// The sound of an `input_audio_buffer.append`.
    pub(crate) fn decode(&mut self, base64: &str) -> Result<Vec<i16>, Fault> {
        if base64.len() > APPEND_BYTES {
            let message = "the audio of one event may have 15 MiB: send it in several";
            return Err(Fault::value("audio", message));
        }
        let bytes = STANDARD
            .decode(base64)
            .map_err(|error| Fault::value("audio", format!("the audio is not base64: {error}")))?;
        let mut sound = Vec::new();
        let samples = self.samples(bytes);
        self.resampler.process(&samples, &mut sound);
        Ok(sound)
    }

    /// Forgets what was heard.
    pub(crate) fn reset(&mut self) {
        self.resampler.reset();
        self.odd = None;
    }

    fn samples(&mut self, mut bytes: Vec<u8>) -> Vec<i16> {
        let mut samples = Vec::with_capacity(bytes.len());
        match self.codec {
            Codec::Ulaw => g711::decode_ulaw_slice(&bytes, &mut samples),
            Codec::Alaw => g711::decode_alaw_slice(&bytes, &mut samples),
            Codec::Pcm => {
                if let Some(odd) = self.odd.take() {
                    bytes.insert(0, odd);
                }
                if bytes.len() % 2 == 1 {
                    self.odd = bytes.pop();
                }
                let (pairs, _) = bytes.as_chunks::<2>();
                samples.extend(pairs.iter().map(|&pair| i16::from_le_bytes(pair)));
            }
        }
        samples
    }
}

/// From 24 kHz frames to the client's sound.
#[derive(Debug)]
pub(crate) struct Encoder {
    codec: Codec,
    resampler: Resampler,
    /// Grows to one chunk.
    pending: Vec<i16>,
    is_begun: bool,
}

impl Encoder {
    pub(crate) fn new(codec: Codec) -> Self {
        let resampler = Resampler::new(SPOKEN_HZ, codec.hz());
        Self { codec, resampler, pending: Vec::new(), is_begun: false }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes a frame; base64 of what was gathered once it is 100 ms, and of the first frame at once.
    pub(crate) fn encode(&mut self, frame: &Frame) -> Option<String> {
        self.resampler.process(frame.samples(), &mut self.pending);
        let is_chunk =
            u32::try_from(self.pending.len()).unwrap_or(u32::MAX) >= self.codec.hz() / 10;
        if !is_chunk && self.is_begun {
            return None;
        }
        self.take()
    }

    /// What was gathered.
    pub(crate) fn take(&mut self) -> Option<String> {
        if self.pending.is_empty() {
            return None;
        }
        self.is_begun = true;
        let mut bytes = Vec::with_capacity(self.pending.len() * 2);
        match self.codec {
            Codec::Ulaw => g711::encode_ulaw_slice(&self.pending, &mut bytes),
            Codec::Alaw => g711::encode_alaw_slice(&self.pending, &mut bytes),
            Codec::Pcm => bytes.extend(self.pending.iter().flat_map(|s| s.to_le_bytes())),
        }
        self.pending.clear();
        Some(STANDARD.encode(bytes))
    }

    /// The end of a reply: what was gathered and what the resampler held back.
    pub(crate) fn finish(&mut self) -> Option<String> {
        self.resampler.finish(&mut self.pending);
        let last = self.take();
        self.is_begun = false;
        last
    }

    /// The reply was cut: what was gathered is not heard.
    pub(crate) fn reset(&mut self) {
        self.resampler.reset();
        self.pending.clear();
        self.is_begun = false;
    }
}

#[cfg(test)]
mod tests {
    use trunkline_audio::MediaTime;

    use super::*;

    fn decoded(codec: Codec, parts: &[&[u8]]) -> Vec<i16> {
        let mut decoder = Decoder::new(codec);
        let decode = |part: &&[u8]| decoder.decode(&STANDARD.encode(part)).unwrap();
        parts.iter().flat_map(decode).collect()
    }

    #[test]
    fn a_second_of_any_codec_is_a_second_heard() {
        assert_eq!(decoded(Codec::Pcm, &[&vec![0; 48_000]]).len(), 16_000);
        assert_eq!(decoded(Codec::Ulaw, &[&[0xff; 8_000]]).len(), 16_000);
        assert_eq!(decoded(Codec::Alaw, &[&[0xd5; 8_000]]).len(), 16_000);
    }

    #[test]
    fn a_sample_may_be_cut_in_two() {
        let bytes: Vec<u8> = (0..=255).collect();
        let whole = decoded(Codec::Pcm, &[&bytes]);
        assert_eq!(decoded(Codec::Pcm, &[&bytes[..101], &bytes[101..]]), whole);
    }

    #[test]
    fn what_is_not_base64_or_too_long_is_refused() {
        let mut decoder = Decoder::new(Codec::Pcm);
        for bad in ["@", "AAA", &"A".repeat(APPEND_BYTES + 4)] {
            assert_eq!(decoder.decode(bad).unwrap_err().json(None)["param"], "audio");
        }
    }

    #[test]
    fn the_first_frame_goes_out_at_once_and_the_rest_in_chunks_of_100_ms() {
        for (codec, second) in [(Codec::Pcm, 48_000), (Codec::Ulaw, 8_000), (Codec::Alaw, 8_000)] {
            let mut encoder = Encoder::new(codec);
            let frame = Frame::new(vec![0; 480], SPOKEN_HZ, MediaTime::ZERO);
            let chunks: Vec<_> = (0..50).filter_map(|_| encoder.encode(&frame)).collect();
            assert_eq!(chunks.len(), 10, "one and nine");
            let all = chunks.into_iter().chain(encoder.finish());
            let bytes: usize = all.map(|chunk| STANDARD.decode(chunk).unwrap().len()).sum();
            assert!((second..second + second / 100).contains(&bytes), "{codec:?}: {bytes}");
            encoder.encode(&frame);
            encoder.encode(&frame);
            encoder.reset();
            assert_eq!(encoder.take(), None);
        }
    }

    #[test]
    fn a_format_has_one_rate() {
        let read = |json: Value| {
            let format: Format = serde_json::from_value(json).map_err(|e| e.to_string())?;
            Codec::of(&format, "x").map_err(|fault| fault.json(None).to_string())
        };
        for codec in [Codec::Pcm, Codec::Ulaw, Codec::Alaw] {
            assert_eq!(read(codec.json()), Ok(codec));
        }
        assert_eq!(read(json!({"type": "audio/pcm"})), Ok(Codec::Pcm));
        assert!(read(json!({"type": "audio/pcm", "rate": 16_000})).unwrap_err().contains("x.rate"));
        assert!(read(json!({"type": "pcm16"})).unwrap_err().contains("audio/pcm"));
    }
}
