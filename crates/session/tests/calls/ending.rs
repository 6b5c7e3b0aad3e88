//! Ends of calls: by either side, by silence, by the leg, by the server.

use std::time::Duration;

use trunkline_session::HangupReason;
use trunkline_testkit::Sent;

use crate::stage::Call;

const QUESTION: &str = "What time do you open?";
const LONG: &str = "We open at nine in the morning and we close at six in the evening every day.";

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_in_mid_reply_ends_everything_at_once() {
    let call = Call::new(&[(1000, 1000, QUESTION)], &[LONG]);
    let played = call.hung_up_at(3600).play().await;
    assert_eq!(played.took, Duration::from_millis(3600));
    assert_eq!(played.reason, HangupReason::CallerHungUp);
    assert_eq!(played.fakes.live(), 0, "no model works on");
    assert_eq!(played.told("ended"), ["ended: caller_hung_up"]);
    let told = played.talk();
    assert!(told[2].ends_with(" -"), "what was heard is on record: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_leads_to_a_prompt_a_farewell_and_a_hang_up() {
    let played = Call::new(&[], &[]).play().await;
    assert_eq!(played.talk(), ["agent: Hello.", "agent: Are you there?", "agent: Goodbye."]);
    assert_eq!(played.told("decided"), ["decided fell_silent", "decided fell_silent"]);
    assert_eq!(played.reason, HangupReason::CallerSilent);
    assert!(played.took < Duration::from_secs(20), "{:?}", played.took);
    assert!(matches!(played.sent.last(), Some(Sent::HungUp(_, HangupReason::CallerSilent))));
}

#[tokio::test(start_paused = true)]
async fn silence_without_a_script_is_ended_silently() {
    let mut call = Call::new(&[], &[]);
    call.script.greeting.clear();
    call.script.silence_prompts.clear();
    call.script.farewell.clear();
    let played = call.play().await;
    assert_eq!(played.reason, HangupReason::CallerSilent);
    assert!(played.sounds().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_answers_the_prompt_starts_anew() {
    let call = Call::new(&[(10_000, 1000, QUESTION)], &["At nine."]);
    let played = call.play().await;
    assert_eq!(
        played.talk(),
        [
            "agent: Hello.",
            "agent: Are you there?",
            "caller: What time do you open?",
            "agent: At nine.",
            "agent: Are you there?",
            "agent: Goodbye.",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_call_politely_and_stops_the_models() {
    let call = Call::new(&[(1000, 1000, QUESTION)], &[LONG]);
    let played = call.shut_down_at(3600).play().await;
    assert_eq!(played.reason, HangupReason::Shutdown);
    assert!(matches!(played.sent.last(), Some(Sent::HungUp(_, HangupReason::Shutdown))));
    assert_eq!(played.fakes.live(), 0);
    assert!(played.took < Duration::from_secs(10), "what is queued is heard, no more");
    assert_eq!(played.talk().len(), 3, "the reply is on record: {:?}", played.talk());
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_is_overrun_ends_the_call() {
    let call = Call::new(&[(1000, 1000, QUESTION)], &[LONG]);
    let played = call.room(Duration::from_secs(1)).play().await;
    assert_eq!(played.reason, HangupReason::LegFailed);
    assert_eq!(played.told("ended"), ["ended: leg_failed"]);
    assert!(played.took < Duration::from_secs(5), "{:?}", played.took);
    assert_eq!(played.fakes.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_lasts_too_long_is_told_goodbye() {
    // A caller who asks every five seconds, for more than an hour.
    let says: Vec<(u64, u64, &str)> = (0..800).map(|n| (2000 + n * 5000, 1000, QUESTION)).collect();
    let played = Call::new(&says, &["At nine."]).play().await;
    assert_eq!(played.reason, HangupReason::TooLong);
    assert_eq!(played.talk().last().unwrap(), "agent: Goodbye.");
    assert!(played.told("caller:").len() > 700);
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_an_apology_to_say_is_still_a_failure() {
    let mut call = Call::new(&[(1000, 1000, QUESTION)], &[]);
    call.script.apology.clear();
    let played = call.play().await;
    assert_eq!(played.reason, HangupReason::ModelFailed);
}
