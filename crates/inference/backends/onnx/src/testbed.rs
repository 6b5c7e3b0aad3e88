//! What the tests of this crate share: real models where there are any, sounds, frames.

#![expect(clippy::disallowed_methods, reason = "tests find the models by the environment")]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, executor::block_on, stream};
use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{Clause, ModelError, Party, SpeechPiece, TextToSpeech, Voice};

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

/// The time all threads of this process have run: tells the cost on a busy machine.
pub(crate) fn process_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let ran = |path: PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(|thread| ran(thread.path())).sum())
}

/// Speaks two clauses with a real voice and checks what every voice promises.
pub(crate) fn check_voice(tts: &dyn TextToSpeech, other_voice: &str) {
    let clauses = ["Good morning, this is Riverside Dental.", "How may I help you today?"];
    for name in ["", other_voice] {
        let said = clauses.map(|text| Ok(Clause { text: text.into(), speakable: text.into() }));
        let voice = Voice { name: name.into(), speed: 1.0 };
        let speech = tts.speak(Box::pin(stream::iter(said)), &voice, Party::default());
        let (mut samples, mut ends) = (Vec::new(), 0);
        for piece in block_on(speech.collect::<Vec<_>>()) {
            match piece.unwrap() {
                SpeechPiece::Audio(frame) => samples.extend_from_slice(frame.samples()),
                SpeechPiece::ClauseEnd { duration, words, clause } => {
                    assert_eq!(duration.as_millis() as usize, samples.len() / 24);
                    assert_eq!(words.len(), clause.text.split(' ').count());
                    assert!(duration.as_secs_f32() > 0.8 && duration.as_secs_f32() < 5.0);
                    check_level(&samples);
                    samples.clear();
                    ends += 1;
                }
            }
        }
        assert_eq!(ends, 2);
    }
    let nobody = Voice { name: "nobody".into(), speed: 1.0 };
    let said = Ok(Clause { text: "Hi.".into(), speakable: "Hi.".into() });
    let refused =
        block_on(tts.speak(Box::pin(stream::iter([said])), &nobody, Party::default()).next());
    assert!(matches!(refused, Some(Err(ModelError::BadRequest(_)))), "{refused:?}");
}

/// Audible at once, about -20 dBFS, at rest at either end.
fn check_level(samples: &[i16]) {
    let loud = samples.iter().position(|s| s.abs() > 300).unwrap();
    assert!(loud < 24 * 60, "audible after {} ms", loud / 24);
    let power = samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64;
    let level = 20.0 * (power.sqrt() / 32768.0).log10();
    assert!((-25.0..-18.0).contains(&level), "{level} dBFS");
    assert!(samples[0].abs() < 50 && samples[samples.len() - 1].abs() < 50);
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
    let source = MediaSourceStream::new(
        Box::new(std::fs::File::open(path).unwrap()),
        MediaSourceStreamOptions::default(),
    );
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
