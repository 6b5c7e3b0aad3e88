//! When a reply may begin to sound, so that nothing is missing after its first words.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep_until};
use trunkline_inference::Clause;

/// How long a letter sounds.
const LETTER_SOUNDS: Duration = Duration::from_millis(65);
/// Pieces of text of a clause that is not the first, with the one that tells its end.
const NEXT_CLAUSE: u32 = 12;
/// Nobody waits longer for a reply so that its second clause is not late.
const MOST_HELD: Duration = Duration::from_millis(250);

/// What is known of a reply's beginning.
#[derive(Debug, Default)]
pub(super) struct Outset {
    first: OnceLock<First>,
    /// The second clause is there, or there is none.
    is_safe: OnceLock<()>,
    became_safe: Notify,
}

/// The first clause.
#[derive(Clone, Copy, Debug)]
struct First {
    is_short: bool,
    sounds: Duration,
    /// How long each piece of its text took.
    a_piece: Duration,
}

impl Outset {
    /// A clause is there: of `pieces` of text, in the time since the first of them.
    pub(super) fn cut(&self, clause: &Clause, pieces: u32, took: Duration) {
        let letters = u32::try_from(clause.speakable.len()).unwrap_or(u32::MAX);
        let sounds = LETTER_SOUNDS.saturating_mul(letters);
        let a_piece = took / pieces.saturating_sub(1).max(1);
        let first = First { is_short: clause.is_short(), sounds, a_piece };
        if self.first.set(first).is_err() {
            self.is_safe();
        }
    }

    /// Nothing will be missing.
    pub(super) fn is_safe(&self) {
        if self.is_safe.set(()).is_ok() {
            self.became_safe.notify_one();
        }
    }

    /// How long after its first sound is ready the reply waits at most. Of a short clause the second is made while the
    /// voice makes the first: as fast as the first was written, and then spoken as soon as that was.
    fn held(&self) -> Duration {
        let Some(first) = self.first.get().filter(|first| first.is_short) else {
            return Duration::ZERO;
        };
        (first.a_piece * NEXT_CLAUSE).saturating_sub(first.sounds).min(MOST_HELD)
    }

    /// Waits until the reply that was ready at `ready` may begin. Cancel-safe.
    pub(super) async fn reached(&self, ready: Instant) {
        let held = self.held();
        if held.is_zero() || self.is_safe.get().is_some() {
            return;
        }
        tokio::select! {
            () = sleep_until((ready + held).into()) => {}
            () = self.became_safe.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::now;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn begun(text: &str, took: Duration) -> Outset {
        let outset = Outset::default();
        outset.cut(&Clause { text: text.into(), speakable: text.into() }, 3, took);
        outset
    }

    async fn waited(outset: &Outset) -> Duration {
        let began = now();
        outset.reached(began).await;
        now() - began
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_beginning_waits_as_long_as_what_follows_would_be_late() {
        assert_eq!(waited(&begun("Sure.", MS(40))).await, Duration::ZERO, "12 x 20 < 5 x 65 ms");
        assert_eq!(waited(&begun("Sure.", MS(80))).await, MS(12 * 40 - 5 * 65));
        assert_eq!(waited(&begun("Sure.", MS(800))).await, MOST_HELD);
        assert_eq!(waited(&begun("We open at nine o'clock.", MS(800))).await, Duration::ZERO);
        assert_eq!(waited(&Outset::default()).await, Duration::ZERO, "a written reply");
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_ends_the_wait() {
        let outset = begun("Sure.", MS(800));
        let (took, ()) = tokio::join!(waited(&outset), async {
            tokio::time::sleep(MS(100)).await;
            outset.is_safe();
        });
        assert_eq!(took, MS(100));
        assert_eq!(waited(&outset).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_was_ready_for_long_begins_at_once() {
        let outset = begun("Sure.", MS(800));
        let ready = now();
        tokio::time::sleep(MS(400)).await;
        outset.reached(ready).await;
        assert_eq!(now(), ready + MS(400));
    }
}
