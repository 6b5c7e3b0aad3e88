//! One call's ear: its frames, the window it is collecting, and what the network remembers of it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::Stream;
use trunkline_audio::{Frame, MediaTime};

use super::{
    RATE_HZ,
    batch::{Batch, CONTEXT, ROW, STATE, WINDOW},
};

/// Frames at 16 kHz.
pub(crate) type Hearing = Pin<Box<dyn Stream<Item = Frame> + Send>>;

/// What an ear has for the next run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A whole window.
    Window,
    /// Less than a window; the stream wakes the lane when there is more.
    Waiting,
    /// Less than a window, and nothing will follow.
    Ended,
    /// A frame of this rate, which the network cannot take.
    WrongRate(u32),
}

/// One call's ear.
pub(crate) struct Ear {
    audio: Hearing,
    ended: bool,
    /// Context first, then what has been heard since.
    sound: Vec<f32>,
    /// Where `sound` ends in the stream.
    end: MediaTime,
    state: [f32; 2 * STATE],
    /// Windows since it last had to wait for sound.
    unwaited: u32,
}

impl Ear {
    /// Begins to listen.
    pub(crate) fn new(audio: Hearing) -> Self {
        let mut sound = Vec::with_capacity(2 * ROW);
        sound.resize(CONTEXT, 0.0);
        Self {
            audio,
            ended: false,
            sound,
            end: MediaTime::ZERO,
            state: [0.0; 2 * STATE],
            unwaited: 0,
        }
    }

    /// Takes frames until there is a window.
    pub(crate) fn listen(&mut self, waker: &mut Context<'_>) -> Heard {
        while self.sound.len() < ROW {
            if self.ended {
                return Heard::Ended;
            }
            match self.audio.as_mut().poll_next(waker) {
                Poll::Pending => {
                    self.unwaited = 0;
                    return Heard::Waiting;
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Ready(Some(frame)) if frame.rate_hz() != RATE_HZ => {
                    return Heard::WrongRate(frame.rate_hz());
                }
                Poll::Ready(Some(frame)) => {
                    self.end = frame.end();
                    self.sound.extend(frame.samples().iter().map(|&s| f32::from(s) / 32768.0));
                }
            }
        }
        Heard::Window
    }

    /// Puts the window into `batch` as the row of `slot`.
    pub(crate) fn fill(&self, slot: usize, batch: &mut Batch) {
        batch.put(slot, &self.sound[..ROW], &self.state);
    }

    /// Whether more sound waits for it than comes in the meantime: a file's, or what came late. Of live sound two windows
    /// may be whole in runs that follow each other, not three.
    pub(crate) fn is_behind(&self) -> bool {
        self.unwaited > 2
    }

    /// Keeps the state after the window, forgets its samples, and tells where it ended.
    pub(crate) fn advance(&mut self, state: &[f32]) -> MediaTime {
        self.unwaited = self.unwaited.saturating_add(1);
        self.state.copy_from_slice(state);
        self.sound.copy_within(WINDOW.., 0);
        self.sound.truncate(self.sound.len() - WINDOW);
        let unheard = (self.sound.len() - CONTEXT) as u64;
        self.end.since(MediaTime::from_samples(unheard, RATE_HZ))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures::stream;

    use super::*;
    use crate::testbed;

    fn ear(samples: &[i16], rate_hz: u32) -> Ear {
        Ear::new(Box::pin(stream::iter(testbed::frames(samples, rate_hz))))
    }

    #[test]
    fn windows_follow_each_other_with_the_end_of_the_last_as_context() {
        let samples: Vec<i16> = (0..1600).collect();
        let mut ear = ear(&samples, 16_000);
        let mut waker = Context::from_waker(Waker::noop());
        let mut ends = Vec::new();
        let mut batch = Batch::new(1);
        while ear.listen(&mut waker) == Heard::Window {
            batch.clear();
            ear.fill(0, &mut batch);
            let first = samples[ends.len() * WINDOW];
            assert_eq!(batch.sound()[CONTEXT], f32::from(first) / 32768.0);
            let before = if first == 0 { 0 } else { first - 1 };
            assert_eq!(batch.sound()[CONTEXT - 1], f32::from(before) / 32768.0);
            ends.push(ear.advance(&[0.0; 2 * STATE]).to_ms());
        }
        assert_eq!(ends, [32, 64, 96]);
        assert_eq!(ear.listen(&mut waker), Heard::Ended);
    }

    #[test]
    fn after_a_gap_windows_end_where_the_frames_say() {
        let early = Frame::new(vec![1; 480], 16_000, MediaTime::ZERO);
        let late = Frame::new(vec![1; 320], 16_000, MediaTime::from_ms(1000));
        let mut ear = Ear::new(Box::pin(stream::iter([early, late])));
        assert_eq!(ear.listen(&mut Context::from_waker(Waker::noop())), Heard::Window);
        assert_eq!(ear.advance(&[0.0; 2 * STATE]).to_ms(), 1002);
    }

    #[test]
    fn sound_at_a_telephone_rate_is_refused() {
        let mut ear = ear(&[0; 160], 8_000);
        assert_eq!(ear.listen(&mut Context::from_waker(Waker::noop())), Heard::WrongRate(8_000));
    }

    #[test]
    fn an_ear_is_behind_while_it_has_more_than_comes_in_live() {
        let (mut waker, silence) = (Context::from_waker(Waker::noop()), [0.0; 2 * STATE]);
        let mut hear = |ear: &mut Ear| {
            while ear.listen(&mut waker) == Heard::Window {
                ear.advance(&silence);
            }
            ear.is_behind()
        };
        let mut file = ear(&[0; 512 * 3], RATE_HZ);
        assert!(hear(&mut file));
        let (frames, wire) = futures::channel::mpsc::unbounded();
        let mut live = Ear::new(Box::pin(wire));
        for frame in testbed::frames(&vec![0; 320 * 50], RATE_HZ) {
            frames.unbounded_send(frame).unwrap();
            assert!(!hear(&mut live));
        }
        for frame in testbed::frames(&[0; 320 * 5], RATE_HZ) {
            frames.unbounded_send(frame).unwrap();
        }
        assert!(!hear(&mut live), "it has caught up");
    }

    #[test]
    fn silence_on_the_wire_waits() {
        let mut ear = Ear::new(Box::pin(stream::pending()));
        assert_eq!(ear.listen(&mut Context::from_waker(Waker::noop())), Heard::Waiting);
    }
}
