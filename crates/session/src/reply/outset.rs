//! When a reply may begin to sound, so that nothing is missing after its first words.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep_until};
use trunkline_inference::Clause;

/// How long a letter sounds; a syllable sign has three bytes, and sounds as long as three letters.
const BYTE_SOUNDS: Duration = Duration::from_millis(65);
/// Pieces of text of a clause that is not the first, with the one that tells its end, twice over: others may
/// begin to write meanwhile, and the wait ends when the clause is there.
const NEXT_CLAUSE: u32 = 24;
/// Nobody waits longer for a reply so that its second clause is not late.
const MOST_HELD: Duration = Duration::from_millis(250);

/// How long a reply is held back so that its second clause is not late.
#[derive(Debug, Default)]
pub(super) struct Outset {
    /// Known with the first clause.
    held: OnceLock<Duration>,
    /// The second clause is there, or there is none.
    assured: Notify,
}

impl Outset {
    /// A clause is there: of `pieces` of text, in the time since the first of them.
    pub(super) fn cut(&self, clause: &Clause, pieces: u32, took: Duration) {
        if self.held.set(held(clause, pieces, took)).is_err() {
            self.assure();
        }
    }

    /// Nothing will be missing.
    pub(super) fn assure(&self) {
        self.assured.notify_one();
    }

    /// Waits until the reply that was ready at `ready` may begin. Cancel-safe; once it may, it is not asked again.
    pub(super) async fn reached(&self, ready: Instant) {
        let Some(&held) = self.held.get().filter(|held| !held.is_zero()) else { return };
        tokio::select! {
            () = sleep_until((ready + held).into()) => {}
            () = self.assured.notified() => {}
        }
    }
}

/// By how much the clause that follows `first` would be late: of a short one it is made while the voice makes the first,
/// as fast as that was written, and then spoken as soon as that was.
fn held(first: &Clause, pieces: u32, took: Duration) -> Duration {
    if !first.is_short() {
        return Duration::ZERO;
    }
    let bytes = u32::try_from(first.speakable.len()).unwrap_or(u32::MAX);
    let a_piece = took / pieces.saturating_sub(1).max(1);
    (a_piece * NEXT_CLAUSE).saturating_sub(BYTE_SOUNDS.saturating_mul(bytes)).min(MOST_HELD)
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
        assert_eq!(waited(&begun("Sure.", MS(26))).await, Duration::ZERO, "24 x 13 < 5 x 65 ms");
        assert_eq!(waited(&begun("Sure.", MS(40))).await, MS(24 * 20 - 5 * 65));
        assert_eq!(waited(&begun("Sure.", MS(800))).await, MOST_HELD);
        assert_eq!(waited(&begun("We open at nine o'clock.", MS(800))).await, Duration::ZERO);
        assert_eq!(waited(&Outset::default()).await, Duration::ZERO, "a written reply");
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_ends_the_wait() {
        let outset = begun("Sure.", MS(800));
        let (took, ()) = tokio::join!(waited(&outset), async {
            tokio::time::sleep(MS(100)).await;
            outset.assure();
        });
        assert_eq!(took, MS(100));
        let outset = begun("Sure.", MS(800));
        outset.cut(&Clause { text: "It is.".into(), speakable: "It is.".into() }, 6, MS(900));
        assert_eq!(waited(&outset).await, Duration::ZERO, "it was there before");
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
