//! Writes a sound down piece by piece while it is being decoded: what computes is always one of the
//! decoder, the voice activity and the recognizer, and nothing waits for the whole.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{Stream, StreamExt, stream};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    ModelError, Segment, SpeechToText, SttInput, SttOptions, Transcript, VadStream, VoiceActivity,
};

use super::{
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
    let (stt, options) = (ears.stt, Arc::new(ears.options));
    let heard = stream::unfold(Some(cuts), |cuts| async move {
        let mut cuts = cuts?;
        match cuts.next().await {
            Ok(Cut::End(end)) => Some((Ok(Cut::End(end)), None)),
            Ok(cut) => Some((Ok(cut), Some(cuts))),
            Err(refusal) => Some((Err(refusal), None)),
        }
    });
    heard.map(move |cut| write_down(cut, Arc::clone(&stt), Arc::clone(&options))).buffered(AT_ONCE)
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

async fn write_down(
    cut: Result<Cut, Refusal>,
    stt: Arc<dyn SpeechToText>,
    options: Arc<SttOptions>,
) -> Result<Heard, Refusal> {
    let (start, samples) = match cut? {
        Cut::Piece { start, samples } => (start, samples),
        Cut::End(end) => return Ok(Heard::End(end)),
    };
    let length = MediaTime::from_samples(samples.len() as u64, HEARD_HZ);
    let mut answers = stt.transcribe(Box::pin(stream::iter(inputs(start, &samples))), &options);
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        if answer.ask == Some(ASK) {
            return Ok(Heard::Piece(placed(answer, start, length)));
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

/// The transcript of a piece with times from the start of the sound. A recognizer that does not
/// divide its text gives one segment.
fn placed(mut transcript: Transcript, start: MediaTime, length: MediaTime) -> Piece {
    if transcript.segments.is_empty() && !transcript.text.is_empty() {
        let no_speech = transcript.no_speech;
        let text = transcript.text.clone();
        transcript.segments = vec![Segment { text, end: length, no_speech, ..Segment::default() }];
    }
    let place = |at: &mut MediaTime| *at = start + (*at).min(length);
    for segment in &mut transcript.segments {
        place(&mut segment.start);
        place(&mut segment.end);
        for word in &mut segment.words {
            place(&mut word.start);
            place(&mut word.end);
        }
    }
    Piece { start, transcript }
}
