//! Word errors and times over the recorded clips:
//! `measure MODEL [longest clip in seconds] [every n-th] [threads] [candle's module]`.
//!
//! Each clip is fed at once and asked for, as at the end of a turn; `worked` is the engine's time for
//! the answer. Wide-band first, then after an 8 kHz mu-law call.

#![expect(clippy::print_stdout, reason = "an example talks to its caller")]
#![expect(clippy::unwrap_used, reason = "an example may panic")]

mod clips;

use std::{error::Error, fs, time::Duration};

use futures::{StreamExt, executor::block_on, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{SpeechToText, SttInput, SttOptions, Transcript};
use trunkline_whisper::{Whisper, WhisperConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: u32| args.get(i).map_or(Ok(default), |a| a.parse());
    let (longest, every, threads) = (number(1, 9)?, number(2, 1)?, number(3, 2)?);
    let model = args.first().ok_or("give a model file")?;
    let network = args.get(4).map(Into::into);
    let whisper = Whisper::load(WhisperConfig { threads, network, ..WhisperConfig::new(model) })?;
    let clips = clips::clips().ok_or("no clips beside the project")?;
    let english = clips.iter().filter(|c| c.language == "en" && !c.text.is_empty());
    let chosen = english.filter(|c| f64::from(c.seconds) < f64::from(longest));
    let sounds: Vec<_> = chosen.step_by(usize::try_from(every)?).map(|c| (c, c.sound())).collect();
    for phone in [false, true] {
        let (mut wrong, mut all, mut times) = (0, 0, Vec::new());
        let before = processor_time();
        for (clip, sound) in &sounds {
            let heard = if phone { clips::over_the_phone(sound) } else { sound.clone() };
            let transcript = ask(&whisper, &heard);
            let (errors, words) = clips::errors(&clip.text, &transcript.text);
            (wrong, all) = (wrong + errors, all + words);
            times.push(transcript.worked);
            if errors > 0 {
                println!("{errors:3} {:5.2} s {} {}", clip.seconds, clip.kind, transcript.text);
            }
        }
        times.sort();
        let band = if phone { "8 kHz" } else { "wide" };
        println!(
            "{band}: {} clips, {wrong} of {all} words wrong, worked p50 {:?} p95 {:?}, {:?} of processor",
            sounds.len(),
            times[times.len() / 2],
            times[times.len() * 95 / 100],
            processor_time().saturating_sub(before),
        );
    }
    Ok(())
}

fn ask(whisper: &Whisper, samples: &[i16]) -> Transcript {
    let frames = samples.chunks(320).map(|c| Frame::new(c, 16_000, MediaTime::ZERO));
    let inputs: Vec<_> =
        frames.map(SttInput::Frame).chain([SttInput::Finalize { ask: 1 }]).collect();
    let options = SttOptions { language: Some("en".into()), ..SttOptions::default() };
    let mut heard = whisper.transcribe(Box::pin(stream::iter(inputs)), &options);
    block_on(heard.next()).unwrap().unwrap()
}

/// Processor time of this process, all threads, as Linux counts it: hundredths of a second.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
