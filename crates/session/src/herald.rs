//! One call's herald: what the conversation reports, as the leg is told of it.

use trunkline_turn::{Event, ReplyCause, ReplyId};

use crate::{Ending, News, Origin, hearing::Hearing, mouth::Mouth};

/// What has been told so far, as far as what is told next depends on it.
#[derive(Debug, Default)]
pub(crate) struct Herald {
    /// Whether the caller was last told to speak.
    pub(crate) is_speaking: bool,
    /// A reply that failed before it began.
    failed: Option<(ReplyId, String)>,
    /// Replies that began and are not over, and whether they were told to have ended early.
    open: Vec<(ReplyId, bool)>,
}

impl Herald {
    /// The news in an event.
    pub(crate) fn news(
        &mut self,
        event: &Event,
        hearing: &Hearing,
        mouth: &mut Mouth,
    ) -> Vec<News> {
        let one = match event {
            Event::SpeechStarted { at } => {
                self.is_speaking = true;
                News::SpeechStarted { at: hearing.media_time(*at) }
            }
            Event::SpeechStopped { at } => {
                self.is_speaking = false;
                News::SpeechStopped { at: hearing.media_time(*at) }
            }
            Event::TurnEnded { turn, text, .. } => {
                News::TurnEnded { turn: *turn, text: text.clone() }
            }
            Event::TurnFailed { reason } => News::TurnFailed { reason: reason.clone() },
            Event::FellIdle { from, to } => {
                News::FellIdle { from: hearing.media_time(*from), to: hearing.media_time(*to) }
            }
            Event::ReplyStarted { reply, cause } => return self.begin(*reply, cause, mouth),
            Event::ReplyHeard { reply, text, whole } => {
                self.open.retain(|(open, _)| open != reply);
                News::ReplyHeard { reply: *reply, text: text.clone(), whole: *whole }
            }
            Event::Interrupted { reply } => return self.end(*reply, Ending::Interrupted, mouth),
            Event::ReplyCancelled { reply } => return self.end(*reply, Ending::Cancelled, mouth),
            Event::ReplyFailed { reply, reason } => {
                if !self.open.iter().any(|(open, _)| open == reply) {
                    self.failed = Some((*reply, reason.clone()));
                }
                return self.end(*reply, Ending::Failed(reason.clone()), mouth);
            }
            Event::Refused { order, refusal } => {
                let tag = order.map(|number| mouth.orders.settle(number));
                News::Refused { tag, refusal: *refusal }
            }
            Event::TurnStarted { .. }
            | Event::ToolCalled { .. }
            | Event::FellSilent { .. }
            | Event::Pressed(_)
            | Event::Decided(_) => return Vec::new(),
        };
        vec![one]
    }

    fn begin(&mut self, reply: ReplyId, cause: &ReplyCause, mouth: &mut Mouth) -> Vec<News> {
        let origin = match cause {
            ReplyCause::Turn { turn, .. } => Origin::Turn(*turn),
            ReplyCause::Ordered(order) => Origin::Ordered(mouth.orders.settle(order.number)),
            ReplyCause::Idle
            | ReplyCause::Greeting(_)
            | ReplyCause::Silence(_)
            | ReplyCause::Apology(_)
            | ReplyCause::Farewell(_) => Origin::Own,
        };
        self.open.push((reply, false));
        let mut news = vec![News::ReplyStarted { reply, origin }];
        if let Some((_, reason)) = self.failed.take_if(|(failed, _)| *failed == reply) {
            news.extend(self.end(reply, Ending::Failed(reason), mouth));
        }
        news
    }

    /// A reply ended early, if it had begun and that was not told before.
    fn end(&mut self, reply: ReplyId, ending: Ending, mouth: &Mouth) -> Vec<News> {
        let is_news = |(open, is_told): &&mut (ReplyId, bool)| *open == reply && !*is_told;
        let Some((_, is_told)) = self.open.iter_mut().find(is_news) else { return Vec::new() };
        *is_told = true;
        vec![News::ReplyEnded { reply, ending, usage: mouth.usage(reply) }]
    }
}

#[cfg(test)]
mod tests;
