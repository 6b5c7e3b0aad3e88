//! What the tests of this crate share: sounds, the real model where there is one.

#![expect(clippy::disallowed_methods, reason = "tests find the models by the environment")]

use std::path::{Path, PathBuf};

use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};

/// A file below the folder of models.
pub(crate) fn model(name: &str) -> PathBuf {
    Path::new(&std::env::var("TRUNKLINE_MODELS").expect("TRUNKLINE_MODELS names the models"))
        .join(name)
}

/// White noise of about `peak`, the same each time.
pub(crate) fn noise(len: usize, peak: i16) -> Vec<i16> {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((seed >> 16) as u16) / 32768.0 - 1.0
    };
    (0..len).map(|_| (next() * f32::from(peak)) as i16).collect()
}

/// A tone at half of full scale.
pub(crate) fn tone(hertz: f64, len: usize) -> Vec<i16> {
    let sample = |n| (n as f64 * hertz * std::f64::consts::TAU / 16_000.0).sin() * 16_384.0;
    (0..len).map(|n| sample(n) as i16).collect()
}

/// The time all threads of this process have run: tells the cost on a busy machine.
pub(crate) fn process_time() -> std::time::Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let ran = |path: PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    std::time::Duration::from_nanos(threads.filter_map(|thread| ran(thread.path())).sum())
}

/// Clips of speech and their speakers, 16 kHz; none, with a message, where the folder of clips is not
/// beside the checkout.
pub(crate) fn clips() -> Vec<Clip> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../../shared/speech");
    let Ok(manifest) = std::fs::read_to_string(folder.join("manifest.tsv")) else {
        println!("skipped: no clips in {}", folder.display());
        return Vec::new();
    };
    let clip = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let (path, speaker, kind) = (columns[0], columns[7].to_owned(), columns[8].to_owned());
        let speech = speaker != "none";
        speech.then(|| Clip {
            name: path.to_owned(),
            speaker,
            kind,
            samples: decode(&folder.join(path)),
        })
    };
    manifest.lines().skip(1).filter_map(clip).collect()
}

/// A clip of one speaker.
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) speaker: String,
    pub(crate) kind: String,
    pub(crate) samples: Vec<i16>,
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
