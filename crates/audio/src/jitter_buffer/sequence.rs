//! Sequence numbers without their wraps, and which of them have been seen.

/// A number this far ahead of the highest is no loss but another stream (RFC 3550, appendix A.1).
const MAX_DROPOUT: i32 = 3_000;

/// A number this far behind the highest is not reordering (RFC 3550, appendix A.1).
const MAX_MISORDER: i32 = 100;

/// How many numbers behind the highest are remembered: the bits of the history.
const HISTORY: u64 = 128;

/// How far the numbers of a stream have come (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The highest number received, the count of its wraps in the upper half.
    pub highest: u32,
    /// How many packets the sender sent since the first that arrived.
    pub expected: u64,
}

/// The numbers of one stream.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    ssrc: Option<u32>,
    first: Option<u64>,
    highest: Option<u64>,
    /// Bit `n` says that `highest - n` was received.
    history: u128,
    /// The first number that has not been played or given up.
    next: Option<u64>,
    /// The number that would make a leap the start of another stream.
    leap: Option<u16>,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At this number.
    At(u64),
    /// At this number of a new stream.
    Restart(u64),
    /// It was here before.
    Duplicate,
    /// A leap that no second packet has confirmed.
    Stray,
}

/// Leaves room below the first number for packets that were reordered before it.
const BASE: u64 = 1 << 16;

impl Sequence {
    pub(super) fn place(&mut self, ssrc: u32, seq: u16) -> Place {
        let (Some(known), Some(highest)) = (self.ssrc, self.highest) else {
            return Place::At(self.start(ssrc, seq));
        };
        if known != ssrc {
            return Place::Restart(self.start(ssrc, seq));
        }
        let step = i32::from(seq.wrapping_sub(highest as u16) as i16);
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&step) {
            if self.leap == Some(seq) {
                return Place::Restart(self.start(ssrc, seq));
            }
            self.leap = Some(seq.wrapping_add(1));
            return Place::Stray;
        }
        self.leap = None;
        self.note(highest.saturating_add_signed(i64::from(step)))
    }

    /// Whether the number's turn is over.
    pub(super) fn is_past(&self, seq: u64) -> bool {
        self.next.is_some_and(|next| seq < next)
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    pub(super) fn numbers(&self) -> Option<Numbers> {
        let (first, highest) = (self.first?, self.highest?);
        Some(Numbers { highest: (highest - BASE) as u32, expected: highest - first + 1 })
    }

    /// Gives up what is before `seq` without counting it.
    pub(super) fn start_at(&mut self, seq: u64) {
        self.next = Some(seq);
    }

    /// Ends the turn of `seq` and all before it; gives how many before it never had one.
    pub(super) fn pass(&mut self, seq: u64) -> u64 {
        let missing = self.next.map_or(0, |next| seq.saturating_sub(next));
        self.next = Some(seq + 1);
        missing
    }

    fn start(&mut self, ssrc: u32, seq: u16) -> u64 {
        let number = BASE + u64::from(seq);
        let first = Some(number);
        *self =
            Self { ssrc: Some(ssrc), first, highest: first, history: 1, next: None, leap: None };
        number
    }

    fn note(&mut self, number: u64) -> Place {
        let highest = self.highest.unwrap_or(number);
        if number > highest {
            let ahead = number - highest;
            self.history = if ahead < HISTORY { self.history << ahead | 1 } else { 1 };
            self.highest = Some(number);
            return Place::At(number);
        }
        let bit = 1 << (highest - number);
        if self.history & bit != 0 {
            return Place::Duplicate;
        }
        self.history |= bit;
        Place::At(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_wrap() {
        let mut sequence = Sequence::default();
        let first = sequence.place(1, 65_534);
        assert_eq!(first, Place::At(BASE + 65_534));
        assert_eq!(sequence.place(1, 0), Place::At(BASE + 65_536));
        assert_eq!(sequence.place(1, 65_535), Place::At(BASE + 65_535));
        assert_eq!(sequence.numbers(), Some(Numbers { highest: 65_536, expected: 3 }));
    }

    #[test]
    fn a_number_counts_once() {
        let mut sequence = Sequence::default();
        for seq in [10, 12, 11] {
            assert!(matches!(sequence.place(1, seq), Place::At(_)));
        }
        for seq in [10, 11, 12] {
            assert_eq!(sequence.place(1, seq), Place::Duplicate);
        }
    }

    #[test]
    fn one_wild_number_is_a_stray_and_two_in_order_are_a_new_stream() {
        let mut sequence = Sequence::default();
        sequence.place(1, 10);
        assert_eq!(sequence.place(1, 30_000), Place::Stray);
        assert_eq!(sequence.place(1, 11), Place::At(BASE + 11));
        assert_eq!(sequence.place(1, 30_000), Place::Stray);
        assert_eq!(sequence.place(1, 30_001), Place::Restart(BASE + 30_001));
        assert_eq!(sequence.place(1, 30_002), Place::At(BASE + 30_002));
    }

    #[test]
    fn another_sender_is_a_new_stream() {
        let mut sequence = Sequence::default();
        sequence.place(1, 10);
        assert_eq!(sequence.place(2, 11), Place::Restart(BASE + 11));
    }

    #[test]
    fn passing_counts_what_is_missing() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.pass(BASE + 10), 0);
        assert_eq!(sequence.pass(BASE + 11), 0);
        assert_eq!(sequence.pass(BASE + 15), 3);
        assert!(sequence.is_past(BASE + 12));
        assert!(!sequence.is_past(BASE + 16));
    }
}
