//! What the chronicle promises.

use std::{sync::Mutex, time::Duration};

use trunkline_inference::{Party, schedule::Tenant};
use trunkline_testkit::{Fakes, World};
use trunkline_turn::{DetectorConfig, Digit, Evidence, Script, TurnConfig};

use super::*;
use crate::{Agent, Models};

const TURN: TurnId = TurnId(3);
const REPLY: ReplyId = ReplyId(7);

#[derive(Default)]
struct Notes(Mutex<Vec<Record>>);

impl Observer for Notes {
    fn note(&self, record: Record) {
        self.0.lock().unwrap().push(record);
    }
}

/// A chronicle with its readers, and the ears that it asks for media times.
struct Desk {
    chronicle: Chronicle,
    hearing: Hearing,
    mouth: Mouth,
    notes: Arc<Notes>,
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
        let agent = Agent {
            name: "demo".into(),
            instructions: String::new(),
            voice: trunkline_inference::Voice::default(),
            language: None,
            max_reply_tokens: 80,
            temperature: 0.0,
            script: Script::default(),
            turn: TurnConfig::default(),
            detector: DetectorConfig::default(),
            ..Agent::default()
        };
        let plan = Plan {
            call: CallId::new(),
            wire_id: "wire-1".into(),
            from: "sip:a".into(),
            to: "sip:b".into(),
            leg: "scripted",
            tenant: Tenant::default(),
            agent: Arc::new(agent),
            models: models.clone(),
        };
        let notes = Arc::new(Notes::default());
        let chronicle = Chronicle::new(&plan, Arc::clone(&notes) as _, now());
        let hearing = Hearing::new(models, Party::default(), None, DetectorConfig::default());
        Self { chronicle, hearing, mouth: Mouth::new(plan), notes }
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.chronicle.event(event, &self.hearing);
        self
    }

    fn starts(&mut self, cause: ReplyCause) -> &mut Self {
        self.event(Event::ReplyStarted { reply: REPLY, cause })
    }

    fn hears(&mut self, text: &str, whole: bool) -> &mut Self {
        self.event(Event::ReplyHeard { reply: REPLY, text: text.into(), whole })
    }

    /// What was noted last, as it would be printed.
    fn last(&self) -> String {
        let notes = self.notes.0.lock().unwrap();
        notes.last().map(|record| format!("{:?}", record.what)).unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.notes.0.lock().unwrap().len()
    }
}

fn answer() -> ReplyCause {
    ReplyCause::Turn { turn: TURN, text: "When?".into() }
}

fn silence() -> Event {
    Event::FellSilent { silence: Duration::from_secs(8) }
}

#[test]
fn a_call_opens_with_who_called_whom() {
    let desk = Desk::new();
    for part in ["Answered", "wire-1", "sip:a", "sip:b", "scripted", "demo"] {
        assert!(desk.last().contains(part), "{}", desk.last());
    }
}

#[test]
fn a_turn_is_noted_with_how_its_end_was_decided() {
    let mut desk = Desk::new();
    let decided = Decision::TurnEnded {
        reason: TurnEndReason::SilenceTimeout,
        silence: Duration::from_millis(850),
        end_probability: Some(0.25),
        dictating: false,
    };
    desk.event(Event::Decided(decided));
    assert_eq!(desk.count(), 1, "told with the turn");
    let ended = || Event::TurnEnded { turn: TURN, text: "When?".into(), speech_ended: now() };
    desk.event(ended());
    for part in ["turn: 3", "\"When?\"", "SilenceTimeout", "850ms", "Some(0.25)"] {
        assert!(desk.last().contains(part), "{}", desk.last());
    }
    desk.event(ended());
    assert!(desk.last().contains("Finished"), "a decision holds for one turn: {}", desk.last());
}

#[test]
fn a_reply_is_noted_with_its_turn_and_whether_it_was_interrupted() {
    let mut desk = Desk::new();
    desk.starts(answer()).hears("At nine.", true);
    for part in ["turn: Some(3)", "whole: true", "interrupted: false"] {
        assert!(desk.last().contains(part), "{}", desk.last());
    }
    desk.starts(answer()).event(Event::Interrupted { reply: REPLY }).hears("At", false);
    for part in ["\"At\"", "whole: false", "interrupted: true"] {
        assert!(desk.last().contains(part), "{}", desk.last());
    }
    desk.event(Event::Interrupted { reply: ReplyId(99) });
    desk.starts(ReplyCause::Greeting("Hello.".into())).hears("Hello.", true);
    assert!(desk.last().contains("turn: None"), "{}", desk.last());
    assert!(desk.last().contains("interrupted: false"), "{}", desk.last());
}

#[test]
fn a_reply_that_answers_no_known_turn_is_not_timed() {
    let mut desk = Desk::new();
    desk.starts(ReplyCause::Greeting("Hello.".into()));
    desk.chronicle.sounded(now(), &desk.mouth);
    desk.starts(answer());
    desk.chronicle.sounded(now(), &desk.mouth);
    assert_eq!(desk.count(), 1, "only that the call was answered: {}", desk.last());
}

#[test]
fn every_reason_to_ignore_a_sound_has_its_own_word() {
    let reasons = [
        (IgnoreReason::TooShort, "too_short"),
        (IgnoreReason::TooQuiet, "too_quiet"),
        (IgnoreReason::NoWords, "no_words"),
        (IgnoreReason::NoSpeech, "no_speech"),
        (IgnoreReason::LowConfidence, "low_confidence"),
        (IgnoreReason::Repetitive, "repetitive"),
        (IgnoreReason::KnownHallucination, "known_hallucination"),
        (IgnoreReason::UnsureVoice, "unsure_voice"),
        (IgnoreReason::Cough, "cough"),
        (IgnoreReason::Backchannel, "backchannel"),
    ];
    let mut desk = Desk::new();
    for (reason, word) in reasons {
        let evidence = Evidence { voiced: Duration::from_millis(123), ..Evidence::default() };
        desk.event(Event::Decided(Decision::Ignored { reason, text: "Hm.".into(), evidence }));
        for part in [word, "Hm.", "123ms"] {
            assert!(desk.last().contains(part), "{}", desk.last());
        }
    }
}

#[test]
fn decisions_are_noted_in_words_and_keys_without_the_key() {
    let ms = Duration::from_millis;
    let mut desk = Desk::new();
    let decided = [
        (Decision::PreparedReplyDropped { reply: REPLY }, "prepared_reply_dropped", "7"),
        (
            Decision::FalseInterruption { reply: REPLY, held: ms(300) },
            "false_interruption",
            "300 ms",
        ),
        (Decision::FloorRecovered { stuck: ms(12_000) }, "floor_recovered", "12000 ms"),
    ];
    for (decision, kind, detail) in decided {
        desk.event(Event::Decided(decision));
        assert!(desk.last().contains(kind) && desk.last().contains(detail), "{}", desk.last());
    }
    desk.event(silence());
    assert!(desk.last().contains("fell_silent") && desk.last().contains("8000 ms"));
    desk.event(Event::Pressed(Digit('4')));
    assert_eq!(desk.last(), "Pressed");
    let before = desk.count();
    desk.event(Event::TurnStarted { turn: TURN });
    assert_eq!(desk.count(), before, "a turn is noted when it ends");
}

#[test]
fn why_we_part_follows_from_what_was_said_last() {
    let says = |cause| Event::ReplyStarted { reply: REPLY, cause };
    let apology = || says(ReplyCause::Apology("Sorry.".into()));
    let farewell = || says(ReplyCause::Farewell("Goodbye.".into()));
    let failed = || Event::ReplyFailed { reply: REPLY, reason: "broken".into() };
    let reply = || says(answer());
    let cases = [
        (vec![], HangupReason::AgentHungUp),
        (vec![reply()], HangupReason::AgentHungUp),
        (vec![apology()], HangupReason::ModelFailed),
        (vec![failed()], HangupReason::ModelFailed),
        (vec![failed(), reply()], HangupReason::AgentHungUp),
        (vec![silence()], HangupReason::CallerSilent),
        (vec![silence(), farewell()], HangupReason::CallerSilent),
        (vec![reply(), farewell()], HangupReason::TooLong),
        (vec![silence(), reply(), farewell()], HangupReason::TooLong),
    ];
    for (events, expected) in cases {
        let mut desk = Desk::new();
        for event in events.clone() {
            desk.event(event);
        }
        assert_eq!(desk.chronicle.parting(), expected, "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_closes_with_why_and_how_long() {
    let desk = Desk::new();
    tokio::time::sleep(Duration::from_secs(42)).await;
    desk.chronicle.ended(HangupReason::CallerHungUp);
    assert_eq!(desk.last(), "Ended { reason: CallerHungUp, duration: 42s }");
}
