//! The client's sound on its way to the session: bounded, in order with what was ordered about it, and
//! paced as if it were live.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use trunkline_audio::{Frame, MediaTime};
use trunkline_session::{Direction, LegInput};

use super::{codec::HEARD_HZ, fault::Fault};

/// Samples of 20 ms.
const FRAME: usize = 320;
/// Sound that may wait, 8 min (15 MB); more is refused with an error event.
const QUEUED: usize = 8 * 60 * HEARD_HZ as usize;
/// Orders that may wait for the sound before them; more are refused with an error event.
const ORDERS: usize = 64;
/// Frames that may be made up for at once, 1 s: the rest of a longer pause is left out.
const MOST_OWED: u32 = 50;
/// Where nobody listens for the ends of turns, sound is taken this many times as fast as it sounds.
const MANUAL_SPEED: u32 = 8;
/// Sound that waits, 200 ms, from which it is taken a quarter faster.
const BACKLOG: usize = 10 * FRAME;
/// A client that has sent nothing for this long is silent; until then more is on its way.
const JITTER: Duration = Duration::from_millis(300);
/// Stretches of silence that are remembered; the oldest ones count for what follows them.
const SILENCES: usize = 256;

/// How fast sound is given to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As it sounds, with silence where the client sends nothing.
    Live,
    /// Faster, without silence: the client says when a turn ends.
    Manual,
}

/// The input audio buffer.
#[derive(Debug)]
pub(crate) struct Ear {
    /// At most [`QUEUED`].
    queue: VecDeque<i16>,
    /// At most [`ORDERS`], each with the sample that it stands before.
    orders: VecDeque<(u64, Direction)>,
    /// Samples that came in, ever.
    appended: u64,
    /// Samples of them that the session got or that were thrown away.
    taken: u64,
    /// Where the session is.
    heard: MediaTime,
    /// Where silence of ours ended, and how much of it there was until then.
    silences: VecDeque<(MediaTime, MediaTime)>,
    /// When the client last sent sound.
    last: Option<Instant>,
    ticks: u32,
    owed: u32,
}

impl Ear {
    pub(crate) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            orders: VecDeque::new(),
            appended: 0,
            taken: 0,
            heard: MediaTime::ZERO,
            silences: VecDeque::new(),
            last: None,
            ticks: 0,
            owed: 0,
        }
    }

    /// Sound came in.
    pub(crate) fn append(&mut self, now: Instant, sound: &[i16]) -> Result<(), Fault> {
        if self.queue.len() + sound.len() > QUEUED {
            let message = "more than 8 minutes of audio are waiting to be heard: \
                           send it as fast as it sounds";
            return Err(Fault::invalid("input_audio_buffer_full", message).at("audio"));
        }
        self.queue.extend(sound);
        self.appended += sound.len() as u64;
        self.last = Some(now);
        Ok(())
    }

    /// An order about the sound that came in so far: given once the session has that.
    pub(crate) fn order(&mut self, direction: Direction) -> Result<(), Fault> {
        if self.orders.len() == ORDERS {
            let message = "too many orders wait for the audio before them";
            return Err(Fault::invalid("input_audio_buffer_full", message));
        }
        // A last frame is filled up with silence.
        let missing = (FRAME - self.queue.len() % FRAME) % FRAME;
        self.queue.extend(std::iter::repeat_n(0, missing));
        self.appended += missing as u64;
        self.orders.push_back((self.appended, direction));
        Ok(())
    }

    /// Whether an order waits for sound.
    pub(crate) fn is_behind(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Throws away what came in after the last order.
    pub(crate) fn clear(&mut self) {
        let keep = self.orders.back().map_or(self.taken, |(at, _)| *at);
        let kept = usize::try_from(keep - self.taken).unwrap_or(usize::MAX);
        self.queue.truncate(kept);
        self.appended = self.taken + self.queue.len() as u64;
    }

    /// 20 ms pass: what the session gets.
    pub(crate) fn tick(&mut self, now: Instant, pace: Pace) -> Vec<LegInput> {
        let mut inputs = Vec::new();
        self.owe(pace);
        while self.owed > 0 {
            self.give_orders(&mut inputs);
            let Some(samples) = self.frame(now, pace) else { break };
            self.owed -= 1;
            let frame = Frame::new(samples, HEARD_HZ, self.heard);
            self.heard = frame.end();
            inputs.push(LegInput::Audio(frame));
        }
        self.give_orders(&mut inputs);
        inputs
    }

    fn owe(&mut self, pace: Pace) {
        self.ticks = self.ticks.wrapping_add(1);
        self.owed = match pace {
            _ if self.last.is_none() => 0,
            Pace::Manual => MANUAL_SPEED,
            Pace::Live => {
                let catch_up = self.queue.len() > BACKLOG && self.ticks.is_multiple_of(4);
                (self.owed + 1 + u32::from(catch_up)).min(MOST_OWED)
            }
        };
    }

    fn give_orders(&mut self, inputs: &mut Vec<LegInput>) {
        while let Some((_, order)) = self.orders.pop_front_if(|(at, _)| *at <= self.taken) {
            inputs.push(LegInput::Directed(order));
        }
    }

    /// The next 20 ms, where there are any.
    fn frame(&mut self, now: Instant, pace: Pace) -> Option<Vec<i16>> {
        let is_silent = self.last.is_some_and(|last| now.saturating_duration_since(last) > JITTER);
        let length = FRAME.min(self.queue.len());
        if length < FRAME && (pace == Pace::Manual || !is_silent) {
            return None;
        }
        let mut samples: Vec<i16> = self.queue.drain(..length).collect();
        self.taken += length as u64;
        if length < FRAME {
            self.note_silence(FRAME - length);
            samples.resize(FRAME, 0);
        }
        Some(samples)
    }

    fn note_silence(&mut self, samples: usize) {
        let frame = MediaTime::from_samples(FRAME as u64, HEARD_HZ);
        let ends = self.heard + frame;
        let silence = MediaTime::from_samples(samples as u64, HEARD_HZ);
        match self.silences.back_mut() {
            Some((end, total)) if *end == self.heard && samples == FRAME => {
                (*end, *total) = (ends, *total + silence);
            }
            last => {
                let before = last.map_or(MediaTime::ZERO, |(_, total)| *total);
                self.silences.push_back((ends, before + silence));
                if self.silences.len() > SILENCES {
                    self.silences.pop_front();
                }
            }
        }
    }

    /// Where `at` is in the client's own sound, ms.
    pub(crate) fn client_ms(&self, at: MediaTime) -> u64 {
        let past = self.silences.iter().rev().find(|(end, _)| *end <= at);
        let under_way = self.silences.iter().find(|(end, _)| *end > at);
        let before = past.map_or(MediaTime::ZERO, |(_, total)| *total);
        // Inside a stretch of silence the client's sound stands still.
        let inside = under_way.map_or(MediaTime::ZERO, |(end, total)| {
            let length = total.since(before);
            length.since(end.since(at))
        });
        at.since(before + inside).to_ms()
    }

    /// Where the session is in the client's own sound, ms.
    pub(crate) fn heard_ms(&self) -> u64 {
        self.client_ms(self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    fn sound(ms: usize) -> Vec<i16> {
        vec![7; ms * 16]
    }

    /// The frames of each of so many ticks, as whether they sound; orders are `!`.
    fn ticks(ear: &mut Ear, now: &mut Instant, count: u32, pace: Pace) -> String {
        let mut seen = String::new();
        for _ in 0..count {
            *now += TICK;
            for input in ear.tick(*now, pace) {
                let is_loud = |frame: &Frame| frame.samples()[0] == 7;
                seen.push(if let LegInput::Audio(frame) = &input {
                    if is_loud(frame) { '#' } else { '.' }
                } else {
                    '!'
                });
            }
            seen.push('|');
        }
        seen
    }

    #[test]
    fn nothing_is_heard_before_the_client_sends_something() {
        let mut now = Instant::now();
        assert_eq!(ticks(&mut Ear::new(), &mut now, 3, Pace::Live), "|||");
    }

    #[test]
    fn a_whole_file_is_heard_as_it_sounds_or_a_little_faster() {
        let (mut ear, mut now) = (Ear::new(), Instant::now());
        ear.append(now, &sound(60)).unwrap();
        assert_eq!(ticks(&mut ear, &mut now, 3, Pace::Live), "#|#|#|");
        ear.append(now, &sound(10_000)).unwrap();
        let heard = ticks(&mut ear, &mut now, 100, Pace::Live).matches('#').count();
        assert_eq!(heard, 125);
    }

    #[test]
    fn late_sound_is_made_up_for() {
        let (mut ear, mut now) = (Ear::new(), Instant::now());
        ear.append(now, &sound(20)).unwrap();
        assert_eq!(ticks(&mut ear, &mut now, 4, Pace::Live), "#||||");
        ear.append(now, &sound(80)).unwrap();
        assert_eq!(ticks(&mut ear, &mut now, 1, Pace::Live), "####|");
    }

    #[test]
    fn a_client_that_stops_sending_is_silent_and_its_own_sound_stands_still() {
        let (mut ear, mut now) = (Ear::new(), Instant::now());
        ear.append(now, &sound(110)).unwrap();
        ticks(&mut ear, &mut now, 15, Pace::Live);
        assert_eq!(ear.heard_ms(), 100);
        assert_eq!(ticks(&mut ear, &mut now, 1, Pace::Live), "#..........|");
        ticks(&mut ear, &mut now, 84, Pace::Live);
        assert_eq!(ear.heard_ms(), 110);
        ear.append(now, &sound(40)).unwrap();
        assert_eq!(ticks(&mut ear, &mut now, 2, Pace::Live), "#|#|");
        assert_eq!(ear.heard_ms(), 150);
        assert_eq!(ear.client_ms(MediaTime::from_ms(60)), 60);
        assert_eq!(ear.client_ms(MediaTime::from_ms(1000)), 110);
    }

    #[test]
    fn an_order_waits_for_the_sound_before_it() {
        let (mut ear, mut now) = (Ear::new(), Instant::now());
        ear.append(now, &sound(170)).unwrap();
        ear.order(Direction::CommitTurn).unwrap();
        ear.append(now, &sound(20)).unwrap();
        assert!(ear.is_behind());
        assert_eq!(ticks(&mut ear, &mut now, 2, Pace::Manual), "########|#!#|");
        assert!(!ear.is_behind());
        ear.order(Direction::CommitTurn).unwrap();
        assert_eq!(ticks(&mut ear, &mut now, 1, Pace::Manual), "!|");
    }

    #[test]
    fn what_is_cleared_is_not_heard_but_what_was_committed_is() {
        let (mut ear, mut now) = (Ear::new(), Instant::now());
        ear.append(now, &sound(20)).unwrap();
        ear.order(Direction::CommitTurn).unwrap();
        ear.append(now, &sound(500)).unwrap();
        ear.clear();
        assert_eq!(ticks(&mut ear, &mut now, 2, Pace::Manual), "#!||");
        ear.append(now, &sound(500)).unwrap();
        ear.clear();
        assert_eq!(ticks(&mut ear, &mut now, 2, Pace::Manual), "||");
    }

    #[test]
    fn more_than_fits_is_refused() {
        let mut ear = Ear::new();
        ear.append(Instant::now(), &vec![0; QUEUED]).unwrap();
        assert!(ear.append(Instant::now(), &[0]).is_err());
        assert!((0..ORDERS).all(|_| ear.order(Direction::CommitTurn).is_ok()));
        assert!(ear.order(Direction::CommitTurn).is_err());
    }
}
