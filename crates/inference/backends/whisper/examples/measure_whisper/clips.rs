//! Recorded speech with transcripts, where the machine has it: `shared/speech` beside the project or
//! in a folder above it.

#![expect(clippy::unwrap_used, reason = "a test or an example may panic")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::{MediaSourceStream, MediaSourceStreamOptions},
    meta::MetadataOptions,
};
use trunkline_audio::{g711, resample_all};

/// A line of the manifest.
pub(crate) struct Clip {
    pub(crate) path: PathBuf,
    pub(crate) seconds: f32,
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) kind: String,
}

/// The clips, or `None` where there are none.
pub(crate) fn clips() -> Option<Vec<Clip>> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(5);
    let root = above.map(|folder| folder.join("shared/speech")).find(|root| root.is_dir())?;
    let manifest = fs::read_to_string(root.join("manifest.tsv")).ok()?;
    let clip = |line: &str| {
        let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [path, seconds, _, language, text, _, _, _, kind] =
            <[String; 9]>::try_from(fields).ok()?;
        let (path, seconds) = (root.join(path), seconds.parse().ok()?);
        Some(Clip { path, seconds, language, text, kind })
    };
    Some(manifest.lines().filter_map(clip).collect())
}

impl Clip {
    /// Its sound, mono at 16 kHz.
    pub(crate) fn sound(&self) -> Vec<i16> {
        let source = MediaSourceStream::new(
            Box::new(File::open(&self.path).unwrap()),
            MediaSourceStreamOptions::default(),
        );
        let mut reader = symphonia::default::get_probe()
            .probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())
            .unwrap();
        let track = reader.default_track(TrackType::Audio).unwrap();
        let codec = track.codec_params.as_ref().unwrap().audio().unwrap();
        let mut decoder = symphonia::default::get_codecs()
            .make_audio_decoder(codec, &AudioDecoderOptions::default())
            .unwrap();
        let (mut samples, mut rate_hz, mut packet_samples) = (Vec::new(), 0, Vec::<i16>::new());
        while let Some(packet) = reader.next_packet().unwrap() {
            let sound = decoder.decode(&packet).unwrap();
            rate_hz = sound.spec().rate();
            let channels = sound.spec().channels().count();
            packet_samples.resize(sound.samples_interleaved(), 0);
            sound.copy_to_slice_interleaved(&mut packet_samples);
            samples.extend(packet_samples.iter().step_by(channels));
        }
        resample_all(&samples, rate_hz, 16_000).unwrap()
    }
}

/// What is left of 16 kHz sound after an 8 kHz mu-law call.
pub(crate) fn over_the_phone(samples: &[i16]) -> Vec<i16> {
    let narrow = resample_all(samples, 16_000, 8_000).unwrap();
    let (mut codes, mut heard) = (Vec::new(), Vec::new());
    g711::encode_ulaw_slice(&narrow, &mut codes);
    g711::decode_ulaw_slice(&codes, &mut heard);
    resample_all(&heard, 8_000, 16_000).unwrap()
}

/// Words that differ and words of the reference: case, punctuation and small numbers aside.
pub(crate) fn errors(reference: &str, heard: &str) -> (usize, usize) {
    let (reference, heard) = (words(reference), words(heard));
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, word) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for j in 1..row.len() {
            let change = diagonal + usize::from(*word != heard[j - 1]);
            let least = change.min(row[j] + 1).min(row[j - 1] + 1);
            diagonal = std::mem::replace(&mut row[j], least);
        }
    }
    (row[heard.len()], reference.len())
}

fn words(text: &str) -> Vec<String> {
    const NUMBERS: [&str; 11] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let kept = |c: char| c.is_alphanumeric() || c == '\'';
    let spelled = |word: &str| {
        let number = word.parse().ok().and_then(|n: usize| NUMBERS.get(n));
        number.map_or_else(|| word.to_owned(), |&n| n.to_owned())
    };
    let text = text.to_lowercase().replace('\u{2019}', "'");
    text.split(|c| !kept(c)).filter(|w| !w.is_empty()).map(spelled).collect()
}
