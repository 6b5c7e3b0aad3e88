//! Whole files through the real module and real models: segments, words, languages, translation.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and say why it skips"
)]

#[path = "../examples/measure_whisper/clips.rs"]
mod clips;

use std::{env, path::PathBuf, time::Duration};

use clips::Clip;
use futures::{StreamExt, executor::block_on, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    ModelError, Segment, SpeechToText, SttDetail, SttInput, SttOptions, SttTask, Transcript, Word,
};
use trunkline_whisper::{Whisper, WhisperConfig};

const RATE_HZ: usize = 16_000;

#[test]
#[ignore = "needs models"]
fn real_segments_and_words_lie_in_order_within_the_sound() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let spoken = clips.iter().filter(|c| c.language == "en" && c.seconds > 2.0 && c.seconds < 15.0);
    let long = clips.iter().filter(|c| c.language == "en" && c.kind == "long").take(1);
    let (mut edges, mut late) = (0, Vec::new());
    for (n, clip) in spoken.step_by(5).chain(long).enumerate() {
        let sound = clip.sound();
        let sound = if n % 3 == 0 { clips::over_the_phone(&sound) } else { sound };
        let told = file(&whisper, &sound, &words()).unwrap();
        assert_in_order(&told, &sound);
        let (onset, end) = speech(&sound);
        let words: Vec<_> = told.segments.iter().flat_map(|segment| &segment.words).collect();
        let (Some(first), Some(last)) = (words.first(), words.last()) else { continue };
        edges += 2;
        let off = [(seconds(first.start) - onset).abs(), (seconds(last.end) - end).abs()];
        late.extend(off.into_iter().filter(|off| *off > 0.3).map(|off| (clip.path.clone(), off)));
    }
    println!("{edges} edges of speech, missed by more than 300 ms: {late:?}");
    assert!(edges >= 16 && late.len() * 10 <= edges, "{late:?} of {edges} edges are missed");
}

#[test]
#[ignore = "needs models"]
fn real_phrases_begin_and_end_where_they_were_said() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let short = clips.iter().filter(|c| c.language == "en" && c.kind == "read" && c.seconds < 6.0);
    let phrases: Vec<Vec<i16>> = short.map(|clip| cut_to_speech(&clip.sound())).collect();
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for phrases in phrases.chunks(5).take(4) {
        let (mut sound, mut truth) = (vec![0; RATE_HZ / 4], Vec::new());
        for phrase in phrases {
            let from = samples(sound.len());
            sound.extend(phrase);
            truth.push((from, samples(sound.len())));
            sound.extend(vec![0; RATE_HZ / 2]);
        }
        let told = file(&whisper, &sound, &words()).unwrap();
        assert_in_order(&told, &sound);
        let words: Vec<_> = told.segments.iter().flat_map(|segment| &segment.words).collect();
        let nearest = |at: f32, edge: fn(&Word) -> MediaTime| {
            let off = words.iter().map(|word| (seconds(edge(word)) - at).abs());
            off.fold(f32::MAX, f32::min)
        };
        for (from, to) in truth {
            starts.push(nearest(from, |word| word.start));
            ends.push(nearest(to, |word| word.end));
        }
    }
    let mean = |off: &[f32]| off.iter().sum::<f32>() / f32::from(u16::try_from(off.len()).unwrap());
    println!("phrases {}, starts off by {}, ends by {}", starts.len(), mean(&starts), mean(&ends));
    assert!(mean(&starts) < 0.1 && mean(&ends) < 0.15, "{starts:?} {ends:?}");
}

#[test]
#[ignore = "needs models"]
fn real_files_have_the_words_of_calls() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let (mut wrong, mut wrong_in_calls, mut all) = (0, 0, 0);
    for clip in clips.iter().filter(|c| c.language == "en" && c.seconds < 12.0).step_by(4) {
        let sound = clip.sound();
        let segments = file(&whisper, &sound, &segments()).unwrap();
        let call = file(&whisper, &sound, &english()).unwrap();
        assert!(call.segments.is_empty());
        let (errors, words) = clips::errors(&clip.text, &segments.text);
        (wrong, all) = (wrong + errors, all + words);
        wrong_in_calls += clips::errors(&clip.text, &call.text).0;
    }
    println!("{wrong} of {all} words wrong, {wrong_in_calls} as a call");
    assert!(wrong <= wrong_in_calls + all / 20, "{wrong} of {all}, {wrong_in_calls} as a call");
}

#[test]
#[ignore = "needs models"]
fn real_speech_is_translated_and_its_language_told() {
    let Some((whisper, clips)) = model_and_clips("whisper-base") else { return };
    let expected = [("es", ["the", "of", "and"]), ("fr", ["the", "of", "and"])];
    for (language, english) in expected {
        let short = |c: &&Clip| c.language == language && c.seconds < 15.0;
        let Some(clip) = clips.iter().find(short) else { continue };
        let sound = clip.sound();
        let detail = SttDetail::Segments;
        let as_said =
            file(&whisper, &sound, &SttOptions { detail, ..SttOptions::default() }).unwrap();
        assert_eq!(as_said.language.as_deref(), Some(language), "{}", as_said.text);
        let task = SttTask::Translate;
        let options = SttOptions { detail, task, ..SttOptions::default() };
        let translated = file(&whisper, &sound, &options).unwrap();
        println!("{language}: {} -> {}", as_said.text, translated.text);
        assert_eq!(translated.language.as_deref(), Some(language));
        let said = translated.text.to_lowercase();
        assert!(said.split_whitespace().any(|word| english.contains(&word)), "{said}");
        assert_ne!(said, as_said.text.to_lowercase());
    }
}

#[test]
#[ignore = "needs models"]
fn real_model_of_english_refuses_what_it_cannot_do() {
    let Some((whisper, _)) = model_and_clips("whisper-tiny.en") else { return };
    let translate = SttOptions { task: SttTask::Translate, ..english() };
    let spanish = SttOptions { language: Some("es".into()), ..SttOptions::default() };
    let unknown = SttOptions { language: Some("xx".into()), ..SttOptions::default() };
    for (options, reason) in [(translate, "translate"), (spanish, "English only"), (unknown, "xx")]
    {
        let refused = file(&whisper, &[0; 320], &options).unwrap_err();
        assert!(
            matches!(&refused, ModelError::BadRequest(said) if said.contains(reason)),
            "{refused}"
        );
    }
}

#[test]
#[ignore = "needs models"]
fn real_prompts_lead_the_spelling_and_do_not_leak_into_the_text() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let Some(clip) = clips.iter().find(|c| c.language == "en" && c.seconds > 5.0) else { return };
    let sound = clip.sound();
    let prompt = Some("Zyntrix Corporation, quarterly marmalade figures.".to_owned());
    let told = file(&whisper, &sound, &SttOptions { prompt, ..segments() }).unwrap();
    assert!(!told.text.contains("Zyntrix") && !told.text.contains("marmalade"), "{}", told.text);
    let names = Some("Colonel Sherbourne stood behind his palings.".to_owned());
    let spelled = file(&whisper, &sound, &SttOptions { prompt: names, ..segments() }).unwrap();
    println!("{}\n{}", told.text, spelled.text);
    assert!(spelled.text.contains("Sherbourne"), "the prompt is read: {}", spelled.text);
}

#[test]
#[ignore = "needs models"]
fn real_greedy_is_the_same_each_time_and_a_temperature_tells_true_probabilities() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    let Some(clip) = clips.iter().find(|c| c.language == "en" && c.seconds > 5.0) else { return };
    let sound = clip.sound();
    let greedy = file(&whisper, &sound, &segments()).unwrap();
    assert_eq!(greedy.segments, file(&whisper, &sound, &segments()).unwrap().segments);
    let warm = SttOptions { temperature: 0.3, ..segments() };
    let warm = file(&whisper, &sound, &warm).unwrap();
    let logprobs = |told: &Transcript| -> Vec<f32> {
        told.segments.iter().flat_map(|s| &s.tokens).map(|token| token.logprob).collect()
    };
    for told in [&greedy, &warm] {
        let logprobs = logprobs(told);
        assert!(!logprobs.is_empty() && logprobs.iter().all(|p| *p <= 0.0 && *p > -20.0));
        let sum: f32 = logprobs.iter().sum();
        let mean = sum / f32::from(u16::try_from(logprobs.len()).unwrap());
        assert!((mean - told.avg_logprob).abs() < 1e-3, "{mean} {}", told.avg_logprob);
    }
    // A distribution that a temperature had bent would put nearly all on the best word.
    assert!((warm.avg_logprob - greedy.avg_logprob).abs() < 0.4, "{warm:?}");
}

#[test]
#[ignore = "needs models"]
fn real_noise_is_told_as_little_or_nothing() {
    let Some((whisper, clips)) = model_and_clips("whisper-tiny.en") else { return };
    for clip in clips.iter().filter(|c| c.kind == "noise") {
        let sound = clip.sound();
        let told = file(&whisper, &sound, &words()).unwrap();
        println!("{}: {:?}", clip.path.display(), told.text);
        assert_in_order(&told, &sound);
    }
}

fn assert_in_order(told: &Transcript, sound: &[i16]) {
    let in_order = |spans: &[(MediaTime, MediaTime)]| {
        let ends: Vec<_> = spans.iter().flat_map(|(start, end)| [*start, *end]).collect();
        assert!(ends.is_sorted(), "{ends:?} in {told:?}");
    };
    let length = MediaTime::from_samples(sound.len() as u64, 16_000);
    let spans: Vec<_> = told.segments.iter().map(|s| (s.start, s.end)).collect();
    in_order(&spans);
    assert!(spans.last().is_none_or(|(_, end)| *end <= length));
    for Segment { text, start, end, words, tokens, .. } in &told.segments {
        assert!(!text.is_empty() && !tokens.is_empty());
        let bytes: Vec<_> = tokens.iter().flat_map(|token| token.bytes.clone()).collect();
        assert_eq!(String::from_utf8_lossy(&bytes).trim(), text);
        let spans: Vec<_> = words.iter().map(|w| (w.start, w.end)).collect();
        in_order(&spans);
        assert!(spans.iter().all(|(from, to)| from >= start && to <= end));
        let said: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(said.join(" "), text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let texts: Vec<_> = told.segments.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts.join(" "), told.text.split_whitespace().collect::<Vec<_>>().join(" "));
}

/// Where speech begins and ends, in seconds: the first and the last 20 ms within 30 dB of the loudest.
fn speech(sound: &[i16]) -> (f32, f32) {
    let energy = |cell: &[i16]| cell.iter().map(|&s| i64::from(s) * i64::from(s)).sum::<i64>();
    let cells: Vec<_> = sound.chunks_exact(320).map(energy).collect();
    let voice = cells.iter().max().unwrap() / 1_000;
    let first = cells.iter().position(|&cell| cell > voice).unwrap();
    let last = cells.iter().rposition(|&cell| cell > voice).unwrap();
    (samples(first * 320), samples((last + 1) * 320))
}

fn cut_to_speech(sound: &[i16]) -> Vec<i16> {
    let (from, to) = speech(sound);
    let at = |seconds: f32| {
        let time = Duration::from_secs_f32(seconds);
        usize::try_from(time.as_millis()).unwrap() * RATE_HZ / 1_000
    };
    sound[at(from)..at(to).min(sound.len())].to_vec()
}

fn samples(count: usize) -> f32 {
    seconds(MediaTime::from_samples(count as u64, 16_000))
}

fn seconds(time: MediaTime) -> f32 {
    time.to_duration().as_secs_f32()
}

fn english() -> SttOptions {
    SttOptions { language: Some("en".into()), ..SttOptions::default() }
}

fn segments() -> SttOptions {
    SttOptions { detail: SttDetail::Segments, ..english() }
}

fn words() -> SttOptions {
    SttOptions { detail: SttDetail::Words, ..english() }
}

fn file(whisper: &Whisper, sound: &[i16], options: &SttOptions) -> Result<Transcript, ModelError> {
    let frames = sound.chunks(320).map(|c| Frame::new(c, 16_000, MediaTime::ZERO));
    let inputs: Vec<_> = frames.map(SttInput::Frame).collect();
    let heard = whisper.transcribe(Box::pin(stream::iter(inputs)), options);
    // A file has one answer.
    let [answer] = <[_; 1]>::try_from(block_on(heard.collect::<Vec<_>>())).ok().unwrap();
    answer
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
