//! Spoken sound as files that can be played while they are still being made.

mod flac;
mod mp3;
mod opus;
mod wav;

use futures::{Stream, StreamExt, stream};
use trunkline_audio::Resampler;
use trunkline_inference::{ModelError, SpeechPiece, SpeechStream};

/// The rate of all that is spoken.
pub(super) const SPOKEN_HZ: u32 = 24_000;
/// Samples that are encoded at a time, 100 ms: encoding them takes about a millisecond.
const AT_A_TIME: usize = 2_400;

/// The formats of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Mp3,
    Opus,
    Flac,
    Wav,
    Pcm,
}

impl Format {
    /// The `Content-Type`, as OpenAI's.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Mp3 => "audio/mpeg",
            Self::Opus => "audio/opus",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
            Self::Pcm => "audio/pcm",
        }
    }

    /// An encoder of mono sound at 24 kHz.
    pub(super) fn encoder(self) -> Result<Box<dyn Encoder>, ModelError> {
        Ok(match self {
            Self::Mp3 => Box::new(mp3::Mp3::new()?),
            Self::Opus => Box::new(opus::OggOpus::new()?),
            Self::Flac => Box::new(flac::Flac::new()?),
            Self::Wav => Box::new(wav::Pcm::with_head()),
            Self::Pcm => Box::new(wav::Pcm::bare()),
        })
    }
}

/// Turns samples into the bytes of a file, piece by piece.
pub(super) trait Encoder: Send {
    /// The bytes that `samples` complete; the file's head is before the first ones.
    fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, ModelError>;

    /// The bytes that end the file.
    fn finish(&mut self) -> Result<Vec<u8>, ModelError>;
}

/// A file on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encoded {
    /// The next bytes, at least one.
    Bytes(Vec<u8>),
    /// It is complete, and holds this many samples.
    End { samples: u64 },
}

/// The file of `speech`: bytes as soon as there is sound for them. It ends after a failure.
pub(super) fn encoded(
    speech: SpeechStream,
    encoder: Box<dyn Encoder>,
) -> impl Stream<Item = Result<Encoded, ModelError>> + Send + 'static {
    let sound = speech.filter_map(|piece| {
        std::future::ready(match piece {
            Ok(SpeechPiece::Audio(frame)) => Some(Ok((frame.rate_hz(), frame.samples().to_vec()))),
            Ok(SpeechPiece::ClauseEnd { .. }) => None,
            Err(error) => Some(Err(error)),
        })
    });
    let writer = Writer { encoder, resampler: None, samples: 0 };
    let parts = sound.map(Some).chain(stream::iter([None]));
    parts
        .scan(Some(writer), |writer, part| {
            let bytes = writer.as_mut().map(|open| open.write(part));
            if bytes.as_ref().is_none_or(Result::is_err) {
                *writer = None;
            }
            std::future::ready(bytes)
        })
        .flat_map(|written| match written {
            Ok(items) => stream::iter(items.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        })
}

struct Writer {
    encoder: Box<dyn Encoder>,
    /// For voices of another rate than theirs should be.
    resampler: Option<(Resampler, u32)>,
    samples: u64,
}

impl Writer {
    /// Writes a piece of sound, or the end.
    fn write(
        &mut self,
        part: Option<Result<(u32, Vec<i16>), ModelError>>,
    ) -> Result<Vec<Encoded>, ModelError> {
        let Some(part) = part else {
            let mut items = bytes(self.encoder.finish()?);
            items.push(Encoded::End { samples: self.samples });
            return Ok(items);
        };
        let (hz, samples) = part?;
        let samples = self.at_rate(hz, samples);
        self.samples += samples.len() as u64;
        let mut items = Vec::new();
        for some in samples.chunks(AT_A_TIME) {
            items.extend(bytes(self.encoder.encode(some)?));
        }
        Ok(items)
    }

    fn at_rate(&mut self, hz: u32, samples: Vec<i16>) -> Vec<i16> {
        if hz == SPOKEN_HZ {
            return samples;
        }
        if self.resampler.as_ref().is_none_or(|(_, from)| *from != hz) {
            self.resampler = Some((Resampler::new(hz, SPOKEN_HZ), hz));
        }
        let mut output = Vec::new();
        if let Some((resampler, _)) = &mut self.resampler {
            resampler.process(&samples, &mut output);
        }
        output
    }
}

fn bytes(bytes: Vec<u8>) -> Vec<Encoded> {
    if bytes.is_empty() { Vec::new() } else { vec![Encoded::Bytes(bytes)] }
}

fn failed(engine: &'static str, reason: impl std::fmt::Debug) -> ModelError {
    ModelError::Engine { engine, reason: format!("{reason:?}") }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use futures::FutureExt;
    use tokio::sync::Semaphore;
    use trunkline_audio::{Frame, MediaTime};

    use super::*;
    use crate::openai::audio::{
        decode::{HEARD_HZ, Sound},
        upload::Upload,
    };

    const FORMATS: [Format; 4] = [Format::Mp3, Format::Opus, Format::Flac, Format::Wav];

    /// A tone of 440 Hz with a peak of 8000.
    fn tone(samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * 440.0 / f64::from(SPOKEN_HZ);
        let wave =
            |n: usize| (8000.0 * (step * f64::from(u32::try_from(n).unwrap())).sin()).round();
        #[expect(clippy::cast_possible_truncation, reason = "within 8000")]
        (0..samples).map(|n| wave(n) as i16).collect()
    }

    /// `samples` as a voice gives them, in frames of `length`.
    fn speech(samples: &[i16], length: usize) -> SpeechStream {
        let frame = |some: &[i16]| Frame::new(some, SPOKEN_HZ, MediaTime::ZERO);
        let frames: Vec<_> =
            samples.chunks(length).map(|some| Ok(SpeechPiece::Audio(frame(some)))).collect();
        Box::pin(stream::iter(frames))
    }

    fn parts(format: Format, samples: &[i16], length: usize) -> Vec<Encoded> {
        let parts = encoded(speech(samples, length), format.encoder().unwrap());
        parts.map(Result::unwrap).collect::<Vec<_>>().now_or_never().unwrap()
    }

    fn joined(parts: &[Encoded]) -> Vec<u8> {
        let bytes = parts.iter().filter_map(|part| match part {
            Encoded::Bytes(bytes) => Some(bytes.as_slice()),
            Encoded::End { .. } => None,
        });
        bytes.collect::<Vec<_>>().concat()
    }

    async fn decoded(file: Vec<u8>) -> Vec<i16> {
        let upload = Upload::of(file, &Arc::new(Semaphore::new(1)));
        let mut sound = Sound::decode(upload, Duration::from_mins(1));
        let mut samples = Vec::new();
        while let Some(frame) = sound.next().await {
            samples.extend_from_slice(frame.unwrap().samples());
        }
        samples
    }

    fn rms(samples: &[i16]) -> f64 {
        let power: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
        (power / f64::from(u32::try_from(samples.len().max(1)).unwrap())).sqrt()
    }

    #[tokio::test]
    async fn what_is_encoded_is_decoded_as_long_and_as_loud() {
        for format in FORMATS {
            for samples in [36_007, 48_000, 5_000] {
                let file = joined(&parts(format, &tone(samples), 480));
                let heard = decoded(file).await;
                let wanted = samples * 16_000 / 24_000;
                // MP3 has no place for the true length: LAME's delay and its last frame stay.
                let slack = if format == Format::Mp3 { 2_000 } else { 32 };
                assert!(
                    heard.len().abs_diff(wanted) <= slack,
                    "{format:?}: {} {wanted}",
                    heard.len()
                );
                let middle = &heard[heard.len() / 3..heard.len() / 3 * 2];
                let level = rms(middle) / (8000.0 / 2.0_f64.sqrt());
                // LAME makes all a twentieth quieter, against clipping.
                assert!((level - 1.0).abs() < 0.06, "{format:?}: {level}");
            }
        }
        assert_eq!(HEARD_HZ, 16_000);
    }

    #[test]
    fn the_first_bytes_leave_with_the_first_tenths_of_a_second() {
        for format in FORMATS.into_iter().chain([Format::Pcm]) {
            let tenth = parts(format, &tone(7_200), 480);
            // All but what `finish` adds.
            assert!(tenth.len() >= 2, "{format:?} gives {} parts of 0.3 s", tenth.len());
            assert_eq!(tenth.last(), Some(&Encoded::End { samples: 7_200 }), "{format:?}");
        }
    }

    #[test]
    fn the_cut_into_frames_does_not_change_the_file() {
        for format in FORMATS.into_iter().chain([Format::Pcm]) {
            let whole = joined(&parts(format, &tone(10_000), 10_000));
            for length in [1, 480, 2_401] {
                assert!(
                    joined(&parts(format, &tone(10_000), length)) == whole,
                    "{format:?} {length}"
                );
            }
        }
    }

    #[test]
    fn lossless_formats_keep_every_sample() {
        let samples = tone(5_000);
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        assert_eq!(joined(&parts(Format::Pcm, &samples, 480)), bytes);
        let wav = joined(&parts(Format::Wav, &samples, 480));
        assert_eq!(wav.len(), 44 + bytes.len());
        assert_eq!(wav[44..], bytes);
        assert_eq!(wav[4..8], [0xFF; 4]);
    }

    #[test]
    fn a_voice_that_fails_ends_the_file() {
        let frame = Frame::new(tone(4_800), SPOKEN_HZ, MediaTime::ZERO);
        let failure = ModelError::Stopped { engine: "voice" };
        let pieces = vec![Ok(SpeechPiece::Audio(frame)), Err(failure)];
        let speech: SpeechStream = Box::pin(stream::iter(pieces));
        let parts: Vec<_> =
            encoded(speech, Format::Pcm.encoder().unwrap()).collect().now_or_never().unwrap();
        assert!(parts.last().unwrap().is_err());
        assert_eq!(parts.iter().filter(|part| part.is_err()).count(), 1);
    }

    #[test]
    fn a_voice_of_another_rate_is_brought_to_ours() {
        let frame = Frame::new(vec![100; 16_000], 16_000, MediaTime::ZERO);
        let speech: SpeechStream = Box::pin(stream::iter([Ok(SpeechPiece::Audio(frame))]));
        let parts: Vec<_> =
            encoded(speech, Format::Pcm.encoder().unwrap()).collect().now_or_never().unwrap();
        let Ok(Encoded::End { samples }) = parts.last().unwrap() else { panic!("it does not end") };
        assert!(samples.abs_diff(24_000) < 100, "{samples}");
    }
}
