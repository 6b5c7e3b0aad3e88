//! Turns: heard, answered, timed.

use std::time::Duration;

use trunkline_session::HangupReason;
use trunkline_testkit::{Act, FakeStt, World};

use crate::stage::Call;

const QUESTION: &str = "What time do you open?";

#[tokio::test(start_paused = true)]
async fn the_greeting_is_spoken_and_the_caller_is_answered() {
    let call = Call::new(&[(1000, 1000, QUESTION)], &["We open at nine."]);
    let played = call.hung_up_at(5000).play().await;
    assert_eq!(
        played.story(),
        [
            "answered by demo",
            "agent: Hello.",
            "caller: What time do you open?",
            "sounded 1",
            "agent: We open at nine.",
            "ended: caller_hung_up",
        ]
    );
    assert_eq!(
        played.chats(),
        [["system: Be brief.", "assistant: Hello.", "user: What time do you open?"]]
    );
    assert_eq!(played.reason, HangupReason::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn a_reply_begins_within_600_ms_when_the_models_take_400() {
    // The recognizer takes 100 ms, the first word 200, the voice 100; the rest is ours: the end of
    // the sound is noticed after 100 ms, and three more words come until the clause is cut.
    let call = Call::new(&[(1000, 1000, QUESTION)], &["We open at nine."]);
    let played = call.hung_up_at(5000).play().await;
    let sounds = played.sounds();
    let (began, _) = sounds[1];
    assert!((2500..=2600).contains(&began), "{sounds:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stages_of_a_turn_add_up_to_what_the_caller_waited() {
    let says = [(1000, 1000, QUESTION), (4000, 1200, "And on Sundays too, you say?")];
    let call = Call::new(&says, &["We open at nine.", "Yes, we do."]);
    let played = call.hung_up_at(7000).play().await;
    let ends = [2000, 5200];
    let stages = played.stages();
    assert_eq!(stages.len(), 2);
    for (n, (stages, end)) in stages.iter().zip(ends).enumerate() {
        let waited = played.sounds()[n + 1].0 - end;
        let apart = stages.total().as_millis().abs_diff(waited);
        assert!(apart <= 20, "turn {n}: {waited} ms, {stages:?}");
    }
    let first = stages[0];
    let ms = |d: Duration| d.as_millis();
    assert_eq!(ms(first.stt), 100);
    assert_eq!(ms(first.llm_first_token), 200);
    assert_eq!(ms(first.tts_first_audio), 160);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_was_ready_before_the_turn_ended_counts_the_wait_as_endpointing() {
    // No full stop and an unsure model: the silence must last longer than the reply takes.
    let mut call = Call::new(&[(1000, 1000, "well I would like")], &["Yes?"]);
    call.fakes.end_of_turn = None;
    let played = call.hung_up_at(5000).play().await;
    let stages = played.stages()[0];
    assert_eq!(stages.total().as_millis().abs_diff(played.sounds()[1].0 - 2000), 0);
    assert_eq!(stages.endpoint, Duration::from_millis(100 + 350), "noticed, and waited at the end");
    assert!(stages.playout <= Duration::from_millis(20), "{stages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reply_prepared_at_a_pause_is_dropped_without_trace_when_the_caller_goes_on() {
    // The pause of 500 ms is long enough to begin a reply and, with an open sentence, not to end
    // the turn.
    let says = [(1000, 800, "I would like to book"), (2300, 1000, "a table for two please.")];
    let mut call = Call::new(&says, &["This is never heard.", "For tonight?"]);
    call.fakes.end_of_turn = None;
    let played = call.hung_up_at(6000).play().await;
    assert_eq!(
        played.talk(),
        [
            "agent: Hello.",
            "caller: I would like to book a table for two please.",
            "agent: For tonight?",
        ]
    );
    assert_eq!(played.told("decided"), ["decided prepared_reply_dropped"]);
    let chats = played.chats();
    assert_eq!(chats.len(), 2);
    assert_eq!(chats[0].last().unwrap(), "user: I would like to book");
    assert_eq!(
        chats[1],
        [
            "system: Be brief.",
            "assistant: Hello.",
            "user: I would like to book a table for two please."
        ]
    );
    assert_eq!(played.sounds().len(), 2, "the greeting and one reply: {:?}", played.sounds());
}

#[tokio::test(start_paused = true)]
async fn the_next_chat_holds_what_was_said_and_heard_before() {
    let says = [(1000, 1000, QUESTION), (4000, 1200, "And on Sundays too, you say?")];
    let call = Call::new(&says, &["We open at nine.", "Yes, we do."]);
    let played = call.hung_up_at(8000).play().await;
    assert_eq!(
        played.chats()[1],
        [
            "system: Be brief.",
            "assistant: Hello.",
            "user: What time do you open?",
            "assistant: We open at nine.",
            "user: And on Sundays too, you say?",
        ]
    );
    assert_eq!(played.told("sounded"), ["sounded 1", "sounded 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_longer_than_the_leg_may_hold_is_heard_to_its_end() {
    let sentence = "This is one more sentence of exactly ten words, I think. ";
    let reply = sentence.repeat(15);
    let call = Call::new(&[(1000, 1000, QUESTION)], &[&reply]);
    let played = call.room(Duration::from_secs(20)).hung_up_at(45_000).play().await;
    let heard = format!("agent: {}", reply.trim());
    assert_eq!(played.talk()[2], heard);
    let (began, ended) = played.sounds()[1];
    let sounded = ended - began;
    assert!((32_900..=33_100).contains(&sounded), "gapless: {sounded} ms");
}

#[tokio::test(start_paused = true)]
async fn the_prompt_is_read_ahead_while_the_greeting_sounds_and_while_the_caller_speaks() {
    let says = [(1000, 2000, "Could you tell me when you open on a Sunday?")];
    let mut call = Call::new(&says, &["At nine."]);
    let stt = FakeStt::new(World::new(&says), Duration::from_millis(100));
    call.fakes.stt = stt.with_partials_every(Duration::from_millis(600));
    let played = call.hung_up_at(6000).play().await;
    let warmed: Vec<String> = played
        .fakes
        .llm
        .warmed()
        .iter()
        .filter_map(|chat| crate::stage::chat_lines(chat).pop())
        .collect();
    assert_eq!(warmed[0], "user: ", "the instructions alone");
    assert!(warmed.len() >= 3, "{warmed:?}");
    let mut said = warmed.iter().filter_map(|chat| chat.strip_prefix("user: "));
    let last = said.rfind(|words| !words.is_empty()).unwrap();
    assert!(says[0].2.starts_with(last), "{warmed:?}");
    assert_eq!(warmed.last().unwrap(), "user: ", "what was answered is read ahead too");
    assert_eq!(played.talk()[2], "agent: At nine.");
}

#[tokio::test(start_paused = true)]
async fn keys_are_noted_without_saying_which() {
    let call = Call::new(&[], &[]);
    let played = call.acts(&[(500, Act::Press('7')), (1000, Act::HangUp)]).play().await;
    assert_eq!(played.told("pressed"), ["pressed"]);
}
