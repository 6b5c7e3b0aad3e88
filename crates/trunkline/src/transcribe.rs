//! `trunkline transcribe FILE`.

use std::{path::PathBuf, time::Instant};

use futures::{StreamExt, stream};
use serde_json::json;
use trunkline_audio::{Frame, MediaTime, g711, resample_all};
use trunkline_inference::{SttInput, SttOptions};

use crate::{assemble, cli::ConfigArgs, config::Config, exit::Failure, sound_file};

/// Samples of 20 ms.
const FRAME: usize = 320;

#[derive(Debug, clap::Args)]
pub(crate) struct TranscribeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// WAV, FLAC, MP3, Ogg Vorbis or AAC.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The recognizer's model; the config's by default.
    #[arg(long)]
    model: Option<String>,
    /// ISO 639-1 code of what is spoken, `auto` to find out.
    #[arg(long, default_value = "en")]
    language: String,
    /// Send the sound through an 8 kHz mu-law round trip first, as a telephone does.
    #[arg(long)]
    telephone: bool,
    /// Print JSON, a line a file.
    #[arg(long)]
    json: bool,
}

#[expect(clippy::print_stdout, reason = "the command's result")]
pub(crate) async fn run(args: TranscribeArgs) -> Result<(), Failure> {
    let mut config = Config::load(args.config.config.as_deref())?;
    if let Some(model) = args.model {
        config.models.stt = model;
    }
    let stt = assemble::speech_to_text(&config.models, &assemble::Place::alone(&config.models))?;
    let language = (args.language != "auto").then_some(args.language);
    let options = SttOptions { language, ..SttOptions::default() };
    for file in &args.files {
        let mut sound = sound_file::read(file)?;
        if args.telephone {
            sound = through_telephone(&sound);
        }
        let began = Instant::now();
        let mut words = stt.transcribe(Box::pin(stream::iter(frames(&sound))), &options);
        let mut last = None;
        while let Some(transcript) = words.next().await {
            last = Some(transcript.map_err(Failure::new)?);
        }
        let last = last.unwrap_or_default();
        let text = &last.text;
        let seconds = began.elapsed().as_secs_f64();
        if args.json {
            let sound_seconds = MediaTime::from_samples(sound.len() as u64, sound_file::HEARD_HZ)
                .to_duration()
                .as_secs_f64();
            println!(
                "{}",
                json!({
                    "file": file,
                    "text": text,
                    "audio_seconds": sound_seconds,
                    "seconds": seconds,
                    "no_speech": last.no_speech,
                    "avg_logprob": last.avg_logprob,
                    "compression_ratio": last.compression_ratio,
                })
            );
        } else {
            println!("{text}");
        }
    }
    Ok(())
}

/// What a recognizer hears of `sound`, which is at [`sound_file::HEARD_HZ`], 20 ms a frame.
pub(crate) fn frames(sound: &[i16]) -> Vec<SttInput> {
    let frame = |(n, samples): (usize, &[i16])| {
        let at = MediaTime::from_samples((n * FRAME) as u64, sound_file::HEARD_HZ);
        SttInput::Frame(Frame::new(samples, sound_file::HEARD_HZ, at))
    };
    sound.chunks(FRAME).enumerate().map(frame).collect()
}

/// What is left of the sound after a telephone line (G.711 mu-law at 8 kHz).
fn through_telephone(sound: &[i16]) -> Vec<i16> {
    let resample = |sound: &[i16], from, to| {
        resample_all(sound, from, to).expect("both rates are telephone rates")
    };
    let narrow: Vec<i16> = resample(sound, sound_file::HEARD_HZ, 8000)
        .iter()
        .map(|&s| g711::decode_ulaw(g711::encode_ulaw(s)))
        .collect();
    resample(&narrow, 8000, sound_file::HEARD_HZ)
}
