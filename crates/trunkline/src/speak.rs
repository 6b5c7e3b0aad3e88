//! `trunkline speak TEXT --out FILE`.

use std::{io::Read, path::PathBuf};

use trunkline_inference::{Party, Voice};
use trunkline_session::clauses;

use crate::{
    assemble,
    cli::ConfigArgs,
    config::Config,
    exit::Failure,
    speech::{self, SPOKEN_HZ},
};

/// Longer texts are refused: about three hours of speech.
const MOST_BYTES: usize = 200_000;

#[derive(Debug, clap::Args)]
pub(crate) struct SpeakArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to say; `-` reads standard input.
    text: String,
    /// The WAV file to write.
    #[arg(long, short)]
    out: PathBuf,
    /// The voice model; the config's by default.
    #[arg(long)]
    model: Option<String>,
    /// The voice's name within the model.
    #[arg(long, default_value = "")]
    voice: String,
    /// 1.0 is as recorded; 0.25 to 4.0.
    #[arg(long, default_value_t = 1.0)]
    speed: f32,
    /// ISO 639-1 code of the text, which decides how numbers are spoken.
    #[arg(long, default_value = "en")]
    language: String,
}

pub(crate) async fn run(args: SpeakArgs) -> Result<(), Failure> {
    let mut config = Config::load(args.config.config.as_deref())?;
    if let Some(model) = args.model {
        config.models.tts = model;
    }
    let text = text(&args.text)?;
    if !(0.25..=4.0).contains(&args.speed) {
        return Err(Failure::bad_input(format!(
            "{} is not a speed; choose 0.25 to 4.0",
            args.speed
        )));
    }
    let tts = assemble::text_to_speech(&config.models, &assemble::Place::alone(&config.models))?;
    let voice = Voice { name: args.voice, speed: args.speed };
    let mut speech =
        tts.speak(clauses::of_text(&text, Some(args.language)), &voice, Party::default());
    let bad_file = |e: hound::Error| Failure::new(format!("{}: {e}", args.out.display()));
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SPOKEN_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(&args.out, spec).map_err(bad_file)?;
    while let Some(frame) = speech::next(&mut speech).await {
        for &sample in frame.map_err(Failure::new)?.samples() {
            file.write_sample(sample).map_err(bad_file)?;
        }
    }
    file.finalize().map_err(bad_file)
}

fn text(argument: &str) -> Result<String, Failure> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        let limit = MOST_BYTES as u64 + 1;
        std::io::stdin().take(limit).read_to_string(&mut text).map_err(Failure::no_input)?;
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Err(Failure::bad_input("there is nothing to say; give some text"));
    }
    if text.len() > MOST_BYTES {
        return Err(Failure::bad_input(format!(
            "the text is longer than {MOST_BYTES} bytes; cut it"
        )));
    }
    Ok(text)
}
