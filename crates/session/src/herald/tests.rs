//! What the herald promises.

use std::{sync::Arc, time::Instant};

use trunkline_inference::{Party, schedule::Tenant};
use trunkline_testkit::{Fakes, World};
use trunkline_turn::{DetectorConfig, Order, Refused, TurnId};

use super::*;
use crate::{Agent, CallId, Models, Plan, ReplyOrder, Usage};

const REPLY: ReplyId = ReplyId(3);

/// A herald with those whom it asks.
struct Desk {
    herald: Herald,
    hearing: Hearing,
    mouth: Mouth,
}

impl Desk {
    fn new() -> Self {
        let fakes = Fakes::new(World::new(&[]), &[]);
        let models = Models {
            stt: Arc::new(fakes.stt),
            llm: Arc::new(fakes.llm),
            tts: Arc::new(fakes.tts),
            vad: Arc::new(fakes.vad),
            end_of_turn: None,
            announcements: Arc::default(),
        };
        let plan = Plan {
            call: CallId::new(),
            wire_id: String::new(),
            from: String::new(),
            to: String::new(),
            leg: "scripted",
            tenant: Tenant::default(),
            agent: Arc::new(Agent::default()),
            models: models.clone(),
        };
        let hearing = Hearing::new(models, Party::default(), None, DetectorConfig::default());
        Self { herald: Herald::default(), hearing, mouth: Mouth::new(plan) }
    }

    fn news(&mut self, event: &Event) -> Vec<News> {
        self.herald.news(event, &self.hearing, &mut self.mouth)
    }

    fn starts(&mut self) -> Vec<News> {
        self.news(&Event::ReplyStarted { reply: REPLY, cause: ReplyCause::Idle })
    }
}

fn ended(ending: Ending) -> Vec<News> {
    vec![News::ReplyEnded { reply: REPLY, ending, usage: Usage::default() }]
}

fn failed() -> Event {
    Event::ReplyFailed { reply: REPLY, reason: "broken".into() }
}

#[tokio::test]
async fn a_reply_is_told_to_have_ended_once() {
    let mut desk = Desk::new();
    let interrupted = Event::Interrupted { reply: REPLY };
    assert_eq!(desk.news(&interrupted), [], "it never began");
    assert_eq!(desk.starts(), [News::ReplyStarted { reply: REPLY, origin: Origin::Own }]);
    assert_eq!(desk.news(&failed()), ended(Ending::Failed("broken".into())));
    assert_eq!(desk.news(&interrupted), [], "what had gone out of it was interrupted");
    let heard = Event::ReplyHeard { reply: REPLY, text: "At".into(), whole: false };
    assert_eq!(desk.news(&heard).len(), 1);
    assert_eq!(desk.news(&Event::ReplyCancelled { reply: REPLY }), [], "it is over");
}

#[tokio::test]
async fn a_reply_that_failed_before_it_began_is_told_when_it_begins() {
    let mut desk = Desk::new();
    assert_eq!(desk.news(&failed()), []);
    let news = desk.starts();
    assert_eq!(news.len(), 2);
    assert_eq!(news[1..], ended(Ending::Failed("broken".into())));
    let mut other = Desk::new();
    other.news(&Event::ReplyFailed { reply: ReplyId(1), reason: "broken".into() });
    assert_eq!(other.starts().len(), 1, "that was another");
}

#[tokio::test]
async fn a_reply_is_told_with_why_it_is_made() {
    let mut desk = Desk::new();
    let order = desk.mouth.orders.take(ReplyOrder { tag: 42, ..ReplyOrder::default() });
    let refused = desk.mouth.orders.take(ReplyOrder { tag: 43, ..ReplyOrder::default() });
    let cases = [
        (ReplyCause::Turn { turn: TurnId(4), text: "Hi.".into() }, Origin::Turn(TurnId(4))),
        (ReplyCause::Ordered(order), Origin::Ordered(42)),
        (ReplyCause::Greeting("Hello.".into()), Origin::Own),
    ];
    for (cause, origin) in cases {
        let news = desk.news(&Event::ReplyStarted { reply: REPLY, cause });
        assert_eq!(news, [News::ReplyStarted { reply: REPLY, origin }]);
    }
    let Order { number, .. } = refused;
    let refusal = Refused::ReplyUnderWay;
    let news = desk.news(&Event::Refused { order: Some(number), refusal });
    assert_eq!(news, [News::Refused { tag: Some(43), refusal }]);
    let news = desk.news(&Event::Refused { order: None, refusal: Refused::NoReply });
    assert_eq!(news, [News::Refused { tag: None, refusal: Refused::NoReply }]);
}

#[tokio::test]
async fn it_is_known_whether_the_caller_was_told_to_speak() {
    let mut desk = Desk::new();
    let at = Instant::now();
    assert!(!desk.herald.is_speaking);
    assert_eq!(desk.news(&Event::SpeechStarted { at }).len(), 1);
    assert!(desk.herald.is_speaking);
    assert_eq!(desk.news(&Event::SpeechStopped { at }).len(), 1);
    assert!(!desk.herald.is_speaking);
    assert_eq!(desk.news(&Event::TurnStarted { turn: TurnId(1) }), [], "for the record only");
}
