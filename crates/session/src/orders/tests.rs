//! What the orders promise.

use futures::FutureExt;
use trunkline_inference::ReplyPiece;

use super::*;
use crate::{Agent, LegInput, LegOutput};

/// Remembers what it is told.
#[derive(Default)]
struct Ear(Vec<News>);

impl Leg for Ear {
    async fn recv(&mut self) -> LegInput {
        std::future::pending().await
    }

    fn send(&mut self, _: LegOutput) -> Result<(), Overrun> {
        Ok(())
    }

    fn tell(&mut self, news: News) -> Result<(), Overrun> {
        self.0.push(news);
        Ok(())
    }
}

fn pieces(texts: &[&str]) -> ReplyStream {
    let pieces: Vec<_> = texts.iter().map(|t| Ok(ReplyPiece::Text((*t).to_owned()))).collect();
    Box::pin(stream::iter(pieces))
}

fn written(id: ReplyId, text: ReplyStream) -> Reply {
    let mut reply = Reply::written(id, text, &Agent::default());
    reply.released_at = Some(now());
    reply
}

#[test]
fn an_order_is_kept_until_it_is_begun_or_refused() {
    let mut orders = Orders::default();
    let order = |tag| ReplyOrder { tag, ..ReplyOrder::default() };
    let (first, second) = (orders.take(order(7)), orders.take(order(7)));
    assert_ne!(first.number, second.number, "tags need not differ");
    assert_eq!(orders.waiting(first.number).map(|order| order.tag), Some(7));
    assert_eq!(orders.settle(first.number), 7);
    assert!(orders.waiting(first.number).is_none());
    assert!(orders.waiting(second.number).is_some());
}

#[test]
fn so_many_replies_may_be_written_beside_and_each_has_its_number() {
    let mut orders = Orders::default();
    let mut ids = Vec::new();
    while let Some(id) = orders.next_aside() {
        orders.begin_aside(written(id, pieces(&[])));
        ids.push(id);
    }
    assert_eq!(ids.len(), BESIDE);
    assert!(ids.is_sorted_by(|a, b| a > b));
    assert!(orders.stop_aside(ids[1]));
    assert!(!orders.stop_aside(ids[1]));
    let another = orders.next_aside();
    assert!(another.is_some_and(|id| !ids.contains(&id)), "no number is used twice");
}

#[tokio::test(start_paused = true)]
async fn replies_beside_are_told_apart_and_end_by_themselves() {
    let mut orders = Orders::default();
    assert!(orders.next_beside().now_or_never().is_none());
    let (one, two) = (ReplyId(11), ReplyId(12));
    orders.begin_aside(written(one, pieces(&["a", "b"])));
    orders.begin_aside(written(two, pieces(&[])));
    let mut ear = Ear::default();
    while let Some((id, news)) = orders.next_beside().now_or_never() {
        orders.utter(id, news, &mut ear).unwrap();
    }
    let wrote = |text: &str| News::Wrote { reply: one, text: text.to_owned() };
    let usage = crate::Usage::default();
    for news in [wrote("a"), wrote("b"), News::ReplyMade { reply: one, usage }] {
        assert!(ear.0.contains(&news), "{news:?} {:?}", ear.0);
    }
    let ending = Ending::Failed("the model said nothing".into());
    assert!(ear.0.contains(&News::ReplyEnded { reply: two, ending, usage }), "{:?}", ear.0);
    assert_eq!(ear.0.len(), 4);
    assert!(orders.beside.is_empty());
    orders.utter(one, ReplyNews::Whole, &mut ear).unwrap();
    assert_eq!(ear.0.len(), 4, "what is over is told no more");
}

#[tokio::test(start_paused = true)]
async fn a_reply_beside_that_hangs_is_given_up() {
    let hanging = pieces(&["a"]).chain(stream::once(std::future::pending()));
    let mut text = impatient(Box::pin(hanging), Duration::from_secs(3));
    assert!(text.next().await.is_some_and(|piece| piece.is_ok()));
    let before = tokio::time::Instant::now();
    let failed = text.next().await;
    assert!(matches!(failed, Some(Err(ModelError::Engine { .. }))), "{failed:?}");
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    assert!(text.next().await.is_none());
}
