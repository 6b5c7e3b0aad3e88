//! The lane engine of a voice: always says the stretch whose listener runs dry first, and with it, where
//! that costs little time, those of others that run dry soon.

use std::{
    collections::HashMap,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use trunkline_audio::Resampler;
use trunkline_inference::{
    ClauseStream, Engine, ModelError, Party, Progress, SlotId, Slots, SpeechPiece, Voice,
    schedule::{Claim, Step, Use},
};

use super::{
    Begun, SLOTS, SPOKEN_HZ, Synthesizer,
    part::{Outlet, PartVoice},
    speaker::Speaker,
    together::{Together, worthwhile},
};

/// What to say and how.
pub(crate) struct Utterance {
    /// The clauses as they come.
    pub(crate) clauses: ClauseStream,
    /// The voice.
    pub(crate) voice: Voice,
    /// For whom.
    pub(crate) party: Party,
}

/// Said once at start, so that the first caller meets a warm model whose loudness is known.
const WARM_UP: &str = "Good morning, how may I help you?";
/// A reply whose listener has this much more sound in hand than the one who runs dry first waits for
/// a step of its own.
const AHEAD: Duration = Duration::from_secs(1);
/// How far one part moves the loudness that is expected of its voice.
const LEARNING: f32 = 0.2;
/// So often stretches are spoken where several are at a time: they sound for longer.
const PACE: Duration = Duration::from_millis(250);

/// Many replies, one voice model.
pub(crate) struct VoiceEngine<S: Synthesizer> {
    model: S,
    seats: Vec<Option<Seat<S::Part>>>,
    /// One to copy: its filter takes longer to make than a frame to say.
    resampler: Resampler,
    /// How loud each voice is, by its name; one entry a voice.
    loudness: HashMap<String, f32>,
    together: Together,
}

/// A reply and the part of it that is being said.
struct Seat<P> {
    speaker: Speaker,
    part: Option<PartVoice<P>>,
}

impl<S: Synthesizer> VoiceEngine<S> {
    /// Makes an engine that speaks with `model`.
    pub(crate) fn new(model: S) -> Self {
        let resampler = Resampler::new(model.rate_hz(), SPOKEN_HZ);
        let seats = (0..SLOTS).map(|_| None).collect();
        Self { model, seats, resampler, loudness: HashMap::new(), together: Together::default() }
    }

    /// Says a sentence to nobody, and finds out how many replies are best spoken together.
    pub(crate) fn warm_up(&mut self) -> Result<(), ModelError> {
        let voice = Voice::default();
        for _ in 0..2 {
            let begun = self.model.begin(WARM_UP, &voice)?;
            let mut part = self.part(WARM_UP.to_owned(), begun, &voice);
            while let Some(sound) = self.model.next(part.begun_mut())? {
                part.push(&sound);
            }
            let (_, loudness) = part.end();
            self.learn(&voice.name, loudness);
        }
        let most = self.model.most_together();
        self.together = Together {
            begin: worthwhile(most, |count| self.time_together(count).map(|(begin, _)| begin))?,
            next: worthwhile(most, |count| self.time_together(count).map(|(_, next)| next))?,
        };
        tracing::debug!(begin = self.together.begin, next = self.together.next, "parts at a step");
        Ok(())
    }

    /// How long it takes to begin `count` equal parts, and to say the first stretch of each.
    fn time_together(&mut self, count: usize) -> Result<(Duration, Duration), ModelError> {
        let voice = Voice::default();
        let start = Instant::now();
        let begun = self.model.begin_together(&vec![(WARM_UP, &voice); count]);
        let mut parts = begun.into_iter().collect::<Result<Vec<_>, _>>()?;
        let beginning = start.elapsed();
        if let [alone] = &mut parts[..] {
            self.model.next(&mut alone.part)?;
        } else {
            let mut parts: Vec<_> = parts.iter_mut().map(|begun| &mut begun.part).collect();
            self.model.next_together(&mut parts)?;
        }
        Ok((beginning, start.elapsed().saturating_sub(beginning)))
    }

    fn part(&self, text: String, begun: Begun<S::Part>, voice: &Voice) -> PartVoice<S::Part> {
        let loudness = self.loudness.get(&voice.name).copied();
        let outlet = Outlet { resampler: self.resampler.clone(), loudness };
        PartVoice::new(text, begun, self.model.rate_hz(), outlet)
    }

    fn learn(&mut self, voice: &str, loudness: Option<f32>) {
        let Some(loudness) = loudness else { return };
        let known = self.loudness.entry(voice.to_owned()).or_insert(loudness);
        *known += (loudness - *known) * LEARNING;
    }

    /// The speaker who has something to say and whose listener runs dry first, those without a listener last, and those
    /// that are spoken at one go with it.
    fn crew(&self, active: &[SlotId], now: Instant) -> Vec<SlotId> {
        let turn = |&slot: &SlotId| {
            let speaker = &self.seats[slot].as_ref()?.speaker;
            Some((!speaker.has_listener(), speaker.deadline()?, slot))
        };
        let mut waiting: Vec<_> = active.iter().filter_map(turn).collect();
        waiting.sort_unstable();
        let Some(&(_, dry_at, leader)) = waiting.first() else { return Vec::new() };
        let Some(leading) = &self.seats[leader] else { return Vec::new() };
        let most = if leading.part.is_some() { self.together.next } else { self.together.begin };
        let latest = dry_at.max(now) + AHEAD;
        let joins = |&(_, dry_at, slot): &(bool, Instant, SlotId)| {
            let seat = self.seats[slot].as_ref()?;
            (dry_at <= latest && self.goes_with(seat, leading)).then_some(slot)
        };
        let others = waiting.iter().skip(1).filter_map(joins).take(most - 1);
        std::iter::once(leader).chain(others).collect()
    }

    /// Whether what is to be done for `seat` can be done at one go with what is to be done for
    /// `leader`, without making that much longer.
    fn goes_with(&self, seat: &Seat<S::Part>, leader: &Seat<S::Part>) -> bool {
        match (&seat.part, &leader.part) {
            (Some(part), Some(leader)) => self.model.goes_with(part.begun(), leader.begun()),
            (None, None) => {
                let (speaker, leader) = (&seat.speaker, &leader.speaker);
                let is_as_fast = speaker.voice().speed.to_bits() == leader.voice().speed.to_bits();
                is_as_fast && speaker.next_len() <= leader.next_len()
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// What the crew's step takes of the device, and for whom.
    fn demand(&self, crew: &[SlotId]) -> (Step, Vec<(Claim, f64)>) {
        let seats = || crew.iter().filter_map(|&slot| self.seats[slot].as_ref());
        let begins = seats().all(|seat| seat.part.is_none());
        let work = |seat: &Seat<S::Part>| match &seat.part {
            Some(part) => self.model.work(part.begun()),
            None => seat.speaker.next_len().unwrap_or_default() as f64,
        };
        let amount: f64 = seats().map(work).sum();
        // Who begins is heard one step later.
        let left = if begins { 2.0 * amount } else { amount };
        let claims = seats().map(|seat| (seat.speaker.claim(), left)).collect();
        let together = if begins { self.together.begin } else { self.together.next };
        (Step { kind: u8::from(begins), amount, pace: (together > 1).then_some(PACE) }, claims)
    }

    /// Says the next stretch of each slot's reply, or begins the next part of each.
    fn speak(&mut self, crew: &[SlotId], now: Instant) {
        let part = |&slot: &SlotId| Some((slot, self.seats[slot].as_mut()?.part.take()?));
        let parts: Vec<_> = crew.iter().filter_map(part).collect();
        if parts.is_empty() { self.begin(crew) } else { self.advance(parts, now) }
    }

    fn begin(&mut self, crew: &[SlotId]) {
        let mut lines = Vec::with_capacity(crew.len());
        for &slot in crew {
            let Some(seat) = &mut self.seats[slot] else { continue };
            let Some(text) = seat.speaker.next_part() else { continue };
            lines.push((slot, text, seat.speaker.voice().clone()));
        }
        let begun = match &lines[..] {
            [(_, text, voice)] => vec![self.model.begin(text, voice)],
            lines => {
                let lines: Vec<_> = lines.iter().map(|(_, text, v)| (text.as_str(), v)).collect();
                self.model.begin_together(&lines)
            }
        };
        let listened = self.seats.iter().flatten().filter(|seat| seat.speaker.has_listener());
        let has_company = listened.count() > 1;
        for ((slot, text, voice), begun) in lines.into_iter().zip(begun) {
            let begun = begun.map(|mut begun| {
                if has_company {
                    self.model.lengthen(&mut begun.part);
                }
                self.part(text, begun, &voice)
            });
            let Some(seat) = &mut self.seats[slot] else { continue };
            match begun {
                Ok(part) => seat.part = Some(part),
                Err(error) => seat.speaker.failed(error),
            }
        }
    }

    fn advance(&mut self, mut parts: Vec<(SlotId, PartVoice<S::Part>)>, now: Instant) {
        let mut begun: Vec<_> = parts.iter_mut().map(|(_, part)| part.begun_mut()).collect();
        let sounds = match &mut begun[..] {
            [alone] => self.model.next(alone).map(|sound| vec![sound]),
            begun => self.model.next_together(begun).map(|s| s.into_iter().map(Some).collect()),
        };
        match sounds {
            Ok(sounds) => {
                for ((slot, part), sound) in parts.into_iter().zip(sounds) {
                    self.take(slot, part, sound.as_deref(), now);
                }
            }
            Err(error) => {
                for (slot, _) in parts {
                    let Some(seat) = &mut self.seats[slot] else { continue };
                    seat.speaker.failed(error.clone());
                }
            }
        }
    }

    /// Takes the next stretch of a slot's part, or its end.
    fn take(
        &mut self,
        slot: SlotId,
        mut part: PartVoice<S::Part>,
        sound: Option<&[f32]>,
        now: Instant,
    ) {
        let Some(seat) = &mut self.seats[slot] else { return };
        if let Some(sound) = sound {
            part.push(sound);
            seat.speaker.heard(&part.take_samples(), now);
            seat.part = Some(part);
            return;
        }
        let (spoken, loudness) = part.end();
        seat.speaker.heard(&spoken.samples, now);
        seat.speaker.end_part(spoken.words);
        let name = seat.speaker.voice().name.clone();
        self.learn(&name, loudness);
    }
}

impl<S: Synthesizer> Engine for VoiceEngine<S> {
    type Job = Utterance;
    type Piece = SpeechPiece;

    fn slots(&self) -> usize {
        self.seats.len()
    }

    fn party(job: &Utterance) -> Party {
        job.party
    }

    fn admit(&mut self, slot: SlotId, job: Utterance) {
        let Utterance { clauses, voice, party } = job;
        let speaker = Speaker::new(clauses, voice, Instant::now()).to(party);
        self.seats[slot] = Some(Seat { speaker, part: None });
    }

    fn step(&mut self, slots: &mut Slots<SpeechPiece>, waker: &mut Context<'_>) -> Progress {
        let active: Vec<SlotId> = slots.active().collect();
        let now = Instant::now();
        for &slot in &active {
            let Some(seat) = &mut self.seats[slot] else { continue };
            seat.speaker.listen(now, waker);
            hand_over(slot, &mut seat.speaker, slots);
        }
        let crew = self.crew(&active, now);
        if crew.is_empty() {
            return Progress::Idle;
        }
        let (step, claims) = self.demand(&crew);
        if !slots.may_step(step, &claims) {
            return Progress::Idle;
        }
        slots.stepped(crew.len());
        self.speak(&crew, now);
        for slot in crew {
            if let Some(seat) = &mut self.seats[slot] {
                let audio_seconds = seat.speaker.take_said().as_secs_f64();
                slots.used(slot, Use { audio_seconds, ..Use::default() });
                hand_over(slot, &mut seat.speaker, slots);
            }
        }
        Progress::More
    }

    fn release(&mut self, slot: SlotId) {
        self.seats[slot] = None;
    }
}

/// Gives the slot's reader what it has room for.
fn hand_over(slot: SlotId, speaker: &mut Speaker, slots: &mut Slots<SpeechPiece>) {
    while slots.has_room(slot, 1) {
        match speaker.take() {
            Poll::Ready(Some(Ok(piece))) => slots.emit(slot, piece),
            Poll::Ready(Some(Err(error))) => return slots.fail(slot, error),
            Poll::Ready(None) => return slots.finish(slot),
            Poll::Pending => return,
        }
    }
}

#[cfg(test)]
mod company_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod tests;
