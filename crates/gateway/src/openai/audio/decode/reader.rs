//! Reads the first sound track of a file, packet by packet.

use std::{
    io::{Cursor, ErrorKind},
    sync::LazyLock,
    time::Duration,
};

use symphonia::core::{
    audio::Channels,
    codecs::{
        audio::{AudioDecoder, AudioDecoderOptions},
        registry::CodecRegistry,
    },
    errors::Error,
    formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};
use symphonia_adapter_libopus::OpusDecoder;

use super::unreadable;
use crate::{openai::audio::upload::Upload, refusal::Refusal};

/// The most channels that sound may have; each costs memory before anything is known of it.
const CHANNELS: usize = 32;

/// Symphonia's decoders and Opus.
static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut codecs = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut codecs);
    codecs.register_audio_decoder::<OpusDecoder>();
    codecs
});

/// A file that is being read.
pub(super) struct Reader {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    interleaved: Vec<f32>,
    mono: Vec<i16>,
}

impl Reader {
    /// Finds out what the file is, by its content.
    pub(super) fn open(file: Upload) -> Result<Self, Refusal> {
        let source = MediaSourceStream::new(
            Box::new(Cursor::new(file)),
            MediaSourceStreamOptions::default(),
        );
        let probe = symphonia::default::get_probe();
        let options = (FormatOptions::default(), MetadataOptions::default());
        let format = probe.probe(&Hint::new(), source, options.0, options.1).map_err(unreadable)?;
        let (track, decoder) = first_sound(format.as_ref())?;
        Ok(Self { format, decoder, track, interleaved: Vec::new(), mono: Vec::new() })
    }

    /// How much sound the file says that it holds, where that can be relied on: heads of WAV are
    /// written before anybody knows, and of MP3 only the first frames are.
    pub(super) fn length(&self) -> Option<Duration> {
        const RELIABLE: [&str; 4] = ["flac", "isomp4", "ogg", "matroska"];
        let name = self.format.format_info().short_name;
        let track = self.format.tracks().iter().find(|track| track.id == self.track)?;
        let length = track.time_base?.calc_duration(track.duration?)?;
        let length = RELIABLE.contains(&name).then(|| length.as_nanos())?;
        u64::try_from(length).ok().map(Duration::from_nanos)
    }

    /// The next sound, mixed to mono, and its rate; `None` at the end. Damaged packets are left out.
    pub(super) fn next(&mut self) -> Result<Option<(&[i16], u32)>, Refusal> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                // A file that was cut off is worth as much as there is of it.
                Err(Error::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                Err(Error::ResetRequired) => {
                    (self.track, self.decoder) = first_sound(self.format.as_ref())?;
                    continue;
                }
                Err(error) => return Err(unreadable(error)),
            };
            if packet.track_id != self.track {
                continue;
            }
            let sound = match self.decoder.decode(&packet) {
                Ok(sound) => sound,
                Err(Error::DecodeError(reason)) => {
                    tracing::debug!(reason, "a damaged packet of an upload is left out");
                    continue;
                }
                Err(Error::IoError(e)) if e.kind() == ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(unreadable(error)),
            };
            let (hz, channels) = (sound.spec().rate(), sound.spec().channels().count().max(1));
            self.interleaved.resize(sound.samples_interleaved(), 0.0);
            sound.copy_to_slice_interleaved(&mut self.interleaved);
            self.mono.clear();
            self.mono.extend(self.interleaved.chunks_exact(channels).map(mix));
            return Ok(Some((&self.mono, hz)));
        }
    }
}

/// The number and the decoder of the file's main sound track.
fn first_sound(format: &dyn FormatReader) -> Result<(u32, Box<dyn AudioDecoder>), Refusal> {
    let no_sound = || unreadable("it has no sound track");
    let is_sound =
        |track: &&Track| track.codec_params.as_ref().is_some_and(|c| c.audio().is_some());
    let main = format.default_track(TrackType::Audio).filter(is_sound);
    let track = main.or_else(|| format.tracks().iter().find(is_sound)).ok_or_else(no_sound)?;
    let codec = track.codec_params.as_ref().and_then(|c| c.audio()).ok_or_else(no_sound)?;
    let channels = codec.channels.as_ref().map_or(1, Channels::count);
    if channels > CHANNELS {
        return Err(unreadable(format!("it has {channels} channels")));
    }
    let decoder = CODECS.make_audio_decoder(codec, &AudioDecoderOptions::default());
    Ok((track.id, decoder.map_err(unreadable)?))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "clamped to 16 bits"
)]
fn mix(channels: &[f32]) -> i16 {
    let mean = channels.iter().sum::<f32>() / channels.len() as f32;
    (mean * 32_768.0).clamp(-32_768.0, 32_767.0) as i16
}
