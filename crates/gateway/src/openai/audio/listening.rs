//! Writes a sound down piece by piece while it is being decoded: what computes is always one of the
//! decoder, the voice activity and the recognizer, and nothing waits for the whole.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{Stream, StreamExt, stream};
use tokio::sync::Semaphore;
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    ModelError, Segment, SpeechToText, SttInput, SttOptions, Transcript, VadStream, VoiceActivity,
};

use super::{
    cast::Cast,
    decode::{HEARD_HZ, Sound},
    pauses::{Cutter, Rules},
};
use crate::refusal::Refusal;

/// Pieces of one sound that are with the recognizer at once.
const AT_ONCE: usize = 2;
/// Samples of a frame for the recognizer: 20 ms, as on calls.
const FRAME: usize = 320;
/// The number of the one question that each piece ends with.
const ASK: u32 = 1;

/// Who listens, and how.
pub(super) struct Ears {
    pub(super) stt: Arc<dyn SpeechToText>,
    pub(super) vad: Arc<dyn VoiceActivity>,
    pub(super) options: SttOptions,
    pub(super) rules: Rules,
    /// One is taken for each piece that is with the recognizer.
    pub(super) places: Arc<Semaphore>,
    /// Tells speakers apart, where that is wanted.
    pub(super) cast: Option<Cast>,
}

/// What became of a part of a sound.
#[derive(Debug)]
pub(super) enum Heard {
    /// A piece of speech; all its times count from the start of the sound.
    Piece(Piece),
    /// The sound is over, this long after its start.
    End(MediaTime),
}

/// A piece of speech, written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// Where it begins.
    pub(super) start: MediaTime,
    /// What was said.
    pub(super) transcript: Transcript,
    /// The voice of each segment, where speakers are told apart.
    pub(super) voices: Vec<Vec<f32>>,
}

/// Listens to `sound`: its pieces in order, then its end. Dropping the stream stops all work.
pub(super) fn listen(
    sound: Sound,
    ears: Ears,
) -> impl Stream<Item = Result<Heard, Refusal>> + Send + 'static {
    let tape = Arc::new(Mutex::new(Tape::default()));
    let scores = ears.vad.listen(Box::pin(taped(sound, Arc::clone(&tape))));
    let cutter = Cutter::new(&ears.rules);
    let cuts = Cuts { scores, tape, cutter, has_ended: false };
    let Ears { stt, options, places, cast, .. } = ears;
    let writer = Arc::new(Writer { stt, options, places, cast });
    let heard = stream::unfold(Some(cuts), |cuts| async move {
        let mut cuts = cuts?;
        match cuts.next().await {
            Ok(Cut::End(end)) => Some((Ok(Cut::End(end)), None)),
            Ok(cut) => Some((Ok(cut), Some(cuts))),
            Err(refusal) => Some((Err(refusal), None)),
        }
    });
    heard.map(move |cut| write_down(cut, Arc::clone(&writer))).buffered(AT_ONCE)
}

/// Sound that may yet become part of a piece.
#[derive(Default)]
struct Tape {
    /// Where `samples` begins in the sound.
    start: u64,
    samples: VecDeque<i16>,
    failure: Option<Refusal>,
}

impl Tape {
    fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    fn forget_before(&mut self, at: u64) {
        let past = at.saturating_sub(self.start).min(self.samples.len() as u64);
        self.samples.drain(..usize::try_from(past).unwrap_or(usize::MAX));
        self.start += past;
    }

    fn copy(&self, piece: &Range<u64>) -> Vec<i16> {
        let place = |at: u64| {
            let past = at.saturating_sub(self.start).min(self.samples.len() as u64);
            usize::try_from(past).unwrap_or(usize::MAX)
        };
        self.samples.range(place(piece.start)..place(piece.end)).copied().collect()
    }
}

/// The sound on its way to the voice activity, which reads no further ahead than its queue is long.
fn taped(sound: Sound, tape: Arc<Mutex<Tape>>) -> impl Stream<Item = Frame> + Send {
    stream::unfold((sound, tape), |(mut sound, tape)| async move {
        let frame = match sound.next().await? {
            Ok(frame) => frame,
            Err(refusal) => {
                tape.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(refusal);
                return None;
            }
        };
        tape.lock().unwrap_or_else(PoisonError::into_inner).samples.extend(frame.samples());
        Some((frame, (sound, tape)))
    })
}

/// A part of a sound as it is cut.
enum Cut {
    Piece { start: MediaTime, samples: Vec<i16> },
    End(MediaTime),
}

struct Cuts {
    scores: VadStream,
    tape: Arc<Mutex<Tape>>,
    cutter: Cutter,
    has_ended: bool,
}

impl Cuts {
    async fn next(&mut self) -> Result<Cut, Refusal> {
        loop {
            if let Some(cut) = self.ready() {
                return Ok(cut);
            }
            let score = self.scores.next().await;
            let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(score) = score {
                self.cutter.push(score?);
                tape.forget_before(self.cutter.needed_from());
            } else {
                tape.failure.take().map_or(Ok(()), Err)?;
                self.cutter.finish(tape.end());
                self.has_ended = true;
            }
        }
    }

    fn ready(&mut self) -> Option<Cut> {
        let tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = self.cutter.next_piece() {
            let start = MediaTime::from_samples(piece.start, HEARD_HZ);
            return Some(Cut::Piece { start, samples: tape.copy(&piece) });
        }
        self.has_ended.then(|| Cut::End(MediaTime::from_samples(tape.end(), HEARD_HZ)))
    }
}

/// Asks the recognizer.
struct Writer {
    stt: Arc<dyn SpeechToText>,
    options: SttOptions,
    places: Arc<Semaphore>,
    cast: Option<Cast>,
}

async fn write_down(cut: Result<Cut, Refusal>, writer: Arc<Writer>) -> Result<Heard, Refusal> {
    let (start, samples) = match cut? {
        Cut::Piece { start, samples } => (start, samples),
        Cut::End(end) => return Ok(Heard::End(end)),
    };
    // Closed by nobody.
    let _place = writer.places.acquire().await;
    let length = MediaTime::from_samples(samples.len() as u64, HEARD_HZ);
    let inputs = Box::pin(stream::iter(inputs(start, &samples)));
    let mut answers = writer.stt.transcribe(inputs, &writer.options);
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        if answer.ask == Some(ASK) {
            let answer = divided(answer, length);
            let voices = match &writer.cast {
                Some(cast) => cast.voices(&samples, &answer.segments).await?,
                None => Vec::new(),
            };
            return Ok(Heard::Piece(Piece { voices, ..placed(answer, start, length) }));
        }
    }
    Err(ModelError::Stopped { engine: "speech recognition" }.into())
}

fn inputs(start: MediaTime, samples: &[i16]) -> Vec<SttInput> {
    let mut at = start;
    let frames = samples.chunks(FRAME).map(|samples| {
        let frame = Frame::new(samples, HEARD_HZ, at);
        at = frame.end();
        SttInput::Frame(frame)
    });
    let mut inputs: Vec<_> = frames.collect();
    inputs.push(SttInput::Finalize { ask: ASK });
    inputs
}

/// A recognizer that does not divide its text gives one segment.
fn divided(mut transcript: Transcript, length: MediaTime) -> Transcript {
    if transcript.segments.is_empty() && !transcript.text.is_empty() {
        let no_speech = transcript.no_speech;
        let text = transcript.text.clone();
        transcript.segments = vec![Segment { text, end: length, no_speech, ..Segment::default() }];
    }
    transcript
}

/// The transcript of a piece with times from the start of the sound.
fn placed(mut transcript: Transcript, start: MediaTime, length: MediaTime) -> Piece {
    let place = |at: &mut MediaTime| *at = start + (*at).min(length);
    for segment in &mut transcript.segments {
        place(&mut segment.start);
        place(&mut segment.end);
        for word in &mut segment.words {
            place(&mut word.start);
            place(&mut word.end);
        }
    }
    Piece { start, transcript, voices: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trunkline_inference::SttTask;
    use trunkline_testkit::{FakeStt, FakeVad, World};

    use super::*;
    use crate::openai::audio::upload::Upload;

    /// A minute of a caller who says two words every four seconds, of which two are silent.
    fn minutes(count: u64) -> World {
        let speeches: Vec<_> =
            (0..count * 15).map(|n| (n * 4_000 + 200, 1_600, "one two")).collect();
        World::new(&speeches)
    }

    fn ears(stt: FakeStt, rules: Rules) -> Ears {
        let options = SttOptions { task: SttTask::Transcribe, ..SttOptions::default() };
        let (vad, places) = (Arc::new(FakeVad::default()), Arc::new(Semaphore::new(1)));
        Ears { stt: Arc::new(stt), vad, options, rules, places, cast: None }
    }

    fn sound(world: &World, seconds: u64) -> Sound {
        let upload = Upload::of(file(world, seconds), &Arc::new(Semaphore::new(1)));
        Sound::decode(upload, Duration::from_hours(1))
    }

    fn file(world: &World, seconds: u64) -> Vec<u8> {
        let frames = (0..seconds * 50).map(|n| world.frame(MediaTime::from_ms(n * 20)));
        let samples = frames.flat_map(|frame| frame.samples().to_vec());
        let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        file.extend(HEARD_HZ.to_le_bytes());
        file.extend((HEARD_HZ * 2).to_le_bytes());
        file.extend(b"\x02\0\x10\0data\xff\xff\xff\xff");
        file.extend(samples.flat_map(i16::to_le_bytes));
        file
    }

    async fn all(heard: impl Stream<Item = Result<Heard, Refusal>>) -> (Vec<Piece>, MediaTime) {
        let (mut pieces, mut end) = (Vec::new(), None);
        let mut heard = Box::pin(heard);
        while let Some(heard) = heard.next().await {
            match heard.unwrap() {
                Heard::Piece(piece) => pieces.push(piece),
                Heard::End(at) => end = Some(at),
            }
        }
        (pieces, end.unwrap())
    }

    #[tokio::test]
    async fn every_word_is_written_down_once_in_order_with_the_time_of_the_sound() {
        let world = minutes(3);
        for pause_ms in [500, 2_500, 10_000] {
            let rules = Rules { pause: Duration::from_millis(pause_ms), ..Rules::default() };
            let stt = FakeStt::new(world.clone(), Duration::ZERO);
            let (pieces, end) = all(listen(sound(&world, 180), ears(stt, rules))).await;
            assert_eq!(end, MediaTime::from_ms(180_000));
            let text: Vec<_> = pieces.iter().map(|piece| piece.transcript.text.as_str()).collect();
            assert_eq!(text.join(" "), ["one two"; 45].join(" "), "pauses of {pause_ms} ms");
            for piece in &pieces {
                for segment in &piece.transcript.segments {
                    assert!(piece.start <= segment.start && segment.start <= segment.end);
                    assert!(segment.end <= end);
                }
            }
            // Short pauses end pieces; with long ones pieces are as long as may be.
            assert_eq!(pieces.len() > 40, pause_ms == 500, "{}", pieces.len());
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_neither_decoded_nor_written_down() {
        let world = minutes(10);
        let stt = FakeStt::hearing("late", Duration::from_hours(1));
        let (live, places) = (stt.live().clone(), Arc::new(Semaphore::new(1)));
        let sound = Sound::decode(Upload::of(file(&world, 600), &places), Duration::from_hours(1));
        let mut heard = Box::pin(listen(sound, ears(stt, Rules::default())));
        while live.count() < 1 {
            tokio::select! {
                biased;
                _ = heard.next() => panic!("nothing is heard yet"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(places.available_permits(), 0, "the decoder waits");
        drop(heard);
        assert_eq!(live.count(), 0);
        drop(places.acquire().await.unwrap());
    }

    #[test]
    fn the_tape_keeps_what_is_asked_for_and_no_more() {
        let mut tape = Tape::default();
        tape.samples.extend(0..1_000);
        tape.forget_before(300);
        assert_eq!((tape.start, tape.end(), tape.samples.len()), (300, 1_000, 700));
        assert_eq!(tape.copy(&(300..303)), [300, 301, 302]);
        assert_eq!(tape.copy(&(998..2_000)), [998, 999]);
        tape.forget_before(100);
        assert_eq!(tape.start, 300);
        tape.forget_before(5_000);
        assert_eq!((tape.start, tape.samples.len()), (1_000, 0));
    }
}
