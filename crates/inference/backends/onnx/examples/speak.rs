//! Speaks lines of text from standard input into WAV files, and prints how long each took.
//!
//! `speak MODELS_FOLDER (piper|kokoro) OUT_FOLDER [THREADS [words]] < lines.txt`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]

use std::{
    io::stdin,
    path::Path,
    time::{Duration, Instant},
};

use futures::{StreamExt, executor::block_on, stream};
use trunkline_inference::{Clause, Party, SpeechPiece, TextToSpeech, Voice};
use trunkline_onnx::{Kokoro, KokoroConfig, Piper, PiperConfig, Runtime};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, models, engine, out, rest @ ..] = &args[..] else { panic!("see the top of the file") };
    let threads = rest.first().map_or(1, |n| n.parse().unwrap());
    let voice = load(Path::new(models), engine, threads);
    let (loaded, mut spoken) = (process_time(), Duration::ZERO);
    let (mut firsts, mut rates) = (Vec::new(), Vec::new());
    for (n, line) in stdin().lines().map(Result::unwrap).enumerate() {
        let (started, cpu_before) = (Instant::now(), process_time());
        let clause = Ok(Clause { text: line.clone(), speakable: line.clone() });
        let mut speech =
            voice.speak(Box::pin(stream::iter([clause])), &Voice::default(), Party::default());
        let (mut first, mut samples, mut ends) = (None, Vec::new(), Vec::new());
        while let Some(piece) = block_on(speech.next()) {
            match piece.unwrap() {
                SpeechPiece::Audio(frame) => {
                    first.get_or_insert_with(|| {
                        (started.elapsed(), process_time().saturating_sub(cpu_before))
                    });
                    samples.extend_from_slice(frame.samples());
                }
                SpeechPiece::ClauseEnd { words, .. } => ends = words,
            }
        }
        let total = started.elapsed();
        let audio = Duration::from_millis(samples.len() as u64 / 24);
        write(&Path::new(out).join(format!("{n:03}.wav")), &samples);
        let (first, first_cpu) = first.unwrap_or_default();
        println!(
            "{n:03} first {first:.1?} (processor {first_cpu:.1?}) total {total:.1?} audio {audio:.2?} {line}"
        );
        if rest.len() > 1 {
            for word in ends {
                println!("    {:>8.0?} {}", word.end, word.word);
            }
        }
        spoken += audio;
        firsts.push(first);
        rates.push(total.as_secs_f64() / audio.as_secs_f64().max(0.001));
    }
    let cpu = process_time().saturating_sub(loaded);
    firsts.sort();
    rates.sort_by(f64::total_cmp);
    let (first, worst) = (firsts[firsts.len() / 2], firsts[firsts.len() * 95 / 100]);
    println!("first audio p50 {first:.1?} p95 {worst:.1?}");
    println!("real-time factor p50 {:.3}", rates[rates.len() / 2]);
    println!("processor time {cpu:.2?} for {spoken:.2?} of audio");
}

fn load(models: &Path, engine: &str, threads: usize) -> Box<dyn TextToSpeech> {
    let runtime = Runtime::load(&models.join("onnxruntime/libonnxruntime.so")).unwrap();
    match engine {
        "piper" => {
            let folder = models.join("piper-en_US-joe-medium");
            let config = PiperConfig::new(folder.join("voice.onnx"), folder.join("voice.json"));
            Box::new(Piper::load(&runtime, &PiperConfig { threads, ..config }).unwrap())
        }
        "kokoro" => {
            let folder = models.join("kokoro-82m");
            let config = KokoroConfig::new(folder.join("model.onnx"), folder.join("voices"));
            Box::new(Kokoro::load(&runtime, &KokoroConfig { threads, ..config }).unwrap())
        }
        other => panic!("no engine {other}"),
    }
}

fn write(path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 24_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for &sample in samples {
        file.write_sample(sample).unwrap();
    }
    file.finalize().unwrap();
}

/// The time all threads of this process have run: tells the cost on a busy machine.
fn process_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let ran = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(|thread| ran(thread.path())).sum())
}
