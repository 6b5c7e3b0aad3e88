//! What a client plays: sound that came faster than it sounds. Pure.

use std::{collections::VecDeque, time::Duration};

/// Bytes of 20 ms of G.711.
const FRAME: usize = 160;
/// Bytes a millisecond.
const A_MS: u64 = 8;

/// The item being played, and what is left of it.
#[derive(Debug, Default)]
pub(super) struct Playing {
    item: String,
    sound: VecDeque<u8>,
    /// Bytes of the item that were played.
    played: u64,
}

impl Playing {
    /// Takes more sound of an item; another item than before begins anew.
    pub(super) fn add(&mut self, item: &str, sound: &[u8]) {
        if item != self.item {
            item.clone_into(&mut self.item);
            self.played = 0;
        }
        self.sound.extend(sound);
    }

    /// The next 20 ms, or what is left of them; none when there is nothing to play.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let count = self.sound.len().min(FRAME);
        self.played += count as u64;
        (count > 0).then(|| self.sound.drain(..count).collect())
    }

    /// Throws away what was not played; the item and how much of it was heard, if any was left.
    pub(super) fn stop(&mut self) -> Option<(String, Duration)> {
        if self.sound.is_empty() {
            return None;
        }
        self.sound.clear();
        Some((self.item.clone(), Duration::from_millis(self.played / A_MS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_played_in_pieces_of_20_ms_and_what_was_heard_is_known_when_it_stops() {
        let mut playing = Playing::default();
        assert_eq!((playing.next(), playing.stop()), (None, None));
        playing.add("one", &[7; 400]);
        assert_eq!(playing.next(), Some(vec![7; 160]));
        assert_eq!(playing.stop(), Some(("one".to_owned(), Duration::from_millis(20))));
        assert_eq!(playing.next(), None);
        playing.add("two", &[8; 200]);
        let lengths: Vec<_> = std::iter::from_fn(|| playing.next()).map(|s| s.len()).collect();
        assert_eq!(lengths, [160, 40]);
        assert_eq!(playing.stop(), None, "all of it was heard");
    }
}
