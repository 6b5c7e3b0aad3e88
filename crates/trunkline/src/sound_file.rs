//! Reads a sound file of any common format as 16 kHz mono.

use std::{fs::File, path::Path};

use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    errors::Error,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};
use trunkline_audio::resample_all;

use crate::exit::Failure;

/// What listening models take.
pub(crate) const HEARD_HZ: u32 = 16_000;
/// Longer files are refused: 4 hours.
const MOST_SAMPLES: usize = 4 * 3600 * 48_000;

/// The file's sound, mono at 16 kHz.
pub(crate) fn read(path: &Path) -> Result<Vec<i16>, Failure> {
    let (mono, hz) = decode(path)?;
    if mono.is_empty() {
        return Err(Failure::bad_input(format!("{} holds no sound", path.display())));
    }
    resample_all(&mono, hz, HEARD_HZ)
        .map_err(|e| Failure::bad_input(format!("{}: {e}", path.display())))
}

/// The file's sound, mixed to mono, at its own rate.
fn decode(path: &Path) -> Result<(Vec<i16>, u32), Failure> {
    let name = path.display();
    let bad = |e: Error| {
        Failure::bad_input(format!(
            "{name} cannot be decoded: {e}; give WAV, FLAC, MP3, Ogg Vorbis or AAC"
        ))
    };
    let file = File::open(path).map_err(|e| Failure::no_input(format!("{name}: {e}")))?;
    let source = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader =
        symphonia::default::get_probe().probe(&hint, source, format, metadata).map_err(bad)?;
    let no_track = || Failure::bad_input(format!("{name} has no sound track"));
    let track = reader.default_track(TrackType::Audio).ok_or_else(no_track)?;
    let codec = track.codec_params.as_ref().and_then(|c| c.audio()).ok_or_else(no_track)?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(codec, &AudioDecoderOptions::default())
        .map_err(bad)?;
    let track = track.id;
    let (mut mono, mut hz, mut interleaved) = (Vec::new(), HEARD_HZ, Vec::<f32>::new());
    while let Some(packet) = reader.next_packet().map_err(bad)? {
        if packet.track_id != track {
            continue;
        }
        let sound = match decoder.decode(&packet) {
            Ok(sound) => sound,
            Err(Error::DecodeError(reason)) => {
                tracing::warn!(reason, "a damaged piece of the file is left out");
                continue;
            }
            Err(error) => return Err(bad(error)),
        };
        hz = sound.spec().rate();
        let channels = sound.spec().channels().count().max(1);
        interleaved.resize(sound.samples_interleaved(), 0.0);
        sound.copy_to_slice_interleaved(&mut interleaved);
        mono.extend(interleaved.chunks_exact(channels).map(mix));
        if mono.len() > MOST_SAMPLES {
            return Err(Failure::bad_input(format!("{name} is longer than 4 hours; cut it")));
        }
    }
    Ok((mono, hz))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "clamped to 16 bits"
)]
fn mix(channels: &[f32]) -> i16 {
    let mean = channels.iter().sum::<f32>() / channels.len() as f32;
    (mean * 32_767.0).clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wav_files_of_every_width_rate_and_channel_count_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for (bits, format) in [
            (8, hound::SampleFormat::Int),
            (16, hound::SampleFormat::Int),
            (24, hound::SampleFormat::Int),
            (32, hound::SampleFormat::Int),
            (32, hound::SampleFormat::Float),
        ] {
            for (rate, channels) in [(8000, 1), (16_000, 2), (22_050, 1), (44_100, 6), (48_000, 2)]
            {
                let path = folder.path().join("t.wav");
                let spec = hound::WavSpec {
                    channels,
                    sample_rate: rate,
                    bits_per_sample: bits,
                    sample_format: format,
                };
                let mut writer = hound::WavWriter::create(&path, spec).unwrap();
                for _ in 0..rate * u32::from(channels) {
                    match format {
                        hound::SampleFormat::Float => writer.write_sample(0.25f32).unwrap(),
                        hound::SampleFormat::Int => {
                            writer.write_sample(1i32 << (bits - 3)).unwrap();
                        }
                    }
                }
                writer.finalize().unwrap();
                let sound = read(&path).unwrap();
                let hz = usize::try_from(HEARD_HZ).unwrap();
                assert!(
                    sound.len().abs_diff(hz) < hz / 50,
                    "{bits} bits {rate} Hz: {}",
                    sound.len()
                );
                let middle = f64::from(sound[sound.len() / 2]) / 32_768.0;
                assert!(
                    (middle - 0.25).abs() < 0.02,
                    "{bits} bits {rate} Hz x{channels}: {middle}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_sound_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.wav");
        std::fs::write(&path, b"not sound at all").unwrap();
        assert!(read(&path).is_err());
        assert!(read(&folder.path().join("missing.wav")).is_err());
    }
}
