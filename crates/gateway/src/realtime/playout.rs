//! Where the caller is in the sound that was sent: as if it played without a break from its arrival.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use trunkline_session::{LegInput, Overrun, leg::Mark};

/// Marks that may wait. One more is an overrun: no reply has so many clauses.
const MARKS: usize = 4_096;

/// The clock of a player that is somewhere else. Pure: `now` is an argument.
#[derive(Debug)]
pub(crate) struct FarPlayout {
    /// When all that was sent has been played.
    ends: Instant,
    /// How much was sent since the last flush.
    sent: Duration,
    /// Marks by how much was sent before them.
    marks: VecDeque<(Duration, Mark)>,
    last: Option<(Duration, Mark)>,
}

impl FarPlayout {
    pub(crate) fn new(now: Instant) -> Self {
        Self { ends: now, sent: Duration::ZERO, marks: VecDeque::new(), last: None }
    }

    /// Sound leaves for the player; true when it begins to play.
    pub(crate) fn push(&mut self, now: Instant, sound: Duration) -> bool {
        let begins = self.ends <= now;
        self.ends = self.ends.max(now) + sound;
        self.sent += sound;
        begins
    }

    /// A mark behind what was sent.
    pub(crate) fn mark(&mut self, mark: Mark) -> Result<(), Overrun> {
        if self.marks.len() >= MARKS {
            return Err(Overrun);
        }
        self.marks.push_back((self.sent, mark));
        Ok(())
    }

    /// The next mark that was played by `now`.
    pub(crate) fn played(&mut self, now: Instant) -> Option<Mark> {
        let played = self.heard(now);
        let (at, mark) = self.marks.pop_front_if(|(at, _)| *at <= played)?;
        self.last = Some((at, mark));
        Some(mark)
    }

    /// The player throws away what it has.
    pub(crate) fn flush(&mut self, now: Instant) -> LegInput {
        while self.played(now).is_some() {}
        let after = self.last.map_or(Duration::ZERO, |(at, _)| at);
        let since_mark = self.heard(now).saturating_sub(after);
        let last = self.last.take().map(|(_, mark)| mark);
        *self = Self::new(now);
        LegInput::Flushed { last, since_mark }
    }

    /// Whether everything was played.
    pub(crate) fn is_empty(&self, now: Instant) -> bool {
        self.ends <= now && self.marks.is_empty()
    }

    fn heard(&self, now: Instant) -> Duration {
        self.sent.saturating_sub(self.ends.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use trunkline_session::leg::ReplyId;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn mark(clause: u32) -> Mark {
        Mark { reply: ReplyId(1), clause }
    }

    #[test]
    fn a_mark_is_played_when_the_sound_before_it_has_had_its_time() {
        let start = Instant::now();
        let mut playout = FarPlayout::new(start);
        assert!(playout.push(start, 500 * MS));
        playout.mark(mark(0)).unwrap();
        assert!(!playout.push(start + MS, 500 * MS), "it plays already");
        playout.mark(mark(1)).unwrap();
        assert_eq!(playout.played(start + 499 * MS), None);
        assert_eq!(playout.played(start + 500 * MS), Some(mark(0)));
        assert!(!playout.is_empty(start + 999 * MS));
        assert_eq!(playout.played(start + 1000 * MS), Some(mark(1)));
        assert!(playout.is_empty(start + 1000 * MS));
        assert!(playout.push(start + 3000 * MS, 100 * MS), "after silence it begins anew");
        playout.mark(mark(2)).unwrap();
        assert_eq!(playout.played(start + 3099 * MS), None);
        assert_eq!(playout.played(start + 3100 * MS), Some(mark(2)));
    }

    #[test]
    fn a_flush_tells_the_last_mark_and_how_much_was_heard_after_it() {
        let start = Instant::now();
        let mut playout = FarPlayout::new(start);
        playout.push(start, 300 * MS);
        playout.mark(mark(0)).unwrap();
        playout.push(start, 700 * MS);
        playout.mark(mark(1)).unwrap();
        let LegInput::Flushed { last, since_mark } = playout.flush(start + 450 * MS) else {
            panic!("a flush is answered by what was flushed")
        };
        assert_eq!((last, since_mark), (Some(mark(0)), 150 * MS));
        assert!(playout.is_empty(start + 450 * MS));
        let LegInput::Flushed { last, since_mark } = playout.flush(start + 500 * MS) else {
            panic!("a flush is answered by what was flushed")
        };
        assert_eq!((last, since_mark), (None, Duration::ZERO));
    }

    #[test]
    fn more_marks_than_a_reply_has_are_an_overrun() {
        let mut playout = FarPlayout::new(Instant::now());
        assert!((0..MARKS).all(|_| playout.mark(mark(0)).is_ok()));
        assert_eq!(playout.mark(mark(0)), Err(Overrun));
    }
}
