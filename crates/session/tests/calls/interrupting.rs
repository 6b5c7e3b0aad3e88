//! Sound over our reply: interruptions, coughs, listeners' noises; and the line on hold.

use trunkline_testkit::{Act, FakeTts};

use crate::stage::Call;

const QUESTION: &str = "What time do you open?";
const LONG: &str = "We open at nine in the morning and we close at six in the evening every day.";

/// A caller asks at 1 s and makes `sound` for `lasts` ms at 3.5 s, 900 ms into the reply.
fn over_the_reply(lasts: u64, sound: &str) -> Call {
    let says = [(1000, 1000, QUESTION), (3500, lasts, sound)];
    Call::new(&says, &[LONG, "Of course."])
}

#[tokio::test(start_paused = true)]
async fn an_interruption_stops_the_reply_and_the_next_chat_holds_only_what_was_heard() {
    let played = over_the_reply(1200, "No wait, what about Sundays?").hung_up_at(9000).play().await;
    let (began, stopped) = played.sounds()[1];
    assert!(stopped <= 3500 + 500, "stopped at {stopped}");
    let heard_ms = stopped - began;
    let reply = &played.chats()[1][3];
    let words = reply.strip_prefix("assistant: ").unwrap().split_whitespace().count();
    assert!(LONG.starts_with(reply.strip_prefix("assistant: ").unwrap()), "{reply}");
    let sounded = usize::try_from(heard_ms / 200).unwrap();
    assert!(words.abs_diff(sounded) <= 1, "{words} words in {heard_ms} ms");
    assert_eq!(played.chats()[1].last().unwrap(), "user: No wait, what about Sundays?");
    let talk = played.talk();
    assert!(talk[2].ends_with("- interrupted"), "{talk:?}");
    assert_eq!(talk[3..], ["caller: No wait, what about Sundays?", "agent: Of course."]);
    assert_eq!(played.told("sounded"), ["sounded 1", "sounded 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_cough_does_not_stop_the_reply() {
    let played = over_the_reply(200, "").hung_up_at(9000).play().await;
    assert_eq!(played.talk()[2], format!("agent: {LONG}"));
    assert_eq!(played.told("ignored"), ["ignored cough "]);
    assert_eq!(played.sounds().len(), 2, "without a gap: {:?}", played.sounds());
}

#[tokio::test(start_paused = true)]
async fn an_uh_huh_does_not_stop_the_reply() {
    let played = over_the_reply(380, "Uh-huh.").hung_up_at(9000).play().await;
    assert_eq!(played.talk()[2], format!("agent: {LONG}"));
    assert_eq!(played.told("ignored"), ["ignored backchannel Uh-huh."]);
    assert_eq!(played.chats().len(), 1, "nobody answers an uh-huh");
}

#[tokio::test(start_paused = true)]
async fn a_long_noise_holds_the_reply_and_it_goes_on_where_it_was() {
    let mut call = over_the_reply(900, "");
    call.fakes.stt = trunkline_testkit::FakeStt::new(
        trunkline_testkit::World::new(&[(1000, 1000, QUESTION)]),
        std::time::Duration::from_millis(400),
    );
    let played = call.hung_up_at(9000).play().await;
    assert_eq!(played.talk()[2], format!("agent: {LONG}"));
    assert_eq!(played.told("decided"), ["decided false_interruption"]);
    assert_eq!(played.sounds().len(), 3, "a gap in the reply: {:?}", played.sounds());
    assert_eq!(played.told("sounded"), ["sounded 1"], "going on is not a second beginning");
}

#[tokio::test(start_paused = true)]
async fn an_interruption_before_anything_sounds_leaves_no_reply_in_the_chat() {
    let says = [(1000, 1000, QUESTION), (2350, 900, "I mean on Sundays.")];
    let mut call = Call::new(&says, &["We open at nine.", "At ten."]);
    call.fakes.tts = FakeTts::new(std::time::Duration::from_millis(600));
    let played = call.hung_up_at(9000).play().await;
    let last = played.chats().pop().unwrap();
    assert_eq!(last.len(), 3, "{last:?}");
    assert_eq!(last[2], "user: What time do you open? I mean on Sundays.");
    assert_eq!(played.talk().last().unwrap(), "agent: At ten.");
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_on_hold_and_goes_on_when_the_caller_comes_back() {
    let call = Call::new(&[(1000, 1000, QUESTION)], &[LONG]);
    let acts = [(3500, Act::Hold), (30_000, Act::Resume), (36_000, Act::HangUp)];
    let played = call.acts(&acts).play().await;
    assert_eq!(played.talk()[2], format!("agent: {LONG}"));
    let sounds = played.sounds();
    assert_eq!(sounds.len(), 3, "{sounds:?}");
    assert!(sounds[1].1 <= 3560 && sounds[2].0 <= 30_060, "{sounds:?}");
    assert!(played.told("decided").is_empty(), "a caller on hold is not silent");
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_heard_again_after_a_hold() {
    let call = Call::new(&[(2000, 1000, QUESTION)], &["At nine."]);
    let acts = [(1000, Act::Hold), (11_000, Act::Resume), (20_000, Act::HangUp)];
    let played = call.acts(&acts).play().await;
    assert_eq!(
        played.talk(),
        ["agent: Hello.", "caller: What time do you open?", "agent: At nine."]
    );
    let waited = played.sounds()[1].0 - 13_000;
    assert_eq!(played.stages()[0].total().as_millis().abs_diff(waited), 0);
}
