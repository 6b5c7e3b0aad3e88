//! What a program at the caller's end is told when the caller speaks, over a reply and without one.

use std::time::Duration;

use trunkline_session::{Agent, Direction, ReplyOrder};
use trunkline_testkit::FakeStt;
use trunkline_turn::Taking;

use crate::stage::Call;

const QUESTION: &str = "What time do you open?";
const LONG: &str = "We open at nine in the morning and we close at six in the evening every day.";

fn taking(replies: bool, yields: bool) -> impl FnOnce(&mut Agent) {
    move |agent| agent.turn.taking = Taking::Automatic { replies, yields }
}

#[tokio::test(start_paused = true)]
async fn an_interruption_is_told_before_the_reply_ends_and_its_words_after() {
    let says = [(200, 1000, QUESTION), (3000, 1200, "No wait, what about Sundays?")];
    let played = Call::directed(&says, &[LONG, "At ten."]).orders(&[], 8000).play().await;
    let news = played.news();
    assert_eq!(news[..3], ["speaks at 200", "spoke to 1200", "turn 1: What time do you open?"]);
    let at = news.iter().position(|line| line == "speaks at 3000").unwrap();
    assert_eq!(news[at - 1], "made 1", "all of it had gone out");
    assert_eq!(news[at + 1], "ended 1: Interrupted");
    let heard = &news[at + 2];
    assert!(heard.starts_with("heard 1: We open") && heard.ends_with(" -"), "{news:#?}");
    assert_eq!(news[at + 3..at + 5], ["spoke to 4200", "turn 2: No wait, what about Sundays?"]);
    assert_eq!(news[at + 5], "starts 2 to turn 2");
    assert!(played.told_at("speaks at 3000") <= 3500);
    let kept = heard.strip_prefix("heard 1: ").unwrap().strip_suffix(" -").unwrap();
    assert_eq!(played.chats()[1][2], format!("assistant: {kept}"), "the chat keeps that");
}

#[tokio::test(start_paused = true)]
async fn a_cough_or_an_uh_huh_over_a_reply_is_never_told() {
    for (lasts, sound) in [(200, ""), (380, "Uh-huh.")] {
        let says = [(200, 1000, QUESTION), (3000, lasts, sound)];
        let played = Call::directed(&says, &[LONG]).orders(&[], 8000).play().await;
        assert_eq!(played.news_of(&["speaks", "spoke to"]).len(), 2, "{:#?}", played.news());
        assert!(played.news().contains(&format!("heard 1: {LONG}")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_noise_while_nobody_replies_starts_and_stops_and_is_no_turn() {
    let played = Call::directed(&[(1000, 400, "")], &[]).orders(&[], 5000).play().await;
    assert_eq!(played.news(), ["speaks at 1000", "spoke to 1400"]);
    assert!(played.told_at("speaks") <= 1120, "as soon as it is sure");
}

#[tokio::test(start_paused = true)]
async fn partial_words_are_told_while_the_caller_speaks() {
    let mut call = Call::directed(&[(200, 2000, "one two three four five")], &["Yes."]);
    call.fakes.stt = call.fakes.stt.clone().with_partials_every(Duration::from_millis(600));
    let played = call.orders(&[], 5000).play().await;
    let words = played.news_of(&["words"]);
    assert!(words.contains(&"words one two".to_owned()), "{words:?}");
    let news = played.news();
    let end = news.iter().position(|line| line.starts_with("turn")).unwrap();
    assert!(news.iter().rposition(|line| line.starts_with("words")) < Some(end), "{news:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_replies_turns_end_and_a_reply_is_ordered() {
    let says = [(200, 1000, QUESTION), (5000, 1000, "And on Sundays?")];
    let call = Call::directed(&says, &["At nine.", "At ten."]).agent(taking(false, true));
    let order = ReplyOrder { tag: 3, ..ReplyOrder::default() };
    let played = call.orders(&[(2500, Direction::Reply(Box::new(order)))], 9000).play().await;
    assert_eq!(
        played.news_of(&["turn", "starts", "heard"]),
        [
            "turn 1: What time do you open?",
            "starts 1 as ordered 3",
            "heard 1: At nine.",
            "turn 2: And on Sundays?",
        ]
    );
    assert_eq!(played.chats(), [["system: Be brief.", "user: What time do you open?"]]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_yield_is_heard_out_and_the_turn_is_answered_behind_it() {
    let says = [(200, 1000, QUESTION), (2400, 900, "No wait, stop!")];
    let call = Call::directed(&says, &[LONG, "Sorry."]).agent(taking(true, false));
    let played = call.orders(&[], 9000).play().await;
    assert_eq!(
        played.news_of(&["speaks", "spoke to", "turn", "starts", "heard", "ended"])[3..],
        [
            "starts 1 to turn 1",
            "speaks at 2400",
            "spoke to 3300",
            "turn 2: No wait, stop!",
            "starts 2 to turn 2",
            &format!("heard 1: {LONG}"),
            "heard 2: Sorry.",
        ]
    );
    assert_eq!(played.sounds().len(), 1, "without a gap: {:?}", played.sounds());
}

#[tokio::test(start_paused = true)]
async fn a_turn_over_a_reply_in_the_making_is_answered_when_that_is_made() {
    let says = [(200, 1000, QUESTION), (2000, 400, "No wait!")];
    let long = format!("{LONG} {LONG} {LONG} {LONG}");
    let mut call = Call::directed(&says, &[&long, "Sorry."]).agent(taking(true, false));
    call.fakes.llm = trunkline_testkit::ScriptedLlm::new(
        &[&long, "Sorry."],
        Duration::from_millis(200),
        Duration::from_millis(100),
    );
    let played = call.orders(&[], 25_000).play().await;
    let news = played.news_of(&["turn", "made", "starts"]);
    assert_eq!(
        news,
        [
            "turn 1: What time do you open?",
            "starts 1 to turn 1",
            "turn 2: No wait!",
            "made 1",
            "starts 2 to turn 2",
            "made 2",
        ]
    );
    let chat = played.chats().pop().unwrap();
    assert_eq!(chat.last().unwrap(), "user: No wait!", "said once: {chat:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_turn_is_told_and_the_next_one_is_heard() {
    let says = [(200, 1000, QUESTION), (8000, 1000, "When do you close?")];
    let mut call = Call::directed(&says, &["At six."]);
    let slow = FakeStt::new(trunkline_testkit::World::new(&says), Duration::from_millis(100));
    call.fakes.stt = slow.late_once(Duration::from_secs(5));
    let played = call.orders(&[], 13_000).play().await;
    assert_eq!(
        played.news_of(&["speaks", "spoke to", "turn", "heard"]),
        [
            "speaks at 200",
            "spoke to 1200",
            "turn failed: the recognizer did not answer in time",
            "speaks at 8000",
            "spoke to 9000",
            "turn 1: When do you close?",
            "heard 1: At six.",
        ]
    );
}
