//! WAV: reading any of them into mono 16-bit sound, and recording two sides that survive a crash.

use std::io::{self, Read, Seek, Write};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

/// A clip of mono sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav {
    /// The samples; several channels are averaged into one.
    pub samples: Vec<i16>,
    /// Samples a second.
    pub rate_hz: u32,
}

/// Why a WAV cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The bytes are of another format.
    #[error("this is not a WAV file ({0}): convert it to WAV first")]
    NotWav(String),
    /// The file ends before its header says so.
    #[error("the WAV file is cut off after {samples} samples: fetch or record it again")]
    Truncated {
        /// Whole samples that could be read.
        samples: usize,
    },
    /// The file has a header and no sound.
    #[error("the WAV file holds no sound")]
    Empty,
    /// The encoding is none that can be read.
    #[error("this kind of WAV is not supported ({0}): use 8, 16, 24 or 32-bit PCM or 32-bit float")]
    Unsupported(String),
    /// The recording has reached the 4 GiB that a WAV can hold.
    #[error("the recording has reached the size a WAV can hold: start another file")]
    TooLong,
    /// Reading or writing failed.
    #[error("WAV input or output failed: {0}")]
    Io(#[from] io::Error),
}

/// Reads a whole WAV of any rate, width and channel count.
///
/// A length in the header that says "unknown", as programs write it that stream, means all there is.
pub fn read(mut reader: impl Read) -> Result<Wav, WavError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    mend_length(&mut bytes);
    let reader = WavReader::new(&bytes[..]).map_err(header_error)?;
    let spec = reader.spec();
    if spec.channels == 0 || !crate::resample::RATES_HZ.contains(&spec.sample_rate) {
        let what = format!("{} channels at {} Hz", spec.channels, spec.sample_rate);
        return Err(WavError::Unsupported(what));
    }
    let samples = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Float, 32) => mono(reader.into_samples::<f32>(), spec)?,
        (SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => {
            let scale = 1.0 / (1_i64 << (bits - 1)) as f32;
            let samples = reader.into_samples::<i32>();
            mono(samples.map(|sample| Ok(sample? as f32 * scale)), spec)?
        }
        (format, bits) => return Err(WavError::Unsupported(format!("{bits}-bit {format:?}"))),
    };
    if samples.is_empty() {
        return Err(WavError::Empty);
    }
    Ok(Wav { samples, rate_hz: spec.sample_rate })
}

/// Writes a mono WAV in one go.
pub fn write(writer: impl Write + Seek, wav: &Wav) -> Result<(), WavError> {
    let mut writer = WavWriter::new(writer, spec(1, wav.rate_hz)).map_err(write_error)?;
    for &sample in &wav.samples {
        writer.write_sample(sample).map_err(write_error)?;
    }
    writer.finalize().map_err(write_error)
}

/// Records two sides of a call: one left, one right.
///
/// The header is brought up to date every second, so that a killed process leaves a file that can
/// be read up to its last second. Recording never stops without an error.
pub struct StereoWriter<W: Write + Seek> {
    writer: WavWriter<W>,
    rate_hz: u32,
    since_flush: u32,
}

impl<W: Write + Seek> StereoWriter<W> {
    /// Begins a recording of `rate_hz`; the writer should be buffered.
    pub fn new(writer: W, rate_hz: u32) -> Result<Self, WavError> {
        let writer = WavWriter::new(writer, spec(2, rate_hz)).map_err(write_error)?;
        let mut recording = Self { writer, rate_hz, since_flush: 0 };
        recording.writer.flush().map_err(write_error)?;
        Ok(recording)
    }

    /// Appends both sides; the shorter one is filled up with silence.
    pub fn write(&mut self, left: &[i16], right: &[i16]) -> Result<(), WavError> {
        let length = left.len().max(right.len());
        if u64::from(self.writer.len()) + 2 * length as u64 > MAX_SAMPLES {
            return Err(WavError::TooLong);
        }
        for n in 0..length {
            for side in [left, right] {
                let sample = side.get(n).copied().unwrap_or(0);
                self.writer.write_sample(sample).map_err(write_error)?;
            }
        }
        self.since_flush += length as u32;
        if self.since_flush >= self.rate_hz {
            self.since_flush = 0;
            self.writer.flush().map_err(write_error)?;
        }
        Ok(())
    }

    /// Ends the recording.
    pub fn finish(self) -> Result<(), WavError> {
        self.writer.finalize().map_err(write_error)
    }
}

/// Data lengths from here on are what programs write that cannot go back to the header.
const ENDLESS: u32 = 0x7fff_ff00;

/// 16-bit samples in the 4 GiB that the header can count, less the header.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - 1_000) / 2;

fn spec(channels: u16, sample_rate: u32) -> WavSpec {
    WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int }
}

/// Replaces an unknown length of the data chunk by the length of what is there.
fn mend_length(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(u32::from_le_bytes(word))
    };
    let mut at: usize = 12;
    let mut block = 1;
    while let Some(length) = word(bytes, at.saturating_add(4)) {
        let body = at + 8;
        match &bytes[at..at + 4] {
            b"fmt " => block = word(bytes, body + 12).map_or(1, |both| (both & 0xffff).max(1)),
            b"data" if length >= ENDLESS => {
                let there = (bytes.len() - body) as u32;
                bytes[at + 4..body].copy_from_slice(&(there - there % block).to_le_bytes());
                return;
            }
            _ => {}
        }
        at = body.saturating_add(length as usize).saturating_add(length as usize % 2);
    }
}

fn mono(
    samples: impl Iterator<Item = hound::Result<f32>>,
    spec: WavSpec,
) -> Result<Vec<i16>, WavError> {
    let channels = usize::from(spec.channels);
    let (mut mixed, mut sum, mut seen) = (Vec::new(), 0.0, 0);
    for sample in samples {
        match sample {
            Ok(sample) if sample.is_finite() => sum += sample,
            Ok(_) => {}
            Err(error) if is_end(&error) => {
                return Err(WavError::Truncated { samples: mixed.len() });
            }
            Err(error) => return Err(read_error(error)),
        }
        seen += 1;
        if seen == channels {
            let value = sum / channels as f32 * 32_768.0;
            mixed.push(value.round().clamp(-32_768.0, 32_767.0) as i16);
            (sum, seen) = (0.0, 0);
        }
    }
    Ok(mixed)
}

fn is_end(error: &hound::Error) -> bool {
    match error {
        // The reader makes its own error where a file ends early, of no particular kind.
        hound::Error::IoError(error) => {
            error.kind() == io::ErrorKind::UnexpectedEof
                || error.to_string().contains("enough bytes")
        }
        hound::Error::FormatError(what) => what.contains("enough bytes"),
        hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => false,
    }
}

fn header_error(error: hound::Error) -> WavError {
    if is_end(&error) {
        return WavError::NotWav("it ends within the header".to_owned());
    }
    read_error(error)
}

fn read_error(error: hound::Error) -> WavError {
    match error {
        hound::Error::IoError(error) => WavError::Io(error),
        hound::Error::FormatError(what) => WavError::NotWav(what.to_owned()),
        hound::Error::TooWide | hound::Error::UnfinishedSample => {
            WavError::NotWav("its header contradicts itself".to_owned())
        }
        hound::Error::Unsupported | hound::Error::InvalidSampleFormat => {
            WavError::Unsupported("a compressed or unknown encoding".to_owned())
        }
    }
}

fn write_error(error: hound::Error) -> WavError {
    match error {
        hound::Error::IoError(error) => WavError::Io(error),
        hound::Error::TooWide => WavError::TooLong,
        hound::Error::FormatError(what) => WavError::Unsupported(what.to_owned()),
        hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => WavError::Unsupported(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufWriter, Cursor};

    use super::*;

    fn written(
        spec: WavSpec,
        mut write: impl FnMut(&mut WavWriter<&mut Cursor<Vec<u8>>>),
    ) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        write(&mut writer);
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn short(samples: &[i16]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        write(&mut bytes, &Wav { samples: samples.to_vec(), rate_hz: 16_000 }).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_width_reads_as_16_bit() {
        for (bits, full) in [(8, 64), (16, 1 << 14), (24, 1 << 22), (32, 1 << 30)] {
            let spec = WavSpec { bits_per_sample: bits, ..spec(1, 11_025) };
            let bytes = written(spec, |writer| {
                for sample in [0, full, -full] {
                    writer.write_sample(sample).unwrap();
                }
            });
            let wav = read(&bytes[..]).unwrap();
            assert_eq!(
                wav,
                Wav { samples: vec![0, 16_384, -16_384], rate_hz: 11_025 },
                "{bits} bits"
            );
        }
    }

    #[test]
    fn floats_are_scaled_and_clipped() {
        let spec =
            WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..spec(1, 48_000) };
        let bytes = written(spec, |writer| {
            for sample in [0.5_f32, -0.5, 3.0, -3.0, f32::NAN] {
                writer.write_sample(sample).unwrap();
            }
        });
        assert_eq!(read(&bytes[..]).unwrap().samples, [16_384, -16_384, 32_767, -32_768, 0]);
    }

    #[test]
    fn channels_are_averaged() {
        for channels in [1, 2, 3, 6, 8] {
            let bytes = written(spec(channels, 8_000), |writer| {
                for n in 0..channels * 5 {
                    writer.write_sample(if n % channels == 0 { 1_200 } else { 0 }).unwrap();
                }
            });
            let wav = read(&bytes[..]).unwrap();
            assert_eq!(wav.samples, vec![1_200 / channels as i16; 5], "{channels} channels");
        }
    }

    #[test]
    fn a_cut_file_is_truncated_not_shorter() {
        let bytes = short(&[5; 1_000]);
        let error = read(&bytes[..bytes.len() - 501]).unwrap_err();
        assert!(matches!(error, WavError::Truncated { samples: 749 }), "{error}");
    }

    #[test]
    fn a_stream_of_unknown_length_is_read_to_its_end() {
        let mut bytes = short(&[5; 1_000]);
        let length = bytes.len();
        for at in [4, length - 2_000 - 4] {
            bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        }
        assert_eq!(read(&bytes[..]).unwrap().samples.len(), 1_000);
    }

    #[test]
    fn each_kind_of_nonsense_has_its_error() {
        assert!(matches!(
            read(&b"ID3\x04 this is an MP3, not a WAV at all"[..]),
            Err(WavError::NotWav(_))
        ));
        assert!(matches!(read(&b""[..]), Err(WavError::NotWav(_))));
        assert!(matches!(read(&short(&[])[..]), Err(WavError::Empty)));
        let header = short(&[1; 10]);
        assert!(matches!(read(&header[..20]), Err(WavError::NotWav(_))));
        let mut mu_law = header.clone();
        mu_law[20] = 7;
        assert!(matches!(read(&mu_law[..]), Err(WavError::Unsupported(_))));
        let mut no_rate = header;
        no_rate[24..28].fill(0);
        no_rate[28..32].fill(0);
        assert!(matches!(read(&no_rate[..]), Err(WavError::Unsupported(_) | WavError::NotWav(_))));
    }

    #[test]
    fn no_bytes_panic() {
        let good = short(&[7; 50]);
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                drop(read(&bytes[..]));
                drop(read(&bytes[..at]));
            }
        }
    }

    #[test]
    fn a_recording_holds_both_sides() {
        let mut bytes = Cursor::new(Vec::new());
        let mut recording = StereoWriter::new(&mut bytes, 8_000).unwrap();
        recording.write(&[1, 2, 3], &[4]).unwrap();
        recording.write(&[], &[5]).unwrap();
        recording.finish().unwrap();
        let mut reader = WavReader::new(Cursor::new(bytes.into_inner())).unwrap();
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [1, 4, 2, 0, 3, 0, 0, 5]);
    }

    #[test]
    fn a_recording_that_was_never_finished_can_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = BufWriter::new(file.reopen().unwrap());
        let mut recording = StereoWriter::new(writer, 8_000).unwrap();
        for _ in 0..175 {
            recording.write(&[100; 160], &[200; 160]).unwrap();
        }
        // What kill -9 leaves: nothing is finalised, nothing flushed at the end.
        let wav = read(file.reopen().unwrap()).unwrap();
        drop(recording);
        assert_eq!(wav.samples, vec![150; 24_000]);
    }
}
