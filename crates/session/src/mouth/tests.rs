//! What the mouth promises.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use trunkline_inference::{Tool, Voice, schedule::Tenant};
use trunkline_testkit::{Fakes, World};
use trunkline_turn::{Conversation, DetectorConfig, Output, Script, Spoken, TurnConfig, TurnId};

use super::*;
use crate::{Agent, CallId, LegInput, Models};

const FIRST: ReplyId = ReplyId(1);

/// Takes what it is sent, up to `room` orders.
struct Wire {
    sent: Vec<LegOutput>,
    room: usize,
}

impl Leg for Wire {
    async fn recv(&mut self) -> LegInput {
        std::future::pending().await
    }

    fn send(&mut self, output: LegOutput) -> Result<(), Overrun> {
        if self.sent.len() == self.room {
            return Err(Overrun);
        }
        self.sent.push(output);
        Ok(())
    }
}

fn wire() -> Wire {
    Wire { sent: Vec::new(), room: 10_000 }
}

fn mouth(replies: &[&str]) -> (Mouth, Fakes) {
    let fakes = Fakes::new(World::new(&[]), replies);
    let models = Models {
        stt: Arc::new(fakes.stt.clone()),
        llm: Arc::new(fakes.llm.clone()),
        tts: Arc::new(fakes.tts.clone()),
        vad: Arc::new(fakes.vad.clone()),
        end_of_turn: None,
        announcements: Arc::default(),
    };
    let agent = Agent {
        name: "demo".into(),
        instructions: "Be brief.".into(),
        voice: Voice::default(),
        language: None,
        max_reply_tokens: 80,
        temperature: 0.5,
        script: Script::default(),
        turn: TurnConfig::default(),
        detector: DetectorConfig::default(),
        ..Agent::default()
    };
    let plan = Plan {
        call: CallId::new(),
        wire_id: String::new(),
        from: "a".into(),
        to: "b".into(),
        leg: "wire",
        tenant: Tenant::default(),
        agent: Arc::new(agent),
        models,
    };
    (Mouth::new(plan), fakes)
}

fn turn(text: &str) -> ReplyCause {
    ReplyCause::Turn { turn: TurnId(1), text: text.to_owned() }
}

/// Lets the mouth say what it has; what it told the conversation.
async fn say_all(mouth: &mut Mouth, wire: &mut Wire) -> Vec<Input> {
    let mut told = Vec::new();
    while mouth.reply().is_some() {
        let news = mouth.next().await;
        let inputs = mouth.utter(news, wire).unwrap();
        let is_over = inputs
            .iter()
            .any(|i| matches!(i, Input::ReplyWhole { .. } | Input::ReplyFailed { .. }));
        told.extend(inputs);
        if is_over {
            break;
        }
    }
    told
}

#[tokio::test(start_paused = true)]
async fn the_instructions_are_read_ahead_before_anybody_spoke() {
    let (_mouth, fakes) = mouth(&[]);
    let warmed = fakes.llm.warmed();
    assert_eq!(warmed.len(), 1);
    assert_eq!(warmed[0].messages[0].content, "Be brief.");
    assert_eq!(warmed[0].options.max_tokens, 0);
}

#[tokio::test(start_paused = true)]
async fn only_words_that_will_stay_are_read_ahead_and_each_beginning_once() {
    let (mut mouth, fakes) = mouth(&[]);
    let nothing = Transcript::default();
    for text in ["What", "What time", "What time do", "What time do", "What time do you"] {
        mouth.warm_up_with(text, &nothing);
    }
    let read: Vec<String> =
        fakes.llm.warmed().iter().map(|chat| chat.messages[1].content.clone()).collect();
    assert_eq!(read.iter().filter(|text| *text == "What").count(), 1, "{read:?}");
    assert_eq!(read.last().map(String::as_str), Some("What time"));
    assert_eq!(fakes.llm.live().count(), 1, "the last alone is still worked on");
    mouth.stop_warming();
    assert_eq!(fakes.llm.live().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_ahead_while_a_reply_is_made() {
    let (mut mouth, fakes) = mouth(&["Yes."]);
    mouth.prepare(FIRST, &turn("Are you open?"), &Transcript::default(), None);
    let before = fakes.llm.warmed().len();
    mouth.warm_up_with("one two three four", &Transcript::default());
    assert_eq!(fakes.llm.warmed().len(), before);
    assert_eq!(fakes.llm.live().count(), 1, "the warming made way");
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_to_the_leg_with_its_marks_and_to_the_conversation_as_facts() {
    let (mut mouth, fakes) = mouth(&["Yes. We are."]);
    let mut wire = wire();
    mouth.prepare(FIRST, &turn("Are you open?"), &Transcript::default(), None);
    mouth.release(FIRST);
    let told = say_all(&mut mouth, &mut wire).await;
    assert_eq!(told.first(), Some(&Input::ReplyReady { reply: FIRST }));
    assert_eq!(told.last(), Some(&Input::ReplyWhole { reply: FIRST }));
    let is_spoken = |text: &str, input: &Input| matches!(input, Input::Spoke(Spoken { text: t, .. }) if t == text);
    assert!(is_spoken("Yes.", &told[1]) && is_spoken("We are.", &told[2]), "{told:?}");
    let frames = wire.sent.iter().filter(|o| matches!(o, LegOutput::Audio(_))).count();
    assert_eq!(frames, 30, "three words");
    let Some(LegOutput::Mark(last)) = wire.sent.last() else { panic!("ends with a mark") };
    mouth.played(*last);
    assert!(mouth.reply().is_none(), "heard to its end");
    let options = &fakes.llm.asked()[0].options;
    assert_eq!((options.max_tokens, options.temperature.to_bits()), (80, 0.5_f32.to_bits()));
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_is_not_spoken_again_and_is_marked_like_any_reply() {
    let (mut mouth, fakes) = mouth(&[]);
    let mut wire = wire();
    let greeting = ReplyCause::Greeting("Hello. How are you?".into());
    let agent = mouth.agent().clone();
    mouth
        .plan
        .models
        .announcements
        .record(&fakes.tts, &agent, "Hello. How are you?")
        .await
        .unwrap();
    mouth.prepare(FIRST, &greeting, &Transcript::default(), None);
    assert_eq!(fakes.tts.live().count(), 0);
    mouth.release(FIRST);
    let before = now();
    let told = say_all(&mut mouth, &mut wire).await;
    assert_eq!(now(), before);
    let spoken = |input: &Input| {
        let Input::Spoke(Spoken { mark, text, .. }) = input else { return None };
        Some((mark.clause, text.clone()))
    };
    let spoken: Vec<_> = told.iter().filter_map(spoken).collect();
    assert_eq!(spoken, [(0, "Hello.".to_owned()), (1, "How are you?".to_owned())]);
    mouth.played(Mark { reply: FIRST, clause: 1 });
    assert!(mouth.reply().is_none(), "heard to its end");
}

#[tokio::test(start_paused = true)]
async fn a_recorded_greeting_is_cut_like_any_reply_and_written_where_replies_are() {
    let greeting = ReplyCause::Greeting("Hello. How are you?".into());
    let tool = Tool { name: "look".into(), description: String::new(), parameters: true.into() };
    for modality in [Modality::Audio, Modality::Text] {
        let (mut mouth, fakes) = mouth(&[]);
        let agent = Agent { tools: vec![tool.clone()], modality, ..mouth.agent().clone() };
        let kept = Arc::clone(&mouth.plan.models.announcements);
        kept.record(&fakes.tts, &agent, "Hello. How are you?").await.unwrap();
        mouth.speak_as(Arc::new(agent), &Transcript::default());
        let mut wire = wire();
        mouth.prepare(FIRST, &greeting, &Transcript::default(), None);
        mouth.release(FIRST);
        for _ in 0..2 {
            let news = mouth.next().await;
            mouth.utter(news, &mut wire).unwrap();
        }
        let sounds = wire.sent.iter().any(|output| matches!(output, LegOutput::Audio(_)));
        assert_eq!(sounds, modality == Modality::Audio);
        assert!(mouth.stop(FIRST) && mouth.reply().is_none());
        assert_eq!(mouth.take_cut(), Some(FIRST));
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_reply_that_was_let_out_needs_a_flush_when_it_is_stopped() {
    let (mut mouth, fakes) = mouth(&["Yes."]);
    mouth.prepare(FIRST, &turn("Are you"), &Transcript::default(), None);
    assert!(!mouth.stop(FIRST));
    assert_eq!(mouth.take_cut(), None);
    let second = ReplyId(2);
    mouth.prepare(second, &turn("Are you open?"), &Transcript::default(), None);
    mouth.release(second);
    assert!(!mouth.stop(FIRST), "that one is gone");
    assert!(mouth.stop(second));
    assert_eq!(mouth.take_cut(), Some(second));
    assert_eq!(mouth.take_cut(), None, "told once");
    assert_eq!((fakes.llm.live().count(), fakes.tts.live().count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_heard_before_its_end_was_known_does_not_linger() {
    let (mut mouth, _) = mouth(&["Yes."]);
    let mut wire = wire();
    mouth.prepare(FIRST, &turn("Are you open?"), &Transcript::default(), None);
    mouth.release(FIRST);
    loop {
        let news = mouth.next().await;
        let told = mouth.utter(news, &mut wire).unwrap();
        if told.iter().any(|input| matches!(input, Input::Spoke(_))) {
            break;
        }
    }
    mouth.played(Mark { reply: FIRST, clause: 0 });
    assert!(mouth.reply().is_some(), "more might come");
    say_all(&mut mouth, &mut wire).await;
    assert!(mouth.reply().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_a_word_has_failed_and_so_has_a_leg_without_room() {
    let (mut mute, _) = mouth(&[""]);
    mute.prepare(FIRST, &turn("Are you open?"), &Transcript::default(), None);
    let told = say_all(&mut mute, &mut wire()).await;
    assert!(matches!(told[..], [Input::ReplyFailed { reply: FIRST, .. }]), "{told:?}");

    let (mut loud, _) = mouth(&["Yes."]);
    loud.prepare(FIRST, &turn("Are you open?"), &Transcript::default(), None);
    loud.release(FIRST);
    let mut narrow = Wire { sent: Vec::new(), room: 3 };
    let overrun = loop {
        let news = loud.next().await;
        if let Err(overrun) = loud.utter(news, &mut narrow) {
            break overrun;
        }
    };
    assert_eq!(overrun, Overrun);
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_adds_joins_the_message_that_was_not_answered() {
    let (mouth, _) = mouth(&[]);
    let chat = mouth.chat(&Transcript::default(), "Hello?", 10);
    let roles: Vec<Role> = chat.messages.iter().map(|m| m.role).collect();
    assert_eq!(roles, [Role::System, Role::User]);
    assert_eq!(chat.cache_salt, mouth.plan.agent.cache_salt(mouth.plan.tenant));
    let mut silent = Conversation::new(TurnConfig::default(), Script::default());
    assert_eq!(silent.poll(), Output::Wait(None));
    assert!(mouth.book.messages(silent.transcript()).is_empty());
}

#[test]
fn the_last_two_words_may_still_change() {
    for (text, stable) in [
        ("", ""),
        ("one", ""),
        ("one two", ""),
        ("one two three", "one"),
        ("one two three four", "one two"),
    ] {
        assert_eq!(stable_words(text), stable, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mouth_with_nothing_to_say_waits() {
    let (mut mouth, _) = mouth(&[]);
    let waited = tokio::time::timeout(Duration::from_mins(1), mouth.next()).await;
    assert!(waited.is_err());
    assert!(mouth.next().now_or_never().is_none());
}

/// Remembers what it is told.
#[derive(Default)]
struct Listener(Vec<News>);

impl Leg for Listener {
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

/// Lets a reply out and has the mouth say it, none of which is heard; what the conversation is told.
async fn say_unheard(mouth: &mut Mouth, id: ReplyId, leg: &mut Listener) -> Vec<Input> {
    mouth.prepare(id, &turn("Are you open?"), &Transcript::default(), None);
    mouth.release(id);
    let mut told = Vec::new();
    while !told.contains(&Input::ReplyWhole { reply: id }) {
        let news = mouth.next().await;
        told.extend(mouth.utter(news, leg).unwrap());
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_made_is_heard_under_the_next_and_stops_with_it() {
    let (mut mouth, fakes) = mouth(&["Yes. We are."]);
    let mut leg = Listener::default();
    let second = ReplyId(2);
    for id in [FIRST, second] {
        say_unheard(&mut mouth, id, &mut leg).await;
    }
    mouth.played(Mark { reply: FIRST, clause: 1 });
    assert_eq!(mouth.replies.len(), 1, "the first was heard to its end");
    say_unheard(&mut mouth, ReplyId(3), &mut leg).await;
    let warmed = fakes.llm.warmed().len();
    mouth.warm_up_anew(&Transcript::default());
    assert_eq!(fakes.llm.warmed().len(), warmed, "something is still being heard");
    assert!(mouth.stop(ReplyId(3)));
    assert!(mouth.replies.is_empty(), "what was before it is flushed too");
    assert_eq!(mouth.take_cut(), Some(ReplyId(3)));
}

#[tokio::test(start_paused = true)]
async fn the_leg_is_told_each_clause_with_its_space_and_the_end() {
    let (mut mouth, _) = mouth(&["Yes. We are."]);
    let mut leg = Listener::default();
    say_unheard(&mut mouth, FIRST, &mut leg).await;
    let ms = Duration::from_millis;
    let spoke = |text: &str, duration| News::Spoke { reply: FIRST, text: text.into(), duration };
    let usage = Usage { prompt: 5, generated: 3, ..Usage::default() };
    let made = News::ReplyMade { reply: FIRST, usage };
    assert_eq!(leg.0, [spoke("Yes.", ms(200)), spoke(" We are.", ms(400)), made]);
}

#[tokio::test(start_paused = true)]
async fn the_usage_of_the_last_replies_is_remembered() {
    let (mut mouth, _) = mouth(&["Yes."]);
    for n in 1..=20 {
        mouth.prepare(ReplyId(n), &turn("Are you open?"), &Transcript::default(), None);
        mouth.stop(ReplyId(n));
    }
    assert_eq!(mouth.meters.len(), METERS);
    assert_eq!(mouth.usage(ReplyId(20)), Usage::default());
}

#[tokio::test(start_paused = true)]
async fn another_agent_reads_its_own_instructions_ahead() {
    let (mut mouth, fakes) = mouth(&[]);
    let other = Agent { instructions: "Be kind.".into(), ..mouth.agent().clone() };
    mouth.speak_as(Arc::new(other), &Transcript::default());
    let warmed = fakes.llm.warmed();
    assert_eq!(warmed.last().unwrap().messages[0].content, "Be kind.");
    assert_eq!(fakes.llm.live().count(), 1);
}
