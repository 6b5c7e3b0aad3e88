//! The engine of a Whisper lane: hears all its streams, transcribes the most urgent windows.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use trunkline_inference::{
    Engine, HearingStream, ModelError, Party, Progress, SlotId, Slots, SttInput, SttOptions,
    Transcript,
    schedule::{Claim, Promise, Promises, Step, Use},
};

use crate::{
    fit,
    loudness::RATE_HZ,
    recognize::{Looks, Next, Outcome, OwnedWindow, Recognize, Urgency},
    turn::{Job, Turn, Why},
    understood::Understood,
};

/// New sound that is worth a partial transcript, times the streams at work.
const GROWTH: usize = RATE_HZ as usize;
/// Partial transcripts may take at most this share of the time: one part in four.
const GROWTH_PER_WORK: usize = 3;
/// Less sound than this is silence to whisper.cpp.
const LEAST_SAMPLES: usize = 1_760;
/// How far one window moves what is expected of the next.
const LEARNING: f64 = 0.2;
/// So often windows are transcribed where several are at a time: words are due 450 ms after the sound.
const PACE: Duration = Duration::from_millis(200);

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

/// The engine. Windows are independent of each other: any slot's goes to any desk.
pub(crate) struct Hearing<R> {
    recognizer: R,
    settings: Settings,
    ears: Vec<Option<Ear>>,
    desks: Vec<Option<AtWork>>,
    /// Whose turn it is among equals.
    next: SlotId,
    /// How long the last window took.
    worked: Duration,
    /// How many steps a window usually takes.
    usual_steps: f64,
}

/// A window on a desk.
struct AtWork {
    slot: SlotId,
    job: Job,
    window: OwnedWindow,
    looks: Looks,
    began: Instant,
    /// Steps taken while it lay there.
    steps: f64,
}

/// One slot.
struct Ear {
    /// `None` once it has ended.
    input: Option<HearingStream>,
    /// Why it is not listened to.
    refused: Option<ModelError>,
    turn: Turn,
    party: Party,
}

impl<R: Recognize> Hearing<R> {
    pub(crate) fn new(recognizer: R, settings: Settings) -> Self {
        let ears = (0..settings.slots).map(|_| None).collect();
        let desks = (0..recognizer.desks()).map(|_| None).collect();
        let (worked, usual_steps) = (Duration::ZERO, 1.0);
        Self { recognizer, settings, ears, desks, next: 0, worked, usual_steps }
    }

    /// The most urgent job; among equals the slots take turns.
    fn choose(&self, slots: &Slots<Transcript>) -> Option<(SlotId, Job)> {
        let active: Vec<_> = slots.active().collect();
        let worked = usize::try_from(self.worked.as_millis()).unwrap_or(usize::MAX);
        let pace = GROWTH_PER_WORK.saturating_mul(worked).saturating_mul(RATE_HZ as usize / 1000);
        let growth = GROWTH.saturating_mul(active.len()).max(pace);
        let count = self.ears.len();
        let is_at_work = |slot| self.desks.iter().flatten().any(|at_work| at_work.slot == slot);
        let free = active.into_iter().filter(|&slot| !is_at_work(slot));
        let jobs = free.filter_map(|slot| {
            let turn = &self.ears[slot].as_ref()?.turn;
            let has_room = slots.has_room(slot, turn.answers());
            has_room.then(|| turn.job(growth)).flatten().map(|job| (slot, job))
        });
        jobs.min_by_key(|(slot, job)| {
            let gives_way = self.ears[*slot].as_ref().is_some_and(|ear| ear.turn.gives_way());
            (gives_way, job.why, (slot + count - self.next) % count)
        })
    }

    /// Puts work on the desks that are free.
    fn fill_desks(&mut self, slots: &mut Slots<Transcript>) {
        while let Some(desk) = self.desks.iter().position(Option::is_none) {
            let Some((slot, job)) = self.choose(slots) else { return };
            let Some(Ear { turn, .. }) = &self.ears[slot] else { return };
            let sound = turn.sound(&job);
            if sound.len() < LEAST_SAMPLES {
                let silence = Understood { no_speech: 1.0, ..Understood::default() };
                self.settle((slot, job), (silence, Duration::ZERO), slots);
                continue;
            }
            let window = self.window(turn, sound);
            if let Err(error) = self.recognizer.begin(desk, &window.borrowed()) {
                slots.fail(slot, error);
                return;
            }
            let looks = Looks::new(job.why, &window);
            self.desks[desk] =
                Some(AtWork { slot, job, window, looks, began: Instant::now(), steps: 0.0 });
        }
    }

    /// What a step takes of the device, and for whom.
    #[expect(clippy::cast_precision_loss, reason = "a handful of desks")]
    fn demand(&self, busy: usize) -> (Step, Vec<(Claim, f64)>) {
        let amount = busy as f64;
        let claims = self.desks.iter().flatten().filter_map(|at_work| {
            let Ear { turn, party, .. } = self.ears[at_work.slot].as_ref()?;
            let party = if turn.gives_way() { Party::nobody(party.tenant) } else { *party };
            let steps_left = (self.usual_steps - at_work.steps).max(1.0);
            Some((claim(at_work, party), amount * steps_left))
        });
        (Step { kind: 0, amount, pace: self.settings.gpu.then_some(PACE) }, claims.collect())
    }

    fn window(&self, turn: &Turn, sound: &[f32]) -> OwnedWindow {
        OwnedWindow {
            samples: sound.to_vec(),
            language: turn.language().map(str::to_owned),
            prompt: turn.prompt(),
            audio_positions: fit::positions(sound.len(), self.settings.gpu),
            tokens: fit::tokens(sound.len(), turn.style().detail, turn.language()),
            threads: self.settings.threads,
            style: turn.style(),
        }
    }

    /// Takes what came of a desk's window, which may ask for another look.
    #[expect(clippy::cast_precision_loss, reason = "samples of half a minute")]
    fn collect(&mut self, desk: usize, outcome: Outcome, slots: &mut Slots<Transcript>) {
        let Some(mut at_work) = self.desks[desk].take() else { return };
        let AtWork { slot, job, began, .. } = at_work;
        let seen = match outcome {
            Ok(seen) => seen,
            Err(error) => return slots.fail(slot, error),
        };
        match at_work.looks.take(seen, &mut at_work.window) {
            Next::Look => match self.recognizer.begin(desk, &at_work.window.borrowed()) {
                Ok(()) => self.desks[desk] = Some(at_work),
                Err(error) => slots.fail(slot, error),
            },
            Next::Done(None) => {
                if let Some(Ear { turn, .. }) = &mut self.ears[slot] {
                    turn.gave_way();
                }
            }
            Next::Done(Some(understood)) => {
                let worked = began.elapsed();
                tracing::debug!(slot, ?job, ?worked, "window transcribed");
                self.worked = worked;
                self.usual_steps += (at_work.steps - self.usual_steps) * LEARNING;
                self.next = (slot + 1) % self.ears.len();
                let audio_seconds = at_work.window.samples.len() as f64 / f64::from(RATE_HZ);
                slots.used(slot, Use { audio_seconds, ..Use::default() });
                self.settle((slot, job), (understood, worked), slots);
            }
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

    fn party(job: &Listen) -> Party {
        job.options.party
    }

    fn admit(&mut self, slot: SlotId, job: Listen) {
        let Listen { input, options } = job;
        let refused = self.recognizer.check(options.language.as_deref(), options.task).err();
        let turn = Turn::new(&options, self.settings.language.clone());
        self.ears[slot] = Some(Ear { input: Some(input), refused, turn, party: options.party });
    }

    fn step(&mut self, slots: &mut Slots<Transcript>, cx: &mut Context<'_>) -> Progress {
        listen(&mut self.ears, slots, cx);
        answer(&mut self.ears, slots);
        self.fill_desks(slots);
        let busy = self.desks.iter().flatten().count();
        if busy == 0 {
            return Progress::Idle;
        }
        let (step, claims) = self.demand(busy);
        if !slots.may_step(step, &claims) {
            return Progress::Idle;
        }
        slots.stepped(busy);
        let Self { recognizer, ears, desks, .. } = self;
        desks.iter_mut().flatten().for_each(|at_work| at_work.steps += 1.0);
        let mut first = None;
        let mut urgency = |desk: usize| {
            // Once a round: a long step asks again and again.
            if *first.get_or_insert(desk) == desk {
                listen(ears, slots, cx);
                answer(ears, slots);
            }
            urgency_of(desk, desks, ears, slots)
        };
        for (desk, outcome) in recognizer.step(&mut urgency) {
            self.collect(desk, outcome, slots);
        }
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.ears[slot] = None;
        for desk in &mut self.desks {
            desk.take_if(|at_work| at_work.slot == slot);
        }
    }
}

/// For whom a window is worked on, and how soon its text is due.
fn claim(at_work: &AtWork, party: Party) -> Claim {
    let promise = match at_work.job.why {
        // What is worked ahead is the answer to a question that comes any moment.
        Why::Owed | Why::Full | Why::Pause => Promise::FinalTranscript,
        Why::Growth => Promise::PartialTranscript,
    };
    party.claim(Promises::default().due(promise, at_work.began))
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

/// How urgent a desk's work is; `None` when nobody needs it: its reader is gone, the caller goes on
/// speaking, an answer is owed that it does not give, or it holds the last desk from a call to whom one is
/// owed.
fn urgency_of(
    desk: usize,
    desks: &[Option<AtWork>],
    ears: &[Option<Ear>],
    slots: &Slots<Transcript>,
) -> Option<Urgency> {
    let AtWork { slot, job, .. } = desks[desk].as_ref()?;
    slots.active().find(|active| active == slot)?;
    let Ear { turn, .. } = ears[*slot].as_ref()?;
    let is_ahead = matches!(job.why, Why::Pause | Why::Growth);
    let owes_more = is_ahead && turn.owes_work() && !turn.is_served_by(job);
    if turn.has_resumed_since(job) || owes_more {
        return None;
    }
    let gives_way = turn.gives_way();
    if (is_ahead || gives_way) && desks.iter().all(Option::is_some) {
        let is_at_work = |slot| desks.iter().flatten().any(|at_work| at_work.slot == slot);
        let waits = |other: SlotId| {
            let turn = ears[other].as_ref().map(|ear| &ear.turn);
            !is_at_work(other) && turn.is_some_and(|turn| turn.owes_work() && !turn.gives_way())
        };
        if slots.active().any(waits) {
            return None;
        }
    }
    Some(Urgency::from(gives_way) * 4 + job.why as Urgency)
}

#[cfg(test)]
mod tests;
