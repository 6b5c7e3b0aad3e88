//! The engine of a Whisper lane: hears all its streams, transcribes one window at a time.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use trunkline_inference::{
    Engine, HearingStream, ModelError, Progress, SlotId, Slots, SttDetail, SttInput, SttOptions,
    SttTask, Transcript,
};

use crate::{
    evidence::Evidence,
    fit,
    loudness::RATE_HZ,
    module::{Style, Window},
    turn::{Job, Turn, Why},
    understood::Understood,
};

/// New sound that is worth a partial transcript, times the streams at work.
const GROWTH: usize = RATE_HZ as usize;
/// Partial transcripts may take at most this share of the time: one part in four.
const GROWTH_PER_WORK: usize = 3;
/// Less sound than this is silence to whisper.cpp.
const LEAST_SAMPLES: usize = 1_760;

/// A text that compresses better than this repeats itself.
const MOST_COMPRESSED: f32 = 2.4;
/// A text less probable than this is a guess.
const LEAST_LOGPROB: f32 = -1.0;
/// Where nobody spoke, a guess needs no better one.
const NO_SPEECH: f32 = 0.6;
/// How freely a file's window that went wrong is written down again.
const ANOTHER_TEMPERATURE: f32 = 0.4;

/// Understands a window. The module's state does; tests bring their own.
pub(crate) trait Recognize {
    /// Whether it can listen for a language (any, for `None`) and do this task;
    /// [`ModelError::BadRequest`] says why it cannot.
    fn check(&self, language: Option<&str>, task: SttTask) -> Result<(), ModelError>;

    /// Transcribes; `None` when `interrupted` said to give up.
    fn recognize(
        &mut self,
        window: &Window<'_>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Understood>, ModelError>;
}

/// How an engine works.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) slots: usize,
    pub(crate) threads: u32,
    pub(crate) gpu: bool,
    /// For streams that name no language.
    pub(crate) language: Option<String>,
}

/// A stream that begins.
pub(crate) struct Listen {
    pub(crate) input: HearingStream,
    pub(crate) options: SttOptions,
}

/// The engine. Windows are independent of each other, so one recognizer serves every slot.
pub(crate) struct Hearing<R> {
    recognizer: R,
    settings: Settings,
    ears: Vec<Option<Ear>>,
    /// Whose turn it is among equals.
    next: SlotId,
    /// How long the last window took.
    worked: Duration,
}

/// One slot.
struct Ear {
    /// `None` once it has ended.
    input: Option<HearingStream>,
    /// Why it is not listened to.
    refused: Option<ModelError>,
    turn: Turn,
}

impl<R: Recognize> Hearing<R> {
    pub(crate) fn new(recognizer: R, settings: Settings) -> Self {
        let ears = (0..settings.slots).map(|_| None).collect();
        Self { recognizer, settings, ears, next: 0, worked: Duration::ZERO }
    }

    /// The most urgent job; among equals the slots take turns.
    fn choose(&self, slots: &Slots<Transcript>) -> Option<(SlotId, Job)> {
        let active: Vec<_> = slots.active().collect();
        let worked = usize::try_from(self.worked.as_millis()).unwrap_or(usize::MAX);
        let pace = GROWTH_PER_WORK.saturating_mul(worked).saturating_mul(RATE_HZ as usize / 1000);
        let growth = GROWTH.saturating_mul(active.len()).max(pace);
        let count = self.ears.len();
        let jobs = active.into_iter().filter_map(|slot| {
            let turn = &self.ears[slot].as_ref()?.turn;
            let has_room = slots.has_room(slot, turn.answers());
            has_room.then(|| turn.job(growth)).flatten().map(|job| (slot, job))
        });
        jobs.min_by_key(|(slot, job)| {
            let gives_way = self.ears[*slot].as_ref().is_some_and(|ear| ear.turn.gives_way());
            (gives_way, job.why, (slot + count - self.next) % count)
        })
    }

    fn run(
        &mut self,
        (slot, job): (SlotId, Job),
        slots: &mut Slots<Transcript>,
        cx: &mut Context<'_>,
    ) {
        let Self { recognizer, settings, ears, .. } = self;
        let Some(Ear { turn, .. }) = &ears[slot] else { return };
        let (sound, prompt) = (turn.sound(&job).to_vec(), turn.prompt());
        let language = turn.language().map(str::to_owned);
        let positions = fit::positions(sound.len(), settings.gpu);
        let window = Window {
            samples: &sound,
            language: language.as_deref(),
            prompt: &prompt,
            audio_positions: positions,
            language_positions: fit::language_positions(positions),
            tokens: fit::tokens(sound.len(), turn.style().detail, turn.language()),
            threads: settings.threads,
            style: turn.style(),
        };
        let is_sound = sound.len() >= LEAST_SAMPLES;
        if is_sound {
            slots.stepped(1);
        }
        let started = Instant::now();
        let mut interrupted = || {
            listen(ears, slots, cx);
            answer(ears, slots);
            is_overtaken(slot, &job, ears, slots)
        };
        let outcome = if is_sound {
            understand(recognizer, &window, job.why, &mut interrupted)
        } else {
            Ok(Some(Understood { no_speech: 1.0, ..Understood::default() }))
        };
        let worked = started.elapsed();
        tracing::debug!(slot, ?job, ?worked, prompt = prompt.len(), "window transcribed");
        match outcome {
            Ok(Some(understood)) => {
                self.worked = worked;
                self.next = (slot + 1) % self.ears.len();
                self.settle((slot, job), (understood, worked), slots);
            }
            Ok(None) => {
                if let Some(Ear { turn, .. }) = &mut self.ears[slot] {
                    turn.gave_way();
                }
            }
            Err(error) => slots.fail(slot, error),
        }
    }

    fn settle(
        &mut self,
        (slot, job): (SlotId, Job),
        (understood, worked): (Understood, Duration),
        slots: &mut Slots<Transcript>,
    ) {
        let Some(Ear { turn, .. }) = &mut self.ears[slot] else { return };
        let partial = turn.settle(&job, understood, worked);
        if let Some(partial) = partial.filter(|_| slots.has_room(slot, turn.answers() + 1)) {
            slots.emit(slot, partial);
        }
        answer(&mut self.ears, slots);
    }
}

impl<R: Recognize> Engine for Hearing<R> {
    type Job = Listen;
    type Piece = Transcript;

    fn slots(&self) -> usize {
        self.settings.slots
    }

    fn admit(&mut self, slot: SlotId, job: Listen) {
        let Listen { input, options } = job;
        let refused = self.recognizer.check(options.language.as_deref(), options.task).err();
        let turn = Turn::new(&options, self.settings.language.clone());
        self.ears[slot] = Some(Ear { input: Some(input), refused, turn });
    }

    fn step(&mut self, slots: &mut Slots<Transcript>, cx: &mut Context<'_>) -> Progress {
        listen(&mut self.ears, slots, cx);
        answer(&mut self.ears, slots);
        let Some(chosen) = self.choose(slots) else { return Progress::Idle };
        self.run(chosen, slots, cx);
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.ears[slot] = None;
    }
}

/// Transcribes a window; a short one in which there are digits once more in a wider one: a tight
/// window makes Whisper say them twice. A file's window that went wrong is written down once more.
fn understand(
    recognizer: &mut impl Recognize,
    window: &Window<'_>,
    why: Why,
    interrupted: &mut dyn FnMut() -> bool,
) -> Result<Option<Understood>, ModelError> {
    let Some(mut understood) = recognizer.recognize(window, interrupted)? else { return Ok(None) };
    let has_digits = understood.text.contains(|c: char| c.is_ascii_digit());
    if why != Why::Growth && window.audio_positions < fit::WIDE && has_digits {
        let wide = Window { audio_positions: fit::WIDE, ..*window };
        // Where there was no time for another look, the first counts.
        understood = recognizer.recognize(&wide, interrupted)?.unwrap_or(understood);
    }
    let is_file = window.style.detail > SttDetail::Text;
    if is_file && window.style.temperature <= 0.0 && went_wrong(&understood) {
        let style = Style { temperature: ANOTHER_TEMPERATURE, ..window.style };
        let another = recognizer.recognize(&Window { style, ..*window }, interrupted)?;
        understood = another.filter(|another| !went_wrong(another)).unwrap_or(understood);
    }
    Ok(Some(understood))
}

/// Whether a text is a loop or a guess at speech.
fn went_wrong(understood: &Understood) -> bool {
    let evidence = Evidence::of(understood);
    let is_guess = evidence.avg_logprob() < LEAST_LOGPROB && evidence.no_speech <= NO_SPEECH;
    evidence.compression_ratio > MOST_COMPRESSED || is_guess
}

/// Takes in whatever has come.
fn listen(ears: &mut [Option<Ear>], slots: &mut Slots<Transcript>, cx: &mut Context<'_>) {
    let active: Vec<_> = slots.active().collect();
    for slot in active {
        let Some(ear) = &mut ears[slot] else { continue };
        if let Err(error) = ear.listen(cx) {
            slots.fail(slot, error);
        }
    }
}

impl Ear {
    fn listen(&mut self, cx: &mut Context<'_>) -> Result<(), ModelError> {
        if let Some(refused) = self.refused.take() {
            self.input = None;
            return Err(refused);
        }
        while self.turn.takes_input() {
            let Some(input) = &mut self.input else { return Ok(()) };
            match input.as_mut().poll_next(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(None) => {
                    self.input = None;
                    self.turn.end();
                }
                Poll::Ready(Some(SttInput::Finalize { ask })) => self.turn.ask(ask),
                Poll::Ready(Some(SttInput::Frame(frame))) if frame.rate_hz() == RATE_HZ => {
                    self.turn.hear(frame.samples());
                }
                Poll::Ready(Some(SttInput::Frame(frame))) => {
                    self.input = None;
                    let reason = format!("Whisper hears 16000 Hz, not {}", frame.rate_hz());
                    return Err(ModelError::BadRequest(reason));
                }
            }
        }
        Ok(())
    }
}

/// Gives the answers that need no work.
fn answer(ears: &mut [Option<Ear>], slots: &mut Slots<Transcript>) {
    let active: Vec<_> = slots.active().collect();
    for slot in active {
        let Some(Ear { turn, .. }) = &mut ears[slot] else { continue };
        if slots.has_room(slot, turn.answers()) {
            turn.answer().into_iter().for_each(|transcript| slots.emit(slot, transcript));
        }
        if turn.is_done() {
            slots.finish(slot);
        }
    }
}

/// Whether a running job is to be given up: its reader is gone, or it works ahead while the caller goes
/// on speaking or an answer is owed that it does not give. A file's work gives way to calls.
fn is_overtaken(slot: SlotId, job: &Job, ears: &[Option<Ear>], slots: &Slots<Transcript>) -> bool {
    if slots.active().all(|active| active != slot) {
        return true;
    }
    let Some(Ear { turn, .. }) = &ears[slot] else { return true };
    if turn.has_resumed_since(job) {
        return true;
    }
    let gives_way = match job.why {
        Why::Owed | Why::Full => turn.gives_way(),
        Why::Pause | Why::Growth => true,
    };
    gives_way
        && slots.active().any(|other| {
            ears[other].as_ref().is_some_and(|Ear { turn, .. }| {
                let is_served = other == slot && turn.is_served_by(job);
                turn.owes_work() && !turn.gives_way() && !is_served
            })
        })
}

#[cfg(test)]
mod tests;
