//! Which copy of a model works on what.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A copy that failed is left alone for so long while others work.
const REST: Duration = Duration::from_secs(10);
/// A conversation moves when its copy has so many more streams than another: reading it again costs less than
/// waiting behind them.
const FAR_MORE: usize = 4;
/// Conversations whose copy is remembered; the oldest is forgotten first, and may then move.
const REMEMBERED: usize = 4_096;

/// What the copies have to do.
#[derive(Debug)]
pub(super) struct Places(Mutex<State>);

#[derive(Debug)]
struct State {
    copies: Vec<Copy>,
    conversations: HashMap<u64, usize>,
    order: VecDeque<u64>,
}

#[derive(Clone, Debug, Default)]
struct Copy {
    streams: usize,
    failed: Option<Instant>,
}

/// A stream's place at a copy, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: usize,
}

impl Places {
    /// Of so many copies.
    pub(super) fn new(copies: usize) -> Self {
        Self(Mutex::new(State {
            copies: vec![Copy::default(); copies],
            conversations: HashMap::new(),
            order: VecDeque::new(),
        }))
    }

    /// Takes a place for a stream, of a conversation if it belongs to one.
    pub(super) fn take(places: &Arc<Self>, conversation: Option<u64>) -> Place {
        let number = places.state().place(conversation, Instant::now());
        Place { places: Arc::clone(places), number }
    }

    /// Held for a few instructions.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The number of the copy.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The copy failed.
    pub(super) fn failed(&self) {
        self.places.state().copies[self.number].failed = Some(Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.state().copies[self.number].streams -= 1;
    }
}

impl State {
    fn place(&mut self, conversation: Option<u64>, now: Instant) -> usize {
        let rests =
            |copy: &Copy| copy.failed.is_some_and(|at| now.saturating_duration_since(at) < REST);
        let wanted = |number: &usize| (rests(&self.copies[*number]), self.copies[*number].streams);
        let best = (0..self.copies.len()).min_by_key(wanted).unwrap_or(0);
        let before = conversation.and_then(|it| self.conversations.get(&it).copied());
        let stays = before.filter(|&number| {
            let (rests, streams) = wanted(&number);
            (!rests || wanted(&best).0) && streams < wanted(&best).1 + FAR_MORE
        });
        let number = stays.unwrap_or(best);
        self.copies[number].streams += 1;
        if let Some(conversation) = conversation {
            self.remember(conversation, number);
        }
        number
    }

    fn remember(&mut self, conversation: u64, number: usize) {
        if self.conversations.insert(conversation, number).is_some() {
            return;
        }
        self.order.push_back(conversation);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.conversations.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(copies: usize) -> Arc<Places> {
        Arc::new(Places::new(copies))
    }

    #[test]
    fn streams_go_where_there_are_fewest_and_leave_their_place() {
        let places = places(3);
        let take = || Places::take(&places, None);
        let mut open: Vec<Place> = (0..6).map(|_| take()).collect();
        assert_eq!(open.iter().map(Place::number).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        open.retain(|place| place.number() != 1);
        assert_eq!([take().number(), take().number()], [1, 1], "each is dropped at once");
    }

    #[test]
    fn a_conversation_stays_until_its_copy_has_far_more_to_do() {
        let places = places(2);
        let first = Places::take(&places, Some(7));
        assert_eq!(first.number(), 0);
        drop(first);
        let others: Vec<Place> = (0..2 * FAR_MORE).map(|_| Places::take(&places, None)).collect();
        assert_eq!(Places::take(&places, Some(7)).number(), 0);
        let at_the_other: Vec<Place> = others.into_iter().filter(|it| it.number() == 0).collect();
        assert_eq!(at_the_other.len(), FAR_MORE);
        assert_eq!(Places::take(&places, Some(7)).number(), 1, "the other has nothing to do");
        drop(at_the_other);
        assert_eq!(Places::take(&places, Some(7)).number(), 1, "and there it stays");
    }

    #[test]
    fn a_copy_that_failed_rests_while_there_is_another() {
        let places = places(2);
        let now = Instant::now();
        Places::take(&places, Some(7)).failed();
        let busy: Vec<Place> = (0..3).map(|_| Places::take(&places, None)).collect();
        assert!(busy.iter().all(|place| place.number() == 1));
        assert_eq!(Places::take(&places, Some(7)).number(), 1, "conversations move too");
        busy[0].failed();
        assert_eq!(Places::take(&places, None).number(), 0, "both failed: the one with fewer");
        assert_eq!(places.state().place(None, now + 2 * REST), 0);
    }

    #[test]
    fn no_more_conversations_are_remembered_than_there_is_room_for() {
        let places = places(1);
        for conversation in 0..2 * REMEMBERED as u64 {
            drop(Places::take(&places, Some(conversation)));
        }
        let state = places.state();
        assert_eq!((state.conversations.len(), state.order.len()), (REMEMBERED, REMEMBERED));
        assert!(state.conversations.contains_key(&(2 * REMEMBERED as u64 - 1)));
    }
}
