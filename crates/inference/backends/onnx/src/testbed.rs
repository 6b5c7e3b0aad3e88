//! What the tests of this crate share: real models where there are any, sounds, frames.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "tests find the models by the environment")]

use std::path::{Path, PathBuf};

use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};
use trunkline_audio::{Frame, MediaTime};

use crate::Runtime;

/// A file below the folder of models.
pub(crate) fn model(name: &str) -> PathBuf {
    Path::new(&std::env::var("TRUNKLINE_MODELS").expect("TRUNKLINE_MODELS names the models"))
        .join(name)
}

/// The process's runtime.
pub(crate) fn runtime() -> Runtime {
    Runtime::load(&model("onnxruntime/libonnxruntime.so")).unwrap()
}

/// `samples` as 20 ms frames.
pub(crate) fn frames(samples: &[i16], rate_hz: u32) -> Vec<Frame> {
    let size = rate_hz as usize / 50;
    let at = |n: usize| MediaTime::from_samples((n * size) as u64, rate_hz);
    samples.chunks(size).enumerate().map(|(n, part)| Frame::new(part, rate_hz, at(n))).collect()
}

/// White noise of about `peak`, the same each time.
pub(crate) fn noise(len: usize, peak: i16) -> Vec<i16> {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as i32 - 32768
    };
    (0..len).map(|_| (next() * i32::from(peak) / 32768) as i16).collect()
}

/// A clip of speech by the start of its file's name, 16 kHz; none, with a message, where the folder
/// of clips is not beside the checkout.
pub(crate) fn clip(name: &str) -> Option<Vec<i16>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../../shared/speech/dev");
    let found = std::fs::read_dir(&folder).ok().and_then(|files| {
        files.flatten().find(|file| file.file_name().to_string_lossy().starts_with(name))
    });
    let Some(file) = found else {
        println!("skipped: no clip {name} in {}", folder.display());
        return None;
    };
    Some(decode(&file.path()))
}

fn decode(path: &Path) -> Vec<i16> {
    let source =
        MediaSourceStream::new(Box::new(std::fs::File::open(path).unwrap()), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())
        .unwrap();
    let track = format.default_track(TrackType::Audio).unwrap();
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .unwrap();
    let (mut samples, mut part) = (Vec::new(), Vec::<i16>::new());
    while let Some(packet) = format.next_packet().unwrap() {
        let sound = decoder.decode(&packet).unwrap();
        part.resize(sound.samples_interleaved(), 0);
        sound.copy_to_slice_interleaved(&mut part);
        samples.extend_from_slice(&part);
    }
    samples
}
