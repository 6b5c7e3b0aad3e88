//! Replies that a program at the caller's end has ordered: those that are not begun yet, and those that
//! are written beside the call's own.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, future::select_all, stream};
use trunkline_inference::{ModelError, ReplyStream};
use trunkline_turn::{Order, ReplyId};

use crate::{
    Ending, Leg, News, Overrun, ReplyOrder,
    reply::{Reply, ReplyNews, now},
};

/// Replies that may be written beside. When there are so many a further one is refused.
const BESIDE: usize = 4;

/// Orders of replies.
#[derive(Default)]
pub(crate) struct Orders {
    waiting: HashMap<u64, ReplyOrder>,
    taken: u64,
    beside: Vec<Reply>,
    asides: u32,
}

impl Orders {
    /// Takes an order and numbers it.
    pub(crate) fn take(&mut self, order: ReplyOrder) -> Order {
        self.taken += 1;
        let is_aside = order.is_aside;
        self.waiting.insert(self.taken, order);
        Order { number: self.taken, is_aside }
    }

    /// The order of this number, until it is begun or refused.
    pub(crate) fn waiting(&self, number: u64) -> Option<&ReplyOrder> {
        self.waiting.get(&number)
    }

    /// Forgets an order that is begun or refused: its tag.
    pub(crate) fn settle(&mut self, number: u64) -> u64 {
        self.waiting.remove(&number).map(|order| order.tag).unwrap_or_default()
    }

    /// The number of the next reply written beside, if there may be one. They count down from the
    /// highest, so that they never meet the conversation's.
    pub(crate) fn next_aside(&mut self) -> Option<ReplyId> {
        (self.beside.len() < BESIDE).then(|| {
            self.asides += 1;
            ReplyId(u32::MAX - self.asides)
        })
    }

    pub(crate) fn begin_aside(&mut self, reply: Reply) {
        self.beside.push(reply);
    }

    /// Drops a reply written beside. True when there was such a one.
    pub(crate) fn stop_aside(&mut self, id: ReplyId) -> bool {
        let before = self.beside.len();
        self.beside.retain(|reply| reply.id != id);
        self.beside.len() < before
    }

    /// Waits for news of those written beside, for ever when there are none. Cancel-safe.
    pub(crate) async fn next_beside(&mut self) -> (ReplyId, ReplyNews) {
        if self.beside.is_empty() {
            return std::future::pending().await;
        }
        let all = self.beside.iter_mut().map(|r| Box::pin(async { (r.id, r.next().await) }));
        select_all(all).await.0
    }

    /// Tells the leg of a reply written beside.
    pub(crate) fn utter(
        &mut self,
        id: ReplyId,
        news: ReplyNews,
        leg: &mut impl Leg,
    ) -> Result<(), Overrun> {
        let Some(reply) = self.beside.iter_mut().find(|reply| reply.id == id) else {
            return Ok(());
        };
        let usage = reply.meter.usage();
        let failed = |reason| News::ReplyEnded { reply: id, ending: Ending::Failed(reason), usage };
        match news {
            ReplyNews::Ready => {
                reply.ready_at = Some(now());
                return Ok(());
            }
            // It has no voice.
            ReplyNews::Piece(_) => return Ok(()),
            ReplyNews::Wrote(text) => return leg.tell(News::Wrote { reply: id, text }),
            ReplyNews::Called(call) => {
                let index = reply.call();
                return leg.tell(News::ToolCalled { reply: id, index, call });
            }
            ReplyNews::Whole if reply.ready_at.is_some() => {
                leg.tell(News::ReplyMade { reply: id, usage })?;
            }
            ReplyNews::Whole => leg.tell(failed("the model said nothing".to_owned()))?,
            ReplyNews::Failed(error) => {
                tracing::error!(parent: &reply.span, %error, "a model failed while it replied");
                leg.tell(failed(error.to_string()))?;
            }
        }
        self.stop_aside(id);
        Ok(())
    }
}

/// Fails `text` when nothing comes for `patience`: nobody else watches over a reply that is written beside.
pub(crate) fn impatient(text: ReplyStream, patience: Duration) -> ReplyStream {
    Box::pin(stream::unfold(Some(text), move |text| async move {
        let mut text = text?;
        let Ok(piece) = tokio::time::timeout(patience, text.next()).await else {
            let reason = format!("no progress for {} ms", patience.as_millis());
            return Some((Err(ModelError::Engine { engine: "language model", reason }), None));
        };
        Some((piece?, Some(text)))
    }))
}

#[cfg(test)]
mod tests;
