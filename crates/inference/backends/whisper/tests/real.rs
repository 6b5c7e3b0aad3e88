//! The real modules and real models. Models are found through `TRUNKLINE_MODELS`; modules lie in the target
//! folder once `trunkline-whisper-module` and `trunkline-candle-module` are built.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and say why it skips"
)]

#[path = "../examples/measure_whisper/clips.rs"]
mod clips;

use std::{env, path::PathBuf};

use clips::Clip;
use futures::{StreamExt, executor::block_on, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{ModelError, SpeechToText, SttInput, SttOptions, Transcript};
use trunkline_whisper::{Whisper, WhisperConfig};

#[test]
#[ignore = "needs models"]
fn real_short_utterances_come_out_right_over_wide_band_and_telephone() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let short = clips.iter().filter(|c| c.language == "en" && c.seconds < 8.0 && c.kind == "read");
    let (mut wide, mut narrow, mut words) = (0, 0, 0);
    for clip in short.take(12) {
        let sound = clip.sound();
        let (errors, count) = clips::errors(&clip.text, &whole(&whisper, &sound, "en").text);
        let phone = whole(&whisper, &clips::over_the_phone(&sound), "en");
        (wide, words) = (wide + errors, words + count);
        narrow += clips::errors(&clip.text, &phone.text).0;
    }
    assert!(words > 60, "{words} words");
    assert!(wide * 10 <= words, "{wide} of {words} words wrong");
    assert!(narrow * 8 <= words, "{narrow} of {words} words wrong over the telephone");
}

#[test]
#[ignore = "needs models"]
fn real_monologues_come_out_whole() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    for clip in clips.iter().filter(|c| c.language == "en" && c.seconds > 60.0).take(2) {
        let heard = whole(&whisper, &clip.sound(), "en");
        let (errors, words) = clips::errors(&clip.text, &heard.text);
        assert!(errors * 100 <= words * 15, "{errors} of {words} words wrong: {}", heard.text);
        assert!((heard.end.to_duration().as_secs_f32() - clip.seconds).abs() < 0.1);
    }
}

#[test]
#[ignore = "needs models"]
fn real_languages_are_found_out() {
    let Some((whisper, clips)) = model_and_clips("whisper-base") else { return };
    for (language, most_percent) in [("es", 70), ("fr", 20)] {
        let clip = |c: &&Clip| c.language == language && c.seconds < 15.0 && !c.text.is_empty();
        let Some(clip) = clips.iter().find(clip) else { continue };
        let (errors, words) = clips::errors(&clip.text, &whole(&whisper, &clip.sound(), "").text);
        assert!(
            errors * 100 <= words * most_percent,
            "{language}: {errors} of {words} words wrong"
        );
    }
}

#[test]
#[ignore = "needs models"]
fn real_words_come_while_the_caller_speaks_and_a_question_is_answered_once() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let Some(clip) = clips.iter().find(|c| c.language == "en" && c.seconds > 3.0) else { return };
    let mut inputs = inputs(&clip.sound());
    inputs.push(SttInput::Finalize { ask: 5 });
    let options = SttOptions { partials: true, language: Some("en".into()), ..Default::default() };
    let heard = whisper.transcribe(Box::pin(stream::iter(inputs)), &options);
    let heard: Vec<Transcript> = block_on(heard.map(Result::unwrap).collect());
    let asked: Vec<_> = heard.iter().filter(|t| t.ask == Some(5)).collect();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].avg_logprob < 0.0 && asked[0].avg_logprob > -1.0);
    assert!(asked[0].no_speech < 0.5 && asked[0].compression_ratio < 2.4);
}

#[test]
#[ignore = "needs models"]
fn real_whisper_cpp_in_its_module_hears_the_same() {
    hears_the_same("libtrunkline_whisper_module.so", |module, model| WhisperConfig {
        module: Some(module),
        ..WhisperConfig::new(model)
    });
}

#[test]
#[ignore = "needs models"]
fn real_candle_in_its_module_hears_the_same() {
    hears_the_same("libtrunkline_candle_module.so", |module, model| WhisperConfig {
        network: Some(module),
        ..WhisperConfig::new(model)
    });
}

/// A model loaded by the module is as our own kernels on it, and what is no model is refused.
fn hears_the_same(module: &str, config: impl Fn(PathBuf, PathBuf) -> WhisperConfig) {
    let Some((native, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    let module = deps.parent().unwrap().join(module);
    if !module.is_file() {
        println!("skipped: {} is not here", module.display());
        return;
    }
    let folder = env::var_os("TRUNKLINE_MODELS").map(PathBuf::from).unwrap_or_default();
    let model = folder.join("whisper-tiny.en/ggml.bin");
    let by_module = Whisper::load(config(module.clone(), model)).unwrap();
    let (mut different, mut words) = (0, 0);
    for clip in clips.iter().filter(|c| c.language == "en" && c.kind == "read").take(6) {
        let mine = whole(&native, &clip.sound(), "en").text;
        let (errors, count) = clips::errors(&mine, &whole(&by_module, &clip.sound(), "en").text);
        (different, words) = (different + errors, words + count);
    }
    assert!(words > 30 && different * 8 <= words, "{different} of {words} words differ");
    let no_model = deps.join("no-model.bin");
    std::fs::write(&no_model, "not a model").unwrap();
    let refused = Whisper::load(config(module, no_model));
    assert!(matches!(refused.err(), Some(ModelError::Corrupt { .. })));
}

#[test]
#[ignore = "needs models"]
fn real_file_that_is_no_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ggml.bin");
    std::fs::write(&path, "not a model").unwrap();
    let refused = Whisper::load(WhisperConfig::new(&path));
    assert!(matches!(refused.err(), Some(ModelError::Corrupt { .. })));
}

#[test]
#[ignore = "needs models"]
fn real_unknown_languages_are_refused_by_name() {
    let Some((whisper, clips)) = model_and_clips("whisper-base") else { return };
    let options = SttOptions { language: Some("xx".into()), ..SttOptions::default() };
    let heard = whisper.transcribe(Box::pin(stream::iter(inputs(&clips[0].sound()))), &options);
    let said = block_on(heard.collect::<Vec<_>>()).remove(0).unwrap_err().to_string();
    assert!(said.contains("xx"), "{said}");
}

/// Transcribes as a file is: all of it, then the end. An empty language has the model find out.
fn whole(whisper: &Whisper, samples: &[i16], language: &str) -> Transcript {
    let language = Some(language.to_owned()).filter(|l| !l.is_empty());
    let options = SttOptions { language, ..SttOptions::default() };
    let heard = whisper.transcribe(Box::pin(stream::iter(inputs(samples))), &options);
    block_on(heard.collect::<Vec<_>>()).pop().unwrap().unwrap()
}

fn inputs(samples: &[i16]) -> Vec<SttInput> {
    let frames = samples.chunks(320).map(|c| Frame::new(c, 16_000, MediaTime::ZERO));
    frames.map(SttInput::Frame).collect()
}

/// The model by name and the clips; a message where this machine lacks either.
fn model_and_clips(name: &str) -> Option<(Whisper, Vec<Clip>)> {
    let folder = env::var_os("TRUNKLINE_MODELS").map(PathBuf::from).unwrap_or_default();
    let model = folder.join(name).join("ggml.bin");
    let (true, Some(clips)) = (model.is_file(), clips::clips()) else {
        println!("skipped: {} or the clips are not here", model.display());
        return None;
    };
    let config = WhisperConfig { threads: 1, ..WhisperConfig::new(model) };
    Some((Whisper::load(config).unwrap(), clips))
}
