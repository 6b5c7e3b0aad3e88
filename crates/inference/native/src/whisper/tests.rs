//! The layers and whole transcriptions, on a small Whisper of random weights.

use std::{fs, path::PathBuf};

use trunkline_testkit::WhisperShape;

use super::{
    decoder::{Memory, Next},
    layers::Work,
    mel::LogMel,
    *,
};

const TEXT: usize = WhisperShape::SMALL.text_positions;

/// The outcome of loading a file.
#[expect(clippy::unwrap_in_result, reason = "a test may panic")]
fn load(bytes: &[u8]) -> Result<Arc<Whisper>, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ggml.bin");
    fs::write(&path, bytes).unwrap();
    Whisper::load(&path)
}

fn small() -> Arc<Whisper> {
    load(&WhisperShape::SMALL.to_bytes()).unwrap()
}

fn sound(samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (n as f32 / 7.0).sin() * 0.3 + (n as f32 / 31.0).cos() * 0.2).collect()
}

fn task(samples: &[f32]) -> Task<'_> {
    Task {
        samples,
        language: Some("en"),
        translates: false,
        prompt: " yes yes",
        prompt_tokens: 1,
        positions: 40,
        language_positions: 40,
        most_tokens: 30,
        plausible_tokens: 30,
        temperature: 0.0,
        tells_begins: false,
    }
}

/// What the decoder remembers of a sound, read no token yet.
fn heard(whisper: &Whisper, samples: usize) -> Memory {
    let (work, samples) = (&mut Work::default(), sound(samples));
    let features = LogMel::new(&whisper.edges.filters).features(&samples, 80);
    let mut rows = whisper.encoder.begin(&features, work);
    whisper.encoder.layer(0, &mut rows, work);
    whisper.decoder.listen(&whisper.encoder.finish(&rows), work)
}

fn logits(whisper: &Whisper, memory: &mut Memory, tokens: &[u32]) -> Vec<f32> {
    let mut logits = Vec::new();
    whisper.decoder.step(&mut [Next { memory, tokens }], &mut logits, &mut Work::default());
    logits
}

#[test]
fn tokens_read_together_are_as_those_read_one_by_one() {
    let whisper = small();
    let together = logits(&whisper, &mut heard(&whisper, 5_000), &[7, 8, 9]);
    let mut memory = heard(&whisper, 5_000);
    let mut last = Vec::new();
    for token in [7, 8, 9] {
        last = logits(&whisper, &mut memory, &[token]);
    }
    assert_eq!(together, last);
}

#[test]
fn texts_read_together_are_as_those_read_alone() {
    let whisper = small();
    let texts: [(usize, &[u32]); 3] = [(5_000, &[7, 8]), (3_000, &[1, 2, 3]), (9_000, &[4])];
    let alone: Vec<f32> = texts
        .iter()
        .flat_map(|(samples, tokens)| logits(&whisper, &mut heard(&whisper, *samples), tokens))
        .collect();
    let mut memories = texts.map(|(samples, _)| heard(&whisper, samples));
    let mut together: Vec<_> = memories
        .iter_mut()
        .zip(&texts)
        .map(|(memory, (_, tokens))| Next { memory, tokens })
        .collect();
    let mut both = Vec::new();
    whisper.decoder.step(&mut together, &mut both, &mut Work::default());
    assert!(alone == both, "another text in the batch changed a text's logits");
}

#[test]
fn another_sound_has_other_logits() {
    let whisper = small();
    let of = |samples| logits(&whisper, &mut heard(&whisper, samples), &[7]);
    assert_eq!(of(5_000), of(5_000));
    assert_ne!(of(5_000), of(9_000));
}

#[test]
fn threads_change_nothing() {
    let whisper = small();
    let read = || logits(&whisper, &mut heard(&whisper, 9_000), &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let [one, three] = [1, 3].map(|threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(read)
    });
    assert!(one == three, "threads changed the logits");
}

#[test]
fn a_text_ends_where_the_decoder_has_no_positions_left() {
    let whisper = small();
    let samples = sound(8_000);
    let mut scribe = Scribe::new(whisper, 1, 1).unwrap();
    let endless = Task { most_tokens: 1_000, plausible_tokens: 1_000, ..task(&samples) };
    let transcribed = scribe.transcribe(&endless, &mut || false).unwrap().unwrap();
    assert!(transcribed.pieces.len() <= TEXT);
}

#[test]
fn who_is_interrupted_gives_up_and_can_go_on() {
    let whisper = small();
    let samples = sound(8_000);
    let mut scribe = Scribe::new(whisper, 1, 1).unwrap();
    let whole = scribe.transcribe(&task(&samples), &mut || false).unwrap();
    assert_eq!(scribe.transcribe(&task(&samples), &mut || true).unwrap(), None);
    assert_eq!(scribe.transcribe(&task(&samples), &mut || false).unwrap(), whole);
}

/// What comes of tasks that begin one step after the other, each at its desk.
fn staggered(
    scribe: &mut Scribe,
    sounds: &[Vec<f32>],
    urgency: &[u8],
) -> Vec<(usize, Transcribed)> {
    let mut ended = Vec::new();
    for step in 0.. {
        if let Some(sound) = sounds.get(step) {
            scribe.begin(step, &Task { temperature: 1.0, ..task(sound) }).unwrap();
        }
        let came = scribe.step(&mut |desk| Some(urgency[desk]));
        ended.extend(came.into_iter().filter_map(|(desk, came)| Some((desk, came.unwrap()?))));
        if step > sounds.len() && ended.len() == sounds.len() {
            break;
        }
    }
    ended
}

#[test]
fn desks_do_not_disturb_each_other() {
    let whisper = small();
    let sounds: Vec<_> = (1..7).map(|n| sound(n * 1_900)).collect();
    let mut alone = Scribe::new(Arc::clone(&whisper), 1, 1).unwrap();
    let mut together = Scribe::new(whisper, 1, sounds.len()).unwrap();
    let mut ended = staggered(&mut together, &sounds, &[1, 1, 1, 1, 1, 1]);
    ended.sort_by_key(|(desk, _)| *desk);
    for ((_, together), sound) in ended.iter().zip(&sounds) {
        let by_chance = Task { temperature: 1.0, ..task(sound) };
        let alone = alone.transcribe(&by_chance, &mut || false).unwrap();
        assert_eq!(Some(together), alone.as_ref());
    }
}

#[test]
fn the_most_urgent_ends_first() {
    let whisper = small();
    let mut scribe = Scribe::new(whisper, 1, 2).unwrap();
    let sounds = [sound(8_000), sound(8_000)];
    for (desk, sound) in sounds.iter().enumerate() {
        scribe.begin(desk, &task(sound)).unwrap();
    }
    let mut ended = Vec::new();
    while ended.len() < 2 {
        ended.extend(
            scribe.step(&mut |desk| Some(1 - desk as u8)).into_iter().map(|(desk, _)| desk),
        );
    }
    assert_eq!(ended, [1, 0]);
}

#[test]
fn a_desk_that_nobody_needs_is_cleared() {
    let whisper = small();
    let mut scribe = Scribe::new(whisper, 1, 2).unwrap();
    let samples = sound(8_000);
    scribe.begin(1, &task(&samples)).unwrap();
    assert!(matches!(scribe.step(&mut |_| None)[..], [(1, Ok(None))]));
    assert!(scribe.step(&mut |_| panic!("nothing is at work")).is_empty());
}

#[test]
fn a_damaged_file_is_refused_with_its_reason() {
    let whole = WhisperShape::SMALL.to_bytes();
    let refused = |bytes: &[u8]| load(bytes).err().unwrap().to_string();
    assert!(refused(b"no model").contains("not a model file"));
    assert!(refused(&whole[..whole.len() - 1]).contains("in the middle"));
    let mut narrow = whole.clone();
    narrow[12] = 65;
    assert!(refused(&narrow).contains("no sizes of a Whisper"));
    let mut renamed = whole.clone();
    let name = b"decoder.ln.bias";
    let at = renamed.windows(name.len()).position(|bytes| bytes == name).unwrap();
    renamed[at] = b'D';
    assert!(refused(&renamed).contains("decoder.ln.bias is missing"));
    let missing = Whisper::load(&PathBuf::from("/nowhere/ggml.bin"));
    assert!(matches!(missing.err(), Some(ModelError::Missing { .. })));
}

/// A network that breaks down at its second call, once.
struct Failing {
    network: cpu::Cpu,
    calls: usize,
}

impl Network for Failing {
    fn encode(&mut self, windows: &[Window<'_>]) -> Result<usize, String> {
        self.calls += 1;
        if self.calls == 2 {
            Err("the device is lost".to_owned())
        } else {
            self.network.encode(windows)
        }
    }

    fn read(&mut self, texts: &[Text<'_>], logits: &mut Vec<f32>) -> Result<(), String> {
        self.calls += 1;
        if self.calls == 2 {
            Err("the device is lost".to_owned())
        } else {
            self.network.read(texts, logits)
        }
    }

    fn forget(&mut self, desk: usize) {
        self.network.forget(desk);
    }
}

#[test]
fn what_a_network_fails_at_is_told_and_the_next_is_transcribed() {
    let whisper = small();
    let (edges, samples) = (Arc::clone(&whisper.edges), sound(8_000));
    let alone = || Scribe::new(Arc::clone(&whisper), 1, 1).unwrap();
    let whole = alone().transcribe(&task(&samples), &mut || false).unwrap();
    // Its one layer is the first call, its first tokens the second.
    let network = cpu::Cpu::new(Arc::clone(&whisper), 1, 1).unwrap();
    let mut scribe = Scribe::on(edges, Box::new(Failing { network, calls: 0 }), 1);
    let told = scribe.transcribe(&task(&samples), &mut || false).unwrap_err().to_string();
    assert!(told.contains("the device is lost"), "{told}");
    assert_eq!(scribe.transcribe(&task(&samples), &mut || false).unwrap(), whole);
}

#[test]
fn sizes_tell_how_many_numbers_a_model_has() {
    let shape = WhisperShape { audio_layers: 3, text_layers: 2, ..WhisperShape::SMALL };
    let bytes = shape.to_bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ggml.bin");
    fs::write(&path, &bytes).unwrap();
    let numbers = Sizes::of_file(&path).unwrap().weights();
    // Beside them: filters, and some sixty letters and numbers for each tensor.
    let others = bytes.len() - 4 * numbers;
    assert!((4 * 201 * shape.mels..20_000).contains(&others), "{others}");
}
