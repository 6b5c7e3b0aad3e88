//! Failing models: a spoken apology and a polite end, never a dead line.

use std::time::Duration;

use trunkline_session::HangupReason;
use trunkline_testkit::{FakeStt, FakeTts, FakeVad, Sent};

use crate::stage::{Call, Played};

const QUESTION: &str = "What time do you open?";

fn assert_apology(played: &Played) {
    assert_eq!(played.reason, HangupReason::ModelFailed);
    assert!(played.talk().ends_with(&["agent: Sorry, goodbye.".to_owned()]), "{:?}", played.talk());
    assert_eq!(played.told("ended"), ["ended: model_failed"]);
    assert!(!played.told("failed").is_empty());
    assert!(matches!(played.sent.last(), Some(Sent::HungUp(_, HangupReason::ModelFailed))));
    assert_eq!(played.fakes.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_language_model_leads_to_an_apology_and_a_hang_up() {
    let played = Call::new(&[(1000, 1000, QUESTION)], &[]).play().await;
    assert_apology(&played);
    assert!(played.took < Duration::from_secs(5), "{:?}", played.took);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_in_mid_reply_is_heard_so_far_and_then_apologized_for() {
    let played =
        Call::new(&[(1000, 1000, QUESTION)], &["We open at nine. And then we !"]).play().await;
    assert_apology(&played);
    assert_eq!(played.talk()[2], "agent: We open at nine. -");
}

#[tokio::test(start_paused = true)]
async fn an_empty_reply_is_a_failure() {
    for empty in ["", " ", "...", "[lookup]"] {
        let played = Call::new(&[(1000, 1000, QUESTION)], &[empty]).play().await;
        assert_apology(&played);
    }
}

#[tokio::test(start_paused = true)]
async fn tool_calls_are_not_spoken() {
    let reply = "One moment, please. [lookup] We open at nine.";
    let call = Call::new(&[(1000, 1000, QUESTION)], &[reply]);
    let played = call.hung_up_at(6000).play().await;
    assert_eq!(played.talk()[2], "agent: One moment, please. We open at nine.");
}

#[tokio::test(start_paused = true)]
async fn a_failing_voice_ends_the_call_at_once() {
    let mut call = Call::new(&[], &["At nine."]);
    call.fakes.tts = FakeTts::failing();
    let played = call.play().await;
    assert_eq!(played.reason, HangupReason::ModelFailed);
    assert!(played.took < Duration::from_secs(1), "{:?}", played.took);
    assert!(played.sounds().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_recognizer_that_fails_twice_is_apologized_for() {
    let mut call = Call::new(&[(1000, 1000, QUESTION), (5000, 1000, QUESTION)], &["At nine."]);
    call.fakes.stt = FakeStt::failing();
    let played = call.play().await;
    assert_apology(&played);
    assert_eq!(played.talk()[1], "agent: Once more?", "once the caller is asked to say it again");
    assert_eq!(played.told("failed").len(), 2);
    assert!(played.took < Duration::from_secs(9), "{:?}", played.took);
}

#[tokio::test(start_paused = true)]
async fn a_recognizer_that_hangs_does_not_leave_the_line_dead() {
    let mut call = Call::new(&[(1000, 1000, QUESTION)], &["At nine."]);
    call.fakes.stt = FakeStt::hearing("never said", Duration::from_secs(100_000));
    let played = call.play().await;
    assert_eq!(played.talk()[1], "agent: Once more?");
    assert!(played.took < Duration::from_secs(40), "{:?}", played.took);
}

#[tokio::test(start_paused = true)]
async fn a_language_model_that_hangs_does_not_leave_the_line_dead() {
    let mut call = Call::new(&[(1000, 1000, QUESTION)], &[]);
    let hours = Duration::from_secs(100_000);
    call.fakes.llm = trunkline_testkit::ScriptedLlm::new(&["At nine."], hours, hours);
    let played = call.play().await;
    assert_apology(&played);
    assert!(played.took < Duration::from_secs(30), "{:?}", played.took);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_gone_deaf_is_apologized_for_at_once() {
    let mut call = Call::new(&[(1000, 1000, QUESTION)], &["At nine."]);
    call.fakes.vad = FakeVad::failing();
    let played = call.play().await;
    assert_apology(&played);
    assert_eq!(played.told("failed").len(), 1);
    assert!(played.took < Duration::from_secs(5), "{:?}", played.took);
    assert_eq!(played.fakes.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_next_turn_is_answered_after_a_recognizer_that_failed_once() {
    let says = [(1000, 1000, QUESTION), (8000, 1000, "When do you close?")];
    let mut call = Call::new(&says, &["At six."]);
    // The first answer is too late; by the second question the recognizer has recovered.
    let slow = FakeStt::new(trunkline_testkit::World::new(&says), Duration::from_millis(100));
    call.fakes.stt = slow.late_once(Duration::from_secs(5));
    let played = call.hung_up_at(13_000).play().await;
    assert_eq!(
        played.talk()[1..],
        ["agent: Once more?", "caller: When do you close?", "agent: At six."]
    );
}
